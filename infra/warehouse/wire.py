"""Reads and writes ClickHouse's native protocol: streams, frames, blocks.

Source of the layout: clickhouse-driver (`connection.py`, `streams/`, `clientinfo.py`) and
clickhouse-go v2, which both speak it to a real server.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import tempfile
from collections.abc import Iterable
from typing import Final, Protocol, cast

import cramjam
from clickhouse_cityhash.cityhash import CityHash128
from clickhouse_driver.bufferedreader import BufferedReader
from clickhouse_driver.varint import make_varint, read_varint

from infra.warehouse import sizes
from infra.warehouse._fault import ACCESS_DENIED, INCORRECT_DATA, NOT_IMPLEMENTED, Fault
from infra.warehouse._types import walk

REVISION: Final = 54460
"""This revision has query parameters and the addendum; Grafana's plugin speaks it too."""
WITH_CUSTOM_SERIALIZATION: Final = 54454

LZ4, ZSTD, PLAIN = 0x82, 0x90, 0x02
_FRAME = struct.Struct("<QQBII")
"""128-bit hash (high half first), method, compressed size plus 9 header bytes, raw size."""
_FRAME_TAIL = struct.Struct("<BII")
_LZ4_RATIO = 255
"""LZ4 never packs better; a frame that claims more is refused before it is read."""
_PIECE_BYTES = 1 << 20
"""Read at a time of a frame: memory grows with what arrives, not with what is claimed."""
_SOCKET_BYTES = 1 << 18
_OWN_FILES = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
_STRINGS_AT_ONCE = 1024
"""Walked by one call; few enough that walking them again in Python once per buffer is cheap."""
_MOST_VIEWS = 512
"""Pieces per writev; the kernel takes 1,024."""
_BLOCK_INFO = bytes((1, 0, 2, 255, 255, 255, 255, 0))
"""Not overflowing, bucket -1: every client sends and expects this outside of clusters."""


WireColumns = list[tuple[str, str]]


class Spool(Protocol):
    """Holds the bytes of an INSERT until all of it has arrived."""

    def write(self, pieces: list[memoryview]) -> None:
        """Appends."""


class ByteSource(BufferedReader):  # type: ignore[misc]  # compiled, without types
    """A stream of bytes that can record what is read from it, leaving out single bytes.

    Reads through clickhouse-driver's compiled reader. A subclass only has to provide `fill`.
    """

    buffer: bytearray
    position: int
    current_buffer_size: int

    def __init__(self) -> None:
        super().__init__(1)
        self.current_buffer_size = self.position = 0
        self._spool: Spool | None = None
        self._kept = 0
        self._pieces: list[memoryview] = []
        self._strict = False
        self.announced = 0

    def fill(self) -> None:
        """Puts the next bytes into `buffer` and their number into `current_buffer_size`.

        Raises:
            EOFError: there are no more.
        """
        raise NotImplementedError

    def read_into_buffer(self) -> None:
        """Called when the buffer is used up."""
        if self._strict:
            raise _UsedUp
        if self._spool is not None:
            self.position = self.current_buffer_size
            self._write()
        self.current_buffer_size = self.position = self._kept = 0
        while not self.current_buffer_size:  # A frame may hold nothing.
            self.fill()

    def skip(self, count: int) -> None:
        """Moves on by `count` bytes."""
        left = self.current_buffer_size - self.position
        while count > left:
            count -= left
            self.position = self.current_buffer_size
            self.read_into_buffer()
            left = self.current_buffer_size
        self.position += count

    def skip_strings(self, count: int) -> None:
        """Moves on by `count` strings with their lengths.

        The compiled reader walks them, but only inside the buffer: when a string continues in the
        next buffer, it also asks for the one after that, which a waiting client never sends. Not
        by its `read_strings_arrow`, which crashes on a length near 2⁶⁴ (D-116); `read_strings`
        fails on it.

        Raises:
            Fault: a string claims more bytes than an INSERT may have.
        """
        while count:
            batch = min(count, _STRINGS_AT_ONCE)
            start = self.position
            self._strict = True
            try:
                self.read_strings(batch)
            except (_UsedUp, SystemError):
                self._strict, self.position = False, start
                for _ in range(batch):
                    self.skip(sizes.checked(self.varint(), sizes.INSERT_BYTES, "a string"))
            finally:
                self._strict = False
            count -= batch

    def read(self, count: int) -> bytes:
        """The next `count` bytes; never waits for more than these."""
        end = self.position + count
        if end <= self.current_buffer_size:
            found = bytes(memoryview(self.buffer)[self.position : end])
            self.position = end
            return found
        parts = []
        while count:
            if self.position == self.current_buffer_size:
                self.read_into_buffer()
            taken = min(count, self.current_buffer_size - self.position)
            parts.append(bytes(memoryview(self.buffer)[self.position : self.position + taken]))
            self.position += taken
            count -= taken
        return b"".join(parts)

    def read_into(self, target: memoryview) -> None:
        """Fills `target` with the next bytes."""
        target[:] = self.read(len(target))

    @property
    def used_up(self) -> bool:
        """Whether everything that was received has been read."""
        return bool(self.position == self.current_buffer_size)

    def record(self, spool: Spool | None) -> None:
        """Writes everything read from here on to `spool`; None ends that."""
        if self._spool is not None:
            self._write()
        self._spool, self._kept = spool, self.position

    def leave_out_byte(self) -> int:
        """The next byte, which is not recorded."""
        if self.position == self.current_buffer_size:
            self.read_into_buffer()
        self._keep()
        self.position += 1
        self._kept = self.position
        return self.buffer[self.position - 1]

    def varint(self) -> int:
        """An unsigned LEB128 number."""
        return cast(int, read_varint(self))

    def text(self, most: int = sizes.TEXT_BYTES, what: str = "a text") -> str:
        """A string, preceded by its length.

        Raises:
            Fault: the length is beyond `most` bytes; none of them is read.
        """
        size = sizes.checked(self.varint(), most, what)
        return self.read(size).decode(errors="surrogateescape")

    def _keep(self) -> None:
        if self._spool is not None and self.position > self._kept:
            self._pieces.append(memoryview(self.buffer)[self._kept : self.position])

    def _write(self) -> None:
        self._keep()
        if self._spool is not None and self._pieces:
            self._spool.write(self._pieces)
        self._pieces = []
        self._kept = self.position


