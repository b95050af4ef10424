"""The plan of `apply`: what it creates, alters, replaces, rebuilds or leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_driver import Client

from infra import database as apply
from infra.database import _digest
from infra.settings import Settings
from infra.warehouse import EmbeddedClickHouse
from schemas.errors import Misconfigured
from schemas.sql.tables import Statement
from tests.infra.test_apply import applied

DB = "planned"


class Planned:
    """A database with everything applied; every test must restore it."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self.settings, self.client = settings, client

    def rows(self, sql: str) -> list[Any]:
        return list(self.client.execute(sql))

    def apply(self) -> list[str]:
        return [change.what for change in apply.apply(self.settings)]

    def forget(self, *names: str) -> None:
        """Makes the objects of these names count as changed since they were applied."""
        for name in names:
            self.rows(f"INSERT INTO {DB}.applied (name, digest) VALUES ('{name}', 'of old')")


@pytest.fixture(scope="module")
def planned(
    warehouse: EmbeddedClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Planned]:
    with applied(warehouse, tmp_path_factory.mktemp("planned"), DB) as (settings, client):
        yield Planned(settings, client)


def test_what_is_as_declared_is_left_alone(planned: Planned) -> None:
    assert planned.apply() == []


VIEWS = (
    "SELECT concat(database, '.', name) FROM system.tables WHERE engine = 'View' "
    f"AND database IN ('{DB}_published', '{DB}_desk') ORDER BY 1"
)


def test_every_object_is_remembered_with_a_digest_of_32_digits(planned: Planned) -> None:
    there = planned.rows(
        "SELECT concat(database, '.', name) FROM system.tables WHERE name != 'applied' "
        f"AND database IN ('{DB}', '{DB}_published', '{DB}_desk') ORDER BY 1"
    )

    assert planned.rows(f"SELECT name FROM {DB}.applied FINAL ORDER BY 1") == there
    assert planned.rows(f"SELECT DISTINCT length(digest) FROM {DB}.applied") == [(32,)]


def test_a_column_and_an_index_that_are_missing_are_added_and_rows_stay(planned: Planned) -> None:
    table = f"database = '{DB}' AND table = 'events_visits' ORDER BY name"
    columns = f"SELECT name, type, comment, compression_codec FROM system.columns WHERE {table}"
    indexes = f"SELECT name, type_full FROM system.data_skipping_indices WHERE {table}"
    before = planned.rows(columns), planned.rows(indexes)
    planned.rows(f"INSERT INTO {DB}.events_visits (koff) VALUES (77)")
    try:
        planned.rows(f"ALTER TABLE {DB}.events_visits DROP INDEX corrects_bloom")
        planned.rows(f"ALTER TABLE {DB}.events_visits DROP COLUMN late")
        assert planned.rows(columns) != before[0]
        assert planned.rows(indexes) != before[1]
        planned.forget(f"{DB}.events_visits")

        assert planned.apply() == [f"alter {DB}.events_visits"]
        assert (planned.rows(columns), planned.rows(indexes)) == before
        assert planned.rows(f"SELECT koff FROM {DB}.events_visits") == [(77,)]
        assert planned.apply() == []
    finally:
        planned.rows(f"TRUNCATE TABLE {DB}.events_visits")


def test_a_column_of_another_type_is_refused_and_stays_as_it_is(planned: Planned) -> None:
    types = (
        "SELECT type FROM system.columns WHERE "
        f"database = '{DB}' AND table = 'heartbeat' AND name = 'beat'"
    )
    ((declared,),) = planned.rows(types)
    planned.rows(f"DROP TABLE {DB}.heartbeat SYNC")
    planned.rows(f"CREATE TABLE {DB}.heartbeat (beat String) ENGINE = Memory")
    planned.forget(f"{DB}.heartbeat")

    with pytest.raises(Misconfigured) as refused:
        planned.apply()
    assert planned.rows(types) == [("String",)]
    planned.rows(f"DROP TABLE {DB}.heartbeat SYNC")

    assert (refused.value.what.replace(" ", ""), refused.value.do) == (
        f"{DB}.heartbeat.beat is 'String', declared as {declared!r}; history is never "
        "rewritten.".replace(" ", ""),
        "Declare a new column, or start a new database with GULOU_DATABASE.",
    )
    assert planned.apply() == [f"create table {DB}.heartbeat"]
    assert planned.rows(types) == [(declared,)]


