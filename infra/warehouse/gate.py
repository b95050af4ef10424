"""Checks statements of a board's user: only reads, within limits, of its own databases.

The engine inside this process has no users, so this module checks the statement itself, in the form
that the engine's own parser gives it (`formatQuerySingleLine`): comments, heredocs, odd quotes and
spacing are gone, strings and identifiers have one spelling, and the checked text is the text that
runs (D-87). The check says what is allowed and refuses the rest:

- One SELECT, whose printed text is printed again unchanged. Its words, signs, functions, formats
  and settings are those of `_allowed`. A name that is a function's is one wherever it stands:
  `arrayMap(file, [...])` calls it without a bracket.
- After FROM and JOIN a relation of the user's databases, a name from WITH, or a maker of rows. A
  name of several parts begins with such a relation or with an alias.
- Of `system` three relations, filtered to the user's databases and to harmless columns. SHOW,
  DESCRIBE and EXISTS are answered by queries of this module.

A view of an allowed database may read anything: it runs with all rights. `readonly = 1` makes the
engine itself refuse writes and changes of settings.
"""

from __future__ import annotations

import base64
import itertools
import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from infra.warehouse import sizes
from infra.warehouse._allowed import (
    AGGREGATES,
    ENDING,
    FORMATS,
    KEYWORDS,
    LEAVING_FROM,
    PARAMETER_TYPE,
    ROW_MAKERS,
    SCALARS,
    SETTINGS,
    SIGNS,
    SYSTEM,
)
from infra.warehouse._fault import (
    ACCESS_DENIED,
    READONLY,
    UNKNOWN_FUNCTION,
    UNKNOWN_TABLE,
    Fault,
)
from infra.warehouse._sql import Token, replaced_relations, tokens, weight
from infra.warehouse.access import User
from infra.warehouse.engine import Engine

_FUNCTIONS: Final = SCALARS | AGGREGATES
# Not State and Merge: a state that comes as a text may hold any bytes, and boards read figures.
_COMBINATORS: Final = (
    *("if", "array", "map", "foreach", "distinct"),
    *("ordefault", "ornull", "resample", "argmin", "argmax"),
)
_LONGEST_NAME: Final = 256
_MOST_BETWEEN: Final = 8
"""The engine prints `x BETWEEN a AND b` with x twice, so that forty in one another would take it a
month."""
_MOST_WEIGHT: Final = 200
"""How many queries a statement may mean when each name from WITH stands for its query: the engine
analyses it each time."""
_NEVER: Final = frozenset(("SETTINGS", "INTO", "PARALLEL"))
"""Words that the walk takes for names, and the engine in some places for the begin of a clause."""
_PARAMETER: Final = re.compile(rf"\{{\w+:{PARAMETER_TYPE}\}}")
_HIDDEN: Final = frozenset(("_temporary_and_external_tables",))
"""Databases that `system.databases` does not list."""


def database(user: User, wanted: str) -> str:
    """The database in which names without one are looked up.

    Raises:
        Fault: `wanted` is not one of the user's.
    """
    if not user.databases:
        raise Fault(ACCESS_DENIED, f"{user.name}: Not enough privileges: no database is published.")
    # Clients configured without one ask for `default`, where the engine would look for files.
    if wanted in ("", "default"):
        return user.databases[0]
    if wanted not in user.databases:
        raise _denied(user, f"the database {wanted!r}")
    return wanted


def settings(user: User, wanted: Mapping[str, str]) -> dict[str, str]:
    """The settings of a statement of `user`: the limits, or lower values where it asks for them.

    Raises:
        Fault: a setting or a value that a read-only user may not choose.
    """
    chosen = {name: str(limit) for name, limit in user.limits.items()}
    for name, value in wanted.items():
        if name in user.limits:
            chosen[name] = str(_lowered(user.limits[name], value))
        elif name in SETTINGS:
            if not _fits(value, SETTINGS[name]):
                raise Fault(READONLY, f"Cannot set {name!r} to such a value in readonly mode.")
            chosen[name] = value
        elif name != "readonly":
            raise Fault(READONLY, f"Cannot modify {name!r} setting in readonly mode.")
    return chosen


