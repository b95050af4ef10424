"""Panels' SQL over cases, for any family that has cases."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.edition import say
from dashboards.queries.pieces import (
    AT,
    IN_PLACE,
    LIMIT,
    bucket,
    county_name,
    days,
    named,
    overdue_days,
    share,
    sums,
    text,
    today,
    word,
)
from schemas.clocks import Clock
from schemas.families import family
from schemas.family import Family
from schemas.projections import CaseFold

_AGES = (
    ("7 天内", 0, 7),
    ("7–15 天", 7, 15),
    ("15–30 天", 15, 30),
    ("30–60 天", 30, 60),
    ("60–90 天", 60, 90),
    ("90 天以上", 90, 100_000),
)


def cases_of(topic: str) -> str:
    """SQL: FROM clause of a family's cases in the chosen counties; ends in a WHERE condition."""
    return f"{topic}_cases(at = {AT}) WHERE {IN_PLACE}"


def pending_of(topic: str, where: str = IN_PLACE) -> str:
    """SQL: FROM clause of the counts of a family's cases by county and township."""
    return f"{topic}_pending(at = {AT}) WHERE {where}"


def pending_before(topic: str, where: str = IN_PLACE) -> str:
    """SQL: FROM clause of the same as of the end of the period before that of the range's end."""
    return f"{topic}_pending_before(at = {AT}) WHERE {where}"


def split_of(topic: str, split: str) -> str:
    """SQL: FROM clause of the counts by county and one property; ends in a WHERE condition.

    As of the end of a period that is over, as viewers see them: see `schemas.sql.counts`.
    """
    return f"{topic}_breakdown_before(at = {AT}) WHERE {IN_PLACE} AND split = '{split}'"


def last_day(topic: str) -> str:
    """SQL: the day with whose end the views named `…_before` judge."""
    return f"toDate(toStartOf{family(topic).closer.capitalize()}({today()})) - 1"


def said_before(topic: str, type_: str) -> str:
    """SQL: FROM clause of the numbers that events of a type said in the year, up to that day."""
    period = family(topic).closer
    if period == "year":
        spans = f"year = toYear({last_day(topic)})"
    else:
        spans = f"{period} >= toStartOfYear({last_day(topic)}) AND {period} <= {last_day(topic)}"
    return f"{topic}_by_county_{period} WHERE {IN_PLACE} AND type = '{type_}' AND {spans}"


def _fold(topic: str) -> CaseFold:
    fold = family(topic).fold
    assert fold, f"{topic} has no cases"
    return fold


def ageing(topic: str) -> str:
    """Open cases by days since they began."""
    age = days("toDate(part)", last_day(topic))
    ages = ", ".join(f"({text(zh)}, {since}, {until})" for zh, since, until in _AGES)
    return f"""
SELECT b.1 AS name, sumIf(open_cases, age >= b.2 AND age < b.3) AS value
FROM (SELECT {age} AS age, open_cases, arrayJoin([{ages}]) AS b
  FROM {split_of(topic, "begun")} AND part != '')
GROUP BY b ORDER BY b.2 LIMIT 10""".strip()


def state_name(topic: str, state: str = "state") -> str:
    """SQL: name of a state on the boards."""
    return named(state, {stage.state: stage.zh for stage in _fold(topic).stages})


def _state_order(topic: str, state: str = "state") -> str:
    """SQL: position of a state in the order that the law sets."""
    stages = ", ".join(f"'{stage.state}'" for stage in _fold(topic).stages)
    return f"indexOf([{stages}], {state})"


def states(topic: str) -> str:
    """Open cases by state."""
    return f"""
SELECT {state_name(topic, "part")} AS name, sum(open_cases) AS value
FROM {split_of(topic, "state")} GROUP BY part HAVING value != 0
ORDER BY {_state_order(topic, "part")} LIMIT 20""".strip()


def steps(topic: str) -> str:
    """Transitions between states over the range: cases and median days in the earlier state."""
    known = "came_from != ''"
    return f"""
SELECT if({known}, {state_name(topic, "came_from")}, {text("新收")}) AS from_state,
  {state_name(topic)} AS to_state, count() AS cases,
  if(countIf({known}) = 0, NULL, quantileExactInclusiveIf(0.5)(
    {days("assumeNotNull(since)", "time")}, {known})) AS median_days
FROM {topic}_steps
WHERE time >= $__fromTime_ms AND time <= $__toTime_ms AND begun <= $__toTime_ms AND {IN_PLACE}
GROUP BY came_from, state
ORDER BY {_state_order(topic)}, cases DESC, from_state LIMIT {LIMIT}""".strip()


