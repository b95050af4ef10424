"""What the watching thread notices of a client, and when it tells that it still works."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from types import SimpleNamespace
from typing import Any

import pytest

from infra.warehouse import watch as watching
from infra.warehouse.watch import Watch, hang_up

DEADLINE_S = 30


@pytest.fixture
def watch() -> Iterator[Watch]:
    with closing(Watch()) as watch:
        yield watch


class Client:
    """A client's end of a connection, and what was told of it."""

    def __init__(self) -> None:
        self.socket, self.theirs = socket.socketpair()
        self.theirs.settimeout(DEADLINE_S)
        self.told: list[bool] = []
        self.beats = 0
        self._told = threading.Event()

    def gone(self, cancelled: bool) -> None:
        self.told.append(cancelled)
        self._told.set()

    def beat(self) -> None:
        self.beats += 1

    def wait(self) -> None:
        assert self._told.wait(DEADLINE_S), "nobody told that the client is gone"

    def close(self) -> None:
        self.socket.close()
        self.theirs.close()


@pytest.fixture
def clients() -> Iterator[list[Client]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Client())) for _ in range(3)]


def look(watch: Watch) -> None:
    """Returns when the thread has looked at everything that happened until now."""
    with closing(Client()) as probe, watch.over(probe.theirs, probe.gone, cancels=True):
        probe.socket.sendall(b"\x03")
        probe.wait()


def test_a_client_cancels_with_byte_3_which_stays_to_be_read(
    watch: Watch, clients: list[Client]
) -> None:
    client, *others = clients
    with ExitStack() as stack:
        for each in clients:
            stack.enter_context(watch.over(each.theirs, each.gone, cancels=True))
        # Ping and Data.
        for each, sent in zip(others, (b"\x04", b"\x02"), strict=True):
            each.socket.sendall(sent)
        client.socket.sendall(b"\x03")
        client.wait()
        look(watch)

    assert [each.told for each in clients] == [[True], [], []]
    assert client.theirs.recv(1) == b"\x03"


def test_byte_3_of_a_client_that_sends_rows_is_a_rows_byte(
    watch: Watch, clients: list[Client]
) -> None:
    client = clients[0]
    with watch.over(client.theirs, client.gone):
        client.socket.sendall(b"\x03")
        look(watch)
        assert client.told == []
        client.socket.close()
        client.wait()

    assert client.told[0] is False


class Held(Watch):
    """Looks at a connection when it is let go."""

    def __init__(self) -> None:
        self.stirred, self.let_go, self.done = (threading.Event() for _ in range(3))
        super().__init__()

    def _ask(self, watched: Any) -> None:
        self.stirred.set()
        assert self.let_go.wait(DEADLINE_S)
        super()._ask(watched)
        self.done.set()


def test_a_query_that_ended_while_the_thread_woke_up_is_not_told_of(
    clients: list[Client],
) -> None:
    # Otherwise the next query of the connection would be ended in its place.
    client = clients[0]
    with closing(Held()) as watch:
        with watch.over(client.theirs, client.gone):
            client.socket.close()
            assert watch.stirred.wait(DEADLINE_S)
        watch.let_go.set()
        assert watch.done.wait(DEADLINE_S)

    assert client.told == []


def test_a_query_does_not_end_while_it_is_being_told_of(clients: list[Client]) -> None:
    client, ended, telling = clients[0], threading.Event(), threading.Event()
    seen: list[bool] = []

    def gone(cancelled: bool) -> None:
        telling.set()
        # The query has nothing left to do but to end.
        seen.append(ended.wait(0.2))

    with closing(Watch()) as watch:
        with watch.over(client.theirs, gone):
            client.socket.close()
            assert telling.wait(DEADLINE_S)
        ended.set()

    assert seen[0] is False


