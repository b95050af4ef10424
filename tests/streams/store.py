"""A stand-in for the events tables, for interleavings that no server can be forced into.

It has the guarantees that the pipeline relies on: an insert is atomic and carries the token of the
last claim; a claim returns the stored offset of each partition, and marks events dead on which a
view fails.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from schemas.errors import Unavailable
from streams.chunks import Position
from streams.identities import Hashes, hashes
from streams.ingest import Identity, Rows, StoredEvent
from streams.store import Beat, Bury, Claim, Poison

Row = dict[str, Any]
T = TypeVar("T")


@dataclass
class Fault:
    """The failure of one call.

    Attributes:
        after: the work is done first; only the answer is lost.
    """

    error: BaseException
    after: bool = False


@dataclass
class Table:
    """Every events table, with the owner of each partition.

    Attributes:
        rows: rows of each partition in the order of storage.
        indigestible: whether views fail on a payload.
        asked: every call: its name and the arguments that matter.
    """

    rows: dict[Position, list[Row]] = field(default_factory=lambda: defaultdict(list))
    owners: dict[Position, int] = field(default_factory=dict)
    indigestible: Callable[[bytes], bool] = lambda _: False
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    doors: list[Door] = field(default_factory=list)
    _faults: dict[str, dict[int, Fault]] = field(default_factory=lambda: defaultdict(dict))
    _counts: Counter[str] = field(default_factory=Counter)
    _tokens: int = 0

    def open(self) -> Door:
        """A connection."""
        self.doors.append(Door(self))
        return self.doors[-1]

    def fail(self, name: str, nth: int = 1, *, after: bool = False, error: Any = None) -> None:
        """Plans a fault for the `nth` call of a name from now on."""
        fault = Fault(error or Unavailable(f"{name} failed."), after)
        self._faults[name][self._counts[name] + nth] = fault

    def cure(self) -> None:
        """Removes every fault that has not happened yet."""
        self._faults.clear()

    def meet(self, name: str) -> Fault | None:
        """The fault of this call."""
        self._counts[name] += 1
        return self._faults[name].pop(self._counts[name], None)

    def token(self) -> int:
        self._tokens += 1
        return self._tokens

    def counted(self, topic: str) -> Iterator[Row]:
        for (name, _), rows in self.rows.items():
            if name == topic:
                yield from (row for row in rows if row["status"] in ("ok", "orphan"))

    def top(self, position: Position) -> int:
        """Last stored offset; as on a server, the order of rows does not matter."""
        return max((row["koff"] for row in self.rows[position]), default=-1)


class Door:
    """One connection, see `streams.store.Store`; another worker's if not `ours`.

    Faults only happen on our own.
    """

    def __init__(self, table: Table, *, ours: bool = True) -> None:
        self._table, self._ours = table, ours
        self.served: set[str] = set()

    def claim(self, positions: Iterable[Position], bury: Bury) -> Claim:
        wanted = sorted(positions)

        def work() -> Claim:
            token = self._table.token()
            self._table.owners |= dict.fromkeys(wanted, token)
            self._poison(wanted, bury)
            awaited: dict[str, set[Identity]] = {topic: set() for topic, _ in wanted}
            for topic, kpart in wanted:
                awaited[topic] |= {
                    (kpart, row["source"], row["corrects"])
                    for row in self._table.rows[topic, kpart]
                    if row["status"] == "orphan"
                }
            return Claim(token, {place: self._table.top(place) for place in wanted}, awaited)

        return self._do("claim", tuple(wanted), work)

    def beat(self, beats: Sequence[Beat]) -> None:
        raise AssertionError("the pipeline writes no signs of life")

    def _poison(self, wanted: list[Position], bury: Bury) -> None:
        for topic, kpart in wanted:
            found = [
                row
                for row in self._table.rows[topic, kpart]
                if row["status"] != "dead" and self._table.indigestible(row["payload"])
            ]
            if found:
                bury(
                    [
                        Poison(topic, kpart, r["koff"], r["logged"], r["payload"], "projection: x")
                        for r in found
                    ]
                )
            for row in found:
                row |= {"status": "dead", "reason": "projection: x", "data": b"", "net": b""}

    def insert(self, rows: Rows, token: int) -> None:
        def work() -> None:
            if any(self._table.owners[rows.topic, kpart] != token for kpart in rows.kparts):
                raise Unavailable("Violated constraint: the partition belongs to another worker.")
            names = list(rows.columns)
            for values in zip(*rows.columns.values(), strict=True):
                row = dict(zip(names, values, strict=True))
                self._table.rows[rows.topic, row["kpart"]].append(row)
            if any(map(self._table.indigestible, rows.columns["payload"])):
                raise Unavailable("A view threw.")

        self._do("insert", (rows.topic, len(rows)), work)

    def related(
        self, topic: str, identities: set[Identity], roots: set[Identity]
    ) -> list[StoredEvent]:
        def work() -> list[StoredEvent]:
            wanted = identities | roots
            kparts, ids = {kpart for kpart, *_ in wanted}, {id_ for *_, id_ in wanted}
            corrected = {id_ for *_, id_ in roots}
            return [
                StoredEvent(*(row[name] for name in StoredEvent._fields))
                for row in self._table.counted(topic)
                if row["kpart"] in kparts and (row["id"] in ids or row["corrects"] in corrected)
            ]

        return self._do("related", (topic, len(identities), len(roots)), work)

    def identities(self, topic: str, kpart: int, after: int) -> Hashes:
        def work() -> Hashes:
            mine = [
                row
                for row in self._table.counted(topic)
                if row["kpart"] == kpart and row["koff"] > after
            ]
            return hashes([row["source"] for row in mine], [row["id"] for row in mine])

        return self._do("identities", (topic, kpart, after), work)

    def _do(self, name: str, told: tuple[Any, ...], work: Callable[[], T]) -> T:
        if not self._ours:
            return work()
        self._table.asked.append((name, *told))
        self.served.add(name)
        fault = self._table.meet(name)
        if fault is not None and not fault.after:
            raise fault.error
        done = work()
        if fault is not None:
            raise fault.error
        return done
