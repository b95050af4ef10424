"""What feeds an installation: the demo history, the trickle of today, a simulation, a ledger."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.settings import Settings
from producers import ledgers
from producers.client import BulkProducer, Producer
from producers.simulate import City, History, Progress, Summary, live, play
from producers.vault import Vault
from schemas._divisions import SHIPPED, Divisions

DEMO_SEED = 431200
_TRICKLE_WAIT_S = 0.2

OnProgress = Callable[[Progress], None]


def vault(settings: Settings) -> Vault:
    """The installation's keys; made at first use, mode 0600."""
    return Vault(settings.home / "secrets" / "vault.sqlite")


def demo(settings: Settings, on_progress: OnProgress, stop: threading.Event) -> None:
    """Streams the history of the shipped city in, once for each Kafka.

    Cut short, it starts again from the beginning: its ids are the same, so what is in Kafka
    already is a repeat and counts once.
    """
    mark = settings.home / "demo.json"
    with _producing(settings) as (producer, keys):
        told = {"seed": DEMO_SEED, "bootstrap": settings.bootstrap}
        if mark.exists() and json.loads(mark.read_text()) == told:
            return
        made = History(_city(settings, keys), DEMO_SEED)
        play(made, _until(stop, producer.send_bytes), progress=on_progress)
        if not stop.is_set():
            producer.flush()
            mark.write_text(json.dumps(told))


def trickle(settings: Settings, stop: threading.Event, rate: float = 5.0) -> None:
    """Events dated now, `rate` a second, until `stop`."""
    with _producing(settings) as (producer, keys):
        batches = live(_city(settings, keys), DEMO_SEED, rate)
        while not stop.wait(_TRICKLE_WAIT_S):
            for topic, key, payload in next(batches):
                producer.send_bytes(topic, key, payload)
            producer.flush()


def simulate(
    settings: Settings, seed: int, *, scale: float, rate: float | None, on_progress: OnProgress
) -> Summary:
    """Streams a history in, and says what it holds."""
    with _producing(settings) as (producer, keys):
        made = History(_city(settings, keys), seed, scale=scale)
        play(made, producer.send_bytes, flush=producer.flush, rate=rate, progress=on_progress)
        producer.flush()
        return made.summary()


def ledger(
    settings: Settings, path: Path, mapping: Path, rejects: Path, on_progress: ledgers.OnProgress
) -> ledgers.Report:
    """Imports a county's ledger."""
    divisions = Divisions.load(settings.divisions or SHIPPED)
    with (
        vault(settings) as keys,
        Producer(settings.bootstrap, keys, divisions, options=_options(settings)) as producer,
    ):
        return ledgers.import_ledger(
            path, mapping, producer, rejects=rejects, on_progress=on_progress
        )


@contextmanager
def _producing(settings: Settings) -> Iterator[tuple[BulkProducer, Vault]]:
    with vault(settings) as keys:
        producer = BulkProducer(settings.bootstrap, options=_options(settings))
        try:
            yield producer, keys
        finally:
            producer.close()


def _city(settings: Settings, keys: Vault) -> City:
    return City.load(keys, settings.divisions or SHIPPED)


def _options(settings: Settings) -> dict[str, Any]:
    return {k: v for k, v in settings.kafka_options().items() if k != "bootstrap_servers"}


class Interrupted(Exception):
    """The stack stops while a history is being streamed."""


def _until(
    stop: threading.Event, send: Callable[[str, bytes, bytes], object]
) -> Callable[[str, bytes, bytes], object]:
    def checked(topic: str, key: bytes, payload: bytes) -> object:
        if stop.is_set():
            raise Interrupted
        return send(topic, key, payload)

    return checked
