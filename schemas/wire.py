"""Turns received bytes into a checked event, or into a refusal with its reason.

The validators are built from the classes. Each event type has a TypedDict with the class's own
annotations inside the envelope's, so pydantic-core checks the bytes in one pass without making an
instance (a third of the cost of a model). There is no second validator: producers check what they
send with the same decoder (D-1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any, Final, Literal, NotRequired, Union, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict

from schemas.event import Content, Envelope, Event, unwrapped
from schemas.names import schema_urn
from schemas.open_text import Exposed, exposures
from schemas.reference.divisions import Divisions
from schemas.words import VILLAGE_DIGITS, DivisionMark, Labels, Personal, StoredAs, Text


class Reason(StrEnum):
    """Why a message is in the dead-letter topic; the label of the dead-letter metric.

    Attributes:
        zh: what boards and the catalogue call it.
        doc: what it means.
        remedy: what the person on call does about it.
    """

    zh: str
    doc: Text
    remedy: Text

    def __new__(cls, value: str, zh: str, en: str, zh_doc: str, do: str, zh_do: str) -> Reason:
        """A member is its code and Chinese name; meaning and remedy in English and Chinese."""
        made = str.__new__(cls, value)
        made._value_, made.zh = value, zh
        made.doc, made.remedy = Text(en, zh_doc), Text(do, zh_do)
        return made

    NULL = (
        "null",
        "消息没有内容",
        "The message has no value.",
        "消息的值为空。",
        "The sender's program is broken: inform its office.",
        "报送程序有误：通知报送单位。",
    )
    ENCODING = (
        "encoding",
        "不是 UTF-8 编码",
        "The bytes are not UTF-8.",
        "报文的字节不是有效的 UTF-8。",
        "The sender's program is broken: inform its office.",
        "报送程序有误：通知报送单位。",
    )
    JSON = (
        "json",
        "不是一个 JSON 对象",
        "Broken JSON, or more than one object in one message.",
        "JSON 不完整，或者一条消息中有多个对象。",
        "The sender's program is broken: inform its office.",
        "报送程序有误：通知报送单位。",
    )
    DUPLICATE_KEY = (
        "duplicate_key",
        "同一对象中键重复",
        "A key stands twice in one object: two readers, two sums.",
        "同一对象中同一个键出现两次，不同程序会读出不同的数。",
        "The sender's program is broken: inform its office.",
        "报送程序有误：通知报送单位。",
    )
    UNKNOWN_TYPE = (
        "unknown_type",
        "事件类型未知",
        "The topic has no such event type or version.",
        "该主题没有这一事件类型或者版本。",
        "Sent to the wrong topic, or by a program newer than this one: ask the sender which.",
        "发错主题，或者报送程序比本程序新：向报送单位核实。",
    )
    NEWER_VERSION = (
        "newer_version",
        "版本高于本程序",
        "Written by a newer program; parked, and counted once this one is upgraded.",
        "由更新版本的程序写出；先行暂存，本程序升级后计入统计。",
        "Upgrade Gulou, then send it again.",
        "先升级本程序，再重新报送。",
    )
    DIVISION = (
        "division",
        "区划代码不存在",
        "The division is not in the city's divisions file.",
        "本市区划文件中没有该代码。",
        "The form or ledger holds an impossible value: correct it there and send it again.",
        "表单或者台账中的值不可能成立：在原处改正后重新报送。",
    )
    FIELD = (
        "field",
        "字段缺失或不合规",
        "A field is missing, malformed, out of range or unknown.",
        "字段缺失、格式不符、超出范围或者未作定义。",
        "The form or ledger holds an impossible value: correct it there and send it again.",
        "表单或者台账中的值不可能成立：在原处改正后重新报送。",
    )
    PERSONAL = (
        "personal",
        "明文字段含有个人号码",
        "A field that travels in the open holds an identity or telephone number.",
        "明文字段中出现居民身份证号或者电话号码。",
        "Anybody can read such a field: move the number to a sealed field or a pseudonym, or give "
        "the case another number, and send it again. The message stays as evidence; no board shows "
        "it.",
        "明文字段人人可读：改填加密字段或者假名，或者为该事项另编号码，然后重新报送。"
        "原消息留作凭证，看板上不显示。",
    )
    CONTRADICTION = (
        "contradiction",
        "内容自相矛盾",
        "Fields contradict one another, or an event corrects another kind.",
        "字段之间互相矛盾，或者所更正的是另一类事件。",
        "The form or ledger holds an impossible value: correct it there and send it again.",
        "表单或者台账中的值不可能成立：在原处改正后重新报送。",
    )
    KEY = (
        "key",
        "消息键与内容不符",
        "The Kafka key is not the value of the family's key field.",
        "Kafka 消息键与该事件族的键字段的值不一致。",
        "The sender uses another Kafka key, so repeats could be missed: correct its program.",
        "报送程序使用了别的消息键，重复可能查不出：改正报送程序。",
    )
    PARTITION = (
        "partition",
        "消息不在其键所属分区",
        "In another Kafka partition than its key's, where it would not meet its repeats.",
        "消息不在其键所属的 Kafka 分区，与其重复、更正消息不会相遇。",
        "The sender's client does not choose partitions by murmur2, so repeats would be "
        "counted: set it (librdkafka: `partitioner=murmur2_random`) and send again.",
        "报送程序未按 murmur2 选分区，重复会被计数：设置后重新报送"
        "（librdkafka：`partitioner=murmur2_random`）。",
    )
    RECORDED_AFTER_LOGGED = (
        "recorded_after_logged",
        "登记时间晚于接收时间",
        "Recorded after the broker received it.",
        "登记时间晚于 Kafka 收到消息的时间。",
        "The sender's clock is ahead by more than a minute: set it and send again.",
        "报送单位的时钟快了一分钟以上：校准后重新报送。",
    )
    PROJECTION = (
        "projection",
        "无法计入统计",
        "The engine could not compute a figure from it.",
        "数据库无法据此计算统计数据。",
        "A view could not digest it, which is a fault of Gulou: keep the row and report it.",
        "统计视图无法处理，属本程序的错误：保留该行并上报。",
    )


_STRICT: Final = ConfigDict(strict=True, extra="forbid")
FIRST_YEAR: Final = 1971  # ClickHouse's Date and DateTime begin in 1970; 1971 is safe in every zone
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
# From here no zone is still before the first year.
_SURELY_DATED_MS: Final = round(datetime(FIRST_YEAR, 1, 2, tzinfo=UTC).timestamp() * 1000)
NOTHING: Final[Content] = {
    "source": "",
    "id": "",
    "type": "",
    "time": _EPOCH,
    "recorded": _EPOCH,
    "division": "",
    "data": {},
}
"""Placeholder for the event, where a message holds none."""
OPEN_ATTRIBUTES: Final = ("source", "id", "actor", "correlationid", "causationid")
"""Attributes of the envelope that are checked as open texts; the rest are codes or instants."""
_AT_A_TIME: Final = 1024  # events
_NAME: Final = re.compile(r"[A-Za-z_]{1,40}[0-9]{0,2}(\.[a-z_]{1,40})?")
_CODE: Final = re.compile(r"[1-9][0-9]{5}([0-9]{3}([0-9]{3})?)?")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that is no event: `parked` when a newer program could read it, else `dead`."""

    reason: Reason
    message: str

    @property
    def status(self) -> Literal["parked", "dead"]:
        """The status its row is stored with."""
        return "parked" if self.reason == "newer_version" else "dead"


