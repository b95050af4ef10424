"""A board's user can read the published views and nothing else."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from infra.warehouse import EmbeddedClickHouse, write_users
from tests.warehouse.conftest import USERS, connect, refused

SEEDS = 12
NOISE = ["", "'", '"', "`", "(", ")", ";", "\\", "$$", "--", "/*", "\0"]
FUZZED_A_SEED = 25


ALLOWED = [
    ("SELECT n FROM v", [(7,)]),
    ("SELECT n FROM city_published.v", [(7,)]),
    ("SELECT n FROM `city_published`.`v`", [(7,)]),
    ("SELECT n FROM p(at = '2026-03-01 09:00:00')", [(7,)]),
    ("SELECT n FROM city_published.p(at = '2026-03-01 07:00:00')", []),
    (
        "WITH x AS (SELECT n FROM v) SELECT x.n FROM x JOIN v ON x.n = v.n "
        "WHERE x.n IN (SELECT n FROM v)",
        [(7,)],
    ),
    ("SELECT n FROM v UNION ALL SELECT n FROM v ORDER BY n", [(7,), (7,)]),
    ("SELECT n FROM (SELECT n FROM v UNION ALL SELECT n + 1 FROM v) ORDER BY n", [(7,), (8,)]),
    ("SELECT sumIf(number, number > 1), max(number) FROM numbers(4)", [(5, 3)]),
    ("SELECT count() OVER (PARTITION BY n) FROM v", [(1,)]),
    ("SELECT CASE WHEN n IN (7) THEN 'seven' ELSE format('{}', 'x') END FROM v", [("seven",)]),
    ("SELECT arrayMap(x -> x + 1, [1]), CAST(1, 'Enum8(\\'(\\' = 1)')", [([2], "(")]),
    ("SELECT 'city.secret', n AS `city` FROM v -- FROM city.secret", [("city.secret", 7)]),
    ("SELECT * APPLY(x -> x + 1) FROM v", [(8,)]),
    ("SELECT name FROM system.databases", [("city_published",)]),
    ("SELECT DISTINCT database FROM system.tables", [("city_published",)]),
    ("SELECT tables.name FROM system.tables WHERE system.tables.name = 'v'", [("v",)]),
    ("SELECT DISTINCT c.database FROM system.columns AS c", [("city_published",)]),
    ("SELECT n FROM v WHERE n IN (SELECT n FROM v AS w WHERE w.n = 7) LIMIT 1 BY n", [(7,)]),
    ("SELECT v.n FROM v ORDER BY v.n ASC NULLS FIRST LIMIT 1 OFFSET 0", [(7,)]),
    # The totals come behind the rows.
    ("SELECT any(n) FROM v GROUP BY ALL WITH TOTALS", [(7,), (7,)]),
    ("SELECT n + number FROM v CROSS JOIN numbers(2) AS m ORDER BY 1", [(7,), (8,)]),
    ("SELECT n, e FROM v ARRAY JOIN [1, 2] AS e ORDER BY e DESC", [(7, 2), (7, 1)]),
    (
        "SELECT n AS d, 1 AS e FROM v ORDER BY d WITH FILL FROM 6 TO 9 INTERPOLATE (e AS e)",
        None,
    ),
    ("SELECT quantile(0.5)(n), countDistinctIf(n, n > 1) FROM v", [(7.0, 1)]),
    ("SELECT first_value(n) OVER w FROM v WINDOW w AS (PARTITION BY n ORDER BY n)", [(7,)]),
    ("SELECT arrayMap(toString, [1]), arrayFold((a, x) -> a + x, [1, 2], toInt64(0))", None),
    ("SELECT toDate('2026-03-01') + INTERVAL 1 DAY, (1, 'a').2, [1, 2][1]", None),
    ("SELECT trim(BOTH '{}' FROM '{a}'), -1, NOT 0, n IS NULL, n BETWEEN 1 AND 9 FROM v", None),
    ("SELECT n FROM v AS `file name`, (SELECT 1 AS m) AS b WHERE `file name`.n = 7", [(7,)]),
    ("SELECT toHour(toDateTime(0, 'UTC'), 'Asia/Shanghai'), toString(now64(3)) != ''", [(8, 1)]),
    ("SELECT count(*), v.* FROM v GROUP BY n", [(1, 7)]),
    ("SELECT 1::UInt8 * 2, CAST('2', 'Enum8(\\'2\\' = 1)')", [(2, "2")]),
    ("SELECT JSONExtract('{\"a\": {\"b\": 5}}', 'a', 'Tuple(b UInt8)').1", [(5,)]),
    ("SELECT * APPLY(quantile(0.5)) FROM v", [(7.0,)]),
    ("SELECT COLUMNS('n') APPLY(toString, 'as_') FROM v", [("7",)]),
    ("EXISTS v", [(1,)]),
    ("EXISTS TABLE city_published.nothing", [(0,)]),
    ("DESCRIBE TABLE v", [("n", "UInt8", "", "", "", "", "")]),
    ("DESC city_published.v", [("n", "UInt8", "", "", "", "", "")]),
    ("DESCRIBE (SELECT n AS m FROM v)", [("m", "UInt8", "", "", "", "", "")]),
    ("SHOW TABLES LIKE 'v%'", [("v",)]),
    ("SHOW TABLES FROM city_published NOT LIKE 'v%' LIMIT 3", [("p",)]),
    ("SHOW DATABASES", [("city_published",)]),
    ("SHOW TABLES", [("p",), ("v",)]),
    ("SHOW TABLES FROM city_published", [("p",), ("v",)]),
    ("USE city_published", []),
]

SECRETS = [
    "city.secret",
    "`city`.`secret`",
    '"city"."secret"',
    "`city.secret`",
    "city . /* x */ secret",
    "system.processes",
    "system.parts",
    "information_schema.tables",
    "INFORMATION_SCHEMA.COLUMNS",
    "default.`/etc/passwd`",
    "merge('city', '.*')",
    "merge('.*')",
    "merge(REGEXP('.*'), '.*')",
    "remote('127.0.0.1', city.secret)",
    "remote('127.0.0.1', 'city', 'secret')",
    "remoteSecure('127.0.0.1', 'city', 'secret')",
    "cluster('default', 'city', 'secret')",
    "file('/etc/passwd', 'LineAsString')",
    "FILE('/etc/passwd', 'LineAsString')",
    "`file`('/etc/passwd', 'LineAsString')",
    "url('http://127.0.0.1:1/', 'LineAsString')",
    "s3('http://127.0.0.1:1/x')",
    "mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "sqlite('/tmp/x', 't')",
    "executable('id', 'TSV', 'x String')",
    "dictionary('city.d')",
    "loop('city', 'secret')",
    "loop(city.secret)",
    "view(SELECT * FROM city.secret)",
    "viewIfPermitted(SELECT 1 ELSE null('n UInt8'))",
    "eval('SELECT 1')",
    "python('x')",
    "mergeTreeIndex('city', 'secret')",
    "input('n UInt8')",
    # The first text is SQL: a column of it may be computed by any expression.
    r"values('a UInt8, b String ALIAS joinGet(\'city.owner\', \'v\', \'x\')', 1)",
    r"values('a UInt8, b String DEFAULT file(\'/etc/hostname\')', (1, 'x'))",
    r"null('a UInt8, b UInt8 MATERIALIZED getServerSetting(\'path\')')",
    "values('n UInt8', 1)",
    "null('n UInt8')",
    "(SELECT * FROM city.secret)",
    "(SELECT 1 UNION ALL SELECT n FROM city.secret)",
    "{t:Identifier}",
]
VALUES = [
    "joinGet('city.owner', 'v', 'x')",
    "JOINGET('city.owner', 'v', 'x')",
    "`joinGet`('city.owner', 'v', 'x')",
    "joinGetOrNull('city.owner', 'v', 'x')",
    "dictGet('city.d', 'v', 1)",
    "dictGetOrDefault('city.d', 'v', 1, 2)",
    "dictHas('city.d', 1)",
    "dictGetString('city.d', 'v', 1)",
    "file('/etc/passwd')",
    "hasColumnInTable('city', 'secret', 'n')",
    "getServerSetting('path')",
    "filesystemAvailable()",
    "aiGenerate('x')",
    "sleep(3)",
    "(SELECT n FROM city.secret)",
    "n IN city.secret",
    "in(n, city.secret)",
    "n IN (SELECT n FROM city.secret)",
    "n GLOBAL NOT IN (SELECT n FROM city.secret)",
    "EXISTS (SELECT 1 FROM city.secret)",
    "arrayMap(x -> joinGet('city.owner', 'v', x), ['a'])",
    # A function named as an argument has no bracket.
    "arrayMap(file, ['/proc/self/environ'])",
    "arrayMap(`file`, ['/proc/self/environ'])",
    "arrayMap(FILE, ['/proc/self/environ'])",
    "arrayFilter(sleep, [3])",
    "arrayMap(joinGet, ['city.owner'], ['v'], ['x'])",
    "(SELECT 'x' AS file)",
    "formatRow('Protobuf', n)",
    "formatRowNoNewline('CSV', n)",
    "naiveBayesClassifier('x', 'y')",
    "numbers(3)",
    "n IN merge('city', '.*')",
    "n IN (system.tables)",
    "n IN (_temporary_and_external_tables.x)",
    "n IN (nowhere.x)",
    "n IN `city.secret`",
    "if(1, `city.secret`.n, 1)",
    "exists((SELECT 1 FROM city.secret))",
    "{t:Identifier}",
    "{t:identifier}",
    "{t:JSON}",
]
WHOLE = [
    "SELECT 1; SELECT 2",
    "SELECT 1 INTO OUTFILE '/tmp/gulou-board.tsv'",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 FORMAT TSV SETTINGS readonly = 0",
    "SELECT * APPLY joinGet FROM v",
    "SELECT * APPLY(joinGet) FROM v",
    "SELECT * REPLACE (joinGet('city.owner', 'v', 'x') AS n) FROM v",
    "INSERT INTO v VALUES (1)",
    "INSERT INTO FUNCTION file('/tmp/gulou-board.tsv') SELECT 1",
    "WITH x AS (SELECT * FROM city.secret) SELECT * FROM x",
    "WITH (SELECT n FROM city.secret) AS x SELECT x",
    "USE city",
    "USE default",
    "SET readonly = 0",
    "SHOW TABLES FROM city",
    "SHOW TABLES WHERE (SELECT count() FROM city.secret) > 5",
    "SHOW TABLES WHERE name = 'x' AND (SELECT count() FROM python('x')) > 1",
    "SHOW TABLES LIKE 'v' LIMIT (SELECT count() FROM city.secret)",
    "SHOW FULL TABLES",
    "SHOW DATABASES LIKE 'x'",
    "SELECT 1 FORMAT Protobuf",
    "SELECT 1 FORMAT Template",
    "SHOW TABLES FORMAT CapnProto",
    "SELECT 1 AS city, 7 IN (city.secret)",
    "SELECT city.n IN (city.secret) FROM v AS city",
    "SELECT * FROM v AS system WHERE n IN (system.tables)",
    "SELECT * FROM format('JSONEachRow', '{\"a\": 1}')",
    "SELECT * FROM v, format('CSV', '1')",
    "SELECT 1 FROM v JOIN v AS w ON v.n = w.n, format('CSV', '1')",
    "SELECT 1 FROM v ARRAY JOIN [1] AS e JOIN format('CSV', '1') AS f ON 1 = 1",
    "SELECT 1 FROM v AS WHERE, format('CSV', '1')",
    "WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x) SELECT n FROM x",
    "SELECT * FROM v SAMPLE 1 / 2",
    "DESCRIBE (SELECT file('/etc/passwd'))",
    "DESCRIBE system.tables",
    "EXISTS DATABASE city",
    "EXISTS DICTIONARY city.d",
    "SHOW CREATE TABLE v",
    "SHOW PROCESSLIST",
    "SHOW COLUMNS FROM secret FROM city",
    "DESCRIBE TABLE city.secret",
    "DESCRIBE TABLE file('/etc/passwd')",
    "DESCRIBE (SELECT * FROM city.secret)",
    "EXISTS TABLE city.secret",
    "EXPLAIN SELECT * FROM v",
    "KILL QUERY WHERE 1",
    "SYSTEM FLUSH LOGS",
    "CREATE TABLE city_published.t (n UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE t (n UInt8)",
    "DROP VIEW v",
    "ALTER TABLE city.secret DELETE WHERE 1",
    "TRUNCATE TABLE city.secret",
    "GRANT ALL ON *.* TO board",
    "BACKUP TABLE city.secret TO File('/tmp/x')",
    "ATTACH TABLE x FROM '/tmp' (n UInt8) ENGINE = MergeTree ORDER BY n",
]


@pytest.mark.parametrize(("sql", "rows"), ALLOWED)
def test_what_is_published_can_be_read(board: Client, sql: str, rows: list[Any]) -> None:
    answer = board.execute(sql)

    assert answer == rows if rows is not None else answer


@pytest.mark.parametrize("relation", SECRETS)
def test_no_other_relation_can_be_read(board: Client, relation: str) -> None:
    assert refused(board, f"SELECT * FROM {relation}") == 497


@pytest.mark.parametrize(
    "before",
    [
        "city_published.p(at = '2026-03-01 09:00:00')",
        "p(at = '2026-03-01 09:00:00')",
        "(SELECT count() AS n FROM v)",
        "(SELECT sumIf(n, n > 1) AS n FROM v)",
        "numbers(1)",
    ],
)
def test_a_function_is_refused_whatever_is_called_before_it(board: Client, before: str) -> None:
    for value in ("joinGet('city.owner', 'v', 'x')", "file('/etc/passwd')", "sleep(3)"):
        assert refused(board, f"SELECT 1 FROM {before} WHERE toString({value}) != ''") == 497


@pytest.mark.parametrize("value", VALUES)
def test_no_function_reaches_another_relation(board: Client, value: str) -> None:
    assert refused(board, f"SELECT {value} FROM v") == 497


@pytest.mark.parametrize("sql", WHOLE)
def test_no_other_statement_is_taken(board: Client, sql: str) -> None:
    assert refused(board, sql) == 497


@pytest.mark.parametrize(
    "clause",
    [
        "SETTINGS limit = 9, max_threads = 7",
        "SETTINGS limit = 9, readonly = 0",
        "INTO OUTFILE 'x'",
    ],
)
def test_no_clause_hides_behind_interpolate(board: Client, clause: str) -> None:
    fill = "SELECT n FROM v ORDER BY n WITH FILL INTERPOLATE"

    assert refused(board, f"{fill} {clause}") in (62, 497)
    assert refused(board, f"SELECT n FROM ({fill} {clause})") in (62, 497)
    assert board.execute("SELECT 1 AS e FROM v ORDER BY n WITH FILL INTERPOLATE (e)") == [(1,)]


def test_a_name_without_a_database_is_no_file(board: Client) -> None:
    for name in (
        "`/etc/passwd`",
        "'/etc/passwd'",
        "`x.csv`",
        "`x.csv` AS a",
        "v JOIN 'x' AS b ON 1 = 1",
    ):
        assert refused(board, f"SELECT * FROM {name}") == 60


def disguised(random_: random.Random, secret: str) -> str:
    """`secret` hidden deep in a statement that looks harmless."""
    wraps = [
        "SELECT n FROM v WHERE n IN (SELECT 1 FROM {})",
        "SELECT (SELECT count() FROM {})",
        "WITH x AS (SELECT 1 AS n FROM {}) SELECT * FROM x",
        "SELECT 1 UNION ALL SELECT 1 FROM {}",
        "SELECT * FROM v ANY LEFT JOIN {} AS j ON 1 = 1",
        "SELECT * FROM v, {}",
        "SELECT * FROM (SELECT * FROM (SELECT * FROM {}))",
        "SELECT arrayMap(x -> (SELECT count() FROM {}), [1])",
        "SELECT n FROM v ORDER BY (SELECT count() FROM {})",
        "SELECT count() FROM v HAVING (SELECT count() FROM {}) > 0",
        "SELECT n FROM v LIMIT (SELECT count() FROM {})",
        "SELECT if(n = 7, 1, (SELECT 1 FROM {})) FROM v",
        "SELECT 1 EXCEPT SELECT 1 FROM {}",
        "SELECT 1 FROM {} FINAL",
        "SELECT 1 FROM {} SAMPLE 0.5",
        "SELECT 1 FROM v GLOBAL INNER JOIN {} AS g USING n",
        "SELECT * FROM view(SELECT * FROM {})",
        "SELECT [(SELECT 1 FROM {})]",
        "SELECT ((((SELECT 1 FROM {}))))",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM {})",
        "SELECT * FROM numbers((SELECT count() FROM {}))",
        "SELECT n FROM p(at = (SELECT max(at) FROM {}))",
    ]
    gaps = [" ", "\n", "\t", " /* city_published.v */ ", " -- v\n", "  ", " /**/ "]
    parts = random_.choice(wraps).format(secret).split(" ")
    sql = parts[0] + "".join(random_.choice(gaps) + part for part in parts[1:])
    return sql if random_.random() < 0.5 else sql.replace("SELECT", "SeLeCt")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_disguise_helps(board: Client, seed: int) -> None:
    chosen = random.Random(seed)
    for _ in range(FUZZED_A_SEED):
        sql = disguised(chosen, chosen.choice(SECRETS[:-3]))
        with pytest.raises(ServerException) as error:
            board.execute(sql)
        # 497, or the engine's parser rejects the statement.
        assert error.value.code in (497, 62), sql


@pytest.mark.parametrize("seed", range(SEEDS))
def test_broken_statements_are_refused_and_never_answered(board: Client, seed: int) -> None:
    chosen = random.Random(seed)
    for _ in range(FUZZED_A_SEED):
        sql = list(disguised(chosen, "city.secret"))
        for _ in range(chosen.randrange(1, 4)):
            at = chosen.randrange(len(sql))
            sql[at] = chosen.choice(
                ["", "'", '"', "`", "(", ")", ";", "\\", "$$", "--", "/*", "\0"]
            )
        try:
            rows = board.execute("".join(sql))
        except (ServerException, UnicodeError):
            continue
        # The rest may be a harmless statement; then it has no secret any more.
        assert "secret" not in str(rows) and (7,) not in rows, "".join(sql)


@pytest.mark.parametrize("asked", ["SELECT 'v' AS x", "SHOW TABLES LIKE 'v'", "EXPLAIN SELECT 1"])
@pytest.mark.parametrize("more", ["", "APPEND ", "TRUNCATE ", "AND STDOUT ", "FORMAT SQLInsert"])
def test_no_statement_writes_a_file(board: Client, tmp_path: Path, asked: str, more: str) -> None:
    assert refused(board, f"{asked} INTO OUTFILE '{tmp_path}/x' {more}") == 497
    assert list(tmp_path.iterdir()) == []


def test_the_text_of_a_view_and_the_path_of_a_table_are_no_metadata(board: Client) -> None:
    for column in ("create_table_query", "as_select", "data_paths", "metadata_path"):
        with pytest.raises(ServerException) as unknown:
            board.execute(f"SELECT {column} FROM system.tables")
        assert unknown.value.code == 47  # such a column does not exist


def test_a_function_made_later_is_refused_until_it_is_listed(
    warehouse: EmbeddedClickHouse, board: Client
) -> None:
    writer = connect(warehouse)
    writer.execute("CREATE FUNCTION reads AS x -> concat(x, file('/etc/hostname'))")
    try:
        for value in ("reads('a')", "arrayMap(reads, ['a'])"):
            assert refused(board, f"SELECT {value}") == 497
    finally:
        writer.execute("DROP FUNCTION reads")
        writer.disconnect()


def test_the_values_of_parameters_are_texts_and_numbers_alone(board: Client) -> None:
    asked = "SELECT {text:String}, {numbers:Array(UInt8)}, {at:DateTime64(3, 'UTC')}"
    values = {"text": "city.secret' OR 1", "numbers": [1], "at": "2026-03-01 08:00:00.000"}

    answer = board.execute(asked, values, settings={"server_side_params": True})

    assert answer == [("city.secret' OR 1", [1], datetime(2026, 3, 1, 8, tzinfo=UTC))]


def test_a_board_brings_no_tables(warehouse: EmbeddedClickHouse, board: Client) -> None:
    table = {"name": "v", "structure": [("n", "UInt8")], "data": [{"n": 1}]}
    with pytest.raises(ServerException) as refused:
        board.execute("SELECT n FROM v", external_tables=[table])
    form = requests.post(
        f"http://{warehouse.host}:{warehouse.http_port}/",
        params={"query": "SELECT n FROM v", "v_structure": "n UInt8"},
        files={"v": b"1\n"},
        headers={"X-ClickHouse-User": "board", "X-ClickHouse-Key": USERS["board"]["password"]},
        timeout=60,
    )

    assert refused.value.code == 497
    assert form.headers["X-ClickHouse-Exception-Code"] == "497"
    assert board.execute("SELECT n FROM v") == [(7,)]


def test_a_text_that_never_ends_is_refused(board: Client) -> None:
    for opened in ("/* ", "'\\'", "$a$ $b$ ", "‘"):
        asked = f"SELECT 1 format {opened * (180_000 // len(opened.encode()))}"
        with pytest.raises(ServerException):
            board.execute(asked)


def test_limits_hold_and_can_only_be_lowered(warehouse: EmbeddedClickHouse) -> None:
    client = connect(warehouse, "board", settings_is_important=True)
    ask = "SELECT getSetting('max_execution_time'), getSetting('max_result_rows')"

    more = client.execute(ask, settings={"max_execution_time": 65, "max_result_rows": 0})
    less = client.execute(ask, settings={"max_execution_time": 5, "max_result_rows": 10})
    again = [client.execute(ask) for _ in range(2)]
    with pytest.raises(ServerException) as too_many:
        client.execute("SELECT number FROM numbers(2000)")
    with pytest.raises(ServerException) as changed:
        client.execute("SELECT 1", settings={"max_memory_usage_for_user": 1})
    client.disconnect()

    assert (more, less) == ([(20.0, 1000)], [(5.0, 10)])
    assert again == [more, more]
    assert (too_many.value.code, changed.value.code) == (396, 164)


def test_the_same_holds_over_http(warehouse: EmbeddedClickHouse) -> None:
    def ask(sql: str, **parameters: str) -> requests.Response:
        return requests.post(
            f"http://{warehouse.host}:{warehouse.http_port}/",
            params={"session_id": "s", **parameters},
            data=sql,
            headers={"X-ClickHouse-User": "board", "X-ClickHouse-Key": "drum"},
            timeout=60,
        )

    codes = [
        ask(sql, **more).headers.get("X-ClickHouse-Exception-Code", "0")
        for sql, more in (
            ("SELECT n FROM v FORMAT JSON", {}),
            ("SELECT n FROM city.secret", {}),
            ("SELECT n FROM secret", {"database": "city"}),
            ("SELECT 1", {"allow_introspection_functions": "1"}),
            ("INSERT INTO city.secret VALUES (1, 0)", {}),
            ("1", {"query": "INSERT INTO city.secret (n) FORMAT TSV"}),
            ("SELECT * FROM {t:Identifier}", {"param_t": "city.secret"}),
            ("SELECT 'v' AS x", {"default_format": "Protobuf"}),
            ("SELECT 'v' AS x", {"output_format_schema": "/tmp/x"}),
            ("SELECT 1 FORMAT SQLInsert", {"output_format_sql_insert_table_name": "x"}),
        )
    ]

    assert codes == ["0", "497", "497", "164", "497", "497", "497", "497", "164", "164"]


def test_a_database_added_to_the_users_file_is_readable_at_once(
    warehouse: EmbeddedClickHouse, users: Path
) -> None:
    writer = connect(warehouse)
    writer.execute("CREATE DATABASE replay_published")
    writer.execute("CREATE VIEW replay_published.v AS SELECT 9 AS n")
    writer.disconnect()
    board = connect(warehouse, "board")
    before = refused(board, "SELECT n FROM replay_published.v")

    more = {**USERS["board"], "databases": ["city_published", "replay_published"]}
    write_users(users, {**USERS, "board": more})
    after = board.execute("SELECT n FROM replay_published.v")
    write_users(users, USERS)
    again = refused(board, "SELECT n FROM replay_published.v")
    board.disconnect()

    assert (before, after, again) == (497, [(9,)], 497)


def test_an_answer_without_rows_has_the_columns_its_view_has_now(
    warehouse: EmbeddedClickHouse, board: Client
) -> None:
    writer = connect(warehouse)

    def columns(zone: str) -> Any:
        asked = "SELECT * FROM none WHERE n = 2"
        return board.execute(asked, with_column_types=True, settings={"session_timezone": zone})

    view = "CREATE OR REPLACE VIEW city_published.none AS SELECT 1 AS n, toDateTime(0"
    try:
        writer.execute(f"{view}) AS t")
        for zone in ("UTC", "Asia/Shanghai", "UTC"):
            assert columns(zone) == ([], [("n", "UInt8"), ("t", "DateTime")])
        writer.execute(f"{view}, 'Asia/Tokyo') AS t")
        assert columns("UTC") == ([], [("n", "UInt8"), ("t", "DateTime('Asia/Tokyo')")])
    finally:
        writer.execute("DROP VIEW city_published.none")
        writer.disconnect()
