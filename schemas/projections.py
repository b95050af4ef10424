"""The shapes in which events are kept as live figures: a rollup, a diary and a case fold.

All are folds that do not depend on order or batching: sums of integers, minima and maxima. Each
carries `kpart` in its key and `hi`, the highest offset it has seen of that Kafka partition, in the
same part as the figures, so a crash can never separate the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from schemas.clocks import Clock
from schemas.errors import SchemaError
from schemas.event import Event, FieldSpec
from schemas.sql.columns import quoted
from schemas.words import Text

HI: Final = "hi"
# Stands for "not yet": the latest instant DateTime64 holds in every zone, so that min() passes it.
NEVER: Final = "2299-01-01 00:00:00.000"


@dataclass(frozen=True, slots=True)
class Rollup:
    """Counts and totals of every event type, by place, time and vocabulary.

    `net_*` are the figures as they stand after corrections, `gross_*` as first filed. A row that is
    not counted (dead, repeated, …) falls under the empty type, which no published view shows.

    Attributes:
        name: suffix of the target table.
        place: `county` (six digits) or `division` (the narrowest known).
        grain: width of a time bucket in the city's zone.
        dims: fields with a vocabulary that further divide the figures.
        ledger: a place's figures are asked from its first day on, as a balance is; else of a span.
    """

    name: str
    place: Literal["county", "division"]
    grain: Literal["hour", "day"]
    dims: tuple[str, ...] = ()
    ledger: bool = False


@dataclass(frozen=True, slots=True)
class Diary:
    """What stands on each day, one row a micro-grid and year.

    For places so small that most days have no event: a rollup by day would keep nearly a row an
    event, and to find a last day would read them all. Sums of zero leave the map by themselves.

    Attributes:
        name: suffix of the target table.
        types: event types whose days are kept, a column each.
    """

    name: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseFold:
    """One row a case: the first instant of every event type, the facts, and the due instants.

    Attributes:
        name: suffix of the target table.
        stages: state a case is in once the event type on the left has happened; later wins.
        ends: event types after which a case is no longer open.
    """

    name: str
    stages: tuple[tuple[str, str], ...] = ()
    ends: tuple[str, ...] = ()


Projection = Rollup | Diary | CaseFold
ViewMaker = Callable[["Family", str, str], "PublishedView"]
"""Given the family, its database and the city's zone, a view the family declares itself."""


@dataclass(frozen=True, slots=True)
class PublishedView:
    """A view of the published database.

    Attributes:
        name: stable; `<family>_<what>`.
        zh: what boards call it.
        doc: what a row is, and of which instant where the view takes one.
        columns: every column with its meaning and unit, in order.
        sql: the query; tables are qualified, parameters in ClickHouse's `{name:Type}`.
    """

    name: str
    zh: str
    doc: Text
    columns: Mapping[str, Text]
    sql: str


@dataclass(frozen=True, slots=True)
class Family:
    """All that derives from one file of `schemas/`; `events` in order of declaration."""

    topic: str
    zh: str
    module: str
    partitions: int
    events: tuple[type[Event], ...]
    projections: tuple[Projection, ...]
    clocks: tuple[Clock, ...] = ()
    views: tuple[ViewMaker, ...] = ()
    small_cells: bool = False
    doc: Text = field(default=Text("", ""), repr=False)

    def __post_init__(self) -> None:
        wrong = next(_contradictions(self), None)
        if wrong:
            raise SchemaError(f"Family {self.topic!r} in {self.module}: {wrong}.")

    @property
    def totals(self) -> tuple[FieldSpec, ...]:
        """Every summed field of the family, each once, in order of first declaration."""
        return self._fields("total")

    @property
    def facts(self) -> tuple[FieldSpec, ...]:
        """Every field kept in the case fold, each once."""
        return self._fields("fact")

    def _fields(self, mark: str) -> tuple[FieldSpec, ...]:
        found: dict[str, FieldSpec] = {}
        for cls in self.events:
            for spec in cls.fields.values():
                if getattr(spec, mark):
                    found.setdefault(spec.name, spec)
        return tuple(found.values())

    def fields_named(self, name: str) -> tuple[FieldSpec, ...]:
        """The declarations of field `name` in the event types that have it."""
        return tuple(cls.fields[name] for cls in self.events if name in cls.fields)

    def sayers(self, name: str, mark: str) -> tuple[str, ...]:
        """Event types whose field `name` bears `mark` (`total` or `fact`); others may reuse it."""
        return tuple(
            cls.spec.name
            for cls in self.events
            if name in cls.fields and getattr(cls.fields[name], mark)
        )

    def sayers_only(self, name: str, mark: str, column: str) -> str:
        """The condition that keeps a namesake out: the people at a hearing did not petition."""
        sayers = self.sayers(name, mark)
        if len(sayers) == len(self.fields_named(name)):
            return ""
        return f"{column} IN ({', '.join(map(quoted, sayers))})"

    @property
    def county_only(self) -> tuple[str, str] | None:
        """Field and value of content that never appears below the county; None: there is none."""
        return next((cls.county_only for cls in self.events if cls.county_only[0]), None)


