"""Both sides of every limit of cell values: days, times, serials, numbers, money."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from producers.ledgers.cells import fen, moment, units, whole, yes

SHANGHAI = ZoneInfo("Asia/Shanghai")


def read(cell: Any, *formats: str) -> str | None:
    """The instant of a cell in Shanghai, marked if it is only a day."""
    found = moment(cell, formats, SHANGHAI)
    if found is None:
        return None
    assert found.at.tzinfo is not None
    text = found.at.replace(tzinfo=None).isoformat(" ")
    return text + (" day" if found.day_only else "")


@pytest.mark.parametrize(
    ("cell", "means"),
    [
        # Years 1949 to 2099.
        ("1948-12-31", None),
        ("1949-01-01", "1949-01-01 00:00:00 day"),
        ("2099-12-31 23:59:59", "2099-12-31 23:59:59"),
        ("2100-01-01", None),
        (date(1948, 12, 31), None),
        (date(2099, 12, 31), "2099-12-31 00:00:00 day"),
        # Months, days of months, leap years.
        ("2021-01-01", "2021-01-01 00:00:00 day"),
        ("2021-00-01", None),
        ("2021-01-00", None),
        ("2021-12-31", "2021-12-31 00:00:00 day"),
        ("2021-13-01", None),
        ("2021-04-30", "2021-04-30 00:00:00 day"),
        ("2021-04-31", None),
        ("2020-02-29", "2020-02-29 00:00:00 day"),
        ("2021-02-29", None),
        ("2000-02-29", "2000-02-29 00:00:00 day"),
        # Digits: one or two for month and day, four for the year.
        ("2021-1-1", "2021-01-01 00:00:00 day"),
        ("2021-001-01", None),
        ("2021-01-001", None),
        ("221-01-01", None),
        ("20210-01-01", None),
        # Separators, blanks around them, and a final 日.
        ("2021-3-4", "2021-03-04 00:00:00 day"),
        ("2021/3/4", "2021-03-04 00:00:00 day"),
        ("2021.3.4", "2021-03-04 00:00:00 day"),
        ("2021年3月4日", "2021-03-04 00:00:00 day"),
        ("2021年3月4", "2021-03-04 00:00:00 day"),
        ("2021 年 3 月 4 日", "2021-03-04 00:00:00 day"),
        ("2021_3_4", None),
        ("2021 3 4", None),
        ("2021-3-4日", "2021-03-04 00:00:00 day"),
        ("2021-3-4号", None),
    ],
)
def test_a_day_is_read_within_its_limits(cell: Any, means: str | None) -> None:
    assert read(cell) == means


@pytest.mark.parametrize(
    ("clock", "means"),
    [
        ("0:00", "00:00:00"),
        ("00:00:00", "00:00:00"),
        ("23:59", "23:59:00"),
        ("23:59:59", "23:59:59"),
        ("24:00", None),
        ("23:60", None),
        ("23:59:60", None),
        ("9:5", "09:05:00"),
        ("9:5:7", "09:05:07"),
        ("9:005", None),
        ("009:05", None),
        ("9:05:007", None),
        ("9时", "09:00:00"),
        ("9点", "09:00:00"),
        ("9时5分", "09:05:00"),
        ("9点5分7秒", "09:05:07"),
        ("9 : 5 : 7", "09:05:07"),
        ("9:", "09:00:00"),
        ("9", None),
        # Fractions of a second, down to microseconds.
        ("9:05:07.5", "09:05:07.500000"),
        ("9:05:07,25", "09:05:07.250000"),
        ("9:05:07.000001", "09:05:07.000001"),
        ("9:05:07.0000001", None),
        ("9:05.5", None),
        # Half days: 1 to 12; twelve is the first hour of its half.
        ("上午 12:00", "00:00:00"),
        ("上午 1:00", "01:00:00"),
        ("上午 11:59", "11:59:00"),
        ("下午 12:00", "12:00:00"),
        ("下午 1:00", "13:00:00"),
        ("下午 11:59", "23:59:00"),
        ("上午 0:30", None),
        ("下午 0:30", None),
        ("下午 13:00", None),
        ("下午 3时", "15:00:00"),
        ("AM 9:05", "09:05:00"),
        ("PM 9:05", "21:05:00"),
        ("am 9:05", "09:05:00"),
        ("pm 9:05", "21:05:00"),
        ("9:05 AM", "09:05:00"),
        ("9:05 PM", "21:05:00"),
        ("9:05pm", "21:05:00"),
        ("12:05 am", "00:05:00"),
        ("12:05 pm", "12:05:00"),
        ("晚上 8:00", None),
        ("下午", None),
    ],
)
def test_a_clock_is_read_within_its_limits(clock: str, means: str | None) -> None:
    assert read(f"2021-03-04 {clock}") == (means and f"2021-03-04 {means}")


@pytest.mark.parametrize("between", ["", " ", "T", "  ", " T"])
def test_day_and_clock_may_be_parted_by_a_blank_or_a_t_or_nothing(between: str) -> None:
    written = f"2021年3月4日{between}9:05"
    assert read(written) == "2021-03-04 09:05:00"


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("Z", 0), ("+00:00", 0), ("+08:00", 8), ("+0800", 8), ("-05:00", -5), ("+05:30", 5.5)],
)
def test_an_offset_that_is_written_is_kept(zone: str, hours: float) -> None:
    found = moment(f"2021-03-04 09:05{zone}", (), SHANGHAI)
    assert found is not None and found.at.utcoffset() == timedelta(hours=hours)
    assert (found.at.hour, found.day_only) == (9, False)


@pytest.mark.parametrize(
    "cell",
    [
        "2021-03-04Z",
        "2021-03-04+08:00",
        "2021-02-30 09:05+08:00",
        "2021-03-04 09:05+24:00",
        "2021-03-04 09:05+08:60",
        "2021-03-04 09:05+8",
        "2021-03-04 09:05 CST",
        "2021-03-04 09:05+08:00Z",
    ],
)
def test_an_offset_without_a_clock_or_that_is_none_means_no_time(cell: str) -> None:
    assert read(cell) is None


@pytest.mark.parametrize(
    ("cell", "means"),
    [
        ("20210304", "2021-03-04 00:00:00 day"),
        ("202103040905", "2021-03-04 09:05:00"),
        ("20210304090507", "2021-03-04 09:05:07"),
        (20210304, "2021-03-04 00:00:00 day"),
        (20210304.0, "2021-03-04 00:00:00 day"),
        ("2021030409", None),
        ("2021030409050", None),
        ("202103040905070", None),
        ("20210230", None),
        ("20211304", None),
        ("19481231", None),
        ("21000101", None),
        ("202103042405", None),
        ("202103040960", None),
    ],
)
def test_digits_written_together_are_read_where_they_are_a_time(
    cell: Any, means: str | None
) -> None:
    assert read(cell) == means


@pytest.mark.parametrize(
    ("cell", "means"),
    [
        # Excel's day 20,000 is 1954-10-03: 36,526 is 2000-01-01, 16,526 days later.
        (19_999, None),
        (20_000, "1954-10-03 00:00:00 day"),
        ("19999.99999", None),
        (36_525, "1999-12-31 00:00:00 day"),
        (36_526, "2000-01-01 00:00:00 day"),
        # 36,526 + 36,525 days of a century that begins with a leap year.
        (73_050, "2099-12-31 00:00:00 day"),
        ("73050.99998", "2099-12-31 23:59:58"),
        (73_051, None),
        (79_999, None),
        (80_000, None),
        # Halves and fractions of a day, to the second.
        (44_259.5, "2021-03-04 12:00:00"),
        (44_259.25, "2021-03-04 06:00:00"),
        ("44259.0", "2021-03-04 00:00:00 day"),
        # A second is 0.0000115740…; half a second rounds to the next or the previous one.
        ("44259.00001157", "2021-03-04 00:00:01"),
        ("44259.000005", "2021-03-04 00:00:00"),
        ("44259.000006", "2021-03-04 00:00:01"),
        ("44259.999999", "2021-03-05 00:00:00"),
        ("4e4", None),
        ("44_259", None),
        ("044259", None),
        ("+44259", None),
        ("-44259", None),
        ("44259.", None),
        ("1e999999999", None),
        ("Infinity", None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_a_serial_of_excel_is_a_day_within_its_limits(cell: Any, means: str | None) -> None:
    assert read(cell) == means


@pytest.mark.parametrize(
    ("cell", "means"),
    [
        (datetime(2021, 3, 4), "2021-03-04 00:00:00 day"),  # noqa: DTZ001 - as openpyxl gives it
        (datetime(2021, 3, 4, 0, 0, 1), "2021-03-04 00:00:01"),  # noqa: DTZ001
        (datetime(2021, 3, 4, 0, 0, 0, 1), "2021-03-04 00:00:00.000001"),  # noqa: DTZ001
        (datetime(2021, 3, 4, 0, 0, tzinfo=UTC), "2021-03-04 00:00:00"),
        (datetime(1948, 12, 31, 23, 59), None),  # noqa: DTZ001
        (datetime(2100, 1, 1), None),  # noqa: DTZ001
        ("2021-03-04 00:00:00", "2021-03-04 00:00:00"),
        (False, None),
        (True, None),
        (None, None),
        ("", None),
    ],
)
def test_a_cell_that_holds_a_date_is_a_day_at_midnight_only(cell: Any, means: str | None) -> None:
    assert read(cell) == means


def test_an_instant_with_a_zone_keeps_it_and_one_without_gets_the_ledgers() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    own = moment(datetime(2021, 3, 4, 9, tzinfo=india), (), SHANGHAI)
    assert own is not None and own.at.tzinfo is india
    given = moment("2021-03-04 09:00", (), india)
    assert given is not None and given.at.utcoffset() == timedelta(hours=5, minutes=30)


@pytest.mark.parametrize(
    ("form", "cell", "means"),
    [
        ("%d.%m.%Y", "4.3.2021", "2021-03-04 00:00:00 day"),
        ("%d.%m.%Y %H", "4.3.2021 9", "2021-03-04 09:00:00"),
        ("%d.%m.%Y %I%p", "4.3.2021 9PM", "2021-03-04 21:00:00"),
        # A given format comes before the built-in ones.
        ("%Y-%d-%m", "2021-03-04", "2021-04-03 00:00:00 day"),
        # Cells that do not fit it are read as usual.
        ("%d.%m.%Y", "2021-03-04", "2021-03-04 00:00:00 day"),
    ],
)
def test_a_format_of_the_mapping_comes_first(form: str, cell: str, means: str) -> None:
    assert read(cell, form) == means
    assert read(cell, "%Q不", form) == means, "a format that fits nothing is passed over"


@pytest.mark.parametrize(
    ("cell", "means"),
    [
        *[("0", 0), ("007", 7), ("+3", 3), ("-3", -3), ("1,234,567", 1_234_567), ("3.0", 3)],
        *[("3.00", 3), (".0", 0), ("3.5", None), (3.5, None), (3.0, 3), (-2, -2), ("３", 3)],
        *[("3 人", 3), ("3  人", 3), ("人", None), ("3人人", None), ("3 - 4", None), ("--3", None)],
        *[("1.2.3", None), (",", None), ("3.", None), ("", None), (None, None), (True, None)],
        *[("1e3", None), ("三", None), ("约3", None), ("3+", None), (False, None)],
    ],
)
def test_a_whole_number_is_one_or_nothing(cell: Any, means: int | None) -> None:
    assert whole(cell) == means


@pytest.mark.parametrize(
    "word", ["人次", "户次", "人", "次", "户", "件", "个", "天", "日", "分钟", "元"]
)
def test_a_counting_word_behind_a_number_is_passed_over(word: str) -> None:
    assert whole(f"12{word}") == whole(f"12 {word}") == 12
    assert whole(f"12{word}半") is None and whole(f"{word}12") is None


@pytest.mark.parametrize(
    ("cell", "unit", "means"),
    [
        *[("1", "分", 1), ("1", "fen", 1), ("1", "元", 100), ("1", "yuan", 100)],
        *[("1", "万元", 1_000_000), ("0.01", "元", 1), ("0.000001", "万元", 1)],
        *[("0.001", "元", None), ("0.0000001", "万元", None), ("0.5", "分", None)],
        *[("1.005", "元", None), ("-12.50", "元", -1_250), ("0", "元", 0), (12.5, "元", 1_250)],
        # The mapping's unit after the number, and the currency sign before it.
        *[("3分", "分", 3), ("3元", "元", 300), ("3万元", "万元", 3_000_000), ("3fen", "fen", 3)],
        *[("¥3", "元", 300), ("￥3", "元", 300), ("¥¥3", "元", 300), ("$3", "元", None)],
        *[("3万元", "元", None), ("3 元", "元", 300), ("", "元", None), ("元", "元", None)],
        # A binary float may differ from the amount by a millionth of a fen.
        *[("0.0000000099", "元", 0), ("0.00000001", "元", None), ("-0.0000000099", "元", 0)],
        *[("1.0000000099", "元", 100), ("0.9999999901", "元", 100), ("0.99999999", "元", None)],
        *[(0.1 + 0.2, "元", 30), (1.1 * 3, "元", 330), (4.35, "元", 435)],
        # The maximum number of digits in a cell.
        *[("9" * 18, "元", int("9" * 18) * 100), ("9" * 30, "元", None), ("9" * 300, "元", None)],
        *[("1" + "0" * 20, "分", 10**20), ("1" + "0" * 19 + "1", "分", None)],
        *[("-1" + "0" * 20, "分", -(10**20)), ("-" + "9" * 30, "元", None)],
    ],
)
def test_money_is_whole_fen_or_nothing(cell: Any, unit: str, means: int | None) -> None:
    assert fen(cell, unit) == means


def test_the_units_of_money_are_these() -> None:
    assert units() == ("分", "fen", "元", "yuan", "万元")
    assert [fen("2", unit) for unit in units()] == [2, 2, 200, 200, 2_000_000]


YES = [
    "是",
    "有",
    "对",
    "√",
    "✓",
    "y",
    "Y",
    "yes",
    "Yes",
    "true",
    "TRUE",
    "1",
    1,
    1.0,
    "重件",
    True,
]
NO = [
    "否",
    "无",
    "没有",
    "不是",
    "×",
    "x",
    "X",
    "n",
    "no",
    "No",
    "false",
    "0",
    0,
    0.0,
    "初件",
    False,
]


def test_yes_and_no_are_the_words_for_it_and_nothing_else() -> None:
    assert {cell: yes(cell) for cell in YES} == dict.fromkeys(YES, True)
    assert {cell: yes(cell) for cell in NO} == dict.fromkeys(NO, False)
    assert [yes(cell) for cell in (True, 1, 1.0, False, 0, 0.0)] == [*[True] * 3, *[False] * 3]
    neither = ["", None, "2", 2, -1, "是否", "不", "也许", "01", "on"]
    assert [yes(cell) for cell in neither] == [None] * len(neither)
