"""Limits of the pipeline: batch sizes, waiting, and the ceiling of dead letters."""

from __future__ import annotations

import pytest

from schemas.errors import Halted
from streams import metrics
from streams.chunks import Position
from streams.limits import Limits
from tests.streams.driven import Driven, counted, driven, limits
from tests.streams.stories import LOGGED, PLACES, Arrived, Said, fresh, log
from tests.streams.test_pipeline import BATCH, CLAIM, FUNDS, OTHERS, VISITS

DEFAULTS = Limits(batch_events=1, batch_bytes=1, flush_s=1.0, dead_ceiling=1)


def test_a_claim_is_tried_for_45_s_and_dead_letters_are_counted_over_an_hour() -> None:
    assert DEFAULTS.claim_patience_s == 45.0
    assert DEFAULTS.dead_window_s == 3600


def sizes(count: int) -> list[int]:
    """Sizes in bytes of some fresh visits."""
    return [len(record.value or b"") for record in log(*VISITS, fresh(count))]


def batches(run: Driven, chunks: list[int]) -> list[int]:
    """Sizes of the batches made from chunks that arrive while the first is decoded."""
    run.claimed()
    run.send(VISITS, *fresh(sum(chunks)))
    for count in chunks:
        run.feed(VISITS, count)
    while run.step():
        pass
    run.check_whole()
    return [count for _, count in run.asked("insert")]


@pytest.mark.parametrize(
    ("chunks", "right"),
    [
        ([1, 5, 3], [1, 8]),
        ([1, 5, 4], [1, 5, 4]),
        ([1, 9, 1], [1, 9, 1]),
        ([9, 1, 7], [9, 8]),
    ],
)
def test_a_batch_holds_at_most_8_messages_or_one_chunk(chunks: list[int], right: list[int]) -> None:
    with driven(limits(batch_events=8)) as run:
        assert batches(run, chunks) == right


@pytest.mark.parametrize(("less", "right"), [(0, [1, 4, 1]), (1, [1, 2, 3])])
def test_a_batch_holds_at_most_so_many_bytes_or_one_chunk(less: int, right: list[int]) -> None:
    room = sum(sizes(5)[1:]) - less
    with driven(limits(batch_bytes=room, batch_events=100)) as run:
        assert batches(run, [1, 2, 2, 1]) == right


def test_an_agent_waits_while_a_whole_batch_waits_and_goes_on_when_it_is_taken() -> None:
    with driven(limits(batch_events=8)) as run:
        run.claimed()
        run.send(VISITS, *fresh(20))
        run.feed(VISITS, 1)
        for count, waiting in ((4, 0), (3, 0), (1, 0), (1, 0), (1, 1), (1, 2)):
            run.feed(VISITS, count)
            assert run.waiting("visits") == waiting
        run.finish("prepare", "_settle")
        assert run.waiting("visits") == 0
        run.drain()
        assert [count for _, count in run.asked("insert")][:2] == [1, 8]
        run.check_whole()


def test_one_batch_waits_for_all_topics_together() -> None:
    with driven(limits(batch_events=8)) as run:
        run.claimed()
        for place in PLACES:
            run.send(place, *fresh(12))
        run.feed(VISITS, 1)
        run.feed(FUNDS, 1)
        run.feed(VISITS, 4)
        run.feed(FUNDS, 4)
        for place in (VISITS, FUNDS):
            run.feed(place, 1)
            run.feed(place, 1)
        assert (run.waiting("visits"), run.waiting("funds")) == (1, 1)
        run.finish("prepare", "_settle")
        assert (run.waiting("visits"), run.waiting("funds")) == (0, 0)
        run.drain()
        run.check_whole()


@pytest.mark.parametrize(("less", "waiting"), [(0, 0), (1, 1)])
def test_an_agent_waits_while_more_bytes_wait_than_a_batch_may_hold(
    less: int, waiting: int
) -> None:
    room = sum(sizes(6)[1:]) - less
    with driven(limits(batch_bytes=room, batch_events=100)) as run:
        run.claimed()
        run.send(VISITS, *fresh(8))
        for count in (1, 5, 1, 1):
            run.feed(VISITS, count)
        # The first chunk is offered; if there is room it is accepted, and the next one waits.
        assert run.waiting("visits") == waiting
        run.drain()
        run.check_whole()


