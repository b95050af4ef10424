"""The servers of the bench: its own Kafka and ClickHouse, with a new database for every run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import psutil
from clickhouse_driver import Client

from infra import _child
from infra import database as apply
from infra.parts import Part, Step, parts
from infra.settings import LOCAL, ROOT, Settings
from infra.stack import Stack
from producers._bulk import BulkProducer
from producers.simulator.history import City, History
from producers.vault import Vault
from schemas.families import family
from schemas.projections import HI
from schemas.sql.targets import target

SEED = 1
_POLL_S = 0.1
_START_S = 120.0
_STOP_S = 30.0
_HISTORY_SCALE = 0.6  # gives more than a million messages of visits


def _without_workers(settings: Settings) -> Sequence[Part | Step]:
    servers = ("kafka", "clickhouse")
    return [each for each in parts(settings) if isinstance(each, Step) or each.name in servers]


class Ground:
    """Empty Kafka and ClickHouse in a separate folder, on free ports.

    Args:
        home: folder for data and logs; it is created.
    """

    def __init__(self, home: Path) -> None:
        ports = {name: 0 for name in Settings.model_fields if name.endswith("_port")}
        self._stack = Stack(Settings.load(home=home, **ports), compose=_without_workers)
        self.settings = self._stack.settings
        self.home = home
        self._databases = 0

    def __enter__(self) -> Self:
        self._stack.start(lambda line: say(f"  {line}"))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.stop()

    def client(self, settings: Settings | None = None) -> Client:
        """A connection of the databases' owner."""
        return apply.address(settings or self.settings).connect()

    def process(self, part: str) -> psutil.Process:
        """The process of `kafka` or `clickhouse`."""
        return psutil.Process(self._stack.pid(part))

    @contextlib.contextmanager
    def database(self) -> Iterator[Settings]:
        """The settings of a new installation in the same servers; its databases are dropped."""
        self._databases += 1
        name = f"bench_{self._databases}"
        settings = self.settings.model_copy(
            update={
                "database": name,
                "published_database": f"{name}_published",
                "desk_database": f"{name}_desk",
            }
        )
        apply.apply(settings)
        yield settings
        client = self.client()
        for each in (*apply.layout(settings).views.values(), settings.database):
            client.execute(f"DROP DATABASE `{each}` SYNC")

    def city(self) -> City:
        """The shipped city, with keys of this folder."""
        return City.load(Vault(self.home / "keys.db"))

    def produce_visits(self, count: int, copy: Path) -> None:
        """Writes the first messages of a seeded year's visits to Kafka and to a file of lines.

        The file omits messages that are not JSON objects, a few dozen of a million.
        """
        done = 0
        options = self.settings.kafka_options("producer")
        producer = BulkProducer(options.pop("bootstrap_servers"), options=options)
        with producer as kafka, copy.open("wb") as lines:
            for day in History(self.city(), SEED, scale=_HISTORY_SCALE):
                for topic, key, payload in day:
                    if topic != "visits" or done == count:
                        continue
                    kafka.send_bytes(topic, key, payload)
                    done += 1
                    if payload[:1] == b"{" and payload[-1:] == b"}" and b"\n" not in payload:
                        lines.write(payload + b"\n")
                if done == count:
                    return
        raise ValueError(f"the simulator made {done} visits, fewer than {count}")


class Program:
    """A process that moves events, observed from outside.

    Args:
        command: arguments of Python. settings: its environment. python: interpreter.
        log: file of its output.
    """

    def __init__(
        self,
        command: Sequence[str],
        settings: Settings,
        *,
        python: str = sys.executable,
        extra: dict[str, str] | None = None,
    ) -> None:
        self._log = settings.home / "log" / "bench.log"
        self._child: subprocess.Popen[bytes] = _child.spawn(
            [python, *command],
            log=self._log,
            cwd=settings.home,  # rivals leave files there
            env={
                **os.environ,
                **settings.environment(),
                "PYTHONPATH": str(ROOT),
                **(extra or {}),
            },
        )
        self._ready = f"http://{LOCAL}:{settings.metrics_port}/ready"

    @property
    def process(self) -> psutil.Process:
        """The process, for its CPU time and memory."""
        return psutil.Process(self._child.pid)

    def await_ready(self) -> None:
        """Waits until /ready reports that it owns partitions."""
        until(self._answers, "the worker is ready", self.check)

    def check(self) -> None:
        """Raises if the process has ended."""
        if (code := self._child.poll()) is not None:
            raise RuntimeError(f"ended with code {code}; see {self._log}")

    def stop(self) -> None:
        """Ends the process."""
        _child.stop(self._child, _STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._ready, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def worker(settings: Settings) -> Program:
    """The worker as the stack starts it."""
    part = next(e for e in parts(settings) if isinstance(e, Part) and e.name == "worker-0")
    return Program(part.command()[1:], settings, extra=dict(part.env or {}))


def until(
    happened: Any, what: str, check: Any = lambda: None, timeout_s: float = _START_S
) -> float:
    """Polls until `happened()` is true; returns that moment of `time.monotonic()`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if happened():
            return time.monotonic()
        check()
        time.sleep(_POLL_S)
    raise TimeoutError(f"not within {timeout_s:g} s: {what}")


def stored(client: Client, settings: Settings, topics: Sequence[str]) -> int:
    """Number of messages in the events tables."""
    return sum(
        int(client.execute(f"SELECT count() FROM `{settings.database}`.events_{topic}")[0][0])
        for topic in topics
    )


def projected(client: Client, settings: Settings, topic: str) -> bool:
    """Whether every projection of a family has reached the end of its events."""
    of_topic = family(topic)
    marks = [
        (f"events_{topic}", "koff"),
        *((target(of_topic, p), HI) for p in of_topic.projections),
    ]
    found = [
        sorted(
            client.execute(
                f"SELECT kpart, max({column}) FROM `{settings.database}`.`{table}` GROUP BY kpart"
            )
        )
        for table, column in marks
    ]
    return all(each == found[0] for each in found)


def say(line: str) -> None:
    """Prints a line of progress."""
    print(line, flush=True)  # noqa: T201 - a command that takes so long shows where it is
