"""The event: a CloudEvents 1.0 envelope around one family's content, declared as a pydantic class.

A family is one file of `schemas/families`, an event type is one class in it. The class gives the
name, the version, the Kafka key and the fields, each once; validation, JSON Schema, topics,
ClickHouse columns, rollups, the catalogue and sample data all derive from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Final, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import to_json

from schemas.errors import SchemaError
from schemas.grain import Grain
from schemas.names import schema_urn
from schemas.words import (
    Actor,
    DivisionCode,
    EventId,
    GridCode,
    Labels,
    Money,
    Personal,
    Source,
    StoredAs,
    Text,
)

Content = dict[str, Any]
Upcast = Callable[[Content], Content]

_STORED: Final[Mapping[type, str]] = {str: "String", int: "Int64", bool: "Bool"}
_PLAIN: Final = (*_STORED, AwareDatetime)


def field(
    en: str,
    zh_doc: str,
    *,
    zh: str,
    example: object = ...,
    total: bool = False,
    fact: bool = False,
    grain: Grain | None = None,
    default: object = ...,
) -> Any:
    """Declares one field of an event, or one attribute of the envelope.

    Args:
        en: what it means, in English; becomes the column comment and the catalogue's text.
        zh_doc: the same in Chinese.
        zh: the field's name on Chinese boards and forms.
        example: a valid value; required for every field without a default.
        total: the integer is summed in every rollup, net and gross.
        fact: the value describes the case as a whole and is kept in its case fold.
        grain: the finest place and period at which a viewer sees the total; by default that of the
            family's counts.
        default: for a field of an event only `None`, which means absent on the wire; null is
            refused.
    """
    # Beside the annotation, not in it, so that the wire validators never see it.
    extra: dict[str, Any] = {
        "zh": zh,
        "zh_doc": zh_doc,
        "total": total,
        "fact": fact,
        "grain": grain,
    }
    if example is not ...:
        extra["example"] = example
    return Field(default, description=en, json_schema_extra=extra)


def meaning(info: FieldInfo) -> tuple[str, Text]:
    """Chinese name and meaning of a field declared with `field`.

    Raises:
        KeyError: the field was declared some other way.
    """
    extra = info.json_schema_extra
    if not isinstance(extra, dict) or not info.description:
        raise KeyError("zh")
    return str(extra["zh"]), Text(info.description, str(extra["zh_doc"]))


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """What derives from one field of one event class.

    `stored` is the ClickHouse type in which views read the field, empty for sealed fields, which
    views never read. `choices` are the values of a vocabulary, empty for open types. `bare` values
    have no quotes in JSON. `money` is in fen.
    """

    name: str
    annotation: Any
    doc: Text
    zh: str
    stored: str
    optional: bool
    total: bool
    fact: bool
    personal: bool
    sealed: bool
    choices: tuple[str, ...]
    labels: Mapping[str, str]
    grain: Grain | None
    example: object
    bare: bool
    money: bool

    @property
    def open(self) -> bool:
        """Whether it is a text that anybody may read and anybody may have written.

        Such a text is checked for numbers of persons; a vocabulary, a pseudonym and a sealed text
        cannot hold one.
        """
        return self.stored == "String" and not self.personal and not self.choices


@dataclass(frozen=True, slots=True)
class EventSpec:
    """What derives from one event class besides its fields.

    `corrects` names the type whose content this one replaces, `voids` the types it takes back.
    """

    name: str
    version: int
    key: str
    zh: str
    doc: Text
    corrects: str
    voids: tuple[str, ...]

    @property
    def urn(self) -> str:
        """CloudEvents `dataschema` of the current version."""
        return schema_urn(self.name, self.version)

    @property
    def corrective(self) -> bool:
        """Whether the event changes what an earlier one said."""
        return bool(self.corrects or self.voids)


class Event(BaseModel):
    """Content of an event; subclass it once for a family, then once for every event type.

    Class arguments of a family: `topic`, `key`, `zh`, `zh_doc`, and `partitions`. Of an event type:
    `name`, `zh`, `zh_doc`, and where they differ from the defaults `version`, `corrects`, `voids`.
    `zh` is the Chinese name, `zh_doc` the docstring in Chinese.

    Raises:
        SchemaError: the class contradicts itself; raised when the class is made.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    spec: ClassVar[EventSpec]
    fields: ClassVar[Mapping[str, FieldSpec]]
    upcasts: ClassVar[Mapping[int, Upcast]] = {}
    topic: ClassVar[str] = ""
    key: ClassVar[str] = ""
    family_zh: ClassVar[str] = ""
    family_doc: ClassVar[Text] = Text("", "")
    partitions: ClassVar[int] = 4
    projections: ClassVar[tuple[Any, ...]] = ()
    """The live figures of the family's events; at most four (see `family.PROJECTIONS_MAX`)."""
    clocks: ClassVar[tuple[Any, ...]] = ()
    grain: ClassVar[Grain] = Grain()
    """The finest place and period at which a viewer sees the counts of the family's events, and its
    totals that declare none of their own. Finer than the township must be asked for."""
    county_only: ClassVar[tuple[str, str] | None] = None
    """Field and value of content that never appears below the county (条例 30)."""

    @classmethod
    def incoherent(cls, content: Content) -> str | None:
        """The contradiction in validated content; None when there is none."""
        return None

    def __init_subclass__(cls, **_: Any) -> None:
        # pydantic hands the class arguments to both hooks; they are used below, once fields exist.
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        name: str = "",
        zh: str = "",
        zh_doc: str = "",
        version: int = 1,
        topic: str = "",
        key: str = "",
        partitions: int = 4,
        corrects: str = "",
        voids: tuple[str, ...] = (),
        **unknown: Any,
    ) -> None:
        if unknown:
            raise SchemaError(f"{cls.__name__} has class arguments nobody knows: {[*unknown]}.")
        if name and topic:
            raise SchemaError(
                f"{cls.__name__} is named {name!r} and has a topic: make two classes."
            )
        doc = Text((cls.__doc__ or "").strip(), zh_doc)
        if topic:
            cls.topic, cls.key, cls.family_zh, cls.partitions = topic, key, zh, partitions
            cls.family_doc = doc
        if not name:
            return
        cls.fields = {n: _field_spec(cls, n, info) for n, info in cls.model_fields.items()}
        cls.spec = EventSpec(name, version, cls.key, zh, doc, corrects, voids)
        _check(cls)


