"""The administrative divisions of a city: data with dates of validity, never code.

A divisions file is a CSV with the columns `code,name,valid_from,valid_to`. Levels follow from the
length of the code (GB/T 2260 and the statistics codes): 6 digits a county, 9 a township, 12 a
village or community. A county-level code ending in 00 is the city itself; events of unknown place
(未定位) have this code.

An optional file beside it, `microgrids_<city's code>.csv`, has the columns `code,microgrids`: the
number of micro-grids in each village, which is the base of coverage.

Source of the shipped file: National Bureau of Statistics, 统计用区划代码 2023.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from schemas.errors import Misconfigured

SHIPPED: Final = Path(__file__).parent / "data" / "divisions_431200.csv"
COUNTY, TOWNSHIP, VILLAGE = 6, 9, 12
LEVELS: Final[Mapping[int, str]] = {COUNTY: "county", TOWNSHIP: "township", VILLAGE: "village"}
UNKNOWN_PLACE: Final = "未定位"


@dataclass(frozen=True, slots=True)
class Division:
    """One division; `valid_to` is exclusive, and empty while it is valid. Dates are ISO 8601."""

    code: str
    name: str
    valid_from: str
    valid_to: str

    @property
    def level(self) -> str:
        """`city`, `county`, `township` or `village`."""
        return "city" if self.is_city else LEVELS[len(self.code)]

    @property
    def is_city(self) -> bool:
        """Whether this is the city itself; events of unknown place have its code."""
        return len(self.code) == COUNTY and self.code.endswith("00")


class Divisions(Mapping[str, Division]):
    """Every division of one city by its code, in the order of the file."""

    def __init__(self, rows: Iterator[Division] | list[Division]) -> None:
        self._by_code = {row.code: row for row in rows}

    def __getitem__(self, code: str) -> Division:
        return self._by_code[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_code)

    def __len__(self) -> int:
        return len(self._by_code)

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Divisions:
        """Reads a divisions file.

        Raises:
            Misconfigured: the file is missing, a code is malformed or doubled, a parent is absent.
        """
        table = _table(
            path,
            "divisions",
            do="Point GULOU_DIVISIONS at a CSV with the columns code,name,valid_from,valid_to.",
        )
        rows = [_division(row, line, path) for line, row in enumerate(table, start=2)]
        found = cls(rows)
        if len(found) != len(rows):
            raise Misconfigured(f"{path.name!r} holds a code twice.", do="Remove the second row.")
        for code in found:
            if len(code) > COUNTY and parent(code) not in found:
                raise Misconfigured(
                    f"{path.name!r}: {code!r} has no parent {parent(code)!r}.", do="Add its row."
                )
        return found

    @cached_property
    def city(self) -> Division:
        """The city itself.

        Raises:
            Misconfigured: the file has no row, or several, whose six-digit code ends in 00.
        """
        cities = [division for division in self.values() if division.is_city]
        if len(cities) != 1:
            raise Misconfigured(
                f"A divisions file holds one city row (six digits ending in 00), not {len(cities)}."
            )
        return cities[0]

    @cached_property
    def counties(self) -> tuple[Division, ...]:
        """The county-level divisions, without the city itself."""
        return tuple(d for d in self.values() if d.level == "county")

    @cached_property
    def townships(self) -> tuple[Division, ...]:
        """All townships, streets and their like."""
        return tuple(d for d in self.values() if d.level == "township")

    @cached_property
    def villages(self) -> tuple[Division, ...]:
        """All villages and communities."""
        return tuple(d for d in self.values() if d.level == "village")


def microgrids(path: Path, divisions: Divisions) -> dict[str, int] | None:
    """Number of micro-grids by code, from the file beside the divisions file; None without one.

    Args:
        path: the divisions file.
        divisions: the divisions in it.

    Raises:
        Misconfigured: the file cannot be read, or a row names no division of the city or no number.
    """
    beside = path.parent / f"microgrids_{divisions.city.code}.csv"
    if not beside.exists():
        return None
    found: dict[str, int] = {}
    for row in _table(beside, "micro-grid", do="It needs the columns code,microgrids."):
        code, count = row.get("code") or "", row.get("microgrids") or ""
        if code not in divisions or not (count.isascii() and count.isdigit()):
            raise Misconfigured(
                f"{beside.name!r}: {code!r} with {count!r} micro-grids is no place of the city "
                "with a number.",
                do="Correct the row. Without the file coverage has no base.",
            )
        found[code] = int(count)
    return found


def parent(code: str) -> str:
    """Code one level up; the parent of a county is the city's, `xxxx00`."""
    if len(code) <= COUNTY:
        return code[:4] + "00"
    return code[: len(code) - 3]


def _table(path: Path, what: str, *, do: str) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Misconfigured(
            f"The {what} file {path.name!r} cannot be read: {_why(error)}.", do=do
        ) from error


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def _division(row: Mapping[str, str], line: int, path: Path) -> Division:
    code, name = row.get("code") or "", row.get("name") or ""
    # isdigit() alone would take the digits of every script.
    if len(code) not in LEVELS or not (code.isascii() and code.isdigit()) or not name:
        raise Misconfigured(
            f"{path.name!r} line {line}: {code!r} is not a code of 6, 9 or 12 digits with a name."
        )
    return Division(code, name, row.get("valid_from") or "", row.get("valid_to") or "")
