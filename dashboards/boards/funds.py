"""幸福基金: money in, money out, persons helped."""

from __future__ import annotations

from typing import Any

from dashboards.boards._shared import BACK, MANY, NAMED, PERCENT, RULE, TO_COUNTY, TRUST, stats
from dashboards.layout import Placed, board, counties
from dashboards.panels import (
    Number,
    Unit,
    beside,
    gauge,
    shares,
    stat,
    table,
    trend,
    trust,
)
from dashboards.queries import freshness, funds


def _funds() -> list[Placed]:
    figures, year_sql = funds.fund_figures(), funds.fund_year()
    to = ("按县市区", beside("gulou-funds", "各县市区（万元）", "county"))
    year = "Calendar year of the end of the range, to the end of the hour in which it ends."
    ledger = "Source: fund ledgers of the villages; reversed entries taken off."
    moved = "balances brought forward left out."
    money = {n: {"decimals": 1} for n in ("raised_all", "spent_all", "balance_now")}
    return [
        *stats(figures, [
            Number("累计筹集（万元）", Unit.COUNT, f"Contributions, all years to the end of the day on "
                   f"which the range ends. {ledger}", to,
                   column="raised_all", decimals=0),
            Number("累计支出（万元）", Unit.COUNT, f"Disbursements, all years. {ledger}", to,
                   column="spent_all", decimals=0),
            Number("余额（万元）", Unit.COUNT, f"Raised less spent. {ledger}", to,
                   column="balance_now", decimals=0),
            Number("透支账户（个）", Unit.COUNT, f"Funds that paid out more than came in. {ledger}",
                   to, MANY, "negative"),
        ]),
        (gauge(Number("使用率", Unit.RATE, f"Spent / raised, all years. {ledger}", to,
         column="used", decimals=1), figures), 4, 8),
        (trust(TRUST, freshness.freshness()), 4, 4),
        *stats(year_sql, [
            Number("本年筹集（万元）", Unit.COUNT, f"Contributions, {moved} {year} {ledger}", to,
                   column="raised_year", decimals=0),
            Number("本年支出（万元）", Unit.COUNT, f"Disbursements, {moved} {year} {ledger}", to,
                   column="spent_year", decimals=0),
            Number("本年微公益项目（个）", Unit.COUNT, f"Projects set up, {moved} {year} {ledger}", to,
                   column="projects_year"),
        ]),
        (stat(Number("本年收支差（万元）", Unit.COUNT, f"Raised less spent, {moved} {year} {ledger}", to,
         column="net_year", decimals=0), year_sql), 4, 4),
        (stat(Number("历年帮扶（人次）", Unit.COUNT, "Persons helped in the calendar years over at the "
         "end of the range's last day. Of the running year they are for clerks: beside the public "
         f"amounts they would point at a household. {ledger}", to, column="helped_all"),
         funds.fund_helped_before()), 4, 4),
        (shares(Number("资金来源（万元）", Unit.COUNT, f"Raised by source, all years. {ledger}", to,
         decimals=0), funds.fund_sources()), 7, 8),
        (shares(Number("支出用途（万元）", Unit.COUNT, f"Spent by use. Calendar year of the end of the range, to the "
         f"end of its day. {ledger}", to,
         decimals=0), funds.fund_uses()), 7, 8),
        (trend(Number("筹集与支出（万元）", Unit.COUNT, f"Over the range, {moved} {ledger}", to),
         funds.fund_trend(), {"raised": "筹集", "spent": "支出"}), 6, 8),
        (stat(Number("本年帮扶（人次）", Unit.COUNT, f"Persons helped, {moved} {year} {ledger}", to,
         column="helped_year"), funds.fund_helped()), 4, 8),
        (table(Number("各县市区（万元）", Unit.COUNT, f"Side by side, largest balance first. Used: "
         f"spent / raised. {ledger}", TO_COUNTY, columns={**NAMED, **money, "used": PERCENT}),
         funds.fund_counties(), topic="funds"), 12, 12),
        (table(Number("透支的基金（万元）", Unit.COUNT, f"Paid out more than came in: an entry is "
         f"missing or wrong. {ledger}", to, decimals=2, none="没有透支的基金",
         ), funds.fund_negative(), topic="funds"), 12, 12),
    ]  # fmt: skip


def boards() -> list[dict[str, Any]]:
    """One board."""
    return [board("gulou-funds", "幸福基金", f"Money in, money out, who was helped. {RULE}",
                  _funds(), [counties()], up=BACK, on_walls=True)]  # fmt: skip
