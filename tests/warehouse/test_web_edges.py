"""Statuses, bodies and limits of the HTTP interface: hand-made requests, and one server."""

from __future__ import annotations

import http.client
import socket
import zlib
from collections.abc import Iterator
from email.message import Message
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lz4.frame
import pytest
import requests

from infra.warehouse import EmbeddedClickHouse, web
from infra.warehouse._fault import BAD_ARGUMENTS, NOT_IMPLEMENTED, Fault
from infra.warehouse.desk import Question
from infra.warehouse.wire import MemoryFile
from tests.warehouse.by_hand import framed, frames

MIB = 1_048_576
LOGIN = {"X-ClickHouse-User": "gulou", "X-ClickHouse-Key": "tower"}

# ClickHouse's codes by status (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); neighbours of a code
# that are not in the table have 500.
STATUSES = {
    400: (6, 26, 27, 36, 38, 41, 53, 62, 72, 457),
    403: (192, 193, 194, 516),
    404: (16, 46, 47, 50, 56, 60, 73, 81, 115, 456),
    408: (159,),
    501: (48,),
    503: (202, 373),
}
KNOWN = {code: status for status, codes in STATUSES.items() for code in codes}
NEIGHBOURS = sorted({code + side for code in KNOWN for side in (-1, 1)} - KNOWN.keys())


@pytest.fixture(scope="module")
def asked(warehouse: EmbeddedClickHouse) -> Iterator[Any]:
    """Sends requests to the server over one connection."""
    with requests.Session() as session:
        session.trust_env = False

        def ask(sql: str | bytes = b"", **options: Any) -> requests.Response:
            headers = {**LOGIN, **options.pop("headers", {})}
            url = f"http://{warehouse.host}:{warehouse.http_port}/"
            return session.post(url, data=sql, headers=headers, timeout=60, **options)

        yield ask


@pytest.mark.parametrize(
    ("code", "status"), [*KNOWN.items(), *((code, 500) for code in NEIGHBOURS)]
)
def test_a_code_has_its_status(asked: Any, code: int, status: int) -> None:
    answer = asked(
        f"SELECT throwIf(1, 'so', toInt16({code}))",
        params={"allow_custom_error_code_in_throwif": "1", "query_id": "q"},
    )

    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (
        status,
        str(code),
    )
    assert answer.text.startswith(f"Code: {code}. DB::Exception: Value passed to 'throwIf' ")
    assert (answer.headers["Connection"], answer.headers["X-ClickHouse-Query-Id"]) == ("close", "q")


def of_format(name: str) -> str:
    lines = {
        "application/x-ndjson; charset=UTF-8": "JSONEachRow NDJSON JSONLines",
        "application/json; charset=UTF-8": "JSON JSONCompact JSONStrings",
        "text/csv; charset=UTF-8; header=absent": "CSV CSVWithNames",
        "text/tab-separated-values; charset=UTF-8": "TSV TSVRaw TabSeparated TabSeparatedRaw",
        "application/octet-stream": "Native RowBinary Parquet Arrow ORC",
        "text/plain; charset=UTF-8": "Values XML Vertical Null",
    }
    return next(kind for kind, names in lines.items() if name in names.split())


@pytest.mark.parametrize(
    "name",
    """
    JSONEachRow NDJSON JSONLines JSON JSONCompact JSONStrings CSV CSVWithNames
    TSV TSVRaw TabSeparated TabSeparatedRaw Native RowBinary Parquet Arrow ORC Values XML Vertical
    Null
    """.split(),  # noqa: SIM905
)
def test_an_answer_says_what_kind_of_text_it_is(asked: Any, name: str) -> None:
    answer = asked("SELECT 1 AS n", headers={"X-ClickHouse-Format": name})

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, of_format(name))
    assert answer.headers["X-ClickHouse-Format"] == name


class Pieces:
    """A connection that delivers as many bytes as requested and counts them."""

    def __init__(self, *lines: bytes) -> None:
        self._lines = list(lines)
        self.sizes: list[int] = []
        self._piece = bytes(MIB)

    def read(self, size: int) -> bytes:
        self.sizes.append(size)
        return self._piece if size == MIB else bytes(min(size, 10))

    def readline(self, most: int) -> bytes:
        return self._lines.pop(0)[:most] if self._lines else b""


def body(file: Any, **headers: str) -> web._Body:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    handler = SimpleNamespace(rfile=file, headers=message)
    return web._Body(handler)  # type: ignore[arg-type]


