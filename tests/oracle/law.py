"""What the declarations of a family mean, told a second time: a plain Python fold.

No code of `streams/` and no SQL of `schemas/`: of a family it reads only the declarations (which
types, fields, vocabularies, clocks there are).
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kafka.partitioner.default import murmur2

import schemas

ZONE = ZoneInfo("Asia/Shanghai")
NEVER = round(datetime(2299, 1, 1, tzinfo=ZONE).timestamp() * 1000)
FIXED = {(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)}
ENVELOPE = {"specversion", "id", "source", "type", "dataschema", "time", "recorded", "division"}
OPTIONAL = {"grid", "actor", "correlationid", "causationid"}
_DATA = Path(schemas.__file__).parent / "data"


@dataclass(slots=True)
class Record:
    """A message as the broker has it, in Kafka partition `kpart`, appended at `logged`, in ms."""

    offset: int
    logged: int
    key: bytes | None
    value: bytes | None
    kpart: int = 0


@dataclass(slots=True)
class Row:
    """What must become of a message; `event` is empty unless it was understood."""

    record: Record
    prev: int
    status: str
    event: dict[str, Any] = field(default_factory=dict)
    repeats: int = -1

    @property
    def data(self) -> dict[str, Any]:
        content: dict[str, Any] = self.event["data"]
        return content

    @property
    def identity(self) -> tuple[str, str]:
        return self.event["source"], self.event["id"]

    @property
    def root(self) -> tuple[str, str]:
        return self.event["source"], self.data["corrects"]


class Law:
    """The declarations of one family, and how the oracle understands them."""

    def __init__(self, family: Any) -> None:
        self.family = family
        self.kinds = {cls.spec.name: cls for cls in family.events}
        self.opening = family.events[0].spec.name
        with (_DATA / "divisions_431200.csv").open(encoding="utf-8") as lines:
            self.codes = {row["code"] for row in csv.DictReader(lines)}
        with (_DATA / "calendar_cn.csv").open(encoding="utf-8") as lines:
            self.days = {date.fromisoformat(r["date"]): r["kind"] for r in csv.DictReader(lines)}
        self.last_year = max(day.year for day in self.days)
        self.starts: dict[str, set[str]] = defaultdict(set)
        self.movers: dict[str, set[str]] = defaultdict(set)
        for clock in family.clocks:
            self.starts[clock.name].add(clock.starts)
            self.movers[clock.name] |= {clock.extends} - {""}
            if clock.counts == "last":
                self.movers[clock.name].add(clock.starts)
        ends = {end for fold in family.projections for end in getattr(fold, "ends", ())}
        self.stops = {
            kind: [f"met_{clock.name}" for clock in family.clocks if kind in clock.ends]
            + ["ended_at"] * (kind in ends)
            for kind in self.kinds
        }

    def understand(self, record: Record) -> tuple[str, dict[str, Any]]:
        """Status (ok, parked or dead) of one message alone, and its event."""
        try:
            event = json.loads((record.value or b"").decode(), object_pairs_hook=_unique)
            json.dumps(event, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return "dead", {}
        if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
            return "dead", {}
        kind = self.kinds.get(str(event.get("type")))
        if kind is None:
            return "dead", {}
        stem, _, version = str(event.get("dataschema")).rpartition(":")
        if stem != f"urn:gulou:{event['type']}" or not version.isdigit():
            return "dead", {}
        if int(version) > kind.spec.version:
            return "parked", {}
        if event["type"] == "visit.recorded" and version == "1":
            event["data"]["lasted"] = 60 * event["data"].pop("lasted_hours", "missing")
        try:
            fits = self._fits(event, kind, record)
        except (KeyError, ValueError, TypeError, AttributeError):
            fits = False
        return ("ok", event) if fits else ("dead", {})

    def _fits(self, event: dict[str, Any], kind: Any, record: Record) -> bool:
        names = set(event) - {"data"}
        fields, data = kind.fields, event["data"]
        event["_time"], event["_recorded"] = ms(event["time"]), ms(event["recorded"])
        grid = event.get("grid", event["division"])
        needed = {name for name, spec in fields.items() if not spec.optional}
        return (
            names >= ENVELOPE
            and names <= ENVELOPE | OPTIONAL
            and set(data) >= needed
            and set(data) <= set(fields)
            and event["division"] in self.codes
            and ("grid" not in event or len(event["division"]) == 12)
            and grid.startswith(event["division"])
            and event["_time"] <= event["_recorded"] <= record.logged + 60_000
            and all(_right(fields[name], value) for name, value in data.items())
            and data[kind.spec.key].encode() == record.key
            and (murmur2(record.key) & 0x7FFFFFFF) % self.family.partitions == record.kpart
        )

    def due(self, event: Mapping[str, Any]) -> dict[str, int]:
        """Due instants in ms that one event sets, by clock."""
        found = {}
        for clock in self.family.clocks:
            name, values = clock.when
            if name and event["data"].get(name) not in values:
                continue
            if event["type"] == clock.starts:
                found[clock.name] = self._end(event["time"], clock.days, clock.unit)
            elif event["type"] == clock.extends:
                days = clock.days + min(event["data"]["days"], clock.longest)
                found[clock.name] = self._end(event["data"]["since"], days, clock.unit)
        return found

    def _end(self, start: str, days: int, unit: str) -> int:
        day = datetime.fromisoformat(start).astimezone(ZONE).date()
        step = timedelta(days=1)
        if unit == "natural":
            day += days * step
        else:
            while days:
                day += step
                days -= not self._rest(day)
        while self._rest(day):
            day += step
        midnight = day + step
        instant = datetime(midnight.year, midnight.month, midnight.day, tzinfo=ZONE)
        return round(instant.timestamp() * 1000)

    def _rest(self, day: date) -> bool:
        if day in self.days:
            return self.days[day] == "off"
        later = day.year > self.last_year and (day.month, day.day) in FIXED
        return day.weekday() >= 5 or later

    def corrective(self, row: Row) -> bool:
        spec = self.kinds[row.event["type"]].spec
        return bool(spec.corrects or spec.voids)

    def may_correct(self, row: Row, original: Row) -> bool:
        spec = self.kinds[row.event["type"]].spec
        return original.event["type"] in (spec.corrects, *spec.voids)

    def judge(self, records: Sequence[Record], poisoned: Iterable[int] = ()) -> list[Row]:
        """What becomes of each message of one partition, in the order of its offsets."""
        first: dict[tuple[str, str], Row] = {}
        rows, prev = [], -1
        bad = set(poisoned)
        for record in records:
            status, event = self.understand(record)
            row = Row(record, prev, status, event)
            rows.append(row)
            prev = record.offset
            if record.offset in bad:
                row.status, row.event = "dead", {}
            if row.status != "ok":
                continue
            earlier = first.get(row.identity)
            if earlier is not None:
                same = earlier.record.value == record.value
                row.status, row.repeats = "repeat" if same else "conflict", earlier.record.offset
                continue
            if self.corrective(row):
                original = first.get(row.root)
                if original is None or self.corrective(original):
                    row.status = "orphan"
                elif not self.may_correct(row, original):
                    row.status, row.event = "dead", {}
                    continue
            first[row.identity] = row
        return rows

    def standing(self, rows: Iterable[Row]) -> list[tuple[Row, Row]]:
        """Every original that counts, with the row whose content stands for it; voided: none."""
        rows = list(rows)
        groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in rows:
            if row.status in ("ok", "orphan") and self.corrective(row):
                groups[row.root].append(row)
        found = []
        for row in rows:
            if row.status != "ok" or self.corrective(row):
                continue
            fit = [each for each in groups[row.identity] if self.may_correct(each, row)]
            last = max(fit, key=lambda r: (r.event["_recorded"], r.event["id"]), default=row)
            if not self.kinds[last.event["type"]].spec.voids:
                found.append((row, last))
        return found

    def rollup(self, projection: Any, rows: Sequence[Row]) -> dict[tuple[Any, ...], list[int]]:
        """Figures by (type, place, dims, bucket): count then totals, gross then net of each."""
        totals = list(
            dict.fromkeys(n for c in self._classes for n, f in c.fields.items() if f.total)
        )
        found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * (2 + 2 * len(totals)))

        def post(row: Row, type_: str, time: int, place: int) -> None:
            dims = [row.data.get(dim, "") for dim in projection.dims]
            place_, hour, day = self._where(projection.place, row, time)
            bucket = hour if projection.grain == "hour" else day
            sums = found[type_, place_, *dims, bucket]
            sums[place] += 1
            for n, name in enumerate(totals, 1):
                spec = self.kinds[type_].fields.get(name)
                sums[2 * n + place] += row.data.get(name, 0) if spec and spec.total else 0

        for row in rows:
            if row.status == "ok":
                post(row, row.event["type"], row.event["_time"], 0)
        for original, last in self.standing(rows):
            post(last, original.event["type"], original.event["_time"], 1)
        return {key: sums for key, sums in found.items() if any(sums)}

    @property
    def _classes(self) -> list[Any]:
        return list(self.kinds.values())

    def diary(self, projection: Any, rows: Sequence[Row]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """By (grid, year) the days of each type with the net count of each, and their sum."""
        kept = {type_: type_.partition(".")[2] for type_ in projection.types}
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for original, last in self.standing(rows):
            verb = kept.get(original.event["type"])
            if verb is None:
                continue
            grid, _, day = self._where("grid", last, original.event["_time"])
            row = found.setdefault(
                (grid, int(day[:4])),
                {f"{each}_days": {} for each in kept.values()}
                | {f"{each}_count": 0 for each in kept.values()},
            )
            row[f"{verb}_days"][day] = row[f"{verb}_days"].get(day, 0) + 1
            row[f"{verb}_count"] += 1
        return found

    def _where(self, level: str, row: Row, time: int) -> tuple[str, int, str]:
        """Place of an event at a level, and the hour and the day of an instant."""
        division, grid = row.event["division"], row.event.get("grid", "")
        name, value = self.family.county_only or ("", None)
        if name and row.data.get(name) == value:
            division, grid = division[:6], ""
        place = {"county": division[:6], "division": division, "grid": grid}[level]
        day = datetime.fromtimestamp(time / 1000, ZONE).date().isoformat()
        return place, time // 3_600_000 * 3600, day

    def cases(self, rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
        """One row a case by its number: first instants, facts, due instants."""
        facts = {n: f for c in self._classes for n, f in c.fields.items() if f.fact}
        blank = {"String": "", "Int64": 0, "Bool": False}
        name, value = self.family.county_only or ("", None)
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row.status != "ok":
                continue
            event, kind = row.event, self.kinds[row.event["type"]]
            case = found.setdefault(row.data[kind.spec.key], self._blank(facts, blank))
            case["events"] += 1
            at = f"{event['type'].partition('.')[2]}_at"
            for each in (at, *self.stops[event["type"]]):
                case[each] = min(case[each], event["_time"])
            if event["type"] == self.opening:
                case["division"] = max(case["division"], event["division"])
                case["grid"] = max(case["grid"], event.get("grid", ""))
            for fact in facts:
                if fact in row.data and kind.fields[fact].fact:
                    case[fact] = max(case[fact], row.data[fact])
            for clock, due in self.due(event).items():
                first, moved = f"due_{clock}", f"due_{clock}_moved"
                if event["type"] in self.starts[clock]:
                    case[first] = min(case[first], due)
                if event["type"] in self.movers[clock]:
                    case[moved][event["_time"]] = max(case[moved].get(event["_time"], 0), due)
            if name:
                case["county_only"] = max(case["county_only"], int(row.data.get(name) == value))
        return found

    def _blank(self, facts: Mapping[str, Any], blank: Mapping[str, Any]) -> dict[str, Any]:
        case: dict[str, Any] = {"division": "", "grid": "", "events": 0}
        case |= {f"{name.partition('.')[2]}_at": NEVER for name in self.kinds}
        case |= {name: blank[spec.stored] for name, spec in facts.items()}
        case["ended_at"] = NEVER
        for clock in self.family.clocks:
            case[f"due_{clock.name}"] = case[f"met_{clock.name}"] = NEVER
            if self.movers[clock.name]:
                case[f"due_{clock.name}_moved"] = {}
        return case | ({"county_only": 0} if self.family.county_only else {})


def ms(text: str) -> int:
    """An aware instant as milliseconds since 1970."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("no zone")
    return round(found.timestamp() * 1000)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _right(spec: Any, value: Any) -> bool:
    if spec.choices:
        return value in spec.choices
    if spec.stored == "Int64":
        return type(value) is int and 0 <= value <= 10**13
    if spec.stored == "Bool":
        return type(value) is bool
    if not spec.stored:
        return isinstance(value, str) and value.startswith("s1.") and len(value) <= 110_000
    return isinstance(value, str) and 0 < len(value) <= 200
