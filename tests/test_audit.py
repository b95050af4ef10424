"""What the audit of pinned packages says, and when it is a failure."""

from __future__ import annotations

from typing import Any, Final

from tests.audit import told

HOLE: Final[dict[str, Any]] = {
    "id": "PYSEC-2018-28",
    "aliases": ["CVE-2018-18074"],
    "fix_versions": ["2.20.0"],
}
SOUND: Final[dict[str, Any]] = {"name": "yarl", "version": "1.25.1", "vulns": []}
SKIPPED: Final[dict[str, Any]] = {"name": "lz4", "skip_reason": "not found"}


def test_a_known_hole_is_named_with_the_version_that_mends_it() -> None:
    packages = [{"name": "requests", "version": "2.19.0", "vulns": [HOLE]}, SOUND]
    assert told("run.txt", packages) == (
        [
            "run.txt: 2 of 2 audited",
            "  requests 2.19.0: PYSEC-2018-28 CVE-2018-18074; mended in 2.20.0",
        ],
        1,
    )


def test_a_hole_that_no_version_mends_counts_too() -> None:
    packages = [{"name": "requests", "version": "2.19.0", "vulns": [{**HOLE, "fix_versions": []}]}]
    lines, holes = told("run.txt", packages)
    assert lines[1].endswith("mended in no version")
    assert holes == 1


def test_a_package_without_advisories_is_not_said_to_be_audited() -> None:
    assert told("run.txt", [SOUND, SKIPPED]) == (["run.txt: 1 of 2 audited"], 0)


def test_an_index_that_cannot_be_asked_is_said() -> None:
    assert told("run.txt", None) == (["run.txt: no advisories can be had"], 0)