def _lowered(limit: int, value: str) -> int:
    """`value` where it is a lower limit; whole and at least 1, because 0 means no limit."""
    try:
        asked = float(value)
    except ValueError:
        return limit
    if not 0 < asked < limit:
        return limit
    return max(1, math.floor(asked))


def _fits(value: str, allowed: range | str) -> bool:
    if isinstance(allowed, str):
        return re.fullmatch(allowed, value) is not None
    return re.fullmatch("[0-9]{1,18}", value) is not None and int(value) in allowed


def checked_format(user: User, name: str) -> str:
    """`name`, a format of answers.

    Raises:
        Fault: it is not among those that only shape the answer.
    """
    if name.lower() not in FORMATS:
        raise _denied(user, f"the format {name}")
    return name


def checked(engine: Engine, user: User, current: str, sql: str) -> tuple[str, str]:
    """Kind and text of the statement to run: the same as `sql`, in the engine's spelling.

    The text has no FORMAT. For USE it is the name of the database.

    Raises:
        Fault: the statement is refused (497), names something unknown, or is invalid.
    """
    if current not in user.databases:  # taken from the user after the login
        raise _denied(user, f"the database {current!r}")
    if sql.lower().count("between") > _MOST_BETWEEN:
        raise _denied(user, f"more than {_MOST_BETWEEN} BETWEEN")
    marked, moments = _without_moments(sql)
    check = _checked if len(marked) <= sizes.KEPT_CHARACTERS else _checked.__wrapped__
    kind, text = check(engine, engine.catalog, user.name, user.databases, current, marked)
    return kind, _MARKED.sub(lambda each: moments[int(each[1])], text) if moments else text


def _without_moments(sql: str) -> tuple[str, list[str]]:
    """`sql` with marks for its instants, and the instants.

    A board asks again every few seconds with another instant as its only change. A number of ten or
    thirteen digits alone in brackets is one token wherever it stands, so the check of one such text
    holds for all; what a name in quotes would become is looked up with the mark in it.
    """
    moments = _MOMENT.findall(sql)
    if _MARK in sql or len(moments) > _MOST_MOMENTS:
        return sql, []
    marks = itertools.count()
    return _MOMENT.sub(lambda _: f"{_MARK}{next(marks):03d}", sql), moments


_MOMENT: Final = re.compile(r"(?<=\()[1-9][0-9]{9}(?:[0-9]{3})?(?=\))")
_MOST_MOMENTS: Final = 1000
_MARK: Final = "907155263418092"
_MARKED: Final = re.compile(f"{_MARK}([0-9]{{3}})")


@lru_cache(maxsize=512)
def _checked(
    engine: Engine,
    changes: int,
    name: str,
    databases: tuple[str, ...],
    current: str,
    sql: str,
) -> tuple[str, str]:
    """The same, kept until a table changes."""
    user = User(name, "", "board", databases)
    canonical = _canonical(engine, user, sql)
    found = list(tokens(canonical))
    if len(found) > 2 and found[-2].upper == "FORMAT" and found[-1].name:
        checked_format(user, found[-1].name)
        canonical = canonical[: found[-2].start]
        del found[-2:]
    words = [token.upper or token.text for token in found]
    with _LOADING:
        catalog = _catalog(engine, changes, databases)
    if words[0] in ("SELECT", "WITH", "("):
        _Walk(user, current, catalog, found).run()
        return "SELECT", replaced_relations(canonical, _own_system(user))
    if words[:3] == ["DESCRIBE", "TABLE", "("]:
        # The engine describes one query in brackets; a second would follow an operand.
        _Walk(user, current, catalog, found[2:]).run()
        return "DESCRIBE", replaced_relations(canonical, _own_system(user))
    if words[0] == "USE" and len(found) == 2:
        if found[1].name not in user.databases:
            raise _denied(user, f"the database {found[1].name!r}")
        return "USE", found[1].name
    return "SELECT", _metadata(user, current, catalog, found)


