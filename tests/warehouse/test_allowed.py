"""The lists of the gate against the engine: each name exists, and none is two things."""

from __future__ import annotations

import re

import pytest

from infra.warehouse import _allowed
from infra.warehouse._fault import Fault
from infra.warehouse._texts import is_type
from infra.warehouse.engine import Engine


def listed(engine: Engine, sql: str) -> set[str]:
    return {name for (name,) in engine.ask(sql)}


def test_every_listed_function_is_one_of_the_engine(engine: Engine) -> None:
    scalars = listed(engine, "SELECT lower(name) FROM system.functions WHERE NOT is_aggregate")
    aggregates = listed(engine, "SELECT lower(name) FROM system.functions WHERE is_aggregate")
    windows = listed(engine, "SELECT lower(name) FROM system.functions")

    # The engine's analyser knows two more.
    assert _allowed.SCALARS - scalars == {"exists", "grouping"}
    assert sorted(_allowed.AGGREGATES - aggregates - windows) == []


_UNIT = "(Year|Quarter|Month|Week|Day|Hour|Minute|Second|Millisecond|Microsecond|Nanosecond)"


@pytest.mark.parametrize(
    "form",
    [
        f"toInterval{_UNIT}",
        f"(add|subtract){_UNIT}s",
        f"toStartOf{_UNIT}",
        f"toRelative{_UNIT}Num",
        r"to(U?Int\d+|Float\d\d|Decimal\d+|Date|Date32|DateTime|DateTime64|UUID|IPv[46])"
        r"(Or(Zero|Null|Default))?",
        r"reinterpretAs(U?Int\d+|Float\d\d|(Fixed)?String|UUID)",
        r"parseDateTime(32|64)?BestEffort(Or(Zero|Null))?",
        r"(to|from)UnixTimestamp64(Second|Milli|Micro|Nano)",
    ],
)
def test_every_function_of_a_family_of_names_is_listed(engine: Engine, form: str) -> None:
    functions = listed(engine, "SELECT name FROM system.functions WHERE NOT is_aggregate")
    family = {name.lower() for name in functions if re.fullmatch(form, name)}

    assert family
    assert sorted(family - _allowed.SCALARS) == []


def test_every_listed_table_function_format_and_setting_is_one_of_the_engine(
    engine: Engine,
) -> None:
    tables = listed(engine, "SELECT lower(name) FROM system.table_functions")
    formats = listed(engine, "SELECT lower(name) FROM system.formats WHERE is_output")

    assert sorted(_allowed.ROW_MAKERS - tables) == []
    assert sorted(_allowed.FORMATS - formats) == []
    assert sorted(_allowed.SETTINGS.keys() - engine.settings) == []


STRUCTURE = r"'n UInt64, word String ALIAS toString(n)'"


def takes_a_text(engine: Engine, function: str) -> bool:
    """Whether the table function takes one, alone or beside numbers."""
    for arguments in (STRUCTURE, f"{STRUCTURE}, 1", f"1, {STRUCTURE}", f"1, 1, {STRUCTURE}"):
        try:
            engine.ask(f"SELECT * FROM {function}({arguments}) LIMIT 1")
        except Fault:
            continue
        return True
    return False


def test_no_listed_table_function_takes_a_text(engine: Engine) -> None:
    """A text may say a structure, whose columns any expression computes: nothing checks that."""
    names = listed(engine, "SELECT name FROM system.table_functions")
    makers = [name for name in names if name.lower() in _allowed.ROW_MAKERS]

    assert [name for name in makers if takes_a_text(engine, name)] == []
    assert {name for name in ("values", "null") if takes_a_text(engine, name)} == {"values", "null"}


def test_no_function_shares_its_name_with_a_table_function_but_format(engine: Engine) -> None:
    tables = listed(engine, "SELECT lower(name) FROM system.table_functions")

    assert (_allowed.SCALARS | _allowed.AGGREGATES) & tables == {"format"}


def test_no_word_of_a_select_hides_a_function_that_is_not_listed(engine: Engine) -> None:
    functions = listed(engine, "SELECT lower(name) FROM system.functions")
    words = {word.lower() for word in _allowed.KEYWORDS}

    # The engine prints the function `in` as the word.
    assert words & functions - _allowed.SCALARS - _allowed.AGGREGATES == {"in"}


