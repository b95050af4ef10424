"""Unpacks the body of a request in pieces of a bounded size, and to its end or not at all.

80 kB of zstd can hold 5 GB: nothing here unpacks more than a piece before the caller has seen it.
"""

from __future__ import annotations

import bz2
import itertools
import lzma
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol, cast

import brotli
import cramjam
import lz4.frame

from infra.warehouse import sizes
from infra.warehouse._fault import INCORRECT_DATA, NOT_IMPLEMENTED, Fault
from infra.warehouse.wire import ByteSource, FrameSource

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES: Final = 1 << 20
"""Most bytes that one piece unpacks to; brotli's may be a little larger."""
_SNAPPY_CHUNK: Final = 1 << 16
"""Most bytes that a chunk of snappy's framing format unpacks to, by its specification."""
_SNAPPY_RATIO: Final = 64
"""Three bytes of snappy stand for 64 at most; what claims more is no block of it."""
_HADOOP: Final = struct.Struct(">II")
_SNAPPY_BEGIN: Final = b"\xff\x06\x00\x00sNaPpY"


def unpacked(encoding: str, raw: Iterable[bytes]) -> Iterator[bytes]:
    """The content of a body as it comes in.

    Args:
        encoding: Content-Encoding; empty for none.
        raw: the body in pieces of any size.

    Raises:
        Fault: the encoding is unknown, or the body is damaged or ends too early.
    """
    unpack = _KINDS.get(encoding.strip().lower())
    if unpack is None:
        raise Fault(
            NOT_IMPLEMENTED, f"Content-Encoding {encoding[:40]!r} is not supported; use gzip."
        )
    return _checked(encoding, unpack(iter(raw)))


