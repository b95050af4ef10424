"""What comes in a request's body is stored whole, or the request fails and nothing is stored."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cramjam
import lz4.frame
import pytest
import requests
from backports import zstd

from tests.contract.conftest import Address
from tests.warehouse.by_hand import framed

TIMEOUT_S = 60
ROWS = 20_000
TOTAL = ROWS * (ROWS - 1) // 2
LINES = [b"%d\n" % number for number in range(ROWS)]
WHOLE = b"".join(LINES)
HALVES = (b"".join(LINES[: ROWS // 2]), b"".join(LINES[ROWS // 2 :]))


def hadoop(content: bytes) -> bytes:
    """Hadoop's layout of snappy, as ClickHouse reads it."""
    packed = bytes(cramjam.snappy.compress_raw(content))
    return struct.pack(">II", len(content), len(packed)) + packed


PACKED = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
    "br": lambda content: bytes(cramjam.brotli.compress(content)),
    "snappy": hadoop,
    "xz": lzma.compress,
    "bz2": bz2.compress,
}
OF_MEMBERS = ("gzip", "lz4", "zstd", "snappy", "xz", "bz2")
"""Encodings of which several may follow one another in one body."""


@pytest.fixture
def table(server: Address, database: str) -> str:
    name = f"{database}.t"
    answer = post(server, f"CREATE TABLE {name} (n UInt64) ENGINE = MergeTree ORDER BY n")
    assert answer.status_code == 200, answer.text
    return name


def post(server: Address, body: Any, **options: Any) -> requests.Response:
    headers = {**server.headers, **options.pop("headers", {})}
    return requests.post(server.url, data=body, headers=headers, timeout=TIMEOUT_S, **options)


def insert(server: Address, table: str, body: Any, **options: Any) -> requests.Response:
    params = {"query": f"INSERT INTO {table} FORMAT TSV", **options.pop("params", {})}
    return post(server, body, params=params, **options)


def stored(server: Address, table: str) -> str:
    return post(server, f"SELECT count(), sum(n) FROM {table}").text


def in_pieces(content: bytes, size: int) -> Iterator[bytes]:
    """Sent as chunks of the body."""
    return (content[at : at + size] for at in range(0, len(content), size))


@pytest.mark.parametrize("encoding", PACKED)
def test_a_packed_body_in_pieces_is_stored_whole(
    server: Address, table: str, encoding: str
) -> None:
    packed = PACKED[encoding](WHOLE)

    answer = insert(server, table, in_pieces(packed, 1000), headers={"Content-Encoding": encoding})

    assert answer.status_code == 200, answer.text
    assert stored(server, table) == f"{ROWS}\t{TOTAL}\n"


@pytest.mark.parametrize("encoding", OF_MEMBERS)
def test_a_body_of_two_members_is_stored_whole(server: Address, table: str, encoding: str) -> None:
    first, second = map(PACKED[encoding], HALVES)

    answer = insert(server, table, first + second, headers={"Content-Encoding": encoding})

    assert answer.status_code == 200, answer.text
    assert stored(server, table) == f"{ROWS}\t{TOTAL}\n"


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("lost", [1, 5, 100])
def test_a_packed_body_that_is_cut_short_is_an_error_and_nothing_is_stored(
    server: Address, table: str, encoding: str, lost: int
) -> None:
    packed = PACKED[encoding](WHOLE)

    answer = insert(server, table, packed[:-lost], headers={"Content-Encoding": encoding})

    assert answer.status_code >= 400
    assert stored(server, table) == "0\t0\n"


@pytest.mark.parametrize("encoding", PACKED)
def test_a_packed_body_with_something_behind_it_is_an_error_and_nothing_is_stored(
    server: Address, table: str, encoding: str
) -> None:
    packed = PACKED[encoding](WHOLE) + b"not packed"

    answer = insert(server, table, packed, headers={"Content-Encoding": encoding})

    assert answer.status_code >= 400
    assert stored(server, table) == "0\t0\n"


def native_frame(method: int, content: bytes) -> bytes:
    packed = {
        0x82: lambda: bytes(cramjam.lz4.compress_block(content, store_size=False)),
        0x90: lambda: zstd.compress(content),
        0x02: lambda: content,
    }[method]()
    return framed(method, packed, len(content))


@pytest.mark.parametrize("method", [0x82, 0x90, 0x02])
def test_frames_of_clickhouse_are_unpacked(server: Address, table: str, method: int) -> None:
    body = b"".join(native_frame(method, half) for half in HALVES)

    answer = insert(server, table, in_pieces(body, 777), params={"decompress": "1"})

    assert answer.status_code == 200, answer.text
    assert stored(server, table) == f"{ROWS}\t{TOTAL}\n"


def test_the_statement_may_be_in_the_frames_too(server: Address, table: str) -> None:
    statement = f"INSERT INTO {table} FORMAT TSV\n".encode()

    answer = post(server, native_frame(0x82, statement + WHOLE), params={"decompress": "1"})

    assert answer.status_code == 200, answer.text
    assert stored(server, table) == f"{ROWS}\t{TOTAL}\n"


