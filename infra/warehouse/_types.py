"""Finds where each column of a native block ends: walks the column, never decodes it.

A native block carries no length, so a forwarder must find the end of each column. Fixed widths are
arithmetic; clickhouse-driver's compiled reader walks strings at 0.01 µs each.
"""

from __future__ import annotations

import array
import re
import struct
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol

from infra.warehouse import sizes
from infra.warehouse._fault import INCORRECT_DATA, NOT_IMPLEMENTED, TOO_DEEP_RECURSION, Fault

_WIDTHS = {
    **{f"{sign}Int{bits}": bits // 8 for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)},
    "Float32": 4,
    "Float64": 8,
    "BFloat16": 2,
    "Bool": 1,
    "Date": 2,
    "Date32": 4,
    "UUID": 16,
    "IPv4": 4,
    "IPv6": 16,
    "Time": 4,
    "Nothing": 1,
    "Enum8": 1,
    "Enum16": 2,
    "DateTime": 4,
    "DateTime64": 8,
    "Time64": 8,
    "Decimal32": 4,
    "Decimal64": 8,
    "Decimal128": 16,
    "Decimal256": 32,
}
_ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
}
_DECIMAL_BYTES = ((9, 4), (18, 8), (38, 16), (76, 32))
"""Decimal(P, S): the smallest width that holds P digits."""
_ELEMENT_NAME = re.compile(r"(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(?=[A-Z])")
_EXTRA_KEYS = 1 << 9
"""LowCardinality: the block carries its dictionary; the native protocol uses no other layout."""
_WIDEST_INDEX = 3
"""LowCardinality: the indexes have 1, 2, 4 or 8 bytes, 2 to this power at most."""
_INT64 = struct.Struct("<q")


class Stream(Protocol):
    """The stream that `walk` needs; `infra.warehouse.wire.ByteSource` is one."""

    def skip(self, count: int) -> None: ...
    def read(self, count: int) -> bytes: ...
    def skip_strings(self, count: int) -> None: ...


Walk = Callable[[Stream, int], None]
_Column = tuple[Walk, Walk]
"""State prefix and data. All prefixes of a column come before its first data byte."""


def walk(kind: str, rows: int, stream: Stream) -> None:
    """Moves `stream` from the first byte of a column to the byte after it.

    Raises:
        Fault: the type's layout depends on its values in ways only the engine knows (aggregate
            function states, Variant, Dynamic, JSON).
        Fault: it is malformed: its offsets fall, its brackets are too deep.
    """
    if rows:
        prefix, data = _known(kind) if len(kind) <= _SHORT_KIND else _whole(kind)
        prefix(stream, rows)
        data(stream, rows)


def _whole(kind: str) -> _Column:
    depth = 0
    for bracket in _PARTS.finditer(kind):
        depth += {"(": 1, ")": -1}.get(bracket[0], 0)
        if depth > sizes.TYPE_DEPTH:
            raise Fault(
                TOO_DEEP_RECURSION,
                f"A column's type has more than {sizes.TYPE_DEPTH} brackets within brackets.",
                do="Send it as a String and parse it in the query.",
            )
    return _column(kind)


