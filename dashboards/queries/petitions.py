"""The panels' SQL of 信访诉求, judged at the end of the time range."""

from __future__ import annotations

from dashboards.queries import cases
from dashboards.queries.pieces import AT, IN_PLACE, county_name, days, new_year_hour, text

TOPIC = "petitions"
_SATISFIED = "avgOrNullIf(satisfaction >= 4, satisfaction > 0)"
_LEFT = (
    ("3 天内到期", 0, 3),
    ("3–7 天", 3, 7),
    ("7–15 天", 7, 15),
    ("15–30 天", 15, 30),
    ("30 天以上", 30, 10_000),
)


def _this_year() -> str:
    return f"registered_at >= {new_year_hour()}"


def petition_voices() -> str:
    """What the people brought in the year, and how many rated the replies they got, and how.

    The clocks have queries of their own, so that no panel waits for another's figures.
    """
    return f"""
SELECT countIf({_this_year()}) AS registered_year, sumIf(people, {_this_year()}) AS people_year,
  avgOrNullIf(repeated, {_this_year()}) AS repeated_share,
  avgOrNullIf(satisfaction > 0, replied_at IS NOT NULL) AS rated_share,
  {_SATISFIED} AS satisfied_share
FROM {cases.cases_of(TOPIC)}""".strip()


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
    """Every legal clock: met, met late, past due and not met, not due yet."""
    return cases.clocks(TOPIC)


def petition_due() -> str:
    """Open cases under the closing clock by days left; overdue ones are cases too."""
    left = days("$__toTime_ms", "due_close")
    spans = ", ".join(f"({text(zh)}, 1, {since}, {until})" for zh, since, until in _LEFT)
    return f"""
SELECT b.1 AS name, countIf(overdue_close = 1 AND b.2 = 0
    OR overdue_close = 0 AND b.2 > 0 AND {left} >= b.3 AND {left} < b.4) AS value
FROM (SELECT overdue_close, due_close, arrayJoin([({text("已逾期")}, 0, 0, 0), {spans}]) AS b
  FROM petitions_cases(at = {AT})
  WHERE {IN_PLACE} AND open = 1 AND due_close IS NOT NULL AND on_time_close IS NULL
    OR {IN_PLACE} AND overdue_close = 1)
GROUP BY b ORDER BY b.2, b.3 LIMIT 10""".strip()


def petition_ageing() -> str:
    """Open petitions by days since they were registered."""
    return cases.ageing(TOPIC)


def petition_states() -> str:
    """Where the open petitions stand."""
    return cases.states(TOPIC)


def petition_steps() -> str:
    """How many petitions went from which state to which over the range, and how long it took."""
    return cases.steps(TOPIC)


PETITION_FLOW = (
    "petition.registered",
    "petition.accepted",
    "petition.replied",
    "petition.closed",
)


def petition_flow() -> str:
    """Steps taken over the range: what came in against what went out."""
    return cases.flow(TOPIC, PETITION_FLOW)


def petition_kinds() -> str:
    """Petitions of the year by class (条例 29-31)."""
    return cases.by_word(TOPIC, "kind", _this_year())


def petition_channels() -> str:
    """Petitions of the year by channel (条例 17)."""
    return cases.by_word(TOPIC, "channel", _this_year())


def petition_levels() -> str:
    """Petitions of the year by where they were brought: 到县, 来市, 赴省, 进京."""
    return cases.by_word(TOPIC, "level", _this_year())


def petition_counties() -> tuple[str, str]:
    """The divisions side by side, worst on-time rate first; and by the same codes how many."""
    rates = f"""
SELECT {county_name("county")} AS county_name, avg(on_time_close) AS closed_on_time,
  multiIf(closed_on_time IS NULL, '—', closed_on_time >= 0.95, {text("● 达标")},
    closed_on_time >= 0.9, {text("▲ 关注")}, {text("■ 不达标")}) AS mark,
  {_SATISFIED} AS satisfied_share, county AS code
FROM {cases.cases_of(TOPIC)} GROUP BY code
ORDER BY closed_on_time IS NULL, closed_on_time, code LIMIT 20""".strip()
    counts = f"""
SELECT sum(begun_this_year) AS registered_year, sum(open_cases) AS open_now,
  sum(overdue_cases) AS overdue_now, county AS code
FROM petitions_pending(at = {AT}) WHERE {IN_PLACE} GROUP BY code ORDER BY code LIMIT 20""".strip()
    return rates, counts


def petition_overdue_cases() -> str:
    """Overdue petitions, longest first; 检举控告 with its county only, as the view has it."""
    return cases.overdue_cases(TOPIC, "kind")
