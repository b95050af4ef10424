"""The ClickHouse engine inside this process: one data folder, many sessions."""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import itertools
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Generator, Mapping
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import IO, Any, Final

from infra.warehouse._fault import SYNTAX_ERROR, TOO_MANY_SIMULTANEOUS_QUERIES, Fault, from_engine
from infra.warehouse._sql import Insert, mark
from infra.warehouse.wire import MemoryFile
from schemas.errors import Misconfigured

log = logging.getLogger(__name__)

_ASKING_S: Final = 10.0
"""Longest wait for the check of another statement; one takes milliseconds."""
_MOST_ASKING: Final = 16
"""Sessions that check statements; beyond as many users, some share one."""
_READABLE: Final = {"max_parser_backtracks": "10000", "max_parser_depth": "200"}
"""Of a statement that is checked. The largest panel needs a tenth and a quarter of it; by default
brackets in brackets keep the parser busy for a minute, and no limit of time ends that."""
_SERVER: Final = {
    # Two cores, shared with Kafka and a worker.
    "background_pool_size": 2,
    "background_merges_mutations_concurrency_ratio": 2,
    "background_schedule_pool_size": 4,
    # Threads without work: by default a thousand stay for ever, each with memory of its own, and
    # one clearing of merged parts alone starts over a hundred (D-123).
    "max_thread_pool_free_size": 32,
    "max_parts_cleaning_thread_pool_size": 2,
    "max_active_parts_loading_thread_pool_size": 2,
    "max_outdated_parts_loading_thread_pool_size": 2,
    "max_unexpected_parts_loading_thread_pool_size": 2,
    "database_catalog_drop_table_concurrency": 2,
    # The process may take 2 GB; allocator, code and Python need their share.
    "max_server_memory_usage": 1_500_000_000,
    # Ignore the memory of other processes in the container or on the machine: because of a large
    # browser, the engine would refuse inserts and return every freed page at once.
    "memory_worker_use_cgroup": 0,
    "memory_worker_dynamic_hard_limit": 0,
    "mark_cache_size": 64 << 20,
    "primary_index_cache_size": 64 << 20,
    "index_mark_cache_size": 16 << 20,
    "compiled_expression_cache_size": 16 << 20,
    "query_condition_cache_size": 16 << 20,
    "uncompressed_cache_size": 0,
    "mmap_cache_size": 0,
}
_PINNED: Final = {
    # One INSERT is one block, stored or refused as a whole before it is answered.
    "async_insert": "0",
    "insert_deduplicate": "1",
    "max_insert_threads": "1",
    # By default each thread of a query needs 1 GB of free memory, and this process may take 1.5 GB
    # in all: only one of two cores would read (D-89).
    "max_threads_min_free_memory_per_thread": "0",
    # The engine as a library is more lenient than the server: `SELEC` would be a column.
    "implicit_select": "0",
    "allow_introspection_functions": "0",
    # DESCRIBE breaks a long type into lines, which no client can parse.
    "print_pretty_type_names": "0",
}


