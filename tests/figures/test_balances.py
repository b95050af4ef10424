"""Balances of village, township and county funds at the end of a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.histories.told import Told, told

if TYPE_CHECKING:
    from tests.town import Town

IN = "431202001001"


def gave(day: str, amount: int, source: str = "pledge", place: str = IN, **more: Any) -> Told:
    return told(
        "fund.contributed", f"F-{place}", day, place=place, amount=amount, source=source, **more
    )


def paid(day: str, amount: int, source: str = "pledge", place: str = IN, **more: Any) -> Told:
    return told(
        "fund.disbursed", f"F-{place}", day, place=place, amount=amount, source=source, **more
    )


def balances(town: Town, at: str) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Raised, spent and balance by place of the fund and by source."""
    found = {}
    for row in town.published("funds_balances", at):
        place = row["village"] or row["township"] or row["county"]
        assert row["county"] == place[:6]
        assert row["township"] == (place[:9] if len(place) > 6 else "")
        assert row["village"] == (place if len(place) == 12 else "")
        assert (place, row["source"]) not in found
        found[place, row["source"]] = (row["raised"], row["spent"], row["balance"])
    return found


@pytest.mark.parametrize("place", ["431200", "431202", "431202001", IN, "431271001001"])
def test_a_fund_of_any_place_has_a_balance_of_its_own(place: str, town: Town) -> None:
    town.tell(
        gave("2021-03-01 10:00", 50_000, place=place),
        paid("2021-03-02 10:00", 12_345, place=place),
    )
    assert balances(town, "2021-03-31 00:00:00") == {(place, "pledge"): (50_000, 12_345, 37_655)}


def test_a_townships_own_fund_is_apart_from_those_of_its_villages(town: Town) -> None:
    town.tell(
        gave("2021-03-01", 1, place="431202"),
        gave("2021-03-01", 2, place="431202001"),
        gave("2021-03-01", 4, place=IN),
        gave("2021-03-01", 8, place="431202001002"),
    )
    assert balances(town, "2021-03-01 00:00:00") == {
        ("431202", "pledge"): (1, 0, 1),
        ("431202001", "pledge"): (2, 0, 2),
        (IN, "pledge"): (4, 0, 4),
        ("431202001002", "pledge"): (8, 0, 8),
    }


def test_a_balance_is_of_the_end_of_the_day_and_of_all_years(town: Town) -> None:
    town.tell(
        gave("2019-01-01", 1_000, entry="opening"),
        gave("2020-12-31 23:59:59.999", 200),
        paid("2021-01-01 00:00", 150),
        gave("2021-03-01 23:59:59.999", 30),
        gave("2021-03-02 00:00", 7),
    )
    for at, expected in (
        ("2018-12-31 23:59:59.999", {}),
        ("2019-01-01 00:00:00", {(IN, "pledge"): (1_000, 0, 1_000)}),
        ("2020-12-30 23:59:59.999", {(IN, "pledge"): (1_000, 0, 1_000)}),
        ("2020-12-31 00:00:00", {(IN, "pledge"): (1_200, 0, 1_200)}),
        ("2021-01-01 00:00:00", {(IN, "pledge"): (1_200, 150, 1_050)}),
        ("2021-02-28 23:59:59.999", {(IN, "pledge"): (1_200, 150, 1_050)}),
        ("2021-03-01 00:00:00", {(IN, "pledge"): (1_230, 150, 1_080)}),
        ("2021-03-02 00:00:00", {(IN, "pledge"): (1_237, 150, 1_087)}),
    ):
        assert balances(town, at) == expected, at


def test_each_source_has_its_balance_which_may_be_below_zero(town: Town) -> None:
    town.tell(
        gave("2021-03-01", 1, "pledge"),
        gave("2021-03-01", 2, "collective"),
        gave("2021-03-01", 4, "donation"),
        gave("2021-03-01", 8, "donation", entry="opening"),
        paid("2021-03-01", 16, "donation", use="public_good"),
        paid("2021-03-01", 32, "donation", use="merit_and_need"),
        paid("2021-03-01", 64, "reward", entry="opening"),
    )
    assert balances(town, "2021-03-01 12:00:00") == {
        (IN, "pledge"): (1, 0, 1),
        (IN, "collective"): (2, 0, 2),
        (IN, "donation"): (12, 48, -36),
        (IN, "reward"): (0, 64, -64),
    }


