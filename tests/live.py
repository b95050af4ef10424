"""A running stack for tests: send, wait until everything is counted, compare, disturb."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from infra import database as apply
from infra.parts import Part, Step, parts
from infra.settings import Settings
from infra.stack import Stack
from producers.client import Producer
from producers.vault import Vault
from schemas.names import CONSUMER_GROUP
from schemas.reference.divisions import Divisions
from tests.histories.small import Message
from tests.oracle import BOOK, Oracle, Place, Topic

PATIENCE_S: Final = 240.0
_POLL_S: Final = 0.1


def without_boards(settings: Settings) -> Sequence[Part | Step]:
    """Kafka, ClickHouse and the workers: the parts that the guarantees cover."""
    return [each for each in parts(settings) if each.name != "boards"]


class Live:
    """One stack and its clients for tests."""

    def __init__(self, stack: Stack, topics: Sequence[Topic] = tuple(BOOK.values())) -> None:
        self.stack, self.settings = stack, stack.settings
        self.topics = topics
        self.poisoned: set[Place] = set()

    @cached_property
    def producer(self) -> Any:
        """A plain producer, which sends any bytes, valid or not."""
        return KafkaProducer(
            **self.settings.kafka_options("producer"),
            acks="all",
            linger_ms=5,
            max_request_size=8_000_000,
            request_timeout_ms=60_000,
            delivery_timeout_ms=120_000,
        )

    def close(self) -> None:
        """Closes the clients, not the stack."""
        if "producer" in self.__dict__:
            self.producer.close(5)

    def send(self, messages: Iterable[Message]) -> int:
        """Sends and waits for the acknowledgements; returns the number of messages."""
        sent = [
            self.producer.send(m.topic, key=m.key, value=m.payload, partition=m.kpart)
            for m in messages
        ]
        self.producer.flush(120)
        for each in sent:
            each.get(60)
        return len(sent)

    def producing(self, vault: Vault) -> Producer:
        """Gulou's own producer, with the keys of `vault`."""
        options = self.settings.kafka_options("producer")
        address = options.pop("bootstrap_servers")
        return Producer(address, vault, Divisions.load(), options=options)

    def client(self, **settings: Any) -> Any:
        """A new clickhouse-driver client of the user that owns the events."""
        return apply.address(self.settings).connect(**settings)

    def ask(self, sql: str, **settings: Any) -> list[tuple[Any, ...]]:
        """One query on a new connection; ClickHouse may have been killed since the last."""
        client = self.client(**settings)
        try:
            rows: list[tuple[Any, ...]] = client.execute(sql)
        finally:
            client.disconnect()
        return rows

    def ends(self, topics: Iterable[str] | None = None) -> dict[tuple[str, int], int]:
        """Offset after the last message, per partition with any message."""
        consumer = self._reader()
        try:
            names = [each.topic for each in self.topics] if topics is None else topics
            places = [TopicPartition(t, n) for t in names for n in consumer.partitions_for_topic(t)]
            ends = consumer.end_offsets(places)
        finally:
            consumer.close()
        return {(p.topic, p.partition): end for p, end in ends.items() if end}

    def marks(self) -> dict[tuple[str, int], int]:
        """The lowest offset reached by the events table and all projections, per partition."""
        found: dict[tuple[str, int], int] = {}
        for topic in self.topics:
            tables = [f"{topic.topic}_{each.name}" for each in topic.figures]
            union = " UNION ALL ".join(
                f"SELECT kpart, max({column}) AS at FROM gulou.{table} GROUP BY kpart"
                for table, column in [
                    (f"events_{topic.topic}", "koff"),
                    *((table, "hi") for table in tables),
                ]
            )
            sql = f"SELECT kpart, min(at), count() FROM ({union}) GROUP BY kpart"
            for kpart, at, count in self.ask(sql):
                found[topic.topic, kpart] = at if count == 1 + len(tables) else -1
        return found

    def await_counted(self, timeout_s: float = PATIENCE_S) -> None:
        """Waits until every message now in Kafka is stored and in every projection."""
        ends = self.ends()

        def counted() -> bool:
            marks = self.marks()
            return all(marks.get(place, -1) >= end - 1 for place, end in ends.items())

        self.until(counted, f"counted up to {ends}", timeout_s)

    def until(self, done: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Polls until `done`; retries while a server is down."""
        deadline, last = time.monotonic() + timeout_s, ""
        while time.monotonic() < deadline:
            try:
                if done():
                    return
            except Exception as error:
                last = f"; last: {error!r}"
            if self.stack.interrupted:
                self.stack.wait(0)
            time.sleep(_POLL_S)
        raise AssertionError(f"not {what} within {timeout_s:g} s{last}"[:3000])

    def oracle(self) -> Oracle:
        """The oracle over all current messages."""
        kafka = self.settings.kafka_options("auditor")
        return Oracle(kafka, self.ask, self.topics, poisoned=self.poisoned)

    def differences(self) -> list[str]:
        """The oracle's differences of the tables once everything is counted."""
        self.await_counted()
        return self.oracle().differences(views=False)

    def workers(self) -> list[str]:
        """Names of the worker parts."""
        return [name for name in self.stack.parts() if name.startswith("worker")]

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to a part."""
        os.kill(self.stack.pid(name), number)

    def set_offsets(self, to: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Commits the earliest or latest offsets from outside, with every worker stopped.

        Args:
            to: `earliest` or `latest`.
            meanwhile: called before the commit, while no worker runs.
        """
        for name in self.workers():
            self.signal(name, signal.SIGSTOP)
        try:
            meanwhile()
            ends = self.ends()
            self.until(lambda: self._committed(ends, to), "the group is empty and its offsets set")
        finally:
            for name in self.workers():
                self.signal(name, signal.SIGCONT)

    def _committed(self, ends: dict[tuple[str, int], int], to: str) -> bool:
        """Whether the commit succeeded: only an empty group lets an outsider commit."""
        consumer = KafkaConsumer(
            **self.settings.kafka_options("worker"),
            group_id=CONSUMER_GROUP,
            enable_auto_commit=False,
        )
        try:
            places = {TopicPartition(*place): end for place, end in ends.items()}
            consumer.assign(list(places))
            wanted = {
                p: OffsetAndMetadata(0 if to == "earliest" else e, "", -1)
                for p, e in places.items()
            }
            consumer.commit(wanted)
            return all(consumer.committed(p) == w.offset for p, w in wanted.items())
        finally:
            consumer.close()

    def _reader(self) -> KafkaConsumer:
        return KafkaConsumer(**self.settings.kafka_options("auditor"), group_id=None)

    def log(self, name: str) -> str:
        """The log of a part."""
        path = self.settings.home / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def dead(self) -> dict[tuple[str, int, int], dict[str, Any]]:
        """Every dead letter by its original position, with its headers and `payload`."""
        found: dict[tuple[str, int, int], dict[str, Any]] = {}
        topics = [f"{each.topic}.dead" for each in self.topics]
        ends = self.ends(topics)
        consumer = self._reader()
        try:
            places = [TopicPartition(*place) for place in ends]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            while any(consumer.position(p) < ends[p.topic, p.partition] for p in places):
                for batch in consumer.poll(1000, max_records=5000).values():
                    for each in batch:
                        said = {name: value.decode() for name, value in each.headers}
                        where = said["topic"], int(said["partition"]), int(said["offset"])
                        found[where] = said | {"payload": each.value or b""}
        finally:
            consumer.close()
        return found
