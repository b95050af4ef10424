"""The published views: stable names over the figures, all that boards and auditors read.

`<topic>_by_county_hour`, `_by_township_day`, `_by_village_year`, `_by_village_day` (where small
cells need no cover) and `<topic>_cases(at)` derive from a family's projections; a family may
declare more in `views`.
A parameterised view takes the instant `at` it is judged by, in ms since 1970: never the wall
clock. From a board: `petitions_cases(at = toUnixTimestamp64Milli($__toTime_ms))`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from schemas import _names as names
from schemas._clocks import Clock
from schemas._projections import (
    GROSS,
    NET,
    NEVER,
    CaseFold,
    Family,
    PublishedView,
    Rollup,
    as_corrected,
    as_filed,
    instant,
    moment,
    one_each,
    quoted,
    starts,
    target,
    verb,
)
from schemas._watched import watched
from schemas._words import Text

SMALL: Final = 5
"""Counts of 1 to SMALL - 1 below township are withheld: a micro-grid has about 15 households."""

_GRAINS: Final = {"day": "日期", "year": "年份"}
_YEAR: Final = Text("Calendar year, city's zone.", "所属年份，按本市时区。")


def published(families: Sequence[Family], database: str, zone: str) -> list[PublishedView]:
    """Every published view, in the order in which they may be created."""
    found: list[PublishedView] = []
    for family in families:
        found += _family_views(family, database, zone)
        found += [make(family, database, zone) for make in family.views]
    return [*found, _divisions(database), _labels(families), *watched(families, database)]


def _family_views(family: Family, database: str, zone: str) -> Iterator[PublishedView]:
    for projection in family.projections:
        if isinstance(projection, CaseFold):
            yield _cases(family, projection, database, zone)
        elif projection.place == "county" and projection.grain == "hour":
            yield _by_county_hour(family, projection, database)
        elif projection.place == "division":
            yield _by_township_day(family, projection, database)
            if family.small_cells:
                yield _by_village_year_suppressed(family, projection, database)
            else:
                yield _by_village(family, projection, database, "day")
                yield _by_village(family, projection, database, "year")


def _figures(family: Family, *, below_township: bool = False) -> dict[str, Text]:
    found = {"gross_count": GROSS, "net_count": NET}
    for f in family.totals:
        if below_township and not f.below_township:
            continue
        found[f"gross_{f.name}"] = as_filed(f)
        found[f"net_{f.name}"] = as_corrected(f)
    return found


def _sums(family: Family) -> str:
    return ", ".join(f"sum(t.{name}) AS {name}" for name in _figures(family))


def _dims(family: Family, rollup: Rollup) -> dict[str, Text]:
    return {d: family.fields_named(d)[0].doc for d in rollup.dims}


def _by_county_hour(family: Family, rollup: Rollup, database: str) -> PublishedView:
    dims = _dims(family, rollup)
    group = ", ".join(["type", "county", *dims, "hour"])
    return PublishedView(
        f"{family.topic}_by_county_hour",
        f"{family.zh}·县市区·小时",
        Text("Figures by type, county and hour.", f"{family.zh}统计，按事件类型、县市区和小时。"),
        {
            "type": Text("Event type.", "事件类型。"),
            "county": Text(
                "County, six digits; the city's own code: place unknown (未定位).",
                "县市区代码，6位；为本市代码时表示未定位。",
            ),
            **dims,
            "hour": starts("hour"),
            **_figures(family),
        },
        f"SELECT {group}, {_sums(family)}\n"
        f"FROM `{database}`.`{target(family, rollup)}` AS t WHERE type != ''\nGROUP BY {group}",
    )


def _by_township_day(family: Family, rollup: Rollup, database: str) -> PublishedView:
    dims = _dims(family, rollup)
    group = ", ".join(["type", "county", "township", *dims, "day"])
    return PublishedView(
        f"{family.topic}_by_township_day",
        f"{family.zh}·乡镇街道·日",
        Text(
            "Figures by type, township and day.", f"{family.zh}统计，按事件类型、乡镇街道和日期。"
        ),
        {
            "type": Text("Event type.", "事件类型。"),
            "county": Text("County, six digits.", "县市区代码，6位。"),
            "township": Text(
                "Township, nine digits; empty when unknown or not shown below county.",
                "乡镇街道代码，9位；不明或者只公布到县级时为空。",
            ),
            **dims,
            "day": starts("day"),
            **_figures(family),
        },
        "SELECT type, substring(division, 1, 6) AS county,\n"
        "  if(length(division) >= 9, substring(division, 1, 9), '') AS township,\n"
        f"  {''.join(f'{d}, ' for d in dims)}day, {_sums(family)}\n"
        f"FROM `{database}`.`{target(family, rollup)}` AS t WHERE type != ''\nGROUP BY {group}",
    )


def _by_village(family: Family, rollup: Rollup, database: str, grain: str) -> PublishedView:
    dims = _dims(family, rollup)
    bucket = "day" if grain == "day" else "toYear(day) AS year"
    group = ", ".join(["type", "county", "township", "village", *dims, grain])
    figures = _figures(family, below_township=True)
    sums = {name: f"sum(t.{name})" for name in figures}
    # An event that helps somebody is counted no more than the people it helped: one alone in a
    # village points at a household. Its money is a total as others are.
    helping = [
        t for f in family.totals if not f.below_township for t in family.sayers(f.name, "total")
    ]
    if helping:
        told = ", ".join(helping)
        withheld = f"type IN ({', '.join(map(quoted, helping))})"
        for name in ("gross_count", "net_count"):
            figures[name] += Text(f"NULL of {told}.", f"{told} 的为 NULL。")
            sums[name] = f"if({withheld}, NULL, {sums[name]})"
        figures["suppressed"] = Text(
            f"1 when the counts are withheld: {told}.", f"件次不公布时为1：{told}。"
        )
        sums["suppressed"] = f"toUInt8({withheld})"
    return PublishedView(
        f"{family.topic}_by_village_{grain}",
        f"{family.zh}·村社区·{'日' if grain == 'day' else '年'}",
        Text(
            f"Figures by type, village and {grain}.",
            f"{family.zh}统计，按事件类型、村（社区）和{_GRAINS[grain]}。",
        ),
        {
            "type": Text("Event type.", "事件类型。"),
            "county": Text("County, six digits.", "县市区代码，6位。"),
            "township": Text("Township, nine digits.", "乡镇街道代码，9位。"),
            "village": Text("Village or community, twelve digits.", "村（社区）代码，12位。"),
            **dims,
            grain: starts("day") if grain == "day" else _YEAR,
            **figures,
        },
        "SELECT type, substring(division, 1, 6) AS county,\n"
        "  substring(division, 1, 9) AS township, division AS village,\n"
        f"  {''.join(f'{d}, ' for d in dims)}{bucket},\n"
        f"  {', '.join(f'{sql} AS {name}' for name, sql in sums.items())}\n"
        f"FROM `{database}`.`{target(family, rollup)}` AS t\n"
        f"WHERE type != '' AND length(division) = 12\nGROUP BY {group}",
    )


def _by_village_year_suppressed(family: Family, rollup: Rollup, database: str) -> PublishedView:
    """Withholds small cells, and one more of the township where one alone would be withheld.

    A township's total is published, so a cell withheld alone could be got by subtraction. The
    second is the smallest other, and where no other village has events one that has none, so
    every village of the township takes part, with a zero. Only the sole village of a township
    stays uncovered: it is its township.

    There is no such view by day: nearly every cell would be withheld, and with the days of a
    village's year as a second line of known sums, hiding one sibling a line is not enough.
    Vocabularies are left out: they would make small cells of large ones.
    """
    figures = _figures(family, below_township=True)
    cell = "type, substring(village, 1, 9) AS township, village, year"
    small = f"gross_count BETWEEN 1 AND {SMALL - 1} OR abs(net_count) BETWEEN 1 AND {SMALL - 1}"
    line = "PARTITION BY type, township, year"
    return PublishedView(
        f"{family.topic}_by_village_year",
        f"{family.zh}·村社区·年",
        Text(
            f"Figures by type, village and year; counts of 1 to {SMALL - 1} are withheld, and one "
            "sibling more where subtraction from the township would reveal them.",
            f"{family.zh}统计，按事件类型、村（社区）和年份；1至{SMALL - 1}的计数不公布，"
            "可由乡镇街道合计相减得出的，再隐去一个同级单位。",
        ),
        {
            "type": Text("Event type.", "事件类型。"),
            "county": Text("County, six digits.", "县市区代码，6位。"),
            "township": Text("Township, nine digits.", "乡镇街道代码，9位。"),
            "village": Text("Village or community, twelve digits.", "村（社区）代码，12位。"),
            "year": _YEAR,
            **figures,
            "suppressed": Text("1 when the figures are withheld.", "统计数据不公布时为1。"),
        },
        "WITH seen AS (SELECT type, division AS village, toYear(day) AS year,\n"
        f"  {', '.join(f'sum(t.{name}) AS {name}' for name in figures)}\n"
        f"  FROM `{database}`.`{target(family, rollup)}` AS t\n"
        "  WHERE type != '' AND length(division) = 12 GROUP BY type, village, year),\n"
        f"every AS (SELECT * FROM seen UNION ALL\n"
        f"  SELECT l.type, v.code, l.year, {', '.join('0' for _ in figures)}\n"
        "  FROM (SELECT DISTINCT type, substring(village, 1, 9) AS township, year FROM seen) AS l\n"
        f"  INNER JOIN (SELECT code, parent FROM `{database}`.`{names.DIVISIONS_TABLE}` FINAL\n"
        "    WHERE level = 'village') AS v ON v.parent = l.township),\n"
        f"cells AS (SELECT {cell}, {', '.join(f'sum(e.{name}) AS {name}' for name in figures)},\n"
        f"  {small} AS small FROM every AS e GROUP BY type, village, year),\n"
        f"marked AS (SELECT *, countIf(small) OVER ({line}) AS alone, row_number() OVER (\n"
        f"  {line} ORDER BY small, gross_count = 0, gross_count, village) AS nth FROM cells),\n"
        "judged AS (SELECT *, toUInt8(small OR (alone = 1 AND nth = 1)) AS suppressed\n"
        "  FROM marked)\n"
        "SELECT type, substring(village, 1, 6) AS county, township, village, year,\n"
        f"  {', '.join(f'if(suppressed = 1, NULL, j.{name}) AS {name}' for name in figures)},\n"
        "  suppressed\n"
        "FROM judged AS j WHERE suppressed = 1 OR j.gross_count != 0 OR j.net_count != 0",
    )


def _cases(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    kind, opening = moment(zone), family.events[0].spec.name
    # What many columns need is a column of its own: written out in each, or named by WITH, it is
    # analysed as often, which took the engine twice as long as the cases themselves.
    shared = {
        _NOW: instant(zone),
        _NEVER: f"toDateTime64({quoted(NEVER)}, 3, {quoted(zone)})",
        _NONE: f"toDateTime64(0, 3, {quoted(zone)})",
        _UNKNOWN: f"CAST(NULL AS Nullable({kind}))",
        "_ended": _first(fold.ends),
    }
    facts = [f for f in family.facts if not f.personal]
    # A cast sheds the SimpleAggregateFunction type, which board clients cannot read; of an instant
    # `if` sheds it, whose type is that of its first branch.
    merged = ["max(division) AS place"]
    merged += [f"CAST(max({f.name}) AS {f.stored}) AS _{f.name}" for f in facts]
    merged += [f"min({verb(c)}_at) AS _{verb(c)}_at" for c in family.events]
    below = "length(place) >= 9"
    if family.county_only:
        merged.append("max(county_only) AS _county_only")
        below += " AND _county_only = 0"
    columns = _case_words(family, fold)
    picks = [
        "case",
        "substring(place, 1, 6) AS county",
        f"if({below}, substring(place, 1, 9), '') AS township",
        _state(fold) + " AS state",
        f"_ended > {_NOW} AS open",
        _known("_ended", "ended_at"),
    ]
    for f in facts:
        columns[f.name] = f.doc
        sayers = family.sayers(f.name, "fact")
        # Said later than the instant is not yet known at it; the opening is known of every row.
        unsaid = f"{_first(sayers)} > {_NOW}, defaultValueOfArgumentType(_{f.name})"
        said = f"_{f.name}"
        picks.append(f"{said if opening in sayers else f'if({unsaid}, {said})'} AS {f.name}")
    for c in family.events:
        columns[f"{verb(c)}_at"] = Text(
            f"First {c.spec.name}; NULL if not by then.",
            f"首次“{c.spec.zh}”的时间；该时刻尚无时为 NULL。",
        )
        picks.append(_known(f"_{verb(c)}_at", f"{verb(c)}_at"))
    for clock in one_each(family.clocks):
        function = "max" if clock.counts == "last" else "min"
        merged.append(f"{function}(due_{clock.name}) AS _due_{clock.name}")
        if clock.extends:
            merged.append(f"max(due_{clock.name}_extended) AS _due_{clock.name}_extended")
        shared |= _clock_terms(clock)
        for name, text, sql in _clock(clock):
            columns[name] = text
            picks.append(f"{sql} AS {name}")
    return PublishedView(
        f"{family.topic}_{fold.name}",
        f"{family.zh}·案件",
        Text(
            "One row a case begun by the instant `at`, as it stood at that instant.",
            f"{family.zh}案件，时刻 `at` 之前开始的每案一行，状态以该时刻为准。",
        ),
        columns,
        f"SELECT {', '.join(picks)}\n"
        f"FROM (SELECT *, {', '.join(f'{sql} AS {name}' for name, sql in shared.items())} FROM (\n"
        f"SELECT case, {', '.join(merged)}\nFROM `{database}`.`{target(family, fold)}`\n"
        f"WHERE case != '' GROUP BY case))\nWHERE {_at(opening)} <= {_NOW}",
    )


def _case_words(family: Family, fold: CaseFold) -> dict[str, Text]:
    """Meaning of the columns that every view of cases begins with."""
    zh = {c.spec.name: c.spec.zh for c in family.events}
    return {
        "case": Text("Number of the case.", "案件编号。"),
        "county": Text(
            "County of its first event, six digits.", "案件首个事件所在县市区的代码，6位。"
        ),
        "township": Text(
            "Township, nine digits; empty when unknown or not shown below county.",
            "乡镇街道代码，9位；不明或者只公布到县级时为空。",
        ),
        "state": Text(
            f"State at the instant: {', '.join(state for _, state in fold.stages)}.",
            "该时刻的状态："
            + "，".join(f"{state} {zh[name]}" for name, state in fold.stages)
            + "。",
        ),
        "open": Text("1 while begun and not ended at the instant.", "该时刻已开始而未结束时为1。"),
        "ended_at": Text("When it ended; NULL while it is open.", "结束的时间；未结束时为 NULL。"),
    }


_NOW, _NEVER, _NONE, _UNKNOWN = "_now", "_never", "_none", "_unknown"
"""Names in a view of cases: the instant judged by, the latest and the earliest there is, NULL."""


def _known(instant_: str, name: str) -> str:
    return f"if({instant_} > {_NOW}, {_UNKNOWN}, {instant_}) AS {name}"


def _clock_terms(clock: Clock) -> dict[str, str]:
    """What a clock's columns are made of: when due, never if it does not run, and when it ended."""
    due, start = f"_due_{clock.name}", _at(clock.starts)
    none, terms = _NONE if clock.counts == "last" else _NEVER, {}
    if clock.extends:
        latest = f"_{clock.name}_latest"
        terms[latest] = (
            f"greatest(if({start} > {_NOW} OR {due} = {none}, {_NONE}, {due}), "
            f"if({_at(clock.extends)} > {_NOW}, {_NONE}, {due}_extended))"
        )
        due, stopped = latest, f"{latest} = {_NONE}"
    else:
        stopped = f"{start} > {_NOW}" + (f" OR {due} = {none}" if none != _NEVER else "")
    return terms | {
        f"_{clock.name}_due": f"if({stopped}, {_NEVER}, {due})",
        f"_{clock.name}_met": _first(clock.ends),
    }


