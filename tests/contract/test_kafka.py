"""What Gulou relies on Kafka for, asked of the embedded one and of any real one.

`GULOU_TEST_KAFKA=host:port make test` runs the same suite on that Kafka too.
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

from infra.broker import MAX_MESSAGE_BYTES, Broker, ensure_topics, topic_configs
from infra.settings import Settings
from schemas._errors import Misconfigured

REAL = os.environ.get("GULOU_TEST_KAFKA", "")
PARTITIONS = 4
TIMEOUT_MS = 30_000


@pytest.fixture(params=["embedded", "real"])
def bootstrap(request: pytest.FixtureRequest) -> str:
    if request.param == "embedded":
        broker: Broker = request.getfixturevalue("broker")
        return broker.bootstrap
    if not REAL:
        pytest.skip("GULOU_TEST_KAFKA names no Kafka")
    return REAL


@pytest.fixture
def topic(bootstrap: str) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    config = {
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "-1",
        "cleanup.policy": "delete",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
    }
    ensure_topics(bootstrap, [(name, PARTITIONS, config)])
    yield name
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.delete_topics([name])
    admin.close()


def produced(bootstrap: str, topic: str, pairs: list[tuple[bytes, bytes]], **how: Any) -> list[Any]:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, **how
    )
    sent = [producer.send(topic, key=key, value=value) for key, value in pairs]
    producer.flush(timeout=30)
    landed = [each.get(timeout=30) for each in sent]
    producer.close()
    return landed


def consumed(bootstrap: str, topic: str, count: int) -> list[Any]:
    """The first `count` records of the topic, in partition and offset order."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
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


def test_the_broker_stamps_the_time_whatever_the_producer_says(bootstrap: str, topic: str) -> None:
    before = int(time.time() * 1000)
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    producer.send(topic, key=b"k", value=b"{}", timestamp_ms=86_400_000).get(timeout=30)
    producer.close()

    (record,) = consumed(bootstrap, topic, 1)

    assert record.timestamp_type == 1  # LogAppendTime
    assert before - 60_000 <= record.timestamp <= int(time.time() * 1000) + 60_000


@pytest.mark.parametrize("compression", [None, "gzip", "lz4"])
def test_an_idempotent_producer_of_kafka_python_is_read_back_whole(
    bootstrap: str, topic: str, compression: str | None
) -> None:
    sent = pairs(500)

    produced(bootstrap, topic, sent, compression_type=compression)

    found = consumed(bootstrap, topic, 500)
    assert sorted((record.key, record.value) for record in found) == sorted(sent)


def test_aiokafka_writes_and_reads_lz4(bootstrap: str, topic: str) -> None:
    sent = pairs(500)

    async def there_and_back() -> list[tuple[bytes, bytes]]:
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
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
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None
        )
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


def test_both_clients_put_a_key_into_the_same_partition(bootstrap: str, topic: str) -> None:
    keys = [f"431200-{n}".encode() for n in range(64)] + ["侗族".encode(), b"\x00\xff"]

    async def by_aiokafka() -> list[int]:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        try:
            return [(await producer.send_and_wait(topic, b"{}", key=key)).partition for key in keys]
        finally:
            await producer.stop()

    by_kafka_python = [
        landed.partition for landed in produced(bootstrap, topic, [(key, b"{}") for key in keys])
    ]

    assert asyncio.run(by_aiokafka()) == by_kafka_python
    assert set(by_kafka_python) == set(range(PARTITIONS))


def test_a_text_of_a_megabyte_gets_in_so_that_it_can_be_dead_lettered(
    bootstrap: str, topic: str
) -> None:
    text = b"{" + b"x" * 1_048_576 + b"}"

    produced(bootstrap, topic, [(b"k", text)], max_request_size=MAX_MESSAGE_BYTES)

    assert [record.value for record in consumed(bootstrap, topic, 1)] == [text]


def test_a_group_is_sent_back_to_the_beginning_by_hand(bootstrap: str, topic: str) -> None:
    produced(bootstrap, topic, pairs(40))
    group = f"group-{topic}"
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest"
    )
    read, deadline = 0, time.monotonic() + 30
    while read < 40 and time.monotonic() < deadline:
        read += sum(map(len, consumer.poll(timeout_ms=1_000).values()))
    consumer.commit()
    consumer.close()
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    committed = {p: o.offset for p, o in admin.list_group_offsets(group)[group].items()}

    admin.reset_group_offsets(group, dict.fromkeys(partitions, OffsetSpec.EARLIEST))

    after = {p: o.offset for p, o in admin.list_group_offsets(group)[group].items()}
    admin.close()
    assert (sum(committed.values()), set(after.values())) == (40, {0})


def test_a_topic_is_kept_for_ever_and_its_declared_values_are_restored(
    bootstrap: str, topic: str
) -> None:
    ensure_topics(bootstrap, [(topic, PARTITIONS, {"retention.ms": "15552000000"})])
    changed = topic_configs(bootstrap, [topic])[topic]
    ensure_topics(bootstrap, [(topic, PARTITIONS, {"retention.ms": "-1"})])
    restored = topic_configs(bootstrap, [topic])[topic]

    assert changed["retention.ms"] == "15552000000"
    assert {
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "-1",
        "cleanup.policy": "delete",
    }.items() <= restored.items()


def test_another_partition_count_is_refused(bootstrap: str, topic: str) -> None:
    with pytest.raises(Misconfigured, match=f"{topic}.* has 4 partitions .*; 6 are declared"):
        ensure_topics(bootstrap, [(topic, 6, {})])


def test_acknowledged_records_survive_a_hard_kill(tmp_path: Path) -> None:
    with Broker(tmp_path, cache=Settings.load().cache) as broker:
        ensure_topics(broker.bootstrap, [("visits", PARTITIONS, {})])
        sent = pairs(2_000)
        produced(broker.bootstrap, "visits", sent)

        broker.kill()
        broker.start()

        found = consumed(broker.bootstrap, "visits", 2_000)
        assert sorted((record.key, record.value) for record in found) == sorted(sent)
        # The producers' memory of what they sent survived too: a new one writes on.
        assert len(produced(broker.bootstrap, "visits", pairs(10))) == 10
