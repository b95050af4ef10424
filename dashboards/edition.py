"""For whom the boards are made: which city, in which language.

Chinese stands in the code. Another language is one file, `words/<language>.toml`, with a text in
that language for each Chinese one; `say` looks it up while the boards are made.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Self

from schemas.errors import Misconfigured
from schemas.reference.divisions import SHIPPED, Divisions
from schemas.reference.outlines import Outlines, outlines

CHINESE: Final = "zh"
_WORDS: Final = Path(__file__).parent / "words"


@dataclass(frozen=True, slots=True)
class Edition:
    """A city and a language.

    Attributes:
        code: of the city, six digits.
        city: its name.
        zone: IANA name of its zone; days, months and years of the boards are of it.
        map: its counties on a map; None where no outlines are known.
        words: texts by their Chinese; a text that is not there stays Chinese.
    """

    code: str
    city: str
    zone: str
    map: Outlines | None = None
    words: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def load(
        cls,
        divisions_file: Path = SHIPPED,
        zone: str = "Asia/Shanghai",
        language: str = CHINESE,
    ) -> Self:
        """The edition of the city of a divisions file.

        Raises:
            Misconfigured: the file, or the outlines beside it, cannot be read; or there are no
                words of the language.
        """
        divisions = Divisions.load(divisions_file)
        city = divisions.city
        return cls(
            city.code, city.name, zone, outlines(divisions_file, divisions), _words(language)
        )


def _words(language: str) -> Mapping[str, str]:
    if language == CHINESE:
        return {}
    file = _WORDS / f"{language}.toml"
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(
            f"There are no words of the language {language!r} ({type(error).__name__}).",
            do=f"Write {file.name} beside the others, or choose one that is there.",
        ) from error


@cache
def _shipped() -> Edition:
    return Edition.load()


_CHOSEN: Final[ContextVar[Edition | None]] = ContextVar("edition", default=None)


def edition() -> Edition:
    """The edition that is being made; the shipped city in Chinese where none was chosen."""
    return _CHOSEN.get() or _shipped()


@contextmanager
def made_for(chosen: Edition) -> Iterator[None]:
    """Makes what is made inside for that edition."""
    token = _CHOSEN.set(chosen)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def say(text: str) -> str:
    """A Chinese text in the language of the edition."""
    return edition().words.get(text, text)
