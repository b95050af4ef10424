"""The panels' SQL of the wall: 城市运行总览."""

from __future__ import annotations

from collections.abc import Iterable

from dashboards.edition import edition
from dashboards.queries import cases
from dashboards.queries.pieces import (
    AT,
    END,
    LIMIT,
    YUAN,
    bucket,
    counties,
    county_name,
    new_year_hour,
    one,
    share,
    sums,
    type_name,
    word,
    zone,
)
from schemas.families import families


def wall_funds() -> str:
    """Balance of all funds in 10,000 yuan, and the share spent of the money raised."""
    return f"""
SELECT sum(balance) / {YUAN} AS balance_now, sum(raised) / {YUAN} AS raised_all,
  sum(spent) / {YUAN} AS spent_all, {share("sum(spent)", "sum(raised)")} AS used
FROM funds_balances(at = {AT})""".strip()


def _figures() -> list[tuple[str, str]]:
    """Queries of the choosable figures, one per view: (one of its figures is chosen, SQL)."""
    chosen = one("figure")

    def of(figures: dict[str, str], none: str) -> str:
        """SQL of the chosen figure, else `none`.

        multiIf, not transform: ClickHouse folds it to a constant before it reads, so queries of
        other figures read almost nothing.
        """
        meant = ", ".join(f"{chosen} = '{figure}', {sql}" for figure, sql in figures.items())
        return f"multiIf({meant}, {none})"

    def is_among(figures: Iterable[str]) -> str:
        names = ", ".join(f"'{figure}'" for figure in figures)
        return f"{chosen} IN ({names})"

    types = {
        "visits": "'visit.recorded'",
        "raised": "'visit.request_raised'",
        "closed": "'visit.request_closed'",
    }
    backlog = {"open": "open_cases", "overdue": "overdue_cases"}
    events = f"""
SELECT county, toFloat64(sum(net_count)) AS value FROM all_by_county_hour
  WHERE type = {of(types, "'-'")} AND hour >= {new_year_hour()} AND hour <= {END} GROUP BY county"""
    pending = f"""
SELECT county, toFloat64(sum({of(backlog, "0")})) AS value FROM petitions_pending(at = {AT})
  WHERE {is_among(backlog)} GROUP BY county"""
    money = f"""
SELECT county, sum(balance) / {YUAN} AS value FROM funds_balances(at = {AT})
  WHERE {is_among(["balance"])} GROUP BY county"""
    return [(is_among(types), events), (is_among(backlog), pending), (is_among(["balance"]), money)]


def wall_counties() -> list[str]:
    """The chosen figure by county, highest first; 未定位 only if it has events.

    The map shows `value`, which only places on the map have: its shades span those alone. Map and
    ranking send the same query, so the engine answers it once. One query per view; queries of
    figures that are not chosen return no row.
    """
    shown = edition().map
    points = ""
    if shown is not None:
        spots = ", ".join(f"('{code}', {x}, {y})" for code, (x, y) in shown.points.items())
        points = (
            "\n  UNION ALL SELECT at.1, '', 0., at.2, at.3 "
            f"FROM (SELECT arrayJoin([{spots}]) AS at)"
        )
    # A UNION ALL summed by place: two joins took a tenth longer.
    return [
        f"""
SELECT max(p.name) AS name, code, sum(p.own) AS own,
  if(max(p.longitude) > 0, sum(p.own), NULL) AS value,
  nullIf(max(p.longitude), 0) AS longitude, nullIf(max(p.latitude), 0) AS latitude
FROM (SELECT code, name, 0. AS own, 0. AS longitude, 0. AS latitude FROM {counties()}
  UNION ALL SELECT county, '', value, 0., 0. FROM ({figures}){points}) AS p
WHERE {is_chosen} GROUP BY code
HAVING name != '' AND (NOT endsWith(code, '00') OR own != 0)
ORDER BY own DESC, code LIMIT {LIMIT}""".strip()
        for is_chosen, figures in _figures()
    ]


TREND = {
    "visit.request_raised": "诉求登记",
    "visit.request_closed": "诉求办结",
    "petition.registered": "信访登记",
    "mediation.agreement_reached": "调解成功",
}
"""Event types of the wall's trend, and the name of each line."""


def wall_trend() -> str:
    """Requests, petitions and agreements over the range, by hour or by day."""
    types = ", ".join(f"'{type_}'" for type_ in TREND)
    return f"""
SELECT {bucket()} AS time, {sums(TREND)} FROM all_by_county_hour
WHERE type IN ({types}) AND $__timeFilter(hour) GROUP BY time ORDER BY time LIMIT 2000""".strip()


def wall_visit_trend() -> str:
    """Visits over the range by the visitor's role, by hour or by day."""
    return f"""
SELECT {bucket()} AS time, {word("visits", "role")} AS line, sum(net_count) AS value
FROM visits_by_county_hour WHERE type = 'visit.recorded' AND $__timeFilter(hour)
GROUP BY time, line ORDER BY time, line LIMIT 8000""".strip()


def newest_events() -> str:
    """The newest events up to the end of the range; for a past day, counts of its last hours."""
    return f"""
SELECT happened, {county_name("county")} AS county_name, {type_name("type")} AS type_name, events,
  county AS code
FROM (SELECT *, maxIf(happened, live = 1) OVER () > $__toTime_ms - INTERVAL 1 HOUR AS fresh FROM (
  SELECT time AS happened, type, county, toInt64(1) AS events, 1 AS live FROM recent_events
    WHERE time <= $__toTime_ms
  UNION ALL SELECT toDateTime64(hour, 3, {zone()}) AS happened, type, county,
    sum(net_count) AS events, 0 AS live FROM all_by_county_hour
    WHERE hour > {END} - INTERVAL 1 DAY AND hour <= {END} GROUP BY hour, type, county))
WHERE events != 0 AND live = fresh ORDER BY happened DESC, code, type LIMIT 40""".strip()


def alerts() -> list[str]:
    """Overdue cases by clock and county: duty, article of law, number, days of the longest."""
    return [cases.overdue(found) for found in families() if found.clocks]