class SocketSource(ByteSource):
    """Bytes as they come from a socket."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._socket = connection
        self.buffer = bytearray(_SOCKET_BYTES)

    def fill(self) -> None:
        """Waits for the peer."""
        received = self._socket.recv_into(self.buffer)
        if not received:
            raise EOFError
        self.current_buffer_size = received

    def read_into(self, target: memoryview) -> None:
        """Fills `target` from the buffer, then from the socket: a large frame is copied once."""
        taken = min(len(target), self.current_buffer_size - self.position)
        target[:taken] = memoryview(self.buffer)[self.position : self.position + taken]
        self.position += taken
        while taken < len(target):
            received = self._socket.recv_into(target[taken:])
            if not received:
                raise EOFError
            taken += received


class _UsedUp(Exception):
    """The compiled reader wants the next buffer; it never leaves this module."""


class FrameSource(ByteSource):
    """The unpacked bytes of compressed frames.

    Attributes:
        most: bytes of a frame, before and after unpacking.
    """

    def __init__(self, raw: ByteSource, most: int) -> None:
        super().__init__()
        self._raw = raw
        self._packed = bytearray()
        self.most = most

    def fill(self) -> None:
        """Reads one frame, checks its hash, and unpacks it.

        Raises:
            Fault: it claims more than is allowed or possible, or is damaged.
        """
        high, low, method, packed, size = _FRAME.unpack(self._raw.read(_FRAME.size))
        content = packed - _FRAME_TAIL.size
        most = self.most if method == ZSTD else min(self.most, content * _LZ4_RATIO)
        if not 0 <= content <= self.most or size > most:
            raise Fault(INCORRECT_DATA, f"A compressed frame claims {packed} and {size} bytes.")
        # As bytes: the hash of any other buffer holds on to it for ever, 1 MB a connection.
        body = _FRAME_TAIL.pack(method, packed, size) + self._receive(content)
        if CityHash128(body) != (high << 64) + low:
            raise Fault(INCORRECT_DATA, "A compressed frame does not fit its checksum.")
        if len(self.buffer) < size or len(self.buffer) > max(size, sizes.KEPT_BYTES):
            self.buffer = bytearray(size)
        packed_content = memoryview(body)[_FRAME_TAIL.size :]
        _unpack(method, packed_content, memoryview(self.buffer)[:size])
        self.current_buffer_size = size

    def _receive(self, count: int) -> bytes:
        """The next `count` bytes of the socket; memory grows with what arrives."""
        if len(self._packed) > sizes.KEPT_BYTES:
            self._packed = bytearray()
        done = 0
        while done < count:
            end = min(count, max(len(self._packed), done + _PIECE_BYTES))
            if len(self._packed) < end:
                self._packed.extend(bytes(end - len(self._packed)))
            with memoryview(self._packed) as whole, whole[done:end] as piece:
                self._raw.read_into(piece)
            done = end
        return bytes(memoryview(self._packed)[:count])


class BytesSource(ByteSource):
    """Bytes that are all in memory."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.buffer = bytearray(content)
        self.current_buffer_size = len(content)

    def fill(self) -> None:
        """There is nothing more."""
        raise EOFError

    def more(self) -> bool:
        """Whether any byte is left."""
        return bool(self.position < self.current_buffer_size)


