"""How the results of clients' own test suites are read and judged; nothing is fetched here."""

from __future__ import annotations

import pytest

from tests.suites import __main__ as suites

JUNIT = """
<testsuites><testsuite>
  <testcase classname="tests.test_a.A" name="test_one"/>
  <testcase classname="tests.test_a.A" name="test_two"><failure message="no"/></testcase>
  <testcase classname="tests.test_a.A" name="test_three"><error message="no"/></testcase>
  <testcase classname="tests.test_a.A" name="test_four"><skipped message="old"/></testcase>
</testsuite></testsuites>
"""
GO = f"""
{{"Action":"run","Package":"{suites._GO}/tests","Test":"TestOne"}}
{{"Action":"pass","Package":"{suites._GO}/tests","Test":"TestOne/part"}}
{{"Action":"pass","Package":"{suites._GO}/tests","Test":"TestOne"}}
{{"Action":"fail","Package":"{suites._GO}/tests/std","Test":"TestTwo"}}
{{"Action":"skip","Package":"{suites._GO}/tests","Test":"TestThree"}}
{{"Action":"fail","Package":"{suites._GO}/tests"}}
not a line of its own
"""


def test_a_test_that_its_own_suite_skips_counts_nowhere() -> None:
    assert suites.of_junit(JUNIT) == {
        "tests.test_a.A.test_one": True,
        "tests.test_a.A.test_two": False,
        "tests.test_a.A.test_three": False,
    }
    assert suites.of_go(GO.splitlines()) == {"/tests.TestOne": True, "/tests/std.TestTwo": False}


def test_what_does_not_apply_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(suites._REASONS, "driver", {"*tls*": "no TLS"})

    outcome = suites.judged(
        "driver", {"a": True, "b": True, "c": True, "d": False, "x_tls": False, "y_tls": True}
    )

    assert (outcome.passed, outcome.failed) == (frozenset("abc"), frozenset("d"))
    assert outcome.inapplicable == {"x_tls", "y_tls"}
    assert outcome.share == 0.75


def test_every_reason_stands_for_a_suite() -> None:
    assert suites._REASONS.keys() <= suites.SUITES.keys()
    assert all(reason for each in suites._REASONS.values() for reason in each.values())
