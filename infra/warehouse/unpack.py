"""Takes the encodings off a request's body, piece by piece: all of the rows, or an error."""

from __future__ import annotations

import bz2
import lzma
import mmap
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from email.parser import BytesParser
from typing import Final, NamedTuple, Protocol

import cramjam
import lz4.frame

from infra.warehouse._fault import INCORRECT_DATA, NOT_IMPLEMENTED, Fault
from infra.warehouse.wire import ByteSource, FrameSource

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PIECE_BYTES: Final = 1 << 20
_SNAPPY_STREAM: Final = b"\xff\x06\x00\x00sNaPpY"
_HADOOP: Final = struct.Struct(">II")
"""Before a block in Hadoop's layout of snappy: its bytes unpacked, and packed."""


class _Unpacker(Protocol):
    """What the streaming decompressors of Python and lz4 share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    """zlib's decompressor with the interface of the others; takes gzip and zlib."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._was_full = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail and not self._was_full

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._was_full = len(piece) == max_length
        return piece


_STREAMED: Final[dict[str, Callable[[], _Unpacker]]] = {
    "gzip": _Zlib,
    "x-gzip": _Zlib,
    "deflate": _Zlib,
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
    "bz2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}
_ERRORS: Final = (
    *(zlib.error, lzma.LZMAError, zstd.ZstdError, cramjam.DecompressionError),
    *(OSError, RuntimeError, EOFError),
)
"""What the decompressors raise; bz2 and lz4 have no error of their own."""


def unpacked(encoding: str, pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """The pieces of a body without its Content-Encoding, each at most 1 MiB where it streams.

    Args:
        encoding: the header's value; empty is none.
        pieces: of the body as it was sent.
        most: bytes of a whole body; brotli and snappy are unpacked into a room of this size.

    Raises:
        Fault: the encoding is unknown, or the body is damaged or cut short.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return pieces
    if name in _STREAMED:
        return _streamed(name, pieces)
    if name in ("br", "snappy"):
        return _at_once(name, pieces, most)
    raise Fault(NOT_IMPLEMENTED, f"Content-Encoding {encoding!r} is not supported; use gzip.")


def _streamed(name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Unpacks one member after the other: a file of several is common, for gzip above all."""
    unpacker: _Unpacker | None = None
    for piece in pieces:
        left = piece
        while left or (unpacker is not None and not unpacker.needs_input):
            if unpacker is None:
                unpacker = _STREAMED[name]()
            try:
                content = unpacker.decompress(left, _PIECE_BYTES)
            except _ERRORS as error:
                raise _damaged(name, str(error)) from None
            if content:
                yield content
            left = b""
            if unpacker.eof:
                left, unpacker = unpacker.unused_data or b"", None
    if unpacker is not None:
        raise _damaged(name, "it is cut short")


def _at_once(name: str, pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    packed = b"".join(pieces)
    if not packed:
        return
    # Anonymous memory: only what is written takes room.
    with mmap.mmap(-1, most) as room:
        try:
            if name == "br":
                size = _brotli(packed, room)
            elif packed.startswith(_SNAPPY_STREAM):
                size = cramjam.snappy.decompress_into(packed, room)
            else:
                size = _hadoop(packed, room)
        except (*_ERRORS, struct.error, ValueError) as error:
            raise _damaged(name, str(error)) from None
        for start in range(0, size, _PIECE_BYTES):
            yield room[start : min(start + _PIECE_BYTES, size)]


def _brotli(packed: bytes, room: mmap.mmap) -> int:
    # The library ignores what follows a stream, and a stream lacks nothing but its last byte only
    # if nothing follows it.
    try:
        cramjam.brotli.decompress_into(packed[:-1], room)
    except cramjam.DecompressionError:
        return int(cramjam.brotli.decompress_into(packed, room))
    raise ValueError("bytes follow its end")


def _hadoop(packed: bytes, room: mmap.mmap) -> int:
    at = size = 0
    while at < len(packed):
        raw, length = _HADOOP.unpack_from(packed, at)
        at += _HADOOP.size
        if at + length > len(packed) or size + raw > len(room):
            raise ValueError("a block is longer than the body")
        target = memoryview(room)[size : size + raw]
        try:
            done = cramjam.snappy.decompress_raw_into(packed[at : at + length], target)
        finally:
            target.release()
        if done != raw:
            raise ValueError(f"a block has {done} bytes instead of {raw}")
        at, size = at + length, size + raw
    return size


def _damaged(name: str, why: str) -> Fault:
    return Fault(
        INCORRECT_DATA,
        f"The body cannot be unpacked as {name}: {why.removesuffix('.')}. Nothing was stored.",
        do="Send the whole body again.",
    )


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


def from_frames(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The content of ClickHouse's own compressed frames, as `decompress=1` announces them.

    Raises:
        Fault: a frame is damaged, does not fit its checksum, or is cut short.
    """
    raw = _Pieces(pieces)
    frames = FrameSource(raw)
    while raw.more():
        try:
            frames.fill()
        except EOFError:
            raise _damaged("ClickHouse's frames", "the last one is cut short") from None
        yield bytes(memoryview(frames.buffer)[: frames.current_buffer_size])


class Part(NamedTuple):
    """A part of a form."""

    name: str
    is_file: bool
    content: bytes


def form(content_type: str, body: bytes) -> list[Part]:
    """The parts of a body of the type multipart/form-data.

    Raises:
        Fault: it is cut short, or it is no form.
    """
    head = f"Content-Type: {content_type}\r\n\r\n".encode(errors="replace")
    message = BytesParser().parsebytes(head + body)
    if message.defects or not message.is_multipart():
        raise _damaged("multipart/form-data", "its parts have no end")
    found = []
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        is_file = part.get_filename() is not None  # type: ignore[union-attr]
        content = part.get_payload(decode=True)  # type: ignore[union-attr]
        found.append(Part(str(name or ""), is_file, content))  # type: ignore[arg-type]
    return found
