"""Visits in two partitions on a real engine, with workers that claim, store and repair them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from clickhouse_driver import Client

from infra.warehouse import EmbeddedClickHouse as Server
from schemas.families import family
from schemas.sql.tables import Layout, database_statements, statements
from schemas.sql.targets import target
from streams.chunks import Chunk
from streams.connection import Address
from streams.ingest import Rows
from streams.store import Poison
from streams.warehouse import ClickHouseStore
from tests.streams.driven import ingests
from tests.streams.stories import Said, log

FAMILY = replace(family("visits"), partitions=2)
HERE, THERE = ("visits", 0), ("visits", 1)
HOURLY, DAILY, COVERAGE = FAMILY.projections
TARGETS = [target(FAMILY, projection) for projection in FAMILY.projections]


@dataclass
class Ground:
    """Databases with one family; `client` is another connection, for checks.

    Attributes:
        buried: letters buried by claims, in order.
    """

    address: Address
    layout: Layout
    client: Client
    buried: list[Poison] = field(default_factory=list)

    def worker(self) -> ClickHouseStore:
        return ClickHouseStore(self.address, [FAMILY], self.layout)

    def claim(self, worker: ClickHouseStore, *positions: tuple[str, int]) -> int:
        """Claims the positions, by default both; returns the token."""
        return worker.claim(positions or (HERE, THERE), self.buried.extend).token

    def rows(self, *said: Said, kpart: int = 0, first: int = 0, gap: int = 1) -> Rows:
        """Settled rows of consecutive messages, without any earlier events."""
        records = log("visits", kpart, said, first, gap)
        rows = ingests()["visits"].prepare([Chunk("visits", kpart, 1, first - 1, records)])
        ingests()["visits"].settle(rows, range(len(rows)), [], set())
        return rows

    def store(
        self, worker: ClickHouseStore, token: int, *said: Said, kpart: int = 0, first: int = 0
    ) -> None:
        worker.insert(self.rows(*said, kpart=kpart, first=first), token)

    def ask(self, sql: str) -> Any:
        return self.client.execute(sql, settings={"final": 1})

    def events(self, columns: str, where: str = "1") -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.client.execute(
            f"SELECT {columns} FROM {self.layout.database}.events_visits WHERE {where} "
            "ORDER BY kpart, koff"
        )
        return found

    def figures(self) -> dict[str, Sequence[tuple[Any, ...]]]:
        """Every row of every projection, merged, with its watermark."""
        return {
            t: self.ask(f"SELECT * FROM {self.layout.database}.{t} ORDER BY ALL") for t in TARGETS
        }

    def net(self, table: str, kpart: int = 0) -> int:
        """Net visits by a projection."""
        count = "recorded_count" if table == "visits_coverage" else "net_count"
        ((found,),) = self.ask(
            f"SELECT sum({count}) FROM {self.layout.database}.{table} WHERE kpart = {kpart}"
        )
        return int(found)

    def pending(self) -> Any:
        return self.ask(
            f"SELECT target, kpart FROM {self.layout.database}.rebuilds WHERE pending ORDER BY ALL"
        )

    def until(self, sql: str, least: int) -> None:
        """Repeats a count query until it reaches `least`."""
        while self.client.execute(sql)[0][0] < least:
            pass

    def run(self, sql: str) -> None:
        """Runs a statement and waits until its mutation is done."""
        self.client.execute(sql.replace("DB", self.layout.database), settings={"mutations_sync": 2})

    def empty(self) -> None:
        for table in ("events_visits", *TARGETS, "rebuilds", "heartbeat", "owner"):
            self.run(f"TRUNCATE TABLE DB.{table}")
        self.buried.clear()


Told = tuple[Ground, ClickHouseStore, int]
"""Value of the fixture `told`: the worker that stored some visits, and its token."""


@contextmanager
def ground(server: Server, name: str) -> Iterator[Ground]:
    """Databases of that name, dropped at the end."""
    address = Address(server.host, server.port, server.user, server.password)
    layout = Layout(name, f"{name}_published", f"{name}_desk")
    found = Ground(address, layout, address.connect())
    for statement in database_statements(layout) + statements([FAMILY], layout):
        found.client.execute(statement.sql)
    yield found
    for database in (*layout.views.values(), layout.database):
        found.client.execute(f"DROP DATABASE {database} SYNC")
    found.client.disconnect()
