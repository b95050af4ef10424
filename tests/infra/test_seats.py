"""Connections to an HTTP part: silence, slowness and crowds stop nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from aiohttp import web

from infra.http import Connections, Gate, gate, listen, serving
from infra.http.seats import SEATS, room
from tests.dashboards.servers import board_server
from tests.waiting import until

WAIT_S = 60
LARGE = 32 * 1024 * 1024
"""Bytes, far more than what the kernel holds for a client that does not read."""


class Part:
    """A part with one quick path, one that waits until it is let go, and one with much to say."""

    def __init__(self, seats: Connections) -> None:
        self.seats = seats
        self.port = 0
        self.begun = threading.Semaphore(0)
        self.ended = threading.Event()
        self._go = asyncio.Event()
        self._loop = asyncio.new_event_loop()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/quick", self._quick)
        app.router.add_get("/waits", self._waits)
        app.router.add_get("/large", self._large)
        app.router.add_get("/whole", self._whole)
        return app

    async def _whole(self, _request: web.Request) -> web.Response:
        return web.Response(body=bytes(LARGE), headers={"X-Kept": "yes"})

    async def _quick(self, _request: web.Request) -> web.Response:
        return web.Response(text="quick")

    async def _waits(self, _request: web.Request) -> web.Response:
        self.begun.release()
        await self._go.wait()
        return web.Response(text="waited")

    async def _large(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        try:
            await answer.prepare(request)
            for _ in range(LARGE // 65_536):
                await answer.write(bytes(65_536))
        finally:
            self.ended.set()
        return answer

    @contextlib.contextmanager
    def running(self) -> Iterator[Part]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()

        def inside(coroutine: object) -> object:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)  # type: ignore[arg-type]

        door = Gate("127.0.0.1", "word")
        runner = inside(listen(self.application(), door, "127.0.0.1", 0, self.seats))
        assert isinstance(runner, web.AppRunner)
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            self.go()
            inside(runner.cleanup())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(WAIT_S)
            self._loop.close()

    def go(self) -> None:
        self._loop.call_soon_threadsafe(self._go.set)

    @contextlib.contextmanager
    def asked(self, sent: str = "") -> Iterator[socket.socket]:
        """A connection on which the text was sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S) as client:
            client.sendall(sent.encode())
            yield client

    def get(self, path: str) -> str:
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    def status(self, path: str = "/quick") -> int:
        with self.asked(self.get(path)) as client:
            return status(client)


def status(client: socket.socket) -> int:
    """Of the answer; 0 when the connection ended without one."""
    with contextlib.suppress(ConnectionError):
        head = client.recv(65_536)
        return int(head.split()[1]) if head else 0
    return 0


def test_silent_connections_give_their_seats_to_whoever_comes_the_oldest_first() -> None:
    with Part(Connections(4)).running() as part, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(part.asked()) for _ in range(3)]
        # A part of a head is silence too.
        silent.append(stack.enter_context(part.asked("GET /quick HTTP/1.1\r\nHost: 127")))

        assert part.status() == 200

        assert status(silent[0]) == 0
        silent[3].sendall(b".0.0.1\r\n\r\n")
        assert status(silent[3]) == 200


def test_a_connection_between_two_requests_is_silent() -> None:
    with Part(Connections(1)).running() as part, part.asked(part.get("/quick")) as first:
        assert status(first) == 200
        assert part.status() == 200
        assert status(first) == 0


def test_an_answer_that_is_being_made_is_never_given_up_for_a_seat() -> None:
    with Part(Connections(2)).running() as part, contextlib.ExitStack() as stack:
        busy = [stack.enter_context(part.asked(part.get("/waits"))) for _ in range(2)]
        for _ in busy:
            assert part.begun.acquire(timeout=WAIT_S)

        assert part.status() == 0

        part.go()
        assert [status(each) for each in busy] == [200, 200]
        assert part.status() == 200


@pytest.mark.parametrize("sent", ["", "GET /quick HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_a_head_that_does_not_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, sent: str
) -> None:
    monkeypatch.setattr(serving, "SILENT_S", 0.2)
    with Part(Connections()).running() as part, part.asked(sent) as client:
        assert status(client) == 0
        assert part.status() == 200


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("POST /login", 408),
        ("POST /quick HTTP/1.1\r\nAuthorization: Bearer word", 408),
        # Nothing is read of whoever may not send it.
        ("POST /quick", 403),
        ("POST /api/health HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9", 401),
    ],
)
def test_a_body_that_does_not_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, head: str, expected: int
) -> None:
    monkeypatch.setattr(gate, "_FORM_S", 0.2)
    monkeypatch.setattr(gate, "_BODY_S", 0.2)
    verb = head if "HTTP" in head else f"{head} HTTP/1.1"
    sent = (
        f"{verb}\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 9\r\n\r\ntoken"
    )
    with Part(Connections()).running() as part, part.asked(sent) as client:
        assert status(client) == expected


def test_a_login_that_sends_slowly_holds_no_seat() -> None:
    sent = (
        "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken"
    )
    with Part(Connections(2)).running() as part, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(part.asked(sent)) for _ in range(2)]
        assert part.status() == 200
        assert status(slow[0]) == 0


