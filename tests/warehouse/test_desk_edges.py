"""What a desk reads, runs and describes, statement by statement: on the engine itself."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.warehouse import EmbeddedClickHouse, gate, write_users
from infra.warehouse import engine as engine_module
from infra.warehouse._fault import ACCESS_DENIED, QUERY_WAS_CANCELLED, Fault
from infra.warehouse.access import Users
from infra.warehouse.desk import Desk, Question
from infra.warehouse.engine import Engine, Session
from infra.warehouse.seats import Running
from infra.warehouse.wire import MemoryFile, first_columns
from tests.warehouse.conftest import connect

DEADLINE_S = 60
# It ends by itself, with another code, when nobody ends it.
ENDLESS = (
    "SELECT sum(cityHash64(number)) FROM numbers(1000000000000) SETTINGS max_execution_time = 30"
)
WRITER = {"password": "p", "role": "writer"}
_NUMBERS = itertools.count(1)


@pytest.fixture
def place(engine: Engine) -> Iterator[str]:
    """A database of the test's own, with a table `t` and a table `zoned`."""
    name = f"desk_{next(_NUMBERS)}"
    with closing(Session(engine, "setup")) as session:
        session.run(f"CREATE DATABASE {name}", "Null")
        for columns in (
            "t (n UInt8) ENGINE = MergeTree ORDER BY n",
            "zoned (at DateTime('Asia/Tokyo'), bare DateTime) ENGINE = MergeTree ORDER BY at",
        ):
            session.run(f"CREATE TABLE {name}.{columns}", "Null")
        yield name
        session.run(f"DROP DATABASE {name} SYNC", "Null")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "users.json"
    write_users(file, {"u": WRITER})
    return file


@pytest.fixture
def desk(engine: Engine, file: Path, place: str) -> Iterator[Desk]:
    """The desk of a writer whose current database is `place`."""
    users = Users(file)
    with closing(Desk(engine, users, users.login("u", "p"), place)) as desk:
        yield desk


def question(
    text: str,
    format_name: str = "TSV",
    parameters: Mapping[str, str] | None = None,
    **settings: str,
) -> Question:
    important = [(name, value, True) for name, value in settings.items()]
    return Question(text, "q", important, parameters or {}, format_name)


def answer(desk: Desk, asked: Question) -> list[bytes]:
    assert desk.prepare(asked) is None
    return list(desk.ask(asked))


def ask(desk: Desk, text: str) -> str:
    return b"".join(answer(desk, question(text))).decode()


def columns(desk: Desk, asked: Question) -> list[tuple[str, str]]:
    answer(desk, asked)
    return desk.columns(asked)


def wanted(desk: Desk, text: str) -> list[tuple[str, str]]:
    asked = question(text)
    assert desk.prepare(asked) is not None
    return desk.columns(asked)


