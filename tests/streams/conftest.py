"""Load: messages that keep coming while something is broken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from infra.warehouse import EmbeddedClickHouse as Server
from tests.histories.small import History
from tests.live import Live
from tests.streams.ground import Ground, Told, ground
from tests.streams.stories import fresh

_SLICE = 50
_PAUSE_S = 0.1


@pytest.fixture
def load(live: Live) -> Callable[[int], AbstractContextManager[list[int]]]:
    """Sends about 500 messages a second of a seeded history until left; tells how many."""

    @contextmanager
    def running(seed: int) -> Iterator[list[int]]:
        stop, sent = threading.Event(), [0]
        history = History(seed, "load")

        def feed() -> None:
            while not stop.wait(_PAUSE_S):
                for message in history.messages(_SLICE):
                    live.producer.send(message.topic, key=message.key, value=message.payload)
                    sent[0] += 1

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield sent
        finally:
            stop.set()
            feeder.join()
            live.producer.flush(120)

    return running


@pytest.fixture(scope="session")
def whole_ground(warehouse: Server) -> Iterator[Ground]:
    """Databases with the visits alone, shared by the session; use `ground`."""
    with ground(warehouse, "ground_of_visits") as found:
        yield found


@pytest.fixture(name="ground")
def empty_ground(whole_ground: Ground) -> Ground:
    """The same without any event, owner or figure."""
    whole_ground.empty()
    return whole_ground


@pytest.fixture
def told(ground: Ground) -> Told:
    """Seven visits in each partition, stored four and three at a time, and who stored them."""
    worker = ground.worker()
    token = ground.claim(worker)
    for kpart in (0, 1):
        said = fresh(7, f"p{kpart}-")
        ground.store(worker, token, *said[:4], kpart=kpart)
        ground.store(worker, token, *said[4:], kpart=kpart, first=4)
    return ground, worker, token
