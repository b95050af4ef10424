"""Which tests a campaign asks first."""

from __future__ import annotations

from pathlib import Path

from tests.mutants.experience import Experience

_REPORT = """<testsuites><testsuite>
<testcase file="tests/test_slow.py" name="a" time="30.0"/>
<testcase file="tests/test_slow.py" name="b" time="10.0"/>
<testcase file="tests/test_quick.py" name="c" time="1.5"/>
<testcase file="tests/test_cut.py" name="d" time="0.1"><failure/></testcase>
</testsuite></testsuites>"""
_FILES = ["tests/test_slow.py", "tests/test_quick.py", "tests/test_cut.py"]


def _experience(folder: Path) -> Experience:
    report = folder / "report.xml"
    report.write_text(_REPORT, encoding="utf-8")
    found = Experience(folder)
    found.took(report)
    return found


def test_quick_tests_are_asked_before_slow_ones(tmp_path: Path) -> None:
    order = _experience(tmp_path).order("a/b.py", _FILES, {})
    assert order.index("tests/test_quick.py") < order.index("tests/test_slow.py")


def test_a_slow_test_that_noticed_faults_of_the_file_comes_first(tmp_path: Path) -> None:
    experience = _experience(tmp_path)
    for _ in range(10):
        experience.noticed("a/b.py", "tests/test_slow.py::a")
    assert experience.order("a/b.py", _FILES, {})[0] == "tests/test_slow.py"
    assert experience.order("other/c.py", _FILES, {})[0] == "tests/test_quick.py"


def test_a_file_that_failed_is_not_held_for_quick(tmp_path: Path) -> None:
    order = _experience(tmp_path).order("a/b.py", _FILES, {})
    assert order.index("tests/test_quick.py") < order.index("tests/test_cut.py")


def test_the_seconds_of_a_campaign_are_known_to_the_next(tmp_path: Path) -> None:
    _experience(tmp_path)
    order = Experience(tmp_path).order("a/b.py", _FILES, {})
    assert order == ["tests/test_quick.py", "tests/test_cut.py", "tests/test_slow.py"]
