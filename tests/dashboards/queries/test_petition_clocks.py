"""The petitions board: legal clocks, on-time rates, due and overdue cases.

Calendar days of 2021 that matter below: 1-5 May, 12-14 June and 1-7 October are holidays; 8 May is
a working Saturday.
"""

from __future__ import annotations

import pytest

from dashboards.queries import cases, petitions
from dashboards.queries.pieces import EVERYWHERE
from tests.dashboards.queries.about import about, cuts
from tests.dashboards.queries.register import table
from tests.dashboards.queries.steps import ALL, petition
from tests.histories.told import Told
from tests.town import Town

HECHENG, TOWNSHIP, CITY = "431202", "431202001", "431200"
HONGJIANG = "431281101002"
HERE = f"{{{HECHENG},{CITY}}}"
FIRST = "registered 2021-03-01"


@about(petitions.petition_punctuality)
def test_on_time_rates_are_over_all_that_had_to_be_done_by_then(town: Town) -> None:
    passed_on = (FIRST, "transferred 2021-03-01")  # notice by 16 March
    accepted = (FIRST, "accepted 2021-03-11")  # closed by 10 May
    town.tell(
        *petition("N-1", *passed_on, "accepted 2021-03-16 23:59:59.999 route=31.1"),
        *petition("N-2", *passed_on, "accepted 2021-03-17 route=31.1", place=TOWNSHIP),
        *petition("N-3", *passed_on),  # overdue
        *petition("N-4", FIRST, "transferred 2021-05-01"),  # not due yet
        *petition("N-5", *passed_on, "withdrawn 2021-03-10"),
        *petition("C-1", *accepted, "closed 2021-05-10 23:59:59.999", place=HECHENG),
        *petition("C-2", *accepted, "replied 2021-04-01", place=CITY),
        *petition("C-3", *accepted, "closed 2021-05-11"),
        *petition("C-4", *accepted),  # overdue
        *petition("C-5", FIRST, "accepted 2021-05-01"),
        *petition("C-6", *accepted, "merged 2021-04-01"),
        *petition("C-7", *accepted, "withdrawn 2021-04-01"),
        *petition("C-8", *accepted, "replied 2021-04-01", place=HONGJIANG),
        *petition("C-9", *accepted, "closed 2021-05-12", place=HONGJIANG),
        *petition("C-10", *accepted, place=HONGJIANG),
    )
    names = ("accepted_on_time", "closed_on_time")
    rates = petitions.petition_punctuality
    at = "2021-05-11"
    # Notice: N-1 of N-1, 2, 3. Closing: C-1, 2 of C-1, 2, 3, 4; everywhere also C-8: 3 of 7.
    assert table(town.ask(rates(), at, county=HERE)) == [names, (1 / 3, 2 / 4)]
    assert table(town.ask(rates(EVERYWHERE), at)) == [names, (1 / 3, 3 / 7)]
    assert table(town.ask(rates(f"township = '{TOWNSHIP}'"), at)) == [names, (1 / 3, 0 / 2)]
    # A millisecond earlier nothing is late: C-1, 2 of C-1, 2.
    before = "2021-05-10 23:59:59.999"
    assert table(town.ask(rates(), before, county=HERE)) == [names, (1 / 3, 1)]
    town.empty()
    assert table(town.ask(rates(), at, county=ALL)) == [names, (None, None)]


