"""The worker's machinery between Faust's agents and the warehouse, one lane per topic.

A lane takes whatever chunks have arrived, decodes and settles them while its last insert is still
in flight, then inserts them. At most one insert of a topic is in flight: a later one that succeeded
after an earlier one failed would leave a hole. Anything unexpected ends in a new claim, which gives
a new epoch; chunks of an older epoch are dropped and read again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from schemas.errors import Halted, Unavailable
from streams import metrics
from streams.chunks import Chunk, Position
from streams.dead_letters import DeadLetter
from streams.identities import Seen, doubled
from streams.ingest import Ingest, Rows
from streams.limits import Limits
from streams.store import Claim, Poison, Store

log = logging.getLogger(__name__)

_MOST_LAYERS: Final = 3  # a claim rebuilds a filter with more layers: every event asks each layer


@dataclass(slots=True)
class _Lane:
    """What is under way for one topic.

    Attributes:
        writer, reader: connections: one inserts while the other queries.
        settling: the batch that is being decoded and settled, or the last one.
        inflight: the insert under way, or the last one; `flying` are its rows.
        torn: a batch failed, so nothing may be stored before the next claim: it would leave a hole.
    """

    ingest: Ingest
    writer: Store
    reader: Store
    threads: ThreadPoolExecutor
    chunks: deque[Chunk] = field(default_factory=deque)
    pending: int = 0
    pending_bytes: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    settling: asyncio.Task[Rows | None] | None = None
    inflight: asyncio.Task[None] | None = None
    flying: Rows | None = None
    torn: bool = False
    flushed_at: float = 0.0
    dead: deque[tuple[int, int]] = field(default_factory=deque)


class Pipeline:
    """Owns the lanes and the claim; everything runs on the app's event loop."""

    def __init__(
        self,
        ingests: Mapping[str, Ingest],
        open_store: Callable[[], Store],
        limits: Limits,
        *,
        reseek: Callable[[], Awaitable[None]],
        bury: Callable[[Sequence[DeadLetter]], Awaitable[None]],
    ) -> None:
        self._limits, self._reseek, self._bury = limits, reseek, bury
        self._claimer = open_store()
        self._threads = ThreadPoolExecutor(1, "claim")
        self._lanes = {
            # Two threads: one decodes while the other waits for the previous insert.
            topic: _Lane(ingest, open_store(), open_store(), ThreadPoolExecutor(2, topic))
            for topic, ingest in ingests.items()
        }
        self._drained = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._reclaiming = asyncio.Lock()
        self._claim = Claim(0, {}, {})
        self._accepted: dict[Position, int] = {}
        self._seen: dict[Position, Seen] = {}
        self.epoch = 0
        self._failed: asyncio.Future[None] | None = None
        self._recovery: asyncio.Task[None] | None = None
        self.watermarks: dict[Position, int] = {}
        self.progressed_at: dict[Position, float] = {}
        """When a watermark last moved, or there was nothing to wait for; `time.monotonic`."""

    def run(self) -> list[Awaitable[None]]:
        """To supervise: an endless coroutine per lane, and a future with what a batch raised."""
        self._failed = asyncio.get_running_loop().create_future()
        return [*(self._serve(topic) for topic in self._lanes), self._failed]

    async def claim(self, positions: Iterable[Position]) -> tuple[int, Mapping[Position, int]]:
        """Takes ownership; returns the new epoch and the last stored offset of each position."""
        wanted = list(positions)
        async with self._claiming:
            self.epoch += 1
            under_way = [
                task
                for lane in self._lanes.values()
                for task in (lane.settling, lane.inflight)
                if task is not None
            ]
            if under_way:
                # Not gather: when another rebalance cancels this claim, it would cancel them too.
                await asyncio.wait(under_way)
            for lane in self._lanes.values():
                self._forget(lane)
            self._claim, self._seen = await self._patiently(wanted)
            metrics.CLAIMS.inc()
            self._accepted = dict(self._claim.stored)
            self.watermarks = dict(self._claim.stored)
            self.progressed_at.clear()
            self.progressed(wanted)
            log.info("claimed %d partitions as epoch %d", len(wanted), self.epoch)
            return self.epoch, self._claim.stored

    async def _patiently(self, wanted: list[Position]) -> tuple[Claim, dict[Position, Seen]]:
        loop = asyncio.get_running_loop()
        patience = time.monotonic() + self._limits.claim_patience_s
        wait = 0.1
        while True:
            try:
                claim = await loop.run_in_executor(
                    self._threads, self._claimer.claim, wanted, self._burier(loop)
                )
                return claim, await loop.run_in_executor(self._threads, self._remember, claim)
            except Unavailable as error:
                if time.monotonic() > patience:
                    raise
                log.warning("claim not possible yet: %s", error)
                await asyncio.sleep(wait)
                wait = min(2 * wait, 2.0)

    def _burier(self, loop: asyncio.AbstractEventLoop) -> Callable[[Sequence[Poison]], None]:
        """A function that buries poison; for the claim's thread."""

        async def bury(letters: Sequence[DeadLetter]) -> None:
            await self._bury(letters)
            self._count_dead(self._lanes[letters[0].topic], letters[0].topic, letters)

        def bury_poison(poison: Sequence[Poison]) -> None:
            letters = [DeadLetter.of_poison(each) for each in poison]
            asyncio.run_coroutine_threadsafe(bury(letters), loop).result()

        return bury_poison

    def progressed(self, positions: Iterable[Position]) -> None:
        """Notes that the positions do not stand still."""
        now = time.monotonic()
        for topic, kpart in positions:
            self.progressed_at[topic, kpart] = now
            metrics.PROGRESS.labels(topic, str(kpart)).set_to_current_time()

    def _remember(self, claim: Claim) -> dict[Position, Seen]:
        """The identity filters of the claimed partitions, up to what is stored."""
        held = {}
        for (topic, kpart), top in claim.stored.items():
            seen = self._seen.get((topic, kpart))
            if seen is None or seen.covers > top or seen.layers > _MOST_LAYERS:
                seen = Seen(top, self._claimer.identities(topic, kpart, -1))
            elif seen.covers < top:
                seen.add(self._claimer.identities(topic, kpart, seen.covers))
                seen.covers = top
            held[topic, kpart] = seen
        return held

    async def offer(self, chunk: Chunk) -> None:
        """Takes a chunk from an agent; waits while too much is pending."""
        lane, position = self._lanes[chunk.topic], (chunk.topic, chunk.kpart)
        while chunk.epoch == self.epoch and self._full():
            self._drained.clear()
            await self._drained.wait()
        if chunk.epoch != self.epoch:
            return
        if self._accepted.get(position) != chunk.prev:
            # Faust may drop a message while flow is suspended; storing the next would leave a hole.
            log.warning("%s@%d: a chunk is missing, seeking again", *position)
            await self._reclaim(chunk.epoch)
            return
        if chunk.records[0].offset <= chunk.prev:
            self._fail(
                Halted(
                    f"{chunk.topic}@{chunk.kpart} begins again at offset "
                    f"{chunk.records[0].offset}, but {chunk.prev} is stored: Kafka lost messages, "
                    "or the topic was made anew.",
                    do="Restore the topic, or start a new database with GULOU_DATABASE.",
                )
            )
            return
        self._accepted[position] = chunk.last
        lane.chunks.append(chunk)
        lane.pending += len(chunk.records)
        lane.pending_bytes += chunk.size
        lane.arrived.set()

    def _full(self) -> bool:
        """Whether the lanes together hold a batch; a limit per lane would add up over topics."""
        lanes, limits = self._lanes.values(), self._limits
        return (
            sum(lane.pending for lane in lanes) >= limits.batch_events
            or sum(lane.pending_bytes for lane in lanes) > limits.batch_bytes
        )

    async def _serve(self, topic: str) -> None:
        lane = self._lanes[topic]
        while True:
            await lane.arrived.wait()
            await self._linger(lane)
            epoch, chunks = self.epoch, self._take(lane)
            if not chunks:
                continue
            lane.settling = asyncio.create_task(self._settled(topic, chunks, epoch))
            rows = await lane.settling
            if lane.inflight is not None:
                await lane.inflight
            if rows is None or lane.torn or self.epoch != epoch:
                continue
            lane.flying = rows
            lane.inflight = asyncio.create_task(self._store(topic, rows, epoch))
            lane.inflight.add_done_callback(self._watch)
            lane.flushed_at = time.monotonic()

    async def _linger(self, lane: _Lane) -> None:
        """Lets small batches grow: a part for every few events would overload the merges."""
        if lane.pending < self._limits.batch_events // 4:
            rest = lane.flushed_at + self._limits.flush_s - time.monotonic()
            if rest > 0:
                await asyncio.sleep(rest)

    def _take(self, lane: _Lane) -> list[Chunk]:
        """Chunks of the current epoch, up to the limits of a batch, at least one."""
        taken: list[Chunk] = []
        events = size = 0
        while lane.chunks:
            chunk = lane.chunks[0]
            grown, heavier = events + len(chunk.records), size + chunk.size
            if taken and (grown > self._limits.batch_events or heavier > self._limits.batch_bytes):
                break
            lane.chunks.popleft()
            lane.pending -= len(chunk.records)
            lane.pending_bytes -= chunk.size
            if chunk.epoch == self.epoch:
                taken.append(chunk)
                events, size = grown, heavier
        if not lane.chunks:
            lane.arrived.clear()
        self._drained.set()
        return taken

    async def _settled(self, topic: str, chunks: Sequence[Chunk], epoch: int) -> Rows | None:
        """The rows of a batch, ready to be inserted; None when it has to be read again."""
        lane, loop = self._lanes[topic], asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(lane.threads, lane.ingest.prepare, chunks)
            await loop.run_in_executor(lane.threads, self._settle, topic, rows)
        except Unavailable as error:
            self._distrust(lane, epoch, error)
            return None
        return rows

    async def _store(self, topic: str, rows: Rows, epoch: int) -> None:
        """Inserts one batch."""
        lane, loop = self._lanes[topic], asyncio.get_running_loop()
        try:
            letters = DeadLetter.of_rows(rows)
            await self._bury(letters)
            started = time.monotonic()
            await loop.run_in_executor(lane.threads, lane.writer.insert, rows, self._claim.token)
        except Unavailable as error:
            metrics.INSERT_FAILURES.labels(topic).inc()
            self._distrust(lane, epoch, error)
            return
        metrics.INSERT_SECONDS.labels(topic).observe(time.monotonic() - started)
        self._stored(topic, rows, epoch)
        self._count_dead(lane, topic, letters)

    def _distrust(self, lane: _Lane, epoch: int, error: Unavailable) -> None:
        """Starts a new claim; not awaited, as the claim waits for the task that calls this."""
        log.warning("%s", error)
        lane.torn = True
        self._recovery = asyncio.create_task(self._reclaim(epoch))

    def _watch(self, batch: asyncio.Task[None]) -> None:
        """Reports at once that a batch raised; its lane might wait long for its next chunk."""
        error = None if batch.cancelled() else batch.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    def _settle(self, topic: str, rows: Rows) -> None:
        """Asks the filters, and the table about their suspects; runs on the lane's thread."""
        lane, awaited = self._lanes[topic], self._claim.awaited[topic]
        suspects = self._suspects(topic, rows)
        wanted = {rows.identities[row] for row in suspects}
        roots = {rows.root(row) for row in rows.corrective}
        if awaited:
            roots |= awaited.intersection(rows.identities)
        related = lane.reader.related(topic, wanted, roots)
        if lane.flying is not None:
            # The rows in flight may be in the table already, or not yet. If their insert fails,
            # this batch is read again too (D-47).
            related += lane.flying.counted(wanted | roots)
        lane.ingest.settle(rows, suspects, related, awaited)

    def _suspects(self, topic: str, rows: Rows) -> list[int]:
        """Rows with an identity perhaps seen before; adds every sound identity to the filters."""
        suspects: list[int] = []
        for kpart in rows.kparts:
            mine = np.flatnonzero(rows.sound & (rows.places == kpart))
            seen, own = self._seen[topic, kpart], rows.hashes[mine]
            perhaps = seen.perhaps(own) | doubled(own)
            seen.add(own)
            suspects += mine[perhaps].tolist()
        return suspects

    def _stored(self, topic: str, rows: Rows, epoch: int) -> None:
        metrics.BATCH_EVENTS.labels(topic).observe(len(rows))
        for status, count in Counter(rows.columns["status"]).items():
            metrics.MESSAGES.labels(topic, status).inc(count)
        if epoch != self.epoch:
            return
        for kpart, offset in rows.last.items():
            self.watermarks[topic, kpart] = offset
            self._seen[topic, kpart].covers = offset
            metrics.WATERMARK.labels(topic, str(kpart)).set(offset)
        self.progressed((topic, kpart) for kpart in rows.last)

    def _count_dead(self, lane: _Lane, topic: str, letters: Sequence[DeadLetter]) -> None:
        """Counts dead letters; stops the stream past the ceiling: something is wrong at large."""
        for letter in letters:
            metrics.DEAD_LETTERS.labels(topic, letter.code).inc()
            lane.dead.append((letter.logged, 1))
        if not letters:
            return
        newest = max(logged for logged, _ in lane.dead)
        while lane.dead and lane.dead[0][0] < newest - self._limits.dead_window_s * 1000:
            lane.dead.popleft()
        if len(lane.dead) > self._limits.dead_ceiling:
            raise Halted(
                f"{len(lane.dead)} messages of {topic} were refused within "
                f"{self._limits.dead_window_s} s, more than {self._limits.dead_ceiling}; the last: "
                f"{letters[-1].reason}",
                do=f"Read {topic}.dead, mend the sender, or raise GULOU_DEAD_CEILING, then start "
                "the worker again; nothing is lost.",
            )

    async def _reclaim(self, epoch: int) -> None:
        """Claims and seeks again, once for all failures of the same epoch."""
        try:
            async with self._reclaiming:
                if self.epoch == epoch:
                    await self._reseek()
        except Exception as error:
            self._fail(error)

    def _forget(self, lane: _Lane) -> None:
        lane.chunks.clear()
        lane.settling = lane.inflight = lane.flying = None
        lane.torn = False
        lane.pending = lane.pending_bytes = 0
        lane.arrived.clear()
        self._drained.set()
