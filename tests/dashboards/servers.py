"""A board server in its own process, as `gulou up` runs it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests

from schemas.reference.divisions import SHIPPED

REPOSITORY = Path(__file__).parents[2]
STOP_S = 15


class BoardServer:
    """A running server and an HTTP session with it."""

    def __init__(self, process: subprocess.Popen[str], url: str, token: str) -> None:
        self.process = process
        self.url = url.rstrip("/")
        self.token = token
        self.session = requests.Session()
        if token:
            self.session.headers["Authorization"] = f"Bearer {token}"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(method, self.url + path, json=body, timeout=30)

    def query(self, sql: str, *, form: int = 1, source: str = "city", **more: Any) -> Any:
        """The result of `sql`: frames or an error."""
        body = {
            "queries": [
                {"refId": "A", "datasource": {"uid": source}, "rawSql": sql, "format": form}
            ],
            "from": "1640361600000",  # 2021-12-25 00:00 in Shanghai
            "to": "1640966399000",  # 2021-12-31 23:59:59 there
            **more,
        }
        return self.call("POST", "/api/ds/query", body).json()["results"]["A"]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(STOP_S)


@contextlib.contextmanager
def board_server(
    state: Path, *arguments: str, token: str = "", before: Sequence[str] = ()
) -> Iterator[BoardServer]:
    """Starts a server on a free port and stops it as a supervisor would.

    Args:
        before: a program that starts the server, with its arguments.
    """
    process = subprocess.Popen(
        [
            *before,
            sys.executable,
            "-m",
            "infra.board_server",
            "--port",
            "0",
            "--outlines",
            str(SHIPPED.parent / "outlines_431200.geojson"),
            "--state",
            str(state),
            *arguments,
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        assert line, f"the board server ended with {process.wait(STOP_S)} before it was ready"
        yield BoardServer(process, json.loads(line)["url"], token)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(STOP_S)
        process.stdout.close()