_DECIDED, _RECHECK = "review_decided 2021-04-09", "recheck_requested 2021-04-20"
_ASKED = (FIRST, "replied 2021-03-05", "review_requested 2021-03-10")
_MAY, _TAKEN = ("registered 2021-05-03", "transferred 2021-05-04"), "accepted 2021-03-02"
_JUNE = "registered 2021-06-01"
# Each petition's clocks at midnight of 1 July: met in time, late, past due, running, `-` none.
# Start -> due: transfer 1 June -> 16 June; notice 4 May -> 19 May, 16 June -> 1 July; closing
# 2 March -> 6 May, as 1-5 May are holidays; review 10 March -> 9 April; recheck 20 April -> 20 May.
_CLOCKED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("past    -       -       -       -      ", (_JUNE,)),
    ("running -       -       -       -      ", ("registered 2021-06-16",)),
    ("met     running -       -       -      ", (_JUNE, "transferred 2021-06-16 23:59:59.999")),
    ("late    running -       -       -      ", (_JUNE, "transferred 2021-06-17")),
    ("met     past    -       -       -      ", _MAY),
    ("met     late    running -       -      ", (*_MAY, "accepted 2021-05-20")),
    ("met     met     -       -       -      ", (*_MAY, "accepted 2021-05-19 route=31.1")),
    ("met     met     -       -       -      ", (*_MAY, "accepted 2021-05-05 route=31.1")),
    ("met     -       past    -       -      ", (FIRST, _TAKEN)),
    ("met     -       past    -       -      ", (FIRST, _TAKEN)),
    ("met     -       met     -       -      ", (FIRST, _TAKEN, "replied 2021-05-06 23:59:59.999")),
    ("met     -       late    -       -      ", (FIRST, _TAKEN, "replied 2021-05-07")),
    ("met     -       -       past    -      ", _ASKED),
    ("met     -       -       late    running", (*_ASKED, "review_decided 2021-04-10",
                                                 "recheck_requested 2021-06-10")),
    ("met     -       -       running -      ", (*_ASKED[:2], "review_requested 2021-06-10")),
    ("met     -       -       met     past   ", (*_ASKED, _DECIDED, _RECHECK)),
    ("met     -       -       met     met    ", (*_ASKED, _DECIDED, _RECHECK,
                                                 "recheck_decided 2021-05-20")),
    ("met     -       -       met     late   ", (*_ASKED, _DECIDED, _RECHECK,
                                                 "recheck_decided 2021-05-21")),
    ("-       -       -       -       -      ", (_JUNE, "withdrawn 2021-06-02")),
    ("-       -       -       -       -      ", (_JUNE, "merged 2021-06-02")),
)  # fmt: skip


@about(petitions.petition_clocks)
def test_every_clock_is_met_late_past_or_running(town: Town) -> None:
    town.tell(
        *(e for n, (_, steps) in enumerate(_CLOCKED) for e in petition(f"P-{n}", *steps)),
        *petition("P-there", FIRST, place=HONGJIANG),
        *petition("P-later", "registered 2021-07-01 00:00:00.001"),
    )
    # Counts of the columns of the table above.
    assert table(town.ask(petitions.petition_clocks(), "2021-07-01", county=HECHENG)) == [
        ("clock_name", "met_in_time", "met_late", "past_due", "not_due", "on_time_rate", "basis"),
        ("转送 15 日", 15, 1, 1, 1, 15 / 17, "信访工作条例 22"),
        ("受理告知 15 日", 2, 1, 1, 2, 2 / 4, "信访工作条例 23"),
        ("办结 60 日", 1, 1, 2, 1, 1 / 4, "信访工作条例 34"),
        ("复查 30 日", 3, 1, 1, 1, 3 / 5, "信访工作条例 35"),
        ("复核 30 日", 1, 1, 1, 1, 1 / 3, "信访工作条例 36"),
    ]
    (transfer, *_) = town.ask(petitions.petition_clocks(), "2021-07-01", county=ALL)
    assert transfer["past_due"] == 2, "with the one of the other county"


@about(petitions.petition_clocks)
def test_a_clock_that_runs_nowhere_is_a_row_of_zeros(town: Town) -> None:
    assert table(town.ask(petitions.petition_clocks(), "2021-07-01", county=ALL))[1:] == [
        ("转送 15 日", 0, 0, 0, 0, None, "信访工作条例 22"),
        ("受理告知 15 日", 0, 0, 0, 0, None, "信访工作条例 23"),
        ("办结 60 日", 0, 0, 0, 0, None, "信访工作条例 34"),
        ("复查 30 日", 0, 0, 0, 0, None, "信访工作条例 35"),
        ("复核 30 日", 0, 0, 0, 0, None, "信访工作条例 36"),
    ]