def test_of_two_agents_that_wait_for_room_one_waits_on_when_the_other_has_filled_it() -> None:
    with driven(limits(batch_events=8)) as run:
        run.claimed()
        for place in PLACES:
            run.send(place, *fresh(20))
        run.feed(VISITS, 1)
        run.feed(FUNDS, 1)
        for place in (VISITS, FUNDS):
            run.feed(place, 4)
        for place in (VISITS, FUNDS, VISITS, FUNDS):
            run.feed(place, 4)
        assert run.waiting("visits") + run.waiting("funds") == 2
        run.finish("prepare", "_settle")  # the lane of visits takes four
        assert run.waiting("visits") + run.waiting("funds") == 1
        run.drain()
        run.check_whole()


def test_bytes_of_all_topics_wait_together() -> None:
    room = sum(sizes(8))  # visits are larger than movements of funds
    with driven(limits(batch_bytes=room, batch_events=100)) as run:
        run.claimed()
        for place in PLACES:
            run.send(place, *fresh(20))
        run.feed(VISITS, 1)
        run.feed(FUNDS, 1)
        run.feed(VISITS, 6)
        run.feed(FUNDS, 6)
        run.feed(VISITS, 1)
        run.feed(VISITS, 1)
        assert run.waiting("visits") == 1
        run.drain()
        run.check_whole()


def test_a_chunk_that_waits_for_room_is_dropped_by_a_claim() -> None:
    with driven(limits(batch_events=4)) as run:
        run.claimed()
        run.send(VISITS, *fresh(20))
        for count in (1, 4, 4, 4):
            run.feed(VISITS, count)
        assert run.waiting("visits") == 1
        run.rebalance()
        run.finish("prepare", "_settle")
        assert run.waiting("visits") == 0
        run.finish(*CLAIM)
        run.drain()
        assert len(run.claims) == 2
        run.check_whole()


def test_chunks_of_an_old_epoch_make_room_though_the_claim_was_cancelled() -> None:
    with driven(limits(batch_events=4)) as run:
        run.claimed()
        run.send(VISITS, *fresh(20))
        run.feed(VISITS, 1)
        run.finish("prepare", "_settle")
        run.feed(VISITS, 1)
        run.finish("prepare", "_settle")
        for count in (4, 1, 1):
            run.feed(VISITS, count)
        assert run.waiting("visits") == 1
        run.rebalance()
        assert run.rebalancing is not None
        run.rebalancing.cancel()
        run.finish("insert")
        assert run.waiting("visits") == 0
        assert run.calls() == []
        assert run.stored(VISITS) == 1
        run.claimed()
        run.drain()
        run.check_whole()


@pytest.mark.parametrize(("count", "lingers"), [(1, True), (2, False)])
def test_less_than_a_quarter_of_a_batch_waits_for_more_until_0_3_s_after_the_last_insert_began(
    count: int, lingers: bool
) -> None:
    with driven(limits(batch_events=8, flush_s=0.25)) as run:
        run.claimed()
        run.send(VISITS, *fresh(10))
        run.feed(VISITS, 1)
        run.finish("prepare", "_settle")  # no earlier insert, so no wait
        began = run.loop.now
        run.loop.advance(0.125)
        run.finish("insert")
        run.feed(VISITS, count)
        assert run.calls() == ([] if lingers else ["prepare"])
        if lingers:
            assert run.loop.alarm() == began + 0.25
            run.feed(VISITS, 1)
            run.loop.advance(0.125)
            run.finish(*BATCH)
            assert run.asked("insert")[-1] == ("visits", 2)
            run.loop.advance(0.25)
            run.feed(VISITS, 1)
            assert run.calls() == ["prepare"]


def refuse(run: Driven, place: Position, *seconds: float) -> None:
    """Sends one batch of invalid messages, appended by the broker at those seconds."""
    for second in seconds:
        offset = len(run.logs[place])
        load = b"{%d" % offset
        run.said[place].append(Said("dead", str(offset)))
        run.logs[place].append(Arrived(offset, LOGGED + round(second * 1000), b"x", load))
    run.feed(place, len(seconds))


