"""走访覆盖: the rows of each query of the board over a small history, counted by hand."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from dashboards.queries import visits
from tests.dashboards.queries.about import about
from tests.dashboards.queries.happenings import (
    AT,
    a_year_of_coverage,
    grid,
    happened,
    taken_back,
    visited,
)
from tests.dashboards.queries.register import (
    CHENGZHONG,
    CITY,
    HECHENG,
    LIPING,
    MAXIPU,
    WENHUA,
    XINJIE,
    YUANLING,
    ZHONGFANG,
    ZHONGPO,
    registered,
    table,
)
from tests.dashboards.queries.steps import ALL
from tests.histories.told import Told
from tests.town import Town

pytestmark = pytest.mark.usefixtures("small_register")

BOTH = f"{{{HECHENG},{ZHONGFANG}}}"
"""Two counties chosen, as Grafana writes them into the query."""


@about(visits.coverage_figures)
@pytest.mark.parametrize(
    ("county", "figures"),
    [
        # Visited in 2021: two in 新街, one in 中坡, one in 莉坪; ever: also the first in 新街.
        # Raised: 3 in the third of 新街, 1 in its sixth. Closed: 3 and 1.
        (ALL, (4, 25, 0.16, 20, 7, 4, 4, 1.0)),
        (BOTH, (4, 25, 0.16, 20, 7, 4, 4, 1.0)),
        (HECHENG, (3, 20, 0.15, 16, 4, 4, 3, 0.75)),
        (ZHONGFANG, (1, 5, 0.2, 4, 3, 0, 1, None)),
        # Without micro-grids the share is NULL.
        (CITY, (0, 0, None, 0, 0, 0, 0, None)),
    ],
    ids=["all", "two", "one", "no-request-raised", "place-unknown"],
)
def test_coverage_counts_micro_grids_visited_in_the_year_to_the_end_of_the_day(
    town: Town, county: str, figures: tuple[object, ...]
) -> None:
    town.tell(*a_year_of_coverage())
    assert table(town.ask(visits.coverage_figures(), AT, county=county)) == [
        (
            "visited", "all_grids", "covered", "never",
            "visits_year", "raised_year", "closed_year", "closed_to_raised",
        ),
        figures,
    ]  # fmt: skip


@about(visits.coverage_figures)
def test_in_a_city_without_events_no_micro_grid_is_visited(town: Town) -> None:
    (row,) = town.ask(visits.coverage_figures(), AT, county=ALL)
    assert tuple(row.values()) == (0, 25, 0.0, 25, 0, 0, 0, None)


@about(visits.coverage_counties)
def test_counties_stand_side_by_side_lowest_coverage_first(town: Town) -> None:
    town.tell(*a_year_of_coverage())
    heads = (
        "county_name", "all_grids", "visited_year", "covered", "mark",
        "visits_year", "requests_year", "settled_year", "code",
    )  # fmt: skip
    hecheng = ("鹤城区", 20, 3, 0.15, "■ 不足", 4, 4, 3, HECHENG)
    zhongfang = ("中方县", 5, 1, 0.2, "■ 不足", 3, 0, 1, ZHONGFANG)

    def counties(county: str) -> object:
        return table(town.ask(visits.coverage_counties(), AT, county=county))

    # 沅陵县 has no village with micro-grids, so it has no coverage; 未定位 has none either.
    assert counties(ALL) == [heads, hecheng, zhongfang]
    assert counties(BOTH) == [heads, hecheng, zhongfang]
    assert counties(ZHONGFANG) == [heads, zhongfang]
    assert counties(YUANLING) == counties(CITY) == []


FIFTY = {
    "431202": ("鹤城区", "431202001001", 49),  # 49 of 50 are 0.98
    "431221": ("中方县", "431221100001", 48),
    "431222": ("沅陵县", "431222102001", 45),  # 45 of 50 are 0.9
    "431223": ("辰溪县", "431223100001", 44),
    "431225": ("会同县", "431225100001", 44),
    "431224": ("溆浦县", "431224100001", 44),
}
"""Counties with 50 micro-grids each: name, only village, visited micro-grids."""


@about(visits.coverage_counties)
def test_coverage_is_reached_from_98_percent_and_watched_from_90(town: Town) -> None:
    register = {code: (name, 0) for code, (name, _, _) in FIFTY.items()}
    register |= {village: ("村", 50) for _, village, _ in FIFTY.values()}
    with registered(town, register):
        for _, village, times in FIFTY.values():
            town.tell(
                *(visited(grid(village, n), "2021-03-01")[0] for n in range(times)),
                *visited(grid(village, 49), "2020-03-01"),
            )
        rows = town.ask(visits.coverage_counties(), AT, county=ALL)
    assert [(row["code"], row["covered"], row["mark"]) for row in rows] == [
        ("431223", 0.88, "■ 不足"),  # equal coverage: by code
        ("431224", 0.88, "■ 不足"),
        ("431225", 0.88, "■ 不足"),
        ("431222", 0.9, "▲ 关注"),
        ("431221", 0.96, "▲ 关注"),
        ("431202", 0.98, "● 达标"),
    ]


@about(visits.coverage_counties)
def test_in_a_city_without_events_every_county_stands_at_zero(town: Town) -> None:
    rows = table(town.ask(visits.coverage_counties(), AT, county=ALL))[1:]
    assert rows == [
        ("鹤城区", 20, 0, 0.0, "■ 不足", 0, 0, 0, HECHENG),
        ("中方县", 5, 0, 0.0, "■ 不足", 0, 0, 0, ZHONGFANG),
    ]
    # As many as Chongqing has.
    many = {f"4312{n:02}": (f"县{n}", 0) for n in range(1, 39)}
    many |= {f"4312{n:02}001001": ("村", 1) for n in range(1, 39)}
    with registered(town, many):
        rows = table(town.ask(visits.coverage_counties(), AT, county=ALL))[1:]
    assert [row[-1] for row in rows] == [f"4312{n:02}" for n in range(1, 39)]


# ------------------------------------------------------------------------ days since a visit


@about(visits.coverage_recency)
@pytest.mark.parametrize("clock", ["01:00", "23:59:59"], ids=["early", "late"])
def test_micro_grids_fall_into_spans_by_days_since_their_last_visit(town: Town, clock: str) -> None:
    ages = {
        XINJIE: (0, 6, 7, 29, 30, 89),
        WENHUA: (90, 179, 180),
        ZHONGPO: (364, 365, 400),
        LIPING: (0, 0, 0),
    }
    today = date(2021, 6, 15)
    town.tell(
        # Late in the evening, the same day in the city; and an earlier visit.
        *(
            event
            for village, each in ages.items()
            for n, age in enumerate(each, start=1)
            for more in (0, 500)
            for event in visited(grid(village, n), f"{today - timedelta(days=age + more)} 23:30")
        ),
        *visited(grid(ZHONGPO, 9), "2021-06-16"),  # tomorrow
        *happened("request_raised", grid(ZHONGPO, 8), "2021-06-01"),  # never visited
        *visited(CITY, "2021-06-01"),
    )

    def spans(county: str) -> object:
        return table(town.ask(visits.coverage_recency(), f"{today} {clock}", county=county))

    assert spans(HECHENG) == [
        ("name", "value"),
        ("7 天内", 2),  # 0 and 6
        ("7–30 天", 2),  # 7 and 29
        ("30–90 天", 2),  # 30 and 89
        ("90–180 天", 2),  # 90 and 179
        ("180–365 天", 2),  # 180 and 364
        ("一年以上", 2),  # 365 and 400
    ]
    assert spans(ZHONGFANG) == [
        ("name", "value"),
        ("7 天内", 3),
        *((name, 0) for name in ("7–30 天", "30–90 天", "90–180 天", "180–365 天", "一年以上")),
    ]
    assert spans(CITY) == []


@about(visits.coverage_recency, visits.coverage_roles, visits.coverage_trend)
def test_without_a_visit_there_is_nothing_to_draw(town: Town) -> None:
    for query in (visits.coverage_recency, visits.coverage_roles, visits.coverage_trend):
        assert town.ask(query(), AT, county=ALL) == []
    town.tell(*happened("request_raised", grid(XINJIE, 1), "2021-03-01"))
    assert town.ask(visits.coverage_recency(), AT, county=ALL) == []


# ------------------------------------------------------------------------------ who went


@about(visits.coverage_roles)
def test_visits_of_the_year_by_who_went_most_first(town: Town) -> None:
    back = visited(XINJIE, "2021-03-01", role="grid_member")
    town.tell(
        *visited(XINJIE, "2020-12-31 23:59:59", role="cadre"),  # last year
        *visited(XINJIE, "2021-01-01", role="cadre"),
        *visited(CHENGZHONG, "2021-06-15 14:59:59", role="cadre"),  # in the hour of the end
        *visited(XINJIE, "2021-06-15 15:00", role="cadre"),  # in the next one
        *visited(ZHONGPO, "2021-03-01", role="working_party_member"),
        *visited(HECHENG, "2021-03-02", role="working_party_member"),
        *visited(LIPING, *["2021-03-01"] * 3, role="party_member"),
        *back,
        taken_back(back[0]),
        *visited(CITY, "2021-03-01", role="grid_member"),
        *happened("request_raised", XINJIE, "2021-03-01"),
        *happened("request_closed", XINJIE, "2021-03-01"),
    )

    def roles(county: str) -> object:
        return table(town.ask(visits.coverage_roles(), AT, county=county))[1:]

    # Equal numbers by name. All visits of 网格员 in 鹤城区 were voided.
    assert roles(HECHENG) == [("在职党员", 2), ("干部", 2), ("网格员", 0)]
    assert roles(ZHONGFANG) == [("党员", 3)]
    assert roles(CITY) == [("网格员", 1)]
    assert table(town.ask(visits.coverage_roles(), AT, county=ALL)) == [
        ("name", "value"), ("党员", 3), ("在职党员", 2), ("干部", 2), ("网格员", 1),
    ]  # fmt: skip


# --------------------------------------------------------------------------------- trend


def around_four_days() -> list[Told]:
    back = visited(XINJIE, "2021-06-03 09:59:59")
    return [
        *visited(XINJIE, "2021-05-31 23:59:59"),
        *visited(XINJIE, "2021-06-01", "2021-06-03 09:00", "2021-06-03 09:30"),
        *back,
        taken_back(back[0]),
        *happened("request_raised", LIPING, "2021-06-03 09:10", "2021-06-03 23:59:59"),
        *happened("request_closed", CITY, "2021-06-03 10:00", "2021-06-05 00:59:59"),
        *happened("request_closed", XINJIE, "2021-06-05 01:00"),
    ]


HEADS = ("time", "recorded", "request_raised", "request_closed")


@about(visits.coverage_trend)
def test_a_trend_of_four_days_is_by_the_hour_and_a_longer_one_by_the_day(town: Town) -> None:
    town.tell(*around_four_days())

    def trend(until: str, county: str = ALL) -> object:
        return table(town.ask(visits.coverage_trend(), until, "2021-06-01", county=county))

    # 96 hours, with the hours at both ends.
    assert trend("2021-06-05 00:00") == [
        HEADS,
        ("2021-06-01 00:00:00", 1, 0, 0),
        ("2021-06-03 09:00:00", 2, 1, 0),
        ("2021-06-03 10:00:00", 0, 0, 1),
        ("2021-06-03 23:00:00", 0, 1, 0),
        ("2021-06-05 00:00:00", 0, 0, 1),
    ]
    assert trend("2021-06-05 00:00", XINJIE[:6]) == [
        HEADS,
        ("2021-06-01 00:00:00", 1, 0, 0),
        ("2021-06-03 09:00:00", 2, 0, 0),
    ]
    # 97 hours.
    assert trend("2021-06-05 01:00") == [
        HEADS,
        ("2021-06-01 00:00:00", 1, 0, 0),
        ("2021-06-03 00:00:00", 2, 2, 1),
        ("2021-06-05 00:00:00", 0, 0, 2),
    ]


@about(visits.coverage_trend)
def test_an_hour_begun_before_the_range_is_not_in_its_trend(town: Town) -> None:
    town.tell(*visited(XINJIE, "2021-06-01 08:59:59", "2021-06-01 09:00", "2021-06-01 10:00"))
    found = town.ask(visits.coverage_trend(), "2021-06-01 10:30", "2021-06-01 08:30", county=ALL)
    assert table(found) == [
        HEADS, ("2021-06-01 09:00:00", 1, 0, 0), ("2021-06-01 10:00:00", 1, 0, 0),
    ]  # fmt: skip


# ------------------------------------------------------------------------ villages unvisited


@about(visits.coverage_unvisited)
def test_villages_with_the_most_micro_grids_unvisited_this_year_come_first(town: Town) -> None:
    town.tell(
        *visited(grid(XINJIE, 1), "2020-12-31 23:59:59", "2021-06-16"),  # not in the year
        *visited(grid(XINJIE, 2), "2021-01-01", "2021-03-01"),
        *visited(grid(ZHONGPO, 1), "2021-03-01"),
        *(visited(grid(ZHONGPO, n), "2021-06-15 23:59:59")[0] for n in range(2, 7)),
        *visited(grid(ZHONGPO, 7), "2020-03-01"),
        *happened("request_raised", grid(ZHONGPO, 8), "2021-03-01"),
        *(visited(grid(LIPING, n), "2021-03-01")[0] for n in range(1, 6)),  # all of them
    )

    def villages(county: str) -> object:
        return table(town.ask(visits.coverage_unvisited(), AT, county=county))

    heads = (
        "county_name", "township_name", "village_name", "all_grids", "unvisited_year", "never",
        "county", "township", "village",
    )  # fmt: skip
    expected = [
        heads,
        # 1 of 6 visited in the year, 2 ever.
        ("鹤城区", "城中街道", "新街社区", 6, 5, 4, HECHENG, CHENGZHONG, XINJIE),
        # 6 of 10 in the year, 7 ever; equal numbers by code.
        ("鹤城区", "城中街道", "文化山社区", 4, 4, 4, HECHENG, CHENGZHONG, WENHUA),
        ("鹤城区", "城北街道", "中坡社区", 10, 4, 3, HECHENG, "431202002", ZHONGPO),
    ]
    assert villages(ALL) == villages(HECHENG) == villages(BOTH) == expected
    assert villages(ZHONGFANG) == villages(CITY) == []


@about(visits.coverage_unvisited)
def test_a_single_micro_grid_unvisited_is_listed_too(town: Town) -> None:
    town.tell(*(visited(grid(LIPING, n), "2021-03-01")[0] for n in range(1, 5)))
    (row,) = town.ask(visits.coverage_unvisited(), AT, county=ZHONGFANG)
    assert (row["village"], row["unvisited_year"], row["never"]) == (LIPING, 1, 1)


@about(visits.coverage_unvisited)
def test_in_a_city_without_events_every_village_is_unvisited(town: Town) -> None:
    rows = table(town.ask(visits.coverage_unvisited(), AT, county=ALL))[1:]
    assert [(row[-1], *row[3:6]) for row in rows] == [
        (ZHONGPO, 10, 10, 10), (XINJIE, 6, 6, 6), (LIPING, 5, 5, 5), (WENHUA, 4, 4, 4),
    ]  # fmt: skip
    with registered(
        town, {f"431202001{n:03}": ("村", 1) for n in range(1, 202)} | {MAXIPU: ("镇", 9)}
    ):
        found = town.ask(visits.coverage_unvisited(), AT, county=ALL)
    # 200 at most; a place without a name shows its code.
    assert [row["village"] for row in found] == [f"431202001{n:03}" for n in range(1, 201)]
    assert (found[0]["county_name"], found[0]["township_name"]) == (HECHENG, CHENGZHONG)


@about(visits.coverage_figures, visits.coverage_counties)
def test_days_of_coverage_are_days_of_the_city(town: Town) -> None:
    # 00:30 on New Year's Day is still last year in UTC.
    town.tell(
        *visited(grid(XINJIE, 1), "2020-12-31 23:30"), *visited(grid(LIPING, 1), "2021-01-01")
    )
    (figures,) = town.ask(visits.coverage_figures(), "2021-01-01 00:30", county=ALL)
    assert (figures["visited"], figures["never"], figures["visits_year"]) == (1, 23, 1)
    rows = town.ask(visits.coverage_counties(), "2021-01-01 00:30", county=ALL)
    assert [(row["code"], row["visits_year"]) for row in rows] == [(HECHENG, 0), (ZHONGFANG, 1)]
