"""An embedded ClickHouse with a writer and a board's user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from infra.warehouse import EmbeddedClickHouse, write_users
from infra.warehouse.engine import Engine

USERS: dict[str, dict[str, Any]] = {
    "gulou": {"password": "tower", "role": "writer"},
    "board": {
        "password": "drum",
        "role": "board",
        "databases": ["city_published"],
        "limits": {"max_execution_time": 20, "max_result_rows": 1000},
    },
}


def connect(warehouse: EmbeddedClickHouse, user: str = "gulou", **options: Any) -> Client:
    options = {"compression": "lz4", "password": USERS[user]["password"], **options}
    return Client(warehouse.host, warehouse.port, user=user, **options)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine in this process, for one file: close every session, use databases of your own.

    A process can hold only one, and other files ask the engine without a folder.
    """
    engine = Engine(tmp_path_factory.mktemp("engine"), timezone="UTC")
    yield engine
    engine.close()


@pytest.fixture(scope="package")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("users") / "users.json"
    write_users(file, USERS)
    return file


@pytest.fixture(scope="package")
def warehouse(
    tmp_path_factory: pytest.TempPathFactory, users: Path
) -> Iterator[EmbeddedClickHouse]:
    # As in a new installation: not even the folder above is there.
    home = tmp_path_factory.mktemp("clickhouse") / "new" / "home"
    with EmbeddedClickHouse(home, users=users) as running:
        client = connect(running)
        for statement in (
            "CREATE DATABASE city",
            "CREATE DATABASE city_published",
            "CREATE TABLE city.secret (n UInt8, at DateTime64(3)) ENGINE = MergeTree ORDER BY n",
            "INSERT INTO city.secret VALUES (7, '2026-03-01 08:00:00')",
            "CREATE TABLE city.owner (k String, v String) ENGINE = Join(ANY, LEFT, k)",
            "CREATE VIEW city_published.v AS SELECT n FROM city.secret",
            "CREATE VIEW city_published.p AS SELECT n FROM city.secret "
            "WHERE at <= {at:DateTime64(3)}",
        ):
            client.execute(statement)
        client.disconnect()
        yield running


@pytest.fixture
def board(warehouse: EmbeddedClickHouse) -> Any:
    client = connect(warehouse, "board", database="city_published")
    yield client
    client.disconnect()


def refused(board: Client, sql: str) -> int:
    """The code with which the statement of a board's user is refused."""
    with pytest.raises(ServerException) as error:
        board.execute(sql)
    assert "secret" not in str(board.execute("SELECT name FROM system.tables"))
    return int(error.value.code)