def _clock(clock: Clock) -> Iterator[tuple[str, Text, str]]:
    """Name, meaning and SQL of the columns by which a clock is judged at the instant."""
    due, met = f"_{clock.name}_due", f"_{clock.name}_met"
    yield (
        f"due_{clock.name}",
        Text(
            "End of its last day, the midnight after it; NULL: no such clock.",
            f"“{clock.zh}”期限届满的时刻，即末日次日零时；无此期限时为 NULL。",
        ),
        f"if({due} = {_NEVER}, {_UNKNOWN}, {due})",
    )
    yield (
        f"overdue_{clock.name}",
        Text(
            "1 when past due and not met at the instant.",
            f"该时刻“{clock.zh}”已到期而未完成时为1。依据：{clock.basis}。",
        ),
        f"{due} <= {_NOW} AND {met} > {_NOW}",
    )
    lapsed = ""
    on_time = Text(
        "1 met in time, 0 met late or overdue, NULL not due yet.",
        "按期为1，迟办或者逾期为0，未到期为 NULL。",
    )
    if clock.lapses:
        # Taken back in time is no duty done: as a success it would raise the rate of an office
        # that merges what it can't close. Taken back late, the duty was missed before.
        gone = ", ".join(clock.lapses)
        on_time += Text(
            f"NULL too when taken away in time by {gone}.", f"到期前因 {gone} 而终结的也为 NULL。"
        )
        real = _first([name for name in clock.ends if name not in clock.lapses])
        lapsed = f"{met} < {real}, NULL, "
    # Earlier than, not at: a ledger that knows only the date says midnight, which is the next day.
    yield (
        f"on_time_{clock.name}",
        on_time,
        f"multiIf({due} = {_NEVER} OR least({met}, {due}) > {_NOW}, NULL, {met} >= {due}, 0, "
        f"{lapsed}1)",
    )


