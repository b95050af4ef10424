"""幸福基金: the rows of each query of the board over a small history, counted by hand.

Events have money in fen, boards in 10,000 yuan (1,000,000 fen).
"""

from __future__ import annotations

import pytest

from dashboards.queries import funds
from tests.dashboards.queries.about import about, cuts
from tests.dashboards.queries.happenings import (
    AT,
    IN_THE_DAY,
    IN_THE_HOUR,
    LAST_YEAR,
    NEXT_DAY,
    NEXT_HOUR,
    THIS_YEAR,
    balances_of_all_years,
    booked,
    projects,
    raised,
    spent,
    taken_back,
)
from tests.dashboards.queries.register import (
    CHENGZHONG,
    CITY,
    HECHENG,
    LIPING,
    WENHUA,
    XINJIE,
    YUANLING,
    ZHONGFANG,
    ZHONGPO,
    registered,
    table,
)
from tests.dashboards.queries.steps import ALL
from tests.histories.small import PLACES
from tests.histories.told import Told
from tests.town import Town

pytestmark = pytest.mark.usefixtures("small_register")

BOTH = f"{{{HECHENG},{ZHONGFANG}}}"
"""Two counties chosen, as Grafana writes them into the query."""


@about(funds.fund_figures)
@pytest.mark.parametrize(
    ("county", "figures"),
    [
        # 鹤城区: 16 + 4 + 1 + 8 + 8 raised, 1 + 3 + 1.000001 + 2 spent; 中坡 and 城北 are below 0.
        (HECHENG, (37.0, 7.000001, 29.999999, 7_000_001 / 37_000_000, 2)),
        (ZHONGFANG, (5.0, 5.0, 0.0, 1.0, 0)),
        (YUANLING, (0.0, 2.0, -2.0, None, 1)),
        (BOTH, (42.0, 12.000001, 29.999999, 12_000_001 / 42_000_000, 2)),
        (ALL, (42.0, 14.000001, 27.999999, 14_000_001 / 42_000_000, 3)),
        (CITY, (0.0, 0.0, 0.0, None, 0)),
    ],
    ids=["county", "nothing-left", "nothing-raised", "two", "all", "nothing"],
)
def test_a_balance_is_of_all_years_to_the_end_of_the_day(
    town: Town, county: str, figures: tuple[float | None, ...]
) -> None:
    town.tell(*balances_of_all_years())
    heads, row = table(town.ask(funds.fund_figures(), AT, county=county))
    assert heads == ("raised_all", "spent_all", "balance_now", "used", "negative")
    assert row == figures


@about(funds.fund_counties)
def test_funds_of_the_counties_stand_side_by_side_largest_balance_first(town: Town) -> None:
    town.tell(
        *balances_of_all_years(),
        raised(CITY, "2021-03-01", 50),
        spent(CITY, "2021-03-01", 50),
    )
    heads = ("county_name", "raised_all", "spent_all", "balance_now", "used", "code")
    hecheng = ("鹤城区", 37.0, 7.000001, 29.999999, 7_000_001 / 37_000_000, HECHENG)
    unknown = ("未定位", 50.0, 50.0, 0.0, 1.0, CITY)
    zhongfang = ("中方县", 5.0, 5.0, 0.0, 1.0, ZHONGFANG)
    yuanling = ("沅陵县", 0.0, 2.0, -2.0, None, YUANLING)

    def counties(county: str) -> object:
        return table(town.ask(funds.fund_counties(), AT, county=county))

    assert counties(ALL) == [heads, hecheng, unknown, zhongfang, yuanling]
    assert counties(BOTH) == [heads, hecheng, zhongfang]
    assert counties("431224") == []


@about(funds.fund_counties)
def test_every_county_with_a_fund_is_listed(town: Town) -> None:
    codes = [f"4312{n:02}" for n in (*range(21, 31), 71, 81)] + [HECHENG, CITY]
    town.tell(*(raised(code, "2021-03-01", 1) for code in codes))
    found = town.ask(funds.fund_counties(), AT, county=ALL)
    assert [row["code"] for row in found] == sorted(codes)
    # A county that is not in the register shows its code.
    assert found[-1]["county_name"] == "431281"


