"""Small seeded histories written by hand: plain JSON, no code of the product.

Every family, with corrections, withdrawals, orphans, repeats and conflicts; and one of each kind of
message that must be refused.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import schemas

CITY = timezone(timedelta(hours=8))
_CODES = Path(schemas.__file__).parent / "data" / "divisions_431200.csv"
with _CODES.open(encoding="utf-8") as _lines:
    PLACES = [row["code"] for row in csv.DictReader(_lines)]
VILLAGES = [code for code in PLACES if len(code) == 12][::97]
_MEDIATION = {
    "dispute": ("neighbours", "contract", "medical", "labour"),
    "origin": ("grid", "police", "litigation"),
    "scale": ("individual", "group"),
    "mode": ("applied", "court_delegated", "court_ordinary", "court_summary"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """What a producer sends."""

    topic: str
    key: bytes | None
    payload: bytes | None


class History:
    """Makes the messages of one seed; the same seed makes the same bytes."""

    def __init__(self, seed: int, name: str = "h") -> None:
        self.dice = random.Random(seed)
        self._name, self._count = f"{name}{seed}", 0

    def messages(self, events: int) -> list[Message]:
        """At least `events` messages of all families, disordered and dirty as life is."""
        makers = (self._visit, self._visit, self._visit, self._petition, self._mediation)
        found: list[Message] = []
        while len(found) < events:
            maker = self.dice.choice((*makers, self._fund, self._fund))
            found += self._disturbed(list(maker()))
        # Neighbours change places, so that a correction may come before what it corrects.
        for n in range(0, len(found) - 20, 7):
            other = n + self.dice.randrange(20)
            if self.dice.random() < 0.3:
                found[n], found[other] = found[other], found[n]
        return found

    def _disturbed(self, story: Sequence[Message]) -> Iterator[Message]:
        for message in story:
            chance = self.dice.random()
            if chance < 0.005:
                continue  # never arrives: what corrects it stays an orphan
            yield message
            if chance > 0.98:
                yield message
            elif chance > 0.975:
                event = json.loads(message.payload or b"")
                event["actor"] = "another-hand"
                yield Message(message.topic, message.key, _bytes(event))

    def _event(
        self, type_: str, key: str, data: dict[str, Any], time: datetime, **head: Any
    ) -> Message:
        self._count += 1
        event = {
            "specversion": "1.0",
            "id": f"{self._name}-{self._count}",
            "source": "//huaihua/test",
            "type": type_,
            "dataschema": f"urn:gulou:{type_}:{2 if type_ == 'visit.recorded' else 1}",
            "time": time.isoformat(),
            "recorded": (time + timedelta(minutes=self.dice.randrange(3000))).isoformat(),
            "division": self._place,
            "data": data,
        }
        topic = {"v": "visits", "p": "petitions", "m": "mediations", "f": "funds"}[key[0]]
        field = {"v": "household", "p": "petition", "m": "case", "f": "account"}[key[0]]
        value = f"k1.{int(key[1:]):032x}" if key[0] == "v" else key
        event["data"] = {field: value, **data}
        return Message(topic, value.encode(), _bytes(event | head))

    def _start(self) -> datetime:
        self._place = self.dice.choice(VILLAGES)
        if self.dice.random() < 0.2:
            self._place = self._place[: self.dice.choice((6, 9))]
        # Around the turn of a year and the end of DST-free days: all hours, some milliseconds.
        minutes = self.dice.randrange(4 * 365 * 1440)
        odd = timedelta(minutes=minutes, milliseconds=self.dice.randrange(60_000))
        return datetime(2021, 1, 1, tzinfo=CITY) + odd

    def _visit(self) -> Iterator[Message]:
        time, key = self._start(), f"v{self.dice.randrange(500)}"
        grid = {"grid": f"{self._place}001"} if len(self._place) == 12 else {}
        data = {
            "role": self.dice.choice(("grid_member", "cadre", "party_member")),
            "purpose": "routine",
            "lasted": self.dice.randrange(60),
            "met": self.dice.randrange(6),
        }
        if self.dice.random() < 0.1:
            old = {name: value for name, value in data.items() if name != "lasted"}
            head = {"dataschema": "urn:gulou:visit.recorded:1", **grid}
            first = self._event("visit.recorded", key, old | {"lasted_hours": 2}, time, **head)
        else:
            first = self._event("visit.recorded", key, data, time, **grid)
        yield first
        id_ = json.loads(first.payload or b"")["id"]
        for _ in range(self.dice.choice((0, 0, 0, 1, 1, 2))):
            later = time + timedelta(hours=self.dice.randrange(1, 200))
            if self.dice.random() < 0.3:
                void = {"corrects": id_, "why": "重复填报"}
                yield self._event("visit.voided", key, void, later)
            else:
                better = data | {"met": self.dice.randrange(9), "corrects": id_}
                yield self._event("visit.corrected", key, better, later, **grid)
        if self.dice.random() < 0.2:
            raised = self._event(
                "visit.request_raised", key, {"request": f"r-{id_}", "matter": "policy"}, time
            )
            yield raised
            if self.dice.random() < 0.1:  # a void that does not fit
                wrong = {"corrects": json.loads(raised.payload or b"")["id"], "why": "x"}
                yield self._event("visit.voided", key, wrong, time)
            done = {"request": f"r-{id_}", "outcome": "settled"}
            yield self._event("visit.request_closed", key, done, time + timedelta(days=3))

    def _petition(self) -> Iterator[Message]:
        time, key = self._start(), f"p{self.dice.randrange(10**6)}"
        kind = self.dice.choice(("suggestion", "accusation", "appeal", "appeal"))
        grid = {"grid": f"{self._place}002"} if len(self._place) == 12 else {}

        def step(verb: str, after: float, **data: Any) -> Message:
            happened = time + timedelta(days=after)
            return self._event(f"petition.{verb}", key, {"kind": kind, **data}, happened, **grid)

        person = {"petitioner": f"k1.{self.dice.randrange(200):032x}"}
        opening = {"channel": "network", "level": "county", "people": self.dice.randrange(1, 9)}
        if self.dice.random() < 0.5:
            opening["category"] = "城乡建设"
        yield step("registered", 0, repeated=self.dice.random() < 0.2, **opening, **person)
        yield step("transferred", 5, mode="passed_on", unit="431202-民政局")
        if self.dice.random() < 0.2:
            yield step("objected", 6, unit="431202-民政局")
            yield step("transferred", 7, mode="passed_on", unit="431202-城管局")
        route = self.dice.choice(("31.6", "31.6", "31.1")) if kind == "appeal" else "none"
        yield step("accepted", 9.3, unit="431202-民政局", route=route)
        if self.dice.random() < 0.1:
            yield step("accepted", self.dice.randrange(10, 30), unit="431202-城管局", route=route)
        if self.dice.random() < 0.2:
            since = (time + timedelta(days=9.3)).isoformat()
            days = self.dice.choice((10, 30, 45))
            yield step("extended", 40, days=days, since=since, route=route)
        if self.dice.random() < 0.2:
            yield step("hearing_held", 45, people=9)
        if self.dice.random() < 0.8:
            yield step("replied", self.dice.randrange(10, 120), result="supported")
            yield step("rated", 121, satisfaction=self.dice.randrange(1, 6))
            yield step("closed", 122)

    def _mediation(self) -> Iterator[Message]:
        time, key = self._start(), f"m{self.dice.randrange(10**6)}"
        pick = {name: self.dice.choice(values) for name, values in _MEDIATION.items()}

        def step(verb: str, after: float, **data: Any) -> Message:
            return self._event(f"mediation.{verb}", key, data, time + timedelta(days=after))

        mode = pick.pop("mode")
        yield step("filed", 0, people=self.dice.randrange(2, 9), **pick)
        yield step("accepted", 1, mode=mode)
        yield step("session_held", 6, people=4)
        if self.dice.random() < 0.8:
            sum_ = self.dice.randrange(10**7)
            group = self.dice.random() < 0.1
            yield step(
                "agreement_reached",
                self.dice.randrange(7, 40),
                form="oral",
                amount=sum_,
                averted_crime=False,
                averted_group=group,
            )
        else:
            yield step("terminated", 20, why="not_agreed")

    def _fund(self) -> Iterator[Message]:
        time, key = self._start(), f"f{self.dice.randrange(200)}"
        amount = self.dice.randrange(1, 10**6)
        spend = {"amount": amount, "source": "donation", "use": "public_good", "helped": 2}
        choice = self.dice.randrange(3)
        if choice == 0:
            data = {"amount": amount, "source": self.dice.choice(("pledge", "collective"))}
            first = self._event("fund.contributed", key, data, time)
        elif choice == 1:
            first = self._event("fund.disbursed", key, spend, time)
        else:
            opened = {"project": f"J-{self._count}", "projects": 1, "use": "public_good"}
            first = self._event("fund.project_opened", key, opened, time)
        yield first
        if self.dice.random() < 0.15:
            id_ = json.loads(first.payload or b"")["id"]
            back = {"corrects": id_, "why": "金额录错"}
            yield self._event("fund.reversed", key, back, time + timedelta(days=2))


def refused(tag: str) -> dict[str, Message]:
    """One message of each kind that must be refused, by the code of its reason.

    Names with a dash have the code before it.
    """
    key = "k1." + "0" * 31 + "7"

    def event(**changes: Any) -> dict[str, Any]:
        head = {
            "specversion": "1.0",
            "id": f"bad-{tag}",
            "source": "//huaihua/test",
            "type": "visit.recorded",
            "dataschema": "urn:gulou:visit.recorded:2",
            "time": "2021-03-01T10:00:00+08:00",
            "recorded": "2021-03-01T12:00:00+08:00",
            "division": VILLAGES[0],
        }
        role = {"role": "cadre", "purpose": "routine", "lasted": 10, "met": 2}
        return head | {"data": {"household": key, **role}} | changes

    good = _bytes(event())
    void = {"household": key, "corrects": "v-1", "why": "长" * 350_000}
    voided = {"type": "visit.voided", "dataschema": "urn:gulou:visit.voided:1", "data": void}
    tomorrow = (datetime.now(CITY) + timedelta(days=1)).isoformat()
    payloads = {
        "json": good[:-2],
        "json-two": good + b"," + good,
        "duplicate_key": good[:-2] + b',"met":3}}',
        "encoding": good.replace(b"routine", b"rout\xffne"),
        "null": None,
        "null-empty": b"",
        "unknown_type": _bytes(event(type="visit.dreamt")),
        "newer_version": _bytes(event(dataschema="urn:gulou:visit.recorded:3")),
        "field-long": _bytes(event(**voided)),
        "division": _bytes(event(division="431299999999")),
        "recorded_after_logged": _bytes(event(recorded=tomorrow)),
        "contradiction": _bytes(event(recorded="2021-02-01T10:00:00+08:00")),
    }
    found = {name: Message("visits", key.encode(), load) for name, load in payloads.items()}
    found["key"] = Message("visits", b"another household", good)
    found["key-none"] = Message("visits", None, good)
    return found


def _bytes(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
