"""The most that a client may send or claim; checked before any memory is taken for it (D-116)."""

from __future__ import annotations

from typing import Final

from infra.warehouse._fault import TOO_LARGE_STRING_SIZE, Fault

HELLO_BYTES: Final = 4 << 10
"""Of each text before the login: names, the password, the database."""
TEXT_BYTES: Final = 64 << 10
"""Of a name, an id, and anything else that has no bound of its own below."""
VALUE_BYTES: Final = 1 << 20
"""Of the value of a setting or parameter."""
VALUES: Final = 2_000
"""Settings, and parameters, of one query."""
STATEMENT_BYTES: Final = 16 << 20
"""Of a statement without the rows that follow it. The engine's own bound is lower unless a setting
raises it; tokenising takes a second for this many bytes."""
BOARD_STATEMENT_BYTES: Final = 256 << 10
"""Of a board user's statement: the engine's own bound, which board users cannot raise."""
TYPE_BYTES: Final = 256 << 10
"""Of a column's type; an Enum16 of 10,000 values needs about as much."""
TYPE_DEPTH: Final = 32
"""Brackets within brackets in a column's type."""
COLUMNS: Final = 10_000
ROWS: Final = 1 << 30
"""Rows of one block, and elements of one column of arrays."""
FRAME_BYTES: Final = 128 << 20
"""Of a compressed frame, before and after unpacking. Clients cut at 1 MB; clickhouse-go only after
the column that passes 10 MB."""
BOARD_FRAME_BYTES: Final = 1 << 20
"""Of a frame of a board user, who sends no rows."""
KEPT_BYTES: Final = 4 << 20
"""Of a buffer that a connection keeps after a larger frame."""
INSERT_BYTES: Final = 512 << 20
"""Rows kept in memory before they are stored: a larger native INSERT is stored in several, as on
any server, and a larger HTTP body is refused."""
SPOOL_BYTES: Final = 2 * INSERT_BYTES
"""Of rows in memory with the block that passes the bound above."""
HEAD_BYTES: Final = 256 << 10
"""Of the request line and the headers of an HTTP request together."""
TRAILERS: Final = 100
"""Lines after the last chunk of an HTTP body."""


def checked(size: int, most: int, what: str) -> int:
    """`size`, where it is within bounds.

    Args:
        size: as the client claims it.
        most: the bound.
        what: its name in the message, as "a setting's value".

    Raises:
        Fault: it is negative or beyond the bound.
    """
    if not 0 <= size <= most:
        raise Fault(
            TOO_LARGE_STRING_SIZE,
            f"Too large: {what} claims {size} bytes, and at most {most} are taken.",
            do="Send less at a time.",
        )
    return size
