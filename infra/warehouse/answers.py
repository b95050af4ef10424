"""What an answer over HTTP is made of: its encoding and its summary."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable

import lz4.frame

from infra.warehouse._fault import BAD_ARGUMENTS, Fault
from infra.warehouse.desk import Question
from infra.warehouse.engine import Counts
from infra.warehouse.request import Options
from infra.warehouse.wire import Block, BytesSource, WireColumns, first_columns, frame


class Packing:
    """Packs pieces of an answer as the client wants them.

    Args:
        options: of the request; `compress` and `client_protocol_version` change blocks.
        question: for its format.
        accepted: Accept-Encoding.
    """

    def __init__(self, options: Options, question: Question, accepted: str) -> None:
        wanted = options.get("client_protocol_version") or "0"
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10):
            raise Fault(BAD_ARGUMENTS, f"The client_protocol_version {wanted[:20]!r} is no number.")
        revision = int(wanted)
        self._block = Block(revision) if revision and question.format == "Native" else None
        self._frames = options.get("compress") == "1"
        self.name = ""
        self._pack: Callable[[bytes], bytes] = bytes
        self._flush: Callable[[], bytes] = bytes
        # Only with the setting, as on any server: a client that merely lists encodings in
        # Accept-Encoding must not pay for compression.
        if options.get("enable_http_compression") == "1" and not self._frames:
            names = [each.split(";")[0].strip() for each in accepted.split(",")]
            if "lz4" in names:
                lz4_packer = lz4.frame.LZ4FrameCompressor()
                begin = [lz4_packer.begin()]
                self.name, self._flush = "lz4", lz4_packer.flush
                self._pack = lambda piece: (
                    (begin.pop() if begin else b"") + lz4_packer.compress(piece)
                )
            elif "gzip" in names or "deflate" in names:
                self.name = "gzip" if "gzip" in names else "deflate"
                packer = zlib.compressobj(1, wbits=31 if self.name == "gzip" else 15)
                self._pack, self._flush = packer.compress, packer.flush

    def __call__(self, piece: bytes) -> bytes:
        """A piece of the engine's answer."""
        if self._block is None:
            return self.raw(piece)
        source, parts = BytesSource(piece), []
        while source.more():
            parts += self._block.rows(source)[1]
        return self.raw(b"".join(parts))

    def zone(self, zoned: Callable[[WireColumns], list[str | None]], first: bytes) -> None:
        """Restores the time zones that the format Native dropped; `first` is the first piece."""
        if self._block is not None:
            self._block.zoned = zoned(first_columns(first))

    def header(self, columns: WireColumns) -> bytes:
        """A block without rows, where the client knows blocks; nothing otherwise."""
        return self._block.header(columns) if self._block is not None else b""

    def raw(self, content: bytes) -> bytes:
        """Bytes that are in their format already."""
        if self._frames:
            return b"".join(frame([content])) if content else b""
        return self._pack(content)

    def end(self) -> bytes:
        """The bytes that end the answer."""
        return self._flush()


def summary(counts: Counts) -> str:
    """The header X-ClickHouse-Summary."""
    said = {
        "read_rows": counts.read_rows,
        "read_bytes": counts.read_bytes,
        "written_rows": counts.written_rows,
        "written_bytes": counts.written_bytes,
        "total_rows_to_read": counts.read_rows,
        "result_rows": counts.result_rows,
        "result_bytes": counts.result_bytes,
        "elapsed_ns": counts.elapsed_ns,
    }
    return json.dumps({name: str(value) for name, value in said.items()})
