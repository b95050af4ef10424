"""The feeds of an installation, on a real Kafka that goes away and comes back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from infra import feed
from infra.parts import parts
from infra.settings import Settings
from infra.stack import Stack
from producers.simulator.history import City, History, Progress
from schemas.families import families
from schemas.reference.divisions import SHIPPED

PATIENCE_S = 1.0
AWAY_S = 3.0
SCALE = 0.002
"""Some 8,000 events: enough for at least one progress report."""
DEADLINE_S = 60


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Stack]:
    """A Kafka with its topics; once killed, it stays away longer than the delivery timeout."""
    ports = {name: 0 for name in Settings.model_fields if name.endswith("_port")}
    wanted = ("kafka", "letting users in to Kafka", "creating topics")
    with Stack(
        Settings.load(home=tmp_path / "home", **ports),
        lambda settings: [each for each in parts(settings) if each.name in wanted],
        pauses_s=[AWAY_S] * 5,
    ) as running:
        yield running


def messages(stack: Stack) -> list[bytes]:
    """Every message now in Kafka."""
    consumer = KafkaConsumer(**stack.settings.kafka_options("auditor"), group_id=None)
    places = [
        TopicPartition(family.topic, n) for family in families() for n in range(family.partitions)
    ]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    consumer.seek_to_beginning(*places)
    found: list[bytes] = []
    while any(consumer.position(place) < end for place, end in ends.items()):
        for batch in consumer.poll(500, max_records=10_000).values():
            found += [each.value for each in batch]
    consumer.close()
    return found


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.mark.stack
def test_the_trickle_outlasts_a_kafka_that_is_killed(kafka: Stack) -> None:
    stop, told = threading.Event(), list[str]()
    trickle = threading.Thread(
        target=lambda: feed.trickle(
            kafka.settings, stop, told.append, rate=50.0, patience_s=PATIENCE_S
        )
    )
    trickle.start()
    try:
        until(lambda: bool(messages(kafka)), "no event arrived")
        kafka.kill("kafka")
        until(lambda: len(told) == 2, f"told {told}")
        before = len(messages(kafka))
        until(lambda: len(messages(kafka)) > before, "no event arrived after the kill")
    finally:
        stop.set()
        trickle.join(DEADLINE_S)

    assert not trickle.is_alive()
    assert told[0].startswith("The trickle of events waits until Kafka is back. ")
    assert told[1:] == ["The trickle of events goes on."]


@pytest.mark.stack
def test_the_demo_history_outlasts_a_kafka_that_is_killed(kafka: Stack) -> None:
    told, steps = list[str](), list[Progress]()

    def disturb(progress: Progress) -> None:
        if not steps:
            kafka.kill("kafka")
        steps.append(progress)

    feed.demo(
        kafka.settings, disturb, threading.Event(), told.append, scale=SCALE, patience_s=PATIENCE_S
    )

    assert len(told) == 2
    assert_whole(kafka, steps[-1].total)


@pytest.mark.stack
def test_a_demo_history_that_was_cut_short_is_whole_after_the_next_start(kafka: Stack) -> None:
    def start(on_progress: Callable[[Progress], None]) -> None:
        feed.demo(kafka.settings, on_progress, stop, lambda line: None, scale=SCALE)

    stop, steps = threading.Event(), list[Progress]()
    with pytest.raises(feed.Interrupted):
        start(lambda _: stop.set())
    assert len(messages(kafka)) > 0
    stop.clear()

    start(steps.append)
    assert_whole(kafka, steps[-1].total)

    before = len(messages(kafka))
    start(steps.append)
    assert len(messages(kafka)) == before, "sent once for each Kafka"


def assert_whole(stack: Stack, total: int) -> None:
    """Asserts that every message of the history is there; duplicates are byte-identical."""
    found = messages(stack)
    mark = json.loads((stack.settings.home / "demo.json").read_text())
    assert mark == {"seed": feed.DEMO_SEED, "bootstrap": stack.settings.bootstrap}
    # The history repeats a few on purpose.
    assert len(set(found)) <= total <= len(found)
    assert set(found) == drawn_up(stack)


def drawn_up(stack: Stack) -> set[bytes]:
    """The messages of the history, generated from the same seed and keys."""
    with feed.vault(stack.settings) as keys:
        made = History(City.load(keys, SHIPPED), feed.DEMO_SEED, scale=SCALE)
        return {payload for batch in made for _, _, payload in batch}
