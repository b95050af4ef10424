"""A seeded year of the city with the published net figures, and a live trickle of events.

`history` makes 2021 event by event: visits, petitions, mediations and funds, with the flaws that
real offices send too: late forms, corrections, voided and reversed entries, repeats, broken
messages. The net figures equal 法治日报 2022-03-18 exactly (`figures_431200.csv`); everything the
article does not say is made up (示例). The same city, seed and vault make the same bytes.
"""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from producers.simulator.broken import KINDS, broken
from producers.simulator.city import DAYS, YEAR_END, City, microgrid_counts
from producers.simulator.funds import funds
from producers.simulator.mediations import mediations
from producers.simulator.petitions import petitions
from producers.simulator.series import (
    DAY,
    FIRST_DAY,
    NEVER_S,
    Choices,
    EventRows,
    Ints,
    Message,
    Numbers,
    spelled_instant,
)
from producers.simulator.sheets import Sheet
from producers.simulator.visits import visits
from schemas.families import family
from schemas.families.visit import VisitRecorded

__all__ = [
    "LAST_SIMULATED_DAY",
    "Batch",
    "City",
    "Figure",
    "History",
    "Message",
    "Progress",
    "Summary",
    "history",
    "live",
    "microgrid_counts",
    "play",
    "published_figures",
]

Batch = list[Message]
"""Messages of one day, in order of when their offices recorded them."""

LAST_SIMULATED_DAY: Final = date(2022, 3, 18)
"""The day of the article: nothing of a history is later."""

FIGURES: Final = Path(__file__).parents[2] / "schemas" / "reference" / "data" / "figures_431200.csv"
_ZONE: Final = timezone(timedelta(hours=8))
_BROKEN_EACH: Final = 3  # of every kind and family, at scale 1
_RANKS: Final = 64  # more than a family has event types
_LIVE_SCALE: Final = 0.01
_AHEAD: Final = 2_000  # live events encoded at once; one by one costs ten times as much
_NOW: Final = b"\x00now"  # occurs in no JSON
_LIVE_BURST_S: Final = 5.0  # most seconds' worth of events after a pause
_SLICE_S: Final = 0.05  # longest stretch sent without checking the rate
_FLUSH_S: Final = 1.0
_TELL: Final = 5_000  # events between two calls of progress


class Figure(NamedTuple):
    """A published figure, as it stands in `figures_431200.csv`."""

    name: str
    value: int
    unit: str
    period: str
    source: str


class Progress(NamedTuple):
    """How far a history is: messages sent, messages in all, the day being simulated."""

    done: int
    total: int
    day: date


@dataclass(frozen=True, slots=True)
class Summary:
    """What a history holds.

    Attributes:
        gross: events by type, each once.
        net: the same less those voided or reversed.
        repeated: messages sent a second time, by topic.
        broken: messages that must be refused, by kind.
        figures: net figures by their name in `figures_431200.csv`, money in fen.
        visited: micro-grids with at least one visit that stands: about 98.7 % (示例), because a
            coverage of 100 % would leave nothing to find on a board; 0 where they have no codes.
    """

    gross: Mapping[str, int]
    net: Mapping[str, int]
    repeated: Mapping[str, int]
    broken: Mapping[str, int]
    figures: Mapping[str, int]
    visited: int

    @property
    def messages(self) -> int:
        """All messages, repeated and broken ones too."""
        return sum(sum(part.values()) for part in (self.gross, self.repeated, self.broken))

    def __str__(self) -> str:
        """The table of counts."""
        lines = [f"{'event type':<36}{'gross':>12}{'net':>12}"]
        lines += [f"{name:<36}{n:>12,}{self.net[name]:>12,}" for name, n in self.gross.items()]
        lines.append(f"{'all':<36}{sum(self.gross.values()):>12,}{sum(self.net.values()):>12,}")
        for title, part in (("repeated", self.repeated), ("broken", self.broken)):
            lines += [f"{f'{title}: {name}':<36}{n:>12,}" for name, n in part.items()]
        lines.append(f"{'messages':<36}{self.messages:>12,}")
        lines += [f"{f'net: {name}':<36}{value:>24,}" for name, value in self.figures.items()]
        lines.append(f"{'micro-grids visited':<36}{self.visited:>24,}")
        return "\n".join(lines)


