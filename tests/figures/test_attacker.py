"""An attacker with all that a viewer can read, and all that is public, gets nothing finer.

The same attacks succeed on the clerks' views: they are not blind.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pytest

from schemas.grain import Role
from schemas.reference.divisions import Divisions
from tests.figures.readers import Rows, code_of, everything
from tests.histories.told import Told, told
from tests.town import Town

TOWNSHIPS: Final = ("431202001", "431202002", "431221100")
VILLAGES: Final = tuple(
    village.code
    for township in TOWNSHIPS
    for village in [v for v in Divisions.load().villages if v.code.startswith(township)][:3]
)
"""Three of each township."""
DAYS: Final = tuple(f"2021-03-{n:02}" for n in range(1, 7))
AFTER: Final = ("2022-01-03", "2022-01-04")
"""Two days of the next year: 2021 is over."""


@dataclass
class Seen:
    """What somebody who reads everything every evening has in the end."""

    role: Role
    evenings: list[dict[str, Rows]] = field(default_factory=list)


@dataclass
class City:
    """Some days of a city, the truth about its villages, and who read what."""

    told: list[Told]
    seen: dict[Role, Seen]

    def truth(self, type_: str, figure: str = "") -> Counter[str]:
        """The count of events by village, or the sum of a field."""
        found: Counter[str] = Counter()
        for event in self.told:
            if event["type"] == type_ and len(event["division"]) == 12:
                found[event["division"]] += event["data"].get(figure, 0) if figure else 1
        return found


@pytest.fixture(scope="module")
def city(whole_town: Town) -> Iterator[City]:
    whole_town.empty()
    made = City([], {role: Seen(role) for role in ("viewer", "clerk")})
    for day in (*DAYS, *AFTER):
        events = list(_day(day))
        whole_town.tell(*events)
        made.told += events
        # Noon too on the first day of each year: half of the views' instants are enough.
        noon = [f"{day} 12:00"] if day in (DAYS[0], AFTER[0]) else []
        for role, seen in made.seen.items():
            seen.evenings.append(everything(whole_town, role, [*noon, f"{day} 23:59:59"]))
    yield made
    whole_town.empty()


def _day(day: str) -> Iterator[Told]:
    """A day: few villages have an event of a kind, many days have one village alone."""
    draw = random.Random(day)
    for village in draw.sample(VILLAGES, 4):
        kind = draw.choice(("appeal", "suggestion", "accusation"))
        yield told("petition.registered", f"P-{village}-{day}", f"{day} 09:00", place=village,
                   kind=kind, people=draw.randint(1, 9))  # fmt: skip
        yield told("mediation.filed", f"M-{village}-{day}", f"{day} 09:00", place=village,
                   people=draw.randint(2, 9))  # fmt: skip
    places = [*draw.sample(VILLAGES, draw.choice((1, 2))), *(VILLAGES if day == DAYS[0] else ())]
    for n, village in enumerate(places):
        yield told("fund.disbursed", f"F-{village}", f"{day} 1{n % 10}:00", place=village,
                   amount=draw.randint(1, 10**6), helped=draw.randint(1, 9))  # fmt: skip
    yield told("petition.registered", f"P-{day}", f"{day} 10:00", place=TOWNSHIPS[0])


def _all_rows(seen: Seen) -> Iterator[tuple[str, dict[str, Any]]]:
    for evening in seen.evenings:
        for view, rows in evening.items():
            for row in rows:
                yield view, row


def told_apart(seen: Seen, topic: str, head: str) -> set[str]:
    """The villages whose figures follow from rows of the family, by any sums and differences.

    Every row is a sum over a whole place, for some type, time and property. Whatever is added to
    or taken from whatever, over days, types, gross and net figures and evenings, a village's own
    figure follows only if the village alone is a combination of places that have rows.
    """
    cells = [*VILLAGES, *(f"{t}***" for t in TOWNSHIPS)]  # events with a township and no village
    places = set()
    for view, row in _all_rows(seen):
        if view.startswith(f"{topic}_") or str(row.get("type", "")).startswith(head):
            inside = [c.startswith(code_of(row)) for c in cells]
            if row.get("village_known") == 1:
                inside = [i and not c.endswith("*") for i, c in zip(inside, cells, strict=True)]
            places.add(tuple(map(int, inside)))
    known = np.array(sorted(places))
    rank = np.linalg.matrix_rank(known)
    alone = np.eye(len(cells), dtype=int)
    return {
        village
        for n, village in enumerate(VILLAGES)
        if np.linalg.matrix_rank(np.vstack([known, alone[n]])) == rank
    }


@pytest.mark.parametrize(
    ("topic", "head"), [("petitions", "petition."), ("mediations", "mediation.")]
)
def test_no_sum_over_siblings_time_types_or_corrections_tells_a_village(
    city: City, topic: str, head: str
) -> None:
    assert told_apart(city.seen["viewer"], topic, head) == set()
    assert told_apart(city.seen["clerk"], topic, head) == set(VILLAGES)


def helped_by(seen: Seen) -> Counter[str]:
    """Persons helped by village, as far as they follow from rows beside the public amounts.

    Rows of a village say it. A row of a wider place says it when of the villages inside, the public
    amounts have only one for the row's time; so does what was added to it since another evening.
    """
    found: Counter[str] = Counter()
    for today, before in zip(seen.evenings, [{}, *seen.evenings[:-1]], strict=True):
        paid, since = _paid(today), _paid(before)
        gains, was = _helped(today), _helped(before)
        for key, value in gains.items():
            place, time = key
            known = since if key in was else {}
            changed = {
                village
                for (village, day), amount in paid.items()
                if amount != known.get((village, day), 0)
                and village.startswith(place)
                and day.startswith(time)
            }
            gain = value - was.get(key, 0)
            if gain and len(changed) == 1:
                (village,) = changed
                found[village] = max(found[village], gain)
    return found


def _paid(evening: dict[str, Rows]) -> Counter[tuple[str, str]]:
    """Public amounts paid out, by village and day."""
    paid: Counter[tuple[str, str]] = Counter()
    for row in evening.get("funds_by_village_day", ()):
        if row["type"] == "fund.disbursed":
            paid[row["village"], row["day"]] += row["net_amount"]
    return paid


def _helped(evening: dict[str, Rows]) -> dict[tuple[str, str], int]:
    """Every figure of persons helped, by place and day or year."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for rows in evening.values():
        for row in rows:
            time = str(row.get("day") or row.get("hour") or row.get("year") or row.get("at") or "")
            for name, value in row.items():
                if "helped" in name and name.startswith("net") and isinstance(value, int):
                    span = {"today": 10, "month": 7, "year": 4}.get(name.rpartition("_")[2], 10)
                    found[code_of(row), time[:span]] = max(found[code_of(row), time[:span]], value)
    return found


