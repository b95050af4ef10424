"""Who sends a request slowly is no more at work than who is silent."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver.varint import make_varint

from infra.warehouse import server, web
from infra.warehouse.access import Users, write_users
from infra.warehouse.desk import Desk
from infra.warehouse.engine import Engine
from infra.warehouse.seats import Room, Seats
from infra.warehouse.watch import Watch
from tests.waiting import until

DEADLINE_S = 60
MIB = 1 << 20
LAST = b"\x02\x00" + b"\x01\x00\x02\xff\xff\xff\xff\x00" + b"\x00\x00"


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def sized(text: bytes) -> bytes:
    return bytes(make_varint(len(text))) + text


def ended(peer: socket.socket) -> bool:
    """Returns when the server has hung up."""
    while peer.recv(1 << 16):
        pass
    return True


class Port:
    """One of the two servers, with a clock of the test's for its seats."""

    def __init__(self, kind: str, engine: Engine, users: Users, stack: ExitStack) -> None:
        watch = stack.enter_context(closing(Watch()))
        running: Any
        if kind == "native":
            running = server.Server(engine, users, server.listen("127.0.0.1", 0), watch)
        else:
            running = web.Web(engine, users, web.listen("127.0.0.1", 0), watch)
        stack.enter_context(closing(running))
        running.seats.close()
        self.clock = Clock()
        self.seats = running.seats = Seats(Room(seats=4, share=2, idle_s=300), self.clock)
        self._native, self._number, self._stack = kind == "native", running.port, stack

    def begun(self, user: str) -> socket.socket:
        """A client that has logged in and sent its statement but for the last byte."""
        peer = socket.create_connection(("127.0.0.1", self._number), timeout=DEADLINE_S)
        self._stack.enter_context(peer)
        if self._native:
            words = b"".join(sized(each) for each in (b"", user.encode(), b"p"))
            peer.sendall(b"\0" + sized(b"d") + b"\x18\x08" + bytes(make_varint(54429)) + words)
            peer.sendall(b"\x01" + sized(b"") + b"\0" + sized(b"") + b"\x02\0" + sized(b"SELECT 7"))
            peer.sendall(LAST[:-1])
        else:
            peer.sendall(self.head(user, 8) + b"SELECT ")
        until(lambda: self.seat(peer) and self.seat(peer).state.reads, "the begin of the statement")
        return peer

    def head(self, user: str, size: int, path: str = "/") -> bytes:
        who = f"X-ClickHouse-User: {user}\r\nX-ClickHouse-Key: p\r\n"
        return f"POST {path} HTTP/1.1\r\n{who}Content-Length: {size}\r\n\r\n".encode()

    def seat(self, peer: socket.socket) -> Any:
        """What the server knows of a client."""
        for theirs, seat in list(self.seats._taken.items()):
            if theirs.getpeername() == peer.getsockname():
                return seat
        return None

    def finish(self, peer: socket.socket) -> bytes:
        """Sends the last byte; returns the answer."""
        peer.sendall(LAST[-1:] if self._native else b"7")
        end = b"\x05" if self._native else b"0\r\n\r\n"
        answer = b""
        while not answer.endswith(end):
            answer += (piece := peer.recv(1 << 16))
            assert piece, answer
        return answer


@pytest.fixture
def users(tmp_path: Path) -> Users:
    board = {"password": "p", "role": "board", "databases": ["slowly"]}
    write_users(
        tmp_path / "users.json", {"writer": {"password": "p", "role": "writer"}, "board": board}
    )
    return Users(tmp_path / "users.json")


@pytest.fixture(params=["native", "http"])
def port(request: pytest.FixtureRequest, engine: Engine, users: Users) -> Iterator[Port]:
    engine.ask("CREATE DATABASE IF NOT EXISTS slowly")
    with ExitStack() as stack:
        yield Port(request.param, engine, users, stack)


@pytest.mark.parametrize("user", ["writer", "board"])
def test_who_has_not_sent_all_of_a_statement_makes_room_for_a_newcomer(
    port: Port, user: str
) -> None:
    first = port.begun(user)
    port.clock.now += 1
    second = port.begun(user)
    port.clock.now += 1

    third = port.begun(user)

    assert ended(first)
    assert b"7" in port.finish(second)
    assert b"7" in port.finish(third)


def test_a_board_sends_all_of_its_request_in_10_seconds_and_a_writer_takes_its_time(
    port: Port,
) -> None:
    board, writer = port.begun("board"), port.begun("writer")
    port.clock.now += 9.9
    assert port.seat(board) is not None
    assert b"7" in port.finish(writer)
    port.clock.now += 0.2

    assert ended(board)


def test_a_boards_connection_waits_as_long_as_anybodys_after_its_request(port: Port) -> None:
    board = port.begun("board")
    assert b"7" in port.finish(board)
    until(lambda: port.seat(board).state.until == math.inf, "the end of the request")
    port.clock.now += 299

    assert port.seats.enter(socket.socket(), "10.0.0.1")  # a look at the seats
    assert port.seat(board) is not None


def test_a_statement_is_performed_at_work(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    prepare = Desk.prepare

    def looks(desk: Desk, question: Any) -> Any:
        seen.extend(seat.working for seat in port.seats._taken.values())
        return prepare(desk, question)

    monkeypatch.setattr(Desk, "prepare", looks)
    port.finish(port.begun("writer"))

    assert seen == [True]


@pytest.mark.parametrize("port", ["http"], indirect=True)
def test_who_sends_on_is_not_silent(port: Port) -> None:
    with socket.create_connection(("127.0.0.1", port._number), timeout=DEADLINE_S) as peer:
        peer.sendall(port.head("writer", 3 * MIB, "/?query=INSERT+INTO+t+FORMAT+TSV"))
        until(lambda: port.seat(peer) and port.seat(peer).state.reads, "the begin of the rows")
        for _ in range(2):
            port.clock.now += 200
            peer.sendall(b"1\n" * (MIB // 2))
            until(lambda: port.seat(peer).since == port.clock.now, "a piece of the rows")

        assert not port.seat(peer).working
        assert port.clock.now - 100 > port.seats._room.idle_s


@pytest.mark.parametrize("port", ["native"], indirect=True)
def test_an_insert_works_while_it_stores_and_not_while_it_waits_for_rows(
    port: Port, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.ask("CREATE TABLE IF NOT EXISTS slowly.t (n UInt8) ENGINE = MergeTree ORDER BY n")
    working: list[bool] = []
    store = Desk.store

    def looks(desk: Desk, *arguments: Any) -> None:
        working.append(port.seat(peer).working)
        store(desk, *arguments)

    monkeypatch.setattr(Desk, "store", looks)
    with socket.create_connection(("127.0.0.1", port._number), timeout=DEADLINE_S) as peer:
        words = b"".join(sized(each) for each in (b"", b"writer", b"p"))
        peer.sendall(b"\0" + sized(b"d") + b"\x18\x08" + bytes(make_varint(54429)) + words)
        sql = sized(b"INSERT INTO slowly.t VALUES")
        peer.sendall(b"\x01" + sized(b"") + b"\0" + sized(b"") + b"\x02\0" + sql + LAST)
        until(lambda: b"UInt8" in peer.recv(1 << 16, socket.MSG_PEEK), "the columns")
        until(lambda: port.seat(peer).state.reads, "the wait for rows")
        assert not port.seat(peer).working
        peer.sendall(LAST[:10] + b"\x01\x01" + sized(b"n") + sized(b"UInt8") + b"\7" + LAST)
        while not peer.recv(1 << 16).endswith(b"\x05"):
            pass

    assert working == [True]
