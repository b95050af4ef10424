"""The panels' SQL by place: coverage by visits, the funds, and each level of the drill-down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards._pieces import (
    AT,
    BUCKET,
    COUNTIES,
    END,
    LIMIT,
    MONTH,
    NEW_YEAR,
    NEW_YEAR_HOUR,
    TODAY,
    YUAN,
    ZONE,
    among,
    arrays,
    county_name,
    days,
    one,
    place,
    share,
    visit_sums,
    word,
)
from dashboards.queries import hourly_visits

IN_PLACE = among("county", "county")

WATCHED, REACHED = 0.9, 0.98
"""Shares of micro-grids visited in the year from which coverage is watched, and is reached."""

# ------------------------------------------------------------------------------ 走访覆盖


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


_VISIT_LINES = ", ".join(
    f"sumIf(net_count, type = 'visit.{name}') AS `{zh}`"
    for name, zh in (
        ("recorded", "走访"),
        ("request_raised", "诉求登记"),
        ("request_closed", "诉求办结"),
    )
)


def coverage_trend() -> str:
    """Visits and requests over the range."""
    return f"""
SELECT {BUCKET} AS time, {_VISIT_LINES} FROM visits_by_county_hour
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


# ------------------------------------------------------------------------------ 幸福基金

_MOVED = "entry != 'opening'"
"""Condition that money came or went: an opening balance is of the years before its day."""


def fund_figures() -> str:
    """Money of all years to the end of the range, in 10,000 yuan."""
    return f"""
SELECT sum(raised) / {YUAN} AS raised_all, sum(spent) / {YUAN} AS spent_all,
  sum(balance) / {YUAN} AS balance_now, {share("sum(spent)", "sum(raised)")} AS used,
  countIf(balance < 0) AS negative
FROM (SELECT sum(raised) AS raised, sum(spent) AS spent, sum(balance) AS balance
  FROM funds_balances(at = {AT}) WHERE {IN_PLACE} GROUP BY county, township, village)""".strip()


def fund_year() -> str:
    """The year's money, persons helped and projects; balances brought forward are no movement."""
    return f"""
SELECT sumIf(net_amount_year, type = 'fund.contributed') / {YUAN} AS raised_year,
  sumIf(net_amount_year, type = 'fund.disbursed') / {YUAN} AS spent_year,
  raised_year - spent_year AS net_year,
  sumIf(net_helped_year, type = 'fund.disbursed') AS helped_year,
  sumIf(net_projects_year, type = 'fund.project_opened') AS projects_year
FROM funds_to_date(at = {AT}) WHERE {_MOVED} AND {IN_PLACE}""".strip()


def fund_sources() -> str:
    """Money raised by source, all years, in 10,000 yuan."""
    return f"""
SELECT {word("source", "source")} AS name, sum(raised) / {YUAN} AS value
FROM funds_balances(at = {AT}) WHERE {IN_PLACE} AND source != '' GROUP BY name
ORDER BY value DESC, name LIMIT 10""".strip()


def fund_uses() -> str:
    """Money paid out this year by use, in 10,000 yuan."""
    return f"""
SELECT {word("use", "use")} AS name, sum(net_amount) / {YUAN} AS value
FROM funds_by_township_day
WHERE type = 'fund.disbursed' AND day >= {NEW_YEAR} AND day <= {TODAY} AND {IN_PLACE}
  AND use != '' AND {_MOVED} GROUP BY name ORDER BY value DESC, name LIMIT 10""".strip()


def fund_trend() -> str:
    """Raised and paid out over the range, in 10,000 yuan."""
    return f"""
SELECT {BUCKET} AS time, sumIf(net_amount, type = 'fund.contributed') / {YUAN} AS `筹集`,
  sumIf(net_amount, type = 'fund.disbursed') / {YUAN} AS `支出` FROM funds_by_county_hour
WHERE $__timeFilter(hour) AND {_MOVED} AND {IN_PLACE} GROUP BY time ORDER BY time
LIMIT 2000""".strip()


def fund_counties() -> str:
    """The divisions side by side: raised, spent, balance, share used."""
    return f"""
SELECT {county_name("county")} AS `县市区`, sum(raised) / {YUAN} AS `累计筹集`,
  sum(spent) / {YUAN} AS `累计支出`, sum(balance) / {YUAN} AS `余额`,
  {share("sum(spent)", "sum(raised)")} AS `使用率`, county AS code
FROM funds_balances(at = {AT}) WHERE {IN_PLACE}
GROUP BY code ORDER BY `余额` DESC, code LIMIT 20""".strip()


