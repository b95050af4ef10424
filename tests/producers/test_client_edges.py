"""Encoder, vault and both producers at their limits, and late delivery failures."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from kafka import KafkaConsumer, TopicPartition

from infra.broker import Broker, ensure_topics
from producers import _bulk
from producers.client import BulkProducer, Delivery, Encoder, Producer
from producers.vault import Vault
from schemas.errors import Refused, Unavailable
from tests.producers.traces import PLACES

AT = datetime(2021, 3, 1, 9, tzinfo=ZoneInfo("Asia/Shanghai"))
VISIT: dict[str, Any] = {
    "household": "张三",
    "role": "grid_member",
    "purpose": "care",
    "lasted": 20,
    "met": 2,
}
ENVELOPE: dict[str, Any] = {
    "id": "v-1",
    "source": "s",
    "time": AT,
    "recorded": AT,
    "division": "431202001001",
}
PETITION: dict[str, Any] = {
    "petition": "P-7",
    "kind": "appeal",
    "channel": "letter",
    "level": "county",
    "people": 1,
    "repeated": False,
    "petitioner": "张三",
}


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault(tmp_path / "keys.db") as made:
        yield made


@pytest.fixture
def encoder(vault: Vault) -> Encoder:
    return Encoder(vault, PLACES)


@pytest.fixture
def topic(broker: Broker) -> str:
    """A topic with a message limit of 2,000 bytes."""
    name = f"edges-{uuid.uuid4().hex[:8]}"
    ensure_topics(broker.bootstrap, [(name, 1, {"max.message.bytes": "2000"})])
    return name


def values(broker: Broker, topic: str, count: int) -> list[bytes]:
    """The first messages of a topic of one partition."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, consumer_timeout_ms=30_000)
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    found = [next(consumer).value for _ in range(count)]
    (end,) = consumer.end_offsets([place]).values()
    consumer.close()
    assert end == count
    return found


# -- the encoder


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({"id": "x" * 64}, True),
        ({"id": "x" * 65}, False),
        ({"id": "x"}, True),
        ({"id": ""}, False),
        ({"source": "x" * 128}, True),
        ({"source": "x" * 129}, False),
        ({"actor": "x" * 64}, True),
        ({"actor": "x" * 65}, False),
        ({"correlationid": "x" * 64}, True),
        ({"correlationid": "x" * 65}, False),
        ({"causationid": "x" * 64}, True),
        ({"causationid": "x" * 65}, False),
        ({"recorded": AT - timedelta(milliseconds=1)}, False),
        ({"recorded": AT}, True),
        ({"recorded": AT + timedelta(milliseconds=1)}, True),
        ({"grid": "431202001001001"}, True),
        ({"grid": "43120200100100"}, False),
        ({"grid": "431202001002001"}, False),
        ({"grid": "431202001001001", "division": "431202001"}, False),
        ({"division": "431202001"}, True),
        ({"division": "431299"}, False),
    ],
)
def test_attributes_are_taken_up_to_their_limits(
    change: dict[str, Any], taken: bool, encoder: Encoder
) -> None:
    if taken:
        made = json.loads(encoder.encode("visit.recorded", VISIT, **ENVELOPE | change).payload)
        assert {name: made[name] for name in change if name != "recorded"} == {
            name: value for name, value in change.items() if name != "recorded"
        }
    else:
        with pytest.raises(Refused, match=r"visit\.recorded with id"):
            encoder.encode("visit.recorded", VISIT, **ENVELOPE | change)


@pytest.mark.parametrize("name", ["time", "recorded"])
def test_an_instant_without_a_zone_is_refused_by_its_name(name: str, encoder: Encoder) -> None:
    told = f"visit.recorded: {name} '2021-03-01T09:00:00' names no time zone"
    with pytest.raises(Refused, match=told):
        encoder.encode("visit.recorded", VISIT, **ENVELOPE | {name: AT.replace(tzinfo=None)})


