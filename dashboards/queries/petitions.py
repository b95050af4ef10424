"""The panels' SQL of 信访诉求, judged at the end of the time range."""

from __future__ import annotations

from dashboards.queries import cases
from dashboards.queries.pieces import AT, IN_PLACE, LIMIT, county_name, days, share, text

TOPIC = "petitions"
_SATISFIED = "avgOrNullIf(satisfaction >= 4, satisfaction > 0)"
_LEFT = (
    ("3 天内到期", 0, 3),
    ("3–7 天", 3, 7),
    ("7–15 天", 7, 15),
    ("15–30 天", 15, 30),
    ("30 天以上", 30, 10_000),
)


def petition_people() -> str:
    """People who brought the petitions of the year, up to the end of the last month."""
    return f"""
SELECT sum(net_people) AS people_year
FROM {cases.said_before(TOPIC, "petition.registered")}""".strip()


def petition_repeated() -> str:
    """Share of the year's petitions that are repeated ones."""
    repeated = share("sumIf(begun_this_year, part = 'true')", "sum(begun_this_year)")
    return f"""
SELECT {repeated} AS repeated_share
FROM {cases.split_of(TOPIC, "repeated")}""".strip()


def petition_ratings() -> str:
    """Share of rated replies, and of satisfied ratings; read case by case."""
    return f"""
SELECT avgOrNullIf(satisfaction > 0, replied_at IS NOT NULL) AS rated_share,
  {_SATISFIED} AS satisfied_share
FROM {cases.cases_of(TOPIC)}""".strip()


def petition_backlog(where: str = IN_PLACE) -> str:
    """Petitions of the day and of the year, open ones, and those past at least one due date."""
    return f"""
SELECT sum(begun_today) AS registered_today, sum(begun_this_year) AS registered_year,
  sum(open_cases) AS open_now, sum(overdue_cases) AS overdue_now
FROM {cases.pending_of(TOPIC, where)}""".strip()


def petition_standing(where: str) -> str:
    """Petitions of the year, open ones and overdue ones, as of the end of the last month."""
    return f"""
SELECT sum(begun_this_year) AS registered_year, sum(open_cases) AS open_now,
  sum(overdue_cases) AS overdue_now
FROM {cases.pending_before(TOPIC, where)}""".strip()


def petition_punctuality_before(where: str) -> str:
    """The share of closings in time, as of the end of the last month."""
    return f"""
SELECT {cases.on_time("close")} AS closed_on_time
FROM {cases.duties_before(TOPIC, where)}""".strip()


def petition_punctuality(where: str = IN_PLACE) -> str:
    """On-time rates over all duties due by then, done or not."""
    return f"""
SELECT {cases.on_time("notice")} AS accepted_on_time, {cases.on_time("close")} AS closed_on_time
FROM {cases.duties_of(TOPIC, where)}""".strip()


def petition_clocks() -> str:
    """Duties under each legal clock: met in time, met late, past due, not yet due."""
    return cases.clocks(TOPIC)


def petition_due() -> str:
    """Open cases under the closing clock by days left, overdue ones included; case by case."""
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
    """Open petitions by state."""
    return cases.states(TOPIC)


def petition_steps() -> str:
    """Transitions between states over the range: petitions and median days in the earlier state."""
    return cases.steps(TOPIC)


PETITION_FLOW = (
    "petition.registered",
    "petition.accepted",
    "petition.replied",
    "petition.closed",
)


def petition_flow() -> str:
    """Petitions registered, accepted, replied to and closed over the range."""
    return cases.flow(TOPIC, PETITION_FLOW)


def petition_kinds() -> str:
    """Petitions of the year by class (条例 29-31)."""
    return cases.by_word(TOPIC, "kind")


def petition_channels() -> str:
    """Petitions of the year by channel (条例 17)."""
    return cases.by_word(TOPIC, "channel")


def petition_levels() -> str:
    """Petitions of the year by the level they were brought to: 到县, 来市, 赴省, 进京."""
    return cases.by_word(TOPIC, "level")


def petition_counties() -> tuple[str, str]:
    """Two queries by county: on-time rate, worst first, and counts of petitions."""
    rates = f"""
SELECT {county_name("county")} AS county_name, {cases.on_time("close")} AS closed_on_time,
  multiIf(closed_on_time IS NULL, '—', closed_on_time >= 0.95, {text("● 达标")},
    closed_on_time >= 0.9, {text("▲ 关注")}, {text("■ 不达标")}) AS mark, county AS code
FROM {cases.duties_of(TOPIC)} GROUP BY code
ORDER BY closed_on_time IS NULL, closed_on_time, code LIMIT {LIMIT}""".strip()
    counts = f"""
SELECT sum(begun_this_year) AS registered_year, sum(open_cases) AS open_now,
  sum(overdue_cases) AS overdue_now, county AS code
FROM {cases.pending_of(TOPIC)} GROUP BY code ORDER BY code LIMIT {LIMIT}""".strip()
    return rates, counts


def petition_satisfaction() -> str:
    """Share of satisfied ratings by county, lowest first; read case by case."""
    return f"""
SELECT {county_name("county")} AS county_name, {_SATISFIED} AS satisfied_share, county AS code
FROM {cases.cases_of(TOPIC)} GROUP BY code
ORDER BY satisfied_share IS NULL, satisfied_share, code LIMIT {LIMIT}""".strip()


def petition_overdue_cases() -> str:
    """Overdue petitions, longest first; the view gives 检举控告 only a county."""
    return cases.overdue_cases(TOPIC, "kind")
