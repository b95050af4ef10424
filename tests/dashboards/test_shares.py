"""One client's queries stop nobody else's, and end when it leaves; no body is too large or deep."""

from __future__ import annotations

import contextlib
import copy
import gzip
import json
import select
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from clickhouse_driver import Client

from dashboards.server import ServerConfig
from dashboards.server import app as board_server
from dashboards.server.answers import _depth
from dashboards.server.turns import AT_ONCE, EACH, WAITING
from infra.warehouse import EmbeddedClickHouse, sizes
from infra.warehouse.access import write_users
from tests.dashboards.conftest import BOARD_USER, writer
from tests.dashboards.inside import Inside, inside
from tests.waiting import until

TOKEN = "glsa_test"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SPAN = {"from": "1640361600000", "to": "1640966399000"}
DEADLINE_S = 300
HOUR_S = 3600
SOURCE = {"type": "grafana-clickhouse-datasource", "uid": "city"}
RUNNING = (
    "SELECT count() FROM system.processes "
    "WHERE query LIKE '%sipHash64(number)%' AND query NOT LIKE '%system.processes%'"
)


def heavy(number: int) -> str:
    """A query that runs for an hour unless it is ended; each number is another query."""
    return f"SELECT count() FROM numbers(100000000000000) WHERE sipHash64(number) = {number}"


@contextlib.contextmanager
def patience(warehouse: EmbeddedClickHouse) -> Iterator[None]:
    """Lets in the board user again, under another name and for queries of an hour.

    So whatever ends within the deadline of a test was ended.
    """
    file = warehouse.data / "users.json"
    before = json.loads(file.read_text())["users"]
    limits = {
        "max_execution_time": HOUR_S,
        "max_result_rows": 1000,
        "max_memory_usage": sizes.QUERY_BYTES,
    }
    write_users(file, before | {"patient": before[BOARD_USER[0]] | {"limits": limits}})
    try:
        yield
    finally:
        write_users(file, before)


@pytest.fixture(scope="module")
def walls(
    tmp_path_factory: pytest.TempPathFactory,
    city_source: dict[str, Any],
    city_clickhouse: EmbeddedClickHouse,
) -> Iterator[Inside]:
    """A board server with a token over the fixture city, and a board with a light panel."""
    root: Path = tmp_path_factory.mktemp("shares")
    patient = copy.deepcopy(city_source)
    patient["jsonData"] |= {"username": "patient", "queryTimeout": HOUR_S}
    (root / "sources.json").write_text(json.dumps([patient]))
    config = ServerConfig(root / "state", data_sources=root / "sources.json", query_s=HOUR_S)
    with patience(city_clickhouse), inside(config, TOKEN) as running:
        target = {"refId": "A", "datasource": SOURCE, "rawSql": "SELECT 7 AS n", "format": 1}
        board = {"uid": "light", "title": "light", "panels": [{"id": 1, "targets": [target]}]}
        body = {"dashboard": board, "overwrite": True}
        assert running.call("POST", "/api/dashboards/db", body, headers=BEARER).status_code == 200
        yield running


@pytest.fixture
def owner(city_clickhouse: EmbeddedClickHouse) -> Iterator[Client]:
    client = writer(city_clickhouse)
    yield client
    client.disconnect()


