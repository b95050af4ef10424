"""Feeds an installation: the demo history, the live trickle, a simulation, a ledger."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_fixed,
)

from infra.settings import Settings
from producers.client import BulkProducer, Producer
from producers.ledgers import importing as ledgers
from producers.simulator.history import Batch, City, History, Progress, Summary, live, play
from producers.vault import Vault
from schemas.errors import Unavailable
from schemas.reference.divisions import SHIPPED, Divisions

DEMO_SEED = 431200
_TRICKLE_WAIT_S = 0.2
_AGAIN_S = 2.0
_SETTLED_EVENTS = 200_000
"""Events between two flushes of the demo: about three seconds' worth, so that an outage repeats
little; each flush costs a few half-filled batches."""
_PATIENCE_S = 30.0
"""After this time a batch without an answer has failed; most restarts of a Kafka are shorter."""

OnProgress = Callable[[Progress], None]
Tell = Callable[[str], object]
"""Called with a line when Kafka goes away, and with one when it is back."""


def vault(settings: Settings) -> Vault:
    """The installation's keys; made at first use, mode 0600."""
    # The record stands outside the folder of the secrets: putting back a backup of that folder must
    # not put back an older record.
    return Vault(settings.home / "secrets" / "vault.sqlite", settings.home / "erasures.jsonl")


def demo(
    settings: Settings,
    on_progress: OnProgress,
    stop: threading.Event,
    tell: Tell,
    *,
    scale: float = 1.0,
    patience_s: float = _PATIENCE_S,
) -> None:
    """Streams the demo history in, once for each Kafka; survives outages of Kafka.

    After a stop half-way, the next start sends it from the beginning: the ids are the same, so
    events that are in Kafka already are repeats and count once.

    Args:
        settings: of the installation.
        on_progress: called every few thousand events.
        stop: ends it.
        tell: see `Tell`.
        scale: 1 is the whole city; tests use less.
        patience_s: seconds after which a batch without an answer has failed.

    Raises:
        Interrupted: `stop` was set before the end.
    """
    mark = settings.home / "demo.json"
    told = {"seed": DEMO_SEED, "bootstrap": settings.bootstrap}
    if mark.exists() and json.loads(mark.read_text()) == told:
        return
    with vault(settings) as keys:
        made = History(_city(settings, keys), DEMO_SEED, scale=scale)
        line = _Line("The demo history", stop, tell)
        arrived = 0
        for attempt in line.attempts():
            with attempt, _producing(settings, patience_s) as producer:
                sent = 0

                def send(topic: str, key: bytes, payload: bytes) -> None:
                    nonlocal sent, arrived
                    if stop.is_set():
                        raise Interrupted
                    sent += 1
                    if sent > arrived:
                        producer.send_bytes(topic, key, payload)
                        if sent % _SETTLED_EVENTS == 0:
                            producer.flush()
                            arrived = sent
                            line.holds()

                play(made, send, flush=producer.flush, progress=on_progress)
                line.holds()
                mark.write_text(json.dumps(told))


def trickle(
    settings: Settings,
    stop: threading.Event,
    tell: Tell,
    *,
    rate: float = 5.0,
    patience_s: float = _PATIENCE_S,
) -> None:
    """Sends events dated now, `rate` a second, until `stop`; survives every outage of Kafka.

    After an outage it sends the unfinished batch again with the same ids, so it counts once.

    Args:
        settings: of the installation.
        stop: ends it.
        tell: see `Tell`.
        rate: events a second.
        patience_s: seconds after which a batch without an answer has failed.
    """
    with vault(settings) as keys:
        batches = live(_city(settings, keys), DEMO_SEED, rate)
        line = _Line("The trickle of events", stop, tell)
        batch: Batch = []
        for attempt in line.attempts():
            with attempt, _producing(settings, patience_s) as producer:
                while not stop.wait(_TRICKLE_WAIT_S):
                    batch = batch or next(batches)
                    for topic, key, payload in batch:
                        producer.send_bytes(topic, key, payload)
                    producer.flush()
                    batch = []
                    line.holds()


def simulate(
    settings: Settings, seed: int, *, scale: float, rate: float | None, on_progress: OnProgress
) -> Summary:
    """Streams a history in; returns what it holds."""
    with vault(settings) as keys, _producing(settings) as producer:
        made = History(_city(settings, keys), seed, scale=scale)
        play(made, producer.send_bytes, flush=producer.flush, rate=rate, progress=on_progress)
        producer.flush()
        return made.summary()


def ledger(
    settings: Settings, path: Path, mapping: Path, rejects: Path, on_progress: ledgers.OnRows
) -> ledgers.ImportReport:
    """Imports a county's ledger."""
    divisions = Divisions.load(settings.divisions or SHIPPED)
    with (
        vault(settings) as keys,
        Producer(settings.bootstrap, keys, divisions, options=_options(settings)) as producer,
    ):
        return ledgers.import_ledger(
            path, mapping, producer, rejects=rejects, on_progress=on_progress
        )


class _Line:
    """Retry loop: a new producer after each failure.

    A producer cannot go on after a failed delivery, so each attempt makes a new one. A city's Kafka
    may be away for hours, so only `stop` ends the attempts.
    """

    def __init__(self, what: str, stop: threading.Event, tell: Tell) -> None:
        self._what, self._stop, self._tell = what, stop, tell
        self._broken = False

    def attempts(self) -> Retrying:
        """Loop over these attempts; another one follows when Kafka is unavailable."""
        return Retrying(
            retry=retry_if_exception_type(Unavailable),
            stop=stop_when_event_set(self._stop),
            wait=wait_fixed(_AGAIN_S),
            sleep=sleep_using_event(self._stop),
            before_sleep=self._broke,
            retry_error_callback=lambda _: None,
        )

    def holds(self) -> None:
        """Call this when something has arrived; it reports the end of an outage."""
        if self._broken:
            self._tell(f"{self._what} goes on.")
        self._broken = False

    def _broke(self, state: RetryCallState) -> None:
        if not self._broken and state.outcome is not None:
            self._tell(f"{self._what} waits until Kafka is back. {state.outcome.exception()}")
        self._broken = True


@contextmanager
def _producing(settings: Settings, patience_s: float = _PATIENCE_S) -> Iterator[BulkProducer]:
    # aiokafka logs each failed attempt, ten a second; `_Line` reports an outage once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with BulkProducer(
        settings.bootstrap, options=_options(settings), patience_s=patience_s
    ) as producer:
        yield producer


def _city(settings: Settings, keys: Vault) -> City:
    return City.load(keys, settings.divisions or SHIPPED)


def _options(settings: Settings) -> dict[str, Any]:
    return {k: v for k, v in settings.kafka_options("producer").items() if k != "bootstrap_servers"}


class Interrupted(Exception):
    """The stack stops while a history is being streamed."""
