"""The client on a real Kafka: refusals, sealing, keys and delivery."""

from __future__ import annotations

import gc
import json
import logging
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.partitioner.default import murmur2

from infra.broker import Broker, ensure_topics
from producers.client import BulkProducer, Encoder, Landed, Producer, event_class
from producers.vault import Vault
from schemas.errors import Misconfigured, Refused, Unavailable
from schemas.event import encode, example
from schemas.families import families
from schemas.partitions import partitions
from schemas.reference.divisions import Divisions
from schemas.words import TEXT_MAX

AT = datetime(2021, 3, 1, 9, tzinfo=ZoneInfo("Asia/Shanghai"))
DIVISIONS = Divisions.load()
VISIT = {"household": "鹤城区-00017", "role": "party_member", "purpose": "care", "lasted": 25}
ALL = [cls for family in families() for cls in family.events]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault(tmp_path / "keys.db") as made:
        yield made


@pytest.fixture
def encoder(vault: Vault) -> Encoder:
    return Encoder(vault, DIVISIONS)


@pytest.fixture
def topics(broker: Broker) -> None:
    ensure_topics(broker.bootstrap, [(f.topic, f.partitions, {}) for f in families()])


def attributes(**other: Any) -> dict[str, Any]:
    return {
        "id": f"v-{uuid.uuid4().hex}",
        "source": "test",
        "time": AT,
        "recorded": AT,
        "division": "431202001001",
        **other,
    }


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.spec.name)
def test_messages_are_what_the_schemas_would_write(cls: Any, encoder: Encoder) -> None:
    content = {
        name: datetime.fromisoformat(value) if name == "since" else value
        for name, value in example(cls).items()
    }
    envelope = attributes(actor="431202-网格中心", correlationid="c-1")
    named = {
        name: encoder.vault.pseudonym(str(value)) if str(value).startswith("k1.") else value
        for name, value in content.items()
    }
    made = encoder.encode(cls, content | named, **envelope)
    assert made.payload == encode(cls(**(content | named)), envelope)
    assert made.topic == cls.topic
    assert made.key.decode() == json.loads(made.payload)["data"][cls.spec.key]


def test_the_same_arguments_make_the_same_bytes(encoder: Encoder) -> None:
    envelope = attributes()
    visit = VISIT | {"met": 2, "remark": "老人独居"}
    shuffled = dict(reversed(visit.items()))
    first = encoder.encode("visit.recorded", visit, **envelope)
    assert encoder.encode("visit.recorded", shuffled, **envelope) == first


def test_no_plain_text_and_no_name_is_in_a_message(encoder: Encoder, vault: Vault) -> None:
    petition = {
        "petition": "P-7",
        "kind": "appeal",
        "channel": "letter",
        "level": "county",
        "people": 1,
        "repeated": False,
        "petitioner": "张三",
        "title": "路灯不亮",
        "text": "门口的路灯不亮已有三个月",
    }
    made = encoder.encode("petition.registered", petition, **attributes(id="P-7-1"))
    text = made.payload.decode()
    assert not any(secret in text for secret in ("张三", "路灯", "三个月"))
    data = json.loads(text)["data"]
    subject = encoder.subject("petition.registered", petition)
    assert subject == data["petitioner"] == vault.pseudonym("张三")
    assert vault.unseal(subject, "P-7-1", "text", data["text"]) == petition["text"]
    assert data["content"] == vault.digest("路灯 不亮", "门口的路灯不亮\n\t已有三个月")


def test_texts_of_events_without_a_person_are_sealed_for_the_case(
    encoder: Encoder, vault: Vault
) -> None:
    reply = {"petition": "P-7", "kind": "appeal", "result": "explained", "reply": "已修复"}
    made = encoder.encode("petition.replied", reply, **attributes(id="P-7-2"))
    sealed = json.loads(made.payload)["data"]["reply"]
    assert encoder.subject("petition.replied", reply) == "petitions:P-7"
    assert vault.unseal("petitions:P-7", "P-7-2", "reply", sealed) == "已修复"


def registered(case: str, person: str) -> dict[str, Any]:
    who = {"petition": case, "kind": "appeal", "petitioner": person, "text": "门口的路灯不亮"}
    return who | {"channel": "letter", "level": "county", "people": 1, "repeated": False}


def replied(case: str) -> dict[str, Any]:
    return {"petition": case, "kind": "appeal", "result": "explained", "reply": f"已修复 {case}"}


