"""Corrected and withdrawn visits and fund entries, in every figure that counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.figures.test_rollups import some
from tests.histories.told import Told, told

if TYPE_CHECKING:
    from tests.town import Town

A, B = "431202001001001", "431202001002001"
IN_A, IN_B = "431202001001", "431202001002"


def visit(id: str, time: str, grid: str = A, **more: Any) -> Told:
    return told("visit.recorded", "h", time, id=id, grid=grid, place=grid[:12], **more)


def put_right(of: str, time: str, grid: str = A, **more: Any) -> Told:
    place = grid[:12]
    return told("visit.corrected", "h", time, corrects=of, grid=grid, place=place, **more)


def take_back(of: str, time: str, grid: str = A, **more: Any) -> Told:
    return told("visit.voided", "h", time, corrects=of, grid=grid, place=grid[:12], **more)


@pytest.mark.parametrize("batches", ["one", "two"])
def test_a_correction_moves_the_net_figure_and_leaves_the_gross(batches: str, town: Town) -> None:
    first = visit("v", "2021-03-01 10:00", role="cadre", met=3)
    then = put_right("v", "2021-03-09 09:00", B, role="party_member", met=5)
    if batches == "one":
        town.tell(first, then)
    else:
        town.tell(first)
        town.tell(then)
    names = ("type", "role", "hour", "gross_count", "net_count", "gross_met", "net_met")
    assert some(town.published("visits_by_county_hour"), *names) == [
        ("visit.corrected", "party_member", "2021-03-09 09:00:00", 1, 0, 5, 0),
        ("visit.recorded", "cadre", "2021-03-01 10:00:00", 1, 1 - 1, 3, 3 - 3),
        # A correction keeps the day: a visit on another day is withdrawn and filed again.
        ("visit.recorded", "party_member", "2021-03-01 10:00:00", 0, 1, 0, 5),
    ]
    rows = town.published("visits_by_village_day", where="type = 'visit.recorded'")
    assert some(rows, "village", "day", "gross_count", "net_count", "gross_met", "net_met") == [
        (IN_A, "2021-03-01", 1, 0, 3, 0),
        (IN_B, "2021-03-01", 0, 1, 0, 5),
    ]
    grids = town.published("visits_coverage", at="2021-12-31 23:59:59")
    assert some(grids, "grid", "visits", "visits_this_year") == [(A, 0, 0), (B, 1, 1)]
    assert {row["grid"]: row["last_visit"] for row in grids} == {A: None, B: "2021-03-01"}
    (day,) = town.published("visits_by_grid_day")
    assert (day["grid"], day["day"], day["net_count"]) == (B, "2021-03-01", 1)


@pytest.mark.parametrize("batches", ["one", "two"])
def test_a_visit_taken_back_counts_in_gross_alone(batches: str, town: Town) -> None:
    first = visit("v", "2021-03-01 10:00", met=4)
    if batches == "one":
        town.tell(first, take_back("v", "2022-03-02 10:00"))
    else:
        town.tell(first)
        town.tell(take_back("v", "2022-03-02 10:00"))
    names = ("type", "village", "year", "gross_count", "net_count", "gross_met", "net_met")
    assert some(town.published("visits_by_village_year"), *names) == [
        ("visit.recorded", IN_A, 2021, 1, 0, 4, 0),
        ("visit.voided", IN_A, 2022, 1, 0, 0, 0),
    ]
    (grid,) = town.published("visits_coverage", at="2021-12-31 00:00:00")
    assert (grid["visits"], grid["visits_this_year"], grid["last_visit"]) == (0, 0, None)
    assert town.published("visits_by_grid_day") == []


def test_a_visit_filed_anew_on_another_day_moves_to_its_month_and_year(town: Town) -> None:
    town.tell(visit("v", "2020-12-31 10:00", met=2))
    town.tell(take_back("v", "2021-01-04 10:00"), visit("w", "2021-01-01 10:00", met=2))
    rows = town.published("visits_by_village_year", where="type = 'visit.recorded'")
    assert some(rows, "year", "gross_count", "net_count") == [(2020, 1, 0), (2021, 1, 1)]
    (grid,) = town.published("visits_coverage", at="2020-12-31 12:00:00")
    assert (grid["visits"], grid["visits_this_year"], grid["last_visit"]) == (0, 0, None)
    (grid,) = town.published("visits_coverage", at="2021-01-01 12:00:00")
    assert (grid["visits"], grid["visits_this_year"]) == (1, 1)
    assert grid["last_visit"] == "2021-01-01"


REVERSED = [
    # type taken back, its content, its total
    ("fund.contributed", {"amount": 50_000, "source": "donation"}, "amount"),
    ("fund.pledged", {"amount": 50_000, "source": "reward"}, "amount"),
    ("fund.approved", {"amount": 50_000}, "amount"),
    ("fund.disbursed", {"amount": 50_000, "source": "donation"}, "amount"),
    ("fund.project_opened", {"projects": 3}, "projects"),
    ("fund.project_closed", {"projects": 3}, "projects"),
]


@pytest.mark.parametrize(("type_", "content", "total"), REVERSED)
def test_an_entry_reversed_leaves_the_net_figures_of_its_own_day(
    type_: str, content: dict[str, Any], total: str, town: Town
) -> None:
    town.tell(told(type_, "F-1", "2020-12-31 10:00", id="e", **content))
    town.tell(told("fund.reversed", "F-1", "2021-01-05 10:00", corrects="e"))
    value = content[total]
    names = ("type", "day", "gross_count", "net_count", f"gross_{total}", f"net_{total}")
    assert some(town.published("funds_by_township_day"), *names) == sorted(
        [
            (type_, "2020-12-31", 1, 0, value, 0),
            ("fund.reversed", "2021-01-05", 1, 0, 0, 0),
        ]
    )
