"""What a board's statement means beyond its words: texts that are read again, and what it costs."""

from __future__ import annotations

import pytest
from clickhouse_driver import Client

from tests.warehouse.conftest import refused

# Statements whose text the engine reads once more: as a type, a zone, or bytes that it believes.
READ_AGAIN = [
    "SELECT toHour(now(), 'Africa/Cairo')",
    "SELECT toHour(now(), concat('Africa', '/Cairo'))",
    "SELECT now('Fixed/UTC+01:02:03')",
    "SELECT addDays(now(), 1, 'Africa/Cairo')",
    "SELECT toStartOfInterval(now(), INTERVAL 1 DAY, now(), 'Africa/Cairo')",
    "SELECT toDateTime(0, {zone:String})",
    "WITH 'Africa/Cairo' AS zone SELECT toDateTime(0, zone)",
    "SELECT now() AT TIME ZONE 'Africa/Cairo'",
    "SELECT toString(now(), zone) FROM (SELECT arrayJoin(['Africa/Cairo']) AS zone)",
    "SELECT arrayMap(toString, [now()], ['Africa/Cairo'])",
    "SELECT arrayMap((toString AS f), [now()], ['Africa/Cairo'])",
    "SELECT arrayMap(x -> toString(now(), x), ['Africa/Cairo'])",
    "WITH (x, y) -> toString(x, y) AS lower SELECT lower(now(), 'Africa/Cairo')",
    # What stands for several arguments.
    "SELECT toString(*) FROM (SELECT now() AS a, 'Africa/Cairo' AS b)",
    "SELECT toString(t.*) FROM (SELECT now() AS a, 'Africa/Cairo' AS b) AS t",
    "SELECT toString(COLUMNS('.')) FROM (SELECT now() AS a, 'Africa/Cairo' AS b)",
    "SELECT toString(* APPLY identity) FROM (SELECT now() AS a, 'Africa/Cairo' AS b)",
    "WITH x -> * AS lower SELECT toString(lower(1)) FROM (SELECT now() AS a, 'UTC' AS b)",
    "WITH (now(), 'Africa/Cairo') AS t SELECT toString(t.*)",
    # Types.
    r"SELECT CAST(0, 'DateTime(\'Africa/Cairo\')')",
    "SELECT 0::DateTime64(3, 'Africa/Cairo')",
    "SELECT CAST(0 AS Nullable(DateTime('Africa/Cairo')))",
    "SELECT CAST(0, concat('Date', 'Time'))",
    "SELECT CAST(unhex('01'), 'AggregateFunction(rankCorr, UInt64, UInt64)')",
    "SELECT unhex('01')::AggregateFunction(count)",
    r"SELECT CAST(unhex('01'), '\x41ggregateFunction(count)')",
    "SELECT accurateCastOrNull('{}', 'JSON')",
    "SELECT reinterpret('a', 'AggregateFunction(groupArray, String)')",
    "SELECT defaultValueOfTypeName('AggregateFunction(groupArray, String)')",
    "SELECT * APPLY defaultValueOfTypeName FROM (SELECT 'UInt8' AS x)",
    r"SELECT JSONExtract('{}', 'a', 'DateTime(\'Africa/Cairo\')')",
    "SELECT JSONExtractKeysAndValues('{}', 'AggregateFunction(count)')",
    "SELECT arrayMap(CAST, ['1'], ['UInt8'])",
    "SELECT {x:DateTime('Africa/Cairo')}",
    "SELECT {x:AggregateFunction(count)}",
]
UNKNOWN = [
    "SELECT * APPLY(rankCorrMerge) FROM v",
    "SELECT * APPLY rankCorrMerge FROM v",
    "SELECT * APPLY(rankCorrMerge, 'as_') FROM v",
    "SELECT * APPLY(quantileMerge(0.5)) FROM v",
    "SELECT * APPLY `sumState` FROM v",
    "SELECT COLUMNS('n') APPLY toString APPLY sumStateIf FROM v",
    "SELECT sumMerge(n) FROM v",
    "SELECT toHour(untuple((now(), 'Africa/Cairo')))",
    "SELECT untuple((now(), 'Africa/Cairo')) AS u, toHour(u)",
]