@pytest.mark.parametrize("registered_first", [True, False])
def test_forgetting_a_person_makes_what_was_answered_them_unreadable(
    registered_first: bool, encoder: Encoder, vault: Vault
) -> None:
    def reply(case: str) -> str:
        made = encoder.encode("petition.replied", replied(case), **attributes(id=f"{case}-2"))
        return str(json.loads(made.payload)["data"]["reply"])

    def register(case: str, person: str, **without: None) -> None:
        content = registered(case, person) | without
        encoder.encode("petition.registered", content, **attributes(id=f"{case}-1"))

    if registered_first:
        register("P-7", "张三")
    sealed, other = reply("P-7"), reply("P-8")
    register("P-7", "张三")
    register("P-8", "李四")
    # Whether the person is known or not, a repeated reply is the same message.
    assert reply("P-7") == sealed
    vault.forget(vault.pseudonym("张三"))
    with pytest.raises(Refused, match="destroyed"):
        vault.unseal("petitions:P-7", "P-7-2", "reply", sealed)
    with pytest.raises(Refused, match="destroyed"):
        reply("P-7")
    assert vault.unseal("petitions:P-8", "P-8-2", "reply", other) == "已修复 P-8"
    # A petition after the erasure counts, but its text and its reply's text are not kept.
    register("P-9", "张三", text=None)
    with pytest.raises(Refused, match="destroyed"):
        reply("P-9")


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"lasted": 1441}, "data.lasted"),
        ({"lasted": 1.5}, "data.lasted"),
        ({"met": None}, "data.met"),
        ({"colour": "red"}, "data.colour"),
        ({"household": " "}, "data.household"),
        ({"household": 17}, "data.household"),
        ({"remark": "长" * (TEXT_MAX + 1)}, "data.remark: 20,001 characters"),
        ({"remark": "\ud800"}, "data.remark"),
        ({"purpose": float("nan")}, "data.purpose"),
    ],
)
def test_refusals_name_type_id_and_field_and_no_personal_value(
    wrong: dict[str, Any], names: str, encoder: Encoder
) -> None:
    visit = VISIT | {"met": 2, "remark": "私密"} | wrong
    with pytest.raises(Refused) as refused:
        encoder.encode("visit.recorded", visit, **attributes(id="v-1"))
    text = str(refused.value)
    assert text.startswith("visit.recorded with id 'v-1': ") and names in text
    assert "鹤城区-00017" not in text and "私密" not in text and "长长" not in text


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"recorded": AT - timedelta(seconds=1)}, "recorded before it happened"),
        ({"time": datetime(2021, 3, 1)}, "names no time zone"),  # noqa: DTZ001 - the point
        ({"division": "431299"}, "division '431299' does not exist"),
        ({"grid": "431202001002001"}, "grid lies outside"),
        ({"id": "x" * 65}, "id"),
        ({"id": ""}, "id"),
        ({"source": ""}, "source"),
        ({"actor": "a" * 65}, "actor"),
    ],
)
def test_refusals_name_the_attribute(wrong: dict[str, Any], names: str, encoder: Encoder) -> None:
    with pytest.raises(Refused, match=names):
        encoder.encode("visit.recorded", VISIT | {"met": 2}, **attributes(**wrong))


def test_unknown_types_are_refused_with_the_ones_there_are() -> None:
    with pytest.raises(Refused, match=r"visit\.recorded"):
        event_class("visit.recordet")


def test_text_of_20000_characters_of_four_bytes_is_taken(encoder: Encoder) -> None:
    visit = VISIT | {"met": 2, "remark": "𠮷" * TEXT_MAX}
    assert encoder.encode("visit.recorded", visit, **attributes())


def test_events_land_where_their_delivery_says(broker: Broker, topics: None, vault: Vault) -> None:
    with Producer(broker.bootstrap, vault, DIVISIONS) as producer:
        sent = [
            producer.send("visit.recorded", VISIT | {"met": n}, **attributes(id=f"v-{n}"))
            for n in range(50)
        ]
        landed = [each.result(30) for each in sent]
    assert len({(each.topic, each.partition) for each in landed}) == 1
    assert [each.offset - landed[0].offset for each in landed] == list(range(50))
    assert met(broker, landed[0], 50) == list(range(50))


