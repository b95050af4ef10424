"""What several boards share: thresholds, column settings, links to other boards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dashboards.layout import Placed
from dashboards.panels import BAD, GOOD, WARN, Columns, Number, Unit, stat, url_of
from dashboards.queries import visits
from schemas.families import family
from schemas.grain import Period
from schemas.projections import verb

TRUST: Final = Number(
    "数据状态",
    Unit.TEXT,
    "Whether the figures may be believed. Stale when the worker's heartbeat is more than 30 s old, "
    "or messages have waited in Kafka for over 60 s and none was stored that is newer; a quiet "
    "night has heartbeats and is fresh. "
    "Source: the pipeline's own heartbeats and watermarks.",
    ("管道健康", url_of("gulou-pipeline")),
)
HIDDEN: Final = {"custom.hidden": True, "custom.hideFrom.viz": True, "custom.hideFrom":
                  {"viz": True, "legend": True, "tooltip": True}, "unit": "string"}  # fmt: skip

RATE: Final = ((None, BAD), (0.9, WARN), (0.95, GOOD))
COVERED: Final = ((None, BAD), (visits.WATCHED, WARN), (visits.REACHED, GOOD))
MANY: Final = ((None, GOOD), (1.0, BAD))
PERCENT: Final = {"unit": "percentunit", "decimals": 1}
STEPS: Final[Columns] = {
    "median_days": {"decimals": 1},
    "from_state": {"unit": "string"},
    "to_state": {"unit": "string"},
}
BACK: Final = ("城市运行总览", url_of("gulou-wall"))
TO_COUNTY: Final = ("进入县市区", url_of("gulou-county", county="${__data.fields.code}"))


def duty(topic: str, clock: str) -> str:
    """The lengths of a legal clock with their articles, such as "15 days (信访工作条例 22)"."""
    (found,) = (each for each in family(topic).clocks if each.name == clock)
    return "; ".join(
        f"{term.days} {'working ' if term.unit == 'working' else ''}days"
        + (f", at most {term.longest} more" if term.longest else "")
        + (f", {term.when[0]} {', '.join(term.when[1])} only" if term.when[0] else "")
        + f" ({term.basis})"
        for term in found.terms
    )


def duties(topic: str) -> str:
    """The lengths of all legal clocks of a family, each behind the clock's name."""
    return "; ".join(f"{each.zh} {duty(topic, each.name)}" for each in family(topic).clocks)


NAMED: Final[Columns] = {
    "county_name": {"unit": "string", "custom.width": 160,
              "links": [{"title": TO_COUNTY[0], "url": TO_COUNTY[1]}]},
    "code": HIDDEN,
}  # fmt: skip
"""Columns of a table with one row per county: the name links to the county's board."""
RULE: Final = "Judged at the end of the time range."
BEFORE: Final[Mapping[Period, tuple[str, str]]] = {
    "month": ("截至上月末", "As of the end of the month before that in which the range ends."),
    "year": ("截至上年末", "As of the end of the year before that in which the range ends."),
}
"""What a panel says of figures that look closer at cases than their live totals, by period."""


def before(topic: str) -> tuple[str, str]:
    """What panels over a family's views named `…_before` say of their instant, in both languages."""
    return BEFORE[family(topic).closer]


def stats(sql: str, numbers: list[Number], width: int = 4) -> list[Placed]:
    """Figures of one query, side by side."""
    return [(stat(number, sql), width, 4) for number in numbers]


def type_names(topic: str, types: Iterable[str]) -> dict[str, str]:
    """Name of each event type's line, by the verb that names its column."""
    found = family(topic)
    return {verb(type_): found.event(type_).spec.zh for type_ in types}
