"""The default board, made from a family's declarations; for families without a board file."""

from __future__ import annotations

from typing import Any, Final

from dashboards.boards._shared import BACK, BEFORE, MANY, NAMED, PERCENT, RULE, TRUST
from dashboards.layout import Placed, board, counties
from dashboards.panels import (
    Columns,
    Number,
    Unit,
    beside,
    ranking,
    shares,
    stat,
    table,
    trend,
    trust,
)
from dashboards.queries import cases, figures, freshness
from dashboards.queries.pieces import count_column
from schemas.family import Family

_YEAR: Final = "Calendar year of the end of the range, to the hour in which it ends."
_COUNTIES: Final = "各县市区"


def of_family(found: Family) -> dict[str, Any]:
    """Counts by type and place, their trend; cases, clocks and balances if the family has them."""
    uid = f"gulou-{found.topic}"
    to = ("按县市区", beside(uid, _COUNTIES, "county"))
    source = f"Source: {found.doc.en.partition(chr(10))[0]}"
    return board(
        uid,
        found.zh,
        f"Counts of {found.topic} by type and place. {RULE}",
        [
            *_counts(found, to, source),
            *_cases(found, to, source),
            *_balances(found, to, source),
            (trend(Number("趋势（件次）", Unit.COUNT, f"Events by type over the range, by hour or by "
             f"day. {source}", to), figures.type_trend(found.topic), _types(found)), 14, 10),
            (table(Number(_COUNTIES, Unit.COUNT, f"Events of the year by type. {_YEAR} {source}",
             columns={**NAMED, **{k: {"displayName": zh} for k, zh in _types(found).items()}}),
             figures.type_counties(found.topic), topic=found.topic), 10, 10),
        ],
        [counties()],
        up=BACK,
    )  # fmt: skip


def _types(found: Family) -> dict[str, str]:
    return {count_column(cls.spec.name): cls.spec.zh for cls in found.events}


def _counts(found: Family, to: tuple[str, str], source: str) -> list[Placed]:
    """The year's count of each type, six a row; the freshness tile last."""
    shown = [
        (stat(Number(f"本年{cls.spec.zh}（件次）", Unit.COUNT, f"{cls.spec.name} that stand. {_YEAR} "
         f"{source}", to, column=count_column(cls.spec.name)), figures.type_year(found.topic)), 4, 4)
        for cls in found.events
        if not cls.spec.corrective
    ]  # fmt: skip
    return [*shown, (trust(TRUST, freshness.freshness()), 24 - 4 * (len(shown) % 6), 4)]


def _cases(found: Family, to: tuple[str, str], source: str) -> list[Placed]:
    if not found.fold:
        return []
    ended, as_of = BEFORE[found.closer]
    columns: Columns = {
        "on_time_rate": PERCENT,
        "clock_name": {"unit": "string"},
        "basis": {"unit": "string"},
    }
    return [
        (ranking(Number(f"未结件所处环节（件，{ended}）", Unit.COUNT, f"{as_of} Open cases by the last step taken. "
         f"{source}", to), cases.states(found.topic)), 8, 8),
        (ranking(Number(f"未结件龄（件，{ended}）", Unit.COUNT, f"{as_of} Open cases by days since they began. {source}",
         to), cases.ageing(found.topic)), 8, 8),
        (stat(Number("逾期（件）", Unit.COUNT, f"Cases past at least one due date not met. {source}",
         to, MANY, "overdue_now"), figures.backlog(found.topic)), 8, 8),
        *([(table(Number("法定时限（件）", Unit.COUNT, "Each clock: met in time, met late, past due and "
            "not met, not due yet. Source: the article in the last column.", to, columns=columns),
            cases.clocks(found.topic), topic=found.topic), 24, 7)] if found.clocks else []),
    ]  # fmt: skip


def _balances(found: Family, to: tuple[str, str], source: str) -> list[Placed]:
    if not found.ledger:
        return []
    money = {name: {"decimals": 1} for name in ("raised_all", "spent_all", "balance_now")}
    return [
        (table(Number("各县市区余额（万元）", Unit.COUNT, f"Raised less spent, all years. {source}", to,
         columns={**NAMED, **money}), figures.balance_counties(found.topic), topic=found.topic), 14, 10),
        (shares(Number("来源（万元）", Unit.COUNT, f"Raised by source, all years. {source}", to,
         decimals=1), figures.balance_parts(found.topic)), 10, 10),
    ]  # fmt: skip
