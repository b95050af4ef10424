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
from urllib.parse import urlencode

import lz4.frame
import pytest
import requests

from infra.warehouse import EmbeddedClickHouse, _fault, sizes, web
from infra.warehouse._fault import BAD_ARGUMENTS, NOT_IMPLEMENTED, QUERY_IS_TOO_LARGE, Fault
from infra.warehouse.answers import Packing
from infra.warehouse.body import Body, split, takes_rows
from infra.warehouse.desk import Question
from infra.warehouse.request import Options
from infra.warehouse.seats import Room
from infra.warehouse.wire import MemoryFile
from tests.warehouse.by_hand import framed, frames

MIB = 1_048_576
LOGIN = {"X-ClickHouse-User": "gulou", "X-ClickHouse-Key": "tower"}

# ClickHouse's names by status (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); neighbours of a code
# that are not in the table have 500. Clients try again after 503.
STATUSES = {
    400: """
        BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE
        CANNOT_PARSE_QUOTED_STRING CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_NUMBER
        CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING CANNOT_PARSE_IPV4 CANNOT_PARSE_IPV6 CANNOT_PARSE_UUID
        CANNOT_PARSE_INPUT_ASSERTION_FAILED DUPLICATE_COLUMN ILLEGAL_COLUMN UNKNOWN_ELEMENT_IN_AST
        UNKNOWN_TYPE_OF_AST_NODE THERE_IS_NO_COLUMN TOO_DEEP_AST TOO_BIG_AST
        UNEXPECTED_AST_STRUCTURE SYNTAX_ERROR INCORRECT_DATA TYPE_MISMATCH
        VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    """,
    401: "REQUIRED_PASSWORD",
    403: "UNKNOWN_USER WRONG_PASSWORD AUTHENTICATION_FAILED SET_NON_GRANTED_ROLE ACCESS_DENIED",
    404: """
        UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE
        UNKNOWN_DATABASE UNKNOWN_SETTING UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_AGGREGATE_FUNCTION
        UNKNOWN_FORMAT UNKNOWN_DATABASE_ENGINE UNKNOWN_TYPE_OF_QUERY UNKNOWN_ROLE
    """,
    408: "TIMEOUT_EXCEEDED",
    411: "HTTP_LENGTH_REQUIRED",
    413: "QUERY_IS_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    501: "NOT_IMPLEMENTED",
    503: """
        SOCKET_TIMEOUT CANNOT_OPEN_FILE CANNOT_SCHEDULE_TASK TOO_MANY_SIMULTANEOUS_QUERIES
        SESSION_IS_LOCKED
    """,
}
KNOWN = {name: status for status, names in STATUSES.items() for name in names.split()}


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


@pytest.fixture(scope="module")
def codes(asked: Any) -> dict[str, int]:
    """ClickHouse's codes by name, from the engine itself."""
    told = asked("SELECT errorCodeToName(number), number FROM numbers(1100) ORDER BY number").text
    pairs = (line.split("\t") for line in told.splitlines())
    return {name: int(code) for name, code in pairs if name}


