"""The mapping file: which column or constant of a ledger feeds which field of which event.

source = "hecheng-xinfang"            # who reports
identity = ["编号"]                    # the columns that identify a row
division = { from = ["{县}", "{乡镇}"], unknown = "431200" }

[[events]]
type = "petition.registered"
time = "{登记时间}"
data.petition = "P-{编号}"             # text in braces is a column, the rest is literal
data.channel = { from = "{渠道}", map = { "网上" = "network" }, default = "visit" }
data.category = { from = "{分类}", values = ["城乡建设", "劳动社保"] }
data.people = 1

A field that is neither sealed nor a pseudonym travels in the open. A column feeds it only codes of
letters, digits and : . _ - or words that `values` or `map` names: nothing else tells the name of a
person from the name of an office.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from producers.client import event_class
from producers.ledgers.cells import units
from producers.ledgers.tables import plain
from schemas.errors import Misconfigured, Refused
from schemas.event import Event
from schemas.words import Source

EventClass = type[Event]

_COLUMN: Final = re.compile(r"\{([^{}]+)\}")
_STRICT: Final = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class From(BaseModel):
    """What feeds one field: a template of columns, or a constant."""

    model_config = _STRICT

    text: str = Field("", alias="from", description="Columns in braces; the rest stands as it is.")
    constant: Any = None
    default: Any = Field(None, description="Taken when every column of the template is blank.")
    map: dict[Annotated[str, BeforeValidator(plain)], str | int | bool] = Field(
        {}, description="What the ledger writes -> what the field holds."
    )
    values: tuple[Annotated[str, BeforeValidator(plain)], ...] = Field(
        (), description="Words of the column that may travel in the open, besides codes."
    )
    unit: str = Field("", description="Of money: 分, 元 or 万元.")
    digest: bool = Field(
        False,
        description="Of a case number: turn one with Chinese or a person's number into a digest.",
    )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads, in order."""
        return tuple(plain(name) for name in _COLUMN.findall(self.text))

    @cached_property
    def named(self) -> frozenset[str]:
        """Every text that the mapping itself writes: none is a cell about a person."""
        return frozenset(plain(each) for each in (*self.values, *self.map.values(), self.default))

    @cached_property
    def bare(self) -> str:
        """The column's name when the template is that one column, else empty."""
        whole = _COLUMN.fullmatch(self.text.strip())
        return plain(whole[1]) if whole else ""

    def cell(self, cells: Mapping[str, Any]) -> Any:
        """The constant, the cell of a bare column, or the template with its columns filled in.

        `default` when every column is blank; any other cell or text goes through `map`.
        """
        if not self.text:
            return self.constant
        if self.bare:
            found = cells.get(self.bare)
        elif self.columns and all(cells.get(name) is None for name in self.columns):
            found = None
        else:
            found = _COLUMN.sub(lambda name: plain(cells.get(plain(name[1]))), self.text)
        return self.default if found is None else self.map.get(plain(found), found)

    @model_validator(mode="after")
    def _known_unit(self) -> Self:
        if self.unit and self.unit not in units():
            raise ValueError(f"unit is one of {', '.join(units())}")
        return self


def _feed(value: Any) -> Any:
    if isinstance(value, str):
        return {"from": value} if _COLUMN.search(value) else {"constant": value}
    return value if isinstance(value, Mapping | From) else {"constant": value}


Feed = Annotated[From, BeforeValidator(_feed)]


