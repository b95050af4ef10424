"""Chinese headings of the boards' tables; the queries name their columns in English.

A column that a published view has under the same name is called as there (`schemas.chinese`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from schemas.chinese import VIEW_COLUMNS
from schemas.families import family

_OF_VIEWS: Final = ("grid", "parts", "projection", "rows", "stored", "table", "topic")
"""Columns that a board shows as the view has them."""

HEADINGS: Final[Mapping[str, str]] = {name: VIEW_COLUMNS[name] for name in _OF_VIEWS} | {
    # Not the view's words: a case stands among other things, where 编号 would not say of what; two
    # are headed as the tiles of their sums; the panel turns bytes into MB and GB; and a reason's
    # code stands beside the reason in words.
    "case": "案件",
    "messages": "已入库",
    "lag": "积压",
    "bytes": "磁盘",
    "reason": "原因代码",
    # The boards' own columns.
    "agreed_year": "本年成功",
    "all_grids": "微网格",
    "amount_year": "协议金额（万元，截至上月末）",
    "balance_now": f"{VIEW_COLUMNS['balance']}（万元）",
    "basis": "依据",
    "cases": "件数",
    "cases_over": "逾期件数",
    "city_mean": "全市平均",
    "clock_name": "时限",
    "closed_on_time": "按期办结率",
    "county_name": VIEW_COLUMNS["county"],
    "covered": "覆盖率",
    "days_over": "逾期天数",
    "duty": "事项",
    "events": "件数",
    "farthest": "最多落后",
    "figure": "指标",
    "filed_year": "本年登记",
    "from_state": "从",
    "fund_balance": "基金余额（万元）",
    "happened": "时间",
    "heartbeat": "心跳",
    "idle_days": "距今天数",
    "kind_name": "类别",
    "last_day": "最近一日",
    "last_month": "上月同期",
    "last_visit": "最近走访",
    "last_year": "去年同期",
    "longest_days": "最长逾期天数",
    "mark": "状态",
    "median_days": "用时中位数（天）",
    "met_in_time": "按期",
    "met_late": "超期完成",
    "never": "从未走访",
    "not_due": "未到期",
    "on_time_rate": "按期率",
    "open_now": "未结",
    "outcome": VIEW_COLUMNS["status"],
    "overdue_now": "逾期",
    "partition": VIEW_COLUMNS["kpart"],
    "partitions": VIEW_COLUMNS["kpart"],
    "past_due": "逾期未办",
    "petitions_open": "未结信访（截至上月末）",
    "petitions_whole_year": "全年信访",
    "petitions_year": "本年信访（截至上月末）",
    "place_name": VIEW_COLUMNS["name"],
    "raised_all": f"{VIEW_COLUMNS['raised']}（万元）",
    "reason_name": VIEW_COLUMNS["reason"],
    "refused": "条数",
    "registered_year": "本年登记",
    "requests_year": "本年诉求",
    "satisfied_share": "满意率",
    "scope_name": "范围",
    "settled_year": "本年诉求办结",
    "spent_all": f"{VIEW_COLUMNS['spent']}（万元）",
    "success": "成功率",
    "this_month": "本月至今",
    "to_last_month": "环比",
    "to_last_year": "同比",
    "to_mean": "较均值",
    "to_state": "到",
    "township_name": VIEW_COLUMNS["township"],
    "type_name": "事件",
    "unvisited_year": "本年未走访",
    "up_to_date": "已到位",
    "used": "使用率",
    "village_name": VIEW_COLUMNS["village"],
    "visited_year": "本年已走访",
    "visits_year": "本年走访",
    "watermark": "水位",
}
"""Headings of the boards' tables, by column of a query. A panel may give its own column another."""


def column_name(name: str, topic: str = "") -> str | None:
    """Chinese name of a column: from the table above, or of that field in the panel's family.

    Another family's field never names it: it may be called the same and mean something else. Nor
    does a field that the family itself declares with several Chinese names.

    Args:
        name: the column.
        topic: the family that the panel is about; empty for a panel about several.
    """
    if name in HEADINGS or not topic:
        return HEADINGS.get(name)
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
