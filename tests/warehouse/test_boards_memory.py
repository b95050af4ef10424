"""Boards' queries together take a part of the memory, and the writer's INSERTs have the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests

from infra import desks
from infra.warehouse import EmbeddedClickHouse, access, sizes
from infra.warehouse._fault import TOO_MANY_SIMULTANEOUS_QUERIES, Fault
from infra.warehouse.access import Users, write_users
from infra.warehouse.desk import Desk, Question
from infra.warehouse.engine import _SERVER, Engine
from infra.warehouse.seats import Running
from tests.warehouse.conftest import connect

DEADLINE_S = 60
MB = 1_000_000
BOARD = {"X-ClickHouse-User": "board", "X-ClickHouse-Key": "drum"}


def test_all_boards_queries_at_a_time_leave_a_third_of_the_memory_to_the_writer() -> None:
    (most,) = (int(_SERVER["max_server_memory_usage"]),)

    assert most * 2 // 3 >= sizes.BOARDS_BYTES
    # Two queries of one user and one of another fit at any time.
    assert sizes.BOARDS_SHARE_BYTES >= 2 * (sizes.QUERY_BYTES + sizes.HEADER_BYTES)
    assert sizes.BOARDS_BYTES - sizes.BOARDS_SHARE_BYTES >= sizes.QUERY_BYTES + sizes.HEADER_BYTES


def test_a_boards_query_has_one_bound_wherever_it_is_told() -> None:
    assert access.LIMITS["max_memory_usage"] == sizes.QUERY_BYTES == 200 * MB
    # A city's own ClickHouse has its own memory.
    assert {**access.LIMITS, "max_memory_usage": 1000 * MB} == desks.OWN_SERVERS_LIMITS


def test_a_users_file_cannot_give_a_board_more_memory_than_all_boards_have(tmp_path: Path) -> None:
    board = {"password": "p", "role": "board", "databases": ["d"]}
    entries = {
        f"b{limit}": {**board, "limits": {"max_memory_usage": limit}}
        for limit in (0, 7 * MB, 5000 * MB)
    }
    write_users(tmp_path / "users.json", entries)
    users = Users(tmp_path / "users.json")

    found = [users.login(name, "p").limits["max_memory_usage"] for name in entries]

    most = sizes.BOARDS_SHARE_BYTES - sizes.HEADER_BYTES
    assert found == [most, 7 * MB, most]  # 0 is no limit to the engine


def test_queries_wait_until_there_is_memory_for_them_and_one_user_never_has_all() -> None:
    running = Running(wait_s=0.05)
    with ExitStack() as turns:
        for _ in range(3):
            turns.enter_context(running.turn("board", 16, memory=250 * MB))
        with pytest.raises(Fault) as refused, running.turn("board", 16, memory=250 * MB):
            pass
        turns.enter_context(running.turn("desk", 16, memory=250 * MB))
        with pytest.raises(Fault), running.turn("desk_1", 16, memory=1):
            pass
        with running.turn("gulou", 100):  # a writer
            pass
    with running.turn("desk_1", 16, memory=250 * MB):
        pass

    assert refused.value.code == TOO_MANY_SIMULTANEOUS_QUERIES


def test_a_query_that_waits_for_memory_runs_when_another_ends() -> None:
    running, began = Running(wait_s=DEADLINE_S), threading.Event()

    def next_one() -> None:
        with running.turn("b", 16, memory=sizes.BOARDS_SHARE_BYTES):
            began.set()

    with running.turn("b", 16, memory=1):
        waiting = threading.Thread(target=next_one)
        waiting.start()
        assert not began.is_set()
    waiting.join(DEADLINE_S)

    assert began.is_set()


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Iterator[Desk]:
    file = tmp_path / "users.json"
    write_users(file, {"b": {"password": "p", "role": "board", "databases": ["held"]}})
    engine.ask("CREATE DATABASE IF NOT EXISTS held")
    users = Users(file)
    users.running = Running(wait_s=0.05)
    with closing(Desk(engine, users, users.login("b", "p"), "")) as desk:
        yield desk


def test_a_boards_query_has_its_turn_until_its_answer_was_sent(desk: Desk) -> None:
    running = desk._users.running
    asked = Question("SELECT 7", "", [], {}, "TSV")

    desk.prepare(asked)
    answer = b"".join(desk.ask(asked))  # an answer that is kept whole before it is sent

    assert (answer, running.held) == (b"7\n", sizes.QUERY_BYTES + sizes.HEADER_BYTES)
    desk.put_away()
    assert running.held == 0


def test_the_columns_of_a_boards_answer_are_asked_for_within_its_turn_and_its_memory(
    desk: Desk,
) -> None:
    running = desk._users.running
    # What stands in brackets is computed when the columns are asked for.
    heavy = "SELECT (SELECT length(groupArray(number)) FROM numbers(20000000)) AS n WHERE 0"
    asked = Question(heavy, "", [], {}, "Native")

    desk.prepare(asked)
    with pytest.raises(Fault, match="emory limit"):
        desk.columns(asked)

    assert running.held == sizes.QUERY_BYTES + sizes.HEADER_BYTES
    desk.put_away()


def test_no_insert_fails_because_of_the_boards_queries(warehouse: EmbeddedClickHouse) -> None:
    owner = connect(warehouse)
    owner.execute("CREATE TABLE city.beside (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    ended = threading.Event()

    def heavy(_: int) -> set[str]:
        seen: set[str] = set()
        with requests.Session() as session:
            session.trust_env = False
            while not ended.is_set():
                answer = session.post(
                    f"http://{warehouse.host}:{warehouse.http_port}/",
                    data="SELECT length(groupArray(toString(number))) FROM numbers(20000000)",
                    headers=BOARD,
                    timeout=DEADLINE_S,
                )
                seen.add(answer.headers.get("X-ClickHouse-Exception-Code", "200"))
        return seen

    with ThreadPoolExecutor(16) as pool:
        boards = [pool.submit(heavy, each) for each in range(16)]
        try:
            for _ in range(12):
                owner.execute(
                    "INSERT INTO city.beside SELECT number, repeat('x', 100) FROM numbers(400000)"
                )
        finally:
            ended.set()
        codes = set().union(*(each.result() for each in boards))

    assert owner.execute("SELECT count() FROM city.beside") == [(12 * 400_000,)]
    owner.execute("DROP TABLE city.beside SYNC")
    owner.disconnect()
    # Over its own memory, or nobody's turn ended in time.
    assert "241" in codes
    assert codes <= {"241", "202"}