class Engine:
    """The engine on one data folder; at most one per process, and one process per folder.

    Args:
        data: folder of the databases; made when missing.
        timezone: zone sent to clients; TZ must have it before this module is imported.

    Raises:
        Misconfigured: another process works on `data`.
    """

    def __init__(self, data: Path, *, timezone: str) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._lock_file = _locked(data)
        self.timezone = timezone
        options = "&".join(f"{name}={value}" for name, value in _SERVER.items())
        self._address = f"{data.absolute()}?{options}"
        self._control_lock, self._asked_lock = threading.Lock(), threading.Lock()
        self._kill_lock = threading.Lock()
        self._to_kill: set[int] = set()
        self._serials = itertools.count(1)
        self.catalog = 0
        """Counts changes of tables; a cached answer is valid for one count."""
        # Apart: a question that takes long must not keep queries from being ended, and a statement
        # that is checked neither the statements of other users nor the server's own questions.
        self._control = Session(self, "control")
        self._asking = _Asking(self)
        self._asking_for: dict[str, _Asking] = {}
        version, names = self.ask(
            "SELECT version(), arraySort(groupArray(name)) FROM system.settings"
        )[0]
        self.version = version
        self.settings = frozenset(names.strip("[]").replace("'", "").split(","))

    def connect(self) -> Any:
        """A connection of the engine's own API."""
        return _library.connect(self._address)

    def serial(self) -> int:
        """A number that no query of this process had before."""
        return next(self._serials)

    def kill(self, serial: int) -> None:
        """Ends the query of that number, if it runs; does not wait for it.

        One statement ends all that are to be ended by then: a crowd that leaves holds nobody up.
        """
        with self._kill_lock:
            self._to_kill.add(serial)
        with self._control_lock:
            with self._kill_lock:
                serials, self._to_kill = self._to_kill, set()
            if serials:
                marked = " OR ".join(f"startsWith(query, '/*{each} ')" for each in sorted(serials))
                self._control.run(f"KILL QUERY WHERE {marked} ASYNC", "Null", mark_as="")

    def ask(self, sql: str, **parameters: str) -> list[list[str]]:
        """Runs a query of the server itself; returns rows of texts.

        Raises:
            Fault: the engine's, or others have been asking for too long.
        """
        return self._asking.ask(sql, parameters)

    def ask_for(self, user: str, sql: str, **parameters: str) -> list[list[str]]:
        """Runs a query that reads what `user` has sent; only that user waits while it takes long.

        Raises:
            Fault: the engine's, or the user's others have been asking for too long.
        """
        with self._asked_lock:
            if user not in self._asking_for:
                taken = list(self._asking_for.values())
                full = len(taken) >= _MOST_ASKING
                shared = taken[len(taken) % _MOST_ASKING] if full else _Asking(self, _READABLE)
                self._asking_for[user] = shared
            asking = self._asking_for[user]
        return asking.ask(sql, parameters)

    def changed(self) -> None:
        """Records that tables may have changed."""
        self.catalog += 1

    def close(self) -> None:
        """Ends everything that runs; acknowledged rows are on disk already."""
        for asking in {self._asking, *self._asking_for.values()}:
            asking.close()
        with self._control_lock:
            self._control.close()
        self._lock_file.close()


class _Asking:
    """A session for short questions, one at a time."""

    def __init__(self, engine: Engine, settings: Mapping[str, str] | None = None) -> None:
        self.lock = threading.Lock()
        self._session = Session(engine, "asking", settings=settings)

    def ask(self, sql: str, parameters: Mapping[str, str]) -> list[list[str]]:
        if not self.lock.acquire(timeout=_ASKING_S):
            raise Fault(
                TOO_MANY_SIMULTANEOUS_QUERIES,
                f"Statements have waited {_ASKING_S:g} s for their check.",
                do="Ask again.",
            )
        try:
            escaped = {name: _escaped(value) for name, value in parameters.items()}
            answer = self._session.run(sql, "TSVRaw", escaped, mark_as="").decode()
        finally:
            self.lock.release()
        return [line.split("\t") for line in answer.splitlines()]

    def close(self) -> None:
        with self.lock:
            self._session.close()


class Counts:
    """What a statement has read and written so far.

    Args:
        began: of `time.monotonic_ns`.
    """

    def __init__(self, began: int = 0) -> None:
        self._began = began
        self.read_rows = self.read_bytes = 0
        """Read from tables, functions and files."""
        self.result_rows = self.result_bytes = 0
        self.written_rows = self.written_bytes = 0
        """Including those into views."""
        self.elapsed_ns = 0

    def add(self, result: Any) -> None:
        """Counts a result of the engine, or a piece of one."""
        self.read_rows += result.storage_rows_read()
        self.read_bytes += result.storage_bytes_read()
        self.result_rows += result.rows_read()
        self.result_bytes += result.bytes_read()
        self.written_rows += result.rows_written()
        self.written_bytes += result.bytes_written()
        self.elapsed_ns = time.monotonic_ns() - self._began