PROJECTIONS_MAX: Final = 4  # every view on a table costs a part an insert
_RESERVED: Final = frozenset(
    {"kpart", "koff", "type", "county", "division", "township", "village", "grid", "hour", "day"}
    | {"year", "case", "events", "state", "open", "ended_at", "county_only", HI}
)


def _contradictions(family: Family) -> Iterator[str]:
    """What a family's projections, clocks and corrections say of events it does not have."""
    names = [cls.spec.name for cls in family.events]
    if len(set(names)) < len(names):
        yield "two classes have one event name"
    if len(family.projections) > PROJECTIONS_MAX:
        yield f"{len(family.projections)} projections are more than {PROJECTIONS_MAX}"
    said: set[str] = set()
    for cls in family.events:
        said |= {cls.spec.corrects, *cls.spec.voids}
    for clock in family.clocks:
        said |= {clock.starts, clock.extends, *clock.ends}
        if clock.extends and not any(
            cls.spec.name == clock.extends and {"days", "since"} <= set(cls.fields)
            for cls in family.events
        ):
            yield f"{clock.extends!r} extends a clock but has no fields days and since"
        if any(o.name == clock.name and o.counts != clock.counts for o in family.clocks):
            yield f"clocks named {clock.name!r} disagree on which start counts"
    for projection in family.projections:
        if isinstance(projection, Diary):
            said |= set(projection.types)
        if isinstance(projection, CaseFold):
            said |= {name for name, _ in projection.stages} | set(projection.ends)
            if not projection.stages:
                yield f"case fold {projection.name!r} has no stages"
        if not isinstance(projection, Rollup):
            continue
        for dim in projection.dims:
            if not any(f.choices for f in family.fields_named(dim)):
                yield f"{dim!r} divides {projection.name!r} but is no vocabulary"
    unknown = sorted(said - set(names) - {""})
    if unknown:
        yield f"{unknown[0]!r} is named but is none of its events"
    for f in (*family.totals, *family.facts):
        if f.name in _RESERVED:
            yield f"field {f.name!r} has the name of a column of every target"
        if len({other.stored for other in family.fields_named(f.name)}) > 1:
            yield f"field {f.name!r} has one type in one event and another in another"
    for cls in family.events:
        for name, doc in (
            (cls.spec.name, cls.spec.doc),
            *((f.name, f.doc) for f in cls.fields.values()),
        ):
            if not doc.whole:
                yield f"{name!r} of {cls.__name__} is not described in English and in Chinese"
    if not family.doc.whole:
        yield "it is not described in English and in Chinese"


def verb(type_: str) -> str:
    """`registered` of `petition.registered`."""
    return type_.partition(".")[2]


def instant(zone: str) -> str:
    """The instant a parameterised view judges by: `at`, in ms since 1970.

    Not a DateTime64: the engine hands a parameter over as text, written in the zone of the value
    and read in that of the type, so that `toDateTime(…)` would come out hours away, silently.
    """
    return f"fromUnixTimestamp64Milli({{at:Int64}}, {quoted(zone)})"
