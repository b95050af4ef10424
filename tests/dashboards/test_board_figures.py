"""What the boards' figures come to over small histories; expected values are counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from dashboards import _queries_cases as cases
from dashboards import _queries_places as places
from dashboards import boards, queries
from dashboards._pieces import EVERYWHERE
from tests.dashboards.shipped import Shipped, shipped
from tests.schemas.conftest import CITY, VILLAGE

EVENING = "2021-12-31T23:59:59"
ALL = "$__all"
VISIT = {"role": "cadre", "purpose": "care", "lasted": 5, "met": 1}
RAISED = {"matter": "livelihood", "request": "r", "people": 1}
COUNTY, TOWNSHIP = VILLAGE[:6], VILLAGE[:9]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    with shipped(tmp_path_factory.mktemp("shipped")) as running:
        yield running


@pytest.fixture
def city(whole: Shipped) -> Shipped:
    whole.empty()
    return whole


def midnight(day: str) -> int:
    """The midnight after `day`, in ms: a due instant as ingest writes it."""
    after = datetime.fromisoformat(day).replace(tzinfo=CITY).timestamp() + 86_400
    return round(after * 1000)


def petition(city: Shipped, case: str, *steps: tuple[str, str], **data: Any) -> None:
    """A petition's events at 09:00 of each day, under the closing clock once accepted."""
    for type_, day in steps:
        content = {"kind": "appeal", "people": 1, **data}
        content |= (
            {"route": "31.6", "due_close": midnight("2021-05-10")} if type_ == "accepted" else {}
        )
        city.city.add("petitions", f"petition.{type_}", f"{day} 09:00:00", content, key=case)


def visit(city: Shipped, time: str, type_: str = "recorded", **more: Any) -> None:
    data = VISIT if type_ == "recorded" else RAISED
    city.city.add("visits", f"visit.{type_}", time, data, **more)


def mediation(city: Shipped, case: str, *steps: tuple[str, str]) -> None:
    for type_, day in steps:
        data = {"dispute": "neighbours", "people": 2, "amount": 100}
        city.city.add("mediations", f"mediation.{type_}", f"{day} 09:00:00", data, key=case)


OPENED = (("registered", "2021-03-01"), ("transferred", "2021-03-02"), ("accepted", "2021-03-11"))


def test_an_office_gets_no_better_rate_by_merging_what_it_does_not_close(city: Shipped) -> None:
    petition(city, "P-1", *OPENED, ("replied", "2021-04-01"), ("closed", "2021-04-02"))
    petition(city, "P-2", *OPENED)  # past due since 11 May
    petition(city, "P-3", *OPENED, ("merged", "2021-04-01"))
    petition(city, "P-4", *OPENED, ("withdrawn", "2021-04-01"))
    # P-1 in time of P-1 and P-2
    wall = city.ask(cases.petition_punctuality(EVERYWHERE), EVENING)[0]
    assert wall["closed_on_time"] == 0.5
    rates = city.ask(cases.petition_punctuality(), EVENING, county=ALL)[0]
    backlog = city.ask(cases.petition_backlog(), EVENING, county=ALL)[0]
    assert (rates["closed_on_time"], backlog["overdue_now"]) == (0.5, 1)
    rates, counts = cases.petition_counties()
    (county,) = city.ask(rates, EVENING, county=ALL)
    assert (county["按期办结率"], county["状态"]) == (0.5, "■ 不达标")
    (county,) = city.ask(counts, EVENING, county=ALL)
    assert (county["本年登记"], county["未结"], county["逾期"]) == (4, 1, 1)
    (close,) = [
        c for c in city.ask(cases.petition_clocks(), EVENING, county=ALL) if "60" in c["时限"]
    ]
    assert {k: close[k] for k in ("按期", "超期完成", "逾期未办", "未到期")} == {
        "按期": 1, "超期完成": 0, "逾期未办": 1, "未到期": 0,
    }  # fmt: skip


