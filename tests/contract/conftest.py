"""The ClickHouse servers the contract is held against: the embedded one, and any real one."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from infra.warehouse import Warehouse

DEADLINE_S = 60
# host:port:user:password[:http port]
REAL = os.environ.get("GULOU_TEST_CLICKHOUSE", "")


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    user: str
    password: str
    http_port: int
    pid: int | None
    """Of the embedded server; None for a real one."""

    def client(self, **options: Any) -> Client:
        options = {"compression": "lz4", **options}
        return Client(self.host, self.port, user=self.user, password=self.password, **options)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.http_port}/"

    @property
    def headers(self) -> dict[str, str]:
        return {"X-ClickHouse-User": self.user, "X-ClickHouse-Key": self.password}


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    with Warehouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield Address(
            running.host,
            running.port,
            running.user,
            running.password,
            running.http_port,
            running.pid,
        )


@pytest.fixture(params=["embedded", "real"])
def server(request: pytest.FixtureRequest) -> Address:
    if request.param == "embedded":
        found: Address = request.getfixturevalue("embedded")
        return found
    if not REAL:
        pytest.skip("GULOU_TEST_CLICKHOUSE names no ClickHouse")
    host, port, user, password, *http = REAL.split(":")
    return Address(host, int(port), user, password, int(http[0]) if http else 8123, None)


@pytest.fixture
def client(server: Address) -> Iterator[Client]:
    connected = server.client()
    yield connected
    connected.disconnect()


@pytest.fixture
def database(server: Address) -> Iterator[str]:
    """A database of the test's own."""
    name = f"contract_{uuid.uuid4().hex[:12]}"
    client = server.client()
    client.execute(f"CREATE DATABASE {name}")
    yield name
    client.execute(f"DROP DATABASE {name}")
    client.disconnect()


@pytest.fixture
def gap(server: Address, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says that the embedded server cannot do this; the test turns red the day it can."""

    def known(reason: str) -> None:
        if server.pid is not None:
            request.applymarker(pytest.mark.xfail(strict=True, reason=reason))

    return known


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    pytest.fail(f"never happened: {what}")


def running(client: Client, query_id: str) -> int:
    rows = client.execute(
        "SELECT count() FROM system.processes WHERE query_id = %(id)s", {"id": query_id}
    )
    return int(rows[0][0])


def code(error: pytest.ExceptionInfo[ServerException]) -> int:
    return int(error.value.code)
