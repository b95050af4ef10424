"""Blocks are read to their last byte, for all types and all frame boundaries."""

from __future__ import annotations

import random
from typing import Any

import pytest
import requests

from infra.warehouse import EmbeddedClickHouse
from infra.warehouse._fault import Fault
from infra.warehouse.wire import (
    REVISION,
    Block,
    BytesSource,
    FrameSource,
    SocketSource,
    frame,
    receive_block,
)

TYPES = (
    """
String|FixedString(5)|UInt8|Int256|Float64|Bool|UUID|IPv4|IPv6|Date32|DateTime('UTC')
DateTime64(6, 'Asia/Shanghai')|Decimal(9, 2)|Decimal(76, 5)|Enum8('a(' = 1, 'b, )' = 2, '\\'' = 3)
Enum16('x' = 1)|Nullable(String)|Nullable(Int32)|Array(String)|Array(Array(Nullable(String)))
Array(Tuple(String, UInt8))|LowCardinality(String)|LowCardinality(Nullable(String))
LowCardinality(UInt64)|Array(LowCardinality(String))|Array(LowCardinality(Nullable(String)))
Tuple(String, UInt8, Array(String))|Tuple(a String, `b c` LowCardinality(String))
Map(String, String)|Map(LowCardinality(String), Array(UInt8))|Map(UInt8, Map(String, Int8))
Nested(a String, b Array(UInt8))|Point|Polygon|SimpleAggregateFunction(max, String)
Tuple(Nullable(UInt8), Tuple(String, String))
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
ROWS = 300


class Replayed:
    """A socket that returns the given bytes in pieces of random sizes."""

    def __init__(self, content: bytes, sizes: random.Random) -> None:
        self._left, self._sizes = memoryview(content), sizes

    def recv_into(self, target: Any) -> int:
        size = min(len(target), len(self._left), self._sizes.randrange(1, 5_000))
        target[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


class Kept:
    def __init__(self) -> None:
        self.content = b""

    def write(self, pieces: list[memoryview]) -> None:
        self.content += b"".join(pieces)


@pytest.fixture(scope="module", params=TYPES)
def native(request: pytest.FixtureRequest, warehouse: EmbeddedClickHouse) -> bytes:
    """A block with random values of a type, as the engine writes it."""
    structure = (
        "n UInt8, v " + request.param.replace("\\", "\\\\").replace("'", "\\'") + ", z String"
    )
    sql = f"SELECT * FROM generateRandom('{structure}', 1, 60, 3) LIMIT {ROWS} FORMAT Native"
    answer = requests.post(
        f"http://{warehouse.host}:{warehouse.http_port}/",
        params={"allow_suspicious_low_cardinality_types": "1"},
        data=sql,
        headers={"X-ClickHouse-User": "gulou", "X-ClickHouse-Key": "tower"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return answer.content


def on_the_wire(native: bytes) -> bytes:
    source, block = BytesSource(native), Block(REVISION)
    rows, pieces = block.rows(source)
    assert (rows, source.more()) == (ROWS, False)
    return b"".join(pieces)


@pytest.mark.parametrize("frame_bytes", [1 << 30, 4_096, 97])
def test_what_goes_out_comes_back_the_same_through_frames_of_any_size(
    native: bytes, frame_bytes: int
) -> None:
    sent = on_the_wire(native)
    frames = b"".join(
        b"".join(frame([sent[at : at + frame_bytes]])) for at in range(0, len(sent), frame_bytes)
    )
    source = FrameSource(SocketSource(Replayed(frames, random.Random(1))), 1 << 27)  # type: ignore[arg-type]
    kept = Kept()

    rows = receive_block(source, REVISION, kept)

    assert (rows, source.used_up) == (ROWS, True)
    assert kept.content == native


def test_what_goes_out_comes_back_the_same_without_frames(native: bytes) -> None:
    sent = on_the_wire(native)
    # The next bytes belong to the next packet and must still be there.
    source = SocketSource(Replayed(sent + b"next", random.Random(2)))  # type: ignore[arg-type]
    kept = Kept()

    rows = receive_block(source, REVISION, kept)

    assert (rows, kept.content) == (ROWS, native)
    assert source.read(4) == b"next"


def test_a_frame_that_was_damaged_on_its_way_is_refused() -> None:
    whole = bytearray(b"".join(frame([b"x" * 1000])))
    whole[-1] ^= 1
    source = FrameSource(SocketSource(Replayed(bytes(whole), random.Random(3))), 1 << 27)  # type: ignore[arg-type]

    with pytest.raises(Fault, match="checksum"):
        source.read(1)


def test_a_frame_that_claims_more_than_it_may_takes_no_memory() -> None:
    claim = bytes(16) + b"\x82" + (0xFFFF_FFFF).to_bytes(4, "little") * 2
    source = FrameSource(SocketSource(Replayed(claim, random.Random(4))), 1 << 27)  # type: ignore[arg-type]

    with pytest.raises(Fault, match="claims"):
        source.read(1)
