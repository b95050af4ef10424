"""A simulated family as tests read it: parsed messages, without the simulator's numbers."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from math import sqrt
from typing import Any, Final

import numpy as np

from producers.simulator.sheets import Sheet

Told = dict[str, Any]
"""An event as on the wire, plus `t` and `r`: when it happened and was recorded."""

DAY: Final = 86_400
FIRST: Final = date(2021, 1, 1)
YEAR_END: Final = 365 * DAY
"""First second of 2022, counted from midnight of 2021-01-01."""
END: Final = 442 * DAY
"""First second after the day of the article: 365 days of 2021, then 31 + 28 + 18."""
_MOST_SIGMAS: Final = 4.5


def _hours(first: int, *weights: int) -> dict[int, int]:
    """Weights of the hours from `first` on; hours with weight 0 are left out."""
    return {hour: weight for hour, weight in enumerate(weights, first) if weight}


VISITING: Final = _hours(6, 2, 8, 22, 40, 42, 26, 8, 8, 20, 32, 30, 20, 16, 22, 14, 4, 1)
OFFICE: Final = _hours(7, 1, 20, 34, 32, 14, 2, 3, 18, 26, 24, 12, 1)
ONLINE: Final = _hours(
    0, *(3, 1, 1, 0, 0, 1, 2, 6, 16, 22, 22, 16, 13, 12, 15, 17, 16, 12, 10, 14, 16, 14, 9, 5)
)

# 国务院办公厅关于2021年、2022年部分节假日安排的通知, up to the day of the article.
HOLIDAYS: Final = (
    *(("2021-01-01", 3), ("2021-02-11", 7), ("2021-04-03", 3), ("2021-05-01", 5)),
    *(("2021-06-12", 3), ("2021-09-19", 3), ("2021-10-01", 7)),
    *(("2022-01-01", 3), ("2022-01-31", 7)),
)
WORKING_WEEKENDS: Final = frozenset(
    {
        *("2021-02-07", "2021-02-20", "2021-04-25", "2021-05-08"),
        *("2021-09-18", "2021-09-26", "2021-10-09", "2022-01-29", "2022-01-30"),
    }
)

# First and last day, and factor over the usual rate: 春节, 七一, 重阳, the end of the year.
SEASONS: Final = (
    ("2021-01-25", "2021-02-10", 1.45),
    ("2021-02-11", "2021-02-17", 0.45),
    ("2021-06-22", "2021-07-04", 1.3),
    ("2021-10-12", "2021-10-16", 1.25),
    ("2021-12-10", "2021-12-31", 1.2),
)


@cache
def holidays() -> frozenset[str]:
    """Every day of the holidays, including weekends."""
    return frozenset(
        str(date.fromisoformat(first) + timedelta(days=n))
        for first, days in HOLIDAYS
        for n in range(days)
    )


@cache
def works(day: int) -> bool:
    """Whether offices are open on a day; days count from 2021-01-01."""
    on = FIRST + timedelta(days=day)
    if str(on) in WORKING_WEEKENDS:
        return True
    return on.weekday() < 5 and str(on) not in holidays()


@cache
def _day(text: str) -> int:
    return (date.fromisoformat(text) - FIRST).days


def seconds(text: str) -> int:
    """An instant on the wire, in seconds since midnight of 2021-01-01."""
    assert text[10] == "T" and text[19:] == "+08:00", text
    clock = int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
    return _day(text[:10]) * DAY + clock


class Drawn:
    """The events of one sheet by type, without repeats."""

    def __init__(self, sheet: Sheet) -> None:
        self.events: dict[str, list[Told]] = defaultdict(list)
        self.repeats = self.sent = 0
        ids = set[str]()
        for rows in sheet.rows:
            for _, _, payload in rows.messages(rows.rows):
                event: Told = json.loads(payload)
                self.sent += 1
                if event["id"] in ids:
                    self.repeats += 1
                    continue
                ids.add(event["id"])
                event["t"], event["r"] = seconds(event["time"]), seconds(event["recorded"])
                self.events[event["type"]].append(event)
        self.taken_back = {
            event["data"]["corrects"]
            for type_ in ("visit.voided", "fund.reversed")
            for event in self.events.get(type_, ())
        }

    def of(self, type_: str) -> list[Told]:
        """Every event of a type, wrong entries included."""
        return self.events[type_]

    def standing(self, type_: str) -> list[Told]:
        """The events of a type that are not voided or reversed."""
        return [event for event in self.events[type_] if event["id"] not in self.taken_back]

    def cases(self, key: str) -> dict[str, dict[str, list[Told]]]:
        """The events of each case by step, in order of time."""
        found: dict[str, dict[str, list[Told]]] = defaultdict(lambda: defaultdict(list))
        for type_, events in self.events.items():
            step = type_.partition(".")[2]
            for event in sorted(events, key=lambda event: int(event["t"])):
                found[event["data"][key]][step].append(event)
        return {case: dict(steps) for case, steps in found.items()}


def assert_near(found: int, of: int, share: float, what: object = "") -> None:
    """Asserts that `found` is a plausible random count for a share of `of`."""
    most = _MOST_SIGMAS * sqrt(of * share * (1 - share)) + 1
    assert abs(found - of * share) <= most, (what, found / of, share)


def assert_shares(values: Iterable[Any], weights: Mapping[Any, float]) -> None:
    """Asserts that exactly the declared values occur, each about as often as its weight."""
    found, total = Counter(values), sum(weights.values())
    assert set(found) == set(weights)
    for value, weight in weights.items():
        assert_near(found[value], sum(found.values()), weight / total, value)


def days_between(pairs: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The shortest and the longest wait in whole days, without the wait for a working day.

    A wait that ends on a day off continues to the next working day, so each pair of instants gives
    a range of waits: the minimum of the upper ends and the maximum of the lower ends are certain.
    """
    least, most = 1_000, -1
    for after, then in pairs:
        first, last = after // DAY, then // DAY
        before = last - 1
        while not works(before) and before >= first:
            before -= 1
        least, most = min(least, last - first), max(most, before + 1 - first)
    return least, most


def assert_rhythm(times: Iterable[int], week: Sequence[float], rest: float) -> None:
    """Asserts that weekdays and holidays have their weights.

    Args:
        times: instants of events.
        week: weights from Monday to Sunday.
        rest: weight of a holiday relative to a Sunday.
    """
    events = Counter(time // DAY for time in times)
    found: dict[int, list[int]] = defaultdict(list)
    for n in range(365):
        on = FIRST + timedelta(days=n)
        if str(on) in WORKING_WEEKENDS or any(a <= str(on) <= b for a, b, _ in SEASONS):
            continue
        if str(on) not in holidays():
            found[on.weekday()].append(events[n])
        elif on.weekday() < 5:
            found[7].append(events[n])
    means = [float(np.mean(found[day])) for day in range(8)]
    # Working days set the unit: there are some two hundred.
    unit = sum(means[:5]) / sum(week[:5])
    for day, weight in enumerate([*week, week[6] * rest]):
        # Random spread of the mean over a few days; each day has a factor with spread 0.06.
        most = 4 * weight * sqrt((0.06**2 + 1 / (weight * unit)) / len(found[day]))
        assert abs(means[day] / unit - weight) < most, (day, means[day] / unit, weight)


def median(values: Iterable[float]) -> float:
    """The median."""
    return float(np.median(list(values)))
