"""信访诉求, 矛盾调解, 走访覆盖, 幸福基金, 管道健康: a board a theme."""

from __future__ import annotations

from typing import Any, Final

from dashboards import _queries_cases as cases
from dashboards import _queries_places as places
from dashboards import queries
from dashboards._layout import Placed, board, counties
from dashboards.panels import (
    BAD,
    GOOD,
    WARN,
    Columns,
    Number,
    Unit,
    beside,
    columns,
    gauge,
    ranking,
    shares,
    stat,
    table,
    trend,
    trust,
    url_of,
)

_RATE: Final = ((None, BAD), (0.9, WARN), (0.95, GOOD))
_SUCCESS: Final = ((None, BAD), (0.8, WARN), (0.9, GOOD))
_COVERED: Final = ((None, BAD), (places.WATCHED, WARN), (places.REACHED, GOOD))
_MANY: Final = ((None, GOOD), (1.0, BAD))
_PERCENT: Final = {"unit": "percentunit", "decimals": 1}
_STEPS: Final[Columns] = {
    "用时中位数": {"displayName": "用时中位数（天）", "decimals": 1},
    "从": {"unit": "string"},
    "到": {"unit": "string"},
}
_BACK: Final = ("城市运行总览", url_of("gulou-wall"))
_COUNTY: Final = ("进入县市区", url_of("gulou-county", county="${__data.fields.code}"))
_EVIDENCE: Final = "See the table of overdue cases below."


def boards(fresh: Number, hidden: dict[str, Any]) -> list[dict[str, Any]]:
    """The theme boards; `fresh` and `hidden` are the wall's."""
    county = {"links": [{"title": _COUNTY[0], "url": _COUNTY[1]}]}
    name: Columns = {"县市区": {"unit": "string", "custom.width": 160, **county}, "code": hidden}
    rule = "Judged at the end of the time range."
    return [
        board("gulou-petitions", "信访诉求", f"Petitions under 信访工作条例: legal clocks, ageing, "
              f"flow. {rule}", _petitions(fresh, name), [counties()], up=_BACK),
        board("gulou-mediations", "矛盾调解", f"Disputes from filing to performance. {rule}",
              _mediations(fresh, name), [counties()], up=_BACK),
        board("gulou-visits", "走访覆盖", f"Household visits and the micro-grids nobody visited. "
              f"{rule}", _visits(fresh, name), [counties()], up=_BACK),
        board("gulou-funds", "幸福基金", f"Money in, money out, who was helped. {rule}",
              _funds(fresh, name), [counties()], up=_BACK),
        board("gulou-pipeline", "管道健康", "Whether the figures can be believed: lag, heartbeat, "
              "watermark, what was not counted and why.", _pipeline(fresh), up=_BACK,
              refresh="5s", time=("now-24h", "now")),
    ]  # fmt: skip


def _stats(sql: str, numbers: list[Number], width: int = 4) -> list[Placed]:
    return [(stat(number, sql), width, 4) for number in numbers]


_REGISTERED = "Registered in the calendar year of the end of the range."
_STILL_OPEN = "Not closed, withdrawn, merged or refused by the end of the range."


def _petition_figures(fresh: Number, to: tuple[str, str]) -> list[Placed]:
    voices, backlog = cases.petition_voices(), cases.petition_backlog()
    punctual = cases.petition_punctuality()
    return [
        *_stats(voices, [
            Number("本年登记（件次）", Unit.COUNT, f"{_REGISTERED} Source: 信访工作条例 17, 22.", to,
                   column="registered_year"),
            Number("本年人次（人次）", Unit.COUNT, f"People who brought them. {_REGISTERED} Source: "
                   "信访工作条例 20.", to, column="people_year"),
        ]),
        *_stats(backlog, [
            Number("未结（件）", Unit.COUNT, f"{_STILL_OPEN} Source: 信访工作条例 22-36.", to,
                   column="open_now"),
            Number("逾期（件）", Unit.COUNT, "Past at least one legal due date not met. "
                   f"信访工作条例 22, 23, 34, 35, 36. {_EVIDENCE}", to, _MANY, "overdue_now"),
        ]),
        *_stats(voices, [
            Number("重件率", Unit.RATE, f"Repeated / all. {_REGISTERED} Source: the office's 初件/重件 "
                   "mark.", to, column="repeated_share", decimals=1),
        ]),
        (trust(fresh, queries.freshness()), 4, 4),
        *[(gauge(number, punctual), 6, 7) for number in (
            Number("及时受理率", Unit.RATE, "Notice in 15 days / all of all years whose notice was due or given; "
                   "those still without notice count as late. 信访工作条例 23.", to, _RATE,
                   "accepted_on_time", 1),
            Number("按期办结率", Unit.RATE, "Closed in time / all of all years whose closing was due or done; open "
                   "overdue ones count as late, those withdrawn, merged or refused before their day "
                   "are in neither. 信访工作条例 34, 60 days, route 31(6).", to, _RATE,
                   "closed_on_time", 1),
        )],
        *[(gauge(number, voices), 6, 7) for number in (
            Number("参评率", Unit.RATE, "Replied and rated / replied, all years. 信访工作条例 21.", to,
                   ((None, BAD), (0.4, WARN), (0.6, GOOD)), "rated_share", 1),
            Number("满意率", Unit.RATE, "4 or 5 stars / rated, all years. 信访工作条例 21.", to,
                   ((None, BAD), (0.8, WARN), (0.9, GOOD)), "satisfied_share", 1),
        )],
    ]  # fmt: skip


