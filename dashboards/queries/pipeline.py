"""The panels' SQL of 管道健康: lag, watermarks, and what was not counted."""

from __future__ import annotations

from dashboards.queries.pieces import (
    LIMIT,
    ZONE,
)

BATCH = 50_000
"""Most events of one insert: a projection may be so far behind while that insert is under way."""


def pipeline_parts() -> str:
    """One row a Kafka partition: stored, lag, age of the beat and of the newest message."""
    return f"""
SELECT topic AS `主题`, toString(kpart) AS `分区`, messages AS `已入库`, lag AS `积压`,
  toTimeZone(newest, '{ZONE}') AS `水位`, toTimeZone(beat, '{ZONE}') AS `心跳`,
  stored AS `最高位移`
FROM pipeline ORDER BY topic, kpart LIMIT {LIMIT}""".strip()


def pipeline_now() -> str:
    """Lag, seconds since the last beat and since the newest message, and messages stored."""
    return """
SELECT sum(lag) AS behind,
  maxOrNull(greatest(dateDiff('second', beat, now()), 0)) AS beat_age,
  min(dateDiff('second', newest, now())) AS newest_age, sum(messages) AS stored_all,
  count() AS partitions FROM pipeline""".strip()


def pipeline_throughput() -> str:
    """Messages a minute by when the broker appended them, by topic; quiet spans are zeros."""
    topics = (("visits", "走访"), ("petitions", "信访"), ("mediations", "调解"), ("funds", "基金"))
    sums = ", ".join(
        f"sumIf(messages, topic = '{topic}') / greatest($__interval_s / 60, 1) AS `{zh}`"
        for topic, zh in topics
    )
    return f"""
SELECT $__timeInterval(minute) AS time, {sums} FROM messages_by_minute
WHERE $__timeFilter(minute) GROUP BY time
ORDER BY time WITH FILL STEP toIntervalSecond($__interval_s) LIMIT 2000""".strip()


def pipeline_projections() -> str:
    """Every projection: in how many partitions it is up to date, and how far behind in the rest."""
    return f"""
SELECT topic AS `主题`, projection AS `投影`, count() AS `分区`,
  countIf(reached >= stored) AS `已到位`, max(greatest(stored - reached, 0)) AS `最多落后`,
  multiIf(`已到位` = `分区`, '● 一致', `最多落后` <= {BATCH}, '▲ 追赶中', '■ 落后') AS `状态`
FROM projections GROUP BY topic, projection
ORDER BY `最多落后` DESC, topic, projection LIMIT {LIMIT}""".strip()


def pipeline_tables() -> str:
    """Active parts, rows and bytes of every table that has any."""
    return f"""
SELECT table AS `表`, parts AS `数据块`, rows AS `行数`, bytes AS `磁盘`,
  multiIf(parts < 300, '● 正常', parts < 1000, '▲ 偏多', '■ 过多') AS `状态`
FROM table_parts ORDER BY parts DESC, table LIMIT {LIMIT}""".strip()


def pipeline_refused() -> str:
    """Messages stored but not counted, by topic, status and reason.

    All of them, whatever the range: history that is imported today was logged today.
    """
    status = (
        "transform(status, ['repeat', 'conflict', 'orphan', 'parked', 'dead'], "
        "['重复', '冲突', '更正对象未到', '搁置', '死信'], status)"
    )
    return f"""
SELECT topic AS `主题`, {status} AS `状态`, reason AS `原因`, sum(messages) AS `条数`,
  max(day) AS `最近一日` FROM uncounted
GROUP BY topic, status, reason
ORDER BY `条数` DESC, topic, reason, `状态` LIMIT {LIMIT}""".strip()


def pipeline_refused_totals() -> str:
    """Repeats, conflicts, orphans and dead letters as single numbers."""
    sums = ", ".join(
        f"sumIf(messages, status = '{s}') AS {s}s"
        for s in ("repeat", "conflict", "orphan", "parked", "dead")
    )
    return f"SELECT {sums} FROM uncounted"


def pipeline_lag() -> str:
    """Lag by topic, one bar each."""
    return (
        "SELECT topic AS name, sum(lag) AS value FROM pipeline GROUP BY topic "
        "ORDER BY value DESC, name LIMIT 20"
    )
