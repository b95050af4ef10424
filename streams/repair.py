"""Brings projections up to the stored events, after a crash or a change of their SQL.

The mark of a projection is the highest offset in its figures. Repair fills what is missing from the
events table, range by range. It finds an event that a view cannot digest by halving the range,
buries it, and makes it dead (D-42).
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from schemas import names
from schemas.errors import Halted, Unavailable
from schemas.family import Family
from schemas.projections import HI, Projection
from schemas.sql.targets import select, target
from streams.chunks import Position
from streams.connection import INSERT_SETTINGS, Connection, NotDigested
from streams.store import Bury, Poison

log = logging.getLogger(__name__)

REPAIR_SPAN: Final = 100_000  # offsets a repair covers at once: one batch, one block, one part
_MUTATIONS_S, _MUTATIONS_POLL_S = 20.0, 0.05
QUERY_PREFIX: Final = "gulou."


class Repair:
    """Marks and rebuilds of the projections, over one connection."""

    def __init__(self, connection: Connection, families: Sequence[Family]) -> None:
        self._connection = connection
        self._families = {family.topic: family for family in families}

    def await_mutations(self, topic: str) -> None:
        """Waits for mutations that an earlier owner left running when it ended.

        A mutation outlives its worker and a kill of the server. Marks read before it is done would
        describe figures that it is about to delete.
        """
        family = self._families[topic]
        tables = [names.events_table(topic), *(target(family, p) for p in family.projections)]
        deadline = time.monotonic() + _MUTATIONS_S
        while rows := self._connection.execute(
            "SELECT table, latest_fail_reason FROM system.mutations "
            "WHERE database = %(database)s AND table IN %(tables)s AND NOT is_done "
            "AND NOT is_killed",
            {"database": self._connection.layout.database, "tables": tables},
        ):
            if time.monotonic() > deadline:
                table, reason = rows[0]
                raise Unavailable(
                    f"A change of {table} begun by an earlier worker is not done after "
                    f"{_MUTATIONS_S:g} s: {reason[:200] or 'it still runs'}.",
                    do="The claim is made again; see system.mutations.",
                )
            time.sleep(_MUTATIONS_POLL_S)

    def bring_up(
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
                    # A power failure lost the events part, but not the projection's part.
                    log.warning("%s is ahead of its events; rebuilt", name)
                    anew = True
                if anew:
                    self.empty(family, projection, kpart, token)
                    mark = -1
                while mark < top:
                    upto = min(top, mark + REPAIR_SPAN)
                    try:
                        self.project(family, projection, kpart, mark, upto, token)
                    except NotDigested as error:
                        self._poison(family, projection, kpart, mark, upto, error, token, bury)
                        # Every projection of the partition must be rebuilt: begin again.
                        self.bring_up(topic, kparts, stored, token, bury)
                        return
                    log.info(
                        "repaired %s for offsets %d to %d of %s@%d",
                        *(name, mark + 1, upto, topic, kpart),
                    )
                    mark = upto
                if anew:
                    self.note_rebuild(family, projection, kpart, token, pending=False)

    def _unfinished(self, topic: str) -> set[tuple[str, int]]:
        """Targets and partitions that were being rebuilt when a worker ended."""
        family = self._families[topic]
        rows = self._connection.execute(
            f"SELECT target, kpart FROM {self._connection.table(names.REBUILDS_TABLE)} FINAL "
            "WHERE pending AND target IN %(targets)s",
            {"targets": [target(family, projection) for projection in family.projections]},
        )
        return set(rows)

    def note_rebuild(
        self, family: Family, projection: Projection, kpart: int, token: int, *, pending: bool
    ) -> None:
        """Records that a projection of a partition is being rebuilt, or that the rebuild is done.

        Emptying is a mutation, which is not atomic and which no kill ends: whatever happens in
        between, the next owner empties and fills the projection again (D-44).
        """
        self._connection.execute(
            f"INSERT INTO {self._connection.table(names.REBUILDS_TABLE)} "
            f"SELECT '{target(family, projection)}', {kpart}, {pending}, {time.time_ns()} "
            f"WHERE {self._connection.owns(family.topic, str(kpart), token)}"
        )

    def _marks(
        self, family: Family, projection: Projection, kparts: Sequence[int]
    ) -> dict[int, int]:
        table = self._connection.table(target(family, projection))
        rows = self._connection.execute(
            f"SELECT kpart, max({HI}) FROM {table} WHERE kpart IN %(kparts)s GROUP BY kpart",
            {"kparts": kparts},
        )
        return dict(rows)

    def project(
        self, family: Family, projection: Projection, kpart: int, after: int, upto: int, token: int
    ) -> None:
        """Fills a projection from the events of one partition, after `after` up to `upto`."""
        owned = (
            f"{_span(kpart, after, upto)} AND {self._connection.owns(family.topic, 'kpart', token)}"
        )
        self._connection.execute(
            f"INSERT INTO {self._connection.table(target(family, projection))} "
            + self._query(family, projection, owned),
            query_id=query_id(family.topic, [kpart]),
            settings=INSERT_SETTINGS,
        )

    def _poison(
        self,
        family: Family,
        projection: Projection,
        kpart: int,
        after: int,
        upto: int,
        error: NotDigested,
        token: int,
        bury: Bury,
    ) -> None:
        """Finds the events of a range that a view cannot digest and makes them dead.

        Their rows keep position, bytes and hash; only status, reason, data and net change. Every
        projection of the partition is marked for a rebuild.
        """
        offsets = tuple(self._culprits(family, projection, kpart, after, upto))
        if not offsets:
            raise Halted(
                f"{target(family, projection)} cannot be repaired for offsets {after + 1} to "
                f"{upto} of {family.topic}@{kpart}, though each alone can: {error}",
                do="Mend the view, then start the worker again.",
            ) from error
        reason = f"projection: {target(family, projection)}: {error}"[:400]
        table = self._connection.table(names.events_table(family.topic))
        found = self._connection.execute(
            f"SELECT koff, toUnixTimestamp64Milli(logged), payload FROM {table} "
            f"WHERE kpart = {kpart} AND koff IN %(offsets)s",
            {"offsets": offsets},
            settings={"strings_as_bytes": True},
        )
        bury([Poison(family.topic, kpart, o, logged, load, reason) for o, logged, load in found])
        for each in family.projections:
            self.note_rebuild(family, each, kpart, token, pending=True)
        self._connection.execute(
            f"ALTER TABLE {table} "
            "UPDATE status = 'dead', reason = %(reason)s, data = '', net = '' "
            f"WHERE kpart = {kpart} AND koff IN %(offsets)s "
            f"AND {self._connection.owns(family.topic, 'kpart', token)}",
            {"reason": reason, "offsets": offsets},
            settings={"mutations_sync": 2},
        )
        if not self._connection.execute(
            f"SELECT {self._connection.owns(family.topic, str(kpart), token)}"
        )[0][0]:
            # Nothing was changed, and trying again would never end.
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
            self._connection.execute(f"SELECT ignore(*) FROM ({query}) FORMAT Null")
        except NotDigested:
            return False
        return True

    def empty(self, family: Family, projection: Projection, kpart: int, token: int) -> None:
        """Deletes a partition's figures from a projection, and records that they must be filled."""
        self.note_rebuild(family, projection, kpart, token, pending=True)
        table = self._connection.table(target(family, projection))
        self._connection.execute(
            f"ALTER TABLE {table} DELETE WHERE kpart = {kpart} "
            f"AND {self._connection.owns(family.topic, 'kpart', token)}",
            settings={"mutations_sync": 2},
        )

    def _query(self, family: Family, projection: Projection, where: str) -> str:
        return select(
            family,
            projection,
            self._connection.layout.zone,
            database=self._connection.layout.database,
            where=where,
        )


def mark_of(topic: str, kpart: int) -> str:
    """A partition as written in the id of a query."""
    return f"{topic}@{kpart}"


def query_id(topic: str, kparts: Iterable[int]) -> str:
    """Names the partitions a query writes, so that a claim can find and end it."""
    marks = ".".join(mark_of(topic, kpart) for kpart in kparts)
    return f"{QUERY_PREFIX}{marks}.{uuid.uuid4().hex}"


def _span(kpart: int, after: int, upto: int) -> str:
    return f"kpart = {kpart} AND koff > {after} AND koff <= {upto}"