_known = lru_cache(maxsize=4096)(_whole)
_SHORT_KIND = 1 << 10
"""Longer types are read anew each time: 4,096 kept ones must stay small."""
_PARTS = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|['`].*|[(),]", re.DOTALL)
"""What divides a type; brackets and commas within quotes divide nothing. A quote without an end
goes to the end: looking for its end again at every later quote would take minutes."""


def _column(kind: str) -> _Column:
    name, _, inside = kind.partition("(")
    arguments = list(_split(inside[:-1])) if inside[:-1] else []
    if name == "String":
        return _nothing, lambda stream, rows: _read_strings(stream, rows)
    if name == "FixedString":
        return _fixed(_number(kind, arguments, sizes.FIXED_BYTES))
    if name == "Decimal":
        digits = _number(kind, arguments, _DECIMAL_BYTES[-1][0])
        return _fixed(next(width for limit, width in _DECIMAL_BYTES if digits <= limit))
    if name.startswith("Interval"):
        return _fixed(8)
    if name in _WIDTHS:
        return _fixed(_WIDTHS[name])
    if name in _ALIASES:
        return _column(_ALIASES[name])
    if name == "SimpleAggregateFunction" and arguments:
        return _column(arguments[-1])
    if name in _COMPOSITES and (arguments or name == "Tuple"):
        return _COMPOSITES[name](arguments)
    raise Fault(
        NOT_IMPLEMENTED,
        f"The embedded ClickHouse cannot send or receive a column of type {kind[:_SHOWN]} in a "
        "block.",
        do="Cast it in the query, or -Merge an aggregate state.",
    )


_SHOWN = 500
"""Characters of a type in a message."""


def _number(kind: str, arguments: list[str], most: int) -> int:
    """The first argument of a type, a whole number from 1 to `most`."""
    given = arguments[0] if arguments else ""
    if not re.fullmatch("[0-9]{1,9}", given) or not 1 <= int(given) <= most:
        raise Fault(INCORRECT_DATA, f"The type {kind[:_SHOWN]} needs a number from 1 to {most}.")
    return int(given)


def _nullable(arguments: list[str]) -> _Column:
    prefix, data = _column(arguments[0])

    def walk_nullable(stream: Stream, rows: int) -> None:
        stream.skip(rows)
        data(stream, rows)

    return prefix, walk_nullable


def _array(arguments: list[str]) -> _Column:
    prefix, data = _column(arguments[0])

    def walk_array(stream: Stream, rows: int) -> None:
        if total := _offsets_end(stream, rows):
            data(stream, total)

    return prefix, walk_array


_OFFSETS_AT_ONCE = 1 << 16


def _offsets_end(stream: Stream, rows: int) -> int:
    """Reads the offsets of `rows` arrays; returns the last one, the number of all elements.

    Raises:
        Fault: one is less than the one before it, or there are too many elements. The engine trusts
            offsets, and a walk over them would go on after the client has left.
    """
    last = 0
    for start in range(0, rows, _OFFSETS_AT_ONCE):
        ends = array.array("Q", stream.read(8 * min(_OFFSETS_AT_ONCE, rows - start)))
        if sys.byteorder == "big":
            ends.byteswap()
        listed = ends.tolist()
        # Sorting a list that is in order takes one pass.
        if listed[0] < last or sorted(listed) != listed or listed[-1] > sizes.ROWS:
            raise Fault(INCORRECT_DATA, "The offsets of an array fall, or claim too many elements.")
        last = listed[-1]
    return last


def _tuple(arguments: list[str]) -> _Column:
    if not arguments:
        return _fixed(1)
    columns = [_column(_ELEMENT_NAME.sub("", each, count=1)) for each in map(str, arguments)]

    def walk_prefixes(stream: Stream, rows: int) -> None:
        for prefix, _ in columns:
            prefix(stream, rows)

    def walk_elements(stream: Stream, rows: int) -> None:
        for _, data in columns:
            data(stream, rows)

    return walk_prefixes, walk_elements


def _low_cardinality(arguments: list[str]) -> _Column:
    inner = arguments[0].removeprefix("Nullable(").removesuffix(")" * ("Nullable(" in arguments[0]))
    _, data = _column(inner)

    def walk_prefix(stream: Stream, rows: int) -> None:
        del rows
        stream.skip(8)

    def walk_indexes(stream: Stream, rows: int) -> None:
        flags = _INT64.unpack(stream.read(8))[0]
        if not flags & _EXTRA_KEYS:
            raise Fault(NOT_IMPLEMENTED, "A LowCardinality column came without its dictionary.")
        keys, width = _INT64.unpack(stream.read(8))[0], flags & 0xFF
        if not 0 <= keys <= sizes.ROWS or width > _WIDEST_INDEX:
            raise Fault(INCORRECT_DATA, "The dictionary of a LowCardinality column is malformed.")
        if keys:
            data(stream, keys)
        if _INT64.unpack(stream.read(8))[0] != rows:
            raise Fault(INCORRECT_DATA, "A LowCardinality column has not one index a row.")
        stream.skip(rows << width)

    return walk_prefix, walk_indexes


_COMPOSITES: dict[str, Callable[[list[str]], _Column]] = {
    "Nullable": _nullable,
    "Array": _array,
    "Tuple": _tuple,
    "LowCardinality": _low_cardinality,
    "Map": lambda arguments: _array([f"Tuple({', '.join(arguments)})"]),
    "Nested": lambda arguments: _array([f"Tuple({', '.join(arguments)})"]),
}


def _nothing(stream: Stream, rows: int) -> None:
    del stream, rows


def _read_strings(stream: Stream, rows: int) -> None:
    stream.skip_strings(rows)


def _fixed(width: int) -> _Column:
    return _nothing, lambda stream, rows: stream.skip(width * rows)


def _split(arguments: str) -> Iterator[str]:
    """Arguments of a type at its outermost commas; Enum values may hold commas and brackets."""
    depth = start = 0
    for part in _PARTS.finditer(arguments):
        if part[0] == "(":
            depth += 1
        elif part[0] == ")":
            depth -= 1
        elif part[0] == "," and not depth:
            yield arguments[start : part.start()].strip()
            start = part.end()
    yield arguments[start:].strip()
