"""Claims of the pipeline: retried, cancelled anywhere, two at once; and the identity filter."""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Callable, Iterator, Sequence
from types import CoroutineType
from typing import Any

import pytest

from schemas.errors import Halted, Unavailable
from streams import identities as _identities
from streams import pipeline as _pipeline
from tests.streams.driven import Driven, driven, limits
from tests.streams.stories import PLACES, fresh, story
from tests.streams.test_pipeline import BATCH, CLAIM, FUNDS, OTHERS, VISITS


@pytest.fixture
def run() -> Iterator[Driven]:
    """A worker that has claimed every partition."""
    with driven() as running:
        running.claimed()
        yield running


def attempts(run: Driven) -> list[float]:
    """Seconds after its start at which a failing claim was tried."""
    start, found = run.loop.now, list[float]()
    while run.calls("claim"):
        found.append(round(run.loop.now - start, 6))
        run.finish("claim")
        alarm = run.loop.alarm()
        if alarm is not None:
            run.loop.advance(alarm - run.loop.now)
    return found


def test_a_claim_that_fails_for_a_while_is_tried_again_at_growing_intervals() -> None:
    with driven(limits(claim_patience_s=10.0)) as run:
        for n in range(1, 20):
            run.table.fail("claim", n)
        run.rebalance()
        # 0.1 s, doubled each time, at most 2 s; no attempt after 10 s.
        assert attempts(run) == [0, 0.1, 0.3, 0.7, 1.5, 3.1, 5.1, 7.1, 9.1, 11.1]
        assert run.rebalancing is not None
        assert isinstance(run.rebalancing.exception(), Unavailable)


@pytest.mark.parametrize(("took", "again"), [(45.0, True), (45.5, False)])
def test_a_claim_is_tried_for_45_seconds(took: float, again: bool) -> None:
    with driven() as run:
        run.table.fail("claim")
        run.rebalance()
        run.loop.advance(took)
        run.finish("claim")
        assert (run.loop.alarm() is not None) == again
        assert run.rebalancing is not None
        assert run.rebalancing.done() == (not again)


def test_a_claim_goes_on_after_a_while_and_filters_are_asked_for_anew() -> None:
    with driven() as run:
        run.table.fail("claim")
        run.table.fail("identities", 2)
        run.rebalance()
        run.finish("claim")
        run.loop.advance(0.1)
        run.finish(*CLAIM)
        run.loop.advance(0.2)
        run.finish(*CLAIM)
        assert run.claims == [dict.fromkeys(PLACES, -1)]
        assert len(run.asked("claim")) == 3
        run.send(VISITS, *fresh(5))
        run.drain()
        run.check_whole()


def test_a_claim_that_fails_for_good_is_not_tried_again(run: Driven) -> None:
    run.table.fail("claim", error=Halted("cannot be repaired"))
    run.rebalance()
    run.finish("claim")
    assert run.rebalancing is not None
    assert isinstance(run.rebalancing.exception(), Halted)
    assert len(run.asked("claim")) == 2


def test_a_recovery_that_fails_for_good_stops_the_worker(run: Driven) -> None:
    run.send(VISITS, *fresh(5))
    run.table.fail("insert")
    run.table.fail("claim", error=Halted("cannot be repaired"))
    run.feed(VISITS, 5)
    run.finish(*BATCH, "claim")
    assert isinstance(run.failure(), Halted)


def test_of_two_claims_at_once_the_second_waits_for_the_first(run: Driven) -> None:
    first = run.loop.do(run.reseek())
    second = run.loop.do(run.reseek())
    assert run.calls() == ["claim"]
    run.finish(*CLAIM)
    assert first.done()
    assert run.calls() == ["claim"]
    assert run.epoch == 2
    run.finish(*CLAIM)
    assert second.done()
    assert run.epoch == 3
    assert run.pipeline.epoch == 3
    run.send(VISITS, *fresh(5))
    run.drain()
    run.check_whole()


def test_a_claim_waits_until_the_server_has_ended_one_that_was_cancelled(run: Driven) -> None:
    run.rebalance()
    run.rebalance()
    assert run.calls() == ["claim"]
    run.finish("claim")
    assert run.calls() == ["claim"]
    run.finish(*CLAIM)
    assert run.epoch == run.pipeline.epoch == 3