def _first(types: Sequence[str]) -> str:
    return f"least({', '.join([*map(_at, types), _NEVER])})"


def _at(type_: str) -> str:
    return f"_{type_.partition('.')[2]}_at"


def _state(fold: CaseFold) -> str:
    cases = ", ".join(
        f"{_at(name)} <= {_NOW}, {quoted(state)}" for name, state in reversed(fold.stages)
    )
    return f"multiIf({cases}, '')"


def _divisions(database: str) -> PublishedView:
    return PublishedView(
        "divisions",
        "行政区划",
        Text("The city's divisions.", "本市行政区划。"),
        {
            "code": Text("Code of 6, 9 or 12 digits.", "6位、9位或者12位区划代码。"),
            "name": Text("Name.", "区划名称。"),
            "level": Text(
                "city, county, township or village.",
                "层级：city 市，county 县市区，township 乡镇街道，village 村社区。",
            ),
            "parent": Text("Code one level up.", "上一级区划的代码。"),
            "microgrids": Text("Micro-grids of a village.", "村（社区）的微网格数。"),
        },
        f"SELECT code, name, level, parent, microgrids\n"
        f"FROM `{database}`.`{names.DIVISIONS_TABLE}` FINAL",
    )


def _labels(families: Sequence[Family]) -> PublishedView:
    rows = {("type", cls.spec.name, cls.spec.zh) for family in families for cls in family.events}
    for family in families:
        for cls in family.events:
            for f in cls.fields.values():
                rows |= {(f.name, value, zh) for value, zh in f.labels.items()}
    values = ", ".join(f"({', '.join(quoted(cell) for cell in row)})" for row in sorted(rows))
    return PublishedView(
        "labels",
        "词汇",
        Text(
            "Chinese names of event types and of the values of every vocabulary.",
            "事件类型和各词汇取值的中文名称。",
        ),
        {
            "field": Text("Field name, or `type`.", "字段名，或者 `type`。"),
            "value": Text("Value as stored.", "入库的取值。"),
            "zh": Text("Chinese name.", "中文名称。"),
        },
        f"SELECT * FROM values('field String, value String, zh String', {values})",
    )