def fund_negative() -> str:
    """Funds that have paid out more than came in: a booking is missing or wrong."""
    return f"""
SELECT d.name AS `县市区`, t.name AS `乡镇街道`, v.name AS `村社区`,
  sum(raised) / {YUAN} AS `筹集`, sum(spent) / {YUAN} AS `支出`, sum(balance) / {YUAN} AS `余额`
FROM funds_balances(at = {AT}) AS f
LEFT JOIN {COUNTIES} AS d ON d.code = f.county
LEFT JOIN (SELECT code, name FROM divisions WHERE level = 'township') AS t ON t.code = f.township
LEFT JOIN (SELECT code, name FROM divisions WHERE level = 'village') AS v ON v.code = f.village
WHERE {IN_PLACE} GROUP BY `县市区`, `乡镇街道`, `村社区`, f.village HAVING `余额` < 0
ORDER BY `余额`, f.village LIMIT {LIMIT}""".strip()


# ------------------------------------------------------------------------------ 县市区下钻


@dataclass(frozen=True)
class Level:
    """A level of the drill-down.

    Attributes:
        name: the variable that holds its code, and the column of that code in the views.
        zh: what it is called.
        child: level below, None at the bottom.
        daily: suffix of the views with its figures by day.

    """

    name: str
    zh: str
    child: str
    daily: str

    @property
    def here(self) -> str:
        """Condition that a row belongs to the chosen place."""
        return f"{self.name} = {one(self.name)}"

    @property
    def in_township(self) -> str:
        """Condition that a row belongs to the chosen village, told by its township too.

        Small cells are withheld by township: with it no other township is reckoned.
        """
        return f"{self.here} AND township = substring({one(self.name)}, 1, 9)"

    @property
    def in_grids(self) -> str:
        """Condition on a view of micro-grids; by prefix too, which the table's key finds."""
        return f"{self.here} AND startsWith(grid, {one(self.name)})"

    @property
    def covered(self) -> str:
        """Where the counts of the place's micro-grids are."""
        return f"visits_covered(at = {AT}) WHERE {self.in_grids}"


COUNTY = Level("county", "县市区", "township", "township_day")
TOWNSHIP = Level("township", "乡镇街道", "village", "township_day")
VILLAGE = Level("village", "村社区", "grid", "village_day")
MICROGRID = Level("grid", "微网格", "", "grid_day")


def place_visits(level: Level) -> str:
    """Visits and requests of the place: today and this year.

    A county's by the hour, as on the wall; below it figures are kept by the day.
    """
    if level is COUNTY:
        return hourly_visits(level.here)
    return f"""
SELECT {visit_sums(f"day = {TODAY}")}
FROM visits_by_{level.daily}
WHERE {level.here} AND day >= {NEW_YEAR} AND day <= {TODAY}""".strip()


def place_coverage(level: Level) -> str:
    """Share of the place's micro-grids visited this year, and how many never were."""
    return f"""
WITH (SELECT sum(microgrids) FROM divisions
    WHERE level = 'village' AND startsWith(code, {one(level.name)})) AS grids
SELECT {share("countIf(visits_this_year > 0)", "grids")} AS covered,
  toInt64(grids) - countIf(visits > 0) AS never
FROM {level.covered}""".strip()


def village_petitions() -> str:
    """Petitions of the village, only the year's count; a small one is withheld."""
    return f"""
SELECT if(count() = 0, 0, max(net_count)) AS registered_year
FROM petitions_by_village_year
WHERE {VILLAGE.in_township} AND type = 'petition.registered' AND year = toYear({TODAY})""".strip()