def test_lanes_that_fail_in_one_epoch_are_claimed_anew_once(run: Driven) -> None:
    for place in (VISITS, FUNDS):
        run.send(place, *fresh(5))
        run.feed(place, 5)
    run.finish("prepare", "prepare", "_settle", "_settle")
    run.table.fail("insert", 1)
    run.table.fail("insert", 2)
    run.finish("insert", "insert")
    while run.step():
        pass
    assert len(run.asked("claim")) == 2
    run.drain()
    run.check_whole()


def test_two_recoveries_at_once_claim_once(run: Driven) -> None:
    run.loop.create_task(run.pipeline._reclaim(1))
    run.loop.do(run.pipeline._reclaim(1))
    while run.step():
        pass
    assert len(run.asked("claim")) == 2


def test_a_worker_without_partitions_drops_what_it_had_and_goes_on_when_given_some(
    run: Driven,
) -> None:
    run.send(VISITS, *fresh(10))
    chunk = run.feed(VISITS, 5)
    assert chunk is not None
    run.rebalance([])
    while run.step():
        pass
    assert (run.pipeline.epoch, run.epoch) == (2, 2)
    assert run.pipeline.watermarks == {}
    assert run.pipeline.progressed_at == {}
    run.give(chunk)
    assert run.calls() == []
    assert run.stored(VISITS) == 0
    run.claimed([OTHERS, VISITS])
    run.drain()
    run.check_whole()


def test_what_another_worker_stored_meanwhile_is_known_to_the_filter(run: Driven) -> None:
    ours, theirs = fresh(4, "o"), fresh(4, "t")
    run.send(VISITS, *ours, *theirs)
    run.feed(VISITS, 4)
    run.finish(*BATCH)
    run.others(VISITS, 4)
    for _ in range(2):
        run.claimed()
        # Read once, from behind offset 3; nothing for partitions without new rows.
        assert run.asked("identities")[3:] == [("visits", 0, 3)]
    run.send(VISITS, *theirs, *ours)
    run.drain()
    assert run.statuses(VISITS) == ["ok"] * 8 + ["repeat"] * 8
    run.claimed()
    assert len(run.asked("identities")) == 4
    run.check_whole()


def test_what_another_worker_stored_after_a_claim_was_cancelled_is_known_to_the_filter(
    run: Driven,
) -> None:
    theirs = fresh(4, "t")
    run.send(VISITS, *theirs)
    run.rebalance()
    run.loop.land("claim").reply()
    run.rebalance()
    run.others(VISITS, 4)
    while run.step():
        pass
    run.send(VISITS, *theirs)
    run.drain()
    assert run.statuses(VISITS) == ["ok"] * 4 + ["repeat"] * 4
    run.check_whole()


def test_a_filter_that_knows_more_than_is_stored_is_made_anew(run: Driven) -> None:
    run.send(VISITS, *fresh(5))
    run.feed(VISITS, 5)
    run.finish(*BATCH)
    del run.table.rows[VISITS][3:]  # as after a power failure
    run.claimed()
    assert run.asked("identities")[3:] == [("visits", 0, -1)]
    run.drain()
    run.check_whole()


def test_the_filter_of_a_partition_that_was_given_away_is_made_anew(run: Driven) -> None:
    run.send(VISITS, *fresh(5))
    run.feed(VISITS, 5)
    run.finish(*BATCH)
    run.claimed([OTHERS])
    for _ in range(2):
        run.claimed([OTHERS, VISITS])
        assert run.asked("identities")[3:] == [("visits", 0, -1)]


@pytest.mark.parametrize(("layers", "anew"), [(3, False), (4, True)])
def test_a_filter_of_more_than_three_layers_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, layers: int, anew: bool
) -> None:
    # Layers of 2, 4, 8, 16 ids: 14 fill three of them.
    monkeypatch.setattr(_identities, "_SMALLEST", 2)
    with driven() as run:
        run.claimed()
        run.send(VISITS, *fresh(14 if layers == 3 else 15))
        run.drain()
        assert run.pipeline._seen[VISITS].layers == layers
        run.claimed()
        assert run.asked("identities")[3:] == ([("visits", 0, -1)] if anew else [])


Begin = Callable[[Driven], asyncio.Task[Any]]


