"""`gulou catalog`, `settings`: print what there is."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from infra import database as apply
from infra._described import described
from infra.settings import Settings, settings_table
from schemas import catalog as _catalog
from schemas.families import families

app = typer.Typer()


@app.command()
def catalog(
    as_json: Annotated[
        bool, typer.Option("--json", help="Event types with fields, tables, views; for programs.")
    ] = False,
) -> None:
    """Print the catalogue: every event type, table, view and clock, in Chinese and English.

    `make catalog` writes it to CATALOG.md.

    Try:

    [cyan]gulou catalog | less[/cyan]

    [cyan]gulou catalog --json | jq '.types["visit.recorded"].fields'[/cyan]
    """
    if as_json:
        found = described(families(), apply.layout(Settings.load()))
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(_catalog.catalog(families()))


@app.command()
def settings() -> None:
    """List every setting: the environment variable, its default, what it means.

    Example: [cyan]gulou settings | grep KAFKA[/cyan]
    """
    sys.stdout.write(settings_table())
