"""Variables in a stored board's SQL, filled in as Grafana's page fills them.

Grafana works in two stages. This module does the page's: variables, `$__conditionalAll` and
`$__adHocFilters`; `macros.py` expands the rest.

Source: Grafana's template service and the ClickHouse plugin's front end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from schemas.errors import Refused

ALL: Final = "$__all"

Value = str | list[str]


@dataclass(frozen=True, slots=True)
class Filling:
    """What stands for a variable in a text.

    Attributes:
        value: a list for a variable of several values; "All" is the list of all options.
        text: what people see of it, in the same shape.
        declared: the board itself writes the value out, so it may be any piece of SQL; other
            values come from data or from a person.
        everything: "All" is chosen.
    """

    value: Value
    text: Value
    declared: bool = False
    everything: bool = False


Fillings = Mapping[str, Filling]

_VARIABLE: Final = re.compile(
    r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]"
    r"|\$\{(\w+)(?:(?:\.[^:^}]+|\[[^\]]+\])+)?(?::([^}]+))?\}",
    re.ASCII,
)


def names_in(text: str) -> set[str]:
    """Names that stand in `text` where a variable may stand, macros' names among them."""
    return {found[1] or found[2] or found[4] for found in _VARIABLE.finditer(text)}


def filled_sql(sql: str, fillings: Fillings) -> str:
    """SQL with its variables and the page's macros filled in; unknown names stay.

    Raises:
        Refused: a format that SQL cannot use, or a value that has to be encoded.
    """
    open_ = _AD_HOC.sub("additional_table_filters={}", _conditional(sql, fillings))
    return _filled(open_, fillings, "")


def filled(text: str, fillings: Fillings) -> str:
    """A text that is no SQL, such as a data source's uid; several values become `{a,b}`.

    Raises:
        Refused: as for SQL.
    """
    return _filled(text, fillings, "glob")


def instants(start_ms: int, end_ms: int) -> dict[str, Filling]:
    """Grafana's own variables of the range: `__from` and `__to`."""
    return {
        name: Filling(str(ms), str(ms), declared=True)
        for name, ms in (("__from", start_ms), ("__to", end_ms))
    }


# No ad hoc filter is ever set on a board here, so the macro is its empty form.
_AD_HOC: Final = re.compile(r"\$__adHocFilters\([^)]*\)")
_CONDITIONAL: Final = "$__conditionalAll("


def _conditional(sql: str, fillings: Fillings) -> str:
    """`$__conditionalAll(condition, $v)`: the condition, or 1=1 when v is empty or "All"."""
    # From the last one backwards, so that a nested one is done before the one around it.
    while (at := sql.rfind(_CONDITIONAL)) >= 0:
        end = _closing(sql, at + len(_CONDITIONAL))
        condition, _, last = sql[at + len(_CONDITIONAL) : end].rpartition(",")
        named = re.fullmatch(r"\s*\$\{?(\w+)\}?\s*", last, re.ASCII)
        found = fillings.get(named[1]) if named else None
        open_ = found is None or found.everything or not found.value
        sql = sql[:at] + ("1=1" if open_ else condition) + sql[end + 1 :]
    return sql


def _closing(sql: str, start: int) -> int:
    depth = 1
    for at in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[at], 0)
        if depth == 0:
            return at
    return len(sql)


def _filled(text: str, fillings: Fillings, usual: str) -> str:
    def one(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[4]
        filling = fillings.get(name)
        if filling is None:
            return found[0]
        kind, _, argument = (found[3] or found[5] or usual).partition(":")
        return _formatted(name, filling, kind, argument)

    return _VARIABLE.sub(one, text)


def _formatted(name: str, filling: Filling, kind: str, argument: str) -> str:
    value = filling.text if kind == "text" else filling.value
    if encode := _ENCODED.get(kind):
        return encode(value)
    splice = _SPLICED.get(kind)
    if splice is None:
        raise Refused(
            f"format {kind!r} of variable {name!r} is none that SQL can use.",
            do="Write ${%s:percentencode} inside decodeURLComponent('…')." % name,  # noqa: UP031
        )
    if not filling.declared and not all(_WORD.fullmatch(each) for each in _listed(value)):
        # Quotes around it do not help: ClickHouse reads backslashes in them as escapes.
        raise Refused(
            f"a value of variable {name!r} is more than a word, and the SQL does not encode it.",
            do="Write ${%s:percentencode} inside decodeURLComponent('…')." % name,  # noqa: UP031
        )
    return splice(value, argument)


# What may stand in SQL as it is: a word, a code, a number or an instant, and never a comment.
_WORD: Final = re.compile(r"(?!.*--)[\w.:@+-]*")


def _listed(value: Value) -> list[str]:
    return value if isinstance(value, list) else [value]


def _glob(value: Value) -> str:
    listed = _listed(value)
    return f"{{{','.join(listed)}}}" if len(listed) > 1 else "".join(listed)


def _percent(value: Value) -> str:
    return quote(f"{{{','.join(value)}}}" if isinstance(value, list) else value, safe="")


def _literals(value: Value) -> str:
    # Grafana leaves backslashes alone, but ClickHouse takes them as escapes.
    plain = (each.replace("\\", "\\\\").replace("'", "''") for each in _listed(value))
    return ",".join(f"'{each}'" for each in plain)


def _in_sql(value: Value, _argument: str) -> str:
    """As the ClickHouse plugin splices a variable where no format is written."""
    return ",".join(f"'{each}'" for each in value) if isinstance(value, list) else value


def _pattern(value: Value, _argument: str) -> str:
    escaped = [re.sub(r"[.*+?^${}()|\[\]\\/]", r"\\\g<0>", each) for each in _listed(value)]
    return f"({'|'.join(escaped)})" if len(escaped) > 1 else "".join(escaped)


def _date(value: Value, argument: str) -> str:
    ms = int(_listed(value)[0])
    if argument in ("", "iso"):
        at = datetime.fromtimestamp(ms // 1000, UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"
    if argument == "seconds":
        return str(round(ms / 1000))
    raise Refused(f"a time in SQL has no format {argument!r}.", do="Use iso or seconds.")


def _joined(by: str) -> Callable[[Value, str], str]:
    return lambda value, argument: (argument or by).join(_listed(value))


_ENCODED: Final[Mapping[str, Callable[[Value], str]]] = {
    "percentencode": _percent,
    "sqlstring": _literals,
    "singlequote": _literals,
}
"""Formats that make any value harmless to ClickHouse."""

_SPLICED: Final[Mapping[str, Callable[[Value, str], str]]] = {
    "": _in_sql,
    "raw": lambda value, _: ",".join(_listed(value)),
    "csv": lambda value, _: ",".join(_listed(value)),
    "pipe": lambda value, _: "|".join(_listed(value)),
    "join": _joined(","),
    "text": lambda value, _: " + ".join(_listed(value)),
    "glob": lambda value, _: _glob(value),
    "doublequote": lambda value, _: ",".join(f'"{each}"' for each in _listed(value)),
    "json": lambda value, _: json.dumps(value, ensure_ascii=False),
    "regex": _pattern,
    "date": _date,
}
"""Formats that put a value into the SQL as it is."""
