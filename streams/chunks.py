"""Faust's Kafka transport, handing over one chunk per fetched Kafka partition.

Stock Faust hands over one event at a time and spends 70 µs on each before any work is done. Here a
message of the agent's stream is a `Chunk` of up to some thousand records, with the offset of the
last one. Faust keeps what it is good at: group membership, rebalances, flow control, supervision.

Positions come from the `claim` that the app gives to the transport, not from Faust's commits.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

log = logging.getLogger(__name__)

Position = tuple[str, int]
"""Topic and Kafka partition."""

FETCH_WAIT_MS = 100  # Faust hard-codes 1,500 ms, which an idle wall would see as latency


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Consecutive records of one Kafka partition, oldest first, never empty.

    Attributes:
        epoch: number of the seek after which it was fetched; a chunk of an older epoch is stale.
        prev: offset of the record delivered before the first, -1 at the start of the partition.
        size: bytes of payload.
        records: aiokafka records with `offset`, `timestamp` (ms, append time), `key`, `value`.
    """

    topic: str
    kpart: int
    epoch: int
    prev: int
    records: Sequence[Any]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        size = sum([len(record.value or b"") for record in self.records])
        object.__setattr__(self, "size", size)

    @property
    def last(self) -> int:
        """Offset of the last record."""
        return int(self.records[-1].offset)


def _pieces(records: Sequence[Any], limit: int) -> Iterator[Sequence[Any]]:
    """The records in pieces of at most `limit` bytes; a larger record is a piece of its own.

    The fetch size limits compressed bytes; unpacked text may be fifty times as large.
    """
    start = size = 0
    for n, record in enumerate(records):
        grown = len(record.value or b"")
        if size + grown > limit and n > start:
            yield records[start:n]
            start, size = n, 0
        size += grown
    if start < len(records):
        yield records[start:]


class ChunkedThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The consumer's thread: fetches, and stamps each chunk with epoch and predecessor."""

    epoch: int = 0
    chunk_bytes: int = 8_000_000
    _last: dict[Position, int]

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        self._last = {}
        return consumer

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Mapping[TP, list[Chunk]]:
        # A seek may run while this waits. The fetcher hands over only records at the current
        # position, so the current epoch is the right one. Dropping the records instead would leave
        # a hole: the position has moved past them (D-45).
        fetched = await super()._fetch_records(*args, **kwargs)
        chunks: dict[TP, list[Chunk]] = {}
        for tp, records in fetched.items():
            prev = self._last.get((tp.topic, tp.partition))
            if prev is None:
                continue
            chunks[tp] = []
            for part in _pieces(records, self.chunk_bytes):
                chunks[tp].append(Chunk(tp.topic, tp.partition, self.epoch, prev, part))
                prev = self._last[tp.topic, tp.partition] = chunks[tp][-1].last
        return chunks

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Lets nothing through until the next claim: Kafka's own positions mean nothing here."""
        self._last = {}
        await super().on_partitions_revoked(revoked)

    async def seek_after(self, stored: Mapping[Position, int], epoch: int) -> None:
        """Seeks to the record after each stored offset and starts epoch `epoch`."""
        await self.call_thread(self._seek_after, stored, epoch)

    async def _seek_after(self, stored: Mapping[Position, int], epoch: int) -> None:
        consumer = self._ensure_consumer()
        self.epoch = epoch
        self._last = dict(stored)
        for (topic, kpart), offset in stored.items():
            tp = driver.ensure_aiokafka_TP(TP(topic, kpart))
            if tp in consumer.assignment():
                consumer.seek(tp, offset + 1)

    async def hint(self, stored: Mapping[Position, int]) -> None:
        """Commits what is stored, for lag tools; nothing here ever reads it back.

        Faust's own commit crashes the consumer when the group has just rebalanced.
        """
        await self.call_thread(self._hint, stored)

    async def _hint(self, stored: Mapping[Position, int]) -> None:
        consumer = self._ensure_consumer()
        mine = consumer.assignment()
        offsets = {
            tp: OffsetAndMetadata(offset + 1, "")
            for (topic, kpart), offset in stored.items()
            if offset >= 0 and (tp := driver.ensure_aiokafka_TP(TP(topic, kpart))) in mine
        }
        if offsets:
            try:
                await consumer.commit(offsets)
            except KafkaError as error:
                log.info("offsets not committed, which only lag tools read: %s", error)


class _Unread(defaultdict[TP, None]):
    """Faust's record of the offsets it has read, kept empty.

    Faust drops messages before a recorded offset. If it recorded an old message just after a seek
    back, it would drop the message that the seek asked for.
    """

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        pass

    def update(self, *_: Any, **__: Any) -> None:
        pass


class ChunkedConsumer(driver.Consumer):  # type: ignore[misc]
    """Faust's consumer over `ChunkedThread`; the app sets `claim`."""

    claim: Callable[[Iterable[Position]], Awaitable[tuple[int, Mapping[Position, int]]]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _Unread(lambda: None)

    def _new_consumer_thread(self) -> ChunkedThread:
        thread = ChunkedThread(self, loop=self.loop, beacon=self.beacon)
        thread.chunk_bytes = min(thread.chunk_bytes, self.app.config.limits.batch_bytes)
        return thread

    def _to_message(self, tp: TP, record: Any) -> Any:
        chunk = cast(Chunk, record)
        last = chunk.records[-1]
        return driver.ConsumerMessage(
            chunk.topic,
            chunk.kpart,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            chunk,
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Claims the assigned partitions and seeks past the last stored offset of each.

        The name is Faust's: it calls this after every rebalance, from its recovery service.
        """
        epoch, stored = await self.app.claim([(tp.topic, tp.partition) for tp in self.assignment()])
        await self._thread.seek_after(stored, epoch)
        return {TP(topic, kpart): offset + 1 for (topic, kpart), offset in stored.items()}


class ChunkedTransport(driver.Transport):  # type: ignore[misc]
    """Registered with Faust as the transport of the app."""

    Consumer: ClassVar[type] = ChunkedConsumer
