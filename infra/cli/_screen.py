"""What the commands share: the two consoles and a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def history_bar(title: str) -> Progress:
    return Progress(
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[day]}"),
        TimeRemainingColumn(),
        console=out,
        auto_refresh=False,
    )


@contextmanager
def progress(title: str) -> Iterator[Callable[..., None]]:
    """A bar that disappears afterwards, on stderr: stdout is for the report only."""
    bar = history_bar(title)
    task = bar.add_task("", total=None, day="")
    with Live(bar, console=err, transient=True, refresh_per_second=4):
        yield lambda **fields: bar.update(task, **fields)


def say(line: str) -> None:
    out.print(line, markup=False, soft_wrap=True)
