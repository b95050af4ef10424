"""管道健康: whether the figures can be believed."""

from __future__ import annotations

from typing import Any

from dashboards.boards._shared import BACK, MANY, TRUST, stats
from dashboards.layout import Placed, board
from dashboards.panels import (
    BAD,
    GOOD,
    WARN,
    Number,
    Unit,
    beside,
    ranking,
    table,
    trend,
    trust,
)
from dashboards.queries import freshness, pipeline
from schemas.families import families


def _pipeline() -> list[Placed]:
    now, refused = pipeline.pipeline_now(), pipeline.pipeline_refused_totals()
    source = "Source: the worker's heartbeats and the truth tables."
    kept = "Stored and shown, but in no figure. Source: the status each message is stored with."
    parts = ("分区与水位", beside("gulou-pipeline", "分区与水位（条）"))
    why = ("未计入的消息", beside("gulou-pipeline", "未计入的消息（条）"))
    return [
        (trust(TRUST, freshness.freshness()), 8, 4),
        *stats(now, [
            Number("积压（条）", Unit.COUNT, f"Messages in Kafka not yet stored, at the last "
                   f"heartbeat. {source}", parts, ((None, GOOD), (1000.0, WARN), (10000.0, BAD)),
                   "behind"),
            Number("最旧心跳", Unit.SECONDS, f"Age of the oldest partition's heartbeat; 30 s is "
                   f"standstill. {source}", parts, ((None, GOOD), (10.0, WARN), (30.0, BAD)),
                   "beat_age"),
            Number("最新消息距今", Unit.SECONDS, f"Age of the newest message stored; large on a "
                   f"quiet night. {source}", parts, column="newest_age"),
            Number("已入库（条）", Unit.COUNT, f"All messages stored. {source}", parts,
                   column="stored_all"),
        ]),
        *stats(now, [
            Number("分区（个）", Unit.COUNT, f"Kafka partitions that report. {source}", parts,
                   column="partitions"),
        ]),
        *stats(refused, [
            Number("重复（条）", Unit.COUNT, f"The same id and content again. {kept}", why,
                   column="repeats"),
            Number("冲突（条）", Unit.COUNT, f"The same id, other content. {kept}", why, MANY,
                   "conflicts"),
            Number("更正对象未到（条）", Unit.COUNT, f"A correction of what is not there. {kept}",
                   why, column="orphans"),
            Number("搁置（条）", Unit.COUNT, f"Of a newer version than this software knows. {kept}",
                   why, column="parkeds"),
            Number("死信（条）", Unit.COUNT, f"Refused, with the reason below. {kept}", why, MANY,
                   "deads"),
        ]),
        (trend(Number("入库速率（条/分钟）", Unit.COUNT, "Messages a minute by when the broker appended "
         f"them, counted or not, by stream. {source}", parts, decimals=0),
         pipeline.pipeline_throughput(), {f.topic: f.zh for f in families()}, least="1m"), 9, 9),
        (ranking(Number("各主题积压（条）", Unit.COUNT, f"Messages not yet stored. {source}", parts),
         pipeline.pipeline_lag()), 5, 9),
        (table(Number("未计入的消息（条）", Unit.COUNT, f"By topic, status and reason; logs have its code. {kept} "
         "Mend and resubmit: see the runbook.", BACK,
         columns={"topic": {"custom.width": 100}, "refused": {"custom.width": 80},
                  "last_day": {"unit": "time:YYYY-MM-DD", "custom.width": 110},
                  "reason_name": {"unit": "string"}, "reason": {"unit": "string"}}),
         pipeline.pipeline_refused()), 10, 9),
        (table(Number("投影水位（条）", Unit.COUNT, "Whether the figures hold all that is stored: "
         "partitions whose projection has reached the highest offset stored, and the farthest "
         "that any lags. Source: the highest offset each projection keeps in the same part as "
         "its figures.", BACK, columns={"topic": {"unit": "string"}, "projection": {"unit": "string"}}),
         pipeline.pipeline_projections()), 12, 12),
        (table(Number("数据块（个、行）", Unit.COUNT, "Active parts of every table; merges keep them "
         "few, and ClickHouse slows inserts at 1,000. Source: system.parts.", BACK,
         columns={"bytes": {"unit": "bytes"}, "table": {"unit": "string", "custom.width": 190}}),
         pipeline.pipeline_tables()), 12, 12),
        (table(Number("分区与水位（条）", Unit.COUNT, "Watermark: when the broker appended the newest "
         f"message stored. {source}", BACK, columns={
             "watermark": {"unit": "time:MM-DD HH:mm:ss"}, "heartbeat": {"unit": "time:MM-DD HH:mm:ss"},
             "partition": {"unit": "string"}}), pipeline.pipeline_parts()), 24, 12),
    ]  # fmt: skip


def boards() -> list[dict[str, Any]]:
    """One board."""
    return [board("gulou-pipeline", "管道健康", "Whether the figures can be believed: lag, heartbeat, "
                  "watermark, what was not counted and why.", _pipeline(), up=BACK,
                  refresh="5s", time=("now-24h", "now"))]  # fmt: skip
