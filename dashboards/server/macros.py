"""The ClickHouse plugin's macros, expanded as Grafana's back end expands them.

Grafana works in two stages. The page expands variables, `$__conditionalAll` and
`$__adHocFilters`; this module expands the rest, longest name first, never inside a comment.

Source: the plugin's pkg/macros and its SDK's macro engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from schemas.errors import Refused


@dataclass(frozen=True, slots=True)
class Scope:
    """Time range and width of a panel, from which its macros get their values.

    Args:
        start_ms: first instant of the range, ms since 1970 UTC.
        end_ms: last instant of the range, inclusive.
        interval_ms: width of one point of the panel; below 1 counts as 1.
        zone: IANA name that decides the day of `$__dateFilter`. Grafana uses its own process's
            zone there, which is UTC in its container, and never the board's.
        table: value of `$__table`; if it is missing, the macro is an error.
        column: the same for `$__column`.
    """

    start_ms: int
    end_ms: int
    interval_ms: int = 1000
    zone: str = "UTC"
    table: str = ""
    column: str = ""


def expand(sql: str, scope: Scope) -> str:
    """`sql` with every known macro replaced and its comments blanked; unknown names stay.

    Raises:
        Refused: a macro has a wrong number of arguments or an unreadable interval.
    """
    if "$__" not in sql:
        return sql
    text = _COMMENTS.sub(lambda found: found[1] or " " * len(found[0]), sql)
    for name, macro in _MACROS:
        text = _replaced(text, name, macro, scope)
    return text


# A string literal or a quoted identifier, to its end or that of the text. It reads backslash
# escapes as ClickHouse does: a scanner without them misreads 'it\'s' and blanks half of the
# statement. No repetition is gone back into and none is begun twice, so that no text costs more
# than its length.
_LITERAL = r"'(?:[^'\\]++|\\.|'')*+(?:'|\\?\Z)|\"(?:[^\"\\]++|\\.)*+(?:\"|\\?\Z)"
# A literal or a comment, whichever starts first; group 1 holds all but comments.
_COMMENTS = re.compile(
    rf"({_LITERAL}|`(?:[^`\\]++|\\.)*+(?:`|\\?\Z)|/\*(?!.*?\*/).*)|--[^\n]*|/\*.*?\*/", re.DOTALL
)
_QUOTED_OR_BRACKET = re.compile(rf"{_LITERAL}|[()]", re.DOTALL)
_QUOTED = re.compile(_LITERAL, re.DOTALL)

_Macro = Callable[[Scope, list[str]], str]


def _replaced(text: str, name: str, macro: _Macro, scope: Scope) -> str:
    pattern = re.compile(re.escape(name) + r"(?![A-Za-z0-9_])")
    if not pattern.search(text):
        return text
    closing = _closings(text)
    done: list[str] = []
    at = 0
    while found := pattern.search(text, at):
        done.append(text[at : found.start()])
        at = found.end()
        inside = ""
        if (end := closing.get(at)) is not None:
            inside, at = text[at + 1 : end], end + 1
        args = _arguments(inside)
        try:
            done.append(macro(scope, args))
        except Refused as error:
            raise Refused(f"macro {name}({', '.join(args)}): {error.what}", do=error.do) from None
    return "".join(done) + text[at:]


def _closings(text: str) -> dict[int, int]:
    """By the index of each bracket that is closed: that of the one that closes it."""
    closings: dict[int, int] = {}
    opened: list[int] = []
    for found in _QUOTED_OR_BRACKET.finditer(text):
        if found[0] == "(":
            opened.append(found.start())
        elif found[0] == ")" and opened:
            closings[opened.pop()] = found.start()
    return closings


def _arguments(inside: str) -> list[str]:
    """`inside` split at its outermost commas, each part trimmed; empty if `inside` is blank."""
    if not inside.strip():
        return []
    parts, depth, start, at = [], 0, 0, 0
    while at < len(inside):
        if quoted := _QUOTED.match(inside, at):
            at = quoted.end()
            continue
        depth += {"(": 1, ")": -1}.get(inside[at], 0)
        if inside[at] == "," and depth == 0:
            parts.append(inside[start:at].strip())
            start = at + 1
        at += 1
    return [*parts, inside[start:].strip()]


def _seconds(ms: int) -> str:
    return f"toDateTime({ms // 1000})"


def _millis(ms: int) -> str:
    return f"fromUnixTimestamp64Milli({ms})"


def _day(ms: int, zone: str) -> str:
    # Whole seconds first: ms / 1000 is a float and may round into the next day.
    local = datetime.fromtimestamp(ms // 1000, UTC).astimezone(ZoneInfo(zone))
    return f"toDate('{local:%Y-%m-%d}')"


def _wants(count: int, args: Sequence[str]) -> None:
    if len(args) != count:
        noun = "argument" if count == 1 else "arguments"
        raise Refused(
            f"unexpected number of arguments: expected {count} {noun}, received {len(args)}",
            do="Correct the panel's SQL.",
        )


def _time_filter(scope: Scope, args: list[str]) -> str:
    _wants(1, args)
    start, end = _seconds(scope.start_ms), _seconds(scope.end_ms)
    return f"{args[0]} >= {start} AND {args[0]} <= {end}"


def _time_filter_ms(scope: Scope, args: list[str]) -> str:
    _wants(1, args)
    start, end = _millis(scope.start_ms), _millis(scope.end_ms)
    return f"{args[0]} >= {start} AND {args[0]} <= {end}"


def _date_filter(scope: Scope, args: list[str]) -> str:
    _wants(1, args)
    start, end = _day(scope.start_ms, scope.zone), _day(scope.end_ms, scope.zone)
    return f"{args[0]} >= {start} AND {args[0]} <= {end}"


def _date_time_filter(scope: Scope, args: list[str]) -> str:
    _wants(2, args)
    return f"({_date_filter(scope, args[:1])}) AND ({_time_filter(scope, args[1:])})"


def _time_interval(scope: Scope, args: list[str]) -> str:
    _wants(1, args)
    return f"toStartOfInterval(toDateTime({args[0]}), INTERVAL {_interval_s(scope, [])} second)"


def _time_interval_ms(scope: Scope, args: list[str]) -> str:
    _wants(1, args)
    width = max(scope.interval_ms, 1)
    return f"toStartOfInterval(toDateTime64({args[0]}, 3), INTERVAL {width} millisecond)"


def _interval_s(scope: Scope, _args: list[str]) -> str:
    return str(max(scope.interval_ms // 1000, 1))


def _time_from(scope: Scope, args: list[str]) -> str:
    _wants(1, args)
    return f"{args[0]} >= {_seconds(scope.start_ms)}"


def _time_to(scope: Scope, args: list[str]) -> str:
    _wants(1, args)
    return f"{args[0]} <= {_seconds(scope.end_ms)}"


def _time_group(_scope: Scope, args: list[str]) -> str:
    _wants(2, args)
    width = args[1].strip("'\"")
    return f"toStartOfInterval(toDateTime({args[0]}), INTERVAL {_go_seconds(width)} second)"


_GO_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_GO_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def _go_seconds(text: str) -> int:
    """Whole seconds of a Go duration such as `1h30m`, at least 1. Go has no unit for days."""
    parts = _GO_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Refused(f"invalid interval {text!r}", do="Write it like 30s, 5m or 24h; no days.")
    return max(int(sum(float(number) * _GO_UNITS_S[unit] for number, unit in parts)), 1)


_LADDER_MS = (
    ("y", 365 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
)


def _interval(scope: Scope, _args: list[str]) -> str:
    width = max(scope.interval_ms, 1)
    for unit, size in _LADDER_MS:
        if width >= size:
            return f"{width // size}{unit}"
    return f"{width}ms"


def _named(scope: Scope, name: str) -> str:
    value = scope.table if name == "table" else scope.column
    if not value:
        raise Refused(f"the query names no {name}", do=f"Write the {name} into the SQL.")
    return value


_MACROS: tuple[tuple[str, _Macro], ...] = tuple(
    sorted(
        {
            "$__fromTime": lambda scope, _: _seconds(scope.start_ms),
            "$__toTime": lambda scope, _: _seconds(scope.end_ms),
            "$__fromTime_ms": lambda scope, _: _millis(scope.start_ms),
            "$__toTime_ms": lambda scope, _: _millis(scope.end_ms),
            "$__timeFilter": _time_filter,
            "$__timeFilter_ms": _time_filter_ms,
            "$__dateFilter": _date_filter,
            "$__dateTimeFilter": _date_time_filter,
            "$__dt": _date_time_filter,
            "$__timeInterval": _time_interval,
            "$__timeInterval_ms": _time_interval_ms,
            "$__interval_s": _interval_s,
            "$__interval": _interval,
            "$__interval_ms": lambda scope, _: str(scope.interval_ms),
            "$__timeFrom": _time_from,
            "$__timeTo": _time_to,
            "$__timeGroup": _time_group,
            "$__table": lambda scope, _: _named(scope, "table"),
            "$__column": lambda scope, _: _named(scope, "column"),
        }.items(),
        key=lambda pair: (-len(pair[0]), pair[0]),
    )
)
