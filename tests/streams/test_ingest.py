"""Ingest without a server: one partition, any order, any split into batches."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2

from schemas.families import family
from schemas.family import Family
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import Divisions
from streams.chunks import Chunk
from streams.ingest import Identity, Ingest, Rows, StoredEvent
from tests.histories.small import History, Message
from tests.oracle import BOOK, Law, Record, Row

LOGGED = 1_790_000_000_000


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record as aiokafka delivers it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass
class Partition:
    """The events table's rows of one Kafka partition."""

    ingest: Ingest
    stored: list[dict[str, Any]] = field(default_factory=list)
    awaited: set[Identity] = field(default_factory=set)

    def take(self, messages: Sequence[Message], cuts: Sequence[int]) -> None:
        """Ingests the messages in batches that end at `cuts`."""
        records = [Arrived(n, LOGGED + n, m.key, m.payload) for n, m in enumerate(messages)]
        edges = sorted({0, len(records), *(cut for cut in cuts if cut < len(records))})
        for start, end in pairwise(edges):
            chunk = Chunk("visits", 0, 1, start - 1, records[start:end])
            self._store(self.ingest.prepare([chunk]))

    def _store(self, rows: Rows) -> None:
        ok = [n for n, status in enumerate(rows.columns["status"]) if status == "ok"]
        counted = [StoredEvent(*(row[n] for n in StoredEvent._fields)) for row in self._counted()]
        self.ingest.settle(rows, ok, counted, self.awaited)
        names = list(rows.columns)
        columns = zip(*rows.columns.values(), strict=True)
        self.stored += [dict(zip(names, values, strict=True)) for values in columns]

    def _counted(self) -> list[dict[str, Any]]:
        return [row for row in self.stored if row["status"] in ("ok", "orphan")]


@cache
def ingest(topic: str) -> Ingest:
    return Ingest(_single(topic), Divisions.load(), Calendar.load("Asia/Shanghai"))


def _single(topic: str) -> Family:
    """The family with a single partition for all keys."""
    return replace(family(topic), partitions=1)


@cache
def law(topic: str) -> Law:
    return Law(replace(BOOK[topic], partitions=1))


def judged(topic: str, messages: Sequence[Message]) -> list[Row]:
    records = [Record(n, LOGGED + n, m.key, m.payload) for n, m in enumerate(messages)]
    return law(topic).judge(records)


Figures = dict[tuple[Any, ...], tuple[int, ...]]


def figures(topic: str, stored: Sequence[dict[str, Any]]) -> Figures:
    """The postings of stored rows, summed by type, place, grid, instant and content."""
    found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for row in stored:
        if row["status"] != "ok":
            continue
        own = {name: row[name] for name in ("type", "time", "division", "grid")}
        own |= {"gross": 1, "net": 1, "data": json.loads(row["data"])}
        for each in json.loads(row["net"]) if row["net"] else [own]:
            content = json.dumps(each["data"], sort_keys=True)
            place = (each["type"], each["time"], each["division"], each["grid"], content)
            found[place][0] += each["gross"]
            found[place][1] += each["net"]
    return {key: tuple(sums) for key, sums in found.items() if any(sums)}


def right_figures(topic: str, rows: Sequence[Row]) -> Figures:
    """The same figures by the oracle."""
    found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])

    def post(row: Row, original: Row, place: int) -> None:
        event = row.event
        content = json.dumps(row.data | law(topic).due(event), sort_keys=True)
        key = (original.type, original.time, event["division"])
        found[(*key, event.get("grid", ""), content)][place] += 1

    for row in rows:
        if row.status == "ok":
            post(row, row, 0)
    for original, last in law(topic).standing(rows):
        post(last, original, 1)
    return {key: tuple(sums) for key, sums in found.items()}


def visits(seed: int, events: int = 60) -> list[Message]:
    return [m for m in History(seed).messages(events * 2) if m.topic == "visits"]


def visit(seed: int) -> Message:
    """A visit without corrections."""
    return next(m for m in visits(seed) if b"visit.request_raised" in (m.payload or b""))