# Day of acceptance, number of cases. In comments: the last day 60 days later, days left on 6 May.
_ACCEPTED = (
    ("2021-03-01", 1),  # 30 April: overdue
    ("2021-03-07", 1), ("2021-03-08", 1),  # 6 and 7 May: 1, 2
    ("2021-03-09", 1), ("2021-03-12", 2),  # 8 and 11 May: 3, 6
    ("2021-03-13", 3), ("2021-03-20", 1),  # 12 and 19 May: 7, 14
    ("2021-03-21", 1), ("2021-04-04", 4),  # 20 May and 3 June: 15, 29
    ("2021-04-05", 5), ("2021-05-06", 1),  # 4 June and 5 July: 30, 61
)  # fmt: skip


@about(petitions.petition_due)
def test_open_cases_under_the_closing_clock_are_sorted_by_the_days_left(town: Town) -> None:
    town.tell(
        *(
            event
            for day, count in _ACCEPTED
            for n in range(count)
            for event in petition(f"P-{day}-{n}", FIRST, f"accepted {day}")
        ),
        *petition("P-no-clock", FIRST, "accepted 2021-03-09 route=31.1"),
        *petition("P-answered", FIRST, "accepted 2021-03-09", "replied 2021-03-10"),
        *petition("P-late", FIRST, "accepted 2021-03-01", "replied 2021-05-03"),
        *petition("P-merged", FIRST, "accepted 2021-03-09", "merged 2021-03-10"),
        *petition("P-later", FIRST, "accepted 2021-05-08"),
        *petition("P-there", FIRST, "accepted 2021-03-09", place=HONGJIANG),
        *petition("P-over", FIRST, "accepted 2021-03-01", place=HONGJIANG),
        *petition("P-lost", FIRST, "accepted 2021-05-06", place=CITY),
    )

    def groups(at: str, county: str) -> list[int]:
        (head, *rows) = table(town.ask(petitions.petition_due(), at, county=county))
        assert head == ("name", "value")
        names = ["已逾期", "3 天内到期", "3–7 天", "7–15 天", "15–30 天", "30 天以上"]
        assert [name for name, _ in rows] == names
        return [value for _, value in rows]

    # P-lost is in the last group.
    for at in ("2021-05-06 00:30", "2021-05-06 23:59:59.999"):
        assert groups(at, HERE) == [1, 2, 3, 4, 5, 7], at
    assert groups("2021-05-06", ALL) == [2, 2, 4, 4, 5, 7]
    # A midnight later: 7 March is overdue; 9, 13, 21 March and 5 April are in the next group.
    assert groups("2021-05-07", HERE) == [2, 2, 5, 2, 9, 2]


@about(petitions.petition_due)
def test_where_no_case_is_under_the_clock_nothing_is_due(town: Town) -> None:
    assert town.ask(petitions.petition_due(), "2021-05-06", county=ALL) == []
    town.tell(
        *petition("P-1", FIRST),
        *petition("P-2", FIRST, "accepted 2021-03-02", "replied 2021-03-03"),
        *petition("P-3", FIRST, "accepted 2021-03-02", "withdrawn 2021-03-03"),
    )
    assert town.ask(petitions.petition_due(), "2021-03-04", county=ALL) == []
    # The only case is overdue: the other groups are 0, not missing.
    town.tell(*petition("P-4", FIRST, "accepted 2021-03-02"))
    found = town.ask(petitions.petition_due(), "2021-06-01", county=ALL)
    assert [row["value"] for row in found] == [1, 0, 0, 0, 0, 0]


def _closed(place: str, name: str, in_time: int, late: int, first: str = FIRST) -> list[Told]:
    ends = ["2021-04-01"] * in_time + ["2021-06-01"] * late
    return [
        event
        for n, end in enumerate(ends)
        for event in petition(
            f"{name}-{n}", first, "accepted 2021-03-02", f"closed {end}", place=place
        )
    ]


