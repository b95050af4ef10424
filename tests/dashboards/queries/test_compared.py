"""下钻: a place's month against other months and other places, counted by hand."""

from __future__ import annotations

import itertools

import pytest

from dashboards.queries import places
from tests.dashboards.queries.about import about
from tests.dashboards.queries.happenings import (
    booked,
    grid,
    happened,
    raised,
    spent,
    taken_back,
    visited,
)
from tests.dashboards.queries.register import (
    CHENGZHONG,
    CITY,
    HECHENG,
    LIPING,
    WENHUA,
    XINJIE,
    ZHONGPO,
    chosen,
    table,
)
from tests.dashboards.queries.steps import mediation, petition
from tests.histories.told import Told
from tests.town import Town

pytestmark = pytest.mark.usefixtures("small_register")

LEVELS = (places.COUNTY, places.TOWNSHIP, places.VILLAGE, places.MICROGRID)
HERE = grid(XINJIE, 1)
OF = {"county": HECHENG, "township": CHENGZHONG, "village": XINJIE, "grid": HERE}
"""The place of each level's queries: one micro-grid and the places around it."""
HEADS = (
    "figure", "this_month", "last_month", "to_last_month", "last_year", "to_last_year",
    "city_mean", "to_mean",
)  # fmt: skip
Row = tuple[object, ...]
_CASES = itertools.count(1)


def compared(town: Town, level: places.PlaceLevel, at: str) -> list[Row]:
    """The column names, then the rows of all queries."""
    found = [
        table(town.ask(sql, at, **chosen(level.name, OF[level.name])))
        for sql in places.place_compared(level)
    ]
    assert {rows[0] for rows in found} == {HEADS}
    return [row for rows in found for row in rows[1:]]


# ---------------------------------------------------------------------------- same days


