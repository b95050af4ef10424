"""Runs a client's statement on the engine, the same way for both protocols."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache

from infra.warehouse import gate as board
from infra.warehouse import sizes
from infra.warehouse._fault import (
    ACCESS_DENIED,
    QUERY_WAS_CANCELLED,
    READONLY,
    UNKNOWN_SETTING,
    Fault,
)
from infra.warehouse._sql import (
    Insert,
    marked_ids,
    parse_insert,
    single,
    statement_kind,
    tokens,
    without_format,
)
from infra.warehouse.access import User, Users
from infra.warehouse.engine import Counts, Engine, Session
from infra.warehouse.seats import BOARD_READING_S
from infra.warehouse.totals import PLAIN, Parts, parts
from infra.warehouse.wire import MemoryFile

_NO_SUCH_COLUMN = 16
_SHOWING = frozenset(("SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS"))
_READING = frozenset(("SELECT", "INSERT", "KILL", "USE", "SET", *_SHOWING))
_WRITING_WORDS = frozenset(("INSERT", "PARALLEL"))
"""With these even a statement that begins like a query can write: WITH … INSERT, USE … PARALLEL
WITH DROP …"""
_STREAMED = frozenset(
    """
    Native TSV TabSeparated TSVRaw TabSeparatedRaw CSV JSONEachRow NDJSON JSONLines
    JSONCompactEachRow JSONStringsEachRow RowBinary Null
    """.split()  # noqa: SIM905
)
"""Formats whose pieces can be joined; in the others the engine starts each piece from scratch."""
_READING_S = 30.0
"""A board's client may take so much longer to read its answer."""
_NOT_SENT = frozenset(("MATERIALIZED", "ALIAS", "EPHEMERAL"))


@dataclass(frozen=True)
class Question:
    """What a client sent.

    Args:
        text: the statement.
        query_id: the client's own; may be empty.
        settings: name, value, and whether the server must know it.
        parameters: values of `{name:Type}`, escaped as in TSV.
        format: of the answer, where the statement names none.
        read_only: it may change nothing, because it came by GET.
        parted: totals and extremes go apart from the rows, as in the native protocol.
    """

    text: str
    query_id: str
    settings: Sequence[tuple[str, str, bool]]
    parameters: Mapping[str, str]
    format: str
    read_only: bool = False
    parted: bool = False


