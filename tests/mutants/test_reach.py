"""Which lines a fault touches, and which test files are asked about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.reach import Reach, touched

_SOURCE = '''\
BOUND = 7
NAMES = (
    "one",
    "two",
)


@cached
def figures(since,
            until=BOUND):
    """What it is."""
    if since > until:
        raise ValueError
    try:
        rows = query(
            f"""
SELECT name
FROM visits LIMIT {BOUND}
""",
            since,
        )
    except OSError:
        rows = []
    for row in rows:
        show(
            {"a": 1,
             "b": 2},
        )

    def inner():
        return [row for row in rows if row]

    match since:
        case 1 if until:
            return inner
    return None
'''
_AT_IMPORT, _IN_A_FUNCTION = True, False


@pytest.mark.parametrize(
    ("old", "new", "lines", "when"),
    [
        ("BOUND = 7", "BOUND = 8", {1}, _AT_IMPORT),
        ('    "two",\n', "", {2, 3, 4, 5}, _AT_IMPORT),
        ("until=BOUND", "until=9", {8, 9, 10}, _AT_IMPORT),
        ("@cached\n", "", {8, 9, 10}, _AT_IMPORT),
        ("since > until", "since >= until", {12}, _IN_A_FUNCTION),
        ("raise ValueError", "pass", {13}, _IN_A_FUNCTION),
        ("LIMIT {BOUND}", "LIMIT 8", {15, 16, 17, 18, 19, 20, 21}, _IN_A_FUNCTION),
        ("except OSError", "except Never", {22}, _IN_A_FUNCTION),
        ("in rows:", "in []:", {24}, _IN_A_FUNCTION),
        ('{"a": 1,\n             "b": 2}', '{"a": 1}', {25, 26, 27, 28}, _IN_A_FUNCTION),
        ("if row]", "if True]", {31}, _IN_A_FUNCTION),
        ("def inner():", "def inner(at=1):", {30}, _IN_A_FUNCTION),
        ("case 1 if until", "case 2 if until", {34}, _IN_A_FUNCTION),
        # A line is put in between two: it may belong to either.
        ("        rows = []\n", "        rows = []\n        log()\n", {23, 24}, _IN_A_FUNCTION),
    ],
)  # fmt: skip
def test_a_fault_touches_its_statement_and_of_a_block_only_the_head(
    old: str, new: str, lines: set[int], when: bool
) -> None:
    assert _SOURCE.count(old) == 1
    found, at_import = touched(_SOURCE, _SOURCE.replace(old, new))
    assert (set(found), at_import) == (lines, when)


_BEFORE = "BOUND = 7\n\n\ndef f():\n    return BOUND\n\n\ndef g():\n    return 2\n"


def _reach(file: Path) -> Reach:
    found = Reach(file)
    found.learn("test_f.py", {"a.py": [1, 4, 5, 8]})
    found.learn("test_g.py", {"a.py": [1, 4, 8, 9], "infra/warehouse/wire.py": [1]})
    found.learn("test_other.py", {"b.py": [1, 4, 5, 8, 9]})
    found.learn("test_far.py", {"a.py": [1, 4, 5, 8]})
    return found


def _asked(reach: Reach, old: str, new: str, path: str = "a.py") -> list[str]:
    named = ["test_f.py", "test_g.py", "test_other.py"]
    return reach.running(path, _BEFORE, _BEFORE.replace(old, new), named, ["test_far.py"])


def test_a_fault_is_asked_of_the_files_that_run_its_line(tmp_path: Path) -> None:
    reach = _reach(tmp_path / "reach.jsonl")
    assert _asked(reach, "return BOUND", "return 1") == ["test_f.py", "test_far.py"]
    assert _asked(reach, "return 2", "return 3") == ["test_g.py"]


def test_what_runs_at_import_is_asked_of_the_place_alone(tmp_path: Path) -> None:
    reach = _reach(tmp_path / "reach.jsonl")
    assert _asked(reach, "BOUND = 7", "BOUND = 8") == ["test_f.py", "test_g.py"]


def test_a_line_that_no_test_runs_is_asked_of_none(tmp_path: Path) -> None:
    assert _asked(_reach(tmp_path / "reach.jsonl"), "return 2", "return 3", "c.py") == []


def test_the_warehouse_is_asked_of_its_whole_place(tmp_path: Path) -> None:
    asked = _asked(_reach(tmp_path / "reach"), "return 2", "return 3", "infra/warehouse/wire.py")
    assert asked == ["test_f.py", "test_g.py", "test_other.py"]


def test_a_file_of_which_nobody_knows_what_it_runs_is_always_asked(tmp_path: Path) -> None:
    reach = _reach(tmp_path / "reach.jsonl")
    reach.learn("test_far.py", None)
    assert _asked(reach, "return 2", "return 3") == ["test_g.py", "test_far.py"]


def test_what_was_measured_is_known_to_the_next_start(tmp_path: Path) -> None:
    _reach(tmp_path / "reach.jsonl").learn("test_shy.py", None)
    again = Reach(tmp_path / "reach.jsonl")
    assert [again.knows(name) for name in ("test_f.py", "test_shy.py", "new.py")] == [
        True, True, False,
    ]  # fmt: skip
    assert _asked(again, "return BOUND", "return 1") == ["test_f.py", "test_far.py"]
