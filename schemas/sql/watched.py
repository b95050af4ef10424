"""The published views of the pipeline itself: lag, refusals, parts, newest events.

They show what becomes of messages, not their content, and are the same for every family.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas import names
from schemas.family import Family
from schemas.grain import Role
from schemas.projections import HI
from schemas.sql.columns import COUNTY, KPART, TOPIC, TYPE, PublishedView, quoted
from schemas.sql.statuses import COUNTED, STATUSES
from schemas.sql.targets import target
from schemas.words import Text

RECENT: Final = 200
"""Newest messages of each topic that `recent_events` looks at."""


def watched(families: Sequence[Family], database: str, role: Role) -> list[PublishedView]:
    """Every view of the pipeline, in the order in which they may be created."""
    return [
        _pipeline(families, database),
        _refused(database),
        _arrivals(database),
        _projections(families, database),
        _parts(database),
        _recent(families, database, role),
    ]


def _pipeline(families: Sequence[Family], database: str) -> PublishedView:
    parts = "\nUNION ALL\n".join(
        f"SELECT {quoted(family.topic)} AS topic, kpart, max(koff) AS stored, "
        f"max(logged) AS newest, count() AS messages FROM "
        f"`{database}`.`{names.events_table(family.topic)}` GROUP BY kpart"
        for family in families
    )
    return PublishedView(
        "pipeline",
        "管道",
        Text(
            "Freshness of every Kafka partition: what is stored, and the worker's last heartbeat.",
            "各 Kafka 分区的时效：已入库的消息，以及工作进程最近的心跳。",
        ),
        {
            "topic": TOPIC,
            "kpart": KPART,
            "stored": Text(
                "Highest offset stored; NULL while there is none.",
                "已入库的最大偏移；尚无时为 NULL。",
            ),
            "newest": Text(
                "When the broker appended the newest message stored; NULL while there is none.",
                "已入库的最新消息写入 Kafka 的时间；尚无时为 NULL。",
            ),
            "messages": Text("Messages stored.", "已入库的消息数。"),
            "beat": Text(
                "Last heartbeat of the worker; a quiet night has beats but no messages.",
                "工作进程最近的心跳；平静的夜间有心跳而无消息。",
            ),
            "lag": Text(
                "Messages in Kafka not yet stored, at the last heartbeat.",
                "最近一次心跳时 Kafka 中尚未入库的消息数。",
            ),
            "behind_since": Text(
                "Since when messages have waited without a pause; 1970 when none does.",
                "消息不间断积压的起始时间；无积压时为1970年。",
            ),
        },
        "SELECT h.topic AS topic, h.kpart AS kpart, if(messages = 0, NULL, e.stored) AS stored,\n"
        "  if(messages = 0, NULL, e.newest) AS newest, e.messages AS messages, h.beat AS beat,\n"
        "  h.lag AS lag, h.behind_since AS behind_since\n"
        f"FROM (SELECT * FROM `{database}`.`{names.HEARTBEAT_TABLE}` FINAL) AS h\n"
        f"LEFT JOIN (\n{parts}) AS e ON h.topic = e.topic AND h.kpart = e.kpart",
    )


def _refused(database: str) -> PublishedView:
    refused = {name: zh for name, (zh, _) in STATUSES.items() if name != COUNTED}
    return PublishedView(
        "uncounted",
        "未计入消息",
        Text(
            "Messages that are stored but not counted, by topic, status, reason and day logged.",
            "已入库而未计入统计的消息，按主题、去向、原因和写入日期。",
        ),
        {
            "topic": TOPIC,
            "status": Text(
                f"{', '.join(refused)}.",
                f"去向：{'，'.join(f'{name} {zh}' for name, zh in refused.items())}。",
            ),
            "reason": Text("Code of the reason.", "原因代码。"),
            "day": Text("Day the broker appended them.", "消息写入 Kafka 的日期。"),
            "messages": Text("How many.", "消息数。"),
        },
        "SELECT replaceOne(_table, 'events_', '') AS topic, toString(status) AS status,\n"
        "  splitByChar(':', reason)[1] AS reason, toDate(logged) AS day, count() AS messages\n"
        f"FROM `{database}`.`{names.ALL_EVENTS}` WHERE status != '{COUNTED}'\n"
        "GROUP BY topic, status, reason, day",
    )


def _arrivals(database: str) -> PublishedView:
    return PublishedView(
        "messages_by_minute",
        "入库速率",
        Text(
            "Messages stored, counted or not, by topic and the minute the broker appended them.",
            "已入库的消息，无论是否计入统计，按主题和写入 Kafka 的分钟。",
        ),
        {
            "topic": TOPIC,
            "minute": Text("Start of the minute, city's zone.", "所属分钟，按本市时区。"),
            "messages": Text("How many.", "消息数。"),
        },
        "SELECT replaceOne(_table, 'events_', '') AS topic, toStartOfMinute(logged) AS minute,\n"
        f"  count() AS messages FROM `{database}`.`{names.ALL_EVENTS}` GROUP BY topic, minute",
    )


def _projections(families: Sequence[Family], database: str) -> PublishedView:
    parts = []
    for family in families:
        topic = quoted(family.topic)
        projections = {quoted(each.name): target(family, each) for each in family.projections}
        parts.append(
            f"SELECT {topic} AS topic, arrayJoin([{', '.join(projections)}]) AS projection,\n"
            "  kpart, toInt64(-1) AS reached, stored FROM (SELECT kpart, max(koff) AS stored\n"
            f"  FROM `{database}`.`{names.events_table(family.topic)}` GROUP BY kpart)"
        )
        parts += [
            f"SELECT {topic}, {name}, kpart, CAST(max({HI}) AS Int64), -1\n"
            f"FROM `{database}`.`{table}` GROUP BY kpart"
            for name, table in projections.items()
        ]
    united = "\nUNION ALL\n".join(parts)
    return PublishedView(
        "projections",
        "投影水位",
        Text(
            "How far every projection has got in every Kafka partition that has messages.",
            "各统计表在每个有消息的 Kafka 分区中的进度。",
        ),
        {
            "topic": TOPIC,
            "projection": Text("Projection.", "统计表。"),
            "kpart": KPART,
            "reached": Text(
                "Highest offset in its figures; -1 while there is none.",
                "已计入该表的最大偏移；尚无时为-1。",
            ),
            "stored": Text(
                "Highest offset stored; more than `reached` while figures are being mended.",
                "已入库的最大偏移；统计数据修复期间大于 `reached`。",
            ),
        },
        "SELECT topic, projection, kpart, max(u.reached) AS reached, max(u.stored) AS stored\n"
        f"FROM (\n{united}\n) AS u\nGROUP BY topic, projection, kpart HAVING stored >= 0",
    )


def _parts(database: str) -> PublishedView:
    return PublishedView(
        "table_parts",
        "数据块",
        Text(
            "Active parts of every table: many small ones mean that merges do not keep up.",
            "各数据表的有效数据块；小块过多表示合并跟不上写入。",
        ),
        {
            "table": Text("Table.", "数据表。"),
            "parts": Text("Active parts.", "有效数据块的数目。"),
            "rows": Text("Rows in them.", "其中的行数。"),
            "bytes": Text("Bytes on disk.", "占用磁盘的字节数。"),
            "newest": Text(
                "When the newest of them was written, in UTC.",
                "其中最新一块写入的时间，按世界协调时。",
            ),
        },
        "SELECT table, count() AS parts, sum(p.rows) AS rows, sum(p.bytes_on_disk) AS bytes,\n"
        "  max(toTimeZone(p.modification_time, 'UTC')) AS newest\n"
        f"FROM system.parts AS p WHERE p.active AND p.database = {quoted(database)}\n"
        "GROUP BY table",
    )


def _recent(families: Sequence[Family], database: str, role: Role) -> PublishedView:
    # ORDER BY one column with LIMIT, so that ClickHouse reads only the needed rows of the others: a
    # join or one sort over everything would read the whole history, several times a minute.
    parts = [
        f"(SELECT logged, time, type, division, status "
        f"FROM `{database}`.`{names.events_table(family.topic)}`\n"
        f"ORDER BY logged DESC LIMIT {RECENT})"
        for family in families
    ]
    # To the millisecond a time would find the event among all figures as of an instant.
    shown = "toStartOfMinute({0}) AS {0}" if role == "viewer" else "{0}"
    minute = Text("Viewers see it to the minute.", "公开视图只到分钟。")
    times = {
        "logged": Text("When the broker appended it.", "消息写入 Kafka 的时间。") + minute,
        "time": Text("When it happened.", "事件发生的时间。") + minute,
    }
    return PublishedView(
        "recent_events",
        "最新事件",
        Text(
            f"Of each topic's newest {RECENT} messages those that count; county at the narrowest.",
            f"各主题最新{RECENT}条消息中计入统计的事件，地点只到县市区。",
        ),
        {
            **times,
            "type": TYPE,
            "county": COUNTY,
        },
        f"SELECT {', '.join(map(shown.format, times))}, type,\n"
        "  substring(division, 1, 6) AS county FROM (\n"
        + "\nUNION ALL\n".join(parts)
        + ") WHERE status = 'ok'",
    )
