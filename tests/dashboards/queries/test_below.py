"""下钻: the places one level below, micro-grids, and the options of the boards' variables."""

from __future__ import annotations

import itertools

import pytest

from dashboards.queries import choices, places
from tests.dashboards.queries.about import about, cuts
from tests.dashboards.queries.happenings import (
    AT,
    IN_THE_DAY,
    LAST_YEAR,
    NEXT_DAY,
    THIS_YEAR,
    grid,
    happened,
    raised,
    spent,
    taken_back,
    visited,
)
from tests.dashboards.queries.register import (
    CHENGBEI,
    CHENGZHONG,
    CITY,
    HECHENG,
    LIPING,
    MAXIPU,
    SMALL,
    WENHUA,
    XINJIE,
    YUANLING,
    ZHONGFANG,
    ZHONGFANGZHEN,
    ZHONGPO,
    chosen,
    registered,
    table,
)
from tests.dashboards.queries.steps import ALL, petition
from tests.histories.told import Told
from tests.town import Town

pytestmark = pytest.mark.usefixtures("small_register")

COUNTY, TOWNSHIP = places.COUNTY, places.TOWNSHIP
UNREGISTERED = "431202003001"
"""A village in the shipped register but not in the small one."""
Row = tuple[object, ...]
_CASES = itertools.count(1)


def petitions(place: str, times: int, *steps: str, **content: str) -> list[Told]:
    each = (petition(f"P-{next(_CASES)}", *steps, place=place, **content) for _ in range(times))
    return [event for events in each for event in events]


def below(town: Town, level: places.PlaceLevel, place: str, at: str = AT) -> list[list[Row]]:
    """The rows of both queries of the places below."""
    return [
        table(town.ask(sql, at, **chosen(level.name, place)))
        for sql in places.place_children(level)
    ]


# ------------------------------------------------------------------------ one level below


def a_year() -> list[Told]:
    back = visited(grid(XINJIE, 4), "2021-03-01")
    return [
        *visited(grid(XINJIE, 1), LAST_YEAR, NEXT_DAY),
        *visited(grid(XINJIE, 2), THIS_YEAR, IN_THE_DAY),
        *visited(grid(XINJIE, 3), "2021-03-01"),
        *back,
        taken_back(back[0]),
        *visited(grid(WENHUA, 1), *["2021-03-01"] * 3),
        *visited(grid(ZHONGPO, 1), *["2021-03-01"] * 4),
        *visited(grid(LIPING, 1), *["2021-03-01"] * 5),
        *visited(XINJIE, "2021-03-01"),  # micro-grid unknown
        *happened("request_raised", grid(XINJIE, 2), *["2021-03-01"] * 8),
        *happened("request_closed", grid(XINJIE, 2), LAST_YEAR, THIS_YEAR, IN_THE_DAY, NEXT_DAY),
        *happened("request_closed", grid(WENHUA, 2), "2021-03-01"),
        *visited(grid(UNREGISTERED, 1), "2021-03-01"),
        *petitions(UNREGISTERED, 6, "registered 2021-03-01"),
        raised(UNREGISTERED, "2021-03-01", 1),
        raised(XINJIE, LAST_YEAR, 2),
        raised(XINJIE, THIS_YEAR, 4, source="donation", entry="opening"),
        spent(XINJIE, IN_THE_DAY, 7.5),
        spent(XINJIE, NEXT_DAY, 64),
        raised(WENHUA, "2021-03-01", 1),
        raised(CHENGZHONG, "2021-03-01", 8),
        raised(HECHENG, "2021-03-01", 16),
        raised(LIPING, "2021-03-01", 32),
    ]


