"""Seats: how many may be connected and how long in silence, and how many queries a user runs.

A connection that nobody has logged in on, or that waits between queries, gives its seat up when
somebody else needs one: silence never shuts anybody out (D-117).
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

from infra.warehouse import sizes
from infra.warehouse._fault import TOO_MANY_SIMULTANEOUS_QUERIES, Fault
from infra.warehouse.watch import hang_up
from schemas.clients import network

NATIVE_IDLE_S: Final = 3600.0
HTTP_IDLE_S: Final = 300.0
"""As a real server's, where clients keep their connections in pools."""
BOARD_READING_S: Final = 10.0
"""A board's request has a statement and no rows; all of it comes in this time."""
_SWEEP_S: Final = 0.5
_WAIT_S: Final = 10.0
"""A query waits as long for others to end."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many seats a port has.

    Attributes:
        seats: connections in all.
        share: of one user, and of one address; the others are kept for the rest.
        arriving: without a login.
        login_s: from the connection, or the last request, to the login.
        idle_s: between queries.
    """

    seats: int = 256
    share: int = 192
    arriving: int = 64
    login_s: float = 10.0
    idle_s: float = NATIVE_IDLE_S


@dataclass(frozen=True, slots=True)
class _State:
    """What the server does for a client."""

    working: bool = False
    reads: bool = False
    """Whether a part of a request has come and the server waits for the rest."""
    until: float = math.inf
    """When the rest must be there."""


@dataclass(slots=True)
class _Seat:
    address: str
    since: float
    """When it began to be silent."""
    user: str = ""
    state: _State = _State()

    @property
    def working(self) -> bool:
        """Whether nobody may take it; without a login everybody may."""
        return self.state.working and bool(self.user)


class Seats:
    """The connections of one port.

    Args:
        room: how many there may be.
        clock: seconds that only grow.
    """

    def __init__(self, room: Room, clock: Callable[[], float] = time.monotonic) -> None:
        self._room, self._clock = room, clock
        self._lock = threading.Lock()
        self._taken: dict[socket.socket, _Seat] = {}
        self._closed = threading.Event()
        threading.Thread(target=self._sweep, name="seats", daemon=True).start()

    def __len__(self) -> int:
        return len(self._taken)

    def enter(self, connection: socket.socket, address: str) -> bool:
        """Takes a seat for a new connection; False when all are taken and at work."""
        whose = network(address)
        with self._lock:
            arriving = [each for each, seat in self._taken.items() if not seat.user]
            if len(arriving) >= self._room.arriving:
                self._send_away(arriving)
            if not self._made_room(lambda seat: seat.address == whose, self._room.share):
                return False
            if not self._made_room(lambda seat: True, self._room.seats):
                return False
            self._taken[connection] = _Seat(whose, self._clock())
            return True

    def login(self, connection: socket.socket, user: str) -> None:
        """Says whose connection it is.

        Raises:
            Fault: the user has its share of seats, and all of them are at work.
        """
        with self._lock:
            seat = self._taken.get(connection)
            if seat is None or seat.user == user:
                return
            if not self._made_room(lambda other: other.user == user, self._room.share):
                raise Fault(
                    TOO_MANY_SIMULTANEOUS_QUERIES,
                    f"The user {user!r} has {self._room.share} connections at work already.",
                    do="Close some, or wait until a query ends.",
                )
            seat.user = user

    def working(self, connection: socket.socket) -> AbstractContextManager[None]:
        """While a query runs nobody takes the seat."""
        return self._marked(connection, _State(working=True))

    def reading(
        self, connection: socket.socket, within_s: float = math.inf
    ) -> AbstractContextManager[None]:
        """While a request is read, whoever sends it is as silent as between two.

        Args:
            connection: the client's.
            within_s: seconds after which it is ended.
        """
        return self._marked(connection, _State(reads=True, until=self._clock() + within_s))

    def stir(self, connection: socket.socket) -> None:
        """Says that a part of a long request has come."""
        with self._lock:
            if (seat := self._taken.get(connection)) is not None:
                seat.since = self._clock()

    def leave(self, connection: socket.socket) -> None:
        """Gives the seat back."""
        with self._lock:
            self._taken.pop(connection, None)

    def close(self) -> None:
        """Disconnects everybody, and ends the watch over silence."""
        self._closed.set()
        with self._lock:
            for each in self._taken:
                hang_up(each)

    @contextmanager
    def _marked(self, connection: socket.socket, state: _State) -> Iterator[None]:
        before = self._mark(connection, state)
        try:
            yield
        finally:
            self._mark(connection, before)

    def _mark(self, connection: socket.socket, state: _State) -> _State:
        """Gives a seat a state; returns the one it had."""
        with self._lock:
            if (seat := self._taken.get(connection)) is None:
                return _State()
            before, seat.state, seat.since = seat.state, state, self._clock()
            return before

    def _made_room(self, of: Callable[[_Seat], bool], most: int) -> bool:
        """Whether one more of these fits, after the longest silent of the greediest has gone."""
        found = [each for each, seat in self._taken.items() if of(seat)]
        if len(found) < most:
            return True
        seats = Counter(self._taken[each].user for each in found)
        silent = [each for each in found if not self._taken[each].working]
        if not silent:
            return False
        greediest = max(seats[self._taken[each].user] for each in silent)
        self._send_away([e for e in silent if seats[self._taken[e].user] == greediest])
        return True

    def _send_away(self, silent: list[socket.socket]) -> None:
        oldest = min(silent, key=lambda each: self._taken[each].since)
        del self._taken[oldest]
        hang_up(oldest)

    def _sweep(self) -> None:
        while not self._closed.wait(_SWEEP_S):
            now = self._clock()
            with self._lock:
                for each, seat in list(self._taken.items()):
                    most = self._room.idle_s if seat.user else self._room.login_s
                    if not seat.working and (now - seat.since > most or now > seat.state.until):
                        del self._taken[each]
                        hang_up(each)


