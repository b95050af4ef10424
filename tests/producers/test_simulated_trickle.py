"""A history played at a rate, and today's trickle: how many messages, when, in which order."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice, pairwise
from typing import Any

import pytest

from producers.simulator.history import City, History, Progress, live, play
from schemas.families import families
from schemas.wire import Decoder, Rejected


@pytest.fixture(scope="module")
def city(huaihua: City) -> City:
    return huaihua


class Clock:
    """A clock that advances by sleeping or when a test moves it."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def played(made: History, rate: float | None, **more: Any) -> tuple[list[float], Clock]:
    """Times at which the messages were sent, and the clock."""
    clock, sent = Clock(), list[float]()
    count = play(
        made,
        lambda *_: sent.append(clock.now),
        rate=rate,
        clock=lambda: clock.now,
        sleep=clock.sleep,
        **more,
    )
    assert count == len(sent) == made.summary().messages
    return sent, clock


def test_a_rate_is_kept_within_a_twentieth_of_a_second(city: City) -> None:
    sent, clock = played(History(city, 7, scale=0.001), 100)
    assert clock.now == pytest.approx(len(sent) / 100)
    # A batch of five messages leaves at once, then the next has to wait.
    for n, at in enumerate(sent):
        assert n / 100 - 0.05 <= at <= n / 100 + 1e-6


def test_a_slow_rate_sends_one_by_one_and_none_is_as_fast_as_possible(city: City) -> None:
    made = History(city, 7, scale=0.0001, until=date(2021, 1, 3))
    sent, _ = played(made, 2)
    assert sent == pytest.approx([n / 2 for n in range(len(sent))])
    sent, clock = played(made, None)
    assert not clock.slept and set(sent) == {0.0}


def test_what_takes_longer_than_the_rate_is_not_waited_for(city: City) -> None:
    clock = Clock()

    def send(*_: object) -> None:
        clock.now += 1

    made = History(city, 7, scale=0.0001, until=date(2021, 1, 3))
    play(made, send, rate=100, clock=lambda: clock.now, sleep=clock.sleep)
    assert set(clock.slept) == {0.0}


def test_a_kept_rate_is_flushed_every_second_and_at_the_end(city: City) -> None:
    flushes = list[float]()
    clock = Clock()
    made = History(city, 7, scale=0.001)
    play(
        made,
        lambda *_: None,
        rate=100,
        flush=lambda: flushes.append(clock.now),
        clock=lambda: clock.now,
        sleep=clock.sleep,
    )
    waits = [after - before for before, after in pairwise(flushes[:-1])]
    assert min(waits) > 0.99 and max(waits) < 1.11
    assert flushes[-1] == clock.now
    once = list[float]()
    play(made, lambda *_: None, flush=lambda: once.append(0.0), sleep=clock.sleep)
    assert once == [0.0]


def test_progress_is_told_every_five_thousand_messages_and_at_the_end(city: City) -> None:
    made, told = History(city, 7, scale=0.01), list[Progress]()
    sent, _ = played(made, None, progress=told.append)
    total = len(sent)
    counts = [progress.done for progress in told]
    assert 5 < len(counts) <= total // 5_000 + 1
    assert all(5_000 <= b - a < 5_000 + 1_000 for a, b in pairwise([0, *counts[:-1]]))
    assert told[-1] == Progress(total, total, date(2022, 3, 18))
    assert {progress.total for progress in told} == {total}
    sizes = list[int]()
    for batch in made:
        sizes.append(len(batch))
    for progress in told[:-1]:
        day = (progress.day - date(2021, 1, 1)).days
        assert sum(sizes[:day]) < progress.done <= sum(sizes[: day + 1])
    until = History(city, 7, scale=0.001, until=date(2021, 3, 1))
    last = list[Progress]()
    played(until, 1_000_000, progress=last.append)
    assert last[-1].day == date(2021, 3, 1)


