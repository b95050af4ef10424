"""No request stops another: crowds, silence, bombs and heavy queries against the real server."""

from __future__ import annotations

import gzip
import re
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import brotli
import cramjam
import psutil
import pytest
import requests
from clickhouse_driver import Client
from clickhouse_driver.varint import make_varint

from infra.warehouse import EmbeddedClickHouse
from infra.warehouse._fault import Fault
from infra.warehouse.seats import Room, Running, Seats
from infra.warehouse.wire import PLAIN, ZSTD
from tests.waiting import until
from tests.warehouse.by_hand import framed
from tests.warehouse.conftest import connect

LOGIN = {"X-ClickHouse-User": "gulou", "X-ClickHouse-Key": "tower"}
BOARD = {"X-ClickHouse-User": "board", "X-ClickHouse-Key": "drum"}
DEADLINE_S = 300
MIB = 1 << 20


def post(warehouse: EmbeddedClickHouse, sql: Any, **more: Any) -> requests.Response:
    headers = {**LOGIN, **more.pop("headers", {})}
    url = f"http://{warehouse.host}:{warehouse.http_port}/"
    with requests.Session() as session:
        session.trust_env = False
        return session.post(url, data=sql, headers=headers, timeout=DEADLINE_S, **more)


def greeted(warehouse: EmbeddedClickHouse, user: str = "gulou") -> socket.socket:
    """A connection after the greeting, made by hand."""
    password = {"gulou": "tower", "board": "drum"}[user]
    peer = socket.create_connection((warehouse.host, warehouse.port), timeout=DEADLINE_S)
    revision = bytes(make_varint(54429))
    login = b"".join(sized(each.encode()) for each in ("", user, password))
    hello = b"\0" + sized(b"driver") + b"\x18\x08" + revision + login
    peer.sendall(hello)
    assert peer.recv(1) == b"\0"
    peer.recv(100)
    return peer


def sized(text: bytes) -> bytes:
    return bytes(make_varint(len(text))) + text


def fault(peer: socket.socket) -> int:
    """The code of the exception after which the server ends the connection."""
    told = b""
    while piece := peer.recv(1 << 16):
        told += piece
    at = told.find(b"DB::Exception")
    assert at > 5, told
    code: int = struct.unpack("<i", told[at - 5 : at - 1])[0]
    return code


def query(sql: bytes) -> bytes:
    """A query of revision 54429 without client info, settings and compression."""
    return b"\x01" + sized(b"") + b"\0" + sized(b"") + b"\x02\0" + sized(sql)


END = b"\x02\0" + b"\x01\0\x02\xff\xff\xff\xff\0" + b"\0\0"
"""The empty block after a query."""


# -- crowds and silence


def test_300_silent_connections_to_either_port_shut_nobody_out(
    warehouse: EmbeddedClickHouse,
) -> None:
    with ExitStack() as crowd:
        for port in (warehouse.port, warehouse.http_port):
            for _ in range(300):
                silent = socket.create_connection((warehouse.host, port), timeout=DEADLINE_S)
                crowd.enter_context(silent)

        client = connect(warehouse)
        assert client.execute("SELECT 1") == [(1,)]
        client.disconnect()
        assert post(warehouse, "SELECT 1").text == "1\n"


def test_an_unfinished_greeting_of_any_size_is_ended(warehouse: EmbeddedClickHouse) -> None:
    address = (warehouse.host, warehouse.port)
    with socket.create_connection(address, timeout=DEADLINE_S) as peer:
        peer.sendall(b"\0" + bytes(make_varint(5000)))  # a client's name of 5,000 bytes

        assert fault(peer) == 131


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def seats(clock: Clock) -> Iterator[Callable[..., Seats]]:
    made: list[Seats] = []

    def make(**room: Any) -> Seats:
        made.append(Seats(Room(**room), clock))
        return made[-1]

    yield make
    for each in made:
        each.close()


class Pair:
    """A client and the server's end of its connection."""

    def __init__(self) -> None:
        self.client, self.server = socket.socketpair()
        self.client.settimeout(DEADLINE_S)

    @property
    def ended(self) -> bool:
        """Whether the server has hung up."""
        ready, _, _ = select.select([self.client], [], [], 0)
        return bool(ready) and self.client.recv(1) == b""


@pytest.fixture
def pairs() -> Iterator[Callable[[], Pair]]:
    made: list[Pair] = []

    def make() -> Pair:
        made.append(Pair())
        return made[-1]

    yield make
    for each in made:
        each.client.close()
        each.server.close()


