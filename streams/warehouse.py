"""The store on ClickHouse: positions, the fence, insert.

Only the tables themselves say how far each partition is stored and how far each projection has
come. A worker claims before it inserts: a fresh token shuts out every other worker, queries that
still run are killed, and only then positions are read. After any error the worker claims again.

Synchronous and used from one thread at a time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Final, get_type_hints

import numpy as np

from schemas import names
from schemas.errors import Unavailable
from schemas.family import Family
from schemas.sql.tables import Layout, event_columns
from streams.chunks import Position
from streams.connection import INSERT_SETTINGS, Address, Connection, NotDigested
from streams.identities import Hashes
from streams.ingest import Identity, Rows, StoredEvent
from streams.repair import QUERY_PREFIX, Repair, mark_of, query_id
from streams.store import Beat, Bury, Claim

_COUNTED: Final = "status IN ('ok', 'orphan')"


class ClickHouseStore:
    """The `Store` on ClickHouse: one connection and the operations the worker needs of it."""

    def __init__(self, address: Address, families: Sequence[Family], layout: Layout) -> None:
        self._connection = Connection(address, layout)
        self.repair = Repair(self._connection, families)
        self._columns = ", ".join(f"`{c.name}`" for c in event_columns(layout.zone))

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def claim(self, positions: Iterable[Position], bury: Bury) -> Claim:
        """Shuts out every other worker from `positions`, repairs, and returns their stored offsets.

        Args:
            positions: the partitions to own.
            bury: called with events that a view cannot digest before they are made dead, so that
                no crash can lose their letters.

        Raises:
            Unavailable: ClickHouse does not answer, or refuses for a passing reason.
            Halted: a projection cannot be repaired.
        """
        wanted = sorted(positions)
        token = secrets.randbits(63) | 1
        if wanted:
            owners = self._connection.table(names.OWNER_TABLE)
            self._connection.execute(
                f"INSERT INTO {owners} (topic, kpart, tok) VALUES",
                [(topic, kpart, token) for topic, kpart in wanted],
            )
            self._kill(wanted)
        stored: dict[Position, int] = dict.fromkeys(wanted, -1)
        awaited: dict[str, set[Identity]] = {topic: set() for topic, _ in wanted}
        for topic in awaited:
            kparts = [kpart for name, kpart in wanted if name == topic]
            self.repair.await_mutations(topic)
            stored |= self._stored(topic, kparts)
            self.repair.bring_up(topic, kparts, stored, token, bury)
            awaited[topic].update(self._orphans(topic, kparts))
        return Claim(token, stored, awaited)

    def insert(self, rows: Rows, token: int) -> None:
        """Stores rows and feeds every projection: one INSERT, one block.

        When this returns, all of it is stored. When it raises, the rows are stored or not, and some
        projections may lack them: claim again.

        Raises:
            Unavailable: anything went wrong; carries the server's message, never the rows.
        """
        rows.columns["tok"] = [token] * len(rows)
        table = self._connection.table(names.events_table(rows.topic))
        try:
            self._connection.execute(
                f"INSERT INTO {table} ({self._columns}) VALUES",
                list(rows.columns.values()),
                columnar=True,
                query_id=query_id(rows.topic, rows.kparts),
                settings=INSERT_SETTINGS,
            )
        except (Unavailable, NotDigested) as error:
            self._connection.disconnect()
            why = error.what if isinstance(error, Unavailable) else error
            raise Unavailable(
                f"An insert of {len(rows)} rows into {table} did not end well: {why}",
                do="The partitions are claimed again and the rows re-read.",
            ) from error

    def related(
        self, topic: str, identities: set[Identity], roots: set[Identity]
    ) -> list[StoredEvent]:
        """Counted rows that have one of the ids, and corrections of the roots.

        Ids are compared without their source, so other rows may be among them.
        """
        wanted = identities | roots
        if not wanted:
            return []
        kparts = sorted({kpart for kpart, *_ in wanted})
        values = {"ids": sorted({id_ for *_, id_ in wanted})}
        queries = [self._counted_rows(topic, kparts, "id IN %(ids)s")]
        if roots:
            # Two queries, not one with OR: each uses the skip index of its own column.
            values["roots"] = sorted({id_ for *_, id_ in roots})
            queries.append(self._counted_rows(topic, kparts, "corrects IN %(roots)s"))
        found = self._connection.execute(
            " UNION ALL ".join(queries),
            values,
            # A whole batch may be suspect, and the text of the query contains its ids.
            settings={"strings_as_bytes": True, "max_query_size": 64 * 1024 * 1024},
        )
        return [_stored_row(row) for row in found]

    def identities(self, topic: str, kpart: int, after: int) -> Hashes:
        """Hashes of the identities counted in a partition after an offset."""
        table = self._connection.table(names.events_table(topic))
        rows = self._connection.execute(
            f"SELECT xxh3(concat(source, '\\0', id)) FROM {table} "
            f"WHERE kpart = {kpart} AND koff > {after} AND {_COUNTED}",
            columnar=True,
        )
        return np.asarray(rows[0] if rows else [], np.uint64)

    def beat(self, beats: Sequence[Beat]) -> None:
        """Writes heartbeats, in the order of the table's columns; instants in ms since 1970.

        Raises:
            Unavailable: ClickHouse does not answer, or refuses.
        """
        table = self._connection.table(names.HEARTBEAT_TABLE)
        try:
            self._connection.execute(f"INSERT INTO {table} VALUES", beats)
        except NotDigested as error:
            self._connection.disconnect()
            raise Unavailable(
                f"No heartbeat could be written: {error}", do="The next one is tried."
            ) from error

    def _counted_rows(self, topic: str, kparts: Sequence[int], condition: str) -> str:
        columns = ", ".join(_READ_AS.get(name, name) for name in StoredEvent._fields)
        return (
            f"SELECT {columns} FROM {self._connection.table(names.events_table(topic))} "
            f"WHERE kpart IN ({', '.join(map(str, kparts))}) AND {condition} AND {_COUNTED}"
        )

    def _stored(self, topic: str, kparts: Sequence[int]) -> dict[Position, int]:
        table = self._connection.table(names.events_table(topic))
        rows = self._connection.execute(
            f"SELECT kpart, max(koff) FROM {table} WHERE kpart IN %(kparts)s GROUP BY kpart",
            {"kparts": kparts},
        )
        return {(topic, kpart): offset for kpart, offset in rows}

    def _orphans(self, topic: str, kparts: Sequence[int]) -> list[Identity]:
        table = self._connection.table(names.events_table(topic))
        rows: list[Identity] = self._connection.execute(
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
        wanted = [mark_of(topic, kpart) for topic, kpart in positions]
        self._connection.execute(
            "KILL QUERY WHERE startsWith(query_id, %(prefix)s) "
            "AND hasAny(splitByChar('.', query_id), %(wanted)s) SYNC",
            {"prefix": QUERY_PREFIX, "wanted": wanted},
        )


_WORDS: Final = frozenset(name for name, kind in get_type_hints(StoredEvent).items() if kind is str)
_READ_AS: Final = {
    "status": "toString(status)",
    **{name: f"toUnixTimestamp64Milli({name})" for name in ("time", "recorded")},
}
"""SQL of the columns of `StoredEvent` that are not read unchanged."""


def _stored_row(row: Sequence[Any]) -> StoredEvent:
    found = StoredEvent(*row)
    words = {n: v.decode() for n, v in found._asdict().items() if n in _WORDS}
    return found._replace(**words)
