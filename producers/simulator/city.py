"""A city as the simulator sees it: places with their weights, micro-grids, households, days."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from producers.simulator.series import DAY, FIRST_DAY, Choices, Ints, objects
from producers.vault import Vault
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import SHIPPED, Divisions, microgrids

YEAR_END: Final = 365 * DAY  # s; first instant of 2022
DAYS: Final = 442  # 2021-01-01 to 2022-03-18, the day of the article
END_S: Final = DAYS * DAY
PER_PLACE: Final = 112_600 / 2_777  # micro-grids per village, where no file gives them
_FEWEST: Final = 6  # micro-grids per village
_PER_GRID: Final = 10  # micro-grids per grid
_UNVISITED: Final = 0.012  # share of micro-grids that nobody visits: a coverage of 100 % is rare
_SHARES: Final = {"leaf": 0.62, "township": 0.28, "county": 0.08, "city": 0.02}
_FORESIGHT: Final = 800  # days from the first with known working days

Draw = np.random.Generator


@dataclass(frozen=True)
class City:
    """What the simulator needs to know of a city.

    Attributes:
        divisions: its places; without villages, townships take their role.
        microgrids: micro-grids by code of the village (or township).
        vault: makes pseudonyms and seals texts; another vault gives the same people other names.
        calendar: rest days and working days.
    """

    divisions: Divisions
    microgrids: Mapping[str, int]
    vault: Vault
    calendar: Calendar

    @classmethod
    def load(cls, vault: Vault, path: Path = SHIPPED) -> Self:
        """Reads a divisions file and the micro-grids beside it; makes these up if there are none.

        Raises:
            Misconfigured: a file is malformed, or names a place the other does not.
        """
        divisions = Divisions.load(path)
        known = microgrids(path, divisions)
        return cls(
            divisions,
            microgrid_counts(divisions) if known is None else known,
            vault,
            Calendar.load("Asia/Shanghai"),
        )

    @cached_property
    def codes(self) -> npt.NDArray[np.object_]:
        """Every division's code; rows point into it by place."""
        return objects(list(self.divisions))

    @cached_property
    def _index(self) -> Mapping[str, int]:
        return {code: n for n, code in enumerate(self.divisions)}

    @cached_property
    def county(self) -> Ints:
        """The county of each place, as a place; the city itself for the city."""
        return np.array([self._index[code[:6]] for code in self.divisions])

    @cached_property
    def leaves(self) -> Ints:
        """Places of the villages; of the townships, else the counties, in a city without them."""
        return np.array([self._index[d.code] for d in _leaves(self.divisions)])

    @cached_property
    def has_villages(self) -> bool:
        """Whether micro-grids have codes, which begin with a village's code."""
        return bool(self.divisions.villages)

    @cached_property
    def grid_place(self) -> Ints:
        """Place of each micro-grid."""
        counts = [self.microgrids.get(d.code, 0) for d in _leaves(self.divisions)]
        return np.repeat(self.leaves, counts).astype(np.int32)

    @cached_property
    def grid_codes(self) -> npt.NDArray[np.object_]:
        """Code of each micro-grid: the village's, three digits of the grid, three of its own."""
        made = []
        for division in _leaves(self.divisions):
            for n in range(self.microgrids.get(division.code, 0)):
                made.append(f"{division.code}{n // _PER_GRID + 1:03}{n % _PER_GRID + 1:03}")
        return objects(made)

    @cached_property
    def households(self) -> Ints:
        """Households of each micro-grid, about 15 (党建+微网格)."""
        draw = np.random.default_rng([15, len(self.grid_place)])
        return draw.integers(12, 19, len(self.grid_place)).astype(np.int8)

    @cached_property
    def _visited(self) -> npt.NDArray[np.float64]:
        draw = np.random.default_rng([188, len(self.grid_place)])
        weights = draw.lognormal(0, 0.35, len(self.grid_place))
        weights[draw.random(len(weights)) < _UNVISITED] = 0
        return cumulated(weights)

    @cached_property
    def _weights(self) -> npt.NDArray[np.float64]:
        """Cumulated weight of each leaf: how many micro-grids it has."""
        counts = [self.microgrids.get(d.code, 0) for d in _leaves(self.divisions)]
        return cumulated(np.array(counts, float))

    def some_grids(self, draw: Draw, n: int) -> Ints:
        """Micro-grids visited; about one in eighty never is."""
        return pick(draw, n, self._visited).astype(np.int32)

    def some_leaves(self, draw: Draw, n: int) -> Ints:
        """Places of villages, by size."""
        return self.leaves[pick(draw, n, self._weights)]

    def some_places(self, draw: Draw, n: int) -> Ints:
        """Places as offices know them: a village, or only the township, county or city."""
        leaf = self.some_leaves(draw, n)
        township = np.array([self._index[code[:9]] for code in self.divisions])[leaf]
        city = np.full(n, self._index[self.divisions.city.code])
        level = pick(draw, n, cumulated(np.array(list(_SHARES.values()))))
        return np.choose(level, [leaf, township, self.county[leaf], city])

    def by_county(self, pattern: str) -> npt.NDArray[np.object_]:
        """A table by place: `pattern` with the county's code in place of `{}`."""
        return objects([pattern.format(code[:6]) for code in self.divisions])

    def units(self, names: tuple[str, ...], place: Ints, which: Ints) -> Choices:
        """The offices of the places' counties, named `<county>-<name>`."""
        table = objects([f"{code[:6]}-{name}" for code in self.divisions for name in names])
        return Choices(table, place * len(names) + which)

    @cached_property
    def rests(self) -> npt.NDArray[np.bool_]:
        """Whether offices are closed, for each day from 2021-01-01."""
        days = (FIRST_DAY + timedelta(days=n) for n in range(_FORESIGHT))
        return np.array([self.calendar.rests(day) for day in days])

    @cached_property
    def _next_working(self) -> Ints:
        working = np.flatnonzero(~self.rests)
        return working[
            np.minimum(np.searchsorted(working, np.arange(_FORESIGHT)), len(working) - 1)
        ]

    def in_office(self, draw: Draw, after: Ints, days: Any) -> Ints:
        """Instants in office hours of a working day, about `days` after `after`."""
        day = np.minimum((after + np.asarray(days) * DAY) // DAY, _FORESIGHT - 1).astype(np.int64)
        open_ = self._next_working[day] * DAY + draw.integers(30_600, 63_000, len(after))
        found: Ints = np.maximum(open_, after + draw.integers(120, 1_800, len(after)))
        return found


def microgrid_counts(divisions: Divisions, total: int | None = None) -> dict[str, int]:
    """Made-up micro-grids by village (示例): more in streets and communities, at least six.

    Depends only on the codes and names, so that a city's figures are the same everywhere.

    Args:
        divisions: the city's.
        total: micro-grids of all villages; about 40.5 per village when None.
    """
    leaves = _leaves(divisions)
    total = round(PER_PLACE * len(leaves)) if total is None else total
    weights = []
    for leaf in leaves:
        # A hash and not a generator: equal on every version of numpy and in every order.
        digest = hashlib.sha256(leaf.code.encode()).digest()
        spread = int.from_bytes(digest[:4], "big") / 2**32
        above = divisions.get(leaf.code[:9])
        street = above is not None and above.name.endswith("街道")
        weights.append((0.5 + spread) * (1.8 if street or "社区" in leaf.name else 1.0))
    floor = min(_FEWEST, total // max(len(leaves), 1))
    shares = apportioned(total - floor * len(leaves), np.array(weights))
    return {
        leaf.code: floor + int(share) for leaf, share in zip(leaves, shares.tolist(), strict=True)
    }


def apportioned(total: int, weights: npt.NDArray[np.float64]) -> Ints:
    """`total` divided by weight into whole numbers that add up to it (largest remainders)."""
    exact = weights / weights.sum() * total
    shares: Ints = np.floor(exact).astype(np.int64)
    rest = total - int(shares.sum())
    shares[np.argsort(shares - exact, kind="stable")[:rest]] += 1
    return shares


def cumulated(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weights as the cumulated shares that `pick` takes."""
    found: npt.NDArray[np.float64] = np.cumsum(weights) / weights.sum()
    return found


def pick(draw: Draw, n: int, shares: npt.NDArray[np.float64]) -> Ints:
    """`n` indexes, drawn by their cumulated shares."""
    # Rounding may leave the last share a hair below one.
    found: Ints = np.minimum(np.searchsorted(shares, draw.random(n), side="right"), len(shares) - 1)
    return found


def _leaves(divisions: Divisions) -> tuple[Any, ...]:
    return divisions.villages or divisions.townships or divisions.counties
