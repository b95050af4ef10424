"""What the pipeline asks of the place where events are stored.

A replay is the same pipeline over another store; a test counts the calls to a store (D-51).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from streams.chunks import Position
from streams.identities import Hashes
from streams.ingest import Identity, Rows, StoredEvent


@dataclass(frozen=True, slots=True)
class Claim:
    """Ownership of partitions: the token that inserts must carry, and the last stored offsets.

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


class Beat(NamedTuple):
    """A partition's sign of life; the columns of the heartbeat table. Instants in ms since 1970.

    Attributes:
        lag: messages in Kafka that are not yet stored.
        watermark: highest offset stored and projected.
        behind_since: since when messages have waited without a pause; 0 while none waits.
    """

    topic: str
    kpart: int
    at: int
    lag: int
    watermark: int
    behind_since: int


Bury = Callable[[Sequence[Poison]], None]
"""Sends poison to the dead-letter topic; returns when the broker has it."""


class Store(Protocol):
    """One connection, synchronous and used from one thread at a time.

    Every operation raises `Unavailable` when it may succeed later.
    """

    def claim(self, positions: Iterable[Position], bury: Bury) -> Claim:
        """Shuts out every other worker from `positions` and returns their last stored offsets.

        Args:
            positions: the partitions to own.
            bury: called with events that a view cannot digest before they are made dead, so that
                no crash can lose their letters.

        Raises:
            Halted: a projection cannot be repaired.
        """

    def insert(self, rows: Rows, token: int) -> None:
        """Stores all rows and feeds every projection.

        When this raises, all of the rows are stored or none, and projections may lag behind
        them: claim again, which repairs them.
        """

    def related(
        self, topic: str, identities: set[Identity], roots: set[Identity]
    ) -> list[StoredEvent]:
        """Counted rows that have one of the identities, and corrections of the roots.

        Other rows may be among them.
        """

    def identities(self, topic: str, kpart: int, after: int) -> Hashes:
        """Hashes of the identities counted in a partition after an offset."""

    def beat(self, beats: Sequence[Beat]) -> None:
        """Writes signs of life."""
