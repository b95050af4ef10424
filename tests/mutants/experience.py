"""Which tests are asked first: quick ones, and those that noticed faults of the place before."""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

_UNKNOWN_S: Final = 2.0
_FOR_NOTHING, _OF_FILE, _OF_FOLDER, _LIKELY = 0.3, 2.0, 1.0, 3.0
"""How likely a test file notices: for every file, a fault noticed of this file of the project, one
of its folder, and a file that somebody holds for likely. Only their ratios matter."""


class Experience:
    """What earlier runs showed of the test files.

    Asked in order of seconds by likelihood, the tests of a place take the least time on average
    until one of them fails.

    Args:
        folder: keeps the seconds from one campaign to the next.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "seconds.json"
        self._seconds: dict[str, float] = {}
        if self._file.exists():
            self._seconds = json.loads(self._file.read_text(encoding="utf-8"))
        self._noticed: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def noticed(self, path: str, by: str) -> None:
        """Learns that a test (`file::name`) noticed a fault in the file `path`."""
        with self._lock:
            for place in (path, _folder(path)):
                self._noticed[place, by.partition("::")[0]] += 1

    def took(self, report: Path) -> None:
        """Learns from a run's JUnit report how long each file takes that ended without a failure.

        The least of several runs counts: whichever file comes first also starts the engine.
        """
        if not report.exists():
            return  # the run ended before its first test
        seconds, failed = _read(report)
        with self._lock:
            for name in seconds.keys() - failed:
                self._seconds[name] = min(seconds[name], self._seconds.get(name, seconds[name]))
            self._file.write_text(json.dumps(self._seconds, indent=1), encoding="utf-8")

    def order(self, path: str, files: Iterable[str], likely: Mapping[str, float]) -> list[str]:
        """The test files for a fault in `path`, in the order to ask them.

        Args:
            likely: files that are more likely to notice than others, with a weight each.
        """
        with self._lock:
            return sorted(files, key=lambda name: self._cost(path, name, likely.get(name, 0.0)))

    def _cost(self, path: str, name: str, likely: float) -> float:
        of_file = _OF_FILE * self._noticed[path, name]
        of_folder = _OF_FOLDER * self._noticed[_folder(path), name]
        chance = _FOR_NOTHING + of_file + of_folder + _LIKELY * likely
        return self._seconds.get(name, _UNKNOWN_S) / chance


def _folder(path: str) -> str:
    return path.rpartition("/")[0] + "/"


def _read(report: Path) -> tuple[Mapping[str, float], set[str]]:
    """Seconds by test file, and the files with a failure."""
    seconds: defaultdict[str, float] = defaultdict(float)
    failed = set()
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("file", "")
        seconds[name] += float(case.get("time", "0"))
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(name)
    return seconds, failed
