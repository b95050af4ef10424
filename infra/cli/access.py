"""`gulou access`: who may see the boards, and which of them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from infra.cli._screen import out, say
from infra.http import Grants
from infra.settings import Settings
from schemas.grain import Access

app = typer.Typer(no_args_is_help=True, help="Let walls, clerks and programs in to the boards.")

_Name = Annotated[str, typer.Argument(help="Of the wall, the desk or the program; never a person.")]


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
) -> None:
    """Make a token and show it, this once: only its digest is kept.

    A browser opens the boards with it once as `?token=...`, or types it into the form; a program
    sends it as `Authorization: Bearer ...`.

    Example: [cyan]gulou access add viewer wall-3[/cyan]
    """
    settings = Settings.load()
    token = Grants(settings.access_file).add(name, role)
    say(token)
    place = settings.grafana_url or f"http://{settings.host}:{settings.board_port}"
    out.print(f"[dim]Shown once. {role} {name}: {place}/?token=…[/dim]", soft_wrap=True)


@app.command(name="list")
def list_() -> None:
    """Show who has access, with which role, since when.

    Example: [cyan]gulou access list[/cyan]
    """
    table = Table("name", "role", "since", box=None, pad_edge=False)
    for grant in Grants(Settings.load().access_file).all():
        table.add_row(grant.name, grant.role, grant.since)
    out.print(table)


@app.command()
def revoke(name: _Name) -> None:
    """Take a token back; it and its sessions are refused from the next request on.

    Example: [cyan]gulou access revoke wall-3[/cyan]
    """
    Grants(Settings.load().access_file).revoke(name)
    out.print(f"{name} has no access any more.")
