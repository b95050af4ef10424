from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, TypeAdapter

from schemas.event import Content, Event, example, field
from schemas.families import families
from schemas.families.fund import FundContributed
from schemas.families.petition import PetitionAccepted, PetitionExtended, PetitionRegistered
from schemas.families.visit import RequestRaised, VisitRecorded
from schemas.reference.divisions import Divisions
from schemas.wire import Decoder, Reason, Rejected, _milliseconds
from schemas.words import DivisionCode, Labels

if TYPE_CHECKING:
    from tests.schemas.conftest import Decode, MakeMessage

EVERY_TYPE = [
    pytest.param(family.topic, cls, id=cls.spec.name)
    for family in families()
    for cls in family.events
]


@pytest.mark.parametrize(("topic", "cls"), EVERY_TYPE)
def test_every_types_example_survives_its_bytes(
    topic: str, cls: type[Event], decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    payload = message(cls)
    (event,) = decoders[topic]([payload])
    assert isinstance(event, dict)
    sent = json.loads(payload)
    again = event | {name: event[name].isoformat() for name in ("time", "recorded")}
    again["data"] = {
        name: value if isinstance(value, str | int) else value.isoformat()
        for name, value in event["data"].items()
    }
    assert again == sent
    assert sent["data"] == example(cls)


@pytest.mark.parametrize(("topic", "cls"), EVERY_TYPE)
def test_every_field_without_a_default_is_required(
    topic: str, cls: type[Event], decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    whole = json.loads(message(cls))
    for name, spec in cls.fields.items():
        data = {key: value for key, value in whole["data"].items() if key != name}
        (event,) = decoders[topic]([json.dumps(whole | {"data": data}).encode()])
        if spec.optional:
            assert isinstance(event, dict)
        else:
            assert event == Rejected(Reason.FIELD, f"data.{name}: Field required")


@pytest.mark.parametrize(("topic", "cls"), EVERY_TYPE)
def test_absent_is_left_out_and_never_null(
    topic: str, cls: type[Event], decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    whole = json.loads(message(cls))
    for name in cls.fields:
        nulled = whole | {"data": whole["data"] | {name: None}}
        (event,) = decoders[topic]([json.dumps(nulled).encode()])
        assert isinstance(event, Rejected)
        assert (event.reason, event.message.split(":")[0]) == ("field", f"data.{name}")


GOOD = b'"met":3'
REFUSED = [
    pytest.param(None, "null", "no value", id="no value at all"),
    pytest.param(b"", "null", "no value", id="empty value"),
    pytest.param(b"\xff\xfe", "encoding", "byte 0", id="not UTF-8"),
    pytest.param(b'{"id":"\xc3("}', "encoding", "byte 7", id="broken UTF-8 inside a string"),
    pytest.param(b"{", "json", "not one JSON object", id="half an object"),
    pytest.param(b"\xef\xbb\xbf{}", "json", "not one JSON object", id="byte order mark"),
    pytest.param(b"[" * 10_000, "json", "not one JSON object", id="ten thousand levels deep"),
    pytest.param(b"null", "field", "message", id="JSON null"),
    pytest.param(b"[]", "field", "message", id="an array"),
    pytest.param(b'"x"', "field", "message", id="a string"),
    pytest.param(b"{}", "field", "an object is required", id="an empty object"),
]


@pytest.mark.parametrize(("payload", "reason", "says"), REFUSED)
def test_what_is_no_event_is_refused_with_its_reason(
    payload: bytes | None, reason: str, says: str, decode: Decode
) -> None:
    found = decode(payload)
    assert isinstance(found, Rejected)
    assert found.reason == reason
    assert says in found.message


CHANGED = [
    # replaced text, its replacement, reason, part of the message
    (b"visit.recorded:2", b"visit.recorded:3", "newer_version", "version 3 is newer than 2"),
    (b"visit.recorded:2", b"visit.recorded:0", "unknown_type", "dataschema"),
    (b"visit.recorded:2", b"visit.recorded:02", "unknown_type", "dataschema"),
    (b"visit.recorded:2", "visit.recorded:٢".encode(), "unknown_type", "dataschema"),
    (b"visit.recorded:2", b"visit.voided:1", "unknown_type", "type"),
    (b'"type":"visit.recorded"', b'"type":"visit.moved"', "unknown_type", "type"),
    (b'"dataschema":"urn:gulou:visit.recorded:2"', b'"dataschema":2', "unknown_type", "dataschema"),
    (b"431202001001", b"431202001999", "division", "'431202001999' does not exist"),
    (b"431202001001", b"431271", "contradiction", ""),
    (b"431202001001", b"43120", "division", "division"),
    (GOOD, b'"met":-1', "field", "data.met"),
    (GOOD, b'"met":3.0', "field", "data.met"),
    (GOOD, b'"met":"3"', "field", "data.met"),
    (GOOD, b'"met":true', "field", "data.met"),
    (GOOD, b'"met":NaN', "field", "data.met"),
    (GOOD, b'"met":9223372036854775808', "field", "data.met"),
    (GOOD, b'"met":3,"met_too":3', "field", "data.met_too"),
    (b'"role":"grid_member"', b'"role":"mayor"', "field", "data.role"),
    (b"k1.0123456789abcdef0123456789abcdef", b"k1.xyz", "field", "data.household"),
    (b'"specversion":"1.0"', b'"specversion":"0.3"', "field", "specversion"),
    (b'"specversion":"1.0",', b"", "field", "specversion"),
    (b'"id":"v-1"', b'"id":""', "field", "id"),
    (b'"id":"v-1"', b'"id":"' + b"v" * 65 + b'"', "field", "id"),
    (b'"id":"v-1"', b'"id":"v-1","subject":"x"', "field", "subject"),
    (b"10:00:00+08:00", b"10:00:00", "field", "time"),
    (b'"2021-03-01T10:00:00+08:00"', b"1614564000", "field", "time"),
    (b"2021-03-01T10", b"1970-03-01T10", "contradiction", "1971"),
    (b"2021-03-01T10", b"2021-03-01T13", "contradiction", "before it happened"),
    (b'"division"', b'"grid":"431202001002001001","division"', "contradiction", "grid"),
    (b'"division"', '"grid":"431202001001٠٠١","division"'.encode(), "field", "grid"),
    (b'"data":{', b'"data":[],"x":{', "field", "data"),
]


@pytest.mark.parametrize(
    ("old", "new", "reason", "says"), CHANGED, ids=[f"{c[2]} {c[1][:30]!r}" for c in CHANGED]
)
def test_a_wrong_field_is_named_with_its_reason(
    old: bytes, new: bytes, reason: str, says: str, decode: Decode, message: MakeMessage
) -> None:
    good = message(VisitRecorded, grid="431202001001001") if new == b"431271" else None
    payload = (good or message(VisitRecorded)).replace(old, new, 1)
    found = decode(payload)
    assert isinstance(found, Rejected)
    assert (found.reason, says in found.message) == (reason, True), found
    assert found.status == ("parked" if reason == "newer_version" else "dead")


def test_two_events_in_one_message_are_no_event(decode: Decode, message: MakeMessage) -> None:
    one = message(VisitRecorded)
    for payload in (one + b"," + one, one + one, one + b"\n" + one, b"[" + one + b"," + one + b"]"):
        found = decode(payload)
        assert isinstance(found, Rejected)
        assert found.reason in ("json", "field")


def test_broken_messages_that_join_into_valid_ones_are_each_refused(
    decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    one, two = message(VisitRecorded), message(RequestRaised)
    parts = [one + b"," + two[:60], two[60:], one[:90], one[90:]]
    found = decoders["visits"](parts)
    assert [type(part) for part in found] == [Rejected] * len(parts)


def test_a_long_vocabulary_is_not_taken_for_the_divisions(
    divisions: Divisions, message: MakeMessage
) -> None:
    words = tuple(f"word_number_{n}" for n in range(99))

    class Spoken(VisitRecorded, name="visit.spoken", zh="说", version=1):
        word: Annotated[Literal[words], Labels({w: w for w in words})] = field(  # type: ignore[valid-type]
            "Word.", "词。", zh="词", example=words[0]
        )
        place: DivisionCode = field("Other place.", "地。", zh="地", example="431202")
        upcasts: ClassVar = {}

    good = message(Spoken)
    decoder = Decoder([Spoken], divisions)
    found = decoder(
        [good, good.replace(b"word_number_0", b"x"), good.replace(b'"431202"}', b'"431299"}')]
    )
    assert isinstance(found[0], dict)
    assert isinstance(found[1], Rejected)
    assert (found[1].reason, found[1].message[:9]) == ("field", "data.word")
    assert found[2] == Rejected(Reason.DIVISION, "data.place '431299' does not exist")


def test_a_types_own_rule_between_fields_is_kept(
    divisions: Divisions, message: MakeMessage
) -> None:
    class Measured(VisitRecorded, name="visit.measured", zh="量", version=1):
        upcasts: ClassVar = {}

        @classmethod
        def incoherent(cls, content: Content) -> str | None:
            return "nobody was met for an hour" if content["lasted"] > 59 > content["met"] else None

    found = Decoder([Measured], divisions)(
        [message(Measured), message(Measured, {"lasted": 60, "met": 0})]
    )
    assert isinstance(found[0], dict)
    assert found[1] == Rejected(Reason.CONTRADICTION, "data: nobody was met for an hour")


@pytest.mark.parametrize("cls", [PetitionAccepted, PetitionExtended])
def test_only_an_appeal_takes_a_route_of_article_31(
    cls: type[Event], decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    def judged(kind: str, route: str) -> Content | Rejected:
        (found,) = decoders["petitions"]([message(cls, {"kind": kind, "route": route})])
        return found

    for kind in ("suggestion", "accusation"):
        assert isinstance(judged(kind, "none"), dict)
        for route in ("31.1", "31.6"):
            assert judged(kind, route) == Rejected(
                Reason.CONTRADICTION, f"data: route {route} of a petition that is no appeal"
            )
    for route in ("31.1", "31.6", "none"):
        assert isinstance(judged("appeal", route), dict)


def test_instants_are_told_in_milliseconds_and_as_zero_of_what_is_refused(
    decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    one = message(VisitRecorded).replace(b"10:00:00+08:00", b"10:00:00.123456+08:00")
    old = one.replace(b"recorded:2", b"recorded:1").replace(b'"lasted":25', b'"lasted_hours":1')
    found, times, recordings = decoders["visits"].timed([one, b"{", old])
    assert [isinstance(event, dict) for event in found] == [True, False, True]
    # 2021-03-01 10:00 in the city is 18,687 days and 2 hours after 1970-01-01 UTC
    ten = (18_687 * 24 + 2) * 3_600_000
    assert times == [ten + 123, 0, ten + 123]
    assert recordings == [ten + 7_200_000, 0, ten + 7_200_000]
    assert decoders["visits"].one(one) == (found[0], ten + 123, ten + 7_200_000)
    assert decoders["visits"].one(b"{") == (found[1], 0, 0)


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(
    datetime(1971, 1, 2),  # noqa: DTZ001 - strategies add the zone
    datetime(9998, 12, 31),  # noqa: DTZ001
    timezones=OFFSETS,
)


@given(st.lists(INSTANTS, min_size=1, max_size=30))
def test_the_instants_of_many_events_are_those_of_each(instants: list[datetime]) -> None:
    read = TypeAdapter(AwareDatetime).validate_json
    found = _milliseconds([read(f'"{at.isoformat()}"') for at in instants])
    epoch, millisecond = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
    for at, ms in zip(instants, found, strict=True):
        # a double holds the milliseconds of distant years to some microseconds
        assert abs((at - epoch) - ms * millisecond) <= timedelta(microseconds=540)


def test_a_contradiction_in_an_older_version_is_found_too(
    decode: Decode, message: MakeMessage
) -> None:
    one = message(VisitRecorded).replace(b'"division"', b'"grid":"431202001002001","division"')
    old = one.replace(b"recorded:2", b"recorded:1").replace(b'"lasted":25', b'"lasted_hours":1')
    assert (
        decode(old)
        == decode(one)
        == Rejected(Reason.CONTRADICTION, "grid lies outside its division")
    )


def test_a_refused_message_leaves_its_neighbours_alone(
    decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    one = message(VisitRecorded)
    found = decoders["visits"]([one, b"{", one, None, one])
    assert [isinstance(event, dict) for event in found] == [True, False, True, False, True]


PERSONAL = ["431202199001011234", "43120219900101123X", "13812345678", "张三"]
LEAKS = re.compile(r"\d{17}[\dXx]|1[3-9]\d{9}|张三|[a-z0-9]{1,8}\.[0-9a-f]{32}")


@pytest.mark.parametrize("value", PERSONAL)
def test_no_refusal_repeats_a_personal_value(
    value: str, decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    whole = json.loads(message(VisitRecorded))
    old = whole | {"dataschema": "urn:gulou:visit.recorded:1"}
    lasted = {k: v for k, v in whole["data"].items() if k != "lasted"}
    objects: list[Any] = [whole | {name: value} for name in whole]
    objects += [whole | {"data": whole["data"] | {name: value}} for name in VisitRecorded.fields]
    objects += [whole | {value: 1}, whole | {"data": whole["data"] | {value: 1}}]
    objects += [old | {"data": lasted | {"lasted_hours": value}}, old | {"data": lasted}, value]
    payloads = [json.dumps(item, ensure_ascii=False).encode() for item in objects]
    twice = f'"{value}":1,"{value}":2}}'.encode()
    payloads += [payload[:-1] + b"," + twice for payload in payloads if payload.endswith(b"}")]
    payloads.append(payloads[0][:40] + value.encode())
    refused = [f for f in decoders["visits"](payloads) if isinstance(f, Rejected)]
    assert len(refused) > len(objects)
    assert [f for f in refused if LEAKS.search(f.message)] == []


def test_an_instant_no_deadline_can_be_counted_from_is_refused(
    decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    payload = message(PetitionExtended).replace(b"2021-03-01T09", b"9999-12-31T09")
    (found,) = decoders["petitions"]([payload])
    assert isinstance(found, Rejected)
    assert (found.reason, found.message.split(":")[0]) == ("field", "data.since")


def test_money_is_whole_fen_up_to_a_hundred_billion_yuan(
    decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    def status(amount: bytes) -> bool:
        payload = message(FundContributed).replace(b'"amount":50000', b'"amount":' + amount)
        return isinstance(decoders["funds"]([payload])[0], dict)

    # 100,000,000,000 yuan x 100 fen = 10^13 fen
    assert [status(a) for a in (b"0", b"10000000000000", b"10000000000001", b"0.5", b"-1")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_sealed_text_of_twenty_thousand_characters_fits_and_a_megabyte_does_not(
    decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    # 20,000 characters of 4 bytes, 12 bytes nonce, 16 bytes tag; base64 makes 4 of 3:
    # (80,000 + 28) / 3 * 4 = 106,704 and "s1." before it.
    def outcome(length: int) -> bool:
        payload = message(PetitionRegistered, {"text": "s1." + "A" * length})
        return isinstance(decoders["petitions"]([payload])[0], dict)

    assert outcome(106_704)
    whole = json.loads(message(PetitionRegistered))
    long = whole | {"data": whole["data"] | {"text": "s1." + "A" * 1_000_000}}
    (found,) = decoders["petitions"]([json.dumps(long).encode()])
    assert isinstance(found, Rejected)
    assert found.message.startswith("data.text: ")
    plain = whole | {"data": whole["data"] | {"text": "我家门前的路坏了"}}
    (found,) = decoders["petitions"]([json.dumps(plain).encode()])
    assert isinstance(found, Rejected)
    assert "我家" not in found.message


def test_every_division_of_the_city_is_a_place_and_no_other_code_is(
    decoders: dict[str, Decoder], divisions: Any, message: MakeMessage
) -> None:
    payload = message(VisitRecorded)
    found = decoders["visits"]([payload.replace(b"431202001001", c.encode()) for c in divisions])
    assert len(found) == 2_998  # 1 city + 13 counties + 207 townships + 2,777 villages
    assert all(isinstance(event, dict) for event in found)
    wrong = [
        b"430100",
        b"431203",
        b"431202999",
        b"431202001000",
        b"000000",
        "４３１２００".encode(),
    ]
    refused = decoders["visits"]([payload.replace(b"431202001001", c) for c in wrong])
    assert [f.reason for f in refused if isinstance(f, Rejected)] == ["division"] * len(wrong)
