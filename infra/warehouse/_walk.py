"""The walk over a checked statement's tokens: what may stand where, and what it may name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from infra.warehouse._allowed import (
    AGGREGATES,
    ENDING,
    HIGHER,
    KEYWORDS,
    LEAVING_FROM,
    ROW_MAKERS,
    SCALARS,
    SIGNS,
    SYSTEM,
    TYPE_TEXTS,
    ZONE_TEXTS,
)
from infra.warehouse._fault import ACCESS_DENIED, UNKNOWN_FUNCTION, UNKNOWN_TABLE, Fault
from infra.warehouse._sql import Token, weight
from infra.warehouse._texts import is_type, plain
from infra.warehouse.access import User

_FUNCTIONS: Final = SCALARS | AGGREGATES
# Not State and Merge: a state that comes as a text may hold any bytes, and boards read figures.
_COMBINATORS: Final = (
    *("if", "array", "map", "foreach", "distinct"),
    *("ordefault", "ornull", "resample", "argmin", "argmax"),
)
_LONGEST_NAME: Final = 256
_MOST_WEIGHT: Final = 200
"""How many queries a statement may mean when each name from WITH stands for its query: the engine
analyses it each time."""
_NEVER: Final = frozenset(("SETTINGS", "INTO", "PARALLEL"))
"""Words that the walk takes for names, and the engine in some places for the begin of a clause."""
_PARAMETER: Final = re.compile(r"\{\w+:(.+)\}")
_READ_FROM: Final[Mapping[str, int]] = {**ZONE_TEXTS, **TYPE_TEXTS}
"""The first argument of a function that the engine may read as a type or a zone."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Names that the engine knows; functions in lower case."""

    functions: frozenset[str]
    table_functions: frozenset[str]
    databases: frozenset[str]
    relations: frozenset[tuple[str, str]]
    """Database and name of what is published."""

    def stem(self, name: str) -> str:
        """`name`, without the combinators if it is an aggregate function with some."""
        stem = name
        while stem.endswith(_COMBINATORS):
            stem = stem.removesuffix(next(filter(stem.endswith, _COMBINATORS)))
        return stem if name not in self.functions and stem in self.functions else name


@dataclass(slots=True)
class _Bracket:
    """What is known inside one pair of brackets, or of the statement itself."""

    clause: str = ""
    """SELECT, FROM, or a word that ended a FROM."""
    relation: bool = False
    """Whether a relation must come next."""
    function: str = ""
    """Whose arguments these are."""
    begin: int = 0
    """Where the current argument began."""
    count: int = 0
    """Arguments before the current one."""
    reads_from: int | None = None
    """Of a function named as the first argument: which of its own arguments is read as a text."""


