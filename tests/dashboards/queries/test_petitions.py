"""The petitions board: cases brought, open cases, transitions, vocabularies.

The clocks are in `test_petition_clocks`. Unless a test sets another, the place is 鹤城区.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from dashboards.queries import petitions
from dashboards.queries.pieces import EVERYWHERE
from tests.dashboards.queries.about import about
from tests.dashboards.queries.register import table
from tests.dashboards.queries.steps import ALL, petition
from tests.histories.told import Told, told
from tests.town import Town

HECHENG, TOWNSHIP = "431202", "431202001"
HONGJIANG = "431281101002"
CITY = "431200"
MAY, JUNE = "2021-05-31 23:59:59.999", "2021-06-01"
"""The last instant of a month that is over, and the first of the next."""
HERE = f"{{{HECHENG},{CITY}}}"
"""鹤城区 and the unknown place chosen, as the page writes two values."""


@about(petitions.petition_people, petitions.petition_repeated, petitions.petition_ratings)
def test_voices_are_petitioners_up_to_the_last_month_and_the_ratings_of_all_replies(
    town: Town,
) -> None:
    at = "2021-06-15 12:00:00.500"
    town.tell(
        # The last instant of last year: not a petition of the year, but replied and rated.
        *petition("P-1", "registered 2020-12-31 23:59:59.999 people=100 repeated=true",
                  "replied 2021-02-01", "rated 2021-02-02 satisfaction=5"),
        *petition("P-2", "registered 2021-01-01 people=3 repeated=true",
                  "replied 2021-02-01", f"rated {at} satisfaction=4", place=HECHENG),
        *petition("P-3", f"registered {MAY} people=20", place=CITY),
        *petition("P-4", f"registered {JUNE} people=1000"),
        *petition("P-5", "registered 2021-03-01 people=7", f"replied {at}",
                  "rated 2021-06-15 12:00:00.501 satisfaction=1", place=TOWNSHIP),
        *petition("P-6", "registered 2021-03-01", "rated 2021-04-01 satisfaction=3",
                  "replied 2021-06-15 12:00:00.501"),
        *petition("P-7", "registered 2021-03-01 people=500 repeated=true", "replied 2021-03-02",
                  "rated 2021-03-03 satisfaction=1", place=HONGJIANG),
    )  # fmt: skip
    names = ("people_year", "repeated_share", "rated_share", "satisfied_share")

    def voices(county: str) -> dict[str, Any]:
        queries = (
            petitions.petition_people(),
            petitions.petition_repeated(),
            petitions.petition_ratings(),
        )
        found: dict[str, Any] = {}
        for sql in queries:
            (row,) = town.ask(sql, at, county=county)
            found |= row
        return found

    # P-2, 3, 5, 6: 3 + 20 + 7 + 1 people, P-2 repeated. Replied: P-1, 2, 5; 1 and 2 are rated.
    # Rated: P-1, 2, 6 with 5, 4, 3 stars.
    assert voices(HERE) == dict(zip(names, (31, 1 / 4, 2 / 3, 2 / 3), strict=True))
    # With P-7: 2 of 5 repeated, 3 of 4 replies rated, 2 of 4 ratings good.
    assert voices(ALL) == dict(zip(names, (531, 2 / 5, 3 / 4, 2 / 4), strict=True))
    assert voices("431221") == dict(zip(names, (0, None, None, None), strict=True))


@about(petitions.petition_backlog)
def test_backlog_counts_the_new_of_the_day_and_of_the_year_the_open_and_the_overdue(
    town: Town,
) -> None:
    town.tell(
        # Registered on 23 April: to be transferred by 8 May, a working Saturday.
        *petition("P-1", "registered 2021-04-23 09:00"),
        # By 9 May, a Sunday, so by 10 May.
        *petition("P-2", "registered 2021-04-24 09:00"),
        *petition("P-3", "registered 2020-12-31 23:59:59.999", "replied 2021-01-04"),
        *petition("P-4", "registered 2021-01-01", "replied 2021-01-04"),
        *petition("P-5", "registered 2021-05-09 23:59:59.999"),
        *petition("P-6", "registered 2021-05-10", place=TOWNSHIP),
        *petition("P-7", "registered 2021-05-10 23:59:59.999", place=HECHENG),
        *petition("P-8", "registered 2021-05-11", place=CITY),
        *petition("P-9", "registered 2021-05-01", "closed 2021-05-10 23:59:59.999"),
        *petition("P-10", "registered 2021-05-10 10:00", place=HONGJIANG),
        # One case with two overdue duties: the notice and the review.
        *petition("P-11", "registered 2021-03-01", "transferred 2021-04-01",
                  "review_requested 2021-04-01", place=HONGJIANG),
    )  # fmt: skip
    names = ("registered_today", "registered_year", "open_now", "overdue_now")
    last = "2021-05-10 23:59:59.999"
    # Here today P-6, 7; this year P-1, 2, 4, 5, 6, 7, 9; open P-1, 2, 3, 4, 5, 6, 7; overdue P-1.
    asked = town.ask(petitions.petition_backlog(), last, county=HERE)
    assert table(asked) == [names, (2, 7, 7, 1)]
    # A millisecond later: the last day of P-2 is over, and the day of P-8 has begun.
    asked = town.ask(petitions.petition_backlog(), "2021-05-11", county=HERE)
    assert table(asked) == [names, (1, 8, 8, 2)]
    # With P-10 and P-11.
    asked = town.ask(petitions.petition_backlog(EVERYWHERE), last)
    assert table(asked) == [names, (3, 9, 9, 2)]
    asked = town.ask(petitions.petition_backlog(f"township = '{TOWNSHIP}'"), last)
    # P-6 at the township itself, and five in its village: P-1, 2, 4, 5, 9.
    assert table(asked) == [names, (1, 6, 6, 1)]
    town.empty()
    assert table(town.ask(petitions.petition_backlog(), last, county=ALL)) == [names, (0, 0, 0, 0)]


@about(petitions.petition_standing, petitions.petition_punctuality_before)
def test_a_townships_petitions_stand_as_the_last_month_ended(town: Town) -> None:
    appeal = "accepted 2021-03-01 route=31.6"
    town.tell(
        *petition("P-1", "registered 2021-03-01", appeal, "closed 2021-04-01"),
        *petition("P-2", "registered 2021-03-01", appeal, f"closed {MAY}"),  # late, due on 30 April
        *petition("P-3", "registered 2021-03-01", appeal, f"closed {JUNE}"),  # overdue in May
        *petition("P-4", f"registered {MAY}", place=TOWNSHIP),
        *petition("P-5", f"registered {JUNE}"),
        *petition("P-6", "registered 2020-12-31 23:59:59.999", "closed 2021-01-01"),
        *petition("P-7", "registered 2021-03-01", place=HONGJIANG),
        *petition("P-8", "registered 2021-03-01", place=HECHENG),
    )
    where = f"township = '{TOWNSHIP}'"
    for at in (JUNE, "2021-06-15 12:00:00.500", "2021-06-30 23:59:59.999"):
        assert table(town.ask(petitions.petition_standing(where), at)) == [
            ("registered_year", "open_now", "overdue_now"), (4, 2, 1),
        ]  # fmt: skip
        (rate,) = town.ask(petitions.petition_punctuality_before(where), at)
        assert rate == {"closed_on_time": 1 / 3}
    # In January, the year before, as it ended.
    (row,) = town.ask(petitions.petition_standing(where), "2022-01-31 23:59:59.999")
    assert (row["registered_year"], row["open_now"]) == (5, 2)
    (row,) = town.ask(petitions.petition_standing(where), "2022-02-01")
    assert (row["registered_year"], row["open_now"]) == (0, 2)


_OPEN = (
    # Time and number of registrations; the query is of 15 July, and so as of the end of June.
    # Midnights in between: 0, 6 | 7, 14 | 15, 29 | 30, 59 | 60, 89 | 90.
    ("2021-06-30 00:10", 1), ("2021-06-24 23:50", 1),
    ("2021-06-23 23:50", 2), ("2021-06-16 00:00", 1),
    ("2021-06-15 23:50", 1), ("2021-06-01 12:00", 3),
    ("2021-05-31 12:00", 1), ("2021-05-02 12:00", 4),
    ("2021-05-01 12:00", 5), ("2021-04-02 12:00", 1),
    ("2021-04-01 23:59", 2), ("2019-12-01 12:00", 5),
)  # fmt: skip


@about(petitions.petition_ageing)
def test_ages_are_midnights_since_the_registration_of_open_petitions(town: Town) -> None:
    at, end = "2021-07-15 00:30", "2021-06-30 23:59:59.999"
    town.tell(
        *(event for day, (time, count) in enumerate(_OPEN) for n in range(count)
          for event in petition(f"P-{day}-{n}", f"registered {time}")),
        *petition("P-later", "registered 2021-07-01"),
        *petition("P-closed", "registered 2021-06-25", f"closed {end}"),
        *petition("P-not-yet", "registered 2021-06-25", "closed 2021-07-01"),
        *petition("P-there", "registered 2021-06-25", place=HONGJIANG),
        *petition("P-lost", "registered 2021-06-25", place=CITY),
    )  # fmt: skip
    # The first group also has P-not-yet and P-lost.
    assert table(town.ask(petitions.petition_ageing(), at, county=HERE)) == [
        ("name", "value"),
        ("7 天内", 4), ("7–15 天", 3), ("15–30 天", 4),
        ("30–60 天", 5), ("60–90 天", 6), ("90 天以上", 7),
    ]  # fmt: skip
    town.empty()
    assert town.ask(petitions.petition_ageing(), at, county=ALL) == []


@about(petitions.petition_states)
def test_states_of_open_petitions_come_in_their_legal_order(town: Town) -> None:
    way = (
        "registered 2021-03-01", "transferred 2021-03-02", "accepted 2021-03-03",
        "replied 2021-03-04", "review_requested 2021-03-05", "review_decided 2021-03-06",
        "recheck_requested 2021-03-07", "recheck_decided 2021-03-08",
    )  # fmt: skip
    ends = ("closed", "withdrawn", "merged", "not_accepted")
    told_ = [
        event
        for far in range(1, len(way) + 1)
        for n in range(far)  # one case has come one step far, two cases two steps, and so on
        for event in petition(f"P-{far}-{n}", *way[:far])
    ]
    town.tell(
        *told_,
        *(e for end in ends for e in petition(f"P-{end}", way[0], f"{end} 2021-03-02")),
        *petition("P-there", *way[:2], place=HONGJIANG),
        *petition("P-lost", way[0], "transferred 2021-04-02", place=CITY),
    )
    # P-lost is transferred only later.
    assert table(town.ask(petitions.petition_states(), "2021-04-01", county=HERE)) == [
        ("name", "value"),
        ("已登记", 2), ("已转送", 2), ("办理中", 3), ("已答复", 4),
        ("复查中", 5), ("已复查", 6), ("复核中", 7), ("已复核", 8),
    ]  # fmt: skip
    assert town.ask(petitions.petition_states(), "2021-02-28", county=ALL) == []


@about(petitions.petition_steps)
def test_steps_of_the_range_say_from_where_to_where_and_the_median_of_the_days(
    town: Town,
) -> None:
    since, at = "2021-03-01", "2021-03-31 12:00:00.500"
    town.tell(
        # Both ends of the range: its first instant counts, the one before does not.
        *petition("P-1", "registered 2021-02-28", "transferred 2021-03-01"),
        *petition("P-2", "registered 2021-02-27", "transferred 2021-02-28 23:59:59.999"),
        *petition("P-3", "registered 2021-03-26", f"transferred {at}"),
        *petition("P-4", "registered 2021-03-26", "transferred 2021-03-31 12:00:00.501"),
        # Transferred before its registration: at the end of the range it has not begun.
        *petition("P-5", "transferred 2021-03-05", "registered 2021-03-31 12:00:00.501"),
        *petition("P-6", "registered 2021-03-10", place=HONGJIANG),
        *petition("P-7", "registered 2021-03-10", place=CITY),
        # An hour with a midnight in it.
        *petition("P-8", "registered 2021-03-10 23:30", "accepted 2021-03-11 00:30"),
    )
    names = ("from_state", "to_state", "cases", "median_days")
    assert table(town.ask(petitions.petition_steps(), at, since, county=HERE)) == [
        names,
        ("新收", "已登记", 4, None),  # P-3, 4, 7, 8
        ("已登记", "已转送", 2, 3.0),  # P-1 in 1 day, P-3 in 5
        ("已登记", "办理中", 1, 1.0),
    ]
    assert table(town.ask(petitions.petition_steps(), at, since, county=ALL))[1] == (
        "新收", "已登记", 5, None,
    )  # fmt: skip
    assert town.ask(petitions.petition_steps(), "2020-12-31", "2020-12-01", county=ALL) == []


@about(petitions.petition_steps)
def test_steps_come_by_the_state_reached_then_the_most_frequent(town: Town) -> None:
    first = "registered 2021-02-01"
    long = (
        "registered 2021-03-01", "transferred 2021-03-03", "accepted 2021-03-06",
        "replied 2021-03-10", "review_requested 2021-03-15", "review_decided 2021-03-21",
        "recheck_requested 2021-03-22", "recheck_decided 2021-03-23", "closed 2021-03-27",
    )  # fmt: skip
    town.tell(
        *petition("P-1", *long),
        *(e for n in range(2) for e in petition(f"P-2{n}", first, "closed 2021-03-02")),
        *petition("P-3", first, "accepted 2021-02-02", "closed 2021-03-02"),
        *petition("P-4", first, "not_accepted 2021-03-02"),
        *petition("P-5", first, "merged 2021-03-03"),
        *petition("P-6", first, "withdrawn 2021-03-04"),
    )
    asked = town.ask(petitions.petition_steps(), "2021-03-31", "2021-03-01", county=ALL)
    assert table(asked)[1:] == [
        ("新收", "已登记", 1, None),
        ("已登记", "已转送", 1, 2.0),
        ("已转送", "办理中", 1, 3.0),
        ("办理中", "已答复", 1, 4.0),
        ("已答复", "复查中", 1, 5.0),
        ("复查中", "已复查", 1, 6.0),
        ("已复查", "复核中", 1, 1.0),
        ("复核中", "已复核", 1, 1.0),
        ("已登记", "已办结", 2, 29.0),  # 1 February to 2 March
        ("办理中", "已办结", 1, 28.0),
        ("已复核", "已办结", 1, 4.0),  # as many as the line before: by the stored state
        ("已登记", "不予受理", 1, 29.0),
        ("已登记", "并案", 1, 30.0),
        ("已登记", "撤回", 1, 31.0),
    ]


@about(petitions.petition_flow)
def test_flow_counts_each_step_by_hour_and_over_four_days_by_day(town: Town) -> None:
    town.tell(
        *petition("P-1", "registered 2021-03-01", "accepted 2021-03-01 08:59:59.999",
                  "replied 2021-03-01 09:00", "closed 2021-03-04 23:59:59.999"),
        *petition("P-2", "registered 2021-02-28 23:59:59.999", "replied 2021-03-01 09:59",
                  "closed 2021-03-05", place=CITY),
        *petition("P-3", "registered 2021-03-01 09:30", place=HONGJIANG),
        *petition("P-4", "registered 2021-03-05 01:00"),
    )  # fmt: skip
    names = ("time", "registered", "accepted", "replied", "closed")
    # From midnight to midnight four days later: 96 hours and the one that has begun.
    asked = town.ask(
        petitions.petition_flow(), "2021-03-05 00:59:59.999", "2021-03-01", county=HERE
    )
    assert table(asked) == [
        names,
        ("2021-03-01 00:00:00", 1, 0, 0, 0),
        ("2021-03-01 08:00:00", 0, 1, 0, 0),
        ("2021-03-01 09:00:00", 0, 0, 2, 0),
        ("2021-03-04 23:00:00", 0, 0, 0, 1),
        ("2021-03-05 00:00:00", 0, 0, 0, 1),
    ]
    # One hour more: days in city time.
    asked = town.ask(petitions.petition_flow(), "2021-03-05 01:00", "2021-03-01", county=HERE)
    assert table(asked) == [
        names,
        ("2021-03-01 00:00:00", 1, 1, 2, 0),
        ("2021-03-04 00:00:00", 0, 0, 0, 1),
        ("2021-03-05 00:00:00", 1, 0, 0, 1),
    ]
    asked = town.ask(petitions.petition_flow(), "2021-03-01 09:30", "2021-03-01 09:00", county=ALL)
    assert table(asked) == [names, ("2021-03-01 09:00:00", 1, 0, 2, 0)]
    assert town.ask(petitions.petition_flow(), "2021-12-31", "2021-06-01", county=ALL) == []


@about(petitions.petition_flow)
def test_a_long_flow_is_whole(town: Town) -> None:
    days = [f"{date(2020, 1, 1) + timedelta(days=n)}" for n in range(731)]
    town.tell(*(e for day in days for e in petition(f"P-{day}", f"registered {day}")))
    asked = town.ask(petitions.petition_flow(), "2021-12-31 23:59:59.999", "2020-01-01", county=ALL)
    assert table(asked)[1:] == [(f"{day} 00:00:00", 1, 0, 0, 0) for day in days]


def _worded(field: str, counts: dict[str, int], other: str) -> list[Told]:
    """The given number of petitions per word, and petitions with `other` that must not count."""

    def one(key: str, time: str, word: str, place: str) -> Told:
        said: dict[str, Any] = {field: word}
        return told("petition.registered", key, time, place=place, **said)

    return [
        *(one(f"P-{w}-{n}", "2021-03-01", w, CITY) for w, c in counts.items() for n in range(c)),
        one("P-first", "2021-01-01", other, TOWNSHIP),
        one("P-last", MAY, other, HECHENG),
        one("P-before", "2020-12-31 23:59:59.999", other, HECHENG),
        one("P-after", JUNE, other, HECHENG),
        one("P-there", "2021-03-01", other, HONGJIANG),
    ]


AT = "2021-06-15 12:00:00.500"


@about(petitions.petition_kinds)
def test_kinds_of_the_years_petitions_are_named_in_chinese(town: Town) -> None:
    town.tell(*_worded("kind", {"suggestion": 2, "accusation": 3}, other="appeal"))
    # Equal numbers are ordered by name: 建 before 申.
    assert table(town.ask(petitions.petition_kinds(), AT, county=HERE)) == [
        ("name", "value"), ("检举控告", 3), ("建议意见", 2), ("申诉求决", 2),
    ]  # fmt: skip
    assert town.ask(petitions.petition_kinds(), "2022-02-01", county=ALL) == []


@about(petitions.petition_channels)
def test_channels_of_the_years_petitions_are_named_in_chinese(town: Town) -> None:
    counts = {"letter": 1, "telephone": 3, "fax": 4, "visit": 1}
    town.tell(*_worded("channel", counts, other="network"))
    assert table(town.ask(petitions.petition_channels(), AT, county=HERE)) == [
        ("name", "value"),
        ("传真", 4), ("电话", 3), ("信息网络", 2), ("书信", 1), ("走访", 1),
    ]  # fmt: skip
    assert town.ask(petitions.petition_channels(), "2022-02-01", county=ALL) == []


@about(petitions.petition_levels)
def test_levels_of_the_years_petitions_are_named_in_chinese(town: Town) -> None:
    counts = {"city": 4, "province": 3, "capital": 1}
    town.tell(*_worded("level", counts, other="county"))
    assert table(town.ask(petitions.petition_levels(), AT, county=HERE)) == [
        ("name", "value"), ("来市", 4), ("赴省", 3), ("到县", 2), ("进京", 1),
    ]  # fmt: skip
    assert town.ask(petitions.petition_levels(), "2022-02-01", county=ALL) == []


@about(petitions.petition_kinds)
def test_a_word_that_has_no_name_yet_is_shown_as_it_is(town: Town) -> None:
    # No producer can send it, but the table may have rows of a later version.
    content = {"kind": "ode", "channel": "", "people": 1}
    town.shipped.city.add("petitions", "petition.registered", AT, content, key="P-1")
    asked = town.ask(petitions.petition_kinds(), "2021-07-01", county=ALL)
    assert table(asked) == [("name", "value"), ("ode", 1)]
    assert town.ask(petitions.petition_channels(), "2021-07-01", county=ALL) == [], (
        "no word is no channel"
    )


@about(petitions.petition_backlog)
def test_a_place_is_chosen_by_its_whole_code_and_by_nothing_else(town: Town) -> None:
    town.tell(
        *petition("P-1", "registered 2021-03-01"),
        *petition("P-2", "registered 2021-03-01", place=HONGJIANG),
    )

    def found(county: str) -> int:
        (row,) = town.ask(petitions.petition_backlog(), "2021-03-01", county=county)
        return int(row["registered_year"])

    chosen = {
        "431202": 1, "{431202}": 1, "{431202,431281}": 2, "431202,431281": 2, "431281": 1,
        "43120": 0, "{}": 0, "%": 0, "431202' OR '1'='1": 0, "431202\\": 0, "": 2, ALL: 2,
    }  # fmt: skip
    assert {county: found(county) for county in chosen} == chosen
