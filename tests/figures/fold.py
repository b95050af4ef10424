"""Figures of events by a plain fold that reads no declaration of the product.

Gross figures count every event once, as filed. Net figures apply corrections: a correction reverses
what stood before and posts its own content, under the type and the time of the event it corrects.
All vocabulary of the fold is written out below.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from tests.histories.told import Told, topic_of

ZONE: Final = ZoneInfo("Asia/Shanghai")
CORRECTS: Final = {"visit.corrected": {"visit.recorded"}}
TAKES_BACK: Final = {
    "visit.voided": {"visit.recorded"},
    "fund.reversed": {
        *("fund.contributed", "fund.pledged", "fund.approved", "fund.disbursed"),
        *("fund.project_opened", "fund.project_closed"),
    },
}
TOTALS: Final = {
    "visits": {"met": {"visit.recorded", "visit.corrected"}},
    "petitions": {"people": {"petition.registered"}, "satisfaction": {"petition.rated"}},
    "mediations": {"people": {"mediation.filed"}, "amount": {"mediation.agreement_reached"}},
    "funds": {
        "amount": {"fund.contributed", "fund.pledged", "fund.approved", "fund.disbursed"},
        "helped": {"fund.disbursed"},
        "projects": {"fund.project_opened", "fund.project_closed"},
    },
}
"""Summed fields of every topic, and the event types that have them."""
HOURLY_DIMS: Final = {
    "visits": ("role",),
    "petitions": ("kind",),
    "mediations": ("dispute",),
    "funds": ("entry",),
}
DAILY_DIMS: Final[dict[str, tuple[str, ...]]] = {
    "visits": (),
    "petitions": (),
    "mediations": (),
    "funds": ("source", "use", "entry"),
}

Figures = dict[str, int]
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry of the double-entry fold; `at` is in the city's zone, the caller sets `kpart`."""

    topic: str
    type: str
    at: datetime
    division: str
    grid: str
    data: dict[str, Any]
    gross: int
    net: int

    @property
    def place(self) -> str:
        """The narrowest place that may be published: for an accusation, its county (条例 30)."""
        secret = self.topic == "petitions" and self.data.get("kind") == "accusation"
        return self.division[:6] if secret else self.division

    @property
    def figures(self) -> Figures:
        """The figures it adds to a row."""
        found = {"gross_count": self.gross, "net_count": self.net}
        for name, types in TOTALS[self.topic].items():
            value = self.data.get(name, 0) if self.type in types else 0
            found |= {f"gross_{name}": self.gross * value, f"net_{name}": self.net * value}
        return found


def postings(events: Sequence[Told]) -> list[Posting]:
    """Postings of a history; `events` are in order of arrival."""
    found: list[Posting] = []
    originals: dict[str, Told] = {}
    standing: dict[str, Told | None] = {}
    corrections: dict[str, list[Told]] = defaultdict(list)
    for event in events:
        type_, corrected = event["type"], event["data"].get("corrects", "")
        if not corrected:
            originals[event["id"]] = standing[event["id"]] = event
            waiting = corrections[event["id"]]
            found.append(_posting(event, event, 1, 0 if waiting else 1))
            if waiting:
                standing[event["id"]] = _last(waiting)
                found += _net(event, standing[event["id"]], 1)
            continue
        corrections[corrected].append(event)
        original = originals.get(corrected)
        if original is None:
            continue  # an orphan does not count
        assert original["type"] in CORRECTS.get(type_, set()) | TAKES_BACK.get(type_, set())
        found.append(_posting(event, event, 1, 0))
        before, after = standing[corrected], _last(corrections[corrected])
        if after is not before:
            found += _net(original, before, -1) + _net(original, after, 1)
        standing[corrected] = after
    return found


def _last(corrections: Iterable[Told]) -> Told | None:
    """The correction recorded last; None if it withdraws the event."""
    last = max(corrections, key=lambda e: (datetime.fromisoformat(e["recorded"]), e["id"]))
    return None if last["type"] in TAKES_BACK else last


def _net(original: Told, content: Told | None, sign: int) -> list[Posting]:
    return [] if content is None else [_posting(original, content, 0, sign)]


def _posting(original: Told, content: Told, gross: int, net: int) -> Posting:
    return Posting(
        topic=topic_of(original),
        type=original["type"],
        at=datetime.fromisoformat(original["time"]).astimezone(ZONE),
        division=content["division"],
        grid=content.get("grid", ""),
        data=content["data"],
        gross=gross,
        net=net,
    )


def added(entries: Iterable[Posting], key: Callable[[Posting], Key | None]) -> dict[Key, Figures]:
    """Figures by key; a posting whose key is None is left out."""
    found: dict[Key, Figures] = {}
    for posting in entries:
        group = key(posting)
        if group is None:
            continue
        figures = found.setdefault(group, dict.fromkeys(posting.figures, 0))
        for name, value in posting.figures.items():
            figures[name] += value
    return found


def dims(posting: Posting, names: Iterable[str]) -> Key:
    """Values of the dimensions; empty for fields that the event lacks."""
    return tuple(posting.data.get(name) or "" for name in names)
