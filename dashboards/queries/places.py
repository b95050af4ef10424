"""The panels' SQL of the drill-down: a county, a township, a village, a micro-grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.queries.cases import pending_before
from dashboards.queries.funds import MOVED
from dashboards.queries.mediations import mediation_figures
from dashboards.queries.pieces import (
    AT,
    END,
    LIMIT,
    VISIT_TYPES,
    YUAN,
    arrays,
    days,
    month,
    named,
    new_year,
    one,
    share,
    sums,
    text,
    today,
    village,
    visit_sums,
    zone,
)
from dashboards.queries.visits import hourly_visits


@dataclass(frozen=True)
class PlaceLevel:
    """A level of the drill-down.

    Attributes:
        name: the variable that holds its code, and the column of that code in the views.
        zh: Chinese name.
        child: level below; empty at the bottom.
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
    def in_grids(self) -> str:
        """Condition on a view of micro-grids; the prefix lets ClickHouse use the table's key."""
        return f"{self.here} AND startsWith(grid, {one(self.name)})"

    @property
    def covered(self) -> str:
        """SQL: FROM clause of the counts per micro-grid of the place."""
        return f"visits_covered(at = {AT}) WHERE {self.in_grids}"


COUNTY = PlaceLevel("county", "县市区", "township", "township_day")
TOWNSHIP = PlaceLevel("township", "乡镇街道", "village", "township_day")
VILLAGE = PlaceLevel("village", "村社区", "grid", "village_day")
MICROGRID = PlaceLevel("grid", "微网格", "", "grid_day")


def place_visits(level: PlaceLevel) -> str:
    """Visits and requests of the place, today and this year.

    A county reads the hourly rollup, as the wall does; lower levels only have daily ones.
    """
    if level is COUNTY:
        return hourly_visits(level.here)
    return f"""
SELECT {visit_sums(f"day = {today()}")}
FROM visits_by_{level.daily}
WHERE {level.here} AND day >= {new_year()} AND day <= {today()}""".strip()


def place_coverage(level: PlaceLevel) -> str:
    """Share of the place's micro-grids visited this year, and the number never visited."""
    return f"""
WITH (SELECT sum(microgrids) FROM divisions
    WHERE level = 'village' AND startsWith(code, {one(level.name)})) AS grids
SELECT {share("countIf(visits_this_year > 0)", "grids")} AS covered,
  toInt64(grids) - countIf(visits > 0) AS never
FROM {level.covered}""".strip()


def village_petitions() -> str:
    """Petitions of the village in the calendar year."""
    return f"""
SELECT sum(net_count) AS registered_year
FROM petitions_by_village_year
WHERE {VILLAGE.here} AND type = 'petition.registered' AND year = toYear({today()})""".strip()


def place_mediations(level: PlaceLevel) -> str:
    """Disputes of the place; a village has only the events of the calendar year."""
    if level is not VILLAGE:
        return mediation_figures(level.here)
    types = ("filed", "agreement_reached", "terminated")
    filed, agreed, failed = (f"sumIf(net_count, type = 'mediation.{name}')" for name in types)
    return f"""
SELECT {filed} AS filed_year, {agreed} AS agreed, {failed} AS failed,
  {share("agreed", "(agreed + failed)")} AS success
FROM mediations_by_village_year
WHERE {level.here} AND year = toYear({today()})""".strip()


def place_funds(level: PlaceLevel) -> str:
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
"""Compared figures: name, family, event type."""
_MONTHS = ("month", "month - INTERVAL 1 MONTH", "month - INTERVAL 1 YEAR")


def place_compared(level: PlaceLevel) -> list[str]:
    """This month to date against the same days last month and last year, and the city's mean.

    One query per view: one view has the families by county, one by township; by village and
    micro-grid each family has its own. Below the county no family with cases counts its days.
    """
    if level is COUNTY:
        return [_compared(level, _COMPARED)]
    topics = ("visits",) if level is MICROGRID else ("visits", "funds")
    if level is TOWNSHIP:
        return [_compared(level, [f for f in _COMPARED if f[1] in topics])]
    return [_compared(level, [f for f in _COMPARED if f[1] == topic]) for topic in topics]