def test_promises_approvals_and_projects_are_no_money(town: Town) -> None:
    day = "2021-03-01"
    town.tell(
        told("fund.pledged", "F-1", day, source="pledge", amount=5),
        told("fund.approved", "F-1", day, amount=6),
        told("fund.project_opened", "F-1", day),
        told("fund.project_closed", "F-1", day),
    )
    assert balances(town, "2021-12-31 00:00:00") == {}


def test_what_was_reversed_is_gone_from_its_own_day_on(town: Town) -> None:
    town.tell(
        gave("2021-03-01", 50_000, id="g"),
        gave("2021-03-02", 300),
        paid("2021-03-02", 40, id="p"),
    )
    town.tell(
        told("fund.reversed", f"F-{IN}", "2021-03-05", corrects="g"),
        told("fund.reversed", f"F-{IN}", "2021-03-06", corrects="p"),
    )
    assert balances(town, "2021-03-01 00:00:00") == {(IN, "pledge"): (0, 0, 0)}
    assert balances(town, "2021-03-02 00:00:00") == {(IN, "pledge"): (300, 0, 300)}


@pytest.mark.parametrize("grain", ["day", "year"])
def test_viewers_see_a_villages_bookings_and_money_and_not_whom_it_helped(
    grain: str, town: Town
) -> None:
    other = "431202001002"
    town.tell(
        gave("2021-03-03", 50_000),
        *(paid("2021-03-03", 12_345, helped=7) for _ in range(6)),
        paid("2021-03-03", 100, place=other, helped=1),
        told("fund.project_opened", "F-1", "2021-03-03", projects=2, use="public_good"),
    )
    names = [
        *("type", "village", "gross_count", "net_count", "gross_amount", "net_amount"),
        *("gross_projects", "net_projects"),
    ]
    rows = town.published(f"funds_by_village_{grain}", role="viewer")
    assert {tuple(row[name] for name in names) for row in rows} == {
        ("fund.contributed", IN, 1, 1, 50_000, 50_000, 0, 0),
        ("fund.disbursed", IN, 6, 6, 74_070, 74_070, 0, 0),  # 6 x 12,345
        ("fund.disbursed", other, 1, 1, 100, 100, 0, 0),
        ("fund.project_opened", IN, 1, 1, 0, 0, 2, 2),
    }
    assert not any("helped" in name for row in rows for name in row)
    rows = town.published(f"funds_by_village_{grain}", where="type = 'fund.disbursed'")
    assert {(row["village"], row["net_helped"]) for row in rows} == {(IN, 42), (other, 1)}
    (street,) = town.published("funds_by_township_day", where="type = 'fund.disbursed'")
    assert (street["net_count"], street["net_helped"]) == (7, 43)  # 6 x 7 + 1


def test_viewers_see_persons_helped_by_county_once_the_year_is_over(town: Town) -> None:
    town.tell(
        told("fund.disbursed", "F-1", "2020-12-31 23:59:59.999", id="late", helped=3),
        told("fund.disbursed", "F-1", "2021-01-01", helped=5),
        told("fund.disbursed", "F-2", "2021-06-01", place="431202", helped=20),
        told("fund.disbursed", "F-3", "2021-06-01", place="431221", helped=7, entry="opening"),
    )
    names = ("county", "year", "net_helped")

    def shown() -> list[tuple[object, ...]]:
        rows = town.published("funds_by_county_year", role="viewer")
        return sorted(tuple(row[name] for name in names) for row in rows)

    assert shown() == [("431202", 2020, 3)]
    town.tell(told("fund.contributed", "F-1", "2022-01-01"))  # the first booking of the new year
    assert shown() == [("431202", 2020, 3), ("431202", 2021, 25), ("431221", 2021, 7)]
    town.tell(told("fund.reversed", "F-1", "2022-01-02", corrects="late"))
    assert shown() == [("431202", 2021, 25), ("431221", 2021, 7)]
