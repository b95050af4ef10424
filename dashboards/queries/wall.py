"""The panels' SQL of the wall: 城市运行总览."""

from __future__ import annotations

from collections.abc import Iterable

from dashboards.queries.pieces import (
    AT,
    BUCKET,
    COUNTIES,
    END,
    NEW_YEAR_HOUR,
    YUAN,
    ZONE,
    arrays,
    county_name,
    one,
    overdue_days,
    share,
    word,
)


def wall_mediations() -> str:
    """Mediation success of cases ended in the year, and the cases still open."""
    ended = f"open = 0 AND ended_at >= {NEW_YEAR_HOUR}"
    return f"""
SELECT avgOrNullIf(agreement_reached_at IS NOT NULL, {ended}) AS success, sum(open) AS open_now
FROM mediations_cases(at = {AT})""".strip()


def wall_funds() -> str:
    """Balance of all funds and the share of the raised that was spent, in 10,000 yuan."""
    return f"""
SELECT sum(balance) / {YUAN} AS balance_now, sum(raised) / {YUAN} AS raised_all,
  sum(spent) / {YUAN} AS spent_all, {share("sum(spent)", "sum(raised)")} AS used
FROM funds_balances(at = {AT})""".strip()


def _figures() -> list[tuple[str, str]]:
    """The choosable figures, a query a view: whether one of its figures is chosen, and its SQL."""
    chosen = one("figure")

    def of(figures: dict[str, str], none: str) -> str:
        """What is meant by the chosen figure; folded before anything is read, as transform is not.

        So the parts that are not chosen read next to nothing.
        """
        cases = ", ".join(f"{chosen} = '{figure}', {sql}" for figure, sql in figures.items())
        return f"multiIf({cases}, {none})"

    def is_among(figures: Iterable[str]) -> str:
        names = ", ".join(f"'{figure}'" for figure in figures)
        return f"{chosen} IN ({names})"

    types = {
        "visits": "'visit.recorded'",
        "raised": "'visit.request_raised'",
        "closed": "'visit.request_closed'",
    }
    cases = {"open": "open_cases", "overdue": "overdue_cases"}
    events = f"""
SELECT county, toFloat64(sum(net_count)) AS value FROM all_by_county_hour
  WHERE type = {of(types, "'-'")} AND hour >= {NEW_YEAR_HOUR} AND hour <= {END} GROUP BY county"""
    pending = f"""
SELECT county, toFloat64(sum({of(cases, "0")})) AS value FROM petitions_pending(at = {AT})
  WHERE {is_among(cases)} GROUP BY county"""
    money = f"""
SELECT county, sum(balance) / {YUAN} AS value FROM funds_balances(at = {AT})
  WHERE {is_among(["balance"])} GROUP BY county"""
    return [(is_among(types), events), (is_among(cases), pending), (is_among(["balance"]), money)]


def wall_counties() -> list[str]:
    """The chosen figure of the 13 divisions, highest first; 未定位 only where it has events.

    `value` is what the map shows: 洪江市 is drawn with 洪江管理区, which has no outline. Map and
    ranking ask the same, so that the engine answers it once. A query a view, of which those of the
    figures that are not chosen give no row.
    """
    cp = (
        ("431202", 110.040315, 27.578926), ("431221", 109.944711, 27.440138),
        ("431222", 110.393844, 28.452686), ("431223", 110.183917, 28.006336),
        ("431224", 110.594879, 27.908267), ("431225", 109.735661, 26.887238),
        ("431226", 109.81701, 27.857569), ("431227", 109.174932, 27.352673),
        ("431228", 109.684629, 27.443499), ("431229", 109.696273, 26.575107),
        ("431230", 109.784412, 26.158054), ("431281", 109.836669, 27.208609),
    )  # fmt: skip
    points = ", ".join(f"('{code}', {x}, {y})" for code, x, y in cp)
    drawn = (
        "if(county = '431271', [(county, value, 0.), ('431281', 0., value)], "
        "[(county, value, value)])"
    )
    # What is known of a place, added up by place: two joins took a tenth longer.
    return [
        f"""
SELECT max(p.name) AS name, code, sum(p.own) AS own,
  if(max(p.longitude) > 0, sum(p.drawn), NULL) AS value,
  nullIf(max(p.longitude), 0) AS longitude, nullIf(max(p.latitude), 0) AS latitude
FROM (SELECT code, name, 0. AS own, 0. AS drawn, 0. AS longitude, 0. AS latitude FROM {COUNTIES}
  UNION ALL SELECT f.1, '', f.2, f.3, 0., 0. FROM (
    SELECT arrayJoin({drawn}) AS f FROM ({figures}))
  UNION ALL SELECT at.1, '', 0., 0., at.2, at.3 FROM (SELECT arrayJoin([{points}]) AS at)) AS p
WHERE {is_chosen} GROUP BY code
HAVING name != '' AND (NOT endsWith(code, '00') OR own != 0)
ORDER BY own DESC, code LIMIT 20""".strip()
        for is_chosen, figures in _figures()
    ]


