"""`gulou`: the command line. Parsing and showing only; each command is one call."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from infra._child import OWNER_ALONE
from infra.cli import access, boards, describing, feeding, persons, running
from infra.cli._screen import err
from schemas.errors import GulouError, Misconfigured

app = typer.Typer(
    name="gulou",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="""
    Gulou (鼓楼): events of a city in, live figures out, counted once.

    [bold]gulou up[/bold] starts everything on this machine. Settings are environment variables
    (`gulou settings` lists them). Exit codes: 0 done, 2 refused input, 3 a server does not
    answer, 4 a setting, file or port is not as it must be, 5 stopped rather than show a wrong
    number.
    """,
)
for group in (running, feeding, persons, describing):
    app.add_typer(group.app)
app.add_typer(access.app, name="access")
app.add_typer(boards.app, name="boards")
_DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option(help="Show the whole traceback of an error.")] = False,
) -> None:
    """Read by `main` from the arguments, so that even a broken setting can be debugged."""


def main() -> None:
    """The console script: an expected error gives one sentence and an exit code, no traceback."""
    debug = "--debug" in sys.argv[1:]
    os.umask(OWNER_ALONE)
    try:
        app()
    except GulouError as error:
        if debug:
            raise
        _fail(error)
    except OSError as error:
        # Any command that writes may meet a full or read-only disk.
        if debug or error.errno not in _DISK_FAULTS:
            raise
        where = f"{error.filename!r} cannot be written" if error.filename else "A file was cut off"
        _fail(
            Misconfigured(
                f"{where}: {error.strerror}.",
                do="Free some space or mend its permissions, then run the same command again; "
                "GULOU_HOME names another folder for everything.",
            )
        )


def _fail(error: GulouError) -> NoReturn:
    err.print(f"[red]gulou:[/red] {escape(str(error))}", soft_wrap=True)
    raise SystemExit(error.exit_code) from None