def _compared(level: PlaceLevel, figures: Sequence[tuple[str, str, str]]) -> str:
    kinds = arrays(type_ for _, _, type_ in figures)
    shown = named("type", {type_: zh for zh, _, type_ in figures})
    parts = _compared_months(level, figures)
    # A figure without events gets a row of zeros.
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
WITH {today()} AS today, {month()} AS month
SELECT {shown} AS figure,
  now_ AS this_month, month_ AS last_month, {share("now_ - month_", "month_")} AS to_last_month,
  year_ AS last_year, {share("now_ - year_", "year_")} AS to_last_year,
  mean AS city_mean, {share("now_ - mean", "mean")} AS to_mean
FROM (SELECT type, {", ".join(sums)}, sumIf(whole, began = month) / {peers} AS mean
  FROM ({union}) GROUP BY type)
ORDER BY indexOf({kinds}, type) LIMIT 10""".strip()


def _compared_months(level: PlaceLevel, figures: Sequence[tuple[str, str, str]]) -> list[str]:
    """The place's figures of each compared month, and the whole city's of this month.

    One part per view: ClickHouse analyses and reads the view again for each part.
    """
    # Month and day of month: no month counts days later than today's.
    months = f"began IN ({', '.join(_MONTHS)}) AND toDayOfMonth(day) <= toDayOfMonth(today)"

    def part(view: str, topics: Sequence[str], where: str, own: str, whole: str) -> str:
        types = ", ".join(f"'{type_}'" for _, topic, type_ in figures if topic in topics)
        moved = f" AND {MOVED}" if "funds" in topics else ""
        return (
            f"SELECT type, toStartOfMonth(day) AS began, {own} AS own, {whole} AS whole\n"
            f"  FROM {view} WHERE type IN ({types}) AND {where}{moved}\n"
            "  GROUP BY type, began"
        )

    def either(condition: str) -> str:
        money = f"sumIf(net_amount, {condition}) / {YUAN}"
        return f"if(startsWith(type, 'fund.'), {money}, toFloat64(sumIf(net_count, {condition})))"

    topics, city = list(dict.fromkeys(topic for _, topic, _ in figures)), "all_by_township_day"
    # A mean over places counts only events that have a place of this level.
    placed = {COUNTY: "NOT endsWith(county, '00')", TOWNSHIP: "township != ''"}.get(
        level, "village_known = 1"
    )
    if level is COUNTY:
        # Days of the city's zone, as the column has it.
        city = "(SELECT *, toDate(hour) AS day FROM all_by_county_hour)"
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


def place_trend(level: PlaceLevel) -> str:
    """Visits and requests of the place by day; a day without any is a 0."""
    first = f"toDate(toTimeZone($__fromTime, {zone()}))"
    return f"""
SELECT toDateTime(day, {zone()}) AS time, {sums(VISIT_TYPES)} FROM visits_by_{level.daily}
WHERE {level.here} AND day >= {first} AND day <= {today()}
GROUP BY time
ORDER BY time WITH FILL FROM toDateTime({first}, {zone()}) TO {END} STEP toIntervalDay(1)
LIMIT 2000""".strip()


def place_children(level: PlaceLevel) -> tuple[str, str]:
    """Two queries by place one level below: visits, then money, with petitions by township.

    The petitions are as of the end of the last month.

    Each is a UNION ALL of views, summed by place: joins took a sixth longer.
    """
    child, cases = level.child, ""
    parts: list[_Part] = [
        (child, f"funds_balances(at = {AT}) WHERE {level.here}", {"money": "sum(balance)"})
    ]
    if child == "township":
        # toInt64: a union of UInt64 counts with Int64 sums makes a Variant, which sum() refuses.
        figures = {"filed": "toInt64(sum(begun_this_year))", "open_": "toInt64(sum(open_cases))"}
        parts.append((child, pending_before("petitions", level.here), figures))
        cases = "sum(p.filed) AS petitions_year, sum(p.open_) AS petitions_open, "
    visits = _by_child(
        level,
        {"grids": "0", "visited": "0", "visits": "0", "closed": "0"},
        {"grids": "toInt64(sumIf(microgrids, level = 'village'))"},
        (child, level.covered, {"visited": "toInt64(countIf(visits_this_year > 0))",
         "visits": "sum(visits_this_year)", "closed": "sum(requests_closed)"}),
    )  # fmt: skip
    none = {name: "0" for _, _, figures in parts for name in figures}
    others = _by_child(level, none, {}, *parts)
    return (
        f"SELECT max(p.name) AS place_name, sum(p.grids) AS all_grids, "
        f"{share('sum(p.visited)', 'sum(p.grids)')} AS covered,\n"
        f"  sum(p.visits) AS visits_year, sum(p.closed) AS settled_year, place AS code\n{visits}",
        f"SELECT {cases}sum(p.money) / {YUAN} AS fund_balance, place AS code\n{others}",
    )


def villages_petitions() -> str:
    """Petitions of the calendar year by village of the township; those without any are left out."""
    return f"""
