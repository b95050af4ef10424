"""How much the worker handles at once, and when it gives up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is handled at once, and when the worker gives up.

    Attributes:
        batch_events: most messages in an insert.
        batch_bytes: most bytes of payload in an insert.
        flush_s: least time between two inserts of a topic while there is little to do.
        dead_ceiling: the stream stops when one topic has more dead letters than this within
            `dead_window_s`.
        dead_window_s: length of that window, in broker time.
        claim_patience_s: how long a claim is retried while ClickHouse does not answer.
    """

    batch_events: int
    batch_bytes: int
    flush_s: float
    dead_ceiling: int
    dead_window_s: int = 3600
    claim_patience_s: float = 45.0