def met(broker: Broker, first: Landed, count: int) -> list[int]:
    """Field `met` of the visits from `first` on, read by a consumer of kafka-python."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, consumer_timeout_ms=30_000)
    place = TopicPartition(first.topic, first.partition)
    consumer.assign([place])
    consumer.seek(place, first.offset)
    found = [json.loads(next(consumer).value)["data"]["met"] for _ in range(count)]
    consumer.close()
    return found


def test_a_delivery_nobody_asked_about_is_raised_by_flush(broker: Broker, vault: Vault) -> None:
    topic = f"small-{uuid.uuid4().hex[:8]}"
    ensure_topics(broker.bootstrap, [(topic, 1, {"max.message.bytes": "100"})])
    producer = Producer(broker.bootstrap, vault, DIVISIONS)
    noise = random.Random(1).randbytes(400)
    producer.send_bytes(topic, b"k", noise)
    with pytest.raises(Unavailable, match=r"1 of 1 events, first .*MessageSizeTooLarge"):
        producer.flush()
    producer.close()


def test_a_topic_that_does_not_exist_is_not_made(broker: Broker, vault: Vault) -> None:
    options = {"max_block_ms": 2_000}
    with (
        pytest.raises(Unavailable, match="Kafka did not take"),
        Producer(broker.bootstrap, vault, DIVISIONS, options=options) as producer,
    ):
        producer.send_bytes("no-such-topic", b"k", b"v").result(30)


# kafka-python leaves refused sockets to the garbage collector, which must collect them here and not
# in another test; its log records would keep them alive until the end of this one.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_kafka_is_one_sentence(vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL + 1, "kafka")
    options = {"bootstrap_timeout_ms": 500}
    for refusal in (
        refused(lambda: Producer("127.0.0.1:1", vault, DIVISIONS, options=options)),
        refused(lambda: BulkProducer("127.0.0.1:1")),
    ):
        assert refusal.startswith("No Kafka answers at '127.0.0.1:1'")
    gc.collect()


def refused(make: Callable[[], object]) -> str:
    try:
        make()
    except Unavailable as error:
        return str(error)
    return ""


def test_keys_go_where_other_kafka_clients_put_them() -> None:
    chance = random.Random(7)
    keys = [chance.randbytes(chance.randrange(0, 70)) for _ in range(2_000)]
    expected = [(murmur2(key) & 0x7FFFFFFF) % 7 for key in keys]
    assert partitions(keys, 7) == expected


def test_bulk_keeps_every_message_in_order_of_its_key_in_the_clients_partition(
    broker: Broker,
) -> None:
    topic = f"bulk-{uuid.uuid4().hex[:8]}"
    ensure_topics(broker.bootstrap, [(topic, 3, {})])
    count, keys = 60_000, 50
    with BulkProducer(broker.bootstrap) as bulk:
        for n in range(count):
            bulk.send_bytes(topic, b"key-%d" % (n % keys), b"%d" % n + b"x" * 60)
    assert bulk.acknowledged == count
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=30_000,
    )
    last: dict[bytes, int] = {}
    where: dict[bytes, int] = {}
    for _ in range(count):
        each = next(consumer)
        n = int(each.value.rstrip(b"x"))
        assert n > last.get(each.key, -1)
        last[each.key], where[each.key] = n, each.partition
    consumer.close()
    single = KafkaProducer(bootstrap_servers=broker.bootstrap)
    assert where == {
        key: single.send(topic, key=key, value=b"").get(30).partition for key in sorted(where)
    }
    single.close()


def test_bulk_takes_a_message_larger_than_a_batch(broker: Broker) -> None:
    topic = f"large-{uuid.uuid4().hex[:8]}"
    ensure_topics(broker.bootstrap, [(topic, 1, {})])
    large = random.Random(1).randbytes(700_000)
    with BulkProducer(broker.bootstrap) as bulk:
        for payload in (b"before", large, b"after"):
            bulk.send_bytes(topic, b"k", payload)
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=30_000,
    )
    assert [next(consumer).value for _ in range(3)] == [b"before", large, b"after"]
    consumer.close()


def test_bulk_names_a_topic_that_does_not_exist(broker: Broker) -> None:
    options = {"request_timeout_ms": 1_000}
    with (
        pytest.raises(Unavailable, match="'no-such-topic'"),
        BulkProducer(broker.bootstrap, options=options) as bulk,
    ):
        bulk.send_bytes("no-such-topic", b"k", b"v")
        bulk.flush()


def test_bulk_raises_what_was_not_delivered(broker: Broker) -> None:
    topic = f"small-{uuid.uuid4().hex[:8]}"
    ensure_topics(broker.bootstrap, [(topic, 1, {"max.message.bytes": "100"})])
    bulk = BulkProducer(broker.bootstrap)
    bulk.send_bytes(topic, b"k", random.Random(1).randbytes(400))
    with pytest.raises(Unavailable, match=r"0 arrived, then: MessageSizeTooLarge"):
        bulk.close()


def test_a_vault_that_is_no_vault_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(b"not a database" * 100)
    with pytest.raises(Misconfigured, match=r"'keys\.db'"):
        Vault(tmp_path / "keys.db")