@pytest.mark.parametrize(
    "name",
    """
    file joinGet dictGet formatRow sleep sleepEachRow getServerSetting hasColumnInTable logTrace
    catboostEvaluate naiveBayesClassifier regionToName addressToLine showCertificate tcpPort
    serverUUID getMacro structureToProtobufSchema filesystemAvailable demangle executable url
    untuple tokens values null
    """.split(),  # noqa: SIM905
)
def test_what_reaches_beyond_its_arguments_is_not_listed(name: str) -> None:
    assert name.lower() not in _allowed.SCALARS | _allowed.AGGREGATES | _allowed.ROW_MAKERS


def test_types_are_those_of_plain_values_and_zones_those_of_the_list() -> None:
    allowed = (
        *("String", "Array(UInt8)", "DateTime64(3, 'Asia/Shanghai')", "Map(String, Date)", "INT"),
        *("Enum8('(' = 1, 'b' = -2)", "Tuple(a String, 名 Nullable(UInt8))", "datetime"),
    )
    refused = (
        *("Identifier", "identifier", "JSON", "Dynamic", "Variant(String)", "Array(Identifier)"),
        *(
            "String Identifier",
            "",
            "String;",
            "AggregateFunction(sum, UInt64)",
            "aggregatefunction",
        ),
        *("SimpleAggregateFunction(any, String)", "DateTime('Africa/Cairo')", "Tuple(a JSON)"),
        *("Array(" * 40 + "UInt8" + ")" * 40, "String, " * 600, "DateTime(`UTC`)"),
    )

    assert all(is_type(each, _allowed.ZONES) for each in allowed)
    assert not any(is_type(each, _allowed.ZONES) for each in refused)


def test_every_listed_zone_is_one_of_the_engine(engine: Engine) -> None:
    assert listed(engine, "SELECT time_zone FROM system.time_zones") >= _allowed.ZONES


def test_every_listed_function_that_takes_another_is_known(engine: Engine) -> None:
    higher = listed(engine, "SELECT lower(name) FROM system.functions WHERE higher_order = 1")

    assert higher & _allowed.SCALARS == _allowed.HIGHER


AT, TEXT = "toDateTime('2026-01-01 00:00:00')", "'2026-01-01 00:00:00'"
BEFORE: dict[int, tuple[tuple[str, ...], ...]] = {
    0: ((),),
    1: ((AT,), (TEXT,), ("1",)),
    2: (
        (AT, "1"),
        (AT, "'%Y'"),
        (TEXT, "'%Y'"),
        (TEXT, "3"),
        ("'day'", AT),
        (AT, "toIntervalDay(1)"),
    ),
    3: (("'day'", AT, AT),),
    6: (("1",) * 6,),
    8: (("1",) * 8,),
}
"""Arguments before one that may be a text, by their number."""


def first_read(engine: Engine, function: str, text: str, error: str) -> int | None:
    """The first argument of `function` that the engine reads; None when it reads none so."""
    for count, every in BEFORE.items():
        for before in every:
            try:
                engine.ask(f"SELECT ignore({function}({', '.join((*before, text))}))")
            except Fault as fault:
                if error in fault.what:
                    return count
    return None


@pytest.mark.timeout(300)
def test_the_arguments_that_the_engine_reads_as_zones_and_types_are_known(engine: Engine) -> None:
    """Asked of all kinds of functions that have to do with times and types; aliases have none."""
    names = listed(
        engine,
        "SELECT name FROM system.functions WHERE NOT is_aggregate AND trim(categories) IN "
        "('Dates and Times', 'Type Conversion', 'JSON', 'Other', '')",
    )
    names = {name for name in names if name.lower() in _allowed.SCALARS}
    zones = {
        name.lower(): first_read(engine, name, "'No/Where'", "time zone No/") for name in names
    }
    types = {name.lower(): first_read(engine, name, "'NoType'", "family: NoType") for name in names}

    assert {name: at for name, at in zones.items() if at is not None} == {
        name: at for name, at in _allowed.ZONE_TEXTS.items() if name in zones
    }
    assert {name for name, at in types.items() if at is not None} == {
        name for name in _allowed.TYPE_TEXTS if name in types
    }
