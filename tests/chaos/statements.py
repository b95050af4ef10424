"""Hostile statements of a board's user: a seeded grammar, and canaries that notice a reach.

The grammar knows the functions, table functions, settings and formats of the engine under test, and
real boards' SQL, into which it splices. The statements go to the real server by its native port.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import random
import re
import secrets
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from clickhouse_driver import Client
from clickhouse_driver.errors import Error, ServerException

from dashboards import boards
from dashboards.publish import filled
from dashboards.server.macros import Scope, expand
from infra.warehouse.access import write_users
from tests.dashboards.shipped import BOARD, PASSWORD, shipped

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
            "a table, by its trap": self.trap,
            "the list of tables": self.unnamed,
            "the environment": self.environment,
            "the users file": self.password,
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


@dataclass(frozen=True)
class Words:
    """What the grammar chooses from: names of the engine, places of the canaries, real SQL."""

    functions: list[str]
    table_functions: list[str]
    settings: list[str]
    formats: list[str]
    boards: list[str]
    texts: list[str]
    drop: str


_VALUES: Final = (
    "file({path})",
    "arrayMap(file, [{path}])",
    "arrayMap(`file`, [{path}, {path}])",
    "arrayMap(x -> file(x), [{path}])",
    "arrayFold((a, x) -> file(x), [{path}], '')",
    "dictGet('truth.d', 'word', toUInt64(1))",
    "dictGetOrDefault('truth.d', 'word', 1, 'x')",
    "joinGet('truth.owner', 'word', toUInt64(1))",
    "arrayMap(joinGet, ['truth.owner'], ['word'], [toUInt64(1)])",
    "hasColumnInTable('truth', 'secret', 'word')",
    "formatRow('Protobuf', 1)",
    "formatRow({format}, 1)",
    "getServerSetting('path')",
    "(SELECT {value} FROM {relation} LIMIT 1)",
    "n IN {relation}",
    "1 IN ({relation})",
    "in(1, {relation})",
    "notIn({value}, {relation})",
    "exists((SELECT 1 FROM {relation}))",
    "EXISTS (SELECT 1 FROM {relation})",
    "{function}({value})",
    "{function}({text}, {value})",
    "{function}({text}, {text}, {value})",
    "{function}()",
    "arrayMap({function}, [{text}])",
    "arrayMap({function}, [{text}], [{text}])",
    "arrayFilter({function}, [{value}])",
    "arrayReduce({text}, [{value}])",
    "{function}If({value}, 1)",
    "{function}(DISTINCT {value}) OVER ()",
    "if({value}, {value}, {value})",
    "CASE WHEN {value} THEN {value} ELSE {value} END",
    "CAST({value}, {text})",
    "({value})::String",
    "toString({value})",
    "({value}, {value}).1",
    "[{value}][1]",
    "{{'a': {value}}}",
    "{{p:Identifier}}",
    "{{p:String}}",
    "truth.secret.word",
    "secret.word",
    "word",
    "n",
    "*",
    "COLUMNS('.*')",
    "1",
    "'x'",
    "NULL",
    "{text}",
)
_RELATIONS: Final = (
    "truth.secret",
    "`truth`.`secret`",
    '"truth"."secret"',
    "`truth.secret`",
    '"truth.secret"',
    "truth . /* gulou_published.x */ secret",
    "TRUTH.secret",
    "truth.trap",
    "truth.owner",
    "truth.d",
    "truth.`.inner.x`",
    "gulou.events",
    "gulou.heartbeat",
    "system.processes",
    "system.settings",
    "system.tables",
    "`system`.columns",
    "`system.tables`",
    "system.parts",
    "system.one",
    "information_schema.tables",
    "_temporary_and_external_tables.x",
    "default.`canary.txt`",
    "`{bare}`",
    "default.`{bare}`",
    "'{bare}'",
    "file({path}, 'LineAsString')",
    "file({path}, {format}, 'x String')",
    "url({url}, 'LineAsString')",
    "remote('127.0.0.1', truth.secret)",
    "merge('truth', '.*')",
    "merge(REGEXP('tr.*'), '.*')",
    "merge('.*')",
    "dictionary('truth.d')",
    "loop(truth.secret)",
    "view(SELECT * FROM truth.secret)",
    "viewIfPermitted(SELECT * FROM truth.secret ELSE null('n UInt8'))",
    "numbers(3)",
    "numbers((SELECT count() FROM {relation}))",
    "values('n UInt8', 1)",
    "format({format}, {text})",
    "{table_function}({text})",
    "{table_function}({text}, {text})",
    "{table_function}({text}, {text}, {text})",
    "{table_function}(truth.secret)",
    "{table_function}()",
    "(SELECT * FROM {relation})",
    "(SELECT {value} AS n FROM {relation})",
    "({select})",
    "divisions",
    "gulou_published.divisions",
    "petitions_cases(at = {value})",
    "gulou_published.petitions_cases(at = (SELECT max(n) FROM {relation}))",
    "petitions_cases(at = '2021-12-31 00:00:00')",
    "{{p:Identifier}}",
)
_SELECTS: Final = (
    "SELECT {value}",
    "SELECT {value} FROM {relation}",
    "SELECT * FROM {relation}",
    "SELECT count() FROM {relation}",
    "SELECT DISTINCT {value} AS truth FROM {relation} AS truth",
    "SELECT {value} FROM divisions WHERE {value}",
    "SELECT {value} FROM divisions PREWHERE {value}",
    "SELECT * EXCEPT (name) FROM {relation}",
    "SELECT * REPLACE ({value} AS name) FROM divisions",
    "SELECT * APPLY({function}) FROM divisions",
    "SELECT * APPLY {function} FROM divisions",
    "SELECT * APPLY(x -> {value}) FROM divisions",
    "SELECT COLUMNS('name') APPLY(file) FROM divisions",
    "WITH x AS (SELECT * FROM {relation}) SELECT * FROM x",
    "WITH {value} AS x SELECT x",
    "WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x) SELECT {value} FROM x",
    "SELECT 1 UNION ALL {select}",
    "(SELECT 1) EXCEPT ({select})",
    "SELECT {value} FROM divisions, {relation}",
    "SELECT * FROM divisions AS a JOIN {relation} AS b ON {value}",
    "SELECT * FROM divisions ANY LEFT JOIN {relation} USING (n)",
    "SELECT * FROM divisions ARRAY JOIN [{value}] AS e, {relation}",
    "SELECT * FROM {relation} FINAL SAMPLE 1 / 2",
    "SELECT {value} GROUP BY {value} HAVING {value}",
    "SELECT {value} AS v FROM divisions ORDER BY {value} WITH FILL FROM {value} TO {value}",
    "SELECT {value} FROM divisions LIMIT (SELECT count() FROM {relation})",
    "SELECT sum(1) OVER (PARTITION BY {value} ORDER BY {value}) FROM divisions",
    "SELECT {value} FROM divisions QUALIFY {value}",
    "FROM {relation} SELECT *",
)
_STATEMENTS: Final = (
    *(("{select}",) * 12),
    *(("{board}",) * 6),
    "{select} FORMAT {format_name}",
    "{select} SETTINGS {setting} = {text}",
    "{select} FORMAT {format_name} SETTINGS {setting} = {text}",
    "{select} INTO OUTFILE '{drop}/a'",
    "{select} INTO OUTFILE '{drop}/b' APPEND FORMAT {format_name}",
    "{select} INTO OUTFILE {path} TRUNCATE",
    "SELECT 1 INTO OUTFILE '{drop}/c' AND STDOUT COMPRESSION 'gzip'",
    "EXPLAIN {select}",
    "EXPLAIN AST {select} INTO OUTFILE '{drop}/d'",
    "EXPLAIN QUERY TREE {select}",
    "EXPLAIN ESTIMATE {select}",
    "DESCRIBE ({select})",
    "DESCRIBE TABLE {relation}",
    "DESC {relation} FORMAT {format_name}",
    "EXISTS TABLE {relation}",
    "EXISTS {relation}",
    "CHECK TABLE {relation}",
    "SHOW TABLES",
    "SHOW TABLES FROM truth",
    "SHOW TABLES FROM gulou_published LIKE {text}",
    "SHOW TABLES WHERE {value}",
    "SHOW TABLES WHERE (SELECT count() FROM {relation}) > 1",
    "SHOW TABLES LIKE 'd%' INTO OUTFILE '{drop}/e' FORMAT {format_name}",
    "SHOW TABLES LIKE 'd%' LIMIT (SELECT count() FROM {relation})",
    "SHOW DATABASES",
    "SHOW DATABASES LIKE {text}",
    "SHOW CREATE TABLE {relation}",
    "SHOW COLUMNS FROM secret FROM truth",
    "SHOW {setting}",
    "SHOW FUNCTIONS",
    "SHOW PROCESSLIST",
    "USE truth",
    "SET {setting} = {text}",
    "SELECT 1; {select}",
    "{select} PARALLEL WITH {select}",
    "INSERT INTO FUNCTION file('{drop}/f') {select}",
    "INSERT INTO FUNCTION {table_function}({text}) {select}",
    "INSERT INTO truth.secret {select}",
    "CREATE TABLE gulou_published.x ENGINE = Memory AS {select}",
    "CREATE TEMPORARY TABLE x AS {select}",
    "CREATE VIEW gulou_published.x AS {select}",
    "CREATE FUNCTION f AS x -> file(x)",
    "DROP TABLE truth.secret",
    "BACKUP TABLE truth.secret TO File('{drop}/g')",
    "SYSTEM RELOAD DICTIONARIES",
    "ATTACH TABLE x FROM '{drop}' (n UInt8) ENGINE = MergeTree ORDER BY n",
    "KILL QUERY WHERE {value}",
)
_HARMLESS: Final = {
    "value": ("1", "'x'", "name", "code", "toString(name)", "[1, 2]", "NULL", "length(name)"),
    "relation": ("divisions", "gulou_published.divisions", "numbers(3)", "labels"),
    "function": ("toString", "length", "lower", "max", "identity"),
}
"""So that a statement is often valid but for one piece: the gate must find that one."""
_SLOT: Final = re.compile(r"\{(\w+)\}|\{\{|\}\}")
_DEEPEST: Final = 4


class Grammar:
    """Statements one after the other, the same for the same seed and words."""

    def __init__(self, seed: int, words: Words) -> None:
        self._dice, self._words = random.Random(seed), words

    def statement(self) -> str:
        """One hostile statement, or a harmless one that looks like it."""
        text = self._filled(self._dice.choice(_STATEMENTS), 0)
        return self._disguised(text) if self._dice.random() < 0.4 else text

    def settings(self) -> dict[str, str]:
        """A setting in one of eight statements."""
        if self._dice.random() > 1 / 8:
            return {}
        values = ("0", "1", "1e-10", "-1", "x", "\\'", self._dice.choice(self._words.texts))
        return {self._dice.choice(self._words.settings): self._dice.choice(values)}

    def _filled(self, template: str, depth: int) -> str:
        return _SLOT.sub(lambda slot: self._slot(slot[1] or slot[0][0], depth), template)

    def _slot(self, name: str, depth: int) -> str:
        dice, words = self._dice, self._words
        if name in "{}":
            return name
        if name in _HARMLESS and dice.random() < 0.5:
            return dice.choice(_HARMLESS[name])
        if name in ("value", "relation", "select"):
            choices = {"value": _VALUES, "relation": _RELATIONS, "select": _SELECTS}[name]
            if depth < _DEEPEST:
                return self._filled(dice.choice(choices), depth + 1)
            return {"value": "word", "relation": "truth.secret", "select": "SELECT 1"}[name]
        if name == "board":
            return self._spliced(dice.choice(words.boards), depth)
        if name == "text":
            return self._quoted(dice.choice(words.texts))
        if name in ("path", "url"):
            fitting = [text for text in words.texts if ("://" in text) == (name == "url")]
            return self._quoted(dice.choice([text for text in fitting if "/" in text]))
        if name == "bare":
            return dice.choice([text for text in words.texts if text.startswith("/")])
        if name == "format":
            return self._quoted(dice.choice(words.formats))
        if name == "drop":
            return words.drop
        return dice.choice(
            {
                "function": words.functions,
                "table_function": words.table_functions,
                "setting": words.settings,
                "format_name": words.formats,
            }[name]
        )

    def _spliced(self, sql: str, depth: int) -> str:
        """Real SQL with a hostile piece in place of one of its names, numbers or texts."""
        places = list(re.finditer(r"'[^']*'|\b\w+\b(?!')", sql))
        place = self._dice.choice(places)
        before = sql[: place.start()].rstrip().upper()
        kind = "{relation}" if before.endswith(("FROM", "JOIN")) else "{value}"
        pieces = (
            kind,
            kind,
            "{function}",
            f"{place[0]}, {kind}",
            f"{place[0]} UNION ALL {{select}}",
        )
        piece = self._filled(self._dice.choice(pieces), depth + 1)
        return sql[: place.start()] + piece + sql[place.end() :]

    def _quoted(self, text: str) -> str:
        escaped = text.replace("\\", "\\\\").replace("'", "\\'")
        tag = self._dice.choice(("", "t"))
        return self._dice.choice((f"'{escaped}'", f"'{escaped}'", f"${tag}${text}${tag}$"))

    def _disguised(self, sql: str) -> str:
        dice = self._dice
        gaps = (
            " ",
            "\n",
            "\t",
            " /* gulou_published.divisions */ ",
            " -- x\n",
            " /**/ ",
            " #! x\n",
        )
        parts = sql.split(" ")
        text = parts[0] + "".join(
            (dice.choice(gaps) if dice.random() < 0.3 else " ") + part for part in parts[1:]
        )
        change = dice.randrange(6)
        if change == 0:
            return re.sub(r"[A-Z]{4,}", lambda word: word[0].title(), text)
        if change == 1:  # one character lost, or one of those that open or end something
            at = dice.randrange(len(text))
            noise = ("", "'", '"', "`", "(", ")", ";", "\\", "$$", "--", "/*", "\0", "‘", "“")
            return text[:at] + dice.choice(noise) + text[at + 1 :]
        if change == 2:
            name = dice.choice(self._words.functions)
            return text.replace("(", f"(`{name}`(", 1).replace(")", "))", 1)
        return text


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
    os.environ[_ENVIRONMENT] = canaries.environment
    try:
        with shipped(root) as running:
            os.environ.pop(_ENVIRONMENT)
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
        os.environ.pop(_ENVIRONMENT, None)
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
    )


def probes(ground: Ground) -> dict[str, str]:
    """By what they reach, statements that reach it when the owner asks: the canaries do notice."""
    canaries = ground.canaries
    return {
        "a table or file": "SELECT * FROM truth.secret",
        "a table, by its trap": "SELECT count() FROM truth.trap",
        "the list of tables": "SHOW TABLES FROM truth",
        "the environment": "SELECT file('/proc/self/environ')",
        "the users file": f"SELECT file('{canaries.users}')",
        "the network": f"SELECT * FROM url('http://127.0.0.1:{canaries.port}/', 'LineAsString') "
        "SETTINGS http_max_tries = 1, http_receive_timeout = 1",
        "a file, by the kernel": f"SELECT count() FROM file('{canaries.file}', 'LineAsString')",
    }
