"""The SQL that decides whether a board's figures are up to date."""

from __future__ import annotations

from dashboards.queries.pieces import text, zone
from schemas.names import events_table

STANDSTILL_S = 30
"""A worker sends a heartbeat every 2 seconds; 15 missed ones are no hiccup."""
BELIEVED = ("正常 · 最新消息 ", "正常 · 回放数据，不再更新")
"""Prefixes of `reason` while the data is fresh."""
WAITING_S = 60
"""A partition stands still if messages waited this long and none of it was stored meanwhile."""


def freshness() -> str:
    """Whether the data is stale, and why: columns `stale`, `reason`.

    Stale if a partition's worker has been silent, or if messages have waited in Kafka for
    long while none was stored; a partition that never stored any counts too. A quiet night has
    heartbeats and no lag, and is not stale. This is the only query that reads the wall clock: a
    stopped pipeline may owe corrections to a past day too. Data without any heartbeat is a
    replay, which no worker feeds.
    """
    return f"""
WITH (SELECT (count(), min(beat), sum(lag), max(newest), countIf(lag > 0
    AND dateDiff('second', behind_since, now()) > {WAITING_S}
    AND ifNull(dateDiff('second', newest, now()) > {WAITING_S}, 1))) FROM pipeline) AS p,
  (SELECT sum(rows) FROM table_parts WHERE startsWith(table, '{events_table("")}')) AS events,
  tupleElement(p, 1) AS parts, tupleElement(p, 2) AS beat, tupleElement(p, 3) AS behind,
  dateDiff('second', beat, now()) AS silent,
  formatDateTime(tupleElement(p, 4), '%m-%d %H:%i:%S', {zone()}) AS newest
SELECT toUInt8(if(parts = 0, events = 0, silent > {STANDSTILL_S} OR tupleElement(p, 5) > 0))
    AS stale,
  multiIf(parts = 0 AND stale, {text("处理程序从未报到：数据不可信")},
    parts = 0, {text(BELIEVED[1])},
    silent > {STANDSTILL_S}, concat({text("处理程序停止于 ")},
      formatDateTime(beat, '%m-%d %H:%i:%S', {zone()}), {text("，数字停在此刻")}),
    stale, concat({text("积压 ")}, toString(behind), {text(" 条未入库，数字偏旧")}),
    concat({text(BELIEVED[0])}, ifNull(newest, {text("无")}))) AS reason""".strip()


def stale_mark() -> str:
    """One row with a mark while the data is stale, else no row."""
    return f"SELECT {text('■数据停更')} AS mark FROM (\n{freshness()}\n) WHERE stale = 1"
