"""Streams made by hand: buffers cut at chosen places, frames with a correct checksum."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from clickhouse_cityhash.cityhash import CityHash128

from infra.warehouse.sizes import OWNER
from infra.warehouse.wire import ByteSource, FrameSource, SocketSource


class Cut(ByteSource):
    """A stream with the given pieces as buffers, one after the other.

    `asked` counts the buffers read: a server that reads one too many waits for ever.
    """

    def __init__(self, *pieces: bytes) -> None:
        super().__init__()
        self._left = list(pieces)
        self.asked = 0

    def fill(self) -> None:
        if not self._left:
            raise EOFError
        self.asked += 1
        piece = self._left.pop(0)
        # The garbage after the piece must never be read.
        self.buffer = bytearray(piece + b"\xee" * 8)
        self.current_buffer_size = len(piece)


class Kept:
    """A spool that keeps its content in memory."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, pieces: list[memoryview]) -> None:
        self.content += b"".join(pieces)


class Sent:
    """A socket that returns one piece per call, cut to the buffer, and then the end."""

    def __init__(self, *pieces: bytes) -> None:
        self._left = list(pieces)

    def recv_into(self, target: Any) -> int:
        if not self._left:
            return 0
        piece = self._left.pop(0)
        size = min(len(target), len(piece))
        target[:size] = piece[:size]
        if piece[size:]:
            self._left.insert(0, piece[size:])
        return size


def over_socket(*pieces: bytes) -> SocketSource:
    return SocketSource(Sent(*pieces))  # type: ignore[arg-type]


def framed(method: int, packed: bytes, size: int) -> bytes:
    """A ClickHouse frame with a correct checksum: `packed` as sent, `size` as claimed.

    Layout: 16 bytes of hash, high half first; method; size of the head without the hash (9) plus
    the packed bytes; unpacked size.
    """
    body = struct.pack("<BII", method, 9 + len(packed), size) + packed
    hashed = CityHash128(body)
    return struct.pack("<QQ", hashed >> 64, hashed % 2**64) + body


def frames(*whole: bytes) -> FrameSource:
    return FrameSource(over_socket(b"".join(whole)), OWNER.frame)


def cuts(content: bytes) -> Iterable[tuple[bytes, bytes]]:
    """`content` in two pieces, cut at every place, both ends included."""
    for at in range(len(content) + 1):
        yield content[:at], content[at:]
