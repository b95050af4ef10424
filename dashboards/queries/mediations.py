"""The panels' SQL of 矛盾调解, judged at the end of the time range."""

from __future__ import annotations

from dashboards.queries import cases
from dashboards.queries.pieces import YUAN, county_name, new_year_hour, text, word

TOPIC = "mediations"


def _ended() -> str:
    return f"open = 0 AND ended_at >= {new_year_hour()}"


def _filed() -> str:
    return f"filed_at >= {new_year_hour()}"


def _agreed() -> str:
    return f"agreement_reached_at >= {new_year_hour()}"


def mediation_figures() -> str:
    """Core figures of the year; the success rate divides by all ended cases, not by agreements."""
    return f"""
SELECT countIf({_filed()}) AS filed_year, sum(open) AS open_now,
  countIf(overdue_mediate = 1) AS overdue_now,
  avgOrNullIf(agreement_reached_at IS NOT NULL, {_ended()}) AS success,
  sumIf(amount, {_agreed()}) / {YUAN} AS amount_year,
  countIf({_agreed()} AND averted_crime = 1) AS crime_year,
  countIf({_agreed()} AND averted_group = 1) AS group_year,
  avgOrNullIf(performed_at IS NOT NULL, {_agreed()}) AS performed,
  countIf(confirmation_applied_at >= {new_year_hour()}) AS confirmations_year
FROM {cases.cases_of(TOPIC)}""".strip()


def mediation_types() -> str:
    """Disputes of the year by the type of the national statistics."""
    return cases.by_word(TOPIC, "dispute", _filed())


def mediation_origins() -> str:
    """Disputes of the year by origin; 三源 are 诉源, 访源, 警源."""
    return cases.by_word(TOPIC, "origin", _filed())


def mediation_mediators() -> str:
    """Success rate by kind of mediator, over the cases that ended in the year."""
    return f"""
SELECT {word(TOPIC, "mediator")} AS name,
  avg(agreement_reached_at IS NOT NULL) AS value
FROM {cases.cases_of(TOPIC)} AND {_ended()} AND mediator != ''
GROUP BY name ORDER BY value DESC, name LIMIT 20""".strip()


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


def mediation_counties() -> str:
    """Counties, lowest success rate first."""
    agreed = "agreement_reached_at IS NOT NULL"
    return f"""
SELECT {county_name("county")} AS county_name, countIf({_filed()}) AS filed_year,
  sum(open) AS open_now, countIf({_ended()} AND {agreed}) AS agreed_year,
  avgOrNullIf({agreed}, {_ended()}) AS success,
  multiIf(success IS NULL, '—', success >= 0.9, {text("● 良好")}, success >= 0.8,
    {text("▲ 关注")}, {text("■ 偏低")}) AS mark,
  sumIf(amount, {_agreed()}) / {YUAN} AS amount_year, county AS code
FROM {cases.cases_of(TOPIC)} GROUP BY code
ORDER BY success IS NULL, success, code LIMIT 20""".strip()


def mediation_ends() -> str:
    """The year's ended disputes: agreements by performance, failures by where they went."""
    return f"""
SELECT multiIf(performed_at IS NOT NULL, {cases.state_name(TOPIC, "'performed'")},
    breached_at IS NOT NULL, {cases.state_name(TOPIC, "'breached'")},
    agreement_reached_at IS NOT NULL, {text("履行中")},
    referred_at IS NOT NULL, {cases.state_name(TOPIC, "'referred'")},
    {cases.state_name(TOPIC, "'terminated'")}) AS name, count() AS value
FROM {cases.cases_of(TOPIC)} AND {_ended()}
GROUP BY name ORDER BY value DESC, name LIMIT 10""".strip()
