"""What is declared has a Chinese name on the boards: a code on a wall tells an official nothing."""

from __future__ import annotations

import pytest

from dashboards.queries import mediations, petitions, wall
from schemas.families import families
from schemas.family import Family
from schemas.projections import CaseFold

STATES = {"petitions": petitions._PETITION_STATES, "mediations": mediations._MEDIATION_STATES}
ALERTS = dict(zip(("petitions", "mediations"), wall.alerts(), strict=True))
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
    assert named == [stage.state for stage in fold.stages]
    assert all(any(letter > "\u4e00" for letter in zh) for _, zh in STATES[family.topic])


@pytest.mark.parametrize(("family", "fold"), FOLDS)
def test_every_clock_has_a_name_and_an_article_in_the_alerts(
    family: Family, fold: CaseFold
) -> None:
    nameless = {
        clock.name for clock in family.clocks if f"'{clock.name}'" not in ALERTS[family.topic]
    }
    assert not nameless, "name them in dashboards.queries.wall.alerts"


def test_every_clock_of_petitions_has_a_row_on_their_board() -> None:
    (found,) = (family for family in families() if family.topic == "petitions")
    assert {name for name, *_ in petitions._CLOCKS} == {clock.name for clock in found.clocks}