class Session:
    """Settings, a current database and temporary tables of one client. Not thread-safe.

    Args:
        engine: the engine it belongs to.
        user: shown beside its queries.
        database: current database; the engine's `default` when empty.
        settings: for the whole session; after `readonly = 1` none can change.
    """

    def __init__(
        self,
        engine: Engine,
        user: str,
        database: str = "",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._engine, self._user = engine, user
        self._connection: Any = engine.connect()
        self._base: dict[str, str] = dict(_PINNED)
        self._applied: dict[str, str] = {}
        self.counts = Counts()
        """Of the last statement; while it streams, up to the last piece."""
        self.database = ""
        """The current one; the engine's `default` when empty."""
        if database:
            self.use(database)
        self._set({**self._base, **(settings or {})})

    def use(self, database: str) -> None:
        """Makes `database` the current one."""
        self.run(f"USE {identifier(database)}", "Null")
        self.database = database

    def configure(self, settings: Mapping[str, str]) -> None:
        """Applies `settings` to the following statements and resets those of the previous call.

        Raises:
            Fault: a value is refused.
        """
        if settings == self._applied:
            return
        gone = self._applied.keys() - settings.keys()
        back = {name: self._base[name] for name in gone if name in self._base}
        defaults = [f"{name} = DEFAULT" for name in gone if name not in self._base]
        if defaults:
            self._plain(f"SET {', '.join(defaults)}")
        self._set(back)
        self._applied = {name: value for name, value in self._applied.items() if name not in gone}
        self._set(settings)
        self._applied = dict(settings)

    def run(
        self,
        sql: str,
        format_name: str,
        parameters: Mapping[str, str] | None = None,
        *,
        mark_as: str | None = None,
        serial: int = 0,
    ) -> bytes:
        """Runs a statement to its end; returns its whole result.

        Args:
            sql: one statement.
            format_name: of the result, where the statement names none.
            parameters: values of `{name:Type}`, escaped as in TSV.
            mark_as: query id to show beside it; None shows the engine's own.
            serial: number to `kill` it by.
        """
        comment = "" if mark_as is None else mark(serial, mark_as, self._user)
        began = time.monotonic_ns()
        try:
            result = self._open().query(
                _sent(comment + sql), format_name, params=_texts(parameters)
            )
            content: bytes = result.bytes()
        except (RuntimeError, UnicodeDecodeError) as error:
            raise from_engine(error, len(comment)) from None
        self.counts = Counts(began)
        self.counts.add(result)
        return content

    def stream(
        self,
        sql: str,
        format_name: str,
        parameters: Mapping[str, str] | None = None,
        *,
        mark_as: str = "",
        serial: int = 0,
    ) -> Generator[bytes, None, None]:
        """Runs a SELECT; yields its result piece by piece, a block each.

        Closing the iterator early ends the query.
        """
        comment = mark(serial, mark_as, self._user)
        connection = self._open()
        self.counts = counts = Counts(time.monotonic_ns())
        try:
            result = connection.send_query(
                _sent(comment + sql), format_name, params=_texts(parameters)
            )
        except (RuntimeError, UnicodeDecodeError) as error:
            raise from_engine(error, len(comment)) from None
        ended = False
        try:
            while True:
                piece = connection.streaming_fetch_result(result)
                content = piece.bytes()
                counts.add(piece)
                if not content:
                    ended = True
                    return
                yield content
        except (RuntimeError, UnicodeDecodeError) as error:
            ended = True
            raise from_engine(error, len(comment)) from None
        finally:
            if not ended:
                self._engine.kill(serial)
                connection.streaming_cancel_query(result)

    def insert(
        self,
        insert: Insert,
        rows: MemoryFile,
        format_name: str,
        parameters: Mapping[str, str],
        *,
        mark_as: str = "",
        serial: int = 0,
    ) -> None:
        """Stores `rows` as one INSERT, all of it or nothing; returns when it is stored.

        Does not use the engine's own streaming insert: that reports success even when a constraint,
        a view or KILL QUERY stopped the insert.
        """
        rows.seal()
        sql = insert.from_file(rows.path, format_name)
        self.run(sql, "Null", parameters, mark_as=mark_as, serial=serial)

    def bring(self, name: str, structure: str, rows: MemoryFile, format_name: str) -> None:
        """Makes a temporary table of rows that a client sent beside its query.

        Args:
            name: of the table.
            structure: its columns, as in CREATE TABLE.
            rows: its content.
            format_name: of `rows`.

        Raises:
            Fault: there is a table of that name, or the rows do not fit; then there is none of it.
        """
        self.run(f"CREATE TEMPORARY TABLE {identifier(name)} ({structure})", "Null")
        if not rows.size:
            return
        rows.seal()
        try:
            self.run(
                f"INSERT INTO {identifier(name)} FROM INFILE '{rows.path}' COMPRESSION 'none' "
                f"FORMAT {format_name}",
                "Null",
            )
        except Fault:
            self.drop(name)
            raise

    def drop(self, name: str) -> None:
        """Drops a temporary table, if there is one of that name."""
        self.run(f"DROP TEMPORARY TABLE IF EXISTS {identifier(name)}", "Null")

    def remembers(self, setting: str) -> bool:
        """Whether the client has changed this setting by a SET statement."""
        return setting in self._base

    def remember_settings(self) -> None:
        """Keeps what a SET statement of the client has changed."""
        # One row, because the client may have limited the rows of its results.
        sql = "SELECT groupArray([name, value]) FROM system.settings WHERE changed"
        (changed,) = json.loads(self.run(sql, "JSONCompactEachRow"))
        self._base = {name: value for name, value in self._base.items() if name in self._applied}
        self._base |= {name: value for name, value in changed if name not in self._applied}

    def close(self) -> None:
        """Forgets settings and temporary tables."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> Any:
        # The engine's own object crashes the process when used after close().
        if self._connection is None:
            raise Fault(SYNTAX_ERROR, "The session is closed.")
        return self._connection

    def _set(self, settings: Mapping[str, str]) -> None:
        if settings:
            pairs = (f"{name} = {_literal(value)}" for name, value in settings.items())
            self._plain(f"SET {', '.join(pairs)}")

    def _plain(self, sql: str) -> None:
        self.run(sql, "Null")


def _loaded() -> Any:
    """The engine's compiled library, without the Python package around it.

    Importing the package starts an engine in /tmp, whose threads would be there before the process
    is confined, and takes 100 MB and half a second.
    """
    package = importlib.util.find_spec("chdb")
    assert package is not None and package.submodule_search_locations is not None
    (file,) = Path(package.submodule_search_locations[0]).glob("_chdb*.so")
    if sys.platform == "linux":
        # As the package does: the library must use its own allocator, not one loaded before it.
        ctypes.CDLL(str(file), mode=sys.getdlopenflags() | os.RTLD_DEEPBIND)
    loader = ExtensionFileLoader("chdb._chdb", str(file))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


_library: Final = _loaded()


def _locked(data: Path) -> IO[str]:
    file = (data / "lock").open("w")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Misconfigured(
            f"Another ClickHouse works on {str(data)!r}.",
            do="Stop it first (gulou down), or set GULOU_HOME to another folder.",
        ) from None
    return file


def identifier(name: str) -> str:
    """A name as an identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _sent(text: str) -> bytes:
    """A text as the client's bytes, which need not be UTF-8."""
    return text.encode(errors="surrogateescape")


def _texts(parameters: Mapping[str, str] | None) -> dict[str, str]:
    """Parameters, which the engine takes as UTF-8 only: other bytes become escapes, as in TSV."""
    return {
        name: _NO_UTF8.sub(lambda each: f"\\x{ord(each[0]) - 0xDC00:02x}", value)
        for name, value in (parameters or {}).items()
    }


_NO_UTF8 = re.compile("[\udc80-\udcff]")


def _escaped(value: str) -> str:
    """A text as the value of a parameter: escaped as in TSV."""
    return (
        value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    )
