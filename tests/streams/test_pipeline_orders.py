"""In any order of events, every message is stored once, in order, with the right status."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.streams.driven import Driven, driven
from tests.streams.stories import PLACES, story

_PLACE = st.sampled_from(PLACES)
_SMALL = st.integers(1, 6)
_STEPS = st.one_of(
    st.tuples(st.just("feed"), _PLACE, _SMALL),
    st.tuples(st.just("feed"), _PLACE, _SMALL),
    st.tuples(st.just("lose"), _PLACE, _SMALL),
    st.tuples(st.just("finish"), st.integers(0, 5)),
    st.tuples(st.just("finish"), st.integers(0, 5)),
    st.tuples(st.just("land"), st.integers(0, 5)),
    st.tuples(
        st.just("fail"),
        st.sampled_from(["insert", "insert", "related", "claim", "identities"]),
        st.integers(1, 3),
        st.booleans(),
    ),
    st.tuples(st.just("other"), _PLACE, _SMALL),
    st.tuples(st.just("rebalance"), st.sampled_from([PLACES, PLACES[:2], PLACES[1:], []])),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("turn")),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 0.3, 3.0])),
    st.tuples(st.just("slow seek"), st.booleans()),
    st.tuples(st.just("slow bury"), st.booleans()),
)


def _step(run: Driven, what: str, *told: Any) -> None:
    loop = run.loop
    calls = loop.open()
    match what:
        case "feed":
            run.feed(*told)
        case "lose":
            run.fetch(*told)
        case "finish" | "land" if calls:
            call = calls[told[0] % len(calls)]
            if not call.landed:
                call.land()
            if what == "finish":
                call.reply()
            loop.rest()
        case "fail":
            run.table.fail(told[0], told[1], after=told[2])
        case "other":
            run.others(*told)
        case "rebalance":
            run.rebalance(*told)
        case "cancel" if run.rebalancing is not None:
            run.rebalancing.cancel()
            run.next = {}
            loop.rest()
        case "turn":
            loop.turn()
        case "wait":
            loop.advance(*told)
        case "slow seek":
            run.seek_waits = told[0]
            (run.sought.clear if told[0] else run.sought.set)()
            loop.rest()
        case "slow bury":
            run.bury_waits = told[0]
            (run.buried.clear if told[0] else run.buried.set)()
            loop.rest()


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.integers(0, 7),
    st.sampled_from([1, 1, 3]),
    st.lists(_STEPS, max_size=60),
)
def test_any_order_of_chunks_faults_claims_and_other_workers_stores_each_message_once_and_right(
    seed: int, gap: int, steps: list[tuple[Any, ...]]
) -> None:
    with driven() as run:
        for place in PLACES:
            run.send(place, *story(place[0], seed * 10 + place[1], 24), gap=gap)
        run.claimed()
        for what, *told in steps:
            _step(run, what, *told)
            run.check()
            assert run.failure() is None
        run.seek_waits = run.bury_waits = False
        run.rebalance()
        run.drain()
        run.check_whole()
