"""`gulou boards`: parsing and showing; the work is `dashboards.publish`."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import typer

from dashboards import publish as publishing
from dashboards.boards import every
from dashboards.roles import boards_of
from infra.cli._screen import out
from infra.http import loopback
from infra.parts import board_source, edition
from infra.settings import Settings
from schemas.errors import Refused
from schemas.grain import ROLES, Role

app = typer.Typer(no_args_is_help=True, help="Publish the boards to a Grafana, or compare them.")

At = Annotated[
    str, typer.Option(help="Day to check the panels' queries at, as 2021-12-31; empty is now.")
]
For = Annotated[
    Role | None,
    typer.Option(
        "--role",
        help="For an organisation of this role alone: viewer or clerk; by default for both roles.",
    ),
]


@app.command()
def publish(at: At = "", role: For = None) -> None:
    """Put data sources, folder, boards and playlist in place, then ask every panel's query.

    Goes to the embedded board server, or to `GULOU_GRAFANA_URL`. Again: nothing to do.
    With `--role`, only that role's data source goes there, and a text in place of each panel that
    is too fine for it: a Grafana has no rights on data sources, so each role has its organisation.

    Example: [cyan]GULOU_GRAFANA_URL=http://grafana:3000 GULOU_GRAFANA_TOKEN_FILE=token
    gulou boards publish[/cyan]
    """
    settings = Settings.load()
    grafana, (sources, boards) = _grafana(settings), _chosen(settings, role)
    publishing.publish(grafana, sources, boards, lambda line: out.print(line))
    if warning := _unreachable(settings.grafana_url, str(sources[0]["jsonData"]["host"])):
        out.print(f"[yellow]{warning}[/yellow]")
    _ask(settings, grafana, at, role, as_json=False)


@app.command()
def check(
    at: At = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a query.")] = False,
    role: For = None,
) -> None:
    """Show what differs from the boards as code, and ask every panel's query; change nothing.

    Exit code 2 when something differs or a query fails.

    Example: [cyan]gulou boards check --at 2021-12-31 --json | jq 'select(.error != "")'[/cyan]
    """
    settings = Settings.load()
    grafana = _grafana(settings)
    differing = publishing.drift(grafana, *_chosen(settings, role))
    if not as_json:
        for line in differing:
            out.print(f"[yellow]drift[/yellow]  {line}")
        out.print(f"{len(differing)} differences" if differing else "as published")
    _ask(settings, grafana, at, role, as_json=as_json)
    if differing:
        raise typer.Exit(2)


def _unreachable(grafana_url: str, clickhouse_host: str) -> str:
    """A warning when ClickHouse's address is loopback and Grafana runs on another machine."""
    grafana_host = urlsplit(grafana_url).hostname or "localhost"
    if not loopback(clickhouse_host) or loopback(grafana_host):
        return ""
    return (
        f"The data source names ClickHouse {clickhouse_host}, which to {grafana_host} is itself: "
        "set GULOU_GRAFANA_CLICKHOUSE_HOST and publish again."
    )


def _grafana(settings: Settings) -> publishing.Grafana:
    url = settings.grafana_url or f"http://{settings.host}:{settings.board_port}"
    return publishing.Grafana(url, settings.grafana_token.get_secret_value())


def _chosen(
    settings: Settings, role: Role | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The data sources and the boards of one role, or of both."""
    boards = every(edition(settings))
    if role is None:
        return [board_source(settings, each) for each in ROLES], boards
    return [board_source(settings, role) | {"isDefault": True}], boards_of(role, boards)


def _ask(
    settings: Settings, grafana: publishing.Grafana, at: str, role: Role | None, *, as_json: bool
) -> None:
    end = _end_ms(at, settings.timezone)
    start = end - 30 * publishing.DAY_MS
    sources, boards = _chosen(settings, role)
    source = str(sources[0]["uid"])
    failed = asked = 0
    for one in publishing.check(grafana, source, boards, start_ms=start, end_ms=end):
        asked += 1
        failed += bool(one.error)
        if as_json:
            row = {name: getattr(one, name) for name in one.__slots__}
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            continue
        mark = "[red]failed[/red]" if one.error else "ok    "
        out.print(f"{mark} {one.took_ms:7.0f} ms {one.rows:5} rows  {one.board} / {one.panel}")
        if one.error:
            out.print(f"       {one.error}", markup=False)
    if not as_json:
        out.print(f"{asked} queries, {failed} failed")
    if failed:
        raise typer.Exit(2)


def _end_ms(at: str, zone: str) -> int:
    """The last millisecond of day `at` in the city's zone; now for an empty text."""
    if not at:
        return time.time_ns() // 1_000_000
    try:
        day = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone))
    except ValueError as error:
        raise Refused(f"{at!r} is no day.", do="Write it as 2021-12-31.") from error
    return int(day.timestamp() * 1000) + publishing.DAY_MS - 1
