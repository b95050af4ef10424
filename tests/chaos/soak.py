"""An hour of ordinary work with a fault every few minutes: nothing may grow, nothing be lost.

Processes are killed in the first part only, so that in the judged half each has a life that is long
enough to see growth; stops and broken connections go on to the end.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import psutil
import requests

from infra.settings import Settings
from infra.stack import Stack
from tests.chaos.growth import BOUNDS, Sample, Trend, trends
from tests.histories.small import History, Message
from tests.live import Live

MINUTES: Final = 60.0
FAULTS: Final = 15
"""Spread over the time, so every four minutes of an hour."""
_KILLS: Final = ("worker-0", "kafka", "clickhouse", "boards")
_KILLS_UNTIL: Final = 0.6  # of the time
_PAUSES: Final = (
    "ClickHouse stopped for 20 s, then continued",
    "60 connections broken off half-way",
    "a worker stopped past its session, then continued",
)
_WARM: Final = 0.5  # of the time
_SETTLE: Final = 1 / 12  # of the time, at the beginning of a life
_SAMPLE_S: Final = 10.0
_SLICE, _SLICE_S = 3, 0.5  # messages, at least, and how often
_KEPT: Final = 200  # slices that may be sent again
_AGAIN_EVERY: Final = 10
_LOOK_S: Final = 5.0
_STOPPED_S: Final = 20.0
_BROKEN_OFF: Final = 20  # connections to each of three ports
_BOARD: Final = "gulou-wall"
_CATCH_UP_S: Final = 600.0
_UNANSWERED: Final = 0.2
"""Most of the screen's questions without an answer: something is down for a tenth of the time."""


@dataclass
class Soak:
    """The faults done, and what was seen."""

    live: Live
    seed: int
    minutes: float
    done: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    sent: int = 0
    asked: int = 0
    unanswered: int = 0
    differences: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def whole(self) -> bool:
        """Whether it lasted long enough to be published."""
        return self.minutes >= MINUTES

    @property
    def failures(self) -> list[str]:
        """What differs and what grows, a line each."""
        found = list(self.differences)
        if self.unanswered > _UNANSWERED * self.asked or not self.asked:
            found.append(f"{self.unanswered} of {self.asked} panels had no answer")
        for part, moved in self.trends().items():
            if not moved:
                found.append(f"{part}: no life of it was long enough to judge")
            found += [
                f"{part}: {each.measure} grows by {each.an_hour:.1f} an hour, over {each.bound:g}"
                for each in moved
                if each.grows
            ]
        return found

    def trends(self) -> dict[str, list[Trend]]:
        """How each part's measures moved in the judged half."""
        whole_s = 60 * self.minutes
        return {
            part: trends(
                self.samples.get(part, []),
                bounds,
                warm_s=_WARM * whole_s,
                settle_s=_SETTLE * whole_s,
            )
            for part, bounds in BOUNDS.items()
        }

    def run(self, tell: Callable[[str], object]) -> None:
        """Works, breaks and samples for `minutes`, then compares everything with Kafka."""
        self._began = time.monotonic()
        work = (self._feed, self._look, self._sample)
        threads = [threading.Thread(target=each, daemon=True) for each in work]
        for each in threads:
            each.start()
        try:
            for number, name in enumerate(_plan(), start=1):
                self._rest_until(number / (FAULTS + 1))
                self._break(name)
                self.done[name] += 1
                tell(f"{(time.monotonic() - self._began) / 60:5.1f} min: {name}")
            self._rest_until(1.0)
        finally:
            self._stop.set()
            for each in threads:
                each.join()
        self._look_again()
        self.live.producer.flush(300)
        self.live.await_counted(_CATCH_UP_S)
        self.differences += self.live.oracle().differences()

    def _rest_until(self, share: float) -> None:
        rest = self._began + share * 60 * self.minutes - time.monotonic()
        self._stop.wait(max(0.0, rest))

    # -- ordinary work

    def _feed(self) -> None:
        history, kept = History(self.seed, "soak"), deque[list[Message]](maxlen=_KEPT)
        for number in _every(_SLICE_S, self._stop):
            again = number % _AGAIN_EVERY == _AGAIN_EVERY - 1
            messages = kept[0] if again else history.messages(_SLICE)
            kept.append(messages)
            for message in messages:
                self.live.producer.send(message.topic, key=message.key, value=message.payload)
                self.sent += 1

    def _look(self) -> None:
        """Asks for every panel of the wall, as a screen does."""
        panels: list[int] = []
        for _ in _every(_LOOK_S, self._stop):
            try:
                panels = panels or _panels(self._url)
                for panel in panels:
                    self.asked += 1
                    self.unanswered += not self._asked(panel).ok
            except requests.RequestException:
                self.asked += not panels
                self.unanswered += 1

    @property
    def _url(self) -> str:
        return f"http://{self.live.settings.host}:{self.live.settings.board_port}/api"

    def _asked(self, panel: int) -> requests.Response:
        url = f"{self._url}/boards/{_BOARD}/panels/{panel}/query"
        return requests.get(url, params=_today(), timeout=60)

    def _look_again(self) -> None:
        """With nothing broken any more, every panel answers."""
        for panel in _panels(self._url):
            if not (answer := self._asked(panel)).ok:
                self.differences.append(f"panel {panel} answered {answer.status_code} at the end")

    def _sample(self) -> None:
        for _ in _every(_SAMPLE_S, self._stop):
            for name in self.live.stack.parts():
                # Between two lives, and while a part ends, there is nothing to read.
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(self.live.stack.pid(name))
                    taken = Sample(
                        time.monotonic() - self._began,
                        process.pid,
                        process.memory_info().rss / 2**20,
                        process.num_threads(),
                        process.num_fds(),
                    )
                    self.samples.setdefault(name.partition("-")[0], []).append(taken)

    # -- faults

    def _break(self, name: str) -> None:
        if name.endswith(" killed"):
            part = name.removesuffix(" killed")
            before = self.live.stack.restarts(part)
            self.live.stack.kill(part)
            self.live.stack.await_ready(part, restarts=before + 1, timeout_s=240)
        elif name.startswith("ClickHouse stopped"):
            self._stopped("clickhouse", _STOPPED_S)
        elif name.startswith("a worker stopped"):
            self._stopped("worker-0", 1.5 * self.live.settings.session_timeout_s)
        else:
            self._break_off()

    def _stopped(self, part: str, seconds: float) -> None:
        self.live.signal(part, signal.SIGSTOP)
        self._stop.wait(seconds)
        self.live.signal(part, signal.SIGCONT)

    def _break_off(self) -> None:
        """Clients that vanish: in the middle of a greeting, of a request, of an answer."""
        settings = self.live.settings
        half = {
            settings.clickhouse_port: b"\x00\x0aclickhouse",
            settings.clickhouse_http_port: b"POST /?query=SELECT+1 HTTP/1.1\r\nHost: h\r\n",
            settings.kafka_port: struct.pack(">i", 1000) + b"\x00\x12",
        }
        for port, begun in half.items():
            for _ in range(_BROKEN_OFF):
                with socket.create_connection((settings.host, port), timeout=10) as connection:
                    connection.sendall(begun)
                    # Closed with a reset, as by a machine that crashed.
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client = self.live.client()
        next(client.execute_iter("SELECT number FROM system.numbers"))
        client.disconnect()

    # -- what it says

    def report(self) -> str:
        """The soak as a section of Markdown."""
        broken = "\n".join(f"| {name} | {count} |" for name, count in sorted(self.done.items()))
        rows = "\n".join(
            f"| {part} | {each.measure} | {each.first:,.0f} | {each.last:,.0f} "
            f"| {each.an_hour:+.1f} | {each.bound:g} |"
            for part, moved in self.trends().items()
            for each in moved
        )
        failures = self.failures
        lines = "".join(f"- `{line}`\n" for line in failures[:30])
        return _SECTION.format(
            day=datetime.now(UTC).date().isoformat(),
            seed=self.seed,
            minutes=self.minutes,
            sent=self.sent,
            asked=self.asked,
            unanswered=self.unanswered,
            verdict=len(failures) or "none",
            lines=f"\n{lines}" if lines else "",
            broken=broken,
            rows=rows,
            sample=_SAMPLE_S,
            warm=_WARM * self.minutes,
        )


