"""The servers under contract: the embedded ones, and any real ones.

`GULOU_TEST_KAFKA=host:port` or `GULOU_TEST_CLICKHOUSE=host:port` names a real one. The login has
the same settings as Gulou itself: `GULOU_TEST_CLICKHOUSE_PASSWORD_FILE` corresponds to
`GULOU_CLICKHOUSE_PASSWORD_FILE` in docs/settings.md, and so does every setting of the two servers:
user, password file, TLS, certificates, SASL, HTTP port.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client as HttpClient
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from infra import database as apply
from infra.settings import PREFIX, Settings
from infra.warehouse import EmbeddedClickHouse

DEADLINE_S = 60
REAL = os.environ.get("GULOU_TEST_CLICKHOUSE", "")


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    user: str
    password: str
    http_port: int
    pid: int | None
    """Process of the embedded server; None for a real one."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """TLS options of clickhouse-driver."""

    @property
    def secure(self) -> bool:
        return bool(self.options.get("secure"))

    @property
    def cafile(self) -> str:
        """File of certificates to trust; empty for the system's."""
        return str(self.options.get("ca_certs") or "")

    def client(self, **options: Any) -> Client:
        options = {"compression": "lz4", "user": self.user, "password": self.password, **options}
        return Client(self.host, self.port, **self.options, **options)

    def over_http(self, **options: Any) -> HttpClient:
        return clickhouse_connect.get_client(
            host=self.host,
            port=self.http_port,
            username=self.user,
            password=self.password,
            secure=self.secure,
            ca_cert=self.cafile or None,
            **options,
        )

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.http_port}/"

    @property
    def headers(self) -> dict[str, str]:
        return {"X-ClickHouse-User": self.user, "X-ClickHouse-Key": self.password}


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(scope="session")
def embedded_log(embedded_server: EmbeddedClickHouse) -> Path:
    return embedded_server.log


@pytest.fixture(scope="session")
def embedded(embedded_server: EmbeddedClickHouse) -> Address:
    running = embedded_server
    return Address(
        running.host,
        running.port,
        running.user,
        running.password,
        running.http_port,
        running.pid,
    )


def given(server: str, **known: Any) -> Settings:
    """Settings in which every `GULOU_TEST_<SERVER>_…` variable replaces the product's own.

    Raises:
        pytest.UsageError: a variable is not a setting of the server.
    """
    prefix = f"{PREFIX}TEST_{server.upper()}_"
    told = {
        name.removeprefix(f"{PREFIX}TEST_").lower(): value
        for name, value in os.environ.items()
        if name.startswith(prefix)
    }
    unknown = sorted(told.keys() - Settings.model_fields.keys())
    if unknown:
        raise pytest.UsageError(f"{PREFIX}TEST_{unknown[0].upper()} stands for no setting.")
    return Settings.load(**told, **known)


def real_clickhouse(address: str) -> Address:
    host, _, port = address.rpartition(":")
    settings = given("clickhouse", clickhouse_host=host, clickhouse_port=port)
    found = apply.address(settings)
    return Address(
        found.host,
        found.port,
        found.user,
        found.password,
        settings.clickhouse_http_port,
        None,
        found.options,
    )


@pytest.fixture(params=["embedded", "real"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Address:
    if request.param == "embedded":
        found: Address = request.getfixturevalue("embedded")
        return found
    if not REAL:
        pytest.skip("GULOU_TEST_CLICKHOUSE names no ClickHouse")
    named = real_clickhouse(REAL)
    if named.cafile:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", named.cafile)  # requests reads it at every call
    return named


@pytest.fixture
def client(server: Address) -> Iterator[Client]:
    connected = server.client()
    yield connected
    connected.disconnect()


@pytest.fixture
def database(server: Address) -> Iterator[str]:
    """A new database for the test."""
    name = f"contract_{uuid.uuid4().hex[:12]}"
    client = server.client()
    client.execute(f"CREATE DATABASE {name}")
    yield name
    client.execute(f"DROP DATABASE {name}")
    client.disconnect()


@pytest.fixture
def gap(server: Address, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Marks a gap of the embedded server: a strict xfail, which fails once the gap is closed."""

    def known(reason: str) -> None:
        if server.pid is not None:
            request.applymarker(pytest.mark.xfail(strict=True, reason=reason))

    return known


def running(client: Client, query_id: str) -> int:
    rows = client.execute(
        "SELECT count() FROM system.processes WHERE query_id = %(id)s", {"id": query_id}
    )
    return int(rows[0][0])


def code(error: pytest.ExceptionInfo[ServerException]) -> int:
    return int(error.value.code)
