"""Small seeded histories: plain JSON, without code of the product.

They have every event type of every family and every value of every vocabulary, with corrections,
withdrawals, orphans, repeats and conflicts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from tests.histories.cases import mediation, petition
from tests.histories.messages import CITY, PLACES, VILLAGES, Message, as_bytes
from tests.histories.teller import Teller
from tests.histories.wrong import refused

__all__ = ["CITY", "PLACES", "VILLAGES", "History", "Message", "refused"]

ROLES = ("grid_member", "party_member", "working_party_member", "cadre")
PURPOSES = ("routine", "care", "policy", "dispute", "safety")
MATTERS = ("livelihood", "infrastructure", "environment", "policy", "dispute", "other")
OUTCOMES = ("settled", "explained", "passed_on", "not_possible")
SOURCES = ("pledge", "collective", "donation", "reward")
USES = ("old_and_young", "merit_and_need", "public_good")
ENTRIES = ("contributed", "disbursed", "project_opened", "pledged", "approved", "project_closed")


class History:
    """Makes the messages of one seed; the same seed makes the same bytes."""

    def __init__(self, seed: int, name: str = "h") -> None:
        self._teller = Teller(seed, name)
        self.dice = self._teller.dice

    def messages(self, events: int) -> list[Message]:
        """At least `events` messages of all families, out of order and with errors."""
        found: list[Message] = []
        while len(found) < events:
            maker = self._teller.turn(
                (_visit, _visit, _visit, _round, petition, petition, mediation, _fund, _fund, _fund)
            )
            found += self._disturbed(list(maker(self._teller)))
        # Swaps neighbours, so that a correction may come before its original.
        for n in range(0, len(found) - 20, 7):
            other = n + self.dice.randrange(20)
            if self.dice.random() < 0.3:
                found[n], found[other] = found[other], found[n]
        return found

    def _disturbed(self, story: Sequence[Message]) -> Iterator[Message]:
        for message in story:
            chance = self.dice.random()
            if chance < 0.005:
                continue  # never arrives: its correction stays an orphan
            yield message
            if chance > 0.98:
                yield message
            elif chance > 0.975:
                event = json.loads(message.payload or b"")
                event["actor"] = "another-hand"
                yield Message(message.topic, message.key, as_bytes(event))


def _visit(teller: Teller) -> Iterator[Message]:
    """A visit, the corrections of its form, and the household's requests."""
    household = f"k1.{teller.dice.randrange(500):032x}"
    place = teller.place()
    yield from _visited(teller, household, place, teller.start())


def _round(teller: Teller) -> Iterator[Message]:
    """Several visits to one household, in one micro-grid, on different days of one year."""
    household, place = f"k1.{teller.dice.randrange(500):032x}", teller.dice.choice(VILLAGES)
    first = teller.start()
    last = datetime(first.year, 12, 31, 23, 59, 59, 999_000, tzinfo=CITY)
    days = max((last - first).days, 1)
    for n in range(3):
        time = min(first + timedelta(days=n * teller.dice.randrange(1, days + 1) / 3), last)
        yield from _visited(teller, household, place, time)


def _visited(teller: Teller, household: str, place: str, time: datetime) -> Iterator[Message]:
    head = _grid(teller, place)

    def filled() -> dict[str, Any]:
        return {
            "role": teller.turn(ROLES),
            "purpose": teller.turn(PURPOSES),
            "lasted": teller.number(60, 1440),
            "met": teller.number(6, 1_000_000),
            **teller.maybe(remark=teller.sealed),
        }

    form = filled()
    if teller.chance(0.1):
        form = {name: value for name, value in form.items() if name != "lasted"}
        form["lasted_hours"] = teller.number(3, 24)
        head |= {"dataschema": "urn:gulou:visit.recorded:1"}
    first = teller.event("visit.recorded", household, form, time, place, **head)
    yield first
    id_ = _id(first)
    yield from _amended(teller, household, place, time, id_, filled)
    if teller.chance(0.3):
        yield from _asked(teller, household, place, time, id_)


