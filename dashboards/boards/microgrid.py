"""微网格下钻: one micro-grid."""

from __future__ import annotations

from typing import Any

from dashboards.boards._drilldown import compared, of_level, up
from dashboards.boards._shared import TRUST
from dashboards.layout import Placed
from dashboards.panels import BAD, GOOD, WARN, Number, Unit, note, stat, table, trust
from dashboards.queries import freshness, places


def _microgrid() -> list[Placed]:
    one = places.microgrid()
    back = ("回到本村", up("gulou-village", 3))
    source = "Source: household visit form."
    return [
        (stat(Number("本年走访（户次）", Unit.COUNT, f"Visits that stand, this year. {source}", back,
         column="visits_year"), one), 4, 5),
        (stat(Number("历年走访（户次）", Unit.COUNT, f"Visits that stand, all years. {source}", back,
         column="visits_all"), one), 4, 5),
        (stat(Number("距上次走访（天）", Unit.COUNT, f"Days from the last visit that stands to the "
         f"end of the range. {source}", back, ((None, GOOD), (90.0, WARN), (180.0, BAD)),
         "idle_days"), one), 4, 5),
        (stat(Number("本年诉求登记（件）", Unit.COUNT, f"Requests raised this year. {source}", back,
         column="raised_year"), one), 4, 5),
        (stat(Number("本年诉求办结（件）", Unit.COUNT, f"Requests closed this year. {source}", back,
         column="closed_year"), one), 4, 5),
        (trust(TRUST, freshness.freshness()), 4, 5),
        (compared(places.MICROGRID, back, source, decimals=2), 13, 7),
        (table(Number("对比：本年与各级平均（户次、件）", Unit.COUNT, f"The micro-grid against the means of all "
         f"micro-grids of its village, township, county and of the city, never visited ones "
         f"included. What no micro-grid is known of is in none. {source}", back, decimals=2,
         columns={"scope_name": {"unit": "string"}}), places.microgrid_compared()), 11, 7),
        (note("为什么只有走访；从未走访的在哪里", "微网格约 15 户。信访、调解、受助人次在村以下不显示，"
         "以免指认到户（个人信息保护法 28）。\n\n台账只登记每个村社区的微网格**数目**，编号随第一次走访"
         "才知道：从未走访的微网格在“村社区下钻”计数，不能逐个打开。"), 24, 4),
    ]  # fmt: skip


def boards() -> list[dict[str, Any]]:
    """One board."""
    return [
        of_level(
            places.MICROGRID,
            "gulou-microgrid",
            "微网格下钻",
            "One micro-grid of about 15 households: visits and requests. Petitions, mediations and "
            "persons helped are not shown below the village, where they could point at a household.",
            _microgrid(),
        )
    ]
