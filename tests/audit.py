"""`python -m tests.audit LOCK...`: known holes of pinned packages, as far as advisories can be had.

Exit code 1 if a package has a known hole. An index without advisories, or one that cannot be
reached, is said and is no failure: the next machine may have them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any


def audited(lock: str) -> list[dict[str, Any]] | None:
    """What the index says of each package of a lock file; None when it cannot be asked."""
    options = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *options, "--requirement", lock],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return None
    return found


def told(lock: str, packages: Sequence[dict[str, Any]] | None) -> tuple[list[str], int]:
    """A line for the lock and one for each hole; the number of holes."""
    if packages is None:
        return [f"{lock}: no advisories can be had"], 0
    known = sum("skip_reason" not in each for each in packages)
    holes = [
        f"  {each['name']} {each['version']}: {' '.join((hole['id'], *hole['aliases']))}; "
        f"mended in {', '.join(hole['fix_versions']) or 'no version'}"
        for each in packages
        for hole in each.get("vulns", ())
    ]
    return [f"{lock}: {known} of {len(packages)} audited", *holes], len(holes)


def main(locks: Sequence[str]) -> int:
    """Prints what is known of each lock."""
    found = [told(lock, audited(lock)) for lock in locks]
    sys.stdout.write("".join(f"{line}\n" for lines, _ in found for line in lines))
    return 1 if any(holes for _, holes in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
