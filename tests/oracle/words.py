"""Allowed values of a form's boxes, in the tests' own terms.

Nothing here is read from the product. The limits are those of the forms: a case number has up to 64
characters because the registers have, a visit lasts a day at most, and so on.
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
        stored: type of the figures' column; empty for a sealed text, which has none.
        values: all values of a vocabulary.
        least: smallest whole number, or fewest characters. most: largest, or most characters.
        shape: regular expression that matches the whole text.
        personal: a person's pseudonym, or sealed text about a person.
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
        required: it is never empty.
        total: its numbers are summed. fact: it describes the whole case.
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
    """Whether it is an instant with an offset in RFC 3339 format."""
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
    """A required box."""
    return Box(word)


def may(word: Word) -> Box:
    """An optional box."""
    return Box(word, required=False)


def fact(word: Word) -> Box:
    """A required box that describes the whole case."""
    return Box(word, fact=True)


def total(word: Word) -> Box:
    """A required box that is summed."""
    return Box(word, total=True)


PERSONS: Final = Word("Int64", most=1_000_000)
"""No office has more visitors than a county has people."""
THINGS: Final = Word("Int64", most=10_000_000)
MINUTES: Final = Word("Int64", most=24 * 60)
DAYS: Final = Word("Int64", least=1, most=366)
STARS: Final = Word("Int64", least=1, most=5)
FEN: Final = Word("Int64", most=100_000_000_000 * 100)
"""Up to 100 billion yuan, in hundredths."""
YES_OR_NO: Final = Word("Bool")
INSTANT: Final = Word("DateTime64(3)")
"""From 1971 to 2099: terms can start from it in every zone."""
CASE_NUMBER: Final = Word("String", least=1, most=64, shape=r"[A-Za-z0-9:._-]+")
EVENT_ID: Final = Word("String", least=1, most=64)
OFFICE: Final = Word("String", least=1, most=64)
CATEGORY: Final = Word("String", least=1, most=40)
NOTE: Final = Word("String", least=1, most=200)
PSEUDONYM: Final = Word(
    "String", least=34, most=41, shape=r"[a-z0-9]{1,8}\.[0-9a-f]{32}", personal=True
)
"""Key name of up to 8 characters, and 128 bits in hexadecimal."""
SEALED: Final = Word("", least=4, most=110_000, shape=r"s1\.[A-Za-z0-9_-]+", personal=True)
"""20,000 four-byte characters under AES-GCM in base64url are 106,707 characters."""
SOURCE: Final = Word("String", least=1, most=128, shape=r"[A-Za-z0-9:/?#=&.,;@~_+-]+")
"""A URI reference: no blanks, no Chinese, so no name."""
ACTOR: Final = Word(
    "String",
    least=1,
    most=64,
    shape=r"[A-Za-z0-9:._-]+|[0-9]{6}([0-9]{3}){0,2}-[\u4e00-\u9fffA-Za-z0-9]{1,51}",
)
"""A code, or an office behind its division's code."""
GRID: Final = Word("String", least=15, most=24, shape=r"[0-9]+")
"""The village's twelve digits, followed by at least three more."""
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
    "actor": may(ACTOR),
    "correlationid": may(EVENT_ID),
    "causationid": may(EVENT_ID),
}
"""CloudEvents attributes other than `data`; type, version, instants and place have extra rules."""


def fill(boxes: Boxes, content: Mapping[str, Any]) -> bool:
    """Whether a form is valid: all required boxes, no unknown box, only allowed values."""
    needed = {name for name, box in boxes.items() if box.required}
    return (
        needed <= set(content) <= set(boxes)
        and all(boxes[name].word.holds(value) for name, value in content.items())
    )  # fmt: skip


def shows_a_number(boxes: Boxes, content: Mapping[str, Any]) -> bool:
    """Whether an open text holds a mobile number, written in one piece.

    The histories write none in another way; `tests/schemas/test_open_text.py` has the spellings.
    """
    open_texts = (
        str(content[name])
        for name, box in boxes.items()
        if name in content
        and box.word.stored == "String"
        and not (box.word.values or box.word.personal or box.word in (GRID, TEXT))
    )
    runs = [run for text in open_texts for run in re.findall(r"\d+", text)]
    return any(len(run) == 11 and "13" <= run[:2] <= "19" for run in runs)