SELECT {village("village")} AS place_name, sum(net_count) AS petitions_whole_year, village AS code
FROM petitions_by_village_year
WHERE {TOWNSHIP.here} AND type = 'petition.registered' AND year = toYear({today()})
GROUP BY code HAVING petitions_whole_year != 0
ORDER BY petitions_whole_year DESC, code LIMIT {LIMIT}""".strip()


_Part = tuple[str, str, dict[str, str]]
"""A part of a union: column of the place, view with its condition, SQL by figure."""


def _by_child(
    level: PlaceLevel, none: dict[str, str], of_place: dict[str, str], *parts: _Part
) -> str:
    """SQL from FROM on: the union of the parts, grouped by place one level below, in code order.

    Only places with a name are in it.

    Args:
        level: of the chosen place.
        none: value of each figure in the parts that lack it.
        of_place: figures from `divisions` itself.
        parts: the other parts.
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
    """The village's micro-grids visited by the end of the range, longest unvisited first."""
    return f"""
SELECT grid, last_visit,
  {days("last_visit", today())} AS idle_days, visits_this_year AS visits_year,
  requests_found AS requests_year, requests_closed AS settled_year
FROM visits_coverage(at = {AT}) WHERE {VILLAGE.in_grids} AND visits > 0
ORDER BY last_visit, grid LIMIT {LIMIT}""".strip()


def grid_options() -> str:
    """The visited micro-grids of the village; the label leaves out the village's code."""
    return (
        f"SELECT grid, substring(grid, 13) AS name FROM {VILLAGE.covered} AND visits > 0 "
        "ORDER BY grid LIMIT 500"
    )


def microgrid() -> str:
    """Visits and requests of one micro-grid, and days since its last visit."""
    return f"""
SELECT max(visits_this_year) AS visits_year, max(visits) AS visits_all,
  max(requests_found) AS raised_year, max(requests_closed) AS closed_year,
  {days("max(last_visit)", today())} AS idle_days
FROM visits_coverage(at = {AT}) WHERE {MICROGRID.here}""".strip()


def microgrid_compared() -> str:
    """One micro-grid against the means of its village, township, county and city.

    The means divide by all micro-grids, never visited ones included, and count only events with a
    known micro-grid. One view has them all and is read once. The places are nested, so the running
    sum over the scopes is the sum of each place.
    """
    code = one("grid")

    def under(column: str, digits: int) -> str:
        return f"startsWith({column}, substring({code}, 1, {digits}))"

    means = (("全村平均", 12), ("乡镇平均", 9), ("全县平均", 6), ("全市平均", 4))
    grids = ", ".join(f"sumIf(microgrids, {under('code', digits)})" for _, digits in means)
    scopes = ", ".join(text(zh) for zh in ("本微网格", *(zh for zh, _ in means)))
    nearest = ", ".join(
        f"{under('grid', digits)}, {n}" for n, (_, digits) in enumerate(means[:-1], start=2)
    )
    figures = {
        "visits_this_year": "visits_year",
        "requests_found": "requests_year",
        "requests_closed": "settled_year",
    }
    sums = ", ".join(
        f"sum(sum({column})) OVER (ORDER BY scope) / grids[scope] AS {key}"
        for column, key in figures.items()
    )
    return f"""
WITH (SELECT [1, {grids}] FROM divisions WHERE level = 'village') AS grids
SELECT [{scopes}][scope] AS scope_name, {sums}
FROM (SELECT multiIf({MICROGRID.here}, 1, {nearest}, {len(means) + 1}) AS scope,
    {", ".join(figures)}
  FROM visits_covered(at = {AT})
  UNION ALL SELECT arrayJoin(range(1, {len(means) + 2})), 0, 0, 0)
GROUP BY scope ORDER BY scope LIMIT 10""".strip()
