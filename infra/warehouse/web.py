"""ClickHouse's HTTP interface: a thread for each connection, answers streamed."""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.server
import json
import logging
import re
import socket
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import cramjam
import lz4.frame

from infra.warehouse._fault import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    UNKNOWN_EXCEPTION,
    Fault,
)
from infra.warehouse._sql import format_of, parse_insert, statement_kind
from infra.warehouse.access import Users
from infra.warehouse.desk import Desk, Question
from infra.warehouse.engine import Engine
from infra.warehouse.watch import Watch, hang_up
from infra.warehouse.wire import (
    Block,
    BytesSource,
    MemoryFile,
    WireColumns,
    first_columns,
    frame,
)

log = logging.getLogger(__name__)

_RESERVED: Final = frozenset(
    """
    user password query database default_format session_id session_timeout session_check query_id
    compress decompress quota_key stacktrace role buffer_size wait_end_of_query close_session
    client_protocol_version
    """.split()  # noqa: SIM905
)
_STATUS: Final = {
    **dict.fromkeys((192, 193, 194, AUTHENTICATION_FAILED), 403),
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 53, 62, 72, 457), 400),
    **dict.fromkeys((16, 46, 47, 50, 56, 60, 73, 81, 115, 456), 404),
    NOT_IMPLEMENTED: 501,
    62: 400,
    159: 408,
    202: 503,
    373: 503,
}
_SESSION_S: Final = 60
_SESSION_IS_LOCKED: Final = 373
_HANDOVER_S: Final = 0.2
_SESSION_NOT_FOUND: Final = 372
_INVALID_SESSION_TIMEOUT: Final = 374
_LONGEST_SESSION_S: Final = 3600
_MOST_SESSIONS: Final = 256
"""Named sessions kept between requests; each holds a session of the engine."""
_BODY_BYTES: Final = 1 << 30
"""Largest request body: an INSERT stays in memory until all of it has arrived."""
_READ_BYTES: Final = 1 << 20
_IDLE_S: Final = 300.0
_MOST_CLIENTS: Final = 256
"""Connections, each with a thread; a further one is closed at once."""
_CONTENT_TYPES: Final = (
    (re.compile("JSONEachRow|NDJSON|JSONLines"), "application/x-ndjson; charset=UTF-8"),
    (re.compile("^JSON"), "application/json; charset=UTF-8"),
    (re.compile("^CSV"), "text/csv; charset=UTF-8; header=absent"),
    (re.compile("^(TSV|TabSeparated)"), "text/tab-separated-values; charset=UTF-8"),
    (re.compile("^(Native|RowBinary|Parquet|Arrow|ORC)"), "application/octet-stream"),
)


@dataclass
class _Kept:
    """A session that outlives its request."""

    desk: Desk
    until: float
    lock: threading.Lock = field(default_factory=threading.Lock)


def listen(host: str, port: int) -> _Listener:
    """The same as for the native server."""
    return _Listener((host, port), _Handler)


class Web:
    """Serves until `close`; the arguments are those of the native server."""

    def __init__(self, engine: Engine, users: Users, listener: _Listener, watch: Watch) -> None:
        self.engine, self.users, self.watch = engine, users, watch
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._lock = threading.Lock()
        self._server = listener
        self._server.web = self
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="http", daemon=True).start()

    def close(self) -> None:
        """Disconnects every client and ends its running query."""
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def desk(self, user: str, password: str, options: dict[str, str]) -> Iterator[Desk]:
        """The desk of a request: its own, or that of the session it names."""
        who = self.users.login(user, password)
        name = options.get("session_id", "")
        database = options.get("database", "")
        if not name or who.is_board:
            with closing(Desk(self.engine, self.users, who, database)) as desk:
                yield desk
            return
        patience_s = _session_timeout(options)
        kept = self._session((user, name), lambda: Desk(self.engine, self.users, who, ""), options)
        try:
            if database:
                kept.desk.use(database)
            yield kept.desk
        finally:
            kept.until = time.monotonic() + patience_s
            kept.lock.release()

    def _session(
        self, key: tuple[str, str], make: Callable[[], Desk], options: dict[str, str]
    ) -> _Kept:
        """The session, locked."""
        with self._lock:
            now = time.monotonic()
            for old in [each for each, kept in self._kept.items() if kept.until < now]:
                if self._kept[old].lock.acquire(blocking=False):
                    self._kept.pop(old).desk.close()
            kept = self._kept.get(key)
            if kept is None:
                if options.get("session_check") == "1":
                    raise Fault(_SESSION_NOT_FOUND, f"Session {key[1]} not found.")
                if len(self._kept) >= _MOST_SESSIONS:
                    raise Fault(
                        TOO_MANY_SIMULTANEOUS_QUERIES,
                        f"{_MOST_SESSIONS} sessions with a session_id are kept already.",
                        do="Ask without a session_id, or with a shorter session_timeout.",
                    )
                kept = self._kept[key] = _Kept(make(), now)
            if kept.lock.acquire(blocking=False):
                return kept
        # A client has the end of its answer a moment before its session is released. Wait outside
        # the lock, so that requests of other sessions do not wait too.
        if not kept.lock.acquire(timeout=_HANDOVER_S):
            raise Fault(_SESSION_IS_LOCKED, f"Session {key[1]} is locked by a concurrent client.")
        return kept


