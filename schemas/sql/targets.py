"""The target tables of projections: their columns, keys, and the queries that fill them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from schemas.errors import SchemaError
from schemas.family import Family
from schemas.names import events_table, target_table, target_view
from schemas.projections import HI, NEVER, CaseFold, Diary, Projection, Rollup, verb
from schemas.sql.columns import (
    MICROGRID,
    YEAR,
    Column,
    figures_of,
    moment,
    of_types,
    quoted,
    starts,
)
from schemas.words import Text

LAST_DAY: Final = "last_day"
"""Column of a diary: no day of its row is later."""


_SMALL: Final = "T64, LZ4"
"""Unsorted offsets; T64 drops unused high bits, so they take half the room."""


def columns(family: Family, projection: Projection, zone: str) -> list[Column]:
    """The target's columns, key columns first.

    Raises:
        SchemaError: two of them have one name.
    """
    found = _columns(family, projection, zone)
    counted = Counter(column.name for column in found)
    for name, times in counted.items():
        if times > 1:
            raise SchemaError(
                f"Family {family.topic!r} in {family.module}: {target(family, projection)} would "
                f"have {times} columns {name!r}."
            )
    return found


def _columns(family: Family, projection: Projection, zone: str) -> list[Column]:
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
            _SMALL,
        )
    ]
    if isinstance(projection, CaseFold):
        return head + _case_columns(family, projection, zone) + tail
    if isinstance(projection, Diary):
        return _diary_columns(family, projection, *head) + tail
    head.append(
        Column(
            "type",
            "LowCardinality(String)",
            Text("Event type; empty: not counted.", "事件类型；为空表示未计入。"),
        )
    )
    # LowCardinality: substring and GROUP BY run on dictionary entries; summing a month of the city
    # is a quarter faster.
    place = Column(
        projection.place,
        "LowCardinality(String)",
        Text("Place of the figures.", "统计数据所属的地方。"),
    )
    dims = [
        Column(dim, "LowCardinality(String)", family.fields_named(dim)[0].doc)
        for dim in projection.dims
    ]
    unit = f"DateTime({quoted(zone)})" if projection.grain == "hour" else "Date"
    time = Column(projection.grain, unit, starts(projection.grain))
    # With the day or hour first in the key, a query reads only its span, however many years there
    # are. Queries read a ledger from its first day, and by place (D-28).
    head += [place, *dims, time] if projection.balance else [time, place, *dims]
    return head + _figure_columns(family) + tail


def key(family: Family, projection: Projection, zone: str) -> list[str]:
    """Names of the target's key columns, in order."""
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
            batch leaves its watermark in the target.
    """
    source = f"`{database}`.`{events_table(family.topic)}`"
    if isinstance(projection, CaseFold):
        return _case_select(family, projection, zone, source, where)
    if isinstance(projection, Diary):
        return _diary_select(family, projection, zone, source, where)
    return _rollup_select(family, projection, zone, source, where)


def _agg(function: str, type_: str) -> str:
    return f"SimpleAggregateFunction({function}, {type_})"


def _figure_columns(family: Family) -> list[Column]:
    return [Column(name, _agg("sum", "Int64"), doc) for name, doc in figures_of(family)]


def days_of(type_: str) -> str:
    """Column of a diary with the days of an event type: `recorded_days` of `visit.recorded`."""
    return f"{verb(type_)}_days"


def count_of(type_: str) -> str:
    """Column of a diary with the count of an event type: `recorded_count` of `visit.recorded`."""
    return f"{verb(type_)}_count"


def _diary_columns(family: Family, diary: Diary, kpart: Column) -> list[Column]:
    zh = {cls.spec.name: cls.spec.zh for cls in family.events}
    found = []
    for type_ in diary.types:
        days = Text(
            f"Days with a {type_} that still stands, and how many on each.",
            f"有仍有效“{zh[type_]}”的日期，以及各日的件次。",
        )
        count = Text(f"How many {type_} stand.", f"仍有效“{zh[type_]}”的件次。")
        pairs = _agg("sumMap", "Tuple(Array(Date), Array(Int64))")
        found.append(Column(days_of(type_), pairs, days))
        found.append(Column(count_of(type_), _agg("sum", "Int64"), count))
    bound = Text(
        "No day of the row is later: on and after it the counts say all. Stays when events are "
        "taken back.",
        "本行各日期均不晚于此日：自此日起件次合计即为全部。事件被更正或者作废时不变。",
    )
    # Grid first in the key: the rows of a place lie side by side, for grouping and for lookups.
    return [
        Column("grid", "String", MICROGRID),
        kpart,
        Column("year", "UInt16", YEAR),
        *found,
        Column(LAST_DAY, _agg("max", "Date"), bound),
    ]


def _diary_select(family: Family, diary: Diary, zone: str, source: str, where: str) -> str:
    wanted: dict[str, str] = {}
    grid = _unless_withheld(family, wanted, "p.grid", "''")
    day = f"toDate(fromUnixTimestamp64Milli(p.time, {quoted(zone)}))"
    kept = ", ".join(
        f"sumMapIf([{day}], [p.net], {of_type}) AS {days_of(type_)}, "
        f"sumIf(p.net, {of_type}) AS {count_of(type_)}"
        for type_ in diary.types
        for of_type in [f"p.type = {quoted(type_)}"]
    )
    return (
        f"SELECT {grid} AS grid, kpart, toYear({day}) AS year,\n"
        f"  {kept}, max({day}) AS {LAST_DAY}, max(koff) AS {HI}\n"
        f"{_from_postings(wanted, source, where)}GROUP BY kpart, grid, year"
    )


def _rollup_select(family: Family, projection: Rollup, zone: str, source: str, where: str) -> str:
    wanted = {f.name: "Int64" for f in family.totals} | dict.fromkeys(projection.dims, "String")
    place = "substring(p.division, 1, 6)"
    if projection.place != "county":
        place = _unless_withheld(family, wanted, "p.division", place)
    instant = f"fromUnixTimestamp64Milli(p.time, {quoted(zone)})"
    bucket = f"toStartOfHour({instant})" if projection.grain == "hour" else f"toDate({instant})"
    parts = {
        "type": "p.type",
        projection.place: place,
        projection.grain: bucket,
        **{dim: f"p.data.{dim}" for dim in projection.dims},
    }
    names = key(family, projection, zone)
    picks = ["kpart", *(f"{parts[name]} AS {name}" for name in names if name != "kpart")]
    sums = ["sum(p.gross) AS gross_count", "sum(p.net) AS net_count"]
    for f in family.totals:
        only = of_types(family, f.name, "total", "p.type")
        value = f"if({only}, p.data.{f.name}, 0)" if only else f"p.data.{f.name}"
        sums += [f"sum(p.gross * {value}) AS gross_{f.name}"]
        sums += [f"sum(p.net * {value}) AS net_{f.name}"]
    return (
        f"SELECT {', '.join(picks)},\n  {', '.join(sums)}, max(koff) AS {HI}\n"
        f"{_from_postings(wanted, source, where)}GROUP BY {', '.join(names)}"
    )


def _unless_withheld(family: Family, wanted: dict[str, str], place: str, instead: str) -> str:
    """A posting's place, or `instead` where its content is never shown below the county.

    Adds the field that decides it to `wanted`.
    """
    if not family.county_only:
        return place
    name, value = family.county_only
    wanted[name] = "String"
    return f"if(p.data.{name} = {quoted(value)}, {instead}, {place})"


def _from_postings(wanted: Mapping[str, str], source: str, where: str) -> str:
    """One row per posting; a message without any gives one of the empty type, for the watermark."""
    return (
        f"FROM (SELECT kpart, koff, {_postings(wanted)} AS postings FROM {source}{_where(where)})\n"
        "LEFT ARRAY JOIN postings AS p\n"
    )


def _postings(wanted: Mapping[str, str]) -> str:
    # Double entry: an ordinary event is its own single posting; a correction lists, in `net`, what
    # it takes back and what replaces it, each at its own type, place and time. A posting extracts
    # only the fields that figures use: whole texts would be copied twice.
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


def _case_columns(family: Family, fold: CaseFold, zone: str) -> list[Column]:
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
                f"{verb(cls.spec.name)}_at",
                _agg("min", moment(zone)),
                Text(
                    f"First {cls.spec.name}; 2299 while there is none.",
                    f"首次“{cls.spec.zh}”的时间；尚无时为2299年。",
                ),
            )
        )
    ended = Text(
        "First event that ends it; 2299 while there is none.",
        "首次结束的时间；尚无时为2299年。",
    )
    found.append(Column("ended_at", _agg("min", moment(zone)), ended))
    for f in family.facts:
        found.append(Column(f.name, _agg("max", f.stored), f.doc))
    if family.county_only:
        text = Text(
            "1 when any event of the case is never shown below the county.",
            "案件中有只公布到县级的事件时为1。",
        )
        found.append(Column("county_only", _agg("max", "UInt8"), text))
    for clock in family.clocks:
        text = Text(
            "End of the last day by the first start, 2299 when no such clock runs.",
            f"“{clock.zh}”期限届满的时刻，自首次起算；无此期限时为2299年。依据：{clock.basis}。",
        )
        found.append(Column(f"due_{clock.name}", _agg("min", moment(zone)), text))
        if clock.moves:
            text = Text(
                "End of the last day as set by each event that may put it off, by its time.",
                f"可延后期限的各事件所定“{clock.zh}”期限届满的时刻，按事件发生的时间。依据：{clock.basis}。",
            )
            found.append(Column(f"due_{clock.name}_moved", _agg("maxMap", _by_instant(zone)), text))
        text = Text(
            "First event that stops the clock; 2299 while there is none.",
            f"“{clock.zh}”首次完成的时间；尚无时为2299年。",
        )
        found.append(Column(f"met_{clock.name}", _agg("min", moment(zone)), text))
    return found


def _by_instant(zone: str) -> str:
    """Type of a map from instants to instants, as two arrays."""
    return f"Tuple(Array({moment(zone)}), Array({moment(zone)}))"


def _case_select(family: Family, fold: CaseFold, zone: str, source: str, where: str) -> str:
    never = f"toDateTime64({quoted(NEVER)}, 3, {quoted(zone)})"
    opening, clocks = quoted(fold.opens), family.clocks
    wanted = {f.name: f.stored for f in family.facts}
    wanted |= {f"due_{clock.name}": "Int64" for clock in clocks}
    picks = [
        "kpart",
        "if(status = 'ok', key, '') AS case",
        f"max(if(status = 'ok' AND type = {opening}, e.division, '')) AS division",
        f"max(if(status = 'ok' AND type = {opening}, e.grid, '')) AS grid",
        "toInt64(countIf(status = 'ok')) AS events",
    ]

    def first(types: Sequence[str]) -> str:
        of_type = f"status = 'ok' AND type IN ({', '.join(map(quoted, types or ['']))})"
        return f"min(if({of_type}, time, {never}))"

    for cls in family.events:
        picks.append(f"{first([cls.spec.name])} AS {verb(cls.spec.name)}_at")
    picks.append(f"{first(fold.ends)} AS ended_at")
    for f in family.facts:
        only = of_types(family, f.name, "fact", "type")
        picks.append(f"{f'maxIf(d.{f.name}, {only})' if only else f'max(d.{f.name})'} AS {f.name}")
    if family.county_only:
        name, value = family.county_only
        picks.append(f"max(d.{name} = {quoted(value)}) AS county_only")
    for clock in clocks:
        due, extension = f"d.due_{clock.name}", f"type = {quoted(clock.extends)}"
        # minIf over no rows is 0, which would win; use NEVER.
        none = f"toUnixTimestamp64Milli({never})"
        starting = f"{due} != 0" + (f" AND NOT {extension}" if clock.extends else "")
        earliest = f"min(if({starting}, {due}, {none}))"
        picks.append(f"fromUnixTimestamp64Milli({earliest}, {quoted(zone)}) AS due_{clock.name}")
        if clock.moves:
            moving = f"{due} != 0" + ("" if clock.counts == "last" else f" AND {extension}")
            to = f"fromUnixTimestamp64Milli({due}, {quoted(zone)})"
            picks.append(f"maxMapIf([time], [{to}], {moving}) AS due_{clock.name}_moved")
        picks.append(f"{first(clock.ends)} AS met_{clock.name}")
    parsed = f"JSONExtract(if(status = 'ok', data, ''), {quoted(_tuple(wanted))}) AS d"
    # Columns are read as e.division: a bare `division` would be the alias of the aggregate.
    inner = (
        f"SELECT kpart, koff, status, key, type, time, division, grid, {parsed} "
        f"FROM {source}{_where(where)}"
    )
    body = ",\n  ".join(picks)
    return f"SELECT {body},\n  max(koff) AS {HI}\nFROM ({inner}) AS e\nGROUP BY kpart, case"


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
