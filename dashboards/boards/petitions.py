"""信访诉求: petitions under 信访工作条例."""

from __future__ import annotations

from typing import Any, Final

from dashboards.boards._shared import (
    BACK,
    MANY,
    NAMED,
    PERCENT,
    RATE,
    RULE,
    STEPS,
    TO_COUNTY,
    TRUST,
    before,
    duty,
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
    table,
    trend,
    trust,
)
from dashboards.queries import freshness, petitions

_EVIDENCE: Final = "See the table of overdue cases below."
_REGISTERED = "Registered in the calendar year of the end of the range."
_ENDED, _AS_OF = before("petitions")
_REGISTERED_BEFORE = f"{_AS_OF} Registered in the calendar year of that day."
_STILL_OPEN = "Not closed, withdrawn, merged or refused by the end of the range."


def _petition_figures(to: tuple[str, str]) -> list[Placed]:
    backlog, punctual = petitions.petition_backlog(), petitions.petition_punctuality()
    return [
        *stats(backlog, [
            Number("本年登记（件次）", Unit.COUNT, f"{_REGISTERED} Source: 信访工作条例 17, 22.", to,
                   column="registered_year"),
        ]),
        *stats(petitions.petition_people(), [
            Number(f"本年人次（人次，{_ENDED}）", Unit.COUNT, f"People who brought them. {_REGISTERED_BEFORE} Source: "
                   "信访工作条例 20.", to, column="people_year"),
        ]),
        *stats(backlog, [
            Number("未结（件）", Unit.COUNT, f"{_STILL_OPEN} Source: 信访工作条例 22-36.", to,
                   column="open_now"),
            Number("逾期（件）", Unit.COUNT, "Past at least one legal due date not met. "
                   f"信访工作条例 22, 23, 34, 35, 36. {_EVIDENCE}", to, MANY, "overdue_now"),
        ]),
        *stats(petitions.petition_repeated(), [
            Number(f"重件率（{_ENDED}）", Unit.RATE, f"Repeated / all. {_REGISTERED_BEFORE} Source: the office's 初件/重件 "
                   "mark.", to, column="repeated_share", decimals=1),
        ]),
        (trust(TRUST, freshness.freshness()), 4, 4),
        *[(gauge(number, punctual), 6, 7) for number in (
            Number("及时受理率", Unit.RATE, "Notice in time / all of all years whose notice was due or given; "
                   f"those still without notice count as late. Source: {duty('petitions', 'notice')}.", to, RATE,
                   "accepted_on_time", 1),
            Number("按期办结率", Unit.RATE, "Closed in time / all of all years whose closing was due or done; open "
                   "overdue ones count as late, those withdrawn, merged or refused before their day "
                   f"are in neither. Source: {duty('petitions', 'close')}.", to, RATE,
                   "closed_on_time", 1),
        )],
        *[(gauge(number, petitions.petition_ratings()), 6, 7) for number in (
            Number("参评率", Unit.RATE, "Replied and rated / replied, all years. 信访工作条例 21.", to,
                   ((None, BAD), (0.4, WARN), (0.6, GOOD)), "rated_share", 1),
            Number("满意率", Unit.RATE, "4 or 5 stars / rated, all years. 信访工作条例 21.", to,
                   ((None, BAD), (0.8, WARN), (0.9, GOOD)), "satisfied_share", 1),
        )],
    ]  # fmt: skip


def _petitions() -> list[Placed]:
    to = ("按县市区", beside("gulou-petitions", "各县市区（件）", "county"))
    return [
        *_petition_figures(to),
        (table(Number("法定时限（件）", Unit.COUNT, "Each legal clock: met in time, met late, past "
         "due and not met, not due yet. Rate: met in time / (met + late + past due). Cases taken "
         "away before their day (withdrawn, merged) are in none. Source: the article in the last "
         "column.", to,
         columns={"on_time_rate": PERCENT, "clock_name": {"unit": "string"}, "basis": {"unit": "string"}}),
         petitions.petition_clocks(), topic="petitions"), 12, 7),
        (columns(Number("办结期限分布（件）", Unit.COUNT, "Open petitions under the closing clock by "
         f"days left, overdue ones first. Source: {duty('petitions', 'close')}; 民法典 201, 203.", to),
         petitions.petition_due()), 6, 7),
        (columns(Number(f"未结件龄（件，{_ENDED}）", Unit.COUNT, f"{_AS_OF} Not ended by then. By days since registration. "
         "信访工作条例 22.", to),
         petitions.petition_ageing()), 6, 7),
        (ranking(Number(f"未结件所处环节（件，{_ENDED}）", Unit.COUNT, f"{_AS_OF} Open petitions by the last step taken. "
         "信访工作条例 22-36.", to), petitions.petition_states()), 6, 10),
        (table(Number("环节流转：从哪步到哪步（件）", Unit.COUNT, "How many petitions went from which "
         "state to which within the range, and the median of the days each had spent in the "
         "state it left. 新收 are new ones. 信访工作条例 22-36.", to, columns=STEPS),
         petitions.petition_steps(), topic="petitions"), 9, 10),
        (trend(Number("进与出（件）", Unit.COUNT, "Registered, accepted, replied and closed over "
         "the range: more in than out is a growing pile. 信访工作条例 22-34.", to), petitions.petition_flow(), type_names("petitions", petitions.PETITION_FLOW)), 9, 10),
        (table(Number("各县市区（件）", Unit.COUNT, "Side by side, worst on-time rate first. On time: "
         "closed in time / all due or done (信访工作条例 34).",
         TO_COUNTY, columns={**NAMED, "closed_on_time": PERCENT}),
         *petitions.petition_counties(), topic="petitions"), 16, 10),
        (table(Number("各县市区满意率", Unit.RATE, "Side by side, lowest first: 4 or 5 stars / rated, "
         "all years. 信访工作条例 21.", TO_COUNTY, columns={**NAMED, "satisfied_share": PERCENT}),
         petitions.petition_satisfaction(), topic="petitions"), 8, 10),
        (shares(Number(f"信访类别（件，{_ENDED}）", Unit.COUNT, f"By class. {_REGISTERED_BEFORE} 信访工作条例 29-31.", to),
         petitions.petition_kinds()), 8, 7),
        (shares(Number(f"信访渠道（件，{_ENDED}）", Unit.COUNT, f"By channel. {_REGISTERED_BEFORE} 信访工作条例 17.", to),
         petitions.petition_channels()), 8, 7),
        (shares(Number(f"到访层级（件，{_ENDED}）", Unit.COUNT, f"到县, 来市, 赴省, 进京. {_REGISTERED_BEFORE} Source: "
         "信访工作条例 19.", to), petitions.petition_levels()), 8, 7),
        (table(Number("逾期信访件（天）", Unit.COUNT, "Each overdue petition, longest first, with the "
         "duty missed and the days past its last day. 检举控告 shows its county only (信访工作条例 30).", TO_COUNTY,
         columns={**NAMED, "case": {"unit": "string", "displayName": "信访件"}, "duty": {"displayName": "逾期事项"}}), petitions.petition_overdue_cases(), topic="petitions"), 24, 9),
    ]  # fmt: skip


def boards() -> list[dict[str, Any]]:
    """One board."""
    return [board("gulou-petitions", "信访诉求", "Petitions under 信访工作条例: legal clocks, ageing, "
                  f"flow. {RULE}", _petitions(), [counties()], up=BACK, on_walls=True)]  # fmt: skip
