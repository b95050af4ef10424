"""The published views: stable names over the figures; boards and auditors read only these.

`<topic>_by_county_hour`, `_by_township_day`, `_by_village_day`, `_by_village_year`, `_to_date(at)`,
`_by_county_month`, `_by_county_year`, `_cases(at)`, `_pending(at)`, `_breakdown(at)`,
`_duties(at)`, `_pending_before(at)`, `_breakdown_before(at)`, `_duties_before(at)`,
`_deadlines(at)` and `_steps` derive from a family's rollups and case fold; `<topic>_balances(at)`
from its ledger; `<topic>_<diary>(at)`, `_covered(at)` and `_by_grid_day` from its diary.
Viewers and clerks each have a database of them, made from these same functions. The viewers' lacks
the views and the columns that are finer than the grain that a measure declares. The clerks of one
county have a database with the clerks' views, narrowed to the county.
A parameterised view judges by the instant `at`, in ms since 1970, never by the wall clock. From a
board: `petitions_pending(at = toUnixTimestamp64Milli($__toTime_ms))`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from schemas import names
from schemas.errors import SchemaError
from schemas.family import Family
from schemas.grain import PERIODS, Period, Place, Role
from schemas.projections import Rollup
from schemas.sql.balances import balances
from schemas.sql.cases import cases, deadlines, steps
from schemas.sql.columns import (
    COUNTY,
    COUNTY_OR_CITY,
    MONTH,
    TOWNSHIP,
    TOWNSHIP_IF_SHOWN,
    TYPE,
    VILLAGE,
    YEAR,
    PublishedView,
    as_corrected,
    codes_of,
    figures_of,
    instant,
    quoted,
    starts,
)
from schemas.sql.counts import (
    breakdown,
    breakdown_before,
    duties,
    duties_before,
    pending,
    pending_before,
)
from schemas.sql.coverage import by_grid_day, coverage, covered
from schemas.sql.targets import target
from schemas.sql.watched import watched
from schemas.words import Text

_PLACE: Final = {"divisions": "code"}
"""Column with the code of a row's place, of the views where it is not `county`."""
_PLACELESS: Final = frozenset(("labels",))
"""Views that a county's clerks read whole: words, no figures."""
_GRAINS: Final = {"hour": "小时", "day": "日期", "month": "月份", "year": "年份"}


def published(
    families: Sequence[Family], database: str, zone: str, role: Role
) -> list[PublishedView]:
    """Every published view of readers of that role, in the order in which they may be created.

    Raises:
        SchemaError: two of them have one name.
    """
    found = [
        *(view for family in families for view in _family_views(family, database, zone, role)),
        *_united(families, database, "county", role),
        *_united(families, database, "division", role),
        _divisions(database),
        _labels(families),
        *watched(families, database, role),
    ]
    views: dict[str, PublishedView] = {}
    for view in found:
        if other := views.get(view.name):
            raise SchemaError(
                f"two published views have the name {view.name!r}: {other.zh} and {view.zh}."
            )
        views[view.name] = view
    return found


def narrowed(views: Sequence[PublishedView], county: str) -> list[PublishedView]:
    """The views with the rows of one county alone; `county` is its code.

    A view whose rows have no place is left out: the pipeline is the whole city's.
    """
    found = []
    for view in views:
        place = _PLACE.get(view.name, "county")
        if view.name in _PLACELESS:
            found.append(view)
        elif place in view.columns:
            only = f"WHERE startsWith({place}, {quoted(county)})"
            found.append(replace(view, sql=f"SELECT * FROM (\n{view.sql}\n)\n{only}"))
    return found


def _family_views(family: Family, database: str, zone: str, role: Role) -> Iterator[PublishedView]:
    for rollup in family.rollups:
        yield from _rollup_views(family, rollup, database, zone, role)
    if (diary := family.diary) and family.shows("grid", role):
        yield coverage(family, diary, database, zone)
        yield covered(family, diary, database, zone)
        yield by_grid_day(family, diary, database)
    if fold := family.fold:
        yield pending(family, fold, database, zone, role)
        if family.shows("county", role, split=True):
            yield breakdown(family, fold, database, zone)
        yield breakdown_before(family, fold, database, zone)
        if family.clocks:
            yield duties(family, fold, database, zone, role)
        if family.shows("township", role, family.closer):
            yield pending_before(family, fold, database, zone)
            if family.clocks:
                yield duties_before(family, fold, database, zone)
        if role == "clerk" or fold.listed:
            yield cases(family, fold, database, zone)
            yield steps(family, fold, database, zone)
            if family.clocks:
                yield deadlines(family, fold, database, zone)