def test_a_connection_without_a_login_is_ended_in_time_and_one_with_a_login_stays(
    seats: Callable[..., Seats], pairs: Callable[[], Pair], clock: Clock
) -> None:
    room = seats(login_s=10, idle_s=3600)
    silent, known, late = pairs(), pairs(), pairs()
    for each in (silent, known):
        room.enter(each.server, "a")
    room.login(known.server, "gulou")
    clock.now += 5
    room.enter(late.server, "a")

    clock.now += 5.1

    assert silent.client.recv(1) == b""  # blocks until it is ended
    assert not known.ended
    assert not late.ended


def test_a_connection_between_queries_is_ended_after_a_while_and_never_during_one(
    seats: Callable[..., Seats], pairs: Callable[[], Pair], clock: Clock
) -> None:
    room = seats(login_s=10, idle_s=3600)
    idle, working = pairs(), pairs()
    for each in (idle, working):
        room.enter(each.server, "a")
        room.login(each.server, "gulou")

    with room.working(working.server):
        clock.now += 3600.1
        assert idle.client.recv(1) == b""
        assert not working.ended
    clock.now += 3600.1
    assert working.client.recv(1) == b""


def test_newcomers_take_the_seats_of_those_who_have_been_silent_longest(
    seats: Callable[..., Seats], pairs: Callable[[], Pair], clock: Clock
) -> None:
    room = seats(seats=4, share=4, arriving=2)
    first, second, third = pairs(), pairs(), pairs()

    for each in (first, second, third):
        assert room.enter(each.server, "a")
        clock.now += 1

    assert [each.ended for each in (first, second, third)] == [True, False, False]


def test_a_user_has_a_share_of_the_seats_and_the_rest_is_kept_for_others(
    seats: Callable[..., Seats], pairs: Callable[[], Pair], clock: Clock
) -> None:
    room = seats(seats=4, share=2, arriving=4)
    greedy, other = [pairs() for _ in range(3)], pairs()
    with ExitStack() as at_work:
        for each in greedy[:2]:
            room.enter(each.server, "a")
            room.login(each.server, "board")
            clock.now += 1
            at_work.enter_context(room.working(each.server))

        room.enter(greedy[2].server, "c")
        with pytest.raises(Fault, match="'board' has 2 connections at work already"):
            room.login(greedy[2].server, "board")
        room.enter(other.server, "d")
        room.login(other.server, "gulou")
        clock.now += 1
    # Between queries one that is silent makes room.
    room.login(greedy[2].server, "board")
    assert sum(each.ended for each in greedy[:2]) == 1
    assert not greedy[2].ended
    assert not other.ended


def test_all_addresses_of_this_machine_share_one_part_of_the_seats(
    seats: Callable[..., Seats], pairs: Callable[[], Pair]
) -> None:
    room, first = seats(seats=4, share=3, arriving=10), pairs()
    assert room.enter(first.server, "127.0.0.1")
    for address in ("127.9.9.9", "::1", "127.0.0.2"):
        assert room.enter(pairs().server, address)

    # The fourth took the seat of the first, and another network has its own.
    assert first.ended
    assert room.enter(pairs().server, "10.0.0.1")
    assert len(room) == 4


def test_nobody_is_sent_away_from_work(
    seats: Callable[..., Seats], pairs: Callable[[], Pair]
) -> None:
    room = seats(seats=2, share=2, arriving=2)
    both = [pairs(), pairs()]
    with ExitStack() as at_work:
        for each in both:
            room.enter(each.server, "a")
            room.login(each.server, "gulou")
            at_work.enter_context(room.working(each.server))

        assert not room.enter(pairs().server, "b")
    assert not any(each.ended for each in both)


# -- running queries


def test_a_user_runs_so_many_queries_at_a_time_and_another_user_is_not_kept_waiting() -> None:
    running = Running(wait_s=0.05)
    here: Callable[[], bool] = lambda: False  # noqa: E731
    with running.turn("board", 2, here), running.turn("board", 2, here):
        with pytest.raises(Fault) as refused, running.turn("board", 2, here):
            pass
        with running.turn("gulou", 2, here):
            pass
    with running.turn("board", 2, here):
        pass

    assert refused.value.code == 202


def test_a_query_waits_for_its_turn_and_not_after_its_client_has_left() -> None:
    running, gone, began = Running(wait_s=DEADLINE_S), threading.Event(), []
    with running.turn("board", 1, gone.is_set):

        def next_one() -> None:
            with running.turn("board", 1, gone.is_set):
                began.append(True)

        waiting = threading.Thread(target=next_one)
        waiting.start()
        assert began == []
        gone.set()
        running.wake()
        waiting.join(DEADLINE_S)

    assert began == [True]