@about(places.place_children)
def test_townships_of_a_county_with_visits_petitions_and_money(town: Town) -> None:
    town.tell(
        *a_year(),
        *petitions(XINJIE, 2, f"registered {LAST_YEAR}"),  # open
        *petitions(XINJIE, 1, "registered 2020-12-01", "withdrawn 2021-02-01"),
        *petitions(XINJIE, 1, f"registered {THIS_YEAR}"),
        *petitions(WENHUA, 1, "registered 2021-03-01", "withdrawn 2021-05-31 23:59:59"),
        *petitions(WENHUA, 1, "registered 2021-03-01", "withdrawn 2021-06-01"),
        *petitions(CHENGZHONG, 1, "registered 2021-05-31 23:59:59"),
        *petitions(CHENGZHONG, 9, "registered 2021-06-01"),
        *petitions(XINJIE, 9, "registered 2021-03-01", kind="accusation"),  # only its county's
        *petitions(HECHENG, 9, "registered 2021-03-01"),
        *petitions(LIPING, 9, "registered 2021-03-01"),
    )
    visited, others = below(town, COUNTY, HECHENG)
    assert visited == [
        ("place_name", "all_grids", "covered", "visits_year", "settled_year", "code"),
        ("城中街道", 10, 3 / 10, 6, 3, CHENGZHONG),
        ("城北街道", 10, 1 / 10, 4, 0, CHENGBEI),
    ]
    # 城中街道 as May ended: registered 1 + 2 + 1; open 2 + 1 + 1 + 1. Money 6 - 7.5 + 1 + 8.
    assert others == [
        ("petitions_year", "petitions_open", "fund_balance", "code"),
        (4, 5, 7.5, CHENGZHONG),
        (0, 0, 0.0, CHENGBEI),
    ]
    assert below(town, COUNTY, YUANLING) == [
        [visited[0], ("麻溪铺镇", 0, None, 0, 0, MAXIPU)],
        [others[0], (0, 0, 0.0, MAXIPU)],
    ]


@about(places.place_children, places.villages_petitions)
def test_villages_of_a_township_with_visits_and_money_and_petitions_of_the_whole_year(
    town: Town,
) -> None:
    town.tell(
        *a_year(),
        *petitions(XINJIE, 5, f"registered {THIS_YEAR}"),
        *petitions(XINJIE, 1, "registered 2021-12-31 23:59:59"),
        *petitions(XINJIE, 7, f"registered {LAST_YEAR}"),
        *petitions(XINJIE, 7, "registered 2022-01-01"),
        *petitions(XINJIE, 9, "registered 2020-03-01", "urged 2021-03-01"),
        *petitions(CHENGZHONG, 7, "registered 2021-03-01"),
        *petitions(ZHONGPO, 4, "registered 2021-03-01"),
        *petitions(LIPING, 8, "registered 2021-03-01"),
    )
    assert below(town, TOWNSHIP, CHENGZHONG) == [
        [
            ("place_name", "all_grids", "covered", "visits_year", "settled_year", "code"),
            ("新街社区", 6, 2 / 6, 3, 2, XINJIE),
            ("文化山社区", 4, 1 / 4, 3, 1, WENHUA),
        ],
        [("fund_balance", "code"), (-1.5, XINJIE), (1.0, WENHUA)],
    ]
    assert below(town, TOWNSHIP, CHENGBEI)[1][1:] == [(0.0, ZHONGPO)]
    assert below(town, TOWNSHIP, ZHONGFANGZHEN)[1][1:] == [(32.0, LIPING)]
    assert below(town, TOWNSHIP, MAXIPU) == [[], []]

    def petitions_of(township: str) -> list[Row]:
        return table(town.ask(places.villages_petitions(), AT, township=township))

    assert petitions_of(CHENGZHONG) == [
        ("place_name", "petitions_whole_year", "code"),
        ("新街社区", 6, XINJIE),
    ]
    # Not in this register: it has no name.
    assert petitions_of(UNREGISTERED[:9])[1:] == [(UNREGISTERED, 6, UNREGISTERED)]
    assert petitions_of(CHENGBEI)[1:] == [("中坡社区", 4, ZHONGPO)]
    assert petitions_of(ZHONGFANGZHEN)[1:] == [("莉坪社区", 8, LIPING)]
    assert petitions_of(MAXIPU) == []