def _field_spec(cls: type[Event], name: str, info: FieldInfo) -> FieldSpec:
    try:
        zh, doc = meaning(info)
    except KeyError:
        raise SchemaError(f"{cls.__name__}.{name} is not declared with schemas' field().") from None
    extra: Mapping[str, Any] = info.json_schema_extra  # type: ignore[assignment]
    inner, marks, optional = unwrapped(info)
    choices = get_args(inner) if get_origin(inner) is Literal else ()
    stored = next((m.type for m in marks if isinstance(m, StoredAs)), "")
    personal = next((m for m in marks if isinstance(m, Personal)), None)
    sealed = personal is not None and personal.sealed
    if not all(isinstance(choice, str) for choice in choices) or not (choices or inner in _PLAIN):
        # Only flat, plain types: the check for repeated keys counts quotes; views read no nesting.
        raise SchemaError(f"{cls.__name__}.{name} is no text, whole number, truth or instant.")
    if not stored and not sealed:
        stored = "String" if choices else _STORED.get(inner, "")
    return FieldSpec(
        name=name,
        annotation=Annotated[inner, *marks] if marks else inner,
        doc=doc,
        zh=zh,
        stored=stored,
        optional=optional,
        total=bool(extra["total"]),
        fact=bool(extra["fact"]),
        personal=personal is not None,
        sealed=sealed,
        choices=tuple(str(choice) for choice in choices),
        labels=next((mark for mark in marks if isinstance(mark, Labels)), {}),
        grain=extra["grain"],
        example=extra.get("example", ...),
        bare=inner in (int, bool),
        money=any(isinstance(mark, Money) for mark in marks),
    )


def unwrapped(info: FieldInfo) -> tuple[Any, list[Any], bool]:
    """The bare type, its marks and constraints, and whether the field may be absent."""
    annotation: Any = info.annotation
    marks, optional = list(info.metadata), False
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        optional = len(kinds) < len(get_args(annotation))
        annotation = kinds[0] if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        # FieldInfo inside Annotated carries the constraints of a shared word.
        marks += more
    return annotation, marks, optional


_OF_FAMILIES: Final = ("projections", "clocks", "grain", "county_only")


