"""From chunks of bytes to rows of the events table: checked, dated, deduplicated, corrected.

Pure: no connection, no clock. Two steps, so that the first runs while the previous insert is still
in flight: `prepare` decodes and lays out columns; `settle` decides, from what is stored, which
rows repeat an earlier one and what a correction takes back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json

from schemas.event import Content, Event
from schemas.family import Family
from schemas.partitions import partitions
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import Divisions
from schemas.sql.tables import event_columns
from schemas.wire import NOTHING, Decoder, Reason, Rejected
from streams.chunks import Chunk
from streams.identities import Hashes, hashes

Identity = tuple[int, str, str]
"""Kafka partition, source and id of an event; equal identities mean one event, sent again.

The partition is part of it: key and partition follow from the content, so the same source and id
in another partition is other content, which one partition by itself cannot see.
"""

# Office clocks and the broker's differ; beyond this, `recorded` is simply wrong.
CLOCK_SKEW_MS: Final = 60_000
LATE_MS: Final = 86_400_000  # 补录: recorded more than a day before it reached the broker
_COLUMNS: Final = tuple(column.name for column in event_columns("UTC"))


class StoredEvent(NamedTuple):
    """A counted row of the events table, as far as repeats and corrections need it; times in ms."""

    kpart: int
    koff: int
    source: str
    id: str
    corrects: str
    type: str
    status: str
    sha256: bytes
    time: int
    recorded: int
    division: str
    grid: str
    data: bytes

    @property
    def identity(self) -> Identity:
        """Identity of the event itself."""
        return self.kpart, self.source, self.id

    @property
    def root(self) -> Identity:
        """Identity of the event it corrects; its own where it corrects none."""
        return self.kpart, self.source, self.corrects or self.id


@dataclass(slots=True)
class Rows:
    """Rows laid out as columns, in the order of `event_columns`, in offset order per partition.

    Attributes:
        last: last offset of every Kafka partition that the rows come from.
        hashes: hash of each row's identity.
        places: Kafka partition of each row.
        sound: whether the row was no dead letter when `prepare` returned it.
        corrective: the sound rows that correct another, ascending.
    """

    topic: str
    columns: dict[str, list[Any]]
    identities: list[Identity]
    last: dict[int, int]
    hashes: Hashes
    places: npt.NDArray[np.uint16]
    sound: npt.NDArray[np.bool_]
    corrective: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.identities)

    def root(self, row: int) -> Identity:
        """Identity of the event that a corrective row corrects."""
        columns = self.columns
        return columns["kpart"][row], columns["source"][row], columns["corrects"][row]

    def stored(self, row: int) -> StoredEvent:
        """The row as the warehouse would return it."""
        return StoredEvent(*(self.columns[name][row] for name in StoredEvent._fields))

    def counted(self, wanted: set[Identity]) -> list[StoredEvent]:
        """The counted rows with a wanted identity or root; the rows are settled."""
        found = {n for n, identity in enumerate(self.identities) if identity in wanted}
        found |= {n for n in self.corrective if self.root(n) in wanted}
        status = self.columns["status"]
        return [self.stored(n) for n in found if status[n] in ("ok", "orphan")]

    @property
    def kparts(self) -> tuple[int, ...]:
        """The Kafka partitions that the rows come from, ascending."""
        return tuple(sorted(self.last))

    def refuse(self, row: int, reason: Reason, message: str) -> None:
        """Makes a row dead: keeps its bytes and drops its data."""
        self.columns["status"][row] = "dead"
        self.columns["reason"][row] = f"{reason}: {message}"
        self.columns["data"][row] = b""
        self.columns["net"][row] = b""


class Ingest:
    """Turns chunks of one family into rows."""

    def __init__(self, family: Family, divisions: Divisions, calendar: Calendar) -> None:
        self._family, self._calendar = family, calendar
        self._decode = Decoder(family.events, divisions)
        self._classes: dict[str, type[Event]] = {cls.spec.name: cls for cls in family.events}
        self._versions = {name: cls.spec.version for name, cls in self._classes.items()} | {"": 0}
        self._key = family.key
        # Without "", which stands for dead messages and for clocks without an extension.
        self._clocked = {type_ for c in family.clocks for type_ in (c.starts, c.extends)} - {""}
        self._corrective = {n for n, cls in self._classes.items() if cls.spec.corrective}

    def prepare(self, chunks: Sequence[Chunk]) -> Rows:
        """Decodes the chunks and lays out their rows; every record becomes exactly one row."""
        columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        for chunk in chunks:
            for name, values in self._lay_out(chunk).items():
                columns[name] += values
        rows = Rows(
            self._family.topic,
            columns,
            list(zip(columns["kpart"], columns["source"], columns["id"], strict=True)),
            {chunk.kpart: chunk.last for chunk in chunks},
            hashes(columns["source"], columns["id"]),
            np.array(columns["kpart"], np.uint16),
            np.array([status == "ok" for status in columns["status"]], np.bool_),
        )
        if self._corrective:
            rows.corrective = [
                row
                for row, (type_, status) in enumerate(
                    zip(columns["type"], columns["status"], strict=True)
                )
                if type_ in self._corrective and status == "ok"
            ]
        return rows

    def _lay_out(self, chunk: Chunk) -> dict[str, list[Any]]:
        records = chunk.records
        payloads = [record.value for record in records]
        logged = [record.timestamp for record in records]
        found, times, recorded = self._decode.timed(payloads)
        status, reason = ["ok"] * len(found), [""] * len(found)
        events = cast(list[Content], found)
        for n in [n for n, event in enumerate(found) if isinstance(event, Rejected)]:
            refused = cast(Rejected, found[n])
            events[n] = NOTHING
            status[n], reason[n] = refused.status, f"{refused.reason}: {refused.message}"
        data = [event["data"] for event in events]
        keys = [content.get(self._key, "") for content in data]
        for n in self._misplaced(chunk, keys, recorded):
            if status[n] == "ok":
                wrong = self._why_misplaced(records[n], keys[n], recorded[n])
                events[n], data[n], keys[n], times[n], recorded[n] = NOTHING, {}, "", 0, 0
                status[n], reason[n] = "dead", f"{wrong.reason}: {wrong.message}"
        if self._clocked:
            for event in events:
                if event["type"] in self._clocked:
                    self._date(event)
        offsets = [record.offset for record in records]
        types = [event["type"] for event in events]
        versions = self._versions
        return {
            "kpart": [chunk.kpart] * len(records),
            "koff": offsets,
            "koff_prev": [chunk.prev, *offsets[:-1]],
            "status": status,
            "reason": reason,
            "source": [event["source"] for event in events],
            "id": [event["id"] for event in events],
            "type": types,
            "data_version": [versions[type_] for type_ in types],
            "key": keys,
            "time": times,
            "recorded": recorded,
            "logged": logged,
            "division": [event["division"] for event in events],
            "grid": [event.get("grid", "") for event in events],
            "actor": [event.get("actor", "") for event in events],
            "correlation": [event.get("correlationid", "") for event in events],
            "causation": [event.get("causationid", "") for event in events],
            "corrects": [content.get("corrects", "") for content in data],
            "late": [
                0 < said < known - LATE_MS for said, known in zip(recorded, logged, strict=True)
            ],
            "payload": [payload or b"" for payload in payloads],
            "sha256": [sha256(payload or b"").digest() for payload in payloads],
            "data": [to_json(content) if content else b"" for content in data],
            "net": [b""] * len(records),
            "repeat_of": [-1] * len(records),
            "tok": [0] * len(records),
        }

    def _misplaced(self, chunk: Chunk, keys: Sequence[str], recorded: Sequence[int]) -> list[int]:
        """Rows that contradict the append time, key or partition of their Kafka record."""
        encoded = [key.encode() for key in keys]
        places = partitions(encoded, self._family.partitions)
        return [
            n
            for n, (record, key, place, known) in enumerate(
                zip(chunk.records, encoded, places, recorded, strict=True)
            )
            if known > record.timestamp + CLOCK_SKEW_MS or record.key != key or place != chunk.kpart
        ]

    def _why_misplaced(self, record: Any, key: str, recorded: int) -> Rejected:
        if recorded > record.timestamp + CLOCK_SKEW_MS:
            ahead = (recorded - record.timestamp) // 1000
            return Rejected(
                Reason.RECORDED_AFTER_LOGGED, f"recorded {ahead} s after the broker appended it"
            )
        # In another partition it would not meet its own repeats and corrections (D-6).
        if record.key != key.encode():
            return Rejected(Reason.KEY, f"the Kafka key is not the value of {self._key!r}")
        (right,) = partitions([record.key], self._family.partitions)
        return Rejected(Reason.PARTITION, f"its key belongs in partition {right}, by murmur2")

    def _date(self, event: Content) -> None:
        """Writes into an event's content the due instants that it sets, in ms."""
        for clock in self._family.clocks:
            due = clock.due(event["type"], event["time"], event["data"], self._calendar)
            if due is not None:
                event["data"][f"due_{clock.name}"] = round(due.timestamp() * 1000)

    def settle(
        self,
        rows: Rows,
        suspects: Iterable[int],
        related: Iterable[StoredEvent],
        awaited: set[Identity],
    ) -> None:
        """Marks repeats and conflicts, and writes the postings of corrections, in place.

        Args:
            rows: prepared rows.
            suspects: rows whose identity may have been seen before.
            related: counted rows of earlier batches, in any order and perhaps twice: every row with
                the identity of a suspect, and every original and correction of an event that rows
                correct or that stored corrections await. Other rows do no harm.
            awaited: identities that stored corrections wait for; updated in place.
        """
        stored = {(row.kpart, row.koff): row for row in related}
        before = [row for _, row in sorted(stored.items())]
        first: dict[Identity, tuple[int, bytes]] = {}
        for each in before:
            first.setdefault(each.identity, (each.koff, each.sha256))
        suspected = set(suspects)
        corrections = _Corrections(self._classes, rows, before, awaited)
        columns = rows.columns
        status, digests, offsets = columns["status"], columns["sha256"], columns["koff"]
        # One pass in order of arrival: a row repeats an earlier row of its batch only if that row
        # was counted, the same as with a row of the batch before (D-40).
        for row in corrections.touched(suspected):
            if status[row] != "ok":
                continue
            identity = rows.identities[row]
            earlier = first.get(identity) if row in suspected else None
            if earlier is not None:
                columns["repeat_of"][row], digest = earlier
                status[row] = "repeat" if digest == digests[row] else "conflict"
                continue
            corrections.post(row)
            if status[row] != "dead":
                first[identity] = offsets[row], digests[row]


