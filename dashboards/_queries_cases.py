"""The panels' SQL over cases: petitions and mediations, judged at the end of the time range."""

from __future__ import annotations

from dashboards._pieces import (
    AT,
    BUCKET,
    LIMIT,
    YUAN,
    among,
    arrays,
    county_name,
    days,
    overdue_days,
    share,
    word,
)
from dashboards._pieces import NEW_YEAR_HOUR as YEAR

IN_PLACE = among("county", "county")

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
_MEDIATIONS = f"mediations_cases(at = {AT}) WHERE {IN_PLACE}"


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
    return _ageing(_PETITIONS, "registered_at")


def _ageing(cases: str, since: str) -> str:
    age = days(since, "$__toTime_ms")
    return f"""
SELECT b.1 AS name, countIf(age >= b.2 AND age < b.3) AS value
FROM (SELECT {age} AS age, arrayJoin([('7 天内', 0, 7), ('7–15 天', 7, 15), ('15–30 天', 15, 30),
    ('30–60 天', 30, 60), ('60–90 天', 60, 90), ('90 天以上', 90, 100000)]) AS b
  FROM {cases} AND open = 1)
GROUP BY b ORDER BY b.2 LIMIT 10""".strip()


_PETITION_STATES = (
    ("registered", "已登记"), ("transferred", "已转送"), ("accepted", "办理中"),
    ("replied", "已答复"), ("in_review", "复查中"), ("reviewed", "已复查"),
    ("in_recheck", "复核中"), ("rechecked", "已复核"), ("closed", "已办结"),
    ("not_accepted", "不予受理"), ("merged", "并案"), ("withdrawn", "撤回"),
)  # fmt: skip
_MEDIATION_STATES = (
    ("filed", "已登记"), ("accepted", "已受理"), ("in_session", "调解中"),
    ("agreed", "达成协议"), ("performed", "履行完毕"), ("breached", "未履行"),
    ("terminated", "终止"), ("referred", "引导诉讼仲裁行政"),
)  # fmt: skip


def petition_states() -> str:
    """Where the open petitions stand."""
    return _states(_PETITIONS, _PETITION_STATES)


def _states(cases: str, names: tuple[tuple[str, str], ...]) -> str:
    stored, shown = arrays(names)
    return f"""
SELECT transform(state, {stored}, {shown}, state) AS name, count() AS value
FROM {cases} AND open = 1 GROUP BY state
ORDER BY indexOf({stored}, state) LIMIT 20""".strip()


def petition_steps() -> str:
    """How many petitions went from which state to which over the range, and how long it took."""
    return _steps("petitions", _PETITION_STATES)


def _steps(topic: str, names: tuple[tuple[str, str], ...]) -> str:
    stored, shown = arrays(names)
    known = "came_from != ''"
    return f"""
SELECT if({known}, transform(came_from, {stored}, {shown}, came_from), '新收') AS `从`,
  transform(state, {stored}, {shown}, state) AS `到`, count() AS `件数`,
  if(countIf({known}) = 0, NULL, quantileExactInclusiveIf(0.5)(
    {days("assumeNotNull(since)", "time")}, {known})) AS `用时中位数`
FROM {topic}_steps
WHERE time >= $__fromTime_ms AND time <= $__toTime_ms AND begun <= $__toTime_ms AND {IN_PLACE}
GROUP BY came_from, state
ORDER BY indexOf({stored}, state), `件数` DESC, `从` LIMIT 60""".strip()


def petition_flow() -> str:
    """Steps taken over the range: what came in against what went out."""
    steps = (
        ("petition.registered", "登记"), ("petition.accepted", "受理"),
        ("petition.replied", "答复"), ("petition.closed", "办结"),
    )  # fmt: skip
    return _flow("petitions", steps)


def _flow(topic: str, steps: tuple[tuple[str, str], ...]) -> str:
    # One column a step and not one row: a quiet day is a 0 and no gap in the line.
    sums = ", ".join(f"sumIf(net_count, type = '{type_}') AS `{zh}`" for type_, zh in steps)
    return f"""
SELECT {BUCKET} AS time, {sums} FROM {topic}_by_county_hour
WHERE $__timeFilter(hour) AND {IN_PLACE} GROUP BY time ORDER BY time LIMIT 2000""".strip()


def petition_kinds() -> str:
    """Petitions of the year by class (条例 29-31)."""
    return _by_word(_PETITIONS, "kind", "kind", _THIS_YEAR)


def petition_channels() -> str:
    """Petitions of the year by channel (条例 17)."""
    return _by_word(_PETITIONS, "channel", "channel", _THIS_YEAR)