def test_every_code_has_its_status(asked: Any, codes: dict[str, int]) -> None:
    statuses = {codes[name]: status for name, status in KNOWN.items()}
    around = {code + side for code in statuses for side in (-1, 0, 1)}
    options = {"allow_custom_error_code_in_throwif": "1", "query_id": "q"}

    for code in sorted(around):
        answer = asked(f"SELECT throwIf(1, 'so', toInt16({code}))", params=options)

        found = (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"])
        assert found == (statuses.get(code, 500), str(code))
        assert answer.text.startswith(f"Code: {code}. DB::Exception: Value passed to 'throwIf' ")
        assert answer.headers["Connection"] == "close"
        assert answer.headers["X-ClickHouse-Query-Id"] == "q"


def test_every_code_of_ours_has_clickhouses_number(codes: dict[str, int]) -> None:
    ours = {name: value for name, value in vars(_fault).items() if isinstance(value, int)}

    assert ours.pop("UNKNOWN_PACKET") == codes["UNKNOWN_PACKET_FROM_CLIENT"]
    assert ours == {name: codes[name] for name in ours}
    assert "QUERY_IS_TOO_LARGE" in ours


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


_CLIENT, _SERVER = socket.socketpair()
"""A client that stays and says no more."""


def body(file: Any, connection: socket.socket = _SERVER, **headers: str) -> Body:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    handler = SimpleNamespace(rfile=file, headers=message, connection=connection)
    return Body(handler)  # type: ignore[arg-type]


def whole(of: Body) -> bytes:
    return b"".join(of.pieces(1 << 40))


def test_a_body_has_as_many_bytes_as_are_allowed_and_not_one_more() -> None:
    at_most = Pieces()
    sizes = [len(each) for each in body(at_most, Content_Length=str(8 * MIB)).pieces(8 * MIB)]
    assert sizes == at_most.sizes == [MIB] * 8

    one_more = body(Pieces(), Content_Length=str(8 * MIB + 1)).pieces(8 * MIB)
    with pytest.raises(Fault) as refused:
        for _ in one_more:
            pass
    assert (refused.value.code, refused.value.what) == (
        QUERY_IS_TOO_LARGE,
        "The request has more than 8388608 bytes.",
    )


def test_a_body_is_unpacked_no_further_once_its_client_has_left() -> None:
    client, server = socket.socketpair()
    packed = zlib.compress(bytes(50 * MIB))
    options = {"Content_Length": str(len(packed)), "Content_Encoding": "deflate"}
    pieces = body(BytesIO(packed), server, **options).pieces(50 * MIB)

    with server:
        assert [len(next(pieces)) for _ in range(5)] == [MIB] * 5
        client.close()
        with pytest.raises(EOFError):
            next(pieces)


def test_a_chunk_of_any_size_is_read_a_piece_at_a_time() -> None:
    huge = Pieces(b"ffffffffffffffff\r\n")

    pieces = body(huge, Transfer_Encoding="chunked").pieces(2 * MIB)

    with pytest.raises(Fault, match="more than 2097152 bytes"):
        list(pieces)
    assert huge.sizes == [MIB] * 3


@pytest.mark.parametrize(
    "line", [b"-5", b"+5", b"0x5", b"5_0", b"", b"five", b"fffffffffffffffff", b" ;x"]
)
def test_a_chunk_whose_size_is_no_number_is_refused_unread(line: bytes) -> None:
    file = Pieces(line + b"\r\n")

    with pytest.raises(Fault) as refused:
        whole(body(file, Transfer_Encoding="chunked"))

    assert (refused.value.code, file.sizes) == (BAD_ARGUMENTS, [])


@pytest.mark.parametrize("length", ["-1", "+1", "1_0", "one", "1" * 5000, "0x1", "1.0"])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    with pytest.raises(Fault) as refused:
        body(Pieces(), Content_Length=length)

    assert refused.value.code == BAD_ARGUMENTS


def test_a_chunk_that_does_not_end_where_it_says_is_refused() -> None:
    sent = BytesIO(b"3\r\nabcd\r\n0\r\n\r\n")

    with pytest.raises(Fault, match="does not end where it says"):
        whole(body(sent, Transfer_Encoding="chunked"))


def test_lines_after_the_last_chunk_have_an_end() -> None:
    class Endless(Pieces):
        def readline(self, most: int) -> bytes:
            return b"0\r\n" if not self.sizes and not self.seen() else b"X: y\r\n"

        def seen(self) -> bool:
            self._lines.append(b"")
            return len(self._lines) > 1

    with pytest.raises(Fault, match="too many lines after its last chunk"):
        whole(body(Endless(), Transfer_Encoding="chunked"))


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 1])
def test_a_body_of_a_told_length_is_read_to_that_length(size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    file = BytesIO(content[:size] + b"next")
    read = body(file, Content_Length=str(size))

    assert (read.expected, whole(read), file.read()) == (size > 0, content[:size], b"next")
    if size:
        with pytest.raises(EOFError):
            whole(body(BytesIO(content[: size - 1]), Content_Length=str(size)))


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

    assert (read.expected, whole(read), file.read()) == (True, b"abcdefg", b"next")


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

    read = body(BytesIO(packed), Content_Length=length, Content_Encoding=encoding)

    assert whole(read) == b"rows\n"


def test_an_encoding_nobody_knows_is_named() -> None:
    with pytest.raises(Fault) as refused:
        whole(body(BytesIO(b""), Content_Encoding="compress"))

    assert (refused.value.code, refused.value.what) == (
        NOT_IMPLEMENTED,
        "Content-Encoding 'compress' is not supported; use gzip.",
    )


def encoder(accepted: str = "", name: str = "TSV", **options: str) -> Packing:
    return Packing(Options(urlencode(options)), Question("", "", [], {}, name), accepted)


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
        whole_body = body(BytesIO(sent), Content_Length=str(len(sent)))
        assert split(b"", whole_body.pieces(1 << 40), file, sizes.OWNER) == statement
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
    assert takes_rows(text) is takes


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
        assert not Options("").is_setting(name), name
    names = ("param_a", "param", "max_threads", "users")
    assert [Options("").is_setting(name) for name in names] == [*(False, True, True, True)]
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
    assert (web._Handler.timeout, web._ROOM.idle_s) == (300, 300)
    assert (web._SESSION_S, web._ROOM.seats, web._Listener.request_queue_size) == (60, 256, 256)


def test_a_client_without_a_seat_is_told_so() -> None:
    listener = web.listen("127.0.0.1", 0)
    serving = web.Web(None, None, listener, None, Room(seats=0))  # type: ignore[arg-type]
    try:
        with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as ours:
            told = ours.recv(1000)
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"X-ClickHouse-Exception-Code: 202\r\n" in told
    finally:
        serving.close()


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
