"""The worker process: the one module-level Faust app, `faust -A infra.worker worker` or `-m`."""

from __future__ import annotations

import argparse
import logging
import sys

import faust
from aiohttp import web

from infra import database as apply
from infra.http import Connections, Gate, listen
from infra.settings import LOCAL, Settings
from schemas.errors import GulouError
from schemas.families import families
from schemas.reference.calendars import Calendar
from streams.app import GulouApp, WorkerConfig, build_app
from streams.limits import Limits

_SEATS = 64
"""Connections to the metrics: Prometheus has one."""


def configure(settings: Settings, index: int = 0) -> WorkerConfig:
    """The configuration of worker number `index`."""
    return WorkerConfig(
        bootstrap=settings.bootstrap.split(","),
        warehouse=apply.address(settings),
        layout=apply.layout(settings),
        divisions=apply.divisions(settings),
        calendar=Calendar.load(settings.timezone),
        http=(LOCAL, settings.metrics_port + index),
        datadir=settings.home / "faust",
        limits=Limits(
            batch_events=settings.batch_events,
            batch_bytes=settings.batch_bytes,
            flush_s=settings.flush_ms / 1000,
            dead_ceiling=settings.dead_ceiling,
        ),
        watchdog_s=settings.watchdog_s,
        session_timeout_s=settings.session_timeout_s,
        credentials=_credentials(settings),
        listen=_listen,
    )


async def _listen(site: web.Application, host: str, port: int) -> web.AppRunner:
    """Serves metrics and readiness to this machine, where they need no token."""
    return await listen(site, Gate(host, ""), host, port, Connections(_SEATS))


def _credentials(settings: Settings) -> object:
    """Faust's form of the Kafka security settings; None for a plain connection."""
    options = settings.kafka_options("worker")
    context = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


def main() -> None:
    """Runs one worker until it is stopped or must not go on; the exit code says which."""
    worker = faust.Worker(app, loglevel=logging.INFO)
    try:
        worker.execute_from_commandline()
    finally:
        # Faust raises SystemExit with a code that does not say why it stopped.
        reason = app.crash_reason
        if reason is not None:
            logging.getLogger(__name__).critical("%s", reason)
            sys.exit(reason.exit_code if isinstance(reason, GulouError) else 1)


def _index() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=int, default=0, help="number of this worker, from 0")
    return int(parser.parse_known_args()[0].index)


app: GulouApp = build_app(configure(Settings.load(), _index()), families())

if __name__ == "__main__":
    main()
