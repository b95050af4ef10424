"""The panels' SQL of 走访覆盖."""

from __future__ import annotations

from dashboards.queries.pieces import (
    AT,
    BUCKET,
    END,
    IN_PLACE,
    LIMIT,
    MIDNIGHT,
    NEW_YEAR_HOUR,
    TODAY,
    among,
    days,
    place,
    share,
    visit_sums,
    word,
)

WATCHED, REACHED = 0.9, 0.98
"""Shares of micro-grids visited in the year from which coverage is watched, and is reached."""
VISIT_LINES = ", ".join(
    f"sumIf(net_count, type = 'visit.{name}') AS `{zh}`"
    for name, zh in (
        ("recorded", "走访"),
        ("request_raised", "诉求登记"),
        ("request_closed", "诉求办结"),
    )
)


def coverage_figures() -> str:
    """Micro-grids visited this year of all there are, and what was asked and settled."""
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
    """The divisions side by side, lowest coverage first."""
    return f"""
SELECT max(p.name) AS `县市区`, sum(p.grids) AS `微网格`, sum(p.visited) AS `本年已走访`,
  {share("`本年已走访`", "`微网格`")} AS `覆盖率`,
  multiIf(`覆盖率` >= {REACHED}, '● 达标', `覆盖率` >= {WATCHED}, '▲ 关注', '■ 不足') AS `状态`,
  sum(p.visits) AS `本年走访`, sum(p.raised) AS `本年诉求`, sum(p.closed) AS `本年办结`,
  county AS code
FROM (SELECT substring(code, 1, 6) AS county, anyIf(name, level = 'county') AS name,
    toInt64(sumIf(microgrids, level = 'village')) AS grids, 0 AS visited, 0 AS visits, 0 AS raised,
    0 AS closed
  FROM divisions GROUP BY county
  UNION ALL SELECT county, '', 0, toInt64(countIf(visits_this_year > 0)), sum(visits_this_year),
    sum(requests_found), sum(requests_closed)
  FROM visits_covered(at = {AT}) GROUP BY county) AS p
WHERE {IN_PLACE} GROUP BY county HAVING `微网格` > 0 ORDER BY `覆盖率`, code LIMIT 20""".strip()


def coverage_recency() -> str:
    """Micro-grids by days since their last visit."""
    return f"""
SELECT b.1 AS name, sumIf(grids, age >= b.2 AND age < b.3) AS value
FROM (SELECT {days("last_visit", TODAY)} AS age, count() AS grids
  FROM visits_coverage(at = {AT}) WHERE {IN_PLACE} AND last_visit IS NOT NULL GROUP BY age)
ARRAY JOIN [('7 天内', 0, 7), ('7–30 天', 7, 30), ('30–90 天', 30, 90),
  ('90–180 天', 90, 180), ('180–365 天', 180, 365), ('一年以上', 365, 100000)] AS b
GROUP BY b ORDER BY b.2 LIMIT 10""".strip()


def coverage_roles() -> str:
    """Visits of the year by who went."""
    return f"""
SELECT {word("role", "role")} AS name, sum(net_count_year) AS value FROM visits_to_date(at = {AT})
WHERE type = 'visit.recorded' AND {IN_PLACE} AND role != ''
GROUP BY name ORDER BY value DESC, name LIMIT 10""".strip()


def coverage_trend() -> str:
    """Visits and requests over the range."""
    return f"""
SELECT {BUCKET} AS time, {VISIT_LINES} FROM visits_by_county_hour
WHERE $__timeFilter(hour) AND {IN_PLACE} GROUP BY time ORDER BY time LIMIT 2000""".strip()


def coverage_unvisited() -> str:
    """Villages with the most micro-grids not visited this year, and how many never were."""
    return f"""
SELECT {place("substring(n.code, 1, 6)")} AS `县市区`, {place("n.parent")} AS `乡镇街道`,
  n.name AS `村社区`, n.microgrids AS `微网格`,
  toInt64(n.microgrids) - ifNull(v.visited, 0) AS `本年未走访`,
  toInt64(n.microgrids) - ifNull(v.ever, 0) AS `从未走访`,
  substring(n.code, 1, 6) AS county, n.parent AS township, n.code AS village
FROM (SELECT code, name, parent, microgrids FROM divisions
  WHERE level = 'village' AND {among("substring(code, 1, 6)", "county")}) AS n
LEFT JOIN (SELECT village, countIf(visits_this_year > 0) AS visited, countIf(visits > 0) AS ever
  FROM visits_covered(at = {AT}) GROUP BY village) AS v ON v.village = n.code
WHERE `本年未走访` > 0 ORDER BY `本年未走访` DESC, village LIMIT {LIMIT}""".strip()


def hourly_visits(where: str) -> str:
    """Visits and requests of the day and of the year, to the hour in which the range ends."""
    # Not from `visits_to_date`: by its three keys the year's hours take as long again to add up.
    return f"""
SELECT {visit_sums(f"hour >= {MIDNIGHT}")}
FROM all_by_county_hour WHERE {where} AND startsWith(type, 'visit.')
  AND hour >= {NEW_YEAR_HOUR} AND hour <= {END}""".strip()