def test_a_body_has_1_gib_at_most() -> None:
    # 1,024 pieces of 1 MiB, and then one byte more.
    at_most = Pieces()
    sizes = [len(each) for each in body(at_most, Content_Length=str(1024 * MIB))._pieces()]
    assert sizes == at_most.sizes == [MIB] * 1024

    one_more = body(Pieces(), Content_Length=str(1024 * MIB + 1))._pieces()
    with pytest.raises(Fault) as refused:
        for _ in one_more:
            pass
    assert (refused.value.code, refused.value.what) == (
        NOT_IMPLEMENTED,
        "The request has more than 1073741824 bytes.",
    )


def test_a_chunk_has_1_gib_at_most_and_one_more_is_not_even_read() -> None:
    allowed, refused = Pieces(b"40000000\r\n"), Pieces(b"40000001\r\n")

    next(body(allowed, Transfer_Encoding="chunked")._pieces())
    assert allowed.sizes == [0x4000_0000]
    with pytest.raises(Fault, match="more than 1073741824 bytes"):
        next(body(refused, Transfer_Encoding="chunked")._pieces())
    assert refused.sizes == []


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 1])
def test_a_body_of_a_told_length_is_read_to_that_length(size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    file = BytesIO(content[:size] + b"next")
    read = body(file, Content_Length=str(size))

    assert (read.expected, read.read(), file.read()) == (size > 0, content[:size], b"next")
    if size:
        with pytest.raises(EOFError):
            body(BytesIO(content[: size - 1]), Content_Length=str(size)).read()


@pytest.mark.parametrize(
    "sent",
    [
        b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        b"7;name=value\r\nabcdefg\r\n0\r\n\r\n",
        b"007\r\nabcdefg\r\n0\r\nTrailer: a\r\nAnother: b\r\n\r\n",
    ],
)
def test_chunks_are_read_with_their_trailers(sent: bytes) -> None:
    file = BytesIO(sent + b"next")
    read = body(file, Transfer_Encoding="Chunked")

    assert (read.expected, read.read(), file.read()) == (True, b"abcdefg", b"next")


def test_rows_of_a_body_are_appended_without_empty_pieces() -> None:
    rows = MemoryFile()
    try:
        body(BytesIO(b"a\n" * 5), Content_Length="10").into(rows)
        assert rows.size == 10
    finally:
        rows.close()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", b"rows\n"),
        ("identity", b"rows\n"),
        ("gzip", zlib.compress(b"rows\n", wbits=31)),
        ("gzip", zlib.compress(b"rows\n", wbits=15)),
        ("deflate", zlib.compress(b"rows\n", wbits=15)),
        ("lz4", lz4.frame.compress(b"rows\n")),
    ],
)
def test_a_body_is_unpacked_as_its_header_says(encoding: str, packed: bytes) -> None:
    length = str(len(packed))

    read = body(BytesIO(packed), Content_Length=length, Content_Encoding=encoding).read()

    assert read == b"rows\n"


def test_an_encoding_nobody_knows_is_named() -> None:
    with pytest.raises(Fault) as refused:
        body(BytesIO(b""), Content_Encoding="compress")

    assert (refused.value.code, refused.value.what) == (
        NOT_IMPLEMENTED,
        "Content-Encoding 'compress' is not supported; use gzip.",
    )


def encoder(accepted: str = "", name: str = "TSV", **options: str) -> web._Encoder:
    return web._Encoder(options, Question("", "", [], {}, name), accepted)


@pytest.mark.parametrize(
    ("accepted", "options", "name"),
    [
        ("gzip", {}, ""),
        ("gzip", {"enable_http_compression": "0"}, ""),
        ("", {"enable_http_compression": "1"}, ""),
        ("br, zstd", {"enable_http_compression": "1"}, ""),
        ("gzip", {"enable_http_compression": "1"}, "gzip"),
        ("deflate", {"enable_http_compression": "1"}, "deflate"),
        ("deflate, gzip;q=0.5", {"enable_http_compression": "1"}, "gzip"),
        ("gzip, lz4", {"enable_http_compression": "1"}, "lz4"),
        ("gzip", {"enable_http_compression": "1", "compress": "1"}, ""),
    ],
)
def test_an_answer_is_packed_when_it_was_asked_for_and_can_be_read(
    accepted: str, options: dict[str, str], name: str
) -> None:
    encode = encoder(accepted, **options)
    sent = encode(b"one\n") + encode(b"two\n") + encode.end()

    unpack = {
        "": bytes,
        "gzip": lambda packed: zlib.decompress(packed, wbits=31),
        "deflate": lambda packed: zlib.decompress(packed, wbits=15),
        "lz4": lz4.frame.decompress,
    }
    assert encode.name == name
    if options.get("compress") == "1":
        source = frames(sent)
        assert (source.read(8), source.used_up) == (b"one\ntwo\n", True)
    else:
        assert unpack[name](sent) == b"one\ntwo\n"


