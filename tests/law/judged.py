"""What the published views of cases show at an instant, each compared with the others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from schemas.grain import Role
from tests.histories.told import VILLAGE, Told, told
from tests.law.tables import OPENING, PREFIX
from tests.town import Town

MS = timedelta(milliseconds=1)
# A clock's columns (overdue, on_time): `on_time` is 1 in time, 0 late, None on neither side of a
# rate. A duty that lapsed in time looks like a running one.
ANSWER = {
    "running": (0, None),
    "lapsed": (0, None),
    "met": (0, 1),
    "late": (0, 0),
    "overdue": (1, 0),
}
ENDS = {
    "petitions": ("closed", "withdrawn", "merged", "not_accepted"),
    "mediations": ("agreement_reached", "terminated"),
}
SUMMED = {
    "petitions": (("registered", "people"), ("rated", "satisfaction")),
    "mediations": (("filed", "people"), ("agreement_reached", "amount")),
}
"""Numbers of a case that are summed by year: the event that says them, and their name."""
SPLIT = {
    "petitions": ("kind", "channel", "level", "repeated", "route", "reason", "result"),
    "mediations": (
        *("dispute", "origin", "scale", "mode", "mediator", "form", "averted_crime"),
        *("averted_group", "why", "ruling", "to"),
    ),
}
"""Vocabularies and flags by which cases are counted."""
ELSEWHERE = "431228100"
"""A place in another county than `VILLAGE`: a case keeps the place of its opening."""

Clocks = dict[str, tuple[Any, ...]]


def after(instant: str, milliseconds: int) -> str:
    """An instant that many milliseconds later; earlier if negative."""
    moved = datetime.fromisoformat(instant) + milliseconds * MS
    return moved.isoformat(sep=" ", timespec="milliseconds")


def event(topic: str, verb: str, case: str, time: str, **data: Any) -> Told:
    """An event of a case; all but the opening happen elsewhere."""
    place = data.pop("place", VILLAGE if verb == OPENING[topic] else ELSEWHERE)
    return told(f"{PREFIX[topic]}.{verb}", case, time, place=place, **data)


def tell_apart(town: Town, histories: Iterable[list[Told]]) -> None:
    """Stores the n-th events of all cases in one batch each, the last events first.

    So no insert folds two events of a case, and no answer can depend on the order of arrival.
    """
    batches: dict[int, list[Told]] = defaultdict(list)
    for history in histories:
        for n, each in enumerate(history):
            batches[n].append(each)
    for n in sorted(batches, reverse=True):
        town.tell(*batches[n])


def shown(town: Town, topic: str, at: str) -> dict[str, dict[str, Any]]:
    """Rows of the cases view, by case."""
    rows = town.published(f"{topic}_cases", at)
    found = {row["case"]: row for row in rows}
    assert len(found) == len(rows), "a case has two rows"
    return found


def cases(town: Town, topic: str, at: str) -> dict[str, dict[str, Any]]:
    """The same; asserts that the other views agree."""
    found = shown(town, topic, at)
    clocks = {case: clocks_of(row) for case, row in found.items()}
    _hold_deadlines(town, topic, at, found, clocks)
    _hold_pending(town, topic, at, found, clocks)
    _hold_breakdown(town, topic, at, found)
    _hold_duties(town, topic, at, found, clocks)
    return found


def clocks_of(row: Mapping[str, Any]) -> Clocks:
    """Due instant, overdue and on time of every clock of a case."""
    names = [name.removeprefix("due_") for name in row if name.startswith("due_")]
    found = {n: (row[f"due_{n}"], row[f"overdue_{n}"], row[f"on_time_{n}"]) for n in names}
    for name, answer in found.items():
        assert answer[0] is not None or answer == (None, 0, None), (row["case"], name, answer)
    return {name: answer for name, answer in found.items() if answer[0] is not None}


def answers(town: Town, topic: str, at: str) -> dict[str, Clocks]:
    """The clocks of every case at an instant."""
    return {case: clocks_of(row) for case, row in cases(town, topic, at).items()}


def _hold_deadlines(
    town: Town, topic: str, at: str, found: Mapping[str, Any], clocks: Mapping[str, Clocks]
) -> None:
    told_of = {}
    for row in town.published(f"{topic}_deadlines", at):
        case = found[row["case"]]
        for name in set(row) - {"clock", "due", "overdue", "on_time"}:
            assert row[name] == case[name], (at, name, row, case)
        key = row["case"], row["clock"]
        assert key not in told_of, (at, row)
        told_of[key] = row["due"], row["overdue"], row["on_time"]
    expected = {(case, name): told for case, has in clocks.items() for name, told in has.items()}
    assert told_of == expected, at


def _hold_pending(
    town: Town, topic: str, at: str, found: Mapping[str, Any], clocks: Mapping[str, Clocks]
) -> None:
    expected: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for case, row in found.items():
        counts = expected[row["county"], row["township"]]
        counts.update(_counts(topic, at, row))
        counts["overdue_cases"] += any(overdue for _, overdue, _ in clocks[case].values())
        for verb, name in SUMMED[topic]:
            counts[f"{name}_this_year"] += row[name] * _in_year(row[f"{verb}_at"], at)
    rows = town.published(f"{topic}_pending", at)
    said = {(row.pop("county"), row.pop("township")): Counter(row) for row in rows}
    assert said == expected, at
    # A viewer sees counties alone, and no number of a case.
    for_viewers: dict[str, Counter[str]] = defaultdict(Counter)
    for (county, _), counts in expected.items():
        for _, name in SUMMED[topic]:
            del counts[f"{name}_this_year"]
        for_viewers[county].update(counts)
    rows = town.published(f"{topic}_pending", at, role="viewer")
    assert {row.pop("county"): Counter(row) for row in rows} == for_viewers, at


def _counts(topic: str, at: str, row: Mapping[str, Any]) -> Counter[str]:
    """What a case adds to the counts of cases."""
    began, ended = row[f"{OPENING[topic]}_at"], _in_year(row["ended_at"], at)
    found = {
        "begun_today": began[:10] == at[:10],
        "begun_this_year": _in_year(began, at),
        "open_cases": row["open"],
        "ended_this_year": ended,
        **{f"{verb}_this_year": ended and row[f"{verb}_at"] is not None for verb in ENDS[topic]},
    }
    return Counter({name: int(value) for name, value in found.items()})


def _in_year(instant: str | None, at: str) -> bool:
    return instant is not None and instant[:4] == at[:4]


def _hold_breakdown(town: Town, topic: str, at: str, found: Mapping[str, Any]) -> None:
    expected: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for row in found.values():
        began = row[f"{OPENING[topic]}_at"][:10] if row["open"] else ""
        parts = {"state": row["state"], "begun": began}
        for name in SPLIT[topic]:
            value = row[name]
            if name.startswith("averted") and row["agreement_reached_at"] is None:
                value = ""  # no event has said it yet
            parts[name] = str(value).lower() if isinstance(value, bool) else value
        for split, part in parts.items():
            expected[row["county"], split, part].update(_counts(topic, at, row))
    rows = town.published(f"{topic}_breakdown", at)
    said = {(row.pop("county"), row.pop("split"), row.pop("part")): Counter(row) for row in rows}
    assert said == expected, at


def _hold_duties(
    town: Town, topic: str, at: str, found: Mapping[str, Any], clocks: Mapping[str, Clocks]
) -> None:
    expected: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    oldest: dict[tuple[Any, ...], str] = {}
    for case, has in clocks.items():
        row = found[case]
        for name, (due, overdue, on_time) in has.items():
            past, running = bool(overdue), bool(row["open"]) and on_time is None
            counts = {
                "met": on_time == 1,
                "late": on_time == 0 and not past,
                "past": past,
                "running": running,
            }
            key = row["county"], row["township"], name
            expected[key].update({what: int(value) for what, value in counts.items()})
            if past:
                oldest[key] = min(due, oldest.get(key, due))
    places: tuple[tuple[Role, tuple[str, ...]], ...] = (
        ("clerk", ("county", "township", "clock")),
        ("viewer", ("county", "clock")),
    )
    for role, names in places:
        wanted: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        first: dict[tuple[Any, ...], str] = {}
        for (county, township, clock), told_ in expected.items():
            of: tuple[str, ...] = (county, township, clock)
            of = of if role == "clerk" else (county, clock)
            wanted[of].update(told_)
            if due := oldest.get((county, township, clock)):
                first[of] = min(due, first.get(of, due))
        rows = town.published(f"{topic}_duties", at, role=role)
        keys = [tuple(row.pop(name) for name in names) for row in rows]
        due_since = {key: row.pop("oldest_due") for key, row in zip(keys, rows, strict=True)}
        assert {key: due for key, due in due_since.items() if due} == first, (at, role)
        assert dict(zip(keys, map(Counter, rows), strict=True)) == wanted, (at, role)
