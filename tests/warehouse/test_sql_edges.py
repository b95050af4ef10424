"""Where tokens, clauses and statements begin and end, by the server's own SQL reader."""

from __future__ import annotations

import pytest

from infra.warehouse import _fault
from infra.warehouse._fault import SYNTAX_ERROR, Fault, from_engine
from infra.warehouse._sql import (
    Insert,
    format_of,
    mark,
    parse_insert,
    replaced_relations,
    single,
    statement_kind,
    tokens,
    without_format,
)

NUMBERS = ("0", "12", "1.5", "1.", "1e3", "1E-3", "1_000")
TOKENS: tuple[tuple[str, list[str]], ...] = (
    # Blanks and comments are no tokens.
    (" \t\r\n", []),
    ("-- a 'b\nc", ["word c"]),
    ("--a", []),
    ("#!a 'b\nc", ["word c"]),
    ("# a\nc", ["word c"]),
    ("#a", ["sign #", "word a"]),
    ("/* ' */a/**/", ["word a"]),
    ("/* a\n b */ c", ["word c"]),
    ("/* a */ b */", ["word b", "sign *", "sign /"]),
    # A comment or quote without an end is one token: each of many would be searched to the end.
    ("a /* 'b", ["word a", "unclosed /* 'b"]),
    ("`a", ["unclosed `a"]),
    ('"a', ['unclosed "a']),
    ("‘a", ["unclosed ‘a"]),
    ("“a", ["unclosed “a"]),
    ("$t$ a $$", ["unclosed $t$ a $$"]),
    ("a - - b", ["word a", "sign -", "sign -", "word b"]),
    # String literals.
    ("''", ["text ''"]),
    ("'a''b'", ["text 'a''b'"]),
    (r"'a\'b'c", [r"text 'a\'b'", "word c"]),
    (r"'a\\'b", [r"text 'a\\'", "word b"]),
    ("'a\nb'", ["text 'a\nb'"]),
    ("'-- a' b", ["text '-- a'", "word b"]),
    (r"'a\'", [r"unclosed 'a\'"]),
    ("$$a'b$$c", ["text $$a'b$$", "word c"]),
    ("$t$ $u$ $t$ a", ["text $t$ $u$ $t$", "word a"]),
    ("‘a'b’ c", ["text ‘a'b’", "word c"]),
    # Names.
    ("`a``b`.c", ["quoted `a``b`", "sign .", "word c"]),
    (r"`a\`b` c", [r"quoted `a\`b`", "word c"]),
    ('"a""b" "c\\"d"', ['quoted "a""b"', r'quoted "c\"d"']),
    ("“a b” c", ["quoted “a b”", "word c"]),
    ("_a a1 a$b 鼓楼", ["word _a", "word a1", "word a$b", "word 鼓楼"]),
    ("a.b", ["word a", "sign .", "word b"]),
    # Numbers.
    (" ".join(NUMBERS), [f"number {n}" for n in NUMBERS]),
    ("0x1F 1a", ["number 0x1F", "number 1", "word a"]),
    ("1-2", ["number 1", "sign -", "number 2"]),
    # Parameters.
    ("{a:UInt8}", ["parameter {a:UInt8}"]),
    ("{ a :Map(String, UInt8)}", ["parameter { a :Map(String, UInt8)}"]),
    ("{a}", ["sign {", "word a", "sign }"]),
    ("{'a':1}", ["sign {", "text 'a'", "sign :", "number 1", "sign }"]),
    # One character per byte: A0 is not a space but part of a name.
    ("a\xa0b", ["word a\xa0b"]),
)


@pytest.mark.parametrize(("sql", "expected"), TOKENS)
def test_a_statement_falls_into_its_tokens(sql: str, expected: list[str]) -> None:
    found = list(tokens(sql))

    assert [f"{token.kind} {token.text}" for token in found] == expected
    assert [sql[token.start : token.end] for token in found] == [token.text for token in found]


def test_tokens_may_be_read_from_the_middle() -> None:
    assert [token.start for token in tokens("a b c", 2)] == [2, 4]


