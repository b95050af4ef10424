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
    "MultiPoint": "Array(Point)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
    "Geometry": "Variant(LineString, MultiLineString, MultiPolygon, Point, Polygon, Ring)",
}
_DECIMAL_BYTES = ((9, 4), (18, 8), (38, 16), (76, 32))
"""Decimal(P, S): the smallest width that holds P digits."""
_ELEMENT_NAME = re.compile(r"(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(?=[A-Z])")
_PATH = re.compile(r"((?:`(?:[^`\\]|\\.)*`|[^\s`])+)\s+(?=[A-Z])")
_PATH_OPTION = re.compile(r"max_dynamic_(?:paths|types)\s*=|SKIP\s")
"""Arguments of JSON that are no typed path."""
_EXTRA_KEYS = 1 << 9
"""LowCardinality: the block carries its dictionary; the native protocol uses no other layout."""
_WIDEST_INDEX = 3
"""LowCardinality: the indexes have 1, 2, 4 or 8 bytes, 2 to this power at most."""
_NULL = 255
"""Discriminator of a Variant's row without a value."""
_MOST_TYPES = 255
"""Of a Dynamic: its discriminators are bytes, one of which is for the types that are too many."""
_MOST_PATHS = 10_000
"""Of a JSON column in one block; the engine's own default is 1,024."""
_V1, _AS_STRING, _V2, _FLAT = 0, 1, 2, 3
"""Versions of a JSON column's layout; a Dynamic's are the same, except that its first is 1."""
_SHARED = "SharedVariant"
"""Values of a Dynamic whose types are too many, as strings; sorted among the types by this name."""
_INT64 = struct.Struct("<q")


class Stream(Protocol):
    """The stream that `walk` needs; `infra.warehouse.wire.ByteSource` is one."""

    announced: int
    """What the prefixes of the column that is walked have made us keep, in bytes."""

    def skip(self, count: int) -> None: ...
    def read(self, count: int) -> bytes: ...
    def varint(self) -> int: ...
    def text(self) -> str: ...
    def skip_strings(self, count: int) -> None: ...


Data = Callable[[Stream, int], None]
"""Moves a stream over the values of so many rows."""
Prefix = Callable[[Stream], Data]
"""Moves a stream over a column's state prefix, which says how the values are laid out.

All prefixes of a column come before its first value.
"""


def walk(kind: str, rows: int, stream: Stream) -> None:
    """Moves `stream` from the first byte of a column to the byte after it.

    Raises:
        Fault: only the engine knows the type's layout (aggregate function states), the column's
            prefix does not fit its type, its offsets fall, or its brackets are too deep.
    """
    if rows:
        stream.announced = 0
        try:
            _known_column(kind)(stream)(stream, rows)
        except RecursionError:
            raise _too_deep() from None


def check(kind: str) -> None:
    """Returns when `walk` can walk a column of this type.

    Raises:
        Fault: it cannot.
    """
    _known_column(kind)


def _known_column(kind: str) -> Prefix:
    return _known(kind) if len(kind) <= _SHORT_KIND else _whole(kind)


def _whole(kind: str) -> Prefix:
    depth = 0
    for bracket in _PARTS.finditer(kind):
        depth += {"(": 1, ")": -1}.get(bracket[0], 0)
        if depth > sizes.TYPE_DEPTH:
            raise _too_deep()
    return _column(kind)


def _too_deep() -> Fault:
    return Fault(
        TOO_DEEP_RECURSION,
        f"A column's type has more than {sizes.TYPE_DEPTH} brackets within brackets.",
        do="Send it as a String and parse it in the query.",
    )


