"""An INSERT over the native protocol is stored whole and acknowledged, or it is not acknowledged.

Where the server's read buffer ends is chance, so any byte may be the first that it has not read.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from infra.warehouse import sizes
from infra.warehouse._fault import QUERY_WAS_CANCELLED, UNKNOWN_PACKET, Fault
from infra.warehouse.access import Users, write_users
from infra.warehouse.desk import Desk, Question
from infra.warehouse.engine import Engine, Session
from infra.warehouse.seats import Room, Seats
from infra.warehouse.server import _Client
from infra.warehouse.watch import Watch
from infra.warehouse.wire import Block

DEADLINE_S = 60
REVISION = 54429  # without events and without a byte for each column
INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
LAST = b"\x02\x00" + INFO + b"\x00\x00"
CANCEL = b"\x03"
END, EXCEPTION = b"\x05", b"\x02"
_NAMES = (f"ended_{number}" for number in itertools.count(1))


def text(value: bytes) -> bytes:
    assert len(value) < 128
    return bytes((len(value),)) + value


def query(sql: bytes) -> bytes:
    """A query after its first byte: no id, no client info, no settings, complete, uncompressed."""
    return text(b"") + b"\0" + text(b"") + b"\x02\0" + text(sql) + LAST


def data(*values: bytes) -> bytes:
    """A Data packet of one column `s String`."""
    head = b"\x02\x00" + INFO + b"\x01" + bytes((len(values),)) + text(b"s") + text(b"String")
    return head + b"".join(map(text, values))


class Talk:
    """A client whose connection a test serves statement by statement, on a database of its own."""

    def __init__(self, engine: Engine, users: Users, watch: Watch) -> None:
        self.name, self.watch = next(_NAMES), watch
        self.socket, theirs = socket.socketpair()
        for each in (self.socket, theirs):
            each.settimeout(DEADLINE_S)
        self.seats = Seats(Room())
        self.server = _Client(engine, users, watch, theirs, self.seats)
        self.server._revision, self.server._block = REVISION, Block(REVISION)
        self.owner = Session(engine, "setup")
        self.owner.run(f"CREATE DATABASE {self.name}", "Null")
        self.owner.run(
            f"CREATE TABLE {self.name}.t (s String) ENGINE = MergeTree ORDER BY s", "Null"
        )
        self.desk = Desk(engine, users, users.login("u", "p"), self.name)
        self.server._desk = self.desk
        self._theirs = theirs

    def ask(self, sent: bytes) -> bytes:
        """Sends this, serves one query, and returns the answer's last packets."""
        self.socket.sendall(sent)
        self.server._answer(self.desk)
        self.server._send(b"|")
        answer = b""
        while not answer.endswith(b"|"):
            answer += self.socket.recv(1 << 16)
        return answer[:-1]

    def stored(self) -> list[str]:
        rows = self.owner.run(f"SELECT s FROM {self.name}.t ORDER BY s", "TSVRaw")
        return rows.decode().splitlines()

    def while_storing(self, do: Callable[[], object]) -> None:
        """Does something before the next piece is stored, and lets the watch look at it."""
        store = self.desk.store

        def storing(*arguments: object) -> None:
            do()
            look(self.watch)
            self.desk.store = store  # type: ignore[method-assign]
            store(*arguments)  # type: ignore[arg-type]

        self.desk.store = storing  # type: ignore[assignment,method-assign]

    def close(self) -> None:
        self.seats.close()
        self.server.close()
        self.owner.run(f"DROP DATABASE {self.name} SYNC", "Null")
        self.owner.close()
        self.socket.close()
        self._theirs.close()


@pytest.fixture
def users(tmp_path: Path) -> Users:
    write_users(tmp_path / "users.json", {"u": {"password": "p", "role": "writer"}})
    return Users(tmp_path / "users.json")


@pytest.fixture
def watch() -> Iterator[Watch]:
    with closing(Watch()) as watch:
        yield watch


@pytest.fixture
def talk(
    engine: Engine, users: Users, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Talk]:
    # Each block is a piece of its own.
    monkeypatch.setattr(sizes, "INSERT_BYTES", 64)
    with closing(Talk(engine, users, watch)) as talk:
        yield talk


def look(watch: Watch) -> None:
    """Returns when the watching thread has looked at everything that happened until now."""
    told = threading.Event()
    with ExitStack() as stack:
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        stack.enter_context(theirs)
        stack.enter_context(watch.over(theirs, lambda cancelled: told.set()))
        ours.shutdown(socket.SHUT_WR)
        assert told.wait(DEADLINE_S)


INSERT = query(b"INSERT INTO t VALUES")


