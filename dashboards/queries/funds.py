"""The panels' SQL of 幸福基金; money in 10,000 yuan."""

from __future__ import annotations

from dashboards.queries.pieces import (
    AT,
    IN_PLACE,
    LIMIT,
    YUAN,
    bucket,
    county_name,
    new_year,
    share,
    today,
    word,
)

MOVED = "entry != 'opening'"
"""Condition that money moved: an opening balance sums up the years before its day."""


def fund_figures() -> str:
    """Money of all years up to the end of the range, in 10,000 yuan."""
    return f"""
SELECT sum(raised) / {YUAN} AS raised_all, sum(spent) / {YUAN} AS spent_all,
  sum(balance) / {YUAN} AS balance_now, {share("sum(spent)", "sum(raised)")} AS used,
  countIf(balance < 0) AS negative
FROM (SELECT sum(raised) AS raised, sum(spent) AS spent, sum(balance) AS balance
  FROM funds_balances(at = {AT}) WHERE {IN_PLACE} GROUP BY county, township, village)""".strip()


def fund_year() -> str:
    """The year's money and projects; opening balances do not count."""
    return f"""
SELECT sumIf(net_amount_year, type = 'fund.contributed') / {YUAN} AS raised_year,
  sumIf(net_amount_year, type = 'fund.disbursed') / {YUAN} AS spent_year,
  raised_year - spent_year AS net_year,
  sumIf(net_projects_year, type = 'fund.project_opened') AS projects_year
FROM funds_to_date(at = {AT}) WHERE {MOVED} AND {IN_PLACE}""".strip()


def fund_helped() -> str:
    """Persons helped in the year, opening balances left out; beside live money for clerks alone."""
    return f"""
SELECT sumIf(net_helped_year, type = 'fund.disbursed') AS helped_year
FROM funds_to_date(at = {AT}) WHERE {MOVED} AND {IN_PLACE}""".strip()


def fund_helped_before() -> str:
    """Persons helped in all years that were over at the end of the range's last day."""
    return f"""
SELECT if(count() = 0, NULL, sum(net_helped)) AS helped_all
FROM funds_by_county_year WHERE year < toYear({today()} + 1) AND {IN_PLACE}""".strip()


def fund_sources() -> str:
    """Money raised over all years by source, in 10,000 yuan."""
    return f"""
SELECT {word("funds", "source")} AS name, sum(raised) / {YUAN} AS value
FROM funds_balances(at = {AT}) WHERE {IN_PLACE} AND source != '' GROUP BY name
ORDER BY value DESC, name LIMIT 10""".strip()


def fund_uses() -> str:
    """Money paid out this year by use, in 10,000 yuan."""
    return f"""
SELECT {word("funds", "use")} AS name, sum(net_amount) / {YUAN} AS value
FROM funds_by_township_day
WHERE type = 'fund.disbursed' AND day >= {new_year()} AND day <= {today()} AND {IN_PLACE}
  AND use != '' AND {MOVED} GROUP BY name ORDER BY value DESC, name LIMIT 10""".strip()


def fund_trend() -> str:
    """Raised and paid out over the range, in 10,000 yuan."""
    return f"""
SELECT {bucket()} AS time, sumIf(net_amount, type = 'fund.contributed') / {YUAN} AS raised,
  sumIf(net_amount, type = 'fund.disbursed') / {YUAN} AS spent FROM funds_by_county_hour
WHERE $__timeFilter(hour) AND {MOVED} AND {IN_PLACE} GROUP BY time ORDER BY time
LIMIT 2000""".strip()


def fund_counties() -> str:
    """Raised, spent, balance and share used by county."""
    return f"""
SELECT {county_name("county")} AS county_name, sum(raised) / {YUAN} AS raised_all,
  sum(spent) / {YUAN} AS spent_all, sum(balance) / {YUAN} AS balance_now,
  {share("sum(spent)", "sum(raised)")} AS used, county AS code
FROM funds_balances(at = {AT}) WHERE {IN_PLACE}
GROUP BY code ORDER BY balance_now DESC, code LIMIT {LIMIT}""".strip()


def fund_negative() -> str:
    """Funds that paid out more than they received: a booking is missing or wrong."""
    return f"""
SELECT {county_name("f.county")} AS county_name, t.name AS township_name, v.name AS village_name,
  sum(raised) / {YUAN} AS raised_all, sum(spent) / {YUAN} AS spent_all,
  sum(balance) / {YUAN} AS balance_now
FROM funds_balances(at = {AT}) AS f
LEFT JOIN (SELECT code, name FROM divisions WHERE level = 'township') AS t ON t.code = f.township
LEFT JOIN (SELECT code, name FROM divisions WHERE level = 'village') AS v ON v.code = f.village
WHERE {IN_PLACE} GROUP BY f.county, township_name, village_name, f.village
HAVING balance_now < 0 ORDER BY balance_now, f.village LIMIT {LIMIT}""".strip()
