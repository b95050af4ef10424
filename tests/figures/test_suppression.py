"""What an attacker can work out from the published views below the township."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from schemas.reference.divisions import Divisions

if TYPE_CHECKING:
    from tests.schemas.conftest import City
    from tests.town import Town

TOWNSHIP = "431202001"
OF_TWO, OF_ONE = "431202400", "431230400"  # townships of two villages and of one
CODES = [d.code for d in Divisions.load().villages]
Cell = tuple[str, str, int]  # type, place, year


@pytest.fixture
def city(town: Town) -> City:
    """A city that takes rows of the events tables."""
    return town.shipped.city


def topic_of(type_: str) -> str:
    return "petitions" if type_.startswith("petition.") else "mediations"


def filed(city: City, counts: dict[Cell, int]) -> None:
    """Files the given number of events per type, place and year, in one INSERT per topic."""
    rows = [
        city.row(
            topic_of(type_),
            type_,
            f"{year}-{1 + n % 12:02}-{1 + n % 28:02} 09:00:00",
            {"kind": "appeal", "people": 2},
            division=place,
            key=f"{place}-{n}",
        )
        for (type_, place, year), count in counts.items()
        for n in range(count)
    ]
    for topic in ("petitions", "mediations"):
        of_topic = [row for row in rows if row["topic"] == topic]
        if of_topic:
            city.insert(of_topic)


def moved(city: City, place: str, by: int) -> None:
    """Moves a village's net count of registrations in 2021 by a correction's postings.

    These families have no corrections yet; the view must not rely on that.
    """
    posting = {
        "gross": 0,
        "net": by // abs(by),
        "type": "petition.registered",
        "time": 1_622_505_600_000,
        "division": place,
        "grid": "",
        "data": {"kind": "appeal", "people": 2},
    }
    net = json.dumps([posting] * abs(by))
    city.add("petitions", "petition.urged", "2021-06-01 09:00:00", {}, net=net)


def villages_shown(city: City, topic: str = "petitions") -> dict[Cell, dict[str, Any]]:
    rows = city.published(f"{topic}_by_village_year")
    assert len({(row["type"], row["village"], row["year"]) for row in rows}) == len(rows)
    return {(row["type"], row["village"], row["year"]): row for row in rows}


def withheld(city: City) -> set[str]:
    return {cell[1][9:] for cell, row in villages_shown(city).items() if row["suppressed"]}


def counts_of(**villages: int) -> dict[Cell, int]:
    return {
        ("petition.registered", TOWNSHIP + name.strip("v"), 2021): count
        for name, count in villages.items()
    }


@pytest.mark.parametrize("topic", ["petitions", "mediations"])
def test_counts_of_one_to_four_are_withheld_and_five_is_shown(topic: str, city: City) -> None:
    type_ = {"petitions": "petition.registered", "mediations": "mediation.filed"}[topic]
    counts = {"001": 1, "002": 2, "003": 3, "005": 4, "007": 5, "008": 6}
    filed(city, {(type_, TOWNSHIP + village, 2021): n for village, n in counts.items()})
    extra = {"petitions": "satisfaction", "mediations": "amount"}[topic]
    rows = city.published(f"{topic}_by_village_year")
    expected = []
    for village, n in counts.items():
        hidden = n < 5
        figures = {"gross_count": n, "net_count": n, "gross_people": 2 * n, "net_people": 2 * n}
        figures |= {f"gross_{extra}": 0, f"net_{extra}": 0}
        expected.append(
            {"type": type_, "county": "431202", "township": TOWNSHIP, "village": TOWNSHIP + village}
            | {"year": 2021, **(dict.fromkeys(figures) if hidden else figures)}
            | {"suppressed": int(hidden)}
        )
    assert sorted(rows, key=lambda row: str(row["village"])) == expected


COVERED = [
    # events by village; those withheld
    ({}, set()),
    ({"v001": 5, "v002": 50}, set()),  # nothing small
    ({"v001": 9, "v002": 3, "v003": 7, "v005": 8}, {"002", "003"}),  # and the smallest other
    ({"v001": 7, "v002": 3, "v003": 7, "v005": 9}, {"002", "001"}),  # of two equal ones the first
    ({"v001": 4, "v002": 4, "v003": 5}, {"001", "002"}),  # two small ones cover each other
    ({"v001": 1, "v002": 2, "v003": 3, "v005": 9}, {"001", "002", "003"}),
    ({"v001": 1}, {"001", "002"}),  # no other has events: the first village without any
    ({"v002": 3}, {"001", "002"}),
    ({"v003": 4, "v019": 60}, {"003", "019"}),  # one with events rather than one without
]


@pytest.mark.parametrize(("counts", "hidden"), COVERED)
def test_a_cell_withheld_alone_takes_another_with_it(
    counts: dict[str, int], hidden: set[str], city: City
) -> None:
    filed(city, counts_of(**counts))
    assert withheld(city) == hidden
    # A village without events has a row only if it covers another.
    shown = {cell[1][9:] for cell in villages_shown(city)}
    assert shown == {name.strip("v") for name in counts} | hidden


def test_lines_of_another_type_year_or_township_cover_nothing(city: City) -> None:
    in_2 = "431202002"
    filed(
        city,
        {
            ("petition.registered", TOWNSHIP + "001", 2021): 3,
            ("petition.registered", TOWNSHIP + "002", 2021): 20,
            ("petition.registered", TOWNSHIP + "002", 2020): 4,
            ("petition.registered", TOWNSHIP + "003", 2020): 30,
            ("petition.replied", TOWNSHIP + "005", 2021): 2,
            ("petition.replied", TOWNSHIP + "007", 2021): 40,
            ("petition.registered", in_2 + "001", 2021): 1,
            ("petition.registered", in_2 + "004", 2021): 50,
            ("petition.replied", in_2 + "005", 2021): 60,
            ("petition.registered", TOWNSHIP, 2021): 2,  # only the township is known
        },
    )
    shown = villages_shown(city)
    assert {cell: row["gross_count"] for cell, row in shown.items()} == {
        ("petition.registered", TOWNSHIP + "001", 2021): None,
        ("petition.registered", TOWNSHIP + "002", 2021): None,
        ("petition.registered", TOWNSHIP + "002", 2020): None,
        ("petition.registered", TOWNSHIP + "003", 2020): None,
        ("petition.replied", TOWNSHIP + "005", 2021): None,
        ("petition.replied", TOWNSHIP + "007", 2021): None,
        ("petition.registered", in_2 + "001", 2021): None,
        ("petition.registered", in_2 + "004", 2021): None,
        ("petition.replied", in_2 + "005", 2021): 60,
    }


def test_townships_of_two_villages_and_of_one_withhold_what_they_can(city: City) -> None:
    villages = sorted(code for code in CODES if code.startswith(OF_TWO))
    (alone,) = (code for code in CODES if code.startswith(OF_ONE))
    assert len(villages) == 2
    filed(
        city,
        {
            ("petition.registered", villages[1], 2021): 2,
            ("petition.registered", alone, 2021): 2,
            ("petition.replied", alone, 2021): 5,
        },
    )
    shown = {cell: row["suppressed"] for cell, row in villages_shown(city).items()}
    assert shown == {
        ("petition.registered", villages[0], 2021): 1,
        ("petition.registered", villages[1], 2021): 1,
        # The sole village of a township is its township: nothing covers it.
        ("petition.registered", alone, 2021): 1,
        ("petition.replied", alone, 2021): 0,
    }


MOVED = [
    # filed in villages 001, 002, 003; net count of 001 moved by; withheld
    ((9, 8, 7), -4, set()),  # 5 left
    ((9, 8, 7), -5, {"001", "003"}),  # 4 left; 7 is the smallest other
    ((9, 8, 7), -8, {"001", "003"}),  # 1 left
    ((9, 8, 7), -9, set()),  # none left, and 0 is not a small count; the gross count is large
    ((5, 8, 7), -6, {"001", "003"}),  # below zero by 1
    ((5, 8, 7), -9, {"001", "003"}),  # below zero by 4
    ((5, 8, 7), -10, set()),  # below zero by 5
    ((4, 8, 7), 9, {"001", "003"}),  # the gross count is small, whatever the net count
    ((1, 8, 7), 9, {"001", "003"}),
    ((0, 8, 7), 3, {"001", "003"}),  # nothing filed, 3 moved in
    ((0, 8, 7), 5, set()),
]


@pytest.mark.parametrize(("counts", "by", "hidden"), MOVED)
def test_a_cell_small_after_corrections_is_withheld_in_all_its_figures(
    counts: tuple[int, int, int], by: int, hidden: set[str], city: City
) -> None:
    filed(city, counts_of(v001=counts[0], v002=counts[1], v003=counts[2]))
    moved(city, TOWNSHIP + "001", by)
    assert withheld(city) == hidden
    row = villages_shown(city)["petition.registered", TOWNSHIP + "001", 2021]
    shown = (row["gross_count"], row["net_count"], row["gross_people"], row["net_people"])
    n = counts[0]
    assert shown == ((None,) * 4 if hidden else (n, n + by, 2 * n, 2 * (n + by)))


def test_the_cover_is_the_smallest_as_first_filed(city: City) -> None:
    filed(city, counts_of(v001=2, v002=8, v003=7))
    moved(city, TOWNSHIP + "003", 5)  # net 12 in 003 and 8 in 002; filed 7 and 8
    assert withheld(city) == {"001", "003"}


def test_a_village_whose_events_moved_away_covers_like_one_that_has_none(city: City) -> None:
    filed(city, counts_of(v001=2))
    moved(city, TOWNSHIP + "003", 6)  # 6 moved in: its gross count is 0
    shown = villages_shown(city)
    assert withheld(city) == {"001", "002"}
    row = shown["petition.registered", TOWNSHIP + "003", 2021]
    assert (row["gross_count"], row["net_count"], row["suppressed"]) == (0, 6, 0)


def drawn(seed: int) -> dict[Cell, int]:
    """Counts for every township of the city, many of them small; each line is another case."""
    dice = random.Random(seed)
    found: dict[Cell, int] = {}
    for township in {code[:9] for code in CODES}:
        inside = [code for code in CODES if code.startswith(township)]
        for step in ("petition.registered", "petition.replied"):
            for year in (2020, 2021):
                chosen = dice.sample(inside, min(len(inside), dice.randint(0, 4)))
                for place in (*chosen, township):
                    found[step, place, year] = dice.choice((dice.randint(1, 6), dice.randint(0, 9)))
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_no_small_cell_is_shown_or_found_by_subtraction(seed: int, city: City) -> None:
    counts = drawn(seed)
    filed(city, counts)
    shown = villages_shown(city)
    truth = {cell: n for cell, n in counts.items() if n and len(cell[1]) == 12}
    totals: Counter[Cell] = Counter()
    for row in city.published("petitions_by_township_day"):
        totals[row["type"], row["township"], int(row["day"][:4])] += row["gross_count"]

    for cell, row in shown.items():
        if not row["suppressed"]:
            assert row["gross_count"] == truth[cell] >= 5
    assert {cell for cell in truth if cell not in shown} == set()

    for (type_, township, year), total in totals.items():
        inside = [code for code in CODES if code.startswith(township)]
        known, hidden = 0, []
        for village in inside:
            found = shown.get((type_, village, year))
            if found and found["suppressed"]:
                hidden.append(village)
            elif found:
                known += found["gross_count"]
        small = [v for v in inside if 0 < truth.get((type_, v, year), 0) < 5]
        assert set(small) <= set(hidden)
        # One equation per line: the unknown rest belongs to at least two villages, or to none.
        least = min(2, len(inside))
        assert len(hidden) == (0 if not small else max(least, len(small))), (township, total, known)


def test_no_published_view_of_these_families_tells_a_day_or_a_kind_of_a_village(
    town: Town,
) -> None:
    views = town.rows(
        "SELECT table, groupArray(name) AS columns FROM system.columns "
        "WHERE database = 'gulou_published' GROUP BY table"
    )
    below = {row["table"]: set(row["columns"]) for row in views if "village" in row["columns"]}
    private = {name: columns for name, columns in below.items() if name[0] in "mp"}
    assert set(private) == {"petitions_by_village_year", "mediations_by_village_year"}
    for columns in private.values():
        assert columns & {"day", "hour", "kind", "dispute", "grid", "case"} == set()