def place_mediations(level: Level) -> str:
    """Disputes of the place; of a village only the year's counts, and small counts withheld."""
    if level is VILLAGE:
        # No row is a 0, a withheld count is NULL and makes the rate NULL.
        types = [f"'mediation.{name}'" for name in ("filed", "agreement_reached", "terminated")]
        filed, agreed, failed = (
            f"if(countIf(type = {type_}) = 0, 0, maxIf(net_count, type = {type_}))"
            for type_ in types
        )
        return f"""
SELECT {filed} AS filed_year, {agreed} AS agreed, {failed} AS failed,
  {share("agreed", "(agreed + failed)")} AS success
FROM mediations_by_village_year
WHERE {level.in_township} AND type IN ({", ".join(types)})
  AND year = toYear({TODAY})""".strip()
    ended = f"open = 0 AND ended_at >= {NEW_YEAR_HOUR}"
    return f"""
SELECT countIf(filed_at >= {NEW_YEAR_HOUR}) AS filed_year, sum(open) AS open_now,
  avgOrNullIf(agreement_reached_at IS NOT NULL, {ended}) AS success
FROM mediations_cases(at = {AT}) WHERE {level.here}""".strip()


def place_funds(level: Level) -> str:
    """The place's fund, in 10,000 yuan."""
    return f"""
SELECT sum(balance) / {YUAN} AS balance_now, sum(raised) / {YUAN} AS raised_all,
  {share("sum(spent)", "sum(raised)")} AS used
FROM funds_balances(at = {AT}) WHERE {level.here}""".strip()


_COMPARED = (
    ("走访（户次）", "visits", "visit.recorded"),
    ("诉求登记（件）", "visits", "visit.request_raised"),
    ("诉求办结（件）", "visits", "visit.request_closed"),
    ("信访登记（件）", "petitions", "petition.registered"),
    ("调解成功（件）", "mediations", "mediation.agreement_reached"),
    ("基金筹集（万元）", "funds", "fund.contributed"),
    ("基金支出（万元）", "funds", "fund.disbursed"),
)
"""What is compared, and its family and event type."""
_MONTHS = ("month", "month - INTERVAL 1 MONTH", "month - INTERVAL 1 YEAR")


def place_compared(level: Level) -> list[str]:
    """This month to the day against last month's and last year's same days, and the city's mean.

    The rows of as many queries as there are views to read: all families of a county or township
    are in one, a village's are in one each.
    """
    if level in (COUNTY, TOWNSHIP):
        return [_compared(level, _COMPARED)]
    topics = ("visits", "funds") if level is VILLAGE else ("visits",)
    return [_compared(level, [f for f in _COMPARED if f[1] == topic]) for topic in topics]


def _compared(level: Level, figures: Sequence[tuple[str, str, str]]) -> str:
    shown, _, kinds = arrays(figures)
    parts = _compared_months(level, figures)
    # A figure without any event is a row of zeros.
    parts.append(f"SELECT arrayJoin({kinds}) AS type, month AS began, 0. AS own, 0. AS whole")
    union = "\nUNION ALL ".join(parts)
    sums = (
        f"sumIf(own, began = {month}) AS {name}_"
        for month, name in zip(_MONTHS, ("now", "month", "year"), strict=True)
    )
    peers = (
        "(SELECT sum(microgrids) FROM divisions WHERE level = 'village')"
        if level is MICROGRID
        else f"(SELECT count() FROM divisions WHERE level = '{level.name}')"
    )
    return f"""
WITH {TODAY} AS today, {MONTH} AS month
SELECT transform(type, {kinds}, {shown}) AS `指标`,
  now_ AS `本月至今`, month_ AS `上月同期`, {share("now_ - month_", "month_")} AS `环比`,
  year_ AS `去年同期`, {share("now_ - year_", "year_")} AS `同比`,
  mean AS `全市平均`, {share("now_ - mean", "mean")} AS `较均值`
FROM (SELECT type, {", ".join(sums)}, sumIf(whole, began = month) / {peers} AS mean
  FROM ({union}) GROUP BY type)
ORDER BY indexOf({kinds}, type) LIMIT 10""".strip()


