"""The panels' SQL of 信访诉求, judged at the end of the time range."""

from __future__ import annotations

from dashboards.queries import cases
from dashboards.queries.pieces import (
    AT,
    IN_PLACE,
    LIMIT,
    arrays,
    county_name,
    days,
    overdue_days,
    share,
    word,
)
from dashboards.queries.pieces import NEW_YEAR_HOUR as YEAR

_CLOCKS = (
    ("transfer", "转送 15 日", "信访工作条例 22"),
    ("notice", "受理告知 15 日", "信访工作条例 23"),
    ("close", "办结 60 日", "信访工作条例 34"),
    ("review", "复查 30 日", "信访工作条例 35"),
    ("recheck", "复核 30 日", "信访工作条例 36"),
)
_THIS_YEAR = f"registered_at >= {YEAR}"
_SATISFIED = "avgOrNullIf(satisfaction >= 4, satisfaction > 0)"
_PETITIONS = f"petitions_cases(at = {AT}) WHERE {IN_PLACE}"
_PETITION_STATES = (
    ("registered", "已登记"), ("transferred", "已转送"), ("accepted", "办理中"),
    ("replied", "已答复"), ("in_review", "复查中"), ("reviewed", "已复查"),
    ("in_recheck", "复核中"), ("rechecked", "已复核"), ("closed", "已办结"),
    ("not_accepted", "不予受理"), ("merged", "并案"), ("withdrawn", "撤回"),
)  # fmt: skip


def petition_voices() -> str:
    """What the people brought in the year, and how many rated the replies they got, and how.

    The clocks have queries of their own: of one with all nine figures each had to wait for all.
    """
    return f"""
SELECT countIf({_THIS_YEAR}) AS registered_year, sumIf(people, {_THIS_YEAR}) AS people_year,
  avgOrNullIf(repeated, {_THIS_YEAR}) AS repeated_share,
  avgOrNullIf(satisfaction > 0, replied_at IS NOT NULL) AS rated_share,
  {_SATISFIED} AS satisfied_share
FROM {_PETITIONS}""".strip()


def petition_backlog(where: str = IN_PLACE) -> str:
    """Petitions new on the day and in the year, open ones, and those past at least one due date."""
    return f"""
SELECT sum(begun_today) AS registered_today, sum(begun_this_year) AS registered_year,
  sum(open_cases) AS open_now, sum(overdue_cases) AS overdue_now
FROM petitions_pending(at = {AT}) WHERE {where}""".strip()


def petition_punctuality(where: str = IN_PLACE) -> str:
    """On-time rates over all that had to be done by then, done or not: the rest is NULL."""
    return f"""
SELECT avgOrNullIf(on_time, clock = 'notice') AS accepted_on_time,
  avgOrNullIf(on_time, clock = 'close') AS closed_on_time
FROM petitions_deadlines(at = {AT}) WHERE {where}""".strip()


def petition_clocks() -> str:
    """Every legal clock: met, met late, running past due, not due yet."""
    names, shown, bases = arrays(_CLOCKS)
    # A clock that runs nowhere is a row of zeros.
    return f"""
SELECT transform(clock, {names}, {shown}) AS `时限`, sum(met) AS `按期`, sum(late) AS `超期完成`,
  sum(past) AS `逾期未办`, sum(running) AS `未到期`,
  {share("sum(met)", "sum(met + late + past)")} AS `按期率`,
  transform(clock, {names}, {bases}) AS `依据`
FROM (SELECT clock, countIf(on_time = 1) AS met, countIf(on_time = 0 AND overdue = 0) AS late,
    countIf(overdue = 1) AS past, countIf(open = 1 AND on_time IS NULL) AS running
  FROM petitions_deadlines(at = {AT}) WHERE {IN_PLACE} GROUP BY clock
  UNION ALL SELECT arrayJoin({names}) AS clock, 0, 0, 0, 0)
GROUP BY clock ORDER BY `依据` LIMIT 10""".strip()


