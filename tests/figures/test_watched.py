"""The views that monitor the pipeline, on rows inserted as a worker inserts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.figures.test_rollups import some
from tests.histories.told import told

if TYPE_CHECKING:
    from tests.schemas.conftest import City
    from tests.town import Town

VILLAGE = "431202001001"
OPENING = {
    "visits": "visit.recorded",
    "petitions": "petition.registered",
    "mediations": "mediation.filed",
    "funds": "fund.contributed",
}
PROJECTIONS = {
    "visits": ("hourly", "daily", "coverage"),
    "petitions": ("hourly", "daily", "cases"),
    "mediations": ("hourly", "daily", "cases"),
    "funds": ("hourly", "ledger"),
}
UNCOUNTED = ["repeat", "conflict", "orphan", "parked", "dead"]


@pytest.fixture
def city(town: Town) -> City:
    """A city that takes rows of the events tables."""
    return town.shipped.city


def add(city: City, topic: str, **more: Any) -> None:
    city.add(topic, OPENING[topic], "2021-03-01 09:00:00", {"kind": "appeal"}, **more)


def test_throughput_is_counted_by_the_minute_the_broker_appended(city: City) -> None:
    assert city.published("messages_by_minute") == []
    for logged, status in (
        ("2022-05-06 07:07:59.999", "ok"),
        ("2022-05-06 07:08:00.000", "ok"),
        ("2022-05-06 07:08:59.999", "repeat"),
        ("2022-05-06 07:09:00.000", "dead"),  # messages count whatever their status
    ):
        add(city, "visits", logged=logged, status=status)
    add(city, "funds", logged="2022-05-06 07:08:30", kpart=0)
    add(city, "funds", logged="2022-05-06 07:08:30", kpart=3)
    assert some(city.published("messages_by_minute"), "topic", "minute", "messages") == [
        ("funds", "2022-05-06 07:08:00", 2),
        ("visits", "2022-05-06 07:07:00", 1),
        ("visits", "2022-05-06 07:08:00", 2),
        ("visits", "2022-05-06 07:09:00", 1),
    ]


def test_what_is_not_counted_is_shown_by_reason_and_day_logged(city: City) -> None:
    add(city, "visits", logged="2022-05-06 07:00:00")
    assert city.published("uncounted") == []
    days = ("2022-05-06 23:59:59.999", "2022-05-07 00:00:00", "2022-05-07 09:00:00")
    for topic, type_ in OPENING.items():
        city.insert(
            [
                city.row(topic, type_, "2021-03-01 09:00:00", {}, logged=day)
                | {"status": status, "reason": f"why-{status}: a: b"}
                for status in UNCOUNTED
                for day in days
            ]
        )
    add(city, "visits", status="dead", reason="why-not: x", logged="2022-05-07 09:00:00")
    names = ("topic", "status", "reason", "day", "messages")
    assert some(city.published("uncounted"), *names) == sorted(
        [
            (topic, status, f"why-{status}", *day)
            for topic in OPENING
            for status in UNCOUNTED
            for day in (("2022-05-06", 1), ("2022-05-07", 2))
        ]
        + [("visits", "dead", "why-not", "2022-05-07", 1)]
    )


@pytest.mark.parametrize("topic", PROJECTIONS)
def test_a_projection_shows_how_far_it_has_got_in_each_partition(topic: str, city: City) -> None:
    assert city.published("projections") == []
    for kpart, koff in ((0, 41), (0, 42), (2, 0)):
        add(city, topic, kpart=kpart, koff=koff, key=f"K-{koff}")
    names = ("topic", "projection", "kpart", "reached", "stored")
    whole = [
        (topic, projection, kpart, koff, koff)
        for projection in PROJECTIONS[topic]
        for kpart, koff in ((0, 42), (2, 0))
    ]
    assert some(city.published("projections"), *names) == sorted(whole)
    lost = PROJECTIONS[topic][-1]
    city.run(f"TRUNCATE TABLE gulou.{topic}_{lost}")
    assert some(city.published("projections"), *names) == sorted(
        (*row[:3], -1 if row[1] == lost else row[3], row[4]) for row in whole
    )


def test_parts_are_those_that_are_active_in_the_owners_database(city: City) -> None:
    for n in range(3):
        add(city, "visits", koff=n)
    city.run("OPTIMIZE TABLE gulou.events_visits FINAL")
    rows = {row["table"]: row for row in city.published("table_parts")}
    ours = city.rows(
        "SELECT table, count() AS parts, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, "
        "toString(max(modification_time), 'UTC') AS newest "
        "FROM system.parts WHERE active AND database = 'gulou' GROUP BY table"
    )
    assert {
        name: (row["parts"], row["rows"], row["bytes"], row["newest"]) for name, row in rows.items()
    } == {row["table"]: (row["parts"], row["rows"], row["bytes"], row["newest"]) for row in ours}
    # Three inserts merged into one part; the old parts stay for a while, inactive.
    assert (rows["events_visits"]["parts"], rows["events_visits"]["rows"]) == (1, 3)
    assert "events_petitions" not in rows


def test_the_pipeline_shows_every_partition_that_has_a_worker(town: Town, city: City) -> None:
    assert town.published("pipeline") == []
    add(city, "visits", koff=0, logged="2021-03-01 10:00:03.001")
    add(city, "visits", koff=7, logged="2021-03-01 10:00:03.500")
    add(city, "visits", koff=8, logged="2021-03-01 10:00:02")  # brokers' clocks differ
    add(city, "funds", koff=5, kpart=1, logged="2021-03-01 10:00:04")
    add(city, "funds", koff=5, kpart=2, logged="2021-03-01 10:00:04")  # no worker has it
    beats = [
        ("visits", 0, "2021-03-01 10:00:05", 3, 42, "2021-03-01 09:59:00.500"),
        ("visits", 0, "2021-03-01 10:00:04", 9, 41, "1970-01-01 08:00:00.000"),
        ("visits", 1, "2021-03-01 10:00:05", 0, -1, "1970-01-01 08:00:00.000"),
        ("funds", 0, "2021-03-01 10:00:06", 2, -1, "2021-03-01 10:00:01.000"),
        ("funds", 1, "2021-03-01 10:00:06", 0, 5, "1970-01-01 08:00:00.000"),
    ]
    for beat in beats:
        city.run(
            "INSERT INTO gulou.heartbeat (topic, kpart, beat, lag, watermark, behind_since) "
            f"VALUES {beat}"
        )
    names = ("topic", "kpart", "stored", "newest", "messages", "beat", "lag", "behind_since")
    rows = {
        (r["topic"], r["kpart"]): tuple(r[n] for n in names[2:]) for r in town.published("pipeline")
    }
    at, never = "2021-03-01 10:00:0", "1970-01-01 08:00:00.000"
    assert rows == {
        ("visits", 0): (8, f"{at}3.500", 3, f"{at}5.000", 3, "2021-03-01 09:59:00.500"),
        # 0 is a valid offset: a partition without messages has NULL.
        ("visits", 1): (None, None, 0, f"{at}5.000", 0, never),
        ("funds", 0): (None, None, 0, f"{at}6.000", 2, f"{at}1.000"),
        ("funds", 1): (5, f"{at}4.000", 1, f"{at}6.000", 0, never),
    }


def test_recent_events_are_the_newest_of_each_topic_and_name_no_village(city: City) -> None:
    assert city.published("recent_events") == []

    def second(n: int) -> str:
        return f"2021-03-02 10:{n // 60:02}:{n % 60:02}.000"

    def rows(topic: str, place: str, count: int) -> list[dict[str, Any]]:
        return [
            city.row(topic, OPENING[topic], "2021-03-01 10:00:00", {}, koff=n)
            | {"division": place, "logged": second(n)}
            for n in range(count)
        ]

    city.insert(rows("visits", VILLAGE, 201))
    city.insert(rows("petitions", "431202001", 200))
    city.insert(rows("funds", "431281", 20))
    names = ("type", "county", "logged", "time")
    time = "2021-03-01 10:00:00.000"
    assert some(city.published("recent_events"), *names) == [
        *(("fund.contributed", "431281", second(n), time) for n in range(20)),
        *(("petition.registered", "431202", second(n), time) for n in range(200)),
        *(("visit.recorded", "431202", second(n), time) for n in range(1, 201)),  # the last 200
    ]


@pytest.mark.parametrize("status", UNCOUNTED)
def test_recent_events_leave_out_what_does_not_count_after_they_are_chosen(
    status: str, city: City
) -> None:
    rows = [
        city.row("visits", OPENING["visits"], "2021-03-01 10:00:00", {}, koff=n)
        | {"logged": f"2021-03-02 10:{n // 60:02}:{n % 60:02}.000"}
        | ({"status": status} if n >= 100 else {})
        for n in range(299)
    ]
    city.insert(rows)
    found = city.published("recent_events")
    # The newest 200 of 299 are rows 99 to 298; only the first of them counts.
    assert some(found, "logged") == [("2021-03-02 10:01:39.000",)]


def test_an_event_shows_its_county_even_when_its_place_is_unknown(town: Town) -> None:
    town.tell(
        told("visit.recorded", "h", "2021-03-01 09:00", place="431200"),
        told("petition.closed", "P-1", "2021-03-01 09:00", place="431271", kind="accusation"),
    )
    assert some(town.published("recent_events"), "type", "county") == [
        ("petition.closed", "431271"),
        ("visit.recorded", "431200"),
    ]
