"""What the pipeline needs of the warehouse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from streams.chunks import Position
from streams.identities import Hashes
from streams.ingest import Identity, Rows, StoredEvent
from streams.warehouse import Bury, Claim


class Store(Protocol):
    """One connection, synchronous and used from one thread at a time; see `Warehouse`.

    Every operation raises `Unavailable` when it may succeed later.
    """

    def claim(self, positions: Iterable[Position], bury: Bury) -> Claim:
        """Shuts out every other worker from `positions` and says where they stand."""

    def insert(self, rows: Rows, token: int) -> None:
        """Stores all rows when it returns; when it raises, all or none of them."""

    def related(
        self, topic: str, identities: set[Identity], roots: set[Identity]
    ) -> list[StoredEvent]:
        """Counted rows that bear one of the identities, and corrections of the roots."""

    def identities(self, topic: str, kpart: int, after: int) -> Hashes:
        """Hashes of the identities counted in a partition after an offset."""
