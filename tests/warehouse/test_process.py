"""The server as a process: start, stop, kill."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from clickhouse_driver.block import ColumnOrientedBlock
from clickhouse_driver.errors import Error

from infra.warehouse import EmbeddedClickHouse, write_users
from infra.warehouse._fault import Fault
from infra.warehouse.access import Users
from schemas.errors import Misconfigured
from tests.warehouse.conftest import connect

KILLS = 4
BLOCK = 30_000


def test_a_row_that_was_acknowledged_survives_a_hard_kill(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path) as warehouse:
        client = connect(warehouse)
        client.execute("CREATE DATABASE d")
        client.execute("CREATE TABLE d.t (n UInt64) ENGINE = MergeTree ORDER BY n")
        client.execute("INSERT INTO d.t VALUES", [(1,), (2,)])
        client.disconnect()
        before = (warehouse.port, warehouse.http_port)

        warehouse.kill()
        warehouse.start()
        again = connect(warehouse)
        found = again.execute("SELECT count(), sum(n) FROM d.t")
        again.disconnect()

        assert (found, (warehouse.port, warehouse.http_port)) == ([(2, 3)], before)


def test_a_kill_during_an_insert_leaves_all_of_a_block_or_nothing(tmp_path: Path) -> None:
    columns: list[Any] = [list(range(BLOCK)), [b"x" * 200] * BLOCK]
    acknowledged = 0
    with EmbeddedClickHouse(tmp_path) as warehouse:
        client = connect(warehouse)
        client.execute("CREATE DATABASE d")
        client.execute("CREATE TABLE d.t (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
        client.disconnect()
        for kill in range(KILLS):
            client = connect(warehouse, settings={"strings_as_bytes": True})
            killer = threading.Timer(0.05 + 0.1 * kill, warehouse.kill)
            killer.start()
            try:
                while True:
                    client.execute("INSERT INTO d.t VALUES", columns, columnar=True)
                    acknowledged += 1
            except (Error, OSError, EOFError):
                client.disconnect()
            killer.join()
            warehouse.start()
        client = connect(warehouse)
        rows = client.execute("SELECT count(), sum(n) FROM d.t")[0]
        blocks = rows[0] // BLOCK
        client.disconnect()

    # 0 + 1 + … + 29,999 per block; at most the last block before a kill was not acknowledged.
    assert rows == (blocks * BLOCK, blocks * 449_985_000)
    assert acknowledged <= blocks <= acknowledged + KILLS


def test_sigterm_is_a_clean_end_even_while_a_query_runs(tmp_path: Path) -> None:
    warehouse = EmbeddedClickHouse(tmp_path)
    warehouse.start()
    client = connect(warehouse)
    client.connection.force_connect()
    client.connection.send_query("SELECT sum(cityHash64(number)) FROM numbers(1000000000000)")
    client.connection.send_external_tables(None)
    process = psutil.Process(warehouse.pid)

    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=30)
    client.disconnect()

    assert code in (0, None)
    assert warehouse._child is not None and warehouse._child.wait() == 0


def test_a_second_server_on_the_same_folder_says_so_in_one_sentence(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path) as first:
        second = EmbeddedClickHouse(tmp_path)
        with pytest.raises(Misconfigured, match="Another ClickHouse works on") as refused:
            second.start()

        assert "\n" not in str(refused.value)
        assert second._child is not None and second._child.wait() == Misconfigured.exit_code
        assert first.ready()


def test_a_taken_port_is_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"{port}.*GULOU_CLICKHOUSE_PORT"):
            EmbeddedClickHouse(tmp_path, port).start()


def test_the_ready_line_tells_the_ports_that_were_found(tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    write_users(users, {"gulou": {"password": "p", "role": "writer"}})
    command = [sys.executable, "-m", "infra.warehouse", "--data", str(tmp_path / "d")]
    with subprocess.Popen(
        [*command, "--users", str(users)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        confined, ready = (json.loads(server.stdout.readline()) for _ in range(2))
        for port in (ready["port"], ready["http_port"]):
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
        server.terminate()
        assert server.wait(30) == 0

    assert (list(confined), ready["ready"]) == (["confined"], True)
    assert ready["version"].split(".")[0] == "26"


def test_it_listens_on_this_machine_only(warehouse: EmbeddedClickHouse) -> None:
    listening = {
        each.laddr[0]
        for each in psutil.Process(warehouse.pid).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }

    assert listening == {"127.0.0.1"}


def test_noise_on_the_port_harms_nobody(warehouse: EmbeddedClickHouse) -> None:
    for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100_000, b"\0", b""):
        with socket.create_connection((warehouse.host, warehouse.port), timeout=10) as peer:
            peer.sendall(noise)
            peer.shutdown(socket.SHUT_WR)
            peer.settimeout(10)
            while peer.recv(65536):
                pass
    client = connect(warehouse)

    assert client.execute("SELECT 1") == [(1,)]
    client.disconnect()


def connections(warehouse: EmbeddedClickHouse) -> int:
    found = psutil.Process(warehouse.pid).net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED for each in found)


def test_a_client_that_sends_half_an_insert_stores_nothing(warehouse: EmbeddedClickHouse) -> None:
    client = connect(warehouse)
    client.execute("CREATE DATABASE half")
    client.execute("CREATE TABLE half.t (n UInt64) ENGINE = MergeTree ORDER BY n")
    before = connections(warehouse)
    broken = connect(warehouse)
    broken.connection.force_connect()
    broken.connection.send_query("INSERT INTO half.t VALUES")
    broken.connection.send_external_tables(None)
    sample = broken.receive_sample_block()
    broken.connection.send_data(ColumnOrientedBlock(sample.columns_with_types, [[1, 2, 3]]))
    broken.connection.disconnect()
    deadline = time.monotonic() + 10
    # The server closes the connection when it reads the end of the stream.
    while time.monotonic() < deadline and connections(warehouse) > before:
        time.sleep(0.02)

    assert client.execute("SELECT count() FROM half.t") == [(0,)]
    client.disconnect()


@pytest.mark.parametrize("content", ["", "{}", '{"users": {"a": {"role": "king"}}}', "[]"])
def test_a_users_file_that_is_not_right_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "users.json"
    file.write_text(content)
    file.chmod(0o600)

    with pytest.raises(Misconfigured, match=r"users\.json"):
        Users(file)


def test_a_users_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    write_users(file, {})
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)

    with pytest.raises(Misconfigured, match="chmod 600"):
        Users(file)


def test_a_password_is_not_told_by_any_refusal(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    write_users(file, {"gulou": {"password": "tower", "role": "writer"}})
    users = Users(file)
    told = []
    for name, password in (("gulou", ""), ("gulou", "Tower"), ("nobody", "tower"), ("nobody", "")):
        with pytest.raises(Fault) as refused:
            users.login(name, password)
        told.append((refused.value.code, str(refused.value).replace(name, "X")))

    assert len(set(told)) == 1
    assert "tower" not in repr(users.login("gulou", "tower"))