def _session_timeout(options: dict[str, str]) -> int:
    """Seconds that a named session outlives its request."""
    text = options.get("session_timeout", str(_SESSION_S))
    # Digits only: to Python "nan" and "inf" are numbers too, and such a session would never end.
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= _LONGEST_SESSION_S):
        raise Fault(
            _INVALID_SESSION_TIMEOUT,
            f"The session_timeout {text[:20]!r} is not from 0 to {_LONGEST_SESSION_S} seconds.",
        )
    return int(text[:9])


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    # `server_close` must not wait for clients that keep their connection open.
    block_on_close = False
    web: Web

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self._clients: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._clients) >= _MOST_CLIENTS:
            request.close()
            return
        self._clients.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._clients.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for each in list(self._clients):
            hang_up(each)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a client of HTTP is gone", exc_info=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ClickHouse"
    sys_version = ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._plain(200, b"")

    def log_message(self, format: str, *args: Any) -> None:
        # URLs hold statements, and statements hold values: neither belongs in a log.
        del format, args

    def _handle(self) -> None:
        self._started = False
        url = urlsplit(self.path)
        options = dict(parse_qsl(url.query, keep_blank_values=True))
        query_id = options.get("query_id") or str(uuid.uuid4())
        try:
            # Before any answer: an unread body would be parsed as the next request.
            body = _Body(self)
            if url.path == "/ping" or (url.path == "/" and not url.query and not body.expected):
                self._plain(200, b"Ok.\n")
            else:
                self._answer(options, query_id, body)
        except Fault as fault:
            self._fail(fault, query_id)
        except (EOFError, OSError, binascii.Error):
            self.close_connection = True
        except Exception:
            log.exception("a request failed because of an error of the server")
            self._fail(Fault(UNKNOWN_EXCEPTION, "Internal error; the log says more."), query_id)

    def _answer(self, options: dict[str, str], query_id: str, body: _Body) -> None:
        user, password = self._credentials(options)
        web = self.server.web
        with web.desk(user, password, options) as desk, closing(MemoryFile()) as rows:
            text = options.get("query", "")
            if _takes_rows(text):
                body.into(rows)
            else:
                text = _split(text.encode(errors="surrogateescape") + body.read(), rows)
            if not text.strip():
                raise Fault(BAD_ARGUMENTS, "The query is empty.")
            wanted = self.headers.get("X-ClickHouse-Format") or options.get("default_format")
            question = Question(
                text,
                query_id,
                [(name, value, True) for name, value in options.items() if _is_setting(name)],
                {name[6:]: value for name, value in options.items() if name.startswith("param_")},
                format_of(text) or wanted or "TabSeparated",
                read_only=self.command == "GET",
            )
            self._perform(desk, question, rows, options)

    def _perform(
        self, desk: Desk, question: Question, rows: MemoryFile, options: dict[str, str]
    ) -> None:
        watch = self.server.web.watch
        insert = desk.prepare(question)
        if insert is not None:
            with watch.over(self.connection, lambda cancelled: desk.stop()):
                if rows.size:
                    desk.store(question, rows, insert.format or "Values")
            self._head(question, desk.written, b"")
            return
        encode = _Encoder(options, question, self.headers.get("Accept-Encoding", ""))
        with (
            watch.over(self.connection, lambda cancelled: desk.stop()),
            closing(desk.ask(question)) as pieces,
        ):
            first = next(pieces, None)
            if first is None and question.format == "Native" and (listed := desk.columns(question)):
                # The format Native has no header of its own; a client that sends a protocol version
                # gets a block without rows, as in the native protocol.
                self._head(question, desk.written, None, encode.name)
                self._chunk(encode.raw(encode.header(listed)))
            else:
                self._head(question, desk.written, None, encode.name)
                if first is not None:
                    encode.zone(lambda columns: desk.zoned(columns, question), first)
                    self._chunk(encode(first))
            for piece in pieces:
                self._chunk(encode(piece))
        self._chunk(encode.end())
        self.wfile.write(b"0\r\n\r\n")

    def _head(
        self, question: Question, written: int, content: bytes | None, encoding: str = ""
    ) -> None:
        kind = next((kind for name, kind in _CONTENT_TYPES if name.search(question.format)), "")
        self.send_response(200)
        self.send_header("Content-Type", kind or "text/plain; charset=UTF-8")
        self.send_header("X-ClickHouse-Query-Id", question.query_id)
        self.send_header("X-ClickHouse-Format", question.format)
        self._about()
        summary = {"read_rows": "0", "read_bytes": "0", "written_rows": str(written)}
        self.send_header("X-ClickHouse-Summary", json.dumps({**summary, "result_rows": "0"}))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        if content is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self._started = True

    def _about(self) -> None:
        self.send_header("X-ClickHouse-Server-Display-Name", "gulou")
        self.send_header("X-ClickHouse-Timezone", self.server.web.engine.timezone)

    def _chunk(self, content: bytes) -> None:
        if content:
            self.wfile.write(b"%x\r\n" % len(content))
            self.wfile.write(content)
            self.wfile.write(b"\r\n")

    def _plain(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _fail(self, fault: Fault, query_id: str) -> None:
        text = f"Code: {fault.code}. {fault.text} (version {self.server.web.engine.version})\n"
        content = text.encode(errors="replace")
        # An unread rest of the request would be parsed as the next one.
        self.close_connection = True
        with contextlib.suppress(OSError):
            if self._started:
                # Without the last chunk, a client knows that the answer is incomplete.
                self._chunk(b"\n" + content)
                return
            self._plain(
                _STATUS.get(fault.code, 500),
                content,
                Connection="close",
                X_ClickHouse_Exception_Code=str(fault.code),
                X_ClickHouse_Query_Id=query_id,
            )

    def _credentials(self, options: dict[str, str]) -> tuple[str, str]:
        if name := self.headers.get("X-ClickHouse-User"):
            return name, self.headers.get("X-ClickHouse-Key", "")
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            name, _, password = base64.b64decode(value).decode().partition(":")
            return name, password
        return options.get("user", "default"), options.get("password", "")


class _Body:
    """The body of a request."""

    def __init__(self, handler: _Handler) -> None:
        self._file = handler.rfile
        headers = handler.headers
        self._chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        self._length = int(headers.get("Content-Length") or 0)
        self._decode = _decoder(headers.get("Content-Encoding", ""))
        self.expected = self._chunked or bool(self._length)
        if headers.get("Expect", "").lower() == "100-continue":
            handler.send_response_only(100)
            handler.end_headers()

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self._pieces())

    def into(self, rows: MemoryFile) -> None:
        """Appends the whole body to `rows`."""
        for piece in self._pieces():
            if piece:
                rows.append(piece)

    def _pieces(self) -> Iterator[bytes]:
        size = 0
        for raw in self._raw():
            piece = self._decode(raw)
            size += len(piece)
            if size > _BODY_BYTES:
                raise Fault(NOT_IMPLEMENTED, f"The request has more than {_BODY_BYTES} bytes.")
            yield piece

    def _raw(self) -> Iterator[bytes]:
        if not self._chunked:
            left = self._length
            while left:
                left -= len(piece := self._file.read(min(left, _READ_BYTES)))
                if not piece:
                    raise EOFError
                yield piece
            return
        while size := int(self._file.readline(1024).split(b";")[0], 16):
            if size > _BODY_BYTES:
                raise Fault(NOT_IMPLEMENTED, f"The request has more than {_BODY_BYTES} bytes.")
            yield self._file.read(size)
            self._file.readline(8)
        while self._file.readline(65536).strip():
            pass


