"""Notes by people: faults made by hand, and explanations of faults that no test notices."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.sites import ROOT, Site, tested

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Note:
    """Why a fault has no effect (`equivalent`), or its effect on a user (`user`)."""

    equivalent: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class ByHand:
    """A fault made by hand: its effect, the file, and the file's text with the fault."""

    what: str
    path: str
    changed: str


def note(site: Site) -> Note:
    """The note on a fault; empty if nobody has looked at it yet."""
    before, after = site.diff
    for each in _read("notes.toml", "note"):
        if (each["path"], each["before"], each["after"]) == (site.path, before, after):
            return Note(each.get("equivalent", ""), each.get("user", ""))
    return Note()


def by_hand() -> Iterator[ByHand]:
    """The faults of `faults.toml`.

    Raises:
        LookupError: the text to change is missing, or occurs several times.
    """
    sources = {path: path.read_text(encoding="utf-8") for path in tested()}
    for fault in _read("faults.toml", "fault"):
        holders = [path for path, text in sources.items() if fault["old"] in text]
        if len(holders) != 1 or sources[holders[0]].count(fault["old"]) != 1:
            raise LookupError(
                f"faults.toml: {fault['what']!r}: its old text stands in {len(holders)} files; "
                "write down what stands there today"
            )
        changed = sources[holders[0]].replace(fault["old"], fault["new"])
        yield ByHand(fault["what"], holders[0].relative_to(ROOT).as_posix(), changed)


def _read(name: str, kind: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = tomllib.loads((_HERE / name).read_text(encoding="utf-8")).get(
        kind, []
    )
    return found
