"""The histories have every event type, value and edge, because tests only cover those."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime
from functools import cache
from typing import Any

import pytest

from tests.histories.small import CITY, History, refused
from tests.oracle import BOOK, Law, Record, Row
from tests.oracle.words import ENVELOPE

SEEDS = (1, 2, 17)
each_seed = pytest.mark.parametrize("seed", SEEDS)


@cache
def rows(seed: int, messages: int = 2000) -> dict[str, list[Row]]:
    """Expected rows of a history's messages by topic, as if each topic had one partition."""
    records: dict[str, list[Record]] = defaultdict(list)
    for message in History(seed).messages(messages):
        kpart = Law(BOOK[message.topic]).place(message.key or b"")
        held = records[message.topic]
        held.append(
            Record(len(held), 1_790_000_000_000, message.key, message.payload, kpart)
        )  # fmt: skip
    return {topic: Law(BOOK[topic]).judge(held) for topic, held in records.items()}


def events(seed: int, messages: int = 2000) -> list[dict[str, Any]]:
    return [row.event for held in rows(seed, messages).values() for row in held if row.event]


@each_seed
def test_nothing_of_a_history_is_refused_but_corrections_that_do_not_fit(seed: int) -> None:
    found = Counter(row.status for held in rows(seed).values() for row in held)
    assert set(found) == {"ok", "repeat", "conflict", "orphan", "dead"}
    dead = [row for held in rows(seed).values() for row in held if row.status == "dead"]
    assert {row.event.get("type") for row in dead} == {"visit.voided"}


@each_seed
@pytest.mark.parametrize("topic", BOOK)
def test_every_event_type_stands_among_a_few_hundred_messages(topic: str, seed: int) -> None:
    found = {event["type"] for event in events(seed, 800)}
    assert set(BOOK[topic].forms) - found == set()


@each_seed
@pytest.mark.parametrize("topic", BOOK)
def test_every_value_of_every_vocabulary_stands_in_a_history(topic: str, seed: int) -> None:
    found: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for event in events(seed):
        for name, value in event["data"].items():
            found[event["type"], name].add(value)
    missing = {
        (type_, name, value)
        for type_, form in BOOK[topic].forms.items()
        for name, box in form.boxes.items()
        for value in box.word.values
        if value not in found[type_, name]
    }
    # A rare type may lack a value, if another type has it.
    few = {name for _, name, value in missing if not _anywhere(found, name, value)}
    assert few == set()
    common = ("visit.recorded", "petition.registered", "mediation.filed", "fund.contributed")
    assert [each for each in sorted(missing) if each[0] in common] == []


def _anywhere(found: dict[tuple[str, str], set[Any]], name: str, value: str) -> bool:
    return any(value in values for (_, other), values in found.items() if other == name)


@each_seed
def test_boxes_that_may_stay_empty_are_filled_in_sometimes_and_not_always(seed: int) -> None:
    present: set[tuple[str, str]] = set()
    absent: set[tuple[str, str]] = set()
    for event in events(seed):
        topic = next(t for t in BOOK.values() if event["type"] in t.forms)
        boxes = topic.forms[event["type"]].boxes
        for name, box in boxes.items():
            if not box.required:
                (present if name in event["data"] else absent).add((event["type"], name))
        for name, box in ENVELOPE.items():
            if not box.required:
                (present if name in event else absent).add(("", name))
    wanted = {
        (type_, name)
        for topic in BOOK.values()
        for type_, form in topic.forms.items()
        for name, box in form.boxes.items()
        if not box.required
    } | {("", name) for name, box in ENVELOPE.items() if not box.required}
    assert present == absent == wanted


@each_seed
def test_numbers_stand_at_both_their_limits(seed: int) -> None:
    found: dict[tuple[str, int, int], set[int]] = defaultdict(set)
    for event in events(seed):
        topic = next(t for t in BOOK.values() if event["type"] in t.forms)
        for name, box in topic.forms[event["type"]].boxes.items():
            if box.word.stored == "Int64":
                found[name, box.word.least, box.word.most].add(event["data"][name])
    # Days and people at a hearing are rare; all other numbers reach both limits of the form.
    lacking = {
        name
        for (name, least, most), values in found.items()
        if not {least, most} <= values and name not in ("days", "helped", "projects")
    }
    assert lacking == set()


@each_seed
def test_events_stand_at_midnight_and_at_both_sides_of_a_new_year(seed: int) -> None:
    times = [datetime.fromtimestamp(event["_time"] / 1000, CITY) for event in events(seed)]
    ends = {(*t.timetuple()[:6], t.microsecond // 1000) for t in times}
    midnights = {end for end in ends if end[3:] == (0, 0, 0, 0)}
    lasts = {end for end in ends if end[3:] == (23, 59, 59, 999)}
    assert len(midnights) > 50
    assert len(lasts) > 20
    assert {end[:3] for end in midnights} & {(y, 1, 1) for y in (2022, 2023, 2024, 2025)}
    assert {end[:3] for end in lasts} & {(y, 12, 31) for y in (2021, 2022, 2023, 2024)}


@each_seed
def test_two_events_of_one_case_happen_at_one_instant(seed: int) -> None:
    cases = Counter(
        (event["data"].get("petition") or event["data"].get("case"), event["_time"])
        for event in {(e["source"], e["id"]): e for e in events(seed)}.values()
        if event["type"].startswith(("petition.", "mediation."))
    )
    assert sum(count > 1 for count in cases.values()) > 20


@each_seed
def test_households_and_micro_grids_are_visited_on_several_days_of_one_year(seed: int) -> None:
    days: dict[tuple[str, int], set[Any]] = defaultdict(set)
    for event in events(seed):
        if event["type"] == "visit.recorded" and "grid" in event:
            day = datetime.fromtimestamp(event["_time"] / 1000, CITY).date()
            days["household " + event["data"]["household"], day.year].add(day)
            days["grid " + event["grid"], day.year].add(day)
    for kind in ("household", "grid"):
        several = [len(found) for (name, _), found in days.items() if name.startswith(kind)]
        assert sum(count > 2 for count in several) > 5


def test_one_seed_tells_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (History(seed).messages(50) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_message_in_a_wrong_partition_is_right_but_for_that() -> None:
    message = refused("x")["partition"]
    law = Law(BOOK["visits"])
    right = law.place(message.key or b"")
    record = Record(0, 1_790_000_000_000, message.key, message.payload, right)
    assert json.loads(message.payload or b"")["type"] == "visit.recorded"
    assert message.kpart != right
    assert law.understand(record)[0] == "ok"
