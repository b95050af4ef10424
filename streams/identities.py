"""The identities seen in a Kafka partition: a Bloom filter, confirmed by the events table.

A filter answers "surely not" or "perhaps". Ids are compared in the events table only after a
"perhaps", so the filter may hold too much (a batch that was never stored) but never too little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import xxhash

Hashes = npt.NDArray[np.uint64]

_PROBES: Final = 8
_BITS_PER_ID: Final = 24  # with 8 probes about one false alarm in 100,000
_SMALLEST: Final = 1 << 18


def hashes(sources: Sequence[str], ids: Sequence[str]) -> Hashes:
    """XXH3-64 of each `source NUL id`; ClickHouse computes the same with `xxh3`."""
    digest = xxhash.xxh3_64_intdigest
    return np.array(
        [digest(f"{source}\0{id_}".encode()) for source, id_ in zip(sources, ids, strict=True)],
        np.uint64,
    )


class Seen:
    """Identities of one Kafka partition up to and including offset `covers`.

    Grows by layers, each twice as large as the one before: an overfull filter would answer
    "perhaps" to everything, and every event would be looked up in the table.
    """

    def __init__(self, covers: int = -1, stored: Hashes | None = None) -> None:
        self.covers = covers
        known = np.empty(0, np.uint64) if stored is None else stored
        self._layers = [_Layer(max(_SMALLEST, 2 * len(known)))]
        self.add(known)

    @property
    def layers(self) -> int:
        """Number of filters that each lookup asks; one when made from the table."""
        return len(self._layers)

    def add(self, found: Hashes) -> None:
        """Remembers identities."""
        while len(found) > (room := self._layers[-1].room):
            self._layers[-1].add(found[:room])
            found = found[room:]
            self._layers.append(_Layer(2 * self._layers[-1].capacity))
        self._layers[-1].add(found)

    def perhaps(self, found: Hashes) -> npt.NDArray[np.bool_]:
        """For each hash: False, surely new; True, perhaps seen."""
        return np.asarray(np.any([layer.perhaps(found) for layer in self._layers], axis=0))


class _Layer:
    """A Bloom filter of a fixed size."""

    def __init__(self, capacity: int) -> None:
        self.capacity = self.room = capacity
        size = 1 << (capacity * _BITS_PER_ID - 1).bit_length()
        self._mask = np.uint64(size - 1)
        self._bits = np.zeros(size // 8, np.uint8)

    def add(self, found: Hashes) -> None:
        places = self._places(found)
        np.bitwise_or.at(self._bits, places >> np.uint64(3), self._bit(places))
        self.room -= len(found)

    def perhaps(self, found: Hashes) -> npt.NDArray[np.bool_]:
        places = self._places(found)
        hits = self._bits[places >> np.uint64(3)] & self._bit(places)
        return np.asarray((hits != 0).reshape(_PROBES, -1).all(axis=0))

    def _places(self, found: Hashes) -> Hashes:
        step = (found >> np.uint64(32)) | np.uint64(1)
        probes = np.arange(_PROBES, dtype=np.uint64)[:, None]
        with np.errstate(over="ignore"):
            return np.asarray(((found + probes * step) & self._mask).ravel(), np.uint64)

    @staticmethod
    def _bit(places: Hashes) -> npt.NDArray[np.uint8]:
        return np.left_shift(np.uint8(1), (places & np.uint64(7)).astype(np.uint8))


def doubled(found: Hashes) -> npt.NDArray[np.bool_]:
    """For each hash, whether it occurs more than once in the array."""
    _, inverse, counts = np.unique(found, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] > 1)
