"""How an HTTP part starts, says that it is ready, and stops."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http import HttpProcessingError

from infra.http.gate import Gate
from infra.http.seats import SILENT_S, Connections, Site, room
from schemas.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a part listens.

    Attributes:
        part: its name in messages.
        host: address; beyond this machine only with a token.
        port: 0 takes a free one.
    """

    part: str
    host: str = "127.0.0.1"
    port: int = 0


def serve(make: Callable[[], web.Application], listening: Listening, gate: Gate) -> None:
    """Serves until SIGTERM or SIGINT; prints one JSON line when it is ready.

    Args:
        make: makes the application; called inside the event loop.
        listening: where.
        gate: who may ask.

    Raises:
        Misconfigured: the port is taken, or a provisioning file is malformed.
    """
    asyncio.run(_serve(make, listening, gate))


async def listen(
    app: web.Application, gate: Gate, host: str, port: int, seats: Connections
) -> web.AppRunner:
    """Serves the application behind the gate, until the runner's `cleanup`.

    Raises:
        OSError: the port is taken.
    """
    app.middlewares.insert(0, seats.middleware)  # type: ignore[arg-type]
    runner = web.AppRunner(
        gate.guard(app),
        logger=_log(),
        access_log=None,
        # It counts from the connection too, so a head that never ends is not waited for.
        keepalive_timeout=SILENT_S,
        shutdown_timeout=2.0,
        # A client that leaves ends what was done for it.
        handler_cancellation=True,
        # Browsers send some twenty, a proxy a few more; each may have 8 kB.
        max_headers=48,
        # A packed body is refused (gate), so none is unpacked before its size is known.
        auto_decompress=False,
    )
    await runner.setup()
    try:
        await Site(runner, host, port, seats).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


class _Faults(logging.Filter):
    """Our own faults go to the log; what a client garbled would fill it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _log() -> logging.Logger:
    log = logging.getLogger("infra.http")
    if not log.filters:
        log.addFilter(_Faults())
    return log


async def _serve(make: Callable[[], web.Application], listening: Listening, gate: Gate) -> None:
    host, port = listening.host, listening.port
    try:
        runner = await listen(make(), gate, host, port, Connections(room()))
    except OSError as error:
        raise Misconfigured(
            f"{listening.part} cannot listen on {host}:{port} ({error.strerror}).",
            do="Choose another port, or stop what listens there.",
        ) from error
    try:
        port = runner.addresses[0][1]
        shown = "127.0.0.1" if listening.host in ("0.0.0.0", "::") else listening.host
        ready = {
            "ready": True,
            "host": listening.host,
            "port": port,
            "url": f"http://{shown}:{port}/",
        }
        # Exempt the loaded objects, which stay: a full collection of them delays every answer.
        gc.collect()
        gc.freeze()
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        await stop.wait()
    finally:
        await runner.cleanup()