@pytest.mark.parametrize(
    ("sql", "name", "keyword"),
    [
        ("select", "select", "SELECT"),
        ("`select`", "select", ""),
        ('"a""b"', 'a"b', ""),
        ("`a``b`", "a`b", ""),
        (r"`a\`\\b`", r"a`\b", ""),
        ("'a'", "", ""),
        ("1", "", ""),
        ("(", "", ""),
        ("{a:UInt8}", "", ""),
    ],
)
def test_a_quoted_word_is_a_name_and_no_keyword(sql: str, name: str, keyword: str) -> None:
    (token,) = tokens(sql)

    assert (token.name, token.upper) == (name, keyword)


def an_insert(
    target: str,
    table: str = "t",
    columns: tuple[str, ...] = (),
    but: tuple[str, ...] = (),
    settings: str = "",
    format_name: str = "",
) -> tuple[object, ...]:
    return (target, table, columns, but, settings, format_name)


# The statement ends at `|`, and the rows begin there.
INSERTS = (
    ("INSERT INTO t|", an_insert("t")),
    ("INSERT t VALUES|", an_insert("t", format_name="Values")),
    ("INSERT INTO t VALUES| (1)", an_insert("t", format_name="Values")),
    ("INSERT INTO t VALUES|(1, 'a)'); ", an_insert("t", format_name="Values")),
    ("INSERT INTO t FORMAT CSV|\n1,2", an_insert("t", format_name="CSV")),
    ("INSERT INTO t format `CSV`| 1", an_insert("t", format_name="`CSV`")),
    ("INSERT INTO t ;|", an_insert("t")),
    # Nothing behind the statement is a row: neither a blank, nor a remark.
    ("INSERT INTO t ; |", an_insert("t")),
    ("INSERT INTO t; -- rows follow\n|", an_insert("t")),
    ("INSERT INTO t FORMAT|", an_insert("t")),
    ("INSERT INTO t FORMAT |", an_insert("t")),
    ("INSERT INTO d.t (a) VALUES|", an_insert("d.t (a)", "d.t", ("a",), (), "", "Values")),
    (
        'INSERT INTO TABLE `d`."t"(`a b`, c) FORMAT TSV|',
        an_insert('`d`."t"(`a b`, c)', '`d`."t"', ("a b", "c"), (), "", "TSV"),
    ),
    (
        "INSERT INTO {t:Identifier} VALUES|",
        an_insert("{t:Identifier}", "{t:Identifier}", format_name="Values"),
    ),
    ("INSERT INTO t (*) VALUES|", an_insert("t (*)", format_name="Values")),
    ("INSERT INTO t (t.*) VALUES|", an_insert("t (t.*)", format_name="Values")),
    (
        "INSERT INTO t (* EXCEPT(a, `b`)) VALUES|",
        an_insert("t (* EXCEPT(a, `b`))", "t", (), ("a", "b"), "", "Values"),
    ),
    (
        "INSERT INTO t (* EXCEPT a) VALUES|",
        an_insert("t (* EXCEPT a)", "t", (), ("a",), "", "Values"),
    ),
    (
        "INSERT INTO t (except) VALUES|",
        an_insert("t (except)", "t", ("except",), (), "", "Values"),
    ),
    (
        "INSERT INTO t SETTINGS a = 1, b = 'x' FORMAT CSV|",
        an_insert("t", settings="SETTINGS a = 1, b = 'x'", format_name="CSV"),
    ),
    (
        "INSERT INTO t (a) SETTINGS a = 1 VALUES| (1)",
        an_insert("t (a)", "t", ("a",), (), "SETTINGS a = 1", "Values"),
    ),
    (
        "INSERT INTO t (a, n.x, `n`.`y z`) VALUES|",
        an_insert("t (a, n.x, `n`.`y z`)", columns=("a", "n.x", "n.y z"), format_name="Values"),
    ),
    (
        "INSERT INTO FUNCTION file('x', 'CSV') VALUES|",
        an_insert("FUNCTION file('x', 'CSV')", "file('x', 'CSV')", format_name="Values"),
    ),
    (
        "INSERT INTO TABLE FUNCTION f((1), ')') (a, b) FORMAT CSV|",
        an_insert("FUNCTION f((1), ')') (a, b)", "f((1), ')')", ("a", "b"), (), "", "CSV"),
    ),
)