@about(places.place_children)
def test_without_events_the_places_below_have_zeros(town: Town) -> None:
    assert below(town, COUNTY, ZHONGFANG) == [
        [
            ("place_name", "all_grids", "covered", "visits_year", "settled_year", "code"),
            ("中方镇", 5, 0.0, 0, 0, ZHONGFANGZHEN),
        ],
        [("petitions_year", "petitions_open", "fund_balance", "code"), (0, 0, 0.0, ZHONGFANGZHEN)],
    ]
    assert below(town, TOWNSHIP, ZHONGFANGZHEN) == [
        [
            ("place_name", "all_grids", "covered", "visits_year", "settled_year", "code"),
            ("莉坪社区", 5, 0.0, 0, 0, LIPING),
        ],
        [("fund_balance", "code"), (0.0, LIPING)],
    ]


@cuts(places._by_child)
@about(places.place_children)
@pytest.mark.parametrize(
    ("level", "place"), [(COUNTY, HECHENG), (TOWNSHIP, CHENGZHONG)], ids=["county", "township"]
)
def test_of_more_than_200_places_below_the_first_200_are_listed(
    town: Town, level: places.PlaceLevel, place: str
) -> None:
    codes = [f"{place}{n:03}" for n in range(201)]
    with registered(town, dict.fromkeys(codes, ("名", 0))):
        for rows in below(town, level, place):
            assert [row[-1] for row in rows[1:]] == codes[:200]


# --------------------------------------------------------------------------- micro-grids


@about(places.microgrids, places.grid_options)
def test_micro_grids_ever_visited_by_then_longest_unvisited_first(town: Town) -> None:
    back = visited(grid(XINJIE, 5), "2021-03-01")
    town.tell(
        *visited(grid(XINJIE, 3), "2021-06-14 23:59:59"),
        *visited(grid(XINJIE, 2), "2021-06-14 00:00", LAST_YEAR),
        *visited(grid(XINJIE, 4), *[IN_THE_DAY] * 2, NEXT_DAY),
        *visited(grid(XINJIE, 1), LAST_YEAR),
        *happened("request_raised", grid(XINJIE, 2), LAST_YEAR, THIS_YEAR, IN_THE_DAY, NEXT_DAY),
        *happened("request_closed", grid(XINJIE, 2), LAST_YEAR, THIS_YEAR, NEXT_DAY),
        # Never visited: voided, only requests, visited tomorrow.
        *back,
        taken_back(back[0]),
        *happened("request_raised", grid(XINJIE, 6), THIS_YEAR),
        *visited(grid(XINJIE, 7), NEXT_DAY),
        *visited(grid(WENHUA, 1), "2021-03-01"),
        *visited(XINJIE, "2021-03-01"),
    )
    expected = [
        ("grid", "last_visit", "idle_days", "visits_year", "requests_year", "settled_year"),
        # From New Year's Eve: 31 + 28 + 31 + 30 + 31 + 15 days.
        (grid(XINJIE, 1), "2020-12-31", 166, 0, 0, 0),
        (grid(XINJIE, 2), "2021-06-14", 1, 1, 2, 1),
        (grid(XINJIE, 3), "2021-06-14", 1, 1, 0, 0),
        (grid(XINJIE, 4), "2021-06-15", 0, 2, 0, 0),
    ]
    # 01:00 is the day before in UTC.
    for at in (AT, "2021-06-15 01:00"):
        assert table(town.ask(places.microgrids(), at, village=XINJIE)) == expected
    assert table(town.ask(places.grid_options(), AT, village=XINJIE)) == [
        ("grid", "name"),
        *((grid(XINJIE, n), f"00100{n}") for n in (1, 2, 3, 4)),
    ]


@about(places.microgrids, places.grid_options)
def test_a_village_without_a_visit_has_no_micro_grid_to_show(town: Town) -> None:
    for query in (places.microgrids, places.grid_options):
        assert town.ask(query(), AT, village=XINJIE) == []


