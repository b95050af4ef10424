"""村社区下钻: one village."""

from __future__ import annotations

from typing import Any

from dashboards.boards._drilldown import of_level, panels
from dashboards.queries.places import VILLAGE


def boards() -> list[dict[str, Any]]:
    """One board."""
    return [
        of_level(
            VILLAGE,
            "gulou-village",
            "村社区下钻",
            "One village: the same figures as one level up; of petitions and disputes the year's "
            "counts, for clerks. Compared with last month, last year and the city's mean.",
            panels(VILLAGE),
        )
    ]
