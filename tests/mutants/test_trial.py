"""A fault in a copy of the project."""

from __future__ import annotations

from pathlib import Path

from tests.mutants.experience import Experience
from tests.mutants.reach import Reach
from tests.mutants.sites import PLACES
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
    own = [test for place in PLACES for test in space.watchers(f"{place}/") if "/mutants/" in test]
    assert own == []


_TINY = """def here():
    return 1


def there():
    return 2


def nowhere():
    return 3
"""
_TESTS = """import subprocess
import sys

from schemas.tiny import here


def test_here() -> None:
    assert here() == 1


def test_there() -> None:
    subprocess.run([sys.executable, "-c", "from schemas.tiny import there; there()"], check=True)
"""


def test_the_lines_of_a_test_file_and_of_the_processes_it_starts_are_seen(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "copy", Experience(tmp_path), Reach(tmp_path / "reach.jsonl"))
    (space.folder / "schemas" / "tiny.py").write_text(_TINY, encoding="utf-8")
    test = space.folder / "tests" / "test_tiny.py"

    test.write_text(_TESTS, encoding="utf-8")
    verdict, lines = space.measure("tests/test_tiny.py")
    assert verdict == Verdict(killed=False)
    assert lines is not None
    assert set(lines["schemas/tiny.py"]) == {1, 2, 5, 6, 9}

    watched = 'any(name.startswith("COVERAGE_") for name in os.environ)'
    shy = f"import os\n\n\ndef test_shy() -> None:\n    assert not {watched}\n"
    test.write_text(shy, encoding="utf-8")
    assert space.measure("tests/test_tiny.py") == (Verdict(killed=False), None)

    test.write_text(_TESTS.replace("== 1", "== 2"), encoding="utf-8")
    verdict, lines = space.measure("tests/test_tiny.py")
    assert (verdict, lines) == (Verdict(True, "tests/test_tiny.py::test_here"), None)