def request(server: Inside, method: str, path: str, body: Any = None, **headers: str) -> bytes:
    """A request as it goes over the wire."""
    content = json.dumps(body).encode() if body is not None else b""
    lines = {"Host": f"127.0.0.1:{server.port}", "Content-Length": str(len(content)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


@contextlib.contextmanager
def left_open(server: Inside, sent: bytes) -> Iterator[socket.socket]:
    """A client that has asked, and leaves when the block ends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S) as client:
        client.sendall(sent)
        yield client


def heavies(count: int, first: int = 0) -> dict[str, Any]:
    queries = [
        {"refId": f"Q{at}", "datasource": SOURCE, "rawSql": heavy(first + at), "format": 1}
        for at in range(count)
    ]
    return {"queries": queries, **SPAN}


def running(owner: Client) -> int:
    return int(owner.execute(RUNNING)[0][0])


def test_clickhouse_has_memory_for_as_many_queries_as_the_boards_ask_at_a_time() -> None:
    each = sizes.QUERY_BYTES + sizes.HEADER_BYTES
    assert EACH < AT_ONCE == sizes.BOARDS_SHARE_BYTES // each


def test_16_heavy_queries_of_one_client_leave_room_for_anothers_light_one_and_end_with_it(
    walls: Inside, owner: Client
) -> None:
    sent = request(walls, "POST", "/api/ds/query", heavies(16), **BEARER)
    with left_open(walls, sent) as client:
        until(lambda: running(owner) == EACH, "its share of them never ran")

        light = requests.get(
            f"{walls.url}/api/boards/light/panels/1/query?{urlencode(SPAN)}", timeout=DEADLINE_S
        )

        assert light.json()["results"]["A"]["frames"][0]["data"]["values"] == [[7]]
        assert not select.select([client], [], [], 0)[0], "the 16 were answered first"

    until(lambda: running(owner) == 0, "a query of a client that left went on")
    # Nor does one that waited begin now.
    again = walls.call("POST", "/api/ds/query", light_queries(1), headers=BEARER)
    assert (again.status_code, running(owner)) == (200, 0)


def light_queries(count: int) -> dict[str, Any]:
    queries = [
        {"refId": f"Q{at}", "datasource": SOURCE, "rawSql": f"SELECT {at} AS n", "format": 1}
        for at in range(count)
    ]
    return {"queries": queries, **SPAN}


def test_a_query_that_two_clients_wait_for_goes_on_when_one_of_them_leaves(
    walls: Inside, owner: Client
) -> None:
    both = request(walls, "POST", "/api/ds/query", heavies(1, first=100), **BEARER)
    with left_open(walls, both):
        with left_open(walls, both):
            until(lambda: running(owner) == 1, "it never ran")
        # The one that stays is heard last: whatever comes after it finds the query running.
        assert walls.call("GET", "/api/health").status_code == 200
        assert running(owner) == 1
    until(lambda: running(owner) == 0, "it went on when both had left")


def test_too_many_queries_of_one_client_are_refused_each_by_itself(
    walls: Inside, owner: Client
) -> None:
    with left_open(walls, request(walls, "POST", "/api/ds/query", heavies(EACH, 200), **BEARER)):
        until(lambda: running(owner) == EACH, "its share of them never ran")
        crowd = request(walls, "POST", "/api/ds/query", heavies(WAITING, 300), **BEARER)
        with left_open(walls, crowd):
            body = light_queries(1)
            until(
                lambda: refused(walls.call("POST", "/api/ds/query", body, headers=BEARER)),
                "nothing was refused",
            )
            # Another client is none the worse for it.
            url = f"{walls.url}/api/boards/light/panels/1/query?{urlencode(SPAN)}"
            assert requests.get(url, timeout=DEADLINE_S).status_code == 200
    until(lambda: running(owner) == 0, "a query of a client that left went on")


def refused(answer: requests.Response) -> bool:
    (result,) = answer.json()["results"].values()
    if "error" not in result:
        return False
    assert result["status"] == 429
    assert result["error"].startswith(f"查询太多：您已有 {WAITING} 个查询在排队。")
    return True


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_packed_body_is_refused_unread(walls: Inside, encoding: str) -> None:
    bomb = gzip.compress(bytes(100 << 20))

    answer = requests.post(
        f"{walls.url}/api/ds/query",
        data=bomb,
        headers={**BEARER, "Content-Encoding": encoding},
        timeout=DEADLINE_S,
    )

    assert answer.status_code == 415
    assert answer.json()["message"].startswith("请求正文不能压缩")


@pytest.mark.parametrize("depth", [101, 100_000])
def test_a_body_of_too_many_brackets_is_refused(walls: Inside, depth: int) -> None:
    deep = '{"queries":' + "[" * depth + "]" * depth + "}"

    answer = requests.post(
        f"{walls.url}/api/ds/query", data=deep, headers=BEARER, timeout=DEADLINE_S
    )

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("bad request data: deeper than 100 brackets.")


def test_brackets_within_texts_are_no_depth(walls: Inside) -> None:
    body = light_queries(1)
    body["queries"][0]["rawSql"] = f"SELECT '{'[' * 500}\\\"{'{' * 500}' AS n"

    assert walls.call("POST", "/api/ds/query", body, headers=BEARER).status_code == 200


def test_a_login_is_no_larger_than_a_login(walls: Inside) -> None:
    form = {"token": "x" * 20_000}

    answer = requests.post(f"{walls.url}/login", data=form, timeout=DEADLINE_S)
    unmeasured = requests.post(
        f"{walls.url}/login", data=iter([b"token=", b"x" * 10]), timeout=DEADLINE_S
    )

    assert (answer.status_code, unmeasured.status_code) == (413, 413)


def test_a_client_with_many_addresses_of_this_machine_has_one_share(
    walls: Inside, owner: Client
) -> None:
    sql = f"{heavy(400)} AND toDateTime(number) != $__toTime"
    target = {"refId": "A", "datasource": SOURCE, "rawSql": sql, "format": 1}
    board = {"uid": "heavy", "title": "heavy", "panels": [{"id": 1, "targets": [target]}]}
    body = {"dashboard": board, "overwrite": True}
    assert walls.call("POST", "/api/dashboards/db", body, headers=BEARER).status_code == 200
    with contextlib.ExitStack() as stack:
        for number in range(1, EACH + 3):
            client = stack.enter_context(socket.socket())
            client.settimeout(DEADLINE_S)
            client.bind((f"127.0.1.{number}", 0))
            client.connect(("127.0.0.1", walls.port))
            path = f"/api/boards/heavy/panels/1/query?from=0&to={number}000"
            client.sendall(request(walls, "GET", path))
        until(lambda: running(owner) == EACH, "its share of them never ran")
        # Whoever asks by a token is another client, and finds a place free.
        light = walls.call("POST", "/api/ds/query", light_queries(1), headers=BEARER)
        assert (light.status_code, running(owner)) == (200, EACH)
    until(lambda: running(owner) == 0, "a query of a client that left went on")


def test_more_requests_than_a_client_may_have_at_a_time_are_refused_and_no_other_clients(
    walls: Inside, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = 120
    monkeypatch.setattr(board_server, "ASKING", asking)
    path = f"/api/boards/heavy/panels/1/query?{urlencode(SPAN)}"
    target = {"refId": "A", "datasource": SOURCE, "rawSql": heavy(500), "format": 1}
    board = {"uid": "heavy", "title": "heavy", "panels": [{"id": 1, "targets": [target]}]}
    body = {"dashboard": board, "overwrite": True}
    assert walls.call("POST", "/api/dashboards/db", body, headers=BEARER).status_code == 200
    with contextlib.ExitStack() as stack:
        # All share one query, so that no queue of queries fills.
        for _ in range(asking):
            stack.enter_context(left_open(walls, request(walls, "GET", path)))
        until(lambda: walls.call("GET", "/api/org").status_code == 429, "nothing was refused")
        assert walls.call("GET", "/api/org").json()["message"].startswith("请求太多。")
        assert walls.call("GET", "/api/org", headers=BEARER).status_code == 200
    until(lambda: running(owner) == 0, "a query of a client that left went on")
    assert walls.call("GET", "/api/org").status_code == 200


@pytest.mark.parametrize(
    "text",
    ['{"a": "' + "x" * 4_000_000 + '"}', '{"a": "' + "\\n" * 2_000_000 + '"}'],
    ids=["letters", "escapes"],
)
def test_counting_the_brackets_of_a_body_takes_no_memory_for_its_texts(text: str) -> None:
    tracemalloc.start()
    try:
        assert _depth(text) == 1
        assert tracemalloc.get_traced_memory()[1] < 3 * len(text)
    finally:
        tracemalloc.stop()


def test_queries_larger_than_a_mebibyte_are_refused(walls: Inside) -> None:
    body = light_queries(1)
    body["queries"][0]["rawSql"] += " " * (1 << 20)

    answer = walls.call("POST", "/api/ds/query", body, headers=BEARER)

    assert answer.status_code == 400
    assert "1048576 at most" in answer.json()["message"]
