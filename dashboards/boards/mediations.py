"""矛盾调解: disputes from filing to performance."""

from __future__ import annotations

from typing import Any, Final

from dashboards.boards._shared import (
    BACK,
    MANY,
    NAMED,
    PERCENT,
    RULE,
    STEPS,
    TO_COUNTY,
    TRUST,
    before,
    stats,
    type_names,
)
from dashboards.layout import Placed, board, counties
from dashboards.panels import (
    BAD,
    GOOD,
    WARN,
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
)
from dashboards.queries import freshness, mediations

_SUCCESS: Final = ((None, BAD), (0.8, WARN), (0.9, GOOD))


def _mediations() -> list[Placed]:
    figures, averted = mediations.mediation_figures(), mediations.mediation_averted()
    after = mediations.mediation_after()
    to = ("按县市区", beside("gulou-mediations", "各县市区（件）", "county"))
    year = "Calendar year of the end of the range."
    ended, as_of = before("mediations")
    year_before = f"{as_of} Calendar year of that day."
    return [
        *stats(figures, [
            Number("本年登记（件）", Unit.COUNT, f"Disputes filed. {year} Source: 人民调解法 17.", to,
                   column="filed_year"),
            Number("在办（件）", Unit.COUNT, "Neither agreed nor terminated. Source: 人民调解法 "
                   "26-28.", to, column="open_now"),
        ]),
        *stats(mediations.mediation_overdue(), [
            Number("法院委托逾期（件）", Unit.COUNT, "Court-sent cases past 30, 15 or 7 days; "
                   "人民调解法 itself sets no limit. Source: 民诉法解释; 最高法 2020 试点.", to,
                   MANY, "overdue_now"),
        ]),
        *stats(mediations.mediation_amount(), [
            Number(f"协议金额（万元，{ended}）", Unit.COUNT, f"Money of the agreements reached. {year_before} Source: "
                   "agreement forms.", to, column="amount_year", decimals=0),
        ]),
        *stats(after, [
            Number("司法确认申请（件）", Unit.COUNT, f"Applied for within 30 days. {year} Source: "
                   "人民调解法 33.", to, column="confirmations_year"),
        ]),
        (trust(TRUST, freshness.freshness()), 4, 4),
        (gauge(Number("调解成功率", Unit.RATE, f"Agreements / all ended, failures included. {year} "
         "人民调解法 28.", to, _SUCCESS, "success", 1), figures), 6, 7),
        (gauge(Number("协议履行率", Unit.RATE, f"Performed / all agreements reached, running ones "
         f"included. {year} 人民调解法 31.", to, _SUCCESS, "performed", 1), after), 6, 7),
        (stat(Number(f"防止民转刑（件，{ended}）", Unit.COUNT, f"Agreements that averted violence. {year_before} "
         "Source: national statistics form.", to, column="crime_year"), averted), 6, 7),
        (stat(Number(f"防止群体性上访（件，{ended}）", Unit.COUNT, f"Agreements that averted a collective "
         f"petition. {year_before} Source: national statistics form.", to, column="group_year"),
         averted), 6, 7),
        (ranking(Number(f"纠纷类型（件，{ended}）", Unit.COUNT, f"By type. {year_before} Source: types of the "
         "national statistics form.", to), mediations.mediation_types()), 6, 12),
        (table(Number("各县市区（件）", Unit.COUNT, "Side by side, lowest success first. Success: "
         f"agreements / ended. Money: {as_of} 人民调解法 28.", TO_COUNTY, columns={**NAMED, "success": PERCENT,
         "amount_year": {"decimals": 1}, "open_now": {"displayName": "在办"}}),
         *mediations.mediation_counties(), topic="mediations"), 11, 12),
        (shares(Number(f"来源（件，{ended}）", Unit.COUNT, f"诉源, 访源, 警源 and the grid's own. {year_before} Source: "
         "三源共治 statistics.", to), mediations.mediation_origins()), 7, 6),
        (shares(Number("结案去向（件）", Unit.COUNT, f"What became of those that ended. {year} "
         "人民调解法 26, 31.", to), mediations.mediation_ends()), 7, 6),
        (table(Number("环节流转：从哪步到哪步（件）", Unit.COUNT, "How many disputes went from which "
         "state to which within the range, and the median of the days each had spent in the "
         "state it left. 新收 are new ones. 人民调解法 17-31.", to, columns=STEPS),
         mediations.mediation_steps(), topic="mediations"), 12, 8),
        (trend(Number("进与出（件）", Unit.COUNT, "Filed, agreed, terminated and performed over the "
         "range. 人民调解法 17-31.", to), mediations.mediation_flow(), type_names("mediations", mediations.MEDIATION_FLOW)), 12, 8),
        (columns(Number(f"在办件龄（件，{ended}）", Unit.COUNT, f"{as_of} Open disputes by days since filing. "
         "人民调解法 17.", to),
         mediations.mediation_ageing()), 8, 8),
        (ranking(Number(f"在办环节（件，{ended}）", Unit.COUNT, f"{as_of} Open disputes by the last step taken. "
         "人民调解法 17-28.", to),
         mediations.mediation_states()), 8, 8),
        (ranking(Number("调解员成功率", Unit.RATE, f"Agreements / ended by kind of mediator. {year} "
         "人民调解法 13, 28.", to, decimals=1), mediations.mediation_mediators()), 8, 8),
    ]  # fmt: skip


def boards() -> list[dict[str, Any]]:
    """One board."""
    return [board("gulou-mediations", "矛盾调解", f"Disputes from filing to performance. {RULE}",
                  _mediations(), [counties()], up=BACK, on_walls=True)]  # fmt: skip
