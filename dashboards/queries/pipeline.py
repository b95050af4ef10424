"""The panels' SQL of 管道健康: lag, watermarks, and messages that were not counted."""

from __future__ import annotations

from dashboards.queries.pieces import LIMIT, named, text, zone
from schemas.families import families
from schemas.sql.statuses import COUNTED, STATUSES
from schemas.wire import Reason

REFUSED = {name: told for name, told in STATUSES.items() if name != COUNTED}
BATCH = 50_000
"""Maximum events of one insert: while it runs, a projection may lag by this many."""


def pipeline_parts() -> str:
    """One row per Kafka partition: messages stored, lag, watermark and heartbeat."""
    return f"""
SELECT topic, toString(kpart) AS partition, messages, lag,
  toTimeZone(newest, {zone()}) AS watermark, toTimeZone(beat, {zone()}) AS heartbeat, stored
FROM pipeline ORDER BY topic, kpart LIMIT {LIMIT}""".strip()


def pipeline_now() -> str:
    """Lag, seconds since the last heartbeat and the newest message, and messages stored."""
    return """
SELECT sum(lag) AS behind,
  maxOrNull(greatest(dateDiff('second', beat, now()), 0)) AS beat_age,
  min(dateDiff('second', newest, now())) AS newest_age, sum(messages) AS stored_all,
  count() AS partitions FROM pipeline""".strip()


def pipeline_throughput() -> str:
    """Messages per minute of the broker's append time, by topic; minutes without any are zeros."""
    sums = ", ".join(
        f"sumIf(messages, topic = '{found.topic}') / greatest($__interval_s / 60, 1) "
        f"AS {found.topic}"
        for found in families()
    )
    return f"""
SELECT $__timeInterval(minute) AS time, {sums} FROM messages_by_minute
WHERE $__timeFilter(minute) GROUP BY time
ORDER BY time WITH FILL STEP toIntervalSecond($__interval_s) LIMIT 2000""".strip()


def pipeline_projections() -> str:
    """Per projection: partitions in which it is up to date, and its lag in the others."""
    return f"""
SELECT topic, projection, count() AS partitions,
  countIf(reached >= stored) AS up_to_date, max(greatest(stored - reached, 0)) AS farthest,
  multiIf(up_to_date = partitions, {text("● 一致")}, farthest <= {BATCH}, {text("▲ 追赶中")},
    {text("■ 落后")}) AS mark
FROM projections GROUP BY topic, projection
ORDER BY farthest DESC, topic, projection LIMIT {LIMIT}""".strip()


def pipeline_tables() -> str:
    """Active parts, rows and bytes of every table that has any."""
    return f"""
SELECT table, parts, rows, bytes,
  multiIf(parts < 300, {text("● 正常")}, parts < 1000, {text("▲ 偏多")}, {text("■ 过多")}) AS mark
FROM table_parts ORDER BY parts DESC, table LIMIT {LIMIT}""".strip()


def pipeline_refused() -> str:
    """Messages stored but not counted, by topic, status and reason: its name and its code.

    Logs, dead letters and their metric have the code. Ignores the time range: history imported
    today was logged today.
    """
    outcome = named("status", {name: zh for name, (zh, _) in REFUSED.items()})
    reason = named("reason", {each.value: each.zh for each in Reason})
    return f"""
SELECT topic, {outcome} AS outcome, {reason} AS reason_name, reason,
  sum(messages) AS refused, max(day) AS last_day
FROM uncounted GROUP BY topic, status, reason
ORDER BY refused DESC, topic, reason, outcome LIMIT {LIMIT}""".strip()


def pipeline_refused_totals() -> str:
    """Repeats, conflicts, orphans and dead letters as single numbers."""
    sums = ", ".join(f"sumIf(messages, status = '{s}') AS {s}s" for s in REFUSED)
    return f"SELECT {sums} FROM uncounted"


def pipeline_lag() -> str:
    """Lag by topic."""
    return (
        "SELECT topic AS name, sum(lag) AS value FROM pipeline GROUP BY topic "
        "ORDER BY value DESC, name LIMIT 20"
    )
