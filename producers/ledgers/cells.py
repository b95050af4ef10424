"""Reads cells as clerks write them: times, numbers, money, yes and no.

Nothing is guessed: an ambiguous cell, such as 3/4/2019, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from producers.ledgers.tables import plain

_EXCEL_ZERO: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - day 0 of Excel's 1900 system, no zone
_EXCEL_DAYS: Final = range(20_000, 80_000)  # 1954 to 2119: a serial, not a year or a count
_YEARS: Final = range(1949, 2100)

_WRITTEN: Final = re.compile(
    r"(?P<year>\d{4})\s?[-/.年]\s?(?P<month>\d{1,2})\s?[-/.月]\s?(?P<day>\d{1,2})\s?日?"
    r"(?:[T\s]*(?P<half>上午|下午|AM|PM|am|pm)?\s?(?P<hour>\d{1,2})\s?[:时点]"
    r"\s?(?P<minute>\d{1,2})?(?:\s?[:分]\s?(?P<second>\d{1,2})(?:[.,](?P<part>\d{1,6}))?)?"
    r"\s?[分秒]?\s?(?P<late>AM|PM|am|pm)?)?"
    r"\s?(?P<zone>Z|[+-]\d{2}:?\d{2})?"
)
_SERIAL: Final = re.compile(r"\d{5}(?:\.\d+)?")
_PACKED: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?)?")
_NUMBER: Final = re.compile(r"([-+]?[\d,]*\.?\d+)\s?(?:人次|户次|人|次|户|件|个|天|日|分钟|元)?")
_UNITS: Final = {"分": 1, "fen": 1, "元": 100, "yuan": 100, "万元": 1_000_000}
_FEN_MAX: Final = 10**20  # far more than any field holds; Decimal keeps 28 digits
_YES: Final = frozenset(["是", "有", "对", "√", "✓", "y", "yes", "true", "1", "重件"])
_NO: Final = frozenset(["否", "无", "没有", "不是", "×", "x", "n", "no", "false", "0", "初件"])


@dataclass(frozen=True, slots=True)
class When:
    """An instant; with `day_only` the cell named only a day, and `at` is its midnight."""

    at: datetime
    day_only: bool


def moment(cell: Any, formats: Sequence[str], zone: tzinfo) -> When | None:
    """The instant a cell means; None when it is not a time.

    Args:
        cell: text, number, date or datetime.
        formats: further `strptime` formats, tried first.
        zone: zone of times that name none.
    """
    found, day_only = _instant(cell, formats)
    if found is None or found.year not in _YEARS:
        return None
    return When(found if found.tzinfo else found.replace(tzinfo=zone), day_only)


def _instant(cell: Any, formats: Sequence[str]) -> tuple[datetime | None, bool]:
    if isinstance(cell, datetime):
        # Excel stores a day as an instant at midnight.
        return cell, cell.timetz() == time()
    if isinstance(cell, date):
        return datetime.combine(cell, time()), True
    if isinstance(cell, bool):
        return None, False
    text = plain(cell)
    for form in formats:
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007 - its zone is the mapping's
        except ValueError:
            continue
        return found, "%H" not in form and "%I" not in form
    written = _WRITTEN.fullmatch(text)
    if written:
        return _written(written)
    packed = _PACKED.fullmatch(text)
    if packed:
        numbers = [int(part) for part in packed.groups() if part]
        return _made(*numbers), len(numbers) == 3
    return _serial(text)


def _written(found: re.Match[str]) -> tuple[datetime | None, bool]:
    day = [int(found[name]) for name in ("year", "month", "day")]
    if found["hour"] is None:
        return (None, False) if found["half"] or found["zone"] else (_made(*day), True)
    hour = int(found["hour"])
    half = found["half"] or found["late"]
    if half:
        if not 1 <= hour <= 12:
            return None, False
        hour = hour % 12 + (12 if half.lower() in ("下午", "pm") else 0)
    clock = [hour, int(found["minute"] or 0), int(found["second"] or 0)]
    clock.append(int((found["part"] or "").ljust(6, "0")))
    made = _made(*day, *clock)
    if made is not None and found["zone"]:
        try:
            made = made.replace(tzinfo=datetime.strptime(found["zone"], "%z").tzinfo)
        except ValueError:
            return None, False
    return made, False


def _serial(text: str) -> tuple[datetime | None, bool]:
    """An Excel day number, which a cell shows when it has lost its date format."""
    # A pattern, because Decimal takes too much: 4e4 is no day, and 1e999999999 fills the memory.
    if not _SERIAL.fullmatch(text):
        return None, False
    days = Decimal(text)
    if int(days) not in _EXCEL_DAYS:
        return None, False
    # Rounded to the second, as Excel shows it: the fraction is an inexact binary float.
    return _EXCEL_ZERO + timedelta(seconds=round(days * 86_400)), days == int(days)


def _made(*parts: int) -> datetime | None:
    try:
        return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - its zone is the mapping's
    except ValueError:
        return None


def whole(cell: Any) -> int | None:
    """A whole number, ignoring a counting word after it; None when it is not one."""
    if isinstance(cell, bool):
        return None
    found = _NUMBER.fullmatch(plain(cell))
    number = _decimal(found[1]) if found else None
    return int(number) if number is not None and number == int(number) else None


def fen(cell: Any, unit: str) -> int | None:
    """Money in fen; None when it is not a whole number of fen. `unit` is 分, 元 or 万元."""
    text = plain(cell).lstrip("¥￥").removesuffix(unit).strip()
    found = _NUMBER.fullmatch(text)
    number = _decimal(found[1]) if found else None
    if number is None:
        return None
    # A binary float such as 0.1 + 0.2 means whole fen.
    exact = number * _UNITS[unit]
    if abs(exact) > _FEN_MAX:
        return None
    rounded = exact.quantize(Decimal(1))
    return int(rounded) if abs(exact - rounded) < Decimal("0.000001") else None


def units() -> tuple[str, ...]:
    """Units of money a mapping may name."""
    return tuple(_UNITS)


def yes(cell: Any) -> bool | None:
    """Yes or no; None when it is neither."""
    if isinstance(cell, bool):
        return cell
    text = plain(cell).lower()
    return True if text in _YES else False if text in _NO else None


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None