SLOW = "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1"
MARK = "SELECT count() FROM system.processes WHERE query LIKE '%numbers(100000000000)%' AND "
MARK += "query NOT LIKE '%system.processes%'"


@pytest.mark.parametrize("ahead", [b"", b"\x04"], ids=["silent", "with a packet sent ahead"])
def test_a_client_that_leaves_ends_its_query(warehouse: EmbeddedClickHouse, ahead: bytes) -> None:
    owner = connect(warehouse)
    peer = greeted(warehouse)
    peer.sendall(query(SLOW.encode()) + END + ahead)
    until(lambda: owner.execute(MARK) == [(1,)], "the query never began")

    peer.close()

    until(lambda: owner.execute(MARK) == [(0,)], "the query went on")
    owner.disconnect()


def test_an_http_client_that_leaves_ends_its_query(warehouse: EmbeddedClickHouse) -> None:
    owner = connect(warehouse)
    address = (warehouse.host, warehouse.http_port)
    headers = {"Host": "x", **LOGIN, "Content-Length": len(SLOW)}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(address, timeout=DEADLINE_S) as peer:
        peer.sendall(f"POST / HTTP/1.1\r\n{head}\r\n{SLOW}".encode())
        until(lambda: owner.execute(MARK) == [(1,)], "the query never began")

    until(lambda: owner.execute(MARK) == [(0,)], "the query went on")
    owner.disconnect()


# -- sizes


@contextmanager
def most_memory(warehouse: EmbeddedClickHouse) -> Iterator[list[float]]:
    """Gives how many MB the server took at most beyond what it had before."""
    process = Path(f"/proc/{warehouse.pid}")
    found: list[float] = []
    before = psutil.Process(warehouse.pid).memory_info().rss
    (process / "clear_refs").write_text("5")  # the kernel forgets the highest mark
    yield found
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
    found.append(int(line) / 1024 - before / MIB)


def zstd_frame(size: int) -> bytes:
    """One of ClickHouse's own frames with so many zeros."""
    return framed(ZSTD, bytes(cramjam.zstd.compress(bytes(size))), size)


@pytest.mark.parametrize("encoding", ["zstd", "br", "gzip"])
def test_a_bomb_is_refused_at_the_bound_of_a_statement_and_takes_no_memory(
    warehouse: EmbeddedClickHouse, encoding: str
) -> None:
    # 5 GB of zeros in 250 kB of zstd, 200 MB in 200 bytes of brotli.
    zeros = bytes(100 * MIB)
    bomb = {
        "zstd": lambda: bytes(cramjam.zstd.compress(zeros)) * 50,
        "br": lambda: bytes(brotli.compress(zeros * 2, quality=1)),
        "gzip": lambda: gzip.compress(zeros, 1),
    }[encoding]()

    with most_memory(warehouse) as more:
        owner, board = (
            post(warehouse, bomb, headers={"Content-Encoding": encoding, **who})
            for who in (LOGIN, BOARD)
        )

    assert [each.status_code for each in (owner, board)] == [413, 413]
    assert "more than 16777216 bytes" in owner.text
    assert "more than 262144 bytes" in board.text
    assert more[0] < 100


def test_a_frame_over_http_has_the_bound_of_its_user(warehouse: EmbeddedClickHouse) -> None:
    options = {"params": {"decompress": "1"}, "headers": BOARD}
    fits = framed(PLAIN, b"SELECT 1" + b" " * 1000, 1008)
    assert post(warehouse, fits, **options).text == "1\n"

    with most_memory(warehouse) as more:
        refused = post(warehouse, zstd_frame(100 * MIB), **options)

    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (400, "117")
    assert f"claims {len(zstd_frame(100 * MIB)) - 16} and 104857600 bytes" in refused.text
    assert more[0] < 50


@pytest.mark.parametrize(
    ("format_name", "options"), [("TSV", {"wait_end_of_query": "1"}), ("JSON", {})]
)
def test_an_answer_to_a_board_has_a_bound(
    warehouse: EmbeddedClickHouse, format_name: str, options: dict[str, str]
) -> None:
    sql = f"SELECT repeat('x', 1000000) FROM numbers(400) FORMAT {format_name}"

    with most_memory(warehouse) as more:
        answer = post(warehouse, sql, params={**options, "max_block_size": "1"}, headers=BOARD)

    assert "Code: 396" in answer.text
    assert more[0] < 250