class Decoder:
    """Checks messages of one family against its classes and the city's divisions.

    Args:
        events: every event class of the family.
        divisions: the codes that exist.
    """

    def __init__(self, events: Sequence[type[Event]], divisions: Divisions) -> None:
        self._events = {cls.spec.urn: cls for cls in events}
        self._by_name = {cls.spec.name: cls for cls in events}
        codes = Literal[tuple(divisions)]  # type: ignore[valid-type]
        kinds = [wire_shape(cls, codes) for cls in events]
        union: Any = kinds[0]
        if len(kinds) > 1:
            union = Annotated[Union[tuple(kinds)], Field(discriminator="dataschema")]  # noqa: UP007
        # pydantic-core's own method: the adapter's wrapper around it costs a tenth of the check.
        self._validate = TypeAdapter(union).validator.validate_json
        self._rules = {cls.spec.name: _rule(cls) for cls in events}
        self._divisions = divisions
        self._open = {
            cls.spec.name: {f.name: f"data.{f.name}" for f in cls.fields.values() if f.open}
            for cls in events
        }
        self._open_names = tuple(dict.fromkeys(chain.from_iterable(self._open.values())))
        # Unquoted fields: when one is absent, the message is parsed again.
        self._bare = {cls.spec.name: sum(f.bare for f in cls.fields.values()) for cls in events}

    def __call__(self, payloads: Sequence[bytes | None]) -> list[Content | Rejected]:
        """One result per message, in order: the envelope with its content under `data`.

        Each message is parsed by itself: `{A},{B}` joined with others could make a valid array.
        """
        return self.timed(payloads)[0]

    def timed(
        self, payloads: Sequence[bytes | None]
    ) -> tuple[list[Content | Rejected], list[int], list[int]]:
        """The results, and when each event happened and was recorded, in ms since 1970.

        The instants are compared here anyway, and computing them is a tenth of the work. They are
        0 for rejected messages.
        """
        found = [self._shaped(payload) for payload in payloads]
        events = cast(list[Content], [NOTHING if e.__class__ is Rejected else e for e in found])
        times = _milliseconds([event["time"] for event in events])
        recordings = _milliseconds([event["recorded"] for event in events])
        rows = zip(payloads, found, times, recordings, strict=True)
        for n, (payload, event, time, recorded) in enumerate(rows):
            if event.__class__ is Rejected:
                continue
            wrong = self._wrong(payload, event, time, recorded)  # type: ignore[arg-type]
            if wrong is not None:
                found[n], times[n], recordings[n] = wrong, 0, 0
        for n, exposing in self._exposing(events):
            found[n], times[n], recordings[n] = exposing, 0, 0
        return found, times, recordings

    def one(self, payload: bytes | None) -> tuple[Content | Rejected, int, int]:
        """The result of `timed` for a single message, for callers that get one at a time."""
        event = self._shaped(payload)
        if isinstance(event, Rejected):
            return event, 0, 0
        time = round(event["time"].timestamp() * 1000)
        recorded = round(event["recorded"].timestamp() * 1000)
        wrong = self._wrong(payload, event, time, recorded)  # type: ignore[arg-type]
        if wrong is None:
            texts = self._open_texts(event)
            wrong = _exposing(texts, exposures([*texts.values()], self._divisions))
        return (wrong, 0, 0) if wrong is not None else (event, time, recorded)

    def _shaped(self, payload: bytes | None) -> Content | Rejected:
        """The event if each of its fields is valid, else the result of a second look."""
        try:
            found: Content = self._validate(payload)  # type: ignore[arg-type]
        except ValidationError as error:
            return self._second_look(payload, error)
        return found

    def _wrong(self, payload: bytes, event: Content, time: int, recorded: int) -> Rejected | None:
        """The contradiction between fields, or a repeated key; None when there is neither."""
        data, type_, division = event["data"], event["type"], event["division"]
        rule = self._rules[type_]
        # Rules between fields are not pydantic validators: a call from pydantic costs three times
        # as much (D-3). Most events need none of these checks: each condition here lets through
        # what `_incoherent` may refuse, so a rule added there needs its condition here.
        if (
            rule is not None
            or time > recorded
            or time < _SURELY_DATED_MS
            or len(division) != VILLAGE_DIGITS
            or ("grid" in event and not event["grid"].startswith(division))
        ):
            wrong = _incoherent(event, time > recorded, rule)
            if wrong is not None:
                return wrong
        # A repeated key changes the number of quotes. So does an absent unquoted field, and a
        # backslash may hide the difference. Only then parse again (D-2).
        if (
            b"\\" in payload
            or payload.count(b'"') != 2 * (2 * (len(event) + len(data)) - self._bare[type_] - 1)
        ) and (repeated := _repeated_key(payload)):
            return Rejected(Reason.DUPLICATE_KEY, f"key {repeated} stands twice")
        return None

    def _exposing(self, events: Sequence[Content]) -> Iterator[tuple[int, Rejected]]:
        """Refusals of events with a number of a person in an open text, by place in `events`."""
        # So many at a time are still in the processor's cache.
        for start in range(0, len(events), _AT_A_TIME):
            some = events[start : start + _AT_A_TIME]
            wrong = exposures(self._all_open_texts(some), self._divisions)
            for n, event in enumerate(some if wrong else (), start):
                why = _exposing(self._open_texts(event), wrong)
                if why is not None:
                    yield n, why

    def _all_open_texts(self, events: Sequence[Content]) -> list[str]:
        contents = [event["data"] for event in events]
        texts: list[str] = []
        # By field and not by event: most texts of a field are equal.
        for name in OPEN_ATTRIBUTES:
            texts += {event[name] for event in events if name in event}
        for name in self._open_names:
            texts += {content[name] for content in contents if name in content}
        return texts

    def _open_texts(self, event: Content) -> dict[str, str]:
        """The open texts of one event, by the place that a refusal names."""
        data = event["data"]
        texts: dict[str, str] = {n: event[n] for n in OPEN_ATTRIBUTES if n in event}
        for name, place in self._open.get(event["type"], {}).items():
            if name in data:
                texts[place] = data[name]
        return texts

    def _second_look(self, payload: bytes | None, error: ValidationError) -> Content | Rejected:
        """The event upcast from an older version, or the reason for the refusal."""
        if not payload:
            return Rejected(Reason.NULL, "the message has no value")
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            try:
                payload.decode()
            except UnicodeDecodeError as broken:
                return Rejected(Reason.ENCODING, f"byte {broken.start} is not UTF-8")
            return Rejected(Reason.JSON, f"not one JSON object: {first['ctx']['error']}")
        if first["type"] in ("union_tag_invalid", "literal_error", "union_tag_not_found"):
            older = self._upcast(payload)
            if older is not None:
                return older
        return _explain(first)

    def _upcast(self, payload: bytes) -> Content | Rejected | None:
        try:
            event = json.loads(payload, object_pairs_hook=_refusing_repeats)
        except _RepeatedKey as repeat:
            return Rejected(Reason.DUPLICATE_KEY, f"key {_named(repeat.args[0])} stands twice")
        except (ValueError, RecursionError) as error:
            return Rejected(Reason.JSON, f"not one JSON object: {type(error).__name__}")
        if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
            return Rejected(Reason.FIELD, "data: an object is required")
        name = event.get("type")
        cls = self._by_name.get(name) if isinstance(name, str) else None
        if cls is None:
            return Rejected(Reason.UNKNOWN_TYPE, f"type {_shown(name, _NAME)} is not of this topic")
        version = _version(cls, event.get("dataschema"))
        if version is None:
            return None
        if version > cls.spec.version:
            return Rejected(
                Reason.NEWER_VERSION,
                f"{cls.spec.name} version {version} is newer than {cls.spec.version}, the newest "
                "this program knows; upgrade it, then resubmit",
            )
        try:
            for older in range(version, cls.spec.version):
                event["data"] = cls.upcasts[older](event["data"])
            text = json.dumps(event | {"dataschema": cls.spec.urn}, ensure_ascii=False)
        except KeyError as missing:
            return Rejected(
                Reason.FIELD, f"data: version {version} needs {_named(missing.args[0])}"
            )
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # Not valid when it was written either; the error's own text may repeat the value.
            return Rejected(Reason.FIELD, f"data: not the shape of version {version}")
        try:
            current: Content = self._validate(text)
        except ValidationError as error:
            return _explain(error.errors(include_url=False)[0])
        return current