def _amended(
    teller: Teller, household: str, place: str, time: datetime, id_: str, filled: Any
) -> Iterator[Message]:
    """Corrections of a form and its end; of two at the same instant, the greater id wins."""
    later = time
    for _ in range(teller.dice.choice((0, 0, 0, 1, 1, 2))):
        later += timedelta(hours=teller.dice.choice((0, teller.dice.randrange(1, 200))))
        head: dict[str, Any] = {"recorded": later.isoformat()} if teller.chance(0.3) else {}
        if teller.chance(0.3):
            void = {"corrects": id_, "why": teller.text("重复填报", 200)}
            last = teller.event("visit.voided", household, void, later, place, **head)
        else:
            moved = teller.dice.choice(VILLAGES) if teller.chance(0.2) else place
            better = {**filled(), "corrects": id_}
            head |= _grid(teller, moved)
            last = teller.event("visit.corrected", household, better, later, moved, **head)
        yield last
        if teller.chance(0.05):  # a correction of a correction stays parked
            again = {**filled(), "corrects": _id(last)}
            yield teller.event("visit.corrected", household, again, later, place)


def _asked(
    teller: Teller, household: str, place: str, time: datetime, id_: str
) -> Iterator[Message]:
    request, grid = f"r-{id_}", _grid(teller, place)
    matter = {"matter": teller.turn(MATTERS), **teller.maybe(text=teller.sealed)}
    raised = teller.event(
        "visit.request_raised", household, {"request": request, **matter}, time, place, **grid
    )
    yield raised
    if teller.chance(0.1):  # a void that does not fit its original
        wrong = {"corrects": _id(raised), "why": "x"}
        yield teller.event("visit.voided", household, wrong, time, place)
    done = {"request": request, "outcome": teller.turn(OUTCOMES)}
    late = teller.after(time, teller.dice.choice((0, 3, 200)))
    yield teller.event("visit.request_closed", household, done, late, place, **grid)


def _grid(teller: Teller, place: str) -> dict[str, Any]:
    """A micro-grid of a village, known in most cases; none for a township."""
    known = len(place) == 12 and teller.chance(0.9)
    return {"grid": place + teller.dice.choice(("001", "002", "003001002003"))} if known else {}


def _fund(teller: Teller) -> Iterator[Message]:
    """An entry in a fund's book, perhaps reversed."""
    time, place = teller.start(), teller.place()
    key = f"f{teller.dice.randrange(200)}"
    verb = teller.turn(ENTRIES)
    first = teller.event(f"fund.{verb}", key, _entry(teller, verb), time, place)
    yield first
    if teller.chance(0.2):
        back = {"corrects": _id(first), "why": "金额录错"}
        yield teller.event("fund.reversed", key, back, teller.after(time, 2), place)


def _entry(teller: Teller, verb: str) -> dict[str, Any]:
    amount = {"amount": teller.number(10**6, 10**13)}
    source, use = {"source": teller.turn(SOURCES)}, {"use": teller.turn(USES)}
    opening = {"entry": "opening"} if teller.chance(0.2) else {}
    match verb:
        case "contributed":
            return amount | source | opening | teller.maybe(giver=teller.person)
        case "pledged":
            return amount | source | teller.maybe(giver=teller.person)
        case "approved":
            return amount | use
        case "disbursed":
            helped = {"helped": teller.number(9, 1_000_000)}
            return amount | source | use | helped | opening | teller.maybe(receiver=teller.person)
        case "project_opened":
            return _project(teller) | use | opening
    return _project(teller) | opening


def _project(teller: Teller) -> dict[str, Any]:
    return {"project": f"J-{teller.count}", "projects": teller.number(2, 10_000_000)}


def _id(message: Message) -> str:
    found: str = json.loads(message.payload or b"")["id"]
    return found
