"""Frames, buffers and blocks at their edges: bytes made by hand, no server."""

from __future__ import annotations

import builtins
import os
import struct
from collections.abc import Callable
from pathlib import Path

import cramjam
import pytest

from infra.warehouse import wire
from infra.warehouse._fault import INCORRECT_DATA, NOT_IMPLEMENTED, Fault
from infra.warehouse.wire import (
    Block,
    BytesSource,
    MemoryFile,
    first_columns,
    frame,
    packet,
    receive_block,
)
from tests.warehouse.by_hand import Cut, Kept, cuts, framed, frames, over_socket

LZ4, ZSTD, PLAIN = 0x82, 0x90, 0x02
MOST = 128 << 20
INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Block info: field 1, not overflowing; field 2, bucket -1 in four bytes; end of fields."""


def packed(method: int, raw: bytes) -> bytes:
    if method == LZ4:
        return bytes(cramjam.lz4.compress_block(raw, store_size=False))
    return bytes(cramjam.zstd.compress(raw)) if method == ZSTD else raw


def claim(packed_size: int, size: int, method: int = LZ4) -> bytes:
    """The head of a frame; its checksum is never checked."""
    return bytes(16) + struct.pack("<BII", method, packed_size, size)


class Reserved(Exception):
    """Raised in place of a large allocation, with its size."""


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers over 1 MB raise `Reserved` instead of being allocated."""

    def reserve(size: int = 0) -> bytearray:
        if size > 1_000_000:
            raise Reserved(size)
        return builtins.bytearray(size)

    monkeypatch.setattr(wire, "bytearray", reserve, raising=False)


@pytest.mark.usefixtures("no_memory")
def test_a_frame_may_unpack_to_128_mib_and_not_to_a_byte_more() -> None:
    # 527,000 packed bytes could hold 134,385,000: LZ4 packs 255 to 1 at best.
    packed = b"x" * 527_000
    for size in (MOST - 1, MOST):
        with pytest.raises(Reserved) as taken:
            frames(framed(LZ4, packed, size)).read(1)
        assert taken.value.args == (size,)

    for method in (LZ4, ZSTD):
        with pytest.raises(Fault) as refused:
            frames(framed(method, packed, MOST + 1)).read(1)
        assert (refused.value.code, refused.value.what) == (
            INCORRECT_DATA,
            "A compressed frame claims 527009 and 134217729 bytes.",
        )


@pytest.mark.usefixtures("no_memory")
@pytest.mark.parametrize("method", [LZ4, PLAIN])
def test_a_frame_that_claims_more_than_it_can_hold_is_refused_before_its_content(
    method: int,
) -> None:
    at_most, one_more = framed(method, b"x" * 10_000, 2_550_000), framed(method, b"x", 256)

    with pytest.raises(Reserved):
        frames(at_most).read(1)
    with pytest.raises(Fault, match="claims 10 and 256 bytes"):
        frames(one_more[:-1]).read(1)


def test_a_frame_takes_memory_as_it_arrives_whatever_it_claims() -> None:
    # The head alone: 128 MiB claimed, nothing sent.
    source = frames(claim(MOST + 9, 100))

    with pytest.raises(EOFError):
        source.read(1)

    assert len(source._packed) == wire._PIECE_BYTES
    with pytest.raises(Fault, match=r"claims 134217738 and 100 bytes"):
        frames(claim(MOST + 10, 100)).read(1)


def test_a_boards_user_sends_no_large_frames() -> None:
    source = frames(framed(PLAIN, b"x" * 100, 100))
    source.most = 99

    with pytest.raises(Fault, match="claims 109 and 100 bytes"):
        source.read(1)


def test_a_connection_keeps_no_large_buffers() -> None:
    large, small = b"x" * (8 << 20), b"y"
    source = frames(framed(PLAIN, large, len(large)), framed(PLAIN, small, 1))

    assert source.read(len(large)) == large
    assert source.read(1) == b"y"
    assert (len(source.buffer), len(source._packed)) == (1, 1)


