"""The Kafka partition of its topic that a message belongs in: that of its key, by murmur2.

A message meets its own repeats, its corrections and the rest of its case only in that partition.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def partitions(keys: Sequence[bytes], count: int) -> list[int]:
    """The partition of each key among `count`, as every Kafka client computes it (murmur2).

    Hashes all keys of one length at once: the clients' own murmur2 takes 15 us per key in Python,
    which would be most of the cost of an event.
    """
    found = np.empty(len(keys), np.int64)
    lengths = np.fromiter((len(key) for key in keys), np.int64, len(keys))
    for length in np.unique(lengths).tolist():
        at = np.flatnonzero(lengths == length)
        text = np.frombuffer(b"".join([keys[i] for i in at.tolist()]), np.uint8).reshape(
            len(at), length
        )
        found[at] = (_murmur2(text) & np.uint32(0x7FFFFFFF)) % np.uint32(count)
    return found.tolist()


def _murmur2(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """murmur2 of each row, as the Java client computes it."""
    rows, length = text.shape
    whole = length // 4
    mixer = np.uint32(0x5BD1E995)
    found = np.full(rows, 0x9747B28C ^ length, np.uint32)
    words = np.ascontiguousarray(text[:, : whole * 4]).view("<u4")
    for i in range(whole):
        word = words[:, i] * mixer
        word ^= word >> np.uint32(24)
        found = found * mixer ^ word * mixer
    if length % 4:
        for shift, column in enumerate(range(whole * 4, length)):
            found ^= text[:, column].astype(np.uint32) << np.uint32(8 * shift)
        found *= mixer
    found ^= found >> np.uint32(13)
    found *= mixer
    return found ^ (found >> np.uint32(15))