def _rollup_views(
    family: Family, rollup: Rollup, database: str, zone: str, role: Role
) -> Iterator[PublishedView]:
    if rollup.place == "county":
        yield _by_county_hour(family, rollup, database, role)
        yield _to_date(family, rollup, database, zone, role)
        for period in PERIODS[1:]:
            if figures := _over(family, period):
                yield _by_county_over(family, rollup, database, period, figures)
        return
    if family.shows("township", role):
        yield _by_township_day(family, rollup, database, role)
    if family.shows("village", role):
        yield _by_village(family, rollup, database, "day", role)
        yield _by_village(family, rollup, database, "year", role)
    if (balance := rollup.balance) and all(
        family.grain_of(f).shows("village", role) for f in family.fields_named(balance.amount)
    ):
        yield balances(family, rollup, database, zone)


def _net(family: Family, rollup: Rollup, role: Role) -> dict[str, Text]:
    place: Place = "county" if rollup.place == "county" else "township"
    shown = figures_of(family, place, role)
    return {name: text for name, text in shown if name.startswith("net_")}


def _sums(figures: Mapping[str, Text]) -> str:
    return ", ".join(f"sum(t.{name}) AS {name}" for name in figures)


def _dims(family: Family, rollup: Rollup, role: Role) -> dict[str, Text]:
    if not family.shows("county", role, split=True):
        return {}
    return {d: family.fields_named(d)[0].doc for d in rollup.dims}


def _by_county_hour(family: Family, rollup: Rollup, database: str, role: Role) -> PublishedView:
    dims, figures = _dims(family, rollup, role), dict(figures_of(family, "county", role))
    group = ", ".join(["type", "county", *dims, "hour"])
    return PublishedView(
        f"{family.topic}_by_county_hour",
        f"{family.zh}·县市区·小时",
        Text("Figures by type, county and hour.", f"{family.zh}统计，按事件类型、县市区和小时。"),
        {"type": TYPE, "county": COUNTY_OR_CITY, **dims, "hour": starts("hour"), **figures},
        f"SELECT {group}, {_sums(figures)}\n"
        f"FROM `{database}`.`{target(family, rollup)}` AS t WHERE type != ''\nGROUP BY {group}",
        family.topic,
    )


def _over(family: Family, period: Period) -> dict[str, Text]:
    """The figures that viewers see of whole periods alone, once they are over.

    Only after corrections: beside gross figures, one correction in a county and period would tell
    its own share.
    """
    totals = (f for f in family.totals if family.grain_of(f).period == period)
    return {f"net_{f.name}": as_corrected(f) for f in totals}


def _by_county_over(
    family: Family,
    rollup: Rollup,
    database: str,
    period: Period,
    figures: Mapping[str, Text],
) -> PublishedView:
    """Figures of the calendar months or years that are over.

    One is over once an event of the family lies in a later one: views never read the wall clock.
    """
    table = f"`{database}`.`{target(family, rollup)}`"
    start = "toStartOfMonth(hour)" if period == "month" else "toYear(hour)"
    zh = {"month": "月", "year": "年"}[period]
    return PublishedView(
        f"{family.topic}_by_county_{period}",
        f"{family.zh}·县市区·{zh}",
        Text(
            f"Figures by type, county and {period}, of the {period}s that are over: a {period} is "
            "once an event lies in a later one.",
            f"{family.zh}统计，按事件类型、县市区和{_GRAINS[period]}，只含已经过去的{_GRAINS[period]}："
            f"有事件发生在其后{_GRAINS[period]}的，该{_GRAINS[period]}即为过去。",
        ),
        {
            "type": TYPE,
            "county": COUNTY_OR_CITY,
            period: MONTH if period == "month" else YEAR,
            **figures,
        },
        f"SELECT type, county, {start} AS {period}, {_sums(figures)}\n"
        f"FROM {table} AS t\n"
        f"WHERE type != '' AND {period} < (SELECT max({start}) FROM {table} WHERE type != '')\n"
        f"GROUP BY type, county, {period} "
        f"HAVING {' OR '.join(f'{name} != 0' for name in figures)}",
        family.topic,
    )