def test_a_rating_without_a_reply_is_no_share_of_the_replies(city: Shipped) -> None:
    petition(city, "P-1", *OPENED, ("replied", "2021-04-01"))
    petition(city, "P-2", *OPENED, ("rated", "2021-04-01"), satisfaction=5)
    figures = city.ask(cases.petition_voices(), EVENING, county=ALL)[0]
    assert (figures["rated_share"], figures["satisfied_share"]) == (0.0, 1.0)


def test_a_villages_mediation_success_is_of_the_disputes_that_ended(city: Shipped) -> None:
    for n in range(20):
        end = "agreement_reached" if n < 9 else "terminated"
        steps = (
            [("filed", "2020-12-01"), (end, "2021-02-01")] if n < 15 else [("filed", "2021-12-01")]
        )
        mediation(city, f"M-{n}", *steps)
    # The township's other villages had none, so one of them is withheld and this one is not.
    chosen = {"village": VILLAGE}
    found = city.ask(places.place_mediations(places.VILLAGE), EVENING, **chosen)[0]
    # Ended in 2021: 9 agreed and 6 failed; the 5 filed in 2021 are still open.
    assert found == {"filed_year": 5, "agreed": 9, "failed": 6, "success": 0.6}


def test_days_are_days_of_the_city_whatever_the_zone_of_the_server(city: Shipped) -> None:
    petition(city, "P-1", *OPENED)
    # The last day was 10 May: at 01:00 of 12 May, still 11 May in UTC, it is two days past.
    (case,) = city.ask(cases.petition_overdue_cases(), "2021-05-12T01:00:00", county=ALL)
    assert case["逾期天数"] == 2
    petitions, _ = queries.alerts()
    (alert,) = [a for a in city.ask(petitions, "2021-05-12T01:00:00") if a["事项"] == "信访办结"]
    assert alert["最长逾期天数"] == 2
    # 5 days left at 01:00 of 6 May: 6, 7, 8, 9 and 10 May.
    due = {
        b["name"]: b["value"]
        for b in city.ask(cases.petition_due(), "2021-05-06T01:00:00", county=ALL)
    }
    assert {name for name, value in due.items() if value} == {"3–7 天"}
    # Registered on 1 March: at 01:00 of 8 March, 7 March in UTC, it is a week old.
    ages = city.ask(cases.petition_ageing(), "2021-03-08T01:00:00", county=ALL)
    assert {b["name"] for b in ages if b["value"]} == {"7–15 天"}


def test_no_span_of_days_is_left_to_the_servers_zone() -> None:
    spans = [
        call
        for board in boards.every()
        for panel in board["panels"]
        for target in panel.get("targets") or ()
        for call in target["rawSql"].split("dateDiff(")[1:]
        if not call.startswith("'second'")
    ]
    assert len(spans) > 10
    # The zone is the fourth argument, and there is no bracket after it but the call's own.
    assert [c for c in spans if ", 'Asia/Shanghai')" not in c] == []


def test_at_half_past_twelve_the_wall_and_the_county_agree_on_today(city: Shipped) -> None:
    for time in ("2021-06-01 08:10:00", "2021-06-01 12:20:00", "2021-06-01 18:00:00"):
        visit(city, time)
    wall = city.ask(queries.hourly_visits(EVERYWHERE), "2021-06-01T12:30:00")[0]
    county = city.ask(places.place_visits(places.COUNTY), "2021-06-01T12:30:00", county=COUNTY)[0]
    assert wall["visits_today"] == county["visits_today"] == 2
    assert wall["visits_year"] == county["visits_year"] == 2


def test_a_state_flow_counts_steps_within_the_range_and_the_days_before_them(city: Shipped) -> None:
    petition(city, "P-1", *OPENED, ("replied", "2021-04-01"))
    petition(city, "P-2", ("registered", "2021-03-01"), ("transferred", "2021-03-06"))
    petition(city, "P-3", ("registered", "2021-03-01"), ("withdrawn", "2021-05-01"))
    rows = city.ask(cases.petition_steps(), "2021-03-31T00:00", "2021-03-02T00:00", county=ALL)
    # 1 March lies before the range, 1 April and 1 May after it. Between 1 and 5 days: 3.
    assert [tuple(row.values()) for row in rows] == [
        ("已登记", "已转送", 2, 3),
        ("已转送", "办理中", 1, 9),
    ]


