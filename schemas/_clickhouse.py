"""ClickHouse text derived from the classes: events tables, targets, views, published views.

Text only, no connection: `infra/warehouse/apply.py` compares it with what is there and applies it.
Two databases: one holds the truth and the figures, the other only published views, which are all
that boards, reports and auditors read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from schemas import _names as names
from schemas._projections import (
    Column,
    Family,
    Projection,
    PublishedView,
    columns,
    key,
    moment,
    quoted,
    select,
    target,
    view,
)
from schemas._published import published

STATUSES: Final[Mapping[str, tuple[str, str]]] = {
    "ok": ("计入", "Counted."),
    "repeat": ("重复", "Sent again, byte for byte; its first is counted."),
    "conflict": ("冲突", "The id of an earlier event with other bytes; kept, counted nowhere."),
    "orphan": ("待匹配", "Corrects an event that is not there yet; adds nothing until it is."),
    "parked": ("暂存", "Of a newer version than the program."),
    "dead": ("死信", "Refused; a copy is in the dead-letter topic with its reason."),
}
"""What became of a message, in Chinese and in English; in the order of their numbers."""

_DEFINER: Final = "DEFINER = CURRENT_USER SQL SECURITY DEFINER"
"""A published view reads with its owner's rights: ClickHouse's default is the reader's, and the
boards' user has none on the truth. Materialized views run with their owner's, or unchecked where
they say nothing, on every version; to say so there would rebuild all figures of every city."""

Kind = Literal["database", "table", "target", "materialized view", "view"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One object to be created: where it lives, what it is called, what it is, and its SQL."""

    database: str
    name: str
    kind: Kind
    sql: str
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the objects live and how their engines are spelled.

    Attributes:
        database: truth and figures. published: the views people read.
        zone: IANA name of the city's zone.
        cluster: name of a ClickHouse cluster; empty for one server. On a cluster the same
            declarations become Replicated engines created ON CLUSTER.
    """

    database: str = "gulou"
    published: str = "gulou_published"
    zone: str = "Asia/Shanghai"
    cluster: str = ""

    def engine(self, plain: str) -> str:
        """`MergeTree` or its replicated form."""
        return f"Replicated{plain}" if self.cluster else plain

    @property
    def on_cluster(self) -> str:
        """The clause that creates an object on every server of the cluster."""
        return f" ON CLUSTER `{self.cluster}`" if self.cluster else ""


def event_columns(zone: str) -> list[Column]:
    """The columns every events table has, in the order in which rows are inserted."""
    instant = moment(zone)
    status = ", ".join(f"{quoted(name)} = {n}" for n, name in enumerate(STATUSES))
    return [
        Column("kpart", "UInt16", "Kafka partition the message came from."),
        Column("koff", "Int64", "Offset of the message in its Kafka partition."),
        Column("koff_prev", "Int64", "Offset delivered before it; -1 for the first: shows holes."),
        Column("status", f"Enum8({status})", "What became of the message; only ok is counted."),
        Column("reason", "String", "Why it is dead or parked: code and explanation."),
        Column("source", "String", "CloudEvents source: the office or ledger that says so."),
        Column("id", "String", "CloudEvents id, unique within its source."),
        Column("type", "String", "Event type."),
        Column("data_version", "UInt16", "Version of the shape of `data`, always the newest."),
        Column("key", "String", "Case, household or account: the Kafka key."),
        Column("time", instant, "When it happened."),
        Column("recorded", instant, "When the office knew."),
        Column("logged", instant, "When the broker appended it."),
        Column("division", "String", "Narrowest division known: 6, 9 or 12 digits."),
        Column("grid", "String", "Micro-grid; empty when unknown."),
        Column("actor", "String", "Who filed it: an office or a pseudonym."),
        Column("correlation", "String", "The wider matter it belongs to."),
        Column("causation", "String", "The event that made this one happen."),
        Column("corrects", "String", "Id of the event it corrects or takes back."),
        Column("late", "Bool", "补录: recorded more than a day before it was logged."),
        Column("payload", "String", "Bytes as received: the evidence. No view reads it."),
        Column("sha256", "FixedString(32)", "SHA-256 of payload."),
        Column("data", "String", "Canonical JSON of the newest version, with due instants in ms."),
        Column("net", "String", "Postings of a correction as a JSON array; empty: itself alone."),
        Column(
            "repeat_of",
            "Int64",
            "Of a repeat or conflict: offset of the first of its id, in the same Kafka partition; "
            "else -1.",
        ),
        Column("tok", "UInt64", "Token of the worker that owned the partition when it was stored."),
    ]


def database_statements(layout: Layout) -> list[Statement]:
    """The two databases; Atomic, because EXCHANGE TABLES needs it and `default` is not."""
    return [
        Statement(
            name,
            "",
            "database",
            f"CREATE DATABASE IF NOT EXISTS `{name}`{layout.on_cluster} ENGINE = Atomic",
        )
        for name in (layout.database, layout.published)
    ]


def statements(families: Sequence[Family], layout: Layout) -> list[Statement]:
    """Everything to be created inside the databases, each after what it depends on."""
    found = [*_reference_tables(layout)]
    for family in families:
        found.append(_events(family, layout))
        for projection in family.projections:
            found.append(_target(family, projection, layout))
            found.append(_view(family, projection, layout))
    found.append(_all_events(layout))
    found += [_published(v, layout) for v in published(families, layout.database, layout.zone)]
    return found


def _table(
    layout: Layout,
    name: str,
    cols: Iterable[Column],
    engine: str,
    *,
    extra: Sequence[str] = (),
    kind: Kind = "table",
    comment: str = "",
) -> Statement:
    held = tuple(cols)
    body = ",\n  ".join([c.ddl for c in held] + list(extra))
    sql = (
        f"CREATE TABLE IF NOT EXISTS `{layout.database}`.`{name}`{layout.on_cluster} (\n  {body}\n)"
        f"\nENGINE = {engine}"
    )
    if comment:
        sql += f"\nCOMMENT {quoted(comment)}"
    return Statement(layout.database, name, kind, sql, held)


def _reference_tables(layout: Layout) -> list[Statement]:
    owner = [
        Column("topic", "String", "Topic."),
        Column("kpart", "UInt16", "Kafka partition."),
        Column("tok", "UInt64", "Token of the worker that may insert: the fence."),
    ]
    divisions = [
        Column("code", "String", "Code of 6, 9 or 12 digits."),
        Column("name", "String", "Name."),
        Column("level", "String", "city, county, township or village."),
        Column("parent", "String", "Code one level up."),
        Column("microgrids", "UInt32", "Micro-grids of a village: the base of coverage."),
        Column("valid_from", "String", "First day the code is valid."),
        Column("valid_to", "String", "First day it no longer is; empty while it lasts."),
    ]
    heartbeat = [
        Column("topic", "String", "Topic."),
        Column("kpart", "UInt16", "Kafka partition."),
        Column("beat", moment(layout.zone), "When the worker said so."),
        Column("lag", "Int64", "Messages in Kafka not yet stored."),
        Column("watermark", "Int64", "Highest offset stored and projected."),
        Column(
            "behind_since",
            moment(layout.zone),
            "Since when messages have been waiting without a pause; 1970 when none waits.",
        ),
    ]
    rebuilds = [
        Column("target", "String", "Table of the projection."),
        Column("kpart", "UInt16", "Kafka partition."),
        Column("pending", "Bool", "Whether its figures are being emptied and filled again."),
        Column("at", "UInt64", "Nanoseconds since 1970, the worker's clock: the last one holds."),
    ]
    return [
        _table(
            layout,
            names.OWNER_TABLE,
            owner,
            # The last claim wins: an insert with an older token violates the events constraint.
            "Join(ANY, LEFT, topic, kpart) SETTINGS join_any_take_last_row = 1, persistent = 1",
        ),
        _table(
            layout,
            names.DIVISIONS_TABLE,
            divisions,
            f"{layout.engine('ReplacingMergeTree')} ORDER BY code",
        ),
        _table(
            layout,
            names.HEARTBEAT_TABLE,
            heartbeat,
            f"{layout.engine('ReplacingMergeTree')}(beat) ORDER BY (topic, kpart)",
        ),
        _table(
            layout,
            names.REBUILDS_TABLE,
            rebuilds,
            f"{layout.engine('ReplacingMergeTree')}(at) ORDER BY (target, kpart)",
        ),
    ]


def _events(family: Family, layout: Layout) -> Statement:
    fence = (
        f"tok = joinGet({quoted(f'{layout.database}.{names.OWNER_TABLE}')}, 'tok', "
        f"{quoted(family.topic)}, kpart)"
    )
    return _table(
        layout,
        names.events_table(family.topic),
        event_columns(layout.zone),
        # Not partitioned: one INSERT is one block is one part, all or nothing, whatever it holds.
        f"{layout.engine('MergeTree')} ORDER BY (kpart, koff)",
        extra=[
            f"CONSTRAINT fenced CHECK {fence}",
            "INDEX id_bloom id TYPE bloom_filter(0.001) GRANULARITY 1",
            "INDEX corrects_bloom corrects TYPE bloom_filter(0.001) GRANULARITY 1",
        ],
        comment=f"{family.zh}: every message of topic {family.topic}, one row an offset.",
    )


def _target(family: Family, projection: Projection, layout: Layout) -> Statement:
    cols = columns(family, projection, layout.zone)
    order = ", ".join(f"`{name}`" for name in key(family, projection, layout.zone))
    return _table(
        layout,
        target(family, projection),
        cols,
        f"{layout.engine('AggregatingMergeTree')} ORDER BY ({order})",
        kind="target",
        comment=f"{family.zh}: {type(projection).__name__} {projection.name}.",
    )


def _view(family: Family, projection: Projection, layout: Layout) -> Statement:
    name = view(family, projection)
    sql = (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS `{layout.database}`.`{name}`{layout.on_cluster}\n"
        f"TO `{layout.database}`.`{target(family, projection)}` AS\n"
        + select(family, projection, layout.zone, database=layout.database)
    )
    return Statement(layout.database, name, "materialized view", sql)


def _all_events(layout: Layout) -> Statement:
    cols = event_columns(layout.zone)
    return _table(
        layout,
        names.ALL_EVENTS,
        cols,
        f"Merge(`{layout.database}`, '^events_')",
        comment="Every message of every topic; _table names the topic's table.",
    )


def _published(item: PublishedView, layout: Layout) -> Statement:
    sql = (
        f"CREATE OR REPLACE VIEW `{layout.published}`.`{item.name}`{layout.on_cluster}\n"
        + _DEFINER
        + " AS\n"
        + item.sql
        + f"\nCOMMENT {quoted(item.doc)}"
    )
    cols = tuple(Column(name, "", comment) for name, comment in item.columns.items())
    return Statement(layout.published, item.name, "view", sql, cols)
