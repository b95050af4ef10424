"""Starting, and what is told when that fails: with the real command, or a script in its place."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra import _child
from infra.warehouse import EmbeddedClickHouse, process, write_users
from infra.warehouse.access import Users
from schemas.errors import Misconfigured, Unavailable

ROOT = Path(__file__).parents[2]
READY = """print('{"ready": true, "version": "1.2"}', flush=True); import time; time.sleep(600)"""
LOST = "print('ClickHouse cannot listen on 127.0.0.1:1 and 2: Address already in use.'); exit(1)"


class Scripted(EmbeddedClickHouse):
    """Runs a script in place of the server; counts how often."""

    def __init__(self, data: Path, *scripts: str, port: int = 0, http_port: int = 0) -> None:
        super().__init__(data, port, http_port)
        self.starts = 0
        self._scripts = scripts

    def prepare(self) -> list[str]:
        super().prepare()
        script = self._scripts[min(self.starts, len(self._scripts) - 1)]
        self.starts += 1
        return [sys.executable, "-c", script]


def listening(port: int = 0) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


def test_a_server_has_a_process_while_it_runs(tmp_path: Path) -> None:
    server = Scripted(tmp_path, READY)
    server.stop()
    server.kill()
    with pytest.raises(Unavailable, match=r"^ClickHouse is not running\. Start it first\.$"):
        _ = server.pid
    with server:
        assert server._child is not None
        assert (server.pid, server.version) == (server._child.pid, "1.2")
    with pytest.raises(Unavailable):
        _ = server.pid
    server.stop()


def test_the_command_runs_where_the_packages_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = """
import json, os, time
print(json.dumps({"ready": True, "version": os.getcwd()}), flush=True)
time.sleep(600)
"""
    with Scripted(tmp_path, script) as server:
        assert server.version == str(ROOT)


def test_the_command_tells_folder_ports_users_and_zone(tmp_path: Path) -> None:
    server = EmbeddedClickHouse(tmp_path / "new", timezone="UTC")
    command = server.prepare()
    users = tmp_path / "new" / "users.json"

    assert command == [
        *(sys.executable, "-m", "infra.warehouse", "--data", str(tmp_path / "new" / "store")),
        *("--host", "127.0.0.1", "--port", str(server.port)),
        *("--http-port", str(server.http_port), "--users", str(users), "--timezone", "UTC"),
    ]
    assert Users(users).login(server.user, server.password).role == "writer"


def test_a_users_file_that_is_given_is_used_as_it_is(tmp_path: Path) -> None:
    users = tmp_path / "mine.json"
    write_users(users, {"other": {"password": "p", "role": "writer"}})
    command = EmbeddedClickHouse(tmp_path / "new", users=users).prepare()

    assert command[command.index("--users") + 1] == str(users)
    assert not (tmp_path / "new" / "users.json").exists()


@pytest.mark.parametrize("taken", ["port", "http_port"])
def test_any_port_is_kept_while_it_is_free_and_another_is_chosen_when_it_is_not(
    tmp_path: Path, taken: str
) -> None:
    server = EmbeddedClickHouse(tmp_path)
    ports = []
    server.prepare()
    ports.append((server.port, server.http_port))
    server.prepare()
    ports.append((server.port, server.http_port))
    with listening(getattr(server, taken)):
        server.prepare()
    ports.append((server.port, server.http_port))

    assert 0 not in ports[0]
    assert ports[1] == ports[0]
    same = [now == before for now, before in zip(ports[2], ports[0], strict=True)]
    assert same == [taken != "port", taken != "http_port"]


@pytest.mark.parametrize(
    ("which", "variable"),
    [("port", "GULOU_CLICKHOUSE_PORT"), ("http_port", "GULOU_CLICKHOUSE_HTTP_PORT")],
)
def test_a_port_that_was_wanted_is_never_replaced(
    tmp_path: Path, which: str, variable: str
) -> None:
    with listening() as taken:
        wanted = {which: taken.getsockname()[1]}
        server = EmbeddedClickHouse(tmp_path, **wanted)
        with pytest.raises(Misconfigured, match=rf"ClickHouse.*{variable} \(0 = any free one\)"):
            server.prepare()
    assert getattr(server, which) == wanted[which]


@pytest.mark.parametrize("fixed", [(), ("port",), ("http_port",)])
def test_a_port_that_is_lost_three_times_is_an_error(
    tmp_path: Path, fixed: tuple[str, ...]
) -> None:
    server = Scripted(tmp_path, LOST, **{name: _child.free_port() for name in fixed})
    with pytest.raises(Misconfigured) as lost:
        server.start()

    assert server.starts == 3
    assert lost.value.what == (
        "ClickHouse cannot listen on 127.0.0.1:1 and 2: Address already in use."
    )


def test_the_third_try_may_succeed(tmp_path: Path) -> None:
    server = Scripted(tmp_path, LOST, LOST, READY)
    with server:
        assert (server.starts, server.version) == (3, "1.2")


def test_ports_that_were_wanted_are_tried_once(tmp_path: Path) -> None:
    ports = {"port": _child.free_port(), "http_port": _child.free_port()}
    server = Scripted(tmp_path, LOST, READY, **ports)
    with pytest.raises(Misconfigured, match="cannot listen on"):
        server.start()

    assert server.starts == 1


def test_another_failure_is_tried_once(tmp_path: Path) -> None:
    server = Scripted(tmp_path, "print('Broken.'); exit(7)", READY)
    with pytest.raises(Unavailable) as failed:
        server.start()

    assert server.starts == 1
    assert failed.value.what == "ClickHouse ended with code 7 while starting: Broken."


def test_what_an_older_start_wrote_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "clickhouse.log").write_text('{"ready": true, "version": "0"}\ncannot listen on\n')
    with pytest.raises(Unavailable) as failed:
        Scripted(tmp_path, "exit(7)").start()

    assert failed.value.what == "ClickHouse ended with code 7 while starting."


CODE = Misconfigured.exit_code


@pytest.mark.parametrize(
    ("written", "what", "kind", "told"),
    [
        (b"", "ended", Unavailable, "ClickHouse ended."),
        (b"\n  \n", "ended", Unavailable, "ClickHouse ended."),
        (b"first\nlast\n \n", "ended", Unavailable, "ClickHouse ended: last."),
        (
            b"2026-03-01 08:00:00,123 ERROR root no space",
            "ended",
            Unavailable,
            "ClickHouse ended: root no space.",
        ),
        (b"2026-03-01 08:00:00,123 CRITICAL no", "ended", Unavailable, "ClickHouse ended: no."),
        (b"12 INFO no", "ended", Unavailable, "ClickHouse ended: 12 INFO no."),
        (b"an ERROR no", "ended", Unavailable, "ClickHouse ended: an ERROR no."),
        (b"\xff\n", "ended", Unavailable, "ClickHouse ended: \ufffd."),
        (b"a\nUsed.\n", f"ended with code {CODE} while starting", Misconfigured, "Used."),
        (
            b"Used",
            f"ended with code {CODE}0 while starting",
            Unavailable,
            f"ClickHouse ended with code {CODE}0 while starting: Used.",
        ),
        (b"It cannot listen on 1.\n", "ended", Misconfigured, "It cannot listen on 1."),
        (b"It cannot listen on 1.\nx\n", "ended", Unavailable, "ClickHouse ended: x."),
    ],
)
def test_a_failure_is_told_with_the_last_line_of_the_log(
    tmp_path: Path,
    written: bytes,
    what: str,
    kind: type[Misconfigured | Unavailable],
    told: str,
) -> None:
    server = EmbeddedClickHouse(tmp_path)
    server.log.write_bytes(written)
    failure = server.failure(what)

    assert (isinstance(failure, kind), failure.what) == (True, told)
    if kind is Unavailable:
        assert failure.do == f"Its log is '{tmp_path}/clickhouse.log'."


def test_a_server_that_says_nothing_for_60_seconds_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Scripted(tmp_path, "import time; time.sleep(600)")
    clock, later = [1000.0], [1059.9, 1060.0, 1060.1, 1070.0]
    moved = SimpleNamespace(
        monotonic=lambda: clock[0], sleep=lambda _: clock.__setitem__(0, later.pop(0))
    )
    monkeypatch.setattr(process, "time", moved)
    with pytest.raises(Unavailable) as failed:
        server.start()

    assert (clock, failed.value.what) == ([1060.0], "ClickHouse did not answer within 60 s.")
    assert server._child is not None and server._child.poll() == -9


def test_a_server_has_20_seconds_to_end_before_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    stop = _child.stop

    def noted(child: subprocess.Popen[bytes], timeout_s: float) -> int:
        given.append(timeout_s)
        return stop(child, timeout_s)

    monkeypatch.setattr(_child, "stop", noted)
    server = Scripted(tmp_path, READY)
    server.start()
    server.stop()

    assert given == [20]
    assert server._child is not None and server._child.poll() == -15


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A web server whose only page is /ping; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/ping" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        yield server.server_address[1]


@pytest.mark.parametrize(("status", "ready"), [(200, True), (204, False), (404, False)])
def test_a_server_is_ready_when_its_ping_is_answered_with_200(
    tmp_path: Path, status: int, ready: bool
) -> None:
    with answering(status) as port:
        assert EmbeddedClickHouse(tmp_path, http_port=port).ready() is ready


def test_a_server_on_whose_port_nobody_listens_is_not_ready(tmp_path: Path) -> None:
    with listening() as taken:
        port = taken.getsockname()[1]
    assert EmbeddedClickHouse(tmp_path, http_port=port).ready() is False


def test_a_ready_line_is_json_at_the_beginning_of_a_line(tmp_path: Path) -> None:
    told = json.dumps({"ready": True, "version": "2"})
    script = f"print('said {{\"ready\"'); print('{told}', flush=True)\nimport time; time.sleep(600)"
    with Scripted(tmp_path, script) as server:
        assert server.version == "2"
