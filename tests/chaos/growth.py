"""Whether what a process holds grows without end, judged by robust slopes over samples of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BOUNDS: Final[Mapping[str, Mapping[str, float]]] = {
    "worker": {"memory_mb": 20.0, "threads": 2.0, "files": 4.0},
    # Merges and queries come and go, and so do their memory and threads.
    "clickhouse": {"memory_mb": 60.0, "threads": 8.0, "files": 8.0},
    # Java takes more of its 512 MB of heap as long as there is some; then it is flat.
    "kafka": {"memory_mb": 60.0, "threads": 2.0, "files": 8.0},
    "boards": {"memory_mb": 20.0, "threads": 2.0, "files": 4.0},
}
"""Most growth in an hour of each part, by measure. A leak of a connection, a thread or a file for
each fault, or of three kilobytes for each of the soak's events, is above them."""
LEAST_SAMPLES: Final = 12
"""A life with fewer is too short to say anything."""
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a part held at one moment.

    Attributes:
        at_s: seconds since the beginning.
        life: the process; a restart begins another life.
    """

    at_s: float
    life: int
    memory_mb: float
    threads: float
    files: float


@dataclass(frozen=True, slots=True)
class Trend:
    """How one measure of one part moved: the first and last value judged, and growth an hour."""

    measure: str
    first: float
    last: float
    an_hour: float
    bound: float

    @property
    def grows(self) -> bool:
        """Whether it grew faster than its bound."""
        return self.an_hour > self.bound


def slope(lives: Sequence[Sequence[tuple[float, float]]]) -> float:
    """Growth a second: the median slope of all pairs of points of one life (Theil and Sen).

    A few outliers, and a step up at one moment, do not move it. Points of two lives make no pair: a
    new process begins low, which would hide the growth of each.

    Args:
        lives: points (second, value) of each life, in order of time.
    """
    slopes: list[NDArray[np.float64]] = []
    for points in lives:
        at, value = np.array(points, dtype=np.float64).T
        early, late = np.triu_indices(len(at), 1)
        slopes.append((value[late] - value[early]) / (at[late] - at[early]))
    return float(np.median(np.concatenate(slopes)))


def trends(
    samples: Sequence[Sample], bounds: Mapping[str, float], *, warm_s: float, settle_s: float
) -> list[Trend]:
    """How each measure moved in the lives that are long enough; empty when none is.

    Args:
        samples: of one part, in order of time.
        bounds: most growth in an hour, by measure.
        warm_s: samples before this second do not count.
        settle_s: nor do those of the first seconds of a life, in which caches fill.
    """
    born: dict[int, float] = {}
    for each in samples:
        born.setdefault(each.life, each.at_s)
    counted: dict[int, list[Sample]] = {life: [] for life in born}
    for each in samples:
        # A life that began with the samples settles while everything warms up.
        if each.at_s >= max(warm_s, born[each.life] + settle_s):
            counted[each.life].append(each)
    lives = [life for life in counted.values() if len(life) >= LEAST_SAMPLES]
    if not lives:
        return []
    return [
        Trend(
            measure,
            getattr(lives[-1][0], measure),
            getattr(lives[-1][-1], measure),
            _HOUR_S * slope([[(e.at_s, getattr(e, measure)) for e in life] for life in lives]),
            bound,
        )
        for measure, bound in bounds.items()
    ]
