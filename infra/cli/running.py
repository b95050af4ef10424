"""`gulou setup`, `up`, `down`, `status`: the installation on this machine."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from infra import _presence, feed, figures
from infra.broker import jars, train
from infra.cli._screen import history_bar, out, say
from infra.settings import Settings, has_display
from infra.stack import Stack, enough_disk
from producers.simulator import history as simulated
from schemas.errors import GulouError

app = typer.Typer()


_REFRESH_S = 1.0
_CACHE_MB = 256
"""Kafka's jars and the recorded start of Java are 110 MB; downloads are written aside first."""
_LET_GO_S = 10.0


@app.command()
def setup() -> None:
    """Fetch Kafka and prepare it for quick starts; again: nothing to do.

    `make setup` runs it. Works offline once it has run.

    Example: [cyan]GULOU_MAVEN_URL=https://mirror.example/maven2 gulou setup[/cyan]
    """
    settings = Settings.load()
    _prepare(settings)
    out.print(f"Ready. Everything fetched is kept in {settings.cache}")


def _prepare(settings: Settings) -> None:
    enough_disk(settings.home, settings.min_free_mb)
    if not jars.fetched(settings.cache):
        enough_disk(settings.cache, _CACHE_MB, variable="GULOU_CACHE")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("Fetching Kafka", total=None)
        jars.fetch(
            settings.cache,
            mirror=settings.maven_url,
            report=lambda done, total: progress.update(task, completed=done, total=total),
        )
    with out.status("Preparing Kafka for quick starts (once, about 15 s)"):
        train(settings.cache, settings.cache / "training")


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; `gulou down` stops it.")
    ] = False,
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--no-live",
            help="Keep a trickle of invented events dated now. Default: only into the embedded "
            "Kafka, never into a city's own.",
        ),
    ] = None,
    demo: Annotated[
        bool | None,
        typer.Option(
            "--demo/--no-demo",
            help="Stream the invented history in at first start. Default: as for --live.",
        ),
    ] = None,
    closed: Annotated[
        bool,
        typer.Option(
            "--closed", help="Ask for a token at the boards on this machine too (GULOU_CLOSED)."
        ),
    ] = False,
) -> None:
    """Start Kafka, ClickHouse and the workers on this machine, and show the figures.

    Data is kept between starts. Ctrl-C stops everything cleanly. Invented events go into a city's
    own Kafka (GULOU_KAFKA_BOOTSTRAP) only when asked for: Kafka keeps them for ever.

    Try:

    [cyan]gulou up[/cyan]                        with the demo city

    [cyan]gulou up --no-demo --no-live[/cyan]    empty, waiting for your own ledgers

    [cyan]gulou up --detach[/cyan]               for a server

    [cyan]GULOU_KAFKA_BOOTSTRAP=kafka1:9092 gulou up[/cyan]  with a city's own Kafka

    [cyan]GULOU_KAFKA_PORT=29092 gulou up[/cyan] where port 19092 is taken
    """
    settings = Settings.load(**({"closed": True} if closed else {}))
    _prepare(settings)
    embedded = not settings.kafka_bootstrap
    live, demo = (embedded if asked is None else asked for asked in (live, demo))
    if detach:
        arguments = [
            "up",
            "--live" if live else "--no-live",
            "--demo" if demo else "--no-demo",
        ]
        with out.status("starting"):
            found = _presence.detach(settings.home, arguments, settings.environment())
        out.print(_addresses(found["parts"]))
        out.print("Running in the background. `gulou status` shows it, `gulou down` stops it.")
        return
    stack = Stack(settings, tell=say)
    with _signals(stack):
        try:
            with _told() as tell:
                stack.start(tell)
            if not stack.interrupted:
                out.print(_addresses(stack.parts()))
                if not (embedded or demo or live):
                    out.print(f"No invented events go to {settings.bootstrap}.")
                out.print("Ctrl-C stops everything.")
                if "boards" in stack.parts() and out.is_terminal and has_display():
                    webbrowser.open(stack.parts()["boards"]["where"])
                with _Feeding(stack, demo=demo, live=live) as feeding:
                    _show(stack, feeding)
            stack.wait()
        finally:
            with _told() as tell:
                stack.stop(tell)
    out.print("Stopped; everything is kept.")