def _petitions(fresh: Number, name: Columns) -> list[Placed]:
    to = ("按县市区", beside("gulou-petitions", "各县市区（件）", "county"))
    return [
        *_petition_figures(fresh, to),
        (table(Number("法定时限（件）", Unit.COUNT, "Each legal clock: met in time, met late, past "
         "due and not met, not due yet. Rate: met in time / (met + late + past due). Cases taken "
         "away before their day (withdrawn, merged) are in none. Source: the article in the last "
         "column.", to,
         columns={"按期率": _PERCENT, "时限": {"unit": "string"}, "依据": {"unit": "string"}}),
         cases.petition_clocks()), 12, 7),
        (columns(Number("办结期限分布（件）", Unit.COUNT, "Open petitions under the 60-day clock by "
         "days left, overdue ones first. 信访工作条例 34; 民法典 201, 203.", to),
         cases.petition_due()), 6, 7),
        (columns(Number("未结件龄（件）", Unit.COUNT, f"{_STILL_OPEN} By days since registration. "
         "信访工作条例 22.", to),
         cases.petition_ageing()), 6, 7),
        (ranking(Number("未结件所处环节（件）", Unit.COUNT, "Open petitions by the last step taken. "
         "信访工作条例 22-36.", to), cases.petition_states()), 6, 10),
        (table(Number("环节流转：从哪步到哪步（件）", Unit.COUNT, "How many petitions went from which "
         "state to which within the range, and the median of the days each had spent in the "
         "state it left. 新收 are new ones. 信访工作条例 22-36.", to, columns=_STEPS),
         cases.petition_steps()), 9, 10),
        (trend(Number("进与出（件）", Unit.COUNT, "Registered, accepted, replied and closed over "
         "the range: more in than out is a growing pile. 信访工作条例 22-34.", to), cases.petition_flow()), 9, 10),
        (table(Number("各县市区（件）", Unit.COUNT, "Side by side, worst on-time rate first. On time: "
         "closed in time / all due or done (信访工作条例 34). Satisfied: 4-5 stars / rated (21).",
         _COUNTY, columns={**name, "按期办结率": _PERCENT, "满意率": _PERCENT}),
         *cases.petition_counties()), 24, 10),
        (shares(Number("信访类别（件）", Unit.COUNT, f"By class. {_REGISTERED} 信访工作条例 29-31.", to),
         cases.petition_kinds()), 8, 7),
        (shares(Number("信访渠道（件）", Unit.COUNT, f"By channel. {_REGISTERED} 信访工作条例 17.", to),
         cases.petition_channels()), 8, 7),
        (shares(Number("到访层级（件）", Unit.COUNT, f"到县, 来市, 赴省, 进京. {_REGISTERED} Source: "
         "信访工作条例 19.", to), cases.petition_levels()), 8, 7),
        (table(Number("逾期信访件（天）", Unit.COUNT, "Each overdue petition, longest first, with the "
         "duty missed and the days past its last day. 检举控告 shows its county only (信访工作条例 30).", _COUNTY,
         columns={**name, "信访件": {"unit": "string"}}), cases.petition_overdue_cases()), 24, 9),
    ]  # fmt: skip


