"""Queries through /api/ds/query, as the board user, on the real engine."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from infra.warehouse import EmbeddedClickHouse
from tests.dashboards.city import COUNTIES, DATABASE
from tests.dashboards.conftest import BOARDS, writer
from tests.dashboards.servers import BoardServer, board_server


def _columns(result: Any) -> list[list[Any]]:
    assert "error" not in result, result["error"]
    columns: list[list[Any]] = result["frames"][0]["data"]["values"]
    return columns


def test_the_health_of_a_source_is_that_of_clickhouse(city: BoardServer) -> None:
    health = city.call("GET", "/api/datasources/uid/city/health")
    assert health.json() == {"status": "OK", "message": "Data source is working"}


def test_every_type_arrives_as_grafana_would_send_it(city: BoardServer) -> None:
    made = city.query(
        "SELECT toUInt64(9007199254740991) AS u, toInt8(-5) AS i, 1.5 AS f, 0/0 AS n,"
        " toDecimal64('12.34', 2) AS d, true AS b, 'x' AS s, toLowCardinality('y') AS l,"
        " toDate('2021-12-31') AS day, toDateTime('2021-12-31 08:00:00', 'Asia/Shanghai') AS t,"
        " toDateTime64('2021-12-31 08:00:00.005', 3, 'Asia/Shanghai') AS t3,"
        " toNullable(toInt32(7)) AS o, CAST(NULL AS Nullable(String)) AS z, [1, 2] AS a,"
        " toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS id, map('k', 1) AS m"
    )
    # 2021-12-31 00:00 UTC is 1640908800; 08:00 in Shanghai is the same instant.
    assert [c[0] for c in _columns(made)] == [
        9007199254740991, -5, 1.5, None, 12.34, True, "x", "y", 1640908800000, 1640908800000,
        1640908800005, 7, None, [1, 2], "61f0c404-5cb3-11e7-907b-a6006ad3dba0", {"k": 1},
    ]  # fmt: skip
    fields = made["frames"][0]["schema"]["fields"]
    assert [f["type"] for f in fields] == [
        "number", "number", "number", "number", "number", "boolean", "string", "string", "time",
        "time", "time", "number", "string", "other", "string", "other",
    ]  # fmt: skip


def test_a_column_without_a_zone_keeps_its_instant(city: BoardServer) -> None:
    # The driver returns it as naive time in the server's zone.
    assert _columns(city.query("SELECT toDateTime(1640966400) AS t")) == [[1640966400000]]


def test_macros_reach_clickhouse_expanded(city: BoardServer) -> None:
    sql = (
        "SELECT $__timeInterval(at) AS t, sum(events) AS n FROM hourly"
        " WHERE $__timeFilter(at) GROUP BY t ORDER BY t"
    )
    asked = [{"refId": "A", "datasource": {"uid": "city"}, "rawSql": sql, "intervalMs": 3_600_000}]
    body = {"queries": asked, "from": "1640448000000", "to": "1640620799000"}
    result = city.call("POST", "/api/ds/query", body).json()["results"]["A"]
    # From 2021-12-26 00:00 to 2021-12-27 23:59:59 in Shanghai: two days of hours.
    hours = range(1640448000000, 1640620800000, 3_600_000)
    assert _columns(result)[0] == list(hours)
    assert "INTERVAL 3600 second" in result["frames"][0]["schema"]["meta"]["executedQueryString"]


def test_an_error_has_clickhouses_code_and_words(city: BoardServer) -> None:
    result = city.query("SELECT 1 FROM missing_table")
    assert result["status"] == 400
    assert result["error"].startswith("code: 60, message: ")
    assert "missing_table" in result["error"]
    assert "Stack trace" not in result["error"]


def test_one_failing_query_leaves_its_neighbours_alone(city: BoardServer) -> None:
    source = {"uid": "city"}
    asked = [
        {"refId": "A", "datasource": source, "rawSql": "SELECT 1", "format": 1},
        {"refId": "B", "datasource": source, "rawSql": "SELECT $__timeFilter()", "format": 1},
        {"refId": "C", "datasource": {"uid": "no"}, "rawSql": "SELECT 1", "format": 1},
        {"refId": "D", "datasource": source, "rawSql": " ", "format": 1},
        {"refId": "E", "datasource": source, "rawSql": "SELECT 1", "format": 9},
    ]
    answer = city.call("POST", "/api/ds/query", {"queries": asked, "from": "0", "to": "1"})
    results = answer.json()["results"]
    assert answer.status_code == 400
    assert _columns(results["A"]) == [[1]]
    assert "unexpected number of arguments" in results["B"]["error"]
    assert "data source 'no' not found" in results["C"]["error"]
    assert "empty" in results["D"]["error"]
    assert "format 9" in results["E"]["error"]


def test_the_board_user_reads_nothing_else_and_changes_nothing(city: BoardServer) -> None:
    for sql in (
        "DROP TABLE county",
        "INSERT INTO county VALUES ('1', '2', 0, 0, 0, 0, 0)",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM system.settings",
        "SELECT * FROM url('http://127.0.0.1/', 'LineAsString')",
    ):
        assert city.query(sql)["status"] == 400, sql
    assert _columns(city.query("SELECT count() FROM county")) == [[len(COUNTIES)]]


def test_rows_beyond_the_limit_are_left_out_and_said_so(
    tmp_path: Path, provisioned: tuple[str, ...]
) -> None:
    with board_server(tmp_path, *provisioned, "--rows", "50") as small:
        made = small.query("SELECT number FROM numbers(100000)")
        assert _columns(made) == [list(range(50))]
        assert made["frames"][0]["schema"]["meta"]["notices"][0]["text"] == "只显示前 50 行"
        assert _columns(small.query("SELECT 1")) == [[1]], "the connection after it is sound"


def test_a_query_that_takes_too_long_is_stopped(
    tmp_path: Path, provisioned: tuple[str, ...]
) -> None:
    with board_server(tmp_path, *provisioned, "--query-seconds", "1") as short:
        result = short.query("SELECT sum(cityHash64(number, number)) FROM numbers(100000000000)")
        assert (result["status"], "code: 159" in result["error"]) == (400, True)


def _safe(value: str) -> str:
    """The values of a variable as boards must write them: nothing reaches the SQL raw."""
    return f"splitByChar(',', trim(BOTH '{{}}' FROM decodeURLComponent('{quote(value, safe='')}')))"


@pytest.mark.parametrize("value", ["'; DROP TABLE x", "') OR 1=1 --", "\\' OR 1=1 -- ", "\\\\'"])
def test_a_hostile_value_in_the_safe_form_finds_no_row(city: BoardServer, value: str) -> None:
    made = city.query(f"SELECT count() FROM county WHERE code IN {_safe(value)}")
    assert _columns(made) == [[0]]
    both = city.query(f"SELECT count() FROM county WHERE code IN {_safe('{431202,' + value + '}')}")
    assert _columns(both) == [[1]]


def test_many_screens_share_one_query_per_refresh(
    city: BoardServer, city_clickhouse: EmbeddedClickHouse
) -> None:
    client = writer(city_clickhouse)
    client.execute(f"CREATE TABLE {DATABASE}.tally (n UInt64) ENGINE = MergeTree ORDER BY n")
    try:
        client.execute(f"INSERT INTO {DATABASE}.tally VALUES (1)")
        answers: list[Any] = []
        sql = "SELECT count() AS n FROM tally"

        def screen() -> None:
            answers.append(_columns(city.query(sql, refreshMs=20_000)))

        screen()
        # Screens of the same refresh do not see this row: they share the earlier answer, so none
        # of them queried ClickHouse again.
        client.execute(f"INSERT INTO {DATABASE}.tally VALUES (2)")
        screens = [threading.Thread(target=screen) for _ in range(49)]
        for thread in screens:
            thread.start()
        for thread in screens:
            thread.join()
        assert answers == [[[1]]] * 50
        # A query without a refresh interval is never shared.
        assert _columns(city.query(sql)) == [[2]]
        # Another range makes another SQL text, so it has its own answer.
        assert _columns(city.query(sql + " WHERE $__fromTime > 0", refreshMs=20_000)) == [[2]]
    finally:
        client.execute(f"DROP TABLE {DATABASE}.tally SYNC")
        client.disconnect()


def test_a_changed_data_source_shares_nothing_with_its_past(
    tmp_path: Path, provisioned: tuple[str, ...], city_source: dict[str, Any]
) -> None:
    with board_server(tmp_path, *provisioned) as server:
        sql = "SELECT currentDatabase() AS d"
        assert _columns(server.query(sql, refreshMs=60_000)) == [[DATABASE]]
        elsewhere = {**city_source, "jsonData": {**city_source["jsonData"], "port": 1}}
        assert server.call("PUT", "/api/datasources/uid/city", elsewhere).status_code == 200
        assert server.query(sql, refreshMs=60_000)["status"] == 502


def test_a_data_source_that_is_published_again_leaves_no_connection_behind(
    tmp_path: Path,
    provisioned: tuple[str, ...],
    city_source: dict[str, Any],
    city_clickhouse: EmbeddedClickHouse,
) -> None:
    def connections() -> int:
        process = psutil.Process(changing.process.pid)
        found = process.net_connections("tcp")
        return sum(
            c.raddr[1:] == (city_clickhouse.port,) for c in found if c.status == "ESTABLISHED"
        )

    with board_server(tmp_path, *provisioned) as changing:
        for n in range(5):
            assert changing.query(f"SELECT {n}")["status"] == 200
            changing.call("PUT", "/api/datasources/uid/city", city_source)
        assert changing.query("SELECT 9")["status"] == 200
        assert connections() == 1
        changing.call("DELETE", "/api/datasources/uid/city")
        assert connections() == 0


def test_every_panel_of_the_fixture_boards_answers(city: BoardServer) -> None:
    for path in BOARDS.glob("[!b]*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                if "$" not in target["rawSql"].replace("$__", ""):
                    result = city.query(target["rawSql"], form=target["format"])
                    assert "error" not in result, (panel["title"], result["error"])