def test_a_hash_holds_on_to_no_buffer() -> None:
    # clickhouse_cityhash keeps whatever it hashes for ever, unless it is bytes.
    source = frames(framed(PLAIN, b"x" * 100, 100))
    source.read(100)

    source._packed.extend(b"free")  # raises BufferError while somebody holds it


def test_a_frame_has_at_least_the_9_bytes_of_its_own_head() -> None:
    with pytest.raises(Fault, match="claims 8 and 0 bytes"):
        frames(claim(8, 0)).read(1)
    with pytest.raises(Fault, match="claims 0 and 0 bytes"):
        frames(claim(0, 0)).read(1)

    assert frames(framed(PLAIN, b"", 0), framed(PLAIN, b"a", 1)).read(1) == b"a"


@pytest.mark.parametrize("method", [LZ4, ZSTD, PLAIN])
def test_a_frame_unpacks_to_the_bytes_it_claims_and_to_no_other_number(method: int) -> None:
    raw = b"abcdefghij"

    assert frames(framed(method, packed(method, raw), 10)).read(10) == raw
    for claimed in (1, 9, 11, 12, 400):
        source = frames(framed(method, packed(method, raw), claimed))
        with pytest.raises(Fault) as refused:
            source.read(1)
        assert refused.value.code == INCORRECT_DATA, claimed
        # Nothing can be read afterwards either.
        with pytest.raises(EOFError):
            source.read(1)


@pytest.mark.parametrize("method", [LZ4, ZSTD])
def test_a_frame_of_rubbish_with_a_right_checksum_is_refused(method: int) -> None:
    with pytest.raises(Fault) as refused:
        frames(framed(method, b"\xff\xff\xff\xff", 30)).read(1)

    assert refused.value.code == INCORRECT_DATA
    assert refused.value.what.startswith("A frame cannot be unpacked: ")


@pytest.mark.parametrize("method", [0x00, 0x01, 0x03, 0x81, 0x83, 0x8F, 0x91])
def test_a_method_nobody_knows_is_named(method: int) -> None:
    with pytest.raises(Fault) as refused:
        frames(framed(method, b"a", 1)).read(1)

    assert (refused.value.code, refused.value.what) == (
        NOT_IMPLEMENTED,
        f"Compression method {method:#x} is not supported; use LZ4.",
    )


def test_each_bit_of_a_checksum_counts() -> None:
    whole = framed(PLAIN, b"a", 1)

    for bit in range(128):
        bad = bytearray(whole)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Fault, match="does not fit its checksum"):
            frames(bytes(bad)).read(1)


def test_a_small_frame_behind_a_large_one_ends_where_it_ends() -> None:
    source = frames(
        framed(PLAIN, b"x" * 50, 50),
        framed(LZ4, packed(LZ4, b"ab"), 2),
        framed(ZSTD, packed(ZSTD, b"cd"), 2),
    )

    assert (source.read(50), source.used_up) == (b"x" * 50, True)
    assert (source.read(1), source.used_up) == (b"a", False)
    assert (source.read(3), source.used_up) == (b"bcd", True)
    with pytest.raises(EOFError):
        source.read(1)


def test_an_empty_frame_gives_no_byte_of_the_one_before() -> None:
    def after_one() -> wire.FrameSource:
        source = frames(
            framed(PLAIN, b"\x07\x08", 2), framed(PLAIN, b"", 0), framed(PLAIN, b"\x02ab", 3)
        )
        assert source.read(2) == b"\x07\x08"
        return source

    assert after_one().leave_out_byte() == 2
    assert after_one().varint() == 2
    assert after_one().text() == "ab"
    skipped = after_one()
    skipped.skip(2)
    assert skipped.read(1) == b"b"