def wall_trend() -> str:
    """Requests, petitions and agreements over the range, by hour or by day."""
    lines = (
        ("visits", "visit.request_raised", "诉求登记"),
        ("visits", "visit.request_closed", "诉求办结"),
        ("petitions", "petition.registered", "信访登记"),
        ("mediations", "mediation.agreement_reached", "调解成功"),
    )
    types = ", ".join(f"'{type_}'" for _, type_, _ in lines)
    sums = ", ".join(f"sumIf(net_count, type = '{type_}') AS `{zh}`" for _, type_, zh in lines)
    return f"""
SELECT {BUCKET} AS time, {sums} FROM all_by_county_hour
WHERE type IN ({types}) AND $__timeFilter(hour) GROUP BY time ORDER BY time LIMIT 2000""".strip()


def wall_visit_trend() -> str:
    """Visits over the range by who went, by hour or by day."""
    return f"""
SELECT {BUCKET} AS time, {word("role", "role")} AS line, sum(net_count) AS value
FROM visits_by_county_hour WHERE type = 'visit.recorded' AND $__timeFilter(hour)
GROUP BY time, line ORDER BY time, line LIMIT 4000""".strip()


def newest_events() -> str:
    """The newest events up to the end of the range; for a past day its last hours, counted."""
    return f"""
SELECT happened AS `时间`, {county_name("county")} AS `县市区`, {word("type", "type")} AS `事件`,
  events AS `件数`, county AS code
FROM (SELECT *, maxIf(happened, live = 1) OVER () > $__toTime_ms - INTERVAL 1 HOUR AS fresh FROM (
  SELECT time AS happened, type, county, toInt64(1) AS events, 1 AS live FROM recent_events
    WHERE time <= $__toTime_ms
  UNION ALL SELECT toDateTime64(hour, 3, '{ZONE}') AS happened, type, county,
    sum(net_count) AS events, 0 AS live FROM all_by_county_hour
    WHERE hour > {END} - INTERVAL 1 DAY AND hour <= {END} GROUP BY hour, type, county))
WHERE events != 0 AND live = fresh ORDER BY happened DESC, code, type LIMIT 40""".strip()


def alerts() -> list[str]:
    """Overdue cases by clock and county: which duty, by which article, how many, how long."""
    clocks = (
        ("transfer", "信访转送", "信访工作条例 22"), ("notice", "受理告知", "信访工作条例 23"),
        ("close", "信访办结", "信访工作条例 34"), ("review", "信访复查", "信访工作条例 35"),
        ("recheck", "信访复核", "信访工作条例 36"),
        ("mediate", "法院委托调解", "民诉法解释；最高法 2020 试点"),
    )  # fmt: skip
    names, shown, bases = arrays(clocks)
    return [
        f"""
SELECT transform(clock, {names}, {shown}) AS `事项`, {county_name("county")} AS `县市区`,
  count() AS `逾期件数`, max({overdue_days("due")}) AS `最长逾期天数`,
  transform(clock, {names}, {bases}) AS `依据`, county AS code
FROM {topic}_deadlines(at = {AT}) WHERE overdue = 1
GROUP BY clock, county
ORDER BY `最长逾期天数` DESC, `逾期件数` DESC, code, `事项` LIMIT 40""".strip()
        for topic in ("petitions", "mediations")
    ]