def petition_levels() -> str:
    """Petitions of the year by where they were brought: 到县, 来市, 赴省, 进京."""
    return _by_word(_PETITIONS, "level", "level", _THIS_YEAR)


def _by_word(cases: str, field: str, column: str, condition: str) -> str:
    return f"""
SELECT {word(field, column)} AS name, count() AS value
FROM {cases} AND {condition} AND {column} != '' GROUP BY name
ORDER BY value DESC, name LIMIT 20""".strip()


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


# ------------------------------------------------------------------------------ 矛盾调解


def mediation_figures() -> str:
    """Core figures of the year; success over all that ended, not over agreements."""
    ended = f"open = 0 AND ended_at >= {YEAR}"
    agreed = f"agreement_reached_at >= {YEAR}"
    return f"""
SELECT countIf(filed_at >= {YEAR}) AS filed_year, sum(open) AS open_now,
  countIf(overdue_mediate = 1) AS overdue_now,
  avgOrNullIf(agreement_reached_at IS NOT NULL, {ended}) AS success,
  sumIf(amount, {agreed}) / {YUAN} AS amount_year,
  countIf({agreed} AND averted_crime = 1) AS crime_year,
  countIf({agreed} AND averted_group = 1) AS group_year,
  avgOrNullIf(performed_at IS NOT NULL, {agreed}) AS performed,
  countIf(confirmation_applied_at >= {YEAR}) AS confirmations_year
FROM {_MEDIATIONS}""".strip()


def mediation_types() -> str:
    """Disputes of the year by the type of the national statistics."""
    return _by_word(_MEDIATIONS, "dispute", "dispute", f"filed_at >= {YEAR}")


def mediation_origins() -> str:
    """Where the year's disputes came from; 三源 are 诉源, 访源, 警源."""
    return _by_word(_MEDIATIONS, "origin", "origin", f"filed_at >= {YEAR}")


def mediation_mediators() -> str:
    """Success by kind of mediator, over the cases of the year that ended."""
    return f"""
SELECT {word("mediator", "mediator")} AS name,
  avg(agreement_reached_at IS NOT NULL) AS value
FROM {_MEDIATIONS} AND open = 0 AND ended_at >= {YEAR} AND mediator != ''
GROUP BY name ORDER BY value DESC, name LIMIT 20""".strip()


def mediation_states() -> str:
    """Where the open disputes stand."""
    return _states(_MEDIATIONS, _MEDIATION_STATES)


def mediation_ageing() -> str:
    """Open disputes by days since they were filed; 人民调解法 itself sets no limit."""
    return _ageing(_MEDIATIONS, "filed_at")


def mediation_steps() -> str:
    """How many disputes went from which state to which over the range, and how long it took."""
    return _steps("mediations", _MEDIATION_STATES)


def mediation_flow() -> str:
    """Steps taken over the range: what came in against what was settled."""
    steps = (
        ("mediation.filed", "登记"), ("mediation.agreement_reached", "达成协议"),
        ("mediation.terminated", "终止"), ("mediation.performed", "履行"),
    )  # fmt: skip
    return _flow("mediations", steps)


def mediation_counties() -> str:
    """The divisions side by side, lowest success first."""
    ended, agreed = f"open = 0 AND ended_at >= {YEAR}", "agreement_reached_at IS NOT NULL"
    return f"""
SELECT {county_name("county")} AS `县市区`, countIf(filed_at >= {YEAR}) AS `本年登记`,
  sum(open) AS `在办`, countIf({ended} AND {agreed}) AS `本年成功`,
  avgOrNullIf({agreed}, {ended}) AS `成功率`,
  multiIf(`成功率` IS NULL, '—', `成功率` >= 0.9, '● 良好', `成功率` >= 0.8, '▲ 关注', '■ 偏低')
    AS `状态`,
  sumIf(amount, agreement_reached_at >= {YEAR}) / {YUAN} AS `协议金额`, county AS code
FROM {_MEDIATIONS} GROUP BY code
ORDER BY `成功率` IS NULL, `成功率`, code LIMIT 20""".strip()


def mediation_ends() -> str:
    """Of the year's agreements: performed, breached, running; of the failures: where to."""
    return f"""
SELECT multiIf(performed_at IS NOT NULL, '履行完毕', breached_at IS NOT NULL, '未履行',
    agreement_reached_at IS NOT NULL, '履行中', referred_at IS NOT NULL, '引导诉讼仲裁行政',
    '终止') AS name, count() AS value
FROM {_MEDIATIONS} AND open = 0 AND ended_at >= {YEAR}
GROUP BY name ORDER BY value DESC, name LIMIT 10""".strip()
