"""What the description of a panel says of its place, its span and its law."""

from __future__ import annotations

import pytest

from dashboards.boards import every
from dashboards.boards._shared import duties

HOUR, DAY = "hour in which the range ends", "day on which it ends"


def described(uid: str) -> dict[str, str]:
    """Title and description of each panel of a board."""
    (board,) = (each for each in every() if each["uid"] == uid)
    return {
        panel["title"].removesuffix("${fresh}"): panel.get("description", "")
        for panel in board["panels"]
    }


@pytest.mark.parametrize(("level", "span"), [("county", HOUR), ("township", DAY), ("village", DAY)])
def test_a_figure_of_visits_says_how_far_it_reaches(level: str, span: str) -> None:
    told = described(f"gulou-{level}")
    for title in (
        "今日走访（户次）",
        "本年走访（户次）",
        "本年诉求登记（件）",
        "本年诉求办结（件）",
    ):
        (other,) = {HOUR, DAY} - {span}
        assert f"to the end of the {span}" in told[title], title
        assert other not in told[title], title


@pytest.mark.parametrize(
    ("level", "placed"),
    [
        ("county", "place of this level"),
        ("township", "place of this level"),
        ("village", "place of this level"),
        # The means of the city know of an event whether its village is known, not its micro-grid.
        ("microgrid", "village"),
    ],
)
def test_a_comparison_says_which_events_its_means_leave_out(level: str, placed: str) -> None:
    told = described(f"gulou-{level}")["对比：本月至今、上月同期、去年同期、全市平均"]
    assert f"events without a known {placed} do not count in any mean" in told


def test_clocks_are_told_with_their_days_and_articles() -> None:
    assert duties("petitions") == (
        "转送 15 days (信访工作条例 22); 受理告知 15 days (信访工作条例 23); "
        "办结 60 days, at most 30 more, route 31.6 only (信访工作条例 34); "
        "复查 30 days (信访工作条例 35); 复核 30 days (信访工作条例 36)"
    )
    assert duties("mediations").split("; ") == [
        "法院委派委托调解 30 days, mode court_delegated only "
        "(最高法 2020 民事诉讼程序繁简分流试点)",
        "15 days, mode court_ordinary only (民诉法解释)",
        "7 days, mode court_summary only (民诉法解释)",
    ]
