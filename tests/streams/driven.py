"""The pipeline, driven step by step: partitions that are read in chunks, agents, a store."""

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
    """Those above with some changed."""
    return replace(LIMITS, **changed)


_MOST_ROUNDS = 400


@cache
def ingests() -> Mapping[str, Ingest]:
    """Of families with as many partitions as the stories have."""
    divisions, calendar = Divisions.load(), Calendar.load("Asia/Shanghai")
    return {
        topic: Ingest(replace(family(topic), partitions=count), divisions, calendar)
        for topic, count in PARTITIONS.items()
    }


class Driven:
    """A worker over a store, and the Kafka and Faust around it.

    Attributes:
        said: messages of each partition; `logs` are their records.
        mine: partitions that this worker is given.
        next: of each partition that was sought, the offset delivered last.
        letters: what the topics of dead letters hold.
        seek_waits: whether a seek ends only when `sought` is set, though chunks flow already.
        bury_fails: raised by the broker instead of taking a letter.
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
        """Claims, then seeks behind what is stored."""
        epoch, stored = await self.pipeline.claim(self.mine)
        self.claims.append(stored)
        self.epoch, self.next = epoch, dict(stored)
        if self.seek_waits:
            await self.sought.wait()

    def rebalance(self, mine: Sequence[Position] = PLACES) -> None:
        """Gives the worker other partitions; what it was doing about the last ones is cancelled."""
        if self.rebalancing is not None:
            self.rebalancing.cancel()
        self.next, self.mine = {}, list(mine)
        self.rebalancing = self.loop.do(self.reseek())

    def claimed(self, mine: Sequence[Position] = PLACES) -> None:
        """Gives it partitions and lets it claim them undisturbed."""
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
        """Hands the next chunk of a partition to its agent."""
        chunk = self.fetch(place, count)
        if chunk is not None:
            self.give(chunk)
        return chunk

    def give(self, chunk: Chunk) -> None:
        """Hands a chunk to its agent."""
        self._queues[chunk.topic].put_nowait(chunk)
        self.loop.rest()

    def step(self) -> bool:
        """Ends the oldest open call; False when there is none."""
        calls = self.loop.open()
        if calls:
            if not calls[0].landed:
                calls[0].land()
            calls[0].reply()
            self.loop.rest()
        return bool(calls)

    def drain(self) -> None:
        """Nothing goes wrong any more: everything is stored within some rounds."""
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
        """Names of the calls that threads have begun."""
        return [call.name for call in self.loop.open(*names)]

    def asked(self, name: str) -> list[tuple[Any, ...]]:
        """What the store was asked under a name, in order."""
        return [tuple(told) for what, *told in self.table.asked if what == name]

    def waiting(self, topic: str) -> int:
        """Chunks behind the one that the agent of a topic is offering."""
        return self._queues[topic].qsize()

    def statuses(self, place: Position) -> list[str]:
        """Of what is stored of a partition."""
        return [row["status"] for row in self.table.rows[place]]

    def stored(self, place: Position) -> int:
        """How many messages of a partition are stored."""
        return len(self.table.rows[place])

    def failure(self) -> BaseException | None:
        """What a lane or a batch raised."""
        done = [f for f in (*self.supervised, *self.agents.values()) if f.done()]
        return next((f.exception() for f in done if not f.cancelled()), None)

    def check(self) -> None:
        """Every partition is stored without a hole and without a double, in order."""
        for place, records in self.logs.items():
            rows = self.table.rows[place]
            offsets = [-1, *(record.offset for record in records[: len(rows)])]
            assert [row["koff"] for row in rows] == offsets[1:], place
            assert [row["koff_prev"] for row in rows] == offsets[:-1], place

    def check_whole(self, poisoned: Sequence[str] = ()) -> None:
        """All of it is stored as the fold says, and every dead letter was buried before."""
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
        """Another worker takes a partition over and stores the next messages, all at once."""
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
        """Ends every task; what still runs in threads is forgotten."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.rest()
        for future in self.supervised:
            if future.done() and not future.cancelled():
                future.exception()


@contextmanager
def driven(limits: Limits = LIMITS, table: Table | None = None) -> Iterator[Driven]:
    """A worker on a loop and a clock of its own."""
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
