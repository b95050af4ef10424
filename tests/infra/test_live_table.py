from __future__ import annotations

from rich.console import Console

from infra.figures import net_figures
from schemas.reference.divisions import Divisions

# Maxima of the whole city to date: visits, requests, petitions, agreements, yuan.
MOST = (1_881_000, 339_000, 112_600, 112_600, 312_000_000)


def lines(width: int) -> list[str]:
    """The table of the shipped city in a terminal of `width` columns."""
    divisions = Divisions.load()
    names = {d.code: d.name for d in (divisions.city, *divisions.counties)}
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(net_figures(names, dict.fromkeys(names, MOST)))
    return capture.get().splitlines()


def test_the_live_table_cuts_no_name_and_no_figure_at_100_columns_and_wider() -> None:
    for width in (100, 110, 132):
        shown = "\n".join(lines(width))
        assert "…" not in shown
        for county in Divisions.load().counties:
            assert f" {county.name} " in shown
        assert shown.count(" 312,000,000 ") == 14  # 13 counties and 未定位
        assert shown.count(" 4,368,000,000 ") == 1  # 14 × 312,000,000


def test_the_live_table_bears_the_name_of_the_city_of_the_divisions_file() -> None:
    assert lines(110)[0].strip() == "怀化市 净数 net figures"
