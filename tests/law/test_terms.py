"""Length, start and extension limit of each clock; expected days counted on a paper calendar.

The day of the start does not count (民法典 201); a last day of rest moves to the next working day
(203).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.law.judged import after, answers, event, tell_apart
from tests.law.tables import FACTS, MEDIATE, OPENING, STATELESS, STATES

if TYPE_CHECKING:
    from tests.histories.told import Told
    from tests.town import Town

STARTS = {
    "transfer": ("petitions", "registered", {}),
    "notice": ("petitions", "transferred", {}),
    "close": ("petitions", "accepted", {"route": "31.6"}),
    "review": ("petitions", "review_requested", {}),
    "recheck": ("petitions", "recheck_requested", {}),
    "mediate": ("mediations", "accepted", {"mode": "court_delegated"}),
}
LATEST = "2035-01-01"
# Clock, start, days, midnight after the last day.
TERMS = [
    # 1 + 15 = Tuesday 16 March, whatever the hour of the start.
    ("transfer", "2021-03-01 00:00", "2021-03-17"),
    ("transfer", "2021-03-01 23:59:59.999", "2021-03-17"),
    # 2 + 15 = Wednesday 17 March.
    ("transfer", "2021-03-02 00:00", "2021-03-18"),
    # 16:30 UTC on 1 March is 2 March in the city.
    ("transfer", "2021-03-01 16:30+00:00", "2021-03-18"),
    # 5 + 15 = Saturday 20 March -> Monday 22 March.
    ("transfer", "2021-03-05 09:00", "2021-03-23"),
    # 28 January + 15: 3 left in January, 12 February; 春节 11 to 17 -> Thursday 18 February.
    ("notice", "2021-01-28 09:00", "2021-02-19"),
    # 5 February + 15: 20 February, a Saturday worked for 春节.
    ("notice", "2021-02-05 09:00", "2021-02-21"),
    # 14 February + 15 in a leap year: 15 left in February, Thursday 29 February.
    ("notice", "2024-02-14 09:00", "2024-03-01"),
    # The same in a common year: 14 left, Wednesday 1 March.
    ("notice", "2023-02-14 09:00", "2023-03-02"),
    # 16 December + 15: 31 December, a Friday; one day more falls on 元旦, 1 to 3 -> 4 January.
    ("notice", "2021-12-16 09:00", "2022-01-01"),
    ("notice", "2021-12-17 09:00", "2022-01-05"),
    # 1 March + 60: 30 left in March, Friday 30 April.
    ("close", "2021-03-01 09:00", "2021-05-01"),
    # 2 March + 60: Saturday 1 May, 劳动节 to 5 May -> Thursday 6 May.
    ("close", "2021-03-02 09:00", "2021-05-07"),
    # 13 December + 60: 18 left in December, 31 January, Friday 11 February.
    ("close", "2021-12-13 09:00", "2022-02-12"),
    # 3 August + 60: 28 left in August, 30 September, 2 October; 国庆 to 7 October -> 8 October.
    ("close", "2021-08-03 09:00", "2021-10-09"),
    # 1 June + 30: 29 left in June, Thursday 1 July.
    ("review", "2021-06-01 09:00", "2021-07-02"),
    # 1 September + 30: 29 left in September, 1 October -> Friday 8 October.
    ("review", "2021-09-01 09:00", "2021-10-09"),
    # 9 April + 30: 21 left in April, Sunday 9 May -> Monday 10 May (8 May is worked).
    ("recheck", "2021-04-09 09:00", "2021-05-11"),
    ("recheck", "2021-04-08 09:00", "2021-05-09"),
    # 30 January + 30 in a leap year: 1 left in January, Thursday 29 February.
    ("recheck", "2024-01-30 09:00", "2024-03-01"),
    # 30 days from 1 March: Wednesday 31 March.
    ("mediate", "2021-03-01 09:00", "2021-04-01"),
]


def started(topic: str, case: str, verb: str, time: str, **data: Any) -> list[Told]:
    """A case opened long before, and one event; only the opening if that is the event."""
    first = [] if verb == OPENING[topic] else [event(topic, OPENING[topic], case, "2020-06-01")]
    return [*first, event(topic, verb, case, time, **data)]


def test_a_term_ends_on_the_day_worked_out_by_hand(town: Town) -> None:
    histories, expected = [], {}
    for clock, start, due in TERMS:
        topic, verb, data = STARTS[clock]
        case = f"{clock}.{start}".replace(" ", "_").replace("+", "_")
        histories.append(started(topic, case, verb, start, **data))
        expected[case] = {clock: f"{due} 00:00:00.000"}
    tell_apart(town, histories)
    found = answers(town, "petitions", LATEST) | answers(town, "mediations", LATEST)
    # The opening of a petition starts its own clock, which has its own rows.
    assert {
        case: {name: has[name][0] for name in expected[case]} for case, has in found.items()
    } == expected
    assert {clock for clock, _, _ in TERMS} == set(STARTS)


def test_an_event_starts_the_clocks_of_its_article_and_no_other(town: Town) -> None:
    verbs = [*STATES["petitions"], *STATELESS["petitions"]]
    since = "2021-03-01T09:00:00+08:00"
    tell_apart(
        town,
        (
            started("petitions", verb, verb, "2021-03-01 09:00")
            if verb != "extended"
            else started("petitions", verb, verb, "2021-03-02 09:00", since=since, days=30)
            for verb in verbs
        ),
    )
    # 1 March + 15, 60 and 30: 16 March, 30 April, 31 March. Of 1 June 2020 + 15: 16 June.
    opened = {"transfer": "2020-06-17"}
    expected = dict.fromkeys(verbs, opened) | {
        "registered": {"transfer": "2021-03-17"},
        "transferred": opened | {"notice": "2021-03-17"},
        "accepted": opened | {"close": "2021-05-01"},
        # An extension names the acceptance, stored or not: 90 days, Sunday 30 May -> 31 May.
        "extended": opened | {"close": "2021-06-01"},
        "review_requested": opened | {"review": "2021-04-01"},
        "recheck_requested": opened | {"recheck": "2021-04-01"},
    }
    found = answers(town, "petitions", LATEST)
    assert {
        case: {name: due[:10] for name, (due, _, _) in has.items()} for case, has in found.items()
    } == expected


def test_only_a_court_sets_a_term_for_a_mediation(town: Town) -> None:
    modes = FACTS["mediations"]["mode"].values
    told = [started("mediations", f"{mode}", "accepted", "2021-03-01 09:00", mode=mode)
            for mode in modes]  # fmt: skip
    verbs = set(MEDIATE) - {"accepted"}
    told += [started("mediations", verb, verb, "2021-03-01 09:00") for verb in verbs]
    tell_apart(town, told)
    # 1 March + 30, 15, 7: Wednesday 31, Tuesday 16, Monday 8 March. 人民调解法 sets none.
    due = {
        "court_delegated": {"mediate": "2021-04-01"},
        "court_ordinary": {"mediate": "2021-03-17"},
        "court_summary": {"mediate": "2021-03-09"},
    }
    found = answers(town, "mediations", LATEST)
    assert {
        case: {name: due[:10] for name, (due, _, _) in has.items()} for case, has in found.items()
    } == {f"{case}": due.get(f"{case}", {}) for case in [*modes, *verbs]}


def test_only_an_appeal_by_route_31_6_must_be_closed_within_a_term(town: Town) -> None:
    other = ("31.1", "31.2", "31.3", "31.4", "31.5")
    routes = [("appeal", route) for route in (*other, "31.6")]
    routes += [("suggestion", "none"), ("accusation", "none")]
    histories = []
    for kind, route in routes:
        data = {"kind": kind, "route": route}
        case = f"{kind}.{route}"
        told = started("petitions", f"{case}.accepted", "accepted", "2021-03-01 09:00", **data)
        histories.append(told)
        data |= {"since": "2021-03-01T09:00:00+08:00"}
        told = started("petitions", f"{case}.extended", "extended", "2021-03-02 09:00", **data)
        histories.append(told)
    tell_apart(town, histories)
    found = answers(town, "petitions", LATEST)
    # 1 March + 60: 30 April; + 90: Sunday 30 May -> Monday 31 May. The opening is in June 2020.
    assert {case: has["close"][0] for case, has in found.items() if "close" in has} == {
        "appeal.31.6.accepted": "2021-05-01 00:00:00.000",
        "appeal.31.6.extended": "2021-06-01 00:00:00.000",
    }
    assert len(found) == 2 * len(routes)


def test_every_term_cites_its_article(town: Town) -> None:
    said = {
        row["name"]: row["comment"]
        for row in town.rows(
            "SELECT name, comment FROM system.columns "
            "WHERE database = 'gulou' AND table = 'petitions_cases' AND startsWith(name, 'due_')"
        )
    }
    articles = {"transfer": 22, "notice": 23, "close": 34, "review": 35, "recheck": 36}
    cited = {name: f"依据：信访工作条例 {article}。" for name, article in articles.items()}
    moved = {f"{name}_moved": cited[name] for name in ("notice", "close")}
    assert set(said) == {f"due_{name}" for name in (*cited, *moved)}
    for name, basis in (cited | moved).items():
        assert basis in said[f"due_{name}"]


# Two starts, stored in either order: the first or the newest sets the due date.
AGAIN = [
    # 1 March + 15 = 16 March; a second registration is no second duty.
    ("transfer", ("2021-03-01", "2021-03-10"), "2021-03-17"),
    # 10 March + 15 = Thursday 25 March, the term of the last unit.
    ("notice", ("2021-03-01", "2021-03-10"), "2021-03-26"),
    # 1 March + 60 = 30 April.
    ("close", ("2021-03-01", "2021-03-20"), "2021-05-01"),
    # 1 June + 30 = 1 July.
    ("review", ("2021-06-01", "2021-06-20"), "2021-07-02"),
    ("recheck", ("2021-06-01", "2021-06-20"), "2021-07-02"),
    # 1 March + 30 = 31 March.
    ("mediate", ("2021-03-01", "2021-03-20"), "2021-04-01"),
]


@pytest.mark.parametrize("batches", [1, 2])
def test_of_two_starts_the_first_counts_and_of_two_units_the_newest(
    town: Town, batches: int
) -> None:
    events: list[list[Told]] = [[], []]
    for clock, times, _ in AGAIN:
        topic, verb, data = STARTS[clock]
        for way, ordered in (("forth", times), ("back", times[::-1])):
            case = f"{clock}.{way}"
            if verb != OPENING[topic]:
                events[0].append(event(topic, OPENING[topic], case, "2020-06-01"))
            for n, time in enumerate(ordered):
                events[n].append(event(topic, verb, case, time, **data))
    for batch in [events[0] + events[1]] if batches == 1 else events:
        town.tell(*batch)
    found = answers(town, "petitions", LATEST) | answers(town, "mediations", LATEST)
    got = {case: has[case.partition(".")[0]][0] for case, has in found.items()}
    assert got == {
        f"{clock}.{way}": f"{due} 00:00:00.000" for clock, _, due in AGAIN for way in
        ("forth", "back")
    }  # fmt: skip


# Accepted on 10 March 2021 at 09:00. + 60: 21 left in March, 30 April, Sunday 9 May -> 10 May.
ACCEPTED = "2021-03-10T09:00:00+08:00"
EXTENDED = [
    # 61: Monday 10 May, the same as without an extension.
    ("1", [("2021-04-01", 1)], "2021-05-11"),
    # 70: Wednesday 19 May.
    ("10", [("2021-04-01", 10)], "2021-05-20"),
    # 89: Monday 7 June. 90: Tuesday 8 June; more than 30 days are not allowed (34).
    ("29", [("2021-04-01", 29)], "2021-06-08"),
    ("30", [("2021-04-01", 30)], "2021-06-09"),
    ("31", [("2021-04-01", 31)], "2021-06-09"),
    ("45", [("2021-04-01", 45)], "2021-06-09"),
    ("366", [("2021-04-01", 366)], "2021-06-09"),
    # A second one counts from the same acceptance; a shorter one does not reduce the term.
    ("10.30", [("2021-04-01", 10), ("2021-05-12", 30)], "2021-06-09"),
    ("30.10", [("2021-04-01", 30), ("2021-05-12", 10)], "2021-06-09"),
    ("none", [], "2021-05-11"),
]


def extended(case: str, day: str, days: int, since: str = ACCEPTED, **data: Any) -> Told:
    """An extension by the given days, counted from the acceptance."""
    time = f"{day} 09:00" if len(day) == 10 else day
    return event("petitions", "extended", case, time, days=days, since=since, **data)


def test_a_term_is_put_off_by_at_most_30_days_from_acceptance(town: Town) -> None:
    tell_apart(
        town,
        (
            [
                event("petitions", "registered", case, "2021-03-01 09:00"),
                event("petitions", "accepted", case, "2021-03-10 09:00", route="31.6"),
                *(extended(case, day, days) for day, days in more),
            ]
            for case, more, _ in EXTENDED
        ),
    )
    found = answers(town, "petitions", LATEST)
    assert {case: has["close"][0] for case, has in found.items()} == {
        case: f"{due} 00:00:00.000" for case, _, due in EXTENDED
    }


def test_an_extension_is_known_from_its_own_day(town: Town) -> None:
    tell_apart(
        town,
        [
            [
                event("petitions", "registered", "P", "2021-03-01 09:00"),
                event("petitions", "transferred", "P", "2021-03-02 09:00"),
                event("petitions", "accepted", "P", "2021-03-10 09:00", route="31.6"),
                extended("P", "2021-05-06", 10),
                extended("P", "2021-05-12", 30),
            ]
        ],
    )
    close = {
        at: answers(town, "petitions", at)["P"].get("close")
        for at in (
            "2021-03-10 08:59:59.999",
            "2021-03-10 09:00:00.000",
            "2021-05-06 08:59:59.999",
            "2021-05-06 09:00:00.000",
            "2021-05-12 08:59:59.999",
            "2021-05-12 09:00:00.000",
            "2021-06-08 23:59:59.999",
            "2021-06-09 00:00:00.000",
        )
    }
    # 60 days: 10 May; 70: 19 May; 90: 8 June.
    assert list(close.values()) == [
        None,
        ("2021-05-11 00:00:00.000", 0, None),
        ("2021-05-11 00:00:00.000", 0, None),
        ("2021-05-20 00:00:00.000", 0, None),
        ("2021-05-20 00:00:00.000", 0, None),
        ("2021-06-09 00:00:00.000", 0, None),
        ("2021-06-09 00:00:00.000", 0, None),
        ("2021-06-09 00:00:00.000", 1, 0),
    ]


def test_the_notice_of_the_next_unit_is_owed_from_the_day_it_has_the_petition(town: Town) -> None:
    town.tell(
        event("petitions", "registered", "P", "2021-03-01 09:00"),
        event("petitions", "transferred", "P", "2021-03-02 09:00"),
        event("petitions", "objected", "P", "2021-03-05 09:00"),
        event("petitions", "transferred", "P", "2021-03-08 09:00"),
    )
    # 2 March + 15 = Wednesday 17 March; 8 March + 15 = Tuesday 23 March.
    first, second = "2021-03-18 00:00:00.000", "2021-03-24 00:00:00.000"
    owed = {
        "2021-03-02 08:59:59.999": None,
        "2021-03-02 09:00:00.000": (first, 0, None),
        "2021-03-05 09:00:00.000": (first, 0, None),
        "2021-03-08 08:59:59.999": (first, 0, None),
        "2021-03-08 09:00:00.000": (second, 0, None),
        "2021-03-23 23:59:59.999": (second, 0, None),
        "2021-03-24 00:00:00.000": (second, 1, 0),
    }
    assert {at: answers(town, "petitions", at)["P"].get("notice") for at in owed} == owed


def test_an_extension_counts_from_the_citys_day_and_only_on_route_31_6(town: Town) -> None:
    def accepted(case: str, time: str, *more: Told, route: str = "31.6") -> list[Told]:
        first = event("petitions", "registered", case, "2021-03-01 09:00")
        return [first, event("petitions", "accepted", case, time, route=route), *more]

    tell_apart(
        town,
        [
            accepted(
                "other", "2021-03-10 09:00", extended("other", "2021-04-01", 30, route="31.5")
            ),
            # Accepted under another route first; its extension names 31(6).
            accepted(
                "route", "2021-03-10 09:00", extended("route", "2021-04-01", 30), route="31.1"
            ),
            # 00:30 on 11 March in the city; its form gives the time in UTC.
            accepted(
                "zone",
                "2021-03-11 00:30",
                extended("zone", "2021-04-01", 30, "2021-03-10T16:30:00+00:00"),
            ),
            # Extended at the instant of its acceptance.
            accepted("at-once", "2021-03-10 09:00", extended("at-once", "2021-03-10", 30)),
        ],
    )
    # 10 March + 60: 10 May. 11 March + 90: 20 + 30 + 31 = 81, Wednesday 9 June. 10 March + 90: 8.
    assert {
        case: has["close"][0][:10] for case, has in answers(town, "petitions", LATEST).items()
    } == {
        "other": "2021-05-11", "route": "2021-06-09", "zone": "2021-06-10", "at-once": "2021-06-09",
    }  # fmt: skip


def test_an_extension_of_no_days_is_refused(town: Town) -> None:
    with pytest.raises(AssertionError, match="days"):
        town.tell(extended("P", "2021-04-01", 0))


def test_what_begins_and_ends_at_one_instant_is_done_in_time(town: Town) -> None:
    at = "2021-03-01 09:00:00.000"
    told = {
        "all-at-once": ("registered", "transferred", "accepted", "replied", "closed"),
        "asked-and-decided": ("registered", "replied", "review_requested", "review_decided",
                              "recheck_requested", "recheck_decided"),
        "gone-at-once": ("registered", "transferred", "accepted", "withdrawn"),
    }  # fmt: skip
    tell_apart(
        town,
        ([event("petitions", verb, case, at) for verb in verbs] for case, verbs in told.items()),
    )
    assert answers(town, "petitions", after(at, -1)) == {}
    # 1 March + 15 = 16 March, + 60 = 30 April, + 30 = 31 March.
    transfer, close, review = (f"2021-{day} 00:00:00.000" for day in ("03-17", "05-01", "04-01"))
    expected = {
        "all-at-once": {
            "transfer": (transfer, 0, 1), "notice": (transfer, 0, 1), "close": (close, 0, 1),
        },
        "asked-and-decided": {
            "transfer": (transfer, 0, 1), "review": (review, 0, 1), "recheck": (review, 0, 1),
        },
        # Transferred and accepted before the withdrawal, so those two duties are fulfilled.
        "gone-at-once": {
            "transfer": (transfer, 0, 1), "notice": (transfer, 0, 1), "close": (close, 0, None),
        },
    }  # fmt: skip
    assert answers(town, "petitions", at) == expected
    assert answers(town, "petitions", LATEST) == expected
