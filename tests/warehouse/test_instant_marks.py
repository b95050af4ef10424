"""What stands for an instant while a statement is checked is known to nobody outside."""

from __future__ import annotations

import pytest

from infra.warehouse import gate
from infra.warehouse._fault import Fault
from infra.warehouse.access import User
from infra.warehouse.engine import Engine

USER = User("b", "", "board", ("nothing",))


@pytest.mark.parametrize(
    "asked",
    [
        "SELECT 1 FROM ) (1609430400)",
        "SELECT `nowhere(1609430400)`.n",
        "SELECT 1 FROM `nowhere(1609430400)`",
        "(1609430400)",
    ],
)
def test_a_refusal_quotes_the_instant_and_not_its_mark(engine: Engine, asked: str) -> None:
    with pytest.raises(Fault) as refused:
        gate.checked(engine, USER, "nothing", asked)

    assert gate._MARK not in str(refused.value)
    assert "1609430400" in str(refused.value)


@pytest.mark.parametrize(
    ("spelled", "holds"),
    [
        # The mark of a run in which it was no secret; in this run it is another.
        (r"90715526341809\x32000", "907155263418092000"),
        (f"{gate._MARK[:-1]}\\x3{gate._MARK[-1]}999", f"{gate._MARK}999"),
    ],
    ids=["of old", "of this run"],  # the same in every process
)
def test_a_text_that_spells_a_mark_with_escapes_stays_what_it_is(
    engine: Engine, spelled: str, holds: str
) -> None:
    _, text = gate.checked(engine, USER, "nothing", f"SELECT '{spelled}', toDateTime(1609430400)")

    assert text == f"SELECT '{holds}', toDateTime(1609430400)"
