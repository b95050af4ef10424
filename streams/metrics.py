"""Every metric of the worker: its name, kind, labels and meaning, in one list.

`docs/runbook.md` has an entry for each metric that can alarm; a test compares the two.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()

_BY_PARTITION: Final = ["topic", "kpart"]

LAG: Final = Gauge(
    "gulou_lag_messages", "Messages in Kafka not yet stored.", _BY_PARTITION, registry=REGISTRY
)
WATERMARK: Final = Gauge(
    "gulou_watermark_offset",
    "Highest offset stored and in every projection.",
    _BY_PARTITION,
    registry=REGISTRY,
)
PROGRESS: Final = Gauge(
    "gulou_last_progress_timestamp_seconds",
    "When a watermark last moved, or there was nothing to do.",
    _BY_PARTITION,
    registry=REGISTRY,
)
MESSAGES: Final = Counter(
    "gulou_messages_total", "Messages stored, by status.", ["topic", "status"], registry=REGISTRY
)
DEAD_LETTERS: Final = Counter(
    "gulou_dead_letters_total",
    "Messages sent to the dead-letter topic, by reason.",
    ["topic", "reason"],
    registry=REGISTRY,
)
CLAIMS: Final = Counter(
    "gulou_claims_total", "Claims of partitions: rebalances and recoveries.", registry=REGISTRY
)
INSERT_FAILURES: Final = Counter(
    "gulou_insert_failures_total", "Inserts that did not end well.", ["topic"], registry=REGISTRY
)
INSERT_SECONDS: Final = Histogram(
    "gulou_insert_seconds",
    "Duration of an insert with its projections.",
    ["topic"],
    registry=REGISTRY,
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
BATCH_EVENTS: Final = Histogram(
    "gulou_batch_messages",
    "Messages in an insert.",
    ["topic"],
    registry=REGISTRY,
    buckets=(1, 10, 100, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000),
)


def forget(topic: str, kpart: int) -> None:
    """Drops the series of a partition that now belongs to another worker."""
    for gauge in (LAG, WATERMARK, PROGRESS):
        gauge.remove_by_labels({"topic": topic, "kpart": str(kpart)})