def test_a_micro_grids_month_is_compared_with_the_month_and_the_year_before(city: Shipped) -> None:
    grid = f"{VILLAGE}001001"
    for time in ("2020-06-01", "2020-06-30", "2021-05-02", "2021-05-31", "2021-06-02"):
        visit(city, f"{time} 09:00:00", grid=grid)
    visit(city, "2021-06-03 09:00:00", "request_raised", grid=grid)
    visit(city, "2021-06-03 09:00:00", grid=f"{VILLAGE}001002")
    (compared,) = places.place_compared(places.MICROGRID)
    rows = city.ask(compared, "2021-06-15T12:00:00", grid=grid)
    # To the 15th: June 2; May 2 of 2 and 31; June 2020 the 1st of 1 and 30.
    assert [(r["指标"], r["本月至今"], r["上月同期"], r["去年同期"]) for r in rows] == [
        ("走访（户次）", 1, 1, 1),
        ("诉求登记（件）", 1, 0, 0),
        ("诉求办结（件）", 0, 0, 0),
    ]
    assert [r["环比"] for r in rows] == [0.0, None, None]
    # Of the city's 112,600, one was visited once and had one request, another was visited once.
    assert [round(r["全市平均"] * 112_600, 6) for r in rows] == [2, 1, 0]


@pytest.mark.parametrize(
    ("level", "place", "placed", "peers"),
    [
        (places.COUNTY, COUNTY, 3, 13),
        (places.TOWNSHIP, TOWNSHIP, 2, 207),
        (places.VILLAGE, VILLAGE, 1, 2_777),
    ],
    ids=["county", "township", "village"],
)
def test_a_mean_over_places_leaves_out_what_has_no_such_place(
    city: Shipped, level: places.Level, place: str, placed: int, peers: int
) -> None:
    visit(city, "2021-06-02 09:00:00")
    visit(city, "2021-06-02 10:00:00", division=TOWNSHIP)  # village unknown
    visit(city, "2021-06-03 09:00:00", division=COUNTY)  # township unknown
    visit(city, "2021-06-04 09:00:00", division=f"{COUNTY[:4]}00")  # 未定位
    visits = places.place_compared(level)[0]
    asked = city.ask(visits, "2021-06-15T12:00:00", **{level.name: place})
    assert round(asked[0]["全市平均"] * peers, 6) == placed


def test_means_of_micro_grids_take_the_never_visited_in(city: Shipped) -> None:
    grid = f"{VILLAGE}001001"
    for hour in range(3):
        visit(city, f"2021-06-01 0{hour}:00:00", grid=grid)
    visit(city, "2021-06-01 09:00:00")  # in no micro-grid that is known
    ((grids,),) = city.city.client.execute(
        f"SELECT microgrids FROM gulou.divisions FINAL WHERE code = '{VILLAGE}'"
    )
    rows = city.ask(places.microgrid_compared(), "2021-06-15T12:00:00", grid=grid)
    own, village, *_, whole = (row["本年走访"] for row in rows)
    assert grids > 10
    assert (own, round(village * grids, 9)) == (3, 3)
    assert round(whole * 112_600, 6) == 3  # the published number of micro-grids
    coverage = city.ask(
        places.place_coverage(places.VILLAGE), "2021-06-15T12:00:00", village=VILLAGE
    )
    assert coverage[0]["never"] == grids - 1


def test_a_village_with_unvisited_micro_grids_says_how_many_never_were(city: Shipped) -> None:
    for day, grid in (("2020-06-01", "001001"), ("2021-06-01", "001002"), ("2021-06-02", "001002")):
        visit(city, f"{day} 09:00:00", grid=f"{VILLAGE}{grid}")
    ((grids,),) = city.city.client.execute(
        f"SELECT microgrids FROM gulou.divisions FINAL WHERE code = '{VILLAGE}'"
    )
    rows = city.ask(places.coverage_unvisited(), EVENING, county=COUNTY)
    (row,) = [row for row in rows if row["village"] == VILLAGE]
    assert (row["本年未走访"], row["从未走访"]) == (grids - 1, grids - 2)


