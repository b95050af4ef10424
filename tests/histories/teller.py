"""Makes events of a seeded history: dice, every value in turn, instants at every edge."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from tests.histories.messages import CITY, VILLAGES, Message, as_bytes

T = TypeVar("T")

_TOPIC = {"visit": "visits", "petition": "petitions", "mediation": "mediations", "fund": "funds"}
_KEY = {
    "visits": "household",
    "petitions": "petition",
    "mediations": "case",
    "funds": "account",
}
_BEGIN, _YEARS = datetime(2021, 1, 1, tzinfo=CITY), 4
_MILLISECOND = timedelta(milliseconds=1)


class Teller:
    """Makes events from one seed; the same seed makes the same bytes."""

    def __init__(self, seed: int, name: str) -> None:
        self.dice = random.Random(seed)
        self.count = 0
        self._name = f"{name}{seed}"
        self._turns: dict[Sequence[Any], list[Any]] = {}

    def turn(self, values: Sequence[T]) -> T:
        """One of the values; no value comes again before all others have come."""
        left = self._turns.setdefault(values, [])
        if not left:
            left += self.dice.sample(values, len(values))
        found: T = left.pop()
        return found

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def number(self, usual: int, most: int, least: int = 0) -> int:
        """A usual number; now and then the least or the most that the form allows."""
        edge = self.dice.random()
        if edge < 0.02:
            return most
        return least if edge < 0.1 else self.dice.randint(max(least, 1), usual)

    def text(self, usual: str, most: int) -> str:
        """A usual text; now and then one character, or as many as the form allows."""
        edge = self.dice.random()
        if edge < 0.02:
            return usual[:1] * most
        return usual[:1] if edge < 0.04 else usual

    def sealed(self) -> str:
        """Random bytes in the shape of ciphertext."""
        size = self.dice.choice((1, 40, 200))
        return "s1." + "".join(self.dice.choices("AZaz09_-", k=size))

    def person(self) -> str:
        key = self.dice.choice(("k1", "k", "k2345678"))
        return f"{key}.{self.dice.randrange(200):032x}"

    def maybe(self, **boxes: Any) -> dict[str, Any]:
        """A random subset of the boxes; a function as value is called only if its box is chosen."""
        return {
            name: value() if callable(value) else value
            for name, value in boxes.items()
            if self.chance(0.5)
        }

    def place(self) -> str:
        """A village; in a fifth of cases the township or the county."""
        village = self.dice.choice(VILLAGES)
        return village[: self.dice.choice((6, 9))] if self.chance(0.2) else village

    def start(self) -> datetime:
        """Any millisecond of four years; often a midnight, or a turn of the year."""
        edge = self.dice.random()
        if edge < 0.06:
            turn = datetime(2021 + self.dice.randrange(1, _YEARS + 1), 1, 1, tzinfo=CITY)
            return turn - self.dice.choice((0, 1)) * _MILLISECOND
        day = _BEGIN + timedelta(days=self.dice.randrange(_YEARS * 365))
        if edge < 0.16:
            return day - self.dice.choice((0, 0, 1)) * _MILLISECOND
        odd = timedelta(milliseconds=self.dice.randrange(86_400_000))
        return day + odd + timedelta(microseconds=self.dice.choice((0, 0, 0, 400)))

    def after(self, time: datetime, days: float) -> datetime:
        """The given days later; often at the midnight that ends that day, or just before.

        A term of that many days ends there, unless its last day is a rest day.
        """
        edge = self.dice.random()
        if days < 1 or edge < 0.5:
            return time + timedelta(days=days)
        midnight = datetime(time.year, time.month, time.day, tzinfo=CITY)
        midnight += timedelta(days=int(days) + 1 + (edge > 0.9))
        return midnight - (edge < 0.7) * _MILLISECOND

    def event(
        self, type_: str, key: str, data: dict[str, Any], time: datetime, place: str, **head: Any
    ) -> Message:
        """One event; `head` overrides its attributes."""
        self.count += 1
        topic = _TOPIC[type_.partition(".")[0]]
        known = time + timedelta(minutes=self.dice.choice((0, self.dice.randrange(3000))))
        event = {
            "specversion": "1.0",
            "id": f"{self._name}-{self.count}",
            "source": "//huaihua/test",
            "type": type_,
            "dataschema": f"urn:gulou:{type_}:{2 if type_ == 'visit.recorded' else 1}",
            "time": self._spelled(time),
            "recorded": self._spelled(known),
            "division": place,
            "data": {_KEY[topic]: key, **data},
        }
        if self.chance(0.1):
            event |= self.maybe(
                actor="431202-网格", correlationid=f"c-{key[:40]}", causationid="e-1"
            )
        return Message(topic, key.encode(), as_bytes(event | head))

    def _spelled(self, time: datetime) -> str:
        """The instant with the city's offset; now and then with another offset."""
        hours = self.dice.choice((8, 8, 8, 8, 8, 8, 0, 14, -11))
        return time.astimezone(_OFFSETS[hours]).isoformat()


_OFFSETS = {hours: timezone(timedelta(hours=hours)) for hours in (8, 0, 14, -11)}
