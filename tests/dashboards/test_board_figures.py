"""What the boards' figures come to over small histories; expected values are counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dashboards import _queries_places as places
from dashboards import queries
from dashboards._pieces import EVERYWHERE
from tests.dashboards.shipped import Shipped, shipped
from tests.schemas.conftest import VILLAGE

EVENING = "2021-12-31T23:59:59"
ALL = "$__all"
VISIT = {"role": "cadre", "purpose": "care", "lasted": 5, "met": 1}
RAISED = {"matter": "livelihood", "request": "r", "people": 1}
COUNTY, TOWNSHIP = VILLAGE[:6], VILLAGE[:9]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    with shipped(tmp_path_factory.mktemp("shipped")) as running:
        yield running


@pytest.fixture
def city(whole: Shipped) -> Shipped:
    whole.empty()
    return whole


def visit(city: Shipped, time: str, type_: str = "recorded", **more: Any) -> None:
    data = VISIT if type_ == "recorded" else RAISED
    city.city.add("visits", f"visit.{type_}", time, data, **more)


def mediation(city: Shipped, case: str, *steps: tuple[str, str]) -> None:
    for type_, day in steps:
        data = {"dispute": "neighbours", "people": 2, "amount": 100}
        city.city.add("mediations", f"mediation.{type_}", f"{day} 09:00:00", data, key=case)


def test_a_villages_mediation_success_is_of_the_disputes_that_ended(city: Shipped) -> None:
    for n in range(20):
        end = "agreement_reached" if n < 9 else "terminated"
        steps = (
            [("filed", "2020-12-01"), (end, "2021-02-01")] if n < 15 else [("filed", "2021-12-01")]
        )
        mediation(city, f"M-{n}", *steps)
    # The township's other villages had none, so one of them is withheld and this one is not.
    chosen = {"village": VILLAGE}
    found = city.ask(places.place_mediations(places.VILLAGE), EVENING, **chosen)[0]
    # Ended in 2021: 9 agreed and 6 failed; the 5 filed in 2021 are still open.
    assert found == {"filed_year": 5, "agreed": 9, "failed": 6, "success": 0.6}


def test_at_half_past_twelve_the_wall_and_the_county_agree_on_today(city: Shipped) -> None:
    for time in ("2021-06-01 08:10:00", "2021-06-01 12:20:00", "2021-06-01 18:00:00"):
        visit(city, time)
    wall = city.ask(queries.hourly_visits(EVERYWHERE), "2021-06-01T12:30:00")[0]
    county = city.ask(places.place_visits(places.COUNTY), "2021-06-01T12:30:00", county=COUNTY)[0]
    assert wall["visits_today"] == county["visits_today"] == 2
    assert wall["visits_year"] == county["visits_year"] == 2


def test_a_micro_grids_month_is_compared_with_the_month_and_the_year_before(city: Shipped) -> None:
    grid = f"{VILLAGE}001001"
    for time in ("2020-06-01", "2020-06-30", "2021-05-02", "2021-05-31", "2021-06-02"):
        visit(city, f"{time} 09:00:00", grid=grid)
    visit(city, "2021-06-03 09:00:00", "request_raised", grid=grid)
    visit(city, "2021-06-03 09:00:00", grid=f"{VILLAGE}001002")
    (compared,) = places.place_compared(places.MICROGRID)
    rows = city.ask(compared, "2021-06-15T12:00:00", grid=grid)
    # To the 15th: June 2; May 2 of 2 and 31; June 2020 the 1st of 1 and 30.
    assert [(r["指标"], r["本月至今"], r["上月同期"], r["去年同期"]) for r in rows] == [
        ("走访（户次）", 1, 1, 1),
        ("诉求登记（件）", 1, 0, 0),
        ("诉求办结（件）", 0, 0, 0),
    ]
    assert [r["环比"] for r in rows] == [0.0, None, None]
    # Of the city's 112,600, one was visited once and had one request, another was visited once.
    assert [round(r["全市平均"] * 112_600, 6) for r in rows] == [2, 1, 0]


@pytest.mark.parametrize(
    ("level", "place", "placed", "peers"),
    [
        (places.COUNTY, COUNTY, 3, 13),
        (places.TOWNSHIP, TOWNSHIP, 2, 207),
        (places.VILLAGE, VILLAGE, 1, 2_777),
    ],
    ids=["county", "township", "village"],
)
def test_a_mean_over_places_leaves_out_what_has_no_such_place(
    city: Shipped, level: places.Level, place: str, placed: int, peers: int
) -> None:
    visit(city, "2021-06-02 09:00:00")
    visit(city, "2021-06-02 10:00:00", division=TOWNSHIP)  # village unknown
    visit(city, "2021-06-03 09:00:00", division=COUNTY)  # township unknown
    visit(city, "2021-06-04 09:00:00", division=f"{COUNTY[:4]}00")  # 未定位
    visits = places.place_compared(level)[0]
    asked = city.ask(visits, "2021-06-15T12:00:00", **{level.name: place})
    assert round(asked[0]["全市平均"] * peers, 6) == placed


def test_means_of_micro_grids_take_the_never_visited_in(city: Shipped) -> None:
    grid = f"{VILLAGE}001001"
    for hour in range(3):
        visit(city, f"2021-06-01 0{hour}:00:00", grid=grid)
    visit(city, "2021-06-01 09:00:00")  # in no micro-grid that is known
    ((grids,),) = city.city.client.execute(
        f"SELECT microgrids FROM gulou.divisions FINAL WHERE code = '{VILLAGE}'"
    )
    rows = city.ask(places.microgrid_compared(), "2021-06-15T12:00:00", grid=grid)
    own, village, *_, whole = (row["本年走访"] for row in rows)
    assert grids > 10
    assert (own, round(village * grids, 9)) == (3, 3)
    assert round(whole * 112_600, 6) == 3  # the published number of micro-grids
    coverage = city.ask(
        places.place_coverage(places.VILLAGE), "2021-06-15T12:00:00", village=VILLAGE
    )
    assert coverage[0]["never"] == grids - 1


def test_a_village_with_unvisited_micro_grids_says_how_many_never_were(city: Shipped) -> None:
    for day, grid in (("2020-06-01", "001001"), ("2021-06-01", "001002"), ("2021-06-02", "001002")):
        visit(city, f"{day} 09:00:00", grid=f"{VILLAGE}{grid}")
    ((grids,),) = city.city.client.execute(
        f"SELECT microgrids FROM gulou.divisions FINAL WHERE code = '{VILLAGE}'"
    )
    rows = city.ask(places.coverage_unvisited(), EVENING, county=COUNTY)
    (row,) = [row for row in rows if row["village"] == VILLAGE]
    assert (row["本年未走访"], row["从未走访"]) == (grids - 1, grids - 2)


def fund(city: Shipped, type_: str, time: str, **data: Any) -> None:
    city.city.add("funds", f"fund.{type_}", time, {"source": "pledge", **data})


def test_an_opening_balance_is_in_the_totals_and_in_no_years_movements(city: Shipped) -> None:
    new_year, may = "2021-01-01 00:00:00", "2021-05-06 09:00:00"
    fund(city, "contributed", new_year, amount=3_000_000, entry="opening")
    fund(
        city, "disbursed", new_year, amount=1_000_000, helped=9, use="public_good", entry="opening"
    )
    fund(city, "project_opened", new_year, projects=7, use="public_good", entry="opening")
    fund(city, "contributed", may, amount=2_000_000)
    fund(city, "disbursed", may, amount=500_000, helped=2, use="merit_and_need")
    fund(city, "project_opened", may, projects=1, use="public_good")
    year = city.ask(places.fund_year(), EVENING, county=ALL)[0]
    # In 10,000 yuan, which are 1,000,000 fen: of May alone.
    assert year == {
        "raised_year": 2.0, "spent_year": 0.5, "net_year": 1.5,
        "helped_year": 2, "projects_year": 1,
    }  # fmt: skip
    figures = city.ask(places.fund_figures(), EVENING, county=ALL)[0]
    assert (figures["raised_all"], figures["spent_all"], figures["balance_now"]) == (5.0, 1.5, 3.5)
    uses = city.ask(places.fund_uses(), EVENING, county=ALL)
    assert [tuple(row.values()) for row in uses] == [("奖优济困", 0.5)]
    trend = city.ask(places.fund_trend(), EVENING, county=ALL)
    assert [(row["筹集"], row["支出"]) for row in trend] == [(2.0, 0.5)]
    (sql,) = places.place_compared(places.COUNTY)
    compared = city.ask(sql, "2021-01-31T12:00:00", county=COUNTY)
    money = {row["指标"]: row["本月至今"] for row in compared if row["指标"].startswith("基金")}
    assert money == {"基金筹集（万元）": 0.0, "基金支出（万元）": 0.0}