def test_frames_hold_what_there_is_and_nothing_makes_no_frame() -> None:
    encode = encoder(compress="1")

    # One token for two literals (0x20) and the two bytes.
    assert encode(b"ab") == framed(0x82, b"\x20ab", 2)
    assert (encode(b""), encode.end()) == (b"", b"")


def test_blocks_are_made_for_who_names_a_revision_and_asks_for_native() -> None:
    native = b"\x01\x01\x01n\x05UInt8\x07"
    block = b"\x01\x00\x02\xff\xff\xff\xff\x00\x01\x01\x01n\x05UInt8"

    assert encoder(name="Native", client_protocol_version="54454")(native * 2) == (
        block + b"\x00\x07" + block + b"\x00\x07"
    )
    assert encoder(name="Native", client_protocol_version="54453")(native) == block + b"\x07"
    for plain in (
        encoder(name="Native"),
        encoder(name="Native", client_protocol_version="0"),
        encoder(client_protocol_version="54460"),
    ):
        assert plain(native) == native
        assert plain.header([("n", "UInt8")]) == b""


@pytest.mark.parametrize(
    ("sent", "statement", "rows"),
    [
        (b"SELECT 1", "SELECT 1", b""),
        (b"INSERT INTO t FORMAT TSV\n1\n2\n", "INSERT INTO t FORMAT TSV", b"1\n2\n"),
        (b"INSERT INTO t FORMAT TSV\n\n1\n", "INSERT INTO t FORMAT TSV", b"\n1\n"),
        (b"INSERT INTO t FORMAT TSV \t;\r\n1\n", "INSERT INTO t FORMAT TSV", b"1\n"),
        (b"INSERT INTO t FORMAT TSV", "INSERT INTO t FORMAT TSV", b""),
        (b"INSERT INTO t VALUES (1)", "INSERT INTO t VALUES", b"(1)"),
        (b"INSERT INTO t SELECT 1", "INSERT INTO t SELECT 1", b""),
        (
            "INSERT INTO 鼓 FORMAT TSV\n".encode() + b"\xff\xfe",
            "INSERT INTO 鼓 FORMAT TSV",
            b"\xff\xfe",
        ),
        (b"", "", b""),
    ],
)
def test_a_body_is_a_statement_and_its_rows(sent: bytes, statement: str, rows: bytes) -> None:
    file = MemoryFile()
    try:
        assert web._split(sent, file) == statement
        file.seal()
        assert Path(file.path).read_bytes() == rows
    finally:
        file.close()


@pytest.mark.parametrize(
    ("text", "takes"),
    [
        ("", False),
        ("SELECT 1", False),
        ("INSERT INTO t VALUES", True),
        ("INSERT INTO t VALUES \n", True),
        ("INSERT INTO t VALUES (1)", False),
        ("INSERT INTO t SELECT 1", False),
    ],
)
def test_a_body_is_rows_behind_an_insert_that_has_none(text: str, takes: bool) -> None:
    assert web._takes_rows(text) is takes


RESERVED = [
    "user",
    "password",
    "query",
    "database",
    "default_format",
    "session_id",
    "session_timeout",
    "session_check",
    "query_id",
    "compress",
    "decompress",
    "quota_key",
    "stacktrace",
    "role",
    "buffer_size",
    "wait_end_of_query",
    "close_session",
    "client_protocol_version",
]


def test_what_a_request_says_about_itself_is_no_setting(asked: Any) -> None:
    for name in RESERVED:
        assert not web._is_setting(name), name
    assert [web._is_setting(name) for name in ("param_a", "param", "max_threads", "users")] == [
        *(False, True, True, True)
    ]
    assert asked("SELECT {user:String}", params={"param_user": "x", "quota_key": "y"}).text == "x\n"


