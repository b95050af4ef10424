"""Finds the division code of a place as clerks write it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from producers.ledgers.tables import plain
from schemas.reference.divisions import TOWNSHIP, VILLAGE, Divisions, parent

# The register names a village's committee (仰溪铺村村委会); a clerk names the village (仰溪铺村).
_COMMITTEES: Final = (
    (re.compile(r"(?<=社区)(村民委员会|村委会)$"), ""),
    (re.compile(r"村?(村民委员会|村委会)$"), "村"),
    (re.compile(r"(社区)?(居民委员会|居委会)$"), "社区"),
    (re.compile(r"(街道)?办事处$"), "街道"),
)
_ENDINGS: Final = re.compile(
    r"(苗族侗族自治县|侗族自治县|苗族自治县|土家族自治县|自治县|民族乡|街道|社区|县|市|区|镇|乡|村)$"
)


class Places:
    """Looks up division codes by code or name.

    A name must mean one place: first as a full name, then without 县, 镇, 村 and the like. A county
    wins over its town of the same name; two places of one level and name give None.
    """

    def __init__(self, divisions: Divisions) -> None:
        self._divisions = divisions
        self._city = divisions.city.code
        self._named: dict[str, list[str]] = {}
        self._short: dict[str, list[str]] = {}
        city = plain(divisions.city.name)
        for code, division in divisions.items():
            name = plain(division.name)
            # Everybody in the city calls 怀化市洪江管理区 just 洪江管理区.
            own = _itself(name.removeprefix(city) or name)
            for each in {name, own}:
                self._named.setdefault(each, []).append(code)
            self._short.setdefault(_short(own), []).append(code)

    def find(self, parts: Sequence[str]) -> str | None:
        """Code of the narrowest place; None when a part names no place, or more than one.

        Args:
            parts: from wide to narrow, each a code, a name, or names written together; blank parts
                are skipped. All blank means no place.
        """
        found = None
        for part in filter(None, (plain(part) for part in parts)):
            found = self._within(found or self._city, part)
            if found is None:
                return None
        return found

    def known(self, part: str) -> bool:
        """Whether a part is the code or the full name of some place, and so may be shown."""
        part = part.replace(" ", "")
        return part in self._named or self._code(part) is not None

    def _within(self, scope: str, part: str) -> str | None:
        if part.isascii() and part.isdigit():
            return self._code(part)
        part = part.replace(" ", "")
        own = _itself(part)
        for index, name in ((self._named, part), (self._named, own), (self._short, _short(own))):
            if found := self._only(scope, index.get(name, ())):
                return found
        # Written together: 怀化市鹤城区城中街道. The longest prefix that is a place wins.
        for end in range(len(part) - 1, 1, -1):
            head = self._only(scope, self._named.get(part[:end], ()))
            if head:
                return self._within(head, part[end:])
        return None

    def _only(self, scope: str, codes: Sequence[str]) -> str | None:
        """The one widest place inside `scope`, or the scope itself."""
        inside = [code for code in codes if self._inside(code, scope) and code != scope]
        if not inside:
            return scope if scope in codes else None
        # 中方 means the county rather than the town inside it.
        widest = [code for code in inside if len(code) == min(map(len, inside))]
        return widest[0] if len(widest) == 1 else None

    def _inside(self, code: str, scope: str) -> bool:
        while code != scope and parent(code) != code:
            code = parent(code)
        return code == scope

    def _code(self, digits: str) -> str | None:
        """The division of a code, without the trailing zeros of a longer statistical code."""
        for length in (VILLAGE, TOWNSHIP):
            if len(digits) == length and digits not in self._divisions and digits.endswith("000"):
                digits = digits[:-3]
        return digits if digits in self._divisions else None


def _itself(name: str) -> str:
    """The name of the place itself, when a name may be that of its committee or office."""
    for committee, place in _COMMITTEES:
        name = committee.sub(place, name)
    return name


def _short(name: str) -> str:
    short = _ENDINGS.sub("", name)
    return short if len(short) > 1 else name