def wire_shape(cls: type[Event], codes: Any) -> Any:
    """The TypedDict of an event on the wire, without the rules that hold between fields.

    Args:
        cls: the event class, in its newest version.
        codes: the type of a division code.
    """
    spec = cls.spec
    data = _typed_dict(cls, codes, {})
    return _typed_dict(
        Envelope,
        codes,
        {"type": Literal[spec.name], "dataschema": Literal[spec.urn], "data": data},
    )


def _typed_dict(cls: type[BaseModel], codes: Any, replaced: dict[str, Any]) -> Any:
    annotations: dict[str, Any] = {}
    for name, info in cls.model_fields.items():
        inner, marks, optional = unwrapped(info)
        if any(isinstance(mark, DivisionMark) for mark in marks):
            inner, marks = codes, []
        marks = [mark for mark in marks if not isinstance(mark, Labels | Personal | StoredAs)]
        kind = Annotated[inner, *marks] if marks else inner
        # Required on the wire even where the class has a default: two spellings of one message
        # would be two payloads of one event.
        annotations[name] = NotRequired[kind] if optional else kind
    made = TypedDict(cls.__name__, annotations | replaced)  # type: ignore[misc]
    setattr(made, "__pydantic_config__", _STRICT)  # noqa: B010 - mypy knows no such attribute
    return made


