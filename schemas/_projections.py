"""The shapes in which events are kept as live figures: a rollup, a diary and a case fold.

All are folds that do not depend on order or batching: sums of integers, minima and maxima. Each
carries `kpart` in its key and `hi`, the highest offset it has seen of that Kafka partition, in the
same part as the figures, so a crash can never separate the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from schemas._clocks import Clock
from schemas._columns import (
    GROSS,
    MICROGRID,
    NET,
    YEAR,
    Column,
    as_corrected,
    as_filed,
    moment,
    quoted,
    starts,
)
from schemas._errors import SchemaError
from schemas._event import Event, FieldSpec
from schemas._names import events_table, target_table, target_view
from schemas._words import Text

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
    """

    name: str
    place: Literal["county", "division"]
    grain: Literal["hour", "day"]
    dims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diary:
    """What stands on each day, one row an event type, micro-grid and year.

    For places so small that most days have no event: a rollup by day would keep nearly a row an
    event, and to find a last day would read them all. Sums of zero leave the map by themselves.

    Attributes:
        name: suffix of the target table.
    """

    name: str


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


def verb(event: type[Event]) -> str:
    """`registered` of `petition.registered`."""
    return event.spec.name.partition(".")[2]


def instant(zone: str) -> str:
    """The instant a parameterised view judges by: `at`, in ms since 1970.

    Not a DateTime64: the engine hands a parameter over as text, written in the zone of the value
    and read in that of the type, so that `toDateTime(…)` would come out hours away, silently.
    """
    return f"fromUnixTimestamp64Milli({{at:Int64}}, {quoted(zone)})"


def columns(family: Family, projection: Projection, zone: str) -> list[Column]:
    """The target's columns, key columns first."""
    head = [
        Column(
            "kpart",
            "UInt16",
            Text("Kafka partition the figures come from.", "统计数据所来自的 Kafka 分区。"),
        )
    ]
    tail = [
        Column(
            HI,
            _agg("max", "Int64"),
            Text(
                "Highest offset seen of this Kafka partition: watermark.",
                "本 Kafka 分区已见的最大偏移，即水位。",
            ),
        )
    ]
    if isinstance(projection, CaseFold):
        return head + _case_columns(family, zone) + tail
    head.append(
        Column(
            "type",
            "LowCardinality(String)",
            Text("Event type; empty: not counted.", "事件类型；为空表示未计入。"),
        )
    )
    if isinstance(projection, Diary):
        return head + _diary_columns() + tail
    head.append(
        Column(projection.place, "String", Text("Place of the figures.", "统计数据所属的地方。"))
    )
    for dim in projection.dims:
        f = family.fields_named(dim)[0]
        head.append(Column(dim, "LowCardinality(String)", f.doc))
    unit = f"DateTime({quoted(zone)})" if projection.grain == "hour" else "Date"
    head.append(Column(projection.grain, unit, starts(projection.grain)))
    return head + _figure_columns(family) + tail


def key(family: Family, projection: Projection, zone: str) -> list[str]:
    """Names of the target's key columns, in order."""
    if isinstance(projection, CaseFold):
        return ["kpart", "case"]
    return [
        c.name
        for c in columns(family, projection, zone)
        if not c.type.startswith("SimpleAggregateFunction")
    ]


def select(
    family: Family, projection: Projection, zone: str, *, database: str, where: str = ""
) -> str:
    """The query that turns rows of the events table into rows of the target.

    Args:
        family: whose events.
        projection: into which target.
        zone: IANA name of the city's zone.
        database: where the events table is.
        where: restricts the events for a repair or a rebuild; a view has none, so that every
            batch leaves its mark in the target.
    """
    source = f"`{database}`.`{events_table(family.topic)}`"
    if isinstance(projection, CaseFold):
        return _case_select(family, zone, source, where)
    if isinstance(projection, Diary):
        return _diary_select(family, zone, source, where)
    return _rollup_select(family, projection, zone, source, where)


def _agg(function: str, type_: str) -> str:
    return f"SimpleAggregateFunction({function}, {type_})"


def _figure_columns(family: Family) -> list[Column]:
    found = [
        Column("gross_count", _agg("sum", "Int64"), GROSS),
        Column("net_count", _agg("sum", "Int64"), NET),
    ]
    for f in family.totals:
        found.append(Column(f"gross_{f.name}", _agg("sum", "Int64"), as_filed(f)))
        found.append(Column(f"net_{f.name}", _agg("sum", "Int64"), as_corrected(f)))
    return found


def _diary_columns() -> list[Column]:
    return [
        Column("grid", "String", MICROGRID),
        Column("year", "UInt16", YEAR),
        Column(
            "net_days",
            _agg("sumMap", "Tuple(Array(Date), Array(Int64))"),
            Text(
                "Days with events that still stand, and how many on each.",
                "有仍有效事件的日期，以及各日的件次。",
            ),
        ),
    ]


