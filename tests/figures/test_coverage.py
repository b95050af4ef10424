"""Coverage of micro-grids: last visit and counts of each, up to a day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.figures.conftest import unmerged
from tests.figures.test_corrections import put_right, take_back, visit
from tests.histories.told import Told, told

if TYPE_CHECKING:
    from tests.town import Town

A, B = "431202001001001", "431202001002001"


@pytest.fixture(autouse=True)
def _in_parts(town: Town) -> Iterator[None]:
    with unmerged(town):
        yield


def raised(time: str) -> Told:
    return told("visit.request_raised", "h", time, grid=A)


def closed(time: str, outcome: str = "settled") -> Told:
    return told("visit.request_closed", "h", time, grid=A, outcome=outcome)


def covered(town: Town, at: str) -> dict[str, tuple[Any, ...]]:
    """Last visit and counts by micro-grid; asserts that the view without last visits agrees."""
    names = ("visits_this_year", "visits", "requests_found", "requests_closed")
    rows = {row["grid"]: row for row in town.published("visits_coverage", at)}
    alone = {row["grid"]: row for row in town.published("visits_covered", at)}
    assert alone == {
        grid: {name: value for name, value in row.items() if name != "last_visit"}
        for grid, row in rows.items()
    }
    for grid, row in rows.items():
        assert (row["county"], row["township"], row["village"]) == (grid[:6], grid[:9], grid[:12])
    return {grid: (row["last_visit"], *(row[n] for n in names)) for grid, row in rows.items()}


AT = [
    # instant; last visit, visits of its year and of all years, requests found and closed
    ("2019-12-31 23:59:59.999", None),
    ("2020-01-01 00:00:00", (None, 0, 0, 0, 0)),  # its year has an event, but a later one
    ("2020-02-28 23:59:59.999", (None, 0, 0, 0, 0)),
    ("2020-02-29 00:00:00", ("2020-02-29", 1, 1, 0, 0)),  # the whole day of the instant counts
    ("2020-05-31 12:00:00", ("2020-02-29", 1, 1, 0, 0)),
    ("2020-06-01 12:00:00", ("2020-02-29", 1, 1, 1, 0)),
    ("2020-12-31 00:00:00", ("2020-12-31", 2, 2, 1, 1)),
    ("2020-12-31 23:59:59.999", ("2020-12-31", 2, 2, 1, 1)),
    ("2021-01-01 00:00:00", ("2021-01-01", 2, 4, 0, 0)),
    ("2021-02-01 00:00:00", ("2021-01-01", 2, 4, 1, 0)),
    ("2021-03-02 12:00:00", ("2021-01-01", 2, 4, 2, 1)),
    ("2021-06-30 00:00:00", ("2021-06-30", 3, 5, 2, 1)),
    ("2021-07-01 00:00:00", ("2021-07-01", 4, 6, 2, 1)),
    ("2021-12-31 23:59:59.999", ("2021-07-01", 4, 6, 2, 1)),
    ("2022-01-01 00:00:00", ("2021-07-01", 0, 6, 0, 0)),
    ("2030-01-01 00:00:00", ("2021-07-01", 0, 6, 0, 0)),
]


@pytest.mark.parametrize("apart", [False, True])
def test_a_year_and_all_years_are_counted_up_to_the_day(apart: bool, town: Town) -> None:
    told_ = [
        visit("1", "2020-02-29 09:00"),
        visit("2", "2020-12-31 23:59:59.999"),
        visit("3", "2021-01-01 00:00"),
        visit("4", "2021-01-01 09:00"),  # the same household and day
        visit("5", "2021-06-30 09:00"),
        visit("6", "2021-07-01 09:00"),
        raised("2020-06-01 09:00"),
        raised("2021-02-01 09:00"),
        raised("2021-03-01 09:00"),
        closed("2020-12-31 09:00"),
        closed("2021-03-02 09:00"),
    ]
    if apart:
        for event in told_:
            town.tell(event)
    else:
        town.tell(*told_)
    for at, expected in AT:
        assert covered(town, at) == ({A: expected} if expected else {}), at


def test_a_micro_grid_is_there_from_the_year_of_its_first_event(town: Town) -> None:
    town.tell(visit("1", "2021-06-30 09:00"), visit("2", "2022-01-01 00:00", B))
    assert set(covered(town, "2021-01-01 00:00:00")) == {A}
    assert set(covered(town, "2021-12-31 23:59:59.999")) == {A}
    assert set(covered(town, "2022-01-01 00:00:00")) == {A, B}


def test_an_event_without_a_micro_grid_covers_none(town: Town) -> None:
    town.tell(told("visit.recorded", "h", "2021-06-30 09:00"))
    assert covered(town, "2021-12-31 00:00:00") == {}
    assert town.published("visits_by_grid_day") == []


BACK = [
    # days visited, days of withdrawn visits; last visit and visits at the end of 2021
    (["2021-03-01"], ["2021-03-01"], (None, 0)),
    (["2021-03-01", "2021-05-01"], ["2021-05-01"], ("2021-03-01", 1)),
    (["2021-03-01", "2021-05-01"], ["2021-03-01"], ("2021-05-01", 1)),
    (["2021-03-01", "2021-05-01", "2021-05-01"], ["2021-05-01"], ("2021-05-01", 2)),
    (["2020-12-31", "2021-05-01"], ["2021-05-01"], ("2020-12-31", 1)),
    (["2020-12-31", "2021-05-01"], ["2020-12-31"], ("2021-05-01", 1)),
    (["2021-03-01", "2022-05-01"], ["2022-05-01"], ("2021-03-01", 1)),
    (["2021-03-01", "2022-05-01"], ["2021-03-01"], (None, 0)),
]


@pytest.mark.parametrize(("went", "back", "expected"), BACK)
@pytest.mark.parametrize("apart", [False, True])
def test_a_last_visit_taken_back_gives_place_to_the_one_before(
    apart: bool, went: list[str], back: list[str], expected: tuple[Any, ...], town: Town
) -> None:
    visits = [visit(f"{n}-{day}", f"{day} 09:00") for n, day in enumerate(went)]
    ids = [next(v["id"] for v in visits if v["id"].endswith(day)) for day in back]
    undone = [take_back(id, "2022-06-01 09:00") for id in ids]
    other = visit("other", "2021-04-01 09:00", B)
    if apart:
        # The withdrawn day is below zero, in a separate part.
        town.tell(*visits, other)
        town.tell(*undone)
    else:
        town.tell(*visits, other, *undone)
    found = covered(town, "2021-12-31 00:00:00")
    last, times = expected
    this_year = sum(d[:4] == "2021" for d in went) - sum(d[:4] == "2021" for d in back)
    assert found == {A: (last, this_year, times, 0, 0), B: ("2021-04-01", 1, 1, 0, 0)}


def test_a_day_taken_back_and_one_after_the_instant_leave_the_day_between(town: Town) -> None:
    town.tell(
        visit("1", "2021-03-01 09:00"),
        visit("2", "2021-05-01 09:00"),
        visit("3", "2021-09-01 09:00"),
    )
    town.tell(take_back("2", "2021-05-02 09:00"))
    for at, last in (
        ("2021-02-28 00:00:00", None),
        ("2021-05-01 00:00:00", "2021-03-01"),
        ("2021-08-31 00:00:00", "2021-03-01"),
        ("2021-09-01 00:00:00", "2021-09-01"),
    ):
        assert covered(town, at)[A][0] == last, at


def test_a_visit_corrected_into_another_micro_grid_is_its_last_visit_there(town: Town) -> None:
    town.tell(visit("1", "2021-03-01 09:00"), visit("2", "2021-05-01 09:00"))
    town.tell(put_right("2", "2021-05-03 09:00", B))
    assert covered(town, "2021-12-31 00:00:00") == {
        A: ("2021-03-01", 1, 1, 0, 0),
        B: ("2021-05-01", 1, 1, 0, 0),
    }


@pytest.mark.xfail(strict=True, reason="law 21: a request passed on counts as closed")
def test_a_request_passed_on_is_not_closed(town: Town) -> None:
    town.tell(raised("2021-03-01 09:00"), closed("2021-03-02 09:00", "passed_on"))
    assert covered(town, "2021-12-31 00:00:00") == {A: (None, 0, 0, 1, 0)}