@pytest.mark.parametrize(("marked", "expected"), INSERTS)
def test_an_insert_is_read_up_to_where_its_rows_begin(
    marked: str, expected: tuple[object, ...]
) -> None:
    head, _, rows = marked.partition("|")

    insert = parse_insert(head + rows)

    assert insert == Insert(*expected, data_at=len(head))  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t SETTINGS a = 1 SELECT 1",
        "INSERT INTO t ((SELECT 1))",
        "INSERT INTO t (with 1 AS a SELECT a)",
        "INSERT INTO t (a) FROM INFILE 'x' FORMAT CSV",
        "INSERT INTO t WATCH v",
        "INSERT INTO t SELECT input FROM t FORMAT CSV",
        "INSERT INTO t SELECT input(1)",
        "WITH 1 AS y INSERT INTO t SELECT y",
    ],
)
def test_an_insert_that_is_anything_else_is_the_engines(sql: str) -> None:
    assert parse_insert(sql) is None


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        (
            "INSERT INTO t (a) SELECT b FROM input('b Tuple(x Int8)') WHERE b > 0 FORMAT CSV|\n1",
            "INSERT INTO t (a)  SELECT b FROM file('/p', 'CSV', 'b Tuple(x Int8)', 'none') "
            "WHERE b > 0 ",
        ),
        (
            "INSERT INTO t SETTINGS s = 1 WITH 1 AS y SELECT y FROM "
            "(SELECT * FROM input('b Int8'))|",
            "INSERT INTO t SETTINGS s = 1 WITH 1 AS y SELECT y FROM "
            "(SELECT * FROM file('/p', 'CSV', 'b Int8', 'none'))",
        ),
        (
            "INSERT INTO t SELECT * FROM input('b Int8');|",
            "INSERT INTO t  SELECT * FROM file('/p', 'CSV', 'b Int8', 'none')",
        ),
    ],
)
def test_a_select_from_input_reads_a_file_instead(marked: str, expected: str) -> None:
    head, _, rows = marked.partition("|")

    insert = parse_insert(head + rows)

    assert insert is not None
    assert (insert.from_file("/p", "CSV"), insert.data_at) == (expected, len(head))
    assert insert.table.startswith("null('b ")


def test_an_insert_reads_its_rows_from_a_file_with_its_settings() -> None:
    insert = parse_insert("INSERT INTO d.t (a) SETTINGS b = 1 VALUES (7)")

    assert insert is not None
    assert insert.from_file("/x/1", "Native") == (
        "INSERT INTO d.t (a) FROM INFILE '/x/1' COMPRESSION 'none' SETTINGS b = 1 FORMAT Native"
    )


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("with 1 AS a INSERT INTO t SELECT a", "INSERT"),
        ("WITH x AS (INSERT) SELECT 1", "SELECT"),
        ("WITH 1 AS insert SELECT 1", "SELECT"),
        ("WITH t.insert AS a SELECT a", "SELECT"),
        ("WITH", "SELECT"),
        ("(((SELECT 1)))", "SELECT"),
        ("`select` 1", "`select`"),
        ("'a'", "'a'"),
        (")", ")"),
        ("insert into t", "INSERT"),
    ],
)
def test_a_kind_is_one_word_whatever_stands_there(sql: str, kind: str) -> None:
    assert statement_kind(sql) == kind


@pytest.mark.parametrize("sql", ["", " ", "-- a", "/* a */", "(", "(("])
def test_a_statement_without_a_word_is_empty(sql: str) -> None:
    with pytest.raises(Fault) as refused:
        statement_kind(sql)

    assert (refused.value.code, refused.value.what) == (
        SYNTAX_ERROR,
        "Syntax error: the query is empty.",
    )


