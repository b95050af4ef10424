"""Imports county ledgers (CSV, XLSX, JSONL) as events, by a mapping file.

Every row ends in one of three ways: its events are in Kafka, or it is in the reject file with the
reason, or it repeats an earlier row word for word and is also in the reject file. The ids of a
row's events derive from the row's identity, so importing a file again, whole or in part, counts
nothing twice.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final, TextIO, TypeVar

from producers.client import Encoded, Encoder, Producer
from producers.ledgers.mapping import LedgerMapping, load_mapping
from producers.ledgers.rows import Code, Converter, Draft, Reject, Rejection
from producers.ledgers.tables import Row, Table
from schemas.errors import Misconfigured

__all__ = [
    "Code",
    "ImportReport",
    "LedgerMapping",
    "Rejection",
    "RowOutcome",
    "import_ledger",
    "load_mapping",
    "outcomes",
]

_CHUNK: Final = 500  # rows sealed in one transaction and flushed together
_HEAD: Final = ("行号", "列名", "原因代码", "说明")
_FORMULA: Final = ("=", "+", "-", "@", "\t")

_T = TypeVar("_T")
OnRows = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row: its messages, or why there are none."""

    row: int
    messages: tuple[Encoded, ...]
    types: tuple[str, ...]
    rejection: Rejection | None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Counts of one import; `rows` is `accepted` + `rejected` + `repeated_rows`.

    Attributes:
        rows: rows that are not blank.
        accepted: rows whose events are in Kafka.
        rejected: rows in the reject file that must be corrected.
        repeated_rows: rows that repeat an earlier one word for word; also in the reject file.
        sent: events sent by this run.
        resumed: accepted rows that an interrupted import had sent before.
        events: events of the accepted rows, by type.
        reasons: rejected rows, by reason.
    """

    rows: int
    accepted: int
    rejected: int
    repeated_rows: int
    sent: int
    resumed: int
    events: Mapping[str, int]
    reasons: Mapping[str, int]

    def __str__(self) -> str:
        again = f"，接着上次的 {self.resumed:,} 行" if self.resumed else ""
        return (
            f"共 {self.rows:,} 行：入库 {self.accepted:,} 行{again}，退回 {self.rejected:,} 行，"
            f"重复 {self.repeated_rows:,} 行；发送事件 {self.sent:,} 条。"
        )


def outcomes(
    path: Path, mapping: LedgerMapping, encoder: Encoder, *, now: datetime | None = None
) -> Iterator[RowOutcome]:
    """The outcome of each row, in order; touches no network.

    Args:
        path: the ledger.
        mapping: which columns feed which fields.
        encoder: seals and checks.
        now: no row may be recorded later than this; the clock by default.

    Raises:
        Misconfigured: the ledger cannot be read, or lacks a column the mapping names.
    """
    table = Table(path, header=mapping.header, sheet=mapping.sheet)
    _check_columns(path, table, mapping, encoder)
    converter = Converter(mapping, encoder, now or datetime.now(UTC))
    for rows in _chunks(table.rows()):
        yield from _chunk(rows, converter, encoder)


def import_ledger(
    path: Path,
    mapping: LedgerMapping | Path,
    producer: Producer,
    *,
    rejects: Path,
    on_progress: OnRows | None = None,
    now: datetime | None = None,
) -> ImportReport:
    """Sends a ledger's events and writes the rows it cannot take into `rejects`.

    An interrupted import resumes after the last chunk that Kafka acknowledged; a small file beside
    `rejects` records it. This only saves sending: the event ids prevent double counting.

    Args:
        path: the ledger.
        mapping: which columns feed which fields, or the file that declares it.
        producer: where the events go; flushed, not closed.
        rejects: reject file to write, CSV that Excel opens; replaces an existing file.
        on_progress: called with the rows done and the approximate total.
        now: no row may be recorded later than this; the clock by default.

    Raises:
        Misconfigured: mapping or ledger cannot be read, or do not fit each other.
        Unavailable: Kafka or the key vault does not answer.
    """
    if isinstance(mapping, Path):
        mapping = load_mapping(mapping)
    table = Table(path, header=mapping.header, sheet=mapping.sheet)
    mark = _Mark(
        rejects.with_name(rejects.name + ".progress"),
        [table.digest(), hashlib.sha256(mapping.model_dump_json().encode()).hexdigest()],
        producer.cluster,
    )
    done, size = mark.read(), table.size()
    count: Counter[str] = Counter()
    events: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    rejects.parent.mkdir(parents=True, exist_ok=True)
    with rejects.open("w", encoding="utf-8-sig", newline="") as file:
        writer = _Rejects(file)
        for found in _chunks(outcomes(path, mapping, producer.encoder, now=now)):
            for outcome in found:
                count["rows"] += 1
                if outcome.rejection is not None:
                    writer.write(outcome.row, outcome.rejection)
                    again = outcome.rejection.code == "repeated"
                    count["repeated" if again else "rejected"] += 1
                    reasons.update([] if again else [outcome.rejection.code])
                    continue
                count["accepted"] += 1
                events.update(outcome.types)
                if outcome.row <= done:
                    count["resumed"] += 1
                    continue
                for message in outcome.messages:
                    producer.send_bytes(*message)
                    count["sent"] += 1
            producer.flush()
            file.flush()
            mark.write(max(done, found[-1].row))
            if on_progress is not None:
                on_progress(count["rows"], max(size or 0, count["rows"]) or None)
    mark.remove()
    if on_progress is not None:
        on_progress(count["rows"], count["rows"])
    return ImportReport(
        count["rows"],
        count["accepted"],
        count["rejected"],
        count["repeated"],
        count["sent"],
        count["resumed"],
        dict(events),
        dict(reasons),
    )


def _chunks(items: Iterator[_T]) -> Iterator[tuple[_T, ...]]:
    while chunk := tuple(islice(items, _CHUNK)):
        yield chunk


def _chunk(rows: tuple[Row, ...], converter: Converter, encoder: Encoder) -> Iterator[RowOutcome]:
    drafted: list[tuple[Row, list[Draft] | Rejection]] = []
    for row in rows:
        try:
            drafted.append((row, converter.drafts(row)))
        except Reject as reject:
            drafted.append((row, reject.why))
    sound = [found for _, found in drafted if isinstance(found, list)]
    encoder.vault.assign(pair for found in sound for pair in converter.owned(found))
    encoder.vault.prepare(subject for found in sound for subject in converter.subjects(found))
    for row, found in drafted:
        if isinstance(found, Rejection):
            yield RowOutcome(row.number, (), (), found)
            continue
        try:
            messages = converter.encoded(row, found)
        except Reject as reject:
            yield RowOutcome(row.number, (), (), reject.why)
            continue
        types = tuple(draft.made.type for draft in found)
        yield RowOutcome(row.number, tuple(messages), types, None)


def _check_columns(path: Path, table: Table, mapping: LedgerMapping, encoder: Encoder) -> None:
    there = table.columns()
    missing = [name for name in mapping.columns() if name not in there]
    doubled = [name for name in mapping.columns() if there.count(name) > 1]
    if missing or doubled:
        what = f"没有 {missing[0]!r} 这一列" if missing else f"有两列都叫 {doubled[0]!r}"
        # A header without any name of the mapping may be a row about a person: do not quote it.
        strange = not set(there) & set(mapping.columns())
        shown = f"{len(there)} 列，与映射文件的列名都不同" if strange else ", ".join(there)
        raise Misconfigured(
            f"台账 {path.name!r} {what}。(A column of the mapping is missing or doubled.)",
            do=f"表头第 {mapping.header} 行有 (there are): {shown}。",
        )
    unknown = mapping.division.unknown
    if unknown and unknown not in encoder.divisions:
        raise Misconfigured(f"映射文件的 division.unknown {unknown!r} 不是一个区划代码。")


class _Rejects:
    """Writes the reject file; a cell that Excel would take for a formula is written as text."""

    def __init__(self, file: TextIO) -> None:
        self._write = csv.writer(file).writerow
        self._write(_HEAD)

    def write(self, row: int, why: Rejection) -> None:
        cells = [why.column, why.code, why.message]
        self._write([row, *(f"'{c}" if c.startswith(_FORMULA) else c for c in cells)])


class _Mark:
    """The last row of one ledger that one Kafka cluster has, under one mapping."""

    def __init__(self, path: Path, digests: list[str], cluster: str) -> None:
        self._path, self._of = path, [*digests, cluster]

    def read(self) -> int:
        """Number of the last acknowledged row; 0 without a valid record."""
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return 0
        same = isinstance(found, dict) and found.get("of") == self._of and self._of[-1]
        return int(found["row"]) if same else 0

    def write(self, row: int) -> None:
        # Written aside and renamed: a half-written file holds a wrong number or none.
        aside = self._path.with_name(self._path.name + ".new")
        aside.write_text(json.dumps({"of": self._of, "row": row}))
        aside.replace(self._path)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