def test_a_frame_that_is_sent_is_lz4_with_its_sizes_and_its_checksum() -> None:
    head, body = frame([b"abc", memoryview(b"def")])

    # 6 bytes do not compress: one token (6 literals, 0x60) and the bytes, 7 in all; 7 + 9 = 16.
    assert body == b"\x82" + b"\x10\0\0\0" + b"\x06\0\0\0" + b"\x60abcdef"
    assert head + body == framed(LZ4, b"\x60abcdef", 6)


def test_a_frame_is_read_past_the_buffer_from_the_socket_in_any_pieces() -> None:
    whole = framed(PLAIN, bytes(range(40)), 40) + b"next"

    for at in range(len(whole)):
        source = over_socket(whole[:at], whole[at:]) if at else over_socket(whole)
        assert wire.FrameSource(source, 1000).read(40) == bytes(range(40)), at
        assert source.read(4) == b"next", at

    for short in (whole[:24], whole[:25], whole[:64]):
        with pytest.raises(EOFError):
            wire.FrameSource(over_socket(short), 1000).read(40)


VARINTS = (
    (0, b"\x00"),
    (1, b"\x01"),
    (127, b"\x7f"),
    (128, b"\x80\x01"),
    (16_383, b"\xff\x7f"),
    (16_384, b"\x80\x80\x01"),
    (2**32 - 1, b"\xff\xff\xff\xff\x0f"),
    (2**32, b"\x80\x80\x80\x80\x10"),
    (2**63 - 1, b"\xff" * 8 + b"\x7f"),
)


@pytest.mark.parametrize(("number", "written"), VARINTS)
def test_numbers_have_seven_bits_a_byte_wherever_a_buffer_ends(number: int, written: bytes) -> None:
    assert packet(number) == written
    for first, second in cuts(written):
        source = Cut(first, second + b"!")
        assert (source.varint(), source.read(1)) == (number, b"!")


def test_a_packet_has_numbers_texts_with_their_length_and_bytes_as_they_are() -> None:
    assert packet(2, "鼓", b"\x00\xff", 300, "") == b"\x02\x03\xe9\xbc\x93\x00\xff\xac\x02\x00"
    # Bytes that are not valid text survive decoding and encoding.
    assert packet(BytesSource(b"\x02\xff\xfe").text()) == b"\x02\xff\xfe"


WAYS: tuple[tuple[Callable[[wire.ByteSource], object], object, bytes], ...] = (
    (lambda s: s.text(), "hello", b"!"),
    (lambda s: s.read(6), b"\x05hello", b"!"),
    (lambda s: s.read(7), b"\x05hello!", b""),
    (lambda s: s.read(0), b"", b"\x05hello!"),
    (lambda s: s.skip(6), None, b"!"),
    (lambda s: s.skip(0), None, b"\x05hello!"),
    (lambda s: s.skip_strings(1), None, b"!"),
    (lambda s: s.leave_out_byte(), 5, b"hello!"),
)
"""Ways to advance, the result of each, and the remaining bytes."""
WHOLE = (WAYS[0][0], WAYS[1][0], WAYS[4][0], WAYS[6][0])
"""The ways that read the whole text of five letters with its length."""


def test_reading_skipping_and_texts_go_on_in_the_next_buffer() -> None:
    for first, second in cuts(b"\x05hello!"):
        for what, expected, rest in WAYS:
            source = Cut(first, second)
            assert what(source) == expected
            assert source.read(len(rest)) == rest


def test_nobody_asks_for_more_than_what_is_wanted() -> None:
    # A client that waits for its answer sends nothing more: reading one buffer more blocks.
    for what in WHOLE:
        source = Cut(b"\x05hel", b"lo")
        what(source)
        assert source.asked == 2
        with pytest.raises(EOFError):
            source.read(1)


