"""The most that a client may send or claim; checked before any memory is taken for it (D-116)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from infra.warehouse._fault import TOO_LARGE_STRING_SIZE, Fault

HELLO_BYTES: Final = 4 << 10
"""Of each text before the login: names, the password, the database."""
TEXT_BYTES: Final = 64 << 10
"""Of a name, an id, and anything else that has no bound of its own below."""
LISTED_BYTES: Final = 4 << 20
"""Of names and types kept together: of all tables that come with one query, and of what one column
announces. A text with one character beyond 16 bits takes four times its bytes in memory."""
LISTED_EACH: Final = 64
"""Counted for each name, type or setting besides its bytes."""
FIXED_BYTES: Final = 1 << 20
"""Of a FixedString."""
TOKENS: Final = 300_000
"""Words and signs of a statement before its rows: more than fit the engine's own bound of 256 KiB,
unless a setting raises that."""
TYPE_BYTES: Final = 256 << 10
"""Of a column's type; an Enum16 of 10,000 values needs about as much."""
TYPE_DEPTH: Final = 32
"""Brackets within brackets in a column's type."""
COLUMNS: Final = 10_000
ROWS: Final = 1 << 30
"""Rows of one block, and elements of one column of arrays."""
KEPT_BYTES: Final = 4 << 20
"""Of a buffer that a connection keeps after a larger frame."""
KEPT_CHARACTERS: Final = 16 << 10
"""Of a statement whose reading is kept for the next time it comes; hundreds are."""
INSERT_BYTES: Final = 512 << 20
"""Rows kept in memory before they are stored: a larger native INSERT is stored in several, as on
any server, and a larger HTTP body is refused."""
SPOOL_BYTES: Final = 2 * INSERT_BYTES
"""Of rows in memory with the block that passes the bound above."""
HEAD_BYTES: Final = 256 << 10
"""Of the request line and the headers of an HTTP request together."""
XZ_BYTES: Final = 128 << 20
"""Of memory for one body of xz, whose head may ask for gigabytes; xz's own presets need 65 MB."""
FORM_BYTES: Final = 64 << 20
"""Of a form over HTTP, which is read whole before its parts are."""
TABLES: Final = 100
"""That come with one query."""
TRAILERS: Final = 100
"""Lines after the last chunk of an HTTP body."""


RESULT_BYTES: Final = 32 << 20
"""Of the rows of one answer to a board, as the engine counts them; a wall's have kilobytes."""
QUERY_BYTES: Final = 200_000_000
"""Of memory of one query of a board; those of the shipped boards need less."""
HEADER_BYTES: Final = 50_000_000
"""Of memory for asking which columns such a query has, while it may still run."""
BOARDS_BYTES: Final = 1_000_000_000
"""Of memory of all boards' queries that run at a time: the rest of the engine's is the writer's."""
BOARDS_SHARE_BYTES: Final = BOARDS_BYTES * 3 // 4
"""Of one user's among them: another user's query finds room."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one user.

    Attributes:
        statement: bytes of a statement without the rows that follow it.
        rows: bytes of the rows in an HTTP body.
        frame: bytes of a compressed frame, before and after unpacking.
        answer: bytes of an answer that is kept whole before it is sent.
        values: bytes of all settings, and of all parameters, of one query.
    """

    statement: int
    rows: int
    frame: int
    answer: int
    values: int


OWNER: Final = Bounds(
    statement=16 << 20,
    rows=INSERT_BYTES,
    frame=128 << 20,
    answer=INSERT_BYTES,
    values=4 << 20,
)
"""Of a user who writes. Clients cut frames at 1 MB; clickhouse-go only after the column that passes
10 MB."""
BOARD: Final = Bounds(
    statement=256 << 10, rows=0, frame=1 << 20, answer=RESULT_BYTES, values=256 << 10
)
"""Of a board's user, who sends no rows. The engine takes no longer statement from it either."""


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
