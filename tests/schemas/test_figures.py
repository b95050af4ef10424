"""The derived tables and views on the real engine, against sums worked out by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.schemas.conftest import City

GRID = "431202001001001"
VILLAGE = "431202001001"
MARCH_1 = 1_614_564_000_000  # 2021-03-01 10:00:00+08:00 in ms


def posting(type_: str, gross: int, net: int, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    place = {"division": VILLAGE, "grid": GRID, "time": MARCH_1}
    return {"gross": gross, "net": net, "type": type_, "data": data} | place | more


def visit(role: str = "cadre", met: int = 3) -> dict[str, Any]:
    return {"role": role, "purpose": "care", "lasted": 25, "met": met}


def some(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in names) for row in rows)


def test_a_correction_moves_the_net_figure_and_leaves_the_gross(city: City) -> None:
    city.add("visits", "visit.recorded", "2021-03-01 10:00:00", visit(met=3), grid=GRID)
    net = [
        posting("visit.corrected", 1, 0, visit("party_member", 5)),
        posting("visit.recorded", 0, -1, visit(met=3)),
        posting("visit.recorded", 0, 1, visit("party_member", 5)),
    ]
    late = "2021-03-09 09:00:00"
    city.add("visits", "visit.corrected", late, visit("party_member", 5), net=json.dumps(net))
    names = ("type", "role", "hour", "gross_count", "net_count", "gross_met", "net_met")
    assert some(city.published("visits_by_county_hour"), *names) == [
        # the corrected form's own posting is at the hour of the visit, not of the correction
        ("visit.corrected", "party_member", "2021-03-01 10:00:00", 1, 0, 5, 0),
        ("visit.recorded", "cadre", "2021-03-01 10:00:00", 1, 1 - 1, 3, 3 - 3),
        ("visit.recorded", "party_member", "2021-03-01 10:00:00", 0, 1, 0, 5),
    ]
    (grid,) = city.published("visits_coverage", at="2021-12-31 23:59:59")
    assert (grid["grid"], grid["visits"], grid["visits_this_year"]) == (GRID, 1, 1)
    assert grid["last_visit"] == "2021-03-01"


def test_a_voided_visit_counts_in_gross_only_and_leaves_its_grid_unvisited(city: City) -> None:
    city.add("visits", "visit.recorded", "2021-03-01 10:00:00", visit(met=4), grid=GRID)
    void = {"corrects": "v-1", "why": "重复填报"}
    net = [
        posting("visit.voided", 1, 0, void),
        posting("visit.recorded", 0, -1, visit(met=4)),
    ]
    city.add("visits", "visit.voided", "2021-03-02 10:00:00", void, net=json.dumps(net))
    rows = city.published("visits_by_village_year", where="type = 'visit.recorded'")
    assert some(rows, "village", "year", "gross_count", "net_count", "gross_met", "net_met") == [
        (VILLAGE, 2021, 1, 0, 4, 0)
    ]
    (grid,) = city.published("visits_coverage", at="2021-12-31 00:00:00")
    assert (grid["visits"], grid["visits_this_year"], grid["last_visit"]) == (0, 0, None)


@pytest.mark.parametrize("status", ["repeat", "conflict", "orphan", "parked", "dead"])
def test_what_is_not_counted_moves_every_watermark_and_no_figure(city: City, status: str) -> None:
    for topic, type_ in (("visits", "visit.recorded"), ("petitions", "petition.registered")):
        city.add(topic, type_, "2021-03-01 10:00:00", visit(), koff=41, status=status, key="P-1")
        row = city.row(topic, "", "1970-01-01 08:00:00", {}, koff=42, status=status, payload="{")
        city.insert([row | {"data": ""}])
    marks = {
        table: city.rows(f"SELECT max(hi) AS hi FROM {city.layout.database}.{table}")
        for table in (
            *("visits_hourly", "visits_daily", "visits_coverage"),
            *("petitions_hourly", "petitions_daily", "petitions_cases"),
        )
    }
    assert {table: rows[0]["hi"] for table, rows in marks.items()} == dict.fromkeys(marks, 42)
    assert city.published("visits_by_county_hour") == []
    assert city.published("visits_by_village_day") == []
    assert city.published("petitions_cases", at="2021-12-31 00:00:00") == []
    assert city.published("recent_events") == []
    uncounted = city.published("uncounted")
    assert some(uncounted, "topic", "status", "day", "messages") == [
        (topic, status, day, 1)
        for topic in ("petitions", "visits")
        for day in ("1970-01-01", "2021-03-01")
    ]


def test_a_row_of_another_owner_is_refused_with_its_whole_insert(city: City) -> None:
    good = city.row("visits", "visit.recorded", "2021-03-01 10:00:00", visit())
    with pytest.raises(Exception, match="fenced"):
        city.insert([good, good | {"koff": good["koff"] + 1, "tok": 8}])
    assert city.rows(f"SELECT count() AS n FROM {city.layout.database}.events") == [{"n": 0}]
    assert city.rows(f"SELECT count() AS n FROM {city.layout.database}.visits_daily") == [{"n": 0}]


def test_days_and_hours_begin_in_the_citys_zone(city: City) -> None:
    # 2021-03-31T16:30Z is half past midnight of 1 April in the city
    city.add("visits", "visit.recorded", "2021-03-31T16:30:00Z", visit())
    city.add("visits", "visit.recorded", "2021-03-31T15:59:59.999Z", visit())
    days = city.published("visits_by_village_day")
    assert some(days, "day", "net_count") == [("2021-03-31", 1), ("2021-04-01", 1)]
    hours = city.published("visits_by_county_hour")
    assert some(hours, "hour") == [("2021-03-31 23:00:00",), ("2021-04-01 00:00:00",)]


def test_a_place_is_counted_at_each_level_it_is_known_at(city: City) -> None:
    for division in ("431200", "431202", "431202001", VILLAGE, VILLAGE):
        city.add("visits", "visit.recorded", "2021-03-01 10:00:00", visit(), division=division)
    counties = city.published("visits_by_county_hour")
    assert some(counties, "county", "net_count") == [("431200", 1), ("431202", 4)]
    townships = city.published("visits_by_township_day")
    assert some(townships, "county", "township", "net_count") == [
        ("431200", "", 1),
        ("431202", "", 1),
        ("431202", "431202001", 3),
    ]
    villages = city.published("visits_by_village_year")
    assert some(villages, "village", "net_count") == [(VILLAGE, 2)]


@pytest.mark.parametrize("view", ["all_by_county_hour", "all_by_township_day"])
def test_one_view_has_the_net_figures_of_all_families(city: City, view: str) -> None:
    time = "2021-03-01 10:00:00"
    for kpart in (0, 1):
        city.add("visits", "visit.recorded", time, visit(met=3), kpart=kpart)
    taken_back = [posting("visit.recorded", 0, -1, visit(met=3))]
    city.add("visits", "visit.voided", time, {"why": "x"}, net=json.dumps(taken_back))
    city.add("petitions", "petition.registered", time, {"people": 5}, division="431202")
    brought = {"source": "donation", "amount": 700, "entry": "opening"}
    city.add("funds", "fund.contributed", time, brought)
    city.add("funds", "fund.contributed", time, {"source": "donation", "amount": 40})
    rows = city.published(view)
    assert {row["day" if "day" in row else "hour"][:10] for row in rows} == {"2021-03-01"}
    if "township" in rows[0]:
        assert {row["township"] for row in rows if row["type"] == "petition.registered"} == {""}
        assert {row["township"] for row in rows if row["type"] == "fund.contributed"} == {
            "431202001"
        }
    sums: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        found = sums.setdefault((row["type"], row["county"], row["entry"]), [0, 0, 0])
        for n, name in enumerate(("net_count", "net_people", "net_amount")):
            found[n] += row[name]
    assert {place: found for place, found in sums.items() if any(found)} == {
        ("visit.recorded", "431202", ""): [1, 0, 0],
        ("petition.registered", "431202", ""): [1, 5, 0],
        ("fund.contributed", "431202", "opening"): [1, 0, 700],
        ("fund.contributed", "431202", ""): [1, 0, 40],
    }


def test_coverage_counts_the_year_of_its_instant_and_nothing_after_its_day(city: City) -> None:
    for day in ("2020-12-31", "2021-01-01", "2021-06-30", "2021-07-01"):
        city.add("visits", "visit.recorded", f"{day} 09:00:00", visit(), grid=GRID)
    for day in ("2020-06-01", "2021-02-01", "2021-03-01"):
        city.add("visits", "visit.request_raised", f"{day} 09:00:00", {"request": "r"}, grid=GRID)
    city.add("visits", "visit.request_closed", "2021-03-02 09:00:00", {"request": "r"}, grid=GRID)
    names = ("last_visit", "visits_this_year", "visits", "requests_found", "requests_closed")
    assert some(city.published("visits_coverage", at="2021-06-30 00:00:00"), *names) == [
        ("2021-06-30", 2, 3, 2, 1)  # this year: 1 January, 30 June; ever: 31 December too
    ]
    assert some(city.published("visits_coverage", at="2020-12-31 12:00:00"), *names) == [
        ("2020-12-31", 1, 1, 1, 0)
    ]
    counted = city.published("visits_covered", at="2021-06-30 00:00:00")
    assert some(counted, "grid", *names[1:]) == [(GRID, 2, 3, 2, 1)]


def test_a_balance_is_what_came_in_less_what_went_out_by_source(city: City) -> None:
    give = {"amount": 50_000, "source": "pledge"}
    spend = {"amount": 12_345, "source": "pledge", "use": "public_good", "helped": 2}
    city.add("funds", "fund.contributed", "2021-03-01 10:00:00", give)
    city.add("funds", "fund.contributed", "2021-03-02 10:00:00", give)
    city.add("funds", "fund.contributed", "2021-03-02 10:00:00", give | {"source": "reward"})
    city.add("funds", "fund.disbursed", "2021-03-03 10:00:00", spend)
    city.add("funds", "fund.pledged", "2021-03-03 10:00:00", give)  # a promise is no money
    undone = {"corrects": "f-2", "why": "金额录错"}
    net = [
        posting("fund.reversed", 1, 0, undone),
        posting("fund.contributed", 0, -1, give, time=MARCH_1 + 86_400_000),
    ]
    city.add("funds", "fund.reversed", "2021-03-05 10:00:00", undone, net=json.dumps(net))
    names = ("village", "source", "raised", "spent", "balance")
    assert some(city.published("funds_balances", at="2021-03-31 00:00:00"), *names) == [
        (VILLAGE, "pledge", 50_000, 12_345, 37_655),  # 2 x 50,000 - 50,000 undone; - 12,345
        (VILLAGE, "reward", 50_000, 0, 50_000),
    ]
    assert some(city.published("funds_balances", at="2021-03-01 00:00:00"), *names) == [
        (VILLAGE, "pledge", 50_000, 0, 50_000)
    ]


@pytest.mark.parametrize("grain", ["day", "year"])
def test_how_often_a_village_helped_is_not_told_but_its_money_is(city: City, grain: str) -> None:
    give = {"amount": 50_000, "source": "pledge"}
    spend = {"amount": 12_345, "source": "pledge", "use": "merit_and_need", "helped": 7}
    city.add("funds", "fund.contributed", "2021-03-03 10:00:00", give)
    for _ in range(6):
        city.add("funds", "fund.disbursed", "2021-03-03 10:00:00", spend)
    rows = city.published(f"funds_by_village_{grain}")
    names = ("type", "gross_count", "net_count", "gross_amount", "net_amount", "suppressed")
    assert some(rows, *names) == [
        ("fund.contributed", 1, 1, 50_000, 50_000, 0),
        # 6 x 12,345; five and more are withheld too, so that no sibling can be subtracted
        ("fund.disbursed", None, None, 74_070, 74_070, 1),
    ]
    assert not any("helped" in name for name in rows[0])
    (town,) = city.published("funds_by_township_day", where="type = 'fund.disbursed'")
    assert (town["net_count"], town["net_helped"]) == (6, 42)


def test_a_namesake_that_is_no_total_is_not_summed(city: City) -> None:
    appeal = {"kind": "appeal"}
    city.add("petitions", "petition.registered", "2021-03-01 10:00:00", appeal | {"people": 2})
    city.add("petitions", "petition.hearing_held", "2021-03-01 10:00:00", appeal | {"people": 9})
    rows = city.published("petitions_by_county_hour")
    assert some(rows, "type", "net_count", "net_people") == [
        ("petition.hearing_held", 1, 0),
        ("petition.registered", 1, 2),
    ]


def test_recent_events_are_the_newest_of_each_topic_and_name_no_village(city: City) -> None:
    def rows(topic: str, place: str, count: int) -> list[dict[str, Any]]:
        type_ = {"visits": "visit.recorded", "funds": "fund.contributed"}[topic]
        return [
            city.row(topic, type_, "2021-03-01 10:00:00", visit(), koff=n)
            | {"division": place, "logged": f"2021-03-02 10:{n // 60:02}:{n % 60:02}.000"}
            for n in range(count)
        ]

    assert city.published("recent_events") == []
    city.insert(rows("visits", VILLAGE, 300))
    city.insert(rows("funds", "431281", 20))
    found = city.published("recent_events")
    counties = [row["county"] for row in found]
    assert (counties.count("431202"), counties.count("431281")) == (200, 20)
    # Of visits the last 200: from the 100th second on.
    assert min(row["logged"] for row in found if row["county"] == "431202").endswith("10:01:40.000")


def test_the_pipeline_shows_every_partition_that_has_a_worker(city: City) -> None:
    database = city.layout.database
    city.run(
        f"INSERT INTO {database}.heartbeat (topic, kpart, beat, lag, watermark) VALUES "
        "('visits', 0, '2021-03-01 10:00:05', 3, 42), ('visits', 1, '2021-03-01 10:00:05', 0, -1)"
    )
    city.add("visits", "visit.recorded", "2021-03-01 10:00:00", visit(), koff=0)
    names = ("topic", "kpart", "stored", "messages", "lag")
    rows = city.published("pipeline")
    city.run(f"TRUNCATE TABLE {database}.heartbeat")
    # offset 0 is an offset: a partition without messages has none
    assert some(rows, *names) == [("visits", 0, 0, 1, 3), ("visits", 1, None, 0, 0)]


def test_an_events_chinese_name_says_its_family(city: City) -> None:
    names = {row["value"]: row["zh"] for row in city.published("labels", where="field = 'type'")}
    assert names["petition.registered"] == "信访登记"
    assert names["mediation.filed"] == "调解登记"
    assert names["visit.recorded"] == "走访登记"
    assert len(set(names.values())) == len(names)
