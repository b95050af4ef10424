"""Sends hostile statements as a board's user, and keeps canaries that notice what one reaches.

The module `hostile` generates the statements; the real server receives them on its native port.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException

from dashboards import boards
from dashboards.publish import filled
from dashboards.server.macros import Scope, expand
from infra.warehouse.access import write_users
from tests.chaos.hostile import Grammar, Words
from tests.dashboards.shipped import PASSWORD, USERS, shipped
from tests.warehouse.other_kernel import OnOtherKernel

BOARD: Final = USERS["viewer"]
DATABASE: Final = "truth"
_ENVIRONMENT: Final = "GULOU_CANARY"
_RUNS_S: Final = 2
_WATCHED: Final = 0x1 | 0x2 | 0x20 | 0x100  # IN_ACCESS, IN_MODIFY, IN_OPEN, IN_CREATE
_NON_BLOCKING: Final = os.O_NONBLOCK


class Canaries:
    """What no statement of a board's user may reach, and how it shows that one did.

    Args:
        root: a folder for files: one to read, one to overwrite, and an empty folder to write into.
        store: the engine's own folder; a file to read lies there too.
    """

    def __init__(self, root: Path, store: Path) -> None:
        self.word, self.trap = (f"canary{secrets.token_hex(8)}" for _ in range(2))
        self.unnamed = f"unnamed{secrets.token_hex(8)}"
        """A table that no statement names: seen in an answer, metadata leaks."""
        self.environment = f"canary{secrets.token_hex(8)}"
        self.password = f"canary{secrets.token_hex(8)}"
        self.unread = f"Canary{secrets.token_hex(8)}"
        """No zone, type or function has this name: an error that misses one shows what was read."""
        self.file, self.inside = root / "canary.txt", store / "canary.txt"
        self.users, self.drop = root / "users.json", root / "drop"
        self.drop.mkdir()
        for each in (self.file, self.inside):
            each.write_text(f"{self.word}\n")
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.setblocking(False)
        self._before = self._digests()
        self._inotify = -1

    @property
    def port(self) -> int:
        """Port of the listener on this machine that must stay alone."""
        return int(self.listener.getsockname()[1])

    def declare(self, run: Callable[[str], object]) -> None:
        """Makes the tables outside the published database."""
        for statement in (
            f"CREATE DATABASE {DATABASE}",
            f"CREATE TABLE {DATABASE}.secret (n UInt64, word String) ENGINE = MergeTree ORDER BY n",
            f"INSERT INTO {DATABASE}.secret VALUES (1, '{self.word}'), (2, '{self.word}')",
            f"CREATE TABLE {DATABASE}.{self.unnamed} (n UInt64) ENGINE = MergeTree ORDER BY n",
            f"CREATE TABLE {DATABASE}.owner (n UInt64, word String) ENGINE = Join(ANY, LEFT, n)",
            f"INSERT INTO {DATABASE}.owner VALUES (1, '{self.word}')",
            f"CREATE DICTIONARY {DATABASE}.d (n UInt64, word String) PRIMARY KEY n "
            f"SOURCE(CLICKHOUSE(QUERY 'SELECT 1 AS n, ''{self.word}'' AS word')) "
            "LAYOUT(FLAT()) LIFETIME(0)",
            # Reading it is an error that names the trap, even where the answer would be a count.
            f"CREATE VIEW {DATABASE}.trap AS SELECT number AS n, '' AS word FROM numbers(1) "
            f"WHERE throwIf(number = 0, '{self.trap}') = 0",
        ):
            run(statement)

    def watch(self) -> None:
        """From now on every look into the files counts."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = libc.inotify_init1(_NON_BLOCKING)
        for path in (self.file, self.inside, self.users, self.drop):
            if libc.inotify_add_watch(self._inotify, bytes(path), _WATCHED) < 0:
                raise OSError(ctypes.get_errno(), f"{path} cannot be watched")

    def touched(self, answer: str) -> list[str]:
        """What has been reached since the last call; `answer` is the rows or the error."""
        marks = {
            "a table or file": self.word,
            "a view that throws": self.trap,
            "the list of tables": self.unnamed,
            "the environment": self.environment,
            "the users file": self.password,
            "a zone by its name": f"load time zone {self.unread}",
            "a type in a text": f"data type family: {self.unread}",
            "a state in a text": f"aggregate function {self.unread}",
        }
        reached = [what for what, mark in marks.items() if mark in answer]
        try:
            self.listener.accept()[0].close()
            reached.append("the network")
        except BlockingIOError:
            pass
        return reached + self._seen()

    def _seen(self) -> list[str]:
        try:
            events = os.read(self._inotify, 1 << 16)
        except BlockingIOError:
            return []
        return [f"a file, by the kernel's notice ({struct.unpack_from('iI', events)[1]:x})"]

    def changed(self) -> list[str]:
        """Files that are not as they were."""
        made = [f"{each.name} was written" for each in self.drop.iterdir()]
        return made + (["a file was changed"] if self._digests() != self._before else [])

    def _digests(self) -> list[bytes]:
        return [hashlib.sha256(each.read_bytes()).digest() for each in (self.file, self.inside)]

    def close(self) -> None:
        """Stops listening and watching."""
        self.listener.close()
        if self._inotify >= 0:
            os.close(self._inotify)


