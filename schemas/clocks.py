"""Legal clocks as data: what starts one, how long it runs, what stops it, and the law's article."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from schemas.reference.calendars import Calendar


@dataclass(frozen=True, slots=True)
class Term:
    """How long a clock runs for the cases that the term covers.

    Attributes:
        days: length in `unit`.
        basis: the law's article.
        unit: natural days, or working days of the calendar.
        when: field of the starting event, and the values that the term covers; empty: all cases.
        longest: the most days an extension may add.
    """

    days: int
    basis: str
    unit: Literal["natural", "working"] = "natural"
    when: tuple[str, tuple[str, ...]] = ("", ())
    longest: int = 0

    def covers(self, content: Mapping[str, Any]) -> bool:
        """Whether the term covers a case with this content."""
        field, values = self.when
        return not field or content.get(field) in values


@dataclass(frozen=True, slots=True)
class Clock:
    """One deadline of a case; the case fold has one set of columns for it.

    The terms share the clock's attributes, so they cannot disagree on them. A duty that other
    events end is another clock, with a name and columns of its own (D-11).

    Attributes:
        name: `due_<name>` is its column in the case fold.
        zh: what boards call it.
        starts: event type whose `time` starts it.
        terms: its lengths; the first that covers the starting event's content counts.
        ends: event types that stop it; one that happens in time meets it.
        lapses: those of `ends` that cancel the duty instead of meeting it; a case that ends so
            before the due date is in neither the numerator nor the denominator of an on-time rate.
        extends: event type that lengthens it: by the event's field `days`, from its field `since`.
        counts: which of several starts counts: the first where a new start gives no more time, the
            last where each start gives another office its own time.
    """

    name: str
    zh: str
    starts: str
    terms: tuple[Term, ...]
    ends: tuple[str, ...]
    lapses: tuple[str, ...] = ()
    extends: str = ""
    counts: Literal["first", "last"] = "first"

    @property
    def basis(self) -> str:
        """The articles of all terms, each once."""
        return "；".join(dict.fromkeys(term.basis for term in self.terms))

    @property
    def moves(self) -> bool:
        """Whether events after the first start can postpone the due instant.

        The case fold keeps the due instant of each such event by the event's time: a case judged
        at an earlier instant ignores the event (D-9).
        """
        return bool(self.extends) or self.counts == "last"

    def due(
        self, type_: str, happened: datetime, content: Mapping[str, Any], calendar: Calendar
    ) -> datetime | None:
        """Due instant set by an event of type `type_`; None when it sets none on this clock."""
        if type_ not in (self.starts, self.extends):
            return None
        term = next((term for term in self.terms if term.covers(content)), None)
        if term is None:
            return None
        if type_ == self.starts:
            return calendar.due(happened, term.days, term.unit)
        more = min(int(content["days"]), term.longest)
        return calendar.due(content["since"], term.days + more, term.unit)
