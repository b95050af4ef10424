"""A seeded campaign of kills, zombies and rebalances under load, judged by the oracle.

`python -m tests.chaos` runs it and writes `docs/chaos.md`. The seed decides the order of faults,
the machine their moments: a seed repeats the plan, not the race.
"""

from __future__ import annotations

import random
import re
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from infra.settings import Settings
from infra.stack import Stack
from tests.histories.small import History, Message
from tests.live import Live, without_boards

PLAN: Final = {
    "ClickHouse killed at any moment": 16,
    "ClickHouse killed 0-50 ms after an insert began": 14,
    "ClickHouse killed 0-50 ms after a new part of events appeared": 10,
    "a worker killed at any moment": 12,
    "Kafka killed": 2,
    "a worker stopped past its session, then continued": 3,
    "a worker sent away, and back again": 3,
    "an insert ended by KILL QUERY": 4,
    "the group's offsets set to the earliest or the latest by hand": 2,
}
KILLS_LEAST: Final = 50
_ROUND: Final = 15  # faults between two comparisons
_SLICE, _PAUSE_S = 40, 0.1
_AGAIN: Final = 0.1  # share of slices that resend an earlier slice
_CATCH_UP_S: Final = 600.0
_TRACES: Final = {
    "projections repaired": r"repaired \w+ for offsets",
    "inserts that did not end well": r"did not end well",
    "inserts that the fence stopped": r"did not end well.*fenced",
    "claims": r"claimed \d+ partitions",
}


@dataclass
class Campaign:
    """The faults done and the results seen."""

    live: Live
    seed: int
    tell: Callable[[str], object]
    done: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    differences: list[str] = field(default_factory=list)
    comparisons: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    minutes: float = 0.0
    planned: int = 0
    found: dict[str, int] = field(default_factory=dict)
    """Events in the workers' logs, read at the end."""
    _slices: list[list[Message]] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """Number of killed processes."""
        return sum(count for name, count in self.done.items() if " killed" in name)

    @property
    def whole(self) -> bool:
        """Whether everything planned was done, and the plan was not a reduced one."""
        return sum(self.done.values()) == self.planned and self.kills >= KILLS_LEAST

    def run(self, plan: dict[str, int], until: float) -> None:
        """Causes every fault in `plan`, and compares after each fifteen; stops early at `until`."""
        started = time.monotonic()
        dice = random.Random(self.seed)
        faults = [name for name, count in plan.items() for _ in range(count)]
        dice.shuffle(faults)
        self.planned = len(faults)
        history = History(self.seed, "chaos")
        for start in range(0, len(faults), _ROUND):
            with self._load(history):
                for name in faults[start : start + _ROUND]:
                    if time.monotonic() < until:
                        self._break(name, dice)
                        self.done[name] += 1
            self._compare()
            self.minutes = (time.monotonic() - started) / 60
            self.tell(
                f"{self.minutes:5.1f} min: {sum(self.done.values())} of {len(faults)} faults, "
                f"{self.sent} messages, {len(self.differences)} differences"
            )
            if self.differences or time.monotonic() > until:
                return

    def _compare(self) -> None:
        self.live.await_counted(_CATCH_UP_S)
        oracle = self.live.oracle()
        self.differences += oracle.differences()
        self.messages = Counter(oracle.messages)
        self.comparisons += 1

    @contextmanager
    def _load(self, history: History) -> Iterator[None]:
        stop = threading.Event()

        dice = random.Random(self.seed + len(self._slices))

        def feed() -> None:
            while not stop.wait(_PAUSE_S):
                if self._slices and dice.random() < _AGAIN:
                    messages = dice.choice(self._slices)
                else:
                    self._slices.append(messages := history.messages(_SLICE))
                for message in messages:
                    self.live.producer.send(message.topic, key=message.key, value=message.payload)
                    self.sent += 1

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield
        finally:
            stop.set()
            feeder.join()
            self.live.producer.flush(300)

    def _break(self, name: str, dice: random.Random) -> None:
        worker = dice.choice(self.live.workers())
        if name.startswith("ClickHouse"):
            if "insert" in name:
                self._await("SELECT count() FROM system.processes WHERE query_id LIKE 'gulou.%'")
                time.sleep(dice.random() / 20)
            elif "part" in name:
                parts = "SELECT max(max_block_number) FROM system.parts WHERE table LIKE 'events_%'"
                ((before,),) = self.live.ask(parts)
                self._await(f"{parts} HAVING max(max_block_number) > {before}")
                time.sleep(dice.random() / 20)
            else:
                time.sleep(2 * dice.random())
            self._kill("clickhouse")
        elif "KILL QUERY" in name:
            # Only the workers' queries; repeated, because most of the time none is running.
            ended = "KILL QUERY WHERE startsWith(query_id, 'gulou.') SYNC"
            self.live.until(lambda: bool(self.live.ask(ended)), "an insert was ended", 120)
        elif "offsets" in name:
            self.live.set_offsets(dice.choice(("earliest", "latest")))
        elif name == "Kafka killed":
            self._kill("kafka")
        elif name.startswith("a worker killed"):
            time.sleep(2 * dice.random())
            self._kill(worker)
        elif "stopped" in name:
            self.live.signal(worker, signal.SIGSTOP)
            # 1.5 times the session timeout: the group has reassigned its partitions.
            time.sleep(1.5 * self.live.settings.session_timeout_s)
            self.live.signal(worker, signal.SIGCONT)
        else:
            before = self.live.stack.restarts(worker)
            self.live.signal(worker, signal.SIGTERM)
            self.live.stack.await_ready(worker, restarts=before + 1, timeout_s=240)

    def _kill(self, name: str) -> None:
        before = self.live.stack.restarts(name)
        self.live.stack.kill(name)
        if name.startswith("worker"):
            # Does not wait until it is ready: the next fault may hit it during its claim.
            self.live.until(lambda: self.live.stack.restarts(name) > before, "started again", 60)
        else:
            self.live.stack.await_ready(name, restarts=before + 1, timeout_s=240)

    def _await(self, sql: str) -> None:
        """Polls without a pause until a query finds something, for at most 30 s."""
        client = self.live.client()
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                rows = client.execute(sql)
                if rows and rows[0][0]:
                    return
        finally:
            client.disconnect()

    def traces(self) -> dict[str, int]:
        """Counts of notable events in the workers' logs."""
        logs = [p.read_text(errors="replace") for p in self._logs()]
        return {
            what: sum(len(re.findall(pattern, text)) for text in logs)
            for what, pattern in _TRACES.items()
        }

    def _logs(self) -> list[Path]:
        return sorted((self.live.settings.home / "log").glob("worker-*.log*"))

    def report(self) -> str:
        """The campaign as a page of Markdown."""
        found = self.found = self.traces()
        verdict = "none" if not self.differences else f"**{len(self.differences)}**"
        rows = "\n".join(f"| {name} | {self.done[name]} |" for name in PLAN)
        seen = "\n".join(f"| {what} | {count:,} |" for what, count in found.items())
        compared = "\n".join(f"| {s} | {n:,} |" for s, n in sorted(self.messages.items()))
        lines = "\n".join(f"- `{line}`" for line in self.differences[:30])
        return _PAGE.format(
            day=datetime.now(UTC).date().isoformat(),
            seed=self.seed,
            round=_ROUND,
            minutes=self.minutes,
            kills=self.kills,
            sent=self.sent,
            comparisons=self.comparisons,
            verdict=verdict,
            rows=rows,
            seen=seen,
            compared=compared,
            lines=f"\n{lines}\n" if lines else "",
        )