def _checked(encoding: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except _ERRORS as error:
        # The libraries' messages are about the form, never of the content.
        raise Fault(
            INCORRECT_DATA, f"The body cannot be unpacked as {encoding}: {error}.", do="Resend it."
        ) from None


class _Damaged(Exception):
    """A body is not what its encoding says."""


_ERRORS: Final = (
    *(zlib.error, zstd.ZstdError, brotli.error, lzma.LZMAError, _Damaged),
    # bz2 and lz4 have no error of their own.
    *(OSError, RuntimeError),
)


class _Unpacker(Protocol):
    """One member or frame; the interface of Python's own `bz2` and `compression.zstd`."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    """A gzip member or a zlib stream, behind that interface."""

    def __init__(self) -> None:
        self._one = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._one.eof

    @property
    def needs_input(self) -> bool:
        return not self._full

    @property
    def unused_data(self) -> bytes:
        return self._one.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        found = self._one.decompress(self._one.unconsumed_tail + data, max_length)
        self._full = len(found) == max_length or bool(self._one.unconsumed_tail)
        return found


def _members(make: Callable[[], _Unpacker]) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    """Unpacks members or frames, one behind the other."""

    def unpack(raw: Iterator[bytes]) -> Iterator[bytes]:
        one: _Unpacker | None = None
        for left in raw:
            while left or not (one is None or one.needs_input or one.eof):
                if one is None or one.eof:
                    one = make()
                piece = one.decompress(left, PIECE_BYTES)
                left = one.unused_data if one.eof else b""
                if piece:
                    yield piece
        if one is not None and not one.eof:
            raise _Damaged("it ends too early")

    return unpack


def _brotli(raw: Iterator[bytes]) -> Iterator[bytes]:
    one, begun = brotli.Decompressor(), False
    for each in raw:
        begun, left = True, each
        while True:
            piece = cast(bytes, one.process(left, output_buffer_limit=PIECE_BYTES))
            left = b""
            if piece:
                yield piece
            if one.can_accept_more_data() or one.is_finished():
                break
    if begun and not one.is_finished():
        raise _Damaged("it ends too early")


def _snappy(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Snappy in one of two layouts, told apart by how they begin."""
    begin = b""
    for each in raw:
        begin += each
        if len(begin) >= len(_SNAPPY_BEGIN):
            break
    if begin:
        layout = _snappy_frames if begin.startswith(_SNAPPY_BEGIN) else _snappy_blocks
        yield from layout(itertools.chain((begin,), raw))


def _snappy_blocks(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Hadoop's layout, the one ClickHouse reads: the size unpacked, the size packed, a block."""
    held = bytearray()
    for each in raw:
        held += each
        while len(held) >= _HADOOP.size:
            size, packed = _HADOOP.unpack_from(held)
            if max(size, packed) > sizes.OWNER.frame or size > _SNAPPY_RATIO * packed:
                raise _Damaged("a block is too large")
            end = _HADOOP.size + packed
            if len(held) < end:
                break
            block = bytes(held[_HADOOP.size : end])
            del held[:end]
            if _claimed(block[:5]) != size:
                raise _Damaged("a block claims another size")
            try:
                piece = bytes(cramjam.snappy.decompress_raw(block))
            except (cramjam.DecompressionError, OSError) as error:
                raise _Damaged(str(error)) from None
            if piece:
                yield piece
    if held:
        raise _Damaged("it ends too early")


def _snappy_frames(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Chunks of snappy's framing format; cramjam checks each, but takes only whole streams."""
    held = bytearray()
    for each in raw:
        held += each
        while len(held) >= 4:
            size = 4 + int.from_bytes(held[1:4], "little")
            if size > 2 * _SNAPPY_CHUNK:
                raise _Damaged("a chunk is too large")
            if len(held) < size:
                break
            chunk = bytes(held[:size])
            del held[:size]
            if piece := _snappy_chunk(chunk):
                yield piece
    if held:
        raise _Damaged("it ends too early")


def _snappy_chunk(chunk: bytes) -> bytes:
    if chunk[0] == 0 and _claimed(chunk[8:13]) > _SNAPPY_CHUNK:
        raise _Damaged("a chunk claims too much")
    try:
        begin = b"" if chunk == _SNAPPY_BEGIN else _SNAPPY_BEGIN
        return bytes(cramjam.snappy.decompress(begin + chunk))
    except (cramjam.DecompressionError, OSError) as error:
        raise _Damaged(str(error)) from None


def _claimed(head: bytes) -> int:
    """The size that a snappy block claims to unpack to, in its first bytes."""
    size = 0
    for at, each in enumerate(head):
        size |= (each & 0x7F) << 7 * at
        if each < 0x80:
            break
    return size


def _plain(raw: Iterator[bytes]) -> Iterator[bytes]:
    return raw


_lz4: Callable[[], Any] = lz4.frame.LZ4FrameDecompressor
_KINDS: Final[dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]]] = {
    "": _plain,
    "identity": _plain,
    "gzip": _members(_Zlib),
    "x-gzip": _members(_Zlib),
    "deflate": _members(_Zlib),
    "zstd": _members(zstd.ZstdDecompressor),
    "lz4": _members(_lz4),
    "xz": _members(lambda: lzma.LZMADecompressor(memlimit=sizes.XZ_BYTES)),
    "bz2": _members(bz2.BZ2Decompressor),
    "br": _brotli,
    "snappy": _snappy,
}


class _Pieces(ByteSource):
    """A stream of bytes in pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._left = pieces

    def fill(self) -> None:
        """Takes the next piece."""
        piece = next(self._left, None)
        if piece is None:
            raise EOFError
        self.buffer, self.current_buffer_size = bytearray(piece), len(piece)

    def more(self) -> bool:
        """Whether any byte is left."""
        while self.position == self.current_buffer_size:
            try:
                self.read_into_buffer()
            except EOFError:
                return False
        return True


def from_frames(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """The content of ClickHouse's own compressed frames, as `decompress=1` announces them.

    Args:
        pieces: the frames, cut anywhere.
        most: bytes of a frame, before and after unpacking.

    Raises:
        Fault: a frame is damaged, does not fit its checksum, or is cut short.
    """
    raw = _Pieces(pieces)
    frames = FrameSource(raw, most)
    while raw.more():
        try:
            frames.fill()
        except EOFError:
            raise Fault(
                INCORRECT_DATA, "The last of ClickHouse's frames is cut short.", do="Resend them."
            ) from None
        yield bytes(memoryview(frames.buffer)[: frames.current_buffer_size])
