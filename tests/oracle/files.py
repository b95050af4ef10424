"""The case files at an instant, as a clerk would have read them at that minute.

A second way to the results of the stored fold: it looks only at events that had happened by then,
case by case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.oracle.articles import ENDINGS, STATES, Duty
from tests.oracle.law import NEVER, ZONE, Law, Row, blank, verb

Line = dict[str, Any]
"""A row of a published view by column; instants in ms, None for NULL."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """A duty at an instant; `due` is None if it does not run."""

    due: int | None
    overdue: int
    on_time: int | None


class Files:
    """The case files of one topic."""

    def __init__(self, law: Law, rows: Iterable[Row]) -> None:
        self._law, self._topic = law, law.topic
        self._stages = STATES[self._topic.topic]
        self._files: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row.status == "ok":
                self._files[row.data[self._topic.key]].append(row)

    def instants(self) -> list[int]:
        """Instants to check: exact event and due instants, just before them, midnights.

        They include the first instant of a year, and one when everything is past.
        """
        rows = [row for rows in self._files.values() for row in rows]
        times = sorted(row.time for row in rows)
        dues = sorted(due for row in rows for due in self._law.due(row.event).values())
        if not times or not dues:
            return []
        some = [each[len(each) * part // 4] for each in (times, dues) for part in (1, 2, 3)]
        year = datetime(2023, 1, 1, tzinfo=ZONE).timestamp()
        return [*some, *(at - 1 for at in some[2:4]), round(year * 1000), max(times[-1], dues[-1])]

    def cases(self, at: int) -> Iterator[Line]:
        """One line per case begun by then."""
        for number, rows in self._begun(at):
            known = [row for row in rows if row.time <= at]
            ended = _first(known, ENDINGS[self._topic.topic])
            line: Line = {"case": number, **self._place(rows), "state": self._state(known)}
            line |= {"open": int(ended is None), "ended_at": ended}
            line |= self._facts(rows, known)
            line |= {f"{verb(type_)}_at": _first(known, {type_}) for type_ in self._topic.forms}
            for name in self._law.duties:
                judged = self._judge(name, known, at)
                line |= {f"due_{name}": judged.due, f"overdue_{name}": judged.overdue}
                line[f"on_time_{name}"] = judged.on_time
            yield line

    def deadlines(self, at: int) -> Iterator[Line]:
        """One line per case begun by then and running duty."""
        sorts = [
            name
            for name, box in self._topic.forms[self._law.opening].boxes.items()
            if box.fact and box.word.values
        ]
        for number, rows in self._begun(at):
            known = [row for row in rows if row.time <= at]
            line: Line = {"case": number, **self._place(rows)}
            line["open"] = int(_first(known, ENDINGS[self._topic.topic]) is None)
            facts = self._facts(rows, known)
            line |= {name: facts[name] for name in sorts}
            for name in self._law.duties:
                judged = self._judge(name, known, at)
                if judged.due is not None:
                    yield line | {
                        "clock": name,
                        "due": judged.due,
                        "overdue": judged.overdue,
                        "on_time": judged.on_time,
                    }

    def pending(self, at: int) -> Iterator[Line]:
        """One line per place: cases begun, open and overdue."""
        now = datetime.fromtimestamp(at / 1000, ZONE)
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        begun = {"begun_today": today, "begun_this_year": today.replace(month=1, day=1)}
        found: dict[tuple[str, str], Line] = {}
        for line in self.cases(at):
            where = line["county"], line["township"]
            row = found.setdefault(
                where,
                {"county": where[0], "township": where[1]}
                | dict.fromkeys((*begun, "open_cases", "overdue_cases"), 0),
            )
            opened = line[f"{verb(self._law.opening)}_at"]
            for name, start in begun.items():
                row[name] += opened >= start.timestamp() * 1000
            row["open_cases"] += line["open"]
            row["overdue_cases"] += any(line[f"overdue_{name}"] for name in self._law.duties)
        yield from found.values()

    def steps(self) -> Iterator[Line]:
        """One line per case and state it entered, over all events."""
        for number, rows in self._files.items():
            taken = sorted(
                (time, n, state)
                for n, (type_, state) in enumerate(self._stages)
                if (time := _first(rows, {type_})) is not None
            )
            begun = _first(rows, {self._law.opening})
            for before, (time, _, state) in zip([None, *taken], taken, strict=False):
                yield {
                    "case": number,
                    **self._place(rows),
                    "begun": NEVER if begun is None else begun,
                    "came_from": before[2] if before else "",
                    "since": before[0] if before else None,
                    "state": state,
                    "time": time,
                }

    def _begun(self, at: int) -> Iterator[tuple[str, list[Row]]]:
        for number, rows in self._files.items():
            begun = _first(rows, {self._law.opening})
            if begun is not None and begun <= at:
                yield number, rows

    def _place(self, rows: Sequence[Row]) -> Line:
        """County, and township if it is known and may be shown."""
        openings = [row.event["division"] for row in rows if row.type == self._law.opening]
        place = max(openings, default="")
        shown = len(place) >= 9 and not any(map(self._law.withheld, rows))
        return {"county": place[:6], "township": place[:9] if shown else ""}

    def _state(self, known: Sequence[Row]) -> str:
        """The furthest state in the legal order, whatever came last."""
        reached = {row.type for row in known}
        return [state for type_, state in self._stages if type_ in reached][-1]

    def _facts(self, rows: Sequence[Row], known: Sequence[Row]) -> Line:
        """Facts of the case; blank until an event has set them.

        The views show the largest value ever set, which departs from the law (difference 13): the
        last value set by then is right.
        """
        found: Line = {}
        for name, box in self._topic.facts.items():
            if box.word.personal:
                continue
            sayers = self._topic.sayers(name)
            said = [row.data[name] for row in rows if row.type in sayers and name in row.data]
            spoken = any(row.type in sayers for row in known)
            found[name] = max(said, default=blank(box)) if spoken else blank(box)
        return found

    def _judge(self, name: str, known: Sequence[Row], at: int) -> _Judged:
        duties = self._law.duties[name]
        due = self._due(name, duties, known)
        if due is None:
            return _Judged(None, 0, None)
        done = _first(known, {type_ for duty in duties for type_ in duty.done_by})
        gone = _first(known, {type_ for duty in duties for type_ in duty.gone_by})
        over = min((each for each in (done, gone) if each is not None), default=None)
        if over is None:
            return _Judged(due, int(due <= at), 0 if due <= at else None)
        if over >= due:  # a ledger with dates only gives midnight, which is the next day
            return _Judged(due, 0, 0)
        lapsed = gone is not None and (done is None or gone < done)
        return _Judged(due, 0, None if lapsed else 1)

    def _due(self, name: str, duties: Sequence[Duty], known: Sequence[Row]) -> int | None:
        starts: list[tuple[int, int]] = []
        others: list[tuple[int, int]] = []
        for row in known:
            due = self._law.due(row.event).get(name)
            if due is not None:
                duty = next(d for d in duties if row.type in (d.start, d.put_off_by))
                mine = row.type == duty.start and duty.again == "first"
                (starts if mine else others).append((row.time, due))
        first = [min(starts)[1]] if starts else []
        return max([*first, *(due for _, due in others)], default=None)


def _first(rows: Iterable[Row], types: Iterable[str]) -> int | None:
    """Time of the first event of these types."""
    wanted = set(types)
    return min((row.time for row in rows if row.type in wanted), default=None)


def sorted_lines(lines: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """The values of lines, in an order independent of their source."""
    return sorted((tuple(line.values()) for line in lines), key=repr)