def refused(act: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(Fault) as fault:
        act()
    return fault.value.code, fault.value.what


@pytest.mark.parametrize(
    "name",
    """
    Native TSV TabSeparated TSVRaw TabSeparatedRaw CSV JSONEachRow NDJSON JSONLines
    JSONCompactEachRow JSONStringsEachRow RowBinary
    """.split(),  # noqa: SIM905
)
def test_a_simple_format_is_answered_in_pieces_that_join(desk: Desk, name: str) -> None:
    sql = "SELECT number FROM numbers(200000)"
    pieces = answer(desk, question(sql, name))
    shown = answer(desk, question("SHOW TABLES FROM system", name))

    assert len(pieces) > 1
    if name == "TSV":
        assert b"".join(pieces) == b"".join(b"%d\n" % number for number in range(200_000))
    assert len(shown) == 1


@pytest.mark.parametrize("name", ["JSON", "CSVWithNames", "TSVWithNames", "Values", "XML"])
def test_a_format_with_a_head_is_answered_in_one_piece(desk: Desk, name: str) -> None:
    assert len(answer(desk, question("SELECT number FROM numbers(200000)", name))) == 1


@pytest.mark.parametrize(
    ("sql", "changes"),
    [
        ("SELECT 1", 0),
        ("WITH 1 AS one SELECT one", 0),
        ("INSERT INTO t VALUES (1)", 0),
        ("INSERT INTO t SELECT 1", 0),
        ("KILL QUERY WHERE 0", 0),
        ("USE system", 0),
        ("SET max_threads = 1", 0),
        ("SHOW TABLES", 0),
        ("DESCRIBE TABLE t", 0),
        ("DESC TABLE t", 0),
        ("EXPLAIN SELECT 1", 0),
        ("EXISTS TABLE t", 0),
        # Before and after: what others learn meanwhile counts for neither.
        ("CREATE TABLE new (n UInt8) ENGINE = Memory", 2),
        ("ALTER TABLE t ADD COLUMN m UInt8", 2),
        ("DROP TABLE t", 2),
        ("RENAME TABLE t TO other", 2),
        ("EXCHANGE TABLES t AND zoned", 2),
        ("TRUNCATE TABLE t", 2),
    ],
)
def test_what_is_known_of_tables_is_learnt_again_after_what_may_change_them(
    engine: Engine, desk: Desk, sql: str, changes: int
) -> None:
    before = engine.catalog
    answer(desk, question(sql))

    assert engine.catalog - before == changes


def test_a_change_that_fails_may_have_changed_something(engine: Engine, desk: Desk) -> None:
    before = engine.catalog
    code, _ = refused(lambda: answer(desk, question("DROP TABLE none_of_that_name")))

    assert (code, engine.catalog - before) == (60, 2)


DESCRIBED = [
    ("name", "String"),
    ("type", "String"),
    ("default_type", "String"),
    ("default_expression", "String"),
    ("comment", "String"),
    ("codec_expression", "String"),
    ("ttl_expression", "String"),
]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT n FROM t", [("n", "UInt8")]),
        ("SHOW TABLES LIKE 'none'", [("name", "String")]),
        ("DESCRIBE TABLE t", DESCRIBED),
        ("DESC TABLE t", DESCRIBED),
        ("EXPLAIN SELECT 1", [("explain", "String")]),
        ("EXISTS TABLE t", [("result", "UInt8")]),
        ("SET max_threads = 1", []),
        ("USE system", []),
        ("KILL QUERY WHERE 0", []),
        ("DROP TABLE t", []),
        ("INSERT INTO t SELECT 1", []),
        ("INSERT INTO t VALUES (1)", []),
        ("INSERT INTO FUNCTION null('n UInt8') VALUES (1)", []),
    ],
)
def test_an_answer_without_rows_has_its_columns(
    desk: Desk, sql: str, expected: list[tuple[str, str]]
) -> None:
    assert columns(desk, question(sql, "Native")) == expected


def test_rows_in_a_statement_may_go_into_a_function(warehouse: EmbeddedClickHouse) -> None:
    client = connect(warehouse)

    assert client.execute("INSERT INTO FUNCTION null('n UInt8') VALUES (1)") == []
    assert client.execute("SELECT 1") == [(1,)]
    client.disconnect()


@pytest.mark.parametrize("rest", ["", " ", "\t", "\r", "\n", ";", " \t\r\n;"])
def test_nothing_behind_an_insert_leaves_its_rows_to_the_client(desk: Desk, rest: str) -> None:
    assert desk.prepare(question(f"INSERT INTO t FORMAT TSV{rest}")) is not None


def test_a_table_that_cannot_be_brought_leaves_the_sessions_own_alone(desk: Desk) -> None:
    ask(desk, "CREATE TEMPORARY TABLE kept (n UInt8)")
    ask(desk, "INSERT INTO kept VALUES (5)")
    with closing(MemoryFile()) as rows:
        rows.append(b"not a number\n")
        taken, _ = refused(lambda: desk.bring("kept", "n UInt8", rows, "TSV"))
        unfit, _ = refused(lambda: desk.bring("other", "n UInt8", rows, "TSV"))
    desk.put_away()

    # The name is taken; the rows cannot be read, and nothing of their table is left.
    assert (taken, unfit) == (57, 27)
    assert ask(desk, "SELECT n FROM kept") == "5\n"
    assert refused(lambda: ask(desk, "SELECT n FROM other"))[0] == 60


def test_rows_behind_an_insert_are_stored_with_it(desk: Desk) -> None:
    assert answer(desk, question("INSERT INTO t FORMAT TSV\n5\n6\n")) == []
    assert (desk.counts.written_rows, ask(desk, "SELECT n FROM t ORDER BY n")) == (2, "5\n6\n")