@about(funds.fund_negative)
def test_overdrawn_funds_are_listed_deepest_first(town: Town) -> None:
    town.tell(
        *balances_of_all_years(),
        spent(CITY, "2021-03-01", 3),
        raised(WENHUA, NEXT_DAY, 100),
        spent(WENHUA, "2021-05-01", 3),  # 4 raised, 6 spent
    )
    heads = (
        "county_name",
        "township_name",
        "village_name",
        "raised_all",
        "spent_all",
        "balance_now",
    )
    fen = 0.000001
    # Equal balances: funds of townships and counties first, then by the village's code.
    expected = [
        heads,
        ("未定位", "", "", 0.0, 3.0, -3.0),
        ("沅陵县", "", "", 0.0, 2.0, -2.0),
        ("鹤城区", "城北街道", "", 0.0, 2.0, -2.0),
        ("鹤城区", "城中街道", "文化山社区", 4.0, 6.0, -2.0),
        ("鹤城区", "城北街道", "中坡社区", 1.0, 1 + fen, -fen),
    ]

    def overdrawn(county: str) -> list[tuple[object, ...]]:
        return table(town.ask(funds.fund_negative(), AT, county=county))

    found = overdrawn(ALL)
    # Two equal balances without a village have no defined order.
    assert found[:2] == expected[:2]
    assert sorted(found[2:4]) == sorted(expected[2:4])
    assert found[4:] == expected[4:]
    assert overdrawn(BOTH) == [heads, *expected[3:]]
    assert overdrawn(ZHONGFANG) == []


@about(funds.fund_negative)
def test_villages_of_one_name_are_overdrawn_each_for_itself(town: Town) -> None:
    same = {XINJIE: ("新村", 1), WENHUA: ("新村", 1), CHENGZHONG: ("城中街道", 0)}
    with registered(town, same | {HECHENG: ("鹤城区", 0)}):
        town.tell(
            spent(WENHUA, "2021-03-01", 2), spent(XINJIE, "2021-03-01", 2), raised(XINJIE, AT, 0.5)
        )
        rows = table(town.ask(funds.fund_negative(), AT, county=ALL))[1:]
        assert rows == [
            ("鹤城区", "城中街道", "新村", 0.0, 2.0, -2.0),
            ("鹤城区", "城中街道", "新村", 0.5, 2.0, -1.5),
        ]
        town.tell(raised(WENHUA, AT, 0.5))
        assert table(town.ask(funds.fund_negative(), AT, county=ALL))[1:] == rows[1:] * 2


@about(funds.fund_negative)
def test_an_overdrawn_fund_of_a_county_without_a_name_is_listed_by_its_code(town: Town) -> None:
    with registered(town, {HECHENG: ("鹤城区", 0)}):
        town.tell(spent("431281", "2021-03-01", 2), spent("431221", "2021-03-01", 1))
        assert table(town.ask(funds.fund_negative(), AT, county=ALL))[1:] == [
            ("431281", "", "", 0.0, 2.0, -2.0),
            ("431221", "", "", 0.0, 1.0, -1.0),
        ]


@cuts(funds.fund_negative)
@about(funds.fund_negative)
def test_of_more_than_200_overdrawn_funds_the_200_deepest_are_listed(town: Town) -> None:
    villages = [code for code in PLACES if len(code) == 12][:201]
    town.tell(*(spent(code, AT, 1 + n) for n, code in enumerate(villages)))
    found = town.ask(funds.fund_negative(), AT, county=ALL)
    # 1 to 201 are missing.
    assert [row["balance_now"] for row in found] == [-1.0 - n for n in range(200, 0, -1)]


# ------------------------------------------------------------------------------- the year


def movements() -> list[Told]:
    """Money, persons helped and projects around the edges of the year and of the instant's hour."""
    back = spent(XINJIE, "2021-03-01", 64, helped=64)
    opening = {"entry": "opening"}
    return [
        raised(XINJIE, LAST_YEAR, 100),
        raised(XINJIE, THIS_YEAR, 1),
        raised(XINJIE, IN_THE_HOUR, 2, source="collective"),
        raised(XINJIE, NEXT_HOUR, 200),
        raised(XINJIE, THIS_YEAR, 400, **opening),
        spent(XINJIE, LAST_YEAR, 100, helped=100),
        spent(XINJIE, THIS_YEAR, 0.25, helped=1),
        spent(XINJIE, IN_THE_HOUR, 0.5, helped=2, use="merit_and_need"),
        spent(XINJIE, NEXT_HOUR, 200, helped=200),
        spent(XINJIE, THIS_YEAR, 400, helped=400, **opening),
        back,
        taken_back(back),
        projects("opened", XINJIE, LAST_YEAR, 100),
        projects("opened", XINJIE, THIS_YEAR, 3),
        projects("opened", XINJIE, IN_THE_HOUR, 4),
        projects("opened", XINJIE, NEXT_HOUR, 200),
        projects("opened", XINJIE, THIS_YEAR, 400, **opening),
        projects("closed", XINJIE, "2021-03-01", 800),
        booked("pledged", XINJIE, "2021-03-01", 800),
        booked("approved", XINJIE, "2021-03-01", 800),
        spent(LIPING, "2021-03-01", 4, helped=5),
        raised(CITY, "2021-03-01", 8),
    ]


