"""The live table of `gulou up`: figures per county, read from the published views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clickhouse_driver import errors
from rich.table import Table

from infra import database as apply
from infra.settings import Settings
from schemas.reference.divisions import UNKNOWN_PLACE

_YUAN = 100  # fen

_COLUMNS = (
    ("走访\nvisits", "visits_by_county_hour", "sumIf(net_count, type = 'visit.recorded')", 1),
    (
        "诉求办结\nrequests closed",
        "visits_by_county_hour",
        "sumIf(net_count, type = 'visit.request_closed')",
        1,
    ),
    (
        "信访登记\npetitions",
        "petitions_by_county_hour",
        "sumIf(net_count, type = 'petition.registered')",
        1,
    ),
    (
        "调解成功\nagreements",
        "mediations_by_county_hour",
        "sumIf(net_count, type = 'mediation.agreement_reached')",
        1,
    ),
    (
        "基金筹集\nraised, yuan",
        "funds_by_county_hour",
        "sumIf(net_amount, type = 'fund.contributed')",
        _YUAN,
    ),
)


class Figures:
    """Reads the figures over one connection of its own; call it once a second."""

    def __init__(self, settings: Settings) -> None:
        self._client = apply.address(settings).connect()
        self._database = settings.published_database
        self._last = Table(title="no figures yet")

    def __call__(self) -> Table:
        """One row per county and the city's sum; the last table while ClickHouse is away."""
        try:
            self._last = self._read()
        except (errors.Error, OSError, EOFError):
            self._client.disconnect()
            self._last.caption = "ClickHouse does not answer; these are the last figures"
        return self._last

    def _read(self) -> Table:
        names = dict(
            self._rows("SELECT code, name FROM {db}.divisions WHERE level IN ('city', 'county')")
        )
        found: dict[str, list[int]] = {
            code: [0] * len(_COLUMNS) for code in names if not code.endswith("00")
        }
        for n, (_, view, formula, unit) in enumerate(_COLUMNS):
            query = f"SELECT county, {formula} FROM {{db}}.{view} GROUP BY county"
            for county, value in self._rows(query):
                found.setdefault(county, [0] * len(_COLUMNS))[n] = int(value) // unit
        return net_figures(names, found)

    def _rows(self, query: str) -> list[Any]:
        rows: list[Any] = self._client.execute(query.replace("{db}", f"`{self._database}`"))
        return rows


def net_figures(names: Mapping[str, str], found: Mapping[str, Sequence[int]]) -> Table:
    """One row per county and the city's sum; it fits a terminal of 100 columns.

    Args:
        names: names of the divisions by code; the city's own code ends in 00.
        found: figures by code, in the order of the columns.
    """
    city = next((name for code, name in names.items() if code.endswith("00")), "")
    table = Table(title=f"{city} 净数 net figures".strip(), title_justify="left")
    # Only headers may break, into their second line: a cut name or number is a different one.
    table.add_column("县市区\ncounty", no_wrap=True)
    for title, *_ in _COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    for county, values in sorted(found.items(), key=lambda row: row[0].endswith("00")):
        if any(values) or not county.endswith("00"):
            name = UNKNOWN_PLACE if county.endswith("00") else names.get(county, county)
            table.add_row(name, *(f"{value:,}" for value in values))
    table.add_section()
    totals = [sum(column) for column in zip(*found.values(), strict=True)]
    table.add_row("全市 city", *(f"{value:,}" for value in totals), style="bold")
    return table