def test_an_event_of_an_earlier_connection_with_the_same_number_harms_nobody(
    watch: Watch, clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, real = clients[0], watch._poll
    assert real is not None
    number, polled = client.theirs.fileno(), threading.Event()

    def late(timeout_s: float) -> list[tuple[int, int]]:
        polled.set()
        return [*real.poll(timeout_s), (number, select.EPOLLRDHUP)]

    with watch.over(client.theirs, client.gone):
        poll = SimpleNamespace(poll=late, register=real.register, unregister=real.unregister)
        monkeypatch.setattr(watch, "_poll", poll)
        look(watch)
        assert polled.wait(DEADLINE_S)
        look(watch)

    assert client.told == []


def test_a_client_that_closes_hangs_up(watch: Watch, clients: list[Client]) -> None:
    client = clients[0]
    with watch.over(client.theirs, client.gone):
        client.socket.close()
        client.wait()

    assert client.told[0] is False


def test_nobody_is_told_of_a_client_after_its_query(
    watch: Watch, clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients[0]
    with watch.over(client.theirs, client.gone, client.beat):
        pass
    client.socket.close()
    hour_later = time.monotonic() + 3600
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: hour_later))
    look(watch)

    assert (client.told, client.beats) == ([], 0)


def test_a_query_that_fails_is_not_watched_any_more(watch: Watch, clients: list[Client]) -> None:
    client = clients[0]
    with pytest.raises(ValueError, match="so"), watch.over(client.theirs, client.gone):
        raise ValueError("so")
    client.socket.close()
    look(watch)
    assert client.told == []


def test_a_connection_is_watched_again_for_each_query(watch: Watch, clients: list[Client]) -> None:
    client = clients[0]
    for _ in range(2):
        with watch.over(client.theirs, client.gone):
            pass
    with watch.over(client.theirs, client.gone):
        client.socket.close()
        client.wait()

    assert client.told[0] is False


def test_a_connection_may_be_closed_while_it_is_watched(
    watch: Watch, clients: list[Client]
) -> None:
    client, other, _ = clients
    with watch.over(client.theirs, client.gone):
        client.theirs.close()
    with watch.over(other.theirs, other.gone):
        other.socket.close()
        other.wait()

    assert other.told[0] is False


def test_what_a_client_sent_ahead_does_not_hide_that_it_left(
    watch: Watch, clients: list[Client]
) -> None:
    client = clients[0]
    with watch.over(client.theirs, client.gone):
        client.socket.sendall(b"\x04ahead")
        client.socket.close()
        client.wait()

    assert client.told[0] is False


def test_a_client_that_left_is_told_of_again_until_its_query_has_ended(
    monkeypatch: pytest.MonkeyPatch, clients: list[Client]
) -> None:
    # Its query may not have begun when it was to be ended.
    clock = [100.0]
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    client = clients[0]
    with closing(Watch()) as watch, watch.over(client.theirs, client.gone):
        client.socket.close()
        client.wait()
        look(watch)
        seen = [len(client.told)]
        for at in (100.9, 101.0, 101.9, 102.0):
            clock[0] = at
            look(watch)
            seen.append(len(client.told))

    assert seen == [1, 1, 2, 2, 3]


class Counted(Watch):
    """Counts how often it looked at which connection."""

    def __init__(self) -> None:
        self.asked: list[socket.socket] = []
        super().__init__()

    def _ask(self, watched: Any) -> None:
        self.asked.append(watched.connection)
        super()._ask(watched)


def test_what_a_client_sends_ahead_wakes_the_thread_once(clients: list[Client]) -> None:
    client = clients[0]
    with closing(Counted()) as watch, watch.over(client.theirs, client.gone):
        client.socket.sendall(b"\x04")
        for _ in range(5):
            look(watch)
        assert watch.asked.count(client.theirs) == 1
        client.socket.sendall(b"\x04")
        look(watch)
        assert watch.asked.count(client.theirs) == 2
    assert client.told == []


@pytest.mark.parametrize("timeout_s", [None, 300.0])
def test_a_client_without_a_byte_to_read_is_there_and_nobody_waits_for_it(
    watch: Watch, clients: list[Client], timeout_s: float | None
) -> None:
    client = clients[0]
    # None as with the native protocol, 300 s as with HTTP.
    client.theirs.settimeout(timeout_s)
    looked = watching._Watched(client.theirs, client.gone, client.beat, 0)
    looking = threading.Thread(target=watch._ask, args=(looked,))
    looking.start()
    looking.join(DEADLINE_S)
    waits = looking.is_alive()
    client.socket.sendall(b"\x04")
    looking.join(DEADLINE_S)

    assert (waits, client.told) == (False, [])
    assert client.theirs.gettimeout() == timeout_s
    assert client.theirs.recv(1) == b"\x04"


