"""The boards, a file each. A family without a file of its own has a default board (D-60)."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from dashboards.boards._default import of_family
from dashboards.edition import Edition, edition, made_for
from dashboards.layout import in_order
from schemas.families import families


def every(chosen: Edition | None = None) -> list[dict[str, Any]]:
    """Every board as JSON, the wall first, the others by uid.

    Args:
        chosen: city and language; by default the shipped city in Chinese.
    """
    with made_for(chosen or edition()):
        made = [board for module in _modules() for board in module.boards()]
        uids = {board["uid"] for board in made}
        defaults = [of_family(found) for found in families()]
    made += [board for board in defaults if board["uid"] not in uids]
    return sorted(made, key=in_order)


def text_of(made: dict[str, Any]) -> str:
    """The text of a board's file."""
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def write(folder: Path, chosen: Edition | None = None) -> None:
    """Writes the files that differ from what the code makes; deletes files without a board."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = _files(chosen)
    for name in differing(folder, chosen):
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()


def differing(folder: Path, chosen: Edition | None = None) -> list[str]:
    """Names of the files in a folder that differ from what the code makes."""
    wanted = _files(chosen)
    found = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.json"))}
    return sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n))


def _files(chosen: Edition | None) -> dict[str, str]:
    return {f"{made['uid']}.json": text_of(made) for made in every(chosen)}


def _modules() -> Iterator[ModuleType]:
    return (
        importlib.import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
        if not found.name.startswith("_")
    )
