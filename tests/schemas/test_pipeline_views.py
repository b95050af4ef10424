"""What the board of the pipeline reads, on the real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.schemas.conftest import City

VISIT = {"role": "cadre", "purpose": "care", "lasted": 5, "met": 1}
VIEW = "messages_by_minute"


def visit(city: City, logged: str, **more: object) -> None:
    city.add("visits", "visit.recorded", "2021-03-01 09:00:00", VISIT, logged=logged, **more)


def test_throughput_is_counted_by_when_the_broker_appended(city: City) -> None:
    visit(city, "2022-05-06 07:08:09")
    visit(city, "2022-05-06 07:08:59")
    visit(city, "2022-05-06 07:09:00", status="dead")
    found = {(row["topic"], row["minute"]): row["messages"] for row in city.published(VIEW)}
    assert found == {("visits", "2022-05-06 07:08:00"): 2, ("visits", "2022-05-06 07:09:00"): 1}


def test_a_projection_that_lost_its_rows_shows_how_far_it_is_behind(city: City) -> None:
    visit(city, "2022-05-06 07:08:09", koff=41)
    visit(city, "2022-05-06 07:08:10", koff=42)
    city.run(f"TRUNCATE TABLE {city.layout.database}.visits_hourly")
    found = {row["projection"]: row for row in city.published("projections")}
    place = {"topic": "visits", "kpart": 0, "stored": 42}
    assert found == {
        "hourly": {"projection": "hourly", "reached": -1, **place},
        "daily": {"projection": "daily", "reached": 42, **place},
        "coverage": {"projection": "coverage", "reached": 42, **place},
    }


def test_parts_are_those_of_the_truth(city: City) -> None:
    visit(city, "2022-05-06 07:08:09")
    rows = {row["table"]: (row["parts"], row["rows"]) for row in city.published("table_parts")}
    assert rows["events_visits"] == (1, 1)
    assert rows["visits_hourly"] == (1, 1)
    assert "events_petitions" not in rows
