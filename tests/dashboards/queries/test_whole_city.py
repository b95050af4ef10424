"""The shipped city: 13 counties, 207 townships, 2,777 villages, 112,600 micro-grids."""

from __future__ import annotations

import pytest

from dashboards.queries import places, visits
from dashboards.queries.pieces import EVERYWHERE
from tests.dashboards.queries.about import about
from tests.dashboards.queries.happenings import grid, visited
from tests.dashboards.queries.register import CHENGZHONG, CITY, HECHENG, XINJIE, chosen
from tests.dashboards.queries.steps import ALL
from tests.town import Town

AT = "2021-06-15 12:00"
HERE = grid(XINJIE, 1)


@about(places.place_compared)
@pytest.mark.parametrize(
    ("level", "place", "placed", "peers"),
    [
        (places.COUNTY, HECHENG, 3, 13),
        (places.TOWNSHIP, CHENGZHONG, 2, 207),
        (places.VILLAGE, XINJIE, 1, 2_777),
        (places.MICROGRID, HERE, 1, 112_600),
    ],
    ids=["county", "township", "village", "grid"],
)
def test_a_mean_is_over_all_places_of_the_city_and_leaves_out_what_has_no_such_place(
    town: Town, level: places.PlaceLevel, place: str, placed: int, peers: int
) -> None:
    town.tell(
        *visited(HERE, "2021-06-02"),
        *visited(CHENGZHONG, "2021-06-02"),  # village unknown
        *visited(HECHENG, "2021-06-03"),  # township unknown
        *visited(CITY, "2021-06-04"),  # county unknown
    )
    sql = places.place_compared(level)[0]
    row = town.ask(sql, AT, **chosen(level.name, place))[0]
    assert row["city_mean"] == placed / peers


@about(places.microgrid_compared, visits.coverage_figures)
def test_means_and_coverage_take_in_the_micro_grids_never_visited(town: Town) -> None:
    town.tell(*visited(HERE, *["2021-06-01"] * 3))
    rows = town.ask(places.microgrid_compared(), AT, grid=HERE)
    # The register's numbers for 新街社区 and 城中街道; 7,214 for 鹤城区.
    asked = "SELECT sum(microgrids) AS n FROM gulou.divisions FINAL WHERE startsWith(code, '{}')"
    village, township = (town.rows(asked.format(code))[0]["n"] for code in (XINJIE, CHENGZHONG))
    grids = (1, village, township, 7_214, 112_600)
    assert 1 < village < township
    assert [row["visits_year"] for row in rows] == [3 / n for n in grids]
    (figures,) = town.ask(visits.coverage_figures(), AT, county=ALL)
    assert (figures["all_grids"], figures["never"]) == (112_600, 112_599)


@about(visits.coverage_counties)
def test_all_counties_are_listed(town: Town) -> None:
    rows = town.ask(visits.coverage_counties(), AT, county=ALL)
    assert len(rows) == 13
    assert sum(row["all_grids"] for row in rows) == 112_600


@about(places.place_visits)
def test_at_half_past_twelve_the_wall_and_the_county_agree_on_today(town: Town) -> None:
    town.tell(*visited(XINJIE, "2021-06-01 08:10", "2021-06-01 12:20", "2021-06-01 18:00"))
    (wall,) = town.ask(visits.hourly_visits(EVERYWHERE), "2021-06-01 12:30")
    county = town.ask(places.place_visits(places.COUNTY), "2021-06-01 12:30", county=HECHENG)
    assert county == [wall]
    assert (wall["visits_today"], wall["visits_year"]) == (2, 2)
