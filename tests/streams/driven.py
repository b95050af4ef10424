"""The pipeline, driven step by step: partitions read in chunks, agents, a store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.families import family
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import Divisions
from streams import pipeline as _pipeline
from streams.chunks import Chunk, Position
from streams.dead_letters import DeadLetter
from streams.ingest import Ingest
from streams.limits import Limits
from streams.pipeline import Pipeline
from tests.streams.store import Door, Table
from tests.streams.stories import PARTITIONS, PLACES, Arrived, Said, fold, folded, log
from tests.streams.turns import Turns

LIMITS = Limits(batch_events=8, batch_bytes=1_000_000, flush_s=0.0, dead_ceiling=10_000)


def limits(**changed: Any) -> Limits:
    """The limits above with some changed."""
    return replace(LIMITS, **changed)


_MOST_ROUNDS = 400


@cache
def ingests() -> Mapping[str, Ingest]:
    """Ingest of families with the partition counts of the stories."""
    divisions, calendar = Divisions.load(), Calendar.load("Asia/Shanghai")
    return {
        topic: Ingest(replace(family(topic), partitions=count), divisions, calendar)
        for topic, count in PARTITIONS.items()
    }


class Driven:
    """A worker over a store, with stand-ins for Kafka and Faust.

    Attributes:
        said: messages of each partition; `logs` are their records.
        mine: partitions assigned to this worker.
        next: last delivered offset of each partition with a finished seek.
        letters: content of the dead-letter topics.
        seek_waits: whether a seek ends only when `sought` is set, while chunks already flow.
        bury_fails: error that the broker raises instead of taking a letter.
    """

    def __init__(self, loop: Turns, limits: Limits = LIMITS, table: Table | None = None) -> None:
        self.loop, self.table = loop, table or Table()
        self.said: dict[Position, list[Said]] = {place: [] for place in PLACES}
        self.logs: dict[Position, list[Arrived]] = {place: [] for place in PLACES}
        self.mine, self.next, self.epoch = list(PLACES), dict[Position, int](), 0
        self.letters: list[DeadLetter] = []
        self.seek_waits, self.sought = False, asyncio.Event()
        self.bury_waits, self.buried = False, asyncio.Event()
        self.bury_fails: Exception | None = None
        self.claims: list[Mapping[Position, int]] = []
        self.rebalancing: asyncio.Task[None] | None = None
        self.pipeline = Pipeline(
            ingests(), self.table.open, limits, reseek=self.reseek, bury=self.bury
        )
        self._queues: dict[str, asyncio.Queue[Chunk]] = {t: asyncio.Queue() for t in PARTITIONS}
        self.agents: dict[str, asyncio.Task[None]] = {}
        self.supervised: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Starts lanes and agents, as Faust does; nothing is claimed yet."""

        async def started() -> None:
            self.supervised = [asyncio.ensure_future(each) for each in self.pipeline.run()]

        self.loop.do(started())
        for topic in PARTITIONS:
            self.agents[topic] = self.loop.do(self._agent(topic))

    async def _agent(self, topic: str) -> None:
        while True:
            await self.pipeline.offer(await self._queues[topic].get())

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        if letters and self.bury_waits:
            await self.buried.wait()
        if letters and self.bury_fails is not None:
            raise self.bury_fails
        self.letters += letters

    async def reseek(self) -> None:
        """Claims, then seeks behind the stored offsets."""
        epoch, stored = await self.pipeline.claim(self.mine)
        self.claims.append(stored)
        self.epoch, self.next = epoch, dict(stored)
        if self.seek_waits:
            await self.sought.wait()

    def rebalance(self, mine: Sequence[Position] = PLACES) -> None:
        """Assigns other partitions; cancels the previous claim if it still runs."""
        if self.rebalancing is not None:
            self.rebalancing.cancel()
        self.next, self.mine = {}, list(mine)
        self.rebalancing = self.loop.do(self.reseek())

    def claimed(self, mine: Sequence[Position] = PLACES) -> None:
        """Assigns partitions and completes their claim."""
        self.rebalance(mine)
        for name in ("claim", "_remember"):
            self.loop.finish(name)
        assert self.rebalancing is not None
        self.rebalancing.result()

    def send(self, place: Position, *said: Said, gap: int = 1) -> None:
        """Appends messages to a partition."""
        held = self.logs[place]
        self.said[place] += said
        held += log(*place, said, held[-1].offset + gap if held else 0, gap)

    def fetch(self, place: Position, count: int) -> Chunk | None:
        """The next chunk of a partition, if there is one."""
        if place not in self.next:
            return None
        records = [r for r in self.logs[place] if r.offset > self.next[place]][:count]
        if not records:
            return None
        chunk = Chunk(*place, self.epoch, self.next[place], records)
        self.next[place] = chunk.last
        return chunk

    def feed(self, place: Position, count: int) -> Chunk | None:
        """Passes the next chunk of a partition to its agent."""
        chunk = self.fetch(place, count)
        if chunk is not None:
            self.give(chunk)
        return chunk

    def give(self, chunk: Chunk) -> None:
        """Passes a chunk to its agent."""
        self._queues[chunk.topic].put_nowait(chunk)
        self.loop.rest()

    def step(self) -> bool:
        """Ends the oldest open call; False if there is none."""
        calls = self.loop.open()
        if calls:
            if not calls[0].landed:
                calls[0].land()
            calls[0].reply()
            self.loop.rest()
        return bool(calls)

    def drain(self) -> None:
        """Removes all faults and runs until everything is stored."""
        self.table.cure()
        self.seek_waits = self.bury_waits = False
        self.bury_fails = None
        self.sought.set()
        self.buried.set()
        for _ in range(_MOST_ROUNDS):
            while self.step():
                pass
            if all(self.stored(p) == len(self.logs[p]) for p in self.mine):
                break
            for place in self.mine:
                self.feed(place, 5)
            self.loop.advance(0.5)
        while self.step():
            pass

    def finish(self, *names: str) -> None:
        """Ends the oldest call of each name, one after the other."""
        for name in names:
            self.loop.finish(name)

    def calls(self, *names: str) -> list[str]:
        """Names of the calls that threads have started."""
        return [call.name for call in self.loop.open(*names)]

    def asked(self, name: str) -> list[tuple[Any, ...]]:
        """Calls of the store by that name, in order."""
        return [tuple(told) for what, *told in self.table.asked if what == name]

    def waiting(self, topic: str) -> int:
        """Number of chunks queued behind the one that a topic's agent is offering."""
        return self._queues[topic].qsize()

    def statuses(self, place: Position) -> list[str]:
        """Statuses of a partition's stored messages."""
        return [row["status"] for row in self.table.rows[place]]

    def stored(self, place: Position) -> int:
        """Number of stored messages of a partition."""
        return len(self.table.rows[place])

    def failure(self) -> BaseException | None:
        """The error of a lane or a batch."""
        done = [f for f in (*self.supervised, *self.agents.values()) if f.done()]
        return next((f.exception() for f in done if not f.cancelled()), None)

    def check(self) -> None:
        """Asserts that every partition is stored in order, without gaps or duplicates."""
        for place, records in self.logs.items():
            rows = self.table.rows[place]
            offsets = [-1, *(record.offset for record in records[: len(rows)])]
            assert [row["koff"] for row in rows] == offsets[1:], place
            assert [row["koff_prev"] for row in rows] == offsets[:-1], place

    def check_whole(self, poisoned: Sequence[str] = ()) -> None:
        """Asserts that the rows equal the fold, and that every dead letter was buried first."""
        self.check()
        assert self.failure() is None
        for place, said in self.said.items():
            rows, records = self.table.rows[place], self.logs[place]
            assert len(rows) == len(records), place
            assert folded(place[0], rows) == fold(said, [r.offset for r in records], poisoned)
        letters = Counter((e.topic, e.kpart, e.offset, e.payload) for e in self.letters)
        dead = {
            (*place, row["koff"], row["payload"])
            for place, rows in self.table.rows.items()
            for row in rows
            if row["status"] == "dead"
        }
        assert letters.keys() == dead

    def others(self, place: Position, count: int) -> None:
        """Another worker takes over a partition and stores the next messages in one step."""
        topic, kpart = place
        door, token = Door(self.table, ours=False), self.table.token()
        self.table.owners[place] = token
        top = self.table.top(place)
        records = [r for r in self.logs[place] if r.offset > top][:count]
        if not records:
            return
        ingest = ingests()[topic]
        rows = ingest.prepare([Chunk(topic, kpart, 1, top, records)])
        everything = {(kpart, r["source"], r["id"]) for r in self.table.rows[place]}
        roots = {(kpart, r["source"], r["corrects"]) for r in self.table.rows[place]}
        before = door.related(topic, everything, roots)
        awaited = {row.root for row in before if row.status == "orphan"}
        ingest.settle(rows, range(len(rows)), before, awaited)
        self.letters += DeadLetter.of_rows(rows)
        door.insert(rows, token)

    def close(self) -> None:
        """Ends every task and forgets calls that still run in threads."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.rest()
        for future in self.supervised:
            if future.done() and not future.cancelled():
                future.exception()


@contextmanager
def driven(limits: Limits = LIMITS, table: Table | None = None) -> Iterator[Driven]:
    """A worker on its own loop and clock."""
    loop = Turns("claim")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pipeline, "time", SimpleNamespace(monotonic=loop.time))
        running = Driven(loop, limits, table)
        try:
            running.start()
            yield running
        finally:
            running.close()
            loop.close()


def counted(metric: Any, *labels: str) -> float:
    """Value of a counter or gauge."""
    child = metric.labels(*labels) if labels else metric
    return float(child._value.get())
