"""Chunks of fetched records: cutting, stamping, seeks and commits, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams import chunks as _chunks
from streams.chunks import Chunk, ChunkedConsumer, ChunkedThread
from tests.streams.stories import Arrived

VISITS, FUNDS = TP("visits", 0), TP("funds", 3)


def record(offset: int, size: int | None = 1) -> Arrived:
    return Arrived(offset, 1000 + offset, b"k", None if size is None else b"x" * size)


def pieces(limit: int, *values: int | None) -> list[list[int]]:
    """Offsets of the records in each piece."""
    records = [record(n, size) for n, size in enumerate(values)]
    return [[each.offset for each in piece] for piece in _chunks._pieces(records, limit)]


@pytest.mark.parametrize(
    ("sizes", "right"),
    [
        ([], []),
        ([3, 3, 4], [[0, 1, 2]]),  # exactly 10
        ([3, 3, 5], [[0, 1], [2]]),
        ([10, 1], [[0], [1]]),
        ([11], [[0]]),  # one record over the limit
        ([11, 1, 9, 1], [[0], [1, 2], [3]]),
        ([1, 11, 1], [[0], [1], [2]]),
        ([11, 11], [[0], [1]]),
        ([5, 5, 5, 5, 5], [[0, 1], [2, 3], [4]]),
        ([None, 10, None, 1], [[0, 1, 2], [3]]),
    ],
)
def test_records_are_cut_into_pieces_of_at_most_10_bytes_or_one_record(
    sizes: list[int | None], right: list[list[int]]
) -> None:
    assert pieces(10, *sizes) == right


def test_a_chunk_knows_its_last_offset_and_its_bytes() -> None:
    chunk = Chunk("visits", 0, 1, 4, [record(5, 3), record(8, None), record(9, 4)])
    assert (chunk.last, chunk.size) == (9, 7)


class Broker:
    """The consumer of the thread below: only what seeks and commits need."""

    def __init__(self, *assigned: TP) -> None:
        self.assigned = {driver.ensure_aiokafka_TP(tp) for tp in assigned}
        self.sought: dict[TP, int] = {}
        self.commits: list[Mapping[Any, Any]] = []
        self.fails: Exception | None = None

    def assignment(self) -> set[Any]:
        return self.assigned

    def seek(self, tp: Any, offset: int) -> None:
        self.sought[TP(tp.topic, tp.partition)] = offset

    async def commit(self, offsets: Mapping[Any, Any]) -> None:
        if self.fails is not None:
            raise self.fails
        self.commits.append(offsets)


class Thread(ChunkedThread):
    """The consumer's thread without Faust: its calls run here."""

    def __init__(self, broker: Broker) -> None:
        self._consumer, self._last = broker, {}
        self.calls: list[str] = []

    async def call_thread(self, work: Any, *args: Any) -> Any:
        self.calls.append(work.__name__)
        return await work(*args)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> dict[TP, list[Arrived]]:
    """The records that the fetcher returns."""
    found: dict[TP, list[Arrived]] = {}

    async def fetch(*_: Any, **__: Any) -> dict[TP, list[Arrived]]:
        return dict(found)

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetch)
    return found


def fetch(thread: ChunkedThread) -> list[tuple[str, int, int, int, list[int]]]:
    """Topic, partition, epoch, predecessor and offsets of every chunk of one fetch."""
    got = asyncio.run(thread._fetch_records(None, set()))
    return [
        (c.topic, c.kpart, c.epoch, c.prev, [each.offset for each in c.records])
        for chunks in got.values()
        for c in chunks
    ]


def test_chunks_carry_the_epoch_of_the_seek_and_follow_each_other(
    fetched: dict[TP, list[Arrived]],
) -> None:
    thread = Thread(Broker(VISITS, FUNDS))
    thread.chunk_bytes = 2
    asyncio.run(thread.seek_after({("visits", 0): 4, ("funds", 3): -1}, 7))
    fetched |= {VISITS: [record(5), record(6), record(9)], FUNDS: [record(0)]}
    assert fetch(thread) == [
        ("visits", 0, 7, 4, [5, 6]),
        ("visits", 0, 7, 6, [9]),
        ("funds", 3, 7, -1, [0]),
    ]
    fetched |= {VISITS: [record(10)], FUNDS: []}
    assert fetch(thread) == [("visits", 0, 7, 9, [10])]
    # A seek back: the same records come again, in another epoch.
    asyncio.run(thread.seek_after({("visits", 0): 4}, 8))
    fetched |= {VISITS: [record(5)], FUNDS: [record(1)]}
    assert fetch(thread) == [("visits", 0, 8, 4, [5])]


