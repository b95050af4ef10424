"""Compares a running system with the messages in Kafka, row by row."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from tests.oracle.book import BOOK, Cases, Days, Sums, Topic
from tests.oracle.files import Files, Line, sorted_lines
from tests.oracle.law import DAY_MS, Law, Record, Row, ms

Place = tuple[str, int, int]
"""Topic, Kafka partition, offset."""
Source = Callable[[str], dict[int, list[Record]]]
"""Every message of a topic by partition, oldest first."""

_STORED = (
    "koff, koff_prev, toString(status), repeat_of, notEmpty(reason), source, id, type, "
    "data_version, key, toUnixTimestamp64Milli(time), toUnixTimestamp64Milli(recorded), "
    "toUnixTimestamp64Milli(logged), division, grid, actor, correlation, causation, corrects, "
    "late, sha256, payload, data"
)


def read(kafka: Mapping[str, Any], topic: str) -> dict[int, list[Record]]:
    """Every message of a topic by partition, from the first up to the end at the call."""
    consumer = KafkaConsumer(**kafka, enable_auto_commit=False, group_id=None)
    try:
        places = [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        consumer.seek_to_beginning(*places)
        found: dict[int, list[Record]] = {place.partition: [] for place in places}
        while any(consumer.position(place) < ends[place] for place in places):
            for place, batch in consumer.poll(1000, max_records=20_000).items():
                found[place.partition] += [
                    Record(each.offset, each.timestamp, each.key, each.value, place.partition)
                    for each in batch
                    if each.offset < ends[place]
                ]
        return found
    finally:
        consumer.close()


class Oracle:
    """Compares a running system with the messages in Kafka.

    Args:
        source: Kafka's address and login, or a function that returns the messages of a topic.
        ask: runs a query on ClickHouse, with `settings`, and returns its rows.
        topics: topics to compare.
        poisoned: events on which a view was made to fail.
    """

    def __init__(
        self,
        source: Mapping[str, Any] | Source,
        ask: Callable[..., Any],
        topics: Iterable[Topic] = tuple(BOOK.values()),
        *,
        database: str = "gulou",
        poisoned: Iterable[Place] = (),
    ) -> None:
        self._read = source if callable(source) else partial(read, source)
        self._ask, self._database = ask, database
        self._topics = tuple(topics)
        self._poisoned = set(poisoned)
        self.messages: dict[str, int] = defaultdict(int)
        """Number of compared messages by status, which shows how much a comparison covers."""

    def differences(self, *, views: bool = True) -> list[str]:
        """The first few differences of each table, one line each; empty when all is equal.

        Args:
            views: compare the published views of cases too, at some instants. They are made from
                the tables alone, and take more time than all of them.
        """
        found: list[str] = []
        for topic in self._topics:
            law, rows = Law(topic), []
            last: dict[int, int] = {}
            for kpart, records in self._read(topic.topic).items():
                bad = [o for t, k, o in self._poisoned if (t, k) == (topic.topic, kpart)]
                judged = law.judge(records, bad)
                found += self._events(law, kpart, judged)
                rows += judged
                if judged:
                    last[kpart] = judged[-1].record.offset
            for row in rows:
                self.messages[row.status] += 1
            for figure in topic.figures:
                found += self._figure(law, figure, rows, last)
                if views and isinstance(figure, Cases):
                    found += self._views(law, figure, rows)
        return found

    def _events(self, law: Law, kpart: int, judged: Sequence[Row]) -> list[str]:
        table = f"events_{law.topic.topic}"
        stored = self._ask(
            f"SELECT {_STORED} FROM {self._database}.{table} WHERE kpart = {kpart} ORDER BY koff",
            strings_as_bytes=True,
        )
        wanted = [_as_stored(law, row) for row in judged]
        offsets = [row[0] for row in stored]
        problems = []
        if len(set(offsets)) < len(offsets):
            twice = sorted({o for o in offsets if offsets.count(o) > 1})[:5]
            problems.append(f"{table}@{kpart}: stored twice: {twice} and {len(offsets)} rows")
        missing = sorted({row[0] for row in wanted} - set(offsets))
        if missing:
            problems.append(f"{table}@{kpart}: {len(missing)} offsets missing, from {missing[:5]}")
        by_offset = {row[0]: _decoded(row) for row in stored}
        for row in wanted:
            got = by_offset.pop(row[0], None)
            if got is not None and got != row:
                wrong = [(g, w) for g, w in zip(got, row, strict=True) if g != w]
                problems.append(f"{table}@{kpart}#{row[0]}: (stored, right): {wrong}"[:600])
        if by_offset:
            problems.append(f"{table}@{kpart}: {len(by_offset)} offsets that Kafka never had")
        return problems[:8]

    def _figure(
        self, law: Law, figure: Sums | Days | Cases, rows: Sequence[Row], last: Mapping[int, int]
    ) -> list[str]:
        table = f"{law.topic.topic}_{figure.name}"
        marks = dict(
            self._ask(f"SELECT kpart, max(hi) FROM {self._database}.{table} GROUP BY kpart")
        )
        problems = [f"{table}: watermarks {marks}, right: {last}"] if marks != dict(last) else []
        if isinstance(figure, Sums):
            key = ["type", figure.place, *figure.dims, figure.grain]
            right = law.sums(figure, rows)
        elif isinstance(figure, Days):
            key, right = ["grid", "year"], law.days(figure, rows)
        else:
            key = ["case"]
            right = {(number,): each for number, each in law.cases(rows).items()}
        got = self._stored(table, key)
        if isinstance(figure, Sums):
            got = {key: row for key, row in got.items() if any(row.values())}
        elif isinstance(figure, Days):
            got = {key: row for key, row in got.items() if any(map(_days, row.values()))}
            for row_key, row in got.items():
                # An upper bound: it stays when an event is voided or moved.
                bound = row.pop("last_day")
                if any(day > bound for each in row.values() for day in _days(each)):
                    problems.append(f"{table}{row_key}: {bound} is before a day of the row")
        else:
            got.pop(("",), None)
        return problems + _unequal(table, got, {k: _spread(row) for k, row in right.items()})

    def _stored(self, table: str, key: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Rows of a table of figures, each figure by column name."""
        columns = self._ask(
            "SELECT name, type FROM system.columns "
            f"WHERE database = '{self._database}' AND table = '{table}' ORDER BY position"
        )
        types = {name: type_ for name, type_ in columns if name not in ("kpart", "hi")}
        keys = [_plain(f"`{name}`", types.pop(name)) for name in key]
        figures = []
        for name, type_ in types.items():
            function, _, inner = type_[len("SimpleAggregateFunction(") : -1].partition(", ")
            figures.append(_plain(f"{function}(`{name}`)", inner))
        found = self._ask(
            f"SELECT {', '.join(keys + figures)} FROM {self._database}.{table} "
            f"GROUP BY {', '.join(f'`{name}`' for name in key)}"
        )
        return {
            row[: len(key)]: dict(zip(types, map(_tuples, row[len(key) :]), strict=True))
            for row in found
        }

    def _views(self, law: Law, figure: Cases, rows: Sequence[Row]) -> list[str]:
        """Differences between the published views of cases and the files, at some instants."""
        files, topic = Files(law, rows), law.topic.topic
        problems = self._view(f"{topic}_steps", "", files.steps())
        for at in files.instants():
            call = f"(at = {at})"
            problems += self._view(f"{topic}_{figure.name}", call, files.cases(at))
            problems += self._view(f"{topic}_deadlines", call, files.deadlines(at))
            problems += self._view(f"{topic}_pending", call, files.pending(at))
        return problems[:8]

    def _view(self, view: str, call: str, lines: Iterator[Line]) -> list[str]:
        right = list(lines)
        if not right:
            return []
        picks = ", ".join(_instant(name) for name in right[0])
        asked = self._ask(f"SELECT {picks} FROM {self._database}_desk.{view}{call}")
        got, wanted = sorted(map(tuple, asked), key=repr), sorted_lines(right)
        if got == wanted:
            return []
        extra = [row for row in got if row not in set(wanted)][:1]
        missing = [row for row in wanted if row not in set(got)][:1]
        said = [dict(zip(right[0], row, strict=True)) for row in (*extra, *missing)]
        if extra and missing:
            case, *others = right[0]
            told = [case, *(name for name in others if said[0][name] != said[1][name])]
            said = [{name: row[name] for name in told} for row in said]
        return [
            f"{view}{call}: {len(got)} rows, right {len(wanted)}; "
            f"wrong {bool(extra)}, missing {bool(missing)}: {said}"[:900]
        ]