def _compared_months(level: Level, figures: Sequence[tuple[str, str, str]]) -> list[str]:
    """Of each month that is compared the place's figures and, of this one, the whole city's.

    A part a view: each is analysed, and reads its view anew.
    """
    # By the month and the day of it, so that no day after today's is among them.
    months = f"began IN ({', '.join(_MONTHS)}) AND toDayOfMonth(day) <= toDayOfMonth(today)"

    def part(view: str, topics: Sequence[str], where: str, own: str, whole: str) -> str:
        types = ", ".join(f"'{type_}'" for _, topic, type_ in figures if topic in topics)
        moved = f" AND {_MOVED}" if "funds" in topics else ""
        return (
            f"SELECT type, toStartOfMonth(day) AS began, {own} AS own, {whole} AS whole\n"
            f"  FROM {view} WHERE type IN ({types}) AND {where}{moved}\n"
            "  GROUP BY type, began"
        )

    def either(condition: str) -> str:
        money = f"sumIf(net_amount, {condition}) / {YUAN}"
        return f"if(startsWith(type, 'fund.'), {money}, toFloat64(sumIf(net_count, {condition})))"

    topics, city = list(dict.fromkeys(topic for _, topic, _ in figures)), "all_by_township_day"
    # A mean over places is of what has a place among them.
    placed = {COUNTY: "NOT endsWith(county, '00')", TOWNSHIP: "township != ''"}.get(
        level, "village_known = 1"
    )
    if level in (COUNTY, TOWNSHIP):
        return [part(city, topics, months, own=either(level.here), whole=either(placed))]
    own = {"funds": f"sum(net_amount) / {YUAN}"}
    this_month = f"day >= month AND day <= today AND {placed}"
    return [
        *(
            part(f"{topic}_by_{level.daily}", [topic], f"{level.here} AND {months}",
                 own=own.get(topic, "toFloat64(sum(net_count))"), whole="0.")
            for topic in topics
        ),
        part(city, topics, this_month, own="0.", whole=either("1")),
    ]  # fmt: skip


def place_trend(level: Level) -> str:
    """Visits and requests of the place by day; a day without any is a 0, and no line over it."""
    first = f"toDate(toTimeZone($__fromTime, '{ZONE}'))"
    return f"""
SELECT toDateTime(day, '{ZONE}') AS time, {_VISIT_LINES} FROM visits_by_{level.daily}
WHERE {level.here} AND day >= {first} AND day <= {TODAY}
GROUP BY time
ORDER BY time WITH FILL FROM toDateTime({first}, '{ZONE}') TO {END} STEP toIntervalDay(1)
LIMIT 2000""".strip()


def place_children(level: Level) -> tuple[str, str]:
    """The places one level below: visits, and by the same codes cases and money.

    A village's petitions are of the whole year; a small count is withheld, and none is a 0. A part
    a view, added up by place: joined, they took a sixth longer.
    """
    child = level.child
    # Counts have no sign and sums do; a column of both would be a Variant, which nothing sums.
    petitions = (
        ("township", f"petitions_pending(at = {AT}) WHERE {level.here}",
         {"filed": "toInt64(sum(begun_this_year))", "open_": "toInt64(sum(open_cases))"})
        if child == "township"
        else ("village", f"petitions_by_village_year WHERE {level.here} "
              f"AND type = 'petition.registered' AND year = toYear({TODAY})",
              {"filed": "max(net_count)", "withheld": "toUInt8(max(net_count) IS NULL)"})
    )  # fmt: skip
    visits = _by_child(
        level,
        {"grids": "0", "visited": "0", "visits": "0", "closed": "0"},
        {"grids": "toInt64(sumIf(microgrids, level = 'village'))"},
        (child, level.covered, {"visited": "toInt64(countIf(visits_this_year > 0))",
         "visits": "sum(visits_this_year)", "closed": "sum(requests_closed)"}),
    )  # fmt: skip
    others = _by_child(
        level, dict.fromkeys([*petitions[2], "money"], "0"), {}, petitions,
        (child, f"funds_balances(at = {AT}) WHERE {level.here}", {"money": "sum(balance)"}),
    )  # fmt: skip
    cases = "if(max(p.withheld) = 1, NULL, max(p.filed)) AS `全年信访`"
    if child == "township":
        cases = "sum(p.filed) AS `本年信访`, sum(p.open_) AS `未结信访`"
    return (
        f"SELECT max(p.name) AS `名称`, sum(p.grids) AS `微网格`, "
        f"{share('sum(p.visited)', 'sum(p.grids)')} AS `覆盖率`,\n"
        f"  sum(p.visits) AS `本年走访`, sum(p.closed) AS `本年诉求办结`, place AS code\n{visits}",
        f"SELECT {cases}, sum(p.money) / {YUAN} AS `基金余额`, place AS code\n{others}",
    )


_Part = tuple[str, str, dict[str, str]]
"""Of a view: the column that tells the place, the view with its condition, and figures of it."""


