"""The oracle's case files on hand-made cases, and the known departures of the views."""

from __future__ import annotations

import pytest

from tests.histories.told import Told, key_of, message, ms, told, topic_of
from tests.oracle import BOOK, Law, Record
from tests.oracle.files import Files, Line
from tests.town import Town


def files(*events: Told) -> Files:
    law = Law(BOOK[topic_of(events[0])])
    sent = [message(event) for event in events]
    records = [
        Record(n, ms("2026-01-01"), m.key, m.payload, law.place(m.key or b""))
        for n, m in enumerate(sent)
    ]
    rows = [row for record in records for row in law.judge([record])]
    assert {row.status for row in rows} == {"ok"}
    assert {key_of(event) for event in events} == {sent[0].key}
    return Files(law, rows)


def line(found: Files, at: str) -> Line:
    (case,) = found.cases(ms(at))
    return case


ANSWERED = (
    told("petition.registered", "P-1", "2024-03-01 09:00"),
    told("petition.transferred", "P-1", "2024-03-04 09:00"),
    told("petition.accepted", "P-1", "2024-03-11 09:00", route="31.6"),
    told("petition.replied", "P-1", "2024-05-13 00:00", result="explained"),
    told("petition.rated", "P-1", "2024-05-14 10:00", satisfaction=2),
    told("petition.closed", "P-1", "2024-05-14 10:00"),
)


def test_a_file_shows_only_what_had_happened_by_then() -> None:
    found = files(*ANSWERED)
    assert list(found.cases(ms("2024-03-01 08:59:59.999"))) == []
    first = line(found, "2024-03-01 09:00")
    assert (first["state"], first["open"], first["result"], first["route"]) == (
        ("registered", 1, "", "")
    )  # fmt: skip
    # 15 days after Friday 03-01 is Saturday the 16th; it ends on Monday the 18th.
    assert (first["due_transfer"], first["on_time_transfer"]) == (ms("2024-03-19"), None)
    assert first["due_notice"] is None
    last = line(found, "2024-05-14 10:00")
    assert (last["state"], last["open"], last["ended_at"]) == ("closed", 0, ms("2024-05-14 10:00"))
    assert (last["satisfaction"], last["result"]) == (2, "explained")


def test_a_duty_done_at_the_midnight_of_its_last_day_is_late_and_just_before_is_in_time() -> None:
    # 60 days after 03-11 is Friday 05-10; the term ends with that day.
    due = ms("2024-05-11")
    late = line(files(*ANSWERED), "2024-06-01")
    assert (late["due_close"], late["overdue_close"], late["on_time_close"]) == (due, 0, 0)
    before = told("petition.replied", "P-1", "2024-05-10 23:59:59.999", result="explained")
    found = files(*ANSWERED[:3], before)
    assert line(found, "2024-05-10 23:59:59.998")["on_time_close"] is None
    assert line(found, "2024-05-10 23:59:59.999")["on_time_close"] == 1
    silent = files(*ANSWERED[:3])
    just = line(silent, "2024-05-10 23:59:59.999")
    assert (just["overdue_close"], just["on_time_close"]) == (0, None)
    over = line(silent, "2024-05-11")
    assert (over["overdue_close"], over["on_time_close"]) == (1, 0)


def test_a_duty_taken_away_in_time_is_neither_kept_nor_broken() -> None:
    gone = told("petition.withdrawn", "P-1", "2024-05-10 23:00")
    taken = line(files(*ANSWERED[:3], gone), "2024-06-01")
    assert (taken["overdue_close"], taken["on_time_close"]) == (0, None)
    too_late = told("petition.withdrawn", "P-1", "2024-05-11 00:00")
    broken = line(files(*ANSWERED[:3], too_late), "2024-06-01")
    assert (broken["overdue_close"], broken["on_time_close"]) == (0, 0)
    first = told("petition.replied", "P-1", "2024-05-10 23:00")
    kept = line(files(*ANSWERED[:3], first, gone), "2024-06-01")
    assert kept["on_time_close"] == 1  # both at one instant: it was done


def test_places_are_counted_and_what_is_never_shown_below_the_county_is_counted_there() -> None:
    found = files(*ANSWERED)
    assert list(found.pending(ms("2024-03-01 12:00"))) == [
        {
            "county": "431202",
            "township": "431202001",
            "begun_today": 1,
            "begun_this_year": 1,
            "open_cases": 1,
            "overdue_cases": 0,
        }
    ]
    (later,) = found.pending(ms("2025-03-01 12:00"))
    assert (later["begun_today"], later["begun_this_year"], later["open_cases"]) == (0, 0, 0)
    secret = files(told("petition.registered", "P-2", "2024-03-01 09:00", kind="accusation"))
    assert line(secret, "2024-03-02")["township"] == ""


LEGAL_FIRST = (
    told("petition.registered", "P-1", "2024-03-01 09:00"),
    told("petition.accepted", "P-1", "2024-03-01 09:00", route="31.1"),
    told("petition.accepted", "P-1", "2024-03-20 09:00", route="31.6"),
)
SLOW_FIRST = (
    told("mediation.filed", "M-1", "2024-03-01 09:00"),
    told("mediation.accepted", "M-1", "2024-03-01 09:00", mode="court_delegated"),
    told("mediation.accepted", "M-1", "2024-03-03 09:00", mode="court_summary"),
)
STARTED_TWICE = [
    (LEGAL_FIRST, "petitions_cases", "due_close", "2024-03-10 09:00", None),
    # 30 days after 03-01 is Sunday 03-31; the term ends with Monday 04-01.
    (SLOW_FIRST, "mediations_cases", "due_mediate", "2024-03-02 09:00", "2024-04-02"),
]


@pytest.mark.parametrize(("events", "view", "column", "at", "due"), STARTED_TWICE)
def test_a_file_knows_no_due_date_before_the_event_that_sets_it(
    events: tuple[Told, ...], view: str, column: str, at: str, due: str | None
) -> None:
    assert line(files(*events), at)[column] == (due and ms(due))


@pytest.mark.xfail(
    strict=True,
    reason="the fold keeps the least due date of all starts, known or not, and no more",
)
@pytest.mark.parametrize(("events", "view", "column", "at", "due"), STARTED_TWICE)
def test_a_view_knows_no_due_date_before_the_event_that_sets_it(
    events: tuple[Told, ...], view: str, column: str, at: str, due: str | None, town: Town
) -> None:
    town.tell(*events)
    (shown,) = town.published(view, at)
    assert shown[column] == (due and f"{due} 00:00:00.000")
