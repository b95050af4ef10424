"""The native protocol's server: a thread for each connection, with blocking sockets.

Threads and not asyncio: the engine releases the GIL while it works, the compiled reader needs a
blocking source, and an event loop would add a cost to every packet of the hot path.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import struct
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Final

from infra.warehouse import sizes
from infra.warehouse._fault import (
    ACCESS_DENIED,
    INCORRECT_DATA,
    NOT_IMPLEMENTED,
    QUERY_WAS_CANCELLED,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    UNKNOWN_EXCEPTION,
    UNKNOWN_PACKET,
    Fault,
    where,
)
from infra.warehouse._types import check
from infra.warehouse.access import User, Users
from infra.warehouse.desk import Desk, Question
from infra.warehouse.engine import Engine, identifier
from infra.warehouse.seats import NATIVE_IDLE_S, Room, Seats
from infra.warehouse.watch import Watch, let_read
from infra.warehouse.wire import (
    REVISION,
    Block,
    BytesSource,
    FrameSource,
    Listing,
    MemoryFile,
    SocketSource,
    WireColumns,
    first_columns,
    frame,
    packet,
    receive_block,
)

log = logging.getLogger(__name__)

# What clients send.
_HELLO, _QUERY, _DATA, _CANCEL, _PING = range(5)
# What the server sends.
_S_HELLO, _S_DATA, _S_EXCEPTION, _S_PROGRESS, _S_PONG, _S_END, _S_PROFILE = range(7)
_S_TOTALS, _S_EXTREMES, _S_EVENTS = 7, 8, 14
_IMPORTANT = 1
_OLDEST: Final = 54429
"""Settings as texts; clients older than ClickHouse 20.1 are refused."""
_ROOM: Final = Room(idle_s=NATIVE_IDLE_S)
_ACCEPT_AGAIN_S: Final = 0.05
_STALL: Final = struct.pack("ll", 300, 0)
"""Seconds: a client may be silent so long in the middle of a packet, as with a real server."""


_Tables = dict[str, tuple[WireColumns, MemoryFile]]
"""Columns and rows of what came with a query, by name."""


@dataclass
class _Query:
    text: str
    query_id: str
    compressed: bool
    settings: list[tuple[str, str, bool]] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)


def listen(host: str, port: int) -> socket.socket:
    """A socket whose clients wait until a `Server` accepts them.

    Args:
        host: address to listen on.
        port: 0 is any free one.

    Raises:
        OSError: it is taken.
    """
    return socket.create_server((host, port), backlog=256)


class Server:
    """Serves until `close`.

    Args:
        engine: what answers.
        users: who may ask.
        listener: where clients come in, from `listen`.
        watch: notices clients that hang up or cancel while their query runs.
        room: how many clients it serves.
    """

    def __init__(
        self,
        engine: Engine,
        users: Users,
        listener: socket.socket,
        watch: Watch,
        room: Room = _ROOM,
    ) -> None:
        self._engine, self._users, self._watch = engine, users, watch
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self.seats = Seats(room)
        self._closed = False
        self._thread = threading.Thread(target=self._accept, name="native", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 3.0) -> None:
        """Disconnects every client and ends its running query."""
        self._closed = True
        # Another thread waits in accept(), and closing alone would not wake it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.seats.close()
        deadline = time.monotonic() + timeout_s
        while len(self.seats) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, (address, *_) = self._listener.accept()
            except OSError:
                # Out of file descriptors for a moment, or closed.
                time.sleep(_ACCEPT_AGAIN_S)
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for timeout in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                connection.setsockopt(socket.SOL_SOCKET, timeout, _STALL)
            if self.seats.enter(connection, address):
                self._seated(connection)
            else:
                full = Fault(TOO_MANY_SIMULTANEOUS_QUERIES, "Every seat is taken.", do="Wait.")
                with contextlib.suppress(OSError):
                    connection.send(_exception(full), socket.MSG_DONTWAIT)
                connection.close()

    def _seated(self, connection: socket.socket) -> None:
        try:
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except RuntimeError:  # the system has no thread left; whoever is served is served on
            log.error("a connection was refused: the system gives no more threads")
            self.seats.leave(connection)
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        client = _Client(self._engine, self._users, self._watch, connection, self.seats)
        try:
            client.serve()
        except Fault as fault:
            client.send_fault(fault)
            let_read(connection)
        except (EOFError, OSError):
            pass
        except Exception as error:
            log.error("a connection was closed because of an error: %s", where(error))
            client.send_fault(Fault(UNKNOWN_EXCEPTION, "Internal error; the log says more."))
        finally:
            client.close()
            self.seats.leave(connection)
            connection.close()


class _Client:
    """One connection."""

    def __init__(
        self,
        engine: Engine,
        users: Users,
        watch: Watch,
        connection: socket.socket,
        seats: Seats,
    ) -> None:
        self._seats = seats
        self._engine, self._users, self._watch, self._socket = engine, users, watch, connection
        self._in = SocketSource(connection)
        self._frames = FrameSource(self._in, sizes.BOARD.frame)  # until the login
        self._revision = REVISION
        self._compressed = False
        self._block = Block(REVISION)
        self._rows = MemoryFile()
        self._desk: Desk | None = None
        self._bounds = sizes.OWNER
        self._cancelled = self._torn = False
        self._rest_comes = False
        """Whether rows may be under way for an INSERT that has failed."""
        self._sending = threading.Lock()

    def serve(self) -> None:
        user, database = self._greet()
        self._seats.login(self._socket, user.name)
        self._desk = Desk(self._engine, self._users, user, database)
        self._bounds = self._desk.bounds
        self._frames.most = self._bounds.frame
        while True:
            kind = self._next()
            if kind == _PING:
                self._send(packet(_S_PONG))
            elif kind == _QUERY:
                self._answer(self._desk)
            elif kind == _DATA:
                with self._seats.reading(self._socket, self._desk.request_s):
                    self._receive()
            elif kind != _CANCEL:
                raise Fault(UNKNOWN_PACKET, f"Unknown packet {kind} from client.")

    def _next(self) -> int:
        """The kind of the next packet; between packets the seats say how long to wait."""
        while True:
            with contextlib.suppress(BlockingIOError):
                return self._in.varint()

    def close(self) -> None:
        if self._desk is not None:
            self._desk.close()
        self._rows.close()

    def send_fault(self, fault: Fault) -> None:
        with contextlib.suppress(OSError):
            self._send(_exception(fault))

    def _greet(self) -> tuple[User, str]:
        if (kind := self._in.varint()) != _HELLO:
            raise Fault(UNKNOWN_PACKET, f"Unexpected packet {kind} from client, expected Hello.")
        most = sizes.HELLO_BYTES
        self._in.text(most)
        self._in.varint(), self._in.varint()
        self._revision = min(self._in.varint(), REVISION)
        database, name, password = (self._in.text(most) for _ in range(3))
        if self._revision < _OLDEST:
            raise Fault(NOT_IMPLEMENTED, f"Revision {self._revision} is too old.")
        self._block = Block(self._revision)
        user = self._users.login(name, password)
        major, minor, patch = (int(each) for each in self._engine.version.split(".")[:3])
        self._send(
            packet(
                *(_S_HELLO, "ClickHouse", major, minor, REVISION),
                *(self._engine.timezone, "gulou", patch),
            )
        )
        if self._revision >= 54458:
            self._in.text(most)  # quota key
        return user, database

    def _answer(self, desk: Desk) -> None:
        self._rest_comes = self._cancelled = False
        try:
            with ExitStack() as files:
                # Who sends slowly is not at work.
                with self._seats.reading(self._socket, desk.request_s):
                    question, tables = self._question(files)
                with self._seats.working(self._socket):
                    for name, (columns, rows) in tables.items():
                        listed = ", ".join(f"{identifier(each)} {kind}" for each, kind in columns)
                        desk.bring(name, listed, rows, "Native")
                    self._perform(desk, question)
                    self._send(packet(_S_END))
        except Fault as fault:
            if self._torn:
                # What is left of the packet would be read as others: data would be statements.
                raise
            self._rest_comes = True
            if self._cancelled and desk.only_reads:
                self._send(packet(_S_END))
            else:
                self.send_fault(fault)
        finally:
            desk.put_away()

    def _question(self, files: ExitStack) -> tuple[Question, _Tables]:
        """Reads a query with the tables that come with it, whose rows are closed with `files`."""
        self._torn = True
        query = self._query()
        self._compressed = query.compressed
        tables = self._external_tables(files)
        self._torn = False
        sent = (query.text, query.query_id, query.settings, query.parameters)
        return Question(*sent, "Native", parted=True), tables

    def _watched(self, desk: Desk, question: Question) -> Generator[bytes, None, None]:
        with (
            self._watch.over(
                *(self._socket, self._gone, self._beat, desk.answer_s),
                cancels=self._in.used_up,
            ),
            closing(desk.ask(question)) as pieces,
        ):
            yield from pieces

    def _beat(self) -> None:
        if self._sending.acquire(blocking=False):
            try:
                self._socket.send(self._progress(0, 0), socket.MSG_DONTWAIT)
            except OSError:
                pass  # buffer full or client gone: both are noticed elsewhere
            finally:
                self._sending.release()

    def _gone(self, cancelled: bool) -> None:
        self._cancelled = cancelled
        if self._desk is not None:
            self._desk.stop()

    def _perform(self, desk: Desk, question: Question) -> None:
        insert = desk.prepare(question)
        if insert is not None:
            self._insert(desk, question)
            return
        blocks = rows = size = 0
        self._block.zoned = []
        for piece in self._watched(desk, question):
            source = BytesSource(piece)
            while source.more():
                if not blocks:
                    self._block.zoned = desk.zoned(first_columns(piece), question)
                count, pieces = self._block.rows(source)
                if not blocks:
                    # A real server sends names and types before the first row; clients rely on it.
                    self._send_block([self._block.header(self._block.columns)])
                self._send_block(pieces)
                blocks, rows, size = blocks + 1, rows + count, size + len(piece)
        counts = desk.counts
        if not blocks and (columns := desk.columns(question)):
            self._send_block([self._block.header(columns)])
        for kind, part in ((_S_TOTALS, desk.parts.totals), (_S_EXTREMES, desk.parts.extremes)):
            if part:
                self._send_block(self._block.rows(BytesSource(part))[1], kind)
        # How many rows there were before a LIMIT is unknown here: the last flag says so.
        self._send(
            packet(_S_PROFILE, rows, blocks, size, b"\0", rows, b"\0"),
            self._progress(
                counts.read_rows,
                counts.read_bytes,
                total=counts.read_rows,
                elapsed_ns=counts.elapsed_ns,
            ),
        )

    def _insert(self, desk: Desk, question: Question) -> None:
        listed = desk.columns(question)
        for _, kind in listed:
            check(kind)  # while nothing is sent: later only closing the connection would do
        self._send_block([self._block.header(listed)])
        total = written = 0
        try:
            while (rows := self._next_block(self._rows)) is not None:
                total += rows
                self._send_events()
                if self._rows.size > sizes.INSERT_BYTES:
                    written += self._store(desk, question)
            if self._rows.size:
                written += self._store(desk, question)
        finally:
            self._rows.clear()
        self._send_events()
        self._send(self._progress(0, 0, total, written))

    def _store(self, desk: Desk, question: Question) -> int:
        size = self._rows.size
        # While rows come only hanging up ends it: a cancel is a packet, read between two blocks.
        with self._watch.over(self._socket, self._gone, self._beat):
            desk.store(question, self._rows, "Native")
        self._rows.clear()
        return size

    def _next_block(self, spool: MemoryFile) -> int | None:
        """The rows of the next block of an INSERT; None for the last one.

        Raises:
            Fault: the client cancels it, or sends something else; then the connection is `_torn`.
        """
        self._torn = True
        with self._seats.reading(self._socket):
            kind = self._in.varint()
            rows = self._receive(spool) if kind == _DATA else None
        if kind == _CANCEL:
            self._torn = False
            raise Fault(
                QUERY_WAS_CANCELLED,
                "The INSERT was cancelled; what was stored of it before stays.",
            )
        if kind != _DATA:
            raise Fault(UNKNOWN_PACKET, f"Unexpected packet {kind} from client, expected Data.")
        self._torn = False
        return rows

    def _receive(self, spool: MemoryFile | None = None) -> int | None:
        """Reads a Data packet after its first byte; returns its rows, None for the last block."""
        if name := self._in.text():
            raise Fault(UNKNOWN_PACKET, f"The table {name!r} came without a query.")
        rows = self._block_of(spool)
        if rows is not None and spool is None and not self._rest_comes:
            raise Fault(UNKNOWN_PACKET, f"{rows} rows came without an INSERT.")
        return rows

    def _block_of(self, spool: MemoryFile | None, listed: Listing | None = None) -> int | None:
        source = self._frames if self._compressed else self._in
        wanted = self._bounds.rows > 0
        rows = receive_block(source, self._revision, spool, listed, wanted=wanted)
        if self._compressed and not self._frames.used_up:
            raise Fault(UNKNOWN_PACKET, "A compressed block does not end where its frame ends.")
        return rows

    def _external_tables(self, files: ExitStack) -> _Tables:
        """Reads the blocks after a query; those of one name are one table."""
        tables: _Tables = {}
        listed = Listing()
        while name := self._table_name():
            if name in tables:
                ended = self._block_of(tables[name][1]) is None
            elif len(tables) < sizes.TABLES:
                rows = files.enter_context(closing(MemoryFile()))
                ended = self._block_of(rows, listed) is None
                tables[name] = (listed.take(), rows)
            else:
                raise Fault(INCORRECT_DATA, f"More than {sizes.TABLES} tables came along.")
            if ended:
                return tables
        if (count := self._block_of(None)) is not None:
            raise Fault(UNKNOWN_PACKET, f"{count} rows came without a table's name.")
        return tables

    def _table_name(self) -> str:
        """The name with which a block after a query begins; the last block has none."""
        if (kind := self._in.varint()) != _DATA:
            raise Fault(UNKNOWN_PACKET, f"Unexpected packet {kind} from client, expected Data.")
        name = self._in.text()
        if name and not self._bounds.rows:
            raise Fault(ACCESS_DENIED, "This user reads; it may bring no tables.")
        return name

    def _query(self) -> _Query:
        source, revision = self._in, self._revision
        query_id = source.text()
        self._skip_client_info()
        settings = [
            (name, value, bool(flags & _IMPORTANT)) for name, flags, value in self._settings()
        ]
        if revision >= 54441:
            source.text()  # interserver secret
        source.varint()  # stage
        compressed = bool(source.varint())
        text = source.text(self._bounds.statement, "the statement")
        parameters = {}
        if revision >= 54459:
            parameters = {name: _undumped(value) for name, _, value in self._settings()}
        return _Query(text, query_id, compressed, settings, parameters)

    def _skip_client_info(self) -> None:
        source, revision = self._in, self._revision
        if not source.read(1)[0]:
            return
        for _ in range(3):
            source.text()  # initial user, query id, address
        # Start time, interface.
        source.skip(9 if revision >= 54449 else 1)
        for _ in range(3):
            source.text()  # user of the system, host, name of the client
        for _ in range(3):
            source.varint()  # version
        source.text()  # quota key
        if revision >= 54448:
            source.varint()  # depth
        source.varint()  # patch
        if revision >= 54442 and source.read(1)[0]:
            source.skip(24)  # trace and span
            source.text()
            source.skip(1)
        if revision >= 54453:
            for _ in range(3):
                source.varint()  # parallel replicas

    def _settings(self) -> Iterator[tuple[str, int, str]]:
        left, what = self._bounds.values, "the list of settings or parameters"
        while name := self._in.text(min(left, sizes.TEXT_BYTES), what):
            left -= len(name) + sizes.LISTED_EACH
            flags, value = self._in.varint(), self._in.text(left, what)
            left -= len(value)
            yield name, flags, value

    def _progress(
        self,
        rows: int,
        size: int,
        written: int = 0,
        bytes_written: int = 0,
        *,
        total: int = 0,
        elapsed_ns: int = 0,
    ) -> bytes:
        elapsed = (elapsed_ns,) if self._revision >= 54460 else ()
        return packet(_S_PROGRESS, rows, size, total, written, bytes_written, *elapsed)

    def _send_events(self) -> None:
        # clickhouse-driver waits for events after each block it sends; the engine counts none.
        if self._revision >= 54456:
            self._send(packet(_S_EVENTS, ""), self._block.header(()))

    def _send_block(self, pieces: list[bytes | memoryview], kind: int = _S_DATA) -> None:
        self._send(packet(kind, ""), *(frame(pieces) if self._compressed else pieces))

    def _send(self, *pieces: bytes | memoryview) -> None:
        with self._sending:
            self._socket.sendall(b"".join(pieces))


def _exception(fault: Fault) -> bytes:
    code = struct.pack("<i", fault.code)
    return packet(_S_EXCEPTION, code, "DB::Exception", fault.text, "", b"\0")


def _undumped(value: str) -> str:
    """A parameter without the extra quotes and escapes that clients send."""
    if len(value) > 1 and value[0] == value[-1] == "'":
        return _ESCAPED.sub(lambda each: _ESCAPES.get(each[1], each[1]), value[1:-1])
    return value


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "r": "\r", "n": "\n", "t": "\t", "0": "\0", "a": "\a", "v": "\v"}
