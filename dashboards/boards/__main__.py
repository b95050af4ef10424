"""`python -m dashboards.boards` writes the boards to dashboards/json.

`--check` writes nothing and fails if a file differs from what the code makes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dashboards.boards import differing, write

JSON: Final = Path(__file__).parents[1] / "json"


def main(arguments: Sequence[str]) -> int:
    """Writes the boards; with `--check` only names the files that differ from the code."""
    if "--check" not in arguments:
        write(JSON)
        return 0
    stale = differing(JSON)
    for name in stale:
        sys.stderr.write(f"dashboards/json/{name} is out of date; write it with: make boards\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