def _by_child(level: Level, none: dict[str, str], of_place: dict[str, str], *parts: _Part) -> str:
    """From the parts added up by the places one level below, named ones only, in their order.

    Args:
        level: of the chosen place.
        none: what a figure is in the parts that do not tell it.
        of_place: figures of the register of places itself.
        parts: the others.
    """
    child, digits = level.child, 6 if level is COUNTY else 9
    inside = f"level IN ('{child}', 'village') AND substring(code, 1, {digits}) = {one(level.name)}"
    named = {"name": f"anyIf(name, level = '{child}')"}
    known: _Part = (f"substring(code, 1, {digits + 3})", f"divisions WHERE {inside}",
                    named | of_place)  # fmt: skip

    def part(place: str, source: str, figures: dict[str, str]) -> str:
        told = {"name": "''"} | none | figures
        shown = ", ".join(f"{sql} AS {name}" for name, sql in told.items())
        return f"SELECT {place} AS place, {shown}\n    FROM {source} GROUP BY place"

    union = "\n  UNION ALL ".join(part(*each) for each in (known, *parts))
    return (
        f"FROM ({union}) AS p\nGROUP BY place HAVING max(p.name) != '' ORDER BY code LIMIT {LIMIT}"
    )


def microgrids() -> str:
    """The village's micro-grids that were ever visited by then, and when each was last."""
    return f"""
SELECT grid AS `微网格`, last_visit AS `最近走访`,
  {days("last_visit", TODAY)} AS `距今天数`, visits_this_year AS `本年走访`,
  requests_found AS `本年诉求`, requests_closed AS `本年办结`
FROM visits_coverage(at = {AT}) WHERE {VILLAGE.in_grids} AND visits > 0
ORDER BY last_visit, grid LIMIT {LIMIT}""".strip()


def grid_options() -> str:
    """The micro-grids of the table; shown without the village's own code."""
    return (
        f"SELECT grid, substring(grid, 13) AS name FROM {VILLAGE.covered} AND visits > 0 "
        "ORDER BY grid LIMIT 500"
    )


def microgrid() -> str:
    """One micro-grid: visits, requests and the days since it was last visited."""
    return f"""
SELECT max(visits_this_year) AS visits_year, max(visits) AS visits_all,
  max(requests_found) AS raised_year, max(requests_closed) AS closed_year,
  {days("max(last_visit)", TODAY)} AS idle_days
FROM visits_coverage(at = {AT}) WHERE {MICROGRID.here}""".strip()


def microgrid_compared() -> str:
    """One micro-grid against the means of its village, township, county and of the city.

    Means over all micro-grids there are, never visited ones included, of what is known by
    micro-grid: all of it is in one view, read once. Each place lies within the next, so a place's
    sum is all sums up to it.
    """
    code = one("grid")

    def under(column: str, digits: int) -> str:
        return f"startsWith({column}, substring({code}, 1, {digits}))"

    means = (("全村平均", 12), ("乡镇平均", 9), ("全县平均", 6), ("全市平均", 4))
    grids = ", ".join(f"sumIf(microgrids, {under('code', digits)})" for _, digits in means)
    scopes = ", ".join(f"'{zh}'" for zh in ("本微网格", *(zh for zh, _ in means)))
    nearest = ", ".join(
        f"{under('grid', digits)}, {n}" for n, (_, digits) in enumerate(means[:-1], start=2)
    )
    figures = {
        "visits_this_year": "本年走访",
        "requests_found": "本年诉求",
        "requests_closed": "本年办结",
    }
    sums = ", ".join(
        f"sum(sum({column})) OVER (ORDER BY scope) / grids[scope] AS `{zh}`"
        for column, zh in figures.items()
    )
    return f"""
WITH (SELECT [1, {grids}] FROM divisions WHERE level = 'village') AS grids
SELECT [{scopes}][scope] AS `范围`, {sums}
FROM (SELECT multiIf({MICROGRID.here}, 1, {nearest}, {len(means) + 1}) AS scope,
    {", ".join(figures)}
  FROM visits_covered(at = {AT})
  UNION ALL SELECT arrayJoin(range(1, {len(means) + 2})), 0, 0, 0)
GROUP BY scope ORDER BY scope LIMIT 10""".strip()
