"""The end of a block's column for each type, with bytes made by hand."""

from __future__ import annotations

import struct

import pytest

from infra.warehouse._fault import INCORRECT_DATA, NOT_IMPLEMENTED, Fault
from infra.warehouse._types import walk
from infra.warehouse.wire import BytesSource
from tests.warehouse.by_hand import Cut, cuts

# Bytes per value, from ClickHouse's documentation of its types.
WIDTHS = {
    1: ("Int8", "UInt8", "Bool", "Nothing", "Enum8('a' = 1)", "Tuple()", "FixedString(1)"),
    2: ("Int16", "UInt16", "BFloat16", "Date", "Enum16('a' = 1, 'b' = 2)", "FixedString(2)"),
    4: (
        *("Int32", "UInt32", "Float32", "Date32", "DateTime", "DateTime('Asia/Shanghai')", "Time"),
        *("IPv4", "Decimal(1, 0)", "Decimal(9, 2)", "Decimal32(2)"),
    ),
    8: (
        *("Int64", "UInt64", "Float64", "DateTime64(3)", "DateTime64(6, 'UTC')", "Time64(3)"),
        *("Decimal(10, 2)", "Decimal(18, 2)", "Decimal64(2)", "IntervalDay", "IntervalSecond"),
    ),
    16: (
        *("Int128", "UInt128", "UUID", "IPv6", "Point", "FixedString(16)"),
        *("Decimal(19, 2)", "Decimal(38, 2)", "Decimal128(2)"),
    ),
    32: ("Int256", "UInt256", "Decimal(39, 2)", "Decimal(76, 2)", "Decimal256(2)"),
}


def walked(kind: str, rows: int, content: bytes) -> int:
    """Number of bytes of `content` that a column takes; garbage follows it."""
    source = BytesSource(content + b"\xee" * 64)
    walk(kind, rows, source)
    return source.position


@pytest.mark.parametrize(
    ("kind", "width"), [(kind, width) for width, kinds in WIDTHS.items() for kind in kinds]
)
def test_a_value_of_fixed_width_takes_it_in_every_row(kind: str, width: int) -> None:
    assert [walked(kind, rows, bytes(width * rows)) for rows in (0, 1, 3)] == [0, width, 3 * width]
    # One row too many has no end.
    with pytest.raises(EOFError):
        walk(kind, 4, BytesSource(bytes(4 * width - 1)))


def offsets(*ends: int) -> bytes:
    return struct.pack(f"<{len(ends)}Q", *ends)


def keys(width: int, *, more: int = 0) -> bytes:
    """Flags of a LowCardinality: bit 9: with its dictionary; 0 to 3: keys of 1 to 8 bytes."""
    return struct.pack("<Q", 1 << 9 | more | (1, 2, 4, 8).index(width))


A_BC = b"\x01a\x02bc"
"""Two strings."""
VERSION = b"\x01" + bytes(7)
"""Version before all data of a LowCardinality."""


MODE = bytes(8)
"""Of a Variant's discriminators: one byte a row."""
LISTS = b"\x02\x06String\x0cArray(UInt8)"
"""Two types of a Dynamic; SharedVariant is sorted between them."""
ITEMS = offsets(2) + b"\7\7" + b"\x01s" + b"\x02bc"
"""A value of each of the three: an array, a shared one and a string."""
PATHS = b"\x02\x01a\x01b"
"""Two paths of a JSON column, each a Dynamic of strings."""
FIRST = offsets(1) + b"\x02\x01\x06String" + MODE
SECOND = offsets(2) + b"\x01\x06String" + MODE
FLAT = offsets(3) + b"\x01\x06String"
SHARED = offsets(1) + b"\x01p\x01v"
"""A path and a value beyond the paths."""


def low(width: int, dictionary: bytes, size: int, rows: int) -> bytes:
    return keys(width) + offsets(size) + dictionary + offsets(rows) + bytes(rows * width)