# ------------------------------------------------------------------------------- freshness


def stale(city: Shipped) -> tuple[int, str]:
    row = city.ask(queries.freshness(), EVENING)[0]
    mark = city.ask(queries.stale_mark(), EVENING)
    assert len(mark) == row["stale"]
    return row["stale"], row["reason"]


MINUTES = "now64(3) - INTERVAL 5 MINUTE"


def test_a_quiet_night_is_no_fault(city: Shipped) -> None:
    visit(city, "2021-06-01 09:00:00")  # logged long ago
    city.beat()
    assert stale(city)[0] == 0


def test_a_worker_that_is_silent_makes_the_data_stale(city: Shipped) -> None:
    city.beat(beat="now64(3) - INTERVAL 31 SECOND")
    found, reason = stale(city)
    assert found == 1
    assert reason.startswith("处理程序停止于")


def test_messages_that_wait_while_none_is_stored_make_the_data_stale(city: Shipped) -> None:
    visit(city, "2021-06-01 09:00:00")
    city.beat(lag="3", behind_since=MINUTES)
    assert stale(city) == (1, "积压 3 条未入库，数字偏旧")


def test_an_empty_partition_with_messages_waiting_is_stale_too(city: Shipped) -> None:
    city.beat(lag="3", behind_since=MINUTES)
    assert stale(city) == (1, "积压 3 条未入库，数字偏旧")


def test_a_first_message_after_a_quiet_night_is_not_yet_late(city: Shipped) -> None:
    visit(city, "2021-06-01 09:00:00")
    city.beat(lag="1", behind_since="now64(3) - INTERVAL 5 SECOND")
    assert stale(city)[0] == 0


def test_a_busy_stream_that_always_has_something_waiting_is_fresh(city: Shipped) -> None:
    now = datetime.now(CITY)
    visit(city, f"{now:%Y-%m-%d %H:%M:%S}")
    city.beat(lag="40", behind_since=MINUTES)
    assert stale(city)[0] == 0


def fund(city: Shipped, type_: str, time: str, **data: Any) -> None:
    city.city.add("funds", f"fund.{type_}", time, {"source": "pledge", **data})


def test_an_opening_balance_is_in_the_totals_and_in_no_years_movements(city: Shipped) -> None:
    new_year, may = "2021-01-01 00:00:00", "2021-05-06 09:00:00"
    fund(city, "contributed", new_year, amount=3_000_000, entry="opening")
    fund(
        city, "disbursed", new_year, amount=1_000_000, helped=9, use="public_good", entry="opening"
    )
    fund(city, "project_opened", new_year, projects=7, use="public_good", entry="opening")
    fund(city, "contributed", may, amount=2_000_000)
    fund(city, "disbursed", may, amount=500_000, helped=2, use="merit_and_need")
    fund(city, "project_opened", may, projects=1, use="public_good")
    year = city.ask(places.fund_year(), EVENING, county=ALL)[0]
    # In 10,000 yuan, which are 1,000,000 fen: of May alone.
    assert year == {
        "raised_year": 2.0, "spent_year": 0.5, "net_year": 1.5,
        "helped_year": 2, "projects_year": 1,
    }  # fmt: skip
    figures = city.ask(places.fund_figures(), EVENING, county=ALL)[0]
    assert (figures["raised_all"], figures["spent_all"], figures["balance_now"]) == (5.0, 1.5, 3.5)
    uses = city.ask(places.fund_uses(), EVENING, county=ALL)
    assert [tuple(row.values()) for row in uses] == [("奖优济困", 0.5)]
    trend = city.ask(places.fund_trend(), EVENING, county=ALL)
    assert [(row["筹集"], row["支出"]) for row in trend] == [(2.0, 0.5)]
    (sql,) = places.place_compared(places.COUNTY)
    compared = city.ask(sql, "2021-01-31T12:00:00", county=COUNTY)
    money = {row["指标"]: row["本月至今"] for row in compared if row["指标"].startswith("基金")}
    assert money == {"基金筹集（万元）": 0.0, "基金支出（万元）": 0.0}
