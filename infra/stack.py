"""The running system: starts the parts in order, restarts those that end, stops them all.

`make up` and the tests use the same object; the tests give it a home of its own and ports of 0.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenacity import (
    Retrying,
    retry_if_result,
    sleep_using_event,
    stop_when_event_set,
    wait_chain,
    wait_fixed,
)

from infra import _child, _presence
from infra.parts import Part, Step, parts
from infra.settings import LOCAL, Settings
from schemas.errors import GulouError, Halted, Misconfigured, Unavailable

_POLL_S = 0.05
_SUPERVISE_S = 0.25
_DISK_S = 10.0
_STEADY_S = 60.0
"""A part that ran this long was healthy; its next failure counts as the first."""
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
_LOG_BYTES = 10 * 1024 * 1024
"""Of a part's log; one as large before it is kept."""
_FINAL_CODES = {Misconfigured.exit_code, Halted.exit_code}
"""Exit codes by which a part says that a restart would not help."""
_MB = 1024 * 1024
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Announce = Callable[[str], None]


@dataclass
class _Running:
    part: Part
    child: subprocess.Popen[bytes]
    log: Path
    since: float
    failures: int = 0
    restarts: int = 0
    note: str = ""
    again_at: float | None = None
    """When to start it again; None while it runs."""
    outage: tuple[Future[bool], GulouError] | None = None
    """While a thread checks the servers outside: a future that says whether one was missing, and
    the error with which the part ended. None otherwise."""


def with_ports(settings: Settings) -> Settings:
    """The settings with every port of 0 replaced by a free one."""
    ports = {
        name: _child.free_port(LOCAL, settings.workers)
        if name == "metrics_port"
        else _child.free_port(settings.host)
        for name in type(settings).model_fields
        if name.endswith("_port") and getattr(settings, name) == 0
    }
    return settings.model_copy(update=ports)