def test_an_insert_expects_the_columns_that_a_client_can_give(desk: Desk) -> None:
    ask(
        desk,
        "CREATE TABLE kinds (a UInt8, m UInt8 MATERIALIZED 1, l UInt8 ALIAS 2, e UInt8 EPHEMERAL 3,"
        " d UInt8 DEFAULT e) ENGINE = MergeTree ORDER BY a",
    )

    for text, expected in (
        ("INSERT INTO kinds VALUES", "ad"),
        ("INSERT INTO kinds (*) VALUES", "ad"),
        ("INSERT INTO kinds (kinds.*) VALUES", "ad"),
        ("INSERT INTO kinds (* EXCEPT (a)) VALUES", "d"),
        ("INSERT INTO kinds (* EXCEPT (a, d)) VALUES", ""),
        ("INSERT INTO kinds (e, a) VALUES", "ea"),
        ("INSERT INTO FUNCTION null('x UInt8, y UInt8') VALUES", "xy"),
        ("INSERT INTO FUNCTION null('x UInt8, y UInt8') (y) VALUES", "y"),
        ("INSERT INTO kinds (a) SELECT x + y FROM input('x UInt8, y UInt8') FORMAT TSV", "xy"),
    ):
        assert wanted(desk, text) == [(name, "UInt8") for name in expected], text


def test_an_insert_names_the_column_or_the_rows_that_it_lacks(desk: Desk) -> None:
    assert refused(lambda: wanted(desk, "INSERT INTO t (n, z) VALUES")) == (
        16,
        "No such column z in table t.",
    )


def test_the_columns_of_a_table_are_those_of_the_current_database(
    engine: Engine, desk: Desk, place: str
) -> None:
    with closing(Session(engine, "setup")) as session:
        session.run(f"CREATE DATABASE `{place} of others`", "Null")
        session.run(f"CREATE TABLE `{place} of others`.t (s String) ENGINE = Memory", "Null")
    try:
        before = wanted(desk, "INSERT INTO t VALUES")
        ask(desk, f"USE `{place} of others`")
        by_statement = wanted(desk, "INSERT INTO t VALUES")
        desk.use(place)
        by_request = wanted(desk, "INSERT INTO t VALUES")
    finally:
        desk.use(place)
        ask(desk, f"DROP DATABASE `{place} of others` SYNC")

    assert (before, by_statement, by_request) == (
        [("n", "UInt8")],
        [("s", "String")],
        [("n", "UInt8")],
    )


def zoned(desk: Desk, sql: str) -> tuple[list[str | None], int]:
    """The types that Native dropped, and the size of the answer, whose first piece came before."""
    asked = question(sql, "Native")
    assert desk.prepare(asked) is None
    with closing(desk.ask(asked)) as pieces:
        first = next(pieces)
        return desk.zoned(first_columns(first), asked), len(first) + sum(map(len, pieces))


def test_a_zone_that_native_drops_is_told_beside_a_stream_that_goes_on(
    desk: Desk, place: str
) -> None:
    ask(desk, "INSERT INTO zoned SELECT number, number FROM numbers(150000)")
    sql = "SELECT 'x' AS s, at, bare FROM zoned"
    whole = len(b"".join(answer(desk, question(sql, "Native"))))
    expected: list[str | None] = [None, "DateTime('Asia/Tokyo')", None]

    assert zoned(desk, sql) == (expected, whole)
    # 150,000 rows of 2 + 4 + 4 bytes, and the heads of the blocks.
    assert whole > 1_500_000
    desk.use("system")
    ask(desk, f"USE `{place}`")
    assert zoned(desk, sql) == (expected, whole)


def test_no_zone_is_told_of_what_has_none_or_is_known_to_nobody_else(desk: Desk) -> None:
    ask(desk, "CREATE TEMPORARY TABLE mine (at DateTime('Asia/Tokyo'))")
    ask(desk, "INSERT INTO mine VALUES (0)")

    assert zoned(desk, "SELECT at FROM mine")[0] == []
    assert zoned(desk, "SELECT 1, 'x', toDateTime64(0, 3, 'Asia/Tokyo')")[0] == []