@about(petitions.petition_counties, petitions.petition_satisfaction)
def test_counties_are_judged_by_their_rate_and_the_worst_comes_first(town: Town) -> None:
    last_year = "registered 2020-12-31 23:59:59.999"
    town.tell(
        *_closed("431222", "A", 19, 1),  # 0.95
        *_closed("431281101002", "B", 18, 1),  # 0.947…
        *_closed("431226", "C", 9, 1),  # 0.9
        *_closed("431221100", "D", 8, 1, last_year),  # 0.888…
        *_closed("431271", "E", 8, 1),  # as low, and later by its code
        *petition("F-1", "registered 2021-06-10", "rated 2021-06-11 satisfaction=4", place=HECHENG),
        *petition("F-2", "registered 2021-06-10", "rated 2021-06-12 satisfaction=3"),
        *petition("F-3", "registered 2021-06-10", "rated 2021-06-15 12:00:00.001 satisfaction=1"),
        *petition("F-4", "registered 2021-06-15 12:00:00.001"),
        *petition("G-1", FIRST, place=CITY),
        *petition("H-1", last_year, "accepted 2021-03-02", place="431230"),
    )
    rates, counts = petitions.petition_counties()
    at = "2021-06-15 12:00"
    assert table(town.ask(rates, at, county=ALL)) == [
        ("county_name", "closed_on_time", "mark", "code"),
        ("通道侗族自治县", 0.0, "■ 不达标", "431230"),
        ("中方县", 8 / 9, "■ 不达标", "431221"),
        ("怀化市洪江管理区", 8 / 9, "■ 不达标", "431271"),
        ("麻阳苗族自治县", 9 / 10, "▲ 关注", "431226"),
        ("洪江市", 18 / 19, "▲ 关注", "431281"),
        ("沅陵县", 19 / 20, "● 达标", "431222"),
        ("未定位", None, "—", "431200"),
        ("鹤城区", None, "—", "431202"),
    ]
    # F-1 and F-2 are rated: 4 and 3 stars.
    (rated, *unrated) = town.ask(petitions.petition_satisfaction(), at, county=ALL)
    assert rated == {"county_name": "鹤城区", "satisfied_share": 1 / 2, "code": "431202"}
    assert {row["satisfied_share"] for row in unrated} == {None}
    assert [row["code"] for row in unrated] == [
        *("431200", "431221", "431222", "431226", "431230", "431271", "431281")
    ]
    # Overdue: G-1 was to be transferred by 16 March, H-1 to be closed by 6 May.
    assert table(town.ask(counts, at, county=ALL)) == [
        ("registered_year", "open_now", "overdue_now", "code"),
        (1, 1, 1, "431200"),
        (3, 3, 0, "431202"),
        (0, 0, 0, "431221"),
        (20, 0, 0, "431222"),
        (10, 0, 0, "431226"),
        (0, 1, 1, "431230"),
        (9, 0, 0, "431271"),
        (19, 0, 0, "431281"),
    ]
    chosen = "{431281,431226}"
    assert [r["code"] for r in town.ask(rates, at, county=chosen)] == ["431226", "431281"]
    assert table(town.ask(counts, at, county=chosen))[1:] == [
        (10, 0, 0, "431226"), (19, 0, 0, "431281"),
    ]  # fmt: skip
    assert [town.ask(sql, "2020-01-01", county=ALL) for sql in (rates, counts)] == [[], []]


@about(petitions.petition_punctuality, petitions.petition_backlog, petitions.petition_counties)
def test_an_office_gets_no_better_rate_by_merging_what_it_does_not_close(town: Town) -> None:
    accepted = (FIRST, "accepted 2021-03-11")
    town.tell(
        *petition("P-1", *accepted, "replied 2021-04-01", "closed 2021-04-02"),
        *petition("P-2", *accepted),  # past due since 11 May
        *petition("P-3", *accepted, "merged 2021-04-01"),
        *petition("P-4", *accepted, "withdrawn 2021-04-01"),
    )
    at = "2021-12-31 23:59:59"
    # In time: P-1 of P-1 and P-2.
    assert town.ask(petitions.petition_punctuality(), at, county=ALL)[0]["closed_on_time"] == 1 / 2
    assert town.ask(petitions.petition_backlog(), at, county=ALL)[0]["overdue_now"] == 1
    rates, counts = (
        table(town.ask(sql, at, county=ALL))[1:] for sql in petitions.petition_counties()
    )
    assert rates == [("鹤城区", 1 / 2, "■ 不达标", HECHENG)]
    assert counts == [(4, 1, 1, HECHENG)]


