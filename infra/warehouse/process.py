"""Starts, stops and kills the embedded ClickHouse, a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final
from urllib.request import ProxyHandler, build_opener

from infra import _child
from infra.warehouse.access import write_users
from schemas.errors import Misconfigured, Unavailable

_READY_S: Final = 60
_STOP_S: Final = 20
_POLL_S: Final = 0.02
_PORT_TRIES: Final = 3
_CONFINED: Final = '{"confined": '
_PASSWORD: Final = "tower"  # of the user made when no users file is given: tests
# A proxy from the environment cannot reach this machine.
_open = build_opener(ProxyHandler({})).open


class EmbeddedClickHouse:
    """A ClickHouse with its databases in `data`; start, stop and kill it as often as needed.

    It keeps its ports over restarts and dies with the process that started it.

    Args:
        data: folder of the databases, the log and the lock; made when missing.
        port: of the native protocol; 0 is any free one, chosen at the first start.
        http_port: of HTTP; 0 is any free one, chosen at the first start.
        users: users file (`access.write_users`); without one there is one writer, `user` with
            `password`.
        host: address to listen on.
        timezone: zone of columns that name none.
    """

    ENVIRONMENT: ClassVar[Mapping[str, str]] = {"LC_ALL": "C.UTF-8"}
    """Whole environment of the server. An operator's may hold secrets, and the engine can read its
    own where the kernel confines nobody."""

    def __init__(
        self,
        data: Path,
        port: int = 0,
        http_port: int = 0,
        *,
        users: Path | None = None,
        host: str = "127.0.0.1",
        timezone: str = "Asia/Shanghai",
    ) -> None:
        self.data, self.host, self.port, self.http_port = data.absolute(), host, port, http_port
        self.log = self.data / "clickhouse.log"
        self.user, self.password = "gulou", _PASSWORD
        self.version = ""
        self._any_port, self._any_http = port == 0, http_port == 0
        self._users, self._timezone = users, timezone
        self._child: subprocess.Popen[bytes] | None = None
        self._before = 0

    @property
    def pid(self) -> int:
        """Process id of the running server.

        Raises:
            Unavailable: it does not run.
        """
        if self._child is None or self._child.poll() is not None:
            raise Unavailable("ClickHouse is not running.", do="Start it first.")
        return self._child.pid

    def prepare(self) -> list[str]:
        """Claims the ports; returns the command that runs the server.

        Raises:
            Misconfigured: a port is taken.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        self.port = self._claim(self.port, self._any_port, "GULOU_CLICKHOUSE_PORT")
        self.http_port = self._claim(self.http_port, self._any_http, "GULOU_CLICKHOUSE_HTTP_PORT")
        users = self._users
        if users is None:
            users = self.data / "users.json"
            write_users(users, {self.user: {"password": self.password, "role": "writer"}})
        self._before = self.log.stat().st_size if self.log.exists() else 0
        return [
            *(sys.executable, "-m", "infra.warehouse", "--data", str(self.data / "store")),
            *("--host", self.host, "--port", str(self.port), "--http-port", str(self.http_port)),
            *("--users", str(users), "--timezone", self._timezone),
        ]

    def start(self) -> None:
        """Returns when the server answers clients.

        Raises:
            Misconfigured: a port is taken, or another server works on `data`.
            Unavailable: it ended or did not answer within 60 s; the log file says why.
        """
        for attempt in range(_PORT_TRIES):
            self._child = _child.spawn(
                self.prepare(), log=self.log, cwd=_ROOT, env=self.ENVIRONMENT
            )
            try:
                self._wait()
            except _ClickHousePortLost:
                # A free port was taken between choosing it and binding it; choose again.
                if not (self._any_port or self._any_http) or attempt == _PORT_TRIES - 1:
                    raise
            else:
                return

    def ready(self) -> bool:
        """Whether the server answers clients now."""
        try:
            with _open(f"http://{self.host}:{self.http_port}/ping", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """Stops cleanly; does nothing when it does not run."""
        if self._child is not None:
            _child.stop(self._child, _STOP_S)

    def kill(self) -> None:
        """Sends SIGKILL, like a crash; acknowledged rows are still there after a start."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def __enter__(self) -> EmbeddedClickHouse:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def failure(self, what: str) -> Misconfigured | Unavailable:
        """The error that says it `what` ("ended with code 1 while starting"), with the reason."""
        written = self._written()
        last = next((line for line in reversed(written.splitlines()) if line.strip()), "")
        if "cannot listen on" in last:
            return _ClickHousePortLost(last)
        if what.startswith(f"ended with code {Misconfigured.exit_code} "):
            return Misconfigured(last)
        reason = re.sub(r"^[\d\- :,]+(?:ERROR|CRITICAL) ", "", last).removesuffix(".")
        return Unavailable(
            f"ClickHouse {what}{': ' + reason if reason else ''}.",
            do=f"Its log is {str(self.log)!r}.",
        )

    def _claim(self, port: int, any_port: bool, variable: str) -> int:
        if any_port and (port == 0 or not _child.is_free(self.host, port)):
            port = 0
        return _child.claim(self.host, port, part="ClickHouse", variable=variable)

    def _wait(self) -> None:
        assert self._child is not None
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if (code := self._child.poll()) is not None:
                raise self.failure(f"ended with code {code} while starting")
            for line in self._written().splitlines():
                if line.startswith('{"ready"'):
                    self.version = json.loads(line)["version"]
                    return
            time.sleep(_POLL_S)
        self.kill()
        raise self.failure(f"did not answer within {_READY_S} s")

    def _written(self) -> str:
        """What this start wrote into the log; reasons of an older start do not count."""
        with self.log.open("rb") as file:
            file.seek(self._before)
            return file.read().decode(errors="replace")


def confinement(log: Path) -> str:
    """What a server says in its log of its confinement, as a few words for a person.

    Args:
        log: of a server that is ready.
    """
    said = [line for line in log.read_text(errors="replace").splitlines() if _CONFINED in line]
    confined = json.loads(said[-1])["confined"]
    free = [what for what, held in confined.items() if not held]
    return f"not confined from {', '.join(free)}" if free else "confined"


_ROOT: Final = Path(__file__).parents[2]
"""Where the packages are; the command must find them from any working directory."""


class _ClickHousePortLost(Misconfigured):
    """A port was free when it was claimed and taken when the server bound it."""
