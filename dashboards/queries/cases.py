"""Pieces of the panels' SQL over cases, the same for every family that has them."""

from __future__ import annotations

from dashboards.queries.pieces import (
    BUCKET,
    IN_PLACE,
    arrays,
    days,
    word,
)


def ageing(cases: str, since: str) -> str:
    age = days(since, "$__toTime_ms")
    return f"""
SELECT b.1 AS name, countIf(age >= b.2 AND age < b.3) AS value
FROM (SELECT {age} AS age, arrayJoin([('7 天内', 0, 7), ('7–15 天', 7, 15), ('15–30 天', 15, 30),
    ('30–60 天', 30, 60), ('60–90 天', 60, 90), ('90 天以上', 90, 100000)]) AS b
  FROM {cases} AND open = 1)
GROUP BY b ORDER BY b.2 LIMIT 10""".strip()


def states(cases: str, names: tuple[tuple[str, str], ...]) -> str:
    stored, shown = arrays(names)
    return f"""
SELECT transform(state, {stored}, {shown}, state) AS name, count() AS value
FROM {cases} AND open = 1 GROUP BY state
ORDER BY indexOf({stored}, state) LIMIT 20""".strip()


def steps(topic: str, names: tuple[tuple[str, str], ...]) -> str:
    stored, shown = arrays(names)
    known = "came_from != ''"
    return f"""
SELECT if({known}, transform(came_from, {stored}, {shown}, came_from), '新收') AS `从`,
  transform(state, {stored}, {shown}, state) AS `到`, count() AS `件数`,
  if(countIf({known}) = 0, NULL, quantileExactInclusiveIf(0.5)(
    {days("assumeNotNull(since)", "time")}, {known})) AS `用时中位数`
FROM {topic}_steps
WHERE time >= $__fromTime_ms AND time <= $__toTime_ms AND begun <= $__toTime_ms AND {IN_PLACE}
GROUP BY came_from, state
ORDER BY indexOf({stored}, state), `件数` DESC, `从` LIMIT 60""".strip()


def flow(topic: str, steps: tuple[tuple[str, str], ...]) -> str:
    # One column a step and not one row: a quiet day is a 0 and no gap in the line.
    sums = ", ".join(f"sumIf(net_count, type = '{type_}') AS `{zh}`" for type_, zh in steps)
    return f"""
SELECT {BUCKET} AS time, {sums} FROM {topic}_by_county_hour
WHERE $__timeFilter(hour) AND {IN_PLACE} GROUP BY time ORDER BY time LIMIT 2000""".strip()


def by_word(cases: str, field: str, column: str, condition: str) -> str:
    return f"""
SELECT {word(field, column)} AS name, count() AS value
FROM {cases} AND {condition} AND {column} != '' GROUP BY name
ORDER BY value DESC, name LIMIT 20""".strip()
