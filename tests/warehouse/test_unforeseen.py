"""An error that nobody foresaw: the client is told, the log has where, and nobody's values."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from infra.warehouse import server, web, write_users
from infra.warehouse.access import Users
from infra.warehouse.engine import Engine
from infra.warehouse.watch import Watch
from tests.waiting import until

LOGIN = {"X-ClickHouse-User": "gulou", "X-ClickHouse-Key": "tower"}
VALUE = "张三 13800000000"
TOLD = "Internal error; the log says more."


@pytest.fixture
def users(tmp_path: Path) -> Users:
    file = tmp_path / "users.json"
    write_users(file, {"gulou": {"password": "tower", "role": "writer"}})
    return Users(file)


@contextmanager
def native(engine: Engine, users: Users) -> Iterator[server.Server]:
    with closing(Watch()) as watch:
        running = server.Server(engine, users, server.listen("127.0.0.1", 0), watch)
        try:
            yield running
        finally:
            running.close()


def once(wanted: Callable[..., object]) -> Callable[..., object]:
    """Fails the first time with a text that quotes a value, then does what is wanted."""
    calls = []

    def fails(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 1:
            raise ValueError(VALUE)
        return wanted(*arguments)

    return fails


def ask(running: server.Server) -> list[tuple[int]]:
    with Client("127.0.0.1", running.port, user="gulou", password="tower") as client:
        found: list[tuple[int]] = client.execute("SELECT 7")
        return found


def test_a_native_client_is_told_and_the_next_one_is_served(
    engine: Engine, users: Users, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server._Client, "serve", once(server._Client.serve))
    with native(engine, users) as running:
        with pytest.raises(ServerException) as told:
            ask(running)
        assert (told.value.code, TOLD in told.value.message) == (1002, True)
        until(lambda: not len(running.seats), "the seat is free")
        assert ask(running) == [(7,)]
    (line,) = (each.getMessage() for each in caplog.records if each.levelno == logging.ERROR)
    assert line.startswith("a connection was closed because of an error: ValueError at ")
    assert VALUE not in line + told.value.message


def test_a_client_over_http_is_told_and_its_connection_serves_on(
    engine: Engine, users: Users, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(web.Web, "desk", once(web.Web.desk))
    with closing(Watch()) as watch:
        site = web.Web(engine, users, web.listen("127.0.0.1", 0), watch)
        try:
            with requests.Session() as client:
                client.trust_env = False
                url, asked = f"http://127.0.0.1:{site.port}/", {"query": "SELECT 7"}
                failed, answer = (
                    client.get(url, params=asked, headers=LOGIN, timeout=60) for _ in range(2)
                )
        finally:
            site.close()
    assert (failed.status_code, failed.headers["X-ClickHouse-Exception-Code"]) == (500, "1002")
    assert (TOLD in failed.text, VALUE in failed.text, answer.text) == (True, False, "7\n")
    (line,) = (each.getMessage() for each in caplog.records if each.levelno == logging.ERROR)
    assert line.startswith("a request failed because of an error: ValueError at ")
    assert VALUE not in line


def test_a_connection_for_which_there_is_no_thread_is_closed_and_leaves_its_seat(
    engine: Engine, users: Users, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = threading.Thread.start

    def none(thread: threading.Thread) -> None:
        if getattr(thread, "_target", None) == running._serve:
            raise RuntimeError("can't start new thread")
        start(thread)

    with native(engine, users) as running:
        monkeypatch.setattr(threading.Thread, "start", none)
        with socket.create_connection(("127.0.0.1", running.port), timeout=30) as refused:
            assert refused.recv(1) == b""
        assert len(running.seats) == 0
        monkeypatch.setattr(threading.Thread, "start", start)
        assert ask(running) == [(7,)]
    (line,) = (each.getMessage() for each in caplog.records if each.levelno == logging.ERROR)
    assert line == "a connection was refused: the system gives no more threads"
