"""The Faust app: one agent per topic passes chunks through the pipeline into ClickHouse.

Only this module and the transport import Faust. `build_app` makes an app from plain values; the
only module-level app is in `infra.worker`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import faust
from aiohttp import web
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from mode import Service
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas import names
from schemas.errors import Unavailable
from schemas.family import Family
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import Divisions
from schemas.sql.tables import Layout
from streams import metrics
from streams.chunks import Chunk, ChunkedTransport, Position
from streams.connection import Address
from streams.dead_letters import DeadLetter
from streams.ingest import Ingest
from streams.limits import Limits
from streams.pipeline import Pipeline
from streams.store import Beat
from streams.warehouse import ClickHouseStore

log = logging.getLogger(__name__)

Listen = Callable[[web.Application, str, int], Awaitable[web.AppRunner]]

HEARTBEAT_S: Final = 2.0
_SWITCH_S: Final = 0.0006


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """All a worker needs to know.

    Attributes:
        bootstrap: Kafka servers, host:port.
        warehouse: where ClickHouse is.
        layout: where its objects are.
        http: host and port of /metrics and /ready.
        datadir: a directory that Faust makes and leaves empty.
        limits: how much the worker handles at once.
        watchdog_s: longest standstill with lag before the worker exits.
        credentials: Faust broker credentials, or None.
        listen: serves the endpoints on a host and a port, behind what guards HTTP parts.
    """

    bootstrap: Sequence[str]
    warehouse: Address
    layout: Layout
    divisions: Divisions
    calendar: Calendar
    http: tuple[str, int]
    datadir: Path
    limits: Limits
    watchdog_s: float
    session_timeout_s: float
    listen: Listen
    credentials: Any = None


class _Recovery(Recovery):  # type: ignore[misc]
    """Faust's recovery, except that it waits for a claim until it succeeds or fails.

    Faust waits as long as a request to Kafka may take (90 s). It takes the end of that time for the
    end of the service: the worker lives on, but never seeks, reads or beats again.
    """

    async def _wait(self, coro: Any, timeout: Any = None) -> None:
        del timeout
        await super()._wait(coro)


class _TableManager(TableManager):  # type: ignore[misc]
    _recovery: _Recovery | None = None

    @property
    def recovery(self) -> _Recovery:
        if self._recovery is None:
            self._recovery = _Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


class GulouApp(faust.App):  # type: ignore[misc]
    """Faust with the chunked transport."""

    config: WorkerConfig
    families: Sequence[Family]

    @cached_property
    def pipeline(self) -> Pipeline:
        """Made on first use: Faust may claim before it has started its services."""
        return Pipeline(
            {
                f.topic: Ingest(f, self.config.divisions, self.config.calendar)
                for f in self.families
            },
            self.open_warehouse,
            self.config.limits,
            reseek=self.reseek,
            bury=self.bury,
        )

    def open_warehouse(self) -> ClickHouseStore:
        """A new connection."""
        return ClickHouseStore(self.config.warehouse, self.families, self.config.layout)

    def _new_transport(self) -> ChunkedTransport:
        return ChunkedTransport(self.conf.broker_consumer, self, loop=self.loop)

    async def claim(self, positions: list[Position]) -> tuple[int, Mapping[Position, int]]:
        """The transport calls this whenever Faust asks where to continue reading."""
        return await self.pipeline.claim(positions)

    async def reseek(self) -> None:
        """Claims and seeks again within a generation of the consumer group."""
        await self.consumer.perform_seek()

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Sends dead letters and waits until the broker has them."""
        sent = [
            await self.topic(names.dead_topic(letter.topic), value_serializer="raw").send(
                key=f"{letter.kpart}@{letter.offset}".encode(),
                key_serializer="raw",
                value=letter.head,
                value_serializer="raw",
                headers=dict(letter.headers),
            )
            for letter in letters
        ]
        await asyncio.gather(*sent)


def build_app(config: WorkerConfig, families: Sequence[Family]) -> GulouApp:
    """An app that reads every family's topic into ClickHouse, ready to be started."""
    limits = config.limits
    app = GulouApp(
        names.CONSUMER_GROUP,
        broker=[f"kafka://{address}" for address in config.bootstrap],
        broker_credentials=config.credentials,
        broker_session_timeout=config.session_timeout_s,
        broker_heartbeat_interval=config.session_timeout_s / 4,
        broker_max_poll_records=min(10_000, limits.batch_events),
        consumer_max_fetch_size=1024 * 1024,
        consumer_auto_offset_reset="earliest",
        # A stream that waits for ClickHouse is not stuck; the watchdog below judges by watermark.
        stream_processing_timeout=3600.0,
        # Counts chunks of up to thousands of records, not events; the lanes hold the next batch.
        stream_buffer_maxsize=4,
        producer_acks=-1,
        producer_max_request_size=16 * 1024 * 1024,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        TableManager=_TableManager,
        datadir=config.datadir,
    )
    app.config, app.families = config, families
    for family in families:
        _agent(app, family)
    app.service(_served(app))
    return app