def _mediations(fresh: Number, name: Columns) -> list[Placed]:
    figures = cases.mediation_figures()
    to = ("按县市区", beside("gulou-mediations", "各县市区（件）", "county"))
    year = "Calendar year of the end of the range."
    return [
        *_stats(figures, [
            Number("本年登记（件）", Unit.COUNT, f"Disputes filed. {year} Source: 人民调解法 17.", to,
                   column="filed_year"),
            Number("在办（件）", Unit.COUNT, "Neither agreed nor terminated. Source: 人民调解法 "
                   "26-28.", to, column="open_now"),
            Number("法院委托逾期（件）", Unit.COUNT, "Court-sent cases past 30, 15 or 7 days; "
                   "人民调解法 itself sets no limit. Source: 民诉法解释; 最高法 2020 试点.", to,
                   _MANY, "overdue_now"),
            Number("协议金额（万元）", Unit.COUNT, f"Money of the agreements reached. {year} Source: "
                   "agreement forms.", to, column="amount_year", decimals=0),
            Number("司法确认申请（件）", Unit.COUNT, f"Applied for within 30 days. {year} Source: "
                   "人民调解法 33.", to, column="confirmations_year"),
        ]),
        (trust(fresh, queries.freshness()), 4, 4),
        (gauge(Number("调解成功率", Unit.RATE, f"Agreements / all ended, failures included. {year} "
         "人民调解法 28.", to, _SUCCESS, "success", 1), figures), 6, 7),
        (gauge(Number("协议履行率", Unit.RATE, f"Performed / all agreements reached, running ones "
         f"included. {year} 人民调解法 31.", to, _SUCCESS, "performed", 1), figures), 6, 7),
        (stat(Number("防止民转刑（件）", Unit.COUNT, f"Agreements that averted violence. {year} "
         "Source: national statistics form.", to, column="crime_year"), figures), 6, 7),
        (stat(Number("防止群体性上访（件）", Unit.COUNT, f"Agreements that averted a collective "
         f"petition. {year} Source: national statistics form.", to, column="group_year"),
         figures), 6, 7),
        (ranking(Number("纠纷类型（件）", Unit.COUNT, f"By type. {year} Source: types of the "
         "national statistics form.", to), cases.mediation_types()), 6, 12),
        (table(Number("各县市区（件）", Unit.COUNT, "Side by side, lowest success first. Success: "
         "agreements / ended. 人民调解法 28.", _COUNTY, columns={**name, "成功率": _PERCENT,
         "协议金额": {"displayName": "协议金额（万元）", "decimals": 1}}),
         cases.mediation_counties()), 11, 12),
        (shares(Number("来源（件）", Unit.COUNT, f"诉源, 访源, 警源 and the grid's own. {year} Source: "
         "三源共治 statistics.", to), cases.mediation_origins()), 7, 6),
        (shares(Number("结案去向（件）", Unit.COUNT, f"What became of those that ended. {year} "
         "人民调解法 26, 31.", to), cases.mediation_ends()), 7, 6),
        (table(Number("环节流转：从哪步到哪步（件）", Unit.COUNT, "How many disputes went from which "
         "state to which within the range, and the median of the days each had spent in the "
         "state it left. 新收 are new ones. 人民调解法 17-31.", to, columns=_STEPS),
         cases.mediation_steps()), 12, 8),
        (trend(Number("进与出（件）", Unit.COUNT, "Filed, agreed, terminated and performed over the "
         "range. 人民调解法 17-31.", to), cases.mediation_flow()), 12, 8),
        (columns(Number("在办件龄（件）", Unit.COUNT, "Open disputes by days since filing. "
         "人民调解法 17.", to),
         cases.mediation_ageing()), 8, 8),
        (ranking(Number("在办环节（件）", Unit.COUNT, "Open disputes by the last step taken. "
         "人民调解法 17-28.", to),
         cases.mediation_states()), 8, 8),
        (ranking(Number("调解员成功率", Unit.RATE, f"Agreements / ended by kind of mediator. {year} "
         "人民调解法 13, 28.", to, decimals=1), cases.mediation_mediators()), 8, 8),
    ]  # fmt: skip


