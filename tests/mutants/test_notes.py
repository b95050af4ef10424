from __future__ import annotations

from tests.mutants.notes import by_hand
from tests.mutants.sites import ROOT


def test_every_fault_put_in_by_hand_has_its_one_place_in_the_code_of_today() -> None:
    for fault in by_hand():  # raises where the code has moved on
        assert (ROOT / fault.path).read_text(encoding="utf-8") != fault.changed, fault.what