@contextmanager
def _told() -> Iterator[Callable[[str], None]]:
    """Shows the current step with a spinner, and each finished step with its seconds."""
    now, since = "", time.monotonic()
    with out.status("") as status:

        def tell(what: str) -> None:
            nonlocal now, since
            if now:
                out.print(f"  {now:<24} {time.monotonic() - since:5.1f} s")
            now, since = what, time.monotonic()
            status.update(what)

        yield tell
        tell("")


class _Feeding:
    """Streams the demo in, then the trickle, on a thread of its own until the stack stops.

    When it fails, the installation goes on: others send into it too.
    """

    def __init__(self, stack: Stack, *, demo: bool, live: bool) -> None:
        self._stack, self._demo, self._live = stack, demo, live
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeding", daemon=True)
        self.progress: Progress | None = None
        """The bar of the history; None before and after it."""

    def __enter__(self) -> _Feeding:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        # With a limit, as Kafka may be away: the next start sends what is lost.
        self._thread.join(_LET_GO_S)

    def _run(self) -> None:
        try:
            if self._demo:
                feed.demo(self._stack.settings, self._advance, self._stop, say)
                self.progress = None
            if self._live:
                feed.trickle(self._stack.settings, self._stop, say)
        except feed.Interrupted:
            pass
        except GulouError as error:
            self.progress = None
            say(f"No more invented events, all else goes on. {error}")

    def _advance(self, to: simulated.Progress) -> None:
        if self.progress is None:
            self.progress = history_bar("Streaming the demo history 怀化")
            self.progress.add_task("", total=to.total)
        self.progress.update(self.progress.task_ids[0], completed=to.done, day=str(to.day))


def _show(stack: Stack, feeding: _Feeding) -> None:
    """Shows the live figures until somebody stops the stack."""
    if not out.is_terminal:
        while not stack.interrupted:
            stack.wait(_REFRESH_S)
        return
    read = figures.Figures(stack.settings)
    with Live(console=out, auto_refresh=False) as screen:
        while not stack.interrupted:
            # Read once: the other thread sets it to None when the history is in.
            bar = feeding.progress
            shown: list[RenderableType] = [bar] if bar else []
            screen.update(Group(*shown, read()), refresh=True)
            stack.wait(_REFRESH_S)


@contextmanager
def _signals(stack: Stack) -> Iterator[None]:
    """Ctrl-C, `gulou down` and a closed terminal all stop the stack cleanly."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        stack.interrupt()

    before = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@app.command()
def down() -> None:
    """Stop what `gulou up` or `gulou up --detach` started from this home.

    Example: [cyan]GULOU_HOME=/srv/gulou gulou down[/cyan]
    """
    home = Settings.load().home
    with out.status("stopping"):
        stopped = _presence.down(home)
    out.print("Stopped; everything is kept." if stopped else f"Nothing runs from {home}.")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts; one JSON object.")] = False,
) -> None:
    """Show what runs from this home, where it listens, and whether the kernel confines ClickHouse.

    Exit code 3 when nothing runs.

    Try:

    [cyan]gulou status[/cyan]

    [cyan]gulou status --json | jq -r .parts.kafka.where[/cyan]
    """
    home = Settings.load().home
    found = _presence.running(home)
    healthy = found is not None and found["ready"]
    if as_json:
        shown = {} if found is None else {"pid": found["pid"], "parts": found["parts"]}
        sys.stdout.write(json.dumps({"running": healthy, "home": str(home), **shown}) + "\n")
    elif found is None:
        out.print(f"Nothing runs from {home}. Start it with: gulou up")
    else:
        out.print(_addresses(found["parts"]))
    if not healthy:
        raise typer.Exit(3)


def _addresses(parts: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("part", "address", "process", "restarts"):
        table.add_column(title, style="bold" if title == "part" else "")
    for name, part in parts.items():
        alive = str(part["pid"]) if part.get("alive", True) else "[red]starting again[/red]"
        where = "\n".join(filter(None, (part["where"], part["note"])))
        table.add_row(name, where, alive, str(part["restarts"]))
    return table
