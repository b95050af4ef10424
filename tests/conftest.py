"""Fixtures shared by all tests: the real servers, started once per session on free ports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.settings import Settings
from infra.stack import Stack
from infra.warehouse import EmbeddedClickHouse
from tests.live import Live, without_boards
from tests.openkafka import OpenKafka
from tests.town import Town, town


# Last: without the tests that are deselected, a file may not be one that takes minutes.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starts with the files that take minutes: two workers run, and one would idle at the end."""
    long = {
        item.path
        for item in items
        if item.get_closest_marker("stack") or item.get_closest_marker("browser")
    }
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenKafka]:
    """A Kafka without users, shared by the session: use your own topics, leave it running."""
    with OpenKafka(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    """An embedded ClickHouse shared by the session: use your own databases, leave it running."""
    with EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(scope="session")
def whole_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One engine with all declarations applied, shared by the session; use `town`."""
    with town(tmp_path_factory.mktemp("town")) as running:
        yield running


@pytest.fixture(name="town")
def empty_town(whole_town: Town) -> Town:
    """A town without events; it is emptied before each test."""
    whole_town.empty()
    return whole_town


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Kafka, ClickHouse and two workers, shared by the session; tests may kill any of them.

    All messages stay: the oracle of a later test also counts the messages of earlier ones.
    """
    settings = Settings().model_copy(
        update={
            "home": tmp_path_factory.mktemp("gulou"),
            "workers": 2,
            "session_timeout_s": 6.0,  # the broker's minimum
            "watchdog_s": 20,
            "batch_bytes": 1_048_576,
            **dict.fromkeys(
                (n for n in Settings.model_fields if n.endswith("_port")),
                0,
            ),
        }
    )
    with Stack(settings, without_boards, pauses_s=[0.1] * 200) as stack:
        running = Live(stack)
        yield running
        running.close()
