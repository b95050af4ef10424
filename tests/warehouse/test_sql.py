"""The part of SQL that the server parses itself."""

from __future__ import annotations

import pytest

from infra.warehouse._fault import Fault, from_engine
from infra.warehouse._sql import (
    format_of,
    mark,
    marked_ids,
    parse_insert,
    single,
    statement_kind,
    tokens,
    without_format,
)


@pytest.mark.parametrize(
    ("sql", "target", "columns", "format_name"),
    [
        ("INSERT INTO t VALUES", "t", (), "Values"),
        ("insert into d.t (a, `b c`) values ", "d.t (a, `b c`)", ("a", "b c"), "Values"),
        ("INSERT INTO TABLE `d`.`t` FORMAT Native", "`d`.`t`", (), "Native"),
        ("INSERT INTO t (a) SETTINGS async_insert = 1 FORMAT TSV", "t (a)", ("a",), "TSV"),
        ("INSERT INTO t(* EXCEPT(a)) VALUES", "t(* EXCEPT(a))", (), "Values"),
        ("/* x */ INSERT INTO -- y\n t (a)", "t (a)", ("a",), ""),
    ],
)
def test_an_insert_that_wants_rows_is_understood(
    sql: str, target: str, columns: tuple[str, ...], format_name: str
) -> None:
    insert = parse_insert(sql)

    assert insert is not None
    assert (insert.target, insert.columns, insert.format) == (target, columns, format_name)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t SELECT 1",
        "INSERT INTO t (a) SELECT 1",
        "INSERT INTO t (SELECT 1)",
        "INSERT INTO t (a) WITH 1 AS x SELECT x",
        "INSERT INTO FUNCTION file('x') SELECT 1",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
    ],
)
def test_an_insert_that_brings_its_query_is_left_to_the_engine(sql: str) -> None:
    assert parse_insert(sql) is None


def test_rows_behind_values_are_never_looked_at() -> None:
    insert = parse_insert("INSERT INTO t VALUES ('unclosed, \0")

    assert insert is not None
    assert insert.data_at == len("INSERT INTO t VALUES")


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 1", "SELECT"),
        ("  -- x\n /* y */ ((select 1))", "SELECT"),
        ("WITH x AS (SELECT 1) SELECT * FROM x", "SELECT"),
        ("kill query where 1", "KILL"),
        ("#! remark\nSHOW TABLES", "SHOW"),
    ],
)
def test_the_kind_of_a_statement_is_its_first_keyword(sql: str, kind: str) -> None:
    assert statement_kind(sql) == kind


def test_a_semicolon_ends_one_statement_and_a_second_is_refused() -> None:
    assert single("SELECT ';' ; -- end") == "SELECT ';' "
    with pytest.raises(Fault):
        single("SELECT 1; SELECT 2")
    with pytest.raises(Fault):
        statement_kind(" -- nothing\n")


def test_a_format_is_found_at_the_end_only() -> None:
    assert format_of("SELECT format('{}', 1) FORMAT JSON;") == "JSON"
    assert format_of("SELECT 'FORMAT JSON' AS format") == ""
    assert without_format("SELECT 1 FORMAT CSV SETTINGS a = 1") == "SELECT 1  SETTINGS a = 1"


def test_quotes_of_all_kinds_are_one_token_each() -> None:
    sql = r"""'a\'b''c' `d\`e` "f" $x$ ' $x$ ‘g’ “h” {p:Map(String, UInt8)}"""

    assert [token.kind for token in tokens(sql)] == [
        *("text", "quoted", "quoted", "text", "text", "quoted", "parameter"),
    ]


def test_query_ids_are_those_of_the_clients() -> None:
    killed = marked_ids("KILL QUERY WHERE query_id = 'query_id'", "KILL")
    listed = marked_ids("SELECT p.query_id FROM system.processes p", "SELECT")
    untouched = "SELECT 'system.processes' AS processes"

    assert killed.startswith("KILL QUERY WHERE if(empty(extractGroups(query,")
    assert killed.endswith("= 'query_id'")
    assert listed.endswith("FROM system.processes) p")
    assert marked_ids(untouched, "SELECT") == untouched


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (mark(1, "q-1", "board") + "SELECT 1", "q-1\tq-1\tboard\tboard\tSELECT 1"),
        (mark(10, "q-1", "board") + "SELECT 1", "q-1\tq-1\tboard\tboard\tSELECT 1"),
        (mark(907, "a*/ b", "鼓 楼") + "SELECT 1", "a*/ b\ta*/ b\t鼓 楼\t鼓 楼\tSELECT 1"),
        # The engine's own query, and one that only looks marked, stay as the engine shows them.
        ("SELECT 1", "own\town\towner\towner\tSELECT 1"),
        (" /*7 q-1 board*/ SELECT 1", "own\town\towner\towner\t /*7 q-1 board*/ SELECT 1"),
    ],
)
def test_a_running_query_is_shown_as_its_client_sent_it(query: str, shown: str) -> None:
    chdb = pytest.importorskip("chdb")
    columns = {
        "query": query,
        "query_id": "own",
        "initial_query_id": "first",
        "user": "owner",
        "initial_user": "starter",
    }
    asked = "SELECT query_id, initial_query_id, user, initial_user, query FROM system.processes p"
    row = ", ".join(f"'{value}' AS {name}" for name, value in columns.items())

    answered = chdb.query(
        marked_ids(asked, "SELECT").replace("system.processes", f"(SELECT {row})"), "TSVRaw"
    )

    assert str(answered).rstrip("\n") == shown


def test_an_exception_of_the_engine_keeps_its_code_and_loses_its_echo() -> None:
    fault = from_engine(
        RuntimeError(
            "Code: 164. DB::Exception: Code: 164. DB::Exception: Cannot modify 'x' setting in "
            "readonly mode. (READONLY) (version 26.9.2.1). (READONLY)"
        )
    )
    shifted = from_engine(RuntimeError("Code: 62. DB::Exception: failed at position 25 (x)"), 20)

    assert (fault.code, fault.text) == (
        164,
        "DB::Exception: Cannot modify 'x' setting in readonly mode. (READONLY)",
    )
    assert "position 5 (x)" in shifted.what
