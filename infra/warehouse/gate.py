"""Checks statements of a board's user: only reads, within limits, of its own databases.

The engine inside this process has no users, so this module checks the statement itself, in the form
that the engine's own parser gives it (`formatQuerySingleLine`): comments, heredocs, odd quotes and
spacing are gone, strings and identifiers have one spelling, and the checked text is the text that
runs (D-87). Three rules apply:

- The statement must be a SELECT, or one of a few harmless statements. `readonly = 1` makes the
  engine itself refuse writes, table functions that reach outside, and changes of settings.
- No name may begin with another database. Of `system` only databases, tables and columns are
  readable, filtered to what the user may see.
- Each function must be known, and must not be one that reaches a relation, a file, a dictionary or
  the network by a text argument.

A view of an allowed database may read anything: it runs with all rights.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from infra.warehouse._fault import ACCESS_DENIED, READONLY, Fault
from infra.warehouse._sql import Token, replaced_relations, statement_kind, tokens
from infra.warehouse.access import User
from infra.warehouse.engine import Engine

_UNKNOWN_FUNCTION = 46
_SYSTEM_TABLES: Final = {"databases": "name", "tables": "database", "columns": "database"}
"""Readable tables of `system`, and the column that names a database."""
_TABLE_FUNCTIONS: Final = frozenset(
    ("numbers", "numbers_mt", "zeros", "generate_series", "generateseries", "values", "null")
)
"""Table functions that only make rows; all others are refused, including future ones."""
_BY_TEXT: Final = re.compile(
    r"""dict|joinget|file|region(to|in|hier)|ai[a-z]+|hascolumnintable|evalml|catboost|model
    |getserver|getmacro|getmergetree|getmaxtable|getclienthttp|currentrequest|showcertificate
    |structureto|mergetree|pg_?[gt]|generateserial|zookeeper|transaction|addressto|demangle
    |logtrace|sleep|tcpport|serveruuid|fuzz|trap|timeseriesid|executable|url\(|__""",
    re.VERBOSE,
)
"""Prefixes of functions that reach things the statement does not name, or that only burn time."""
_ALSO_TABLE_FUNCTIONS: Final = frozenset(("format",))
"""Useful functions; the table function of the same name only parses its own text."""
_COMBINATORS: Final = re.compile(
    r"(If|Array|Map|State|SimpleState|Merge|MergeState|ForEach|Distinct|OrDefault|OrNull|Resample"
    r"|ArgMin|ArgMax)+$",
    re.IGNORECASE,
)
_BEFORE_BRACKETS: Final = frozenset(
    """
    SELECT DISTINCT FROM WHERE PREWHERE HAVING QUALIFY BY ON USING AND OR NOT IN GLOBAL AS WITH ALL
    ANY UNION EXCEPT INTERSECT JOIN OVER REPLACE WHEN THEN ELSE CASE BETWEEN LIKE ILIKE LIMIT OFFSET
    VALUES SETS CUBE ROLLUP EXISTS COLUMNS INTERPOLATE FILTER TABLE MATERIALIZED IS DIV MOD FILL TO
    STEP RECURSIVE INTERVAL ARRAY TOP REGEXP
    """.split()  # noqa: SIM905
)
_FREE_SETTINGS: Final = re.compile(
    r"output_format_\w+|date_time_output_format|session_timezone|limit|offset|max_block_size"
    r"|max_threads|log_comment|enable_http_compression|http_zlib_compression_level"
    r"|send_progress_in_http_headers|http_headers_progress_interval_ms|wait_end_of_query"
    r"|cancel_http_readonly_queries_on_client_close|http_\w+_timeout|(send|receive)_timeout"
    r"|connect_timeout"
)


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
        Fault: a setting that a read-only user may not change.
    """
    chosen = {name: str(limit) for name, limit in user.limits.items()}
    for name, value in wanted.items():
        if name in user.limits:
            try:
                asked = float(value)
            except ValueError:
                asked = 0.0
            if 0 < asked < user.limits[name]:
                chosen[name] = value
        elif _FREE_SETTINGS.fullmatch(name):
            chosen[name] = value
        elif name != "readonly":
            raise Fault(READONLY, f"Cannot modify {name!r} setting in readonly mode.")
    return chosen


def checked(engine: Engine, user: User, current: str, sql: str) -> tuple[str, str]:
    """Kind and text of the statement to run: the same as `sql`, in the engine's spelling.

    For USE the text is the name of the database.

    Raises:
        Fault: the statement is refused (497) or invalid.
    """
    try:
        canonical = _canonical(engine, sql)
    except Fault as fault:
        if "Multi-statements" in fault.what:
            raise _denied(user, "more than one statement") from None
        raise
    found = list(tokens(canonical))
    kind = statement_kind(canonical)
    names = [token.name for token in found]
    keywords = [token.upper for token in found]
    if kind == "USE" and len(found) == 2:
        if names[1] not in user.databases:
            raise _denied(user, f"the database {names[1]!r}")
        return kind, names[1]
    if keywords == ["SHOW", "DATABASES"]:
        listed = ", ".join(map(_text, user.databases))
        return "SELECT", f"SELECT name FROM system.databases WHERE name IN ({listed}) ORDER BY name"
    if keywords[:2] == ["SHOW", "TABLES"]:
        if keywords[2:3] == ["FROM"] and names[3] not in user.databases:
            raise _denied(user, f"the database {names[3]!r}")
        return kind, canonical
    if kind not in ("SELECT", "DESCRIBE"):
        raise _denied(user, f"a statement {kind}")
    _check_clauses(user, found)
    _check_names(engine, user, found)
    _check_functions(engine, user, current, found)
    return kind, _with_own_system(user, canonical)


@lru_cache(maxsize=512)
def _canonical(engine: Engine, sql: str) -> str:
    rows = engine.ask("SELECT base64Encode(formatQuerySingleLine({asked:String}))", asked=sql)
    return base64.b64decode(rows[0][0]).decode(errors="surrogateescape")


def _check_clauses(user: User, found: Sequence[Token]) -> None:
    for token, after in pairwise(found):
        if token.upper == "INTO":
            raise _denied(user, "INTO OUTFILE")
        if token.upper == "SETTINGS" and after.name:
            raise _denied(user, "SETTINGS in the statement")
    for token in found:
        if token.kind == "parameter" and "Identifier" in token.text:
            raise _denied(
                user, f"the parameter {token.text}: names are checked as they are written"
            )
        if token.text in ("'", '"', "`", ";", "\\"):
            raise _denied(user, "a statement that cannot be read with certainty")


def _check_names(engine: Engine, user: User, found: Sequence[Token]) -> None:
    for token in found:
        # `system.tables` as two names is filtered to the user's databases; one quoted name is not.
        if token.kind == "quoted" and token.name.lower().startswith("system."):
            raise _denied(user, token.name)
    existing = {name for (name,) in _databases(engine, engine.catalog)}
    lowered = {name.lower() for name in existing - set(user.databases)}
    for chain in _chains(found):
        if len(chain) < 2 or chain[0] in user.databases:
            continue
        if chain[0].lower() == "system" and chain[1] in _SYSTEM_TABLES:
            continue
        if chain[0].lower() in lowered | {"system", "information_schema", "default"}:
            raise _denied(user, f"{'.'.join(chain[:2])}")


def _check_functions(engine: Engine, user: User, current: str, found: Sequence[Token]) -> None:
    functions, table_functions = _functions(engine, engine.catalog)
    for at, token in enumerate(found):
        after = found[at + 1].text if at + 1 < len(found) else ""
        if not _is_function(found, at, after):
            continue
        owner, _, name = token.name.rpartition(".")
        if owner in user.databases:  # a view with parameters, spelled as one name
            continue
        lower = name.lower()
        refused = lower in table_functions - _TABLE_FUNCTIONS - _ALSO_TABLE_FUNCTIONS
        if refused or _BY_TEXT.match(lower):
            raise _denied(user, f"the function {name}")
        stem = _COMBINATORS.sub("", name).lower()
        if lower in functions or lower in _TABLE_FUNCTIONS or stem in functions:
            continue
        if name not in _relations(engine, engine.catalog, current):
            raise Fault(_UNKNOWN_FUNCTION, f"Unknown function {name}. (UNKNOWN_FUNCTION)")


def _is_function(found: Sequence[Token], at: int, after: str) -> bool:
    token = found[at]
    if not token.name or (at and found[at - 1].text == "."):
        return False
    before = [each.upper for each in found[max(at - 2, 0) : at]]
    if "APPLY" in before and after != "-":  # a bare name, but not the argument of a lambda
        return True
    return after == "(" and token.upper not in _BEFORE_BRACKETS and token.upper != "APPLY"


def _chains(found: Sequence[Token]) -> Iterator[list[str]]:
    """Names joined by dots, whether the dots are outside or inside quotes."""
    chain: list[str] = []
    for at, token in enumerate(found):
        if token.name and (not chain or found[at - 1].text == "."):
            chain += token.name.split(".")
        elif token.text != "." or not chain:
            if chain:
                yield chain
            chain = token.name.split(".") if token.name else []
    if chain:
        yield chain


def _with_own_system(user: User, canonical: str) -> str:
    listed = ", ".join(map(_text, user.databases))
    return replaced_relations(
        canonical,
        {
            ("system", table): f"(SELECT * FROM system.{table} WHERE {column} IN ({listed}))"
            for table, column in _SYSTEM_TABLES.items()
        },
    )


@lru_cache(maxsize=4)
def _databases(engine: Engine, catalog: int) -> list[list[str]]:
    del catalog
    return engine.ask("SELECT name FROM system.databases")


@lru_cache(maxsize=4)
def _functions(engine: Engine, catalog: int) -> tuple[frozenset[str], frozenset[str]]:
    """Lower-case names of functions and of table functions."""
    del catalog
    scalar = engine.ask("SELECT lower(name) FROM system.functions")
    table = engine.ask("SELECT lower(name) FROM system.table_functions")
    return frozenset(name for (name,) in scalar), frozenset(name for (name,) in table)


@lru_cache(maxsize=16)
def _relations(engine: Engine, catalog: int, current: str) -> frozenset[str]:
    del catalog
    listed = engine.ask("SELECT name FROM system.tables WHERE database = {db:String}", db=current)
    return frozenset(name for (name,) in listed)


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _denied(user: User, what: str) -> Fault:
    return Fault(
        ACCESS_DENIED,
        f"{user.name}: Not enough privileges for {what}.",
        do=f"Readable are relations of {', '.join(user.databases) or 'no database'}.",
    )
