"""The three kinds of live figures kept of events: a rollup, a diary and a case fold.

All are folds that do not depend on order or batching: sums of integers, minima and maxima. Each
has `kpart` in its key. Its column `hi`, the highest offset seen of that Kafka partition, lies in
the same part as the figures, so a crash can never separate the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

HI: Final = "hi"
# Means "not yet": the latest instant DateTime64 holds in every zone, so min() prefers any other.
NEVER: Final = "2299-01-01 00:00:00.000"


@dataclass(frozen=True, slots=True)
class Balance:
    """Makes a rollup a ledger: money that came in less money that went out.

    Attributes:
        amount: summed field of both event types.
        raised: event type by which money comes in.
        spent: event type by which it goes out.
        by: vocabulary; each of its values has a balance of its own.
        opening: field and value that mark a balance brought forward: it counts in the balance, but
            not in the movements of any span.
    """

    amount: str
    raised: str
    spent: str
    by: str
    opening: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Rollup:
    """Counts and totals of every event type, by place, time and vocabulary.

    `net_*` are the figures after corrections, `gross_*` as first filed. A row that is not counted
    (dead, repeated, …) has the empty type, which no published view shows.

    Attributes:
        name: suffix of the target table.
        place: `county` (six digits), by the hour; or `division` (the narrowest known), by the day.
        dims: fields with a vocabulary that further divide the figures.
        balance: makes it a ledger; queries read a ledger from its first day, other rollups by span.
    """

    name: str
    place: Literal["county", "division"]
    dims: tuple[str, ...] = ()
    balance: Balance | None = None

    @property
    def grain(self) -> Literal["hour", "day"]:
        """Width of a time bucket in the city's zone."""
        return "hour" if self.place == "county" else "day"

    @property
    def publishes(self) -> tuple[str, ...]:
        """Endings of the names of the views that show it."""
        if self.place == "county":
            return ("by_county_hour", "to_date", "by_county_month", "by_county_year")
        balances = ("balances",) if self.balance else ()
        return ("by_township_day", "by_village_day", "by_village_year", *balances)


class Kept(NamedTuple):
    """An event type that a diary keeps by day.

    Attributes:
        type: the event type.
        column: its count in the published view.
        label: Chinese name of that count on boards.
        en, zh: what is counted, as in "<en> in the calendar year" and "所在年份<zh>".
    """

    type: str
    column: str
    label: str
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Diary:
    """The events that stand on each day, one row per micro-grid and year.

    For places so small that most days have no event: a rollup by day would keep nearly one row per
    event, and finding a last day would read them all (D-21). sumMap drops days with a sum of zero.

    Attributes:
        name: suffix of the target table and of the view that shows it.
        zh: what boards call that view.
        seen: the event type that reaches a micro-grid; counted over all years too.
        last: column of the last day with a `seen` event.
        also: other event types that are counted.
    """

    name: str
    zh: str
    seen: Kept
    last: str
    also: tuple[Kept, ...] = ()

    @property
    def types(self) -> tuple[str, ...]:
        """Event types kept by day, one column each."""
        return tuple(kept.type for kept in (self.seen, *self.also))

    @property
    def publishes(self) -> tuple[str, ...]:
        """Endings of the names of the views that show it."""
        return (self.name, "covered", "by_grid_day")


class Stage(NamedTuple):
    """The state of a case once an event of a type has happened.

    Attributes:
        type: the event type.
        state: the state as stored.
        zh: what boards call it.
    """

    type: str
    state: str
    zh: str


@dataclass(frozen=True, slots=True)
class CaseFold:
    """One row per case: the first instant of every event type, the facts, and the due instants.

    Attributes:
        name: suffix of the target table and of the view that shows it.
        opens: the event type that begins a case; its place is the place of the case.
        stages: in legal order; the last stage that has happened is the state of the case.
        ends: event types after which a case is no longer open.
        listed: whether a viewer sees the cases one by one; a clerk always does.
    """

    name: str
    opens: str
    stages: tuple[Stage, ...]
    ends: tuple[str, ...] = ()
    listed: bool = False

    @property
    def publishes(self) -> tuple[str, ...]:
        """Endings of the names of the views that show it."""
        counts = ("pending", "breakdown", "duties")
        return (self.name, *counts, *(f"{name}_before" for name in counts), "steps", "deadlines")


Projection = Rollup | Diary | CaseFold


def verb(type_: str) -> str:
    """`registered` of `petition.registered`."""
    return type_.partition(".")[2]