class History:
    """A history held as numbers; it encodes messages day by day, on demand.

    Args:
        city: where; see `City.load`.
        seed: another seed gives another history, with other ids.
        scale: 1 is the whole city. The net totals are the published ones times `scale`, each
            rounded to a whole number (half to even); money is rounded to the fen.
        until: last day of recording, inclusive.
        tag: distinguishes the ids of different histories; made from the seed when empty.
    """

    def __init__(
        self,
        city: City,
        seed: int,
        *,
        scale: float = 1.0,
        until: date = LAST_SIMULATED_DAY,
        tag: str = "",
    ) -> None:
        self._vault = city.vault
        tag = tag or _base36(seed % 36**4, 4)
        draws = [np.random.default_rng([seed, n]) for n in range(5)]
        petitioned = petitions(city, tag, draws[0], scale)
        sheets = (
            visits(city, tag, draws[1], scale),
            petitioned,
            mediations(city, tag, draws[2], scale, petitioned),
            funds(city, tag, draws[3], scale),
        )
        self._days = min((until - FIRST_DAY).days + 1, DAYS)
        self._rows = [(_rank(rows), rows) for sheet in sheets for rows in sheet.rows]
        self._broken = list(_spoilt(sheets, draws[4], max(1, round(_BROKEN_EACH * scale))))

    def __iter__(self) -> Iterator[Batch]:
        """One batch a day."""
        self.prepare()
        starts = [0] * len(self._rows)
        for day in range(self._days):
            end = (day + 1) * DAY
            messages: Batch = []
            keys = []
            for n, (rank, rows) in enumerate(self._rows):
                start, stop = starts[n], int(np.searchsorted(rows.sent, end))
                if start < stop:
                    messages += rows.messages(rows.rows[start:stop])
                    keys.append(rows.sent[start:stop] * _RANKS + rank)
                    starts[n] = stop
            for sent, kind, rows, row in self._broken:
                if sent // DAY == day:
                    messages.append(broken(kind, rows.messages(row)[0]))
                    keys.append(np.array([sent * _RANKS + _RANKS - 1]))
            if messages:
                # By rank within a second, so that a correction follows what it corrects.
                order = np.argsort(np.concatenate(keys), kind="stable").tolist()
                messages = [messages[at] for at in order]
            yield messages

    def prepare(self) -> None:
        """Makes the keys that seal its texts, in two transactions of the vault."""
        end = self._days * DAY
        self._vault.assign([pair for _, rows in self._rows for pair in rows.owned(end)])
        self._vault.prepare([name for _, rows in self._rows for name in rows.subjects(end)])

    def summary(self) -> Summary:
        """Counts and net figures, without making a message."""
        end = self._days * DAY
        gross: Counter[str] = Counter()
        net: Counter[str] = Counter()
        again: Counter[str] = Counter()
        figures: Counter[str] = Counter(dict.fromkeys(_FIGURES, 0))
        grids: set[int] = set()
        for _, rows in self._rows:
            name = rows.cls.spec.name
            sent = rows.sent < end
            first = sent & ~rows.repeated
            stands = first & (rows.undone >= end)
            gross[name] += int(first.sum())
            net[name] += int(stands.sum())
            again[rows.cls.topic] += int((sent & rows.repeated).sum())
            if rows.cls is VisitRecorded and "grid" in rows.head:
                grids |= set(np.unique(_grids(rows)[rows.rows[stands]]).tolist())
            for figure, (type_, field, year) in _FIGURES.items():
                if type_ == name:
                    figures[figure] += _added(rows, stands, field, year)
        spoilt = Counter(kind for sent, kind, _, _ in self._broken if sent < end)
        return Summary(gross, net, again, dict(sorted(spoilt.items())), dict(figures), len(grids))

    def undated(self) -> Iterator[Message]:
        """Every event once, in order, with `_NOW` for its instants; no opening balances."""
        self.prepare()
        found = [(rank, rows) for rank, rows in self._rows if not rows.opening]
        fresh = np.concatenate([~rows.repeated for _, rows in found])
        keys = np.concatenate([rows.sent * _RANKS + rank for rank, rows in found])
        order = np.argsort(keys, kind="stable")
        order = order[fresh[order]]
        which = np.concatenate([np.full(len(rows), n) for n, (_, rows) in enumerate(found)])[order]
        entries = np.concatenate([rows.rows for _, rows in found])[order]
        for start in range(0, len(order), _AHEAD):
            part = which[start : start + _AHEAD]
            spelled: dict[int, Message] = {}
            for n in np.unique(part).tolist():
                at = np.flatnonzero(part == n)
                messages = found[n][1].messages(entries[start + at], _NOW)
                spelled.update(zip(at.tolist(), messages, strict=True))
            yield from (spelled[at] for at in range(len(part)))


_FIGURES: Final[Mapping[str, tuple[str, str, bool]]] = {
    "visits_2021": ("visit.recorded", "", True),
    "requests_closed_2021": ("visit.request_closed", "", True),
    "fund_raised_fen": ("fund.contributed", "amount", False),
    "fund_helped": ("fund.disbursed", "helped", False),
    "fund_projects": ("fund.project_opened", "projects", False),
}
"""Event type, field to sum (empty: count the events), and whether only 2021 counts."""