def _visits(fresh: Number, name: Columns) -> list[Placed]:
    figures = places.coverage_figures()
    to = ("按县市区", beside("gulou-visits", "各县市区（个、户次、件）", "county"))
    year = "Calendar year of the end of the range, to the end of its day."
    form = "Source: household visit form."
    village = url_of("gulou-village", county="${__data.fields.county}",
                     township="${__data.fields.township}", village="${__data.fields.village}")  # fmt: skip
    hidden = name["code"]
    return [
        *_stats(figures, [
            Number("本年走访（户次）", Unit.COUNT, f"Visits that stand. {year} {form}", to,
                   column="visits_year"),
            Number("微网格总数（个）", Unit.COUNT, "All micro-grids of the places chosen. Source: "
                   "党建+微网格 register.", to, column="all_grids"),
            Number("从未走访（个）", Unit.COUNT, f"Micro-grids without any visit. {form}", to, _MANY,
                   "never"),
            Number("本年诉求登记（件）", Unit.COUNT, f"Raised in visits. {year} {form}", to,
                   column="raised_year"),
            Number("本年诉求办结（件）", Unit.COUNT, f"Closed. {year} {form}", to,
                   column="closed_year"),
        ]),
        (trust(fresh, queries.freshness()), 4, 4),
        (gauge(Number("微网格覆盖率", Unit.RATE, f"Micro-grids visited this year / all micro-grids, "
         f"never visited ones included. {year} Source: 党建+微网格 register.", to, _COVERED,
         "covered", 1), figures), 5, 8),
        (stat(Number("诉求办结与登记之比", Unit.RATE, f"Requests closed in the year / raised in the "
         f"year: not the same requests, so it passes 100 % when old ones are closed. Below 100 % "
         f"the pile grows. {year} {form}", to, column="closed_to_raised", decimals=1), figures), 5, 8),
        (columns(Number("距上次走访（个）", Unit.COUNT, f"Visited micro-grids by days since the last "
         f"visit. {form}", to), places.coverage_recency()), 7, 8),
        (shares(Number("走访人身份（户次）", Unit.COUNT, f"Visits by who went. {year} {form}", to),
         places.coverage_roles()), 7, 8),
        (table(Number("各县市区（个、户次、件）", Unit.COUNT, "Side by side, lowest coverage first. "
         f"Coverage: micro-grids visited this year / all. {form}", _COUNTY,
         columns={**name, "覆盖率": _PERCENT}), places.coverage_counties()), 14, 12),
        (trend(Number("走访与诉求趋势（户次、件）", Unit.COUNT, f"Visits, requests raised and closed over "
         f"the range. {form}", to), places.coverage_trend()), 10, 12),
        (table(Number("未走访微网格最多的村社区（个）", Unit.COUNT, f"Villages by micro-grids not "
         f"visited this year, and how many of them never were. {form}", ("进入村社区", village), columns={
         "县市区": {"unit": "string", "custom.width": 190},
         "村社区": {"unit": "string", "links": [{"title": "进入村社区", "url": village}]},
         "county": hidden, "township": hidden, "village": hidden}), places.coverage_unvisited()), 24, 10),
    ]  # fmt: skip


def _funds(fresh: Number, name: Columns) -> list[Placed]:
    figures, year_sql = places.fund_figures(), places.fund_year()
    to = ("按县市区", beside("gulou-funds", "各县市区（万元）", "county"))
    year = "Calendar year of the end of the range, to the end of the hour in which it ends."
    ledger = "Source: fund ledgers of the villages; reversed entries taken off."
    moved = "balances brought forward left out."
    money = {
        n: {"displayName": f"{n}（万元）", "decimals": 1} for n in ("累计筹集", "累计支出", "余额")
    }
    return [
        *_stats(figures, [
            Number("累计筹集（万元）", Unit.COUNT, f"Contributions, all years to the end of the day on "
                   f"which the range ends. {ledger}", to,
                   column="raised_all", decimals=0),
            Number("累计支出（万元）", Unit.COUNT, f"Disbursements, all years. {ledger}", to,
                   column="spent_all", decimals=0),
            Number("余额（万元）", Unit.COUNT, f"Raised less spent. {ledger}", to,
                   column="balance_now", decimals=0),
            Number("透支账户（个）", Unit.COUNT, f"Funds that paid out more than came in. {ledger}",
                   to, _MANY, "negative"),
        ]),
        (gauge(Number("使用率", Unit.RATE, f"Spent / raised, all years. {ledger}", to,
         column="used", decimals=1), figures), 4, 8),
        (trust(fresh, queries.freshness()), 4, 4),
        *_stats(year_sql, [
            Number("本年筹集（万元）", Unit.COUNT, f"Contributions, {moved} {year} {ledger}", to,
                   column="raised_year", decimals=0),
            Number("本年支出（万元）", Unit.COUNT, f"Disbursements, {moved} {year} {ledger}", to,
                   column="spent_year", decimals=0),
            Number("本年帮扶（人次）", Unit.COUNT, f"Persons helped, {moved} {year} {ledger}", to,
                   column="helped_year"),
            Number("本年微公益项目（个）", Unit.COUNT, f"Projects set up, {moved} {year} {ledger}", to,
                   column="projects_year"),
        ]),
        (stat(Number("本年收支差（万元）", Unit.COUNT, f"Raised less spent, {moved} {year} {ledger}", to,
         column="net_year", decimals=0), year_sql), 4, 4),
        (shares(Number("资金来源（万元）", Unit.COUNT, f"Raised by source, all years. {ledger}", to,
         decimals=0), places.fund_sources()), 8, 8),
        (shares(Number("支出用途（万元）", Unit.COUNT, f"Spent by use. Calendar year of the end of the range, to the "
         f"end of its day. {ledger}", to,
         decimals=0), places.fund_uses()), 8, 8),
        (trend(Number("筹集与支出（万元）", Unit.COUNT, f"Over the range, {moved} {ledger}", to),
         places.fund_trend()), 8, 8),
        (table(Number("各县市区（万元）", Unit.COUNT, f"Side by side, largest balance first. Used: "
         f"spent / raised. {ledger}", _COUNTY, columns={**name, **money, "使用率": _PERCENT}),
         places.fund_counties()), 12, 12),
        (table(Number("透支的基金（万元）", Unit.COUNT, f"Paid out more than came in: an entry is "
         f"missing or wrong. {ledger}", to, decimals=2, none="没有透支的基金",
         columns={n: {"displayName": f"{n}（万元）"} for n in ("筹集", "支出", "余额")}), places.fund_negative()), 12, 12),
    ]  # fmt: skip


