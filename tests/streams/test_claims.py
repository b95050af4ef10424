"""Claims on a real ClickHouse, without Kafka: ownership, and remains of earlier owners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from infra import database as apply
from infra.settings import Settings
from infra.warehouse import EmbeddedClickHouse as Server
from schemas.families import family
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import Divisions
from streams.chunks import Chunk
from streams.connection import Address
from streams.ingest import Ingest
from streams.store import Poison
from streams.warehouse import ClickHouseStore
from tests.histories.small import History
from tests.streams.test_ingest import LOGGED, Arrived

FAMILY = replace(family("visits"), partitions=1)
PLACE = ("visits", 0)
DATABASE = "claims"


class Owners:
    """Any number of workers on one database; `ask` is another connection, for checks."""

    def __init__(self, server: Server) -> None:
        self._settings = Settings().model_copy(
            update={
                "database": DATABASE,
                "published_database": f"{DATABASE}_published",
                "desk_database": f"{DATABASE}_desk",
            }
        )
        self._address = Address(server.host, server.port, server.user, server.password)
        self._ingest = Ingest(FAMILY, Divisions.load(), Calendar.load("Asia/Shanghai"))
        self.client = self._address.connect()
        self.buried: list[Poison] = []

    def worker(self) -> ClickHouseStore:
        return ClickHouseStore(self._address, [FAMILY], apply.layout(self._settings))

    def claim(self, worker: ClickHouseStore) -> int:
        """Claims, and returns the token."""
        return worker.claim([PLACE], self.buried.extend).token

    def store(self, worker: ClickHouseStore, token: int, seed: int, after: int) -> int:
        """Inserts some visits behind offset `after`; returns the last offset."""
        messages = [m for m in History(seed).messages(400) if m.topic == "visits"]
        records = [Arrived(after + n, LOGGED, m.key, m.payload) for n, m in enumerate(messages, 1)]
        rows = self._ingest.prepare([Chunk("visits", 0, 1, after, records)])
        self._ingest.settle(rows, range(len(rows)), [], set())
        worker.insert(rows, token)
        return records[-1].offset

    def figures(self, table: str) -> Sequence[tuple[object, ...]]:
        picks = "type, division, day, sum(net_count), sum(gross_count), max(hi)"
        rows: list[tuple[object, ...]] = self.client.execute(
            f"SELECT {picks} FROM {DATABASE}.{table} GROUP BY type, division, day ORDER BY ALL"
        )
        return rows


@pytest.fixture
def owners(warehouse: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owners]:
    found = Owners(warehouse)
    monkeypatch.setattr(apply, "address", lambda _settings: found._address)
    apply.apply(found._settings)
    yield found
    for name in (f"{DATABASE}_published", f"{DATABASE}_desk", DATABASE):
        found.client.execute(f"DROP DATABASE {name} SYNC")


def test_a_worker_that_lost_its_partition_can_no_longer_empty_its_figures(owners: Owners) -> None:
    old, new = owners.worker(), owners.worker()
    token = owners.claim(old)
    owners.store(old, token, 1, -1)
    before = owners.figures("visits_daily")
    owners.claim(new)
    old.repair.empty(FAMILY, FAMILY.projections[1], 0, token)
    assert len(before) > 20
    assert owners.figures("visits_daily") == before
    assert owners.client.execute(f"SELECT count() FROM {DATABASE}.rebuilds") == [(0,)]


def test_figures_half_emptied_by_a_worker_that_died_are_filled_again(owners: Owners) -> None:
    old = owners.worker()
    token = owners.claim(old)
    last = owners.store(old, token, 1, -1)
    owners.store(old, token, 2, last)
    before = owners.figures("visits_daily")
    # As after a kill midway: noted, and emptied except for the part with the highest mark.
    old.repair.note_rebuild(FAMILY, FAMILY.projections[1], 0, token, pending=True)
    owners.client.execute(
        f"ALTER TABLE {DATABASE}.visits_daily DELETE WHERE hi <= {last}",
        settings={"mutations_sync": 2},
    )
    assert owners.figures("visits_daily") != before
    owners.claim(owners.worker())
    assert owners.figures("visits_daily") == before
    pending = f"SELECT count() FROM {DATABASE}.rebuilds FINAL WHERE pending"
    assert owners.client.execute(pending) == [(0,)]


def test_a_deletion_that_outlived_its_worker_is_waited_for(owners: Owners) -> None:
    old = owners.worker()
    owners.store(old, owners.claim(old), 1, -1)
    before = owners.figures("visits_daily")
    owners.client.execute(f"SYSTEM STOP MERGES {DATABASE}.visits_daily")
    projection = FAMILY.projections[1]
    old.repair.note_rebuild(FAMILY, projection, 0, owners.claim(old), pending=True)
    owners.client.execute(
        f"ALTER TABLE {DATABASE}.visits_daily DELETE WHERE kpart = 0",
        settings={"mutations_sync": 0},
    )
    owners.client.execute(f"SYSTEM START MERGES {DATABASE}.visits_daily")
    owners.claim(owners.worker())
    assert owners.figures("visits_daily") == before
