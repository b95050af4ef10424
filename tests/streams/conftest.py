"""Load: messages that keep coming while something is broken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.histories.small import History
from tests.live import Live

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
