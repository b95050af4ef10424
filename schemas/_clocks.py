"""Legal clocks as data: what starts one, how long it runs, what stops it, and the law's article.

Counting: the day of the start is excluded (民法典 201) and a last day that is a rest day moves to
the next working day (民法典 203; 法定休假日 takes in weekly rest days and public holidays, less the
days worked in their stead). A due instant is the end of the last day, the midnight after it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas._errors import Misconfigured

SHIPPED_CALENDAR: Final = Path(__file__).parent / "data" / "calendar_cn.csv"
_DAY: Final = timedelta(days=1)
# Fixed by 全国年节及纪念日放假办法 whatever the year's notice says: used past the last notice.
_FIXED_HOLIDAYS: Final = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})


@dataclass(frozen=True, slots=True)
class Clock:
    """One deadline of a case.

    Attributes:
        name: `due_<name>` is its column in the case fold.
        zh: what boards call it.
        starts: event type whose `time` starts it; an extension restarts nothing, it `extends`.
        days: length in `unit`.
        ends: event types any of which stops it, and in time meets it.
        lapses: those of `ends` that take the duty away instead of meeting it; a case that ended so
            before the due date is in neither side of an on-time rate.
        basis: the law's article.
        unit: natural days, or working days of the calendar.
        when: field and values of the starting event that put the case under this clock.
        extends: event type whose field `days` lengthens it, counted from its field `since`.
        longest: the most days an extension may add.
        counts: which of several starts: the first where starting again gives no more time, the last
            where each start is another office's own time. Clocks of one name share their columns.
    """

    name: str
    zh: str
    starts: str
    days: int
    ends: tuple[str, ...]
    basis: str
    unit: Literal["natural", "working"] = "natural"
    when: tuple[str, tuple[str, ...]] = ("", ())
    extends: str = ""
    longest: int = 0
    lapses: tuple[str, ...] = ()
    counts: Literal["first", "last"] = "first"

    @property
    def moves(self) -> bool:
        """Whether events after the first start can put the due instant off.

        Their due instants are kept by when they happened: at an instant before, a case is judged
        without them.
        """
        return bool(self.extends) or self.counts == "last"

    def due(
        self, type_: str, happened: datetime, content: Mapping[str, Any], calendar: Calendar
    ) -> datetime | None:
        """Due instant set by an event of type `type_`; None when it sets none on this clock."""
        field, values = self.when
        if field and content.get(field) not in values:
            return None
        if type_ == self.starts:
            return calendar.due(happened, self.days, self.unit)
        if type_ == self.extends:
            more = min(int(content["days"]), self.longest)
            return calendar.due(content["since"], self.days + more, self.unit)
        return None


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
