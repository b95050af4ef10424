"""States, steps and endings of a case: each event, and each pair in both orders."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from tests.law.judged import after, cases, event, shown, tell_apart
from tests.law.tables import ENDINGS, OPENING, STATELESS, STATES, UNLIKE_THE_ORDER

if TYPE_CHECKING:
    from tests.histories.told import Told
    from tests.town import Town

TOPICS = tuple(STATES)
# Times of a case: opened on 1 March, then two events.
OPENED, FIRST, SECOND = (f"2021-03-{day} 09:00:00.000" for day in ("01", "02", "03"))
PAIRS = {topic: list(permutations(states, 2)) for topic, states in STATES.items()}


def verbs_of(topic: str) -> list[str]:
    """Every event type of a family."""
    return [*STATES[topic], *STATELESS[topic]]


def opened(topic: str, case: str, *told: tuple[str, str]) -> list[Told]:
    """A case with these verbs at these times; opened first unless one of them opens it."""
    first = [] if OPENING[topic] in [verb for verb, _ in told] else [(OPENING[topic], OPENED)]
    return [event(topic, verb, case, time) for verb, time in [*first, *told]]


def further(topic: str, *verbs: str) -> str:
    """The state of the verb that is last in the legal order."""
    order = list(STATES[topic])
    return STATES[topic][max(verbs, key=order.index)]


def stands(topic: str, one: str, other: str) -> list[str]:
    """State before and after the first event, before and after the second; "" if not begun."""
    opening, states = OPENING[topic], STATES[topic]
    last = UNLIKE_THE_ORDER.get((topic, one, other), (further(topic, one, other), 0))[0]
    if opening == one:
        return ["", states[opening], states[opening], last]
    if opening == other:
        # Events before the opening are stored, but the case does not exist yet.
        return ["", "", "", last]
    return [states[opening], states[one], states[one], last]


def states_at(town: Town, topic: str, at: str) -> dict[str, str]:
    return {case: row["state"] for case, row in cases(town, topic, at).items()}


@pytest.mark.parametrize("topic", TOPICS)
def test_the_furthest_state_reached_is_the_state_of_the_case(town: Town, topic: str) -> None:
    pairs = [pair for pair in PAIRS[topic] if (topic, *pair) not in UNLIKE_THE_ORDER]
    tell_apart(
        town,
        (opened(topic, f"{a}.{b}", (a, FIRST), (b, SECOND)) for a, b in pairs),
    )
    instants = (after(FIRST, -1), FIRST, after(SECOND, -1), SECOND)
    for n, at in enumerate(instants):
        expected = {f"{a}.{b}": stands(topic, a, b)[n] for a, b in pairs}
        begun = {case: state for case, state in expected.items() if state}
        assert states_at(town, topic, at) == begun, at


@pytest.mark.parametrize(
    ("topic", "one", "other"),
    [
        pytest.param(*pair, marks=pytest.mark.xfail(strict=True, reason=f"law {number}: states"))
        for pair, (_, number) in UNLIKE_THE_ORDER.items()
    ],
)
def test_the_state_that_a_case_should_be_in(town: Town, topic: str, one: str, other: str) -> None:
    town.tell(*opened(topic, "X", (one, FIRST), (other, SECOND)))
    assert states_at(town, topic, SECOND) == {"X": stands(topic, one, other)[-1]}


@pytest.mark.parametrize("topic", TOPICS)
def test_of_two_states_of_one_instant_the_further_one_is_shown(town: Town, topic: str) -> None:
    pairs = PAIRS[topic]
    tell_apart(town, (opened(topic, f"{a}.{b}", (a, FIRST), (b, FIRST)) for a, b in pairs))
    assert states_at(town, topic, FIRST) == {f"{a}.{b}": further(topic, a, b) for a, b in pairs}


@pytest.mark.parametrize("topic", TOPICS)
def test_only_events_with_a_state_change_it_and_only_endings_end_the_case(
    town: Town, topic: str
) -> None:
    verbs = [verb for verb in verbs_of(topic) if verb != OPENING[topic]]
    tell_apart(town, (opened(topic, verb, (verb, FIRST)) for verb in verbs))
    first = STATES[topic][OPENING[topic]]

    def stood(at: str) -> dict[str, tuple[Any, ...]]:
        found = cases(town, topic, at)
        return {case: (r["state"], r["open"], r["ended_at"]) for case, r in found.items()}

    assert stood(after(OPENED, -1)) == {}
    for at in (OPENED, after(FIRST, -1)):
        assert stood(at) == dict.fromkeys(verbs, (first, 1, None))
    expected = {
        verb: (
            STATES[topic].get(verb, first),
            int(verb not in ENDINGS[topic]),
            FIRST if verb in ENDINGS[topic] else None,
        )
        for verb in verbs
    }
    assert stood(FIRST) == expected
    assert stood("2031-01-01") == expected


@pytest.mark.parametrize("topic", TOPICS)
def test_a_case_ends_with_the_first_of_its_endings(town: Town, topic: str) -> None:
    pairs = list(permutations(ENDINGS[topic], 2))
    tell_apart(
        town,
        (opened(topic, f"{a}.{b}", (a, FIRST), (b, SECOND)) for a, b in pairs),
    )
    for at, stood in (
        (after(FIRST, -1), (1, None)),
        (FIRST, (0, FIRST)),
        (SECOND, (0, FIRST)),
    ):
        found = cases(town, topic, at)
        assert {case: (row["open"], row["ended_at"]) for case, row in found.items()} == {
            f"{a}.{b}": stood for a, b in pairs
        }, at


@pytest.mark.parametrize("topic", TOPICS)
def test_a_case_goes_through_all_its_states(town: Town, topic: str) -> None:
    order = list(STATES[topic])
    days = [f"2021-03-{n:02} 09:00:00.000" for n in range(1, len(order) + 1)]
    # The second case reaches the states in reverse, from the last to the opening.
    forth = opened(topic, "forth", *zip(order, days, strict=True))
    back = opened(topic, "back", *zip(reversed(order), days, strict=True))
    tell_apart(town, [forth, back])
    for n, at in enumerate(days):
        last = STATES[topic][order[-1]]
        expected = {"forth": STATES[topic][order[n]]} | ({"back": last} if at == days[-1] else {})
        found = shown(town, topic, at)
        assert {case: row["state"] for case, row in found.items()} == expected


def chain(topic: str, *told: tuple[str, str]) -> list[tuple[Any, ...]]:
    """The steps of a case by time: state before and since when, new state and when."""
    order, states = list(STATES[topic]), STATES[topic]
    reached = sorted((time, order.index(verb), states[verb]) for verb, time in told)
    steps: list[tuple[Any, ...]] = []
    before: tuple[str, str | None] = ("", None)
    for time, _, state in reached:
        steps.append((*before, state, time))
        before = state, time
    return steps


@pytest.mark.parametrize("topic", TOPICS)
def test_steps_lead_from_each_state_to_the_next_in_time_and_legal_order(
    town: Town, topic: str
) -> None:
    histories, expected = [], set()
    for second, name in ((SECOND, "later"), (FIRST, "at-once")):
        for a, b in PAIRS[topic]:
            case, told = f"{a}.{b}.{name}", [(a, FIRST), (b, second)]
            # A third event, which has no state, makes no step.
            idle = sorted(STATELESS[topic])[0]
            histories.append([*opened(topic, case, *told), event(topic, idle, case, SECOND)])
            if OPENING[topic] not in (a, b):
                told.append((OPENING[topic], OPENED))
            begun = dict(told)[OPENING[topic]]
            place = ("431202", "431202001")
            expected |= {(case, *place, begun, *step) for step in chain(topic, *told)}
    tell_apart(town, histories)
    names = ("case", "county", "township", "begun", "came_from", "since", "state", "time")
    rows = town.published(f"{topic}_steps")
    assert {name for row in rows for name in row} == set(names)
    assert {tuple(row[name] for name in names) for row in rows} == expected
    assert len(rows) == len(expected)


@pytest.mark.parametrize("topic", TOPICS)
def test_there_is_no_case_before_it_was_opened(town: Town, topic: str) -> None:
    others = [verb for verb in verbs_of(topic) if verb != OPENING[topic]]
    tell_apart(town, ([event(topic, verb, verb, FIRST)] for verb in others))
    assert cases(town, topic, "2031-01-01") == {}
    # Its steps are stored; `begun` shows that the case has not begun.
    begun = {row["begun"] for row in town.published(f"{topic}_steps")}
    assert begun == {"2299-01-01 00:00:00.000"}