@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 2047, 2048, 2049])
def test_strings_are_skipped_in_any_number_over_any_buffers(count: int) -> None:
    content = b"".join(bytes((at % 5,)) + b"x" * (at % 5) for at in range(count)) + b"next"

    whole = BytesSource(content)
    whole.skip_strings(count)
    assert whole.read(4) == b"next"
    for size in (1, 3, 1000):
        source = Cut(*(content[at : at + size] for at in range(0, len(content), size)))
        source.skip_strings(count)
        assert (source.read(4), source.position) == (b"next", source.current_buffer_size)


def test_a_connection_keeps_4_mib_between_frames_and_gives_back_more() -> None:
    kept, most = 4 << 20, (4 << 20) + 1
    source = frames(*(framed(PLAIN, bytes(size), size) for size in (kept, 9, 8, most, 7)))
    held = []
    for size in (kept, 9, 8, most, 7):
        assert source.read(size) == bytes(size)
        held.append(source.buffer)
    assert [len(each) for each in held] == [kept, kept, kept, most, 7]
    # Filled again and not made again: 4 MiB of zeros take longer than a frame.
    assert held[0] is held[1] is held[2]


def test_a_string_that_ends_too_early_is_the_end_of_the_stream() -> None:
    for short in (b"", b"\x05hell", b"\x80"):
        for what in WHOLE:
            with pytest.raises(EOFError):
                what(BytesSource(short))
            with pytest.raises(EOFError):
                what(Cut(short[:1], short[1:]))


def test_what_is_left_out_is_the_only_byte_that_is_not_recorded() -> None:
    content = b"before|0123456789|after"
    for first, second in cuts(content):
        source, kept = Cut(first, second), Kept()
        source.skip(7)
        source.record(kept)
        source.skip(3)
        assert source.leave_out_byte() == ord("3")
        assert source.leave_out_byte() == ord("4")
        source.read(5)
        source.record(None)
        source.skip(6)
        assert kept.content == b"01256789"


def test_two_records_after_each_other_keep_to_their_own() -> None:
    source, one, two = Cut(b"abc", b"def"), Kept(), Kept()

    source.record(one)
    source.skip(2)
    source.record(two)
    source.skip(3)
    source.record(None)

    assert (one.content, two.content) == (b"ab", b"cde")


NATIVE = b"\x02\x03" + b"\x01n\x05UInt8\x07\x08\x09" + b"\x01s\x06String\x01a\x00\x02bc"
"""Two columns, three rows: n UInt8 = 7, 8, 9 and s String = a, nothing, bc."""
WIRE = INFO + (
    b"\x02\x03" + b"\x01n\x05UInt8\x00\x07\x08\x09" + b"\x01s\x06String\x00\x01a\x00\x02bc"
)
"""The same for clients that know serializations: a byte 0 after each type."""


@pytest.mark.parametrize(
    ("revision", "sent"), [(54453, INFO + NATIVE), (54454, WIRE), (54460, WIRE)]
)
def test_a_block_has_a_byte_more_a_column_from_revision_54454_on(
    revision: int, sent: bytes
) -> None:
    for first, second in cuts(sent):
        source, kept = Cut(first, second + b"next"), Kept()
        assert receive_block(source, revision, kept) == 3
        assert (kept.content, source.read(4)) == (NATIVE, b"next")

    native = BytesSource(NATIVE)
    block = Block(revision)
    rows, pieces = block.rows(native)
    assert (rows, b"".join(pieces), native.more()) == (3, sent, False)
    assert block.columns == [("n", "UInt8"), ("s", "String")]
    extra = b"\0" if revision >= 54454 else b""
    assert block.header([("n", "UInt8"), ("鼓", "String")]) == (
        INFO + b"\x02\x00" + b"\x01n\x05UInt8" + extra + b"\x03\xe9\xbc\x93\x06String" + extra
    )