def _unequal(
    table: str, got: dict[tuple[Any, ...], Any], right: dict[tuple[Any, ...], Any]
) -> list[str]:
    problems = []
    for key in sorted(set(got) | set(right), key=repr):
        here, there = got.get(key), right.get(key)
        if here == there:
            continue
        if here and there:
            names = sorted(set(here) | set(there))
            wrong = [(n, here.get(n), there.get(n)) for n in names if here.get(n) != there.get(n)]
            problems.append(f"{table}{key}: (figure, stored, right): {wrong}")
        else:
            problems.append(f"{table}{key}: stored {here}, right {there}")
    more = [f"{table}: … {len(problems)} in all"] if len(problems) > 8 else []
    return problems[:8] + more


def _as_stored(law: Law, row: Row) -> tuple[Any, ...]:
    record, event = row.record, row.event
    payload = record.value or b""
    refused = row.status in ("dead", "parked")
    head = (record.offset, row.prev, row.status, row.repeats, refused)
    tail = (hashlib.sha256(payload).digest(), payload)
    if not event:
        empty = ("", "", "", 0, "", 0, 0, record.logged, "", "", "", "", "", "", False)
        return (*head, *empty, *tail, None)
    due = {f"due_{clock}": at for clock, at in law.due(event).items()}
    return (
        *head,
        event["source"],
        event["id"],
        row.type,
        law.topic.forms[row.type].version,
        (record.key or b"").decode(),
        row.time,
        event["_recorded"],
        record.logged,
        event["division"],
        *(event.get(name, "") for name in ("grid", "actor", "correlationid", "causationid")),
        row.data.get("corrects", ""),
        event["_recorded"] < record.logged - DAY_MS,
        *tail,
        # A refused correction keeps its head columns but has no content.
        None if refused else _instants(row.data) | due,
    )