def test_a_trickle_is_dated_now_at_its_rate_with_ids_that_never_come_again(city: City) -> None:
    decoders = {f.topic: Decoder(f.events, city.divisions) for f in families()}
    start = datetime(2026, 5, 1, 9, 0, 0, 500_000, tzinfo=UTC)
    ids = set[str]()
    topics = Counter[str]()
    for restart in range(2):
        now = [start + timedelta(hours=restart)]
        batches = live(city, 1, 160.0, clock=lambda now=now: now[0])  # type: ignore[misc]
        assert next(batches) == []
        for _ in range(600):
            now[0] += timedelta(milliseconds=125)
            batch = next(batches)
            assert len(batch) == 20
            for topic, _, payload in batch:
                (event,) = decoders[topic]([payload])
                assert not isinstance(event, Rejected)
                assert event["recorded"] == now[0].replace(microsecond=0)
                ids.add(event["id"])
                topics[topic] += 1
    assert len(ids) == 2 * 600 * 20
    assert set(topics) == {f.topic for f in families()}
    assert 0.5 < topics["visits"] / len(ids) < 0.8


def test_after_a_pause_a_trickle_makes_up_for_five_seconds_at_most(city: City) -> None:
    now = [datetime(2026, 5, 1, tzinfo=UTC)]
    batches = live(city, 1, clock=lambda: now[0])
    assert next(batches) == []
    now[0] += timedelta(hours=8)
    assert len(next(batches)) == 25  # 5 s of 5/s
    now[0] += timedelta(seconds=1)
    assert len(next(batches)) == 5


def test_a_trickle_of_another_rate_and_a_short_pause_sends_what_fell_due(city: City) -> None:
    now = [datetime(2026, 5, 1, tzinfo=UTC)]
    batches = live(city, 1, 0.5, clock=lambda: now[0])
    assert next(batches) == []
    found = []
    for _ in range(8):
        now[0] += timedelta(seconds=1)
        found.append(len(next(batches)))
    assert found == [0, 1, 0, 1, 0, 1, 0, 1]
    now[0] += timedelta(seconds=4)
    assert len(next(batches)) == 2
    now[0] += timedelta(hours=1)
    assert len(next(batches)) == 2  # five seconds' worth is 2.5; at least one
    now[0] -= timedelta(seconds=30)  # a clock set back
    assert next(batches) == []


def test_a_trickle_is_the_year_without_openings_repeats_and_broken_messages(city: City) -> None:
    made = History(city, 7, scale=0.0005)
    year = [m for batch in made for m in batch if m[2] and b'"id":"x' not in m[2]]
    expected: dict[str, dict[str, Any]] = {}
    for message in year:
        event = json.loads(message[2])
        if event["data"].get("entry") != "opening":
            expected.setdefault(event["id"], event)
    found = [json.loads(m[2].replace(b"\x00now", b"")) for m in made.undated()]
    assert [event["id"] for event in found] == list(expected)
    assert {event["time"] for event in found} == {event["recorded"] for event in found} == {""}
    for event in found:
        own = expected[event["id"]]
        # Seals are new; all else but instants is the same.
        for name, value in own["data"].items():
            if name not in ("since", "remark", "text", "title", "reply", "facts"):
                assert event["data"][name] == value
        assert event["division"] == own["division"] and event["source"] == own["source"]


def test_small_histories_follow_one_another_with_ids_of_their_own(city: City) -> None:
    now = [datetime(2026, 5, 1, tzinfo=UTC)]
    batches = live(city, 1, 100_000.0, clock=lambda: now[0])
    assert next(batches) == []
    ids, tags = set[str](), Counter[str]()

    def trickle() -> Any:
        while True:
            now[0] += timedelta(seconds=0.1)
            yield next(batches)

    messages: Any = islice(chain.from_iterable(trickle()), 45_000)
    for _, _, payload in messages:
        event = json.loads(payload)
        ids.add(event["id"])
        tags[event["id"].split("-")[1][:8]] += 1
    assert len(ids) == 45_000
    # A hundredth of the city is some 38,000 events; then another history begins.
    (first, n), (second, _) = sorted(tags.items())
    assert first < second
    assert 37_000 < n < 40_000
    other = live(city, 2, 100.0, clock=lambda: now[0])
    next(other)
    now[0] += timedelta(seconds=1)
    assert {json.loads(m[2])["data"].get("household") for m in next(other)}
