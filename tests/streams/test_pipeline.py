"""Inserts, chunks and claims of the pipeline with faults in between."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.errors import Halted, Unavailable
from streams.chunks import Chunk
from tests.streams.driven import Driven, driven
from tests.streams.stories import PLACES, Said, fresh, story

VISITS, OTHERS, FUNDS = PLACES
BATCH = ("prepare", "_settle", "insert")
CLAIM = ("claim", "_remember")


@pytest.fixture
def run() -> Iterator[Driven]:
    """A worker that has claimed every partition."""
    with driven() as running:
        running.claimed()
        yield running


def test_the_next_batch_is_settled_while_an_insert_is_under_way_and_lands_after_it(
    run: Driven,
) -> None:
    run.send(VISITS, *fresh(12))
    run.feed(VISITS, 4)
    run.finish("prepare", "_settle")
    run.feed(VISITS, 4)
    run.finish("prepare", "_settle")
    assert run.calls() == ["insert"]
    assert run.asked("insert") == []
    run.finish("insert")
    assert run.stored(VISITS) == 4
    assert run.calls() == ["insert"]
    run.drain()
    assert [count for _, count in run.asked("insert")] == [4, 4, 4]
    run.check_whole()


def test_a_topic_goes_on_while_the_insert_of_another_hangs(run: Driven) -> None:
    run.send(VISITS, *fresh(4))
    run.send(FUNDS, *fresh(4))
    run.feed(VISITS, 4)
    run.finish("prepare", "_settle")
    hanging = run.loop.open("insert")[0]
    run.feed(FUNDS, 4)
    run.finish("prepare", "_settle")
    funds = run.loop.open("insert")[1]
    funds.land()
    funds.reply()
    assert run.stored(FUNDS) == 4
    assert not hanging.landed


@pytest.mark.parametrize("after", [False, True], ids=["not stored", "stored, but not said"])
def test_nothing_lands_between_a_failed_insert_and_the_next_claim(run: Driven, after: bool) -> None:
    run.send(VISITS, *fresh(15))
    run.table.fail("insert", after=after)
    run.feed(VISITS, 5)
    run.finish("prepare", "_settle")
    run.feed(VISITS, 3)
    run.finish("prepare", "_settle", "insert")
    assert run.calls() == ["claim"]
    run.feed(VISITS, 3)
    run.loop.advance(5.0)
    assert run.calls() == ["claim"]
    assert run.asked("insert") == [("visits", 5)]
    run.finish(*CLAIM)
    assert run.claims[-1][VISITS] == (4 if after else -1)
    run.drain()
    run.check_whole()


def test_nothing_lands_after_a_failed_insert_while_its_recovery_cannot_begin(run: Driven) -> None:
    run.send(VISITS, *fresh(15))

    async def refuses() -> None:
        raise RuntimeError("no consumer")

    run.pipeline._reseek = refuses
    run.table.fail("insert")
    for _ in range(3):
        run.feed(VISITS, 5)
    while run.step():
        pass
    assert run.asked("insert") == [("visits", 5)]
    assert run.stored(VISITS) == 0
    assert str(run.failure()) == "no consumer"


@pytest.mark.parametrize("name", ["related", "prepare"])
def test_nothing_lands_after_a_batch_that_could_not_be_settled(run: Driven, name: str) -> None:
    """The claim is done but its seek still runs: another claim has to wait."""
    run.send(VISITS, *fresh(15))
    run.seek_waits = True
    run.table.fail("insert")
    run.feed(VISITS, 5)
    run.finish(*BATCH, *CLAIM)
    if name == "related":
        run.table.fail("related")
    else:
        run.loop.fail_next("prepare", Unavailable("no memory"))
    run.feed(VISITS, 5)
    run.finish("prepare", *(["_settle"] if name == "related" else []))
    run.feed(VISITS, 5)
    while run.step():
        pass
    assert run.stored(VISITS) == 0
    run.drain()
    run.check_whole()


def test_a_batch_settled_under_an_old_claim_is_not_inserted_under_the_new_one(
    run: Driven,
) -> None:
    run.send(VISITS, *fresh(10))
    run.feed(VISITS, 5)
    run.finish("prepare", "_settle")
    run.feed(VISITS, 5)
    run.finish("prepare", "_settle")
    run.rebalance()
    assert run.calls() == ["insert"]  # the claim waits for the running insert
    run.finish("insert")
    assert run.calls() == ["claim"]
    run.finish(*CLAIM)
    assert run.calls() == []
    assert run.claims[-1][VISITS] == 4
    run.drain()
    run.check_whole()


def test_a_claim_waits_for_the_batch_that_is_being_decoded(run: Driven) -> None:
    run.send(VISITS, *fresh(10))
    run.feed(VISITS, 5)
    run.rebalance()
    assert run.calls() == ["prepare"]
    run.finish("prepare")
    assert run.calls() == ["_settle"]
    run.finish("_settle")
    assert run.calls() == ["claim"]
    run.drain()
    run.check_whole()


def test_an_insert_that_ends_after_a_new_claim_began_moves_no_watermark(run: Driven) -> None:
    run.send(VISITS, *fresh(5))
    run.feed(VISITS, 5)
    run.finish("prepare", "_settle")
    run.rebalance()
    run.finish("insert")
    assert run.stored(VISITS) == 5
    assert run.pipeline.watermarks[VISITS] == -1
    run.finish(*CLAIM)
    assert run.pipeline.watermarks[VISITS] == 4
    # The filter did not count as complete, so its identities were read again.
    assert run.asked("identities")[-1] == ("visits", 0, -1)


def test_a_worker_shut_out_by_another_stores_nothing_and_claims_again(run: Driven) -> None:
    run.send(VISITS, *fresh(10))
    run.feed(VISITS, 5)
    run.finish("prepare", "_settle")
    run.others(VISITS, 3)
    run.finish("insert")
    assert run.stored(VISITS) == 3
    assert run.calls() == ["claim"]
    run.drain()
    run.check_whole()


def test_chunks_that_are_missing_are_read_again(run: Driven, caplog: Any) -> None:
    run.send(VISITS, *fresh(12))
    run.feed(VISITS, 3)
    run.finish(*BATCH)
    assert run.fetch(VISITS, 3) is not None  # this chunk is lost
    run.feed(VISITS, 3)
    while run.step():
        pass
    assert run.claims[-1][VISITS] == 2
    assert len(run.claims) == 2
    run.drain()
    run.check_whole()
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert said == ["visits@0: a chunk is missing, seeking again"]


def test_a_chunk_offered_twice_is_read_again_and_not_stored_twice(run: Driven) -> None:
    run.send(VISITS, *fresh(8))
    chunk = run.feed(VISITS, 4)
    assert chunk is not None
    run.give(chunk)
    run.drain()
    run.check_whole()
    assert len(run.claims) == 2


@pytest.mark.parametrize(("first", "halts"), [(3, True), (4, True), (5, False), (9, False)])
def test_a_partition_whose_offsets_begin_again_halts_the_worker(
    run: Driven, first: int, halts: bool
) -> None:
    run.send(VISITS, *fresh(5))
    run.feed(VISITS, 5)
    run.finish(*BATCH)
    assert run.pipeline.watermarks[VISITS] == 4
    records = [type(r)(r.offset + first, r.timestamp, r.key, r.value) for r in run.logs[VISITS]]
    run.give(Chunk(*VISITS, run.epoch, 4, records))
    if not halts:
        assert run.failure() is None
        assert run.calls() == ["prepare"]
        return
    error = run.failure()
    assert isinstance(error, Halted)
    assert error.what == (
        f"visits@0 begins again at offset {first}, but 4 is stored: Kafka lost messages, "
        "or the topic was made anew."
    )
    assert error.do == "Restore the topic, or start a new database with GULOU_DATABASE."
    assert run.calls() == []


def test_chunks_of_an_old_epoch_are_dropped_whether_offered_or_already_taken_in(
    run: Driven,
) -> None:
    run.send(VISITS, *fresh(16))
    run.feed(VISITS, 4)
    old = run.fetch(VISITS, 4)
    assert old is not None
    run.finish("prepare", "_settle")
    run.give(old)  # accepted while the insert before it hangs
    assert run.calls() == ["insert", "prepare"]
    run.finish("prepare", "_settle")
    later = run.feed(VISITS, 4)
    run.rebalance()
    run.finish("insert", *CLAIM)
    assert run.claims[-1][VISITS] == 3
    for chunk in (old, later):
        assert chunk is not None
        run.give(chunk)
    assert run.calls() == []
    run.drain()
    assert len(run.claims) == 2
    run.check_whole()


def test_a_chunk_of_a_partition_that_another_worker_owns_is_not_taken_in(run: Driven) -> None:
    run.send(VISITS, *fresh(2))
    run.claimed([OTHERS])
    run.give(Chunk(*VISITS, run.epoch, -1, run.logs[VISITS]))
    assert run.calls() == ["claim"]


def test_repeats_conflicts_and_corrections_of_what_is_just_being_inserted_are_told(
    run: Driven,
) -> None:
    one, two = Said("first", "1", value=3), Said("first", "2", value=4)
    run.send(VISITS, one, two)
    run.send(
        VISITS,
        one,
        Said("first", "2", value=5),
        Said("better", "b", "1", value=7, at=3),
        Said("better", "c", "3", value=8, at=3),
    )
    run.feed(VISITS, 2)
    run.finish("prepare", "_settle")
    run.feed(VISITS, 4)
    run.finish("prepare", "_settle")
    run.drain()
    assert run.statuses(VISITS) == ["ok", "ok", "repeat", "conflict", "ok", "orphan"]
    run.check_whole()


@pytest.mark.parametrize(
    ("flying", "next_", "right"),
    [("first", "better", ["ok", "ok"]), ("better", "first", ["orphan", "ok"])],
)
def test_the_other_half_of_a_correction_may_be_just_being_inserted(
    run: Driven, flying: str, next_: str, right: list[str]
) -> None:
    said = {
        "first": Said("first", "1", value=3),
        "better": Said("better", "b", "1", value=7, at=3),
    }
    run.send(VISITS, said[flying], said[next_])
    for _ in range(2):
        run.feed(VISITS, 1)
        run.finish("prepare", "_settle")
    assert run.stored(VISITS) == 0
    run.drain()
    assert run.statuses(VISITS) == right
    run.check_whole()


def test_what_a_batch_repeats_or_awaits_is_found_across_batches_and_across_claims(
    run: Driven,
) -> None:
    first = Said("first", "1", value=3)
    orphan = Said("better", "b", "2", value=7, at=9)
    for batch in ([first, orphan], [first], [Said("first", "2", value=1)], [orphan]):
        for claims in (False, True):
            if claims:
                run.claimed()
            run.send(VISITS, *batch)
            run.feed(VISITS, 8)
            run.finish(*BATCH)
    others = {0: "ok", 1: "orphan", 6: "ok"}
    assert run.statuses(VISITS) == [others.get(n, "repeat") for n in range(10)]
    run.check_whole()


def test_an_original_that_stored_corrections_await_is_asked_about_after_a_claim(
    run: Driven,
) -> None:
    run.send(VISITS, Said("better", "b", "1", value=7, at=9))
    run.feed(VISITS, 1)
    run.finish(*BATCH)
    run.claimed()
    run.send(VISITS, Said("first", "1", value=1), *fresh(3))
    run.feed(VISITS, 4)
    run.finish(*BATCH)
    # No identity is suspect; the only root is the correction's.
    assert run.asked("related")[-1] == ("visits", 0, 1)
    run.check_whole()


def test_only_what_was_perhaps_seen_before_is_looked_up(run: Driven) -> None:
    one, two, three = fresh(3)
    dead = Said("dead", "x")
    run.send(VISITS, one, dead, two, dead)
    run.feed(VISITS, 4)
    run.finish(*BATCH)
    run.send(VISITS, one, three, three, dead)
    run.feed(VISITS, 4)
    run.finish(*BATCH)
    assert run.asked("related") == [("visits", 0, 0), ("visits", 2, 0)]
    assert run.statuses(VISITS) == ["ok", "dead", "ok", "dead", "repeat", "ok", "repeat", "dead"]


def test_a_partition_is_not_asked_about_for_what_another_brings(run: Driven) -> None:
    for place in (VISITS, OTHERS):
        run.send(place, *fresh(3, f"p{place[1]}-"))
    run.feed(VISITS, 1)
    run.feed(VISITS, 2)
    run.feed(OTHERS, 3)
    while run.step():
        pass
    assert run.asked("insert") == [("visits", 1), ("visits", 5)]
    run.send(VISITS, *fresh(3, "p1-"))  # only the other partition has these
    run.feed(VISITS, 3)
    run.finish(*BATCH)
    assert run.asked("related") == [("visits", 0, 0)] * 3
    assert run.statuses(VISITS) == ["ok"] * 6


def test_each_connection_serves_one_kind_of_call(run: Driven) -> None:
    for place in PLACES:
        run.send(place, *story(place[0], 1, 10))
    run.drain()
    assert [sorted(door.served) for door in run.table.doors] == [
        ["claim", "identities"],
        ["insert"],
        ["related"],
        ["insert"],
        ["related"],
    ]


def test_an_insert_that_raises_what_nobody_expects_stops_the_worker_at_once(run: Driven) -> None:
    run.send(VISITS, *fresh(5))
    run.table.fail("insert", error=ValueError("a slip"))
    run.feed(VISITS, 5)
    run.finish(*BATCH)
    assert run.calls() == []  # the lane waits for a chunk that may never come
    assert str(run.failure()) == "a slip"


def test_a_settling_that_raises_what_nobody_expects_stops_the_worker(run: Driven) -> None:
    run.send(VISITS, *fresh(5))
    run.table.fail("related", error=ValueError("a slip"))
    run.feed(VISITS, 5)
    run.finish("prepare", "_settle")
    assert str(run.failure()) == "a slip"
    assert run.stored(VISITS) == 0


def test_the_first_of_two_failures_is_told(run: Driven) -> None:
    run.pipeline._fail(ValueError("first"))
    run.pipeline._fail(ValueError("second"))
    run.loop.rest()
    assert str(run.failure()) == "first"