def test_a_client_that_does_not_take_its_answer_is_sent_away() -> None:
    with Part(Connections(read_s=0.2)).running() as part, part.asked(part.get("/large")) as client:
        assert part.ended.wait(WAIT_S), "it was waited for"
        taken = 0
        with contextlib.suppress(ConnectionError):
            while more := client.recv(1 << 20):
                taken += len(more)
        assert taken < LARGE
        assert part.status() == 200


def test_a_client_that_does_not_take_its_answer_holds_no_seat() -> None:
    with Part(Connections(1)).running() as part, part.asked(part.get("/large")):
        until(
            lambda: any(each.silent for each in part.seats._taken.values()),
            "the seat of who takes nothing is free to be given away",
        )
        assert part.status() == 200


def test_who_reads_on_may_read_slowly() -> None:
    with Part(Connections(read_s=5)).running() as part, part.asked(part.get("/whole")) as client:
        taken = 0
        while taken <= LARGE and (more := client.recv(1 << 20)):
            taken += len(more)
            # Longer than `read_s` together; the kernel tells the server of each second or third.
            threading.Event().wait(0.3 if taken < 20 << 20 else 0)
        assert taken > LARGE  # and its head


def test_a_large_answer_is_held_once_however_many_wait_for_it() -> None:
    with Part(Connections()).running() as part, contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(part.asked(part.get("/whole")))
        until(lambda: sum(each.unread for each in part.seats._taken.values()) == 8, "nobody reads")
        buffered = [t.get_write_buffer_size() for t in part.seats._taken]  # type: ignore[attr-defined]
        assert max(buffered) < 4 * 65_536


def test_a_large_answer_is_whole_with_its_headers_and_a_head_is_without_it() -> None:
    with Part(Connections()).running() as part:
        url = f"http://127.0.0.1:{part.port}/whole"
        whole, head = (requests.request(how, url, timeout=WAIT_S) for how in ("GET", "HEAD"))
    assert whole.content == bytes(LARGE)
    assert head.content == b""
    for each in (whole, head):
        assert (each.headers["X-Kept"], each.headers["Content-Length"]) == ("yes", str(LARGE))


def test_a_seat_whose_answer_was_read_is_silent_until_the_next_request() -> None:
    with Part(Connections(1)).running() as part, part.asked(part.get("/whole")) as client:
        taken = len(client.recv(1))
        until(lambda: any(each.unread for each in part.seats._taken.values()), "it is full")
        while taken <= LARGE:
            taken += len(client.recv(1 << 20))
        # The gate's own answer to a page nobody may see keeps the connection, and no seat.
        client.sendall(part.get("/?token=x").encode())
        until(lambda: client.recv(1 << 20), "it is answered")
        assert part.status() == 200


def test_who_sends_on_and_on_without_waiting_for_an_answer_is_sent_away() -> None:
    with Part(Connections()).running() as part, part.asked(part.get("/waits")) as client:
        assert part.begun.acquire(timeout=WAIT_S)
        # With small heads, aiohttp stops reading before: it keeps 32 requests at most.
        large = part.get("/quick").replace("\r\n\r\n", f"\r\nX: {'x' * 8_000}\r\n\r\n")
        with pytest.raises(ConnectionError):
            while True:
                client.sendall(large.encode() * 8)
        assert part.status() == 200


def test_a_second_request_may_be_sent_before_the_answer() -> None:
    with Part(Connections()).running() as part, part.asked(part.get("/waits")) as client:
        assert part.begun.acquire(timeout=WAIT_S)
        client.sendall(part.get("/quick").encode())
        part.go()
        said = b""
        while b"quick" not in said:
            said += client.recv(65_536)
        assert b"waited" in said


@pytest.mark.parametrize(("headers", "expected"), [(40, 200), (60, 400)])
def test_a_head_has_at_most_as_many_fields_as_browsers_and_proxies_send(
    headers: int, expected: int
) -> None:
    more = "".join(f"X-{n}: a\r\n" for n in range(headers))
    with (
        Part(Connections()).running() as part,
        part.asked(part.get("/quick")[:-2] + more + "\r\n") as client,
    ):
        assert status(client) == expected


@pytest.mark.parametrize(
    ("files", "seats"),
    # A hundred files are for what is no connection.
    [(20_000, SEATS), (SEATS + 100, SEATS), (SEATS + 99, SEATS - 1), (102, 2), (101, 1), (40, 1)],
)
def test_there_are_as_many_seats_as_files_and_always_one(
    files: int, seats: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[tuple[int, int]] = [(40, files)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, both: limits.append(both))
    assert room() == seats
    assert limits[-1] == (files, files), "as many as the kernel allows"


def test_more_silent_connections_than_a_server_may_have_files_keep_nobody_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # The server's limit alone: this process may have more files open already.
    few = ("sh", "-c", 'ulimit -S -n 128 && exec "$@"', "sh")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(board_server(tmp_path, before=few))
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), WAIT_S))
            for _ in range(SEATS + 50)
        ]
        assert server.call("GET", "/api/health").status_code == 200
        assert status(silent[0]) == 0
    assert "Too many open files" not in capfd.readouterr().err