@about(funds.fund_year, funds.fund_helped)
@pytest.mark.parametrize(
    ("county", "figures"),
    [
        (HECHENG, (3.0, 0.75, 2.25, 3, 7)),
        (ZHONGFANG, (0.0, 4.0, -4.0, 5, 0)),
        (BOTH, (3.0, 4.75, -1.75, 8, 7)),
        (ALL, (11.0, 4.75, 6.25, 8, 7)),
        (YUANLING, (0.0, 0.0, 0.0, 0, 0)),
    ],
    ids=["one", "less-in-than-out", "two", "all", "nothing"],
)
def test_the_years_movements_are_counted_to_the_end_of_the_hour_without_opening_balances(
    town: Town, county: str, figures: tuple[float, ...]
) -> None:
    town.tell(*movements())
    raised_, spent_, net, helped, made = figures
    assert table(town.ask(funds.fund_year(), AT, county=county)) == [
        ("raised_year", "spent_year", "net_year", "projects_year"), (raised_, spent_, net, made),
    ]  # fmt: skip
    assert table(town.ask(funds.fund_helped(), AT, county=county)) == [("helped_year",), (helped,)]


@about(funds.fund_helped_before)
def test_persons_helped_are_for_all_once_their_year_is_over(town: Town) -> None:
    town.tell(
        spent(XINJIE, "2020-03-01", 1, helped=1, entry="opening"),
        spent(XINJIE, "2020-12-31 23:59:59", 1, helped=2),
        spent(XINJIE, "2021-01-01", 1, helped=4),
        spent(LIPING, "2021-12-31 23:59:59", 1, helped=8),
    )

    def helped(at: str, county: str = ALL) -> int | None:
        (row,) = town.ask(funds.fund_helped_before(), at, county=county)
        found: int | None = row["helped_all"]
        return found

    # Nothing is booked in 2022 yet, so 2021 is not over.
    assert [helped(at) for at in ("2020-12-30", "2021-06-01", "2022-06-01")] == [None, 3, 3]
    town.tell(raised(XINJIE, "2022-01-01", 1))
    # The evening of the last day ends the year; 01:00 is the day before in UTC.
    for at, shown in (
        ("2021-12-30 23:59:59.999", 3),
        ("2021-12-31 01:00", 15),
        ("2021-12-31 23:59:59.999", 15),
        ("2022-06-01", 15),
    ):
        assert helped(at) == shown, at
    assert helped("2022-06-01", HECHENG) == 7
    assert helped("2022-06-01", YUANLING) is None


@about(funds.fund_uses)
def test_uses_of_the_year_are_counted_to_the_end_of_the_day_largest_first(town: Town) -> None:
    town.tell(
        *movements(),
        spent(ZHONGPO, IN_THE_DAY, 0.25, use="old_and_young"),
        spent(ZHONGPO, NEXT_DAY, 800, use="old_and_young"),
    )

    def uses(county: str) -> object:
        return table(town.ask(funds.fund_uses(), AT, county=county))

    # 公益服务: 0.25 and, later on the same day, 200.
    hecheng = [("公益服务", 200.25), ("奖优济困", 0.5), ("敬老护幼", 0.25)]
    assert uses(HECHENG) == [("name", "value"), *hecheng]
    assert uses(ALL) == [("name", "value"), ("公益服务", 204.25), *hecheng[1:]]
    assert uses(ZHONGFANG) == [("name", "value"), ("公益服务", 4.0)]
    assert uses(CITY) == []


