"""A city's own ClickHouse cluster: the plan of changes, made against a real server."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from infra import database as apply
from infra.settings import Settings
from infra.warehouse import EmbeddedClickHouse
from infra.worker import configure
from schemas.errors import Misconfigured
from schemas.families import families
from schemas.sql.tables import statements


def settings(warehouse: EmbeddedClickHouse, home: Path) -> Settings:
    password = home / "password"
    password.write_text(warehouse.password)
    name = f"cluster_{uuid.uuid4().hex[:8]}"
    return Settings.load(
        home=home,
        clickhouse_host=warehouse.host,
        clickhouse_port=warehouse.port,
        clickhouse_user=warehouse.user,
        clickhouse_password_file=password,
        clickhouse_cluster="huaihua",
        database=name,
        published_database=f"{name}_published",
        desk_database=f"{name}_desk",
    )


def test_on_a_cluster_all_that_is_planned_goes_to_every_server_and_is_replicated(
    warehouse: EmbeddedClickHouse, tmp_path: Path
) -> None:
    given = settings(warehouse, tmp_path)
    place = replace(apply.layout(given), counties=("431230",))
    client = apply.address(given).connect()
    client.execute(f"CREATE DATABASE {given.database}")
    client.execute(
        f"CREATE TABLE {given.database}.applied (name String, digest String) "
        "ENGINE = ReplacingMergeTree ORDER BY name"
    )
    # An events table older than one of the declared columns.
    client.execute(
        f"CREATE TABLE {given.database}.events_visits (koff Int64) ENGINE = MergeTree ORDER BY koff"
    )
    try:
        declared = statements(families(), place)
        planned = [sql for change in apply._plan(client, place, declared) for sql in change.sql]
    finally:
        client.disconnect()

    changes = [sql for sql in planned if not sql.startswith("INSERT INTO")]
    assert sum(sql.startswith("ALTER TABLE") for sql in changes) > 1
    assert [sql for sql in changes if " ON CLUSTER `huaihua`" not in sql] == []
    engines = {engine for sql in changes for engine in re.findall(r"ENGINE = (\w*MergeTree)", sql)}
    assert engines
    assert all(engine.startswith("Replicated") for engine in engines)


def test_the_worker_knows_the_cluster_too(warehouse: EmbeddedClickHouse, tmp_path: Path) -> None:
    assert configure(settings(warehouse, tmp_path)).layout.cluster == "huaihua"


def test_a_cluster_without_a_server_of_the_citys_own_is_refused_in_one_sentence(
    tmp_path: Path,
) -> None:
    with pytest.raises(Misconfigured, match="the embedded ClickHouse is one server"):
        Settings.load(home=tmp_path, clickhouse_cluster="huaihua")
