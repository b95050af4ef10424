"""ClickHouse's HTTP interface: a thread for each connection, answers streamed."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import io
import logging
import re
import secrets
import socket
import string
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlsplit

from infra.warehouse import sizes
from infra.warehouse._fault import (
    ACCESS_DENIED,
    BAD_ARGUMENTS,
    TOO_MANY_ROWS_OR_BYTES,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    UNKNOWN_EXCEPTION,
    Fault,
    where,
)
from infra.warehouse._sql import format_of
from infra.warehouse.access import Users
from infra.warehouse.answers import Packing, summary
from infra.warehouse.body import Body, Head, has_body, split, takes_rows
from infra.warehouse.desk import Desk, Question
from infra.warehouse.engine import Counts, Engine
from infra.warehouse.form import form
from infra.warehouse.request import Options, bring, header_value, login
from infra.warehouse.seats import HTTP_IDLE_S, Room, Seats
from infra.warehouse.watch import Watch, let_read
from infra.warehouse.wire import MemoryFile

log = logging.getLogger(__name__)

_SESSION_S: Final = 60
_SESSION_IS_LOCKED: Final = 373
_STATUS: Final = {
    code: status
    for status, codes in {
        400: (
            *(6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223),
            *(321, 376, 427, 441, 675, 676),
        ),
        401: (194,),
        403: (192, 193, 497, 512, 516),
        404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
        408: (159,),
        411: (381,),
        413: (229,),
        415: (779,),
        501: (48,),
        503: (76, 209, 439),
    }.items()
    for code in codes
} | dict.fromkeys((TOO_MANY_SIMULTANEOUS_QUERIES, _SESSION_IS_LOCKED), 503)
"""Statuses by code, as ClickHouse's (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); two more, so
that clients try again."""
_HANDOVER_S: Final = 0.2
_SESSION_NOT_FOUND: Final = 372
_INVALID_SESSION_TIMEOUT: Final = 374
_LONGEST_SESSION_S: Final = 3600
_MOST_SESSIONS: Final = 256
"""Named sessions kept between requests; each holds a session of the engine."""
_UNKNOWN_ROLE: Final = 511
_TAG_LETTERS: Final = 16
_STALL_S: Final = 300.0
"""A client may be silent so long in the middle of a request."""
_ROOM: Final = Room(idle_s=HTTP_IDLE_S)
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

    def __init__(
        self,
        engine: Engine,
        users: Users,
        listener: _Listener,
        watch: Watch,
        room: Room = _ROOM,
    ) -> None:
        self.engine, self.users, self.watch = engine, users, watch
        self.seats = Seats(room)
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
        self.seats.close()

    @contextlib.contextmanager
    def desk(self, user: str, password: str, options: Mapping[str, str]) -> Iterator[Desk]:
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
        before = kept.desk.database
        try:
            if database:
                kept.desk.use(database)
            yield kept.desk
        finally:
            # Only this request has that database, unless its statement was USE.
            if database and kept.desk.database == database:
                kept.desk.use(before or "default")
            kept.until = time.monotonic() + patience_s
            kept.lock.release()

    def _session(
        self, key: tuple[str, str], make: Callable[[], Desk], options: Mapping[str, str]
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


_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n"
    b"X-ClickHouse-Exception-Code: 202\r\n\r\n"
)


def _session_timeout(options: Mapping[str, str]) -> int:
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

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.web.seats.enter(request, client_address[0]):
            super().process_request(request, client_address)
            return
        with contextlib.suppress(OSError):
            request.send(_FULL, socket.MSG_DONTWAIT)
        request.close()

    def shutdown_request(self, request: Any) -> None:
        self.web.seats.leave(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a client of HTTP is gone", exc_info=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ClickHouse"
    sys_version = ""
    timeout = _STALL_S
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self._stream = self.rfile

    def handle_one_request(self) -> None:
        self.rfile = cast(io.BufferedIOBase, Head(self._stream))
        super().handle_one_request()

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._alive(b"")

    def log_message(self, format: str, *args: Any) -> None:
        # URLs hold statements, and statements hold values: neither belongs in a log.
        del format, args

    def _handle(self) -> None:
        self._packing: Packing | None = None
        self._tag = "".join(secrets.choice(string.ascii_lowercase) for _ in range(_TAG_LETTERS))
        self.rfile = self._stream
        url = urlsplit(self.path)
        options = Options(url.query)
        query_id = str(uuid.uuid4())
        try:
            if url.path == "/ping":
                self._alive(b"Ok.\n")
                return
            # Before any answer: an unread body would be parsed as the next request.
            body = Body(self, lambda: self.server.web.seats.stir(self.connection))
            header_value("query_id", wanted := options.get("query_id") or query_id)
            query_id = wanted
            if url.path == "/" and not url.query and not body.expected:
                self._alive(b"Ok.\n")
            else:
                self._answer(options, query_id, body)
        except Fault as fault:
            self._fail(fault, query_id)
        except (EOFError, OSError):
            self.close_connection = True
        except Exception as error:
            log.error("a request failed because of an error: %s", where(error))
            self._fail(Fault(UNKNOWN_EXCEPTION, "Internal error; the log says more."), query_id)

    def _answer(self, options: Options, query_id: str, body: Body) -> None:
        user, password = login(self.headers, options)
        options.setdefault("database", self.headers.get("X-ClickHouse-Database", ""))
        for role in options.every("role"):
            raise Fault(_UNKNOWN_ROLE, f"There is no role {role!r} in user directories.")
        web, seats = self.server.web, self.server.web.seats
        with web.desk(user, password, options) as desk, closing(MemoryFile()) as rows:
            seats.login(self.connection, user)
            try:
                with seats.reading(self.connection, desk.request_s):
                    text = self._statement(options, desk, body, rows)
                with seats.working(self.connection):
                    self._perform(desk, self._question(text, query_id, options), rows, options)
            finally:
                desk.put_away()

    def _statement(self, options: Options, desk: Desk, body: Body, rows: MemoryFile) -> str:
        """The statement; its rows go to `rows`, and its tables to `desk`."""
        bounds = desk.bounds
        frame = bounds.frame if options.get("decompress") == "1" else 0
        kind = self.headers.get("Content-Type", "")
        if kind.lower().startswith("multipart/form-data"):
            if not bounds.rows:
                raise Fault(ACCESS_DENIED, "This user reads; it sends no forms.")
            most = min(sizes.FORM_BYTES, bounds.statement + bounds.rows)
            content = b"".join(body.pieces(most, frame))
            bring(desk, options.take_form(form(kind, content)), options)
        text = options.get("query", "")
        if takes_rows(text):
            for piece in body.pieces(bounds.rows, frame):
                rows.append(piece)
        else:
            # As ClickHouse: what the address begins ends with a line, where a body follows.
            begin = text + ("\n" if text and body.expected else "")
            pieces = body.pieces(bounds.statement + bounds.rows, frame)
            text = split(begin.encode(errors="surrogateescape"), pieces, rows, bounds)
        if not text.strip():
            raise Fault(BAD_ARGUMENTS, "The query is empty.")
        return text

    def _question(self, text: str, query_id: str, options: Options) -> Question:
        wanted = self.headers.get("X-ClickHouse-Format") or options.get("default_format") or ""
        # The answer repeats it; checked before anything is stored.
        header_value("format", wanted)
        return Question(
            text,
            query_id,
            [(name, value, True) for name, value in options.items() if options.is_setting(name)],
            {name[6:]: value for name, value in options.items() if name.startswith("param_")},
            format_of(text) or wanted or "TabSeparated",
            read_only=self.command == "GET",
        )

    def _perform(self, desk: Desk, question: Question, rows: MemoryFile, options: Options) -> None:
        watch = self.server.web.watch
        insert = desk.prepare(question)
        if insert is not None:
            with watch.over(self.connection, lambda cancelled: desk.stop()):
                if rows.size:
                    desk.store(question, rows, insert.format or "Values")
            self._head(question, desk.counts, b"")
            return
        packing = Packing(options, question, self.headers.get("Accept-Encoding", ""))
        with (
            watch.over(self.connection, lambda cancelled: desk.stop(), within_s=desk.answer_s),
            closing(desk.ask(question)) as asked,
        ):
            pieces: Iterator[bytes] = asked
            if options.get("wait_end_of_query") == "1":
                pieces = iter(_whole(asked, desk.bounds.answer))
            # Whatever fails before the first block fails with a status of its own.
            first = next(pieces, None)
            counts = desk.counts
            if first is not None:
                packing.zone(lambda columns: desk.zoned(columns, question), first)
                content = packing(first)
            elif question.format == "Native":
                # The format Native has no header of its own; a client that sends a protocol
                # version gets a block without rows, as in the native protocol.
                content = packing.raw(packing.header(desk.columns(question)))
            else:
                content = packing.raw(b"")
            self._head(question, counts, None, packing.name)
            self._packing = packing
            self._chunk(content)
            for piece in pieces:
                self._chunk(packing(piece))
        self._chunk(packing.end())
        self.wfile.write(b"0\r\n\r\n")

    def _head(
        self, question: Question, counts: Counts, content: bytes | None, encoding: str = ""
    ) -> None:
        kind = next((kind for name, kind in _CONTENT_TYPES if name.search(question.format)), "")
        answered = header_value("format", question.format)
        self.send_response(200)
        self.send_header("Content-Type", kind or "text/plain; charset=UTF-8")
        self.send_header("X-ClickHouse-Query-Id", header_value("query_id", question.query_id))
        self.send_header("X-ClickHouse-Format", answered)
        self._about()
        self.send_header("X-ClickHouse-Summary", summary(counts))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        if content is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()

    def _about(self) -> None:
        self.send_header("X-ClickHouse-Server-Display-Name", "gulou")
        self.send_header("X-ClickHouse-Timezone", self.server.web.engine.timezone)
        self.send_header("X-ClickHouse-Exception-Tag", self._tag)

    def _chunk(self, content: bytes) -> None:
        if content:
            self.wfile.write(b"%x\r\n" % len(content))
            self.wfile.write(content)
            self.wfile.write(b"\r\n")

    def _alive(self, content: bytes) -> None:
        """Says that the server runs; a body is not read, so nothing may follow it."""
        unread = has_body(self.headers)
        with self.server.web.seats.working(self.connection):
            self._plain(200, content, **({"Connection": "close"} if unread else {}))
        if unread:
            let_read(self.connection)

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
        content = text.encode(errors="surrogateescape")
        # An unread rest of the request would be parsed as the next one.
        self.close_connection = True
        with contextlib.suppress(OSError):
            if self._packing is not None:
                # Without the last chunk, a client knows that the answer is incomplete.
                self._chunk(self._packing.raw(self._tail(content)) + self._packing.end())
                return
            self._plain(
                _STATUS.get(fault.code, 500),
                content,
                Connection="close",
                X_ClickHouse_Exception_Code=str(fault.code),
                X_ClickHouse_Exception_Tag=self._tag,
                X_ClickHouse_Query_Id=header_value("query_id", query_id),
            )
            let_read(self.connection)

    def _tail(self, content: bytes) -> bytes:
        """An error behind rows, between marks that no rows have."""
        mark, tag = b"\r\n__exception__\r\n", self._tag.encode()
        return b"%b%b\r\n%b%d %b%b" % (mark, tag, content, len(content), tag, mark)


def _whole(pieces: Iterator[bytes], most: int) -> list[bytes]:
    """An answer that is sent when it is complete.

    Raises:
        Fault: it has more than `most` bytes.
    """
    kept, size = [], 0
    for piece in pieces:
        kept.append(piece)
        if (size := size + len(piece)) > most:
            raise Fault(
                TOO_MANY_ROWS_OR_BYTES,
                f"The answer has more than {most} bytes.",
                do="Ask for less, or without wait_end_of_query.",
            )
    return kept