def test_an_absent_attribute_is_left_out_and_the_zone_is_kept(encoder: Encoder) -> None:
    india = datetime(2021, 3, 1, 9, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    made = encoder.encode("visit.recorded", VISIT, **ENVELOPE | {"recorded": india})
    assert list(json.loads(made.payload)) == [
        *("specversion", "id", "source", "type", "dataschema", "time", "recorded", "division"),
        "data",
    ]
    assert json.loads(made.payload)["recorded"] == "2021-03-01T09:00:00+05:30"
    assert made.topic == "visits" and made.key.decode() == encoder.vault.pseudonym("张三")


def test_what_the_class_does_not_know_is_refused_even_when_it_is_none(encoder: Encoder) -> None:
    for value in (None, "red"):
        with pytest.raises(Refused, match=r"data\.colour"):
            encoder.encode("visit.recorded", VISIT | {"colour": value}, **ENVELOPE)


@pytest.mark.parametrize("length", [20_000, 20_001])
def test_a_text_is_sealed_up_to_its_limit(length: int, encoder: Encoder) -> None:
    visit = VISIT | {"remark": "长" * length}
    if length > 20_000:
        told = r"data\.remark: 20,001 characters, and 20,000 are the most"
        with pytest.raises(Refused, match=told):
            encoder.encode("visit.recorded", visit, **ENVELOPE)
    else:
        assert encoder.encode("visit.recorded", visit, **ENVELOPE)


def test_a_digest_is_made_here_of_every_text_there_is_or_is_absent(
    encoder: Encoder, vault: Vault
) -> None:
    def content(**fields: Any) -> Any:
        made = encoder.encode("petition.registered", PETITION | fields, **ENVELOPE)
        return json.loads(made.payload)["data"].get("content")

    assert content() is None
    assert content(title=None, text=None) is None
    assert content(title="路灯") == vault.digest("路灯")
    assert content(text="不亮") == vault.digest("不亮")
    assert content(text="不亮", title="路灯") == vault.digest("路灯", "不亮")
    assert content(text="亮不", title="路灯") != vault.digest("路灯", "不亮")
    # A digest of this vault is kept, like a pseudonym; any other is refused.
    own = vault.digest("another")
    assert content(text="不亮", content=own) == own
    for foreign in ("k1.0123", "k2." + "0" * 32, "x." + "a" * 32, "不亮", 17):
        with pytest.raises(Refused, match=r"data\.content: ") as refused:
            content(text="不亮", content=foreign)
        assert str(foreign) not in str(refused.value).partition(": data.content")[2]


def test_whose_key_seals_is_the_first_person_or_else_the_case(
    encoder: Encoder, vault: Vault
) -> None:
    me = vault.pseudonym("张三")
    assert encoder.subject("petition.registered", PETITION) == me
    assert encoder.subject("petition.registered", PETITION | {"petitioner": me}) == me
    assert encoder.subject("petition.registered", {"petition": "P-7"}) == "petitions:P-7"
    assert encoder.subject("mediation.filed", {"case": "M-1", "party": None}) == "mediations:M-1"
    assert encoder.subject("mediation.filed", {"case": "M-1", "party": "张三"}) == me
    assert encoder.subject("visit.recorded", VISIT) == me


def test_a_case_is_owned_where_the_event_says_whose_it_is(encoder: Encoder, vault: Vault) -> None:
    me = vault.pseudonym("张三")
    assert encoder.owned("petition.registered", PETITION) == ("petitions:P-7", me)
    for nobody in (
        encoder.owned("petition.registered", PETITION | {"petitioner": None}),
        encoder.owned("petition.registered", {"petitioner": "张三"}),
        encoder.owned("petition.replied", {"petition": "P-7", "reply": "是"}),
        # Every text of a mediation stands beside its party: no later one needs the case's person.
        encoder.owned("mediation.filed", {"case": "M-1", "party": "张三", "facts": "是"}),
        # A household is its own key; every text of a fund or a visit names its person.
        encoder.owned("visit.recorded", VISIT),
        encoder.owned("fund.contributed", {"account": "F-1", "giver": "张三"}),
    ):
        assert nobody is None


# -- pseudonyms


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("k1." + "0123456789abcdef" * 2, True),
        ("k1." + "0" * 31, False),
        ("k1." + "0" * 33, False),
        ("k1." + "0" * 31 + "g", False),
        ("k1." + "A" * 32, False),
        ("k2." + "0" * 32, False),
        ("k1" + "0" * 32, False),
        ("." + "0" * 32, False),
        ("k1.", False),
        ("", False),
    ],
)
def test_a_pseudonym_of_this_vault_is_known_by_its_shape(
    text: str, own: bool, vault: Vault
) -> None:
    assert vault.own(text) is own


def test_pseudonyms_and_digests_are_of_this_shape_and_of_two_keys(vault: Vault) -> None:
    assert vault.own(vault.pseudonym("张三")) and vault.own(vault.digest("张三"))
    assert vault.pseudonym("张三") != vault.digest("张三")
    # Blanks separate the words of a person but not of a text; a digest keeps its texts apart.
    assert vault.pseudonym("张 三") != vault.pseudonym("张三")
    assert vault.digest("张 三") == vault.digest("张三")
    assert vault.digest("一", "二") != vault.digest("一二") != vault.digest("二", "一")
    for blank in ("", " ", "\n\t", "　"):
        with pytest.raises(Refused, match="cannot be known by a blank"):
            vault.pseudonym(blank)


# -- the producer of single events


def test_a_failure_is_told_once_with_how_many_there_were(
    broker: Broker, vault: Vault, topic: str
) -> None:
    with Producer(broker.bootstrap, vault, PLACES, options={"linger_ms": 0}) as producer:
        producer.send_bytes(topic, b"k", b"small").result(30)
        for _ in range(2):
            delivery = producer.send_bytes(topic, b"key", secrets.token_bytes(4_000))
            with pytest.raises(Unavailable, match=rf"did not take {topic} 'key'.*TooLarge"):
                delivery.result(30)
        assert producer.sent == 3
        with pytest.raises(Unavailable, match=rf"2 of 3 events, first {topic} 'key'"):
            producer.flush()
        # A reported failure is not reported again, by another flush or at the end of the block.
        producer.flush()
    assert values(broker, topic, 1) == [b"small"]


