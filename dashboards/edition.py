"""The city and language that the boards are made for.

The code holds the Chinese texts. Another language is one file, `words/<language>.toml`, which maps
each Chinese text to a translation; `say` looks it up while the boards are made (D-59).
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
        code: six-digit code of the city.
        city: its name.
        zone: IANA name of its time zone; the boards' days, months and years follow it.
        map: its counties on a map; None without outlines.
        words: translation by Chinese text; a text without one stays Chinese.
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
        """The edition of the city in a divisions file.

        Raises:
            Misconfigured: the file, or the outlines beside it, cannot be read; or the language has
                no words file, or one that is not pairs of texts.
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
        words = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(
            f"There are no words of the language {language!r} ({type(error).__name__}).",
            do=f"Write {file.name} beside the others, or choose one that is there.",
        ) from error
    except ValueError as error:  # Not UTF-8, or not TOML: both errors are of this kind.
        raise Misconfigured(
            f"{str(file)!r} is no TOML in UTF-8: {error}.",
            do='Each line is "Chinese text" = "translation", both in quotes.',
        ) from error
    for zh, word in words.items():
        if not isinstance(word, str):
            raise Misconfigured(
                f"In {str(file)!r} the translation of {zh!r} is no text.",
                do=f'Write that line as "{zh}" = "…", both in quotes.',
            )
    return words


@cache
def _shipped() -> Edition:
    return Edition.load()


_CHOSEN: Final[ContextVar[Edition | None]] = ContextVar("edition", default=None)


def edition() -> Edition:
    """The edition being made; by default the shipped city in Chinese."""
    return _CHOSEN.get() or _shipped()


@contextmanager
def made_for(chosen: Edition) -> Iterator[None]:
    """Boards made inside this context are of the chosen edition."""
    token = _CHOSEN.set(chosen)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def say(text: str) -> str:
    """A Chinese text in the language of the edition."""
    return edition().words.get(text, text)