def _unpack(method: int, packed: memoryview, target: memoryview) -> None:
    try:
        if method == LZ4:
            done = cramjam.lz4.decompress_block_into(packed, target, output_len=len(target))
        elif method == ZSTD:
            done = cramjam.zstd.decompress_into(packed, target)
        elif method == PLAIN:
            done = len(packed)
            if done == len(target):
                target[:] = packed
        else:
            raise Fault(
                NOT_IMPLEMENTED, f"Compression method {method:#x} is not supported; use LZ4."
            )
    except cramjam.DecompressionError as error:
        raise Fault(INCORRECT_DATA, f"A frame cannot be unpacked: {error}.") from None
    if done != len(target):
        raise Fault(INCORRECT_DATA, f"A frame unpacked to {done} bytes instead of {len(target)}.")


_INFO_WIDTHS = {1: 1, 2: 4}
"""Bytes of the fields of a block's info, by their numbers."""


class Listing:
    """Names and types of columns that are kept, of all tables of a query together."""

    def __init__(self) -> None:
        self._columns: WireColumns = []
        self._size = 0

    def read(self, source: ByteSource) -> str:
        """Adds the name and the type that come next; returns the type.

        Raises:
            Fault: there are too many, or they are too long.
        """
        name = source.text(sizes.TEXT_BYTES, "a column's name")
        kind = source.text(sizes.TYPE_BYTES, "a column's type")
        size = sum(len(each.encode(errors="surrogateescape")) for each in (name, kind))
        size += self._size + sizes.LISTED_EACH
        self._size = sizes.checked(size, sizes.LISTED_BYTES, "the list of the tables' columns")
        self._columns.append((name, kind))
        return kind

    def take(self) -> WireColumns:
        """The columns since the last call."""
        taken, self._columns = self._columns, []
        return taken


def receive_block(
    source: ByteSource,
    revision: int,
    spool: Spool | None,
    listed: Listing | None = None,
    *,
    wanted: bool = True,
) -> int | None:
    """Reads one block and puts it into `spool` in the format Native.

    The wire has two things that the format lacks: a block info, and one byte per column.

    Args:
        source: the client's bytes.
        revision: of the client.
        spool: None throws the block away.
        wanted: whether a block with columns may come; if not, nothing of it is read.
        listed: takes the names and types of the block's columns.

    Returns:
        Its number of rows; None for the block without columns that ends a series.

    Raises:
        Fault: it cannot be walked, or is larger than allowed; where it ends is then unknown.
    """
    widths = dict(_INFO_WIDTHS)
    while field := source.varint():
        if field not in widths:
            raise Fault(INCORRECT_DATA, f"Unknown or second field {field} in the info of a block.")
        source.skip(widths.pop(field))
    columns, rows = source.varint(), source.varint()
    if columns and not wanted:
        raise Fault(ACCESS_DENIED, f"This user reads; a block of {columns} columns came from it.")
    if columns > sizes.COLUMNS or rows > sizes.ROWS:
        raise Fault(INCORRECT_DATA, f"A block claims {columns} columns and {rows} rows.")
    if not columns:
        return None
    if spool is not None:
        spool.write([memoryview(make_varint(columns) + make_varint(rows))])
    source.record(spool)
    for _ in range(columns):
        if listed is None:
            source.skip(sizes.checked(source.varint(), sizes.TEXT_BYTES, "a column's name"))
            kind = source.text(sizes.TYPE_BYTES, "a column's type")
        else:
            kind = listed.read(source)
        if revision >= WITH_CUSTOM_SERIALIZATION and source.leave_out_byte():
            raise Fault(NOT_IMPLEMENTED, "Sparse columns in an INSERT are not supported.")
        walk(kind, rows, source)
    source.record(None)
    return rows