def flow(topic: str, types: Sequence[str]) -> str:
    """Events over the range: one column for each type, whose name is the verb of the type."""
    # One column per type, not one row: a day without events is a 0, not a gap in the line.
    return f"""
SELECT {bucket()} AS time, {sums(types)} FROM {topic}_by_county_hour
WHERE $__timeFilter(hour) AND {IN_PLACE} GROUP BY time ORDER BY time LIMIT 2000""".strip()


def by_word(topic: str, field: str) -> str:
    """Cases begun in the year by the values of a vocabulary, most first."""
    return f"""
SELECT {word(topic, field, "part")} AS name, sum(begun_this_year) AS value
FROM {split_of(topic, field)} AND part != '' GROUP BY name HAVING value != 0
ORDER BY value DESC, name LIMIT 20""".strip()


def duties_of(topic: str, where: str = IN_PLACE) -> str:
    """SQL: FROM clause of a family's duties, counted by place and legal clock."""
    return f"{topic}_duties(at = {AT}) WHERE {where}"


def duties_before(topic: str, where: str) -> str:
    """SQL: FROM clause of the same as of the end of the period before that of the range's end."""
    return f"{topic}_duties_before(at = {AT}) WHERE {where}"


def on_time(clock: str) -> str:
    """SQL: share of a clock's duties met in time, among those met, late and past due."""
    met, late, past = (f"sumIf({name}, clock = '{clock}')" for name in ("met", "late", "past"))
    return share(met, f"{met} + {late} + {past}")


def clocks(topic: str) -> str:
    """Duties under each legal clock: met in time, met late, past due, not yet due."""
    declared = family(topic).clocks
    names = ", ".join(f"'{clock.name}'" for clock in declared)
    # A clock without any case gets a row of zeros.
    return f"""
SELECT {clock_name(topic)} AS clock_name, sum(met) AS met_in_time, sum(late) AS met_late,
  sum(past) AS past_due, sum(running) AS not_due,
  {share("sum(met)", "sum(met + late + past)")} AS on_time_rate, {basis(topic)} AS basis
FROM (SELECT clock, met, late, past, running FROM {duties_of(topic)}
  UNION ALL SELECT arrayJoin([{names}]) AS clock, 0, 0, 0, 0)
GROUP BY clock ORDER BY basis LIMIT 10""".strip()


def clock_name(topic: str) -> str:
    """SQL: name of a row's clock on the boards, with its length if it has only one."""
    return named("clock", {clock.name: _with_days(clock) for clock in family(topic).clocks})


def _with_days(clock: Clock) -> str:
    if len(clock.terms) > 1:
        return clock.zh
    (term,) = clock.terms
    return f"{clock.zh} {term.days} {_UNITS[term.unit]}"


_UNITS = {"natural": "日", "working": "个工作日"}


def basis(topic: str) -> str:
    """SQL: the articles of law that set a row's clock."""
    return named("clock", {clock.name: clock.basis for clock in family(topic).clocks})


def overdue(found: Family) -> str:
    """Cases past a due date by duty and county: their number, and days of the longest overdue."""
    duties = {
        clock.name: clock.zh if found.zh in clock.zh else say(found.zh) + say(clock.zh)
        for clock in found.clocks
    }
    return f"""
SELECT {named("clock", duties)} AS duty, {county_name("county")} AS county_name,
  sum(past) AS cases_over, max({overdue_days("assumeNotNull(oldest_due)")}) AS longest_days,
  {basis(found.topic)} AS basis, county AS code
FROM {duties_of(found.topic, "past != 0")}
GROUP BY clock, county
ORDER BY longest_days DESC, cases_over DESC, code, duty LIMIT 40""".strip()


def overdue_cases(topic: str, field: str) -> str:
    """Overdue cases, longest first, each with the duty that is overdue the longest.

    Args:
        topic: of the family.
        field: vocabulary shown beside the case; no place finer than the county is shown.
    """
    return f"""
SELECT case, {county_name("county")} AS county_name, {word(topic, field)} AS kind_name,
  {clock_name(topic)} AS duty, {overdue_days("due")} AS days_over, county AS code
FROM {topic}_deadlines(at = {AT}) WHERE {IN_PLACE} AND overdue = 1
ORDER BY days_over DESC, case, duty LIMIT 1 BY case LIMIT {LIMIT}""".strip()
