"""The panels' SQL of 矛盾调解, judged at the end of the time range."""

from __future__ import annotations

from dashboards.queries import cases
from dashboards.queries.pieces import (
    AT,
    IN_PLACE,
    LIMIT,
    YUAN,
    county_name,
    new_year_hour,
    share,
    text,
    word,
)

TOPIC = "mediations"


_SUCCESS = share("sum(agreement_reached_this_year)", "sum(ended_this_year)")
"""Agreements among all that ended in the year, not among agreements."""


def mediation_figures(where: str = IN_PLACE) -> str:
    """Disputes of the year, open ones, and the success rate of those ended in it."""
    return f"""
SELECT sum(begun_this_year) AS filed_year, sum(open_cases) AS open_now, {_SUCCESS} AS success
FROM {cases.pending_of(TOPIC, where)}""".strip()


def mediation_amount() -> str:
    """Money of the year's agreements, up to the end of the last month, in 10,000 yuan."""
    return f"SELECT {_AMOUNT}"


_AMOUNT = (
    f"sum(net_amount) / {YUAN} AS amount_year\n"
    f"FROM {cases.said_before(TOPIC, 'mediation.agreement_reached')}"
)


def mediation_overdue() -> str:
    """Cases sent by a court that are past their day."""
    return f"""
SELECT sum(past) AS overdue_now FROM {cases.duties_of(TOPIC)} AND clock = 'mediate'""".strip()


def mediation_averted() -> str:
    """Agreements of the year that averted violence, or a collective petition: only they say so."""
    return f"""
SELECT sumIf(ended_this_year, split = 'averted_crime') AS crime_year,
  sumIf(ended_this_year, split = 'averted_group') AS group_year
FROM mediations_breakdown_before(at = {AT}) WHERE {IN_PLACE} AND part = 'true'""".strip()


def mediation_after() -> str:
    """What came after the year's agreements: share performed, confirmations applied for.

    Read case by case.
    """
    return f"""
SELECT avgOrNullIf(performed_at IS NOT NULL, agreement_reached_at >= {new_year_hour()})
    AS performed,
  countIf(confirmation_applied_at >= {new_year_hour()}) AS confirmations_year
FROM {cases.cases_of(TOPIC)}""".strip()


def mediation_types() -> str:
    """Disputes of the year by the type of the national statistics."""
    return cases.by_word(TOPIC, "dispute")


def mediation_origins() -> str:
    """Disputes of the year by origin; 三源 are 诉源, 访源, 警源."""
    return cases.by_word(TOPIC, "origin")


def mediation_mediators() -> str:
    """Success rate by kind of mediator, over the cases that ended in the year.

    How a case ended beside who mediated are two properties, so only clerks see it.
    """
    return f"""
SELECT {word(TOPIC, "mediator", "part")} AS name, {_SUCCESS} AS value
FROM mediations_breakdown(at = {AT}) WHERE {IN_PLACE} AND split = 'mediator' AND part != ''
GROUP BY name HAVING value IS NOT NULL ORDER BY value DESC, name LIMIT 20""".strip()


def mediation_states() -> str:
    """Open disputes by state."""
    return cases.states(TOPIC)


def mediation_ageing() -> str:
    """Open disputes by days since they were filed; 人民调解法 itself sets no limit."""
    return cases.ageing(TOPIC)


def mediation_steps() -> str:
    """Transitions between states over the range: disputes and median days in the earlier state."""
    return cases.steps(TOPIC)


MEDIATION_FLOW = (
    "mediation.filed",
    "mediation.agreement_reached",
    "mediation.terminated",
    "mediation.performed",
)


def mediation_flow() -> str:
    """Disputes filed, settled by agreement, terminated and performed over the range."""
    return cases.flow(TOPIC, MEDIATION_FLOW)


def mediation_counties() -> tuple[str, str]:
    """Two queries by county: counts, the lowest success rate first, and money agreed."""
    counts = f"""
SELECT {county_name("county")} AS county_name, sum(begun_this_year) AS filed_year,
  sum(open_cases) AS open_now, sum(agreement_reached_this_year) AS agreed_year,
  {_SUCCESS} AS success,
  multiIf(success IS NULL, '—', success >= 0.9, {text("● 良好")}, success >= 0.8,
    {text("▲ 关注")}, {text("■ 偏低")}) AS mark, county AS code
FROM {cases.pending_of(TOPIC)} GROUP BY code
ORDER BY success IS NULL, success, code LIMIT {LIMIT}""".strip()
    return counts, f"SELECT county AS code, {_AMOUNT} GROUP BY code ORDER BY code LIMIT {LIMIT}"


def mediation_ends() -> str:
    """The year's ended disputes: agreements by performance, failures by where they went."""
    return f"""
SELECT multiIf(performed_at IS NOT NULL, {cases.state_name(TOPIC, "'performed'")},
    breached_at IS NOT NULL, {cases.state_name(TOPIC, "'breached'")},
    agreement_reached_at IS NOT NULL, {text("履行中")},
    referred_at IS NOT NULL, {cases.state_name(TOPIC, "'referred'")},
    {cases.state_name(TOPIC, "'terminated'")}) AS name, count() AS value
FROM {cases.cases_of(TOPIC)} AND open = 0 AND ended_at >= {new_year_hour()}
GROUP BY name ORDER BY value DESC, name LIMIT 10""".strip()