_Rule = Callable[[Content], str | None]


def _rule(cls: type[Event]) -> _Rule | None:
    """The class's own rule between the fields of its content; None where it has none."""
    own = cls.incoherent.__func__ is not Event.incoherent.__func__  # type: ignore[attr-defined]
    return cls.incoherent if own else None


def _milliseconds(instants: Sequence[datetime]) -> list[int]:
    """Milliseconds since 1970, rounded.

    pydantic-core writes a list of instants as JSON in half the time of calling `timestamp()` on
    each.
    """
    return list(map(round, from_json(to_json(instants, temporal_mode="milliseconds"))))


def _incoherent(event: Content, foreseen: bool, rule: _Rule | None) -> Rejected | None:
    """The contradiction between fields that are each valid; None when there is none."""
    grid = event.get("grid")
    if grid is not None and (
        len(event["division"]) != VILLAGE_DIGITS or not grid.startswith(event["division"])
    ):
        return Rejected(Reason.CONTRADICTION, "grid lies outside its division")
    if foreseen:
        return Rejected(Reason.CONTRADICTION, "recorded before it happened")
    if event["time"].year < FIRST_YEAR:
        return Rejected(Reason.CONTRADICTION, f"time lies before {FIRST_YEAR}")
    wrong = rule(event["data"]) if rule is not None else None
    return Rejected(Reason.CONTRADICTION, f"data: {wrong}") if wrong else None


