"""Latency from producing an event to its count in a published view, at a steady rate."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from infra.settings import Settings
from producers._bulk import BulkProducer
from producers.simulator.history import live
from schemas.families import families
from tests.bench.ground import SEED, Ground, say, until, worker

RATE = 1_000
_SLICE_S = 0.02
_WARM_S = 10.0


@dataclass
class Latency:
    """Milliseconds of every event of a run, and the largest number of parts of a table."""

    ms: npt.NDArray[np.float64]
    parts: int

    def at(self, percentile: float) -> float:
        """The given percentile of the latency."""
        return float(np.percentile(self.ms, percentile))


@dataclass
class _Watch:
    """Polls the published views, and records when it first saw each count."""

    ground: Ground
    settings: Settings
    seen: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    parts: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        topics = [family.topic for family in families()]
        self.seen = {topic: [(0.0, 0)] for topic in topics}
        client = self.ground.client(self.settings)
        views = " UNION ALL ".join(
            f"SELECT '{topic}', sum(gross_count) "
            f"FROM `{self.settings.published_database}`.{topic}_by_county_hour"
            for topic in topics
        )
        parts = (
            "SELECT max(n) FROM (SELECT count() AS n FROM system.parts "
            f"WHERE active AND database = '{self.settings.database}' GROUP BY table)"
        )
        looked = 0.0
        while not self.done.is_set():
            counts = dict(client.execute(views))
            now = time.monotonic()
            for topic, count in counts.items():
                if count > self.seen[topic][-1][1]:
                    self.seen[topic].append((now, count))
            if now > looked + 1:
                self.parts, looked = max(self.parts, client.execute(parts)[0][0]), now
            time.sleep(_SLICE_S)


def measure(ground: Ground, run: int, seconds: float) -> Latency:
    """One run over all four families in their yearly proportions, into a separate database.

    It assumes that a family's view counts the events in the order in which they were produced.
    """
    sent: dict[str, list[float]] = {family.topic: [] for family in families()}
    with ground.database() as settings, worker(settings) as running:
        running.await_ready()
        watch = _Watch(ground, settings)
        thread = threading.Thread(target=watch.run, daemon=True)
        thread.start()
        options = settings.kafka_options("producer")
        before = _already(ground, settings)
        with BulkProducer(options.pop("bootstrap_servers"), options=options) as kafka:
            events = live(ground.city(), SEED + 1000 * run, RATE)
            ends = time.monotonic() + _WARM_S + seconds
            while time.monotonic() < ends:
                at = time.monotonic()
                for topic, key, payload in next(events):
                    kafka.send_bytes(topic, key, payload)
                    sent[topic].append(at)
                kafka.flush()
                time.sleep(max(0.0, at + _SLICE_S - time.monotonic()))
        wanted = {topic: before[topic] + len(times) for topic, times in sent.items()}
        until(
            lambda: all(watch.seen[t][-1][1] >= n for t, n in wanted.items()),
            f"all of {wanted} visible",
            running.check,
        )
        watch.done.set()
        thread.join()
    found = [_delays(sent[t], watch.seen[t], before[t]) for t in sent]
    say(f"    {sum(map(len, found)):,} events, at most {watch.parts} parts in a table")
    return Latency(np.concatenate(found), watch.parts)


def _already(ground: Ground, settings: Settings) -> dict[str, int]:
    """The view's counts from earlier runs, once they have stopped growing."""
    client = ground.client(settings)
    before: dict[str, int] = {}
    while True:
        now = {
            family.topic: int(
                client.execute(
                    f"SELECT sum(gross_count) FROM `{settings.published_database}`."
                    f"{family.topic}_by_county_hour"
                )[0][0]
            )
            for family in families()
        }
        if now == before:
            return now
        before = now
        time.sleep(3)


def _delays(
    sent: list[float], seen: list[tuple[float, int]], before: int
) -> npt.NDArray[np.float64]:
    """Milliseconds from sending to seeing each event sent after the warm-up."""
    times = np.array(sent)
    counts = np.array([count for _, count in seen])
    first = np.searchsorted(counts, before + np.arange(1, len(times) + 1))
    delays = (np.array([at for at, _ in seen])[first] - times) * 1000
    return np.asarray(delays[times > times[:1] + _WARM_S], np.float64)
