"""Legal clocks as data: what starts one, how long it runs, what stops it, and the law's article."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from schemas.reference.calendars import Calendar


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
