"""县市区下钻: one county."""

from __future__ import annotations

from typing import Any

from dashboards.boards._drilldown import of_level, panels
from dashboards.queries.places import COUNTY


def boards() -> list[dict[str, Any]]:
    """One board."""
    return [
        of_level(
            COUNTY,
            "gulou-county",
            "县市区下钻",
            "One county: the same figures as one level up and down. Compared with last month, "
            "last year and the city's mean.",
            panels(COUNTY),
        )
    ]