def _to_date(family: Family, rollup: Rollup, database: str, zone: str, role: Role) -> PublishedView:
    """Sums up to the instant; over the view by hour, the engine would first sum hour by hour."""
    dims = _dims(family, rollup, role)
    group = ", ".join(["type", "county", *dims])
    figures = _net(family, rollup, role)
    spans = {
        "today": ("toStartOfDay(upto)", Text("Of the day.", "当日。")),
        "month": (
            f"toDateTime(toStartOfMonth(upto), {quoted(zone)})",
            Text("Of the month.", "当月。"),
        ),
        "year": (
            f"toDateTime(toStartOfYear(upto), {quoted(zone)})",
            Text("Of the year.", "当年。"),
        ),
    }
    sums = [
        f"sumIf(t.{name}, t.hour >= {span}) AS {name}_{span}" for span in spans for name in figures
    ]
    return PublishedView(
        f"{family.topic}_to_date",
        f"{family.zh}·县市区·至今",
        Text(
            "Figures by type and county: of the day, month and year of `at`, up to its hour.",
            f"{family.zh}统计，按事件类型和县市区：时刻 `at` 当日、当月和当年截至该小时的合计。",
        ),
        {
            "type": TYPE,
            "county": COUNTY_OR_CITY,
            **dims,
            **{
                f"{name}_{span}": said + text
                for span, (_, said) in spans.items()
                for name, text in figures.items()
            },
        },
        f"WITH {instant(zone)} AS upto,\n"
        f"  {', '.join(f'{sql} AS {span}' for span, (sql, _) in spans.items())}\n"
        f"SELECT {group}, {', '.join(sums)}\n"
        f"FROM `{database}`.`{target(family, rollup)}` AS t\n"
        f"WHERE type != '' AND hour >= year AND hour <= upto\nGROUP BY {group}",
        family.topic,
    )


def _by_township_day(family: Family, rollup: Rollup, database: str, role: Role) -> PublishedView:
    dims, figures = _dims(family, rollup, role), dict(figures_of(family, "township", role))
    return PublishedView(
        f"{family.topic}_by_township_day",
        f"{family.zh}·乡镇街道·日",
        Text(
            "Figures by type, township and day.", f"{family.zh}统计，按事件类型、乡镇街道和日期。"
        ),
        {
            "type": TYPE,
            "county": COUNTY,
            "township": TOWNSHIP_IF_SHOWN,
            **dims,
            "day": starts("day"),
            **figures,
        },
        # Derive county and township per group, not per row: per row, and as two keys, they took a
        # quarter longer.
        f"SELECT type, {codes_of('place')},\n"
        f"  {', '.join([*dims, 'day'])}, {_sums(figures)}\n"
        f"FROM `{database}`.`{target(family, rollup)}` AS t WHERE type != ''\n"
        f"GROUP BY {', '.join(['type', 'substring(division, 1, 9) AS place', *dims, 'day'])}",
        family.topic,
    )


