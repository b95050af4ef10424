"""`python -m dashboards.boards` writes the boards to dashboards/json.

`--check` writes nothing and fails where a file is not what the code makes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dashboards.boards import every

JSON: Final = Path(__file__).parents[1] / "json"


def text_of(made: dict[str, Any]) -> str:
    """A board's file."""
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Writes the boards, or with `--check` says which files are not what the code makes."""
    wanted = {f"{made['uid']}.json": text_of(made) for made in every()}
    found = {path.name: path.read_text(encoding="utf-8") for path in sorted(JSON.glob("*.json"))}
    differing = sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n))
    if "--check" in arguments:
        for name in differing:
            sys.stderr.write(f"dashboards/json/{name} is out of date; write it with: make boards\n")
        return 1 if differing else 0
    JSON.mkdir(exist_ok=True)
    for name in differing:
        if name in wanted:
            (JSON / name).write_text(wanted[name], encoding="utf-8")
        else:
            (JSON / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
