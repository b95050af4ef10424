"""A board server in a thread: it starts in milliseconds and takes real requests."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from aiohttp import web

from dashboards.server import CALLER, ServerConfig, application
from infra.http import Connections, Gate, listen

WAIT_S = 15
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Inside:
    """A running server; each call opens its own connection and keeps no cookie."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> requests.Response:
        return requests.request(
            method, self.url + path, json=body, headers=headers, timeout=WAIT_S,
            allow_redirects=False,
        )  # fmt: skip

    def told(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON without `created` and `updated`, after checking those two."""
        answer = self.call(method, path, body)
        return answer.status_code, without_times(answer.json())


def without_times(value: Any) -> Any:
    """`value` without `created` and `updated`; asserts that both are instants in UTC."""
    if isinstance(value, list):
        return [without_times(each) for each in value]
    if not isinstance(value, dict):
        return value
    for name in ("created", "updated"):
        assert _TIME.fullmatch(value.get(name, "2000-01-01T00:00:00Z")), value
    return {k: without_times(v) for k, v in value.items() if k not in ("created", "updated")}


@contextlib.contextmanager
def inside(
    config: ServerConfig,
    token: str = "",
    *,
    host: str = "127.0.0.1",
    closed: bool = False,
    grants: Path | None = None,
) -> Iterator[Inside]:
    """Serves `config` behind the gate, on a free local port, until the block ends.

    In a separate thread, because Playwright's loop may run in the test's.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[web.AppRunner, int]:
        gate = Gate(host, token, closed=closed, caller=CALLER, grants=grants)
        runner = await listen(application(config), gate, "127.0.0.1", 0, Connections())
        return runner, runner.addresses[0][1]

    try:
        runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(WAIT_S)
        yield Inside(port)
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(WAIT_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