@about(petitions.petition_overdue_cases)
def test_each_overdue_petition_stands_once_under_what_is_overdue_the_longest(town: Town) -> None:
    town.tell(
        # Closing was due on 6 May, the review on 9 April.
        *petition("P-1", FIRST, "accepted 2021-03-02", "review_requested 2021-03-10"),
        # The notice from 25 March was due on 9 April too: of two duties on one day, the first by
        # name; 受 is before 复, 复查 before 复核.
        *petition("P-2", FIRST, "transferred 2021-03-25", "review_requested 2021-03-10",
                  kind="suggestion", place=HECHENG),
        *petition("P-3", FIRST, "review_requested 2021-03-10", "transferred 2021-03-12",
                  "accepted 2021-03-13 route=none", "recheck_requested 2021-03-10",
                  kind="accusation", place=CITY),
        # To be transferred by 4 May, moved to 6 May, but withdrawn by the instant.
        *petition("P-4", "registered 2021-04-19", "withdrawn 2021-05-08"),
        *petition("P-5", "registered 2021-04-22"),  # by 7 May
        *petition("P-6", "registered 2021-04-22", place=HONGJIANG),
        *petition("P-7", FIRST, "transferred 2021-04-21", "withdrawn 2021-05-08 00:30:00.001"),
    )  # fmt: skip
    names = ("case", "county_name", "kind_name", "duty", "days_over", "code")
    # Days to 8 May: 29 from 9 April, 2 from 6 May, 1 from 7 May.
    assert table(town.ask(petitions.petition_overdue_cases(), "2021-05-08 00:30", county=HERE)) == [
        names,
        ("P-1", "鹤城区", "申诉求决", "复查 30 日", 29, HECHENG),
        ("P-2", "鹤城区", "建议意见", "受理告知 15 日", 29, HECHENG),
        ("P-3", "未定位", "检举控告", "复查 30 日", 29, CITY),
        ("P-7", "鹤城区", "申诉求决", "受理告知 15 日", 2, HECHENG),
        ("P-5", "鹤城区", "申诉求决", "转送 15 日", 1, HECHENG),
    ]
    asked = town.ask(petitions.petition_overdue_cases(), "2021-05-07 23:59:59.999", county="431281")
    assert asked == [], "its last day is not over"
    asked = town.ask(petitions.petition_overdue_cases(), "2021-05-08", county="431281")
    assert table(asked)[1:] == [("P-6", "洪江市", "申诉求决", "转送 15 日", 1, "431281")]
    assert town.ask(petitions.petition_overdue_cases(), "2021-03-01", county=ALL) == []


@cuts(cases.overdue_cases)
@about(petitions.petition_overdue_cases)
def test_two_hundred_overdue_petitions_are_shown(town: Town) -> None:
    town.tell(*(e for n in range(201) for e in petition(f"P-{n:03}", FIRST)))
    asked = town.ask(petitions.petition_overdue_cases(), "2021-12-31", county=ALL)
    # Since 16 March: 15 + 30 + 31 + 30 + 31 + 31 + 30 + 31 + 30 + 31 days.
    assert [(row["case"], row["days_over"]) for row in asked] == [
        (f"P-{n:03}", 290) for n in range(200)
    ]


@about(petitions.petition_overdue_cases)
@pytest.mark.parametrize(
    ("steps", "duty"),
    [
        ((FIRST,), "转送 15 日"),
        ((FIRST, "transferred 2021-03-01"), "受理告知 15 日"),
        ((FIRST, "accepted 2021-03-01"), "办结 60 日"),
        ((FIRST, "replied 2021-03-01", "review_requested 2021-03-01"), "复查 30 日"),
        ((FIRST, "replied 2021-03-01", "recheck_requested 2021-03-01"), "复核 30 日"),
    ],
)
def test_every_overdue_duty_has_its_name(town: Town, steps: tuple[str, ...], duty: str) -> None:
    town.tell(*petition("P-1", *steps))
    (found,) = town.ask(petitions.petition_overdue_cases(), "2021-12-31", county=ALL)
    assert found["duty"] == duty
