"""On any ClickHouse, an INSERT stores all its rows as one part, or none and raises an error.

`GULOU_TEST_CLICKHOUSE=host:port make test` runs the same suite on that server too;
tests/contract/conftest.py explains how to log in.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from tests.contract.conftest import Address, code, running
from tests.waiting import until


def test_rows_given_in_the_statement_are_stored(client: Client, database: str) -> None:
    client.execute(f"CREATE TABLE {database}.t (n UInt8, s String) ENGINE = MergeTree ORDER BY n")

    client.execute(f"INSERT INTO {database}.t VALUES (1, 'a;b'), (2, 'VALUES')")
    client.execute(f"INSERT INTO {database}.t (s, n) SELECT 'c', 3")

    assert client.execute(f"SELECT * FROM {database}.t ORDER BY n") == [
        (1, "a;b"),
        (2, "VALUES"),
        (3, "c"),
    ]


def test_a_column_list_in_another_order_and_defaults_are_kept(
    client: Client, database: str
) -> None:
    client.execute(
        f"CREATE TABLE {database}.t (a UInt8, b String DEFAULT 'd', c UInt8 MATERIALIZED a + 1) "
        "ENGINE = MergeTree ORDER BY a"
    )

    client.execute(f"INSERT INTO {database}.t (b, a) VALUES", [("x", 1)])
    client.execute(f"INSERT INTO {database}.t (a) VALUES", [(2,)])
    client.execute(f"INSERT INTO {database}.t VALUES", [(3, "y")])

    assert client.execute(f"SELECT a, b, c FROM {database}.t ORDER BY a") == [
        (1, "x", 2),
        (2, "d", 3),
        (3, "y", 4),
    ]


def test_after_use_an_insert_has_the_columns_of_the_table_of_that_database(
    client: Client, database: str
) -> None:
    other = f"{database}_other"
    client.execute(f"CREATE DATABASE {other} ENGINE = Atomic")
    try:
        client.execute(f"CREATE TABLE {database}.t (a UInt8) ENGINE = MergeTree ORDER BY a")
        client.execute(f"CREATE TABLE {other}.t (b String) ENGINE = MergeTree ORDER BY b")
        client.execute(f"USE {database}")
        client.execute("INSERT INTO t VALUES", [(1,)])
        client.execute(f"USE {other}")
        client.execute("INSERT INTO t VALUES", [("x",)])
        assert client.execute("SELECT b FROM t") == [("x",)]
        assert client.execute(f"SELECT a FROM {database}.t") == [(1,)]
    finally:
        client.execute(f"USE {database}")
        client.execute(f"DROP DATABASE {other} SYNC")


def test_a_changed_table_is_met_as_it_is_by_another_connection(
    server: Address, client: Client, database: str
) -> None:
    client.execute(f"CREATE TABLE {database}.t (a UInt8) ENGINE = MergeTree ORDER BY a")
    client.execute(f"INSERT INTO {database}.t VALUES", [(1,)])
    other = server.client()
    other.execute(f"ALTER TABLE {database}.t ADD COLUMN b String")
    other.disconnect()

    client.execute(f"INSERT INTO {database}.t VALUES", [(2, "x")])

    assert client.execute(f"SELECT * FROM {database}.t ORDER BY a") == [(1, ""), (2, "x")]


def test_a_hundred_thousand_rows_are_one_part(client: Client, database: str) -> None:
    client.execute(f"CREATE TABLE {database}.t (n UInt64, s String) ENGINE = MergeTree ORDER BY n")

    client.execute(
        f"INSERT INTO {database}.t VALUES",
        [list(range(100_000)), ["x" * 300] * 100_000],
        columnar=True,
    )

    parts = client.execute(
        "SELECT rows, level FROM system.parts WHERE database = %(database)s", {"database": database}
    )
    assert parts == [(100_000, 0)]


def test_a_view_is_fed_by_each_insert_and_its_state_is_read_by_merge(
    client: Client, database: str
) -> None:
    client.execute(f"CREATE TABLE {database}.t (k String, n UInt64) ENGINE = MergeTree ORDER BY k")
    client.execute(
        f"CREATE TABLE {database}.sums (k String, total AggregateFunction(sum, UInt64), "
        "hi SimpleAggregateFunction(max, UInt64)) ENGINE = AggregatingMergeTree ORDER BY k"
    )
    client.execute(
        f"CREATE MATERIALIZED VIEW {database}.to_sums TO {database}.sums AS "
        f"SELECT k, sumState(n) AS total, max(n) AS hi FROM {database}.t GROUP BY k"
    )

    client.execute(f"INSERT INTO {database}.t VALUES", [("a", 1), ("b", 10)])
    client.execute(f"INSERT INTO {database}.t VALUES", [("a", 2)])

    found = client.execute(
        f"SELECT k, sumMerge(total), max(hi) FROM {database}.sums GROUP BY k ORDER BY k"
    )
    assert found == [("a", 3, 2), ("b", 10, 10)]


def fenced(client: Client, database: str) -> None:
    """A table that accepts only rows with the token 7."""
    client.execute(
        f"CREATE TABLE {database}.owner (topic String, tok UInt64) "
        "ENGINE = Join(ANY, LEFT, topic) SETTINGS join_any_take_last_row = 1"
    )
    client.execute(f"INSERT INTO {database}.owner VALUES", [("t", 6)])
    client.execute(f"INSERT INTO {database}.owner VALUES", [("t", 7)])
    client.execute(
        f"CREATE TABLE {database}.t (topic String, n UInt64, tok UInt64, CONSTRAINT fenced "
        f"CHECK tok = joinGet('{database}.owner', 'tok', topic)) ENGINE = MergeTree ORDER BY n"
    )


def test_a_constraint_that_refuses_one_row_refuses_the_insert_as_an_error(
    client: Client, database: str
) -> None:
    fenced(client, database)
    client.execute(f"INSERT INTO {database}.t VALUES", [("t", 1, 7)])

    with pytest.raises(ServerException) as refused:
        client.execute(f"INSERT INTO {database}.t VALUES", [("t", 2, 7), ("t", 3, 6)])

    assert code(refused) == 469
    assert client.execute(f"SELECT n FROM {database}.t") == [(1,)]


def test_a_view_that_throws_is_an_error_of_the_insert(client: Client, database: str) -> None:
    client.execute(f"CREATE TABLE {database}.t (n UInt64) ENGINE = MergeTree ORDER BY n")
    client.execute(f"CREATE TABLE {database}.out (n UInt64) ENGINE = MergeTree ORDER BY n")
    client.execute(
        f"CREATE MATERIALIZED VIEW {database}.v TO {database}.out AS "
        f"SELECT throwIf(n = 13) + n AS n FROM {database}.t"
    )

    with pytest.raises(ServerException) as refused:
        client.execute(f"INSERT INTO {database}.t VALUES", [(12,), (13,)])

    assert code(refused) == 395
    assert client.execute(f"SELECT * FROM {database}.out") == []


def test_an_insert_over_its_memory_limit_is_an_error(client: Client, database: str) -> None:
    client.execute(f"CREATE TABLE {database}.t (s String) ENGINE = MergeTree ORDER BY tuple()")

    with pytest.raises(ServerException) as refused:
        client.execute(
            f"INSERT INTO {database}.t VALUES",
            [["x" * 1000] * 50_000],
            columnar=True,
            settings={"max_memory_usage": 10_000_000},
        )

    assert code(refused) == 241
    assert client.execute(f"SELECT count() FROM {database}.t") == [(0,)]


def test_an_insert_that_is_killed_is_an_error_for_its_client(
    server: Address, client: Client, database: str
) -> None:
    client.execute(f"CREATE TABLE {database}.t (n UInt64) ENGINE = MergeTree ORDER BY n")
    client.execute(f"CREATE TABLE {database}.out (n UInt64) ENGINE = MergeTree ORDER BY n")
    client.execute(
        f"CREATE MATERIALIZED VIEW {database}.v TO {database}.out AS "
        f"SELECT n + sleepEachRow(0.05) AS n FROM {database}.t"
    )
    query_id = f"gulou.visits@3.{uuid.uuid4().hex}"
    killer = server.client()

    def kill() -> list[Any]:
        until(lambda: running(killer, query_id), "the start of the insert")
        killed: list[Any] = killer.execute(
            "KILL QUERY WHERE startsWith(query_id, 'gulou.') "
            "AND hasAny(splitByChar('.', query_id), ['visits@3']) SYNC"
        )
        return killed

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill)
        with pytest.raises(ServerException) as refused:
            client.execute(
                f"INSERT INTO {database}.t VALUES",
                [(n,) for n in range(50)],
                query_id=query_id,
                settings={"max_block_size": 10, "function_sleep_max_microseconds_per_block": 10**8},
            )
        assert len(killing.result()) == 1
    assert running(killer, query_id) == 0
    killer.disconnect()

    assert code(refused) == 394
    assert client.execute(f"SELECT count() FROM {database}.out") == [(0,)]
