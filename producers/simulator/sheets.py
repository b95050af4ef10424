"""Builds a family's events: ids, places, instants, late entries and repeats."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from producers.simulator.city import END_S, YEAR_END, City, Draw, cumulated, pick
from producers.simulator.series import (
    DAY,
    FIRST_DAY,
    NEVER_S,
    Choices,
    EventRows,
    Instants,
    Ints,
    Serials,
    Series,
    objects,
)
from schemas.event import Event

REPEATED: Final = 0.0015  # share of messages sent a second time
_LATE: Final = 0.03  # share of forms entered days later (补录)
_ENTRY_S: Final = 2_400  # mean time until a form is entered
_ENTRY_MAX_S: Final = 4 * 3600

# Weights by hour, from midnight: visits when people are at home, offices when they are open.
VISITING: Final = (
    *(0, 0, 0, 0, 0, 0, 2, 8, 22, 40, 42, 26),
    *(8, 8, 20, 32, 30, 20, 16, 22, 14, 4, 1, 0),
)
OFFICES: Final = (
    *(0, 0, 0, 0, 0, 0, 0, 1, 20, 34, 32, 14),
    *(2, 3, 18, 26, 24, 12, 1, 0, 0, 0, 0, 0),
)
ONLINE: Final = (
    *(3, 1, 1, 0, 0, 1, 2, 6, 16, 22, 22, 16),
    *(13, 12, 15, 17, 16, 12, 10, 14, 16, 14, 9, 5),
)

# First day, last day, factor: 春节, 七一, 重阳, the end of the year.
SEASONS: Final = (
    ("2021-01-25", "2021-02-10", 1.45),
    ("2021-02-11", "2021-02-17", 0.45),
    ("2021-06-22", "2021-07-04", 1.3),
    ("2021-10-12", "2021-10-16", 1.25),
    ("2021-12-10", "2021-12-31", 1.2),
)


class Sheet:
    """The events of one topic, added type by type.

    Args:
        city: where.
        topic: Kafka topic.
        letter: first letter of the ids of its events.
        tag: distinguishes the ids of different histories.
        draw: the source of all random draws.
    """

    def __init__(self, city: City, topic: str, letter: str, tag: str, draw: Draw) -> None:
        self.city, self.topic, self.draw = city, topic, draw
        self._prefix, self._tag = f"{letter}-{tag}".encode(), tag
        self._sources = city.by_county("/{}/" + topic)
        self._next = 0
        self.rows: list[EventRows] = []
        self.began: tuple[Serials, Ints] | None = None
        """Only for petitions: case numbers, and when each was registered, ascending."""

    def ids(self, n: int) -> Serials:
        """`n` new event ids."""
        start, self._next = self._next, self._next + n
        return Serials(self._prefix, np.arange(start, start + n, dtype=np.int32))

    def numbers(self, letter: str, n: int) -> Serials:
        """`n` case numbers."""
        return Serials(f"{letter}-{self._tag}".encode(), np.arange(n, dtype=np.int32))

    def days(self, n: int, weekdays: tuple[float, ...], rest: float) -> Ints:
        """Days of 2021, weighted by weekday, holiday and season.

        Args:
            n: how many.
            weekdays: weight of Monday to Sunday.
            rest: a public holiday on a weekday weighs this share of a Sunday.
        """
        made = np.empty(365)
        for day in range(365):
            on = FIRST_DAY + timedelta(days=day)
            resting = bool(self.city.rests[day])
            weight = weekdays[on.weekday()]
            if resting and on.weekday() < 5:
                weight = weekdays[6] * rest
            elif not resting and on.weekday() >= 5:
                weight = weekdays[0]
            for first, last, factor in SEASONS:
                weight *= factor if first <= str(on) <= last else 1
            made[day] = weight
        made *= self.draw.lognormal(0, 0.06, 365)
        return pick(self.draw, n, cumulated(made)).astype(np.int64)

    def times(self, days: Ints, hours: tuple[int, ...]) -> Ints:
        """An instant on each day, by the weights of the hours."""
        hour = pick(self.draw, len(days), cumulated(np.array(hours, float)))
        found: Ints = days * DAY + hour * 3600 + self.draw.integers(0, 3600, len(days))
        return found

    def entered(self, time: Ints, late: float = _LATE) -> Ints:
        """When forms of events at `time` are entered: soon, or some days later (补录).

        Events of 2021 are entered in 2021, so that the year's figures are final at its end.
        """
        n = len(time)
        wait = np.minimum(self.draw.exponential(_ENTRY_S, n), _ENTRY_MAX_S).astype(np.int64)
        days = np.where(self.draw.random(n) < late, self.draw.integers(1, 13, n), 0)
        found: Ints = np.maximum(time, np.minimum(time + wait + days * DAY, _last(time)))
        return found

    def after(self, instants: Ints, longest_days: float) -> Ints:
        """A later instant for each, at most `longest_days` later and in the same year's books."""
        n = len(instants)
        later = instants + (self.draw.random(n) * longest_days * DAY).astype(np.int64) + 600
        found: Ints = np.maximum(instants, np.minimum(later, _last(instants)))
        return found

    def filed_by(self, office: str, place: Ints) -> dict[str, Series]:
        """The envelope's actor: the office of each place's county."""
        return {"actor": Choices(self.city.by_county("{}-" + office), place)}

    def chosen(self, names: Mapping[str, float], n: int) -> Choices:
        """`n` draws from a vocabulary by its weights."""
        which = pick(self.draw, n, cumulated(np.array(list(names.values()))))
        return Choices(objects(list(names)), which.astype(np.int8))

    def add(
        self,
        cls: type[Event],
        place: Ints,
        time: Ints,
        data: Mapping[str, Series],
        *,
        recorded: Ints | None = None,
        happens: npt.NDArray[np.bool_] | None = None,
        undone: Ints | None = None,
        ids: Serials | None = None,
        head: Mapping[str, Series] | None = None,
        opening: bool = False,
    ) -> Serials:
        """Adds the events of one type that happen and are entered before the end; returns the ids.

        Args:
            cls: event class.
            place: place of each.
            time: when each happened, in seconds.
            data: content.
            recorded: when each was entered; drawn when None.
            happens: which of them happen at all.
            undone: when each is voided or reversed.
            ids: of each; new ones when None.
            head: further envelope attributes.
            opening: whether these are opening balances.
        """
        recorded = self.entered(np.minimum(time, NEVER_S)) if recorded is None else recorded
        fit = (time < END_S) & (recorded < END_S)
        rows = np.flatnonzero(fit if happens is None else fit & happens).astype(np.int32)
        ids = self.ids(len(time)) if ids is None else ids
        columns: dict[str, Series] = {
            "id": ids,
            "source": Choices(self._sources, place),
            "time": Instants(time),
            "recorded": Instants(recorded),
            "division": Choices(self.city.codes, place),
            **(head or {}),
        }
        again = rows[self.draw.random(len(rows)) < (0 if opening else REPEATED)]
        entries = np.concatenate([rows, again])
        resent = recorded[again] + self.draw.integers(60, 25 * DAY, len(again))
        sent = np.concatenate([recorded[rows], np.minimum(resent, END_S - 1)])
        undone = np.full(len(time), NEVER_S) if undone is None else undone
        repeated = np.arange(len(entries)) >= len(rows)
        # Stable, so that a repeat in the same second follows the first sending.
        order = np.argsort(sent, kind="stable")
        if len(entries):
            self.rows.append(
                EventRows(
                    cls,
                    columns,
                    data,
                    entries[order],
                    sent[order],
                    np.where(repeated, NEVER_S, undone[entries])[order],
                    repeated[order],
                    opening,
                )
            )
        return ids


def _last(time: Ints) -> Ints:
    last: Ints = np.where(time < YEAR_END, YEAR_END, END_S) - 1
    return last


def step(when: npt.NDArray[np.bool_], time: Ints) -> Ints:
    """The instants where `when`, `NEVER_S` elsewhere."""
    found: Ints = np.where(when, time, NEVER_S)
    return found


def some(draw: Draw, n: int, share: float) -> npt.NDArray[np.bool_]:
    """Marks each of `n` with the probability `share`."""
    return draw.random(n) < share


def exactly(draw: Draw, n: int, chosen: int) -> npt.NDArray[np.bool_]:
    """Marks exactly `chosen` of `n`."""
    made = np.zeros(n, bool)
    made[draw.permutation(n)[:chosen]] = True
    return made
