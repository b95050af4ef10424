"""What a box of a form may hold, in the tests' own words.

Nothing here is read from the product. A limit is what the form says: an office's number of a case
has 64 characters because the registers have, a visit lasts a day at most, and so on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Word:
    """A kind of value.

    Attributes:
        stored: type in which figures read it; empty for a sealed text, which none reads.
        values: of a vocabulary, all there are.
        least: smallest whole number, or fewest characters. most: largest, or most characters.
        shape: regular expression that the whole text fits.
        personal: stands for a person, or hides something about one.
    """

    stored: str
    values: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    shape: str = ""
    personal: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a box of this kind may hold the value."""
        if self.stored == "Bool":
            return type(value) is bool
        if self.stored == "Int64":
            return type(value) is int and self.least <= value <= self.most
        if not isinstance(value, str):
            return False
        if self.values:
            return value in self.values
        if self.stored == INSTANT.stored:
            return instant(value) and _FIRST <= datetime.fromisoformat(value) < _END
        if self.shape and not re.fullmatch(self.shape, value):
            return False
        return self.least <= len(value) <= self.most


@dataclass(frozen=True, slots=True)
class Box:
    """A field of a form.

    Attributes:
        required: it is never left empty.
        total: its numbers are added up. fact: it says something of the whole case.
    """

    word: Word
    required: bool = True
    total: bool = False
    fact: bool = False


Boxes = Mapping[str, Box]

_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_FIRST: Final = datetime.fromisoformat("1971-01-01T00:00:00Z")
_END: Final = datetime.fromisoformat("2100-01-01T00:00:00Z")


def instant(value: object) -> bool:
    """Whether it is an instant with its offset, as RFC 3339 writes one."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def words(*values: str) -> Word:
    """A vocabulary."""
    return Word("String", values, most=max(map(len, values)))


def need(word: Word) -> Box:
    """A box that is always filled in."""
    return Box(word)


def may(word: Word) -> Box:
    """A box that may stay empty."""
    return Box(word, required=False)


def fact(word: Word) -> Box:
    """Always filled in, and said of the whole case."""
    return Box(word, fact=True)


def total(word: Word) -> Box:
    """Always filled in, and added up."""
    return Box(word, total=True)


PERSONS: Final = Word("Int64", most=1_000_000)
"""More people than a county has come to no office."""
THINGS: Final = Word("Int64", most=10_000_000)
MINUTES: Final = Word("Int64", most=24 * 60)
DAYS: Final = Word("Int64", least=1, most=366)
STARS: Final = Word("Int64", least=1, most=5)
FEN: Final = Word("Int64", most=100_000_000_000 * 100)
"""Up to 100 billion yuan, in hundredths."""
YES_OR_NO: Final = Word("Bool")
INSTANT: Final = Word("DateTime64(3)")
"""From 1971 to 2099: terms can be counted from it in every zone."""
CASE_NUMBER: Final = Word("String", least=1, most=64, shape=r"[A-Za-z0-9:._-]+")
EVENT_ID: Final = Word("String", least=1, most=64)
OFFICE: Final = Word("String", least=1, most=64)
CATEGORY: Final = Word("String", least=1, most=40)
NOTE: Final = Word("String", least=1, most=200)
PSEUDONYM: Final = Word(
    "String", least=34, most=41, shape=r"[a-z0-9]{1,8}\.[0-9a-f]{32}", personal=True
)
"""A key's name of up to 8 characters, and 128 bits in hexadecimal."""
SEALED: Final = Word("", least=4, most=110_000, shape=r"s1\.[A-Za-z0-9_-]+", personal=True)
"""20,000 characters of four bytes under AES-GCM in base64url are 106,707."""
SOURCE: Final = Word("String", least=1, most=128)
GRID: Final = Word("String", least=15, most=24, shape=r"[0-9]+")
"""The village's twelve digits and at least three more."""
TEXT: Final = Word("String", most=1_000_000)

ENVELOPE: Final[Boxes] = {
    "specversion": need(words("1.0")),
    "id": need(EVENT_ID),
    "source": need(SOURCE),
    "type": need(TEXT),
    "dataschema": need(TEXT),
    "time": need(TEXT),
    "recorded": need(TEXT),
    "division": need(TEXT),
    "grid": may(GRID),
    "actor": may(Word("String", least=1, most=64)),
    "correlationid": may(EVENT_ID),
    "causationid": may(EVENT_ID),
}
"""Attributes of CloudEvents beside `data`. Type, version, instants and place have rules apart."""


def fill(boxes: Boxes, content: Mapping[str, Any]) -> bool:
    """Whether a form is filled in as it must be: no box too many, none too few, each rightly."""
    needed = {name for name, box in boxes.items() if box.required}
    return (
        needed <= set(content) <= set(boxes)
        and all(boxes[name].word.holds(value) for name, value in content.items())
    )  # fmt: skip
