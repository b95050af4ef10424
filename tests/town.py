"""A town: stores events as a worker does, and answers queries as boards get them.

The engine, the decoder, the due dates, corrections, inserts, projections and views are real; only
Kafka and Faust are left out, so that a short history and its answer take milliseconds. Tests of
Kafka and Faust run on a whole stack (`tests/live.py`).
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from kafka.partitioner.default import murmur2

from infra import database as apply
from infra.settings import Settings
from schemas.families import families, family
from schemas.grain import Role
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import SHIPPED, Divisions
from streams.chunks import Chunk
from streams.connection import Address
from streams.ingest import Ingest
from streams.warehouse import ClickHouseStore
from tests.dashboards.shipped import HOUR_MS, OWNER_TOKEN, Shipped, shipped
from tests.histories.told import Told, message, ms, topic_of

LOGGED_AFTER_MS = 1000
"""Delay from the recording of an event to its append by the broker, unless a test sets another."""


@dataclass(frozen=True, slots=True)
class _Record:
    """A record as aiokafka delivers it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass
class Town:
    """Every family's tables and views on one engine, with a worker's handling of events."""

    shipped: Shipped
    ingests: dict[str, Ingest]
    warehouse: ClickHouseStore
    _offsets: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(lambda: -1))
    _awaited: dict[str, set[Any]] = field(default_factory=lambda: defaultdict(set))

    def tell(self, *events: Told, logged: str = "") -> None:
        """Stores events in the given order, one batch per topic.

        Args:
            *events: made by `told`.
            logged: append time of the broker; by default a second after each was recorded.
        """
        records: dict[tuple[str, int], list[_Record]] = defaultdict(list)
        before = dict(self._offsets)
        for event in events:
            sent = message(event)
            place = (sent.topic, self._partition(sent.topic, sent.key or b""))
            self._offsets[place] += 1
            recorded = round(datetime.fromisoformat(event["recorded"]).timestamp() * 1000)
            at = ms(logged) if logged else recorded + LOGGED_AFTER_MS
            records[place].append(_Record(self._offsets[place], at, sent.key, sent.payload))
        for topic in {topic_of(event): None for event in events}:
            chunks = [
                Chunk(topic, kpart, 1, before.get((topic, kpart), -1), batch)
                for (name, kpart), batch in records.items()
                if name == topic
            ]
            self._store(topic, chunks)

    def _partition(self, topic: str, key: bytes) -> int:
        return int((murmur2(key) & 0x7FFFFFFF) % family(topic).partitions)

    def _store(self, topic: str, chunks: list[Chunk]) -> None:
        ingest, awaited = self.ingests[topic], self._awaited[topic]
        rows = ingest.prepare(chunks)
        roots = {rows.root(row) for row in rows.corrective}
        roots |= awaited.intersection(rows.identities)
        related = self.warehouse.related(topic, set(rows.identities), roots)
        ingest.settle(rows, range(len(rows)), related, awaited)
        refused = [reason for reason in rows.columns["reason"] if reason]
        assert not refused, set(refused)  # a history with an error in it would test nothing
        self.warehouse.insert(rows, OWNER_TOKEN)

    def ask(
        self,
        sql: str,
        at: str,
        since: str = "2021-01-01",
        interval_ms: int = HOUR_MS,
        **values: str,
    ) -> list[dict[str, Any]]:
        """Rows of a panel's query, as the user of the role it needs gets them.

        Args:
            sql: with Grafana's macros and variables, as returned by a named query function.
            at: end of the board's time range, inclusive; since: its start. Both in city time.
            interval_ms: width of one point of the panel.
            **values: values of the board's variables; `$__all` is all.
        """
        return self.shipped.ask(sql, at, since, interval_ms, **values)

    def published(
        self, view: str, at: str = "", where: str = "1", role: Role = "clerk"
    ) -> list[dict[str, Any]]:
        """Rows of a role's published view, at an instant if it takes one."""
        return self.shipped.city.published(view, at, where, role)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of plain SQL, run by the owner."""
        return self.shipped.city.rows(sql)

    def statuses(self, topic: str) -> list[str]:
        """Status of every stored message of a topic, by partition and offset."""
        found = self.rows(
            f"SELECT toString(status) AS status FROM gulou.events_{topic} ORDER BY kpart, koff"
        )
        return [row["status"] for row in found]

    def beat(self, **columns: Any) -> None:
        """A heartbeat of the worker, see `Shipped.beat`."""
        self.shipped.beat(**columns)

    def empty(self) -> None:
        """Deletes every event, figure and heartbeat; the divisions stay."""
        self.shipped.empty()
        self._offsets.clear()
        self._awaited.clear()


@contextlib.contextmanager
def town(root: Path, places: Path = SHIPPED) -> Iterator[Town]:
    """Starts the engine with all declarations and the divisions of a file, without events."""
    divisions, calendar = Divisions.load(places), Calendar.load("Asia/Shanghai")
    with shipped(root, places) as running:
        warehouse = ClickHouseStore(
            Address(running.warehouse.host, running.warehouse.port, "gulou", "owns"),
            families(),
            apply.layout(Settings()),
        )
        ingests = {f.topic: Ingest(f, divisions, calendar) for f in families()}
        yield Town(running, ingests, warehouse)
        warehouse.close()
