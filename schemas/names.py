"""The only place that spells the names of topics, tables, views and consumer groups.

A name that leaves the process (a topic, a table, a view) is spelled here and nowhere
else, so that a search for it ends here and renaming it changes one line.
"""

from __future__ import annotations

from typing import Final

CONSUMER_GROUP: Final = "gulou-ingest"
DEAD_SUFFIX: Final = ".dead"
OWNER_TABLE: Final = "owner"
ALL_EVENTS: Final = "events"
DIVISIONS_TABLE: Final = "divisions"
HEARTBEAT_TABLE: Final = "heartbeat"
REBUILDS_TABLE: Final = "rebuilds"
SCHEMA_URN: Final = "urn:gulou:{name}:{version}"


def dead_topic(topic: str) -> str:
    """Where refused messages of `topic` go, with reason and position."""
    return topic + DEAD_SUFFIX


def events_table(topic: str) -> str:
    """The append-only truth of one topic."""
    return f"events_{topic}"


def target_table(topic: str, projection: str) -> str:
    """Where the projection `projection` of `topic` accumulates."""
    return f"{topic}_{projection}"


def target_view(topic: str, projection: str) -> str:
    """The materialized view that feeds `target_table`."""
    return f"{target_table(topic, projection)}_mv"


def schema_urn(name: str, version: int) -> str:
    """CloudEvents `dataschema` of version `version` of event type `name`."""
    return SCHEMA_URN.format(name=name, version=version)