def test_nothing_is_let_through_between_a_revocation_and_the_next_seek(
    fetched: dict[TP, list[Arrived]], monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked = []

    async def on_partitions_revoked(_: Any, partitions: set[TP]) -> None:
        revoked.append(partitions)

    monkeypatch.setattr(
        driver.AIOKafkaConsumerThread, "on_partitions_revoked", on_partitions_revoked, raising=False
    )
    thread = Thread(Broker(VISITS))
    asyncio.run(thread.seek_after({("visits", 0): 4}, 7))
    asyncio.run(thread.on_partitions_revoked({VISITS}))
    fetched |= {VISITS: [record(5)]}
    assert fetch(thread) == []
    assert revoked == [{VISITS}]
    asyncio.run(thread.seek_after({("visits", 0): 4}, 8))
    assert fetch(thread) == [("visits", 0, 8, 4, [5])]


def test_a_seek_makes_the_record_behind_each_stored_one_the_next_of_what_is_assigned() -> None:
    broker = Broker(VISITS, TP("visits", 1))
    thread = Thread(broker)
    stored = {("visits", 0): 41, ("visits", 1): -1, ("funds", 3): 9}
    asyncio.run(thread.seek_after(stored, 3))
    assert broker.sought == {VISITS: 42, TP("visits", 1): 0}
    assert thread.calls == ["_seek_after"]
    assert thread.epoch == 3
    stored.clear()  # the claim's own mapping, which changes later
    assert thread._last == {("visits", 0): 41, ("visits", 1): -1, ("funds", 3): 9}


def test_a_hint_commits_what_is_stored_of_what_is_assigned() -> None:
    broker = Broker(VISITS, TP("visits", 1), TP("visits", 2))
    thread = Thread(broker)
    asyncio.run(
        thread.hint({("visits", 0): 41, ("visits", 1): 0, ("visits", 2): -1, ("funds", 3): 9})
    )
    assert broker.commits == [
        {
            driver.ensure_aiokafka_TP(VISITS): OffsetAndMetadata(42, ""),
            driver.ensure_aiokafka_TP(TP("visits", 1)): OffsetAndMetadata(1, ""),
        }
    ]
    assert thread.calls == ["_hint"]
    asyncio.run(thread.hint({("visits", 2): -1}))
    assert len(broker.commits) == 1


def test_a_hint_that_the_broker_refuses_is_no_error_and_any_other_failure_is() -> None:
    broker = Broker(VISITS)
    thread = Thread(broker)
    for error in (KafkaError("rebalanced"), IllegalStateError("not assigned")):
        broker.fails = error
        asyncio.run(thread.hint({("visits", 0): 41}))
    broker.fails = ValueError("a slip")
    with pytest.raises(ValueError, match="a slip"):
        asyncio.run(thread.hint({("visits", 0): 41}))


class Consumer(ChunkedConsumer):
    """Faust's consumer without Faust."""

    def __init__(self, app: Any, thread: Thread, *assigned: TP) -> None:
        self.app, self._thread, self._assigned = app, thread, set(assigned)

    def assignment(self) -> set[TP]:
        return self._assigned


def test_a_rebalance_claims_what_is_assigned_and_seeks_behind_what_is_stored() -> None:
    asked = []

    async def claim(positions: list[tuple[str, int]]) -> tuple[int, dict[tuple[str, int], int]]:
        asked.append(sorted(positions))
        return 5, {("visits", 0): 41, ("funds", 3): -1}

    broker = Broker(VISITS, FUNDS)
    consumer = Consumer(SimpleNamespace(claim=claim), Thread(broker), VISITS, FUNDS)
    # Faust gets the offsets to read next.
    assert asyncio.run(consumer.seek_to_committed()) == {VISITS: 42, FUNDS: 0}
    assert asked == [[("funds", 3), ("visits", 0)]]
    assert broker.sought == {VISITS: 42, FUNDS: 0}
    assert consumer._thread.epoch == 5


def test_a_message_of_faust_is_a_chunk_at_the_offset_and_time_of_its_last_record() -> None:
    last = SimpleNamespace(offset=9, timestamp=1_790_000_000_500, timestamp_type=1, value=b"x")
    chunk = Chunk("visits", 2, 1, 4, [record(5), last])
    app = SimpleNamespace(consumer_generation_id=11)
    message = Consumer(app, Thread(Broker()))._to_message(TP("visits", 2), chunk)
    assert message.value is chunk
    assert (message.topic, message.partition, message.offset) == ("visits", 2, 9)
    assert message.timestamp == 1_790_000_000.5
    assert message.timestamp_type == 1
    assert message.key is None
    assert message.tp == TP("visits", 2)
    assert message.generation_id == 11


@pytest.mark.parametrize(
    ("batch", "chunk"), [(8_000_001, 8_000_000), (8_000_000, 8_000_000), (1000, 1000)]
)
def test_a_chunk_is_never_larger_than_a_batch(
    monkeypatch: pytest.MonkeyPatch, batch: int, chunk: int
) -> None:
    monkeypatch.setattr(ChunkedThread, "__init__", lambda self, *_, **__: None)
    limits = SimpleNamespace(batch_bytes=batch)
    app = SimpleNamespace(config=SimpleNamespace(limits=limits))
    consumer = Consumer(app, Thread.__new__(Thread))
    consumer.loop = consumer.beacon = None
    assert consumer._new_consumer_thread().chunk_bytes == chunk


def test_faust_is_kept_from_noting_what_it_has_read() -> None:
    notes = _chunks._Unread(lambda: None)
    notes[VISITS] = 5
    notes.update({VISITS: 5})
    assert notes == {}
    assert notes[VISITS] is None


def test_a_fetch_waits_no_longer_than_a_tenth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    made = SimpleNamespace(_fetch_max_wait_ms=1500)
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_create_worker_consumer", lambda *_: made)
    thread = Thread(Broker())
    thread._last = {("visits", 0): 3}
    assert thread._create_worker_consumer(None) is made
    assert made._fetch_max_wait_ms == 100
    assert thread._last == {}
