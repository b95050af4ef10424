"""Compares a running system with what Kafka holds, row for row."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition

import schemas
from tests.oracle.law import Law, Record, Row, ms

Place = tuple[str, int, int]
"""Topic, Kafka partition, offset."""


def read(bootstrap: str, topic: str) -> dict[int, list[Record]]:
    """Every message of a topic by partition, from the first to the last there is now."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, group_id=None)
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
    """Compares a running system with what Kafka holds.

    Args:
        bootstrap: Kafka.
        ask: runs a query on ClickHouse, with `settings`, and returns its rows.
        families: whose topics to compare.
        poisoned: events that a view was made unable to digest.
    """

    def __init__(
        self,
        bootstrap: str,
        ask: Callable[..., Any],
        families: Sequence[Any] | None = None,
        *,
        database: str = "gulou",
        poisoned: Iterable[Place] = (),
    ) -> None:
        self._bootstrap, self._ask, self._database = bootstrap, ask, database
        self._families = schemas.families() if families is None else families
        self._poisoned = set(poisoned)
        self.messages: dict[str, int] = defaultdict(int)
        """How many messages were compared, by status: the power of a comparison."""

    def differences(self) -> list[str]:
        """Every difference as a line, the first few of each table; empty when all is equal."""
        found: list[str] = []
        for family in self._families:
            law, rows = Law(family), []
            last: dict[int, int] = {}
            for kpart, records in read(self._bootstrap, family.topic).items():
                bad = [o for t, k, o in self._poisoned if (t, k) == (family.topic, kpart)]
                judged = law.judge(records, bad)
                found += self._events(law, kpart, judged)
                rows += judged
                if judged:
                    last[kpart] = judged[-1].record.offset
            for row in rows:
                self.messages[row.status] += 1
            for projection in family.projections:
                found += self._projection(law, projection, rows, last)
        return found

    def _events(self, law: Law, kpart: int, judged: Sequence[Row]) -> list[str]:
        table = f"events_{law.family.topic}"
        stored = self._ask(
            "SELECT koff, koff_prev, toString(status), repeat_of, source, id, type, key, "
            "toUnixTimestamp64Milli(time), toUnixTimestamp64Milli(recorded), "
            "toUnixTimestamp64Milli(logged), division, grid, corrects, late, sha256, payload, data "
            f"FROM {self._database}.{table} WHERE kpart = {kpart} ORDER BY koff",
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

    def _projection(
        self, law: Law, projection: Any, rows: Sequence[Row], last: Mapping[int, int]
    ) -> list[str]:
        table = f"{law.family.topic}_{projection.name}"
        columns = self._ask(
            "SELECT name, type FROM system.columns "
            f"WHERE database = '{self._database}' AND table = '{table}' ORDER BY position"
        )
        marks = dict(
            self._ask(f"SELECT kpart, max(hi) FROM {self._database}.{table} GROUP BY kpart")
        )
        problems = [f"{table}: watermarks {marks}, right: {last}"] if marks != dict(last) else []
        keys, figures = [], []
        for name, type_ in columns:
            if name in ("kpart", "hi"):
                continue
            if type_.startswith("SimpleAggregateFunction("):
                function, _, inner = type_[len("SimpleAggregateFunction(") : -1].partition(", ")
                figures.append((name, _plain(f"{function}(`{name}`)", inner)))
            else:
                keys.append((name, _plain(f"`{name}`", type_)))
        if hasattr(projection, "grain"):  # in the order of Law.rollup, not of the table's key
            parts = ("type", projection.place, *projection.dims, projection.grain)
            keys.sort(key=lambda key: parts.index(key[0]))
        picks = ", ".join(sql for _, sql in keys + figures)
        group = ", ".join(f"`{name}`" for name, _ in keys)
        got = {
            row[: len(keys)]: _tuples(row[len(keys) :])
            for row in self._ask(f"SELECT {picks} FROM {self._database}.{table} GROUP BY {group}")
        }
        names = [name for name, _ in figures]
        right: dict[tuple[Any, ...], tuple[Any, ...]]
        if hasattr(projection, "stages"):
            got.pop(("",), None)
            cases = law.cases(rows)
            right = {
                (case,): tuple(_spread(each[n]) for n in names) for case, each in cases.items()
            }
        elif not hasattr(projection, "grain"):
            # The last day of a row is a bound, which an event that moved away leaves where it was.
            *names, bound = names
            for key, (*days, last_day) in got.items():
                if any(day > last_day for each in days[::2] for day in each[0]):
                    problems.append(f"{table}{key}: {bound} {last_day} is before a day of the row")
            got = {key: row[:-1] for key, row in got.items() if any(days for days, _ in row[:-1:2])}
            right = {
                key: tuple(_spread(each[n]) for n in names)
                for key, each in law.diary(projection, rows).items()
            }
        else:
            got = {key: sums for key, sums in got.items() if any(sums)}
            right = {k: tuple(v) for k, v in law.rollup(projection, rows).items()}
        for key in sorted(set(got) | set(right), key=repr):
            if got.get(key) != right.get(key):
                here, there = got.get(key), right.get(key)
                if here and there:
                    wrong = [
                        (n, h, t) for n, h, t in zip(names, here, there, strict=True) if h != t
                    ]
                    problems.append(f"{table}{key}: (figure, stored, right): {wrong}")
                else:
                    problems.append(f"{table}{key}: stored {here}, right {there}")
        return problems[:8] + ([f"{table}: … {len(problems)} in all"] if len(problems) > 8 else [])


def _as_stored(law: Law, row: Row) -> tuple[Any, ...]:
    record, event = row.record, row.event
    payload = record.value or b""
    head = (record.offset, row.prev, row.status, row.repeats)
    tail = (hashlib.sha256(payload).digest(), payload)
    if not event:
        return (*head, "", "", "", "", 0, 0, record.logged, "", "", "", False, *tail, None)
    due = {f"due_{clock}": at for clock, at in law.due(event).items()}
    return (
        *head,
        event["source"],
        event["id"],
        event["type"],
        (record.key or b"").decode(),
        event["_time"],
        event["_recorded"],
        record.logged,
        event["division"],
        event.get("grid", ""),
        row.data.get("corrects", ""),
        0 < event["_recorded"] < record.logged - 86_400_000,
        *tail,
        _instants(row.data) | due,
    )


def _decoded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    *rest, late, digest, payload, data = row
    words = [each.decode() if isinstance(each, bytes) else each for each in rest]
    if words[2] == "dead":
        # A contradiction is found after the row was laid out: who said it stays readable.
        words[4:10], words[11:14], late = ["", "", "", "", 0, 0], ["", "", ""], False
    return (*words, bool(late), digest, payload, _instants(json.loads(data)) if data else None)


def _instants(data: Mapping[str, Any]) -> dict[str, Any]:
    """Content with its one instant as ms: two spellings of an offset are one instant."""
    return {n: ms(v) if n == "since" and isinstance(v, str) else v for n, v in data.items()}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _spread(value: Any) -> Any:
    """A map as ClickHouse has it, keys beside values, in the order of the keys."""
    if not isinstance(value, dict):
        return value
    return tuple(sorted(value)), tuple(value[key] for key in sorted(value))


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
