"""What every default board shows, and how it writes it. Its queries: `queries/test_figures.py`."""

from __future__ import annotations

from typing import Final

import pytest

from dashboards.boards._default import of_family
from schemas.families import families
from schemas.family import Family
from tests.dashboards.test_pictures import COUNTY, shown

FORM = tuple[str, str, dict[str, str]]
"""Kind of picture, format of its numbers, formats of single columns by shown name."""
OF_CASES: Final[dict[str, FORM]] = {
    "未结件所处环节（件，截至上月末）": ("barchart", "count", {}),
    "未结件龄（件，截至上月末）": ("barchart", "count", {}),
    "逾期（件）${fresh}": ("stat", "count", {}),
}
OF_CLOCKS: Final[dict[str, FORM]] = {
    "法定时限（件）": ("table", "count", {"按期率": "rate.1", "时限": "text", "依据": "text"}),
}
# Money is in 10,000 yuan, written to 1,000 yuan as on the shipped boards.
OF_A_LEDGER: Final[dict[str, FORM]] = {
    "各县市区余额（万元）": (
        "table",
        "count",
        {**COUNTY, "累计筹集（万元）": ".1", "累计支出（万元）": ".1", "余额（万元）": ".1"},
    ),
    "来源（万元）": ("piechart", "count.1", {}),
}


def of_any(family: Family) -> dict[str, FORM]:
    counts = [cls.spec.zh for cls in family.events if not cls.spec.corrective]
    return {
        **{f"本年{name}（件次）${{fresh}}": ("stat", "count", {}) for name in counts},
        "数据状态": ("stat", "text", {}),
        "趋势（件次）": ("timeseries", "count", {}),
        "各县市区": ("table", "count", COUNTY),
    }


@pytest.mark.parametrize("family", families(), ids=lambda family: str(family.topic))
def test_a_default_board_shows_what_its_family_has_in_its_units(family: Family) -> None:
    expected = of_any(family)
    expected |= OF_CASES if family.fold else {}
    expected |= OF_CLOCKS if family.clocks else {}
    expected |= OF_A_LEDGER if family.ledger else {}
    panels = [panel for panel in of_family(family)["panels"] if panel.get("targets")]
    found = {title: (kind, form, columns) for title, kind, _, form, columns in map(shown, panels)}
    assert found == expected
    assert len(panels) == len(found), "two panels of one title"