def petition_due() -> str:
    """Open cases under the closing clock by days left; overdue ones are cases too."""
    left = days("$__toTime_ms", "due_close")
    return f"""
SELECT b.1 AS name, countIf(overdue_close = 1 AND b.2 = 0
    OR overdue_close = 0 AND b.2 > 0 AND {left} >= b.3 AND {left} < b.4) AS value
FROM (SELECT overdue_close, due_close, arrayJoin([('已逾期', 0, 0, 0), ('3 天内到期', 1, 0, 3),
    ('3–7 天', 1, 3, 7), ('7–15 天', 1, 7, 15), ('15–30 天', 1, 15, 30),
    ('30 天以上', 1, 30, 10000)]) AS b
  FROM petitions_cases(at = {AT})
  WHERE {IN_PLACE} AND open = 1 AND due_close IS NOT NULL AND on_time_close IS NULL
    OR {IN_PLACE} AND overdue_close = 1)
GROUP BY b ORDER BY b.2, b.3 LIMIT 10""".strip()


def petition_ageing() -> str:
    """Open petitions by days since they were registered."""
    return cases.ageing(_PETITIONS, "registered_at")


def petition_states() -> str:
    """Where the open petitions stand."""
    return cases.states(_PETITIONS, _PETITION_STATES)


def petition_steps() -> str:
    """How many petitions went from which state to which over the range, and how long it took."""
    return cases.steps("petitions", _PETITION_STATES)


def petition_flow() -> str:
    """Steps taken over the range: what came in against what went out."""
    steps = (
        ("petition.registered", "登记"), ("petition.accepted", "受理"),
        ("petition.replied", "答复"), ("petition.closed", "办结"),
    )  # fmt: skip
    return cases.flow("petitions", steps)


def petition_kinds() -> str:
    """Petitions of the year by class (条例 29-31)."""
    return cases.by_word(_PETITIONS, "kind", "kind", _THIS_YEAR)


def petition_channels() -> str:
    """Petitions of the year by channel (条例 17)."""
    return cases.by_word(_PETITIONS, "channel", "channel", _THIS_YEAR)


def petition_levels() -> str:
    """Petitions of the year by where they were brought: 到县, 来市, 赴省, 进京."""
    return cases.by_word(_PETITIONS, "level", "level", _THIS_YEAR)


def petition_counties() -> tuple[str, str]:
    """The divisions side by side, worst on-time rate first; and by the same codes how many."""
    rates = f"""
SELECT {county_name("county")} AS `县市区`, avg(on_time_close) AS `按期办结率`,
  multiIf(`按期办结率` IS NULL, '—', `按期办结率` >= 0.95, '● 达标', `按期办结率` >= 0.9,
    '▲ 关注', '■ 不达标') AS `状态`, {_SATISFIED} AS `满意率`, county AS code
FROM {_PETITIONS} GROUP BY code
ORDER BY `按期办结率` IS NULL, `按期办结率`, code LIMIT 20""".strip()
    counts = f"""
SELECT sum(begun_this_year) AS `本年登记`, sum(open_cases) AS `未结`, sum(overdue_cases) AS `逾期`,
  county AS code
FROM petitions_pending(at = {AT}) WHERE {IN_PLACE} GROUP BY code ORDER BY code LIMIT 20""".strip()
    return rates, counts


def petition_overdue_cases() -> str:
    """Overdue petitions, longest first, each with the duty that is overdue the longest.

    检举控告 with its county only, as the view has it.
    """
    names, shown, _ = arrays(_CLOCKS)
    return f"""
SELECT case AS `信访件`, {county_name("county")} AS `县市区`, {word("kind", "kind")} AS `类别`,
  transform(clock, {names}, {shown}) AS `逾期事项`, {overdue_days("due")} AS `逾期天数`,
  county AS code
FROM petitions_deadlines(at = {AT}) WHERE {IN_PLACE} AND overdue = 1
ORDER BY `逾期天数` DESC, case, `逾期事项` LIMIT 1 BY case LIMIT {LIMIT}""".strip()