FRAMES = b"".join(native_frame(0x82, half) for half in HALVES)


@pytest.mark.parametrize(
    "body",
    [
        FRAMES[:-1],
        FRAMES[:-1] + bytes((FRAMES[-1] ^ 1,)),
        bytes((FRAMES[0] ^ 1,)) + FRAMES[1:],
        FRAMES + b"more",
        WHOLE,
    ],
    ids=["cut short", "another byte", "another checksum", "more", "no frame"],
)
def test_a_bad_frame_is_an_error_and_nothing_is_stored(
    server: Address, table: str, body: bytes
) -> None:
    answer = insert(server, table, body, params={"decompress": "1"})

    assert answer.status_code >= 400
    assert stored(server, table) == "0\t0\n"


def test_bytes_that_are_no_text_are_stored_as_they_are(server: Address, database: str) -> None:
    post(server, f"CREATE TABLE {database}.s (s String) ENGINE = MergeTree ORDER BY s")

    rows = insert(server, f"{database}.s", b"\xff\xfe\n")
    inside = post(server, b"INSERT INTO %b.s VALUES ('\xc3\x28')" % database.encode())
    asked = post(server, f"SELECT hex(s) FROM {database}.s ORDER BY s").text

    assert (rows.status_code, inside.status_code) == (200, 200)
    assert asked == "C328\nFFFE\n"


def test_a_statement_with_bytes_that_are_no_text_is_the_engines_to_judge(server: Address) -> None:
    in_body = post(server, b"SELECT '\xff\xfe', hex('\xff')")
    in_address = requests.get(
        f"{server.url}?query=SELECT%20hex('%FF')&param_x=%FE",
        headers=server.headers,
        timeout=TIMEOUT_S,
    )
    refused = post(server, b"SELECT '\xff', no_such_column")

    assert in_body.content == b"\xff\xfe\tFF\n"
    assert in_address.content == b"FF\n"
    assert refused.headers["X-ClickHouse-Exception-Code"] == "47"


def test_rows_that_cannot_be_read_stand_in_no_log(
    server: Address, table: str, request: pytest.FixtureRequest
) -> None:
    if server.pid is None:
        pytest.skip("the log of a real server is not at hand")

    insert(server, table, b"\xff secret words\n")
    post(server, b"SELECT '\xff secret words'")

    assert b"secret words" not in request.getfixturevalue("embedded_log").read_bytes()


def test_rows_may_come_through_input(server: Address, table: str) -> None:
    sql = f"INSERT INTO {table} SELECT a + b FROM input('a UInt8, b UInt8') WHERE a > 1 FORMAT CSV"

    in_body = post(server, f"{sql}\n1,2\n3,4\n")
    behind = post(server, "5,6\n", params={"query": sql})

    assert [each.status_code for each in (in_body, behind)] == [200, 200], in_body.text
    # 3 + 4 and 5 + 6
    assert stored(server, table) == "2\t18\n"


def test_rows_go_into_columns_of_a_nested_and_into_functions(
    server: Address, database: str
) -> None:
    post(
        server,
        f"CREATE TABLE {database}.nst (a Int32, n Nested(x Int32, y String)) "
        "ENGINE = MergeTree ORDER BY a",
    )

    answers = [
        insert(server, f"{database}.nst (a, n.x, n.y)", "1\t[1,2]\t['a','b']\n"),
        insert(server, "FUNCTION null('a Int32')", "1\n"),
        post(server, f"WITH 1 AS y INSERT INTO {database}.nst (a) SELECT y"),
    ]

    assert [answer.status_code for answer in answers] == [200] * 3, answers
    assert post(server, f"SELECT a, n.x, n.y FROM {database}.nst ORDER BY length(n.x)").text == (
        "1\t[]\t[]\n1\t[1,2]\t['a','b']\n"
    )


@pytest.mark.parametrize("described", ["structure", "types"])
def test_a_form_brings_tables_fields_and_the_statement(server: Address, described: str) -> None:
    columns = {"structure": "n UInt8, s String", "types": "UInt8,String"}[described]
    number, text = {"structure": ("n", "s"), "types": ("_1", "_2")}[described]

    answer = requests.post(
        server.url,
        params={f"given_{described}": columns, "given_format": "CSV", "param_most": "2"},
        data={"query": f"SELECT {number}, {text} FROM given WHERE {number} <= {{most:UInt8}}"},
        files={"given": ("rows.csv", b'1,"a\r\nb"\n2,\xff\n3,c\n')},
        headers=server.headers,
        timeout=TIMEOUT_S,
    )
    later = post(server, "SELECT 1 FROM given")

    assert answer.content == b"1\ta\\r\\nb\n2\t\xff\n"
    assert later.headers["X-ClickHouse-Exception-Code"] == "60"


def test_a_form_that_is_cut_short_is_an_error(server: Address) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT 1'

    answer = post(server, body, headers={"Content-Type": "multipart/form-data; boundary=x"})

    assert answer.status_code >= 400