def history(
    city: City, seed: int, *, scale: float = 1.0, until: date = LAST_SIMULATED_DAY
) -> Iterator[Batch]:
    """The history of a city, a day at a time; the arguments are those of `History`."""
    return iter(History(city, seed, scale=scale, until=until))


def play(
    made: History,
    send: Callable[[str, bytes, bytes], object],
    *,
    flush: Callable[[], object] = lambda: None,
    rate: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Sends a history; returns how many messages.

    Args:
        made: what to send.
        send: takes topic, key and payload, such as `BulkProducer.send_bytes`.
        flush: returns when all sent messages have arrived, such as `BulkProducer.flush`; called at
            the end and, with a `rate`, about once a second.
        rate: messages a second; no limit when None.
        progress: called every few thousand messages, and at the end.
        clock: monotonic seconds.
        sleep: waits for a number of seconds.
    """
    total, done, started = made.summary().messages, 0, clock()
    size = _TELL if rate is None else max(1, min(_TELL, round(rate * _SLICE_S)))
    told, flushed = 0, started
    for n, batch in enumerate(made):
        day = FIRST_DAY + timedelta(days=n)
        for start in range(0, len(batch), size):
            piece = batch[start : start + size]
            for topic, key, payload in piece:
                send(topic, key, payload)
            done += len(piece)
            if rate is not None:
                if clock() - flushed >= _FLUSH_S:
                    flush()
                    flushed = clock()
                sleep(max(0.0, started + done / rate - clock()))
            if progress and done - told >= _TELL:
                progress(Progress(done, total, day))
                told = done
    flush()
    if progress:
        progress(Progress(done, total, FIRST_DAY + timedelta(days=made._days - 1)))
    return done


def live(
    city: City,
    seed: int,
    rate: float = 5.0,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Batch]:
    """Endless events dated now, of the four families in their yearly proportions.

    It plays one small history after another at `rate`, each with its own ids, so that cases advance
    from step to step. All instants of an event are the time of the call that yields it. It never
    waits: each batch holds the events due since the last one and may be empty. After a pause it
    catches up at most five seconds' worth.

    Args:
        city: where.
        seed: decides what happens, not when.
        rate: events a second.
        clock: the time now, aware.
    """
    started, sent = clock(), 0
    events = _unending(city, seed, clock)
    while True:
        now = clock()
        due = int((now - started).total_seconds() * rate) - sent
        most = max(1, round(rate * _LIVE_BURST_S))
        if due > most:
            started += timedelta(seconds=(due - most) / rate)
            due = most
        sent += max(0, due)
        at = spelled_instant(now.astimezone(_ZONE))
        fallen = (next(events) for _ in range(due))
        yield [(topic, key, payload.replace(_NOW, at)) for topic, key, payload in fallen]


def published_figures(path: Path = FIGURES) -> dict[str, Figure]:
    """The article's figures by name; see the file for their sources."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [
            Figure(row["name"], int(row["value"]), row["unit"], row["period"], row["source"])
            for row in csv.DictReader(lines)
        ]
    return {figure.name: figure for figure in rows}


def _unending(city: City, seed: int, clock: Callable[[], datetime]) -> Iterator[Message]:
    before = 0
    while True:
        # Live ids come from the clock: after a restart they must be new ones.
        before = max(before + 1, int(clock().timestamp() * 1000))
        made = History(city, seed + before, scale=_LIVE_SCALE, tag=_base36(before, 8))
        yield from made.undated()


def _spoilt(
    sheets: tuple[Sheet, ...], draw: np.random.Generator, each: int
) -> Iterator[tuple[int, str, EventRows, Ints]]:
    """When each broken message is sent, its kind, and the sound row it is made from."""
    for sheet in sheets:
        sound = max(sheet.rows, key=len)
        for kind in KINDS:
            for entry in draw.integers(0, len(sound), each).tolist():
                yield int(sound.sent[entry]), kind, sound, sound.rows[entry : entry + 1]


def _added(rows: EventRows, stands: Ints, field: str, year: bool) -> int:
    entries = rows.rows[stands]
    if year:
        entries = entries[rows.seconds[entries] < YEAR_END]
    if not field:
        return len(entries)
    column = rows.data[field]
    assert isinstance(column, Numbers)
    return int(column.of[entries].astype(np.int64).sum())


def _grids(rows: EventRows) -> Ints:
    column = rows.head["grid"]
    assert isinstance(column, Choices)
    return column.which


def _rank(rows: EventRows) -> int:
    return family(rows.cls.topic).events.index(rows.cls)


def _base36(number: int, width: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text


assert NEVER_S > DAYS * DAY
