"""Rest days, and the due instants computed with them.

The day of the start is not counted (民法典 201). A last day that is a rest day moves to the next
working day (民法典 203): weekends and public holidays are rest days, days worked in their place are
not (D-8). A due instant is the end of the last day: the midnight after it.
"""

from __future__ import annotations

import csv
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import Misconfigured

SHIPPED_CALENDAR: Final = Path(__file__).parent / "data" / "calendar_cn.csv"
_DAY: Final = timedelta(days=1)
# 全国年节及纪念日放假办法 fixes these whatever the year's notice says: used past the last notice.
_FIXED_HOLIDAYS: Final = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})


class Calendar:
    """Rest days and working days of one country, in one city's time zone.

    Past the last year of the file only weekends and the holidays of fixed date are known, so a due
    date there may still move by a few days when that year's notice is published and added.
    """

    def __init__(self, off: frozenset[date], work: frozenset[date], zone: ZoneInfo) -> None:
        self._off, self._work, self.zone = off, work, zone
        self.last_year = max((day.year for day in off), default=0)
        # Deadlines of one day are the same for thousands of events.
        self._due = lru_cache(maxsize=4096)(self._count)

    @classmethod
    def load(cls, zone: str, path: Path = SHIPPED_CALENDAR) -> Calendar:
        """Reads a calendar file with the columns `date,kind,name`; kind is `off` or `work`.

        Raises:
            Misconfigured: the file cannot be read, a row is malformed, or there is no such zone.
        """
        days: dict[str, set[date]] = {"off": set(), "work": set()}
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                for row in csv.DictReader(lines):
                    days[row["kind"]].add(date.fromisoformat(row["date"]))
        except (OSError, KeyError, ValueError) as error:
            raise Misconfigured(
                f"The calendar {path.name!r} cannot be read: {error!r}.",
                do="It needs the columns date,kind,name with kind off or work.",
            ) from error
        try:
            return cls(frozenset(days["off"]), frozenset(days["work"]), ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise Misconfigured(
                f"There is no time zone {zone!r}.", do="Use an IANA name, such as Asia/Shanghai."
            ) from error

    def rests(self, day: date) -> bool:
        """Whether offices are closed on `day`."""
        if day in self._work:
            return False
        if day in self._off or day.weekday() >= 5:
            return True
        return day.year > self.last_year and (day.month, day.day) in _FIXED_HOLIDAYS

    def due(self, start: datetime, days: int, unit: str) -> datetime:
        """End of the last of `days` days after `start`; aware, in the calendar's zone."""
        return self._due(start.astimezone(self.zone).date(), days, unit)

    def _count(self, start: date, days: int, unit: str) -> datetime:
        last = start
        if unit == "natural":
            last += days * _DAY
        else:
            left = days
            while left:
                last += _DAY
                left -= not self.rests(last)
        while self.rests(last):
            last += _DAY
        return datetime.combine(last + _DAY, time(), self.zone)
