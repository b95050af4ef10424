"""Guarantees for every family, tested only with its declarations and samples."""

from __future__ import annotations

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from kafka.partitioner.default import murmur2

from dashboards.boards._default import of_family
from schemas.catalog import sample
from schemas.event import Event
from schemas.families import families
from schemas.family import Family
from schemas.sql.columns import PublishedView
from schemas.sql.published import published
from streams.chunks import Chunk

if TYPE_CHECKING:
    from tests.town import Town

EVERY = [pytest.param(found, id=found.topic) for found in families()]
VILLAGES = ("431202001001", "431202001002", "431221100001")
START = datetime(2021, 3, 1, 9, tzinfo=timezone(timedelta(hours=8)))
AT = "2021-12-31 23:59:59"
Sent = dict[str, Any]


class Record:
    """A record as aiokafka delivers it."""

    def __init__(self, offset: int, key: str, value: bytes, at: int) -> None:
        self.offset, self.key, self.value, self.timestamp = offset, key.encode(), value, at


def events_of(family: Family, each: int = 3) -> list[Sent]:
    """`each` events of every type, of different subjects; corrections follow their originals."""
    made: list[Sent] = []
    by_type: dict[str, list[Sent]] = defaultdict(list)
    ordered = sorted(family.events, key=lambda cls: cls.spec.corrective)
    for (hour, cls), n in itertools.product(enumerate(ordered), range(each)):
        if cls.spec.corrective and n:
            continue  # only one original is voided or corrected
        event = one(family, cls, n, START + timedelta(days=40 * n, hours=hour))
        for corrected in filter(None, (cls.spec.corrects, *cls.spec.voids)):
            if by_type[corrected]:
                event["data"]["corrects"] = by_type[corrected][0]["id"]
                event["data"][family.key] = by_type[corrected][0]["data"][family.key]
        by_type[cls.spec.name].append(event)
        made.append(event)
    return made


def one(family: Family, cls: type[Event], n: int, at: datetime, place: str = "") -> Sent:
    """A message of the type about subject number `n`."""
    event: Sent = json.loads(json.dumps(sample(cls)))
    event |= {"id": f"{cls.spec.name}-{n}-{place}", "division": place or VILLAGES[n % 3]}
    event |= {"time": at.isoformat(), "recorded": at.isoformat()}
    subject = str(event["data"][family.key])
    # Only the last character changes, so a pseudonym keeps its shape.
    event["data"][family.key] = f"{subject[:-1]}{n % 10}"
    return event


def store(town: Town, family: Family, batches: Iterable[Sequence[Sent]]) -> None:
    """Stores events batch by batch, in the given order."""
    tops: dict[int, int] = defaultdict(lambda: -1)
    for batch in batches:
        records: dict[int, list[Record]] = defaultdict(list)
        before = dict(tops)
        for event in batch:
            key = str(event["data"][family.key])
            kpart = (murmur2(key.encode()) & 0x7FFFFFFF) % family.partitions
            tops[kpart] += 1
            value = json.dumps(event, ensure_ascii=False).encode()
            logged = round(datetime(2021, 12, 31, tzinfo=UTC).timestamp() * 1000)
            records[kpart].append(Record(tops[kpart], key, value, logged))
        town._store(
            family.topic,
            [
                Chunk(family.topic, kpart, 1, before.get(kpart, -1), batch)
                for kpart, batch in records.items()
            ],
        )


def figures(town: Town, family: Family) -> dict[str, list[str]]:
    """Rows of every view that shows only this family, without gross figures.

    Gross figures depend on the order: they omit a correction that came before its original.
    """
    every = published(families(), "gulou", "Asia/Shanghai", "clerk")
    views = (view for view in every if view.topic == family.topic)
    return {
        view.name: sorted(filter(None, map(net, town.published(view.name, at(view)))))
        for view in views
    }


def at(view: PublishedView) -> str:
    return AT if "{at:" in view.sql else ""


def net(row: dict[str, Any]) -> str:
    """A row without its gross figures; empty if all its net figures are 0."""
    kept = {name: value for name, value in row.items() if not name.startswith("gross_")}
    counts = [value for name, value in kept.items() if name.startswith("net_")]
    return json.dumps(kept, default=str) if any(counts) or not counts else ""


def orders(events: list[Sent]) -> Iterator[tuple[str, list[list[Sent]]]]:
    """The same events repeated, in other orders, and split into batches."""
    yield "twice", [events, events]
    yield "one by one", [[event] for event in events]
    yield "backwards", [events[::-1]]
    for seed in range(3):
        draw = random.Random(seed)
        mixed = draw.sample(events, len(events)) + draw.choices(events, k=5)
        cut = sorted(draw.sample(range(1, len(mixed)), min(4, len(mixed) - 1)))
        ends = itertools.pairwise([0, *cut, len(mixed)])
        yield f"mixed {seed}", [mixed[a:b] for a, b in ends]


@pytest.mark.parametrize("family", EVERY)
def test_figures_are_the_same_however_often_in_whatever_order_and_split_events_come(
    town: Town, family: Family
) -> None:
    events = events_of(family)
    store(town, family, [events])
    expected = figures(town, family)
    assert any(expected.values())
    for name, batches in orders(events):
        town.empty()
        store(town, family, batches)
        assert figures(town, family) == expected, name


@pytest.mark.parametrize("family", EVERY)
def test_every_query_of_a_familys_default_board_answers(town: Town, family: Family) -> None:
    store(town, family, [events_of(family)])
    board = of_family(family)
    asked = [target["rawSql"] for panel in board["panels"] for target in panel.get("targets", ())]
    assert len(asked) >= 4
    for sql in asked:
        town.ask(sql, AT, "2021-01-01", county="$__all")
