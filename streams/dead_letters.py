"""Dead letters: messages that could not be counted, with reason and position, nothing lost.

The message's row in the events table is the record; the letter in `<topic>.dead` is for people and
tools that watch a topic. It holds the message, or of a very large one the beginning, with the size
and the digest of the whole, which stays where it is. The letter is sent before the row is stored,
so after a crash the topic may hold it twice, with the same position.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.ingest import Rows
    from streams.store import Poison

HEADERS: Final = (
    *("status", "reason", "topic", "partition", "offset", "logged"),
    *("size", "sha256"),
)
"""Kafka headers of a dead letter; values are UTF-8 text, `logged` is ms since 1970, `size` (bytes)
and `sha256` (hexadecimal) are of the whole message."""
_MOST_BYTES: Final = 8 * 1024 * 1024
"""Of a message that its letter holds, half of what the topic of letters takes. The limit of a topic
is on what is compressed, and a message of a few kilobytes may unpack to more than any topic takes:
its letter could never be sent."""
_MOST_REASON: Final = 1_000
"""Characters; a reason names the field, and a sender chooses the field's name."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused message; `payload` is its bytes as received."""

    topic: str
    kpart: int
    offset: int
    logged: int
    status: str
    reason: str
    payload: bytes

    @property
    def code(self) -> str:
        """The reason's code, the label of the metric."""
        return self.reason.partition(":")[0]

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """Kafka headers: where the message came from and why it was refused."""
        values = (
            *(self.status, self.reason[:_MOST_REASON]),
            *(self.topic, self.kpart, self.offset, self.logged),
            *(len(self.payload), hashlib.sha256(self.payload).hexdigest()),
        )
        return [(name, str(value).encode()) for name, value in zip(HEADERS, values, strict=True)]

    @property
    def head(self) -> bytes:
        """What the letter holds of the message: all of it, unless it is very large."""
        return self.payload[:_MOST_BYTES]

    @classmethod
    def of_rows(cls, rows: Rows) -> Sequence[DeadLetter]:
        """Letters of the refused rows; `rows` are prepared and settled."""
        columns = rows.columns
        return [
            cls(
                rows.topic,
                columns["kpart"][n],
                columns["koff"][n],
                columns["logged"][n],
                status,
                columns["reason"][n],
                columns["payload"][n],
            )
            for n, status in enumerate(columns["status"])
            if status in ("dead", "parked")
        ]

    @classmethod
    def of_poison(cls, poison: Poison) -> DeadLetter:
        """The letter of an event that a view could not digest."""
        return cls(
            poison.topic,
            poison.kpart,
            poison.offset,
            poison.logged,
            "dead",
            poison.reason,
            poison.payload,
        )