class Place(BaseModel):
    """Where a row belongs: parts from wide to narrow, and the code to take when none is found."""

    model_config = _STRICT

    parts: tuple[Feed, ...] = Field(alias="from", min_length=1)
    unknown: str = Field("", description="Code for unknown and blank places; empty refuses them.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return tuple(name for part in self.parts for name in part.columns)


def _place(value: Any) -> Any:
    if isinstance(value, str):
        return {"from": [value]}
    if isinstance(value, Mapping) and isinstance(value.get("from"), str):
        return {**value, "from": [value["from"]]}
    return value


class Made(BaseModel):
    """One event that a row makes."""

    model_config = _STRICT

    type: str
    name: str = Field(
        "", pattern=r"^[a-z0-9_]{0,20}$", description="Tells two events of one type of a row apart."
    )
    time: Feed
    recorded: Feed | None = Field(None, description="Default: `time`.")
    when: Feed | None = Field(None, description="The event is made only if this is not blank.")
    grid: Feed | None = None
    actor: Feed | None = None
    data: dict[str, Feed] = Field(min_length=1)

    @cached_property
    def cls(self) -> EventClass:
        """The class of the event."""
        return event_class(self.type)

    @property
    def suffix(self) -> str:
        """End of the event's id."""
        return self.name or self.type.split(".", 1)[-1]

    def feeds(self) -> Iterator[tuple[str, From]]:
        """Everything it reads, by name."""
        for name in ("time", "recorded", "when", "grid", "actor"):
            feed = getattr(self, name)
            if feed is not None:
                yield name, feed
        yield from self.data.items()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            fields = self.cls.fields
        except Refused as error:
            raise ValueError(str(error)) from None
        unknown = sorted(set(self.data) - set(fields))
        if unknown:
            raise ValueError(f"{self.type} has no field {unknown[0]!r}; it has {sorted(fields)}")
        missing = [name for name, spec in fields.items() if not spec.optional]
        missing = [name for name in missing if name not in self.data]
        if missing:
            spec = fields[missing[0]]
            raise ValueError(f"{self.type} needs data.{missing[0]} ({spec.zh})")
        for name, feed in self.data.items():
            if fields[name].money and feed.columns and not feed.unit:
                raise ValueError(f"data.{name} is money: say its unit, {', '.join(units())}")
        return self


class LedgerMapping(BaseModel):
    """A mapping file, checked against the event classes."""

    model_config = _STRICT

    source: Source
    identity: tuple[Annotated[str, BeforeValidator(plain)], ...] = Field(min_length=1)
    division: Annotated[Place, BeforeValidator(_place)]
    events: tuple[Made, ...] = Field(min_length=1)
    timezone: str = "Asia/Shanghai"
    times: tuple[str, ...] = Field((), description="Further strptime formats.")
    ordered: bool = Field(True, description="No event of a row happens before one listed above it.")
    header: int = Field(1, ge=1)
    sheet: str = ""

    @cached_property
    def zone(self) -> ZoneInfo:
        """Zone of times that name no zone."""
        return ZoneInfo(self.timezone)

    @cached_property
    def personal(self) -> frozenset[str]:
        """Columns about a person; no message quotes their cells."""
        return frozenset(
            column
            for made in self.events
            for name, feed in made.data.items()
            if made.cls.fields[name].personal
            for column in feed.columns
        )

    @cached_property
    def open_identity(self) -> bool:
        """Whether the events show the identity in the clear anyway, as with a case number."""
        shown = {
            column
            for made in self.events
            for name, feed in made.data.items()
            if not made.cls.fields[name].personal and not feed.digest
            for column in feed.columns
        }
        return set(self.identity) <= shown - self.personal

    def columns(self) -> tuple[str, ...]:
        """Every column it reads."""
        found = [*self.identity, *self.division.columns]
        found += [name for made in self.events for _, feed in made.feeds() for name in feed.columns]
        return tuple(dict.fromkeys(found))

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"there is no time zone {self.timezone!r}") from None
        names = [made.suffix for made in self.events]
        if len(set(names)) < len(names):
            raise ValueError("two events of one type: give each a name of its own")
        return self


def load_mapping(path: Path) -> LedgerMapping:
    """Reads a mapping file.

    Raises:
        Misconfigured: it cannot be read, or does not fit the event classes; says where.
    """
    try:
        return LedgerMapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        why = str(error.strerror)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        why = f"{error}"
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        why = f"{place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
    raise Misconfigured(
        f"映射文件 {path.name!r} 有误：{why}。(The mapping file is wrong.)",
        do="请对照 docs/examples 中的例子改正。(Compare it with the examples in docs/examples.)",
    )
