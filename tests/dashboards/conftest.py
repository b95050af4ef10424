"""A city in ClickHouse, a board server that reads it, and a browser."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client
from playwright.sync_api import Browser, Page

from infra.warehouse import EmbeddedClickHouse
from infra.warehouse.access import write_users
from tests.dashboards.browsers import chromium, program, tab
from tests.dashboards.city import DATABASE, REPLAY, statements
from tests.dashboards.pages import WAIT_MS
from tests.dashboards.servers import BoardServer, board_server

BOARDS = Path(__file__).parent / "boards"
WRITER, BOARD_USER = ("writer", "writes"), ("board", "looks")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; without it, tests that need it are skipped, except in CI.

    Scope module, not session: while it exists, Playwright's event loop runs in this thread, and no
    other test may run one.
    """
    if program() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have a browser: apt-get install chromium fonts-noto-cjk")
        pytest.skip("no Chromium here; install the package chromium to run the page's tests")
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of a 1080p screen."""
    found = tab(browser)
    found.context.set_default_timeout(WAIT_MS)
    yield found
    found.context.close()


@pytest.fixture(scope="session")
def city_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    """ClickHouse with the fixture city, a writer and a board user."""
    root = tmp_path_factory.mktemp("city")
    users = root / "users.json"
    board = {"password": BOARD_USER[1], "role": "board", "databases": [DATABASE, REPLAY]}
    write_users(users, {WRITER[0]: {"password": WRITER[1], "role": "writer"}, BOARD_USER[0]: board})
    with EmbeddedClickHouse(root, users=users) as running:
        client = writer(running)
        for statement in statements():
            client.execute(statement)
        client.disconnect()
        yield running


def writer(warehouse: EmbeddedClickHouse) -> Client:
    """A connection with the right to change the city."""
    return Client(warehouse.host, port=warehouse.port, user=WRITER[0], password=WRITER[1])


@pytest.fixture(scope="session")
def city_source(city_clickhouse: EmbeddedClickHouse) -> dict[str, Any]:
    """The data source as published to Grafana."""
    return {
        "name": "City",
        "uid": "city",
        "type": "grafana-clickhouse-datasource",
        "access": "proxy",
        "isDefault": True,
        "jsonData": {
            "host": city_clickhouse.host,
            "port": city_clickhouse.port,
            "protocol": "native",
            "username": BOARD_USER[0],
            "defaultDatabase": DATABASE,
        },
        "secureJsonData": {"password": BOARD_USER[1]},
    }


@pytest.fixture(scope="session")
def provisioned(
    tmp_path_factory: pytest.TempPathFactory, city_source: dict[str, Any]
) -> tuple[str, ...]:
    """Options of a board server with the fixture boards and the city."""
    sources = tmp_path_factory.mktemp("sources") / "sources.json"
    sources.write_text(json.dumps([city_source]))
    return ("--data-sources", str(sources), "--boards", str(BOARDS))


@pytest.fixture(scope="session")
def city(
    tmp_path_factory: pytest.TempPathFactory, provisioned: tuple[str, ...]
) -> Iterator[BoardServer]:
    """A board server over the city, shared by the session; tests must not change it."""
    with board_server(tmp_path_factory.mktemp("boards"), *provisioned) as running:
        yield running
