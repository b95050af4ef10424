"""The options of the boards' variables."""

from __future__ import annotations

from dashboards.queries.pieces import among, counties


def county_options() -> str:
    """Code and name of each county, then the city's own code for events without a place."""
    return f"SELECT code, name FROM {counties()} ORDER BY endsWith(code, '00'), code"


def below(level: str, parent: str) -> str:
    """Code and name of the divisions of `level` under the chosen `parent`."""
    return (
        f"SELECT code, name FROM divisions WHERE level = '{level}' AND "
        f"{among('parent', parent)} ORDER BY code LIMIT 1000"
    )