class Block:
    """A block of a result as a client of `revision` expects it on the wire."""

    def __init__(self, revision: int) -> None:
        self._serialization = b"\0" if revision >= WITH_CUSTOM_SERIALIZATION else b""
        self.columns: list[tuple[str, str]] = []
        """Names and types of the last block."""
        self.zoned: list[str | None] = []
        """By column, the type to send in place of a bare `DateTime`: the format drops the zone, as
        for clients of 2018."""

    def header(self, columns: Iterable[tuple[str, str]]) -> bytes:
        """A block without rows that carries names and types."""
        listed = list(columns)
        parts = [_BLOCK_INFO, make_varint(len(listed)), b"\0"]
        for name, kind in listed:
            parts += [_string(name), _string(kind), self._serialization]
        return b"".join(parts)

    def rows(self, native: BytesSource) -> tuple[int, list[bytes | memoryview]]:
        """The next block of the engine's output in Native: its number of rows and its pieces."""
        view = memoryview(native.buffer)
        start = native.position
        columns, rows = native.varint(), native.varint()
        pieces: list[bytes | memoryview] = [_BLOCK_INFO]
        self.columns = []
        for _ in range(columns):
            name = native.text()
            before = native.position
            kind = native.text(sizes.TYPE_BYTES)
            zoned = self.zoned[len(self.columns)] if self.zoned else None
            self.columns.append((name, zoned or kind))
            if zoned:
                pieces += [view[start:before], _string(zoned)]
                start = native.position
            if self._serialization:
                pieces += [view[start : native.position], self._serialization]
                start = native.position
            walk(kind, rows, native)
        pieces.append(view[start : native.position])
        return rows, pieces


def first_columns(native: bytes) -> WireColumns:
    """Names and types of the first block of the engine's output in the format Native."""
    if not native:
        return []
    block = Block(0)
    block.rows(BytesSource(native))
    return block.columns


def frame(pieces: list[bytes | memoryview]) -> list[bytes]:
    """`pieces` as one LZ4 frame."""
    raw = b"".join(pieces)
    packed = bytes(cramjam.lz4.compress_block(raw, store_size=False))
    body = _FRAME_TAIL.pack(LZ4, len(packed) + _FRAME_TAIL.size, len(raw)) + packed
    hashed = CityHash128(body)
    return [struct.pack("<QQ", hashed >> 64, hashed & 0xFFFF_FFFF_FFFF_FFFF), body]


def _string(text: str) -> bytes:
    encoded = text.encode(errors="surrogateescape")
    return bytes(make_varint(len(encoded))) + encoded


def packet(*fields: int | str | bytes) -> bytes:
    """Numbers as varints, texts with their length, bytes as they are."""
    parts = []
    for each in fields:
        if isinstance(each, str):
            parts.append(_string(each))
        else:
            parts.append(each if isinstance(each, bytes) else make_varint(each))
    return b"".join(parts)


class MemoryFile:
    """An anonymous file in memory, which the engine reads under a path of its own.

    It is reused: fresh pages cost twice the copy.
    """

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self._fd = os.memfd_create("insert")
        else:  # macOS
            with tempfile.TemporaryFile() as file:
                self._fd = os.dup(file.fileno())
        self.size = 0

    @property
    def path(self) -> str:
        """Its path inside this process, for the engine."""
        return f"{_OWN_FILES}/{self._fd}"

    def write(self, pieces: list[memoryview]) -> None:
        """Appends.

        Raises:
            Fault: it would hold more than `sizes.SPOOL_BYTES`.
        """
        for start in range(0, len(pieces), _MOST_VIEWS):
            batch = pieces[start : start + _MOST_VIEWS]
            wanted = sum(map(len, batch))
            sizes.checked(self.size + wanted, sizes.SPOOL_BYTES, "an INSERT's block of rows")
            done = os.writev(self._fd, batch)
            while done < wanted:  # a signal, or more than 2 GB
                done += os.write(self._fd, b"".join(batch)[done:])
            self.size += wanted

    def append(self, content: bytes) -> None:
        """Appends."""
        self.write([memoryview(content)])

    def seal(self) -> None:
        """Ends the file after the last byte written."""
        os.ftruncate(self._fd, self.size)

    def clear(self, keep: int = 32 << 20) -> None:
        """Empties it, keeping at most `keep` bytes of memory for the next use."""
        if self.size > keep:
            os.ftruncate(self._fd, keep)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0

    def close(self) -> None:
        """Gives the memory back."""
        os.close(self._fd)