@about(funds.fund_sources, funds.fund_uses)
def test_parts_of_equal_size_stand_by_name(town: Town) -> None:
    back = raised(XINJIE, "2021-03-01", 9, source="reward")
    town.tell(
        raised(XINJIE, "2021-03-01", 2, source="pledge"),
        raised(XINJIE, "2021-03-01", 2, source="donation"),
        back,
        taken_back(back),
        spent(XINJIE, "2021-03-01", 2, use="old_and_young"),
        spent(XINJIE, "2021-03-01", 2, use="merit_and_need"),
        spent(XINJIE, "2021-03-01", 1, source="collective"),
    )
    # A source with only reversed or only spent money is 0.
    assert table(town.ask(funds.fund_sources(), AT, county=ALL)) == [
        ("name", "value"),
        ("社会捐赠", 2.0), ("自愿认缴", 2.0), ("以奖代补", 0.0), ("集体经济", 0.0),
    ]  # fmt: skip
    assert table(town.ask(funds.fund_uses(), AT, county=ALL)) == [
        ("name", "value"), ("奖优济困", 2.0), ("敬老护幼", 2.0), ("公益服务", 1.0),
    ]  # fmt: skip


@about(funds.fund_sources)
def test_sources_are_of_all_years_to_the_end_of_the_day_opening_balances_too(town: Town) -> None:
    town.tell(*balances_of_all_years(), raised(CITY, "2021-03-01", 50, source="collective"))

    def sources(county: str) -> object:
        return table(town.ask(funds.fund_sources(), AT, county=county))[1:]

    # 自愿认缴: 10 + 2 in 新街, 1, 1, 8 and 8; 5 in 莉坪.
    hecheng = [("自愿认缴", 30.0), ("社会捐赠", 4.0), ("以奖代补", 3.0)]
    assert sources(HECHENG) == hecheng
    assert sources(BOTH) == [("自愿认缴", 35.0), *hecheng[1:]]
    assert sources(ALL) == [("集体经济", 50.0), ("自愿认缴", 35.0), *hecheng[1:]]
    assert sources("431224") == []


@about(funds.fund_trend)
def test_money_of_four_days_is_by_the_hour_and_of_more_by_the_day(town: Town) -> None:
    back = raised(XINJIE, "2021-06-03 09:59:59", 64)
    town.tell(
        raised(XINJIE, "2021-05-31 23:59:59", 100),
        raised(XINJIE, "2021-06-01", 1),
        raised(XINJIE, "2021-06-01", 100, entry="opening"),
        spent(XINJIE, "2021-06-01", 100, entry="opening"),
        raised(XINJIE, "2021-06-03 09:00", 2),
        spent(LIPING, "2021-06-03 09:59:59", 0.5),
        back,
        taken_back(back),
        spent(CITY, "2021-06-03 10:00", 4),
        spent(XINJIE, "2021-06-05 00:59:59", 8),
        raised(XINJIE, "2021-06-05 01:00", 16),
        booked("approved", XINJIE, "2021-06-03 09:00", 100),
        booked("pledged", XINJIE, "2021-06-03 09:00", 100),
    )
    heads = ("time", "raised", "spent")

    def trend(until: str, county: str = ALL) -> object:
        return table(town.ask(funds.fund_trend(), until, "2021-06-01", county=county))

    # 96 hours, then 97.
    assert trend("2021-06-05 00:00") == [
        heads,
        ("2021-06-01 00:00:00", 1.0, 0.0),
        ("2021-06-03 09:00:00", 2.0, 0.5),
        ("2021-06-03 10:00:00", 0.0, 4.0),
        ("2021-06-05 00:00:00", 0.0, 8.0),
    ]
    assert trend("2021-06-05 00:00", LIPING[:6]) == [heads, ("2021-06-03 09:00:00", 0.0, 0.5)]
    assert trend("2021-06-05 01:00") == [
        heads,
        ("2021-06-01 00:00:00", 1.0, 0.0),
        ("2021-06-03 00:00:00", 2.0, 4.5),
        ("2021-06-05 00:00:00", 16.0, 8.0),
    ]


@about(funds.fund_figures, funds.fund_year, funds.fund_counties, funds.fund_negative)
def test_without_a_booking_there_are_zeros_and_empty_tables(town: Town) -> None:
    assert table(town.ask(funds.fund_figures(), AT, county=ALL))[1:] == [(0.0, 0.0, 0.0, None, 0)]
    assert table(town.ask(funds.fund_year(), AT, county=ALL))[1:] == [(0.0, 0.0, 0.0, 0)]
    for query in (
        funds.fund_sources,
        funds.fund_uses,
        funds.fund_trend,
        funds.fund_counties,
        funds.fund_negative,
    ):
        assert town.ask(query(), AT, county=ALL) == []