@dataclass
class Attack:
    """What became of the statements, and everything that one of them reached."""

    seed: int
    fates: Counter[str] = field(default_factory=Counter)
    reached: list[str] = field(default_factory=list)
    minutes: float = 0.0

    @property
    def count(self) -> int:
        """Statements sent."""
        return self.fates.total()

    def report(self) -> str:
        """The body of a section of docs/chaos.md."""
        rows = "\n".join(f"| {fate} | {count:,} |" for fate, count in self.fates.most_common())
        verdict = "none" if not self.reached else f"**{len(self.reached)}**"
        lines = "".join(f"\n- `{line}`" for line in self.reached[:30])
        return (
            f"Seed {self.seed}, {self.count:,} statements as the boards' user by the native port, "
            f"{self.minutes:.0f} minutes. Canaries are tables outside the published database, "
            "files, the environment, the users file and a listener on this machine.\n\n"
            f"**Statements that reached one: {verdict}.**{lines}\n\n"
            f"| what became of them | times |\n|---|---:|\n{rows}\n"
        )


@dataclass
class Ground:
    """A server with the shipped tables and boards, and the canaries beside them."""

    canaries: Canaries
    words: Words
    connect: Callable[[str], Client]
    """A client of `board`, or of the owner `gulou`."""
    alive: Callable[[], bool]
    """Whether the process that was started still answers."""

    def attack(self, seed: int, count: int) -> Attack:
        """Sends `count` statements; stops at the tenth that reaches something."""
        started, found, grammar = time.monotonic(), Attack(seed), Grammar(seed, self.words)
        client = self.connect(BOARD)
        while found.count < count and len(found.reached) < 10:
            sql, settings = grammar.statement(), grammar.settings()
            fate, answer = self.ask(client, sql, settings)
            found.fates[fate] += 1
            found.reached += [f"{what}: {sql}" for what in self.canaries.touched(answer)]
            if fate.startswith("no answer"):
                client.disconnect()
                client = self.connect(BOARD)
                if not self.alive():
                    found.reached.append(f"the server ended: {sql}")
        client.disconnect()
        found.reached += self.canaries.changed()
        found.minutes = (time.monotonic() - started) / 60
        return found

    def ask(self, client: Client, sql: str, settings: dict[str, str]) -> tuple[str, str]:
        """What became of a statement, and the rows or the error as text."""
        limits = {"max_execution_time": _RUNS_S, "server_side_params": True}
        parameters = {"p": "truth.secret"} if "{p:" in sql else None
        try:
            rows = client.execute(sql, parameters, settings={**limits, **settings})
        except ServerException as error:
            denied = error.code in (164, 497)
            return ("refused by the gate" if denied else "an error of the engine"), str(error)
        except (Error, OSError, EOFError, ValueError, KeyError, NotImplementedError) as error:
            return f"no answer that the client reads: {type(error).__name__}", str(error)
        return "answered", str(rows)


