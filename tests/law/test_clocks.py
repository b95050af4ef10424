"""The effect of every event on every running clock, around the clock's due instant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.law.judged import ANSWER, after, answers, clocks_of, event, shown, tell_apart
from tests.law.tables import RUNNING, Effect, Running

if TYPE_CHECKING:
    from tests.histories.told import Told
    from tests.town import Town

# Instants of the event and of the query: a millisecond before the due instant, at it, and a
# millisecond after it. A due instant is a midnight: an event at it is a day late.
AROUND = {"before": -1, "at": 0, "after": 1}
# Per effect: one row per instant of the event, with one answer per instant of the query.
ANSWERS = {
    "nothing": (
        ("running", "overdue", "overdue"),
        ("running", "overdue", "overdue"),
        ("running", "overdue", "overdue"),
    ),
    # A repeat gives no more time.
    "starts": (
        ("running", "overdue", "overdue"),
        ("running", "overdue", "overdue"),
        ("running", "overdue", "overdue"),
    ),
    "ends": (
        ("met", "met", "met"),
        ("running", "late", "late"),
        ("running", "overdue", "late"),
    ),
    # A duty that lapses after its due instant was missed.
    "lapses": (
        ("lapsed", "lapsed", "lapsed"),
        ("running", "late", "late"),
        ("running", "overdue", "late"),
    ),
    # The new due instant is later.
    "restarts": (
        ("running", "running", "running"),
        ("running", "running", "running"),
        ("running", "overdue", "running"),
    ),
    # A duty past due cannot be extended.
    "extends": (
        ("running", "running", "running"),
        ("running", "overdue", "overdue"),
        ("running", "overdue", "overdue"),
    ),
}
CELLS = [
    (name, verb, when)
    for name, clock in RUNNING.items()
    for verb in clock.effects
    for when in AROUND
]


def differs(effect: Effect, when: str) -> int:
    """Number of the difference from the law in a cell; 0 if none."""
    return 3 if effect.does == "extends" and when != "before" else effect.differs


def history(clock: Running, verb: str, when: str) -> list[Told]:
    """A case with the clock started, and one more event near its due instant."""
    case, happened = f"{verb}.{when}", after(clock.due, AROUND[when])
    told = [event(clock.topic, s.verb, case, s.time, **s.data) for s in clock.before]
    more = {}
    if verb == "extended":
        # The form names the acceptance if there is one: another day would set another due date.
        since = clock.before[-1].time if clock.clock == "close" else happened
        more = {"since": f"{since}+08:00", "days": 30}
    if verb == "accepted" and clock.topic == "mediations":
        more = dict(clock.before[-1].data)
    return [*told, event(clock.topic, verb, case, happened, **more)]


def expected(clock: Running, verb: str, when: str) -> list[tuple[object, ...]]:
    """Due instant, overdue and on time, at the three instants of the query."""
    effect = clock.effects[verb]
    row = list(AROUND).index(when)
    found: list[tuple[object, ...]] = []
    for asked, word in zip(AROUND.values(), ANSWERS[effect.does][row], strict=True):
        puts_off = effect.does in ("restarts", "extends") and row < len(clock.moved)
        due = clock.moved[row] if puts_off and asked >= AROUND[when] else clock.due
        found.append((due, *ANSWER[word]))
    return found


@pytest.mark.parametrize("name", RUNNING)
def test_every_event_does_to_a_clock_what_its_article_says(town: Town, name: str) -> None:
    clock = RUNNING[name]
    cells = [
        (verb, when)
        for named, verb, when in CELLS
        if named == name and not differs(clock.effects[verb], when)
    ]
    tell_apart(town, (history(clock, *cell) for cell in cells))
    for n, moved in enumerate(AROUND.values()):
        found = answers(town, clock.topic, after(clock.due, moved))
        assert {case: has[clock.clock] for case, has in found.items()} == {
            f"{verb}.{when}": expected(clock, verb, when)[n] for verb, when in cells
        }, f"{moved} ms from the due instant"


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        pytest.param(
            name,
            verb,
            marks=pytest.mark.xfail(strict=True, reason=f"law {number}: {clock.effects[verb].why}"),
        )
        for name, clock in RUNNING.items()
        for verb, effect in clock.effects.items()
        if (number := differs(effect, "after"))
    ],
)
def test_what_an_event_should_do_to_a_clock(town: Town, name: str, verb: str) -> None:
    clock = RUNNING[name]
    cells = [(verb, when) for when in AROUND if differs(clock.effects[verb], when)]
    town.tell(*(told for cell in cells for told in history(clock, *cell)))
    found = {}
    for n, moved in enumerate(AROUND.values()):
        for case, row in shown(town, clock.topic, after(clock.due, moved)).items():
            found[case, n] = clocks_of(row)[clock.clock]
    assert found == {
        (f"{verb}.{when}", n): answer
        for _, when in cells
        for n, answer in enumerate(expected(clock, verb, when))
    }


def test_a_duty_is_judged_alike_long_after(town: Town) -> None:
    clock = RUNNING["recheck"]
    verbs = [verb for verb, effect in clock.effects.items() if not effect.differs]
    tell_apart(town, (history(clock, verb, "after") for verb in verbs))
    found = answers(town, clock.topic, "2031-12-31 23:59:59.999")
    assert {case: has["recheck"] for case, has in found.items()} == {
        f"{verb}.after": expected(clock, verb, "after")[2] for verb in verbs
    }


@pytest.mark.parametrize("name", RUNNING)
def test_a_clock_runs_from_the_instant_of_its_start(town: Town, name: str) -> None:
    clock = RUNNING[name]
    begun = clock.before[-1].time
    tell_apart(town, [[event(clock.topic, s.verb, "X", s.time, **s.data) for s in clock.before]])
    before = shown(town, clock.topic, after(begun, -1)).get("X")
    assert before is None or clock.clock not in clocks_of(before)
    started = clocks_of(shown(town, clock.topic, begun)["X"])
    assert started[clock.clock] == (clock.due, 0, None)
