"""ClickHouse text derived from the classes: events tables, targets, views, published views.

Text only, no connection: `infra/database.py` compares it with the live schema and applies it.
One database holds the truth and the figures, the others hold only published views: one those of
viewers, one those of clerks, and one a county that has clerks of its own. Boards, reports and
auditors read only these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from schemas import names
from schemas.family import Family
from schemas.grain import Role
from schemas.projections import CaseFold, Projection, Rollup
from schemas.sql.columns import KPART, TOPIC, TYPE, Column, PublishedView, moment, quoted
from schemas.sql.published import narrowed, published
from schemas.sql.statuses import STATUSES
from schemas.sql.targets import columns, key, select, target, view
from schemas.words import Text

_MOMENT: Final = "moment"
"""Placeholder for the type of an instant, which names the city's zone."""
_STATUS: Final = f"Enum8({', '.join(f'{quoted(name)} = {n}' for n, name in enumerate(STATUSES))})"
_RISING: Final = "Delta, LZ4"
"""Ascending offsets: Delta makes them 100 times smaller, and faster to read."""
_EVENTS: Final = (
    Column(
        "kpart",
        "UInt16",
        Text("Kafka partition the message came from.", "消息所在的 Kafka 分区。"),
    ),
    Column(
        "koff",
        "Int64",
        Text("Offset of the message in its Kafka partition.", "消息在 Kafka 分区中的偏移。"),
        _RISING,
    ),
    Column(
        "koff_prev",
        "Int64",
        Text(
            "Offset delivered before it; -1 for the first: shows holes.",
            "此前一条消息的偏移，首条为-1；用以发现缺漏。",
        ),
        _RISING,
    ),
    Column(
        "status",
        _STATUS,
        Text("What became of the message; only ok is counted.", "消息去向；只有 ok 计入统计。"),
    ),
    Column(
        "reason",
        "String",
        Text(
            "Why it is dead or parked: code and explanation.",
            "拒收或者暂存的原因：代码与说明。",
        ),
    ),
    Column(
        "source",
        "String",
        Text(
            "CloudEvents source: the office or ledger that says so.",
            "CloudEvents 来源：报送单位或者台账。",
        ),
    ),
    Column(
        "id",
        "String",
        Text(
            "CloudEvents id, unique within its source.",
            "CloudEvents 事件编号，在同一来源内唯一。",
        ),
    ),
    Column("type", "String", TYPE),
    Column(
        "data_version",
        "UInt16",
        Text(
            "Version of the shape of `data`, always the newest.",
            "`data` 的结构版本，始终为最新版本。",
        ),
    ),
    Column(
        "key",
        "String",
        Text("Case, household or account: the Kafka key.", "案件、户或者账户，即 Kafka 消息键。"),
    ),
    Column("time", _MOMENT, Text("When it happened.", "事件发生的时间。")),
    Column("recorded", _MOMENT, Text("When the office knew.", "单位登记该事件的时间。")),
    Column("logged", _MOMENT, Text("When the broker appended it.", "消息写入 Kafka 的时间。")),
    Column(
        "division",
        "String",
        Text(
            "Narrowest division known: 6, 9 or 12 digits.",
            "已知的最小一级区划代码：6位、9位或者12位。",
        ),
    ),
    Column("grid", "String", Text("Micro-grid; empty when unknown.", "微网格代码；不明时为空。")),
    Column(
        "actor",
        "String",
        Text("Who filed it: an office or a pseudonym.", "填报者：单位或者假名。"),
    ),
    Column(
        "correlation",
        "String",
        Text("The wider matter it belongs to.", "所属的更大事项的编号。"),
    ),
    Column(
        "causation",
        "String",
        Text("The event that made this one happen.", "引起该事件的事件编号。"),
    ),
    Column(
        "corrects",
        "String",
        Text("Id of the event it corrects or takes back.", "被更正或者作废的事件编号。"),
    ),
    Column(
        "late",
        "Bool",
        Text(
            "补录: recorded more than a day before it was logged.",
            "补录：登记时间早于写入时间超过一日。",
        ),
    ),
    Column(
        "payload",
        "String",
        Text(
            "Bytes as received: the evidence. No view reads it.",
            "原始报文，留作凭据；任何视图都不读取。",
        ),
    ),
    Column("sha256", "FixedString(32)", Text("SHA-256 of payload.", "原始报文的 SHA-256 值。")),
    Column(
        "data",
        "String",
        Text(
            "Canonical JSON of the newest version, with due instants in ms.",
            "最新版本的规范 JSON，含以毫秒计的到期时刻。",
        ),
    ),
    Column(
        "net",
        "String",
        Text(
            "Postings of a correction as a JSON array; empty: itself alone.",
            "更正的分录，写成 JSON 数组；为空表示只记该事件本身。",
        ),
    ),
    Column(
        "repeat_of",
        "Int64",
        Text(
            "Of a repeat or conflict: offset of the first of its id, in the same Kafka "
            "partition; else -1.",
            "重复或者冲突时，同一 Kafka 分区内该编号首条消息的偏移；否则为-1。",
        ),
    ),
    Column(
        "tok",
        "UInt64",
        Text(
            "Token of the worker that owned the partition when it was stored.",
            "写入时持有该分区的工作进程的令牌。",
        ),
    ),
)
_OWNER: Final = (
    Column("topic", "String", TOPIC),
    Column("kpart", "UInt16", KPART),
    Column(
        "tok",
        "UInt64",
        Text(
            "Token of the worker that may insert: the fence.",
            "有权写入的工作进程的令牌，用作栅栏。",
        ),
    ),
)
_DIVISIONS: Final = (
    Column("code", "String", Text("Code of 6, 9 or 12 digits.", "6位、9位或者12位区划代码。")),
    Column("name", "String", Text("Name.", "区划名称。")),
    Column(
        "level",
        "String",
        Text(
            "city, county, township or village.",
            "层级：city 市，county 县市区，township 乡镇街道，village 村社区。",
        ),
    ),
    Column("parent", "String", Text("Code one level up.", "上一级区划的代码。")),
    Column(
        "microgrids",
        "UInt32",
        Text(
            "Micro-grids of a village: the base of coverage.",
            "村（社区）的微网格数，即覆盖率的基数。",
        ),
    ),
    Column("valid_from", "String", Text("First day the code is valid.", "代码生效的首日。")),
    Column(
        "valid_to",
        "String",
        Text("First day it no longer is; empty while it lasts.", "代码失效的首日；仍有效时为空。"),
    ),
)
_HEARTBEAT: Final = (
    Column("topic", "String", TOPIC),
    Column("kpart", "UInt16", KPART),
    Column("beat", _MOMENT, Text("When the worker said so.", "工作进程报告的时间。")),
    Column("lag", "Int64", Text("Messages in Kafka not yet stored.", "Kafka 中尚未入库的消息数。")),
    Column(
        "watermark",
        "Int64",
        Text("Highest offset stored and projected.", "已入库并计入统计的最大偏移。"),
    ),
    Column(
        "behind_since",
        _MOMENT,
        Text(
            "Since when messages have been waiting without a pause; 1970 when none waits.",
            "消息不间断积压的起始时间；无积压时为1970年。",
        ),
    ),
)
_REBUILDS: Final = (
    Column("target", "String", Text("Table of the projection.", "统计表的表名。")),
    Column("kpart", "UInt16", KPART),
    Column(
        "pending",
        "Bool",
        Text(
            "Whether its figures are being emptied and filled again.",
            "其统计数据是否正在清空重算。",
        ),
    ),
    Column(
        "at",
        "UInt64",
        Text(
            "Nanoseconds since 1970, the worker's clock: the last one holds.",
            "工作进程的时钟，1970年起的纳秒数；以最后一条为准。",
        ),
    ),
)

