"""The case folds on the real engine: one petition and one mediation, judged at several instants."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from schemas import families
from schemas._clocks import Calendar

if TYPE_CHECKING:
    from tests.schemas.conftest import City

CLOCKS = {family.topic: family.clocks for family in families()}
CALENDAR = Calendar.load("Asia/Shanghai")


def petition(city: City, type_: str, time: str, data: dict[str, Any] | None = None) -> None:
    """Files an event of petition P-1, with the due instants that ingest would write."""
    content = {"kind": "appeal"} | (data or {})
    happened = datetime.fromisoformat(f"{time}+08:00")
    dues = {}
    for clock in CLOCKS["petitions"]:
        since = {"since": datetime.fromisoformat(content["since"])} if "since" in content else {}
        due = clock.due(f"petition.{type_}", happened, content | since, CALENDAR)
        if due:
            dues[f"due_{clock.name}"] = round(due.astimezone(UTC).timestamp() * 1000)
    city.add("petitions", f"petition.{type_}", time, content | dues, key="P-1")


def judged(city: City, at: str, *names: str) -> tuple[Any, ...]:
    """Columns of the one case at an instant, of whose clocks the other view says the same."""
    (row,) = city.published("petitions_cases", at=at)
    said = ("due", "overdue", "on_time")
    assert {
        told["clock"]: (told["open"], *(told[name] for name in said))
        for told in city.published("petitions_deadlines", at=at)
    } == {
        clock.name: (row["open"], *(row[f"{name}_{clock.name}"] for name in said))
        for clock in CLOCKS["petitions"]
        if row[f"due_{clock.name}"] is not None
    }
    return tuple(row[name] for name in names)


def test_a_petition_is_judged_by_what_was_known_at_the_instant(city: City) -> None:
    petition(city, "registered", "2021-03-01 09:00:00", {"people": 2, "channel": "letter"})
    petition(city, "transferred", "2021-03-05 09:00:00")
    petition(city, "accepted", "2021-03-10 09:00:00", {"route": "31.6"})
    since = "2021-03-10T09:00:00+08:00"
    petition(city, "extended", "2021-05-12 09:00:00", {"route": "31.6", "days": 30, "since": since})
    petition(city, "hearing_held", "2021-05-20 09:00:00", {"people": 9})
    petition(city, "replied", "2021-06-08 09:00:00", {"result": "supported"})
    petition(city, "closed", "2021-06-09 09:00:00")
    petition(city, "rated", "2021-06-10 09:00:00", {"satisfaction": 5})

    # 60 days from 10 March: 21 left in March, 30 in April -> 9 May, a Sunday -> Monday 10 May;
    # 9 May is no working day in 2021 (8 May is), so the last day is 10 May and due its midnight.
    # 30 days more: 90 from 10 March: 21 + 30 + 31 = 82 -> 8 June, a Tuesday.
    names = ("state", "open", "due_close", "overdue_close", "on_time_close")
    instants = {
        "2021-03-09 12:00:00": ("transferred", 1, None, 0, None),
        "2021-03-10 12:00:00": ("accepted", 1, "2021-05-11 00:00:00.000", 0, None),
        "2021-05-10 23:59:59": ("accepted", 1, "2021-05-11 00:00:00.000", 0, None),
        "2021-05-11 00:00:00": ("accepted", 1, "2021-05-11 00:00:00.000", 1, 0),
        "2021-05-12 09:00:00": ("accepted", 1, "2021-06-09 00:00:00.000", 0, None),
        "2021-06-08 09:00:00": ("replied", 1, "2021-06-09 00:00:00.000", 0, 1),
        "2021-06-09 09:00:00": ("closed", 0, "2021-06-09 00:00:00.000", 0, 1),
    }
    assert {at: judged(city, at, *names) for at in instants} == instants

    facts = ("people", "channel", "route", "result", "satisfaction", "ended_at")
    assert judged(city, "2021-03-02 00:00:00", *facts) == (2, "letter", "", "", 0, None)
    assert judged(city, "2021-05-30 00:00:00", *facts) == (2, "letter", "31.6", "", 0, None)
    ended = "2021-06-09 09:00:00.000"
    assert judged(city, "2021-12-31 00:00:00", *facts) == (
        *(2, "letter", "31.6", "supported", 5),
        ended,
    )
    assert city.published("petitions_cases", at="2021-03-01 08:59:59") == []


def test_the_steps_of_a_case_lead_from_state_to_state(city: City) -> None:
    petition(city, "registered", "2021-03-01 09:00:00")
    petition(city, "accepted", "2021-03-10 09:00:00", {"route": "31.6"})
    petition(city, "transferred", "2021-03-10 09:00:00")  # of one instant: in their legal order
    petition(city, "urged", "2021-03-15 09:00:00")  # no state of its own
    petition(city, "withdrawn", "2021-03-20 09:00:00")
    rows = city.published("petitions_steps")
    told = ("came_from", "since", "state", "time")
    first, second, third = (f"2021-03-{day} 09:00:00.000" for day in ("01", "10", "20"))
    assert {(row["case"], row["county"], row["begun"]) for row in rows} == {
        ("P-1", "431202", first)
    }
    assert sorted((tuple(row[name] for name in told) for row in rows), key=str) == [
        ("", None, "registered", first),
        ("accepted", second, "withdrawn", third),
        ("registered", first, "transferred", second),
        ("transferred", second, "accepted", second),
    ]


def test_a_reply_dated_the_midnight_after_the_last_day_is_late(city: City) -> None:
    # A ledger that knows only dates says 00:00. Last day 10 May, see above: 11 May is a day late.
    petition(city, "registered", "2021-03-01 00:00:00")
    petition(city, "accepted", "2021-03-10 00:00:00", {"route": "31.6"})
    petition(city, "replied", "2021-05-11 00:00:00", {"result": "explained"})
    found = judged(city, "2021-12-31 00:00:00", "on_time_close", "overdue_close")
    assert found == (0, 0)


@pytest.mark.parametrize("route", ["31.1", "31.5", "none"])
def test_only_route_31_6_has_sixty_days_to_close(city: City, route: str) -> None:
    petition(city, "registered", "2021-03-01 09:00:00")
    petition(city, "accepted", "2021-03-10 09:00:00", {"route": route})
    names = ("due_close", "overdue_close", "on_time_close")
    assert judged(city, "2021-12-31 00:00:00", *names) == (None, 0, None)


def test_an_open_case_past_its_day_counts_as_not_on_time(city: City) -> None:
    petition(city, "registered", "2021-03-01 09:00:00")
    # 15 days from 1 March: 16 March, a Tuesday
    names = ("due_transfer", "overdue_transfer", "on_time_transfer")
    assert judged(city, "2021-03-16 23:00:00", *names) == ("2021-03-17 00:00:00.000", 0, None)
    assert judged(city, "2021-03-17 00:00:00", *names) == ("2021-03-17 00:00:00.000", 1, 0)
    petition(city, "withdrawn", "2021-03-20 09:00:00")
    assert judged(city, "2021-03-21 00:00:00", *names) == ("2021-03-17 00:00:00.000", 0, 0)


@pytest.mark.parametrize("end", ["withdrawn", "merged", "not_accepted"])
def test_a_case_taken_away_before_its_day_is_neither_in_time_nor_late(city: City, end: str) -> None:
    petition(city, "registered", "2021-03-01 09:00:00")
    petition(city, "transferred", "2021-03-05 09:00:00")
    petition(city, "accepted", "2021-03-10 09:00:00", {"route": "31.6"})
    petition(city, end, "2021-04-01 09:00:00", {"into": "P-2"} if end == "merged" else {})
    # The transfer was made and the notice given in time before it was taken away.
    names = ("open", "on_time_transfer", "on_time_notice", "on_time_close", "overdue_close")
    assert judged(city, "2021-12-31 00:00:00", *names) == (0, 1, 1, None, 0)


def test_a_refusal_in_time_answers_the_transfer(city: City) -> None:
    petition(city, "registered", "2021-03-01 09:00:00")
    petition(city, "not_accepted", "2021-03-05 09:00:00", {"reason": "not_ours"})
    assert judged(city, "2021-12-31 00:00:00", "on_time_transfer") == (1,)


NOTICE = ("due_notice", "overdue_notice", "on_time_notice")


def test_an_objection_leaves_the_notice_owed_until_a_unit_gives_it(city: City) -> None:
    petition(city, "registered", "2021-03-01 09:00:00")
    petition(city, "transferred", "2021-03-02 09:00:00")
    petition(city, "objected", "2021-03-05 09:00:00")
    # 2 March + 15 = Wednesday 17 March, and nobody else has it yet
    assert judged(city, "2021-03-18 00:00:00", *NOTICE) == ("2021-03-18 00:00:00.000", 1, 0)
    # The next unit has 15 days of its own: 8 March + 15 = Tuesday 23 March.
    petition(city, "transferred", "2021-03-08 09:00:00")
    assert judged(city, "2021-03-23 23:00:00", *NOTICE) == ("2021-03-24 00:00:00.000", 0, None)
    assert judged(city, "2021-12-31 00:00:00", *NOTICE) == ("2021-03-24 00:00:00.000", 1, 0)
    # As it stood before that unit had it, the case is still the first unit's.
    assert judged(city, "2021-03-07 00:00:00", *NOTICE) == ("2021-03-18 00:00:00.000", 0, None)
    petition(city, "accepted", "2021-03-23 09:00:00", {"route": "31.6"})
    assert judged(city, "2021-12-31 00:00:00", *NOTICE) == ("2021-03-24 00:00:00.000", 0, 1)


@pytest.mark.parametrize("times", [("2021-03-10", "2021-04-20"), ("2021-04-20", "2021-03-10")])
def test_accepting_again_gives_no_more_time_to_close(city: City, times: tuple[str, ...]) -> None:
    petition(city, "registered", "2021-03-01 09:00:00")
    for day in times:
        petition(city, "accepted", f"{day} 09:00:00", {"route": "31.6"})
    petition(city, "replied", "2021-05-20 09:00:00", {"result": "explained"})
    # 60 days from 10 March: 21 + 30 = 51, Sunday 9 May -> Monday 10 May
    names = ("due_close", "on_time_close")
    assert judged(city, "2021-12-31 00:00:00", *names) == ("2021-05-11 00:00:00.000", 0)
    # The extension counts from the acceptance its form names: 90 from 10 March = 8 June.
    extension = {"route": "31.6", "days": 30, "since": "2021-03-10T09:00:00+08:00"}
    petition(city, "extended", "2021-05-06 09:00:00", extension)
    assert judged(city, "2021-12-31 00:00:00", *names) == ("2021-06-09 00:00:00.000", 1)


def test_a_second_extension_is_not_known_before_its_day(city: City) -> None:
    petition(city, "registered", "2021-03-01 09:00:00")
    petition(city, "accepted", "2021-03-10 09:00:00", {"route": "31.6"})
    for day, more in (("2021-05-06", 10), ("2021-05-12", 30)):
        content = {"route": "31.6", "days": more, "since": "2021-03-10T09:00:00+08:00"}
        petition(city, "extended", f"{day} 09:00:00", content)
    # From 10 March: 60 days = Monday 10 May, 70 = Wednesday 19 May, 90 = Tuesday 8 June
    dues = [judged(city, f"{day} 00:00:00", "due_close") for day in
            ("2021-05-06", "2021-05-07", "2021-05-12", "2021-05-13")]  # fmt: skip
    assert dues == [(f"{day} 00:00:00.000",) for day in
                    ("2021-05-11", "2021-05-20", "2021-05-20", "2021-06-09")]  # fmt: skip


def test_asking_again_gives_no_more_time_to_review_and_recheck(city: City) -> None:
    petition(city, "registered", "2021-03-01 09:00:00")
    for type_ in ("review_requested", "recheck_requested"):
        for day in ("2021-06-01", "2021-06-20"):
            petition(city, type_, f"{day} 09:00:00")
    # 1 June + 30 = Thursday 1 July
    due = ("2021-07-02 00:00:00.000", "2021-07-02 00:00:00.000")
    assert judged(city, "2021-12-31 00:00:00", "due_review", "due_recheck") == due


def test_an_accusation_is_never_placed_below_its_county(city: City) -> None:
    # The kind of a petition may be set right on its way: one accusation in it is enough.
    for n, kinds in enumerate((("accusation", "accusation"), ("appeal", "accusation"))):
        for type_, kind in zip(("registered", "replied"), kinds, strict=True):
            key = f"P-{n}"
            time = "2021-03-01 09:00:00"
            city.add("petitions", f"petition.{type_}", time, {"kind": kind}, key=key)
    for row in city.published("petitions_cases", at="2021-12-31 00:00:00"):
        assert (row["county"], row["township"]) == ("431202", "")
    places = {
        (row["type"], row["township"]): row["net_count"]
        for row in city.published("petitions_by_township_day")
    }
    assert places == {
        ("petition.registered", ""): 1,
        ("petition.replied", ""): 2,
        ("petition.registered", "431202001"): 1,
    }
    text = str(city.published("petitions_by_village_year"))
    assert "petition.replied" not in text


def test_a_mediation_is_in_time_by_the_clock_of_the_court_that_sent_it(city: City) -> None:
    def file(case: str, mode: str, days: int) -> None:
        filed = {"dispute": "neighbours", "people": 2}
        city.add("mediations", "mediation.filed", "2021-03-01 09:00:00", filed, key=case)
        accepted = datetime.fromisoformat("2021-03-01T10:00:00+08:00")
        dues = [
            clock.due("mediation.accepted", accepted, {"mode": mode}, CALENDAR)
            for clock in CLOCKS["mediations"]
        ]
        due = [round(d.timestamp() * 1000) for d in dues if d]
        content = {"mode": mode} | ({"due_mediate": due[0]} if due else {})
        city.add("mediations", "mediation.accepted", "2021-03-01 10:00:00", content, key=case)
        session = {"people": 40}
        city.add("mediations", "mediation.session_held", "2021-03-02 09:00:00", session, key=case)
        agreed = {"form": "oral", "amount": 1_000, "averted_crime": True}
        time = f"2021-03-{days:02} 09:00:00"
        city.add("mediations", "mediation.agreement_reached", time, agreed, key=case)

    file("M-7", "court_summary", 9)  # 7 days from 1 March: Monday 8 March
    file("M-15", "court_ordinary", 16)  # 15 days: Tuesday 16 March
    file("M-30", "court_delegated", 31)  # 30 days: Wednesday 31 March
    file("M-0", "applied", 31)  # 人民调解法 sets no limit
    # Accepted again on 20 March: the court's 30 days still run from 1 March.
    again = datetime.fromisoformat("2021-03-20T10:00:00+08:00")
    for clock in CLOCKS["mediations"]:
        due_again = clock.due("mediation.accepted", again, {"mode": "court_delegated"}, CALENDAR)
        if due_again:
            content = {
                "mode": "court_delegated",
                "due_mediate": round(due_again.timestamp() * 1000),
            }
            time = "2021-03-20 10:00:00"
            city.add("mediations", "mediation.accepted", time, content, key="M-30")
    rows = city.published("mediations_cases", at="2021-12-31 00:00:00")
    got = {row["case"]: (row["due_mediate"], row["on_time_mediate"]) for row in rows}
    assert got == {
        "M-7": ("2021-03-09 00:00:00.000", 0),
        "M-15": ("2021-03-17 00:00:00.000", 1),
        "M-30": ("2021-04-01 00:00:00.000", 1),
        "M-0": (None, None),
    }
    facts = {(row["people"], row["amount"], row["averted_crime"], row["state"]) for row in rows}
    assert facts == {(2, 1_000, True, "agreed")}


def test_pending_cases_are_counted_as_they_stood_at_the_instant(city: City) -> None:
    petition(city, "registered", "2021-03-01 09:00:00")
    petition(city, "closed", "2022-02-01 09:00:00")

    # 15 days to pass it on: 16 March 2021, a Tuesday.
    counted = {
        at: [
            tuple(
                row[name]
                for name in ("begun_today", "begun_this_year", "open_cases", "overdue_cases")
            )
            for row in city.published("petitions_pending", at=at)
        ]
        for at in (
            "2021-02-28 12:00:00",
            "2021-03-01 12:00:00",
            "2021-03-16 23:00:00",
            "2021-03-17 00:00:00",
            "2022-01-05 12:00:00",
            "2022-02-02 12:00:00",
        )
    }
    assert list(counted.values()) == [
        [], [(1, 1, 1, 0)], [(0, 1, 1, 0)], [(0, 1, 1, 1)], [(0, 0, 1, 1)], [(0, 0, 0, 0)],
    ]  # fmt: skip
