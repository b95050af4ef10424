"""Outages of servers outside the stack: a city's own Kafka or ClickHouse may be down for hours."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra._child import free_port
from infra.parts import Part
from infra.settings import Settings
from infra.stack import Stack
from infra.warehouse import EmbeddedClickHouse
from schemas.errors import Halted
from tests.histories.small import History
from tests.infra.test_stack import FAST, listens, script, settings
from tests.live import Live, without_boards
from tests.openkafka import OpenKafka
from tests.waiting import until

PATIENCE_S = 120.0
ZERO = {name: 0 for name in Settings.model_fields if name.endswith("_port")}
# Polls a server and ends when it is gone, like a worker.
ASKS = """
import socket, sys, time
while True:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5).close()
    time.sleep(0.02)
"""


@contextmanager
def serving(port: int) -> Iterator[None]:
    """A server that no stack supervises."""
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port), "serves")
        yield
    finally:
        child.kill()
        child.wait()


class Outside:
    """Parts that need the server at `port`; `asked` counts their checks whether it is away."""

    def __init__(self) -> None:
        self.port, self.asked = free_port(), 0

    def away(self) -> str:
        self.asked += 1
        return "" if listens(self.port) else f"Clock at {self.port}"

    def part(self, name: str) -> Part:
        command = [sys.executable, "-c", ASKS, str(self.port)]
        return Part(name, lambda: command, lambda: True, stop_s=5, away=self.away)


def stack(home: Path, told: list[str], *plan: Part, pauses_s: Sequence[float] = FAST) -> Stack:
    return Stack(settings(home), lambda _: plan, pauses_s, told.append)


def test_parts_outlast_a_server_outside_and_say_so_once_when_it_goes_and_when_it_is_back(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    outside = Outside()
    running = stack(tmp_path, told, outside.part("one"), outside.part("two"))
    with serving(outside.port):
        running.start()
    # Far more checks than a part may fail in a row.
    until(lambda: outside.asked > 10 * len(FAST), "both wait")
    assert not running.interrupted
    assert [line.split("; ")[0] for line in told] == [f"Clock at {outside.port} does not answer"]

    with serving(outside.port):
        running.await_ready("one", restarts=1)
        running.await_ready("two", restarts=1)
        until(lambda: len(told) == 2, "said that it is back")
        assert told[1].startswith(f"Clock at {outside.port} answers again; ")
        running.stop()
    assert len(told) == 2


def test_a_part_that_ends_for_another_reason_halts_all_although_it_needs_a_server_outside(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    outside = Outside()
    moody = script("moody", "import time; time.sleep(0.3); print('no heart'); raise SystemExit(1)")
    needing = Part(moody.name, moody.command, moody.ready, away=outside.away)
    with serving(outside.port):
        running = stack(tmp_path, told, needing)
        running.start()
        with pytest.raises(Halted, match=r"moody ended 3 times in a row.* no heart"):
            running.wait(PATIENCE_S)
    assert told == []


def test_a_stack_that_waits_for_a_server_outside_stops_at_once(tmp_path: Path) -> None:
    told: list[str] = []
    outside = Outside()
    running = stack(tmp_path, told, outside.part("one"), pauses_s=[3600.0])
    with serving(outside.port):
        running.start()
    until(lambda: told, "waits")

    began = time.monotonic()
    running.stop()

    assert time.monotonic() - began < PATIENCE_S
    assert len(told) == 1


def citys_own(tmp_path: Path, outside: OpenKafka | EmbeddedClickHouse) -> Settings:
    given: dict[str, object] = {**ZERO, "home": tmp_path / "home", "watchdog_s": 5}
    if isinstance(outside, OpenKafka):
        return Settings.load(**given, kafka_bootstrap=outside.bootstrap)
    (tmp_path / "password").write_text(outside.password)
    given |= {
        "clickhouse_host": outside.host,
        "clickhouse_port": outside.port,
        "clickhouse_user": outside.user,
        "clickhouse_password_file": tmp_path / "password",
    }
    return Settings.load(**given)


@pytest.mark.stack
@pytest.mark.parametrize("name", ["Kafka", "ClickHouse"])
def test_a_worker_outlasts_an_outage_of_a_citys_own_server_and_counts_on(
    tmp_path: Path, name: str
) -> None:
    told: list[str] = []
    outside: OpenKafka | EmbeddedClickHouse = (
        OpenKafka(tmp_path / "kafka")
        if name == "Kafka"
        else EmbeddedClickHouse(tmp_path / "clickhouse")
    )
    with (
        outside,
        Stack(citys_own(tmp_path, outside), without_boards, FAST, told.append) as running,
    ):
        live = Live(running)
        live.send(History(1).messages(200))
        live.await_counted()

        outside.kill()
        if name == "ClickHouse":
            live.send(History(2).messages(200))  # without messages to store nobody misses it
        until(lambda: told, f"{name} is missed")
        assert told[0].startswith(f"{name} at ")
        outside.start()
        running.await_ready("worker-0", restarts=1, timeout_s=PATIENCE_S)

        live.send(History(3).messages(200))
        live.await_counted()
        assert [line.partition("; ")[0].rpartition(" at ")[0] for line in told] == [name] * 2
        assert told[1].endswith("; worker-0 goes on.")
        live.close()
