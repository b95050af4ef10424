"""Turns: each client has a few queries at a time, and all clients take their turn (D-118)."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from schemas.errors import Refused

CLIENT: Final[ContextVar[str]] = ContextVar("client", default="")
"""Who asks: set for each request, so that every query made for it counts for its client."""
AT_ONCE: Final = 3
"""Queries that run at a time: for as many the boards' user of ClickHouse has memory."""
EACH: Final = 2
"""Of one client: so that a second client finds a place free."""
WAITING: Final = 100
"""Of one client, further ones are refused; a large board has about forty."""
ASKING: Final = 400
"""Requests of one client that are answered at a time, however few queries they share: fifty walls
that share a token have three hundred."""


class Crowded(Refused):
    """The client has too many queries waiting."""


@dataclass(eq=False, slots=True)
class Ticket:
    """A query's place in the queue of each client that wants its answer."""

    clients: list[str]
    called: asyncio.Future[None]
    runs_for: str | None = None
    """The client in whose turn it runs, from the call until the end."""
    taken: bool = False
    """Whether somebody heard the call."""


@dataclass(slots=True)
class Turns:
    """Decides whose query runs next. For one event loop.

    A query runs in the turn of the first of its clients that gets one, and counts for it. A client
    that asks for what another already waits for so never waits for the other's turn.

    Args:
        at_once: queries that run at a time.
        each: of one client.
        waiting: queries of one client that may wait.
    """

    at_once: int = AT_ONCE
    each: int = EACH
    waiting: int = WAITING
    _queues: dict[str, deque[Ticket]] = field(default_factory=dict)
    """Clients in the order of their turns, each with what waits."""
    _running: Counter[str] = field(default_factory=Counter)

    def ticket(self, client: str) -> Ticket:
        """A place at the end of the client's queue.

        Raises:
            Crowded: the queue is full.
        """
        ticket = Ticket([], asyncio.get_running_loop().create_future())
        self.join(ticket, client)
        return ticket

    def join(self, ticket: Ticket, client: str) -> None:
        """Another client wants the same answer.

        Raises:
            Crowded: its queue is full.
        """
        if ticket.runs_for is not None or client in ticket.clients or ticket.called.done():
            return
        queue = self._queues.setdefault(client, deque())
        if len(queue) >= self.waiting:
            raise Crowded(
                f"查询太多：您已有 {self.waiting} 个查询在排队。",
                do="请稍候片刻再试，或少开几个看板。",
            )
        queue.append(ticket)
        ticket.clients.append(client)
        self._call()

    async def turn(self, ticket: Ticket) -> Callable[[], None]:
        """Waits until the ticket is called; returns what ends its turn, to be called once.

        If the waiting is cancelled, the ticket is dropped.
        """
        try:
            await ticket.called
        except asyncio.CancelledError:
            self.drop(ticket)
            raise
        ticket.taken = True
        return lambda: self._ended(ticket)

    def drop(self, ticket: Ticket) -> None:
        """Takes back a ticket that nobody waits for; nothing if its turn was taken."""
        if ticket.taken:
            return
        self._leave(ticket)
        ticket.called.cancel()
        self._ended(ticket)

    def _ended(self, ticket: Ticket) -> None:
        client = ticket.runs_for
        if client is None:
            return
        ticket.runs_for = None
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
        self._call()

    def _leave(self, ticket: Ticket) -> None:
        for client in ticket.clients:
            queue = self._queues[client]
            queue.remove(ticket)
            if not queue:
                del self._queues[client]
        ticket.clients.clear()

    def _call(self) -> None:
        """Lets queries run, one client after the other, while there is room."""
        while self._running.total() < self.at_once:
            client = next((c for c in self._queues if self._running[c] < self.each), None)
            if client is None:
                return
            ticket = self._queues[client][0]
            self._leave(ticket)
            if client in self._queues:  # its next turn comes after those of all others
                self._queues[client] = self._queues.pop(client)
            ticket.runs_for = client
            self._running[client] += 1
            ticket.called.set_result(None)
