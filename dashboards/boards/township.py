"""乡镇街道下钻: one township."""

from __future__ import annotations

from typing import Any

from dashboards.boards._drilldown import of_level, panels
from dashboards.queries.places import TOWNSHIP


def boards() -> list[dict[str, Any]]:
    """One board."""
    return [
        of_level(
            TOWNSHIP,
            "gulou-township",
            "乡镇街道下钻",
            "One township: the same figures as one level up and down. Compared with last month, "
            "last year and the city's mean.",
            panels(TOWNSHIP),
        )
    ]
