"""What stands for a variable in a text, in every format that SQL can use.

The formats are those of https://grafana.com/docs/grafana/latest/visualizations/dashboards/
variables/variable-syntax/#advanced-variable-format-options.
"""

from __future__ import annotations

import pytest

from dashboards.server.filling import Filling, filled, filled_sql, instants, names_in
from schemas.errors import Refused

ONE = Filling("x", "X")
LONE = Filling(["x"], ["X"])
TWO = Filling(["x", "y"], ["X", "Y"])
NONE = Filling([], [])
EMPTY = Filling("", "")
OWN = Filling("a + 1", "all", declared=True, everything=True)
EVERY = Filling(["x", "y"], "全部", everything=True)
KNOWN = {
    "one": ONE, "lone": LONE, "two": TWO, "none": NONE, "empty": EMPTY, "own": OWN,
    "every": EVERY, "odd": Filling(["a'b", "c\\d"], ["a'b", "c\\d"]),
    "sign": Filling("a.b/c", "a.b/c", declared=True),
    "signs": Filling(["a.b", "c|d"], ["", ""], declared=True),
    "word": Filling("2021-06-01T09:00:00.5+08:00", "t"), "name": Filling("鹤城_1", "t"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("$one ${one} [[one]]", "x x x"),
        ("$lone $two $none.", "'x' 'x','y' ."),
        ("$empty.", "."),
        ("$own", "a + 1"),
        ("$every", "'x','y'"),
        # No variable of the board: it stays, for macros or for ClickHouse.
        ("$no ${no:csv} [[no]] $__from $1 $", "$no ${no:csv} [[no]] $__from $1 $"),
        ("$ones ${ones}", "$ones ${ones}"),
        ("${one:raw} ${two:raw}", "x x,y"),
        ("${one:csv} ${two:csv} [[two:csv]]", "x x,y x,y"),
        ("${one:pipe} ${two:pipe}", "x x|y"),
        ("${one:join} ${two:join} ${two:join:; } ${two:join::}", "x x,y x; y x:y"),
        ("${one:text} ${two:text} ${every:text}", "X X + Y 全部"),
        ("${one:glob} ${lone:glob} ${two:glob} ${none:glob}.", "x x {x,y} ."),
        ("${one:doublequote} ${two:doublequote}", '"x" "x","y"'),
        ("${one:json} ${two:json} ${name:json}", '"x" ["x", "y"] "鹤城_1"'),
        ("${one:regex} ${lone:regex} ${two:regex}", "x x (x|y)"),
        (r"${sign:regex} ${signs:regex}", r"a\.b\/c (a\.b|c\|d)"),
        ("${one:percentencode} ${two:percentencode}", "x %7Bx%2Cy%7D"),
        ("${lone:percentencode} ${none:percentencode}", "%7Bx%7D %7B%7D"),
        ("${sign:percentencode} ${odd:percentencode}", "a.b%2Fc %7Ba%27b%2Cc%5Cd%7D"),
        ("${one:sqlstring} ${two:sqlstring}", "'x' 'x','y'"),
        (r"${odd:sqlstring} ${odd:singlequote}", r"'a''b','c\\d' 'a''b','c\\d'"),
        # A field of it, as scenes write it.
        ("${one.value} ${one[0]} ${two.text:csv}", "x x x,y"),
        ("$word $name", "2021-06-01T09:00:00.5+08:00 鹤城_1"),
    ],
)  # fmt: skip
def test_a_variable_stands_in_sql_as_its_format_says(written: str, text: str) -> None:
    assert filled_sql(written, KNOWN) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [("$one", "x"), ("$two", "{x,y}"), ("${two:csv}", "x,y"), ("$lone", "x"), ("[[two]]", "{x,y}")],
)
def test_several_values_stand_in_braces_where_no_sql_is(written: str, text: str) -> None:
    assert filled(written, KNOWN) == text


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        ("", True), ("a-b", True), ("a:b", True), ("a.b@c", True), ("+1", True), ("a_1", True),
        ("a--b", False), ("--", False), ("a b", False), ("a'", False), ("a,b", False),
        ("a)", False), ("a/b", False), ("a\\", False), ("a\n", False), ("a;b", False),
    ],
)  # fmt: skip
def test_only_a_word_may_stand_in_sql_as_it_is(value: str, whole: bool) -> None:
    for known in ({"v": Filling(value, value)}, {"v": Filling(["x", value], ["x", value])}):
        if whole:
            assert value in filled_sql("${v:raw}", known)
            continue
        for written in ("$v", "${v:csv}", "${v:doublequote}", "${v:text}"):
            with pytest.raises(Refused, match="'v' is more than a word"):
                filled_sql(written, known)
        assert filled_sql("${v:percentencode}", known)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("$__conditionalAll(a IN ($two), $two)", "a IN ('x','y')"),
        ("$__conditionalAll(a = '$one', ${one})", "a = 'x'"),
        ("$__conditionalAll(f(a, (b)), $one) AND c", "f(a, (b)) AND c"),
        ("$__conditionalAll(a, $every)", "1=1"),
        ("$__conditionalAll(a, $own )", "1=1"),
        ("$__conditionalAll(a, $empty)", "1=1"),
        ("$__conditionalAll(a, $none)", "1=1"),
        ("$__conditionalAll(a, $no)", "1=1"),
        ("$__conditionalAll(a, b)", "1=1"),
        ("$__conditionalAll(a OR $__conditionalAll(b, $every), $one)", "a OR 1=1"),
        ("$__conditionalAll(a, $one) OR $__conditionalAll(b, $every)", "a OR 1=1"),
        ("x $__conditionalAll(a, $one", "x a"),
        ("f($__adHocFilters('t'), g())", "f(additional_table_filters={}, g())"),
    ],
)  # fmt: skip
def test_a_condition_holds_unless_all_is_chosen_or_nothing(sql: str, text: str) -> None:
    assert filled_sql(sql, KNOWN) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("$__from ${__to}", "1640361600007 1640966399500"),
        # 2021-12-24 16:00 and 2021-12-31 15:59:59 in UTC.
        ("${__from:date} ${__to:date:iso}", "2021-12-24T16:00:00.007Z 2021-12-31T15:59:59.500Z"),
        ("${__from:date:seconds}", "1640361600"),
    ],
)
def test_the_range_stands_in_sql_as_grafana_writes_it(written: str, text: str) -> None:
    assert filled_sql(written, instants(1640361600007, 1640966399500)) == text


def test_a_format_that_sql_cannot_use_is_refused_by_its_name() -> None:
    with pytest.raises(Refused, match="format 'html' of variable 'one' is none that SQL can use"):
        filled_sql("${one:html}", KNOWN)
    with pytest.raises(Refused, match="a time in SQL has no format 'YYYY'"):
        filled_sql("${__from:date:YYYY}", instants(0, 1))


def test_the_names_in_a_text_are_those_of_each_way_to_write_a_variable() -> None:
    text = "$a ${b} [[c]] ${d:csv} [[e:csv]] ${f.x:csv} $__g(h) $$ ${} 1$ j"
    assert names_in(text) == {"a", "b", "c", "d", "e", "f", "__g"}
