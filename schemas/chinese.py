"""Chinese names of the published views' columns.

A column that comes from a field, an event type or a deadline takes its name from that declaration.
This module names only the columns that no family declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.family import Family
from schemas.projections import verb
from schemas.sql.counts import ended_by
from schemas.sql.coverage import this_year

VIEW_COLUMNS: Final[Mapping[str, str]] = {
    "type": "事件类型",
    "county": "县市区",
    "township": "乡镇街道",
    "village": "村社区",
    "grid": "微网格",
    "minute": "分钟",
    "hour": "小时",
    "day": "日期",
    "month": "月份",
    "year": "年份",
    "gross_count": "原报件次",
    "net_count": "净件次",
    "village_known": "村社区是否已知",
    "case": "编号",
    "state": "状态",
    "begun": "开始时间",
    "came_from": "原状态",
    "since": "原状态起始",
    "open": "是否未结",
    "ended_at": "结束时间",
    "begun_today": "当日新案",
    "begun_this_year": "本年新案",
    "open_cases": "未结案件",
    "ended_this_year": "本年结束",
    "overdue_cases": "逾期案件",
    "split": "项目",
    "part": "项目取值",
    "raised": "累计筹集",
    "spent": "累计支出",
    "balance": "余额",
    "clock": "期限",
    "due": "届满时间",
    "overdue": "是否逾期",
    "on_time": "是否按期",
    "met": "按期完成",
    "late": "超期完成",
    "past": "逾期未办",
    "running": "未到期",
    "oldest_due": "最早届满时间",
    "code": "区划代码",
    "name": "名称",
    "level": "层级",
    "parent": "上级代码",
    "microgrids": "微网格数",
    "field": "字段",
    "value": "取值",
    "zh": "中文名称",
    "topic": "主题",
    "kpart": "分区",
    "stored": "已存偏移",
    "newest": "最新写入",
    "messages": "消息数",
    "beat": "最近心跳",
    "lag": "积压消息",
    "behind_since": "积压起始",
    "status": "去向",
    "reason": "原因",
    "projection": "统计表",
    "reached": "已达偏移",
    "table": "数据表",
    "parts": "数据块",
    "rows": "行数",
    "bytes": "字节数",
    "logged": "接收时间",
    "time": "发生时间",
}
"""By column of a view. The boards take theirs from here (`dashboards.columns`)."""

SPANS: Final[Mapping[str, str]] = {"today": "今日", "month": "本月", "year": "本年"}
"""Names of the spans in the `_to_date` views, by column suffix."""


def column_names(family: Family | None) -> dict[str, str]:
    """Chinese names by column: the general ones, and those from a family's declarations."""
    found = dict(VIEW_COLUMNS)
    if family is None:
        return found
    for rollup in family.rollups:
        found |= {dim: family.fields_named(dim)[0].zh for dim in rollup.dims}
    if diary := family.diary:
        found |= {kept.column: kept.label for kept in diary.also}
        seen = diary.seen
        found |= {
            diary.last: f"最近{seen.label}",
            seen.column: f"累计{seen.label}",
            this_year(seen): f"本年{seen.label}",
        }
    found |= {f.name: f.zh for f in family.facts}
    for f in family.totals:
        found |= {f"gross_{f.name}": f"原报{f.zh}", f"net_{f.name}": f"净{f.zh}"}
    for span, zh in SPANS.items():
        for name in ("count", *(f.name for f in family.totals)):
            found[f"net_{name}_{span}"] = zh + found[f"net_{name}"]
    found |= {f"{verb(cls.spec.name)}_at": f"{cls.spec.zh}时间" for cls in family.events}
    if fold := family.fold:
        found |= {ended_by(t): f"本年以{family.event(t).spec.zh}结束" for t in fold.ends}
        found |= {f"{f.name}_this_year": f"本年{f.zh}" for f in family.facts if f.total}
    for clock in family.clocks:
        found[f"due_{clock.name}"] = f"{clock.zh}期限"
        found[f"overdue_{clock.name}"] = f"{clock.zh}是否逾期"
        found[f"on_time_{clock.name}"] = f"{clock.zh}是否按期"
    return found