def awaits(*names: str) -> set[tuple[str, int]]:
    """Name and line of every `await` and `async with` in the pipeline's methods of those names."""
    return {
        (method.name, node.lineno)
        for method in ast.walk(ast.parse(inspect.getsource(_pipeline)))
        if isinstance(method, ast.AsyncFunctionDef) and method.name in names
        for node in ast.walk(method)
        if isinstance(node, ast.Await | ast.AsyncWith)
    }


def suspended(task: asyncio.Task[Any]) -> set[tuple[str, int]]:
    """Places in the pipeline where a task waits, from the outermost in."""
    found: set[tuple[str, int]] = set()
    inner: Any = task.get_coro()
    while isinstance(inner, CoroutineType):
        frame = inner.cr_frame
        if frame is not None and frame.f_code.co_filename == _pipeline.__file__:
            found.add((frame.f_code.co_name, frame.f_lineno))
        inner = inner.cr_await
    return found


def _busy(run: Driven) -> None:
    """Running inserts on both lanes, and a decoded batch behind one of them."""
    for place in PLACES:
        run.send(place, *story(place[0], 3, 30))
    run.feed(VISITS, 5)
    run.feed(FUNDS, 5)
    run.finish("prepare", "prepare", "_settle", "_settle")
    run.feed(VISITS, 5)


def _claiming(run: Driven) -> asyncio.Task[Any]:
    """A claim that waits for the batches, then fails twice."""
    run.table.fail("claim", 1)
    run.table.fail("identities", 2)
    return run.loop.create_task(run.pipeline.claim(run.mine))


def _claiming_second(run: Driven) -> asyncio.Task[Any]:
    """A claim that waits for another."""
    run.loop.create_task(run.reseek())
    return run.loop.create_task(run.pipeline.claim(run.mine))


def _offering(run: Driven) -> asyncio.Task[Any]:
    """A chunk that waits for room, after a missing chunk."""
    run.feed(VISITS, 5)
    run.feed(VISITS, 5)
    run.fetch(VISITS, 1)
    chunk = run.fetch(VISITS, 2)
    assert chunk is not None
    return run.loop.create_task(run.pipeline.offer(chunk))


def _offering_twice(run: Driven) -> asyncio.Task[Any]:
    """A chunk after a missing one, while a recovery has claimed and still seeks."""
    run.seek_waits = True
    run.loop.create_task(run.pipeline._reclaim(1))
    while run.step():
        pass
    run.fetch(FUNDS, 1)
    chunk = run.fetch(FUNDS, 2)
    assert chunk is not None
    run.seek_waits = False
    return run.loop.create_task(run.pipeline.offer(chunk))


@pytest.mark.parametrize("lands", [False, True], ids=["given up", "done anyway"])
@pytest.mark.parametrize(
    ("begins", "places"),
    [
        ((_claiming, _claiming_second), awaits("claim", "_patiently")),
        ((_offering, _offering_twice), awaits("offer", "_reclaim")),
    ],
    ids=["claim", "offer"],
)
def test_whatever_is_cancelled_at_any_await_leaves_no_hole_and_the_next_claim_goes_on(
    begins: Sequence[Begin], places: set[tuple[str, int]], lands: bool
) -> None:
    cancelled: set[tuple[str, int]] = set()
    for begin in begins:
        turns = 0
        while found := _cancelled_after(turns, begin, lands):
            cancelled |= found
            turns += 1
    assert places <= cancelled


def _cancelled_after(turns: int, begin: Begin, lands: bool) -> set[tuple[str, int]]:
    """Cancels a task after some turns and claims again; returns where it waited, if it did."""
    with driven() as run:
        run.claimed()
        _busy(run)
        task = begin(run)
        for _ in range(turns):
            if not run.loop.turn() and not run.loop.turn():
                _one_event(run)
        if task.done():
            return set()
        place = suspended(task) or {("not begun", 0)}
        if lands:
            for call in run.loop.open():
                if not call.landed:
                    call.land()
        task.cancel()
        run.loop.rest()
        run.check()
        run.rebalance()
        run.drain()
        run.check_whole()
        return place


def _one_event(run: Driven) -> None:
    """Ends the oldest call, or advances the clock."""
    calls = run.loop.open()
    if not calls:
        run.loop.now += 0.1
        run.sought.set()
    elif not calls[0].landed:
        calls[0].land()
    else:
        calls[0].reply()
