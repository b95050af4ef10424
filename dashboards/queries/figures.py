"""The panels' SQL of a family's default board."""

from __future__ import annotations

from dashboards.queries.pieces import (
    AT,
    IN_PLACE,
    LIMIT,
    YUAN,
    bucket,
    count_column,
    county_name,
    new_year,
    sums,
    today,
    word,
    zone,
)
from schemas.families import family
from schemas.projections import Balance


def _sums(topic: str, figure: str) -> str:
    return sums((cls.spec.name for cls in family(topic).events), figure, count_column)


def _by_hour(topic: str) -> bool:
    """Whether the family has a rollup by county and hour; else only by division and day."""
    return any(rollup.place == "county" for rollup in family(topic).rollups)


def _of_the_year(topic: str) -> str:
    """SQL: the year's net events, one column per type, with the FROM and WHERE clauses."""
    if _by_hour(topic):
        return f"{_sums(topic, 'net_count_year')} FROM {topic}_to_date(at = {AT}) WHERE {IN_PLACE}"
    return (
        f"{_sums(topic, 'net_count')} FROM {topic}_by_township_day "
        f"WHERE day >= {new_year()} AND day <= {today()} AND {IN_PLACE}"
    )


def type_year(topic: str) -> str:
    """Net events of the year, one column per type."""
    return f"SELECT {_of_the_year(topic)}"


def type_trend(topic: str) -> str:
    """Events over the range, one column per type, by hour or by day."""
    counts = _sums(topic, "net_count")
    if _by_hour(topic):
        return f"""
SELECT {bucket()} AS time, {counts} FROM {topic}_by_county_hour
WHERE $__timeFilter(hour) AND {IN_PLACE} GROUP BY time ORDER BY time LIMIT 2000""".strip()
    first = f"toDate(toTimeZone($__fromTime, {zone()}))"
    return f"""
SELECT toDateTime(day, {zone()}) AS time, {counts} FROM {topic}_by_township_day
WHERE day >= {first} AND day <= {today()} AND {IN_PLACE}
GROUP BY time ORDER BY time LIMIT 2000""".strip()


def type_counties(topic: str) -> str:
    """Events of the year by county, one column per type."""
    return f"""
SELECT {county_name("county")} AS county_name, county AS code, {_of_the_year(topic)}
GROUP BY code ORDER BY code LIMIT {LIMIT}""".strip()


def backlog(topic: str) -> str:
    """Open cases, and cases past at least one due date."""
    return f"""
SELECT sum(open_cases) AS open_now, sum(overdue_cases) AS overdue_now
FROM {topic}_pending(at = {AT}) WHERE {IN_PLACE}""".strip()


def _balance(topic: str) -> Balance:
    ledger = family(topic).ledger
    assert ledger and ledger.balance, f"{topic} keeps no balance"
    return ledger.balance


def balance_counties(topic: str) -> str:
    """Money raised, spent and left by county, largest balance first."""
    return f"""
SELECT {county_name("county")} AS county_name, sum(raised) / {YUAN} AS raised_all,
  sum(spent) / {YUAN} AS spent_all, sum(balance) / {YUAN} AS balance_now, county AS code
FROM {topic}_balances(at = {AT}) WHERE {IN_PLACE}
GROUP BY code ORDER BY balance_now DESC, code LIMIT {LIMIT}""".strip()


def balance_parts(topic: str) -> str:
    """Money raised over all years, by the vocabulary that splits the balances."""
    by = _balance(topic).by
    return f"""
SELECT {word(topic, by)} AS name, sum(raised) / {YUAN} AS value
FROM {topic}_balances(at = {AT}) WHERE {IN_PLACE} AND {by} != '' GROUP BY name
ORDER BY value DESC, name LIMIT 10""".strip()
