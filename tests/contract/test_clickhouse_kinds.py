"""Types whose values say how they are laid out, and blocks that are no blocks, in both directions.

A block that a server cannot read leaves it in the middle of a client's bytes. What follows must
never be taken for packets: a string in it may hold a statement.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import requests
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException
from clickhouse_driver.varint import make_varint

from tests.contract.conftest import Address

REVISION = 54460
INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return bytes(make_varint(len(content))) + content


def number(value: int) -> bytes:
    return struct.pack("<q", value)


def data(name: str, kind: str, rows: int, column: bytes) -> bytes:
    """A Data packet with one column."""
    head = b"\x02" + text("") + INFO + b"\x01" + bytes(make_varint(rows))
    return head + text(name) + text(kind) + b"\x00" + column


EMPTY = b"\x02\x00" + INFO + b"\x00\x00"


def query(sql: str) -> bytes:
    """A Query packet without compression and without tables."""
    info = b"\x01" + text("") + text("") + text("0.0.0.0:0") + bytes(8)
    info += b"\x01" + text("") + text("") + text("hand") + b"\x18\x08"
    info += bytes(make_varint(REVISION)) + text("") + b"\x00" + b"\x05" + b"\x00" + bytes(3)
    return (
        b"\x01" + text("") + info + text("") + text("") + b"\x02\x00" + text(sql) + text("") + EMPTY
    )


class Hand:
    """A client that sends packets made by hand."""

    def __init__(self, server: Address) -> None:
        self._socket = socket.create_connection((server.host, server.port), timeout=60)
        self.send(
            b"\x00"
            + text("hand")
            + b"\x18\x08"
            + bytes(make_varint(REVISION))
            + text("default")
            + text(server.user)
            + text(server.password)
            + text("")
        )
        self._socket.recv(1 << 16)

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        received = b""
        try:
            while piece := self._socket.recv(1 << 16):
                received += piece
        except ConnectionResetError:
            pass
        return received

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def hand(server: Address) -> Iterator[Hand]:
    if server.secure:
        pytest.skip("packets made by hand are not sent over TLS")
    with closing(Hand(server)) as hand:
        yield hand


UNREADABLE = {
    "JSON of an unknown layout": ("JSON", number(77)),
    "Dynamic of an unknown layout": ("Dynamic", number(77)),
    "Variant of an unknown mode": ("Variant(String, UInt8)", number(77)),
    "a state": ("AggregateFunction(sum, UInt64)", b""),
    "a type that is none": ("FixedString(x)", b""),
    "a type that no server has": ("Foo", b""),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_string_in_a_block_that_cannot_be_read_is_never_a_statement(
    client: Client, database: str, hand: Hand, case: str
) -> None:
    kind, begin = UNREADABLE[case]
    for name in ("victim", "t"):
        client.execute(f"CREATE TABLE {database}.{name} (j String) ENGINE = Memory")

    hand.send(query(f"INSERT INTO {database}.t VALUES"))
    hand.send(data("j", kind, 1, begin + query(f"DROP TABLE {database}.victim")))
    answer = hand.rest()

    assert b"DB::Exception" in answer
    assert client.execute(f"EXISTS TABLE {database}.victim") == [(1,)]
    assert client.execute(f"SELECT count() FROM {database}.t") == [(0,)]


def test_a_packet_that_does_not_belong_into_an_insert_ends_the_connection(
    client: Client, database: str, hand: Hand
) -> None:
    client.execute(f"CREATE TABLE {database}.t (n UInt8) ENGINE = Memory")

    hand.send(query(f"INSERT INTO {database}.t VALUES"))
    hand.send(data("n", "UInt8", 1, b"\x07") + query(f"DROP TABLE {database}.t"))

    assert b"DB::Exception" in hand.rest()
    assert client.execute(f"SELECT count() FROM {database}.t") == [(0,)]


def test_a_refused_insert_leaves_the_connection_to_the_next_query(
    client: Client, database: str
) -> None:
    client.execute(f"CREATE TABLE {database}.t (n UInt8, CONSTRAINT c CHECK n < 5) ENGINE = Memory")

    for _ in range(2):
        with pytest.raises(ServerException):
            client.execute(f"INSERT INTO {database}.t VALUES", [(7,)])
    client.execute(f"INSERT INTO {database}.t VALUES", [(1,)])

    assert client.execute(f"SELECT n FROM {database}.t") == [(1,)]


# One value each: {"a": 5}, or 5.
INT = b"\x01" + text("Int64")
PATH = b"\x01" + text("a")
LAYOUTS = {
    "JSON as text": ("JSON", number(1) + text('{"a":5}'), '{"a":5}'),
    "JSON, first": (
        "JSON",
        number(0)
        + b"\x02"
        + PATH
        + number(1)
        + b"\x01"
        + INT
        + number(0)
        + b"\x00"
        + number(5)
        + number(0),
        '{"a":5}',
    ),
    "JSON, second": (
        "JSON",
        number(2) + PATH + number(2) + INT + number(0) + b"\x00" + number(5) + number(0),
        '{"a":5}',
    ),
    "JSON, flat": ("JSON", number(3) + PATH + number(3) + INT + b"\x00" + number(5), '{"a":5}'),
    "Dynamic, first": ("Dynamic", number(1) + b"\x01" + INT + number(0) + b"\x00" + number(5), "5"),
    "Dynamic, second": ("Dynamic", number(2) + INT + number(0) + b"\x00" + number(5), "5"),
    "Dynamic, flat": ("Dynamic", number(3) + INT + b"\x00" + number(5), "5"),
    "Variant": ("Variant(Int64, String)", number(0) + b"\x00" + number(5), "5"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_that_clients_send_is_stored(
    client: Client, database: str, hand: Hand, layout: str
) -> None:
    kind, column, expected = LAYOUTS[layout]
    client.execute(f"CREATE TABLE {database}.t (v {kind}) ENGINE = Memory")

    hand.send(query(f"INSERT INTO {database}.t VALUES"))
    hand.send(data("v", kind, 1, column) + data("v", kind, 1, column) + EMPTY)
    # A ping, which shows that the blocks were read to their ends; then a packet that is none.
    hand.send(b"\x04\x77")
    assert b"\x05\x04\x02" in hand.rest()  # end of stream, pong, exception

    assert client.execute(f"SELECT toString(v) FROM {database}.t") == [(expected,), (expected,)]


ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "鼓楼", "tags": ["a", "b"], "deep": {"x": 1.5, "y": None}},
    {"id": "two", "flag": True},
    {},
]


def test_json_goes_both_ways_over_http(server: Address, database: str) -> None:
    client = server.over_http()
    client.command(
        f"CREATE TABLE {database}.t (n UInt8, j JSON(id2 UInt8), d Dynamic, "
        "v Variant(String, Array(UInt8))) ENGINE = MergeTree ORDER BY n"
    )
    client.insert(
        f"{database}.t",
        [
            [1, {"id2": 7, "a": {"b": 1}}, "x", "text"],
            [2, {"c": [1, 2]}, 5, [1, 2]],
            [3, {}, "", None],
        ],
        column_names=["n", "j", "d", "v"],
    )

    found = client.query(f"SELECT n, j, d, v FROM {database}.t ORDER BY n").result_rows
    client.close()

    assert [row[3] for row in found] == ["text", [1, 2], None]
    assert [row[1].get("a") for row in found] == [{"b": 1}, None, None]
    assert [row[1]["id2"] for row in found] == [7, 0, 0]
    # The client sends a Dynamic as text.
    assert [row[2] for row in found] == ["x", "5", ""]


def test_json_goes_both_ways_through_the_native_protocol(client: Client, database: str) -> None:
    client.execute(f"CREATE TABLE {database}.t (n UInt8, j JSON) ENGINE = MergeTree ORDER BY n")
    client.execute(f"INSERT INTO {database}.t VALUES", list(enumerate(ROWS)))

    found = client.execute(f"SELECT n, j, n + 1 FROM {database}.t ORDER BY n")
    texts = client.execute(f"SELECT toString(j) FROM {database}.t ORDER BY n")

    assert [(row[0], row[2]) for row in found] == [(0, 1), (1, 2), (2, 3)]
    assert found[0][1]["deep"]["x"] == 1.5
    assert found[1][1]["id"] == "two"
    assert [json.loads(each)["name"] for (each,) in texts[:1]] == ["鼓楼"]


@pytest.mark.parametrize(
    "value",
    [
        '\'{"a": [{"b": 2}], "c": 1}\'::JSON(a Array(JSON), `b c`.d UInt8, SKIP e)',
        "[1::Dynamic, 'x'::Dynamic, NULL::Dynamic]",
        "map('k', 'v'::Variant(UInt8, LowCardinality(String)))",
        "(1, 2)::Point::Geometry",
        "[1, 2, 3]::QBit(Float32, 3)",
    ],
)
def test_a_value_is_sent_between_others(server: Address, value: str) -> None:
    """The block has the column twice: a server must find the end of each."""
    blocks = requests.post(
        server.url,
        data=f"SELECT v, v AS again, 7::UInt8 AS last FROM (SELECT {value} AS v)",
        params={"default_format": "Native", "client_protocol_version": str(REVISION)},
        headers=server.headers,
        timeout=60,
    )

    assert blocks.status_code == 200, blocks.text
    assert blocks.content.endswith(b"\x04last\x05UInt8\x00\x07")