class Desk:
    """What the server keeps for one client. Not thread-safe, except for `stop`."""

    def __init__(self, engine: Engine, users: Users, user: User, database: str) -> None:
        self._engine, self._users, self._user = engine, users, user
        self._database = database
        self._session: Session | None = None
        self._sql = self._kind = ""
        self._serial = 0
        self._stopped = False
        self._insert: Insert | None = None
        self._allowed: tuple[tuple[str, str], ...] = ()
        self._catalog = 0
        self._columns: dict[str, list[tuple[str, str, str]]] = {}
        self._brought: list[str] = []
        self._is_parted = False
        self._held: ExitStack | None = None
        """The turn of a board's statement, until its answer was sent."""
        self.parts = Parts(b"", b"", b"")
        """Totals and extremes of the last statement."""
        if user.is_board:
            self._database = board.database(user, database)
        elif database:
            self._session = Session(engine, user.name, database)

    @property
    def answer_s(self) -> float:
        """Seconds that a statement may take with its answer.

        A client that does not read would hold its turn for ever: the engine's own limit does not
        count while nobody takes a block.
        """
        return self._user.limits.get("max_execution_time", math.inf) + _READING_S

    @property
    def request_s(self) -> float:
        """Seconds that a request may take until all of it has come."""
        return BOARD_READING_S if self._user.is_board else math.inf

    @property
    def only_reads(self) -> bool:
        """Whether the last statement changes nothing, so that a part of it is no half-done work."""
        return self._kind == "SELECT" or self._kind in _SHOWING

    @property
    def bounds(self) -> sizes.Bounds:
        """The most that the client may send."""
        return sizes.BOARD if self._user.is_board else sizes.OWNER

    def prepare(self, question: Question) -> Insert | None:
        """Reads the statement; returns it when it is an INSERT whose rows the client sends.

        Raises:
            Fault: the statement or a setting is refused.
        """
        self._let_go()
        user = self._users.find(self._user.name)
        if user is None:
            raise Fault(ACCESS_DENIED, f"The user {self._user.name!r} is gone.")
        self._user, self._serial, self._insert = user, self._engine.serial(), None
        self._stopped = False
        settings = self._known(question.settings)
        self.parts = Parts(b"", b"", b"")
        self._is_parted = question.parted and self._has_parts(question.text, settings)
        if user.is_board:
            # The check asks the engine too, so it counts as a query that runs.
            self._hold()
            self._prepare_board(question, settings)
            return None
        self._kind = statement_kind(question.text)
        if question.read_only:
            # Not by the engine's `readonly`, which a session could never take back.
            words = {token.upper for token in tokens(question.text)}
            if self._kind not in _READING or words & _WRITING_WORDS:
                raise Fault(READONLY, "A statement that comes by GET may not write; use POST.")
        if self._session is None:
            self._session = Session(self._engine, user.name, self._database)
        self._session.configure({**settings, **PLAIN} if self._is_parted else settings)
        self._session.counts = Counts()
        if self._kind == "INSERT":
            insert = parse_insert(question.text)
            # Rows in the statement are no tokens; a semicolon in them ends nothing.
            self._sql = question.text if insert else single(question.text)
            if insert and question.text[insert.data_at :].strip(" \t\r\n;"):
                return None
            self._insert = insert
            return insert
        self._sql = marked_ids(single(question.text), self._kind)
        if self._kind == "SELECT":
            self._sql = without_format(self._sql)
        return None

    def ask(self, question: Question) -> Generator[bytes, None, None]:
        """Runs the statement that `prepare` read; yields pieces, in Native one block each.

        Only a SELECT in a simple format gives several pieces: the engine streams nothing else.

        Raises:
            Fault: the engine's, or too many queries of the user run already.
        """
        if self._user.is_board:
            self._hold()
            yield from self._asked(question)
        else:
            with self._turn():
                yield from self._asked(question)
        # A stream that is ended from outside ends as one does that is complete.
        self._go_on()

    def _asked(self, question: Question) -> Generator[bytes, None, None]:
        session = self._open()
        marks = {"mark_as": question.query_id, "serial": self._serial}
        if self._kind == "SELECT" and self._is_parted:
            listed = self._header(question, session)
            text = session.run(self._sql, "TSV", question.parameters, **marks)  # type: ignore[arg-type]
            self.parts = parts(self._engine, text, session.counts.result_rows, listed)
            if self.parts.rows:
                yield self.parts.rows
            return
        if self._kind == "SELECT" and question.format in _STREAMED:
            yield from session.stream(
                self._sql,
                question.format,
                question.parameters,
                **marks,  # type: ignore[arg-type]
            )
            return
        changes = self._kind not in _READING
        if changes:
            self._engine.changed()
        try:
            answer = session.run(
                self._sql,
                question.format,
                question.parameters,
                **marks,  # type: ignore[arg-type]
            )
        finally:
            if changes:
                self._engine.changed()
        if self._kind == "SET":
            session.remember_settings()
        elif self._kind == "USE":
            self._columns.clear()
            session.database = [token.name for token in tokens(self._sql)][-1]
        if answer:
            yield answer

    def columns(self, question: Question) -> list[tuple[str, str]]:
        """Names and types of the rows that an INSERT expects, or of an answer without rows."""
        session = self._open()
        if self._user.is_board:
            self._hold()  # what stands in brackets is computed for this too
        if self._insert is not None:
            return self._wanted(self._insert, question)
        if self._kind == "SELECT":
            return self._header(question, session)
        if self._kind in _SHOWING:
            again = session.run(self._sql, "JSONCompactEachRowWithNamesAndTypes")
            names, kinds = map(json.loads, again.splitlines()[:2])
            return list(zip(names, kinds, strict=True))
        return []

    def zoned(self, columns: Sequence[tuple[str, str]], question: Question) -> list[str | None]:
        """By column of a result, the type with its time zone if Native dropped it, else None."""
        if self._kind != "SELECT" or all(kind != "DateTime" for _, kind in columns):
            return []
        try:
            described = self._header(question)
        except Fault:  # a temporary table, which no other session knows
            return []
        return [
            full if kind == "DateTime" and full != kind else None
            for (_, kind), (_, full) in zip(columns, described, strict=True)
        ]

    def _header(self, question: Question, session: Session | None = None) -> list[tuple[str, str]]:
        """Names and types of the statement's result; asked in `session`, or in a separate one."""
        if self._user.is_board:
            parameters = tuple(question.parameters.items())
            short = sum(map(len, (self._sql, *sum(parameters, ())))) <= sizes.KEPT_CHARACTERS
            return (_columns_again if short else _columns_again.__wrapped__)(
                self._engine,
                self._engine.catalog,
                self._database,
                _for_header(self._allowed),
                self._sql,
                parameters,
            )
        if session is not None:
            return _columns(session, self._sql, question.parameters)
        # The engine drops a stream when its session runs another query.
        with closing(Session(self._engine, self._user.name, self._open().database)) as aside:
            return _columns(aside, self._sql, question.parameters)

    def store(self, question: Question, rows: MemoryFile, format_name: str) -> None:
        """Runs the INSERT that `prepare` returned, with `rows` as its rows."""
        assert self._insert is not None
        with self._turn():
            self._open().insert(
                self._insert,
                rows,
                format_name,
                question.parameters,
                mark_as=question.query_id,
                serial=self._serial,
            )

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The user's turn to run a query; an error where the client has left meanwhile."""
        user = self._user
        with self._users.running.turn(
            user.name, user.running, lambda: self._stopped, memory=user.memory
        ):
            self._go_on()
            yield

    def _hold(self) -> None:
        """Takes a turn, unless there is one, that lasts until `put_away`.

        An answer that is kept whole, or that waits for its reader, takes memory after its query has
        ended.
        """
        self._go_on()
        if self._held is None:
            with ExitStack() as held:
                held.enter_context(self._turn())
                self._held = held.pop_all()

    def _let_go(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _go_on(self) -> None:
        if self._stopped:
            raise Fault(QUERY_WAS_CANCELLED, "The query was cancelled.")

    @property
    def counts(self) -> Counts:
        """What the last statement has read and written so far."""
        return self._session.counts if self._session is not None else Counts()

    def bring(self, name: str, structure: str, rows: MemoryFile, format_name: str) -> None:
        """Gives the next statement a table of its client's, until `put_away`.

        Args:
            name: of the table.
            structure: its columns, as in CREATE TABLE.
            rows: its content.
            format_name: of `rows`.

        Raises:
            Fault: the client is a board, or the table cannot be made.
        """
        if self._user.is_board:
            raise Fault(ACCESS_DENIED, f"The user {self._user.name!r} may bring no tables.")
        if self._session is None:
            self._session = Session(self._engine, self._user.name, self._database)
        self._session.bring(name, structure, rows, format_name)
        self._brought.append(name)

    def put_away(self) -> None:
        """Drops the tables that came with the last statement, and ends its turn."""
        self._let_go()
        while self._brought:
            if self._session is not None:
                self._session.drop(self._brought.pop())

    @property
    def database(self) -> str:
        """The current database; the engine's `default` when empty."""
        return self._session.database if self._session is not None else self._database

    def use(self, database: str) -> None:
        """Makes `database` the current one."""
        self._columns.clear()
        if self._session is None:
            self._session = Session(self._engine, self._user.name, database)
        else:
            self._session.use(database)

    def stop(self) -> None:
        """Ends the running statement; may be called from any thread."""
        self._stopped = True
        self._users.running.wake()
        self._engine.kill(self._serial)

    def close(self) -> None:
        """Forgets the client's settings and temporary tables, and ends its turn."""
        self._let_go()
        self._end_session()

    def _end_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _open(self) -> Session:
        assert self._session is not None
        return self._session

    def _known(self, settings: Sequence[tuple[str, str, bool]]) -> dict[str, str]:
        known = {}
        for name, value, important in settings:
            if name in self._engine.settings:
                known[name] = value
            elif important:
                raise Fault(UNKNOWN_SETTING, f"Unknown setting {name!r}.")
        return known

    def _has_parts(self, sql: str, settings: Mapping[str, str]) -> bool:
        """Whether the answer may have totals or extremes."""
        lowered = sql.lower()
        if "totals" in lowered or "extremes" in lowered:
            return any(token.upper in ("TOTALS", "EXTREMES") for token in tokens(sql))
        remembered = self._session is not None and self._session.remembers("extremes")
        return remembered or settings.get("extremes", "0") not in ("0", "false")

    def _prepare_board(self, question: Question, settings: dict[str, str]) -> None:
        allowed = board.settings(self._user, settings, self._engine.timezone)
        allowed |= PLAIN if self._is_parted else {}
        board.checked_format(self._user, question.format)
        self._kind, self._sql = board.checked(
            self._engine, self._user, self._database, question.text
        )
        if self._kind == "USE":
            self._database = self._sql
            self._sql = f"USE `{self._database}`"
        # A new session for each statement: a read-only session can never change its limits.
        self._end_session()
        self._allowed = (*allowed.items(), ("readonly", "1"))
        self._session = Session(self._engine, self._user.name, self._database, dict(self._allowed))

    def _wanted(self, insert: Insert, question: Question) -> list[tuple[str, str]]:
        if self._catalog != self._engine.catalog:
            self._catalog = self._engine.catalog
            self._columns.clear()
        listed = self._columns.get(insert.table)
        if listed is None:
            described = self._open().run(
                f"DESCRIBE TABLE {insert.table}", "JSONCompactEachRow", question.parameters
            )
            rows = map(json.loads, described.splitlines())
            listed = [(name, kind, default) for name, kind, default, *_ in rows]
            self._columns[insert.table] = listed
        kinds = {name: kind for name, kind, _ in listed}
        names = insert.columns or [
            name
            for name, _, default in listed
            if default not in _NOT_SENT and name not in insert.every_but
        ]
        for name in names:
            if name not in kinds:
                raise Fault(_NO_SUCH_COLUMN, f"No such column {name} in table {insert.table}.")
        return [(name, kinds[name]) for name in names]


def _columns(session: Session, sql: str, parameters: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names and types of the result of a SELECT."""
    described = session.run(f"DESCRIBE TABLE ({sql}\n)", "JSONCompactEachRow", parameters)
    return [(name, kind) for name, kind, *_ in map(json.loads, described.splitlines())]


def _for_header(settings: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """A board's settings with the memory that there is for its header."""
    name, most = "max_memory_usage", sizes.HEADER_BYTES
    chosen = dict(settings)
    chosen[name] = str(min(most, int(chosen.get(name, most))))
    return tuple(chosen.items())


@lru_cache(maxsize=512)
def _columns_again(
    engine: Engine,
    catalog: int,
    database: str,
    settings: tuple[tuple[str, str], ...],
    sql: str,
    parameters: tuple[tuple[str, str], ...],
) -> list[tuple[str, str]]:
    """The same for a board's statement, cached until a table changes.

    A board asks every few seconds whether the figures stand still. The answer has no rows while
    they do not, and analysing the question a second time took a third of its duration. Board users
    have no temporary tables, so one text means the same to all of them (D-90).
    """
    del catalog
    with closing(Session(engine, "board", database, dict(settings))) as session:
        return _columns(session, sql, dict(parameters))
