"""走访覆盖: household visits, and the micro-grids never visited."""

from __future__ import annotations

from typing import Any

from dashboards.boards._shared import (
    BACK,
    COVERED,
    HIDDEN,
    MANY,
    NAMED,
    PERCENT,
    RULE,
    TO_COUNTY,
    TRUST,
    stats,
    type_names,
)
from dashboards.layout import Placed, board, counties
from dashboards.panels import (
    Number,
    Unit,
    beside,
    columns,
    gauge,
    shares,
    stat,
    table,
    trend,
    trust,
    url_of,
)
from dashboards.queries import freshness, visits
from dashboards.queries.pieces import VISIT_TYPES


def _visits() -> list[Placed]:
    figures = visits.coverage_figures()
    to = ("按县市区", beside("gulou-visits", "各县市区（个、户次、件）", "county"))
    year = "Calendar year of the end of the range, to the end of its day."
    form = "Source: household visit form."
    village = url_of("gulou-village", county="${__data.fields.county}",
                     township="${__data.fields.township}", village="${__data.fields.village}")  # fmt: skip
    return [
        *stats(figures, [
            Number("本年走访（户次）", Unit.COUNT, f"Visits that stand. {year} {form}", to,
                   column="visits_year"),
            Number("微网格总数（个）", Unit.COUNT, "All micro-grids of the places chosen. Source: "
                   "党建+微网格 register.", to, column="all_grids"),
            Number("从未走访（个）", Unit.COUNT, f"Micro-grids without any visit. {form}", to, MANY,
                   "never"),
            Number("本年诉求登记（件）", Unit.COUNT, f"Raised in visits. {year} {form}", to,
                   column="raised_year"),
            Number("本年诉求办结（件）", Unit.COUNT, f"Closed. {year} {form}", to,
                   column="closed_year"),
        ]),
        (trust(TRUST, freshness.freshness()), 4, 4),
        (gauge(Number("微网格覆盖率", Unit.RATE, f"Micro-grids visited this year / all micro-grids, "
         f"never visited ones included. {year} Source: 党建+微网格 register.", to, COVERED,
         "covered", 1), figures), 5, 8),
        (stat(Number("诉求办结与登记之比", Unit.RATE, f"Requests closed in the year / raised in the "
         f"year: not the same requests, so it passes 100 % when old ones are closed. Below 100 % "
         f"the pile grows. {year} {form}", to, column="closed_to_raised", decimals=1), figures), 5, 8),
        (columns(Number("距上次走访（个）", Unit.COUNT, f"Visited micro-grids by days since the last "
         f"visit. {form}", to), visits.coverage_recency()), 7, 8),
        (shares(Number("走访人身份（户次）", Unit.COUNT, f"Visits by who went. {year} {form}", to),
         visits.coverage_roles()), 7, 8),
        (table(Number("各县市区（个、户次、件）", Unit.COUNT, "Side by side, lowest coverage first. "
         f"Coverage: micro-grids visited this year / all. {form}", TO_COUNTY,
         columns={**NAMED, "covered": PERCENT}), visits.coverage_counties(), topic="visits"), 14, 12),
        (trend(Number("走访与诉求趋势（户次、件）", Unit.COUNT, f"Visits, requests raised and closed over "
         f"the range. {form}", to), visits.coverage_trend(), type_names("visits", VISIT_TYPES)), 10, 12),
        (table(Number("未走访微网格最多的村社区（个）", Unit.COUNT, f"Villages by micro-grids not "
         f"visited this year, and how many of them never were. {form}", ("进入村社区", village), columns={
         "county_name": {"unit": "string", "custom.width": 190},
         "village_name": {"unit": "string", "links": [{"title": "进入村社区", "url": village}]},
         "county": HIDDEN, "township": HIDDEN, "village": HIDDEN}), visits.coverage_unvisited(), topic="visits"), 24, 10),
    ]  # fmt: skip


def boards() -> list[dict[str, Any]]:
    """One board."""
    return [board("gulou-visits", "走访覆盖", "Household visits and the micro-grids nobody visited. "
                  f"{RULE}", _visits(), [counties()], up=BACK, on_walls=True)]  # fmt: skip
