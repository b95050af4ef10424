"""The check that counts quotes, compared with a parser that reads every key."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from schemas.event import Event, encode, example, field
from schemas.families import families
from schemas.families.visit import VisitRecorded
from schemas.reference.divisions import Divisions
from schemas.wire import Decoder, Reason, Rejected
from schemas.words import CaseId, Flag, Note, Persons, StoredAs

if TYPE_CHECKING:
    from tests.schemas.conftest import Decode, MakeMessage

Pair = tuple[str, Any]


class Probe(Event, topic="probes", key="case", zh="试"):
    """A test family: whole numbers and flags that may be absent or stored narrower."""

    case: CaseId = field("Case.", "案。", zh="案", example="C-1")


class ProbeTaken(Probe, name="probe.taken", zh="试"):
    """Every kind of value, once required and once optional."""

    count: Persons = field("How many.", "数。", zh="数", example=1)
    narrow: Annotated[int, Field(ge=0, le=9), StoredAs("UInt8")] = field(
        "Few.", "少。", zh="少", example=1
    )
    sure: Flag = field("Whether.", "否。", zh="否", example=True)
    more: Persons | None = field("How many more.", "再。", zh="再", default=None)
    less: Annotated[int, StoredAs("Int32")] | None = field("Fewer.", "减。", zh="减", default=None)
    again: Flag | None = field("Whether again.", "又。", zh="又", default=None)
    note: Note | None = field("A remark.", "注。", zh="注", default=None)


class ProbeMissed(Probe, name="probe.missed", zh="漏"):
    """A second type, so that the family is a union."""


class _Twice(Exception):
    pass


def has_twins(payload: bytes) -> bool:
    def unique(pairs: list[Pair]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise _Twice
        return dict(pairs)

    try:
        json.loads(payload, object_pairs_hook=unique)
    except _Twice:
        return True
    return False


def written(pairs: list[Pair], space: str, escaped: bool) -> str:
    """JSON of an object that may repeat keys, with any white space and escapes."""

    def text(value: str) -> str:
        plain = json.dumps(value, ensure_ascii=False)
        if escaped and len(value) > 1:
            return f'"\\u{ord(value[0]):04x}{plain[2:]}'
        return plain

    def any_of(value: Any) -> str:
        if isinstance(value, list):
            return written(value, space, escaped)
        return text(value) if isinstance(value, str) else json.dumps(value)

    inside = f"{space},{space}".join(
        f"{text(key)}{space}:{space}{any_of(value)}" for key, value in pairs
    )
    return f"{{{space}{inside}{space}}}"


HEAD: list[Pair] = [
    ("specversion", "1.0"),
    ("id", "p-1"),
    ("source", "//probe"),
    ("type", "probe.taken"),
    ("dataschema", "urn:gulou:probe.taken:1"),
    ("time", "2021-03-01T10:00:00+08:00"),
    ("recorded", "2021-03-01T10:00:00Z"),
    ("division", "431202001001"),
]
MAYBE_HEAD: list[Pair] = [
    ("grid", "431202001001001"),
    ("actor", "office"),
    ("correlationid", "c"),
    ("causationid", "d"),
]
DATA: list[Pair] = [("case", "C-1"), ("count", 3), ("narrow", 4), ("sure", True)]
MAYBE_DATA: list[Pair] = [("more", 5), ("less", 6), ("again", False), ("note", "字")]


@st.composite
def objects(draw: st.DrawFn, whole: list[Pair], maybe: list[Pair]) -> list[Pair]:
    pairs = whole + [pair for pair in maybe if draw(st.booleans())]
    twins = draw(st.lists(st.sampled_from(pairs), max_size=2))
    if not draw(st.booleans()):
        twins = [(key, draw(st.sampled_from([value, 0, "x", True]))) for key, value in twins]
    if draw(st.booleans()):
        twins = []
    return list(draw(st.permutations(pairs + twins)))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    data = draw(objects(DATA, MAYBE_DATA))
    head = draw(objects([*HEAD, ("data", data)], MAYBE_HEAD))
    space = draw(st.sampled_from(["", " ", "\n\t", "\r\n  "]))
    return written(head, space, draw(st.booleans())).encode()


DIVISIONS = Divisions.load()
ALONE = Decoder([ProbeTaken], DIVISIONS)
ONE_OF_TWO = Decoder([ProbeTaken, ProbeMissed], DIVISIONS)


@settings(max_examples=1500, deadline=None)
@given(messages())
def test_a_message_with_a_repeated_key_never_passes_and_one_without_always_does(
    payload: bytes,
) -> None:
    for decoder in (ALONE, ONE_OF_TWO):
        (found,) = decoder([payload])
        if has_twins(payload):
            assert isinstance(found, Rejected)
        else:
            assert isinstance(found, dict), found


EVENTS = [cls for family in families() for cls in family.events]


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_no_type_of_the_four_families_passes_with_a_repeated_key(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from(EVENTS))
    content = cls.model_validate_json(json.dumps(example(cls)))
    head = {name: value for name, value in HEAD if name not in ("type", "dataschema")}
    head |= {"time": "2021-03-01T10:00:00+08:00", "recorded": "2021-03-01T10:00:00+08:00"}
    plain = encode(content, _parsed(head)).decode()
    at = data.draw(st.sampled_from([n for n, c in enumerate(plain) if c in "{,"]))
    name = data.draw(st.sampled_from([*json.loads(plain), *json.loads(plain)["data"]]))
    value = data.draw(st.sampled_from(["0", "1", '"x"', "true", "{}", "[]", '"\\u0031"']))
    after = plain[at + 1 :]
    payload = f'{plain[: at + 1]}"{name}":{value}{"," if after[0] != "}" else ""}{after}'.encode()
    (found,) = Decoder([cls], DIVISIONS)([payload])
    if has_twins(payload):
        assert isinstance(found, Rejected)


def _parsed(head: dict[str, Any]) -> dict[str, Any]:
    return head | {n: datetime.fromisoformat(head[n]) for n in ("time", "recorded")}


@pytest.mark.parametrize(
    "twin",
    [
        b'"met":3,"met":4',
        b'"met":3,"met":3',
        b'"met" : 3 ,\n "met"\t:4',
        b'"met":3,"m\\u0065t":4',
        b'"\\u006det":3,"met":4',
    ],
)
def test_a_repeated_key_is_named(twin: bytes, decode: Decode, message: MakeMessage) -> None:
    found = decode(message(VisitRecorded).replace(b'"met":3', twin))
    assert found == Rejected(Reason.DUPLICATE_KEY, "key met stands twice")


def test_a_repeated_key_is_found_in_the_envelope_and_in_an_older_version(
    decode: Decode, message: MakeMessage
) -> None:
    now = message(VisitRecorded)
    old = now.replace(b"recorded:2", b"recorded:1").replace(b'"lasted":25', b'"lasted_hours":1')
    for payload in (now, old):
        found = decode(payload.replace(b'"id"', b'"id":"v-0","id"'))
        assert found == Rejected(Reason.DUPLICATE_KEY, "key id stands twice")
    found = decode(old.replace(b'"met":3', b'"met":3,"met":3'))
    assert found == Rejected(Reason.DUPLICATE_KEY, "key met stands twice")
    assert isinstance(decode(old), dict)
