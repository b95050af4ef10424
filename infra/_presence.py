"""Lets one stack at a time run from a home, and lets later commands find it.

The running stack holds `run/lock`, so a crash frees it; `run/stack.json` says what runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from schemas.errors import Misconfigured, Unavailable

_POLL_S = 0.1
_DOWN_S = 120.0
_TAIL_BYTES = 4_000


class Lock:
    """The right to run from `home`; it ends with the process that holds it.

    Raises:
        Misconfigured: another process holds it.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        folder = home / "run"
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            holder = (state(home) or {}).get("pid", "unknown")
            raise Misconfigured(
                f"Gulou is already running from {str(home)!r} (process {holder}).",
                do="`gulou status` shows it and `gulou down` stops it; another installation "
                "on this machine needs a GULOU_HOME of its own.",
            ) from None

    def end_leftovers(self) -> None:
        """Ends parts that outlived a killed stack, on systems where the kernel can't end them."""
        for part in (state(self._home) or {}).get("parts", {}).values():
            if (process := _alive(part)) is not None:
                process.kill()
                process.wait(10)

    def write(self, found: Mapping[str, Any]) -> None:
        """Records what runs; atomic, so that readers never see half a file."""
        file = _file(self._home)
        half = file.with_suffix(".new")
        half.write_text(json.dumps({**birth(os.getpid()), **found}, indent=1))
        half.replace(file)

    def release(self) -> None:
        """Gives up the right."""
        _file(self._home).unlink(missing_ok=True)
        self._file.close()


def birth(pid: int) -> dict[str, Any]:
    """Number and start time, which distinguish a process from a later one with its number."""
    try:
        return {"pid": pid, "born": psutil.Process(pid).create_time()}
    except psutil.NoSuchProcess:
        return {"pid": pid, "born": 0.0}


def state(home: Path) -> dict[str, Any] | None:
    """What the last stack of this home wrote; None when it stopped cleanly."""
    try:
        found: dict[str, Any] = json.loads(_file(home).read_text())
    except FileNotFoundError:
        return None
    return found


def running(home: Path) -> dict[str, Any] | None:
    """What runs from this home now, as the stack wrote it; `parts` gain `alive`."""
    found = state(home)
    if found is None or _alive(found) is None:
        return None
    for part in found["parts"].values():
        part["alive"] = _alive(part) is not None
    return found


def down(home: Path) -> bool:
    """Asks the stack of this home to stop and returns when it has; False when none runs.

    Raises:
        Unavailable: it still runs after two minutes.
    """
    found = state(home)
    process = found and _alive(found)
    if not process:
        return False
    process.terminate()
    deadline = time.monotonic() + _DOWN_S
    while time.monotonic() < deadline:
        # A child of ours stays as a zombie until somebody waits for it; a zombie has stopped.
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(_POLL_S)
    raise Unavailable(
        f"Gulou (process {process.pid}) still runs {_DOWN_S:g} s after it was asked to stop.",
        do=f"See the logs in {str(home / 'log')!r}; kill -9 {process.pid} ends it, "
        "and no acknowledged event is lost.",
    )


def detach(home: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Starts `gulou ARGUMENTS` in the background and returns its state once it is ready.

    Args:
        home: the home it runs from; its output goes to `log/stack.log` there.
        arguments: command line of a foreground stack.
        environment: settings, as variables.

    Raises:
        Misconfigured, Unavailable: it ended before it was ready; the message is its last line.
    """
    log = home / "log" / "stack.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    while child.poll() is None:
        found = state(home)
        if found is not None and found.get("ready") and found["pid"] == child.pid:
            # It goes on without us: a return code keeps Popen from warning that it still runs.
            child.returncode = 0
            return found
        time.sleep(_POLL_S)
    kind = Misconfigured if child.returncode == Misconfigured.exit_code else Unavailable
    raise kind(
        last_line(log).removeprefix("gulou: ") or "Gulou did not start.",
        do=f"Its log is {str(log)!r}.",
    )


def last_line(log: Path) -> str:
    """The last line that a process wrote; it says why the process ended."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")
    return ""


def _file(home: Path) -> Path:
    return home / "run" / "stack.json"


def _alive(record: Mapping[str, Any]) -> psutil.Process | None:
    try:
        process = psutil.Process(record["pid"])
        # The boot clock behind create_time may be corrected by parts of a second.
        same = abs(process.create_time() - record["born"]) < 1
    except psutil.NoSuchProcess:
        return None
    return process if same and process.status() != psutil.STATUS_ZOMBIE else None