def until(engine: Engine, text: str) -> None:
    """Returns when a query with this text runs."""
    deadline = time.monotonic() + DEADLINE_S
    while not engine.ask(
        "SELECT 1 FROM system.processes WHERE startsWith(query, '/*') AND "
        "position(query, {text:String}) > 0 AND NOT startsWith(query, '/*0 ')",
        text=text,
    ):
        if time.monotonic() > deadline:
            pytest.fail(f"never ran: {text}")
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["JSON", "TSV"])
def test_a_query_can_be_ended_from_another_thread(engine: Engine, desk: Desk, name: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = question(f"{ENDLESS}, log_comment = '{name}'", name)
        running = pool.submit(answer, desk, asked)
        until(engine, f"log_comment = '{name}'")
        desk.stop()

    assert refused(running.result)[0] == QUERY_WAS_CANCELLED


def test_an_insert_can_be_ended_from_another_thread_and_stores_nothing(
    engine: Engine, desk: Desk
) -> None:
    ask(desk, "CREATE TABLE slow (n UInt64) ENGINE = MergeTree ORDER BY n")
    ask(
        desk,
        "CREATE MATERIALIZED VIEW slowly TO slow AS SELECT n + sleepEachRow(0.05) AS n FROM t",
    )
    asked = question(
        "INSERT INTO t FORMAT TSV",
        max_block_size="10",
        function_sleep_max_microseconds_per_block="1000000000",
    )
    with closing(MemoryFile()) as rows, ThreadPoolExecutor(1) as pool:
        rows.append(b"".join(b"%d\n" % number for number in range(200)))
        assert desk.prepare(asked) is not None
        storing = pool.submit(desk.store, asked, rows, "TSV")
        until(engine, "FROM INFILE")
        desk.stop()

    assert refused(storing.result)[0] == QUERY_WAS_CANCELLED
    assert ask(desk, "SELECT count() FROM slow") == "0\n"


def test_a_user_who_is_no_longer_in_the_file_is_told_at_the_next_statement(
    engine: Engine, desk: Desk, file: Path
) -> None:
    assert ask(desk, "SELECT 1") == "1\n"
    write_users(file, {"other": WRITER})

    assert refused(lambda: ask(desk, "SELECT 1")) == (ACCESS_DENIED, "The user 'u' is gone.")
    write_users(file, {"u": WRITER})
    assert ask(desk, "SELECT 2") == "2\n"


def test_a_desk_without_a_database_begins_in_the_engines_own(engine: Engine, file: Path) -> None:
    users = Users(file)
    with closing(Desk(engine, users, users.login("u", "p"), "")) as desk:
        assert desk.counts.written_rows == 0
        assert ask(desk, "SELECT currentDatabase()") == "default\n"
    with closing(Desk(engine, users, users.login("u", "p"), "")) as desk:
        desk.use("system")
        assert ask(desk, "SELECT currentDatabase()") == "system\n"


@pytest.fixture
def board(engine: Engine, file: Path, place: str) -> Iterator[Desk]:
    """The desk of a board's user who may read `place` and then another database."""
    with closing(Session(engine, "setup")) as session:
        session.run(f"CREATE DATABASE {place}_more", "Null")
        session.run(f"CREATE VIEW {place}.v AS SELECT 1 AS n", "Null")
        session.run(f"CREATE VIEW {place}_more.v AS SELECT 'x' AS s", "Null")
        engine.changed()
        write_users(
            file, {"b": {"password": "p", "role": "board", "databases": [place, f"{place}_more"]}}
        )
        users = Users(file)
        with closing(Desk(engine, users, users.login("b", "p"), "")) as desk:
            yield desk
        session.run(f"DROP DATABASE {place}_more SYNC", "Null")


def test_a_board_uses_one_of_its_databases_until_it_uses_another(board: Desk, place: str) -> None:
    none = question("SELECT * FROM v WHERE 0", "Native")
    seen = [columns(board, none)]
    for name in (f"{place}_more", place):
        ask(board, f"USE {name}")
        seen.append(columns(board, none))

    assert seen == [[("n", "UInt8")], [("s", "String")], [("n", "UInt8")]]


def test_after_a_change_one_of_all_who_ask_loads_the_catalog(
    engine: Engine, board: Desk, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    user, ask_engine = board._user, engine.ask

    def counting(sql: str, **parameters: str) -> list[list[str]]:
        asked.append(sql)
        return ask_engine(sql, **parameters)

    monkeypatch.setattr(engine, "ask", counting)
    engine.changed()
    with ThreadPoolExecutor(20) as crowd:
        found = crowd.map(lambda n: gate.checked(engine, user, place, f"SELECT {n}"), range(40))
        kinds = {kind for kind, _ in found}

    assert kinds == {"SELECT"}
    assert sum("FROM system.tables" in sql for sql in asked) == 1


def test_the_check_of_a_boards_statement_is_a_query_that_runs(board: Desk) -> None:
    board._users.running = Running(wait_s=0.01)
    with ExitStack() as turns:
        for _ in range(board._user.running):
            turns.enter_context(board._users.running.turn("b", board._user.running))
        with pytest.raises(Fault, match="runs 16 queries already"):
            board.prepare(question("SELECT 1"))

    assert ask(board, "SELECT 1") == "1\n"


def test_a_board_has_half_a_minute_to_read_its_answer(board: Desk) -> None:
    assert board.answer_s == 30 + 30


def test_a_writer_reads_its_answer_as_slowly_as_it_likes(desk: Desk) -> None:
    assert desk.answer_s == math.inf


def test_a_query_can_be_ended_while_the_check_of_a_statement_hangs(
    engine: Engine, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_ASKING_S", 0.01)
    with engine._asking.lock, ThreadPoolExecutor(1) as pool:
        ending = pool.submit(answer, desk, question(ENDLESS))
        while not ending.done():
            desk.stop()
            time.sleep(0.01)
        with pytest.raises(Fault, match="for their check"):
            engine.ask("SELECT 1")

    with pytest.raises(Fault) as ended:
        ending.result()
    assert ended.value.code == QUERY_WAS_CANCELLED


def test_a_statement_with_another_instant_is_not_checked_again(
    engine: Engine, board: Desk, place: str
) -> None:
    def check(sql: str) -> str:
        return gate.checked(engine, board._user, place, sql)[1]

    sql = "SELECT toDateTime({}) AS at, n FROM v WHERE n < toUnixTimestamp(toDateTime({}))"
    first = check(sql.format(1_700_000_000, 1_700_000_000))
    before = gate._checked.cache_info()

    again = check(sql.format(1_800_000_001, 1_700_000_000))

    assert gate._checked.cache_info().hits - before.hits == 1
    assert again == first.replace("toDateTime(1700000000)", "toDateTime(1800000001)", 1)


INSTANTS = (
    "SELECT (1234567890), ((1234567890123)), f(1234567890), -(1234567890) FROM v",
    "SELECT '(1234567890)', \"(1234567890)\", `a(1234567890)`, $x$(1234567890)$x$ FROM v",
    "SELECT n AS `(1234567890)` FROM v /* (1234567890) */ WHERE n IN (1234567890)",
    "SELECT n FROM v LIMIT (1234567890)",
    "SELECT toDateTime(1234567890) BETWEEN toDateTime(1234567890) AND toDateTime(1234567891)",
    f"SELECT {gate._MARK}000, (1234567890)",
    "SELECT (0234567890), (123456789), (12345678901), (12345678901234), ( 1234567890 )",
)


@given(sql=st.sampled_from(INSTANTS), moments=st.lists(st.integers(10**9, 10**13), min_size=6))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_check_of_a_statement_holds_for_all_its_instants(
    engine: Engine, board: Desk, place: str, sql: str, moments: list[int]
) -> None:
    told = re.sub("1234567890(?:123|1)?", lambda _: str(moments.pop() if moments else 10**9), sql)

    def outcome(check: Callable[[], tuple[str, str]]) -> object:
        try:
            return check()
        except Fault as fault:
            return fault.code

    user = board._user
    whole = gate._checked.__wrapped__
    assert outcome(lambda: gate.checked(engine, user, place, told)) == outcome(
        lambda: whole(engine, engine.catalog, user.name, user.databases, place, told)
    )


@pytest.mark.parametrize("over", [0, 1])
def test_only_short_statements_are_kept(engine: Engine, board: Desk, place: str, over: int) -> None:
    text = "SELECT 1" + " " * (16 * 1024 - 8 + over)
    before = gate._checked.cache_info()

    gate.checked(engine, board._user, place, text)
    gate.checked(engine, board._user, place, text)

    after = gate._checked.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == ((1, 1), (0, 0))[over]


def test_columns_of_a_board_depend_on_its_statement_and_its_parameters(board: Desk) -> None:
    sql = "SELECT toDecimal64(1, {scale:UInt8}) AS n WHERE 0"
    seen = [
        columns(board, question(text, "Native", {"scale": scale}))
        for text, scale in ((sql, "3"), (sql, "2"), (sql.replace("AS n", "AS m"), "2"))
    ]

    assert seen[:2] == [[("n", "Decimal(18, 3)")], [("n", "Decimal(18, 2)")]]
    assert seen[2:] == [[("m", "Decimal(18, 2)")]]


def test_a_zone_is_told_to_a_board(board: Desk, place: str) -> None:
    assert zoned(board, "SELECT toDateTime(0, 'Asia/Tokyo') AS at, n FROM v")[0] == [
        "DateTime('Asia/Tokyo')",
        None,
    ]
