"""Runs board queries: as the board user, bounded in time and rows, shared by many screens."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import clickhouse_driver
from clickhouse_driver.errors import Error as DriverError
from clickhouse_driver.errors import ServerException

from dashboards.server.frames import AnswerColumn, column
from dashboards.server.turns import CLIENT, Ticket, Turns
from schemas.errors import GulouError, Misconfigured, Refused, Unavailable

# The driver logs a traceback for each refused connection, and a reader can cause that without end.
# The reader gets the error as an answer.
logging.getLogger("clickhouse_driver.connection").setLevel(logging.CRITICAL)

T = TypeVar("T")

_KEPT: Final = 64 * 1024 * 1024
"""Bytes of answers that are kept for others; a wall's are about 100 kB."""
_CELL: Final = 64
"""Bytes of a value in memory, about."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """Address of a data source: the fields of the plugin's JSON that a reader needs.

    Connections and answers belong to the whole of it (D-125): a publisher chooses uids, so equal
    uids may stand for different users.

    Args:
        cafile: file of the certificates to trust if `secure`; empty trusts the usual ones. The
            plugin's own field holds the certificate's text, but the driver needs a file.
        settings: the data source's `customSettings`, sent with each query.
        note: said beside each of its answers.
    """

    uid: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    secure: bool = False
    cafile: str = ""
    dial_s: float = 10.0
    query_s: float = 60.0
    settings: tuple[tuple[str, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns of a result; `cut` when rows beyond the limit were left out."""

    columns: list[AnswerColumn]
    cut: bool

    @property
    def size(self) -> int:
        """Bytes, about."""
        return _CELL * sum(len(each.values) for each in self.columns)


def source(record: Mapping[str, Any], password: str) -> DataSource:
    """The address in a data source's stored JSON.

    Raises:
        Misconfigured: another plugin's data source, the HTTP protocol, or no host.
    """
    uid, kind = str(record["uid"]), record.get("type")
    if kind != "grafana-clickhouse-datasource":
        raise Misconfigured(
            f"data source {uid!r} is of type {kind!r}; this server queries ClickHouse only.",
            do="Give it the type grafana-clickhouse-datasource.",
        )
    data = record.get("jsonData") or {}
    host = data.get("host") or data.get("server")
    if not host or data.get("protocol", "native") != "native":
        raise Misconfigured(
            f"data source {uid!r} needs jsonData.host and the native protocol.",
            do="Set jsonData.host, jsonData.port and protocol native, then publish again.",
        )
    secure = bool(data.get("secure"))
    return DataSource(
        uid=uid,
        host=str(host),
        port=int(data.get("port") or (9440 if secure else 9000)),
        user=str(data.get("username") or "default"),
        password=password,
        database=str(data.get("defaultDatabase") or ""),
        secure=secure,
        cafile=str(data.get("tlsCACertFile") or ""),
        dial_s=float(data.get("dialTimeout") or data.get("timeout") or 10),
        query_s=float(data.get("queryTimeout") or 60),
        settings=tuple(
            (str(s["setting"]), str(s["value"])) for s in data.get("customSettings") or ()
        ),
    )


