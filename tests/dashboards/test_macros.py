"""Macros against the plugin's own documented expansions, and against hand-made hard cases."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards._macros import Scope, expand
from schemas._errors import Refused

# 2014-11-12T11:45:26.123Z to 2015-11-12T11:45:26.456Z, the range of the plugin's own tests.
SCOPE = Scope(1415792726123, 1447328726456, interval_ms=20_000)


@pytest.mark.parametrize(
    ("macro", "text"),
    [
        ("$__timeFilter(c)", "c >= toDateTime(1415792726) AND c <= toDateTime(1447328726)"),
        (
            "$__timeFilter_ms(c)",
            "c >= fromUnixTimestamp64Milli(1415792726123)"
            " AND c <= fromUnixTimestamp64Milli(1447328726456)",
        ),
        ("$__dateFilter(d)", "d >= toDate('2014-11-12') AND d <= toDate('2015-11-12')"),
        (
            "$__dateTimeFilter(d, t)",
            "(d >= toDate('2014-11-12') AND d <= toDate('2015-11-12'))"
            " AND (t >= toDateTime(1415792726) AND t <= toDateTime(1447328726))",
        ),
        (
            "$__dt(d,t)",
            "(d >= toDate('2014-11-12') AND d <= toDate('2015-11-12'))"
            " AND (t >= toDateTime(1415792726) AND t <= toDateTime(1447328726))",
        ),
        ("$__fromTime", "toDateTime(1415792726)"),
        ("$__toTime", "toDateTime(1447328726)"),
        ("$__fromTime_ms", "fromUnixTimestamp64Milli(1415792726123)"),
        ("$__toTime_ms", "fromUnixTimestamp64Milli(1447328726456)"),
        ("$__timeInterval(c)", "toStartOfInterval(toDateTime(c), INTERVAL 20 second)"),
        (
            "$__timeInterval_ms(c)",
            "toStartOfInterval(toDateTime64(c, 3), INTERVAL 20000 millisecond)",
        ),
        ("$__interval_s", "20"),
        ("$__interval", "20s"),
        ("$__interval_ms", "20000"),
        ("$__timeFrom(c)", "c >= toDateTime(1415792726)"),
        ("$__timeTo(c)", "c <= toDateTime(1447328726)"),
        ("$__timeGroup(c, 5m)", "toStartOfInterval(toDateTime(c), INTERVAL 300 second)"),
        ("$__timeGroup(c, '1h30m')", "toStartOfInterval(toDateTime(c), INTERVAL 5400 second)"),
    ],
)
def test_each_macro_expands_as_the_plugin_does(macro: str, text: str) -> None:
    assert expand(f"SELECT {macro} FROM t", SCOPE) == f"SELECT {text} FROM t"


def test_an_argument_keeps_its_brackets_commas_and_strings() -> None:
    sql = "WHERE $__timeFilter(if(a, toDateTime('1),2'), b) )"
    column = "if(a, toDateTime('1),2'), b)"
    expected = f"WHERE {column} >= toDateTime(1415792726) AND {column} <= toDateTime(1447328726)"
    assert expand(sql, SCOPE) == expected


def test_a_macro_in_a_comment_is_blanked_and_one_in_a_string_is_not() -> None:
    sql = "SELECT 1 -- $__timeFilter()\n/* $__dt() */ + '-- $__interval_s it\\'s' -- x"
    expected = "SELECT 1 " + " " * 18 + "\n" + " " * 13 + " + '-- 20 it\\'s' " + " " * 4
    assert expand(sql, SCOPE) == expected


@pytest.mark.parametrize(
    "sql", ["$__timeFilter()", "$__timeFilter(a, b)", "$__dt(a)", "$__timeGroup(a)", "$__timeFrom"]
)
def test_a_wrong_number_of_arguments_is_told_with_the_macro(sql: str) -> None:
    with pytest.raises(Refused, match=r"macro \$__\w+\(.*\): unexpected number of arguments"):
        expand(sql, SCOPE)


def test_a_day_is_no_go_duration() -> None:
    with pytest.raises(Refused, match="invalid interval '1d'"):
        expand("$__timeGroup(c, 1d)", SCOPE)


def test_an_unknown_macro_and_a_longer_name_stay_as_they_are() -> None:
    assert expand("$__rateColumns(a) $__intervalx", SCOPE) == "$__rateColumns(a) $__intervalx"


def test_intervals_below_a_second_count_as_one_where_seconds_are_written() -> None:
    scope = Scope(0, 0, interval_ms=250)
    assert expand("$__interval_s $__interval $__interval_ms", scope) == "1 250ms 250"


@pytest.mark.parametrize(
    ("width_ms", "text"), [(60_000, "1m"), (5_400_000, "1h"), (172_800_000, "2d")]
)
def test_the_interval_is_written_in_the_largest_unit_that_fits(width_ms: int, text: str) -> None:
    assert expand("$__interval", Scope(0, 0, interval_ms=width_ms)) == text


def test_the_day_is_the_day_of_the_zone_it_is_given() -> None:
    # 2021-12-31 17:00 UTC is 2022-01-01 01:00 in Shanghai.
    at: dict[str, Any] = {"start_ms": 1640970000000, "end_ms": 1640970000000}
    assert "'2021-12-31'" in expand("$__dateFilter(d)", Scope(**at))
    assert "'2022-01-01'" in expand("$__dateFilter(d)", Scope(**at, zone="Asia/Shanghai"))
