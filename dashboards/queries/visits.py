"""The panels' SQL of 走访覆盖."""

from __future__ import annotations

from dashboards.queries.pieces import (
    AT,
    END,
    IN_PLACE,
    LIMIT,
    VISIT_TYPES,
    among,
    bucket,
    days,
    midnight,
    new_year_hour,
    place,
    share,
    sums,
    text,
    today,
    visit_sums,
    word,
)

WATCHED, REACHED = 0.9, 0.98
"""Coverage thresholds, as shares of micro-grids visited in the year: watched, reached."""
_SINCE = (
    ("7 天内", 0, 7),
    ("7–30 天", 7, 30),
    ("30–90 天", 30, 90),
    ("90–180 天", 90, 180),
    ("180–365 天", 180, 365),
    ("一年以上", 365, 100_000),
)


def coverage_figures() -> str:
    """Share of all micro-grids visited this year; requests raised and closed."""
    return f"""
WITH (SELECT sum(microgrids) FROM divisions
    WHERE level = 'village' AND {among("substring(code, 1, 6)", "county")}) AS grids
SELECT countIf(visits_this_year > 0) AS visited, grids AS all_grids,
  {share("countIf(visits_this_year > 0)", "grids")} AS covered,
  toInt64(grids) - countIf(visits > 0) AS never,
  sum(visits_this_year) AS visits_year, sum(requests_found) AS raised_year,
  sum(requests_closed) AS closed_year,
  {share("sum(requests_closed)", "sum(requests_found)")} AS closed_to_raised
FROM visits_covered(at = {AT}) WHERE {IN_PLACE}""".strip()


def coverage_counties() -> str:
    """Counties, lowest coverage first."""
    return f"""
SELECT max(p.name) AS county_name, sum(p.grids) AS all_grids, sum(p.visited) AS visited_year,
  {share("visited_year", "all_grids")} AS covered,
  multiIf(covered >= {REACHED}, {text("● 达标")}, covered >= {WATCHED}, {text("▲ 关注")},
    {text("■ 不足")}) AS mark,
  sum(p.visits) AS visits_year, sum(p.raised) AS requests_year, sum(p.closed) AS settled_year,
  county AS code
FROM (SELECT substring(code, 1, 6) AS county, anyIf(name, level = 'county') AS name,
    toInt64(sumIf(microgrids, level = 'village')) AS grids, 0 AS visited, 0 AS visits, 0 AS raised,
    0 AS closed
  FROM divisions GROUP BY county
  UNION ALL SELECT county, '', 0, toInt64(countIf(visits_this_year > 0)), sum(visits_this_year),
    sum(requests_found), sum(requests_closed)
  FROM visits_covered(at = {AT}) GROUP BY county) AS p
WHERE {IN_PLACE} GROUP BY county HAVING all_grids > 0
ORDER BY covered, code LIMIT {LIMIT}""".strip()


def coverage_recency() -> str:
    """Micro-grids by days since their last visit."""
    spans = ", ".join(f"({text(zh)}, {since}, {until})" for zh, since, until in _SINCE)
    return f"""
SELECT b.1 AS name, sumIf(grids, age >= b.2 AND age < b.3) AS value
FROM (SELECT {days("last_visit", today())} AS age, count() AS grids
  FROM visits_coverage(at = {AT}) WHERE {IN_PLACE} AND last_visit IS NOT NULL GROUP BY age)
ARRAY JOIN [{spans}] AS b
GROUP BY b ORDER BY b.2 LIMIT 10""".strip()


def coverage_roles() -> str:
    """Visits of the year by the visitor's role."""
    return f"""
SELECT {word("visits", "role")} AS name, sum(net_count_year) AS value FROM visits_to_date(at = {AT})
WHERE type = 'visit.recorded' AND {IN_PLACE} AND role != ''
GROUP BY name ORDER BY value DESC, name LIMIT 10""".strip()


def coverage_trend() -> str:
    """Visits and requests over the range."""
    return f"""
SELECT {bucket()} AS time, {sums(VISIT_TYPES)} FROM visits_by_county_hour
WHERE $__timeFilter(hour) AND {IN_PLACE} GROUP BY time ORDER BY time LIMIT 2000""".strip()


def coverage_unvisited() -> str:
    """Villages by micro-grids not visited this year, most first, with the number never visited."""
    return f"""
SELECT {place("substring(n.code, 1, 6)")} AS county_name, {place("n.parent")} AS township_name,
  n.name AS village_name, n.microgrids AS all_grids,
  toInt64(n.microgrids) - ifNull(v.visited, 0) AS unvisited_year,
  toInt64(n.microgrids) - ifNull(v.ever, 0) AS never,
  substring(n.code, 1, 6) AS county, n.parent AS township, n.code AS village
FROM (SELECT code, name, parent, microgrids FROM divisions
  WHERE level = 'village' AND {among("substring(code, 1, 6)", "county")}) AS n
LEFT JOIN (SELECT village, countIf(visits_this_year > 0) AS visited, countIf(visits > 0) AS ever
  FROM visits_covered(at = {AT}) GROUP BY village) AS v ON v.village = n.code
WHERE unvisited_year > 0 ORDER BY unvisited_year DESC, village LIMIT {LIMIT}""".strip()


def hourly_visits(where: str) -> str:
    """Visits and requests of the day and of the year, up to the hour in which the range ends."""
    # Not from `visits_to_date`: it groups the year's hours by three keys and takes twice as long.
    return f"""
SELECT {visit_sums(f"hour >= {midnight()}")}
FROM all_by_county_hour WHERE {where} AND startsWith(type, 'visit.')
  AND hour >= {new_year_hour()} AND hour <= {END}""".strip()