def stored(run: Driven) -> None:
    while run.step():
        pass


def test_more_dead_letters_than_the_ceiling_stop_the_worker_after_they_are_stored() -> None:
    with driven(limits(dead_ceiling=3)) as run:
        run.claimed()
        refuse(run, VISITS, 0, 1, 2)
        stored(run)
        assert run.failure() is None
        refuse(run, VISITS, 3)
        stored(run)
        error = run.failure()
        assert isinstance(error, Halted)
        reason = run.table.rows[VISITS][3]["reason"]
        assert error.what == (
            "4 messages of visits were refused within 3600 s, more than 3; the last: " + reason
        )
        assert error.do == (
            "Read visits.dead, mend the sender, or raise GULOU_DEAD_CEILING, then start the "
            "worker again; nothing is lost."
        )
        assert run.stored(VISITS) == 4
        assert run.pipeline.watermarks[VISITS] == 3


@pytest.mark.parametrize(("last", "halts"), [(3600.0, True), (3600.001, False)])
def test_dead_letters_count_for_an_hour_of_the_brokers_time(last: float, halts: bool) -> None:
    with driven(limits(dead_ceiling=1)) as run:
        run.claimed()
        refuse(run, VISITS, 0)
        stored(run)
        refuse(run, VISITS, last)
        stored(run)
        assert (run.failure() is not None) == halts
        if not halts:
            refuse(run, VISITS, last + 1)  # the second of this hour
            stored(run)
            assert isinstance(run.failure(), Halted)


def test_dead_letters_are_no_older_for_the_workers_clock() -> None:
    with driven(limits(dead_ceiling=1)) as run:
        run.claimed()
        refuse(run, VISITS, 0)
        stored(run)
        run.loop.advance(10_000)
        refuse(run, VISITS, 0)
        stored(run)
        assert isinstance(run.failure(), Halted)


def test_the_hour_ends_with_the_newest_letter_of_any_partition_of_the_topic() -> None:
    with driven(limits(dead_ceiling=2)) as run:
        run.claimed()
        refuse(run, OTHERS, 0, 0.5)
        refuse(run, VISITS, 3601)  # these two arrive while the first are decoded: one batch
        refuse(run, OTHERS, 1)
        refuse(run, FUNDS, 3601, 3601)  # each topic counts separately
        stored(run)
        assert [count for topic, count in run.asked("insert") if topic == "visits"] == [2, 2]
        assert run.failure() is None


def test_letters_of_an_insert_that_failed_are_counted_when_they_are_stored() -> None:
    with driven(limits(dead_ceiling=2)) as run:
        run.claimed()
        run.table.fail("insert")
        refuse(run, VISITS, 0, 1)
        stored(run)
        run.drain()
        run.check_whole()
        assert [letter.offset for letter in run.letters] == [0, 1, 0, 1]


def test_letters_are_with_the_broker_before_their_rows_are_stored() -> None:
    with driven() as run:
        run.claimed()
        run.bury_waits = True
        refuse(run, VISITS, 0, 1)
        run.finish("prepare", "_settle")
        assert run.calls() == []
        assert run.stored(VISITS) == 0
        run.buried.set()
        run.loop.rest()
        assert [letter.offset for letter in run.letters] == [0, 1]
        assert run.stored(VISITS) == 0
        run.finish("insert")
        run.check_whole()


def test_letters_that_the_broker_does_not_take_stop_the_worker_and_nothing_is_stored() -> None:
    with driven() as run:
        run.claimed()
        run.bury_fails = OSError("no broker")
        refuse(run, VISITS, 0, 1)
        run.send(VISITS, *fresh(2))
        run.feed(VISITS, 2)
        stored(run)
        assert str(run.failure()) == "no broker"
        assert run.asked("insert") == []