@about(places.place_compared)
@pytest.mark.parametrize(
    ("today", "this", "last", "year", "none"),
    [
        (
            "2021-06-15",
            ("2021-06-01", "2021-06-15"),
            ("2021-05-01", "2021-05-15"),
            ("2020-06-01", "2020-06-15"),
            ("2021-05-31", "2021-05-16", "2021-06-16", "2020-06-16", "2020-05-31", "2020-05-15"),
        ),
        # February has no 29th to 31st: the whole month counts, and no day of March or January.
        (
            "2021-03-31",
            ("2021-03-01", "2021-03-31"),
            ("2021-02-01", "2021-02-28"),
            ("2020-03-01", "2020-03-31"),
            ("2021-01-31", "2021-04-01", "2020-02-29", "2020-04-01"),
        ),
        # The last day of a short month is compared with the same day, not with a long month's last.
        (
            "2021-02-28",
            ("2021-02-01", "2021-02-28"),
            ("2021-01-01", "2021-01-28"),
            ("2020-02-01", "2020-02-28"),
            ("2021-01-29", "2021-01-31", "2020-02-29", "2020-12-31", "2021-03-01", "2020-03-01"),
        ),
        (
            "2020-02-29",
            ("2020-02-01", "2020-02-29"),
            ("2020-01-01", "2020-01-29"),
            ("2019-02-01", "2019-02-28"),
            ("2020-01-30", "2020-01-31", "2019-03-01", "2019-01-31", "2020-03-01"),
        ),
        (
            "2021-05-31",
            ("2021-05-01", "2021-05-31"),
            ("2021-04-01", "2021-04-30"),
            ("2020-05-01", "2020-05-31"),
            ("2021-03-31", "2021-06-01", "2020-04-30", "2020-06-01"),
        ),
        # The month before January is in the year before.
        (
            "2021-01-31",
            ("2021-01-01", "2021-01-31"),
            ("2020-12-01", "2020-12-31"),
            ("2020-01-01", "2020-01-31"),
            ("2020-11-30", "2021-02-01", "2019-12-31", "2020-02-01", "2021-12-31"),
        ),
        ("2021-01-01", ("2021-01-01",), ("2020-12-01",), ("2020-01-01",), ("2020-12-31",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_month_is_compared_with_the_same_days_of_the_month_and_the_year_before(
    town: Town,
    today: str,
    this: tuple[str, ...],
    last: tuple[str, ...],
    year: tuple[str, ...],
    none: tuple[str, ...],
) -> None:
    counted = [(this, 3), (last, 1), (year, 2), (none, 1)]
    midnights = [f"{day} 00:00" for days, times in counted for day in days * times]
    evenings = [f"{day} 23:59:59" for days, _ in counted for day in days]
    town.tell(*visited(HERE, *midnights, *evenings))
    now, then, before = 4 * len(this), 2 * len(last), 3 * len(year)
    changes = ((now - then) / then, (now - before) / before)
    for level in LEVELS:
        # 00:30 city time is still yesterday in UTC.
        row = compared(town, level, f"{today} 00:30")[0]
        expected = ("走访（户次）", now, then, changes[0], before, changes[1])
        assert row[:6] == expected, level.name


# ------------------------------------------------------------------- every figure, the means


def two_months() -> list[Told]:
    """Events of June 2021, of the month and of the year before; every figure differs."""
    june, may, then = "2021-06-01", "2021-05-15 23:59:59", "2020-06-10"
    today, tomorrow = "2021-06-15 23:59:59", "2021-06-16"
    back = raised(XINJIE, june, 64)
    raise_, close = "request_raised", "request_closed"
    return [
        *visited(HERE, *[june] * 3, today, tomorrow, *[may] * 2, then),
        *happened(raise_, HERE, *[june] * 2, tomorrow, *[may] * 4),
        *happened(close, HERE, today, tomorrow, *[then] * 2),
        # Others in the village, its township and its county, and events with less precise places.
        *visited(grid(XINJIE, 2), june),
        *visited(XINJIE, june),
        *visited(grid(WENHUA, 1), *[june] * 2),
        *visited(CHENGZHONG, *[june] * 4),
        *visited(grid(ZHONGPO, 1), *[june] * 8),
        *visited(HECHENG, *[june] * 16),
        *visited(grid(LIPING, 1), *[june] * 32, *[may] * 64),
        *visited(CITY, *[june] * 64),
        *registered(XINJIE, 3, june),
        *registered(XINJIE, 1, may),
        *registered(LIPING, 5, today),
        *registered(CITY, 64, june),
        *agreed(XINJIE, 5, june),
        *agreed(HECHENG, 2, today),
        *agreed(CHENGZHONG, 2, then),
        *agreed(LIPING, 1, tomorrow),
        raised(XINJIE, june, 2),
        raised(XINJIE, tomorrow, 64),
        raised(XINJIE, may, 8),
        raised(XINJIE, june, 64, entry="opening"),
        back,
        taken_back(back),
        raised(WENHUA, june, 1),
        raised(LIPING, today, 3),
        spent(XINJIE, today, 1.5),
        spent(XINJIE, june, 64, entry="opening"),
        spent(XINJIE, then, 0.5),
        spent(CITY, june, 64),
        booked("pledged", XINJIE, june, 64),
    ]


def registered(place: str, times: int, day: str) -> list[Told]:
    each = (petition(f"P-{next(_CASES)}", f"registered {day}", place=place) for _ in range(times))
    return [event for events in each for event in events]


def agreed(place: str, times: int, day: str) -> list[Told]:
    steps = ("filed 2020-01-01", f"agreement_reached {day}")
    each = (mediation(f"M-{next(_CASES)}", *steps, place=place) for _ in range(times))
    return [event for events in each for event in events]


# The city's visits in June: 4 + 1 + 1 + 2 in villages of 城中街道, 4 in the township itself, 8 in
# 中坡, 16 in 鹤城区, 32 in 莉坪, 64 in no known county. There are 3 counties, 4 townships, 4
# villages and 25 micro-grids.
OF_COUNTY = [
    ("走访（户次）", 36, 2, 17.0, 1, 35.0, 68 / 3, (36 - 68 / 3) / (68 / 3)),
    ("诉求登记（件）", 2, 4, -0.5, 0, None, 2 / 3, (2 - 2 / 3) / (2 / 3)),
    ("诉求办结（件）", 1, 0, None, 2, -0.5, 1 / 3, (1 - 1 / 3) / (1 / 3)),
    ("信访登记（件）", 3, 1, 2.0, 0, None, 8 / 3, (3 - 8 / 3) / (8 / 3)),
    ("调解成功（件）", 7, 0, None, 2, 2.5, 7 / 3, (7 - 7 / 3) / (7 / 3)),
    ("基金筹集（万元）", 3.0, 8.0, -0.625, 0, None, 2.0, 0.5),
    ("基金支出（万元）", 1.5, 0, None, 0.5, 2.0, 0.5, 2.0),
]
OF_TOWNSHIP = [
    ("走访（户次）", 12, 2, 5.0, 1, 11.0, 52 / 4, -1 / 13),
    ("诉求登记（件）", 2, 4, -0.5, 0, None, 0.5, 3.0),
    ("诉求办结（件）", 1, 0, None, 2, -0.5, 0.25, 3.0),
    ("基金筹集（万元）", 3.0, 8.0, -0.625, 0, None, 1.5, 1.0),
    ("基金支出（万元）", 1.5, 0, None, 0.5, 2.0, 0.375, 3.0),
]
OF_VILLAGE = [
    ("走访（户次）", 6, 2, 2.0, 1, 5.0, 48 / 4, -0.5),
    ("诉求登记（件）", 2, 4, -0.5, 0, None, 0.5, 3.0),
    ("诉求办结（件）", 1, 0, None, 2, -0.5, 0.25, 3.0),
    ("基金筹集（万元）", 2.0, 8.0, -0.75, 0, None, 1.5, 0.5 / 1.5),
    ("基金支出（万元）", 1.5, 0, None, 0.5, 2.0, 0.375, 3.0),
]
OF_GRID = [
    ("走访（户次）", 4, 2, 1.0, 1, 3.0, 48 / 25, (4 - 48 / 25) / (48 / 25)),
    ("诉求登记（件）", 2, 4, -0.5, 0, None, 2 / 25, (2 - 2 / 25) / (2 / 25)),
    ("诉求办结（件）", 1, 0, None, 2, -0.5, 1 / 25, (1 - 1 / 25) / (1 / 25)),
]


@about(places.place_compared)
@pytest.mark.parametrize(
    ("level", "rows"),
    list(zip(LEVELS, (OF_COUNTY, OF_TOWNSHIP, OF_VILLAGE, OF_GRID), strict=True)),
    ids=["county", "township", "village", "grid"],
)
def test_every_figure_is_compared_with_the_mean_of_all_places_of_its_level(
    town: Town, level: places.PlaceLevel, rows: list[Row]
) -> None:
    town.tell(*two_months())
    found = compared(town, level, "2021-06-15 14:30")
    assert [row[0] for row in found] == [row[0] for row in rows]
    for row, expected in zip(found, rows, strict=True):
        assert row[1:] == pytest.approx(expected[1:]), row[0]


@about(places.place_compared)
@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_a_figure_without_any_event_is_a_row_of_zeros(town: Town, level: places.PlaceLevel) -> None:
    names = {"county": 7, "township": 5, "village": 5, "grid": 3}
    found = compared(town, level, "2021-06-15 14:30")
    assert len(found) == names[level.name]
    assert {row[1:] for row in found} == {(0.0, 0.0, None, 0.0, None, 0.0, None)}


# ---------------------------------------------------------- one micro-grid and those around it


@about(places.microgrid_compared)
def test_a_micro_grid_is_compared_with_the_means_of_what_it_lies_in(town: Town) -> None:
    told = (
        # place, visits, requests raised and closed of the year
        (HERE, 3, 1, 2),
        (grid(XINJIE, 2), 2, 0, 1),
        (grid(WENHUA, 1), 4, 4, 0),
        (grid(ZHONGPO, 1), 8, 0, 16),
        (grid(LIPING, 5), 16, 32, 0),
        # Micro-grid unknown.
        (XINJIE, 64, 64, 64),
        (CITY, 64, 64, 64),
    )
    types = ("recorded", "request_raised", "request_closed")
    town.tell(
        *visited(HERE, "2020-12-31 23:59:59", "2021-06-16"),
        *(
            event
            for place, *numbers in told
            for type_, times in zip(types, numbers, strict=True)
            for event in happened(type_, place, *["2021-03-01"] * times)
        ),
    )
    found = town.ask(places.microgrid_compared(), "2021-06-15 14:30", grid=HERE)
    # Sums over 6, 10, 20 and 25 micro-grids; each includes the one before.
    assert table(found) == [
        ("scope_name", "visits_year", "requests_year", "settled_year"),
        ("本微网格", 3, 1, 2),
        ("全村平均", 5 / 6, 1 / 6, 3 / 6),
        ("乡镇平均", 9 / 10, 5 / 10, 3 / 10),
        ("全县平均", 17 / 20, 5 / 20, 19 / 20),
        ("全市平均", 33 / 25, 37 / 25, 19 / 25),
    ]


@about(places.microgrid_compared)
def test_a_micro_grid_without_events_is_compared_with_zeros(town: Town) -> None:
    found = town.ask(places.microgrid_compared(), "2021-06-15 14:30", grid=HERE)
    assert table(found)[1:] == [
        (name, 0.0, 0.0, 0.0)
        for name in ("本微网格", "全村平均", "乡镇平均", "全县平均", "全市平均")
    ]
