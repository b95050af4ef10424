"""`gulou import`, `simulate`: send events into Kafka."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from infra import feed
from infra.cli._screen import out, progress
from infra.settings import Settings

app = typer.Typer()


@app.command(name="import")
def import_(
    ledger: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV, XLSX or JSONL.")
    ],
    mapping: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Which column feeds which field.")
    ],
    rejects: Annotated[
        Path | None, typer.Option(help="Where rejected rows go; beside the ledger by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
) -> None:
    """Import a county's ledger; every row is counted once or explained in the reject file.

    Importing the same file again changes no figure. Exit code 2 when rows were rejected.

    Example:
    [cyan]gulou import 信访台账.xlsx --mapping docs/examples/petitions-mapping.toml[/cyan]
    """
    target = rejects or ledger.with_name(f"{ledger.stem}.rejects.csv")
    with progress(ledger.name) as advance:
        report = feed.ledger(
            Settings.load(),
            ledger,
            mapping,
            target,
            lambda done, total: advance(completed=done, total=total),
        )
    if as_json:
        sys.stdout.write(json.dumps(dataclasses.asdict(report), ensure_ascii=False) + "\n")
    else:
        out.print(str(report))
        if report.rejected or report.repeated_rows:
            out.print(f"退回原因见 {target}")
    if report.rejected:
        raise typer.Exit(2)


@app.command()
def simulate(
    seed: Annotated[int, typer.Option(help="Another seed, another history.")] = feed.DEMO_SEED,
    scale: Annotated[float, typer.Option(min=0.0001, max=1.0, help="1 is the whole city.")] = 1.0,
    rate: Annotated[
        float | None, typer.Option(min=1, help="Events a second; as fast as can be.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as one JSON object.")] = False,
) -> None:
    """Stream a seeded history of the city in and print what it holds.

    The net figures of the whole city equal the published ones exactly. The same seed again sends
    the same events: they are repeats and change no figure.

    Try:

    [cyan]gulou simulate --scale 0.01[/cyan]          a hundredth of the city

    [cyan]gulou simulate --seed 7 --rate 1000[/cyan]  at 1,000 events a second
    """
    with progress("Simulating") as advance:
        summary = feed.simulate(
            Settings.load(),
            seed,
            scale=scale,
            rate=rate,
            on_progress=lambda to: advance(completed=to.done, total=to.total, day=str(to.day)),
        )
    if as_json:
        # Not asdict: it turns a Counter into counts of pairs.
        counts = {f.name: getattr(summary, f.name) for f in dataclasses.fields(summary)}
        sys.stdout.write(json.dumps(counts) + "\n")
    else:
        out.print(str(summary))