def _united(
    families: Sequence[Family], database: str, place: str, role: Role
) -> Iterator[PublishedView]:
    """The rollups of all families by that place, for queries over several families.

    One view per family takes half as long again to analyse. The rows are not summed: grouping the
    days of all townships took as long as reading them, and each query groups again by what it
    needs. The view has only the columns that several families share: the engine analyses every
    column, whether a query reads it or not.
    """
    rollups = [
        (family, each)
        for family in families
        for each in family.rollups
        if each.place == place and _net(family, each, role)
    ]
    if not rollups:
        return
    texts: dict[str, Text] = {}
    for family, rollup in rollups:
        texts = _net(family, rollup, role) | texts
    had = Counter(
        name
        for family in families
        for rollup in family.rollups
        if rollup.place == place
        for name in _net(family, rollup, "clerk")
    )
    figures = {name: text for name, text in texts.items() if had[name] > 1}
    # The only vocabulary here is the mark of a balance brought forward, which is no movement.
    openings = {f.ledger.balance.opening[0] for f in families if f.ledger and f.ledger.balance}
    dims = {
        name: text
        for family, rollup in rollups
        for name, text in _dims(family, rollup, role).items()
        if name in openings
    }

    def part(family: Family, rollup: Rollup) -> str:
        has = {*rollup.dims, *_net(family, rollup, role)}
        columns = [
            *(d if d in has else f"toLowCardinality('') AS {d}" for d in dims),
            rollup.grain,
            # The cast sheds the SimpleAggregateFunction type, which board clients cannot read.
            *(f"toInt64({f'r.{f}' if f in has else 0}) AS {f}" for f in figures),
        ]
        return (
            f"SELECT type, {place}, {', '.join(columns)}\n"
            f"FROM `{database}`.`{target(family, rollup)}` AS r WHERE type != ''"
        )

    parts = "\nUNION ALL\n".join(part(family, rollup) for family, rollup in rollups)
    grain = rollups[0][1].grain
    narrowest, zh, sql = "county", "县市区", parts
    places = {"county": COUNTY_OR_CITY}
    if place != "county":
        narrowest, zh = "township", "乡镇街道"
        # Whether the village is known, not which: viewers see some families by township alone.
        known = Text("1 when its village is known too.", "所属村（社区）也已知时为1。")
        places = {"county": COUNTY, "township": TOWNSHIP_IF_SHOWN, "village_known": known}
        sql = (
            "SELECT type, substring(division, 1, 6) AS county,\n"
            # LowCardinality: `extract` runs once per dictionary entry and stays LowCardinality; an
            # `if` over the length made it a String, and took half as long again (D-25).
            "  extract(division, '^.{9}') AS township, length(division) = 12 AS village_known,\n"
            f"  {', '.join([*dims, grain, *figures])}\nFROM (\n{parts}\n)"
        )
    yield PublishedView(
        f"all_by_{narrowest}_{grain}",
        f"全部·{zh}·{'日' if grain == 'day' else '小时'}",
        Text(
            f"Net figures of all families that are shown so, by type, {narrowest} and {grain}. "
            "Several rows may have these the same: add them up.",
            f"各主题更正后的统计，按事件类型、{zh}和{_GRAINS[grain]}，只含按此口径公布的主题。"
            "三者相同的可有多行，应予相加。",
        ),
        {"type": TYPE, **places, **dims, grain: starts(grain), **figures},
        sql,
    )


def _by_village(
    family: Family, rollup: Rollup, database: str, grain: str, role: Role
) -> PublishedView:
    dims, figures = _dims(family, rollup, role), dict(figures_of(family, "village", role))
    bucket = "day" if grain == "day" else "toYear(day) AS year"
    group = ", ".join(["type", "county", "township", "village", *dims, grain])
    return PublishedView(
        f"{family.topic}_by_village_{grain}",
        f"{family.zh}·村社区·{'日' if grain == 'day' else '年'}",
        Text(
            f"Figures by type, village and {grain}.",
            f"{family.zh}统计，按事件类型、村（社区）和{_GRAINS[grain]}。",
        ),
        {
            "type": TYPE,
            "county": COUNTY,
            "township": TOWNSHIP,
            "village": VILLAGE,
            **dims,
            grain: starts("day") if grain == "day" else YEAR,
            **figures,
        },
        "SELECT type, substring(division, 1, 6) AS county,\n"
        "  substring(division, 1, 9) AS township, division AS village,\n"
        f"  {''.join(f'{d}, ' for d in dims)}{bucket},\n"
        f"  {_sums(figures)}\n"
        f"FROM `{database}`.`{target(family, rollup)}` AS t\n"
        f"WHERE type != '' AND length(division) = 12\nGROUP BY {group}",
        family.topic,
    )


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
    rows = set()
    for family in families:
        for cls in family.events:
            # Among events of other families a bare 登记 is ambiguous.
            family_zh = "" if family.zh in cls.spec.zh else family.zh
            rows.add(("type", cls.spec.name, family_zh + cls.spec.zh))
            for f in cls.fields.values():
                rows |= {(f.name, value, zh) for value, zh in f.labels.items()}
    # As arrays: the table function values() evaluates every cell, which took the engine four times
    # as long as the rest of a board's query.
    columns = [f"[{', '.join(map(quoted, cells))}]" for cells in zip(*sorted(rows), strict=True)]
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
        "SELECT field, value, zh FROM (SELECT {} AS f, {} AS v, {} AS z)\n"
        "ARRAY JOIN f AS field, v AS value, z AS zh".format(*columns),
    )