_PAGE: Final = """# Chaos

Written by `make chaos` on {day}; seed {seed}, {minutes:.0f} minutes, two workers, {sent:,} messages
sent while things were broken, some of them again and again. After each {round} faults an oracle
(`tests/oracle/`: its own Kafka consumer, a plain Python fold) compared every row of the events
tables and every figure of every projection with what Kafka holds.

**Differences found: {verdict}**, in {comparisons} comparisons of everything sent until then, after
{kills} kills.
{lines}
| what was broken | times |
|---|---:|
{rows}

The faults met something: each repaired projection is a crash that fell between the events and a
figure.

| what the workers went through | times |
|---|---:|
{seen}

| messages in the last comparison, by what became of them | |
|---|---:|
{compared}
"""


@contextmanager
def stack(home: Path) -> Iterator[Live]:
    """Kafka, ClickHouse and two workers in `home`, on free ports."""
    ports = dict.fromkeys((n for n in Settings.model_fields if n.endswith("_port")), 0)
    settings = Settings.load().model_copy(
        update={"home": home, "workers": 2, "session_timeout_s": 6.0, **ports}
    )
    with Stack(settings, without_boards, pauses_s=[0.1] * 1000) as running:
        live = Live(running)
        try:
            yield live
        finally:
            live.close()


def campaign(
    seed: int,
    plan: dict[str, int],
    minutes: float,
    tell: Callable[[str], object],
    keep: Callable[[Campaign], None],
) -> Campaign:
    """Runs the campaign on a separate stack; `keep` gets the result while the stack still runs."""
    home = Path(tempfile.mkdtemp(prefix="gulou-chaos-"))
    with stack(home) as live:
        found = Campaign(live, seed, tell)
        found.run(plan, time.monotonic() + 60 * minutes)
        keep(found)
    if found.differences:
        tell(f"kept for a closer look: {home}")
    else:
        shutil.rmtree(home)
    return found