def _decoded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    *rest, refused, source, id_, type_, version = row[:9]
    *more, late, digest, payload, data = row[9:]
    words = [
        each.decode() if isinstance(each, bytes) else each
        for each in (*rest, bool(refused), source, id_, type_, version, *more)
    ]
    return (*words, bool(late), digest, payload, _instants(json.loads(data)) if data else None)


def _instants(data: Mapping[str, Any]) -> dict[str, Any]:
    """Content with its only instant as ms: offsets differ, the instant is the same."""
    return {n: ms(v) if n == "since" and isinstance(v, str) else v for n, v in data.items()}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _spread(row: Mapping[str, Any]) -> dict[str, Any]:
    """Maps as ClickHouse returns them: sorted keys, then their values."""
    return {
        name: (tuple(sorted(value)), tuple(value[key] for key in sorted(value)))
        if isinstance(value, dict)
        else value
        for name, value in row.items()
    }


def _days(figure: Any) -> Iterable[str]:
    """The days of a figure; none if it is not by day."""
    return figure[0] if isinstance(figure, tuple) else ()


def _instant(column: str) -> str:
    """SQL: a view's instant column in ms."""
    if column in ("since", "time", "begun", "due") or column.endswith("_at"):
        return f"toUnixTimestamp64Milli({column})"
    return f"toUnixTimestamp64Milli({column})" if column.startswith("due_") else f"`{column}`"


def _plain(sql: str, type_: str) -> str:
    if type_.startswith("Tuple(Array(DateTime64"):
        instants = "arrayMap(at -> toUnixTimestamp64Milli(at), {}.{})".format
        return f"({instants(sql, 1)}, {instants(sql, 2)})"
    if type_.startswith("Tuple"):
        return f"({sql}.1::Array(String), {sql}.2)"
    if type_.startswith("DateTime64"):
        return f"toUnixTimestamp64Milli({sql})"
    if type_.startswith("DateTime"):
        return f"toUnixTimestamp({sql})"
    return f"toString({sql})" if type_.startswith("Date") else sql