def test_poison_is_buried_made_dead_and_counted_and_everything_else_counts() -> None:
    before = counted(metrics.DEAD_LETTERS, "visits", "projection")
    with driven() as run:
        run.claimed()
        run.table.indigestible = lambda payload: b"poison" in payload
        poison = [Said("first", f"poison{n}", value=n) for n in range(2)]
        run.send(VISITS, *fresh(3), poison[0], *fresh(2, "f"), poison[1])
        run.drain()
        run.check_whole(("poison0", "poison1"))
        assert counted(metrics.DEAD_LETTERS, "visits", "projection") == before + 2
        assert [(e.offset, e.status, e.reason) for e in run.letters] == [
            (3, "dead", "projection: x"),
            (6, "dead", "projection: x"),
        ]


def test_poison_that_the_broker_does_not_take_stays_as_it_is_and_stops_the_worker() -> None:
    with driven() as run:
        run.claimed()
        run.table.indigestible = lambda payload: b"poison" in payload
        run.bury_fails = OSError("no broker")
        run.send(VISITS, Said("first", "poison", value=1))
        run.feed(VISITS, 1)
        stored(run)
        assert str(run.failure()) == "no broker"
        assert run.statuses(VISITS) == ["ok"]


def test_too_much_poison_stops_the_worker() -> None:
    with driven(limits(dead_ceiling=1)) as run:
        run.claimed()
        run.table.indigestible = lambda payload: b"poison" in payload
        run.send(VISITS, *(Said("first", f"poison{n}", value=1) for n in range(2)))
        run.feed(VISITS, 2)
        stored(run)
        assert isinstance(run.failure(), Halted)
        assert run.statuses(VISITS) == ["ok", "ok"]


def test_metrics_say_what_was_stored_how_far_and_what_failed() -> None:
    names = ("ok", "repeat", "conflict", "orphan", "dead")
    status = [counted(metrics.MESSAGES, "visits", name) for name in names]
    failures = counted(metrics.INSERT_FAILURES, "visits")
    claims = counted(metrics.CLAIMS)
    inserts = counted_sum(metrics.BATCH_EVENTS)
    seconds = counted_sum(metrics.INSERT_SECONDS)
    one = Said("first", "1", value=1)
    with driven() as run:
        run.claimed()
        run.table.fail("insert")
        run.send(VISITS, one, Said("first", "2"), one, Said("first", "1", value=2))
        run.send(VISITS, Said("void", "v", "9"), Said("dead", "x"))
        run.feed(VISITS, 6)
        run.finish(*BATCH, *CLAIM)
        run.feed(VISITS, 6)
        run.finish("prepare", "_settle")
        run.loop.advance(7.0)
        run.finish("insert")
    assert [counted(metrics.MESSAGES, "visits", name) for name in names] == [
        status[0] + 2, status[1] + 1, status[2] + 1, status[3] + 1, status[4] + 1
    ]  # fmt: skip
    assert counted(metrics.INSERT_FAILURES, "visits") == failures + 1
    assert counted(metrics.CLAIMS) == claims + 2
    assert counted(metrics.WATERMARK, "visits", "0") == 5
    assert counted_sum(metrics.BATCH_EVENTS) == inserts + 6
    assert counted_sum(metrics.INSERT_SECONDS) == seconds + 7.0


def counted_sum(histogram: object) -> float:
    """Sum of a histogram's observations for visits."""
    found: float = histogram.labels("visits")._sum.get()  # type: ignore[attr-defined]
    return found


def test_progress_is_noted_of_what_was_claimed_and_of_what_was_stored() -> None:
    with driven() as run:
        run.claimed([VISITS, OTHERS])
        claimed = run.loop.now
        assert run.pipeline.progressed_at == {VISITS: claimed, OTHERS: claimed}
        run.send(VISITS, *fresh(3))
        run.feed(VISITS, 3)
        run.finish("prepare", "_settle")
        run.loop.advance(5.0)
        assert run.pipeline.watermarks == {VISITS: -1, OTHERS: -1}
        run.finish("insert")
        assert run.pipeline.progressed_at == {VISITS: claimed + 5, OTHERS: claimed}
        assert run.pipeline.watermarks == {VISITS: 2, OTHERS: -1}
        run.loop.advance(1.0)
        run.claimed([VISITS])
        assert run.pipeline.progressed_at == {VISITS: claimed + 6}
        assert run.pipeline.watermarks == {VISITS: 2}
        assert counted(metrics.PROGRESS, "visits", "0") > 1_700_000_000
