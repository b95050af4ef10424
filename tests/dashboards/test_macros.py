"""Macros against the plugin's documented expansions and against hand-made hard cases."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.server.macros import Scope, expand
from schemas.errors import Refused

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


def test_a_comma_after_the_brackets_of_an_argument_ends_it() -> None:
    day, second = "2014-11-12", "toDateTime(1415792726)"
    scope = Scope(SCOPE.start_ms, SCOPE.start_ms)
    assert expand("$__dt(f(a, (b)), g(c))", scope) == (
        f"(f(a, (b)) >= toDate('{day}') AND f(a, (b)) <= toDate('{day}'))"
        f" AND (g(c) >= {second} AND g(c) <= {second})"
    )


def test_an_argument_keeps_its_brackets_commas_and_strings() -> None:
    sql = "WHERE $__timeFilter(if(a, toDateTime('1),2'), b) )"
    column = "if(a, toDateTime('1),2'), b)"
    expected = f"WHERE {column} >= toDateTime(1415792726) AND {column} <= toDateTime(1447328726)"
    assert expand(sql, SCOPE) == expected


def test_a_macro_in_a_comment_is_blanked_and_one_in_a_string_is_not() -> None:
    sql = "SELECT 1 -- $__timeFilter()\n/* $__dt() */ + '-- $__interval_s it\\'s' -- x"
    expected = "SELECT 1 " + " " * 18 + "\n" + " " * 13 + " + '-- 20 it\\'s' " + " " * 4
    assert expand(sql, SCOPE) == expected


def test_an_unknown_macro_and_a_longer_name_stay_as_they_are() -> None:
    assert expand("$__rateColumns(a) $__intervalx", SCOPE) == "$__rateColumns(a) $__intervalx"


def test_the_day_is_the_day_of_the_zone_it_is_given() -> None:
    # 2021-12-31 17:00 UTC is 2022-01-01 01:00 in Shanghai.
    at: dict[str, Any] = {"start_ms": 1640970000000, "end_ms": 1640970000000}
    assert "'2021-12-31'" in expand("$__dateFilter(d)", Scope(**at))
    assert "'2022-01-01'" in expand("$__dateFilter(d)", Scope(**at, zone="Asia/Shanghai"))


@pytest.mark.parametrize(
    ("width_ms", "texts"),
    [
        # `$__interval_s`, `$__interval` and `$__interval_ms`; the minimum of the first is 1 second.
        (-1, "1 1ms -1"),
        (0, "1 1ms 0"),
        (1, "1 1ms 1"),
        (999, "1 999ms 999"),
        (1000, "1 1s 1000"),
        (1999, "1 1s 1999"),
        (2000, "2 2s 2000"),
        (59_999, "59 59s 59999"),
        (60_000, "60 1m 60000"),
        (3_599_999, "3599 59m 3599999"),
        (3_600_000, "3600 1h 3600000"),
        (86_399_999, "86399 23h 86399999"),
        (86_400_000, "86400 1d 86400000"),
        (31_535_999_999, "31535999 364d 31535999999"),
        (31_536_000_000, "31536000 1y 31536000000"),
        (63_071_999_999, "63071999 1y 63071999999"),
    ],
)
def test_an_interval_is_written_in_the_largest_unit_that_fits(width_ms: int, texts: str) -> None:
    scope = Scope(0, 0, interval_ms=width_ms)
    assert expand("$__interval_s $__interval $__interval_ms", scope) == texts


def test_a_point_is_a_second_wide_unless_the_panel_says_how_wide() -> None:
    assert expand("$__interval_ms", Scope(0, 0)) == "1000"


@pytest.mark.parametrize(
    ("width_ms", "seconds", "millis"),
    [(-5, 1, 1), (0, 1, 1), (1, 1, 1), (999, 1, 999), (1999, 1, 1999), (2000, 2, 2000)],
)
def test_a_point_is_a_second_or_a_millisecond_wide_at_the_least(
    width_ms: int, seconds: int, millis: int
) -> None:
    scope = Scope(0, 0, interval_ms=width_ms)
    assert expand("$__timeInterval(c)", scope) == (
        f"toStartOfInterval(toDateTime(c), INTERVAL {seconds} second)"
    )
    assert expand("$__timeInterval_ms(c)", scope) == (
        f"toStartOfInterval(toDateTime64(c, 3), INTERVAL {millis} millisecond)"
    )


@pytest.mark.parametrize(
    ("width", "seconds"),
    [
        ("0s", 1), ("999ms", 1), ("1s", 1), ("1999ms", 1), ("1.5s", 1), ("2s", 2), ("2000ms", 2),
        (".5m", 30), ("1.m", 60), ("1m", 60), ("1h", 3600), ("24h", 86_400), ("1h30m15s", 5415),
        ("3000000us", 3), ("3000000µs", 3), ("4000000000ns", 4), ('"10m"', 600),
    ],
)  # fmt: skip
def test_a_group_is_as_wide_as_go_reads_it_and_a_second_at_the_least(
    width: str, seconds: int
) -> None:
    text = f"toStartOfInterval(toDateTime(c), INTERVAL {seconds} second)"
    assert expand(f"$__timeGroup(c, {width})", SCOPE) == text


@pytest.mark.parametrize("width", ["1d", "1", "m", "1h-", "x1h", "1h 2m", "1w", "1hh", "1..5m"])
def test_what_go_does_not_read_is_no_duration(width: str) -> None:
    with pytest.raises(Refused) as refused:
        expand(f"$__timeGroup(c, {width})", SCOPE)
    assert refused.value.what == f"macro $__timeGroup(c, {width}): invalid interval '{width}'"
    assert refused.value.do == "Write it like 30s, 5m or 24h; no days."


@pytest.mark.parametrize(
    ("end_ms", "second"),
    [
        (1_640_966_399_999, 1_640_966_399),
        (1_640_966_400_000, 1_640_966_400),
        (1_640_966_400_999, 1_640_966_400),
    ],
)
def test_a_second_is_that_in_which_the_millisecond_lies(end_ms: int, second: int) -> None:
    scope = Scope(end_ms, end_ms)
    texts = [expand(macro, scope) for macro in ("$__fromTime", "$__toTime")]
    assert texts == [f"toDateTime({second})"] * 2
    texts = [expand(macro, scope) for macro in ("$__fromTime_ms", "$__toTime_ms")]
    assert texts == [f"fromUnixTimestamp64Milli({end_ms})"] * 2


@pytest.mark.parametrize(
    ("end_ms", "utc", "city"),
    [
        # Both sides of Shanghai's midnight, 16:00 UTC, and of UTC's midnight.
        (1_640_966_399_999, "2021-12-31", "2021-12-31"),
        (1_640_966_400_000, "2021-12-31", "2022-01-01"),
        (1_640_995_199_999, "2021-12-31", "2022-01-01"),
        (1_640_995_200_000, "2022-01-01", "2022-01-01"),
    ],
)
def test_a_day_begins_at_midnight_of_the_zone(end_ms: int, utc: str, city: str) -> None:
    for zone, day in (("UTC", utc), ("Asia/Shanghai", city)):
        scope = Scope(1_640_880_000_000, end_ms, zone=zone)  # 31 December 00:00 in Shanghai
        first = "2021-12-30" if zone == "UTC" else "2021-12-31"
        assert expand("$__dateFilter(d)", scope) == (
            f"d >= toDate('{first}') AND d <= toDate('{day}')"
        )


def test_a_table_and_a_column_are_named_or_the_query_is_refused() -> None:
    scope = Scope(0, 0, table="t", column="c")
    assert expand("SELECT $__column FROM $__table", scope) == "SELECT c FROM t"
    for name, do in (("table", "Write the table"), ("column", "Write the column")):
        with pytest.raises(Refused) as refused:
            expand(f"$__{name}", Scope(0, 0))
        assert refused.value.what == f"macro $__{name}(): the query names no {name}"
        assert refused.value.do.startswith(do)


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("$__timeFilter()", "$__timeFilter(): {} expected 1 argument, received 0"),
        ("$__timeFilter( )", "$__timeFilter(): {} expected 1 argument, received 0"),
        ("$__timeFilter_ms(a,b)", "$__timeFilter_ms(a, b): {} expected 1 argument, received 2"),
        ("$__timeFilter(a,)", "$__timeFilter(a, ): {} expected 1 argument, received 2"),
        ("$__dateFilter", "$__dateFilter(): {} expected 1 argument, received 0"),
        ("$__dateTimeFilter(a)", "$__dateTimeFilter(a): {} expected 2 arguments, received 1"),
        ("$__dt(a, b, c)", "$__dt(a, b, c): {} expected 2 arguments, received 3"),
        ("$__timeInterval()", "$__timeInterval(): {} expected 1 argument, received 0"),
        ("$__timeInterval_ms", "$__timeInterval_ms(): {} expected 1 argument, received 0"),
        ("$__timeFrom(a, b)", "$__timeFrom(a, b): {} expected 1 argument, received 2"),
        ("$__timeTo()", "$__timeTo(): {} expected 1 argument, received 0"),
        ("$__timeGroup(a)", "$__timeGroup(a): {} expected 2 arguments, received 1"),
    ],
)
def test_a_wrong_number_of_arguments_is_told_with_the_macro(sql: str, what: str) -> None:
    with pytest.raises(Refused) as refused:
        expand(sql, SCOPE)
    assert refused.value.what == "macro " + what.format("unexpected number of arguments:")
    assert refused.value.do == "Correct the panel's SQL."


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        # Without a macro: unchanged, comments included.
        ("SELECT 1 -- $1", "SELECT 1 -- $1"),
        # A longer name is another name; digits and letters belong to a name, operators do not.
        ("$__toTime2 $__toTimeX $__toTime_x", "$__toTime2 $__toTimeX $__toTime_x"),
        ("$__interval_s+$__interval_s", "20+20"),
        ("$__toTime-$__toTime", "toDateTime(1447328726)-toDateTime(1447328726)"),
        # Nested brackets, no brackets, an unclosed bracket, a bracket in a string.
        ("f($__interval_s())", "f(20)"),
        ("f($__interval_s)", "f(20)"),
        ("$__interval_s (1)", "20 (1)"),
        ("$__interval_s(1", "20(1"),
        ("$__timeFrom(f(g(a), 1))", "f(g(a), 1) >= toDateTime(1415792726)"),
        ("$__timeFrom(f(')', a))+1", "f(')', a) >= toDateTime(1415792726)+1"),
        ("$__timeFrom(f('it\\'s)', \"),\"))", "f('it\\'s)', \"),\") >= toDateTime(1415792726)"),
        ("$__timeFrom(f('it''s)', a))", "f('it''s)', a) >= toDateTime(1415792726)"),
        # Nothing expands in comments; no comment starts in a literal or a quoted name.
        ("$__interval_s -- $__interval_s\n$__interval_s", "20 " + " " * 16 + "\n20"),
        ("$__interval_s /* $__dt\n $__dt */ 1", "20 " + " " * 18 + " 1"),
        ("$__interval_s /* a */ 1 /* b */", "20 " + " " * 7 + " 1 " + " " * 7),
        ("$__interval_s '--' \"--\" `--` 1", "20 '--' \"--\" `--` 1"),
        ("$__interval_s '/*' 1 '*/'", "20 '/*' 1 '*/'"),
        ("$__interval_s 'a''--' 1", "20 'a''--' 1"),
        ("$__interval_s `a\\`--` 1", "20 `a\\`--` 1"),
        ("$__interval_s \"a\\\"--\" 1", "20 \"a\\\"--\" 1"),
        ("-- a\n$__interval_s", "    \n20"),
        ("$__interval_s --\n1", "20   \n1"),
        ("$__interval_s /**/ 1 /**/", "20 " + " " * 4 + " 1 " + " " * 4),
        ("$__interval_s '' '--' 1", "20 '' '--' 1"),
        ('$__interval_s "" "--" 1', '20 "" "--" 1'),
        ("$__interval_s `` `--` 1", "20 `` `--` 1"),
        ("$__interval_s 'a\\'b--c\\'d' 1", "20 'a\\'b--c\\'d' 1"),
        ('$__interval_s "a\\"b--c\\"d" 1', '20 "a\\"b--c\\"d" 1'),
        ("$__interval_s `a\\`b--c\\`d` 1", "20 `a\\`b--c\\`d` 1"),
        # The same within an argument, where a bracket or a comma could end it.
        ("$__timeFrom('a\\'b),c\\'d')", "'a\\'b),c\\'d' >= toDateTime(1415792726)"),
        ('$__timeFrom("a\\"b),c\\"d")', '"a\\"b),c\\"d" >= toDateTime(1415792726)'),
        ("$__timeFrom('' || ')')", "'' || ')' >= toDateTime(1415792726)"),
        ('$__timeFrom(f("", ")"))', 'f("", ")") >= toDateTime(1415792726)'),
        ("$__timeFrom('a\n),b')", "'a\n),b' >= toDateTime(1415792726)"),
        ("$__timeFrom((a, b))", "(a, b) >= toDateTime(1415792726)"),
        ("$__timeFrom(f(a) + g(b, (c), d))", "f(a) + g(b, (c), d) >= toDateTime(1415792726)"),
        ("$__timeFrom(f('a\\\n),b'))", "f('a\\\n),b') >= toDateTime(1415792726)"),
        ("$__interval_s('a'", "20('a'"),
    ],
)  # fmt: skip
def test_the_text_around_a_macro_stays_and_comments_are_blanked(sql: str, text: str) -> None:
    assert expand(sql, SCOPE) == text


TO = "toDateTime(1447328726)"


@pytest.mark.parametrize(
    "rest", ["'" + "\\'" * 200_000, "/* " * 200_000], ids=["open text", "open comment"]
)
def test_what_is_never_closed_is_looked_for_once_and_stays(rest: str) -> None:
    # Looked for again from each place, each of these would take minutes.
    assert expand(f"$__toTime {rest}", SCOPE) == f"{TO} {rest}"


def test_brackets_that_are_never_closed_are_looked_for_once() -> None:
    assert expand("$__toTime('" * 20_000, SCOPE) == f"{TO}('" * 20_000
    assert expand("($__toTime" * 20_000, SCOPE) == f"({TO}" * 20_000
    with pytest.raises(Refused, match="expected 1 argument, received 0"):
        expand("$__timeFilter(" * 20_000, SCOPE)