def test_an_empty_statement_is_refused(asked: Any) -> None:
    for sql in (" ", "\n"):
        answer = asked(sql, params={"database": ""})
        assert answer.headers["X-ClickHouse-Exception-Code"] == str(BAD_ARGUMENTS)
        assert answer.text.startswith("Code: 36. DB::Exception: The query is empty.")


def test_only_a_bare_address_is_a_ping(warehouse: EmbeddedClickHouse) -> None:
    connection = http.client.HTTPConnection(warehouse.host, warehouse.http_port, timeout=60)
    seen = []
    for method, path in (("GET", "/"), ("GET", "/ping"), ("GET", "/ping?x=1"), ("HEAD", "/x")):
        connection.request(method, path)
        answer = connection.getresponse()
        seen.append((answer.status, answer.read()))
    connection.request("GET", "/?x=1")
    refused = connection.getresponse()
    connection.close()

    assert seen == [(200, b"Ok.\n")] * 3 + [(200, b"")]
    assert (refused.status, refused.getheader("X-ClickHouse-Exception-Code")) == (403, "516")


def test_the_server_names_its_limits_as_it_keeps_them() -> None:
    # 5 minutes of silence, 60 s for an idle session, 256 clients at once.
    assert web._Handler.timeout == 300
    assert (web._SESSION_S, web._MOST_CLIENTS, web._Listener.request_queue_size) == (60, 256, 256)


@pytest.mark.parametrize(("others", "served"), [(254, True), (255, True), (256, False)])
def test_one_client_more_than_256_is_closed_at_once(others: int, served: bool) -> None:
    listener = web._Listener(("127.0.0.1", 0), web._Handler)
    ours = socket.create_connection(listener.server_address[:2], timeout=30)  # type: ignore[arg-type]
    theirs, address = listener.get_request()
    crowd = [socket.socket() for _ in range(others)]
    try:
        listener._clients |= set(crowd)
        listener.process_request(theirs, address)
        # A served client keeps its connection: it has not sent a request yet.
        assert (theirs.fileno() != -1) is served
        if served:
            ours.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
        assert ours.recv(12) == (b"HTTP/1.1 200" if served else b"")
    finally:
        for each in (*crowd, ours):
            each.close()
        listener.server_close()


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "1.5", "3601", "9" * 20, "", "²"])
def test_no_client_keeps_a_session_for_ever(asked: Any, seconds: str) -> None:
    answer = asked("SELECT 1", params={"session_id": "long", "session_timeout": seconds})

    # ClickHouse's INVALID_SESSION_TIMEOUT.
    assert answer.headers["X-ClickHouse-Exception-Code"] == "374"
    assert "is not from 0 to 3600 seconds" in answer.text


def test_named_sessions_are_bounded_and_one_that_is_over_makes_room(asked: Any) -> None:
    def ask(name: str, seconds: int) -> requests.Response:
        options = {"session_id": name, "session_timeout": str(seconds)}
        answer: requests.Response = asked("SELECT 1", params=options)
        return answer

    names = [f"bounded-{number}" for number in range(257)]
    answers = {name: ask(name, 3600) for name in names}
    kept = [name for name in names if answers[name].ok]
    refused = [each for each in answers.values() if not each.ok]
    # Sessions of other tests may be among the 256.
    assert 0 < len(kept) <= 256
    assert {each.headers["X-ClickHouse-Exception-Code"] for each in refused} == {"202"}

    assert ask(kept[0], 0).ok
    assert ask("one-more", 0).ok
    for name in kept[1:]:
        assert ask(name, 0).ok


def test_a_session_that_is_over_is_forgotten_and_one_that_is_not_stays(asked: Any) -> None:
    def ask(sql: str, name: str, **options: str) -> str:
        answer = asked(sql, params={"session_id": name, **options})
        return str(answer.headers.get("X-ClickHouse-Exception-Code") or answer.text.strip())

    read = "SELECT getSetting('max_result_rows')"
    assert ask(read, "new", session_check="1") == "372"
    assert ask("SET max_result_rows = 71", "over", session_timeout="0") == ""
    assert ask("SET max_result_rows = 72", "here", session_timeout="60") == ""
    assert ask("SET max_result_rows = 73", "usual") == ""

    # One connection is one thread: the first session was returned before the next was requested.
    assert ask(read, "over", session_check="1") == "372"
    assert ask(read, "over") == "0"
    assert ask(read, "here", session_check="1") == "72"
    assert ask(read, "usual", session_check="1") == "73"