def test_a_client_that_has_not_read_its_answer_in_time_is_disconnected(
    clients: list[Client],
) -> None:
    real, slow, patient = watching.Watch(), *clients[:2]
    with (
        real.over(slow.theirs, slow.gone, within_s=0.01),
        real.over(patient.theirs, patient.gone, within_s=3600),
    ):
        slow.socket.settimeout(DEADLINE_S)
        assert slow.socket.recv(1) == b""
        deadline = time.monotonic() + DEADLINE_S
        while not slow.told and time.monotonic() < deadline:
            time.sleep(0.01)
    real.close()

    assert (slow.told[0], patient.told) == (False, [])


def test_a_client_whose_connection_cannot_be_read_is_gone(
    watch: Watch, clients: list[Client]
) -> None:
    client = clients[0]
    client.theirs.close()
    watch._ask(watching._Watched(client.theirs, client.gone, client.beat, 0))

    assert client.told == [False]


def test_a_connection_that_nobody_watches_any_more_harms_no_other(
    watch: Watch, clients: list[Client]
) -> None:
    forgotten, other, _ = clients
    assert watch._poll is not None
    # As when its query ends while the thread is waking up because of it.
    watch._poll.register(forgotten.theirs, select.EPOLLIN | select.EPOLLET)
    forgotten.socket.sendall(b"\x03")
    with watch.over(other.theirs, other.gone, cancels=True):
        other.socket.sendall(b"\x03")
        other.wait()

    assert (forgotten.told, other.told) == ([], [True])


def test_a_query_that_cannot_be_ended_is_logged_and_the_next_one_is_watched(
    watch: Watch, clients: list[Client], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(cancelled: bool) -> None:
        raise RuntimeError(f"cancelled: {cancelled}")

    with watch.over(clients[0].theirs, fails, cancels=True):
        clients[0].socket.sendall(b"\x03")
        look(watch)
        look(watch)

    (record,) = caplog.records
    assert record.message.startswith(
        "a query whose client is gone could not be ended: RuntimeError at watch.py:"
    )
    assert "cancelled" not in caplog.text  # the text of an error may quote rows


def test_a_beat_comes_every_10_seconds(
    monkeypatch: pytest.MonkeyPatch, clients: list[Client]
) -> None:
    clock = [100.0]
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    early, late, _ = clients
    seen = []
    with (
        closing(Watch()) as watch,
        watch.over(early.theirs, early.gone, early.beat),
        ExitStack() as stack,
    ):
        for at in (109.9, 110.0, 110.1, 119.9, 120.0, 120.1, 129.9, 135.0, 144.9, 145.0):
            if at == 110.1:
                stack.enter_context(watch.over(late.theirs, late.gone, late.beat))
            clock[0] = at
            look(watch)
            seen.append((early.beats, late.beats))

    # The first one counts from 100, the other from 110.0, when it began; then from the last beat.
    assert seen == [
        *[(0, 0), (1, 0), (1, 0), (1, 0), (2, 1), (2, 1)],
        *[(2, 1), (3, 2), (3, 2), (4, 3)],
    ]
    assert (early.told, late.told) == ([], [])


def test_a_closed_watch_ends_its_thread() -> None:
    before = set(threading.enumerate())
    watch = Watch()
    (thread,) = set(threading.enumerate()) - before
    assert (thread.name, thread.daemon, thread.is_alive()) == ("watch", True, True)
    watch.close()
    thread.join(DEADLINE_S)

    assert not thread.is_alive()


def test_where_nothing_can_be_watched_a_query_runs_to_its_end(
    monkeypatch: pytest.MonkeyPatch, clients: list[Client]
) -> None:
    client = clients[0]
    monkeypatch.delattr(select, "epoll")  # as on macOS
    before = set(threading.enumerate())
    done = []
    with closing(Watch()) as watch, watch.over(client.theirs, client.gone, client.beat):
        client.socket.close()
        done.append(True)

    assert (done, client.told, set(threading.enumerate()) - before) == ([True], [], set())


def test_hanging_up_wakes_who_reads_and_may_come_too_late(clients: list[Client]) -> None:
    client = clients[0]
    seen: list[bytes] = []
    reading = threading.Thread(target=lambda: seen.append(client.theirs.recv(1)))
    reading.start()
    hang_up(client.theirs)
    reading.join(DEADLINE_S)
    client.theirs.close()
    hang_up(client.theirs)

    assert seen == [b""]