def _agent(app: GulouApp, family: Family) -> None:
    # Acks off: Faust 0.15.3 may commit past what is in flight, and its gap bookkeeping costs more
    # than the events. The committed offsets are only a hint for lag tools (see `_Served`).
    topic = app.topic(family.topic, value_serializer="raw", key_serializer="raw", acks=False)

    @app.agent(topic, name=f"ingest-{family.topic}", concurrency=1)  # type: ignore[untyped-decorator]
    async def ingest(stream: Any) -> None:
        async for event in stream.noack().events():
            chunk: Chunk = event.value
            await app.pipeline.offer(chunk)
            event.ack()


def _served(app: GulouApp) -> type[Service]:
    class _Served(Service):  # type: ignore[misc]
        """The pipeline's lanes, its heartbeat, its HTTP endpoints, and the watchdog."""

        async def on_start(self) -> None:
            self._beats = app.open_warehouse()
            self._beat_at = time.monotonic()
            self._lags: dict[Position, int] = {}
            self._behind_since: dict[Position, int] = {}
            for lane in app.pipeline.run():
                self.add_future(self._guard(lane))
            await self._listen()
            # By itself Python would collect many times a batch and walk every decoded event; the
            # heartbeat does it instead.
            gc.collect()
            gc.freeze()
            gc.disable()
            # One thread decodes while another runs an insert. With the default of 5 ms the second
            # waits that long for the GIL after every system call and every numpy call, which cost a
            # third of the rate (D-48).
            sys.setswitchinterval(_SWITCH_S)
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

        async def on_stop(self) -> None:
            await self._runner.cleanup()

        async def _guard(self, lane: Any) -> None:
            try:
                await lane
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                log.critical("%s", error)
                await app.crash(error)

        async def _listen(self) -> None:
            site = web.Application()
            site.router.add_get("/metrics", self._metrics)
            site.router.add_get("/ready", self._ready)
            self._runner = await app.config.listen(site, *app.config.http)

        async def _metrics(self, _: web.Request) -> web.Response:
            text = generate_latest(metrics.REGISTRY)
            return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

        async def _ready(self, _: web.Request) -> web.Response:
            # With more workers than shares, one has no partitions and is ready to take over.
            claimed = app.pipeline.epoch > 0 or not app.consumer.assignment()
            return web.json_response(
                {
                    "ready": claimed,
                    "partitions": len(app.pipeline.watermarks),
                    "lag": sum(self._lags.values()),
                },
                status=200 if claimed else 503,
            )

        @Service.timer(HEARTBEAT_S)  # type: ignore[untyped-decorator]
        async def _beat(self) -> None:
            mine = app.consumer.assignment()
            held = {p: at for p, at in app.pipeline.watermarks.items() if TP(*p) in mine}
            ends = await app.consumer.highwaters(*(TP(*p) for p in held)) if held else {}
            now = int(time.time() * 1000)
            for gone in self._lags.keys() - held.keys():
                metrics.forget(*gone)
            self._lags = {p: max(0, (ends.get(TP(*p)) or 0) - at - 1) for p, at in held.items()}
            self._behind_since = {
                p: self._behind_since.get(p, now) for p, lag in self._lags.items() if lag
            }
            for (topic, kpart), lag in self._lags.items():
                metrics.LAG.labels(topic, str(kpart)).set(lag)
            app.pipeline.progressed(p for p, lag in self._lags.items() if not lag)
            if held:
                beats = [
                    Beat(*p, now, self._lags[p], at, self._behind_since.get(p, 0))
                    for p, at in held.items()
                ]
                loop = asyncio.get_running_loop()
                try:
                    await loop.run_in_executor(None, self._beats.beat, beats)
                except Unavailable as error:
                    # The lanes claim again when ClickHouse is back; a beat is no reason to stop.
                    log.warning("%s", error)
                await app.consumer._thread.hint(held)
            # Each insert leaves clickhouse-driver's columns behind as cycles, a few MB a minute.
            gc.collect()
            self._beat_at = time.monotonic()

        def _watch(self) -> None:
            """Ends a worker that stands still; the stack starts another. Runs in a thread."""
            limit = app.config.watchdog_s
            while True:
                time.sleep(min(1.0, limit / 4))
                moved = [
                    at for p, at in dict(app.pipeline.progressed_at).items() if p in self._lags
                ]
                still = time.monotonic() - min([self._beat_at, *moved])
                if still > limit:
                    # Judged per partition: one that moves must not hide one that does not.
                    stuck = [f"{t}@{k}" for (t, k), lag in self._lags.items() if lag]
                    log.critical(
                        "no watermark moved for %.0f s; waiting: %s", still, ", ".join(stuck)
                    )
                    os._exit(Unavailable.exit_code)

    return _Served
