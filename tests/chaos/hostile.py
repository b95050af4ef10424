"""Hostile statements of a board's user, from a seeded grammar.

It knows the functions, table functions, settings and formats of the engine under test, and real
boards' SQL, into which it splices.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final


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
    unread: str
    """No name of a zone, a type or a function: an error that looks for one shows what was read."""


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
    "({value})::{type}",
    "CAST({value} AS {type})",
    "CAST({value}, {typed})",
    "CAST(unhex('0a00'), concat({typed}, ''))",
    "accurateCastOrNull({value}, {typed})",
    "reinterpret({text}, {typed})",
    "defaultValueOfTypeName({typed})",
    "JSONExtract({value}, 'a', {typed})",
    "JSONExtractKeysAndValues({text}, {typed})",
    "arrayMap(CAST, [{value}], [{typed}])",
    "toHour({value}, {zone})",
    "toHour(now(), {zone})",
    "toString(now(), {zone})",
    "toDateTime64(0, 3, {zone})",
    "addDays(now(), 1, {zone})",
    "dateDiff('day', now(), now(), {zone})",
    "toStartOfInterval(now(), toIntervalDay(1), {zone})",
    "now() AT TIME ZONE {zone}",
    "toString(now(), concat({zone}, {value}))",
    "{function}(now(), {zone})",
    "{function}({value}, {value}, {zone})",
    "arrayMap({function}, [now()], [{zone}])",
    "arrayMap((toString), [now()], [{zone}])",
    "arrayMap(x -> toString(now(), x), [{zone}])",
    "{function}(untuple((now(), {zone})))",
    "{function}(*)",
    "toString(COLUMNS('.'))",
    "{{p:{type}}}",
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
    "values({structure}, {value})",
    "values({structure}, (1, 'x'))",
    "null({structure})",
    "{table_function}({structure})",
    "{table_function}({value}, {structure})",
    "(SELECT now() AS a, {zone} AS b)",
    "(SELECT {value} AS a, {typed} AS b)",
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
    "SELECT * APPLY({function}{state}) FROM {relation}",
    "SELECT * APPLY {function}{state} FROM (SELECT {value} AS x FROM numbers(2))",
    "SELECT * APPLY({function}{state}, 'x') FROM (SELECT {value} AS x)",
    "SELECT {function}{state}(CAST(unhex('0a00'), {typed}))",
    "SELECT toString(*) FROM {relation}",
    "SELECT toString(t.*) FROM {relation} AS t",
    "WITH (x, y) -> {function}(x, y) AS lower SELECT lower(now(), {zone})",
    "WITH x -> * AS lower SELECT {function}(lower(1)) FROM {relation}",
    "WITH {zone} AS x, {typed} AS y SELECT toHour(now(), x), CAST(1, y)",
    "WITH b AS (SELECT * FROM a UNION ALL SELECT * FROM a), a AS ({select}) SELECT * FROM b",
    "WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT {value} FROM a",
    "WITH x AS ({select}) SELECT * FROM (WITH x AS (SELECT * FROM x) SELECT {value} FROM x)",
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
_TYPES: Final = (
    "{unread}",
    "Array({unread})",
    "Tuple(a {unread})",
    "AggregateFunction({unread}, UInt64)",
    "SimpleAggregateFunction({unread}, UInt64)",
    "AggregateFunction({function}, {type})",
    "DateTime('{unread}')",
    "Nullable(DateTime64(3, '{unread}'))",
    "Map(String, {type})",
    "Variant({type}, String)",
    "JSON",
    "Dynamic",
    "Enum8('{unread}' = 1)",
    "UInt64",
    "String",
    "DateTime('Asia/Shanghai')",
)
_STRUCTURE: Final = "n UInt64, word String {kept} toString({value})"
_PLAIN: Final = {
    "kept": ("ALIAS", "DEFAULT", "MATERIALIZED", "EPHEMERAL"),
    "state": ("Merge", "State", "MergeState", "StateIf", "ForEachMerge", "SimpleState", ""),
    "zoned": ("Asia/Shanghai", "UTC", "Africa/Cairo", "Fixed/UTC+01:02:03", "../../etc/passwd"),
}
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
        if name in _PLAIN:
            return dice.choice(_PLAIN[name])
        if name in ("type", "typed", "structure", "zone", "unread"):
            return self._read_again(name, depth)
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

    def _read_again(self, name: str, depth: int) -> str:
        """A text that the engine reads as a type, as columns or as a zone, or what stands in it."""
        dice = self._dice
        if name == "unread":
            return self._words.unread
        if name == "type":
            shallow = depth < _DEEPEST
            return self._filled(dice.choice(_TYPES), depth + 1) if shallow else "String"
        if name == "zone":
            return self._quoted(dice.choice((self._words.unread, dice.choice(_PLAIN["zoned"]))))
        return self._quoted(self._filled("{type}" if name == "typed" else _STRUCTURE, depth + 1))

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