def funds(seed: int) -> list[Message]:
    return [m for m in History(seed).messages(300) if m.topic == "funds"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 10_000),
    st.randoms(use_true_random=False),
    st.lists(st.integers(1, 80), max_size=6),
)
def test_any_order_and_any_cut_gives_what_the_oracle_says(
    seed: int, dice: random.Random, cuts: list[int]
) -> None:
    for topic, messages in (("visits", visits(seed)), ("funds", funds(seed))):
        dice.shuffle(messages)
        partition = Partition(ingest(topic))
        partition.take(messages, cuts)
        right = judged(topic, messages)
        assert [row["status"] for row in partition.stored] == [row.status for row in right]
        assert figures(topic, partition.stored) == right_figures(topic, right)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_net_figures_do_not_depend_on_the_order_of_arrival(seed: int, dice: random.Random) -> None:
    # Of two events with the same id the first counts, so only conflicts may depend on the order.
    seen: dict[bytes, bytes | None] = {}
    messages = []
    for message in visits(seed):
        id_ = json.loads(message.payload or b"")["id"]
        if seen.setdefault(id_, message.payload) == message.payload:
            messages.append(message)
    nets = []
    for _ in range(2):
        partition = Partition(ingest("visits"))
        partition.take(messages, [dice.randrange(1, 90) for _ in range(4)])
        sums = figures("visits", partition.stored)
        nets.append({place: net for place, (_, net) in sums.items() if net})
        dice.shuffle(messages)
    assert nets[0] == nets[1]


def test_every_event_sent_twice_counts_once_whether_cut_between_or_not() -> None:
    messages = visits(5)
    for cuts in ([], [len(messages)], [7, len(messages) + 3]):
        partition = Partition(ingest("visits"))
        partition.take(messages + messages, cuts)
        again = partition.stored[len(messages) :]
        assert {row["status"] for row in again} <= {"repeat", "conflict", "dead"}
        right = right_figures("visits", judged("visits", messages))
        assert figures("visits", partition.stored) == right


def test_a_repeat_and_a_conflict_name_the_offset_of_the_first() -> None:
    first = visit(5)
    other = Message("visits", first.key, (first.payload or b"") + b" ")
    for cuts in ([], [1], [2]):
        partition = Partition(ingest("visits"))
        partition.take([first, first, other], cuts)
        told = [(row["status"], row["repeat_of"]) for row in partition.stored]
        assert told == [("ok", -1), ("repeat", 0), ("conflict", 0)]


def test_the_same_source_and_id_in_two_partitions_are_told_apart_in_one_batch_and_in_two() -> None:
    ingest = of_many_partitions()
    one = visit(5)
    other = next(m for m in visits(5) if partition(m) != partition(one))
    event = json.loads(other.payload or b"") | {"id": json.loads(one.payload or b"")["id"]}
    other = Message("visits", other.key, json.dumps(event).encode())

    def chunk(offset: int, message: Message) -> Chunk:
        record = Arrived(offset, LOGGED, message.key, message.payload)
        return Chunk("visits", partition(message), 1, offset - 1, [record])

    first = ingest.prepare([chunk(0, one), chunk(0, other)])
    ingest.settle(first, [], [], set())
    again = ingest.prepare([chunk(1, one), chunk(1, other)])
    ingest.settle(again, [0, 1], first.counted(set(first.identities)), set())
    assert again.columns["status"] == ["repeat", "repeat"]


def of_many_partitions() -> Ingest:
    return Ingest(family("visits"), Divisions.load(), Calendar.load("Asia/Shanghai"))


def partition(message: Message) -> int:
    """Partition by the hash of the Java client, which the other clients follow."""
    return int((murmur2(message.key) & 0x7FFFFFFF) % family("visits").partitions)


def test_a_message_in_another_partition_than_its_keys_does_not_count() -> None:
    one = visit(5)
    right = partition(one)
    records = [Arrived(0, LOGGED, one.key, one.payload)]
    chunks = [Chunk("visits", n, 1, -1, records) for n in (right, (right + 1) % 4)]
    rows = of_many_partitions().prepare(chunks)
    assert rows.columns["status"] == ["ok", "dead"]
    assert rows.columns["reason"] == [
        "", f"partition: its key belongs in partition {right}, by murmur2"
    ]  # fmt: skip


def test_rows_carry_position_predecessor_and_the_days_they_were_late() -> None:
    partition = Partition(ingest("visits"))
    partition.take(visits(8), [3, 9])
    offsets = [row["koff"] for row in partition.stored]
    assert offsets == list(range(len(offsets)))
    assert [row["koff_prev"] for row in partition.stored] == [-1, *offsets[:-1]]
    assert all(row["late"] for row in partition.stored if row["status"] == "ok")


def test_a_repeat_of_a_refused_correction_is_refused_in_the_same_batch_and_in_the_next() -> None:
    history = History(1)
    raised = next(m for m in history.messages(3000) if b"request_raised" in (m.payload or b""))
    event = json.loads(raised.payload or b"")
    void = event | {
        "id": "void-1",
        "type": "visit.voided",
        "dataschema": "urn:gulou:visit.voided:1",
    }
    void["data"] = {"household": event["data"]["household"], "corrects": event["id"], "why": "x"}
    wrong = Message("visits", raised.key, json.dumps(void).encode())
    for cuts in ([], [2]):
        partition = Partition(ingest("visits"))
        partition.take([raised, wrong, wrong], cuts)
        assert [row["status"] for row in partition.stored] == ["ok", "dead", "dead"]
