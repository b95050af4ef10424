"""The panels' SQL of 矛盾调解, judged at the end of the time range."""

from __future__ import annotations

from dashboards.queries import cases
from dashboards.queries.pieces import (
    AT,
    IN_PLACE,
    YUAN,
    county_name,
    word,
)
from dashboards.queries.pieces import NEW_YEAR_HOUR as YEAR

_MEDIATIONS = f"mediations_cases(at = {AT}) WHERE {IN_PLACE}"
_MEDIATION_STATES = (
    ("filed", "已登记"), ("accepted", "已受理"), ("in_session", "调解中"),
    ("agreed", "达成协议"), ("performed", "履行完毕"), ("breached", "未履行"),
    ("terminated", "终止"), ("referred", "引导诉讼仲裁行政"),
)  # fmt: skip


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
    return cases.by_word(_MEDIATIONS, "dispute", "dispute", f"filed_at >= {YEAR}")


def mediation_origins() -> str:
    """Where the year's disputes came from; 三源 are 诉源, 访源, 警源."""
    return cases.by_word(_MEDIATIONS, "origin", "origin", f"filed_at >= {YEAR}")


def mediation_mediators() -> str:
    """Success by kind of mediator, over the cases of the year that ended."""
    return f"""
SELECT {word("mediator", "mediator")} AS name,
  avg(agreement_reached_at IS NOT NULL) AS value
FROM {_MEDIATIONS} AND open = 0 AND ended_at >= {YEAR} AND mediator != ''
GROUP BY name ORDER BY value DESC, name LIMIT 20""".strip()


def mediation_states() -> str:
    """Where the open disputes stand."""
    return cases.states(_MEDIATIONS, _MEDIATION_STATES)


def mediation_ageing() -> str:
    """Open disputes by days since they were filed; 人民调解法 itself sets no limit."""
    return cases.ageing(_MEDIATIONS, "filed_at")


def mediation_steps() -> str:
    """How many disputes went from which state to which over the range, and how long it took."""
    return cases.steps("mediations", _MEDIATION_STATES)


def mediation_flow() -> str:
    """Steps taken over the range: what came in against what was settled."""
    steps = (
        ("mediation.filed", "登记"), ("mediation.agreement_reached", "达成协议"),
        ("mediation.terminated", "终止"), ("mediation.performed", "履行"),
    )  # fmt: skip
    return cases.flow("mediations", steps)


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
