"""Gulou's requirements of Kafka, on the embedded one and on any real one.

`GULOU_TEST_KAFKA=host:port make test` runs the same suite on that Kafka too;
tests/contract/conftest.py explains how to log in.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec

from infra.broker import MAX_MESSAGE_BYTES, Broker, Topic, ensure_topics, topic_configs
from infra.settings import Settings
from schemas.errors import Misconfigured, Unavailable
from tests.contract.conftest import given

REAL = os.environ.get("GULOU_TEST_KAFKA", "")
Kafka = dict[str, Any]
"""Address and login of a Kafka, as keyword arguments of any client."""
PARTITIONS = 4
TIMEOUT_MS = 30_000


@pytest.fixture(params=["embedded", "real"])
def kafka(request: pytest.FixtureRequest) -> Kafka:
    if request.param == "embedded":
        broker: Broker = request.getfixturevalue("broker")
        return broker.options
    if not REAL:
        pytest.skip("GULOU_TEST_KAFKA names no Kafka")
    return given("kafka", kafka_bootstrap=REAL).kafka_options("admin")


@pytest.fixture
def topic(kafka: Kafka) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    config = {
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "-1",
        "cleanup.policy": "delete",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
    }
    created(kafka, [(name, PARTITIONS, config)])
    yield name
    admin = KafkaAdminClient(**kafka)
    admin.delete_topics([name])
    admin.close()


def created(kafka: Kafka, topics: list[Topic]) -> None:
    ensure_topics(kafka["bootstrap_servers"], topics, options=kafka)


def produced(kafka: Kafka, topic: str, pairs: list[tuple[bytes, bytes]], **how: Any) -> list[Any]:
    producer = KafkaProducer(**kafka, acks="all", enable_idempotence=True, **how)
    sent = [producer.send(topic, key=key, value=value) for key, value in pairs]
    producer.flush(timeout=30)
    landed = [each.get(timeout=30) for each in sent]
    producer.close()
    return landed


def consumed(kafka: Kafka, topic: str, count: int) -> list[Any]:
    """The first `count` records of the topic, in partition and offset order."""
    consumer = KafkaConsumer(**kafka)
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    records: list[Any] = []
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while len(records) < count and time.monotonic() < deadline:
        for fetched in consumer.poll(timeout_ms=1_000).values():
            records.extend(fetched)
    consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))


def pairs(count: int) -> list[tuple[bytes, bytes]]:
    return [(f"household-{n}".encode(), f'{{"n": {n}}}'.encode()) for n in range(count)]


def test_the_broker_stamps_the_time_whatever_the_producer_says(kafka: Kafka, topic: str) -> None:
    before = int(time.time() * 1000)
    producer = KafkaProducer(**kafka)
    producer.send(topic, key=b"k", value=b"{}", timestamp_ms=86_400_000).get(timeout=30)
    producer.close()

    (record,) = consumed(kafka, topic, 1)

    assert record.timestamp_type == 1  # LogAppendTime
    assert before - 60_000 <= record.timestamp <= int(time.time() * 1000) + 60_000


@pytest.mark.parametrize("compression", [None, "gzip", "lz4"])
def test_an_idempotent_producer_of_kafka_python_is_read_back_whole(
    kafka: Kafka, topic: str, compression: str | None
) -> None:
    sent = pairs(500)

    produced(kafka, topic, sent, compression_type=compression)

    found = consumed(kafka, topic, 500)
    assert sorted((record.key, record.value) for record in found) == sorted(sent)


def test_aiokafka_writes_and_reads_lz4(kafka: Kafka, topic: str) -> None:
    sent = pairs(500)

    async def there_and_back() -> list[tuple[bytes, bytes]]:
        producer = AIOKafkaProducer(
            **kafka,
            compression_type="lz4",
            enable_idempotence=True,
            acks="all",
        )
        await producer.start()
        try:
            for key, value in sent:
                await producer.send(topic, key=key, value=value)
        finally:
            await producer.stop()
        consumer = AIOKafkaConsumer(topic, **kafka, auto_offset_reset="earliest", group_id=None)
        await consumer.start()
        found: list[tuple[bytes, bytes]] = []
        try:
            while len(found) < len(sent):
                batch = await asyncio.wait_for(consumer.getmany(timeout_ms=1_000), 30)
                found += [(r.key, r.value) for records in batch.values() for r in records]
        finally:
            await consumer.stop()
        return found

    assert sorted(asyncio.run(there_and_back())) == sorted(sent)


def test_both_clients_put_a_key_into_the_same_partition(kafka: Kafka, topic: str) -> None:
    keys = [f"431200-{n}".encode() for n in range(64)] + ["侗族".encode(), b"\x00\xff"]

    async def by_aiokafka() -> list[int]:
        producer = AIOKafkaProducer(**kafka)
        await producer.start()
        try:
            return [(await producer.send_and_wait(topic, b"{}", key=key)).partition for key in keys]
        finally:
            await producer.stop()

    by_kafka_python = [
        landed.partition for landed in produced(kafka, topic, [(key, b"{}") for key in keys])
    ]

    assert asyncio.run(by_aiokafka()) == by_kafka_python
    assert set(by_kafka_python) == set(range(PARTITIONS))


def test_a_text_of_a_megabyte_gets_in_so_that_it_can_be_dead_lettered(
    kafka: Kafka, topic: str
) -> None:
    text = b"{" + b"x" * 1_048_576 + b"}"

    produced(kafka, topic, [(b"k", text)], max_request_size=MAX_MESSAGE_BYTES)

    assert [record.value for record in consumed(kafka, topic, 1)] == [text]


def test_a_group_is_sent_back_to_the_beginning_by_hand(kafka: Kafka, topic: str) -> None:
    produced(kafka, topic, pairs(40))
    group = f"group-{topic}"
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer = KafkaConsumer(topic, **kafka, group_id=group, auto_offset_reset="earliest")
    read, deadline = 0, time.monotonic() + 30
    while read < 40 and time.monotonic() < deadline:
        read += sum(map(len, consumer.poll(timeout_ms=1_000).values()))
    consumer.commit()
    consumer.close()
    admin = KafkaAdminClient(**kafka)
    committed = {p: o.offset for p, o in admin.list_group_offsets(group)[group].items()}

    admin.reset_group_offsets(group, dict.fromkeys(partitions, OffsetSpec.EARLIEST))

    after = {p: o.offset for p, o in admin.list_group_offsets(group)[group].items()}
    admin.close()
    assert (sum(committed.values()), set(after.values())) == (40, {0})


def test_a_topic_is_kept_for_ever_and_its_declared_values_are_restored(
    kafka: Kafka, topic: str
) -> None:
    created(kafka, [(topic, PARTITIONS, {"retention.ms": "15552000000"})])
    changed = topic_configs(kafka["bootstrap_servers"], [topic], kafka)[topic]
    created(kafka, [(topic, PARTITIONS, {"retention.ms": "-1"})])
    restored = topic_configs(kafka["bootstrap_servers"], [topic], kafka)[topic]

    assert changed["retention.ms"] == "15552000000"
    assert {
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "-1",
        "cleanup.policy": "delete",
    }.items() <= restored.items()


def test_a_value_that_kafka_refuses_is_said(kafka: Kafka, topic: str) -> None:
    with pytest.raises(Unavailable, match=f"not set the configuration of topic '{topic}'.*-7"):
        created(kafka, [(topic, PARTITIONS, {"retention.ms": "-7"})])


def test_another_partition_count_is_refused(kafka: Kafka, topic: str) -> None:
    with pytest.raises(Misconfigured, match=f"{topic}.* has 4 partitions .*; 6 are declared"):
        created(kafka, [(topic, 6, {})])


def test_acknowledged_records_survive_a_hard_kill(tmp_path: Path) -> None:
    with Broker(tmp_path, cache=Settings.load().cache) as broker:
        here: Kafka = broker.options
        created(here, [("visits", PARTITIONS, {})])
        sent = pairs(2_000)
        produced(here, "visits", sent)

        broker.kill()
        broker.start()

        found = consumed(here, "visits", 2_000)
        assert sorted((record.key, record.value) for record in found) == sorted(sent)
        # The state of idempotent producers survived too: a new one can write.
        assert len(produced(here, "visits", pairs(10))) == 10