COLUMNS = (
    ("String", 2, A_BC),
    ("String", 3, b"\x00\x01a\x00"),
    ("Nullable(UInt16)", 3, b"\x00\x01\x00" + bytes(6)),
    ("Nullable(String)", 2, b"\x00\x01" + b"\x01a\x00"),
    # Offsets of the rows, then the values of all rows: the last offset is their number.
    ("Array(UInt16)", 3, offsets(1, 1, 4) + bytes(8)),
    ("Array(UInt16)", 1, offsets(0)),
    ("Array(String)", 2, offsets(0, 2) + A_BC),
    ("Array(Array(UInt8))", 2, offsets(2, 3) + offsets(1, 1, 5) + bytes(5)),
    ("Array(Array(UInt8))", 2, offsets(0, 0)),
    ("Array(Nullable(UInt8))", 1, offsets(2) + b"\0\1" + b"\7\0"),
    ("Tuple(UInt8, String)", 2, b"\7\7" + A_BC),
    ("Tuple(a UInt8, `b c` String, d1 UInt16)", 2, b"\7\7" + A_BC + bytes(4)),
    ("Tuple(`a\\`b, (` UInt16, z UInt8)", 1, bytes(3)),
    ("Tuple(Enum8('a, (' = 1, 'b\\'),' = 2), UInt16)", 1, bytes(3)),
    ("Tuple(Tuple(UInt8, UInt16), Tuple(UInt32))", 1, bytes(7)),
    ("Map(String, UInt16)", 2, offsets(1, 2) + A_BC + bytes(4)),
    ("Map(UInt8, Array(UInt8))", 1, offsets(2) + bytes(2) + offsets(1, 3) + bytes(3)),
    ("Nested(a UInt8, b String)", 1, offsets(2) + b"\7\7" + A_BC),
    ("SimpleAggregateFunction(sum, UInt64)", 2, bytes(16)),
    ("SimpleAggregateFunction(groupArrayArray, Array(UInt8))", 1, offsets(3) + bytes(3)),
    ("Ring", 1, offsets(2) + bytes(32)),
    ("LineString", 1, offsets(2) + bytes(32)),
    ("Polygon", 1, offsets(1) + offsets(2) + bytes(32)),
    ("MultiLineString", 1, offsets(1) + offsets(2) + bytes(32)),
    ("MultiPolygon", 1, offsets(1) + offsets(1) + offsets(2) + bytes(32)),
    *(
        (f"LowCardinality({kind})", 3, VERSION + low(width, A_BC, 2, 3))
        for kind in ("String", "Nullable(String)")
        for width in (1, 2, 4, 8)
    ),
    ("LowCardinality(FixedString(3))", 2, VERSION + low(1, b"abcdef", 2, 2)),
    ("LowCardinality(Nullable(FixedString(3)))", 2, VERSION + low(1, b"abcdef", 2, 2)),
    ("LowCardinality(String)", 2, VERSION + low(1, b"", 0, 2)),
    # Other flags (8, 10: kind of dictionary) change no length.
    (
        "LowCardinality(String)",
        1,
        VERSION + keys(2, more=1 << 10) + offsets(2) + A_BC + offsets(1) + bytes(2),
    ),
    ("QBit(Float32, 8)", 2, bytes(2 * 32)),
    ("QBit(Float64, 9)", 1, bytes(64 * 2)),
    # The types in the order of their names; 255 is a row without a value.
    ("Variant(String, Array(UInt8))", 3, MODE + b"\1\0\xff" + offsets(2) + b"\7\7" + b"\x01a"),
    ("Variant(UInt8, String)", 1, MODE + b"\xff"),
    ("Geometry", 2, MODE + b"\x03\x05" + bytes(16) + offsets(1) + bytes(16)),
    ("Dynamic", 3, offsets(1) + b"\x02" + LISTS + MODE + b"\0\1\2" + ITEMS),
    ("Dynamic(max_types=2)", 3, offsets(2) + LISTS + MODE + b"\0\1\2" + ITEMS),
    ("Dynamic", 3, offsets(3) + b"\x01\x06String" + b"\0\1\0" + A_BC),
    ("Array(Dynamic)", 2, offsets(3) + b"\x01\x06String" + offsets(0, 2) + b"\0\0" + A_BC),
    ("JSON", 2, offsets(1) + A_BC),
    ("JSON", 1, offsets(0) + b"\x02" + PATHS + FIRST * 2 + b"\1\x01a" + b"\xff" + SHARED),
    ("JSON", 1, offsets(2) + PATHS + SECOND * 2 + b"\1\x01a" + b"\xff" + SHARED),
    ("JSON", 1, offsets(3) + PATHS + FLAT * 2 + b"\0\x01a" + b"\1"),
    ("JSON()", 1, offsets(2) + b"\0" + SHARED),
    # Typed paths come before the others, in the order of their names.
    (
        "JSON(max_dynamic_paths=8, b UInt16, `a a`.`c, (` LowCardinality(String), SKIP d)",
        1,
        offsets(2) + b"\0" + VERSION + low(1, A_BC, 2, 1) + b"\7\7" + SHARED,
    ),
    # The version comes once, before the offsets and before every other element.
    ("Array(LowCardinality(String))", 2, VERSION + offsets(0, 3) + low(1, A_BC, 2, 3)),
    ("Array(LowCardinality(String))", 2, VERSION + offsets(0, 0)),
    (
        "Tuple(LowCardinality(String), UInt8, LowCardinality(String))",
        1,
        VERSION * 2 + low(1, A_BC, 2, 1) + b"\7" + low(2, A_BC, 2, 1),
    ),
    (
        "Map(LowCardinality(String), UInt8)",
        1,
        VERSION + offsets(1) + low(1, A_BC, 2, 1) + b"\7",
    ),
)