@cuts(places.microgrids, places.grid_options)
@about(places.microgrids, places.grid_options)
def test_of_many_micro_grids_200_are_listed_and_500_offered(town: Town) -> None:
    grids = [grid(XINJIE, n) for n in range(501)]
    town.tell(*(visited(each, "2021-03-01")[0] for each in grids))
    listed = town.ask(places.microgrids(), AT, village=XINJIE)
    offered = town.ask(places.grid_options(), AT, village=XINJIE)
    assert [row["grid"] for row in listed] == grids[:200]
    assert [row["grid"] for row in offered] == grids[:500]


@about(places.microgrid)
@pytest.mark.parametrize(
    ("number", "figures"),
    [
        (1, (2, 3, 3, 1, 0)),
        (2, (0, 1, 0, 2, 166)),
        (3, (0, 0, 1, 0, None)),
        (9, (0, 0, 0, 0, None)),
    ],
    ids=["this-year", "last-year", "only-asked", "nothing"],
)
def test_one_micro_grid_with_its_visits_requests_and_days_since(
    town: Town, number: int, figures: Row
) -> None:
    town.tell(
        *visited(grid(XINJIE, 1), LAST_YEAR, THIS_YEAR, IN_THE_DAY, NEXT_DAY),
        *happened("request_raised", grid(XINJIE, 1), LAST_YEAR, *[THIS_YEAR] * 2, IN_THE_DAY),
        *happened("request_closed", grid(XINJIE, 1), THIS_YEAR, NEXT_DAY),
        *visited(grid(XINJIE, 2), LAST_YEAR),
        *happened("request_raised", grid(XINJIE, 2), LAST_YEAR),
        *happened("request_closed", grid(XINJIE, 2), *[THIS_YEAR] * 2),
        *happened("request_raised", grid(XINJIE, 3), THIS_YEAR),
    )
    # 01:00 is the day before in UTC.
    for at in (AT, "2021-06-15 01:00"):
        assert table(town.ask(places.microgrid(), at, grid=grid(XINJIE, number))) == [
            ("visits_year", "visits_all", "raised_year", "closed_year", "idle_days"), figures,
        ]  # fmt: skip


# ---------------------------------------------------------------------- options of variables


@about(choices.county_options)
def test_counties_are_offered_by_code_and_last_the_unknown_place(town: Town) -> None:
    assert table(town.ask(choices.county_options(), AT)) == [
        ("code", "name"),
        (HECHENG, "鹤城区"),
        (ZHONGFANG, "中方县"),
        (YUANLING, "沅陵县"),
        (CITY, "未定位"),
    ]


@about(choices.below)
def test_townships_and_villages_are_offered_under_what_is_chosen_above(town: Town) -> None:
    def offered(level: str, variable: str, value: str) -> list[Row]:
        return table(town.ask(choices.below(level, variable), AT, **chosen(variable, value)))

    heads = ("code", "name")
    townships = [(CHENGZHONG, "城中街道"), (CHENGBEI, "城北街道")]
    assert offered("township", "county", HECHENG) == [heads, *townships]
    assert offered("township", "county", ALL) == [
        heads, *townships, (ZHONGFANGZHEN, "中方镇"), (MAXIPU, "麻溪铺镇"),
    ]  # fmt: skip
    villages = [(XINJIE, "新街社区"), (WENHUA, "文化山社区")]
    assert offered("village", "township", CHENGZHONG) == [heads, *villages]
    assert offered("village", "township", MAXIPU) == []
    assert offered("township", "county", CITY) == []  # its children are counties


@cuts(choices.below)
@about(choices.below)
def test_at_most_a_thousand_places_are_offered(town: Town) -> None:
    codes = [f"{n:012}" for n in range(1001)]
    with registered(town, dict.fromkeys(codes, ("村", 1)) | dict(SMALL)):
        found = town.ask(choices.below("village", "township"), AT, township=ALL)
    assert [row["code"] for row in found] == codes[:1000]