def _check(cls: type[Event]) -> None:
    spec, where = cls.spec, cls.__name__
    if not cls.topic or spec.key not in cls.fields:
        raise SchemaError(f"{where}: its family names no topic, or key {spec.key!r} is no field.")
    if stray := [name for name in _OF_FAMILIES if name in vars(cls)]:
        raise SchemaError(f"{where} sets {stray}, which only the family's class may set.")
    key = cls.fields[spec.key]
    if key.optional or key.sealed or key.bare:
        raise SchemaError(f"{where}.{key.name} is the key, so it must be text and always there.")
    if not spec.zh or spec.version < 1:
        raise SchemaError(f"{where} has no Chinese name, or its version {spec.version} is below 1.")
    missing = [v for v in range(1, spec.version) if v not in cls.upcasts]
    beyond = [v for v in cls.upcasts if v >= spec.version]
    if missing:
        raise SchemaError(f"{where} is version {spec.version}: upcasts for {missing} are missing.")
    if beyond:
        raise SchemaError(f"{where} is version {spec.version}: upcasts from {beyond} are no past.")
    if spec.corrective and "corrects" not in cls.fields:
        raise SchemaError(f"{where} is corrective but has no field 'corrects'.")
    if (spec.corrects and spec.voids) or spec.name in (spec.corrects, *spec.voids):
        raise SchemaError(f"{where} corrects and voids, or takes back its own type.")
    for f in cls.fields.values():
        if f.total and (f.stored != "Int64" or f.personal):
            raise SchemaError(f"{where}.{f.name} is totalled but is no plain integer.")
        if (f.fact and f.sealed) or (not f.stored and not f.sealed):
            raise SchemaError(f"{where}.{f.name}: sealed as a fact, or of a type no view can read.")
        if set(f.labels) != set(f.choices):
            raise SchemaError(f"{where}.{f.name}: its labels do not name exactly its values.")
        if f.optional and cls.model_fields[f.name].default is not None:
            raise SchemaError(f"{where}.{f.name} may be absent, so its default must be None.")
        if f.example is ... and not f.optional:
            raise SchemaError(f"{where}.{f.name} has no example.")


class Envelope(BaseModel):
    """CloudEvents 1.0 attributes, structured JSON; the last six are Gulou's extensions."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    specversion: Literal["1.0"] = field(
        "CloudEvents version.", "CloudEvents 规范的版本。", zh="规范版本", default="1.0"
    )
    id: EventId = field(
        "Unique within its source; sent again, the same event.",
        "在同一来源内唯一；编号相同即同一事件的重复报送。",
        zh="事件编号",
    )
    source: Source = field(
        "The office or ledger that says so, as a URI reference.",
        "报送该事件的单位或者台账，写成 URI 引用。",
        zh="来源",
    )
    type: str = field(
        "Event type, such as visit.recorded.", "事件类型，例如 visit.recorded。", zh="事件类型"
    )
    dataschema: str = field(
        "Type and version: urn:gulou:<type>:<version>.",
        "事件类型与版本，写作 urn:gulou:<类型>:<版本>。",
        zh="类型与版本",
    )
    time: AwareDatetime = field("When it happened.", "事件发生的时间。", zh="发生时间")
    recorded: AwareDatetime = field(
        "When the office knew; never before `time`.",
        "单位登记该事件的时间，不早于发生时间 `time`。",
        zh="登记时间",
    )
    division: DivisionCode = field(
        "The narrowest division known; 9 or 12 digits best.",
        "已知的最小一级区划代码，最好为9位或者12位。",
        zh="区划代码",
    )
    grid: GridCode | None = field(
        "Micro-grid, inside the village `division`.",
        "微网格代码，须在 `division` 所指的村（社区）之内。",
        zh="微网格",
        default=None,
    )
    actor: Actor | None = field(
        "Who filed it: an office's code or a pseudonym, never a name or a number of a person.",
        "填报者：单位代码或者假名，不得填写姓名、证件号或者电话号码。",
        zh="填报者",
        default=None,
    )
    correlationid: EventId | None = field(
        "The wider matter it belongs to.", "所属的更大事项的编号。", zh="关联事项", default=None
    )
    causationid: EventId | None = field(
        "The event that made this one happen.",
        "引起该事件的事件编号。",
        zh="起因事件",
        default=None,
    )


def encode(event: Event, envelope: Mapping[str, Any]) -> bytes:
    """Structured-JSON bytes of one event, compact UTF-8, absent fields left out.

    Args:
        event: the content.
        envelope: attributes of `Envelope` besides type and dataschema, which follow from `event`.

    Raises:
        pydantic.ValidationError: an attribute is missing or malformed.
    """
    spec = type(event).spec
    head = Envelope(type=spec.name, dataschema=spec.urn, **envelope)
    return to_json(
        head.model_dump(exclude_none=True) | {"data": event.model_dump(exclude_none=True)}
    )


def example(cls: type[Event]) -> Content:
    """Valid content of `cls` from its fields' examples; fields without an example are absent."""
    return {f.name: f.example for f in cls.fields.values() if f.example is not ...}