def _diary_select(family: Family, zone: str, source: str, where: str) -> str:
    wanted: dict[str, str] = {}
    grid = _unless_withheld(family, wanted, "p.grid", "''")
    day = f"toDate(fromUnixTimestamp64Milli(p.time, {quoted(zone)}))"
    return (
        f"SELECT kpart, p.type AS type, {grid} AS grid, toYear({day}) AS year,\n"
        f"  sumMap([{day}], [p.net]) AS net_days, max(koff) AS {HI}\n"
        f"{_from_postings(wanted, source, where)}GROUP BY kpart, type, grid, year"
    )


def _rollup_select(family: Family, projection: Rollup, zone: str, source: str, where: str) -> str:
    wanted = {f.name: "Int64" for f in family.totals} | dict.fromkeys(projection.dims, "String")
    place = "substring(p.division, 1, 6)"
    if projection.place != "county":
        place = _unless_withheld(family, wanted, "p.division", place)
    instant = f"fromUnixTimestamp64Milli(p.time, {quoted(zone)})"
    bucket = f"toStartOfHour({instant})" if projection.grain == "hour" else f"toDate({instant})"
    picks = [
        "kpart",
        "p.type AS type",
        f"{place} AS {projection.place}",
        *(f"p.data.{dim} AS {dim}" for dim in projection.dims),
        f"{bucket} AS {projection.grain}",
    ]
    sums = ["sum(p.gross) AS gross_count", "sum(p.net) AS net_count"]
    for f in family.totals:
        only = family.sayers_only(f.name, "total", "p.type")
        value = f"if({only}, p.data.{f.name}, 0)" if only else f"p.data.{f.name}"
        sums += [f"sum(p.gross * {value}) AS gross_{f.name}"]
        sums += [f"sum(p.net * {value}) AS net_{f.name}"]
    names = ["kpart", "type", projection.place, *projection.dims, projection.grain]
    return (
        f"SELECT {', '.join(picks)},\n  {', '.join(sums)}, max(koff) AS {HI}\n"
        f"{_from_postings(wanted, source, where)}GROUP BY {', '.join(names)}"
    )


def _unless_withheld(family: Family, wanted: dict[str, str], place: str, instead: str) -> str:
    """A posting's place, `instead` of it where its content is never shown below the county.

    `wanted` gains the field that tells.
    """
    if not family.county_only:
        return place
    name, value = family.county_only
    wanted[name] = "String"
    return f"if(p.data.{name} = {quoted(value)}, {instead}, {place})"


def _from_postings(wanted: Mapping[str, str], source: str, where: str) -> str:
    """A row a posting; a message without any gives one of the empty type: the batch's mark."""
    return (
        f"FROM (SELECT kpart, koff, {_postings(wanted)} AS postings FROM {source}{_where(where)})\n"
        "LEFT ARRAY JOIN postings AS p\n"
    )


def _postings(wanted: Mapping[str, str]) -> str:
    # Double entry: an ordinary event is its own single posting; a correction lists, in `net`, what
    # it takes back and what it puts in its place, each at its own type, place and time. Of the
    # content it takes along only what figures are made of: whole texts would be copied twice.
    posting = "gross Int64, net Int64, type String, time Int64, division String, grid String"
    own = "1, 1, type, toUnixTimestamp64Milli(time), division, grid"
    if wanted:
        posting += f", data {_tuple(wanted)}"
        own += f", JSONExtract(data, {quoted(_tuple(wanted))})"
    postings = f"Array(Tuple({posting}))"
    return (
        f"if(status = 'ok' AND net = '', [tuple({own})]::{postings}, "
        f"if(status = 'ok', JSONExtract(net, {quoted(postings)}), []))"
    )


