"""`gulou access`: who may see the boards, which of them, and who looked at cases."""

from __future__ import annotations

import json
import re
import sys
from datetime import date
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from infra import access
from infra.cli._screen import err, out, say
from infra.http import Grants
from infra.settings import Settings
from schemas.errors import Refused
from schemas.grain import Access

app = typer.Typer(no_args_is_help=True, help="Let walls, clerks and programs in to the boards.")

_Name = Annotated[str, typer.Argument(help="Of the wall, the desk or the program; never a person.")]
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_BRIEF = 60  # characters
_LATER = "ClickHouse does not answer; it learns of it at the next start: gulou up"


@app.command()
def add(
    role: Annotated[
        Access,
        typer.Argument(
            help="viewer: the viewers' figures. clerk, auditor: the clerks' too. publisher, admin: "
            "also change boards."
        ),
    ],
    name: _Name,
    county: Annotated[
        str | None,
        typer.Option(help="Binds a clerk to one county: its code or its name, as 431230."),
    ] = None,
) -> None:
    """Make a token and show it, this once: only its digest is kept.

    A browser opens the boards with it once as `?token=...`, or types it into the form; a program
    sends it as `Authorization: Bearer ...`.

    Try:

    [cyan]gulou access add viewer wall-3[/cyan]

    [cyan]gulou access add clerk desk-1 --county 431230[/cyan]   cases of that county alone
    """
    settings = Settings.load()
    token, ready = access.add(settings, name, role, county)
    say(token)
    place = settings.grafana_url or f"http://{settings.host}:{settings.board_port}"
    out.print(f"[dim]Shown once. {role} {name}: {place}/?token=…[/dim]", soft_wrap=True)
    if not ready:
        err.print(_LATER, soft_wrap=True)


@app.command(name="list")
def list_() -> None:
    """Show who has access, with which role, of which county, since when.

    Example: [cyan]gulou access list[/cyan]
    """
    table = Table("name", "role", "county", "since", box=None, pad_edge=False)
    for grant in Grants(Settings.load().access_file).all():
        county = f"{grant.county} {grant.county_name}".strip()
        table.add_row(grant.name, grant.role, county, grant.since)
    out.print(table)


@app.command()
def revoke(name: _Name) -> None:
    """Take a token back; it and its sessions are refused from the next request on.

    With the last clerk of a county, the county's ClickHouse user and database go.

    Example: [cyan]gulou access revoke wall-3[/cyan]
    """
    ready = access.revoke(Settings.load(), name)
    out.print(f"{name} has no access any more.")
    if not ready:
        err.print(_LATER, soft_wrap=True)


@app.command()
def looks(
    since: Annotated[str, typer.Option(help="First day, as 2026-11-30; empty is all.")] = "",
    who: Annotated[str, typer.Option(help="Name of one token; empty is all.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a look.")] = False,
) -> None:
    """Show who looked at case-level data, at what, when, from where; and what was refused.

    A value that somebody typed, such as the number of a case, is what they looked for: it is shown.

    Example: [cyan]gulou access looks --since 2026-11-01 --who desk-1[/cyan]
    """
    if since:
        try:
            date.fromisoformat(since)
        except ValueError as error:
            raise Refused(f"{since!r} is no day.", do="Write it as 2026-11-30.") from error
    found = access.looks(Settings.load(), since, who, _unreadable)
    if as_json:
        for look in found:
            sys.stdout.write(_visible(json.dumps(look, ensure_ascii=False)) + "\n")
        return
    columns = ("at", "who", "role", "from", "looked at", "values", "refused")
    table = Table(*columns, box=None, pad_edge=False)
    for look in found:
        table.add_row(*_row(look))
    out.print(table)


def _unreadable(place: str) -> None:
    err.print(f"[yellow]{place} is no look; it was broken off or changed.[/yellow]", soft_wrap=True)


def _visible(text: str) -> str:
    """The text, with what would steer a terminal written as JSON writes it."""
    return "".join(each if each.isprintable() else json.dumps(each).strip('"') for each in text)


def _row(look: dict[str, Any]) -> list[str]:
    what = [look["board"], look["panel"], look["query"] or look["variable"]]
    values = ", ".join(
        f"{name}={each if isinstance(each, str) else '+'.join(each)}"
        for name, each in look["variables"].items()
    )
    row = [
        look["at"][:19],
        look["who"],
        f"{look['role']} {look['county']}".strip(),
        look["address"],
        "/".join(str(each) for each in what if each not in ("", None)) or _brief(look["sql"]),
        values,
        look["refused"],
    ]
    # What somebody typed is no markup, and steers nothing.
    return [escape(_visible(cell)) for cell in row]


def _brief(sql: str) -> str:
    """The beginning of a statement without its comments; `--json` has all of it."""
    text = " ".join(_COMMENT.sub(" ", sql).split())
    return text if len(text) <= _BRIEF else f"{text[:_BRIEF]}… ({len(sql)})"
