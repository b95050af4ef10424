"""A fault in a copy of the project."""

from __future__ import annotations

from pathlib import Path

from tests.mutants.experience import Experience
from tests.mutants.trial import Verdict, Workspace

_PATH, _OTHER = "dashboards/roles.py", "dashboards/layout.py"


def test_a_fault_that_fails_at_once_is_gone_when_the_file_is_put_back(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "copy", Experience(tmp_path), quick=True)
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