class Stack:
    """Starts the parts in order, restarts one that ends, and stops all in reverse order.

    A part that ends unexpectedly is started again after a growing pause. A part that keeps ending,
    or says by its exit code that a restart would not help, halts the whole stack. A part that ends
    while a server outside the stack does not answer is started again when the server does, however
    long it takes: a city's own Kafka may be away for hours, and halting would not help (D-81).

    Args:
        settings: where and how; ports of 0 become free ones, see `settings`.
        compose: the parts and steps of these settings.
        pauses_s: pause before each restart of a part; one failure more halts the stack. A server
            outside is asked again after the same pauses, the last one repeated.
        tell: called with one line when an outage outside begins, and with one when it is over.
    """

    def __init__(
        self,
        settings: Settings,
        compose: Callable[[Settings], Sequence[Part | Step]] = parts,
        pauses_s: Sequence[float] = _PAUSES_S,
        tell: Announce = lambda _: None,
    ) -> None:
        self._pauses_s, self._tell = pauses_s, tell
        self.settings = with_ports(settings)
        self._plan = compose(self.settings)
        self._running: dict[str, _Running] = {}
        self._guard = threading.RLock()
        self._stopping = threading.Event()
        self._halted: GulouError | None = None
        self._supervisor: threading.Thread | None = None
        self._lock: _presence.Lock | None = None
        self._waiting: Counter[str] = Counter()
        """How many parts wait, by the names of the missing servers outside."""
        # Separate threads: a probe of a missing server takes seconds, and the other parts need
        # supervision meanwhile.
        self._outages = ThreadPoolExecutor(thread_name_prefix="outage")

    def start(self, report: Announce = lambda _: None) -> None:
        """Returns when every part is ready; stops what it started when one can't be.

        Args:
            report: called with one line per part and step.

        Raises:
            Misconfigured: another stack runs from this home, a port is taken, the disk is full.
            Unavailable: a part did not become ready.
        """
        enough_disk(self.settings.home, self.settings.min_free_mb)
        close_to_others(self.settings.home)
        self._lock = _presence.Lock(self.settings.home)
        try:
            self._lock.end_leftovers()
            for each in self._plan:
                if self._stopping.is_set():
                    return
                if isinstance(each, Step):
                    report(each.name)
                    each.run()
                else:
                    report(f"starting {each.name}")
                    self._start(each)
        except BaseException:
            self.stop()
            raise
        self._note(ready=True)
        self._supervisor = threading.Thread(target=self._supervise, name="stack", daemon=True)
        self._supervisor.start()

    def stop(self, report: Announce = lambda _: None) -> None:
        """Stops every part in reverse order and releases the home; may be called at any time."""
        self._stopping.set()
        if self._supervisor is not None and self._supervisor is not threading.current_thread():
            self._supervisor.join()
        with self._guard:
            for running in reversed(list(self._running.values())):
                report(f"stopping {running.part.name}")
                _child.stop(running.child, running.part.stop_s)
            self._running.clear()
        self._outages.shutdown()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def interrupt(self) -> None:
        """Makes `start` and `wait` return soon; safe to call from a signal handler."""
        self._stopping.set()

    @property
    def interrupted(self) -> bool:
        """Whether somebody asked it to stop, or it halted."""
        return self._stopping.is_set()

    def wait(self, timeout_s: float | None = None) -> None:
        """Returns when somebody stops the stack, or after `timeout_s`.

        Raises:
            Halted: a part could not be kept running; everything is stopped already.
        """
        self._stopping.wait(timeout_s)
        if self._halted is not None:
            self.stop()
            raise self._halted

    def pid(self, name: str) -> int:
        """Process id of the part `name`; changes when it is restarted."""
        return self._running[name].child.pid

    def restarts(self, name: str) -> int:
        """How often the part `name` was started again."""
        return self._running[name].restarts

    def parts(self) -> dict[str, dict[str, Any]]:
        """Each part's address, note, process and restarts, as `gulou status` shows them."""
        with self._guard:
            return {
                name: {
                    "where": running.part.where,
                    "note": running.note,
                    "restarts": running.restarts,
                    **_presence.birth(running.child.pid),
                }
                for name, running in self._running.items()
            }

    def kill(self, name: str) -> None:
        """Sends SIGKILL to the part `name`, like a crash; the stack starts it again."""
        self._running[name].child.kill()

    def await_ready(self, name: str, *, restarts: int = 0, timeout_s: float = 60.0) -> None:
        """Returns when `name` serves and was restarted at least `restarts` times.

        Raises:
            Unavailable: not within `timeout_s`.
            Halted: the stack gave up on a part.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._halted is not None:
                raise self._halted
            running = self._running.get(name)
            if (
                running is not None
                and running.restarts >= restarts
                and running.child.poll() is None
                and running.part.ready()
            ):
                return
            time.sleep(_POLL_S)
        raise Unavailable(f"{name} was not ready within {timeout_s:g} s.", do="Look at its log.")

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- one part

    def _start(self, part: Part) -> None:
        running = self._spawn(part)
        deadline = time.monotonic() + part.start_s
        while not self._stopping.is_set():
            # In starting order: when an earlier part has ended, report that part's reason.
            for each in self._running.values():
                if (code := each.child.poll()) is not None:
                    raise _ended(each, code, "while starting")
            if part.ready():
                running.note = part.note(running.log) if part.note else ""
                return
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{part.name} was not ready within {part.start_s:g} s.",
                    do=f"Its log is {str(running.log)!r}.",
                )
            time.sleep(_POLL_S)

    def _spawn(self, part: Part) -> _Running:
        log = self.settings.home / "log" / f"{part.name}.log"
        bound(log)
        with self._guard:
            command = list(part.command())
            child = _child.spawn(command, log=log, env=part.env)
            running = self._running.get(part.name)
            if running is None:
                running = _Running(part, child, log, time.monotonic())
                self._running[part.name] = running
            else:
                running.child, running.since, running.again_at = child, time.monotonic(), None
                running.outage = None
                running.restarts += 1
        self._note(ready=self._supervisor is not None)
        return running

    # -- keeping them running

    def _supervise(self) -> None:
        disk_at = time.monotonic() + _DISK_S
        try:
            while not self._stopping.wait(_SUPERVISE_S):
                for running in list(self._running.values()):
                    self._look_after(running)
                    bound(running.log)
                if time.monotonic() > disk_at:
                    disk_at += _DISK_S
                    # A quarter of what a start needs: enough to stop cleanly, not during a write.
                    enough_disk(self.settings.home, self.settings.min_free_mb // 4)
        except GulouError as error:
            self._halted = error
            self._stopping.set()
        except OSError as error:
            self._halted = Halted(
                f"The parts can no longer be looked after: {error}; everything was stopped.",
                do=f"Check the disk that holds {str(self.settings.home)!r}.",
            )
            self._stopping.set()

    def _look_after(self, running: _Running) -> None:
        now = time.monotonic()
        if running.outage is not None:
            outlasted, ended = running.outage
            if outlasted.done():
                running.outage = None
                if outlasted.result():
                    running.failures, running.again_at = 0, now
                else:
                    self._failed(running, ended)
        elif running.again_at is not None:
            if now >= running.again_at:
                try:
                    self._spawn(running.part)
                except GulouError as error:
                    self._failed(running, error)
        elif (code := running.child.poll()) is not None:
            # SIGKILL comes from outside (an operator, the kernel short of memory, a test) and
            # says nothing about the part.
            if now - running.since > _STEADY_S or code == -signal.SIGKILL:
                running.failures = 0
            ended = _ended(running, code, "unexpectedly")
            if code in _FINAL_CODES:
                raise Halted(f"{ended.what} Everything was stopped.", do=ended.do)
            if running.part.away is None:
                self._failed(running, ended)
            else:
                running.outage = self._outages.submit(self._outlast, running.part), ended

    def _outlast(self, part: Part) -> bool:
        """Waits until all servers outside answer; returns whether any of them did not."""
        assert part.away is not None
        missed = part.away()
        if not missed:
            return False
        with self._guard:
            self._waiting[missed] += 1
            first = self._waiting[missed] == 1
        if first:
            self._tell(f"{missed} does not answer; {part.name} waits until it is back.")
        pauses = wait_chain(*map(wait_fixed, self._pauses_s))
        Retrying(
            retry=retry_if_result(bool),
            stop=stop_when_event_set(self._stopping),
            wait=pauses,
            sleep=sleep_using_event(self._stopping),
            retry_error_callback=lambda _: None,
        )(part.away)
        with self._guard:
            self._waiting[missed] -= 1
            last = self._waiting[missed] == 0
        if last and not self._stopping.is_set():
            self._tell(f"{missed} answers again; {part.name} goes on.")
        return True

    def _failed(self, running: _Running, error: GulouError) -> None:
        if running.failures >= len(self._pauses_s):
            raise Halted(
                f"{running.part.name} ended {running.failures + 1} times in a row; "
                f"everything was stopped. The last time: {error.what}",
                do=f"Its log is {str(running.log)!r}.",
            )
        running.again_at = time.monotonic() + self._pauses_s[running.failures]
        running.failures += 1

    def _note(self, *, ready: bool) -> None:
        assert self._lock is not None
        self._lock.write(
            {"ready": ready, "settings": self.settings.environment(), "parts": self.parts()}
        )


def _ended(running: _Running, code: int, when: str) -> GulouError:
    part = running.part
    if part.failure is not None:
        return part.failure(f"ended with code {code} {when}")
    kind = Misconfigured if code == Misconfigured.exit_code else Unavailable
    reason = _presence.last_line(running.log)
    return kind(
        f"{part.name} ended with code {code} {when}{': ' + reason if reason else '.'}",
        do=f"Its log is {str(running.log)!r}.",
    )


def enough_disk(folder: Path, least_mb: int, *, variable: str = "GULOU_HOME") -> None:
    """Makes `folder` when it is missing, and returns when its disk has room.

    Raises:
        Misconfigured: less than `least_mb` is free, or the folder cannot be made; says which
            `variable` names another.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"The folder {str(folder)!r} cannot be made: {error.strerror}.",
            do=f"Set {variable} to a folder you may write to.",
        ) from None
    free_mb = shutil.disk_usage(folder).free // _MB
    if free_mb < least_mb:
        raise Misconfigured(
            f"Only {free_mb} MB are free where {str(folder)!r} lies; Gulou needs {least_mb} MB.",
            do=f"Free some space, or set {variable} to a folder on a larger disk.",
        )


def bound(log: Path) -> None:
    """Empties a log that has grown too large, after copying it beside; its writer goes on.

    The writer has the file open to append, so a new file under its name would stay empty. What it
    writes between the copy and the cut is lost.
    """
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        shutil.copy(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def close_to_others(home: Path) -> None:
    """Takes the rights of all other accounts on a home and everything in it, unless it was done.

    What is made later is its owner's alone: every part runs with the umask 077.

    Raises:
        Misconfigured: something in it belongs to another account.
    """
    if not home.stat().st_mode & _OF_OTHERS:
        return
    try:
        # The home last: when this is interrupted, the next start does it again.
        for each in (*home.rglob("*"), home):
            if not each.is_symlink():
                each.chmod(stat.S_IMODE(each.stat().st_mode) & ~_OF_OTHERS)
    except PermissionError as error:
        raise Misconfigured(
            f"{error.filename!r} cannot be closed to other accounts: it belongs to one of them.",
            do=f"Make everything in {str(home)!r} belong to the account that runs Gulou: chown -R.",
        ) from None
