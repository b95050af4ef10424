"""Finds identity and telephone numbers in texts that travel in the open.

Whoever reads a topic, a table or a board reads these texts, so every door refuses a number of a
person in them. No program can distinguish a name from other words. Names are kept out by the form
of a field (an actor is a code or a pseudonym) and by the mapping of a ledger, which lists the
allowed words.

What counts as a number of a person:

- An identity number (GB 11643): 18 characters with a province, a birthday and a right check digit;
  or the 15 digits in use until 1999, which have no check digit, with a birthday from 1930 on.
- A telephone number of the mainland: a mobile of 11 digits, or an area code with a landline of 7 or
  8 digits; either with 86 before it.
- Written with blanks, dashes, dots and the like between the groups, and with any digits of Unicode.

What does not, although it looks alike:

- A longer or shorter run of digits: amounts, timestamps, divisions.
- A micro-grid: 15 to 24 digits that begin with a village of the divisions file.
- A dated serial number, such as 431202 20210301 0007: a date since 2000 and a tail below 0100. Of
  the people born since 2000 one in a hundred has a number like it; without this rule one in eleven
  of the numbers that offices give their cases would be refused.
- A code whose form is declared in `_FORMS`: UUID, keyed digest, digest in hexadecimal.

Not found: a number inside a longer run of digits, and digits written as words (一三九).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, TypeAdapter


class Exposed(StrEnum):
    """What an open text must not hold; the value is what an official calls it."""

    IDENTITY = "居民身份证号"
    TELEPHONE = "电话号码"


_BETWEEN: Final = r"[- \t\n\r\x0b\x0c._:/()]"
_SPACED: Final = rf"{_BETWEEN}{{0,3}}"
# 138-2021-0001 is the first case of 2021 in office 138, not a telephone.
_NO_YEAR: Final = rf"(?!{_BETWEEN}{{0,3}}(?:19|20)[0-9]{{2}}{_BETWEEN})"
_MOBILE: Final = (
    rf"(?:(?:00)?86{_SPACED}|0)?1[3-9](?:"
    rf"[0-9](?:{_SPACED}[0-9]{{8}}|{_NO_YEAR}{_SPACED}[0-9]{{4}}{_SPACED}[0-9]{{4}})"
    rf"|[0-9]{{2}}{_SPACED}[0-9]{{3}}{_SPACED}[0-9]{{4}}"
    rf"|[0-9]{_SPACED}[0-9]{{3}}{_SPACED}[0-9]{{5}}"
    rf"|(?:{_BETWEEN}[0-9]){{9}})"  # digit by digit
    rf"|1{_BETWEEN}[3-9](?:{_BETWEEN}[0-9]){{9}}"
)
_LANDLINE: Final = (
    rf"(?:(?:00)?86{_SPACED}0?|0)(?:"
    rf"(?:10|2[0-9]){_NO_YEAR}{_SPACED}[2-9][0-9]{{3}}{_SPACED}[0-9]{{4}}"
    rf"|[3-9][0-9]{{2}}{_NO_YEAR}{_SPACED}[2-9][0-9]{{2,3}}{_SPACED}[0-9]{{4}})"
)
# 9 is a permanent residence card of a foreigner, 81 to 83 a residence permit (GB/T 2260).
_PLACE: Final = r"(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|9[0-9])"
_IDENTITY: Final = (
    rf"{_PLACE}(?:{_SPACED}[0-9]){{4}}{_SPACED}(?:1{_SPACED}9|2{_SPACED}0)"
    rf"(?:{_SPACED}[0-9]){{9}}{_SPACED}[0-9Xx]"
)
_OLD_IDENTITY: Final = rf"{_PLACE}[0-9]{{4}}{_SPACED}[3-9][0-9]{{5}}{_SPACED}[0-9]{{3}}"


def _rust(pattern: str) -> Callable[[str], bool]:
    """Whether a text matches, by pydantic's engine: 1.5 ns a character; Python's takes 150."""
    return TypeAdapter(Annotated[str, Field(pattern=pattern)]).validator.isinstance_python


_ANY: Final = "|".join((_MOBILE, _LANDLINE, _IDENTITY, _OLD_IDENTITY)).replace(_NO_YEAR, "")
# Rust's engine cannot look ahead, so this suspects a few texts that the exact patterns let pass.
_SUSPECT: Final = _rust(f"(?:^|[^0-9])(?:{_ANY})(?:[^0-9]|$)")
# Nothing that `_ascii` would change: ASCII and Chinese characters.
_ORDINARY: Final = _rust(r"^[\x00-\x7f\u4e00-\u9fff]*$")
_TOGETHER: Final = 32  # texts in one pass: a suspect among them costs looking at each


def _whole(pattern: str) -> re.Pattern[str]:
    """The pattern where no digit stands before or behind; overlapping matches are all found."""
    return re.compile(rf"(?<![0-9])(?=({pattern})(?![0-9]))")


_TELEPHONES: Final = _whole(f"(?:{_MOBILE}|{_LANDLINE})")
_IDENTITIES: Final = _whole(_IDENTITY)
_OLD_IDENTITIES: Final = _whole(_OLD_IDENTITY)
_FORMS: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"  # RFC 9562
    r"|[a-z0-9]{1,8}\.[0-9a-f]{32}"  # pseudonym or keyed digest of a vault
    # All digits is no digest but a number: a digest without a letter is one in 80,000 or rarer.
    r"|(?![0-9]+(?![0-9A-Za-z]))(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|[0-9a-f]{24})"
    r")(?![0-9A-Za-z])"
)
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"
_SERIAL_SINCE: Final = 2000
_VILLAGE: Final = 12  # digits


def exposed(text: str, codes: Container[str] = ()) -> Exposed | None:
    """The kind of the first number of a person in `text`; None when there is none.

    Args:
        text: any text.
        codes: division codes that exist; a number that begins with a village is a micro-grid.
    """
    plain = text if text.isascii() or _ORDINARY(text) else _ascii(text)
    if not _SUSPECT(plain):
        return None
    plain = _FORMS.sub("#", plain)
    if _identity(plain, codes):
        return Exposed.IDENTITY
    return Exposed.TELEPHONE if _TELEPHONES.search(plain) else None


def exposures(texts: Sequence[str], codes: Container[str] = ()) -> dict[str, Exposed]:
    """The texts with a number of a person, each with the kind of its first one.

    Many texts at once take half the time of calling `exposed` for each.
    """
    found = {}
    for start in range(0, len(texts), _TOGETHER):
        some = texts[start : start + _TOGETHER]
        joined = "\0".join(some)
        if (joined.isascii() or _ORDINARY(joined)) and not _SUSPECT(joined):
            continue
        for text in some:
            kind = exposed(text, codes)
            if kind is not None:
                found[text] = kind
    return found


def _ascii(text: str) -> str:
    """The text with ASCII digits, dashes and blanks, and without what nobody sees."""
    return "".join(map(_ascii_character, unicodedata.normalize("NFKC", text)))


def _ascii_character(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    category = unicodedata.category(character)
    if category == "Pd" or character == "·":
        return "-"
    if category in ("Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Mn", "Me") else character


def _identity(text: str, codes: Container[str]) -> bool:
    for written in _IDENTITIES.findall(text):
        number = re.sub(_BETWEEN, "", written).upper()
        year, tail = int(number[6:10]), number[14:]
        total = sum(int(digit) * w for digit, w in zip(number, _WEIGHTS, strict=False))
        if (
            number[17] == _CHECKS[total % 11]
            and _is_date(year, number[10:14])
            and not (year >= _SERIAL_SINCE and tail.startswith("00"))
            and number[:_VILLAGE] not in codes
        ):
            return True
    for written in _OLD_IDENTITIES.findall(text):
        number = re.sub(_BETWEEN, "", written)
        if _is_date(1900 + int(number[6:8]), number[8:12]) and number[:_VILLAGE] not in codes:
            return True
    return False


def _is_date(year: int, month_and_day: str) -> bool:
    try:
        date(year, int(month_and_day[:2]), int(month_and_day[2:]))
    except ValueError:
        return False
    return True