def _canonical(engine: Engine, user: User, sql: str) -> str:
    try:
        once, twice = _printed(engine, sql)
    except Fault as fault:
        if "Multi-statements" in fault.what:
            raise _denied(user, "more than one statement") from None
        # The rest of the engine's sentence is about the query in `_printed`.
        raise Fault(fault.code, fault.what.partition(": In scope SELECT base64Encode")[0]) from None
    if once != twice:
        raise _denied(user, "a statement that the engine reads in two ways")
    return base64.b64decode(once).decode(errors="surrogateescape")


def _printed(engine: Engine, sql: str) -> list[str]:
    """`sql` as the engine prints it, and as it prints the printed text, both in base 64."""
    (row,) = engine.ask(
        "SELECT base64Encode(formatQuerySingleLine({asked:String}) AS once), "
        "base64Encode(formatQuerySingleLine(once))",
        asked=sql,
    )
    return row


@dataclass(frozen=True, slots=True)
class _Catalog:
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


_LOADING: Final = threading.Lock()
"""After a change one client loads the catalog and the others wait for it. When each loaded its own,
a hundred clients of a board filled every seat."""


@lru_cache(maxsize=8)
def _catalog(engine: Engine, catalog: int, published: tuple[str, ...]) -> _Catalog:
    """Cached until a table, a function or a database changes."""
    del catalog
    built_in, table_functions = _built_in(engine)
    made = engine.ask("SELECT lower(name) FROM system.functions WHERE origin != 'System'")
    databases = engine.ask("SELECT name FROM system.databases")
    own = _texts(published)
    relations = engine.ask(f"SELECT database, name FROM system.tables WHERE database IN ({own})")
    return _Catalog(
        built_in | {name for (name,) in made},
        table_functions,
        frozenset(name for (name,) in databases) | _HIDDEN,
        frozenset((owner, name) for owner, name in relations),
    )


@lru_cache(maxsize=8)
def _built_in(engine: Engine) -> tuple[frozenset[str], frozenset[str]]:
    """The engine's own functions and table functions."""
    functions = engine.ask("SELECT lower(name) FROM system.functions WHERE origin = 'System'")
    table_functions = engine.ask("SELECT lower(name) FROM system.table_functions")
    return (
        frozenset(name for (name,) in functions),
        frozenset(name for (name,) in table_functions),
    )


@dataclass(slots=True)
class _Bracket:
    """What is known inside one pair of brackets, or of the statement itself."""

    clause: str = ""
    """SELECT, FROM, or a word that ended a FROM."""
    relation: bool = False
    """Whether a relation must come next."""


class _Walk:
    """One pass over the tokens of a SELECT; stops at the first that is not allowed."""

    def __init__(self, user: User, current: str, catalog: _Catalog, found: Sequence[Token]) -> None:
        self._user, self._current, self._catalog, self._found = user, current, catalog, found
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
                    self._sign(token.text)
                else:
                    self._literal(token)
                at += 1
        for first in self._qualified:
            if first not in self._sources:
                raise self._denied(f"{first}: nothing in the statement has this name")

    def _literal(self, token: Token) -> None:
        if token.kind == "parameter" and not _PARAMETER.fullmatch(token.text):
            raise self._denied(f"the parameter {token.text}: names are checked as written")
        # The engine prints no heredoc and no other quotes.
        plain = token.kind in ("number", "parameter") or token.text[0] == "'"
        if not plain or self._operand or self._brackets[-1].relation:
            raise self._denied("a text or number in this place")
        self._operand, self._alias = True, False

    def _sign(self, sign: str) -> None:
        inside = self._brackets[-1]
        if sign not in SIGNS or (inside.relation and sign != "("):
            raise self._denied(f"the sign {sign!r} in this place")
        if sign in "([":
            self._brackets.append(_Bracket(relation=inside.relation))
            inside.relation = False
        elif sign in ")]" and len(self._brackets) > 1:
            self._brackets.pop()
        elif sign == "," and inside.clause == "FROM":
            inside.relation = True
        self._operand, self._alias = sign in ")]", False

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
        elif len(parts) > 1 and not called:
            self._column(parts)
        else:
            self._function(".".join(parts), called=called)
        self._operand, self._alias = True, False
        return end

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

    def _denied(self, what: str) -> Fault:
        return _denied(self._user, what)


