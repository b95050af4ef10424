"""What a client's blocks make the server keep: nothing of a board's, little of the others'."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from clickhouse_driver.varint import make_varint

from infra.warehouse import server, sizes
from infra.warehouse._fault import ACCESS_DENIED, TOO_LARGE_STRING_SIZE, UNKNOWN_PACKET, Fault
from infra.warehouse._types import walk
from infra.warehouse.access import Users, write_users
from infra.warehouse.watch import Watch
from infra.warehouse.wire import BytesSource, Listing, receive_block
from tests.warehouse.by_hand import Cut

DEADLINE_S = 60
INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
USERS: dict[str, dict[str, object]] = {
    "writer": {"password": "p", "role": "writer"},
    "board": {"password": "p", "role": "board", "databases": ["d"]},
}
ENGINE = SimpleNamespace(version="26.9.2.1", timezone="UTC", serial=lambda: 1, settings=frozenset())


def sized(text: bytes) -> bytes:
    return bytes(make_varint(len(text))) + text


def query(*settings: tuple[bytes, bytes], sql: bytes = b"SELECT 1") -> bytes:
    """A query of revision 54429 without client info."""
    values = b"".join(sized(name) + b"\0" + sized(value) for name, value in settings)
    return b"\x01" + sized(b"") + b"\0" + values + sized(b"") + b"\x02\0" + sized(sql)


def claim(table: bytes = b"", columns: int = 1, rows: int = 1 << 20) -> bytes:
    """A Data packet up to what its block claims."""
    numbers = bytes(make_varint(columns)) + bytes(make_varint(rows))
    return b"\x02" + sized(table) + INFO + numbers


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    write_users(tmp_path / "users.json", USERS)
    users = Users(tmp_path / "users.json")
    with closing(Watch()) as watch:
        listener = server.listen("127.0.0.1", 0)
        with closing(server.Server(ENGINE, users, listener, watch)) as running:  # type: ignore[arg-type]
            yield running.port


def told(port: int, user: bytes, sent: bytes) -> tuple[int, str]:
    """Code and text of the fault with which the server answers and ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as peer:
        hello = sized(b"driver") + b"\x18\x08" + bytes(make_varint(54429))
        peer.sendall(b"\0" + hello + sized(b"") + sized(user) + sized(b"p") + sent)
        answer = b""
        while piece := peer.recv(1 << 16):
            answer += piece
    at = answer.index(b"DB::Exception")
    return struct.unpack("<i", answer[at - 5 : at - 1])[0], answer[at:].decode(errors="replace")


@pytest.mark.parametrize(
    "sent",
    [query() + claim(), query() + b"\x02" + sized(b"v"), claim()],
    ids=["a block after the query", "the name of a table", "a block without a query"],
)
def test_the_first_claim_of_rows_ends_a_boards_connection_before_any_of_them_is_read(
    port: int, sent: bytes
) -> None:
    # Nothing follows: who read on would wait.
    assert told(port, b"board", sent)[0] == ACCESS_DENIED


def test_rows_after_a_query_without_a_tables_name_end_the_connection(port: int) -> None:
    column = sized(b"n") + sized(b"UInt8") + b"\7"

    assert told(port, b"writer", query() + claim(rows=1) + column)[0] == UNKNOWN_PACKET