@pytest.mark.parametrize("sql", READ_AGAIN)
def test_no_text_is_read_again_as_a_zone_or_type_that_is_not_listed(
    board: Client, sql: str
) -> None:
    assert refused(board, sql) == 497


@pytest.mark.parametrize("sql", UNKNOWN)
def test_no_state_is_merged_and_nothing_becomes_several_arguments(board: Client, sql: str) -> None:
    assert refused(board, sql) == 46


def chained(levels: int, *, backwards: bool = False) -> str:
    """Each name from WITH stands for the one before it twice; backwards it is defined later."""
    names = ["c0 AS (SELECT n FROM v)"]
    for at in range(levels):
        names.append(f"c{at + 1} AS (SELECT n FROM c{at} UNION ALL SELECT n FROM c{at})")
    names = names[::-1] if backwards else names
    return f"WITH {', '.join(names)} SELECT count() FROM c{levels}"


def nested(levels: int) -> str:
    """Each `a` stands for the one around it twice."""
    inner = "SELECT count() FROM a"
    for _ in range(levels):
        inner = (
            "SELECT * FROM (WITH a AS (SELECT n FROM a UNION ALL SELECT n FROM a) "
            f"SELECT * FROM ({inner}))"
        )
    return f"WITH a AS (SELECT n FROM v) {inner}"


COSTLY = {
    "BETWEEN after BETWEEN": "SELECT 1 " + "BETWEEN 0 AND 2 " * 40,
    "BETWEEN within BETWEEN": "SELECT " + "(" * 40 + "1" + " BETWEEN 0 AND 2)" * 40,
    "names from WITH, each twice": chained(40),
    "names from WITH, each twice and defined later": chained(30, backwards=True),
    "one name from WITH, each twice the one around it": nested(20),
    "names from WITH that stand for each other": (
        "WITH a AS (SELECT n FROM b), b AS (SELECT n FROM a) SELECT n FROM a"
    ),
    "BETWEEN around a long list": (
        f"SELECT {'(' * 8}`+`(1{',1' * 12_000}){' BETWEEN 0 AND 2)' * 8}"
    ),
    "BETWEEN around a list": f"SELECT {'(' * 8}(1{',1' * 1100}){' BETWEEN 0 AND 2)' * 8}",
    "lists in lists": f"SELECT {', '.join(['[' * 240 + ']' * 240] * 10)}",
    "very many lists in lists": f"SELECT {', '.join(['[' * 32 + ']' * 32] * 600)}",
    "brackets in brackets": f"SELECT {', '.join(['(' * 60 + '1' + ')' * 60] * 300)}",
    "a long name": f"SELECT {'if' * 15_000}x FROM v",
    "a distance of texts": "SELECT editDistance('a', 'b')",
    "a distance by its other name": "SELECT levenshteinDistance('a', 'b')",
}


@pytest.mark.parametrize("kind", COSTLY)
def test_what_costs_far_more_than_its_length_is_refused(board: Client, kind: str) -> None:
    assert refused(board, COSTLY[kind]) == 497


def test_what_costs_little_is_taken(board: Client) -> None:
    assert board.execute("SELECT 1 " + "BETWEEN 0 AND 2 " * 4) == [(1,)]
    for backwards in (False, True):
        assert board.execute(chained(5, backwards=backwards)) == [(32,)]
    twice = "(WITH a AS (SELECT n FROM v) SELECT n FROM a)"
    assert board.execute(f"{twice} UNION ALL {twice}") == [(7,), (7,)]
    alias = "WITH a AS (SELECT n AS b FROM v AS a), b AS (SELECT b FROM a) SELECT b FROM b"
    assert board.execute(alias) == [(7,)]
    assert board.execute(f"SELECT n AS `{'名' * 80}` FROM v") == [(7,)]
    assert board.execute(f"SELECT {'(' * 16}n{' + 1)' * 16} FROM v") == [(23,)]
    assert board.execute(f"SELECT {'[' * 12}n{']' * 12} = {'[' * 12}7{']' * 12} FROM v") == [(1,)]
    assert board.execute(f"SELECT n IN ({', '.join(map(str, range(9000)))}) FROM v") == [(1,)]