def test_a_byte_3_in_the_middle_of_a_block_that_follows_cancels_nothing(talk: Talk) -> None:
    block = data(b"b" * 10, b"\x03" * 40, b"c" * 10)
    middle = block.index(b"\x03" * 40) + 1
    # The first half is in the server's buffer, and a byte 3 is what it has not read yet.
    talk.while_storing(lambda: talk.socket.sendall(block[middle:] + LAST))

    answer = talk.ask(INSERT + data(b"a" * 60) + block[:middle])

    assert answer.endswith(END)
    assert talk.stored() == ["\x03" * 40, "a" * 60, "b" * 10, "c" * 10]


def test_a_cancel_between_blocks_stores_no_more_and_is_no_acknowledgement(talk: Talk) -> None:
    talk.while_storing(lambda: talk.socket.sendall(CANCEL))

    answer = talk.ask(INSERT + data(b"a" * 60) + data(b"b"))

    assert talk.stored() == ["a" * 60]
    assert (EXCEPTION + QUERY_WAS_CANCELLED.to_bytes(4, "little") in answer) is True
    assert not answer.endswith(END)
    # The connection lives on, and nothing of the cancelled one is in the next.
    assert talk.ask(INSERT + data(b"n") + LAST).endswith(END)
    assert talk.stored() == ["a" * 60, "n"]


def test_an_insert_whose_client_hangs_up_is_not_acknowledged(talk: Talk) -> None:
    talk.while_storing(lambda: talk.socket.shutdown(socket.SHUT_WR))

    answer = talk.ask(INSERT + data(b"a" * 60) + data(b"b" * 60) + LAST)

    assert EXCEPTION + QUERY_WAS_CANCELLED.to_bytes(4, "little") in answer
    assert not answer.endswith(END)
    assert talk.stored() == []


def test_a_cancelled_query_that_stores_is_not_acknowledged(talk: Talk) -> None:
    fills = b"INSERT INTO t SELECT toString(number) FROM numbers(100000000000) "
    fills += b"WHERE sipHash64(number) = 1"
    ask = talk.desk._asked

    def asked(*arguments: object) -> Iterator[bytes]:
        talk.socket.sendall(CANCEL)
        yield from ask(*arguments)  # type: ignore[arg-type]

    talk.desk._asked = asked  # type: ignore[assignment,method-assign]

    answer = talk.ask(query(fills))

    assert EXCEPTION + QUERY_WAS_CANCELLED.to_bytes(4, "little") in answer
    assert not answer.endswith(END)
    assert talk.stored() == []


@pytest.mark.parametrize("ahead", [b"", b"\x04"], ids=["alone", "with a packet sent ahead"])
def test_a_reading_query_is_cancelled_only_where_a_packet_begins(talk: Talk, ahead: bytes) -> None:
    ask = talk.desk._asked

    def asked(*arguments: object) -> Iterator[bytes]:
        talk.socket.sendall(CANCEL)
        look(talk.watch)
        yield from ask(*arguments)  # type: ignore[arg-type]

    talk.desk._asked = asked  # type: ignore[assignment,method-assign]

    # What was sent ahead is in the server's buffer; the byte 3 behind it need not be a packet.
    talk.ask(query(b"SELECT 1") + ahead)

    assert talk.desk._stopped is (not ahead)


def test_rows_that_nobody_asked_for_end_the_connection(talk: Talk) -> None:
    talk.ask(INSERT + data(b"a") + LAST)
    talk.socket.sendall(data(b"b")[1:])

    with pytest.raises(Fault) as ended:
        talk.server._receive()

    assert ended.value.code == UNKNOWN_PACKET


def test_rows_that_were_under_way_when_their_insert_failed_are_read_and_thrown_away(
    talk: Talk,
) -> None:
    assert EXCEPTION in talk.ask(query(b"INSERT INTO missing VALUES"))
    talk.socket.sendall(data(b"b")[1:] + LAST[1:])

    assert (talk.server._receive(), talk.server._receive()) == (1, None)


def test_a_query_that_was_ended_before_its_first_row_is_no_answer_without_rows(
    talk: Talk,
) -> None:
    asked = Question("SELECT 7", "", [], {}, "TSV")

    def ends(_: Question) -> Iterator[bytes]:
        """As the engine's stream that is ended before its first block: without an error."""
        talk.desk.stop()
        return iter(())

    talk.desk._asked = ends  # type: ignore[assignment,method-assign]
    talk.desk.prepare(asked)

    with pytest.raises(Fault) as ended:
        list(talk.desk.ask(asked))

    assert ended.value.code == QUERY_WAS_CANCELLED