@pytest.mark.parametrize(
    ("user", "count"), [(b"writer", 1 + (4 << 20) // 64), (b"board", 1 + (256 << 10) // 64)]
)
def test_settings_of_a_query_are_bounded_in_number_and_size(
    port: int, user: bytes, count: int
) -> None:
    code, text = told(port, user, query(*[(b"a", b"")] * count))

    assert code == TOO_LARGE_STRING_SIZE
    assert "settings or parameters" in text


def column(name: bytes, kind: bytes) -> bytes:
    return sized(name) + sized(kind)


@pytest.mark.parametrize(
    ("shape", "most"),
    [
        # 4 MiB: a column costs its bytes and 64.
        (column(b"n", b"UInt8"), (4 << 20) // 70),
        (column("😀".encode(), b"t" * 60_000), (4 << 20) // 60_068),
    ],
    ids=["many", "long"],
)
def test_names_and_types_of_all_tables_of_a_query_are_bounded_together(
    shape: bytes, most: int
) -> None:
    listed, count = Listing(), 0
    with pytest.raises(Fault) as refused:
        while count < 2 * most:
            receive_block(BytesSource(b"\0\x01\0" + shape), 54429, None, listed)
            count += 1

    assert refused.value.code == TOO_LARGE_STRING_SIZE
    assert count == most


def test_what_is_listed_of_a_table_is_taken_from_the_list() -> None:
    listed = Listing()
    for name in (b"a", b"b"):
        receive_block(BytesSource(b"\0\x01\0" + column(name, b"UInt8")), 54429, None, listed)
        assert listed.take() == [(name.decode(), "UInt8")]


@pytest.mark.parametrize("info", [b"\x01\0\x01\0\0", b"\x02\0\0\0\0\x02"])
def test_a_field_of_a_blocks_info_comes_once(info: bytes) -> None:
    with pytest.raises(Fault, match="info of a block"):
        receive_block(BytesSource(info), 54429, None)


class Endless(Cut):
    """The same buffer as often as it is wanted; counts the most that was read at once."""

    def __init__(self, head: bytes, again: bytes) -> None:
        super().__init__(head)
        self._again, self.most = again, 0

    def fill(self) -> None:
        if self._left:
            super().fill()
        else:
            self.buffer = bytearray(self._again)
            self.current_buffer_size = len(self._again)

    def read(self, count: int) -> bytes:
        self.most = max(self.most, count)
        return super().read(count)


def test_choices_of_a_variant_are_counted_piece_by_piece_and_let_other_threads_work() -> None:
    source = Endless(bytes(8), b"\xff" * (1 << 20))
    longest, ended = [0.0], threading.Event()

    def work() -> None:
        last = time.monotonic()
        while not ended.wait(0.001):
            now = time.monotonic()
            longest[0], last = max(longest[0], now - last), now

    working = threading.Thread(target=work)
    working.start()
    began = time.process_time()
    walk("Variant(UInt8)", 120_000_000, source)
    took = time.process_time() - began
    ended.set()
    working.join()

    assert source.most <= 1 << 16
    # 48 s at once, before; seconds of the processor, however busy the machine is.
    assert took < 10
    assert longest[0] < 5


@pytest.mark.parametrize("rows", [65_535, 65_536, 65_537, 200_000])
def test_choices_of_a_variant_are_counted_over_all_pieces(rows: int) -> None:
    # Types in the order of their names: String, UInt16; every third row has none.
    numbers = bytes((0, 1, 255)[at % 3] for at in range(rows))
    content = bytes(8) + numbers + b"\x01a" * numbers.count(0) + bytes(2 * numbers.count(1))
    source = BytesSource(content + b"\xee" * 64)

    walk("Variant(UInt16, String)", rows, source)

    assert source.position == len(content)


LISTS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "paths": lambda: (
        "Tuple(" + ", ".join(["JSON"] * 40) + ")",
        (struct.pack("<q", 2) + bytes(make_varint(10_000)) + b"\x01a" * 10_000) * 40,
    ),
    "types": lambda: (
        "Tuple(" + ", ".join(["Dynamic"] * 100) + ")",
        (struct.pack("<q", 2) + b"\x0a" + sized(b"T" * 60_000) * 10) * 100,
    ),
}


@pytest.mark.parametrize("what", LISTS)
def test_paths_and_types_that_a_column_announces_are_bounded_together(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "LISTED_BYTES", 100_000)
    kind, content = LISTS[what]()

    with pytest.raises(Fault) as refused:
        walk(kind, 1, BytesSource(content))

    assert refused.value.code == TOO_LARGE_STRING_SIZE
    # What a column announced is gone with it.
    for _ in range(100):
        walk("Dynamic", 1, BytesSource(struct.pack("<q", 3) + b"\x01\x06String" + b"\0\x01a"))