def test_no_persons_helped_of_a_village_follow_from_the_public_amounts(city: City) -> None:
    viewer, clerk = (helped_by(city.seen[role]) for role in ("viewer", "clerk"))
    assert viewer == Counter()
    truth = city.truth("fund.disbursed", "helped")
    assert clerk and all(0 < count <= truth[village] for village, count in clerk.items())


def test_persons_helped_are_seen_of_counties_alone(city: City) -> None:
    shown = {
        (code_of(row), value)
        for _, row in _all_rows(city.seen["viewer"])
        for name, value in row.items()
        if "helped" in name
    }
    truth: Counter[str] = Counter()
    for event in city.told:
        if event["type"] == "fund.disbursed" and event["time"].startswith("2021"):
            truth[event["division"][:6]] += event["data"]["helped"]
    assert shown == set(truth.items())


def test_no_case_can_be_named(city: City) -> None:
    cases = {
        event["data"]["petition" if event["type"].startswith("petition") else "case"]
        for event in city.told
        if event["type"].startswith(("petition", "mediation"))
    }

    def named(role: Role) -> set[str]:
        values = {v for _, row in _all_rows(city.seen[role]) for v in row.values()}
        return cases & {v for v in values if isinstance(v, str)}

    assert named("viewer") == set()
    assert named("clerk") == cases