def test_a_boards_user_sends_no_forms(warehouse: EmbeddedClickHouse) -> None:
    answer = post(warehouse, None, headers=BOARD, files={"query": (None, "SELECT 1")})

    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "497")


def test_a_boards_user_sends_no_rows(warehouse: EmbeddedClickHouse) -> None:
    sql = {"query": "INSERT INTO city_published.v FORMAT TSV"}

    answer = post(warehouse, b"1\n", params=sql, headers=BOARD)

    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "497")


def test_headers_have_a_bound_together_and_in_number(warehouse: EmbeddedClickHouse) -> None:
    many = {f"X-{each}": "y" for each in range(150)}
    long = {f"X-{each}": "y" * 60_000 for each in range(6)}

    assert [post(warehouse, "SELECT 1", headers=each).status_code for each in (many, long)] == [
        431,
        431,
    ]
    assert post(warehouse, "SELECT 1", headers={"X-Long": "y" * 60_000}).text == "1\n"


def block(name: bytes, kind: bytes, rows: int, values: bytes) -> bytes:
    """A Data packet of one column."""
    info = b"\x01\0\x02\xff\xff\xff\xff\0"
    head = b"\x02\0" + info + b"\x01" + bytes(make_varint(rows))
    return head + sized(name) + sized(kind) + values


HARMFUL = {
    "a falling offset": (b"Array(UInt8)", struct.pack("<QQ", 5, 2) + b"\x01" * 5),
    "a negative offset": (b"Array(UInt8)", struct.pack("<qq", 0, -1)),
    "too many elements": (b"Array(UInt8)", struct.pack("<QQ", 0, 1 << 40)),
    "a string that wraps around": (b"String", b"\x01a" + b"\xff" * 9 + b"\x01" + b"x" * 100),
    "a string beyond an INSERT": (b"String", b"\x01a" + bytes(make_varint(1 << 40))),
    "brackets without end": (b"Array(" * 1000 + b"UInt8" + b")" * 1000, b""),
    "a dictionary that is none": (
        b"LowCardinality(String)",
        struct.pack("<QQq", 1, 1 << 9, -1),
    ),
    "a FixedString without a size": (b"FixedString()", b""),
}


@pytest.mark.parametrize("harm", HARMFUL)
def test_a_harmful_block_ends_its_connection_and_stores_nothing(
    warehouse: EmbeddedClickHouse, harm: str
) -> None:
    kind, values = HARMFUL[harm]
    owner = connect(warehouse)
    owner.execute("CREATE TABLE IF NOT EXISTS city.harmed (n String) ENGINE = MergeTree ORDER BY n")
    victim = query(b"DROP TABLE city.harmed") + END
    peer = greeted(warehouse)

    peer.sendall(query(b"INSERT INTO city.harmed VALUES") + END)
    peer.sendall(block(b"n", kind, 2, values) + victim)

    assert fault(peer) in (48, 117, 131, 306)
    peer.close()
    assert owner.execute("SELECT count() FROM city.harmed") == [(0,)]
    owner.disconnect()


def test_a_frame_head_alone_takes_no_memory(warehouse: EmbeddedClickHouse) -> None:
    owner = Client(warehouse.host, warehouse.port, "", "gulou", "tower")
    with most_memory(warehouse) as more, ExitStack() as peers:
        for _ in range(20):
            peer = peers.enter_context(greeted(warehouse))
            # Compressed, and then a head that claims 128 MiB.
            asked = query(b"SELECT 1").replace(b"\x02\0", b"\x02\x01", 1)
            head = struct.pack("<QQBII", 0, 0, 0x82, 128 * MIB, 100)
            peer.sendall(asked + b"\x02\0" + head)
        assert owner.execute("SELECT 1") == [(1,)]
    assert more[0] < 200
    owner.disconnect()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 format " + "/* " * 60_000,
        "SELECT 1 format " + "'" * 180_001,
        "SELECT 1 format " + "$a$ $b" * 30_000,
        "SELECT 1 " + "(" * 100_000,
        "SELECT 1 " + "\0" * 10_000_000,
        "INSERT INTO t (" + "a," * 5_000_000,
    ],
    ids=["comments", "quotes", "heredocs", "brackets", "garbage", "columns"],
)
def test_a_long_statement_costs_as_much_as_it_is_long(
    warehouse: EmbeddedClickHouse, sql: str
) -> None:
    process = psutil.Process(warehouse.pid)
    before = process.cpu_times()

    assert post(warehouse, sql).status_code in (400, 413)

    after = process.cpu_times()
    # Seconds of the processor, however busy the machine is.
    assert after.user + after.system - before.user - before.system < 10
