"""A fault in a copy of the project."""

from __future__ import annotations

from pathlib import Path

from tests.mutants.experience import Experience
from tests.mutants.reach import Reach
from tests.mutants.trial import Verdict, Workspace

_PATH, _OTHER, _SHUT = "dashboards/roles.py", "dashboards/layout.py", "infra/http/grants.py"


def test_a_fault_that_fails_at_once_is_gone_when_the_file_is_put_back(tmp_path: Path) -> None:
    reach = Reach(tmp_path / "reach.jsonl")
    space = Workspace(tmp_path / "copy", Experience(tmp_path), reach, quick=True)
    right = (space.folder / _PATH).read_text(encoding="utf-8")
    # Of the same length, and an error before a second is over.
    wrong = right.replace("re.compile(", "re.compilx(", 1)
    assert len(wrong) == len(right)
    assert wrong != right
    unmakable = "the files made from the code can no longer be made"
    assert space.try_out(_PATH, wrong).by == unmakable
    # Only the files made from the code are asked: no test is left to run.
    other = (space.folder / _OTHER).read_text(encoding="utf-8")
    assert not space.try_out(_OTHER, other, known=Verdict(False, quick=True)).killed


def test_a_fault_that_no_test_runs_is_unnoticed_at_once(tmp_path: Path) -> None:
    reach = Reach(tmp_path / "reach.jsonl")
    space = Workspace(tmp_path / "copy", Experience(tmp_path), reach, quick=True)
    for test in space.watchers(_SHUT):
        reach.learn(test, {_SHUT: []})
    right = (space.folder / _SHUT).read_text(encoding="utf-8")
    wrong = right.replace("for grant in kept", "for grant in ()", 1)
    assert wrong != right
    assert space.try_out(_SHUT, wrong) == Verdict(killed=False)


def test_a_file_that_imports_a_place_watches_it(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "copy", Experience(tmp_path), Reach(tmp_path / "reach.jsonl"))
    grants, applied = "tests/infra/test_grants.py", "tests/infra/test_cluster.py"
    assert grants in space.watchers(_SHUT)
    assert applied in space.watchers("infra/database.py")
    assert {grants, applied}.isdisjoint(space.watchers("producers/vault.py"))
