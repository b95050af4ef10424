"""What is declared has a Chinese name on the boards: a code on a wall tells an official nothing."""

from __future__ import annotations

import pytest

from dashboards import _queries_cases as cases
from dashboards import queries
from schemas import families
from schemas._projections import CaseFold, Family

STATES = {"petitions": cases._PETITION_STATES, "mediations": cases._MEDIATION_STATES}
ALERTS = dict(zip(("petitions", "mediations"), queries.alerts(), strict=True))
FOLDS = [
    pytest.param(family, fold, id=family.topic)
    for family in families()
    for fold in family.projections
    if isinstance(fold, CaseFold)
]


@pytest.mark.parametrize(("family", "fold"), FOLDS)
def test_every_state_of_a_case_has_a_name_in_the_order_of_the_law(
    family: Family, fold: CaseFold
) -> None:
    named = [state for state, _ in STATES[family.topic]]
    assert named == [state for _, state in fold.stages]
    assert all(any(letter > "\u4e00" for letter in zh) for _, zh in STATES[family.topic])


@pytest.mark.parametrize(("family", "fold"), FOLDS)
def test_every_clock_has_a_name_and_an_article_in_the_alerts(
    family: Family, fold: CaseFold
) -> None:
    nameless = {
        clock.name for clock in family.clocks if f"'{clock.name}'" not in ALERTS[family.topic]
    }
    assert not nameless, "name them in dashboards.queries.alerts"


def test_every_clock_of_petitions_has_a_row_on_their_board() -> None:
    (petitions,) = (family for family in families() if family.topic == "petitions")
    assert {name for name, *_ in cases._CLOCKS} == {clock.name for clock in petitions.clocks}
