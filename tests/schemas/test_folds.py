"""The same rows give the same figures, in any order and any batches, merged or not."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.schemas.conftest import City

AT = "2021-12-31 23:59:59"
NOON = "2021-03-01 12:00:00"


def history(city: City) -> list[dict[str, Any]]:
    """Petitions with equal times, visits with corrections, and messages that do not count."""
    rows = []
    for n in range(6):
        key, place = f"P-{n % 3}", f"43120200100{1 + n % 2}"
        content = {"kind": "appeal" if n % 2 else "accusation", "people": n, "category": f"c{n}"}
        for type_ in ("registered", "transferred", "accepted", "replied", "rated"):
            data = content | {
                "route": "31.6",
                "satisfaction": n % 5 + 1,
                "due_close": 1620662400000 + n * 86_400_000,
                "due_notice": 1616000000000 + n * 86_400_000,
            }
            row = city.row("petitions", f"petition.{type_}", NOON, data, key=key, division=place)
            rows.append(row | {"kpart": n % 3})
    for n in range(8):
        data = {"role": "cadre" if n % 2 else "party_member", "met": n}
        grid = f"43120200100100{n % 3}"
        row = city.row("visits", "visit.recorded", NOON, data, grid=grid, kpart=n % 2)
        rows.append(row)
        if n % 3 == 0:
            taken = {"type": "visit.recorded", "gross": 0, "net": -1, "time": 1614571200000}
            net = json.dumps([taken | {"division": row["division"], "grid": grid, "data": data}])
            rows.append(city.row("visits", "visit.voided", NOON, {}, net=net, kpart=n % 2))
            rows.append(city.row("visits", "visit.recorded", NOON, data, status="repeat"))
    return rows


def figures(city: City) -> dict[str, list[str]]:
    views = {
        "petitions_cases": AT,
        "petitions_deadlines": AT,
        "petitions_steps": "",
        "visits_coverage": AT,
        "visits_covered": AT,
        "petitions_by_county_hour": "",
        "petitions_by_township_day": "",
        "petitions_by_village_year": "",
        "visits_by_county_hour": "",
        "visits_by_village_day": "",
        "uncounted": "",
    }
    return {
        view: sorted(json.dumps(row, sort_keys=True) for row in city.published(view, at=at))
        for view, at in views.items()
    }


def insert(city: City, rows: list[dict[str, Any]], cuts: list[int]) -> None:
    """Fills the city with the rows, one INSERT per topic and stretch between cuts."""
    city.empty()
    for low, high in pairwise([0, *cuts, len(rows)]):
        for topic in ("petitions", "visits"):
            batch = [row for row in rows[low:high] if row["topic"] == topic]
            if batch:
                city.insert(batch)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_any_order_and_any_batches_give_the_same_figures(
    whole_city: City, data: st.DataObject
) -> None:
    city, rows = whole_city, history(whole_city)
    insert(city, rows, [])
    expected = figures(city)
    assert all(expected.values())
    cuts = sorted(data.draw(st.sets(st.integers(1, len(rows) - 1), max_size=5)))
    insert(city, data.draw(st.permutations(rows)), cuts)
    assert figures(city) == expected


def test_merging_the_parts_of_a_target_changes_no_figure(city: City) -> None:
    rows = history(city)
    insert(city, rows, list(range(5, len(rows), 5)))
    expected = figures(city)
    for table in ("petitions_cases", "petitions_daily", "visits_coverage"):
        city.run(f"OPTIMIZE TABLE {city.layout.database}.{table} FINAL")
    assert figures(city) == expected