def _exposing(texts: Mapping[str, str], wrong: Mapping[str, Exposed]) -> Rejected | None:
    """The refusal of an event that has a text in `wrong`; None when it has none."""
    place = next((place for place, text in texts.items() if text in wrong), None)
    if place is None:
        return None
    return Rejected(Reason.PERSONAL, f"{place}: 含有{wrong[texts[place]]}，明文字段不得填写")


class _RepeatedKey(ValueError):
    pass


def _refusing_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKey(next(key for key in keys if keys.count(key) > 1))
    return found


def _repeated_key(payload: bytes) -> str:
    """Name of a key that occurs twice in one object of valid JSON; empty when none does.

    pydantic-core keeps the last of two equal keys, ClickHouse the first: the same message would
    have two sums.
    """
    try:
        json.loads(payload, object_pairs_hook=_refusing_repeats)
    except _RepeatedKey as repeat:
        return _named(repeat.args[0])
    return ""


def _version(cls: type[Event], urn: object) -> int | None:
    prefix = schema_urn(cls.spec.name, 0)[:-1]
    tail = urn.removeprefix(prefix) if isinstance(urn, str) and urn.startswith(prefix) else ""
    # ASCII digits only: int() would take '٣' and '1_0'.
    if not (tail.isascii() and tail.isdigit() and not tail.startswith("0")) or len(tail) > 4:
        return None
    return int(tail)


def _explain(error: Any) -> Rejected:
    place = ".".join(_named(part) for part in error["loc"] if not str(part).startswith("urn:"))
    kind = error["type"]
    if kind == "union_tag_not_found":
        return Rejected(Reason.FIELD, "dataschema: a string is required")
    if kind == "literal_error" and _CODE.match(str(error["ctx"]["expected"]).lstrip("'")):
        return Rejected(
            Reason.DIVISION, f"{place} {_shown(error.get('input'), _CODE)} does not exist"
        )
    if kind in ("union_tag_invalid", "literal_error") and place in ("", "dataschema", "type"):
        return Rejected(Reason.UNKNOWN_TYPE, "dataschema names no type and version of this topic")
    # The value itself may be personal, so the message gives only its shape.
    return Rejected(Reason.FIELD, f"{place or 'message'}: {error['msg']}")


def _named(key: object) -> str:
    """A key as an error may show it: a key that is no name, such as a phone number, is hidden."""
    return str(key) if _NAME.fullmatch(str(key)) else "(no field name)"


def _shown(value: object, shape: re.Pattern[str]) -> str:
    # An identity number begins with a division code, so it is easily put in the wrong box.
    return repr(value) if shape.fullmatch(str(value)) else "(not repeated here)"
