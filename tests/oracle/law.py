"""The expected rows and figures of messages: a plain Python fold.

It uses the tests' own book (`book.py`) and the articles (`articles.py`). It runs no code of
`streams/`, no SQL and no declaration of `schemas/`; it only reads two files of reference data
there, the divisions and the calendar.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kafka.partitioner.default import murmur2

from tests.oracle.articles import DUTIES, ENDINGS, Duty
from tests.oracle.book import Days, Form, Sums, Topic, misrouted, upgraded
from tests.oracle.words import ENVELOPE, Box, fill, instant, shows_a_number

ZONE = ZoneInfo("Asia/Shanghai")
NEVER = round(datetime(2299, 1, 1, tzinfo=ZONE).timestamp() * 1000)
FIXED = {(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)}
SKEW_MS, DAY_MS = 60_000, 24 * 60 * 60 * 1000
"""Maximum lead of an office's clock over the broker's; more than a day late is 补录."""
_DATA = Path(__file__).parents[2] / "schemas" / "reference" / "data"
_VERSION = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(slots=True)
class Record:
    """A message in Kafka partition `kpart`, appended at `logged`, in ms."""

    offset: int
    logged: int
    key: bytes | None
    value: bytes | None
    kpart: int = 0


@dataclass(slots=True)
class Row:
    """The expected row of a message; `event` is empty unless the message is valid."""

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
    def type(self) -> str:
        return str(self.event["type"])

    @property
    def time(self) -> int:
        """Time of the event, in ms since 1970."""
        return int(self.event["_time"])

    @property
    def identity(self) -> tuple[str, str]:
        return self.event["source"], self.event["id"]

    @property
    def root(self) -> tuple[str, str]:
        return self.event["source"], self.data["corrects"]


class Law:
    """One topic, and the expected result of its messages."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.duties = DUTIES.get(topic.topic, {})
        self.opening = next(iter(topic.forms))
        self._endings = ENDINGS.get(topic.topic, frozenset())

    def understand(self, record: Record) -> tuple[str, dict[str, Any]]:
        """Status (ok, parked or dead) of one message on its own, and its event."""
        try:
            event = json.loads((record.value or b"").decode(), object_pairs_hook=_unique)
            json.dumps(event, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return "dead", {}
        if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
            return "dead", {}
        form = self.topic.forms.get(str(event.get("type")))
        if form is None:
            return "dead", {}
        stem, _, version = str(event.get("dataschema")).rpartition(":")
        if stem != f"urn:gulou:{event['type']}" or not _VERSION.fullmatch(version):
            return "dead", {}
        if int(version) > form.version:
            return "parked", {}
        try:
            event["data"] = upgraded(event["type"], int(version), event["data"])
        except (KeyError, TypeError):
            return "dead", {}
        return ("ok", event) if self._fits(event, form, record) else ("dead", {})

    def _fits(self, event: dict[str, Any], form: Form, record: Record) -> bool:
        head = {name: value for name, value in event.items() if name != "data"}
        data = event["data"]
        if not (fill(ENVELOPE, head) and fill(form.boxes, data)):
            return False
        if not (instant(event["time"]) and instant(event["recorded"])):
            return False
        event["_time"], event["_recorded"] = ms(event["time"]), ms(event["recorded"])
        grid = event.get("grid", event["division"])
        key = data[self.topic.key].encode()
        return (
            event["division"] in codes()
            and ("grid" not in event or len(event["division"]) == 12)
            and grid.startswith(event["division"])
            and datetime.fromisoformat(event["time"]).year >= 1971
            and event["_time"] <= event["_recorded"] <= record.logged + SKEW_MS
            and not misrouted(data)
            and not (shows_a_number(ENVELOPE, head) or shows_a_number(form.boxes, data))
            and record.key == key
            and self.place(key) == record.kpart
        )

    def place(self, key: bytes) -> int:
        """Kafka partition of a key, by the hash that every client uses."""
        return int((murmur2(key) & 0x7FFFFFFF) % self.topic.partitions)

    def due(self, event: Mapping[str, Any]) -> dict[str, int]:
        """Due instants in ms that one event sets, by name of the duty."""
        found = {}
        for name, duties in self.duties.items():
            for duty in duties:
                box, value = duty.only
                if box and event["data"].get(box) != value:
                    continue
                if event["type"] == duty.start:
                    found[name] = _end(event["time"], duty.days)
                elif event["type"] == duty.put_off_by:
                    more = min(event["data"]["days"], duty.at_most)
                    found[name] = _end(event["data"]["since"], duty.days + more)
        return found

    def corrective(self, row: Row) -> bool:
        """Whether it corrects or voids an earlier event."""
        return self.topic.forms[row.type].corrective

    def may_correct(self, row: Row, original: Row) -> bool:
        """Whether a correction fits its original."""
        return original.type in self.topic.forms[row.type].amends

    def judge(self, records: Sequence[Record], poisoned: Iterable[int] = ()) -> list[Row]:
        """Expected row of each message of one partition, by offset."""
        first: dict[tuple[str, str], Row] = {}
        rows, prev = [], -1
        bad = set(poisoned)
        for record in records:
            status, event = self.understand(record)
            row = Row(record, prev, status, event)
            rows.append(row)
            prev = record.offset
            if record.offset in bad:
                row.status = "dead"
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
                    row.status = "dead"
                    continue
            first[row.identity] = row
        return rows

    def standing(self, rows: Iterable[Row]) -> list[tuple[Row, Row]]:
        """Every original that counts, with the row of its current content; none if voided."""
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
            if not self.topic.forms[last.type].voids:
                found.append((row, last))
        return found

    def sums(self, figure: Sums, rows: Sequence[Row]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Figures by (type, place, dims, bucket): counts and totals, gross and net."""
        totals = self.topic.totals
        names = [f"{kind}_{n}" for n in ("count", *totals) for kind in ("gross", "net")]
        found: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(lambda: dict.fromkeys(names, 0))

        def post(row: Row, type_: str, time: int, kind: str) -> None:
            dims = [row.data.get(dim, "") for dim in figure.dims]
            place, hour, day = self._where(figure.place, row, time)
            row_ = found[type_, place, *dims, hour if figure.grain == "hour" else day]
            row_[f"{kind}_count"] += 1
            boxes = self.topic.forms[type_].boxes
            for name in totals:
                if name in boxes and boxes[name].total:
                    row_[f"{kind}_{name}"] += row.data.get(name, 0)

        for row in rows:
            if row.status == "ok":
                post(row, row.type, row.time, "gross")
        for original, last in self.standing(rows):
            post(last, original.type, original.time, "net")
        return {key: sums for key, sums in found.items() if any(sums.values())}

    def days(self, figure: Days, rows: Sequence[Row]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Per (grid, year) and type: days with their net counts, and the sum."""
        kept = {type_: verb(type_) for type_ in figure.types}
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for original, last in self.standing(rows):
            name = kept.get(original.type)
            if name is None:
                continue
            grid, _, day = self._where("grid", last, original.time)
            row = found.setdefault((grid, int(day[:4])), {})
            for each in kept.values():
                row.setdefault(f"{each}_days", {})
                row.setdefault(f"{each}_count", 0)
            row[f"{name}_days"][day] = row[f"{name}_days"].get(day, 0) + 1
            row[f"{name}_count"] += 1
        return found

    def _where(self, level: str, row: Row, time: int) -> tuple[str, int, str]:
        """Place of an event at a level, and hour and day of an instant."""
        division, grid = row.event["division"], row.event.get("grid", "")
        if self.withheld(row):
            division, grid = division[:6], ""
        place = {"county": division[:6], "division": division, "grid": grid}[level]
        day = datetime.fromtimestamp(time / 1000, ZONE).date().isoformat()
        return place, time // 3_600_000 * 3600, day

    def withheld(self, row: Row) -> bool:
        """Whether its content is never shown below the county."""
        name, value = self.topic.county_only
        return bool(name) and row.data.get(name) == value

    def cases(self, rows: Iterable[Row]) -> dict[str, dict[str, Any]]:
        """One row per case, by number: first instants, facts, due instants."""
        facts = self.topic.facts
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row.status != "ok":
                continue
            event, type_ = row.event, row.type
            case = found.setdefault(row.data[self.topic.key], self._blank(facts))
            case["events"] += 1
            stopped = ["ended_at"] * (type_ in self._endings)
            stopped += [f"met_{name}" for name, duties in self.duties.items() if met(duties, type_)]
            for each in (f"{verb(type_)}_at", *stopped):
                case[each] = min(case[each], row.time)
            if type_ == self.opening:
                case["division"] = max(case["division"], event["division"])
                case["grid"] = max(case["grid"], event.get("grid", ""))
            for fact in facts:
                if fact in row.data and type_ in self.topic.sayers(fact):
                    case[fact] = max(case[fact], row.data[fact])
            for name, due in self.due(event).items():
                first, moved = f"due_{name}", f"due_{name}_moved"
                if any(type_ == duty.start for duty in self.duties[name]):
                    case[first] = min(case[first], due)
                if type_ in movers(self.duties[name]):
                    case[moved][row.time] = max(case[moved].get(row.time, 0), due)
            if self.topic.county_only[0]:
                case["county_only"] = max(case["county_only"], int(self.withheld(row)))
        return found

    def _blank(self, facts: Mapping[str, Box]) -> dict[str, Any]:
        case: dict[str, Any] = {"division": "", "grid": "", "events": 0}
        case |= {f"{verb(name)}_at": NEVER for name in self.topic.forms}
        case |= {name: blank(box) for name, box in facts.items()}
        case["ended_at"] = NEVER
        for name, duties in self.duties.items():
            case[f"due_{name}"] = case[f"met_{name}"] = NEVER
            if movers(duties):
                case[f"due_{name}_moved"] = {}
        return case | ({"county_only": 0} if self.topic.county_only[0] else {})


def met(duties: Iterable[Duty], type_: str) -> bool:
    """Whether an event of that type fulfils or cancels a duty."""
    return any(type_ in duty.done_by | duty.gone_by for duty in duties)


def movers(duties: Iterable[Duty]) -> set[str]:
    """Event types after the first start that move the due date of a duty."""
    found = {duty.put_off_by for duty in duties}
    found |= {duty.start for duty in duties if duty.again == "newest"}
    return found - {""}


def blank(box: Box) -> Any:
    """Value of a fact that no event has set."""
    return {"String": "", "Int64": 0, "Bool": False}[box.word.stored]


def verb(type_: str) -> str:
    """Verb of an event type: `registered` for `petition.registered`."""
    return type_.partition(".")[2]


def ms(text: str) -> int:
    """Milliseconds since 1970 of an instant with an offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@cache
def codes() -> frozenset[str]:
    """Codes of the city's divisions."""
    with (_DATA / "divisions_431200.csv").open(encoding="utf-8") as lines:
        return frozenset(row["code"] for row in csv.DictReader(lines))


@cache
def _calendar() -> dict[date, str]:
    with (_DATA / "calendar_cn.csv").open(encoding="utf-8") as lines:
        return {date.fromisoformat(row["date"]): row["kind"] for row in csv.DictReader(lines)}


def _end(start: str, days: int) -> int:
    """Midnight after the last day: 民法典 201 skips the first day, 203 moves a rest day."""
    day = datetime.fromisoformat(start).astimezone(ZONE).date() + timedelta(days=days)
    while _rest(day):
        day += timedelta(days=1)
    midnight = day + timedelta(days=1)
    instant_ = datetime(midnight.year, midnight.month, midnight.day, tzinfo=ZONE)
    return round(instant_.timestamp() * 1000)


@cache
def _rest(day: date) -> bool:
    known = _calendar()
    if day in known:
        return known[day] == "off"
    later = day.year > max(each.year for each in known) and (day.month, day.day) in FIXED
    return day.weekday() >= 5 or later


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found
