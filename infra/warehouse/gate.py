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
import secrets
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from infra.warehouse import sizes
from infra.warehouse._allowed import FORMATS, SETTINGS, SYSTEM, ZONES
from infra.warehouse._fault import ACCESS_DENIED, READONLY, UNKNOWN_TABLE, Fault
from infra.warehouse._sql import Token, replaced_relations, tokens
from infra.warehouse._walk import Catalog, Walk, denied
from infra.warehouse.access import User
from infra.warehouse.engine import Engine

_MOST_BETWEEN: Final = 8
_MOST_PRINTED: Final = 512 << 10
"""The engine prints `x BETWEEN a AND b` with x twice. Forty in one another would take it a month,
and eight around a long list a quarter of a minute."""
_TOO_INTRICATE: Final = frozenset((167, 306, 718))
"""The parser's errors when it goes too deep, or back too often."""
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
        raise denied(user, f"the database {wanted!r}")
    return wanted


def settings(user: User, wanted: Mapping[str, str], zone: str = "UTC") -> dict[str, str]:
    """The settings of a statement of `user`: the limits, or lower values where it asks for them.

    Args:
        user: who asks.
        wanted: what it asks for.
        zone: the city's own time zone, which may be named beside those of the list.

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
        elif name == "session_timezone":
            if value not in ZONES | {"", zone}:
                raise Fault(
                    READONLY,
                    f"Cannot set {name!r} to such a value in readonly mode.",
                    do=f"Use one of {', '.join(sorted(ZONES | {zone}))}.",
                )
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
        raise denied(user, f"the format {name}")
    return name


def checked(engine: Engine, user: User, current: str, sql: str) -> tuple[str, str]:
    """Kind and text of the statement to run: the same as `sql`, in the engine's spelling.

    The text has no FORMAT. For USE it is the name of the database.

    Raises:
        Fault: the statement is refused (497), names something unknown, or is invalid.
    """
    if current not in user.databases:  # taken from the user after the login
        raise denied(user, f"the database {current!r}")
    betweens = sql.lower().count("between")
    if betweens > _MOST_BETWEEN or (betweens and len(sql) << betweens > _MOST_PRINTED):
        raise denied(
            user,
            f"{betweens} BETWEEN in {len(sql)} characters",
            do="Write x >= a AND x <= b.",
        )
    marked, moments = _without_moments(sql)
    check = _checked if len(marked) <= sizes.KEPT_CHARACTERS else _checked.__wrapped__
    try:
        kind, text = check(engine, engine.catalog, user.name, user.databases, current, marked)
    except Fault as fault:  # it may quote the statement
        raise Fault(fault.code, _unmarked(fault.what, moments), do=fault.do) from None
    return kind, _unmarked(text, moments)


def _without_moments(sql: str) -> tuple[str, list[str]]:
    """`sql` with marks for its instants, and the instants.

    A board asks again every few seconds with another instant as its only change. A number of ten or
    thirteen digits alone in brackets is one token wherever it stands, so the check of one such text
    holds for all; what a name in quotes would become is looked up with the mark in it. Nobody
    outside learns the mark, or a text could spell it with escapes and become another.
    """
    moments = _MOMENT.findall(sql)
    if _MARK in sql or len(moments) > _MOST_MOMENTS:
        return sql, []
    marks = itertools.count()
    return _MOMENT.sub(lambda _: f"{_MARK}{next(marks):03d}", sql), moments


_MOMENT: Final = re.compile(r"(?<=\()[1-9][0-9]{9}(?:[0-9]{3})?(?=\))")
_MOST_MOMENTS: Final = 1000
_MARK: Final = str(9 * 10**14 + secrets.randbelow(10**14))
_MARKED: Final = re.compile(f"{_MARK}([0-9]{{3}})")


def _unmarked(text: str, moments: Sequence[str]) -> str:
    """`text` with the instants in place of their marks."""

    def moment(found: re.Match[str]) -> str:
        at = int(found[1])
        return moments[at] if at < len(moments) else found[0]

    return _MARKED.sub(moment, text) if moments else text


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
    zones = ZONES | {engine.timezone}
    with _LOADING:
        catalog = _catalog(engine, changes, databases)
    if words[0] in ("SELECT", "WITH", "("):
        Walk(user, current, catalog, zones, found).run()
        return "SELECT", replaced_relations(canonical, _own_system(user))
    if words[:3] == ["DESCRIBE", "TABLE", "("]:
        # The engine describes one query in brackets; a second would follow an operand.
        Walk(user, current, catalog, zones, found[2:]).run()
        return "DESCRIBE", replaced_relations(canonical, _own_system(user))
    if words[0] == "USE" and len(found) == 2:
        if found[1].name not in user.databases:
            raise denied(user, f"the database {found[1].name!r}")
        return "USE", found[1].name
    return "SELECT", _metadata(user, current, catalog, found)


def _canonical(engine: Engine, user: User, sql: str) -> str:
    try:
        once, twice = _printed(engine, user, sql)
    except Fault as fault:
        if "Multi-statements" in fault.what:
            raise denied(user, "more than one statement") from None
        if fault.code in _TOO_INTRICATE:
            raise denied(user, "a statement so long or so deep", do="Use WITH.") from None
        # The rest of the engine's sentence is about the query in `_printed`.
        raise Fault(fault.code, fault.what.partition(": In scope SELECT base64Encode")[0]) from None
    if once != twice:
        raise denied(user, "a statement that the engine reads in two ways")
    return base64.b64decode(once).decode(errors="surrogateescape")


def _printed(engine: Engine, user: User, sql: str) -> list[str]:
    """`sql` as the engine prints it, and as it prints the printed text, both in base 64."""
    (row,) = engine.ask_for(
        user.name,
        "SELECT base64Encode(formatQuerySingleLine({asked:String}) AS once), "
        "base64Encode(formatQuerySingleLine(once))",
        asked=sql,
    )
    return row


_LOADING: Final = threading.Lock()
"""After a change one client loads the catalog and the others wait for it. When each loaded its own,
a hundred clients of a board filled every seat."""


@lru_cache(maxsize=8)
def _catalog(engine: Engine, catalog: int, published: tuple[str, ...]) -> Catalog:
    """Cached until a table, a function or a database changes."""
    del catalog
    built_in, table_functions = _built_in(engine)
    made = engine.ask("SELECT lower(name) FROM system.functions WHERE origin != 'System'")
    databases = engine.ask("SELECT name FROM system.databases")
    own = _texts(published)
    relations = engine.ask(f"SELECT database, name FROM system.tables WHERE database IN ({own})")
    return Catalog(
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


def _own_system(user: User) -> dict[tuple[str, str], str]:
    own = _texts(user.databases)
    return {
        ("system", table): f"(SELECT {columns} FROM system.{table} WHERE {owner} IN ({own}))"
        for table, (owner, columns) in SYSTEM.items()
    }


def _metadata(user: User, current: str, catalog: Catalog, found: Sequence[Token]) -> str:
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
    raise denied(user, f"a statement {words[0]}")


def _tables(user: User, current: str, found: Sequence[Token]) -> str:
    """`SHOW TABLES [FROM database] [[NOT] LIKE | ILIKE 'pattern'] [LIMIT n]`."""
    rest, owner, condition, limit = list(found[2:]), current, "", ""
    if len(rest) > 1 and rest[0].upper == "FROM":
        owner = rest[1].name
        del rest[:2]
    if owner not in user.databases:
        raise denied(user, f"the database {owner!r}")
    negated = "NOT " if rest and rest[0].upper == "NOT" else ""
    del rest[: bool(negated)]
    if len(rest) > 1 and rest[0].upper in ("LIKE", "ILIKE") and rest[1].kind == "text":
        condition = f" AND name {negated}{rest[0].upper} {rest[1].text}"
        del rest[:2]
    if len(rest) > 1 and rest[0].upper == "LIMIT" and rest[1].kind == "number":
        limit = f" LIMIT {rest[1].text}"
        del rest[:2]
    if rest:
        raise denied(user, f"SHOW TABLES with {rest[0].text}")
    return (
        f"SELECT name FROM system.tables WHERE database = {_text(owner)}{condition} "
        f"ORDER BY name{limit}"
    )


def _named(user: User, current: str, found: Sequence[Token]) -> tuple[str, str]:
    """Database and name of the one relation that `found` names."""
    names = [token.name for token in found if token.text != "."]
    written = ".".join(token.name or token.text for token in found if token.text != ".")
    if not all(names) or len(names) * 2 - 1 != len(found) or len(names) > 2:
        raise denied(user, written)
    owner, name = names if len(names) == 2 else (current, names[0])
    if owner not in user.databases:
        raise denied(user, f"{owner}.{name}")
    return owner, name


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _texts(values: Sequence[str]) -> str:
    return ", ".join(map(_text, values))
