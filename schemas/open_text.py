"""Finds identity and telephone numbers in texts that travel in the open.

Whoever reads a topic, a table or a board reads these texts, so every door refuses a number of a
person in them. A name cannot be told from other words: where it may stand is a matter of form (an
actor is a code or a pseudonym) and of the mapping of a ledger, which lists the words it lets pass.

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
from collections.abc import Collection, Container, Iterable, Iterator
from datetime import date
from enum import StrEnum
from typing import Final


class Exposed(StrEnum):
    """What an open text must not hold; the value is what an official calls it."""

    IDENTITY = "居民身份证号"
    TELEPHONE = "电话号码"


_LEAST_DIGITS: Final = 11  # of a mobile; every other number has more
_BETWEEN: Final = r"[- \t\n\r\v\f._:/()]"
_SPACED: Final = rf"{_BETWEEN}{{0,3}}"
# Mapped to one byte each; between two letters no number goes on.
_SHAPE: Final = bytes(
    ord("0") if byte in b"0123456789" else 0 if byte == 0 else ord("x") for byte in range(256)
)
_DROPPED: Final = b" \t\n\r\v\f-._:/()"
_RUN: Final = b"0" * _LEAST_DIGITS

_FORMS: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"  # RFC 9562
    r"|[a-z0-9]{1,8}\.[0-9a-f]{32}"  # pseudonym or keyed digest of a vault
    # All digits is no digest but a number: a digest without a letter is one in 80,000 or rarer.
    r"|(?![0-9]+(?![0-9A-Za-z]))(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|[0-9a-f]{24})"
    r")(?![0-9A-Za-z])"
)
_MOBILE: Final = re.compile(
    # 138-2021-0001 is the number 1 of 2021, not a telephone.
    rf"(?<![0-9])(?:(?:00)?86{_SPACED}|0)?1[3-9](?:"
    rf"[0-9](?!{_BETWEEN}+(?:19|20)[0-9]{{2}}{_BETWEEN}){_SPACED}[0-9]{{4}}{_SPACED}[0-9]{{4}}"
    rf"|[0-9]{{2}}{_SPACED}[0-9]{{3}}{_SPACED}[0-9]{{4}}"
    rf"|[0-9]{_SPACED}[0-9]{{3}}{_SPACED}[0-9]{{5}}"
    r")(?![0-9])"
)
_SPELT: Final = re.compile(  # a blank or dash between all digits
    rf"(?<![0-9])1{_BETWEEN}[3-9](?:{_BETWEEN}[0-9]){{9}}(?![0-9])"
)
_LANDLINE: Final = re.compile(
    rf"(?<![0-9])(?:(?:00)?86{_SPACED}0?|0)(?:"
    rf"(?:10|2[0-9]){_SPACED}(?!20[0-9]{{2}}{_BETWEEN})[2-9][0-9]{{3}}{_SPACED}[0-9]{{4}}"
    rf"|[3-9][0-9]{{2}}{_SPACED}(?!20[0-9]{{2}}{_BETWEEN})[2-9][0-9]{{2,3}}{_SPACED}[0-9]{{4}}"
    r")(?![0-9])"
)
# 9 is a permanent residence card of a foreigner, 81 to 83 a residence permit (GB/T 2260).
_PLACE: Final = r"(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|9[0-9])"
_IDENTITY: Final = re.compile(
    rf"(?<![0-9])(?=({_PLACE}(?:{_SPACED}[0-9]){{15}}{_SPACED}(?:[0-9]|[Xx](?![0-9A-Za-z])))(?![0-9]))"
)
_OLD_IDENTITY: Final = re.compile(
    rf"(?<![0-9])({_PLACE}[0-9]{{4}}{_SPACED}[3-9][0-9]{{5}}{_SPACED}[0-9]{{3}})(?![0-9])"
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
    plain = text if text.isascii() else _ascii(text)
    if len(plain) < _LEAST_DIGITS or _RUN not in _shape(plain):
        return None
    plain = _FORMS.sub("#", plain)
    if _identity(plain, codes):
        return Exposed.IDENTITY
    if _MOBILE.search(plain) or _LANDLINE.search(plain) or _SPELT.search(plain):
        return Exposed.TELEPHONE
    return None


def exposures(texts: Collection[str], codes: Container[str] = ()) -> dict[str, Exposed]:
    """The texts with a number of a person, each with the kind of its first one.

    One pass over all texts finds the few that have digits enough: 0.1 µs a text, a fifth of calling
    `exposed` for each.
    """
    found = ((text, exposed(text, codes)) for text in _suspects(texts))
    return {text: kind for text, kind in found if kind is not None}


def _suspects(texts: Collection[str]) -> Iterable[str]:
    joined = "\0".join(texts)
    shape = _shape(joined)
    if not joined.isascii():
        # In UTF-8 a digit such as ９ is no digit.
        yield from (text for text in texts if not text.isascii())
    if shape.count(0) == len(texts) - 1:
        yield from _with_a_run(list(texts), shape)
    elif texts:  # a text with a NUL of its own
        yield from texts


def _with_a_run(texts: list[str], shape: bytes) -> Iterator[str]:
    start, row = 0, 0
    while (at := shape.find(_RUN, start)) >= 0:
        row += shape.count(0, start, at)
        yield texts[row]
        start = shape.find(0, at)
        if start < 0:
            return


def _shape(text: str) -> bytes:
    """The text as runs of 0, one for each digit; what may stand inside a number is left out."""
    return text.encode(errors="surrogatepass").translate(_SHAPE, _DROPPED)


def _ascii(text: str) -> str:
    """The text with ASCII digits, dashes and blanks, and without what nobody sees."""
    return "".join(map(_ascii_character, unicodedata.normalize("NFKC", text)))


def _ascii_character(character: str) -> str:
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    category = unicodedata.category(character)
    if category == "Pd" or character == "·":
        return "-"
    if category in ("Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Mn", "Me") else character


def _identity(text: str, codes: Container[str]) -> bool:
    for written in _IDENTITY.findall(text):
        number = re.sub(_BETWEEN, "", written).upper()
        year, tail = int(number[6:10]), number[14:]
        serial = year >= _SERIAL_SINCE and tail.startswith("00")
        if (
            1900 <= year < 2100
            and not serial
            and _is_date(year, number[10:14])
            and _CHECKS[sum(int(n) * w for n, w in zip(number, _WEIGHTS, strict=False)) % 11]
            == number[17]
            and number[:_VILLAGE] not in codes
        ):
            return True
    for written in _OLD_IDENTITY.findall(text):
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