_SECTION: Final = """\
Of {day}, seed {seed}: {minutes:.0f} minutes, one worker, {sent:,} messages. A screen asked for
{asked:,} panels; {unanswered:,} had no answer because something was down. Every {sample:.0f} s the
memory (MB), threads and open files of each part were read. Growth is the median slope (Theil and
Sen) within the lives of its process after the first {warm:.0f} minutes; `tests/chaos/growth.py` has
the bounds. At the end the oracle compared every row and figure with Kafka.

**What grew or differed: {verdict}.**
{lines}
| what was broken | times |
|---|---:|
{broken}

| part | measure | first | last | growth an hour | bound |
|---|---|---:|---:|---:|---:|
{rows}
"""


def _plan() -> Iterator[str]:
    """The faults in order: kills and pauses in turn, then pauses alone."""
    kills, pauses = cycle(f"{part} killed" for part in _KILLS), cycle(_PAUSES)
    for number in range(1, FAULTS + 1):
        killing = number % 2 and number / (FAULTS + 1) < _KILLS_UNTIL
        yield next(kills if killing else pauses)


def _every(seconds: float, stop: threading.Event) -> Iterator[int]:
    number = 0
    while not stop.wait(seconds):
        yield number
        number += 1


def _panels(url: str) -> list[int]:
    """Numbers of the panels of the wall that ask something."""
    board = requests.get(f"{url}/dashboards/uid/{_BOARD}", timeout=60)
    board.raise_for_status()
    panels: list[dict[str, Any]] = board.json()["dashboard"]["panels"]
    return [panel["id"] for panel in panels if panel.get("targets")]


def _today() -> dict[str, int]:
    now = int(time.time() * 1000)
    return {"from": now - 86_400_000, "to": now, "refreshMs": 5000}


def soak(seed: int, minutes: float, tell: Callable[[str], object]) -> Soak:
    """Runs the soak on a stack of its own; its folder stays when something differed or grew."""
    home = Path(tempfile.mkdtemp(prefix="gulou-soak-"))
    ports = dict.fromkeys((n for n in Settings.model_fields if n.endswith("_port")), 0)
    settings = Settings.load().model_copy(update={"home": home, "session_timeout_s": 6.0, **ports})
    with Stack(settings, pauses_s=[0.1] * 1000) as running:
        live = Live(running)
        done = Soak(live, seed, minutes)
        try:
            done.run(tell)
        finally:
            live.close()
    if done.failures:
        tell(f"kept for a closer look: {home}")
    else:
        shutil.rmtree(home)
    return done
