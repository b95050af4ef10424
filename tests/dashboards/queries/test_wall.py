"""The wall: figures of visits, mediations and funds, trends, alerts, newest events.

The counties' map and ranking are in `test_wall_counties`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from dashboards.queries import cases, mediations, visits, wall
from dashboards.queries.pieces import EVERYWHERE
from tests.dashboards.queries.about import about, cuts
from tests.dashboards.queries.register import table
from tests.dashboards.queries.steps import mediation, petition
from tests.histories.told import VILLAGE, Told, told
from tests.town import Town

HECHENG, TOWNSHIP, CITY = "431202", "431202001", "431200"
HONGJIANG = "431281101002"
BEFORE, NEW_YEAR = "2020-12-31 23:59:59.999", "2021-01-01"


def visit(time: str, verb: str = "recorded", place: str = VILLAGE, **content: Any) -> Told:
    return told(f"visit.{verb}", "h-1", time, place=place, **content)


def voided(event: Told) -> Told:
    back = told("visit.voided", "h-1", event["time"], corrects=event["id"])
    return back | {"division": event["division"]}


@about(visits.hourly_visits)
def test_visits_of_the_day_and_of_the_year_are_counted_to_the_hour_of_the_end(town: Town) -> None:
    mistaken = visit("2021-06-01 09:00")
    town.tell(
        visit(BEFORE), visit(NEW_YEAR), visit("2021-05-31 23:59:59.999", place=CITY),
        visit("2021-06-01", place=HECHENG), visit("2021-06-01 12:59:59.999", place=TOWNSHIP),
        visit("2021-06-01 13:00"), mistaken, voided(mistaken),
        *(visit(time, "request_raised") for time in (
            BEFORE, NEW_YEAR, "2021-05-31 23:59:59.999", "2021-06-01", "2021-06-01 08:00",
            "2021-06-01 12:40", "2021-06-01 13:00")),
        *(visit(time, "request_closed", place=HONGJIANG) for time in (
            BEFORE, NEW_YEAR, "2021-02-01", "2021-03-01", "2021-06-01 07:59:59.999",
            "2021-06-01 13:00")),
    )  # fmt: skip
    names = (
        "visits_today", "visits_year", "raised_today", "raised_year", "closed_today", "closed_year",
    )  # fmt: skip
    everywhere, here = (visits.hourly_visits(w) for w in (EVERYWHERE, f"county = '{HECHENG}'"))
    # The hour that has begun counts whole: the figures are sums of hours.
    for at in ("2021-06-01 12:00", "2021-06-01 12:59:59.999"):
        assert table(town.ask(everywhere, at)) == [names, (2, 4, 3, 5, 1, 4)], at
        assert table(town.ask(here, at)) == [names, (2, 3, 3, 5, 0, 0)], at
    assert table(town.ask(everywhere, "2021-06-01 13:00")) == [names, (3, 5, 4, 6, 2, 5)]
    # At midnight a new day, on 1 January a new year; 07:59 is yesterday in UTC.
    assert table(town.ask(everywhere, "2021-05-31 23:59:59.999")) == [names, (1, 2, 1, 2, 0, 3)]
    assert table(town.ask(everywhere, NEW_YEAR)) == [names, (1, 1, 1, 1, 1, 1)]
    assert table(town.ask(everywhere, BEFORE)) == [names, (1, 1, 1, 1, 1, 1)]
    assert table(town.ask(everywhere, "2019-12-31")) == [names, (0, 0, 0, 0, 0, 0)]


@about(mediations.mediation_figures)
def test_success_is_of_the_disputes_that_ended_in_the_year(town: Town) -> None:
    town.tell(
        *mediation("M-1", f"filed {BEFORE}", f"agreement_reached {NEW_YEAR}", place=CITY),
        *mediation("M-2", "filed 2020-11-01", "terminated 2021-06-01 12:00", place=HONGJIANG),
        *mediation("M-3", "filed 2020-11-01", "terminated 2021-02-01", place=HECHENG),
        *mediation("M-4", "filed 2020-11-01", f"agreement_reached {BEFORE}"),
        *mediation("M-5", "filed 2020-11-01", "agreement_reached 2021-06-01 12:00:00.001"),
        *mediation("M-6", "filed 2021-06-01 12:00", place=TOWNSHIP),
        *mediation("M-7", "filed 2021-06-01 12:00:00.001"),
    )
    names = ("success", "open_now")

    def shown(at: str) -> tuple[Any, ...]:
        (row,) = town.ask(mediations.mediation_figures(EVERYWHERE), at)
        return tuple(row[name] for name in names)

    # Ended M-1, 2, 3; open M-5, 6.
    assert shown("2021-06-01 12:00") == (1 / 3, 2)
    assert shown("2020-01-01") == (None, 0)


@about(wall.wall_funds)
def test_funds_show_all_that_was_ever_raised_and_the_share_that_was_spent(town: Town) -> None:
    names = ("balance_now", "raised_all", "spent_all", "used")
    assert table(town.ask(wall.wall_funds(), "2021-06-01")) == [names, (0, 0, 0, None)]

    def booked(verb: str, time: str, amount: int, place: str = VILLAGE) -> Told:
        return told(f"fund.{verb}", f"F-{place}", time, place=place, amount=amount)

    town.tell(
        booked("contributed", "2020-03-01", 4_000_000),
        booked("contributed", "2021-06-01", 1_000_000, HONGJIANG),
        booked("contributed", "2021-06-02", 8_000_000),
        booked("disbursed", "2020-04-01", 250_000, HECHENG),
        booked("disbursed", "2021-06-01 12:00", 1_000_000, CITY),
        booked("disbursed", "2021-06-02", 2_000_000),
    )
    # In 10,000 yuan, a million fen each: 5 raised, 1.25 spent.
    assert table(town.ask(wall.wall_funds(), "2021-06-01 12:00")) == [
        names, (3.75, 5, 1.25, 0.25),
    ]  # fmt: skip


def _trend() -> list[Told]:
    """Events of every type by the hour; only the types of the four lines count."""
    return [
        visit("2021-03-01 00:59:59.999", "request_raised", place=CITY),
        visit("2021-03-01 08:00", "request_closed", place=HONGJIANG),
        *(e for n in range(2) for e in petition(f"P-{n}", "registered 2021-03-01 08:59:59.999")),
        *petition("P-2", "registered 2021-02-28 23:59:59.999", "closed 2021-03-01 10:00"),
        *mediation("M-1", "filed 2021-03-01 10:00", "agreement_reached 2021-03-05 00:30"),
        visit("2021-03-02 10:00"),
        visit("2021-03-05 01:00", "request_raised"),
    ]


@about(wall.wall_trend)
def test_the_trend_has_a_column_a_line_by_hour_and_over_four_days_by_day(town: Town) -> None:
    town.tell(*_trend())
    names = ("time", "request_raised", "request_closed", "registered", "agreement_reached")
    # 96 hours, the last one begun; then 97.
    assert table(town.ask(wall.wall_trend(), "2021-03-05 00:59:59.999", "2021-03-01")) == [
        names,
        ("2021-03-01 00:00:00", 1, 0, 0, 0),
        ("2021-03-01 08:00:00", 0, 1, 2, 0),
        ("2021-03-05 00:00:00", 0, 0, 0, 1),
    ]
    assert table(town.ask(wall.wall_trend(), "2021-03-05 01:00", "2021-03-01")) == [
        names,
        ("2021-03-01 00:00:00", 1, 1, 2, 0),
        ("2021-03-05 00:00:00", 1, 0, 0, 1),
    ]
    assert town.ask(wall.wall_trend(), "2021-12-31", "2021-06-01") == []


@about(wall.wall_visit_trend)
def test_the_visits_trend_has_a_row_for_each_kind_of_visitor(town: Town) -> None:
    mistaken = visit("2021-03-01 08:10", role="cadre")
    town.tell(
        visit("2021-03-01", role="grid_member"),
        visit("2021-03-01 08:59:59.999", role="party_member", place=CITY),
        visit("2021-03-01 08:00", role="party_member", place=HONGJIANG),
        visit("2021-03-01 08:00", role="working_party_member"),
        visit("2021-03-01 09:00", role="cadre"),
        visit("2021-02-28 23:59:59.999", role="cadre"),
        visit("2021-03-05 01:00", role="cadre"),
        visit("2021-03-01 08:00", "request_raised"),
    )
    names = ("time", "line", "value")
    asked = town.ask(wall.wall_visit_trend(), "2021-03-05 00:59:59.999", "2021-03-01")
    assert table(asked) == [
        names,
        ("2021-03-01 00:00:00", "网格员", 1),
        ("2021-03-01 08:00:00", "党员", 2),
        ("2021-03-01 08:00:00", "在职党员", 1),
        ("2021-03-01 09:00:00", "干部", 1),
    ]
    asked = town.ask(wall.wall_visit_trend(), "2021-03-05 01:00", "2021-03-01")
    assert table(asked) == [
        names,
        ("2021-03-01 00:00:00", "党员", 2),
        ("2021-03-01 00:00:00", "在职党员", 1),
        ("2021-03-01 00:00:00", "干部", 1),
        ("2021-03-01 00:00:00", "网格员", 1),
        ("2021-03-05 00:00:00", "干部", 1),
    ]
    # A voided visit does not count; its hour stays, with a 0.
    town.tell(mistaken, voided(mistaken))
    asked = town.ask(wall.wall_visit_trend(), "2021-03-01 08:30", "2021-03-01 08:00")
    assert ("2021-03-01 08:00:00", "干部", 0) in table(asked)
    assert town.ask(wall.wall_visit_trend(), "2021-12-31", "2021-06-01") == []


@about(wall.wall_trend, wall.wall_visit_trend)
@pytest.mark.parametrize(
    ("query", "verb", "lines"),
    [(wall.wall_trend, "request_raised", 1), (wall.wall_visit_trend, "recorded", 4)],
)
def test_a_long_trend_is_whole(town: Town, query: Callable[[], str], verb: str, lines: int) -> None:
    days = [f"{date(2020, 1, 1) + timedelta(days=n)}" for n in range(731)]
    roles = ("cadre", "grid_member", "party_member", "working_party_member")
    town.tell(
        *(
            visit(day, verb, **({"role": role} if verb == "recorded" else {}))
            for day in days
            for role in roles[:lines]
        )
    )
    asked = town.ask(query(), "2021-12-31 23:59:59.999", "2020-01-01")
    assert [row["time"] for row in asked] == [
        f"{day} 00:00:00" for day in days for _ in "1234"[:lines]
    ]


# ------------------------------------------------------------------------------- newest events


AT, MINUTE = "2021-06-01 12:00:00.500", "2021-06-01 12:00:00.000"
NAMES = ("happened", "county_name", "type_name", "events", "code")


@about(wall.newest_events)
def test_a_live_city_shows_each_of_its_newest_events(town: Town) -> None:
    town.tell(
        *petition("P-1", "registered 2021-05-01", place=CITY),
        visit("2021-06-01 11:00:00.501", place=HONGJIANG),
        *mediation("M-1", f"filed {AT}", place=TOWNSHIP),
        *petition("P-2", f"registered {AT}"),
        visit(AT, "request_raised", place=HECHENG),
        visit(AT, place="431222"),
        told("fund.contributed", "F-1", "2021-06-01 11:30", place="431271"),
        visit("2021-06-01 12:01"),
    )
    # To the minute; of one minute by county, then by type: mediation, petition, visit.
    assert table(town.ask(wall.newest_events(), AT)) == [
        NAMES,
        (MINUTE, "鹤城区", "调解登记", 1, HECHENG),
        (MINUTE, "鹤城区", "信访登记", 1, HECHENG),
        (MINUTE, "鹤城区", "走访诉求登记", 1, HECHENG),
        (MINUTE, "沅陵县", "走访登记", 1, "431222"),
        ("2021-06-01 11:30:00.000", "怀化市洪江管理区", "幸福基金筹集", 1, "431271"),
        ("2021-06-01 11:00:00.000", "洪江市", "走访登记", 1, "431281"),
        ("2021-05-01 00:00:00.000", "未定位", "信访登记", 1, CITY),
    ]


@about(wall.newest_events)
def test_equal_events_of_one_instant_are_a_line_each(town: Town) -> None:
    town.tell(*(told("visit.recorded", home, AT, place=HECHENG) for home in ("h-1", "h-2")))
    line = (MINUTE, "鹤城区", "走访登记", 1, HECHENG)
    assert table(town.ask(wall.newest_events(), AT)) == [NAMES, line, line]


@about(wall.newest_events)
def test_an_hour_after_the_newest_event_the_last_days_hours_are_counted(town: Town) -> None:
    mistaken = visit("2021-06-01 10:00")
    town.tell(
        visit("2021-05-31 12:00"), visit("2021-05-31 12:59:59.999"),  # a day before, to the hour
        visit("2021-05-31 13:00"), visit("2021-05-31 13:20", place=TOWNSHIP),
        visit("2021-06-01 11:00:00.500"),
        visit("2021-06-01 09:00", place=CITY),
        mistaken, voided(mistaken),
        *petition("P-1", "registered 2021-06-01 09:30"),
        *petition("P-2", "registered 2021-06-01 09:59:59.999", place=HONGJIANG),
        visit("2021-06-01 13:00"),
    )  # fmt: skip
    # A voided event does not count, and its hour has none left.
    assert table(town.ask(wall.newest_events(), AT)) == [
        NAMES,
        ("2021-06-01 11:00:00.000", "鹤城区", "走访登记", 1, HECHENG),
        ("2021-06-01 09:00:00.000", "未定位", "走访登记", 1, CITY),
        ("2021-06-01 09:00:00.000", "鹤城区", "信访登记", 1, HECHENG),
        ("2021-06-01 09:00:00.000", "洪江市", "信访登记", 1, "431281"),
        ("2021-05-31 13:00:00.000", "鹤城区", "走访登记", 2, HECHENG),
    ]
    # A moment earlier the newest event is within the hour.
    live = town.ask(wall.newest_events(), "2021-06-01 11:59:59.999")
    assert (live[0]["happened"], live[0]["events"]) == ("2021-06-01 11:00:00.000", 1)
    town.empty()
    assert town.ask(wall.newest_events(), AT) == []


@cuts(wall.newest_events)
@about(wall.newest_events)
def test_no_more_than_forty_newest_events_are_shown(town: Town) -> None:
    town.tell(*(visit(f"2021-06-01 11:{n:02}") for n in range(50)))
    shown = [row["happened"] for row in town.ask(wall.newest_events(), AT)]
    assert shown == [f"2021-06-01 11:{n:02}:00.000" for n in range(49, 9, -1)]


@about(wall.newest_events)
def test_what_has_no_name_is_shown_by_its_code(town: Town) -> None:
    # No producer can send it, but the table may have rows of a later version.
    town.shipped.city.add("visits", "visit.danced", AT, {}, division="439999001")
    assert table(town.ask(wall.newest_events(), AT))[1:] == [
        (MINUTE, "439999", "visit.danced", 1, "439999"),
    ]


# ------------------------------------------------------------------------------------- alerts


@about(wall.alerts)
def test_alerts_count_the_overdue_cases_of_each_duty_and_county(town: Town) -> None:
    first = "registered 2021-03-01"
    town.tell(
        # To be transferred by 16 March.
        *petition("P-1", first, place=HECHENG),
        *petition("P-2", "registered 2021-03-02"),
        *petition("P-3", first, place=HONGJIANG),
        # Done or ended by then.
        *petition("P-4", first, "transferred 2021-03-20", "closed 2021-05-01"),
        *petition("P-5", first, "withdrawn 2021-05-10 00:00:00.500"),
        # 22 March: notice by 6 April, as 3-5 April were holidays. 2 March: closing by 6 May.
        # 10 March: review by 9 April. 20 April: recheck by 20 May, not yet due.
        *petition("P-6", first, "transferred 2021-03-22", place=CITY),
        *petition("P-7", first, "accepted 2021-03-02", place=HONGJIANG),
        *petition("P-8", first, "replied 2021-03-03", "review_requested 2021-03-10"),
        *petition("P-9", first, "replied 2021-03-03", "recheck_requested 2021-04-20"),
        *petition("P-10", first, "replied 2021-03-03", "recheck_requested 2021-03-10"),
    )
    mediations, petitions = wall.alerts()
    names = ("duty", "county_name", "cases_over", "longest_days", "basis", "code")
    # Days to 10 May: 55 from 16 March, 34 from 6 April, 31 from 9 April, 4 from 6 May. P-1 and P-2
    # are two cases of the same duty and county.
    assert table(town.ask(petitions, "2021-05-10 00:00:00.500")) == [
        names,
        ("信访转送", "鹤城区", 2, 55, "信访工作条例 22", HECHENG),
        ("信访转送", "洪江市", 1, 55, "信访工作条例 22", "431281"),
        ("信访受理告知", "未定位", 1, 34, "信访工作条例 23", CITY),
        ("信访复查", "鹤城区", 1, 31, "信访工作条例 35", HECHENG),
        ("信访复核", "鹤城区", 1, 31, "信访工作条例 36", HECHENG),
        ("信访办结", "洪江市", 1, 4, "信访工作条例 34", "431281"),
    ]
    assert town.ask(mediations, "2021-05-10") == []
    assert town.ask(petitions, "2021-03-01") == []


@about(wall.alerts)
def test_alerts_of_one_age_come_by_their_number_their_county_and_their_name(town: Town) -> None:
    both = ("registered 2021-03-01", "replied 2021-03-03", "review_requested 2021-03-10",
            "recheck_requested 2021-03-10")  # fmt: skip
    town.tell(
        *petition("P-1", *both, place=HONGJIANG),
        *petition("P-2", *both, place=HECHENG),
        *petition("P-3", *both[:3], place="431230"),
        *petition("P-4", *both[:3], place="431230"),
    )
    alerts = town.ask(wall.alerts()[1], "2021-04-10")
    # 查 U+67E5 is before 核 U+6838.
    assert [(row["code"], row["cases_over"], row["duty"]) for row in alerts] == [
        ("431230", 2, "信访复查"),
        (HECHENG, 1, "信访复查"),
        (HECHENG, 1, "信访复核"),
        ("431281", 1, "信访复查"),
        ("431281", 1, "信访复核"),
    ]
    assert {row["longest_days"] for row in alerts} == {1}
    assert town.ask(wall.alerts()[1], "2021-04-09 23:59:59.999") == [], "the last day is not over"


# The court clocks do not name the right article yet; `tests/law` has it.
COURTS = "最高法 2020 民事诉讼程序繁简分流试点；民诉法解释"


@about(wall.alerts)
def test_disputes_that_a_court_sent_are_overdue_after_its_days(town: Town) -> None:
    filed = "filed 2021-03-01"
    town.tell(
        *mediation("M-1", filed, "accepted 2021-03-01 mode=court_delegated"),  # by 31 March
        *mediation("M-2", filed, "accepted 2021-03-01 mode=court_ordinary"),  # by 16 March
        *mediation("M-3", filed, "accepted 2021-03-01 mode=court_summary", place=CITY),  # 8 March
        *mediation("M-4", filed, "accepted 2021-03-01 mode=applied"),
        *mediation("M-5", filed, "accepted 2021-03-01 mode=court_summary", "terminated 2021-03-20"),
    )
    mediations, petitions = wall.alerts()
    assert table(town.ask(mediations, "2021-04-01"))[1:] == [
        ("法院委派委托调解", "未定位", 1, 24, COURTS, CITY),
        ("法院委派委托调解", "鹤城区", 2, 16, COURTS, HECHENG),
    ]
    assert table(town.ask(mediations, "2021-03-31 23:59:59.999"))[2:] == [
        ("法院委派委托调解", "鹤城区", 1, 15, COURTS, HECHENG),
    ]
    assert town.ask(petitions, "2021-04-01") == []


@cuts(cases.overdue)
@about(wall.alerts)
def test_no_more_than_forty_alerts_are_shown(town: Town) -> None:
    counties = (
        "431200", "431202", "431221", "431222", "431223", "431224", "431225", "431226", "431227",
        "431228", "431229", "431230", "431271", "431281",
    )  # fmt: skip
    steps = ("registered 2021-03-01", "replied 2021-03-02", "review_requested 2021-03-03",
             "recheck_requested 2021-03-04", "transferred 2021-03-05")  # fmt: skip
    town.tell(
        *(e for c in counties for e in petition(f"P-{c}", *steps, place=c)),
        *(e for c in counties for e in petition(f"Q-{c}", steps[0], place=c)),
    )
    # 14 counties' transfers since 16 March, 14 reviews since 2 April; the rechecks, due by 3 April,
    # move to 6 April.
    alerts = town.ask(wall.alerts()[1], "2021-12-31")
    assert [(row["duty"], row["code"]) for row in alerts] == [
        (duty, county) for duty in ("信访转送", "信访复查", "信访复核") for county in counties
    ][:40]
