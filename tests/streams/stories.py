"""Related messages of a partition, and their expected rows.

The fold is repeated here in a few lines, without the product's code: of several messages with the
same identity the first counts; of an original and its corrections, the last recorded.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kafka.partitioner.default import murmur2

from tests.histories.told import key_of, message, told

LOGGED = 1_790_000_000_000
TYPES = {
    "visits": {"first": "visit.recorded", "better": "visit.corrected", "void": "visit.voided"},
    "funds": {"first": "fund.contributed", "void": "fund.reversed"},
}
VALUE = {"visits": "met", "funds": "amount"}
PARTITIONS = {"visits": 2, "funds": 1}
GRID = "431202001001001"
PLACES = [("visits", 0), ("visits", 1), ("funds", 0)]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record as aiokafka delivers it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Said:
    """One message.

    Attributes:
        kind: first, better (a correction), void, or dead (bytes that are not an event).
        of: id of the event that a correction or a void refers to.
        at: time of recording, in hours after the first event; the last recorded counts.
    """

    kind: str
    id: str = ""
    of: str = ""
    value: int = 0
    at: int = 0

    def message(self, topic: str, kpart: int) -> tuple[bytes, bytes]:
        """Kafka key and payload."""
        if self.kind == "dead":
            return b"x", b"{" + self.id.encode()
        data: dict[str, Any] = {"corrects": self.of} if self.of else {}
        if self.kind != "void":
            data[VALUE[topic]] = self.value
        event = told(
            TYPES[topic][self.kind],
            _key(topic, kpart),
            "2021-03-01 09:00",
            id=self.id,
            recorded=f"2021-04-{1 + self.at // 24:02} {self.at % 24:02}:00",
            grid=GRID if topic == "visits" else "",
            **data,
        )
        return key_of(event), message(event).payload or b""


@cache
def _key(topic: str, kpart: int) -> str:
    """The first key that belongs in a partition."""
    for n in range(100):
        key = key_of(told(TYPES[topic]["first"], f"k{n}", "2021-03-01"))
        if (murmur2(key) & 0x7FFFFFFF) % PARTITIONS[topic] == kpart:
            return f"k{n}"
    raise AssertionError(topic)


def log(
    topic: str, kpart: int, said: Iterable[Said], first: int = 0, gap: int = 1
) -> list[Arrived]:
    """The partition's records of the messages, `gap` offsets apart."""
    found = []
    for n, each in enumerate(said):
        key, payload = each.message(topic, kpart)
        found.append(Arrived(first + gap * n, LOGGED + 1000 * n, key, payload))
    return found


def fresh(count: int, name: str = "e") -> list[Said]:
    """Unrelated messages."""
    return [Said("first", f"{name}{n}", value=n + 1, at=n) for n in range(count)]


@cache
def story(topic: str, seed: int, count: int) -> tuple[Said, ...]:
    """Messages with first events, and repeats, conflicts, corrections and orphans of a few."""
    dice = random.Random(f"{topic} {seed}")
    found: list[Said] = []
    while len(found) < count:
        chance, old = dice.random(), f"{dice.randrange(len(found) // 3 + 2)}"
        at, new = dice.randrange(700), f"n{len(found)}"
        if chance < 0.35:
            found.append(Said("first", old, value=dice.randrange(1, 90), at=at))
        elif chance < 0.5 and found:
            found.append(dice.choice(found))
        elif chance < 0.65:
            kind = "better" if topic == "visits" else "void"
            found.append(Said(kind, f"b{new}", old, dice.randrange(1, 90), at))
        elif chance < 0.75:
            found.append(Said("void", f"v{new}", old, at=at))
        elif chance < 0.8:
            found.append(Said("dead", new))
        else:
            found.append(Said("first", new, value=dice.randrange(1, 90), at=at))
    return tuple(found)


@dataclass
class Fold:
    """Expected rows: status and repeated offset of each message, and net sums."""

    statuses: list[tuple[str, int]] = field(default_factory=list)
    count: int = 0
    value: int = 0


def fold(said: Sequence[Said], offsets: Sequence[int], poisoned: Iterable[str] = ()) -> Fold:
    """Folds the messages of one partition by offset."""
    right, first = Fold(), dict[str, tuple[Said, int]]()
    members: dict[str, list[Said]] = {}
    for each, offset in zip(said, offsets, strict=True):
        if each.kind == "dead" or each.id in poisoned:
            right.statuses.append(("dead", -1))
        elif each.id in first:
            same = first[each.id][0] == each
            right.statuses.append(("repeat" if same else "conflict", first[each.id][1]))
        else:
            first[each.id] = each, offset
            waits = each.of and each.of not in first
            right.statuses.append(("orphan" if waits else "ok", -1))
            members.setdefault(each.of or each.id, []).append(each)
    for root, group in members.items():
        if root in first:
            last = max((m for m in group if m.of), key=lambda m: (m.at, m.id), default=None)
            stands = last or first[root][0]
            right.count += stands.kind != "void"
            right.value += stands.value if stands.kind != "void" else 0
    return right


def folded(topic: str, rows: Sequence[dict[str, Any]]) -> Fold:
    """The same from stored rows."""
    found = Fold([(row["status"], row["repeat_of"]) for row in rows])
    for row in rows:
        if row["status"] != "ok":
            continue
        own = [{"net": 1, "data": json.loads(row["data"])}]
        for posting in json.loads(row["net"]) if row["net"] else own:
            found.count += posting["net"]
            found.value += posting["net"] * posting["data"].get(VALUE[topic], 0)
    return found