@contextmanager
def ground(root: Path) -> Iterator[Ground]:
    """Starts the server with its canaries in `root`."""
    store = root / "store"
    store.mkdir(exist_ok=True)
    canaries = Canaries(root, store)

    class Unconfined(OnOtherKernel):
        """The gate alone guards it: what gets through reaches files and the network."""

        ENVIRONMENT: ClassVar = {**OnOtherKernel.ENVIRONMENT, _ENVIRONMENT: canaries.environment}

        def __init__(self, data: Path, **more: Any) -> None:
            super().__init__(data, "landlock_create_ruleset seccomp", **more)

    try:
        with shipped(root, start=Unconfined) as running:
            canaries.declare(running.city.client.execute)
            warehouse = running.warehouse

            def connect(user: str) -> Client:
                password = {BOARD: PASSWORD, "gulou": "owns"}[user]
                database = "gulou_published"
                return Client(
                    *(warehouse.host, warehouse.port, database, user, password),
                    compression="lz4",
                    send_receive_timeout=60,
                )

            published = {"password": PASSWORD, "role": "board", "databases": ["gulou_published"]}
            owner = {"password": "owns", "role": "writer"}
            hidden = {"password": canaries.password, "role": "writer"}
            write_users(canaries.users, {"gulou": owner, BOARD: published, "canary": hidden})
            connect(BOARD).execute("SELECT 1")  # the server has read the new users file
            canaries.watch()
            yield Ground(canaries, _words(connect("gulou"), canaries), connect, warehouse.ready)
    finally:
        canaries.close()


def _words(owner: Client, canaries: Canaries) -> Words:
    def names(table: str) -> list[str]:
        return [name for (name,) in owner.execute(f"SELECT name FROM system.{table} ORDER BY name")]

    scope = Scope(1_609_430_400_000, 1_640_966_399_000, 3_600_000)
    real = [
        expand(filled(target["rawSql"], {}), scope)
        for board in boards.every()
        for panel in board["panels"]
        for target in panel.get("targets") or ()
    ]
    places = [
        *(str(canaries.file), str(canaries.inside), str(canaries.users), "/proc/self/environ"),
        *("../canary.txt", "/etc/passwd", f"http://127.0.0.1:{canaries.port}/x"),
    ]
    names_ = ["truth.secret", "truth", "secret", "word", ".*", "n UInt8", "TSV", "LineAsString"]
    others = ["SELECT * FROM truth.secret", "1", "id", f"127.0.0.1:{canaries.port}", "it's \\"]
    return Words(
        names("functions"),
        names("table_functions"),
        names("settings"),
        names("formats"),
        real,
        [*places, *names_, *others],
        str(canaries.drop),
        canaries.unread,
    )


def probes(ground: Ground) -> dict[str, str]:
    """By what they reach, statements that reach it when the owner asks: the canaries do notice."""
    canaries = ground.canaries
    return {
        "a table or file": "SELECT * FROM truth.secret",
        "a view that throws": "SELECT count() FROM truth.trap",
        "the list of tables": "SHOW TABLES FROM truth",
        "the environment": "SELECT file('/proc/self/environ')",
        "the users file": f"SELECT file('{canaries.users}')",
        "a zone by its name": f"SELECT toHour(now(), '{canaries.unread}')",
        "a type in a text": f"SELECT CAST(1, 'Array({canaries.unread})')",
        "a state in a text": f"SELECT CAST('', 'AggregateFunction({canaries.unread}, UInt8)')",
        "the network": f"SELECT * FROM url('http://127.0.0.1:{canaries.port}/', 'LineAsString') "
        "SETTINGS http_max_tries = 1, http_receive_timeout = 1",
        "a file, by the kernel": f"SELECT count() FROM file('{canaries.file}', 'LineAsString')",
    }
