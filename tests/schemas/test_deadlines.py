"""Due days counted on a paper calendar, each with its sum; clocks are in `tests/law`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clocks import Clock, Term
from schemas.errors import Misconfigured
from schemas.reference.calendars import Calendar

ZONE = ZoneInfo("Asia/Shanghai")
CALENDAR = Calendar.load("Asia/Shanghai")
WITHIN = st.dates(date(2019, 1, 2), date(2025, 10, 1))


def midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("start", "days", "last_day"),
    [
        # 15 days, the day itself not counted: 1 + 15 = Tuesday 16 March
        ("2021-03-01", 15, "2021-03-16"),
        # 28 Jan + 15: 3 left in January, 12 February is 春节 (11 to 17 off) -> 18 February
        ("2021-01-28", 15, "2021-02-18"),
        # 16 Sept + 15: 14 left in September, 1 October is 国庆 (1 to 7 off) -> Friday 8 October
        ("2021-09-16", 15, "2021-10-08"),
        # 5 March + 15 = Saturday 20 March -> Monday 22 March
        ("2021-03-05", 15, "2021-03-22"),
        # 23 April + 15: 7 left in April, Saturday 8 May is worked instead of the holiday
        ("2021-04-23", 15, "2021-05-08"),
        # 24 April + 15: Sunday 9 May -> Monday 10 May
        ("2021-04-24", 15, "2021-05-10"),
        # 30 days: 1 June + 30 = Thursday 1 July
        ("2021-06-01", 30, "2021-07-01"),
        # 1 Sept + 30: 29 left in September, 1 October is off to 7 October -> 8 October
        ("2021-09-01", 30, "2021-10-08"),
        # 60 days: 1 March + 60: 30 left in March, 30 April -> Friday 30 April
        ("2021-03-01", 60, "2021-04-30"),
        # 2 March + 60 = Saturday 1 May, 劳动节 to 5 May -> Thursday 6 May
        ("2021-03-02", 60, "2021-05-06"),
        # 13 Dec 2020 + 60: 18 left in December, 31 January, 11 February is off to 17 -> 18 February
        ("2020-12-13", 60, "2021-02-18"),
        # leap day: 15 Feb 2024 + 15: 14 left in February, Friday 1 March
        ("2024-02-15", 15, "2024-03-01"),
        # 90 days, the longest a petition may take: 10 March + 90: 21 + 30 + 31 = 82, Tuesday 8 June
        ("2021-03-10", 90, "2021-06-08"),
    ],
)
def test_a_deadline_in_natural_days_ends_on_the_day_worked_out_by_hand(
    start: str, days: int, last_day: str
) -> None:
    begun = midnight(start) + timedelta(hours=15, minutes=30)
    due = CALENDAR.due(begun, days, "natural")
    assert due == midnight(last_day) + timedelta(days=1)
    assert due.tzinfo == ZONE


@pytest.mark.parametrize(
    ("start", "days", "last_day"),
    [
        # Monday + 5: Tuesday, Wednesday, Thursday, Friday, Monday
        ("2021-03-01", 5, "2021-03-08"),
        # Tuesday 9 February + 5: 10 Feb, then 春节 11-17, 18, 19, Saturday 20 is worked, 22
        ("2021-02-09", 5, "2021-02-22"),
        # Wednesday 29 Sept + 5: 30 Sept, 国庆 1-7 Oct, 8 Oct, Saturday 9 is worked, 11, 12
        ("2021-09-29", 5, "2021-10-12"),
        # a start on a rest day: Saturday 6 March + 1 = Monday 8 March
        ("2021-03-06", 1, "2021-03-08"),
    ],
)
def test_a_deadline_in_working_days_skips_rest_days_and_counts_days_worked_instead(
    start: str, days: int, last_day: str
) -> None:
    due = CALENDAR.due(midnight(start), days, "working")
    assert due == midnight(last_day) + timedelta(days=1)


def test_the_day_of_the_start_is_the_citys_whatever_zone_the_event_was_told_in() -> None:
    # 2021-03-01T16:30Z is 2 March 00:30 in the city: 2 + 15 = Wednesday 17 March
    begun = datetime(2021, 3, 1, 16, 30, tzinfo=UTC)
    assert CALENDAR.due(begun, 15, "natural") == midnight("2021-03-18")


def test_past_the_calendars_last_year_only_weekends_and_fixed_holidays_are_known() -> None:
    last = CALENDAR.last_year
    assert last >= 2026
    for month, day in ((1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)):
        assert CALENDAR.rests(date(last + 1, month, day))
    assert not CALENDAR.rests(date(2031, 10, 7))  # a Tuesday
    # 16 Sept 2031 + 15 = Wednesday 1 October, off to Friday 3, then a weekend -> Monday 6
    assert CALENDAR.due(midnight("2031-09-16"), 15, "natural") == midnight("2031-10-07")


def test_the_shipped_calendar_is_the_state_councils_for_all_its_years() -> None:
    day, wrong = date(2019, 1, 1), []
    while day <= date(CALENDAR.last_year, 12, 31):
        if CALENDAR.rests(day) is not chinese_calendar.is_holiday(day):
            wrong.append(day)
        day += timedelta(days=1)
    assert wrong == []


@given(WITHIN, st.integers(1, 120), st.sampled_from(["natural", "working"]))
def test_the_last_day_is_never_a_rest_day(start: date, days: int, unit: str) -> None:
    due = CALENDAR.due(midnight(start.isoformat()), days, unit)
    assert not chinese_calendar.is_holiday(due.date() - timedelta(days=1))


@given(WITHIN, st.integers(0, 40), st.integers(1, 90), st.sampled_from(["natural", "working"]))
def test_who_starts_later_is_never_due_earlier(
    start: date, later: int, days: int, unit: str
) -> None:
    first = CALENDAR.due(midnight(start.isoformat()), days, unit)
    second = CALENDAR.due(midnight((start + timedelta(days=later)).isoformat()), days, unit)
    assert first <= second
    assert first <= CALENDAR.due(midnight(start.isoformat()), days + 1, unit)


def test_a_clock_in_working_days_counts_them() -> None:
    clock = Clock("object", "异议", "a.b", (Term(5, "条例 23", "working"),), ends=())
    # Tuesday 9 February 2021 + 5 working days over 春节: Monday 22 February, see above
    due = clock.due("a.b", midnight("2021-02-09"), {}, CALENDAR)
    assert due == midnight("2021-02-23")


@pytest.mark.parametrize(
    "text",
    [
        "date,kind\n2021-13-01,off\n",
        "date,kind\n2021-01-01,holiday\n",
        "day,kind\n2021-01-01,off\n",
        "date,kind\n2021-01-01\n",
    ],
)
def test_a_broken_calendar_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "calendar.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured, match="It needs the columns date,kind,name"):
        Calendar.load("Asia/Shanghai", path)


def test_a_missing_calendar_and_a_zone_that_does_not_exist_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no-such"):
        Calendar.load("Asia/Shanghai", tmp_path / "no-such.csv")
    with pytest.raises(Misconfigured, match="Mars/Olympus"):
        Calendar.load("Mars/Olympus")
