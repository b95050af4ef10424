"""The worker's metrics and their buckets."""

from __future__ import annotations

from streams.metrics import BATCH_EVENTS, INSERT_SECONDS


def test_durations_and_batches_are_told_apart_at_these_bounds() -> None:
    # An insert normally takes 5 to 500 ms; above 2.5 s merges do not keep up.
    assert list(INSERT_SECONDS._kwargs["buckets"]) == [
        *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
    ]
    assert list(BATCH_EVENTS._kwargs["buckets"]) == [
        *(1, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000)
    ]
