"""Packets of clients of each revision, made by hand, over a pair of sockets.

Each field of the protocol came with a revision: clients of earlier ones do not send it.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.warehouse import server, sizes
from infra.warehouse._fault import NOT_IMPLEMENTED, QUERY_WAS_CANCELLED, UNKNOWN_PACKET, Fault
from infra.warehouse.access import User, Users, write_users
from infra.warehouse.desk import Desk, Question
from infra.warehouse.engine import Engine, Session
from infra.warehouse.seats import Room, Seats
from infra.warehouse.server import _Client, _Query, _undumped
from infra.warehouse.watch import Watch
from infra.warehouse.wire import Block

REVISIONS = (
    *(54429, 54440, 54441, 54442, 54447, 54448, 54449, 54452, 54453, 54457, 54458, 54459, 54460),
)
ENGINE = SimpleNamespace(version="26.9.2.1", timezone="UTC")


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Users:
    file: Path = tmp_path_factory.mktemp("users") / "users.json"
    write_users(file, {"u": {"password": "p", "role": "writer"}})
    return Users(file)


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    watch.close()


class Peer:
    """A client's end of a connection, and the server's state at the other end."""

    def __init__(self, users: Users, watch: Watch) -> None:
        self.socket, self.theirs = socket.socketpair()
        self.socket.settimeout(30)
        self.theirs.settimeout(30)
        self.seats = Seats(Room())
        self.client = _Client(ENGINE, users, watch, self.theirs, self.seats)  # type: ignore[arg-type]

    def close(self) -> None:
        self.seats.close()
        self.client.close()
        self.socket.close()
        self.theirs.close()


@pytest.fixture
def peer(users: Users, watch: Watch) -> Iterator[Peer]:
    peer = Peer(users, watch)
    yield peer
    peer.close()


def number(value: int) -> bytes:
    return bytes((value & 0x7F | 0x80, *number(value >> 7))) if value > 127 else bytes((value,))


def text(value: str) -> bytes:
    return number(len(value)) + value.encode()


def hello(revision: int, database: str = "db") -> bytes:
    """Name, version 24.8, revision, database, user, password."""
    head = b"\x00" + text("driver") + b"\x18\x08" + number(revision)
    return head + text(database) + text("u") + text("p")


def query(revision: int, *, traced: bool = False, informed: bool = True) -> bytes:
    """A query with client info, a setting, and from 54459 on a parameter."""
    sent = text("id")
    if informed:
        sent += b"\x01" + text("initial") + text("initial id") + text("0.0.0.0:0")
        sent += bytes(8) if revision >= 54449 else b""  # start time
        sent += b"\x01" + text("me") + text("host") + text("driver") + b"\x18\x08"
        sent += number(54460) + text("")  # revision, quota key
        sent += b"\x00" if revision >= 54448 else b""  # depth
        sent += b"\x05"  # patch
        if revision >= 54442:
            sent += b"\x01" + bytes(24) + text("state") + b"\x01" if traced else b"\x00"
        sent += b"\x00\x00\x00" if revision >= 54453 else b""  # replicas
    else:
        sent += b"\x00"
    sent += text("max_threads") + b"\x01" + text("2") + text("a") + b"\x00" + text("b") + text("")
    sent += text("") if revision >= 54441 else b""  # secret between servers
    sent += b"\x02" + b"\x01" + text("SELECT 1")  # complete, compressed
    if revision >= 54459:
        sent += text("p") + b"\x02" + text("'it\\'s'") + text("")
    return sent


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("shape", ["plain", "traced", "without info"])
def test_a_query_is_read_to_its_last_byte(peer: Peer, revision: int, shape: str) -> None:
    sent = query(revision, traced=shape == "traced", informed=shape != "without info")
    peer.client._revision = revision
    peer.socket.sendall(sent + b"next")

    read = peer.client._query()

    assert read == _Query(
        "SELECT 1",
        "id",
        True,
        [("max_threads", "2", True), ("a", "b", False)],
        {"p": "it's"} if revision >= 54459 else {},
    )
    assert peer.client._in.read(4) == b"next"


@pytest.mark.parametrize(
    ("told", "kept", "key"),
    [
        (54429, 54429, b""),
        (54457, 54457, b""),
        (54458, 54458, b"\x00"),
        (54460, 54460, b"\x00"),
        (54461, 54460, b"\x00"),
        (60000, 54460, b"\x00"),
    ],
)
def test_both_speak_the_older_revision_of_the_two(
    peer: Peer, told: int, kept: int, key: bytes
) -> None:
    peer.socket.sendall(hello(told) + key + b"next")

    assert peer.client._greet() == (User("u", "p", "writer"), "db")
    assert (peer.client._revision, peer.client._in.read(4)) == (kept, b"next")
    # Hello, name, 26.9, revision 54460 = 0x3c + 0x29 · 128 + 3 · 16,384, zone, name, patch.
    answer = b"\x00" + text("ClickHouse") + b"\x1a\x09" + b"\xbc\xa9\x03" + text("UTC")
    assert peer.socket.recv(1000) == answer + text("gulou") + b"\x02"


def test_a_client_older_than_settings_as_texts_is_refused(peer: Peer) -> None:
    peer.socket.sendall(hello(54428))

    with pytest.raises(Fault) as refused:
        peer.client._greet()

    assert (refused.value.code, refused.value.what) == (
        NOT_IMPLEMENTED,
        "Revision 54428 is too old.",
    )


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 71])
def test_nobody_is_served_without_a_greeting(peer: Peer, kind: int) -> None:
    peer.socket.sendall(bytes((kind,)) + hello(54460)[1:])

    with pytest.raises(Fault) as refused:
        peer.client._greet()

    assert (refused.value.code, refused.value.what) == (
        UNKNOWN_PACKET,
        f"Unexpected packet {kind} from client, expected Hello.",
    )


@pytest.mark.parametrize(
    ("revision", "progress", "events"),
    [
        (54455, b"\x03\x01\x02\x00\x00\x00", b""),
        (54456, b"\x03\x01\x02\x00\x00\x00", b"\x0e\x00"),
        (54459, b"\x03\x01\x02\x00\x00\x00", b"\x0e\x00"),
        (54460, b"\x03\x01\x02\x00\x00\x00\x00", b"\x0e\x00"),
    ],
)
def test_progress_and_events_have_the_fields_of_their_revision(
    peer: Peer, revision: int, progress: bytes, events: bytes
) -> None:
    peer.client._revision = revision

    assert peer.client._progress(1, 2) == progress
    peer.client._send_events()
    peer.client._send(b"end")
    # A block without columns: block info, no column, no row.
    block = b"\x01\x00\x02\xff\xff\xff\xff\x00\x00\x00" if events else b""
    assert peer.socket.recv(1000) == events + block + b"end"


def test_a_fault_is_sent_with_its_code_and_nothing_nested(peer: Peer) -> None:
    peer.client.send_fault(Fault(61, "Gone."))

    assert peer.socket.recv(1000) == (
        b"\x02\x3d\x00\x00\x00" + text("DB::Exception") + text("DB::Exception: Gone.") + b"\x00\x00"
    )


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("'a'", "a"),
        ("''", ""),
        ("'", "'"),
        ("", ""),
        ("a", "a"),
        ("'a", "'a"),
        ("a'", "a'"),
        (r"'it\'s'", "it's"),
        (r"'a\\b'", r"a\b"),
        (r"'\b\f\r\n\t\0\a\v\x'", "\b\f\r\n\t\0\a\vx"),
        (r"'\\n'", r"\n"),
        ("'a\\\nb'", "a\nb"),
    ],
)
def test_a_parameter_loses_one_pair_of_quotes_and_one_escape(sent: str, value: str) -> None:
    assert _undumped(sent) == value


def test_a_connection_notices_a_client_that_is_gone_and_waits_for_no_full_packet(
    users: Users, watch: Watch
) -> None:
    running = server.Server(ENGINE, users, server.listen("127.0.0.1", 0), watch)  # type: ignore[arg-type]
    try:
        with socket.create_connection(("127.0.0.1", running.port), timeout=30) as client:
            client.sendall(hello(54429, database=""))
            assert client.recv(1) == b"\x00"
            (kept,) = running.seats._taken
            assert kept.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    finally:
        running.close()


def test_a_connection_without_a_seat_is_told_why(users: Users, watch: Watch) -> None:
    none = Room(seats=0)
    running = server.Server(ENGINE, users, server.listen("127.0.0.1", 0), watch, none)  # type: ignore[arg-type]
    try:
        with socket.create_connection(("127.0.0.1", running.port), timeout=30) as refused:
            told = refused.recv(1000)
        assert told[:5] == b"\x02" + (202).to_bytes(4, "little")
        assert b"Every seat is taken." in told
    finally:
        running.close()


INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
LAST = b"\x02\x00" + INFO + b"\x00\x00"
_NUMBERS = itertools.count(1)


def data(values: Sequence[int]) -> bytes:
    """A Data packet with one column `n UInt8`, of which 10 + len(values) bytes are kept."""
    block = b"\x01" + number(len(values)) + text("n") + text("UInt8") + bytes(values)
    return b"\x02\x00" + INFO + block


class Table:
    """A table `t` whose parts stay as they were stored, and an INSERT into it."""

    def __init__(self, engine: Engine, users: Users, peer: Peer) -> None:
        self.name, self._peer = f"pieces_{next(_NUMBERS)}", peer
        # Neither events nor a byte for each column.
        peer.client._revision, peer.client._block = 54453, Block(54453)
        self.session = Session(engine, "setup")
        for sql in (
            f"CREATE DATABASE {self.name}",
            f"CREATE TABLE {self.name}.t (n UInt8, CONSTRAINT few CHECK n < 200) "
            "ENGINE = MergeTree ORDER BY n",
            f"SYSTEM STOP MERGES {self.name}.t",
        ):
            self.session.run(sql, "Null")
        self.desk = Desk(engine, users, users.login("u", "p"), self.name)

    def insert(self, sent: bytes) -> bytes:
        """Sends these packets after an INSERT; returns the answer behind the columns."""
        self._peer.socket.sendall(sent)
        self._peer.client._perform(
            self.desk, Question("INSERT INTO t VALUES", "q", [], {}, "Native")
        )
        self._peer.client._send(b"end")
        header = b"\x01\x00" + INFO + b"\x01\x00" + text("n") + text("UInt8")
        received = self._peer.socket.recv(1000)
        assert received.startswith(header)
        assert received.endswith(b"end")
        return received[len(header) : -3]

    def read(self, sql: str) -> str:
        return self.session.run(sql, "TSV").decode().removesuffix("\n")

    def parts(self) -> list[int]:
        """Rows of each part, in the order in which they were stored."""
        found = self.read(
            "SELECT rows FROM system.parts WHERE active AND level = 0 "
            f"AND database = '{self.name}' ORDER BY min_block_number"
        )
        return [int(rows) for rows in found.splitlines()]

    def close(self) -> None:
        self.desk.close()
        self.session.run(f"DROP DATABASE {self.name} SYNC", "Null")
        self.session.close()


@pytest.fixture
def table(engine: Engine, users: Users, peer: Peer) -> Iterator[Table]:
    with closing(Table(engine, users, peer)) as table:
        yield table


@pytest.mark.parametrize(
    ("blocks", "parts", "size"),
    [
        # 20 bytes are allowed: 10 for the head of a block, and one for each row.
        ([], [], 0),
        ([1], [1], 11),
        ([10], [10], 20),
        ([11], [11], 21),
        ([10, 10], [20], 40),
        ([11, 10], [11, 10], 41),
        ([11, 11], [11, 11], 42),
        ([10, 1, 10], [11, 10], 51),
        ([11, 0, 12], [11, 12], 53),
        ([100, 1], [100, 1], 121),
    ],
)
def test_an_insert_of_more_bytes_than_are_kept_is_stored_in_pieces(
    table: Table,
    monkeypatch: pytest.MonkeyPatch,
    blocks: list[int],
    parts: list[int],
    size: int,
) -> None:
    monkeypatch.setattr(sizes, "INSERT_BYTES", 20)
    values = iter(range(200))
    sent = [data(list(itertools.islice(values, rows))) for rows in blocks]

    told = table.insert(b"".join(sent) + LAST)

    # Nothing read, and the rows and bytes written.
    assert told == b"\x03\x00\x00\x00" + number(sum(blocks)) + number(size)
    assert table.parts() == parts
    assert table.read(f"SELECT groupArray(n) FROM (SELECT n FROM {table.name}.t ORDER BY n)") == (
        f"[{','.join(map(str, range(sum(blocks))))}]"
    )


def test_a_piece_that_is_stored_stays_when_the_next_one_is_refused(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "INSERT_BYTES", 20)
    with pytest.raises(Fault) as refused:
        table.insert(data(range(11)) + data(range(190, 201)) + LAST)

    assert refused.value.code == 469
    assert table.parts() == [11]


def test_a_cancelled_insert_stores_no_more_and_leaves_nothing_to_the_next_one(
    table: Table, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "INSERT_BYTES", 20)

    with pytest.raises(Fault) as cancelled:
        table.insert(data(range(11)) + data(range(50, 60)) + b"\x03")
    assert cancelled.value.code == QUERY_WAS_CANCELLED
    assert table.parts() == [11]
    peer.socket.recv(1000)  # the columns
    # 12 bytes: the head and two rows.
    assert table.insert(data([80, 81]) + LAST) == b"\x03\x00\x00\x00\x02\x0c"
    assert table.parts() == [11, 2]


def test_512_mib_of_an_insert_are_kept() -> None:
    assert (sizes.INSERT_BYTES, sizes.OWNER.rows) == (536_870_912, 536_870_912)
