"""The default board's figures, counted by hand for the existing families."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dashboards.queries import figures
from schemas.families import families
from tests.dashboards.queries.about import about
from tests.dashboards.queries.register import CITY, HECHENG, XINJIE, YUANLING, table
from tests.dashboards.queries.steps import ALL, mediation, petition
from tests.histories.told import told

if TYPE_CHECKING:
    from tests.town import Town

AT = "2021-06-15 12:00"


def paid(town: Town, *entries: tuple[str, str, str, int, str]) -> None:
    """Stores bookings: event, day, place, fen and source."""
    town.tell(
        *(
            told(
                f"fund.{what}", f"F-{where}", f"{day} 09:00", place=where, amount=fen, source=source
            )
            for what, day, where, fen, source in entries
        )
    )


@about(figures.type_year, figures.type_counties)
def test_the_events_of_the_year_are_counted_by_type_and_by_county(town: Town) -> None:
    paid(
        town,
        ("contributed", "2020-12-31", XINJIE, 1, "pledge"),
        ("contributed", "2021-01-01", XINJIE, 2, "pledge"),
        ("contributed", "2021-06-15", YUANLING, 3, "reward"),
        ("contributed", "2021-06-16", XINJIE, 4, "pledge"),
        ("pledged", "2021-03-01", CITY, 5, "pledge"),
    )
    (row,) = town.ask(figures.type_year("funds"), AT, county=ALL)
    assert {name: count for name, count in row.items() if count} == {
        "contributed_count": 2,
        "pledged_count": 1,
    }
    (row,) = town.ask(figures.type_year("funds"), AT, county=HECHENG)
    assert {name: count for name, count in row.items() if count} == {"contributed_count": 1}
    rows = town.ask(figures.type_counties("funds"), AT, county=ALL)
    shown = [(r["county_name"], r["contributed_count"], r["pledged_count"]) for r in rows]
    assert shown == [("未定位", 0, 1), ("鹤城区", 1, 0), ("沅陵县", 1, 0)]


@about(figures.type_trend)
def test_the_trend_of_the_types_is_by_hour_and_over_four_days_by_day(town: Town) -> None:
    paid(
        town,
        ("contributed", "2021-06-10", XINJIE, 1, "pledge"),
        ("contributed", "2021-06-14", XINJIE, 1, "pledge"),
        ("pledged", "2021-06-14", YUANLING, 1, "pledge"),
    )
    sql = figures.type_trend("funds")

    def asked(since: str) -> list[tuple[str, int, int]]:
        rows = town.ask(sql, AT, since, county=ALL)
        return [(r["time"], r["contributed_count"], r["pledged_count"]) for r in rows]

    assert asked("2021-06-12 12:00") == [("2021-06-14 09:00:00", 1, 1)]
    assert asked("2021-06-01") == [("2021-06-10 00:00:00", 1, 0), ("2021-06-14 00:00:00", 1, 1)]


@about(figures.backlog)
def test_the_backlog_counts_open_cases_and_those_past_a_due_date(town: Town) -> None:
    town.tell(
        *petition("P-1", "registered 2021-03-01"),  # to be transferred by 16 March
        *petition("P-2", "registered 2021-06-14"),
        *petition("P-3", "registered 2021-03-01", "withdrawn 2021-03-02"),
        *petition("P-4", "registered 2021-06-16"),
        *mediation("M-1", "filed 2021-06-01"),
    )
    assert table(town.ask(figures.backlog("petitions"), AT, county=ALL))[1:] == [(2, 1)]
    assert table(town.ask(figures.backlog("mediations"), AT, county=ALL))[1:] == [(1, 0)]


@about(figures.balance_counties, figures.balance_parts)
def test_balances_are_by_county_largest_first_and_by_source(town: Town) -> None:
    wan = 1_000_000  # fen in 10,000 yuan
    paid(
        town,
        ("contributed", "2020-03-01", XINJIE, 3 * wan, "pledge"),
        ("contributed", "2021-03-01", YUANLING, 5 * wan, "reward"),
        ("contributed", "2021-06-16", XINJIE, 7 * wan, "pledge"),
    )
    town.tell(
        told("fund.disbursed", "F", "2021-06-15 09:00", place=XINJIE, amount=wan, source="pledge",
             use="public_good", helped=1)
    )  # fmt: skip
    assert table(town.ask(figures.balance_counties("funds"), AT, county=ALL)) == [
        ("county_name", "raised_all", "spent_all", "balance_now", "code"),
        ("沅陵县", 5.0, 0.0, 5.0, YUANLING),
        ("鹤城区", 3.0, 1.0, 2.0, HECHENG),
    ]
    assert table(town.ask(figures.balance_parts("funds"), AT, county=ALL))[1:] == [
        ("以奖代补", 5.0),
        ("自愿认缴", 3.0),
    ]


@pytest.mark.parametrize("topic", [found.topic for found in families()])
@about(figures.type_year)
def test_a_family_without_events_is_all_zeros(town: Town, topic: str) -> None:
    (row,) = town.ask(figures.type_year(topic), AT, county=ALL)
    assert set(row.values()) == {0}
