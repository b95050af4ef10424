"""Every declared thing has a row in the tables, and every row is about a declared thing."""

from __future__ import annotations

import pytest

from schemas.families import families
from schemas.family import Family
from schemas.projections import CaseFold
from tests.law.tables import (
    ENDINGS,
    FACTS,
    NEVER_PUBLISHED,
    OPENING,
    PREFIX,
    RUNNING,
    STATELESS,
    STATES,
    UNLIKE_THE_ORDER,
)
from tests.law.test_clocks import ANSWERS, AROUND
from tests.law.test_terms import AGAIN, STARTS, TERMS

FOLDS = {
    family.topic: (family, fold)
    for family in families()
    for fold in family.projections
    if isinstance(fold, CaseFold)
}
each_family = pytest.mark.parametrize(("family", "fold"), FOLDS.values(), ids=FOLDS)


def verbs(names: object) -> set[str]:
    """Verbs of event types: `registered` for `petition.registered`."""
    assert isinstance(names, list | tuple)
    return {str(name).partition(".")[2] for name in names}


def test_every_family_of_cases_has_its_tables() -> None:
    tables = (STATES, STATELESS, ENDINGS, OPENING, PREFIX, FACTS, NEVER_PUBLISHED)
    assert [set(table) for table in tables] == [set(FOLDS)] * len(tables)
    assert {clock.topic for clock in RUNNING.values()} == set(FOLDS)


@each_family
def test_every_event_type_has_a_row_for_every_clock(family: Family, fold: CaseFold) -> None:
    events = verbs([cls.spec.name for cls in family.events])
    assert {cls.spec.name.partition(".")[0] for cls in family.events} == {PREFIX[family.topic]}
    for name, clock in RUNNING.items():
        if clock.topic == family.topic:
            missing, gone = events - set(clock.effects), set(clock.effects) - events
            assert not missing, f"say in tests/law/tables.py what {missing} do to {name!r}"
            assert not gone, f"take {gone} out of the rows of {name!r} in tests/law/tables.py"
    stateless = events - set(STATES[family.topic])
    assert stateless == STATELESS[family.topic], "give each a state or put it into STATELESS"
    assert not set(STATES[family.topic]) & STATELESS[family.topic]
    assert OPENING[family.topic] == fold.opens.partition(".")[2]


@each_family
def test_every_clock_has_its_rows(family: Family, fold: CaseFold) -> None:
    # A clock with several terms: each is named by the condition that puts a case under it.
    declared = {
        f"{clock.name}, {'/'.join(term.when[1])}" if len(clock.terms) > 1 else clock.name
        for clock in family.clocks
        for term in clock.terms
    }
    running = {name for name, c in RUNNING.items() if c.topic == family.topic}
    assert running == declared, "a clock without a row in RUNNING of tests/law/tables.py, or gone"
    names = {clock.name for clock in family.clocks}
    assert {clock.clock for clock in RUNNING.values() if clock.topic == family.topic} == names
    tables = {
        "STARTS": {name for name, (topic, _, _) in STARTS.items() if topic == family.topic},
        "TERMS": {clock for clock, _, _ in TERMS},
        "AGAIN": {clock for clock, _, _ in AGAIN},
    }
    missing = {table: names - rows for table, rows in tables.items() if names - rows}
    assert not missing, "clocks without a row in these tables of tests/law/test_terms.py"


@each_family
def test_every_state_and_ending_has_its_row(family: Family, fold: CaseFold) -> None:
    assert set(STATES[family.topic].values()) == {stage.state for stage in fold.stages}
    assert set(STATES[family.topic]) == verbs([stage.type for stage in fold.stages])
    assert set(ENDINGS[family.topic]) == verbs(fold.ends)
    # Else a case would end but stay in its earlier state.
    assert set(ENDINGS[family.topic]) <= set(STATES[family.topic])


@each_family
def test_every_fact_and_every_event_type_that_says_it_has_its_row(
    family: Family, fold: CaseFold
) -> None:
    facts = {f.name: f for f in family.facts}
    hidden = {name for name, fact in facts.items() if fact.personal}
    assert hidden == NEVER_PUBLISHED[family.topic]
    assert set(FACTS[family.topic]) == set(facts) - hidden
    for name, row in FACTS[family.topic].items():
        assert set(row.says) == verbs(family.sayers(name, "fact")), name
        assert set(facts[name].choices) <= set(row.values), name


def test_every_row_is_about_what_exists() -> None:
    for topic, one, other in UNLIKE_THE_ORDER:
        assert {one, other} <= set(STATES[topic])
    effects = [effect for clock in RUNNING.values() for effect in clock.effects.values()]
    assert {effect.does for effect in effects} == set(ANSWERS)
    assert all(effect.why for effect in effects)
    assert all(len(cell) == len(row) == len(AROUND) for row in ANSWERS.values() for cell in row)
