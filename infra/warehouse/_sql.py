"""The little SQL that the server must understand itself: where a statement's clauses begin.

The engine's own parser does everything else.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from urllib.parse import quote

from infra.warehouse import sizes
from infra.warehouse._fault import QUERY_IS_TOO_LARGE, SYNTAX_ERROR, Fault

_TOKEN = re.compile(
    r"""(?P<gap>\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|‘[^’]*’)
    |(?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|“[^”]*”)
    |(?P<unclosed>(?:/\*|'|\$\w*\$|‘|`|"|“).*)
    |(?P<parameter>\{\s*\w+\s*:[^{}]*\})
    |(?P<number>(?:0x[\da-fA-F]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?))
    |(?P<word>[A-Za-z_\u0080-\U0010ffff][\w$\u0080-\U0010ffff]*)
    |(?P<sign>.)""",
    # ASCII: a statement may come as one character per byte, and byte A0 is no space.
    re.DOTALL | re.VERBOSE | re.ASCII,
)
_UNESCAPED = re.compile(r"\\(.)|(``|\"\")", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a statement and its offset; gaps and comments are not tokens.

    A comment or quote without an end is one token up to the end of the statement: searching for the
    end of the next one again and again would take a minute for 180 kB of `/*`.
    """

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Offset after it."""
        return self.start + len(self.text)

    @property
    def upper(self) -> str:
        """As a keyword; empty when it is quoted."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """As an identifier, without quotes and escapes; empty when it is none."""
        if self.kind == "word":
            return self.text
        if self.kind == "quoted":
            return _UNESCAPED.sub(lambda each: each[1] or each[2][0], self.text[1:-1])
        return ""


def tokens(sql: str, start: int = 0) -> Iterator[Token]:
    """The tokens of `sql`, found on demand: data after VALUES is never scanned.

    Raises:
        Fault: there are too many; each costs a microsecond of a lock that all clients share.
    """
    count = 0
    for found in _TOKEN.finditer(sql, start):
        kind = "text" if found.lastgroup == "tag" else str(found.lastgroup)
        if kind != "gap":
            count += 1
            if count > sizes.TOKENS:
                raise Fault(
                    QUERY_IS_TOO_LARGE,
                    f"The statement has more than {sizes.TOKENS} words and signs.",
                    do="Put the values into a table and join it.",
                )
            yield Token(kind, found[0], found.start())


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose rows come from outside the statement."""

    target: str
    """The text between INSERT INTO and SETTINGS or the data: table and columns, as written."""
    table: str
    """What DESCRIBE TABLE takes to list the rows' columns: a table or a table function."""
    columns: tuple[str, ...]
    """Names in the column list; empty when there is none."""
    every_but: tuple[str, ...]
    """Names after EXCEPT, when the column list is `* EXCEPT (...)`."""
    settings: str
    """`SETTINGS a = 1`, as written; may be empty."""
    format: str
    data_at: int
    """Offset in the statement where inline data would begin."""
    around_input: tuple[str, str, str] | None = None
    """In INSERT … SELECT … FROM input(…): the text before, the arguments, the text after."""

    def from_file(self, path: str, format_name: str) -> str:
        """The statement that reads the rows from a file instead."""
        if self.around_input is not None:
            before, structure, after = self.around_input
            source = f"file('{path}', '{format_name}', {structure}, 'none')"
            return f"INSERT INTO {self.target} {self.settings} {before}{source}{after}"
        return (
            f"INSERT INTO {self.target} FROM INFILE '{path}' COMPRESSION 'none' "
            f"{self.settings} FORMAT {format_name}"
        )


def statement_kind(sql: str) -> str:
    """The first keyword in upper case; SELECT also for a query in brackets.

    What follows WITH and its names decides: WITH 1 AS y INSERT INTO t SELECT y is an INSERT.
    """
    stream = tokens(sql)
    for token in stream:
        if token.upper == "WITH":
            return _kind_after_with(stream)
        if token.text != "(":
            return token.upper or token.text
    raise Fault(SYNTAX_ERROR, "Syntax error: the query is empty.")


def _kind_after_with(stream: Iterator[Token]) -> str:
    depth, before = 0, ""
    for token in stream:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        named = before in ("AS", ".")
        if not depth and token.upper in ("SELECT", "INSERT") and not named:
            return token.upper
        before = token.upper or token.text
    return "SELECT"


def single(sql: str) -> str:
    """`sql` without the semicolon at its end.

    Raises:
        Fault: there is more than one statement.
    """
    end = last = 0
    for token in tokens(sql):
        if end:
            raise Fault(SYNTAX_ERROR, f"Multi-statements are not allowed: {token.text[:40]!r}.")
        if token.text == ";":
            end = token.start
        last = token.end
    return sql[: end or last]


def format_of(sql: str) -> str:
    """The format a query names; empty when it names none."""
    if (found := _format(sql)) is None or statement_kind(sql) == "INSERT":
        return ""
    return found[1].text


def without_format(sql: str) -> str:
    """`sql` without FORMAT: the caller passes the format to the engine."""
    if (found := _format(sql)) is None:
        return sql
    return sql[: found[0].start] + sql[found[1].end :]


def _format(sql: str) -> tuple[Token, Token] | None:
    if "format" not in sql.lower():
        return None
    found = [each for each in tokens(sql) if each.text != ";"]
    for at in range(len(found) - 2, 0, -1):
        after = found[at + 2].upper if at + 2 < len(found) else ""
        if found[at].upper == "FORMAT" and found[at + 1].name and after in ("", "SETTINGS"):
            return found[at], found[at + 1]
    return None


def parse_insert(sql: str) -> Insert | None:
    """The INSERT, when its rows come from outside or follow VALUES or FORMAT; else None."""
    stream = _Lookahead(tokens(sql))
    if not stream.take("INSERT"):
        return None
    stream.take("INTO")
    stream.take("TABLE")
    start = stream.next.start if stream.next else len(sql)
    is_function = stream.take("FUNCTION")
    named = stream.next.start if stream.next else len(sql)
    end = _name(stream)
    table, columns = sql[named:end], list[Token]()
    if stream.next is not None and stream.next.text == "(":
        columns, after = _brackets(stream)
        if is_function:
            end, table, columns = after, sql[named:after], []
            if stream.next is not None and stream.next.text == "(":
                columns, end = _brackets(stream)
        elif _is_query(columns):
            return None
        else:
            end = after
    settings, format_name = "", ""
    while (token := stream.next) is not None and not format_name:
        if token.upper == "SETTINGS" and not settings:
            settings = _settings(stream, sql)
        elif token.upper == "VALUES":
            format_name = "Values"
        elif token.upper == "FORMAT":
            stream.move()
            format_name = stream.next.text if stream.next is not None else ""
        elif token.text == ";":
            break
        elif token.upper in ("SELECT", "WITH"):
            return _with_input(sql, stream, sql[start:end], settings)
        else:
            return None
    return Insert(
        sql[start:end],
        table,
        *_column_list(columns),
        settings,
        format_name,
        stream.next.end if stream.next is not None and format_name else len(sql),
    )


def _column_list(inside: Sequence[Token]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names in a column list, and names after `* EXCEPT`; no names stand for all columns."""
    names: list[str] = []
    dotted = False
    for token in inside:
        if token.name and dotted:  # a column of a Nested: n.x
            names[-1] += f".{token.name}"
        elif token.name:
            names.append(token.name)
        dotted = token.text == "." and bool(names)
    if names[:1] and names[0].upper() == "EXCEPT" and len(names) > 1:
        return (), tuple(names[1:])
    if any(token.text == "*" for token in inside):
        return (), ()
    return tuple(names), ()


def _with_input(sql: str, stream: _Lookahead, target: str, settings: str) -> Insert | None:
    """INSERT … SELECT … FROM input(…), whose rows come from outside; None without input(…)."""
    begin = stream.next.start if stream.next is not None else len(sql)
    around: tuple[int, int, int, int] | None = None
    depth, before, end = 0, "", len(sql)
    while (token := stream.next) is not None:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if not depth and token.text == ";":
            end = token.start
            break
        stream.move()
        if token.name == "input" and before == "FROM" and stream.next and stream.next.text == "(":
            opening = stream.next.end
            inside, closing = _brackets(stream)
            around = (token.start, opening, inside[-1].start, closing)
        elif not depth and token.upper == "FORMAT" and stream.next and stream.next.name:
            if around is None:
                return None
            name = stream.next
            parts = _around(sql, begin, around, token.start)
            return Insert(target, f"null({parts[1]})", (), (), settings, name.text, name.end, parts)
        before = token.upper
    if around is None:
        return None
    parts = _around(sql, begin, around, end)
    return Insert(target, f"null({parts[1]})", (), (), settings, "", len(sql), parts)


def _around(sql: str, begin: int, at: tuple[int, int, int, int], end: int) -> tuple[str, str, str]:
    return sql[begin : at[0]], sql[at[1] : at[2]], sql[at[3] : end]


class _Lookahead:
    def __init__(self, stream: Iterator[Token]) -> None:
        self._stream = stream
        self.next: Token | None = None
        self.move()

    def move(self) -> None:
        self.next = next(self._stream, None)

    def take(self, keyword: str) -> bool:
        if self.next is not None and self.next.upper == keyword:
            self.move()
            return True
        return False


def _name(stream: _Lookahead) -> int:
    end = 0
    while stream.next is not None and (stream.next.name or stream.next.kind == "parameter"):
        end = stream.next.end
        stream.move()
        if stream.next is None or stream.next.text != ".":
            break
        stream.move()
    return end


def _brackets(stream: _Lookahead) -> tuple[list[Token], int]:
    inside: list[Token] = []
    depth = 0
    while stream.next is not None:
        token = stream.next
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        stream.move()
        inside.append(token)
        if not depth:
            return inside, token.end
    return inside, inside[-1].end


def _is_query(inside: Sequence[Token]) -> bool:
    first = next((each for each in inside if each.text != "("), None)
    return first is not None and first.upper in ("SELECT", "WITH")


def _settings(stream: _Lookahead, sql: str) -> str:
    assert stream.next is not None
    start = end = stream.next.start
    while stream.next is not None and stream.next.upper not in _AFTER_SETTINGS:
        end = stream.next.end
        stream.move()
    return sql[start:end]


_AFTER_SETTINGS = frozenset(("VALUES", "FORMAT", "SELECT", "WITH"))


def mark(serial: int, query_id: str, user: str) -> str:
    """A comment to put before a statement, so that it can be found while it runs.

    The engine assigns its own query ids and accepts none; the comment carries the client's id.
    """
    # A client's id may hold any byte.
    told = quote(query_id, safe="", errors="surrogateescape")
    return f"/*{serial} {told} {quote(user, safe='')}*/ "


_MARK = r"'^/\\*[0-9]+ ([^ ]*) ([^ ]*)\\*/ '"


def _marked(part: int, otherwise: str) -> str:
    """The part of a statement's mark, counted from 1, or what the engine says of one without."""
    groups = f"extractGroups(query, {_MARK})"
    return f"if(empty({groups}), {otherwise}, decodeURLComponent({groups}[{part}]))"


_ID, _USER = _marked(1, "query_id"), _marked(2, "user")
_QUERY = f"replaceRegexpOne(query, {_MARK}, '')"
_PROCESSES = (
    f"(SELECT * REPLACE ({_ID} AS query_id, {_ID} AS initial_query_id, {_USER} AS user, "
    f"{_USER} AS initial_user, {_QUERY} AS query) FROM system.processes)"
)


def marked_ids(sql: str, kind: str) -> str:
    """`sql` with the clients' query ids and users in place of those of the engine."""
    lowered = sql.lower()
    if kind == "KILL" and "query" in lowered:
        return _replaced(sql, [(each, _renamed(each)) for each in tokens(sql)])
    if "processes" not in lowered:
        return sql
    return replaced_relations(sql, {("system", "processes"): _PROCESSES})


def replaced_relations(sql: str, subqueries: Mapping[tuple[str, str], str]) -> str:
    """`sql` with a subquery in place of each of these relations.

    The subquery's alias is the relation's name, so that qualified columns still resolve.
    """
    found = list(tokens(sql))
    changes: list[tuple[Token, str]] = []
    for at, token in enumerate(found[:-2]):
        name = found[at + 2].name
        subquery = subqueries.get((token.name.lower(), name))
        if subquery is None or found[at + 1].text != "." or (at and found[at - 1].text == "."):
            continue
        after = found[at + 3] if at + 3 < len(found) else None
        if after is not None and after.text == ".":  # a column, not the relation
            changes += [(token, ""), (found[at + 1], "")]
            continue
        has_alias = after is not None and (after.upper == "AS" or _is_alias(after))
        changes += [(token, subquery + ("" if has_alias else f" AS {name}"))]
        changes += [(found[at + 1], ""), (found[at + 2], "")]
    return _replaced(sql, changes)


_CLAUSES = frozenset(
    """
    WHERE PREWHERE GROUP ORDER LIMIT OFFSET SETTINGS FORMAT UNION EXCEPT INTERSECT HAVING WINDOW
    QUALIFY ARRAY LEFT RIGHT INNER FULL CROSS JOIN GLOBAL ANY ALL ASOF SEMI ANTI ON USING FINAL
    SAMPLE INTO FETCH PASTE
    """.split()  # noqa: SIM905
)


def _is_alias(token: Token) -> bool:
    return bool(token.name) and token.upper not in _CLAUSES


def _renamed(token: Token) -> str:
    if token.name == "query_id":
        return _ID
    return _USER if token.kind == "word" and token.text == "user" else token.text


def _replaced(sql: str, changes: Sequence[tuple[Token, str]]) -> str:
    parts, at = [], 0
    for token, text in changes:
        parts += [sql[at : token.start], text]
        at = token.end
    return "".join([*parts, sql[at:]])


def weight(found: Sequence[Token], queries: Set[str]) -> float:
    """How many queries the heaviest part of a statement means, WITH's names written out.

    The engine looks a name up among those that are defined later too, so the order does not count.
    Names that stand for each other weigh infinitely, and so does one that is defined twice and
    stands in its own query: which of them it means there depends on the place.
    """
    uses, times = _uses(found, queries)
    for owner, used in uses.items():
        if times[owner] < 2:  # a column of the same name, or a relation outside the statement
            del used[owner]
    users: dict[str, list[str]] = {}
    for owner, used in uses.items():
        for name in used:
            users.setdefault(name, []).append(owner)
    weights = {owner: float(times[owner]) for owner in uses}
    waiting = {owner: len(used) for owner, used in uses.items()}
    ready = [owner for owner, count in waiting.items() if not count]
    for name in ready:  # grows while it is read
        for owner in users.get(name, ()):
            weights[owner] += uses[owner][name] * weights[name]
            waiting[owner] -= 1
            if not waiting[owner]:
                ready.append(owner)
    return max(weights.values()) if len(ready) == len(waiting) else math.inf


def _uses(
    found: Sequence[Token], queries: Set[str]
) -> tuple[dict[str, Counter[str]], Counter[str]]:
    """What the query of each name from WITH uses, "" being the statement, and each name's queries.

    A name counts where it may be a column too.
    """
    uses = {owner: Counter[str]() for owner in ("", *queries)}
    times = Counter[str]()
    owners = [""]
    for at, token in enumerate(found):
        after = found[at + 1].text if at + 1 < len(found) else ""
        if token.text == "(":
            named = at > 1 and found[at - 1].upper == "AS" and found[at - 2].name in queries
            owners.append(found[at - 2].name if named else owners[-1])
            times[owners[-1]] += named
        elif token.text == ")" and len(owners) > 1:
            owners.pop()
        elif token.name in queries and after not in (".", "AS"):
            is_part = at and (found[at - 1].text == "." or found[at - 1].upper == "AS")
            uses[owners[-1]][token.name] += not is_part
    return {owner: +used for owner, used in uses.items()}, times