def _case_columns(family: Family, zone: str) -> list[Column]:
    found = [
        Column(
            "case",
            "String",
            Text("Number of the case; empty: not counted.", "案件编号；为空表示未计入。"),
        ),
        Column(
            "division",
            _agg("max", "String"),
            Text("Place of the first event of the case.", "案件首个事件所在的区划。"),
        ),
        Column(
            "grid",
            _agg("max", "String"),
            Text("Micro-grid of the first event of the case.", "案件首个事件所在的微网格。"),
        ),
        Column("events", _agg("sum", "Int64"), Text("Events of the case.", "案件的事件数。")),
    ]
    for cls in family.events:
        found.append(
            Column(
                f"{verb(cls)}_at",
                _agg("min", moment(zone)),
                Text(
                    f"First {cls.spec.name}; 2299 while there is none.",
                    f"首次“{cls.spec.zh}”的时间；尚无时为2299年。",
                ),
            )
        )
    for f in family.facts:
        found.append(Column(f.name, _agg("max", f.stored), f.doc))
    if family.county_only:
        text = Text(
            "1 when any event of the case is never shown below the county.",
            "案件中有只公布到县级的事件时为1。",
        )
        found.append(Column("county_only", _agg("max", "UInt8"), text))
    for clock in one_each(family.clocks):
        text = Text(
            "End of the last day by the first start, 2299 when no such clock runs.",
            f"“{clock.zh}”期限届满的时刻，自首次起算；无此期限时为2299年。依据：{clock.basis}。",
        )
        found.append(Column(f"due_{clock.name}", _agg("min", moment(zone)), text))
        if clock.moves:
            text = Text(
                "End of the last day as set by each later event, by when that event happened.",
                f"此后各事件所定“{clock.zh}”期限届满的时刻，按事件发生的时间。依据：{clock.basis}。",
            )
            found.append(Column(f"due_{clock.name}_moved", _agg("maxMap", _by_instant(zone)), text))
    return found


def _by_instant(zone: str) -> str:
    """Type of a map from instants to instants, as two arrays."""
    return f"Tuple(Array({moment(zone)}), Array({moment(zone)}))"


def _case_select(family: Family, zone: str, source: str, where: str) -> str:
    never = f"toDateTime64({quoted(NEVER)}, 3, {quoted(zone)})"
    opening = quoted(family.events[0].spec.name)
    clocks = one_each(family.clocks)
    wanted = {f.name: f.stored for f in family.facts}
    wanted |= {f"due_{clock.name}": "Int64" for clock in clocks}
    picks = [
        "kpart",
        "if(status = 'ok', key, '') AS case",
        f"max(if(status = 'ok' AND type = {opening}, e.division, '')) AS division",
        f"max(if(status = 'ok' AND type = {opening}, e.grid, '')) AS grid",
        "toInt64(countIf(status = 'ok')) AS events",
    ]
    for cls in family.events:
        of_type = f"status = 'ok' AND type = {quoted(cls.spec.name)}"
        picks.append(f"min(if({of_type}, time, {never})) AS {verb(cls)}_at")
    for f in family.facts:
        only = family.sayers_only(f.name, "fact", "type")
        picks.append(f"{f'maxIf(d.{f.name}, {only})' if only else f'max(d.{f.name})'} AS {f.name}")
    if family.county_only:
        name, value = family.county_only
        picks.append(f"max(d.{name} = {quoted(value)}) AS county_only")
    for clock in clocks:
        due, extension = f"d.due_{clock.name}", f"type = {quoted(clock.extends)}"
        # Of no row minIf is 0, the earliest of all: "none" needs a value that loses.
        none = f"toUnixTimestamp64Milli({never})"
        starting = f"{due} != 0" + (f" AND NOT {extension}" if clock.extends else "")
        first = f"min(if({starting}, {due}, {none}))"
        picks.append(f"fromUnixTimestamp64Milli({first}, {quoted(zone)}) AS due_{clock.name}")
        if clock.moves:
            moving = f"{due} != 0" + ("" if clock.counts == "last" else f" AND {extension}")
            to = f"fromUnixTimestamp64Milli({due}, {quoted(zone)})"
            picks.append(f"maxMapIf([time], [{to}], {moving}) AS due_{clock.name}_moved")
    parsed = f"JSONExtract(if(status = 'ok', data, ''), {quoted(_tuple(wanted))}) AS d"
    # Columns are read as e.division: a bare `division` would be the alias of the aggregate.
    inner = (
        f"SELECT kpart, koff, status, key, type, time, division, grid, {parsed} "
        f"FROM {source}{_where(where)}"
    )
    body = ",\n  ".join(picks)
    return f"SELECT {body},\n  max(koff) AS {HI}\nFROM ({inner}) AS e\nGROUP BY kpart, case"


def one_each(clocks: Sequence[Clock]) -> list[Clock]:
    """The clocks, those that share a column as one whose basis names the law of each."""
    found: dict[str, Clock] = {}
    for clock in clocks:
        other = found.get(clock.name)
        basis = f"{other.basis}; {clock.basis}" if other else clock.basis
        found[clock.name] = replace(clock, basis=basis)
    return list(found.values())


def _tuple(fields: Mapping[str, str]) -> str:
    return "Tuple(" + ", ".join(f"{name} {type_}" for name, type_ in fields.items()) + ")"


def _where(condition: str) -> str:
    return f" WHERE {condition}" if condition else ""


def target(family: Family, projection: Projection) -> str:
    """Name of the target table of `projection`."""
    return target_table(family.topic, projection.name)


def view(family: Family, projection: Projection) -> str:
    """Name of the materialized view that feeds the target."""
    return target_view(family.topic, projection.name)
