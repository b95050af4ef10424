"""Seats of an HTTP part: silence gives way, and nobody is waited for without end (D-126)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from aiohttp import web

from infra._files import most_files
from infra.http.gate import Handler
from schemas.clients import network

SEATS: Final = 1024
"""Connections at a time; walls and browsers have six each at most."""
_OTHER_FILES: Final = 100
"""Files that a part needs besides: its own, and connections to ClickHouse."""
SILENT_S: Final = 10.0
"""From the connection, or the last answer, to the end of a request's head."""
READ_S: Final = 30.0
"""A client that takes nothing of its answer for so long is gone."""
_AHEAD: Final = 65_536
"""Bytes of further requests on a connection that waits for its answer. No browser and no program of
ours sends any; each head of them would be kept until its turn."""
_PIECE: Final = 65_536
"""Bytes of an answer that are handed over at once."""


def room() -> int:
    """How many connections this process's open files leave room for."""
    return max(min(SEATS, most_files() - _OTHER_FILES), 1)


@dataclass(slots=True)
class _Held:
    address: str
    since: float
    """When it began to be silent."""
    working: bool = False
    unread: bool = False
    """Whether its answers fill all buffers, as nobody takes them."""
    ahead: int = 0
    """Bytes that came while it waited for an answer."""

    @property
    def silent(self) -> bool:
        return self.unread or not self.working


class Connections:
    """The connections of one port.

    A connection that sends nothing, or only a part of its request, or does not take its answer,
    gives its seat up when somebody else needs one. Of those, the oldest of the address with most.
    An answer that is being made is never given up.

    Args:
        most: how many there may be.
        read_s: how long a client may take nothing of an answer.
    """

    def __init__(self, most: int = SEATS, read_s: float = READ_S) -> None:
        self.most, self.read_s = most, read_s
        self._taken: dict[asyncio.BaseTransport, _Held] = {}

    def enter(self, transport: asyncio.Transport) -> bool:
        """Takes a seat for a new connection; False when all are taken and at work."""
        if len(self._taken) >= self.most and not self._made_room():
            return False
        address = str((transport.get_extra_info("peername") or ("",))[0])
        self._taken[transport] = _Held(network(address), time.monotonic())
        return True

    def leave(self, transport: asyncio.BaseTransport) -> None:
        """Gives the seat back."""
        self._taken.pop(transport, None)

    def mark(self, transport: asyncio.BaseTransport | None, *, working: bool) -> None:
        """Says that an answer is being made on a connection, or is no more."""
        seat = self._taken.get(transport) if transport is not None else None
        if seat is not None:
            seat.working, seat.since, seat.ahead = working, time.monotonic(), 0

    def unread(self, transport: asyncio.BaseTransport, *, full: bool) -> None:
        """Says that the buffers for a client are full, or that it took what was in them."""
        if seat := self._taken.get(transport):
            seat.unread, seat.since = full, time.monotonic()

    def crowds(self, transport: asyncio.BaseTransport, received: int) -> bool:
        """Whether a client sends on and on without having its answers."""
        seat = self._taken.get(transport)
        if seat is None or not (seat.working or seat.unread):
            return False
        seat.ahead += received
        return seat.ahead > _AHEAD

    @property
    def middleware(self) -> Handler:
        """Marks a connection while its request is answered; comes after the body is read."""

        @web.middleware
        async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.mark(request.transport, working=True)
            try:
                return await _sent(request, await handler(request))
            finally:
                self.mark(request.transport, working=False)

        return answered  # type: ignore[return-value]

    def _made_room(self) -> bool:
        silent = [each for each, seat in self._taken.items() if seat.silent]
        if not silent:
            return False
        held = Counter(seat.address for seat in self._taken.values())
        most = max(held[self._taken[each].address] for each in silent)
        greedy = [each for each in silent if held[self._taken[each].address] == most]
        oldest = min(greedy, key=lambda each: self._taken[each].since)
        del self._taken[oldest]
        cast(asyncio.Transport, oldest).abort()
        return True


async def _sent(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    """Sends a large answer piece by piece; aiohttp would copy it whole for each client."""
    body = answer.body if isinstance(answer, web.Response) else None
    if not isinstance(body, bytes) or len(body) <= _PIECE or request.method == "HEAD":
        return answer
    sent = web.StreamResponse(status=answer.status, headers=answer.headers)
    sent.content_length = len(body)
    await sent.prepare(request)
    for at in range(0, len(body), _PIECE):
        await sent.write(memoryview(body)[at : at + _PIECE])
    await sent.write_eof()
    return sent


class _Seated(asyncio.Protocol):
    """A connection's protocol, which keeps its seat for it."""

    def __init__(self, inner: asyncio.Protocol, seats: Connections) -> None:
        self._inner, self._seats = inner, seats
        self._transport: asyncio.Transport
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._seats.enter(self._transport):
            self._inner.connection_made(transport)
        else:
            self._inner = asyncio.Protocol()  # which does nothing
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._seats.crowds(self._transport, len(data)):
            self._transport.abort()
        else:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._seats.unread(self._transport, full=True)
        self._await_reader(self._transport.get_write_buffer_size() + 1)
        self._inner.pause_writing()

    def _await_reader(self, before: int) -> None:
        """Ends the connection unless the client takes something each time."""
        left = self._transport.get_write_buffer_size()
        if left >= before:
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._unread = loop.call_later(self._seats.read_s, self._await_reader, left)

    def resume_writing(self) -> None:
        self._read()
        self._seats.unread(self._transport, full=False)
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._read()
        self._seats.leave(self._transport)
        self._inner.connection_lost(exc)

    def _read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class Site(web.BaseSite):
    """A port of aiohttp's whose connections have seats."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, seats: Connections) -> None:
        super().__init__(runner)
        self._host, self._port, self._seats = host, port, seats

    @property
    def name(self) -> str:
        """Its address."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listens."""
        await super().start()
        made = cast(Callable[[], asyncio.Protocol], self._runner.server)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Seated(made(), self._seats), self._host, self._port
        )
