"""How an HTTP part starts, says that it is ready, and stops."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from infra.http.gate import Gate
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


def runner_of(app: web.Application, gate: Gate) -> web.AppRunner:
    """Runs the application behind the gate."""
    return web.AppRunner(
        gate.guard(app),
        access_log=None,
        shutdown_timeout=2.0,
        # A client that leaves ends what was done for it.
        handler_cancellation=True,
        # A packed body is refused (gate), so none is unpacked before its size is known.
        auto_decompress=False,
    )


async def _serve(make: Callable[[], web.Application], listening: Listening, gate: Gate) -> None:
    runner = runner_of(make(), gate)
    await runner.setup()
    try:
        site = web.TCPSite(runner, listening.host, listening.port)
        try:
            await site.start()
        except OSError as error:
            raise Misconfigured(
                f"{listening.part} cannot listen on {listening.host}:{listening.port} "
                f"({error.strerror}).",
                do="Choose another port, or stop what listens there.",
            ) from error
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
