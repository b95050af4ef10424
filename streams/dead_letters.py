"""Dead letters: messages that could not be counted, with reason and position, nothing lost.

The message's row in the events table is the record; the copy in `<topic>.dead` is for people and
tools that watch a topic. The copy is sent before the row is stored, so after a crash the topic may
hold it twice, with the same position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.ingest import Rows
    from streams.store import Poison

HEADERS: Final = ("status", "reason", "topic", "partition", "offset", "logged")
"""Kafka headers of a dead letter; values are UTF-8 text, `logged` is ms since 1970."""


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
        values = (self.status, self.reason, self.topic, self.kpart, self.offset, self.logged)
        return [(name, str(value).encode()) for name, value in zip(HEADERS, values, strict=True)]

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