class Reader:
    """Runs SQL on data sources; one query at a time per distinct key, with a shared answer.

    Args:
        rows: rows kept of a result; `Answer.cut` reports that others were left out.
        seconds: maximum run time of a query, whatever the data source sets.
    """

    def __init__(self, rows: int, seconds: float) -> None:
        self.rows = rows
        self.seconds = seconds
        self.turns = Turns()
        self._threads = ThreadPoolExecutor(self.turns.at_once, thread_name_prefix="board-query")
        self._lock = threading.Lock()
        self._idle: dict[DataSource, list[clickhouse_driver.Client]] = {}
        self._shared: dict[object, _Shared] = {}
        self._kept: dict[object, int] = {}
        """Sizes of the answers that wait for others, oldest first."""

    async def shared(
        self, key: object, seconds: float, work: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        """Result of `work` for `key`, at most `seconds` old; all callers share one run.

        Callers share an error too: fifty walls must not query a struggling server fifty times.
        When all of them have left, the run is cancelled. Where a result has a `size`, the oldest
        are given up before all together are too large.

        Raises:
            Crowded: the caller's client has too many queries waiting.
        """
        loop = asyncio.get_running_loop()
        one = self._shared.get(key)
        if one is None or (one.ended is not None and loop.time() - one.ended > seconds):
            one = self._begun(key, seconds, work)
        elif one.ended is None:
            self.turns.join(one.ticket, CLIENT.get())
        one.waiting += 1
        try:
            # Shielded: a screen that disconnects must not cancel the query that others wait for.
            answer: T = await asyncio.shield(one.task)
        finally:
            one.waiting -= 1
            if not one.waiting and not one.task.done():
                one.task.cancel()
                self._drop(key, one)
        return answer

    def _begun(
        self, key: object, seconds: float, work: Callable[[], Coroutine[Any, Any, Any]]
    ) -> _Shared:
        ticket = self.turns.ticket(CLIENT.get())
        context = copy_context()
        context.run(_TICKET.set, ticket)
        task = asyncio.get_running_loop().create_task(work(), context=context)
        one = self._shared[key] = _Shared(task, ticket)
        task.add_done_callback(lambda _: self._keep(key, one, seconds))
        return one

    def _keep(self, key: object, one: _Shared, seconds: float) -> None:
        self.turns.drop(one.ticket)
        # Asked for the exception: else asyncio logs it when all screens have disconnected.
        done = not one.task.cancelled() and one.task.exception() is None
        loop = asyncio.get_running_loop()
        one.ended = loop.time()
        loop.call_later(seconds, self._drop, key, one)
        if self._shared.get(key) is not one:
            return
        self._kept.pop(key, None)
        self._kept[key] = getattr(one.task.result(), "size", 0) if done else 0
        while sum(self._kept.values()) > _KEPT:
            oldest = next(iter(self._kept))
            del self._kept[oldest], self._shared[oldest]

    def _drop(self, key: object, one: _Shared) -> None:
        if self._shared.get(key) is one:
            del self._shared[key]
            self._kept.pop(key, None)

    async def run(self, origin: DataSource, sql: str) -> Answer:
        """The answer of one query, in its client's turn; cancelled, the query ends in ClickHouse.

        Raises:
            Crowded: the client has too many queries waiting.
            Refused: ClickHouse refused the query; the message is ClickHouse's.
            Unavailable: ClickHouse does not answer.
        """
        ticket = _TICKET.get()
        if ticket is None or ticket.taken:
            ticket = self.turns.ticket(CLIENT.get())
        end = await self.turns.turn(ticket)
        going = _Going()
        loop = asyncio.get_running_loop()
        try:
            done = loop.run_in_executor(self._threads, self._run, origin, sql, going)
        except RuntimeError:  # the server stops
            end()
            raise

        def ended(done: asyncio.Future[Answer]) -> None:
            end()
            if not done.cancelled():
                done.exception()  # Nobody may be left who reads it.

        done.add_done_callback(ended)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            going.stop()
            raise

    def forget(self, uid: str) -> None:
        """Closes the connections of a data source that was changed or removed."""
        self._disconnect(lambda origin: origin.uid == uid)

    def close(self) -> None:
        """Closes every connection; running queries end."""
        self._threads.shutdown(cancel_futures=True)
        self._disconnect(lambda _: True)

    def _disconnect(self, which: Callable[[DataSource], bool]) -> None:
        with self._lock:
            old = [self._idle.pop(origin) for origin in list(self._idle) if which(origin)]
        for client in (client for clients in old for client in clients):
            client.disconnect()

    def _run(self, origin: DataSource, sql: str, going: _Going) -> Answer:
        client = self._taken(origin) or _client(origin, self.seconds)
        try:
            with going.over(client):
                answer = _answer(client, sql, self.rows)
        except ServerException as error:
            self._given_back(origin, client)
            raise Refused(_message(error)) from None
        except (DriverError, OSError, EOFError) as error:
            client.disconnect()
            raise Unavailable(
                f"ClickHouse at {origin.host}:{origin.port} does not answer "
                f"({type(error).__name__}).",
                do="See that it runs and that the data source's address is right.",
            ) from error
        except GulouError:
            client.disconnect()
            raise
        self._given_back(origin, client)
        return answer

    def _taken(self, origin: DataSource) -> clickhouse_driver.Client | None:
        """An idle connection, or None."""
        with self._lock:
            clients = self._idle.setdefault(origin, [])
            return clients.pop() if clients else None

    def _given_back(self, origin: DataSource, client: clickhouse_driver.Client) -> None:
        with self._lock:
            clients = self._idle.get(origin)
            if clients is not None:
                clients.append(client)
                return
        # The data source was forgotten while the query ran.
        client.disconnect()


@dataclass(eq=False, slots=True)
class _Shared:
    """One run that several callers wait for, and its result for a while."""

    task: asyncio.Task[Any]
    ticket: Ticket
    waiting: int = 0
    ended: float | None = None


_TICKET: Final[ContextVar[Ticket | None]] = ContextVar("ticket", default=None)
"""The place in the queues of the run that the current task does."""


class _Going:
    """A query that runs in a thread and may be ended by another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: clickhouse_driver.Client | None = None
        self._stopped = False

    @contextmanager
    def over(self, client: clickhouse_driver.Client) -> Iterator[None]:
        """While `client` is asked; connects it first, so that there is something to end.

        Raises:
            EOFError: it was stopped before it began.
        """
        if not client.connection.connected:
            client.connection.connect()
        with self._lock:
            if self._stopped:
                raise EOFError
            self._client = client
        try:
            yield
        finally:
            with self._lock:
                self._client = None

    def stop(self) -> None:
        """Hangs up: ClickHouse ends a query whose client is gone."""
        with self._lock:
            self._stopped = True
            connection = self._client.connection.socket if self._client else None
            if connection is not None:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def _client(origin: DataSource, ceiling_s: float) -> clickhouse_driver.Client:
    seconds = min(origin.query_s, ceiling_s)
    return clickhouse_driver.Client(
        origin.host,
        port=origin.port,
        user=origin.user,
        password=origin.password,
        database=origin.database,
        secure=origin.secure,
        ca_certs=origin.cafile or None,
        connect_timeout=origin.dial_s,
        # Longer than the maximum run time, so that ClickHouse's own message arrives first.
        send_receive_timeout=seconds + 5,
        client_name="gulou-boards",
        compression="lz4",
        settings={"max_execution_time": max(int(seconds), 1), **dict(origin.settings)},
    )


def _answer(client: clickhouse_driver.Client, sql: str, limit: int) -> Answer:
    # Counted here, not by max_result_rows: a board user with readonly=1 may not change that.
    stream = client.execute_iter(sql, with_column_types=True)
    head: list[tuple[str, str]] = next(stream, [])
    rows: list[tuple[Any, ...]] = []
    cut = False
    for row in stream:
        if len(rows) == limit:
            cut = True
            # Closing the connection stops the query on the server.
            client.disconnect()
            break
        rows.append(row)
    zone = _server_zone(client)
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(head)
    return Answer([column(n, t, c, zone) for (n, t), c in zip(head, cells, strict=True)], cut)


def _server_zone(client: clickhouse_driver.Client) -> ZoneInfo:
    info = client.connection.server_info
    try:
        return ZoneInfo(info.get_timezone() if info else "UTC")
    except (ZoneInfoNotFoundError, ValueError, TypeError):
        return ZoneInfo("UTC")


def _message(error: ServerException) -> str:
    text = str(error.message).partition("Stack trace:")[0].strip()
    return f"code: {error.code}, message: {text.removeprefix('DB::Exception: ')}"
