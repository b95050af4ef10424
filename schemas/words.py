"""The shared value types: what a word means, its unit, its range, its source.

Each is a plain Python type with constraints that pydantic checks, and with marks for derived code:
`StoredAs` names the ClickHouse type in which views read the value, `Personal` forbids it in any
projection, label or message, `DivisionMark` is replaced by the codes of the city's divisions file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, Field

TEXT_MAX: Final = 20_000  # characters of plain text a form accepts
# AES-256-GCM of 20,000 four-byte characters in base64, with key id, nonce and tag around it.
SEALED_MAX: Final = 110_000
VILLAGE_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Text:
    """What something means, in whole sentences of English and of Chinese.

    Every description is a `Text`, from the field of an event to the column of a view, so no name
    can be explained in only one language.
    """

    en: str
    zh: str

    @property
    def whole(self) -> bool:
        """Whether both languages have a text that ends with a full stop."""
        return self.en.endswith(".") and self.zh.endswith("。") and len(self.zh) > 1

    def __add__(self, more: Text) -> Text:
        return Text(f"{self.en} {more.en}", f"{self.zh}{more.zh}")

    def __str__(self) -> str:
        """Chinese first: the readers of comments and of the catalogue read Chinese."""
        return f"{self.zh}{self.en}"


@dataclass(frozen=True, slots=True)
class StoredAs:
    """The ClickHouse type in which views extract the value from `data`."""

    type: str


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a value that stands for, or hides, something about a person.

    `sealed` values are ciphertext under the subject's key and never leave the events table;
    pseudonyms may be counted inside a case fold but are never published. A `digest` is made from
    the event's sealed texts, a pseudonym from the person's identity.
    """

    sealed: bool = False
    digest: bool = False


@dataclass(frozen=True, slots=True)
class Money:
    """Marks an amount of money, in fen (D-15)."""


class Labels(dict[str, str]):
    """Marks a vocabulary: every value with its Chinese name on forms and boards."""

    def __hash__(self) -> int:  # type: ignore[override]
        # A union hashes its members' marks: `Use | None` needs it.
        return hash(frozenset(self.items()))


@dataclass(frozen=True, slots=True)
class DivisionMark:
    """Marks a code that must be in the city's divisions file."""


Fen = Annotated[int, Field(ge=0, le=10**13), StoredAs("Int64"), Money()]
"""Money in fen (0.01 yuan), 0 to 100 bn yuan. Never a float."""

Persons = Annotated[int, Field(ge=0, le=1_000_000), StoredAs("Int64")]
"""People, 人次 unless the field says 人."""

Quantity = Annotated[int, Field(ge=0, le=10_000_000), StoredAs("Int64")]
"""Things of one kind, counted; the opening balance of a whole city fits."""

Minutes = Annotated[int, Field(ge=0, le=1440), StoredAs("Int64")]
"""A duration within one day."""

Days = Annotated[int, Field(ge=1, le=366), StoredAs("Int64")]
"""Natural days."""

Flag = Annotated[bool, StoredAs("Bool")]
"""Yes or no."""

Stars = Annotated[int, Field(ge=1, le=5), StoredAs("Int64")]
"""满意度, 1 very dissatisfied to 5 very satisfied."""

Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1971, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC)),
    StoredAs("DateTime64(3)"),
]
"""An instant with its offset, 1971 to 2099: the range of computable dates and deadlines."""

DivisionCode = Annotated[str, Field(pattern=r"^[0-9]{6}([0-9]{3}([0-9]{3})?)?$"), DivisionMark()]
"""Six digits a county, nine a township, twelve a village. Source: GB/T 2260, 统计用区划代码."""

GridCode = Annotated[str, Field(pattern=r"^[0-9]{15,24}$")]
"""A micro-grid: the village's twelve digits, then grid and micro-grid; the city sets the widths."""

EventId = Annotated[str, Field(min_length=1, max_length=64), StoredAs("String")]
"""Unique within its source (CloudEvents `id`)."""

Source = Annotated[
    str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9:/?#=&.,;@~_+-]+$")
]
"""Who says so, as a URI reference (RFC 3986) without percent signs, which could hide a name."""

Actor = Annotated[
    str,
    Field(
        pattern=r"^([A-Za-z0-9:._-]{1,64}|[0-9]{6}([0-9]{3}([0-9]{3})?)?-[\u4e00-\u9fffA-Za-z0-9]{1,51})$"
    ),
]
"""An office's or a clerk's code, a pseudonym, or a division's code and its office: 431202-网格中心.

A name alone has none of these forms.
"""

CaseId = Annotated[str, Field(pattern=r"^[A-Za-z0-9:._-]{1,64}$"), StoredAs("String")]
"""An office's own number for a case, a fund or a project; never a person's number."""

Office = Annotated[str, Field(min_length=1, max_length=64), StoredAs("String")]
"""An office or organisation by its code or short name; never a person."""

Pseudonym = Annotated[
    str, Field(pattern=r"^[a-z0-9]{1,8}\.[0-9a-f]{32}$"), StoredAs("String"), Personal()
]
"""A person or household as `<key id>.<first 128 bits of HMAC-SHA-256>`, never a name or number."""

Digest = Annotated[
    str, Field(pattern=r"^[a-z0-9]{1,8}\.[0-9a-f]{32}$"), StoredAs("String"), Personal(digest=True)
]
"""A keyed digest of personal content, so that equal content is found without reading it."""

Sealed = Annotated[
    str,
    Field(pattern=r"^s1\.[A-Za-z0-9_-]+$", max_length=SEALED_MAX),
    Personal(sealed=True),
]
"""Text of up to 20,000 characters, encrypted under its subject's key.

`s1.` and base64url of nonce, AES-256-GCM ciphertext and tag; the additional data is the event's id
and the field's name, so that a ciphertext cannot be moved to another event.
"""

Category = Annotated[str, Field(min_length=1, max_length=40), StoredAs("String")]
"""A class from a list that is the city's own data, such as 三级分类."""

Note = Annotated[str, Field(min_length=1, max_length=200), StoredAs("String")]
"""A short remark about a thing or a place, never about a person."""
