"""Notices clients that hang up, or cancel, while their query runs."""

from __future__ import annotations

import contextlib
import logging
import math
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from infra.warehouse._fault import where

log = logging.getLogger(__name__)

_CANCEL = b"\x03"
_BEAT_S = 10.0
_PAUSE_S = 1.0
"""Longest wait of the watching thread, so that it ends soon after `close`."""


_FAREWELL_S = 1.0
_FAREWELL_BYTES = 1 << 16


@dataclass
class _Watched:
    connection: socket.socket
    gone: Callable[[bool], None]
    beat: Callable[[], None]
    beat_at: float
    end_at: float = math.inf
    """When the answer must have been read."""
    again_at: float = math.inf
    """When to tell once more that the client is gone."""
    cancels: bool = False
    """Whether the first byte that was not received is the first one of a packet."""
    left: bool = False
    """Whether the query has ended, so that nobody is told any more."""
    telling: threading.Lock = field(default_factory=threading.Lock)


class Watch:
    """One thread that watches the sockets of all clients with a running query."""

    def __init__(self) -> None:
        self._poll = select.epoll() if hasattr(select, "epoll") else None
        self._lock = threading.Lock()
        self._watched: dict[int, _Watched] = {}
        self._closed = False
        if self._poll is not None:
            threading.Thread(target=self._look, name="watch", daemon=True).start()

    @contextlib.contextmanager
    def over(
        self,
        connection: socket.socket,
        gone: Callable[[bool], None],
        beat: Callable[[], None] = lambda: None,
        within_s: float = math.inf,
        *,
        cancels: bool = False,
    ) -> Iterator[None]:
        """Watches a client while its query runs; both callbacks run on another thread.

        Neither runs after this is left: it would end the connection's next query.

        Args:
            connection: the client's.
            gone: called when the client gives up, and every second from then on, because its query
                may not have begun: with True when it cancelled, False when it hung up.
            beat: called every 10 s; clients give up on a server that is silent for minutes.
            within_s: seconds after which the client is disconnected.
            cancels: whether the byte 3 cancels. True only where everything that was received has
                been read, and a packet comes next: anywhere else that byte may be a row's.
        """
        if self._poll is None:  # macOS: a query runs to its end even when its client is gone
            yield
            return
        number = connection.fileno()
        now = time.monotonic()
        watched = _Watched(connection, gone, beat, now + _BEAT_S, now + within_s, cancels=cancels)
        with self._lock:
            self._watched[number] = watched
        # Edge-triggered: data that the client sends ahead must wake the watching thread only once.
        self._poll.register(number, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
        try:
            yield
        finally:
            with self._lock:
                del self._watched[number]
            with contextlib.suppress(OSError):
                self._poll.unregister(number)
            with watched.telling:
                watched.left = True

    def close(self) -> None:
        """Ends the thread."""
        self._closed = True

    def _look(self) -> None:
        assert self._poll is not None
        while not self._closed:
            events = self._poll.poll(_PAUSE_S)
            now = time.monotonic()
            with self._lock:
                ready = {number for number, _ in events}
                stirred = [
                    each
                    for number, each in self._watched.items()
                    if number in ready or each.again_at <= now
                ]
                for each in self._watched.values():
                    if each.end_at <= now:
                        hang_up(each.connection)  # the next look finds it gone
                        each.end_at, each.again_at = math.inf, now
                    if each.beat_at <= now:
                        each.beat_at = now + _BEAT_S
                        each.beat()
            for each in stirred:
                self._ask(each)

    def _ask(self, watched: _Watched) -> None:
        with watched.telling:
            if watched.left:
                return
            first = _next_byte(watched.connection)
            cancelled = watched.cancels and first == _CANCEL
            if not cancelled and first != b"" and not _hung_up(watched.connection):
                return
            try:
                watched.gone(cancelled)
                # The query may not have begun when it was to be ended.
                watched.again_at = time.monotonic() + _PAUSE_S
            except Exception as error:
                log.error("a query whose client is gone could not be ended: %s", where(error))


def has_left(connection: socket.socket) -> bool:
    """Whether a client has hung up, and everything it sent was received."""
    return _next_byte(connection) == b""


def _hung_up(connection: socket.socket) -> bool:
    """Whether a client has hung up, which what it sent ahead hides from a reader.

    Asked of the socket itself: an event may be of an earlier connection with the same number.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))


def _next_byte(connection: socket.socket) -> bytes | None:
    """What comes next, without taking it: empty at the end of the stream, None if not known yet."""
    try:
        # With a timeout, Python itself waits for the first byte; a copy of the socket has none.
        with socket.fromfd(connection.fileno(), connection.family, connection.type) as copy:
            return copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def hang_up(connection: socket.socket) -> None:
    """Ends a connection on which another thread waits."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def let_read(connection: socket.socket) -> None:
    """Waits until the client has read the error that was sent, or for a moment.

    A connection that is closed with bytes unread is reset, and its client never sees the error.
    """
    deadline = time.monotonic() + _FAREWELL_S
    try:
        connection.shutdown(socket.SHUT_WR)
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(_FAREWELL_BYTES):
                return
    except OSError:
        pass