class Walk:
    """One pass over the tokens of a SELECT; stops at the first that is not allowed."""

    def __init__(
        self,
        user: User,
        current: str,
        catalog: Catalog,
        zones: Set[str],
        found: Sequence[Token],
    ) -> None:
        self._user, self._current, self._catalog, self._found = user, current, catalog, found
        self._zones = zones
        self._brackets = [_Bracket()]
        self._operand = False
        """Whether an operand has just ended: no second can follow, only a word or a sign."""
        self._alias = False
        """Whether AS has just been read: a name comes next, whatever it looks like."""
        pairs = zip(found, found[1:], found[2:], strict=False)
        around = [(before.name, after) for before, middle, after in pairs if middle.upper == "AS"]
        self._queries = {name for name, after in around if after.text == "("}
        """Names from `WITH name AS (...)`."""
        self._sources = {after.name for _, after in around} | self._queries
        """Names that a column can be qualified with: these, aliases and relations."""
        self._qualified: list[str] = []
        self._calling = ""
        """The function whose bracket comes next."""

    def run(self) -> None:
        """Raises a Fault when anything in the statement is not allowed."""
        if weight(self._found, self._queries) > _MOST_WEIGHT:
            raise self._denied("names from WITH that stand for so many queries")
        at = 0
        while at < len(self._found):
            token = self._found[at]
            if token.name and (self._alias or token.upper not in KEYWORDS):
                at = self._name(at)
            else:
                if token.name:
                    self._keyword(at, token.upper)
                elif token.kind == "sign":
                    self._sign(at, token.text)
                else:
                    self._literal(token)
                at += 1
        for first in self._qualified:
            if first not in self._sources:
                raise self._denied(f"{first}: nothing in the statement has this name")

    def _literal(self, token: Token) -> None:
        if token.kind == "parameter":
            typed = _PARAMETER.fullmatch(token.text)
            if typed is None or not is_type(typed[1], self._zones):
                raise self._denied(f"the parameter {token.text}: names are checked as written")
        # The engine prints no heredoc and no other quotes.
        plain = token.kind in ("number", "parameter") or token.text[0] == "'"
        if not plain or self._operand or self._brackets[-1].relation:
            raise self._denied("a text or number in this place")
        self._operand, self._alias = True, False

    def _sign(self, at: int, sign: str) -> None:
        inside = self._brackets[-1]
        if sign not in SIGNS or (inside.relation and sign != "("):
            raise self._denied(f"the sign {sign!r} in this place")
        if sign == "*" and not self._operand:
            self._many(at)
        if sign in "([":
            function = self._calling if sign == "(" else ""
            bracket = _Bracket(relation=inside.relation, function=function, begin=at + 1)
            self._brackets.append(bracket)
            inside.relation = False
        elif sign in ")]" and len(self._brackets) > 1:
            self._argument(inside, at, is_last=True)
            self._brackets.pop()
        elif sign == ",":
            self._argument(inside, at, is_last=False)
            inside.begin, inside.count = at + 1, inside.count + 1
            inside.relation = inside.clause == "FROM"
        self._operand, self._alias, self._calling = sign in ")]", False, ""

    def _many(self, at: int) -> None:
        """Checks an asterisk or COLUMNS(...), which stand for many columns.

        As arguments they would be others than are written: `toString(*)` may name a time zone.
        """
        found, inside, first = self._found, self._brackets[-1], at
        while first > 1 and found[first - 1].text == "." and found[first - 2].name:
            first -= 2
        before = found[first - 1] if first else found[at]
        is_item = before.upper in ("SELECT", "DISTINCT") or before.text == ","
        counted = inside.function.lower() == "count" and [
            each.text for each in found[at - 1 : at + 2]
        ]
        if counted != ["(", "*", ")"] and not (is_item and inside.clause == "SELECT"):
            raise self._denied(
                f"{found[at].text} in this place", do="Write the columns, or use it after SELECT."
            )

    def _argument(self, inside: _Bracket, at: int, *, is_last: bool) -> None:
        """Checks one argument that ends before `at`, where its function reads it as a text."""
        name = inside.function.lower()
        if name in HIGHER:
            if not inside.count:
                inside.reads_from = self._named(inside.begin, at)
            if is_last and inside.reads_from is not None and inside.count > inside.reads_from:
                raise self._denied(
                    f"this function in {inside.function}", do="Write (x, y) -> f(x, y)."
                )
        reads_from = _READ_FROM.get(name)
        if reads_from is None or at == inside.begin:
            return
        only = self._found[inside.begin] if at == inside.begin + 1 else None
        text = None if only is None else plain(only)
        if name in ZONE_TEXTS:
            is_number = only is not None and (only.kind == "number" or only.upper == "NULL")
            if inside.count >= reads_from and not is_number and text not in self._zones:
                zones = ", ".join(sorted(self._zones))
                raise self._denied(
                    f"{inside.function} with such a time zone", do=f"Write one of {zones}."
                )
        elif (inside.count == reads_from or (is_last and reads_from < 0)) and not (
            text is not None and is_type(text, self._zones)
        ):
            raise self._denied(
                f"{inside.function} with such a type", do="Write a type of plain values."
            )

    def _named(self, begin: int, end: int) -> int | None:
        """Which argument is read as a text by the function that is named there; None by none."""
        found = self._found
        called = [each.text for each in found[begin + 1 : end + 1]]
        if ("-", ">") in itertools.pairwise(called):
            return None
        pairs = zip(found[begin:end], called, strict=True)
        named = (_READ_FROM.get(each.name.lower()) for each, after in pairs if after != "(")
        return min((at for at in named if at is not None), default=None)

    def _keyword(self, at: int, word: str) -> None:
        inside = self._brackets[-1]
        before = self._found[at - 1].upper if at else ""
        if word in ("SELECT", "WITH"):
            inside.relation = False
        if word == "SELECT":
            inside.clause = word
        elif word == "FROM" and before != "FILL":
            if inside.clause != "SELECT":
                raise self._denied("FROM in this place")
            inside.clause, inside.relation = word, True
        elif word == "JOIN":
            inside.relation = before != "ARRAY"
            inside.clause = "ARRAY" if before == "ARRAY" else "FROM"
        elif inside.clause == "FROM" and (word in LEAVING_FROM or word == "ARRAY"):
            if not self._operand and before != "LEFT":
                raise self._denied(f"{word} in this place")
            if word != "ARRAY":
                inside.clause = word
        elif word == "COLUMNS" and at + 1 < len(self._found) and self._found[at + 1].text == "(":
            self._many(at)
        self._alias = word == "AS"
        self._operand = word in ENDING

    def _name(self, at: int) -> int:
        """Checks a name, also one of several parts; returns the place after it."""
        found, end = self._found, at + 1
        parts = [found[at].name]
        while end + 1 < len(found) and found[end].text == "." and found[end + 1].name:
            parts.append(found[end + 1].name)
            end += 2
        called = end < len(found) and found[end].text == "("
        if max(map(len, parts)) > _LONGEST_NAME:
            raise self._denied(f"a name of more than {_LONGEST_NAME} characters")
        if not self._alias and found[at].upper in _NEVER:
            raise self._denied(f"{found[at].upper} in this place")
        inside = self._brackets[-1]
        if self._operand or found[at].text[0] in '"“':
            raise self._denied(f"{parts[0]} in this place")
        if not called and "." in parts[0] and parts[0].split(".")[0] in self._catalog.databases:
            # The engine may take one quoted name with a dot for a database and its relation.
            raise self._denied(parts[0])
        if inside.relation:
            inside.relation = False
            self._relation(parts, called=called)
        elif self._is_applied(at, end):
            self._function(".".join(parts), called=True)
            if _READ_FROM.get(parts[-1].lower(), 1) < 1:
                raise self._denied(f"{parts[-1]} after APPLY")
        elif len(parts) > 1 and not called:
            self._column(parts)
        else:
            self._function(".".join(parts), called=called)
            self._calling = parts[-1] if called else ""
        self._operand, self._alias = True, False
        return end

    def _is_applied(self, at: int, end: int) -> bool:
        """Whether the name from `at` up to `end` is a function after APPLY, not a lambda's x."""
        found = self._found
        before = at - 2 if at > 1 and found[at - 1].text == "(" else at - 1
        after = [each.text for each in found[end : end + 2]]
        return before >= 0 and found[before].upper == "APPLY" and after != ["-", ">"]

    def _relation(self, parts: list[str], *, called: bool) -> None:
        if called and len(parts) == 1:
            # The engine prints a view with parameters as one name: `database.view`(at = ...).
            parts = parts[0].split(".", 1)
            if len(parts) == 1 and (lower := parts[0].lower()) in self._catalog.table_functions:
                if lower not in ROW_MAKERS:
                    raise self._denied(f"the function {parts[0]}")
                return
        owner, name = parts if len(parts) == 2 else (self._current, parts[-1])
        self._sources.add(name)
        if owner == "system" and name in SYSTEM and not called:
            return
        if len(parts) > 2 or owner not in self._user.databases:
            raise self._denied(".".join(parts))
        if (owner, name) in self._catalog.relations:
            return
        if called:
            raise Fault(UNKNOWN_FUNCTION, f"Unknown table function {name}.")
        if len(parts) > 1 or name not in self._queries:
            raise Fault(UNKNOWN_TABLE, f"Unknown table {owner}.{name}.")

    def _column(self, parts: list[str]) -> None:
        """A column with its relation; after IN it may be a relation with its database."""
        if parts[0] in self._catalog.databases:
            published = parts[0] in self._user.databases
            if published and (parts[0], parts[1]) in self._catalog.relations:
                return
            if parts[0] == "system" and parts[1] in SYSTEM and len(parts) > 2:
                return
            raise self._denied(".".join(parts[:2]))
        self._qualified.append(parts[0])

    def _function(self, name: str, *, called: bool) -> None:
        """A function, or a name of one part that must not be a function's."""
        lower = name.lower()
        stem = self._catalog.stem(lower)
        if lower in _FUNCTIONS or stem in AGGREGATES:
            return
        if stem in self._catalog.functions or (called and lower in self._catalog.table_functions):
            raise self._denied(f"the function {name}")
        if called:
            raise Fault(UNKNOWN_FUNCTION, f"Unknown function {name}.")

    def _denied(self, what: str, *, do: str = "") -> Fault:
        return denied(self._user, what, do=do)


def denied(user: User, what: str, *, do: str = "") -> Fault:
    """The fault of a statement that is not allowed.

    Args:
        user: who asks.
        what: what the user may not, as "the function file".
        do: what to write instead, where that can be said.
    """
    readable = f"Readable are relations of {', '.join(user.databases) or 'no database'}."
    return Fault(
        ACCESS_DENIED, f"{user.name}: Not enough privileges for {what}.", do=do or readable
    )