def _pipeline(fresh: Number) -> list[Placed]:
    now, refused = queries.pipeline_now(), queries.pipeline_refused_totals()
    source = "Source: the worker's heartbeats and the truth tables."
    kept = "Stored and shown, but in no figure. Source: the status each message is stored with."
    parts = ("分区与水位", beside("gulou-pipeline", "分区与水位（条）"))
    why = ("未计入的消息", beside("gulou-pipeline", "未计入的消息（条）"))
    return [
        (trust(fresh, queries.freshness()), 8, 4),
        *_stats(now, [
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
        *_stats(now, [
            Number("分区（个）", Unit.COUNT, f"Kafka partitions that report. {source}", parts,
                   column="partitions"),
        ]),
        *_stats(refused, [
            Number("重复（条）", Unit.COUNT, f"The same id and content again. {kept}", why,
                   column="repeats"),
            Number("冲突（条）", Unit.COUNT, f"The same id, other content. {kept}", why, _MANY,
                   "conflicts"),
            Number("更正对象未到（条）", Unit.COUNT, f"A correction of what is not there. {kept}",
                   why, column="orphans"),
            Number("搁置（条）", Unit.COUNT, f"Of a newer version than this software knows. {kept}",
                   why, column="parkeds"),
            Number("死信（条）", Unit.COUNT, f"Refused, with the reason below. {kept}", why, _MANY,
                   "deads"),
        ]),
        (trend(Number("入库速率（条/分钟）", Unit.COUNT, "Messages a minute by when the broker appended "
         f"them, counted or not, by stream. {source}", parts, decimals=0),
         queries.pipeline_throughput(), least="1m"), 10, 9),
        (ranking(Number("各主题积压（条）", Unit.COUNT, f"Messages not yet stored. {source}", parts),
         queries.pipeline_lag()), 5, 9),
        (table(Number("未计入的消息（条）", Unit.COUNT, f"By topic, status and reason code. {kept} "
         "Mend and resubmit: see the runbook.", _BACK,
         columns={"最近一日": {"unit": "time:YYYY-MM-DD"}, "原因": {"unit": "string"}}),
         queries.pipeline_refused()), 9, 9),
        (table(Number("投影水位（条）", Unit.COUNT, "Whether the figures hold all that is stored: "
         "partitions whose projection has reached the highest offset stored, and the farthest "
         "that any lags. Source: the highest offset each projection keeps in the same part as "
         "its figures.", _BACK, columns={"主题": {"unit": "string"}, "投影": {"unit": "string"}}),
         queries.pipeline_projections()), 12, 12),
        (table(Number("数据块（个、行）", Unit.COUNT, "Active parts of every table; merges keep them "
         "few, and ClickHouse slows inserts at 1,000. Source: system.parts.", _BACK,
         columns={"磁盘": {"unit": "bytes"}, "表": {"unit": "string", "custom.width": 190}}),
         queries.pipeline_tables()), 12, 12),
        (table(Number("分区与水位（条）", Unit.COUNT, "Watermark: when the broker appended the newest "
         f"message stored. {source}", _BACK, columns={
             "水位": {"unit": "time:MM-DD HH:mm:ss"}, "心跳": {"unit": "time:MM-DD HH:mm:ss"},
             "分区": {"unit": "string"}}), queries.pipeline_parts()), 24, 12),
    ]  # fmt: skip
