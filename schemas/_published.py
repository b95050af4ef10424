"""The published views: stable names over the figures, all that boards and auditors read.

`<topic>_by_county_hour`, `_by_township_day`, `_by_village_year`, `_by_village_day` (where small
cells need no cover), `<topic>_to_date(at)` and `<topic>_cases(at)` derive from a family's
projections; a family may declare more in `views`.
A parameterised view takes the instant `at` it is judged by, in ms since 1970: never the wall
clock. From a board: `petitions_cases(at = toUnixTimestamp64Milli($__toTime_ms))`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from schemas import _names as names
from schemas._case_view import cases
from schemas._projections import (
    HI,
    CaseFold,
    Family,
    PublishedView,
    Rollup,
    instant,
    quoted,
    target,
)

SMALL: Final = 5
"""Counts of 1 to SMALL - 1 below township are withheld: a micro-grid has about 15 households."""

RECENT: Final = 50
"""Newest messages of each partition that `recent_events` looks at."""


def published(families: Sequence[Family], database: str, zone: str) -> list[PublishedView]:
    """Every published view, in the order in which they may be created."""
    found: list[PublishedView] = []
    for family in families:
        found += _family_views(family, database, zone)
        found += [make(family, database, zone) for make in family.views]
    found += [_divisions(database), _labels(families), _pipeline(families, database)]
    found += [_refused(database), _arrivals(database), _projections(families, database)]
    found.append(_parts(database))
    found.append(_recent(families, database))
    return found


def _family_views(family: Family, database: str, zone: str) -> Iterator[PublishedView]:
    for projection in family.projections:
        if isinstance(projection, CaseFold):
            yield cases(family, projection, database, zone)
        elif projection.place == "county" and projection.grain == "hour":
            yield _by_county_hour(family, projection, database)
            yield _to_date(family, projection, database, zone)
        elif projection.place == "division":
            yield _by_township_day(family, projection, database)
            if family.small_cells:
                yield _by_village_year_suppressed(family, projection, database)
            else:
                yield _by_village(family, projection, database, "day")
                yield _by_village(family, projection, database, "year")


def _figures(family: Family, *, below_township: bool = False) -> dict[str, str]:
    found = {
        "gross_count": "Events as first filed.",
        "net_count": "Events that still stand after corrections.",
    }
    for f in family.totals:
        if below_township and not f.below_township:
            continue
        found[f"gross_{f.name}"] = f"As first filed: {f.zh}. {f.description}"
        found[f"net_{f.name}"] = f"After corrections: {f.zh}. {f.description}"
    return found


def _sums(family: Family) -> str:
    return ", ".join(f"sum(t.{name}) AS {name}" for name in _figures(family))


def _dims(family: Family, rollup: Rollup) -> dict[str, str]:
    return {d: family.fields_named(d)[0].description for d in rollup.dims}


def _by_county_hour(family: Family, rollup: Rollup, database: str) -> PublishedView:
    dims = _dims(family, rollup)
    group = ", ".join(["type", "county", *dims, "hour"])
    return PublishedView(
        f"{family.topic}_by_county_hour",
        f"{family.zh}·县市区·小时",
        f"{family.zh} by type, county and hour.",
        {
            "type": "Event type.",
            "county": "County, six digits; the city's own code: place unknown (未定位).",
            **dims,
            "hour": "Start of the hour, city's zone.",
            **_figures(family),
        },
        f"SELECT {group}, {_sums(family)}\n"
        f"FROM `{database}`.`{target(family, rollup)}` AS t WHERE type != ''\nGROUP BY {group}",
    )


def _to_date(family: Family, rollup: Rollup, database: str, zone: str) -> PublishedView:
    """Sums to the instant: from the view by hour they would be added up hour by hour first."""
    dims = _dims(family, rollup)
    group = ", ".join(["type", "county", *dims])
    figures = {n: text for n, text in _figures(family).items() if n.startswith("net_")}
    begun = {
        "today": "toStartOfDay(upto)",
        "month": f"toDateTime(toStartOfMonth(upto), {quoted(zone)})",
        "year": f"toDateTime(toStartOfYear(upto), {quoted(zone)})",
    }
    spans = {"today": "Today", "month": "This month", "year": "This year"}
    sums = [
        f"sumIf(t.{name}, t.hour >= {span}) AS {name}_{span}" for span in begun for name in figures
    ]
    return PublishedView(
        f"{family.topic}_to_date",
        f"{family.zh}·县市区·至今",
        f"{family.zh} by type and county: of the day, the month and the year of `at`, up to its "
        "hour.",
        {
            "type": "Event type.",
            "county": "County, six digits; the city's own code: place unknown (未定位).",
            **dims,
            **{
                f"{name}_{span}": f"{said}: {text}"
                for span, said in spans.items()
                for name, text in figures.items()
            },
        },
        f"WITH {instant(zone)} AS upto,\n"
        f"  {', '.join(f'{sql} AS {span}' for span, sql in begun.items())}\n"
        f"SELECT {group}, {', '.join(sums)}\n"
        f"FROM `{database}`.`{target(family, rollup)}` AS t\n"
        f"WHERE type != '' AND hour >= year AND hour <= upto\nGROUP BY {group}",
    )


def _by_township_day(family: Family, rollup: Rollup, database: str) -> PublishedView:
    dims = _dims(family, rollup)
    group = ", ".join(["type", "county", "township", *dims, "day"])
    return PublishedView(
        f"{family.topic}_by_township_day",
        f"{family.zh}·乡镇街道·日",
        f"{family.zh} by type, township and day.",
        {
            "type": "Event type.",
            "county": "County, six digits.",
            "township": "Township, nine digits; empty when unknown or not shown below county.",
            **dims,
            "day": "Day, city's zone.",
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
            figures[name] += f" NULL of {told}."
            sums[name] = f"if({withheld}, NULL, {sums[name]})"
        figures["suppressed"] = f"1 when the counts are withheld: {told}."
        sums["suppressed"] = f"toUInt8({withheld})"
    return PublishedView(
        f"{family.topic}_by_village_{grain}",
        f"{family.zh}·村社区·{'日' if grain == 'day' else '年'}",
        f"{family.zh} by type, village and {grain}.",
        {
            "type": "Event type.",
            "county": "County, six digits.",
            "township": "Township, nine digits.",
            "village": "Village or community, twelve digits.",
            **dims,
            grain: "Day, city's zone." if grain == "day" else "Calendar year, city's zone.",
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
        f"{family.zh} by type, village and year; counts of 1 to {SMALL - 1} are withheld, and one "
        "sibling more where subtraction from the township would reveal them.",
        {
            "type": "Event type.",
            "county": "County, six digits.",
            "township": "Township, nine digits.",
            "village": "Village or community, twelve digits.",
            "year": "Calendar year, city's zone.",
            **figures,
            "suppressed": "1 when the figures are withheld.",
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


def _divisions(database: str) -> PublishedView:
    return PublishedView(
        "divisions",
        "行政区划",
        "The city's divisions.",
        {
            "code": "Code of 6, 9 or 12 digits.",
            "name": "Name.",
            "level": "city, county, township or village.",
            "parent": "Code one level up.",
            "microgrids": "Micro-grids of a village.",
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
        "Chinese names of event types and of the values of every vocabulary.",
        {"field": "Field name, or `type`.", "value": "Value as stored.", "zh": "Chinese name."},
        f"SELECT * FROM values('field String, value String, zh String', {values})",
    )


def _pipeline(families: Sequence[Family], database: str) -> PublishedView:
    parts = "\nUNION ALL\n".join(
        f"SELECT {quoted(family.topic)} AS topic, kpart, max(koff) AS stored, "
        f"max(logged) AS newest, count() AS messages FROM "
        f"`{database}`.`{names.events_table(family.topic)}` GROUP BY kpart"
        for family in families
    )
    return PublishedView(
        "pipeline",
        "管道",
        "Freshness of every Kafka partition: what is stored, and the worker's last heartbeat.",
        {
            "topic": "Topic.",
            "kpart": "Kafka partition.",
            "stored": "Highest offset stored; NULL while there is none.",
            "newest": "When the broker appended the newest message stored; NULL likewise.",
            "messages": "Messages stored.",
            "beat": "Last heartbeat of the worker; a quiet night has beats but no messages.",
            "lag": "Messages in Kafka not yet stored, at the last heartbeat.",
            "behind_since": "Since when messages have waited without a pause; 1970 when none does.",
        },
        "SELECT h.topic AS topic, h.kpart AS kpart, if(messages = 0, NULL, e.stored) AS stored,\n"
        "  if(messages = 0, NULL, e.newest) AS newest, e.messages AS messages, h.beat AS beat,\n"
        "  h.lag AS lag, h.behind_since AS behind_since\n"
        f"FROM (SELECT * FROM `{database}`.`{names.HEARTBEAT_TABLE}` FINAL) AS h\n"
        f"LEFT JOIN (\n{parts}) AS e ON h.topic = e.topic AND h.kpart = e.kpart",
    )


def _refused(database: str) -> PublishedView:
    return PublishedView(
        "uncounted",
        "未计入消息",
        "Messages that are stored but not counted, by topic, status, reason and day logged.",
        {
            "topic": "Topic.",
            "status": "repeat, conflict, orphan, parked or dead.",
            "reason": "Code of the reason.",
            "day": "Day the broker appended them.",
            "messages": "How many.",
        },
        "SELECT replaceOne(_table, 'events_', '') AS topic, toString(status) AS status,\n"
        "  splitByChar(':', reason)[1] AS reason, toDate(logged) AS day, count() AS messages\n"
        f"FROM `{database}`.`{names.ALL_EVENTS}` WHERE status != 'ok'\n"
        "GROUP BY topic, status, reason, day",
    )


def _arrivals(database: str) -> PublishedView:
    return PublishedView(
        "messages_by_minute",
        "入库速率",
        "Messages stored, counted or not, by topic and the minute the broker appended them.",
        {
            "topic": "Topic.",
            "minute": "Start of the minute, city's zone.",
            "messages": "How many.",
        },
        "SELECT replaceOne(_table, 'events_', '') AS topic, toStartOfMinute(logged) AS minute,\n"
        f"  count() AS messages FROM `{database}`.`{names.ALL_EVENTS}` GROUP BY topic, minute",
    )


def _projections(families: Sequence[Family], database: str) -> PublishedView:
    parts = "\nUNION ALL\n".join(
        f"SELECT {quoted(family.topic)} AS topic, {quoted(each.name)} AS projection, kpart, "
        f"CAST(max({HI}) AS Int64) AS reached FROM `{database}`.`{target(family, each)}` "
        "GROUP BY kpart"
        for family in families
        for each in family.projections
    )
    stored = "\nUNION ALL\n".join(
        f"SELECT {quoted(family.topic)} AS topic, kpart, max(koff) AS stored "
        f"FROM `{database}`.`{names.events_table(family.topic)}` GROUP BY kpart"
        for family in families
    )
    return PublishedView(
        "projections",
        "投影水位",
        "How far every projection has got in every Kafka partition that has messages.",
        {
            "topic": "Topic.",
            "projection": "Projection.",
            "kpart": "Kafka partition.",
            "reached": "Highest offset in its figures; -1 while there is none.",
            "stored": "Highest offset stored; more than `reached` while figures are being mended.",
        },
        "SELECT e.topic AS topic, p.projection AS projection, e.kpart AS kpart,\n"
        "  ifNull(r.reached, -1) AS reached, e.stored AS stored\n"
        f"FROM (\n{stored}) AS e\n"
        "INNER JOIN (SELECT * FROM values('topic String, projection String', "
        + ", ".join(
            f"({quoted(family.topic)}, {quoted(each.name)})"
            for family in families
            for each in family.projections
        )
        + ")) AS p ON p.topic = e.topic\n"
        f"LEFT JOIN (SELECT topic, projection, kpart, toNullable(reached) AS reached "
        f"FROM (\n{parts})) AS r\n"
        "  ON r.topic = e.topic AND r.projection = p.projection AND r.kpart = e.kpart",
    )


def _parts(database: str) -> PublishedView:
    return PublishedView(
        "table_parts",
        "数据块",
        "Active parts of every table: many small ones mean that merges do not keep up.",
        {
            "table": "Table.",
            "parts": "Active parts.",
            "rows": "Rows in them.",
            "bytes": "Bytes on disk.",
            "newest": "When the newest of them was written, in UTC.",
        },
        "SELECT table, count() AS parts, sum(p.rows) AS rows, sum(p.bytes_on_disk) AS bytes,\n"
        "  max(toTimeZone(p.modification_time, 'UTC')) AS newest\n"
        f"FROM system.parts AS p WHERE p.active AND p.database = {quoted(database)}\n"
        "GROUP BY table",
    )


def _recent(families: Sequence[Family], database: str) -> PublishedView:
    # By offset within each partition, which is the table's order and needs no more than its end: a
    # join or a sort would read the whole history, several times a minute.
    parts = [
        f"(SELECT logged, time, type, division, status "
        f"FROM `{database}`.`{names.events_table(family.topic)}` WHERE kpart = {kpart}\n"
        f"ORDER BY kpart DESC, koff DESC LIMIT {RECENT})"
        for family in families
        for kpart in range(family.partitions)
    ]
    return PublishedView(
        "recent_events",
        "最新事件",
        "The newest counted events of each partition; county at the narrowest.",
        {
            "logged": "When the broker appended it.",
            "time": "When it happened.",
            "type": "Event type.",
            "county": "County, six digits.",
        },
        "SELECT logged, time, type, substring(division, 1, 6) AS county FROM (\n"
        + "\nUNION ALL\n".join(parts)
        + ") WHERE status = 'ok'",
    )