_DEFINER: Final = "DEFINER = CURRENT_USER SQL SECURITY DEFINER"
"""A published view reads with its owner's rights: ClickHouse's default is the reader's rights, and
the boards' user has none on the truth. A materialized view without this clause runs with its
owner's rights or unchecked, on every version; adding the clause there would rebuild all figures of
every city."""

ObjectKind = Literal["database", "table", "target", "materialized view", "view"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One object to create: its database, its name, its kind and its SQL.

    `columns` are those of a table or a published view. `indexes` are the skip indexes of a table,
    each as `name expression TYPE …`. `topic` is the topic of the one family that the object is made
    for, empty where it is made for none or for several.
    """

    database: str
    name: str
    kind: ObjectKind
    sql: str
    columns: tuple[Column, ...] = ()
    indexes: tuple[str, ...] = ()
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the objects live and how their engines are spelled.

    Attributes:
        database: holds the truth and the figures.
        published: holds the views that viewers read.
        desk: holds the views that clerks read.
        zone: IANA name of the city's zone.
        cluster: name of a ClickHouse cluster; empty for one server. On a cluster the same
            declarations become Replicated engines created ON CLUSTER.
        counties: codes of the counties with clerks of their own, who read a database each.
    """

    database: str = "gulou"
    published: str = "gulou_published"
    desk: str = "gulou_desk"
    zone: str = "Asia/Shanghai"
    cluster: str = ""
    counties: tuple[str, ...] = ()

    @property
    def views(self) -> Mapping[Role, str]:
        """The database of the published views of each role."""
        return {"viewer": self.published, "clerk": self.desk}

    @property
    def desks(self) -> Mapping[str, str]:
        """The database of the published views of each county that has clerks of its own."""
        return {county: f"{self.desk}_{county}" for county in self.counties}

    def engine(self, plain: str) -> str:
        """`MergeTree` or its replicated form."""
        return f"Replicated{plain}" if self.cluster else plain

    @property
    def on_cluster(self) -> str:
        """The clause that creates an object on every server of the cluster."""
        return f" ON CLUSTER `{self.cluster}`" if self.cluster else ""


def event_columns(zone: str) -> list[Column]:
    """The columns every events table has, in the order in which rows are inserted."""
    return _dated(_EVENTS, zone)


def _dated(cols: Iterable[Column], zone: str) -> list[Column]:
    return [replace(c, type=moment(zone)) if c.type == _MOMENT else c for c in cols]


def database_statements(layout: Layout) -> list[Statement]:
    """The databases, all Atomic: EXCHANGE TABLES needs it, and `default` is not Atomic."""
    return [
        Statement(
            name,
            "",
            "database",
            f"CREATE DATABASE IF NOT EXISTS `{name}`{layout.on_cluster} ENGINE = Atomic",
        )
        for name in (layout.database, *layout.views.values(), *layout.desks.values())
    ]


def statements(families: Sequence[Family], layout: Layout) -> list[Statement]:
    """Everything to create inside the databases, each object after what it depends on."""
    found = [*_reference_tables(layout)]
    for family in families:
        found.append(_events(family, layout))
        for projection in family.projections:
            found.append(_target(family, projection, layout))
            found.append(_view(family, projection, layout))
    found.append(_all_events(layout))
    for role, database in layout.views.items():
        views = published(families, layout.database, layout.zone, role)
        found += [_published(view, layout, database) for view in views]
    return found + desk_statements(families, layout)


def desk_statements(families: Sequence[Family], layout: Layout) -> list[Statement]:
    """The views of the counties that have clerks of their own."""
    views = published(families, layout.database, layout.zone, "clerk") if layout.counties else []
    return [
        _published(view, layout, database)
        for county, database in layout.desks.items()
        for view in narrowed(views, county)
    ]


def _table(
    layout: Layout,
    name: str,
    cols: Iterable[Column],
    engine: str,
    *,
    extra: Sequence[str] = (),
    indexes: Sequence[str] = (),
    kind: ObjectKind = "table",
    doc: Text | None = None,
    topic: str = "",
) -> Statement:
    held = tuple(_dated(cols, layout.zone))
    body = ",\n  ".join([*(c.ddl for c in held), *extra, *(f"INDEX {each}" for each in indexes)])
    sql = (
        f"CREATE TABLE IF NOT EXISTS `{layout.database}`.`{name}`{layout.on_cluster} (\n  {body}\n)"
        f"\nENGINE = {engine}"
    )
    if doc:
        sql += f"\nCOMMENT {quoted(str(doc))}"
    return Statement(layout.database, name, kind, sql, held, tuple(indexes), topic)


def _reference_tables(layout: Layout) -> list[Statement]:
    return [
        _table(
            layout,
            names.OWNER_TABLE,
            _OWNER,
            # The last claim wins: an insert with an older token violates the events constraint.
            "Join(ANY, LEFT, topic, kpart) SETTINGS join_any_take_last_row = 1, persistent = 1",
        ),
        _table(
            layout,
            names.DIVISIONS_TABLE,
            _DIVISIONS,
            f"{layout.engine('ReplacingMergeTree')} ORDER BY code",
        ),
        _table(
            layout,
            names.HEARTBEAT_TABLE,
            _HEARTBEAT,
            f"{layout.engine('ReplacingMergeTree')}(beat) ORDER BY (topic, kpart)",
        ),
        _table(
            layout,
            names.REBUILDS_TABLE,
            _REBUILDS,
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
        # No PARTITION BY: one INSERT is one block and one part, all or nothing, whatever it holds.
        f"{layout.engine('MergeTree')} ORDER BY (kpart, koff)",
        extra=[f"CONSTRAINT fenced CHECK {fence}"],
        indexes=[
            "id_bloom id TYPE bloom_filter(0.001) GRANULARITY 1",
            "corrects_bloom corrects TYPE bloom_filter(0.001) GRANULARITY 1",
            "logged_range logged TYPE minmax GRANULARITY 1",
        ],
        doc=Text(
            f"Every message of topic {family.topic}, one row an offset.",
            f"{family.zh}：主题 {family.topic} 的全部消息，每个偏移一行。",
        ),
        topic=family.topic,
    )


# Queries merge cases and diaries while reading them: over one part and a few young ones that is a
# third faster than over six parts of all ages. Rollups gain little, and are too large for it.
_SETTLED_S: Final = 120


def _target(family: Family, projection: Projection, layout: Layout) -> Statement:
    cols = columns(family, projection, layout.zone)
    order = ", ".join(f"`{name}`" for name in key(family, projection, layout.zone))
    kind = "案件表" if isinstance(projection, CaseFold) else "汇总表"
    settled = f"\nSETTINGS min_age_to_force_merge_seconds = {_SETTLED_S}"
    return _table(
        layout,
        target(family, projection),
        cols,
        f"{layout.engine('AggregatingMergeTree')} ORDER BY ({order})"
        + ("" if isinstance(projection, Rollup) else settled),
        kind="target",
        doc=Text(
            f"{type(projection).__name__} {projection.name}.",
            f"{family.zh}：{kind} {projection.name}。",
        ),
        topic=family.topic,
    )


def _view(family: Family, projection: Projection, layout: Layout) -> Statement:
    name = view(family, projection)
    sql = (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS `{layout.database}`.`{name}`{layout.on_cluster}\n"
        f"TO `{layout.database}`.`{target(family, projection)}` AS\n"
        + select(family, projection, layout.zone, database=layout.database)
    )
    return Statement(layout.database, name, "materialized view", sql, topic=family.topic)


def _all_events(layout: Layout) -> Statement:
    cols = event_columns(layout.zone)
    return _table(
        layout,
        names.ALL_EVENTS,
        cols,
        f"Merge(`{layout.database}`, '^events_')",
        doc=Text(
            "Every message of every topic; _table names the topic's table.",
            "全部主题的全部消息；_table 是该主题的事实表名。",
        ),
    )


def _published(item: PublishedView, layout: Layout, database: str) -> Statement:
    sql = (
        f"CREATE OR REPLACE VIEW `{database}`.`{item.name}`{layout.on_cluster}\n"
        + _DEFINER
        + " AS\n"
        + item.sql
        + f"\nCOMMENT {quoted(str(item.doc))}"
    )
    cols = tuple(Column(name, "", doc) for name, doc in item.columns.items())
    return Statement(database, item.name, "view", sql, cols, topic=item.topic)