def _decoder(encoding: str) -> Callable[[bytes], bytes]:
    if not encoding or encoding == "identity":
        return bytes
    if encoding in ("gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    if encoding == "lz4":
        unpacker = lz4.frame.LZ4FrameDecompressor()
        return lambda piece: bytes(unpacker.decompress(piece))
    kinds = {"zstd": cramjam.zstd, "br": cramjam.brotli, "snappy": cramjam.snappy}
    if encoding not in kinds:
        raise Fault(NOT_IMPLEMENTED, f"Content-Encoding {encoding!r} is not supported; use gzip.")
    other = kinds[encoding].Decompressor()

    def decode(piece: bytes) -> bytes:
        other.decompress(piece)
        return bytes(other.flush())

    return decode


class _Encoder:
    """Encodes pieces of an answer as the client wants them.

    Args:
        options: of the request; `compress` and `client_protocol_version` change blocks.
        question: for its format.
        accepted: Accept-Encoding.
    """

    def __init__(self, options: dict[str, str], question: Question, accepted: str) -> None:
        revision = int(options.get("client_protocol_version") or 0)
        self._block = Block(revision) if revision and question.format == "Native" else None
        self._frames = options.get("compress") == "1"
        self.name = ""
        self._pack: Callable[[bytes], bytes] = bytes
        self._flush: Callable[[], bytes] = bytes
        # Only with the setting, as on any server: a client that merely lists encodings in
        # Accept-Encoding must not pay for compression.
        if options.get("enable_http_compression") == "1" and not self._frames:
            names = [each.split(";")[0].strip() for each in accepted.split(",")]
            if "lz4" in names:
                lz4_packer = lz4.frame.LZ4FrameCompressor()
                begin = [lz4_packer.begin()]
                self.name, self._flush = "lz4", lz4_packer.flush
                self._pack = lambda piece: (
                    (begin.pop() if begin else b"") + lz4_packer.compress(piece)
                )
            elif "gzip" in names or "deflate" in names:
                self.name = "gzip" if "gzip" in names else "deflate"
                packer = zlib.compressobj(1, wbits=31 if self.name == "gzip" else 15)
                self._pack, self._flush = packer.compress, packer.flush

    def __call__(self, piece: bytes) -> bytes:
        """A piece of the engine's answer."""
        if self._block is None:
            return self.raw(piece)
        source, parts = BytesSource(piece), []
        while source.more():
            parts += self._block.rows(source)[1]
        return self.raw(b"".join(parts))

    def zone(self, zoned: Callable[[WireColumns], list[str | None]], first: bytes) -> None:
        """Restores the time zones that the format Native dropped; `first` is the first piece."""
        if self._block is not None:
            self._block.zoned = zoned(first_columns(first))

    def header(self, columns: WireColumns) -> bytes:
        """A block without rows, where the client knows blocks; nothing otherwise."""
        return self._block.header(columns) if self._block is not None else b""

    def raw(self, content: bytes) -> bytes:
        """Bytes that are in their format already."""
        if self._frames:
            return b"".join(frame([content])) if content else b""
        return self._pack(content)

    def end(self) -> bytes:
        """The bytes that end the answer."""
        return self._flush()


def _is_setting(name: str) -> bool:
    return name not in _RESERVED and not name.startswith("param_")


def _takes_rows(text: str) -> bool:
    """Whether `text` is an INSERT whose rows are the body."""
    if not text or statement_kind(text) != "INSERT":
        return False
    insert = parse_insert(text)
    return insert is not None and not text[insert.data_at :].strip()


def _split(content: bytes, rows: MemoryFile) -> str:
    """The statement of a body; the rows after an INSERT go to `rows`."""
    # One character per byte: rows need not be text, and offsets must be byte offsets.
    head = content.decode("latin-1")
    if head.strip() and statement_kind(head) == "INSERT" and (insert := parse_insert(head)):
        data = _LINE_END.sub(b"", content[insert.data_at :], count=1)
        if data:
            rows.append(data)
        content = content[: insert.data_at]
    return content.decode(errors="surrogateescape")


_LINE_END = re.compile(rb"\A[ \t]*;?[ \t]*\r?\n?")