@pytest.mark.parametrize(("kind", "rows", "content"), COLUMNS)
def test_a_column_ends_behind_its_last_byte(kind: str, rows: int, content: bytes) -> None:
    assert walked(kind, rows, content) == len(content)
    assert walked(kind, 0, content) == 0
    # For every cut of the bytes, and never a byte too far.
    for first, second in cuts(content):
        source = Cut(first, second)
        walk(kind, rows, source)
        with pytest.raises(EOFError):
            source.read(1)


@pytest.mark.parametrize("numbers", [b"\2", b"\0\2", b"\2\0\1", b"\xfe", b"\xff\0\x07"])
def test_a_row_of_a_type_that_the_column_has_not_is_refused(numbers: bytes) -> None:
    content = BytesSource(MODE + numbers + bytes(64))

    with pytest.raises(Fault) as refused:
        walk("Variant(String, UInt8)", len(numbers), content)

    # 255 is a row without a value.
    most = max(set(numbers) - {255})
    assert (refused.value.code, refused.value.what) == (
        INCORRECT_DATA,
        f"A row has a value of type {most}; the column has 2 types.",
    )


def test_a_dictionary_that_stayed_at_home_is_refused() -> None:
    content = VERSION + struct.pack("<Q", 0) + bytes(64)

    with pytest.raises(Fault) as refused:
        walk("LowCardinality(String)", 1, BytesSource(content))

    assert (refused.value.code, refused.value.what) == (
        NOT_IMPLEMENTED,
        "A LowCardinality column came without its dictionary.",
    )


@pytest.mark.parametrize(
    "kind",
    [
        *("AggregateFunction(sum, UInt8)", "Object", "Array(Object)", "int8"),
        *("Tuple(UInt8, AggregateFunction(sum, UInt8))", "JSON(a AggregateFunction(sum, UInt8))"),
    ],
)
def test_a_type_whose_length_only_the_engine_knows_is_refused(kind: str) -> None:
    with pytest.raises(Fault) as refused:
        walk(kind, 1, BytesSource(bytes(64)))

    assert refused.value.code == NOT_IMPLEMENTED
    assert refused.value.do == "Cast it in the query, or -Merge an aggregate state."
    # Without rows there are no bytes: an empty answer may have columns of any type.
    assert walked(kind, 0, b"") == 0
