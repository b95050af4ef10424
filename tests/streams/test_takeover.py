"""Claims on a real ClickHouse while an earlier owner still runs or left a change unfinished."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors

from schemas.errors import Unavailable
from streams import repair as module
from tests.streams.ground import DAILY, FAMILY, HERE, TARGETS, Ground, Told


class Clock:
    """A clock that only sleeping advances, one second per call."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return float(len(self.slept))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def stuck(told: Told) -> Iterator[Callable[[str], None]]:
    """Starts a mutation of a table that cannot finish."""
    ground, _, _ = told
    begun: list[str] = []

    def begin(table: str) -> None:
        begun.append(table)
        ground.client.execute(
            f"ALTER TABLE {ground.layout.database}.{table} DELETE WHERE throwIf(1, 'stuck')",
            settings={"mutations_sync": 0, "allow_nondeterministic_mutations": 1},
        )
        sql = "SELECT count() FROM system.mutations WHERE NOT is_done AND latest_fail_reason != ''"
        ground.until(sql, 1)

    yield begin
    for table in begun:
        ground.client.execute(
            f"KILL MUTATION WHERE database = '{ground.layout.database}' AND table = '{table}'"
        )


@pytest.mark.parametrize("table", ["events_visits", *TARGETS])
def test_a_claim_waits_20_seconds_for_a_change_that_another_worker_began(
    told: Told, stuck: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    ground, _, _ = told
    clock = Clock()
    monkeypatch.setattr(
        module, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep)
    )
    stuck(table)
    with pytest.raises(Unavailable) as waited:
        ground.claim(ground.worker(), HERE)
    assert waited.value.what.startswith(
        f"A change of {table} begun by an earlier worker is not done after 20 s: "
    )
    assert "stuck" in waited.value.what
    assert waited.value.do == "The claim is made again; see system.mutations."
    # The last check is at 20 s.
    assert clock.slept == [0.05] * 21
    ground.client.execute(
        f"KILL MUTATION WHERE database = '{ground.layout.database}' AND table = '{table}'"
    )
    monkeypatch.undo()
    ground.claim(ground.worker(), HERE)


def test_changes_of_other_tables_and_databases_are_not_waited_for(
    told: Told, stuck: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, _, _ = told
    monkeypatch.setattr(module, "_MUTATIONS_S", 0.0)
    ground.run("INSERT INTO DB.heartbeat (topic) VALUES ('visits')")
    stuck("heartbeat")
    ground.run("CREATE DATABASE IF NOT EXISTS other_ground")
    ground.run("CREATE TABLE other_ground.visits_daily (n UInt8) ENGINE = MergeTree ORDER BY n")
    ground.run("INSERT INTO other_ground.visits_daily VALUES (1)")
    ground.client.execute(
        "ALTER TABLE other_ground.visits_daily DELETE WHERE throwIf(1)",
        settings={"mutations_sync": 0, "allow_nondeterministic_mutations": 1},
    )
    ground.claim(ground.worker(), HERE)
    ground.run("DROP DATABASE other_ground SYNC")


SLEEP = "SELECT sum(sleepEachRow(1)) FROM numbers(300) SETTINGS max_block_size = 1"


def test_a_claim_ends_every_query_that_writes_one_of_its_partitions_and_no_other(
    ground: Ground,
) -> None:
    ids = {
        "gulou.visits@0.a": True,
        "gulou.visits@1.visits@0.b": True,
        "gulou.visits@0.visits@1.c": True,
        "gulou.visits@1.d": False,
        "gulou.visits@00.e": False,
        "gulou.funds@0.f": False,
        "visits@0.g": False,
    }
    ended: dict[str, int] = {}

    def sleep(query_id: str) -> None:
        client: Client = ground.address.connect()
        try:
            client.execute(SLEEP, query_id=query_id)
        except driver_errors.ServerException as error:
            ended[query_id] = error.code
        client.disconnect()

    threads = [threading.Thread(target=sleep, args=[id_]) for id_ in ids]
    for thread in threads:
        thread.start()
    mine = ", ".join(f"'{id_}'" for id_ in ids)
    running = f"SELECT count() FROM system.processes WHERE query_id IN ({mine})"
    try:
        ground.until(running, len(ids))
        ground.claim(ground.worker(), HERE)
        left = f"SELECT query_id FROM system.processes WHERE query_id IN ({mine}) ORDER BY ALL"
        assert [id_ for (id_,) in ground.client.execute(left)] == sorted(
            id_ for id_, dies in ids.items() if not dies
        )
    finally:
        ground.client.execute(f"KILL QUERY WHERE query_id IN ({mine}) SYNC")
        for thread in threads:
            thread.join()
    assert set(ended.values()) == {394}


def test_a_worker_that_lost_a_partition_neither_fills_nor_notes_its_figures(told: Told) -> None:
    ground, worker, token = told
    ground.claim(ground.worker(), HERE)
    before = ground.figures()
    worker.repair.project(FAMILY, DAILY, 0, -1, 6, token)
    worker.repair.note_rebuild(FAMILY, DAILY, 0, token, pending=True)
    assert ground.figures() == before
    assert ground.pending() == []
    # The worker may still fill the partition it owns.
    worker.repair.empty(FAMILY, DAILY, 1, token)
    assert (ground.net("visits_daily", 0), ground.net("visits_daily", 1)) == (7, 0)
    worker.repair.project(FAMILY, DAILY, 1, -1, 6, token)
    worker.repair.note_rebuild(FAMILY, DAILY, 1, token, pending=False)
    assert ground.figures() == before
    assert ground.pending() == []