def test_a_block_without_columns_ends_a_series_and_one_without_rows_does_not() -> None:
    ended, empty, kept = Cut(INFO + b"\x00\x00next"), Cut(INFO + b"\x01\x00\x01n\x05UInt8"), Kept()

    assert receive_block(ended, 54453, kept) is None
    assert ended.read(4) == b"next"
    assert receive_block(empty, 54453, kept) == 0
    # The end of a series is nothing to store.
    assert kept.content == b"\x01\x00\x01n\x05UInt8"
    # Bytes after a block belong to no block.
    assert Block(54460).header(()) == INFO + b"\x00\x00"


def test_what_precedes_a_block_may_be_in_any_order_or_missing() -> None:
    for info in (b"\x00", b"\x01\x01\x00", b"\x02\x05\x00\x00\x00\x00", b"\x02abcd\x01\x00\x00"):
        kept = Kept()
        assert receive_block(BytesSource(info + NATIVE), 54453, kept) == 3
        assert kept.content == NATIVE


def test_a_sparse_column_is_refused() -> None:
    with pytest.raises(Fault) as refused:
        receive_block(BytesSource(WIRE.replace(b"UInt8\x00", b"UInt8\x01")), 54454, None)

    assert (refused.value.code, refused.value.what) == (
        NOT_IMPLEMENTED,
        "Sparse columns in an INSERT are not supported.",
    )


def test_a_zone_takes_the_place_of_the_type_that_has_none() -> None:
    native = b"\x02\x01" + b"\x01t\x08DateTime\x01\x02\x03\x04" + b"\x01n\x05UInt8\x07"
    block = Block(54453)
    block.zoned = ["DateTime('UTC')", None]

    rows, pieces = block.rows(BytesSource(native))

    assert (rows, block.columns) == (1, [("t", "DateTime('UTC')"), ("n", "UInt8")])
    assert b"".join(pieces) == INFO + (
        b"\x02\x01" + b"\x01t\x0fDateTime('UTC')\x01\x02\x03\x04" + b"\x01n\x05UInt8\x07"
    )


def test_the_first_block_tells_the_columns() -> None:
    assert first_columns(b"") == []
    assert first_columns(NATIVE + b"\x01\x00\x01z\x05UInt8") == [("n", "UInt8"), ("s", "String")]


def test_what_is_kept_in_memory_is_read_back_whole_and_not_what_was_there_before() -> None:
    file = MemoryFile()
    pieces = [memoryview(b"%06d" % number) for number in range(1025)]  # 512 + 512 + 1
    try:
        file.write(pieces)
        file.append(b"end")
        file.seal()
        assert file.size == 1025 * 6 + 3
        assert Path(file.path).read_bytes() == b"".join(pieces) + b"end"

        file.clear()
        file.append(b"new")
        file.seal()
        assert (file.size, Path(file.path).read_bytes()) == (3, b"new")
    finally:
        file.close()


@pytest.mark.parametrize("taken", [1, 5, 6, 7, 17])
def test_what_the_kernel_does_not_take_at_once_is_written_once_and_whole(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(fd: int, pieces: list[memoryview]) -> int:
        """Like the kernel after a signal: writes only a part."""
        return os.write(fd, b"".join(pieces)[:taken])

    file = MemoryFile()
    try:
        monkeypatch.setattr(os, "writev", short)
        file.write([memoryview(b"abcdef"), memoryview(b"ghijkl"), memoryview(b"mnopqr")])
        file.seal()
        assert (file.size, Path(file.path).read_bytes()) == (18, b"abcdefghijklmnopqr")
    finally:
        file.close()


@pytest.mark.parametrize(("size", "left"), [(9, 9), (10, 10), (11, 10)])
def test_no_more_memory_is_kept_for_the_next_use_than_allowed(size: int, left: int) -> None:
    file = MemoryFile()
    try:
        file.append(b"x" * size)
        file.clear(keep=10)
        assert (file.size, Path(file.path).read_bytes()) == (0, b"x" * left)
    finally:
        file.close()
