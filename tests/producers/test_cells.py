"""Times, numbers and places as clerks write them."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.datetime import to_excel

from producers.ledgers.cells import fen, moment, whole, yes
from producers.ledgers.places import Places
from schemas.reference.divisions import SHIPPED, Divisions

SHANGHAI = ZoneInfo("Asia/Shanghai")
FULL_WIDTH = {ord(char): ord(char) + 0xFEE0 for char in "0123456789:/-"}
STYLES = [
    lambda t: f"{t:%Y-%m-%d %H:%M:%S}",
    lambda t: f"{t.year}/{t.month}/{t.day} {t.hour}:{t:%M:%S}",
    lambda t: f"{t.year}年{t.month}月{t.day}日{t.hour}时{t.minute}分{t.second}秒",
    lambda t: f"{t.year}.{t.month}.{t.day} {t.hour}:{t:%M:%S}",
    lambda t: f" {t:%Y-%m-%d  %H:%M:%S}\t",
    lambda t: f"{t:%Y/%m/%d} {'上午' if t.hour < 12 else '下午'} {t:%I:%M:%S}",
    lambda t: f"{t:%Y/%m/%d %I:%M:%S %p}",
    lambda t: f"{t:%Y/%m/%d %H:%M:%S}".translate(FULL_WIDTH),
    lambda t: f"{t:%Y%m%d%H%M%S}",
    lambda t: t.isoformat(),
    lambda t: t.replace(tzinfo=SHANGHAI).isoformat(),
    lambda t: t.replace(tzinfo=SHANGHAI).astimezone(UTC).isoformat().replace("+00:00", "Z"),
    to_excel,
    lambda t: t,
]


# From 1992 on: before, the zone had daylight saving time, which repeats an hour.
@given(
    st.datetimes(datetime(1992, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001 - as ledgers write it
    st.sampled_from(STYLES),
)
def test_every_style_of_writing_a_time_is_the_same_instant(at: datetime, style: Any) -> None:
    second = at.replace(microsecond=0)
    found = moment(style(second), (), SHANGHAI)
    assert found is not None and found.at == second.replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    "cell",
    [
        *["2019/5/1", "2019-05-01", "2019年5月1日", "20190501", 20190501, 43586, "43586"],
        *["2019.5.1", date(2019, 5, 1), datetime(2019, 5, 1)],  # noqa: DTZ001 - as openpyxl gives it
    ],
)
def test_a_bare_date_is_known_as_one(cell: Any) -> None:
    found = moment(cell, (), SHANGHAI)
    assert found is not None and found.day_only
    assert found.at == datetime(2019, 5, 1, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    "cell",
    [
        *["", " ", "3/4/2019", "19-5-1", "2019", 2019, "5月1日", "2019/13/1", "2019/2/29"],
        *["2019/5/1 25:00", "2019/5/1 13:00 AM", "昨天", "2019-05-01 至 2019-05-03", True, None],
        *["1e5", "nan", 3.5, "0", "12019/5/1", "1900/1/1", "13800000001", "431202199001011234"],
    ],
)
def test_what_could_mean_two_times_or_none_means_none(cell: Any) -> None:
    assert moment(cell, (), SHANGHAI) is None


def test_an_offset_that_is_written_wins_over_the_zone() -> None:
    found = moment("2019-05-01 09:00:00+0530", (), SHANGHAI)
    india = timezone(timedelta(hours=5, minutes=30))
    assert found is not None and found.at == datetime(2019, 5, 1, 9, tzinfo=india)


def test_numbers_are_read_as_clerks_write_them() -> None:
    cells = ["3", "3人", "1,234", 3.0, "5", " 12 户次", "-2", "1.5", "三", "", True, "3-4"]
    expected = [3, 3, 1234, 3, 5, 12, -2, None, None, None, None, None]
    assert [whole(cell) for cell in cells] == expected
    money = [("1,234.50元", "元"), (0.1 + 0.2, "元"), ("3.5", "万元"), ("¥12", "元"), ("7", "分")]
    assert [fen(cell, unit) for cell, unit in money] == [123_450, 30, 3_500_000, 1_200, 7]
    assert fen("0.001", "元") is None and fen("一千", "元") is None
    assert [yes(cell) for cell in ["是", "否", "√", 0, "1", "Y", "也许"]] == [
        *[True, False, True, False, True, True],
        None,
    ]


def test_every_township_is_found_by_its_path_together_or_in_parts() -> None:
    with SHIPPED.open(encoding="utf-8-sig", newline="") as file:
        names = {row["code"]: row["name"] for row in csv.DictReader(file)}
    places = Places(Divisions.load())
    townships = [code for code in names if len(code) == 9]
    assert len(townships) == 207
    for code in townships:
        county, town = names[code[:6]], names[code]
        assert places.find([county, town]) == code
        assert places.find([f"怀化市{county}{town}"]) == code
        assert places.find([code]) == places.find([f"{code}000"]) == code


def test_villages_are_found_unless_their_township_has_two_of_the_name() -> None:
    with SHIPPED.open(encoding="utf-8-sig", newline="") as file:
        names = {row["code"]: row["name"] for row in csv.DictReader(file)}
    places = Places(Divisions.load())
    villages = [code for code in names if len(code) == 12]
    twins = Counter((code[:9], names[code]) for code in villages)
    for code in villages:
        found = places.find([names[code[:6]], names[code[:9]], names[code]])
        assert found == (code if twins[code[:9], names[code]] == 1 else None)


@pytest.mark.parametrize("parts", [["长沙县"], ["中方县", "城中街道"], ["999999"], [""], ["鹤"]])
def test_places_that_are_not_there_are_none(parts: list[str]) -> None:
    assert Places(Divisions.load()).find(parts) is None