class Running:
    """The queries that run, by user, on both ports together."""

    def __init__(self, wait_s: float = _WAIT_S) -> None:
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._running: Counter[str] = Counter()
        self._memory: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """Bytes of memory that the queries of boards may take now."""
        return self._memory.total()

    @contextmanager
    def turn(
        self, user: str, most: int, gone: Callable[[], bool] = lambda: False, *, memory: int = 0
    ) -> Iterator[None]:
        """Waits until fewer than `most` queries of the user run, and counts one more.

        By number alone boards' queries would take all memory, and the writer's INSERTs would fail.

        Args:
            user: whose query it is.
            most: queries of the user at a time.
            gone: whether the client has left meanwhile; then nothing is waited for.
            memory: bytes that the query may take of those that the boards share.

        Raises:
            Fault: none has ended in time.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._fits(user, most, memory) or gone(), self._wait_s
            ):
                raise Fault(
                    TOO_MANY_SIMULTANEOUS_QUERIES,
                    f"The user {user!r} runs {self._running[user]} queries already, and there is "
                    "room for no more.",
                    do="Wait until one ends.",
                )
            self._running[user] += 1
            self._memory[user] += memory
        try:
            yield
        finally:
            with self._changed:
                self._running[user] -= 1
                self._memory[user] -= memory
                if not self._running[user]:
                    del self._running[user], self._memory[user]
                self._changed.notify_all()

    def _fits(self, user: str, most: int, memory: int) -> bool:
        if memory and self.held + memory > sizes.BOARDS_BYTES:
            return False
        mine = self._memory[user] + memory
        return self._running[user] < most and mine <= sizes.BOARDS_SHARE_BYTES

    def wake(self) -> None:
        """Lets those that wait look whether their client has left."""
        with self._changed:
            self._changed.notify_all()