_known = lru_cache(maxsize=4096)(_whole)
_SHORT_KIND = 1 << 10
"""Longer types are read anew each time: 4,096 kept ones must stay small."""
_PARTS = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|['`].*|[(),]", re.DOTALL)
"""What divides a type; brackets and commas within quotes divide nothing. A quote without an end
goes to the end: looking for its end again at every later quote would take minutes."""


def _column(kind: str) -> Prefix:
    name, _, inside = kind.partition("(")
    arguments = list(split_arguments(inside[:-1])) if inside[:-1] else []
    if name == "String":
        return _without_prefix(_read_strings)
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
    if name in _COMPOSITES and (arguments or name in _BARE):
        return _COMPOSITES[name](arguments)
    raise Fault(
        NOT_IMPLEMENTED,
        f"The embedded ClickHouse cannot send or receive a column of type {kind[:_SHOWN]} in a "
        "block.",
        do="Cast it in the query, or -Merge an aggregate state.",
    )


_BARE = frozenset(("Tuple", "Dynamic", "JSON"))
"""Composites that need no argument."""
_SHOWN = 500
"""Characters of a type in a message."""


def _number(kind: str, arguments: list[str], most: int) -> int:
    """The first argument of a type, a whole number from 1 to `most`."""
    given = arguments[0] if arguments else ""
    if not re.fullmatch("[0-9]{1,9}", given) or not 1 <= int(given) <= most:
        raise Fault(INCORRECT_DATA, f"The type {kind[:_SHOWN]} needs a number from 1 to {most}.")
    return int(given)


def _nullable(arguments: list[str]) -> Prefix:
    begin = _column(arguments[0])

    def prefix(stream: Stream) -> Data:
        data = begin(stream)

        def walk_nullable(stream: Stream, rows: int) -> None:
            stream.skip(rows)
            data(stream, rows)

        return walk_nullable

    return prefix


def _array(arguments: list[str]) -> Prefix:
    begin = _column(arguments[0])

    def prefix(stream: Stream) -> Data:
        data = begin(stream)

        def walk_array(stream: Stream, rows: int) -> None:
            if total := _offsets_end(stream, rows):
                data(stream, total)

        return walk_array

    return prefix


_AT_ONCE = 1 << 16
"""Rows whose offsets or choices are read at a time: other threads work in between."""


def _offsets_end(stream: Stream, rows: int) -> int:
    """Reads the offsets of `rows` arrays; returns the last one, the number of all elements.

    Raises:
        Fault: one is less than the one before it, or there are too many elements. The engine trusts
            offsets, and a walk over them would go on after the client has left.
    """
    last = 0
    for start in range(0, rows, _AT_ONCE):
        ends = array.array("Q", stream.read(8 * min(_AT_ONCE, rows - start)))
        if sys.byteorder == "big":
            ends.byteswap()
        listed = ends.tolist()
        # Sorting a list that is in order takes one pass.
        if listed[0] < last or sorted(listed) != listed or listed[-1] > sizes.ROWS:
            raise Fault(INCORRECT_DATA, "The offsets of an array fall, or claim too many elements.")
        last = listed[-1]
    return last


def _tuple(arguments: list[str]) -> Prefix:
    if not arguments:
        return _fixed(1)
    begins = [_column(_ELEMENT_NAME.sub("", each, count=1)) for each in map(str, arguments)]

    def prefix(stream: Stream) -> Data:
        columns = [begin(stream) for begin in begins]

        def walk_elements(stream: Stream, rows: int) -> None:
            for data in columns:
                data(stream, rows)

        return walk_elements

    return prefix


def _low_cardinality(arguments: list[str]) -> Prefix:
    inner = arguments[0].removeprefix("Nullable(").removesuffix(")" * ("Nullable(" in arguments[0]))
    begin = _column(inner)

    def prefix(stream: Stream) -> Data:
        stream.skip(8)
        data = begin(stream)

        def walk_indexes(stream: Stream, rows: int) -> None:
            flags = _INT64.unpack(stream.read(8))[0]
            if not flags & _EXTRA_KEYS:
                raise Fault(NOT_IMPLEMENTED, "A LowCardinality column came without its dictionary.")
            keys, width = _INT64.unpack(stream.read(8))[0], flags & 0xFF
            if not 0 <= keys <= sizes.ROWS or width > _WIDEST_INDEX:
                raise Fault(INCORRECT_DATA, "The dictionary of a LowCardinality is malformed.")
            if keys:
                data(stream, keys)
            if _INT64.unpack(stream.read(8))[0] != rows:
                raise Fault(INCORRECT_DATA, "A LowCardinality column has not one index a row.")
            stream.skip(rows << width)

        return walk_indexes

    return prefix


def _qbit(arguments: list[str]) -> Prefix:
    """A bit of every element after the other, each in a string of as many bytes as needed."""
    elements = _number(f"QBit({', '.join(arguments)})", arguments[1:], sizes.FIXED_BYTES)
    if arguments[0] not in ("BFloat16", "Float32", "Float64"):
        raise Fault(INCORRECT_DATA, f"A QBit of {arguments[0][:_SHOWN]} is no type.")
    return _fixed(8 * _WIDTHS[arguments[0]] * -(-elements // 8))


def _variant(arguments: list[str]) -> Prefix:
    begins = [_column(kind) for kind in sorted(set(arguments))]

    def prefix(stream: Stream) -> Data:
        if mode := _INT64.unpack(stream.read(8))[0]:
            raise Fault(NOT_IMPLEMENTED, f"A Variant came with discriminators of mode {mode}.")
        return _choices([begin(stream) for begin in begins], null=_NULL)

    return prefix


def _dynamic(arguments: list[str]) -> Prefix:
    del arguments

    def prefix(stream: Stream) -> Data:
        version = _INT64.unpack(stream.read(8))[0]
        if version == 1:
            stream.varint()  # most types
        elif version not in (_V2, _FLAT):
            raise Fault(NOT_IMPLEMENTED, f"A Dynamic column came in the layout {version}.")
        count = _counted(stream, _MOST_TYPES, "types in a Dynamic column")
        kinds = [_announced(stream, stream.text()) for _ in range(count)]
        if version == _FLAT:
            columns = [_known_column(kind)(stream) for kind in kinds]
            return _choices(columns, null=count)
        if mode := _INT64.unpack(stream.read(8))[0]:
            raise Fault(NOT_IMPLEMENTED, f"A Dynamic came with discriminators of mode {mode}.")
        sorts = sorted({*kinds, _SHARED})
        return _choices(
            [_known_column("String" if kind == _SHARED else kind)(stream) for kind in sorts],
            null=_NULL,
        )

    return prefix


def _choices(columns: list[Data], *, null: int) -> Data:
    """Rows that each hold a value of one of `columns`: a byte a row, then column by column."""

    def walk_choices(stream: Stream, rows: int) -> None:
        counts = [0] * min(len(columns), null)
        for start in range(0, rows, _AT_ONCE):
            _count(stream.read(min(_AT_ONCE, rows - start)), counts, null)
        for data, count in zip(columns, counts, strict=False):
            if count:
                data(stream, count)

    return walk_choices


def _count(numbers: bytes, counts: list[int], null: int) -> None:
    """Adds to `counts` how often each number comes.

    Raises:
        Fault: one is beyond them and is not `null`.
    """
    left = len(numbers) - numbers.count(null)
    for number in range(len(counts)):
        if not left:
            return
        # A hundred times as fast as a Counter, whose whole work keeps other threads waiting.
        found = numbers.count(number)
        counts[number] += found
        left -= found
    if left:
        raise Fault(
            INCORRECT_DATA,
            f"A row has a value of type {max(set(numbers) - {null})}; "
            f"the column has {len(counts)} types.",
        )


def _json(arguments: list[str]) -> Prefix:
    typed = {}
    for argument in arguments:
        if not _PATH_OPTION.match(argument) and (found := _PATH.match(argument)):
            typed[found[1].replace("`", "")] = _column(argument[found.end() :])
    begins = [typed[path] for path in sorted(typed)]

    def prefix(stream: Stream) -> Data:
        version = _INT64.unpack(stream.read(8))[0]
        if version == _AS_STRING:
            return _read_strings
        if version == _V1:
            stream.varint()  # most paths
        elif version not in (_V2, _FLAT):
            raise Fault(NOT_IMPLEMENTED, f"A JSON column came in the layout {version}.")
        paths = _counted(stream, _MOST_PATHS, "paths in a JSON column")
        _announce(stream, paths * sizes.LISTED_EACH)
        stream.skip_strings(paths)
        columns = [begin(stream) for begin in begins]
        columns += [_known_column("Dynamic")(stream) for _ in range(paths)]
        if version != _FLAT:
            columns.append(_known_column("Map(String, String)")(stream))

        def walk_paths(stream: Stream, rows: int) -> None:
            for data in columns:
                data(stream, rows)

        return walk_paths

    return prefix


def _counted(stream: Stream, most: int, what: str) -> int:
    count = stream.varint()
    if count > most:
        raise Fault(INCORRECT_DATA, f"A block has {count} {what}; at most {most} are taken.")
    return count


def _announced(stream: Stream, kind: str) -> str:
    """A type that a column announces; each may announce more within it."""
    _announce(stream, len(kind) + sizes.LISTED_EACH)
    return kind


def _announce(stream: Stream, size: int) -> None:
    what = "the list of a column's paths and types"
    stream.announced = sizes.checked(stream.announced + size, sizes.LISTED_BYTES, what)


_COMPOSITES: dict[str, Callable[[list[str]], Prefix]] = {
    "Nullable": _nullable,
    "Array": _array,
    "Tuple": _tuple,
    "LowCardinality": _low_cardinality,
    "Map": lambda arguments: _array([f"Tuple({', '.join(arguments)})"]),
    "Nested": lambda arguments: _array([f"Tuple({', '.join(arguments)})"]),
    "QBit": _qbit,
    "Variant": _variant,
    "Dynamic": _dynamic,
    "JSON": _json,
}


def _read_strings(stream: Stream, rows: int) -> None:
    stream.skip_strings(rows)


def _without_prefix(data: Data) -> Prefix:
    return lambda stream: data


def _fixed(width: int) -> Prefix:
    return _without_prefix(lambda stream, rows: stream.skip(width * rows))


def split_arguments(arguments: str) -> Iterator[str]:
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