@pytest.mark.parametrize(
    ("sql", "one"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 1;", "SELECT 1"),
        ("SELECT 1 ;;", None),
        ("SELECT 1; -- a;b", "SELECT 1"),
        ("SELECT 1 -- a", "SELECT 1"),
        ("SELECT '1;2'", "SELECT '1;2'"),
    ],
)
def test_one_statement_at_a_time(sql: str, one: str | None) -> None:
    if one is not None:
        assert single(sql).rstrip() == one
        return
    with pytest.raises(Fault) as refused:
        single(sql)
    assert refused.value.code == SYNTAX_ERROR
    assert refused.value.what.startswith("Multi-statements are not allowed: ")


@pytest.mark.parametrize(
    ("sql", "name", "rest"),
    [
        ("SELECT 1 FORMAT CSV", "CSV", "SELECT 1 "),
        ("SELECT 1 format CSV;", "CSV", "SELECT 1 ;"),
        ("SELECT 1 FORMAT CSV SETTINGS a = 1", "CSV", "SELECT 1  SETTINGS a = 1"),
        ("SELECT 1 SETTINGS a = 1 FORMAT CSV", "CSV", "SELECT 1 SETTINGS a = 1 "),
        ("SELECT format FROM t", "", "SELECT format FROM t"),
        ("SELECT 1 AS format FORMAT CSV", "CSV", "SELECT 1 AS format "),
        ("SELECT 1 FORMAT", "", "SELECT 1 FORMAT"),
        ("SELECT 1 FORMAT 'CSV'", "", "SELECT 1 FORMAT 'CSV'"),
        ("SELECT 1 FORMAT CSV FROM t", "", "SELECT 1 FORMAT CSV FROM t"),
        ("SELECT `format` x", "", "SELECT `format` x"),
        ("SELECT 'FORMAT CSV'", "", "SELECT 'FORMAT CSV'"),
        ("SELECT 1 -- FORMAT CSV", "", "SELECT 1 -- FORMAT CSV"),
        # An INSERT names the format of its rows, not of the answer.
        ("INSERT INTO t FORMAT CSV", "", "INSERT INTO t "),
    ],
)
def test_a_format_ends_a_statement_or_stands_before_its_settings(
    sql: str, name: str, rest: str
) -> None:
    assert (format_of(sql), without_format(sql)) == (name, rest)


def test_a_mark_cannot_be_left_by_what_a_client_calls_itself() -> None:
    assert mark(7, "q-1", "board") == "/*7 q-1 board*/ "
    assert mark(7, "a*/ b/c", "鼓 ") == "/*7 a%2A%2F%20b%2Fc %E9%BC%93%20*/ "


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM system.tables", "SELECT * FROM (S) AS tables"),
        ("SELECT * FROM SYSTEM.tables t", "SELECT * FROM (S) t"),
        ("SELECT * FROM system.tables AS t", "SELECT * FROM (S) AS t"),
        ("SELECT * FROM `system`.`tables` `t`", "SELECT * FROM (S) `t`"),
        ("SELECT * FROM system.tables WHERE 1", "SELECT * FROM (S) AS tables WHERE 1"),
        ("SELECT system.tables.name FROM system.tables", "SELECT tables.name FROM (S) AS tables"),
        (
            "SELECT 1 FROM system.tables JOIN system.tables b",
            "SELECT 1 FROM (S) AS tables JOIN (S) b",
        ),
        ("SELECT (SELECT 1 FROM system.tables)", "SELECT (SELECT 1 FROM (S) AS tables)"),
        ("SELECT 1 FROM system.other", "SELECT 1 FROM system.other"),
        ("SELECT 1 FROM x.system.tables", "SELECT 1 FROM x.system.tables"),
        ("SELECT 'system.tables'", "SELECT 'system.tables'"),
        ("SELECT system + tables", "SELECT system + tables"),
        ("tables", "tables"),
    ],
)
def test_a_relation_is_replaced_where_it_is_one(sql: str, expected: str) -> None:
    assert replaced_relations(sql, {("system", "tables"): "(S)"}) == expected