def _own_system(user: User) -> dict[tuple[str, str], str]:
    own = _texts(user.databases)
    return {
        ("system", table): f"(SELECT {columns} FROM system.{table} WHERE {owner} IN ({own}))"
        for table, (owner, columns) in SYSTEM.items()
    }


def _metadata(user: User, current: str, catalog: _Catalog, found: Sequence[Token]) -> str:
    """The SELECT that answers a SHOW, DESCRIBE or EXISTS.

    Raises:
        Fault: the statement is another one, or asks about what is not published.
    """
    words = [token.upper or token.text for token in found]
    if words == ["SHOW", "DATABASES"]:
        own = _texts(user.databases)
        return f"SELECT name FROM system.databases WHERE name IN ({own}) ORDER BY name"
    if words[:2] == ["SHOW", "TABLES"]:
        return _tables(user, current, found)
    if words[:1] == ["EXISTS"]:
        owner, name = _named(user, current, found[1 + (words[1:2] in (["TABLE"], ["VIEW"])) :])
        return f"SELECT toUInt8({int((owner, name) in catalog.relations)}) AS result"
    if words[:2] == ["DESCRIBE", "TABLE"]:
        owner, name = _named(user, current, found[2:])
        if (owner, name) not in catalog.relations:
            raise Fault(UNKNOWN_TABLE, f"Unknown table {owner}.{name}.")
        return (
            "SELECT name, type, default_kind AS default_type, default_expression, comment, "
            "compression_codec AS codec_expression, '' AS ttl_expression FROM system.columns "
            f"WHERE database = {_text(owner)} AND table = {_text(name)} ORDER BY position"
        )
    raise _denied(user, f"a statement {words[0]}")


def _tables(user: User, current: str, found: Sequence[Token]) -> str:
    """`SHOW TABLES [FROM database] [[NOT] LIKE | ILIKE 'pattern'] [LIMIT n]`."""
    rest, owner, condition, limit = list(found[2:]), current, "", ""
    if len(rest) > 1 and rest[0].upper == "FROM":
        owner = rest[1].name
        del rest[:2]
    if owner not in user.databases:
        raise _denied(user, f"the database {owner!r}")
    negated = "NOT " if rest and rest[0].upper == "NOT" else ""
    del rest[: bool(negated)]
    if len(rest) > 1 and rest[0].upper in ("LIKE", "ILIKE") and rest[1].kind == "text":
        condition = f" AND name {negated}{rest[0].upper} {rest[1].text}"
        del rest[:2]
    if len(rest) > 1 and rest[0].upper == "LIMIT" and rest[1].kind == "number":
        limit = f" LIMIT {rest[1].text}"
        del rest[:2]
    if rest:
        raise _denied(user, f"SHOW TABLES with {rest[0].text}")
    return (
        f"SELECT name FROM system.tables WHERE database = {_text(owner)}{condition} "
        f"ORDER BY name{limit}"
    )


def _named(user: User, current: str, found: Sequence[Token]) -> tuple[str, str]:
    """Database and name of the one relation that `found` names."""
    names = [token.name for token in found if token.text != "."]
    written = ".".join(token.name or token.text for token in found if token.text != ".")
    if not all(names) or len(names) * 2 - 1 != len(found) or len(names) > 2:
        raise _denied(user, written)
    owner, name = names if len(names) == 2 else (current, names[0])
    if owner not in user.databases:
        raise _denied(user, f"{owner}.{name}")
    return owner, name


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _texts(values: Sequence[str]) -> str:
    return ", ".join(map(_text, values))


def _denied(user: User, what: str) -> Fault:
    return Fault(
        ACCESS_DENIED,
        f"{user.name}: Not enough privileges for {what}.",
        do=f"Readable are relations of {', '.join(user.databases) or 'no database'}.",
    )
