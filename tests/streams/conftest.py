"""Load: messages that keep coming during faults."""

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

# Enough that every kill meets a batch. The oracle reads all messages again after each test, so five
# times as many made it three quarters of the tests' time.
_SLICE = 10
_PAUSE_S = 0.1


@pytest.fixture
def load(live: Live) -> Callable[[int], AbstractContextManager[list[int]]]:
    """Sends about 100 messages of a seeded history per second until its exit; yields the count."""

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
    """Databases with only the visits, shared by the session; use `ground`."""
    with ground(warehouse, "ground_of_visits") as found:
        yield found


@pytest.fixture(name="ground")
def empty_ground(whole_ground: Ground) -> Ground:
    """The same databases, emptied of events, owners and figures."""
    whole_ground.empty()
    return whole_ground


@pytest.fixture
def told(ground: Ground) -> Told:
    """Seven visits in each partition, stored as four and three, with their worker and token."""
    worker = ground.worker()
    token = ground.claim(worker)
    for kpart in (0, 1):
        said = fresh(7, f"p{kpart}-")
        ground.store(worker, token, *said[:4], kpart=kpart)
        ground.store(worker, token, *said[4:], kpart=kpart, first=4)
    return ground, worker, token
