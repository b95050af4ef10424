"""Chinese names of query columns; the queries name their columns in English."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from schemas.families import family

COLUMNS: Final[Mapping[str, str]] = {
    "agreed_year": "本年成功",
    "all_grids": "微网格",
    "amount_year": "协议金额（万元）",
    "balance_now": "余额（万元）",
    "basis": "依据",
    "bytes": "磁盘",
    "case": "案件",
    "cases": "件数",
    "cases_over": "逾期件数",
    "city_mean": "全市平均",
    "clock_name": "时限",
    "closed_on_time": "按期办结率",
    "county_name": "县市区",
    "covered": "覆盖率",
    "days_over": "逾期天数",
    "duty": "事项",
    "events": "件数",
    "farthest": "最多落后",
    "figure": "指标",
    "filed_year": "本年登记",
    "from_state": "从",
    "fund_balance": "基金余额（万元）",
    "grid": "微网格",
    "happened": "时间",
    "heartbeat": "心跳",
    "idle_days": "距今天数",
    "kind_name": "类别",
    "lag": "积压",
    "last_day": "最近一日",
    "last_month": "上月同期",
    "last_visit": "最近走访",
    "last_year": "去年同期",
    "longest_days": "最长逾期天数",
    "mark": "状态",
    "median_days": "用时中位数（天）",
    "messages": "已入库",
    "met_in_time": "按期",
    "met_late": "超期完成",
    "never": "从未走访",
    "not_due": "未到期",
    "on_time_rate": "按期率",
    "open_now": "未结",
    "outcome": "去向",
    "overdue_now": "逾期",
    "partition": "分区",
    "partitions": "分区",
    "parts": "数据块",
    "past_due": "逾期未办",
    "petitions_open": "未结信访",
    "petitions_whole_year": "全年信访",
    "petitions_year": "本年信访",
    "place_name": "名称",
    "projection": "投影",
    "raised_all": "累计筹集（万元）",
    "reason": "原因",
    "refused": "条数",
    "registered_year": "本年登记",
    "requests_year": "本年诉求",
    "rows": "行数",
    "satisfied_share": "满意率",
    "scope_name": "范围",
    "settled_year": "本年诉求办结",
    "spent_all": "累计支出（万元）",
    "stored": "最高位移",
    "success": "成功率",
    "table": "表",
    "this_month": "本月至今",
    "to_last_month": "环比",
    "to_last_year": "同比",
    "to_mean": "较均值",
    "to_state": "到",
    "topic": "主题",
    "township_name": "乡镇街道",
    "type_name": "事件",
    "unvisited_year": "本年未走访",
    "up_to_date": "已到位",
    "used": "使用率",
    "village_name": "村社区",
    "visited_year": "本年已走访",
    "visits_year": "本年走访",
    "watermark": "水位",
}
"""By column name. A panel may override the name of its own column."""


def column_name(name: str, topic: str = "") -> str | None:
    """Chinese name of a column: from the table above, or of that field in the panel's family.

    Another family's field never names it: it may be called the same and mean something else. Nor
    does a field that the family itself declares with several Chinese names.

    Args:
        name: the column.
        topic: the family that the panel is about; empty for a panel about several.
    """
    if name in COLUMNS or not topic:
        return COLUMNS.get(name)
    declared = {field.zh for field in family(topic).fields_named(name) if not field.personal}
    return declared.pop() if len(declared) == 1 else None


_TOKEN: Final = re.compile(r"'(?:\\.|[^'\\])*'|`[^`]*`|[(\[{]|[)\]}]|,|\w+|[^\s\w]")


def columns_of(sql: str) -> list[str]:
    """Names of a query's result columns, in order: those of its outermost SELECT."""
    found, item, selecting = list[str](), list[str](), False
    for depth, token in _tokens(sql):
        word = token.upper()
        if depth == 0 and word == "SELECT":
            found, item, selecting = [], [], True
        elif depth == 0 and selecting and word in (",", "FROM"):
            found.append(item[-1])
            item, selecting = [], word == ","
        elif selecting:
            item.append(token)
    if selecting and item:
        found.append(item[-1])
    return found


def _tokens(sql: str) -> Iterator[tuple[int, str]]:
    """Each token with its bracket depth; a bracket counts as inside its own pair."""
    depth = 0
    for token in _TOKEN.findall(sql):
        if token in "([{":
            depth += 1
        yield depth, token
        if token in ")]}":
            depth -= 1
