"""Time and memory of the whole history, from the simulator's start to finished figures."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from producers._bulk import BulkProducer
from producers.simulator.history import History, play
from schemas.families import families
from tests.bench.ground import SEED, Ground, projected, say, stored, until, worker

_MOST_S = 500.0


@dataclass(frozen=True)
class Figures:
    """Seconds, and peak megabytes."""

    simulate_s: float
    ingest_s: float
    first_s: float
    worker_mb: float
    warehouse_mb: float
    messages: int


def measure(ground: Ground, scale: float) -> Figures:
    """One history, simulated and ingested at the same time; the topics must be empty."""
    topics = [family.topic for family in families()]
    with ground.database() as settings, worker(settings) as running:
        running.await_ready()
        client = ground.client(settings)
        first: list[float] = []
        began = time.monotonic()

        def look() -> None:
            eyes = ground.client(settings)
            view = f"`{settings.published_database}`.visits_by_county_hour"
            until(lambda: eyes.execute(f"SELECT count() FROM {view}")[0][0], "first figures")
            first.append(time.monotonic() - began)

        thread = threading.Thread(target=look)
        thread.start()
        options = settings.kafka_options("producer")
        with BulkProducer(options.pop("bootstrap_servers"), options=options) as kafka:
            messages = play(History(ground.city(), SEED, scale=scale), kafka.send_bytes)
            kafka.flush()
        simulated = time.monotonic() - began
        ended = until(
            lambda: (
                stored(client, settings, topics) >= messages
                and all(projected(client, settings, topic) for topic in topics)
            ),
            f"{messages} messages stored",
            running.check,
            _MOST_S,
        )
        thread.join()
        found = Figures(
            simulated,
            ended - began,
            first[0],
            _highest_mb(running.process),
            _highest_mb(ground.process("clickhouse")),
            messages,
        )
    say(f"    {messages:,} messages, first figures after {found.first_s:.1f} s")
    return found


def _highest_mb(process: psutil.Process) -> float:
    """Peak memory of a process; its current memory if the system does not report a peak."""
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        line = next(each for each in status.read_text().splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return float(process.memory_info().rss) / 2**20