class _Corrections:
    """Double entry: what a correction takes back and what replaces it, whatever arrives first.

    If an event has several corrections, the one recorded last stands (then the greater id), not the
    one that arrived last. A correction that arrives before its original waits for it as an
    orphan (D-39).
    """

    def __init__(
        self,
        classes: Mapping[str, type[Event]],
        rows: Rows,
        before: Iterable[StoredEvent],
        awaited: set[Identity],
    ) -> None:
        self._classes, self._rows, self._awaited = classes, rows, awaited
        self._corrective = set(rows.corrective)
        self._roots = awaited | {rows.root(row) for row in rows.corrective}
        self._members: dict[Identity, list[StoredEvent]] = {}
        for each in before:
            if each.root in self._roots:
                self._members.setdefault(each.root, []).append(each)

    def touched(self, suspected: set[int]) -> list[int]:
        """The rows that are suspected, correct another, or are corrected, in order of arrival."""
        if not self._roots:
            return sorted(suspected)
        identities = self._rows.identities
        corrected = {n for n, identity in enumerate(identities) if identity in self._roots}
        return sorted(suspected | self._corrective | corrected)

    def post(self, row: int) -> None:
        """Writes the postings of one counted row that is a correction or has one."""
        if row in self._corrective:
            self._correct(row)
        elif self._rows.identities[row] in self._roots:
            self._original(row, self._rows.identities[row])

    def _correct(self, row: int) -> None:
        root, new = self._rows.root(row), self._rows.stored(row)
        members = self._members.setdefault(root, [])
        original = next((m for m in members if m.identity == root and not m.corrects), None)
        if original is None:
            self._rows.columns["status"][row] = "orphan"
            self._awaited.add(root)
            members.append(new._replace(status="orphan"))
            return
        spec = self._classes[new.type].spec
        if original.type not in (spec.corrects, *spec.voids):
            self._rows.refuse(
                row, Reason.CONTRADICTION, f"{new.type} cannot correct {original.type}"
            )
            return
        before = self._standing(original, members)
        members.append(new)
        after = self._standing(original, members)
        postings = [_posting(new, 1, 0)]
        if after is not before:
            postings += self._counted(original, before, -1) + self._counted(original, after, 1)
        self._rows.columns["net"][row] = to_json(postings)

    def _original(self, row: int, identity: Identity) -> None:
        new = self._rows.stored(row)
        members = self._members.setdefault(identity, [])
        members.append(new)
        after = self._standing(new, members)
        self._awaited.discard(identity)
        if after is not new:
            postings = [_posting(new, 1, 0), *self._counted(new, after, 1)]
            self._rows.columns["net"][row] = to_json(postings)

    def _standing(self, original: StoredEvent, members: Sequence[StoredEvent]) -> StoredEvent:
        """The member whose content counts now."""
        fit = [m for m in members if m.corrects and self._fits(m, original)]
        return max(fit, key=lambda m: (m.recorded, m.id), default=original)

    def _fits(self, correction: StoredEvent, original: StoredEvent) -> bool:
        spec = self._classes[correction.type].spec
        return original.type in (spec.corrects, *spec.voids)

    def _counted(self, original: StoredEvent, standing: StoredEvent, sign: int) -> list[Content]:
        """Net posting of the content that stands, at the type and time of the original."""
        if self._classes[standing.type].spec.voids:
            return []
        return [_posting(standing._replace(type=original.type, time=original.time), 0, sign)]


def _posting(row: StoredEvent, gross: int, net: int) -> Content:
    return {
        "gross": gross,
        "net": net,
        "type": row.type,
        "time": row.time,
        "division": row.division,
        "grid": row.grid,
        "data": json.loads(row.data),
    }
