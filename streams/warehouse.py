"""ClickHouse as the worker sees it: positions, the fence, repair, insert.

The tables themselves say how far each partition is stored and each projection has come; nothing
else does. Whoever wants to insert first claims: a fresh token shuts out every other worker, what
still runs is killed, and only then positions are read. After any error the claim is made anew.

Synchronous and used from one thread at a time.
"""

from __future__ import annotations

import ipaddress
import logging
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_type_hints

import numpy as np
from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors

from schemas import names
from schemas.errors import Halted, Unavailable
from schemas.family import Family
from schemas.projections import HI, Projection
from schemas.sql.tables import Layout, event_columns
from schemas.sql.targets import select, target
from streams.chunks import Position
from streams.identities import Hashes
from streams.ingest import Identity, Rows, StoredEvent

log = logging.getLogger(__name__)

REPAIR_SPAN: Final = 100_000  # offsets a repair covers at once: one batch, one block, one part
_COUNTED: Final = "status IN ('ok', 'orphan')"
_MUTATIONS_S, _MUTATIONS_POLL_S = 20.0, 0.05
# What can throw in a view is content; these say that the server, not an event, is at fault.
_TRANSIENT: Final = frozenset({159, 160, 202, 209, 210, 241, 242, 243, 252, 319, 394, 469, 999})
_INSERT_SETTINGS: Final = {
    "async_insert": 0,
    "insert_deduplicate": 0,
    "materialized_views_ignore_errors": 0,
    "parallel_view_processing": 0,
    "max_insert_threads": 1,
    "insert_block_size": 1_048_576,
    "min_insert_block_size_rows": 10_000_000,
    "min_insert_block_size_bytes": 0,
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where ClickHouse is; `options` go to clickhouse-driver as they are (TLS, timeouts)."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def compression(self) -> str | bool:
        """As clickhouse-driver takes it; none on this machine, where nothing travels."""
        # Packing, hashing and unpacking are a sixth of what an event costs.
        try:
            near = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            near = self.host == "localhost"
        return False if near else "lz4"

    def connect(self, **settings: Any) -> Client:
        """A client; clickhouse-driver connects at the first query."""
        return Client(
            self.host,
            self.port,
            user=self.user,
            password=self.password,
            settings={"insert_block_size": 1_048_576, **settings},
            compression=self.compression,
            **{"send_receive_timeout": 120, **self.options},
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """Ownership of partitions: the token inserts must carry, and the last offset stored of each.

    `awaited` holds, per topic, the originals that stored corrections still wait for.
    """

    token: int
    stored: Mapping[Position, int]
    awaited: Mapping[str, set[Identity]]


@dataclass(frozen=True, slots=True)
class Poison:
    """An event that a view cannot digest and that is made dead, with the server's message."""

    topic: str
    kpart: int
    offset: int
    logged: int
    payload: bytes
    reason: str


Bury = Callable[[Sequence[Poison]], None]
"""Sends poison to the dead letters; returns when they are safe there."""


class ClickHouseStore:
    """One connection to ClickHouse and the operations the worker needs of it."""

    def __init__(self, address: Address, families: Sequence[Family], layout: Layout) -> None:
        self._client = address.connect()
        self._families = {family.topic: family for family in families}
        self._layout = layout
        self._columns = ", ".join(f"`{c.name}`" for c in event_columns(layout.zone))

    def close(self) -> None:
        """Closes the connection."""
        self._client.disconnect()

    def claim(self, positions: Iterable[Position], bury: Bury) -> Claim:
        """Shuts out every other worker from `positions`, repairs, and says where they stand.

        Args:
            positions: what to own.
            bury: called with events that a view cannot digest before they are made dead, so that
                no crash can lose their letters.

        Raises:
            Unavailable: ClickHouse does not answer, or refuses for a passing reason.
            Halted: a projection cannot be repaired.
        """
        wanted = sorted(positions)
        token = secrets.randbits(63) | 1
        try:
            if wanted:
                self._execute(
                    f"INSERT INTO {self._table(names.OWNER_TABLE)} (topic, kpart, tok) VALUES",
                    [(topic, kpart, token) for topic, kpart in wanted],
                )
                self._kill(wanted)
            stored: dict[Position, int] = dict.fromkeys(wanted, -1)
            awaited: dict[str, set[Identity]] = {topic: set() for topic, _ in wanted}
            for topic in awaited:
                kparts = [kpart for name, kpart in wanted if name == topic]
                self._await_mutations(topic)
                stored |= self._stored(topic, kparts)
                self._repair(topic, kparts, stored, token, bury)
                awaited[topic].update(self._orphans(topic, kparts))
        except driver_errors.ServerException as error:
            if error.code in _TRANSIENT:
                raise Unavailable(_says(error), do="The claim is made again.") from error
            raise
        return Claim(token, stored, awaited)

    def insert(self, rows: Rows, token: int) -> None:
        """Stores rows and feeds every projection: one INSERT, one block.

        When this returns, all of it is stored. When it raises, some of it may be: claim anew.

        Raises:
            Unavailable: anything went wrong; the server's message, never the rows.
        """
        rows.columns["tok"] = [token] * len(rows)
        table = self._table(names.events_table(rows.topic))
        try:
            self._client.execute(
                f"INSERT INTO {table} ({self._columns}) VALUES",
                list(rows.columns.values()),
                columnar=True,
                query_id=_query_id(rows.topic, rows.kparts),
                settings=_INSERT_SETTINGS,
            )
        except (driver_errors.Error, OSError, EOFError) as error:
            self._client.disconnect()
            raise Unavailable(
                f"An insert of {len(rows)} rows into {table} did not end well: {_says(error)}",
                do="The partitions are claimed again and the rows re-read.",
            ) from error

    def related(
        self, topic: str, identities: set[Identity], roots: set[Identity]
    ) -> list[StoredEvent]:
        """Counted rows that bear one of the ids, and corrections of the roots.

        Ids are compared without their source, so there may be others too.
        """
        wanted = identities | roots
        if not wanted:
            return []
        kparts = sorted({kpart for kpart, *_ in wanted})
        values = {"ids": sorted({id_ for *_, id_ in wanted})}
        queries = [self._counted_rows(topic, kparts, "id IN %(ids)s")]
        if roots:
            # Two queries, not one with OR: each is cut down by the index of its own column.
            values["roots"] = sorted({id_ for *_, id_ in roots})
            queries.append(self._counted_rows(topic, kparts, "corrects IN %(roots)s"))
        found = self._execute(
            " UNION ALL ".join(queries),
            values,
            # A whole batch may be suspect, and its ids stand in the text of the query.
            settings={"strings_as_bytes": True, "max_query_size": 64 * 1024 * 1024},
        )
        return [_stored_row(row) for row in found]

    def identities(self, topic: str, kpart: int, after: int) -> Hashes:
        """Hashes of the identities counted in a partition after an offset."""
        table = self._table(names.events_table(topic))
        rows = self._execute(
            f"SELECT xxh3(concat(source, '\\0', id)) FROM {table} "
            f"WHERE kpart = {kpart} AND koff > {after} AND {_COUNTED}",
            columnar=True,
        )
        return np.asarray(rows[0] if rows else [], np.uint64)

    def beat(self, beats: Sequence[tuple[str, int, int, int, int, int]]) -> None:
        """Writes heartbeats, in the order of the table's columns; instants in ms since 1970.

        Raises:
            Unavailable: ClickHouse does not answer, or refuses.
        """
        table = self._table(names.HEARTBEAT_TABLE)
        try:
            self._execute(f"INSERT INTO {table} VALUES", beats)
        except driver_errors.Error as error:
            self._client.disconnect()
            raise Unavailable(
                f"No heartbeat could be written: {_says(error)}", do="The next one is tried."
            ) from error

    def _counted_rows(self, topic: str, kparts: Sequence[int], condition: str) -> str:
        columns = ", ".join(_READ_AS.get(name, name) for name in StoredEvent._fields)
        return (
            f"SELECT {columns} FROM {self._table(names.events_table(topic))} "
            f"WHERE kpart IN ({', '.join(map(str, kparts))}) AND {condition} AND {_COUNTED}"
        )

    def _stored(self, topic: str, kparts: Sequence[int]) -> dict[Position, int]:
        table = self._table(names.events_table(topic))
        rows = self._execute(
            f"SELECT kpart, max(koff) FROM {table} WHERE kpart IN %(kparts)s GROUP BY kpart",
            {"kparts": kparts},
        )
        return {(topic, kpart): offset for kpart, offset in rows}

    def _orphans(self, topic: str, kparts: Sequence[int]) -> list[Identity]:
        table = self._table(names.events_table(topic))
        rows: list[Identity] = self._execute(
            f"SELECT DISTINCT kpart, source, corrects FROM {table} "
            "WHERE kpart IN %(kparts)s AND status = 'orphan'",
            {"kparts": kparts},
        )
        return rows

    def _kill(self, positions: Sequence[Position]) -> None:
        """Ends every insert and repair that touches one of `positions`, and waits until it has.

        Reading positions before this would miss rows of an insert that passed the fence just
        before the token changed and is stored just after.
        """
        wanted = [_mark(topic, kpart) for topic, kpart in positions]
        self._execute(
            "KILL QUERY WHERE startsWith(query_id, %(prefix)s) "
            "AND hasAny(splitByChar('.', query_id), %(wanted)s) SYNC",
            {"prefix": _PREFIX, "wanted": wanted},
        )

    def _await_mutations(self, topic: str) -> None:
        """Waits for what an earlier owner was still deleting or updating when it ended.

        A mutation outlives its worker and a kill of the server. Marks read before it is done would
        be of figures that it is about to take away.
        """
        family = self._families[topic]
        tables = [names.events_table(topic), *(target(family, p) for p in family.projections)]
        deadline = time.monotonic() + _MUTATIONS_S
        while rows := self._execute(
            "SELECT table, latest_fail_reason FROM system.mutations "
            "WHERE database = %(database)s AND table IN %(tables)s AND NOT is_done "
            "AND NOT is_killed",
            {"database": self._layout.database, "tables": tables},
        ):
            if time.monotonic() > deadline:
                table, reason = rows[0]
                raise Unavailable(
                    f"A change of {table} begun by an earlier worker is not done after "
                    f"{_MUTATIONS_S:g} s: {reason[:200] or 'it still runs'}.",
                    do="The claim is made again; see system.mutations.",
                )
            time.sleep(_MUTATIONS_POLL_S)

    def _repair(
        self,
        topic: str,
        kparts: Sequence[int],
        stored: Mapping[Position, int],
        token: int,
        bury: Bury,
    ) -> None:
        """Brings every projection up to what is stored of each partition."""
        family, unfinished = self._families[topic], self._unfinished(topic)
        for projection in family.projections:
            name = target(family, projection)
            marks = self._marks(family, projection, kparts)
            for kpart in kparts:
                mark, top = marks.get(kpart, -1), stored[topic, kpart]
                anew = (name, kpart) in unfinished
                if mark > top:
                    # The events part was lost with the power, the projection's was not.
                    log.warning("%s is ahead of its events; rebuilt", name)
                    anew = True
                if anew:
                    self._empty(family, projection, kpart, token)
                    mark = -1
                while mark < top:
                    upto = min(top, mark + REPAIR_SPAN)
                    try:
                        self._project(family, projection, kpart, mark, upto, token)
                    except driver_errors.ServerException as error:
                        if error.code in _TRANSIENT:
                            raise
                        self._poison(family, projection, kpart, mark, upto, error, token, bury)
                        # Every projection of the partition is to be made anew: begin again.
                        self._repair(topic, kparts, stored, token, bury)
                        return
                    log.info(
                        "repaired %s for offsets %d to %d of %s@%d",
                        *(name, mark + 1, upto, topic, kpart),
                    )
                    mark = upto
                if anew:
                    self._note_rebuild(family, projection, kpart, token, pending=False)

    def _unfinished(self, topic: str) -> set[tuple[str, int]]:
        """Targets and partitions that were being made anew when a worker ended."""
        family = self._families[topic]
        rows = self._execute(
            f"SELECT target, kpart FROM {self._table(names.REBUILDS_TABLE)} FINAL "
            "WHERE pending AND target IN %(targets)s",
            {"targets": [target(family, projection) for projection in family.projections]},
        )
        return set(rows)

    def _note_rebuild(
        self, family: Family, projection: Projection, kpart: int, token: int, *, pending: bool
    ) -> None:
        """Remembers that a projection of a partition is being made anew, or that it has been.

        Emptying is a mutation, which is neither atomic nor ended by a kill: whatever happens in
        between, the next owner empties and fills it again.
        """
        self._execute(
            f"INSERT INTO {self._table(names.REBUILDS_TABLE)} "
            f"SELECT '{target(family, projection)}', {kpart}, {pending}, {time.time_ns()} "
            f"WHERE {self._owns(family.topic, str(kpart), token)}"
        )

    def _owns(self, topic: str, kpart: str, token: int) -> str:
        """The condition that keeps a worker out that no longer owns the partition."""
        owner = f"{self._layout.database}.{names.OWNER_TABLE}"
        return f"joinGet('{owner}', 'tok', '{topic}', toUInt16({kpart})) = {token}"

    def _marks(
        self, family: Family, projection: Projection, kparts: Sequence[int]
    ) -> dict[int, int]:
        table = self._table(target(family, projection))
        rows = self._execute(
            f"SELECT kpart, max({HI}) FROM {table} WHERE kpart IN %(kparts)s GROUP BY kpart",
            {"kparts": kparts},
        )
        return dict(rows)

    def _project(
        self, family: Family, projection: Projection, kpart: int, after: int, upto: int, token: int
    ) -> None:
        owned = f"{_span(kpart, after, upto)} AND {self._owns(family.topic, 'kpart', token)}"
        self._execute(
            f"INSERT INTO {self._table(target(family, projection))} "
            + self._query(family, projection, owned),
            query_id=_query_id(family.topic, [kpart]),
            settings=_INSERT_SETTINGS,
        )

    def _poison(
        self,
        family: Family,
        projection: Projection,
        kpart: int,
        after: int,
        upto: int,
        error: driver_errors.ServerException,
        token: int,
        bury: Bury,
    ) -> None:
        """Finds the events of a range that a view cannot digest and makes them dead.

        Their rows keep position, bytes and hash; only status, reason, data and net change. Every
        projection of the partition is left to be made anew.
        """
        offsets = tuple(self._culprits(family, projection, kpart, after, upto))
        if not offsets:
            raise Halted(
                f"{target(family, projection)} cannot be repaired for offsets {after + 1} to "
                f"{upto} of {family.topic}@{kpart}, though each alone can: {_says(error)}",
                do="Mend the view, then start the worker again.",
            ) from error
        reason = f"projection: {target(family, projection)}: {_says(error)}"[:400]
        table = self._table(names.events_table(family.topic))
        found = self._execute(
            f"SELECT koff, toUnixTimestamp64Milli(logged), payload FROM {table} "
            f"WHERE kpart = {kpart} AND koff IN %(offsets)s",
            {"offsets": offsets},
            settings={"strings_as_bytes": True},
        )
        bury([Poison(family.topic, kpart, o, logged, load, reason) for o, logged, load in found])
        for each in family.projections:
            self._note_rebuild(family, each, kpart, token, pending=True)
        self._execute(
            f"ALTER TABLE {table} "
            "UPDATE status = 'dead', reason = %(reason)s, data = '', net = '' "
            f"WHERE kpart = {kpart} AND koff IN %(offsets)s "
            f"AND {self._owns(family.topic, 'kpart', token)}",
            {"reason": reason, "offsets": offsets},
            settings={"mutations_sync": 2},
        )
        if not self._execute(f"SELECT {self._owns(family.topic, str(kpart), token)}")[0][0]:
            # Nothing was changed, and to try again would go on for ever.
            raise Unavailable(
                f"{family.topic}@{kpart} belongs to another worker now.",
                do="The claim is made again.",
            )

    def _culprits(
        self, family: Family, projection: Projection, kpart: int, after: int, upto: int
    ) -> list[int]:
        if self._digests(family, projection, kpart, after, upto):
            return []
        if upto - after == 1:
            return [upto]
        middle = (after + upto) // 2
        return self._culprits(family, projection, kpart, after, middle) + self._culprits(
            family, projection, kpart, middle, upto
        )

    def _digests(
        self, family: Family, projection: Projection, kpart: int, after: int, upto: int
    ) -> bool:
        query = self._query(family, projection, _span(kpart, after, upto))
        try:
            self._execute(f"SELECT ignore(*) FROM ({query}) FORMAT Null")
        except driver_errors.ServerException as error:
            if error.code in _TRANSIENT:
                raise
            return False
        return True

    def _empty(self, family: Family, projection: Projection, kpart: int, token: int) -> None:
        self._note_rebuild(family, projection, kpart, token, pending=True)
        self._execute(
            f"ALTER TABLE {self._table(target(family, projection))} DELETE WHERE kpart = {kpart} "
            f"AND {self._owns(family.topic, 'kpart', token)}",
            settings={"mutations_sync": 2},
        )

    def _query(self, family: Family, projection: Projection, where: str) -> str:
        return select(
            family, projection, self._layout.zone, database=self._layout.database, where=where
        )

    def _table(self, name: str) -> str:
        return f"`{self._layout.database}`.`{name}`"

    def _execute(self, sql: str, values: Any = None, **options: Any) -> Any:
        try:
            return self._client.execute(sql, values, **options)
        except (driver_errors.NetworkError, OSError, EOFError) as error:
            self._client.disconnect()
            raise Unavailable(
                f"ClickHouse does not answer: {_says(error)}", do="It is asked again."
            ) from error


_PREFIX: Final = "gulou."
_WORDS: Final = frozenset(name for name, kind in get_type_hints(StoredEvent).items() if kind is str)
_READ_AS: Final = {
    "status": "toString(status)",
    **{name: f"toUnixTimestamp64Milli({name})" for name in ("time", "recorded")},
}
"""How a column of `StoredEvent` is read where not as it stands."""


def _mark(topic: str, kpart: int) -> str:
    return f"{topic}@{kpart}"


def _query_id(topic: str, kparts: Iterable[int]) -> str:
    """Names the partitions a query writes, so that a claim can find and end it."""
    marks = ".".join(_mark(topic, kpart) for kpart in kparts)
    return f"{_PREFIX}{marks}.{uuid.uuid4().hex}"


def _span(kpart: int, after: int, upto: int) -> str:
    return f"kpart = {kpart} AND koff > {after} AND koff <= {upto}"


def _stored_row(row: Sequence[Any]) -> StoredEvent:
    found = StoredEvent(*row)
    words = {n: v.decode() for n, v in found._asdict().items() if n in _WORDS}
    return found._replace(**words)


def _says(error: BaseException) -> str:
    # A server's message may quote the failing value; its first line never goes further than this.
    return " ".join(str(error).split("Stack trace:")[0].split())[:300]
