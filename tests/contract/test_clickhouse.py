"""Gulou's requirements of ClickHouse, on the embedded one and on any real one.

`GULOU_TEST_CLICKHOUSE=host:port make test` runs the same suite on that server too;
tests/contract/conftest.py explains how to log in.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psutil
import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from tests.contract.conftest import DEADLINE_S, Address, code, running
from tests.waiting import until

SHANGHAI = timezone(timedelta(hours=8))
ENDLESS = "SELECT sum(cityHash64(number)) FROM numbers(1000000000000) SETTINGS max_threads = 1"

TYPES: list[tuple[str, list[Any]]] = [
    ("String", ["", "鼓楼", "x" * 70_000, "tab\tline\nquote'"]),
    ("FixedString(4)", ["abcd", "zz", "", "鼓"]),
    *[(f"UInt{bits}", [0, 1, 7, 2**bits - 1]) for bits in (8, 16, 32, 64, 128, 256)],
    *[
        (f"Int{bits}", [-(2 ** (bits - 1)), -1, 0, 2 ** (bits - 1) - 1])
        for bits in (8, 16, 32, 64, 128, 256)
    ],
    ("Float32", [0.0, -1.5, 0.25, 2.0**20]),
    ("Float64", [0.0, -1.5, 1e300, 0.1]),
    ("Bool", [True, False, True, False]),
    ("Decimal(9, 2)", [Decimal("0.00"), Decimal("-1.50"), Decimal("9999999.99"), Decimal("1.00")]),
    ("Decimal(18, 4)", [Decimal("0.0000"), Decimal("-1.5000"), Decimal("1.2345"), Decimal("7")]),
    ("Decimal(38, 6)", [Decimal("0"), Decimal("-1.5"), Decimal("1.234567"), Decimal("7")]),
    ("Date", [date(1970, 1, 1), date(2026, 3, 1), date(2100, 12, 31), date(2000, 2, 29)]),
    (
        "DateTime('America/New_York')",
        [datetime(2026, 3, 1, 8, each, tzinfo=UTC) for each in (0, 9)],
    ),
    (
        "DateTime64(3, 'Asia/Shanghai')",
        [datetime(2026, 3, 1, 8, 0, 0, each * 1000, SHANGHAI) for each in (0, 1, 500, 999)],
    ),
    ("UUID", [uuid.UUID(int=number) for number in (0, 1, 2**64, 2**128 - 1)]),
    ("Enum8('a' = 1, 'b, (c' = 2)", ["a", "b, (c", "a", "a"]),
    ("Enum16('x' = -300, 'y' = 300)", ["x", "y", "x", "x"]),
    ("Nullable(String)", [None, "", "x", None]),
    ("Nullable(Int64)", [None, -5, 5, None]),
    (
        "Nullable(DateTime64(3, 'Asia/Shanghai'))",
        [None, datetime(2026, 3, 1, tzinfo=SHANGHAI), None, None],
    ),
    ("LowCardinality(String)", ["a", "b", "a", ""]),
    ("LowCardinality(Nullable(String))", ["a", None, "a", ""]),
    ("Array(String)", [[], ["a"], ["a", "", "鼓"], []]),
    ("Array(Array(Int32))", [[], [[]], [[1], [2, 3]], [[4]]]),
    ("Array(Nullable(UInt8))", [[], [None], [1, None], [2]]),
    ("Array(LowCardinality(String))", [[], ["a"], ["a", "b", "a"], []]),
    ("Tuple(UInt8, String)", [(1, "a"), (2, ""), (3, "鼓"), (4, "x")]),
    ("Tuple(Array(String), Nullable(Int8))", [([], None), (["a"], 1), (["b", "c"], 2), ([], 3)]),
    ("Map(String, UInt64)", [{}, {"a": 1}, {"a": 1, "b": 2}, {"": 0}]),
    ("Map(String, Array(String))", [{}, {"a": []}, {"a": ["x"], "b": []}, {"": ["y"]}]),
    ("Map(LowCardinality(String), Float64)", [{}, {"a": 1.5}, {"a": 1.0, "b": 2.0}, {}]),
    ("SimpleAggregateFunction(max, UInt32)", [0, 1, 2, 3]),
]


def trimmed(kind: str, values: list[Any]) -> list[Any]:
    """Values without the zero bytes that pad a FixedString; some clients keep them."""
    if not kind.startswith("FixedString"):
        return values
    texts = [each.decode() if isinstance(each, bytes) else each for each in values]
    return [each.rstrip("\0") for each in texts]


@pytest.mark.parametrize("compression", [False, "lz4", "zstd"])
@pytest.mark.parametrize(("kind", "values"), TYPES, ids=[kind for kind, _ in TYPES])
def test_every_type_comes_back_through_clickhouse_driver(
    server: Address, database: str, kind: str, values: list[Any], compression: Any
) -> None:
    if compression == "zstd":
        pytest.importorskip("zstd")
    client = server.client(compression=compression)
    client.execute(f"CREATE TABLE {database}.t (n UInt8, v {kind}) ENGINE = MergeTree ORDER BY n")

    client.execute(f"INSERT INTO {database}.t VALUES", list(enumerate(values)))
    found = client.execute(f"SELECT v FROM {database}.t ORDER BY n")
    client.disconnect()

    assert trimmed(kind, [value for (value,) in found]) == values


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=[kind for kind, _ in TYPES])
def test_every_type_comes_back_through_clickhouse_connect(
    server: Address, database: str, kind: str, values: list[Any]
) -> None:
    client = server.over_http(database=database)
    client.command(f"CREATE TABLE t (n UInt8, v {kind}) ENGINE = MergeTree ORDER BY n")

    client.insert("t", [list(row) for row in enumerate(values)], column_names=["n", "v"])
    found = client.query("SELECT v FROM t ORDER BY n", query_tz="Asia/Shanghai").result_rows
    client.close()

    assert trimmed(kind, [value for (value,) in found]) == values


def test_columns_are_named_and_typed_though_there_is_no_row(client: Client) -> None:
    rows, columns = client.execute(
        "SELECT number AS n, toString(number) AS s FROM numbers(5) WHERE number > 9",
        with_column_types=True,
    )

    assert (rows, columns) == ([], [("n", "UInt64"), ("s", "String")])


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        ("SHOW TABLES FROM system LIKE 'one'", [("one",)]),
        ("SHOW TABLES FROM system LIKE 'nothing'", []),
        ("EXISTS TABLE system.one", [(1,)]),
        ("EXPLAIN SYNTAX SELECT 1 FROM system.one", [("SELECT 1\nFROM system.one",)]),
        ("WITH 2 AS two SELECT two", [(2,)]),
        ("(SELECT 3)", [(3,)]),
        ("SELECT 4 FORMAT JSON", [(4,)]),
        ("SELECT 5;", [(5,)]),
        ("-- a remark\nSELECT /* ; */ 6 -- and another", [(6,)]),
        ("SELECT ';', '--', $$heredoc$$", [(";", "--", "heredoc")]),
    ],
)
def test_statements_of_all_kinds_answer(
    client: Client, sql: str, first: list[tuple[Any, ...]]
) -> None:
    assert client.execute(sql) == first


def test_parameters_reach_the_server_whole(server: Address) -> None:
    client = server.client(settings={"server_side_params": True})
    given = {
        "text": "x'\t\\y\n鼓",
        "number": 3,
        "list": ["p'q", "r"],
        "at": "2026-03-01 08:00:00.5",
    }

    found = client.execute(
        "SELECT {text:String}, {number:UInt8}, {list:Array(String)}, "
        "toUnixTimestamp64Milli({at:DateTime64(3, 'UTC')})",
        given,
    )
    client.disconnect()

    # 2026-03-01 is day 20,513 of the epoch: 20,513 * 86,400 + 8 * 3,600 = 1,772,352,000.
    assert found == [("x'\t\\y\n鼓", 3, ["p'q", "r"], 1_772_352_000_500)]


def test_parameters_of_a_view_choose_its_instant(client: Client, database: str) -> None:
    client.execute(f"CREATE VIEW {database}.v AS SELECT {{at:DateTime64(3, 'UTC')}} AS at, 7 AS n")

    found = client.execute(
        f"SELECT n, toString(at) FROM {database}.v(at = '2026-03-01 00:00:00.000')"
    )

    assert found == [(7, "2026-03-01 00:00:00.000")]


def test_an_unknown_setting_fails_only_when_it_is_important(server: Address) -> None:
    strict = server.client(settings_is_important=True)
    with pytest.raises(ServerException) as refused:
        strict.execute("SELECT 1", settings={"no_such_setting": 1})
    assert strict.execute("SELECT 1", settings={"max_execution_time": 65}) == [(1,)]
    strict.disconnect()
    lenient = server.client()
    found = lenient.execute("SELECT 1", settings={"no_such_setting": 1})
    lenient.disconnect()

    assert (code(refused), found) == (115, [(1,)])


def test_settings_last_for_their_query_and_set_for_its_session(
    server: Address, client: Client
) -> None:
    ask = "SELECT getSetting('max_block_size'), getSetting('max_result_rows')"
    before = client.execute(ask)[0]

    client.execute("SET max_result_rows = 77")
    for_one = client.execute(ask, settings={"max_block_size": 1000, "max_result_rows": 88})[0]
    after = client.execute(ask)[0]
    other = server.client()
    elsewhere = other.execute(ask)[0]
    other.disconnect()

    assert (for_one, after, elsewhere) == ((1000, 88), (before[0], 77), before)


def test_a_time_limit_stops_a_query_with_its_code(client: Client) -> None:
    with pytest.raises(ServerException) as stopped:
        client.execute(ENDLESS, settings={"max_execution_time": 1})

    assert code(stopped) == 159


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM a_table_that_is_not_there", 60),
        ("SELECT * FROM no_such_database.t", 81),
        ("SELECT no_such_column FROM system.one", 47),
        ("SELECT no_such_function(1)", 46),
        ("SELEC 1", 62),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT throwIf(number = 300000) FROM numbers(1000000)", 395),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115),
        ("SELECT {missing:String}", 456),
        ("INSERT INTO a_table_that_is_not_there VALUES (1)", 60),
        ("DROP TABLE no_such_database.t", 81),
    ],
)
def test_errors_carry_clickhouses_own_codes_and_leave_the_connection_usable(
    client: Client, sql: str, expected: int
) -> None:
    with pytest.raises(ServerException) as error:
        client.execute(sql)

    assert (code(error), client.execute("SELECT 1")) == (expected, [(1,)])


def test_a_wrong_password_or_user_is_refused(server: Address) -> None:
    codes = []
    for user, password in ((server.user, "wrong"), ("nobody", server.password)):
        client = server.client(user=user, password=password)
        with pytest.raises(ServerException) as refused:
            client.execute("SELECT 1")
        codes.append(code(refused))

    assert codes == [516, 516]


def test_an_unknown_database_in_the_greeting_is_named(server: Address) -> None:
    client = server.client(database="no_such_database")

    with pytest.raises(ServerException) as refused:
        client.execute("SELECT 1")

    assert code(refused) == 81


def test_a_ping_is_answered(client: Client) -> None:
    client.execute("SELECT 1")

    assert client.connection.ping()


def test_a_cancelled_query_ends_and_the_connection_lives_on(
    server: Address, client: Client
) -> None:
    query_id = uuid.uuid4().hex
    watcher = server.client()
    rows = client.execute_iter(
        "SELECT number FROM numbers(1000000000000)", query_id=query_id, chunk_size=1
    )
    next(rows)

    client.cancel()
    until(lambda: not running(watcher, query_id), "the end of the cancelled query")
    watcher.disconnect()

    assert client.execute("SELECT 1") == [(1,)]


@pytest.mark.parametrize("sql", [ENDLESS, "SELECT number FROM numbers(1000000000000)"])
def test_a_client_that_hangs_up_takes_its_query_along(server: Address, sql: str) -> None:
    query_id = uuid.uuid4().hex
    watcher, client = server.client(), server.client()
    client.connection.force_connect()
    client.connection.send_query(sql, query_id=query_id)
    client.connection.send_external_tables(None)
    until(lambda: running(watcher, query_id), "the start of the query")

    client.connection.socket.close()
    client.connection.fin = client.connection.fout = None
    until(lambda: not running(watcher, query_id), "the end of the query")
    watcher.disconnect()


def test_a_slow_query_does_not_hold_up_sixty_connections(server: Address) -> None:
    query_id = uuid.uuid4().hex
    watcher = server.client()
    slow = threading.Thread(target=_ignoring_errors, args=(server, ENDLESS, query_id))
    slow.start()
    until(lambda: running(watcher, query_id), "the start of the slow query")
    clients = [server.client() for _ in range(60)]

    def ask(number: int) -> int:
        found: int = clients[number].execute(f"SELECT {number}")[0][0]
        return found

    with ThreadPoolExecutor(60) as pool:
        answers = [list(pool.map(ask, range(60))) for _ in range(3)]
    still_running = running(watcher, query_id)
    watcher.execute("KILL QUERY WHERE query_id = %(id)s SYNC", {"id": query_id})
    slow.join(DEADLINE_S)
    for each in (*clients, watcher):
        each.disconnect()

    assert (answers, still_running) == ([list(range(60))] * 3, 1)


def _ignoring_errors(server: Address, sql: str, query_id: str) -> None:
    client = server.client()
    try:
        client.execute(sql, query_id=query_id)
    except ServerException:
        pass
    finally:
        client.disconnect()


def test_a_gigabyte_is_answered_in_bounded_memory(server: Address) -> None:
    client = server.client(settings={"max_block_size": 1000})
    process = psutil.Process(server.pid) if server.pid else None
    client.execute("SELECT 1")
    before = process.memory_info().rss if process else 0
    size = peak = 0

    for number, (text,) in enumerate(
        client.execute_iter("SELECT repeat('x', 10000) FROM numbers(100000)", chunk_size=1)
    ):
        size += len(text)
        if process and number % 5_000 == 0:
            peak = max(peak, process.memory_info().rss)
    client.disconnect()

    assert size == 1_000_000_000
    assert peak - before < 400_000_000


def test_two_tables_change_places_at_once(client: Client, database: str) -> None:
    for name, number in (("a", 1), ("b", 2)):
        client.execute(f"CREATE TABLE {database}.{name} (n UInt8) ENGINE = MergeTree ORDER BY n")
        client.execute(f"INSERT INTO {database}.{name} VALUES", [(number,)])

    client.execute(f"EXCHANGE TABLES {database}.a AND {database}.b")

    found = client.execute(f"SELECT (SELECT n FROM {database}.a), (SELECT n FROM {database}.b)")
    assert found == [(2, 1)]


def test_a_merge_table_reads_all_tables_of_its_pattern(client: Client, database: str) -> None:
    for name in ("events_a", "events_b", "other"):
        client.execute(f"CREATE TABLE {database}.{name} (n UInt8) ENGINE = MergeTree ORDER BY n")
        client.execute(f"INSERT INTO {database}.{name} VALUES", [(1,)])
    client.execute(
        f"CREATE TABLE {database}.events (n UInt8) ENGINE = Merge('{database}', '^events_')"
    )

    assert client.execute(f"SELECT count() FROM {database}.events") == [(2,)]


def test_an_id_is_found_by_a_bloom_index(client: Client, database: str) -> None:
    client.execute(
        f"CREATE TABLE {database}.t (n UInt64, id String, INDEX ids id TYPE bloom_filter(0.001) "
        "GRANULARITY 1) ENGINE = MergeTree ORDER BY n SETTINGS index_granularity = 1024"
    )
    client.execute(
        f"INSERT INTO {database}.t VALUES",
        [list(range(50_000)), [f"id-{number}" for number in range(50_000)]],
        columnar=True,
    )

    client.execute(f"SELECT n FROM {database}.t WHERE id = 'id-31337'")

    # It reads one granule of 1,024 rows of 50,000, or two if the filter errs.
    assert client.last_query.progress.rows <= 3 * 1024 or server_counts_nothing(client)


def server_counts_nothing(client: Client) -> bool:
    """The embedded server counts the rows it sends, not those it reads."""
    return bool(client.last_query.progress.rows <= 1)


def test_a_mutation_is_waited_for_and_listed(client: Client, database: str) -> None:
    client.execute(f"CREATE TABLE {database}.t (n UInt8) ENGINE = MergeTree ORDER BY n")
    client.execute(f"INSERT INTO {database}.t VALUES", [(1,), (2,)])

    client.execute(f"ALTER TABLE {database}.t DELETE WHERE n = 1", settings={"mutations_sync": 2})

    done = client.execute(
        "SELECT is_done FROM system.mutations WHERE database = %(database)s", {"database": database}
    )
    assert (client.execute(f"SELECT n FROM {database}.t"), done) == ([(2,)], [(1,)])


def test_profile_and_progress_tell_how_much_there_was(client: Client) -> None:
    client.execute("SELECT number FROM numbers(1000)")

    assert client.last_query.profile_info.rows == 1000
    assert client.last_query.progress.rows == 1000


def test_progress_counts_what_was_read_not_what_was_sent(client: Client) -> None:
    client.execute("SELECT number FROM numbers(1000) WHERE number % 100 = 0")

    assert client.last_query.profile_info.rows == 10
    assert (client.last_query.progress.rows, client.last_query.progress.bytes) == (1000, 8000)


def test_the_zone_of_the_server_is_the_citys(server: Address, client: Client) -> None:
    if server.pid is None:
        pytest.skip("a real server's zone is its own")
    found = client.execute("SELECT timezone(), toDateTime(0)")

    assert found == [("Asia/Shanghai", datetime(1970, 1, 1, 8))]  # noqa: DTZ001


def test_totals_and_extremes_come_beside_the_rows(client: Client) -> None:
    sql = "SELECT number % 2 AS k, count() AS c FROM numbers(5) GROUP BY k WITH TOTALS ORDER BY k"

    # 0, 2, 4 and 1, 3; the driver puts totals and extremes behind the rows.
    assert client.execute(sql) == [(0, 3), (1, 2), (0, 5)]
    assert client.execute(sql, settings={"extremes": 1}) == [(0, 3), (1, 2), (0, 5), (0, 2), (1, 3)]
    assert client.execute("SELECT number FROM numbers(3)", settings={"extremes": 1}) == [
        (0,),
        (1,),
        (2,),
        (0,),
        (2,),
    ]
    # No row has totals too.
    none = "SELECT number AS k, count() FROM numbers(0) GROUP BY k WITH TOTALS"
    assert client.execute(none) == [(0, 0)]
    assert client.execute("SELECT 1") == [(1,)]


def test_totals_keep_values_as_they_are(client: Client) -> None:
    values = (
        "'a\\tb\\nc' AS text, NULL::Nullable(String) AS none, '' AS empty, "
        "toDateTime('2026-11-01 05:30:00', 'UTC') AS at, [1, 2]::Array(UInt8) AS list, "
        "-1.5::Decimal(9, 2) AS money, map('k', 1) AS named"
    )

    plain = client.execute(f"SELECT {values}")
    (row, totals) = client.execute(
        f"SELECT any(text), any(none), any(empty), any(at), any(list), any(money), any(named) "
        f"FROM (SELECT {values}) GROUP BY ignore(text) WITH TOTALS"
    )

    assert [row] == plain
    assert totals == row


def test_a_query_may_bring_tables_along(client: Client) -> None:
    brought = [
        {"name": "one", "structure": [("n", "UInt8")], "data": [{"n": 1}, {"n": 2}]},
        {
            "name": "two",
            "structure": [("n", "UInt8"), ("s", "LowCardinality(String)")],
            "data": [{"n": 2, "s": "x"}],
        },
    ]

    found = client.execute("SELECT n, s FROM one JOIN two USING n", external_tables=brought)
    again = client.execute("SELECT sum(n) FROM one", external_tables=brought[:1])
    with pytest.raises(ServerException) as gone:
        client.execute("SELECT * FROM one")

    assert (found, again, code(gone)) == ([(2, "x")], [(3,)], 60)


def test_a_table_that_cannot_be_made_is_an_error_of_its_query(client: Client) -> None:
    client.execute("CREATE TEMPORARY TABLE kept (n UInt8)")
    client.execute("INSERT INTO kept VALUES", [(5,)])
    table = {"name": "kept", "structure": [("n", "UInt8")], "data": [{"n": 1}]}

    with pytest.raises(ServerException) as refused:
        client.execute("SELECT n FROM kept", external_tables=[table])

    assert code(refused) == 57
    assert client.execute("SELECT 1") == [(1,)]


def test_past_queries_are_logged(client: Client, gap: Callable[[str], None]) -> None:
    gap("the engine as a library has no query_log")

    client.execute("SYSTEM FLUSH LOGS")

    assert client.execute("SELECT count() > 0 FROM system.query_log") == [(1,)]


def test_an_aggregate_state_can_be_sent(client: Client, gap: Callable[[str], None]) -> None:
    gap("a state's length is known to the engine alone; boards read merged values")

    columns = client.execute("SELECT sumState(number) AS s FROM numbers(3)", with_column_types=True)

    assert columns[1] == [("s", "AggregateFunction(sum, UInt64)")]


def test_a_session_knows_its_temporary_tables(server: Address, client: Client) -> None:
    client.execute("CREATE TEMPORARY TABLE kept (n UInt8) ENGINE = Memory")
    client.execute("INSERT INTO kept VALUES", [(5,)])
    other = server.client()
    with pytest.raises(ServerException) as unknown:
        other.execute("SELECT * FROM kept")
    other.disconnect()

    assert (client.execute("SELECT n FROM kept"), code(unknown)) == ([(5,)], 60)
