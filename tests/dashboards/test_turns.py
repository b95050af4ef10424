"""Queries take turns: the order in which those of several clients run, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dashboards.server.turns import Crowded, Ticket, Turns
from schemas.clients import network


class Kitchen:
    """Runs queries that end when the test says so, and keeps the order in which they began."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.began: list[str] = []
        self._ends: dict[str, Callable[[], None]] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, *clients: str) -> Ticket:
        """A query of these clients; the first letter of its name is usually its client."""
        first, *others = clients or (name[0],)
        ticket = self.turns.ticket(first)
        for each in others:
            self.turns.join(ticket, each)
        self.tasks[name] = asyncio.create_task(self._run(name, ticket))
        await settled()
        return ticket

    async def _run(self, name: str, ticket: Ticket) -> None:
        end = await self.turns.turn(ticket)
        self.began.append(name)
        self._ends[name] = end

    async def end(self, *names: str) -> None:
        for each in names:
            self._ends.pop(each)()
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_a_client_runs_its_share_and_another_begins_at_once() -> None:
    async def test() -> None:
        kitchen = Kitchen(Turns(at_once=4, each=2, waiting=100))
        for number in range(16):
            await kitchen.ask(f"a{number}")
        assert kitchen.began == ["a0", "a1"]

        await kitchen.ask("b0")

        assert kitchen.began == ["a0", "a1", "b0"]

    run(test)


def test_when_every_place_is_taken_the_next_to_end_makes_room_for_who_has_none() -> None:
    async def test() -> None:
        kitchen = Kitchen(Turns(at_once=4, each=2, waiting=100))
        for name in ("a0", "a1", "a2", "b0", "b1", "b2", "c0"):
            await kitchen.ask(name)
        assert kitchen.began == ["a0", "a1", "b0", "b1"]

        await kitchen.end("a0")
        # a has waited longest, and its turn is first; then b's, then c's.
        await kitchen.end("b0", "a1")

        assert kitchen.began[4:] == ["a2", "b2", "c0"]

    run(test)


def test_clients_take_turns_however_much_one_of_them_has_waiting() -> None:
    async def test() -> None:
        kitchen = Kitchen(Turns(at_once=1, each=1, waiting=100))
        for name in ("a0", "a1", "a2", "a3", "b0", "b1", "c0"):
            await kitchen.ask(name)

        while len(kitchen.began) < 7:
            await kitchen.end(kitchen.began[-1])

        assert kitchen.began == ["a0", "a1", "b0", "c0", "a2", "b1", "a3"]

    run(test)


def test_a_queue_has_an_end_and_says_so() -> None:
    async def test() -> None:
        turns = Turns(at_once=1, each=1, waiting=3)
        kitchen = Kitchen(turns)
        for number in range(4):  # one runs, three wait
            await kitchen.ask(f"a{number}")

        with pytest.raises(Crowded) as refused:
            turns.ticket("a")
        await kitchen.ask("b0")

        assert str(refused.value).startswith("查询太多：您已有 3 个查询在排队。")
        await kitchen.end("a0")
        turns.ticket("a")  # there is room again

    run(test)


def test_whoever_waits_for_anothers_query_gets_it_in_its_own_turn() -> None:
    async def test() -> None:
        kitchen = Kitchen(Turns(at_once=2, each=1, waiting=100))
        await kitchen.ask("a0")
        await kitchen.ask("a1")
        shared = await kitchen.ask("a2")
        assert kitchen.began == ["a0"]

        kitchen.turns.join(shared, "b")
        await settled()

        assert kitchen.began == ["a0", "a2"]
        # It counts for b: the next of a runs only when a's own has ended.
        assert shared.runs_for == "b"
        await kitchen.end("a2")
        assert kitchen.began == ["a0", "a2"]
        await kitchen.end("a0")
        assert kitchen.began == ["a0", "a2", "a1"]

    run(test)


def test_who_leaves_while_waiting_gives_the_place_back() -> None:
    async def test() -> None:
        kitchen = Kitchen(Turns(at_once=1, each=1, waiting=2))
        for name in ("a0", "a1", "a2"):
            await kitchen.ask(name)

        kitchen.tasks["a1"].cancel()
        await settled()
        await kitchen.ask("a3")  # the queue has room for it
        await kitchen.end("a0")
        await kitchen.end("a2")

        assert kitchen.began == ["a0", "a2", "a3"]

    run(test)


def test_who_leaves_in_the_moment_of_the_call_gives_the_turn_back() -> None:
    async def test() -> None:
        kitchen = Kitchen(Turns(at_once=1, each=1, waiting=100))
        for name in ("a0", "a1", "a2"):
            await kitchen.ask(name)

        kitchen._ends.pop("a0")()  # a1 is called …
        kitchen.tasks["a1"].cancel()  # … and has left before it hears it
        await settled()

        assert kitchen.began == ["a0", "a2"]

    run(test)


def test_a_ticket_nobody_used_is_dropped_without_a_trace() -> None:
    async def test() -> None:
        turns = Turns(at_once=1, each=1, waiting=100)
        called, waiting = turns.ticket("a"), turns.ticket("a")

        turns.drop(waiting)
        turns.drop(called)
        turns.drop(called)

        assert turns == Turns(at_once=1, each=1, waiting=100)

    run(test)


@pytest.mark.parametrize(
    ("addresses", "client"),
    [
        (("127.0.0.1", "127.0.1.60", "127.255.255.254", "::1", "::ffff:127.0.0.9"), "this machine"),
        (("10.0.0.5", "::ffff:10.0.0.5"), "10.0.0.5"),
        (("10.0.0.6",), "10.0.0.6"),
        (("2001:db8::1", "2001:db8::ffff:1:2:3"), "2001:db8::/64"),
        (("2001:db8:0:1::1",), "2001:db8:0:1::/64"),
        (("fe80::1%eth0", "fe80::2%eth1"), "fe80::/64"),
        (("", "no address"), None),
    ],
)
def test_addresses_that_one_client_can_choose_among_are_one_client(
    addresses: tuple[str, ...], client: str | None
) -> None:
    for each in addresses:
        assert network(each) == (each if client is None else client)