@pytest.mark.parametrize(
    "clause",
    """
    WHERE PREWHERE GROUP ORDER LIMIT OFFSET SETTINGS FORMAT UNION EXCEPT INTERSECT HAVING WINDOW
    QUALIFY ARRAY LEFT RIGHT INNER FULL CROSS JOIN GLOBAL ANY ALL ASOF SEMI ANTI ON USING FINAL
    SAMPLE INTO FETCH PASTE
    """.split(),  # noqa: SIM905
)
def test_a_clause_behind_a_relation_is_no_other_name_of_it(clause: str) -> None:
    assert replaced_relations(f"FROM system.tables {clause}", {("system", "tables"): "(S)"}) == (
        f"FROM (S) AS tables {clause}"
    )


# ClickHouse's own numbers and names (src/Common/ErrorCodes.cpp).
CODES = (
    (36, "BAD_ARGUMENTS"),
    (48, "NOT_IMPLEMENTED"),
    (62, "SYNTAX_ERROR"),
    (81, "UNKNOWN_DATABASE"),
    (99, "UNKNOWN_PACKET_FROM_CLIENT"),
    (115, "UNKNOWN_SETTING"),
    (117, "INCORRECT_DATA"),
    (164, "READONLY"),
    (202, "TOO_MANY_SIMULTANEOUS_QUERIES"),
    (394, "QUERY_WAS_CANCELLED"),
    (497, "ACCESS_DENIED"),
    (516, "AUTHENTICATION_FAILED"),
    (1002, "UNKNOWN_EXCEPTION"),
)


@pytest.mark.parametrize(("code", "name"), CODES)
def test_codes_are_clickhouses_own(code: int, name: str) -> None:
    constant = {"UNKNOWN_PACKET_FROM_CLIENT": "UNKNOWN_PACKET"}.get(name, name)

    assert getattr(_fault, constant) == code
    assert Fault(code, "It is so.", do="Stop.").text == f"DB::Exception: It is so. Stop. ({name})"
    assert Fault(code, f"So ({name})").text == f"DB::Exception: So ({name})"


def test_a_code_without_a_name_has_none() -> None:
    assert Fault(61, "Gone.").text == "DB::Exception: Gone."


@pytest.mark.parametrize(
    ("text", "shift", "code", "what"),
    [
        ("anything", 0, 1002, "anything"),
        ("Code: 60. DB::Exception: Gone. (UNKNOWN_TABLE)", 0, 60, "Gone. (UNKNOWN_TABLE)"),
        (
            "Code: 60. DB::Exception: Gone. (UNKNOWN_TABLE) (version 26.9.2.1). (UNKNOWN_TABLE)",
            *(0, 60, "Gone. (UNKNOWN_TABLE)"),
        ),
        # A wrapped exception follows a colon; a text that mentions one does not.
        ("Code: 1. DB::Exception: a: Code: 2. DB::Exception: b", 0, 1, "b"),
        (
            "Code: 1. DB::Exception: 'Code: 2. DB::Exception: b'",
            *(0, 1, "'Code: 2. DB::Exception: b'"),
        ),
        ("Code: 62. DB::Exception: failed at position 25 (x)", 0, 62, "failed at position 25 (x)"),
        ("Code: 62. DB::Exception: failed at position 25 (x)", 20, 62, "failed at position 5 (x)"),
        ("Code: 62. DB::Exception: failed at position 25 (x)", 24, 62, "failed at position 1 (x)"),
        ("Code: 62. DB::Exception: failed at position 25 (x)", 25, 62, "failed at position 1 (x)"),
    ],
)
def test_what_the_engine_raised_is_told_once_and_counts_from_the_clients_text(
    text: str, shift: int, code: int, what: str
) -> None:
    fault = from_engine(RuntimeError(text), shift)

    assert (fault.code, fault.what) == (code, what)
