"""The lists of the gate against the engine: each name exists, and none is two things."""

from __future__ import annotations

import re

import pytest

from infra.warehouse import _allowed
from infra.warehouse._fault import Fault
from infra.warehouse.engine import Engine


def listed(engine: Engine, sql: str) -> set[str]:
    return {name for (name,) in engine.ask(sql)}


def test_every_listed_function_is_one_of_the_engine(engine: Engine) -> None:
    scalars = listed(engine, "SELECT lower(name) FROM system.functions WHERE NOT is_aggregate")
    aggregates = listed(engine, "SELECT lower(name) FROM system.functions WHERE is_aggregate")
    windows = listed(engine, "SELECT lower(name) FROM system.functions")

    # The engine's analyser knows three more.
    assert _allowed.SCALARS - scalars == {"exists", "grouping", "untuple"}
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
    """.split(),  # noqa: SIM905
)
def test_what_reaches_beyond_its_arguments_is_not_listed(name: str) -> None:
    assert name.lower() not in _allowed.SCALARS | _allowed.AGGREGATES | _allowed.ROW_MAKERS


def test_parameter_types_have_no_names_in_them() -> None:
    allowed = ("String", "Array(UInt8)", "DateTime64(3, 'Asia/Shanghai')", "Map(String, Date)")
    refused = ("Identifier", "identifier", "JSON", "Array(Identifier)", "String Identifier", "")

    assert all(re.fullmatch(_allowed.PARAMETER_TYPE, each) for each in allowed)
    assert not any(re.fullmatch(_allowed.PARAMETER_TYPE, each) for each in refused)