def test_the_end_of_a_block_tells_what_was_lost_beside_another_error(
    broker: Broker, vault: Vault, topic: str
) -> None:
    large = secrets.token_bytes(4_000)
    for make in (Producer(broker.bootstrap, vault, PLACES), BulkProducer(broker.bootstrap)):
        with pytest.raises(ZeroDivisionError) as error, make as producer:
            producer.send_bytes(topic, b"k", large)
            raise ZeroDivisionError
        (note,) = error.value.__notes__
        assert "Kafka did not take" in note and "TooLarge" in note
    with pytest.raises(ZeroDivisionError) as error, Producer(broker.bootstrap, vault, PLACES):
        raise ZeroDivisionError
    assert not hasattr(error.value, "__notes__")


def test_a_delivery_that_takes_too_long_is_told(vault: Vault, broker: Broker, topic: str) -> None:
    options = {"linger_ms": 60_000}
    with Producer(broker.bootstrap, vault, PLACES, options=options) as producer:
        delivery = producer.send_bytes(topic, b"k", b"v")
        assert isinstance(delivery, Delivery)
        with pytest.raises(Unavailable, match=rf"did not take {topic} 'k': KafkaTimeoutError"):
            delivery.result(0.05)
        producer.flush()
        landed = delivery.result(30)
        assert (landed.topic, landed.partition, landed.offset) == (topic, 0, 0)


def test_what_delivery_rests_on_is_not_for_options_to_change(broker: Broker, vault: Vault) -> None:
    wrong = {
        "acks": 0,
        "enable_idempotence": False,
        "allow_auto_create_topics": True,
        "bootstrap_servers": "127.0.0.1:1",
        "compression_type": "gzip",
    }
    with Producer(broker.bootstrap, vault, PLACES, options=wrong) as producer:
        config = producer._kafka.config
        kept = {name: config[name] for name in wrong}
        waits = {name: config[name] for name in ("linger_ms", "batch_size", "max_block_ms")}
        waits["bootstrap_timeout_ms"] = config["bootstrap_timeout_ms"]
    assert kept == {
        "acks": -1,  # all
        "enable_idempotence": True,
        "allow_auto_create_topics": False,
        "bootstrap_servers": broker.bootstrap,
        "compression_type": "lz4",
    }
    assert waits == {
        "linger_ms": 5,
        "batch_size": 262_144,
        "max_block_ms": 30_000,
        "bootstrap_timeout_ms": 30_000,
    }


# -- the producer of millions


@pytest.mark.parametrize("count", [4_095, 4_096, 4_097])
def test_bulk_places_messages_by_the_piece_and_flush_the_rest(count: int, broker: Broker) -> None:
    topic = f"bulk-{uuid.uuid4().hex[:8]}"
    ensure_topics(broker.bootstrap, [(topic, 1, {})])
    sent = [b"%d" % n for n in range(count)]
    with BulkProducer(broker.bootstrap) as bulk:
        for each in sent:
            bulk.send_bytes(topic, b"k", each)
        assert [len(waiting) for waiting in bulk._waiting.values()] == (
            [] if count == 4_096 else [count % 4_096]
        )
        bulk.flush()
        assert bulk.acknowledged == count
        bulk.flush()
    assert bulk.acknowledged == count
    assert values(broker, topic, count) == sent


def test_bulk_waits_for_room_and_for_every_batch(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many more batches than may be in flight; the smallest limit is one."""
    monkeypatch.setattr(_bulk, "_IN_FLIGHT", 1)
    monkeypatch.setattr(_bulk, "_BATCH_BYTES", 1_000)
    monkeypatch.setattr(_bulk, "_CHUNK", 7)
    topic = f"bulk-{uuid.uuid4().hex[:8]}"
    ensure_topics(broker.bootstrap, [(topic, 1, {})])
    sent = [b"%d" % n + b"x" * 300 for n in range(100)]
    with BulkProducer(broker.bootstrap) as bulk:
        for each in sent:
            bulk.send_bytes(topic, b"k", each)
        bulk.flush()
        assert bulk.acknowledged == 100
    assert values(broker, topic, 100) == sent


def test_bulk_gives_up_in_time_and_says_what_arrived(broker: Broker, topic: str) -> None:
    bulk = BulkProducer(broker.bootstrap, patience_s=0.0)
    bulk.send_bytes(topic, b"k", b"v")
    told = r"all events; 0 arrived, then: TimeoutError: no answer within 0 s"
    with pytest.raises(Unavailable, match=told):
        bulk.flush()
    # The first failure ends the producer: every later call raises it again.
    with pytest.raises(Unavailable, match=told):
        bulk.flush()
    with pytest.raises(Unavailable, match=told):
        bulk.close()
    assert not bulk._thread.is_alive()


def test_bulk_waits_a_minute_unless_it_is_told_otherwise(broker: Broker) -> None:
    with BulkProducer(broker.bootstrap) as bulk:
        assert bulk._patience_s == 60.0
        # At most 32 batches of half a mebibyte are in flight.
        assert bulk._room._initial_value == 32  # type: ignore[attr-defined]
        assert bulk._kafka._metadata is not None
