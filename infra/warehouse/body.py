"""What a request over HTTP sends: its head within bounds, its body, and the statement in it."""

from __future__ import annotations

import email.message
import http.client
import http.server
import io
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Final

from infra.warehouse import sizes
from infra.warehouse._fault import ACCESS_DENIED, BAD_ARGUMENTS, QUERY_IS_TOO_LARGE, Fault
from infra.warehouse._sql import parse_insert, statement_kind
from infra.warehouse.unpacking import from_frames, unpacked
from infra.warehouse.watch import has_left
from infra.warehouse.wire import MemoryFile

_READ_BYTES: Final = 1 << 20


class Head:
    """The request line and the headers of one request, bounded together.

    Each line and the number of lines have bounds in Python's own server: 6 MB in all, from anybody.
    """

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream, self._left = stream, sizes.HEAD_BYTES

    def readline(self, most: int = -1) -> bytes:
        """The next line.

        Raises:
            http.client.LineTooLong: there were too many bytes of them.
        """
        line = self._stream.readline(most)
        self._left -= len(line)
        if self._left < 0:
            raise http.client.LineTooLong("header line")
        return line

    def close(self) -> None:
        """Closes the stream behind it."""
        self._stream.close()


class Body:
    """The body of a request.

    Args:
        handler: of the request, whose head was read.
        stir: called whenever a part of it has come.

    Raises:
        Fault: its headers cannot be understood.
    """

    def __init__(
        self,
        handler: http.server.BaseHTTPRequestHandler,
        stir: Callable[[], None] = lambda: None,
    ) -> None:
        self._stir = stir
        self._file, self._connection = handler.rfile, handler.connection
        headers = handler.headers
        transfer = headers.get("Transfer-Encoding", "").strip().lower()
        if transfer not in ("", "chunked"):
            raise Fault(
                BAD_ARGUMENTS,
                f"Transfer-Encoding {transfer[:40]!r} is not supported.",
                do="Send the body in chunks, or with its length.",
            )
        self._chunked = bool(transfer)
        lengths = set(headers.get_all("Content-Length") or ["0"])
        if len(lengths) > 1:
            raise Fault(BAD_ARGUMENTS, "The request has two different Content-Lengths.")
        self._length = _size(lengths.pop() or "0", 10, "Content-Length")
        self._content = unpacked(headers.get("Content-Encoding", ""), self._raw())
        self.expected = self._chunked or bool(self._length)
        if headers.get("Expect", "").lower() == "100-continue":
            handler.send_response_only(100)
            handler.end_headers()

    def pieces(self, most: int, frame: int = 0) -> Iterator[bytes]:
        """The body without its encodings, piece by piece.

        Args:
            most: bytes of it.
            frame: bytes of one of ClickHouse's own compressed frames; 0 where it has none.

        Raises:
            Fault: it has more than `most` bytes, 0 where a user may store nothing, or is damaged.
            EOFError: the client has left. A few kilobytes can unpack to hundreds of megabytes, and
                requests that nobody waits for would pile up.
        """
        size = 0
        for piece in from_frames(self._content, frame) if frame else self._content:
            size += len(piece)
            if size > most == 0:
                raise Fault(ACCESS_DENIED, "This user reads; the request holds rows to store.")
            if size > most:
                raise Fault(
                    QUERY_IS_TOO_LARGE,
                    f"The request has more than {most} bytes.",
                    do="Send the rows in several INSERTs.",
                )
            if size > _READ_BYTES and has_left(self._connection):
                raise EOFError
            yield piece

    def _raw(self) -> Iterator[bytes]:
        if not self._chunked:
            yield from self._read(self._length)
            return
        while size := _size(self._line(1024).split(b";")[0].decode("latin-1"), 16, "a chunk"):
            yield from self._read(size)
            if self._line(8):
                raise Fault(BAD_ARGUMENTS, "A chunk of the request does not end where it says.")
        for _ in range(sizes.TRAILERS):
            if not self._line(1 << 16):
                return
        raise Fault(BAD_ARGUMENTS, "The request has too many lines after its last chunk.")

    def _read(self, left: int) -> Iterator[bytes]:
        while left:
            left -= len(piece := self._file.read(min(left, _READ_BYTES)))
            if not piece:
                raise EOFError
            self._stir()
            yield piece

    def _line(self, most: int) -> bytes:
        return self._file.readline(most).strip(b"\r\n")


def has_body(headers: email.message.Message) -> bool:
    """Whether a request has a body, as far as its headers can be understood."""
    lengths = headers.get_all("Content-Length") or []
    return "Transfer-Encoding" in headers or any(each.strip(" \t0") for each in lengths)


def _size(given: str, base: int, what: str) -> int:
    """A number of bytes in a request; at most 16 digits, no sign, no underscores."""
    digits = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    given = given.strip(" \t")
    if not given or len(given) > 16 or given.strip(digits):
        raise Fault(BAD_ARGUMENTS, f"The size of {what} is no number: {given[:40]!r}.")
    return int(given, base)


def takes_rows(text: str) -> bool:
    """Whether `text` is an INSERT whose rows are the body."""
    if not text or statement_kind(text) != "INSERT":
        return False
    insert = parse_insert(text)
    return insert is not None and not text[insert.data_at :].strip()


def split(begin: bytes, pieces: Iterator[bytes], rows: MemoryFile, bounds: sizes.Bounds) -> str:
    """The statement that `begin` and the body's pieces make; the rows after an INSERT go to `rows`.

    Raises:
        Fault: the statement or the rows are too large.
    """
    held = bytearray(begin)
    for piece in pieces:
        held += piece
        if len(held) > bounds.statement:
            break
    # One character per byte: rows need not be text, and offsets must be byte offsets.
    head = held.decode("latin-1")
    if head.strip() and statement_kind(head) == "INSERT" and (insert := parse_insert(head)):
        data = _LINE_END.sub(b"", bytes(held[insert.data_at :]), count=1)
        for piece in itertools.chain((data,), pieces):
            if piece:
                rows.append(piece)
        del held[insert.data_at :]
    if len(held) > bounds.statement:
        raise Fault(
            QUERY_IS_TOO_LARGE,
            f"The statement has more than {bounds.statement} bytes.",
            do="Put the values into a table and join it.",
        )
    return held.decode(errors="surrogateescape")


_LINE_END = re.compile(rb"\A[ \t]*;?[ \t]*\r?\n?")