def test_a_view_is_made_where_it_is_missing_and_replaced_where_it_differs(
    planned: Planned,
) -> None:
    planned.rows(f"DROP VIEW {DB}_published.visits_to_date")
    planned.forget(f"{DB}_published.visits_covered")

    assert sorted(planned.apply()) == [
        f"create view {DB}_published.visits_to_date",
        f"replace view {DB}_published.visits_covered",
    ]
    assert planned.apply() == []


def test_a_view_that_is_declared_no_more_is_dropped_and_a_citys_own_stays(
    planned: Planned,
) -> None:
    finer = f"{DB}_published.petitions_cases"  # an older Gulou showed viewers the cases
    for name in (finer, f"{DB}_published.of_the_city"):
        planned.rows(f"CREATE VIEW {name} AS SELECT 1 AS n")
    planned.forget(finer)
    try:
        assert planned.apply() == [f"drop view {finer}"]
        assert planned.rows(f"EXISTS VIEW {finer}") == [(0,)]
        assert planned.rows(f"SELECT n FROM {DB}_published.of_the_city") == [(1,)]
        assert planned.apply() == []
    finally:
        planned.rows(f"DROP VIEW {DB}_published.of_the_city")
        planned.rows(
            f"ALTER TABLE {DB}.applied DELETE WHERE name = '{finer}' SETTINGS mutations_sync = 2"
        )


@pytest.mark.parametrize("changed", ["visits_daily", "visits_daily_mv"])
def test_a_projection_that_differs_is_made_anew_and_every_view_with_it(
    planned: Planned, changed: str
) -> None:
    for table in ("visits_daily", "petitions_daily"):
        planned.rows(f"INSERT INTO {DB}.{table} (kpart) VALUES (3)")
    planned.forget(f"{DB}.{changed}")
    try:
        done = planned.apply()

        assert set(done) == {
            f"rebuild projection {DB}.visits_daily",
            *(f"replace view {name}" for (name,) in planned.rows(VIEWS)),
        }
        assert len(done) == len(set(done)), "each thing is done once"
        # The worker's next claim fills the rebuilt figures; no other table loses any.
        assert planned.rows(f"SELECT count() FROM {DB}.visits_daily") == [(0,)]
        assert planned.rows(f"SELECT kpart FROM {DB}.petitions_daily") == [(3,)]
        assert planned.rows(f"EXISTS TABLE {DB}.visits_daily_mv") == [(1,)]
        assert planned.apply() == []
    finally:
        for table in ("visits_daily", "petitions_daily"):
            planned.rows(f"TRUNCATE TABLE {DB}.{table}")


def test_divisions_are_loaded_when_they_differ_and_left_alone_when_not(planned: Planned) -> None:
    divisions = (
        f"SELECT code, name, level, parent, microgrids FROM {DB}.divisions FINAL ORDER BY code"
    )
    parts = (
        f"SELECT name, modification_time FROM system.parts WHERE database = '{DB}' "
        "AND table = 'divisions' AND active ORDER BY name"
    )
    before = planned.rows(divisions)
    known = apply.divisions(planned.settings)
    assert sorted((d.code, d.name, d.level) for d in known.values()) == [row[:3] for row in before]
    stored = planned.rows(parts)
    assert planned.apply() == []
    assert planned.rows(parts) == stored

    for spoilt in (
        f"INSERT INTO {DB}.divisions (code, name) VALUES ('999999', 'nowhere')",
        f"TRUNCATE TABLE {DB}.divisions",
    ):
        planned.rows(spoilt)
        assert planned.rows(divisions) != before
        planned.apply()
        assert planned.rows(divisions) == before


def test_a_word_about_a_column_changes_no_table_but_a_view() -> None:
    def digest(kind: Any, sql: str) -> str:
        return _digest(Statement("d", "t", kind, sql))

    plain = "CREATE TABLE t (a UInt8)"
    for comment in ("''", "'a'", "'it\\'s, (b) COMMENT'", "'更正。Corrections.'"):
        sql = f"CREATE TABLE t (a UInt8 COMMENT {comment})"
        for kind in ("table", "target", "materialized view"):
            assert digest(kind, sql) == digest(kind, plain), (kind, comment)
        assert digest("view", sql) != digest("view", plain)
    assert digest("table", "CREATE TABLE t (a UInt16)") != digest("table", plain)
