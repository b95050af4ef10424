"""Which test files run the lines of a fault; the others cannot notice it.

Each quick test file runs once by itself, without a fault and under coverage.py, so that what a
session starts for several files counts for each of them. Processes that inherit the environment
are seen too. Not seen are the processes of the broker and of the warehouse, which get an
environment of their own: a fault of `infra/warehouse` is asked of all test files of the place.
Lines are lost with a process that ends by SIGKILL or `os._exit`: a worker gives up that way
(`streams/app.py`), which only tests that need a running stack see, and those are asked always.
"""

from __future__ import annotations

import ast
import json
import shutil
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from coverage import CoverageData

from tests.mutants.sites import PLACES, differing

Lines = Mapping[str, Collection[int]]
"""Lines that were run, by source file."""

UNSEEN: Final = "infra/warehouse/"
"""The place whose lines nobody sees from outside."""
_CONFIG: Final = """[run]
parallel = true
data_file = {data}
include = {include}
patch = subprocess
sigterm = true
"""


class Reach:
    """What each test file runs.

    Args:
        file: keeps it from one start of a campaign to the next, a line each.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self._ran: dict[str, dict[str, frozenset[int]] | None] = {}
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                said = json.loads(line)
                self._know(said["test"], said["lines"])

    def knows(self, test: str) -> bool:
        """Whether a test file was measured."""
        return test in self._ran

    def learn(self, test: str, lines: Lines | None) -> None:
        """Keeps what a test file runs. None: nobody can say, so it is always asked."""
        with self._lock, self._file.open("a", encoding="utf-8") as out:
            plain = None if lines is None else {name: sorted(ran) for name, ran in lines.items()}
            out.write(json.dumps({"test": test, "lines": plain}) + "\n")
            self._know(test, lines)

    def _know(self, test: str, lines: Lines | None) -> None:
        plain = None if lines is None else {name: frozenset(ran) for name, ran in lines.items()}
        self._ran[test] = plain

    def running(
        self, path: str, before: str, after: str, named: Collection[str], others: Collection[str]
    ) -> list[str]:
        """The test files that run what differs between two texts of the file `path`.

        Args:
            named: test files of the place. others: asked only about what runs in a function; the
                rest runs at every import.
        """
        lines, imported = touched(before, after)
        if path.startswith(UNSEEN) or not lines:
            return list(named)
        wanted = dict.fromkeys(named if imported else [*named, *others])
        return [test for test in wanted if self._meets(test, path, lines)]

    def _meets(self, test: str, path: str, lines: Collection[int]) -> bool:
        ran = self._ran.get(test)
        return ran is None or not ran.get(path, frozenset()).isdisjoint(lines)


def touched(before: str, after: str) -> tuple[frozenset[int], bool]:
    """Lines of the statements that differ, and whether one of them runs at the import of the file.

    A statement over several lines counts whole, of an `if`, a loop, a `def` only its head.
    """
    old = before.splitlines()
    head, tail = differing(old, after.splitlines())
    last = len(old) - tail
    # Lines that are only put in: the statements before and after them.
    changed = range(head + 1, last + 1) if last > head else (head, head + 1)
    found: set[int] = set()
    imported = False
    for lines, at_import in _statements(ast.parse(before), at_import=True):
        if not set(lines).isdisjoint(changed):
            found.update(lines)
            imported |= at_import
    return frozenset(found), imported


def _statements(node: ast.AST, *, at_import: bool) -> Iterator[tuple[range, bool]]:
    """The own lines of each statement below a node, and whether it runs outside of any function."""
    inside = at_import and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield _own(child), inside
            yield from _statements(child, at_import=inside)


def _own(node: ast.stmt | ast.excepthandler | ast.match_case) -> range:
    placed = node.pattern if isinstance(node, ast.match_case) else node
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min(each.lineno for each in (placed, *decorators))
    body: list[ast.stmt | ast.match_case] = getattr(node, "body", getattr(node, "cases", []))
    if body:
        return range(first, max(first + 1, _own(body[0]).start))
    return range(first, (placed.end_lineno or first) + 1)


def watching(copy: Path) -> list[str]:
    """Python's arguments that run pytest in a copy of the project and see which lines are run."""
    data = _data(copy)
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    include = ",".join(str(copy / place / "*" if "." not in place else copy / place)
                       for place in PLACES)  # fmt: skip
    config = data / "config"
    config.write_text(_CONFIG.format(data=data / "seen", include=include), encoding="utf-8")
    return ["-m", "coverage", "run", f"--rcfile={config}", "-m", "pytest"]


def seen(copy: Path) -> Lines:
    """The lines that were run since `watching`, in all processes."""
    found: dict[str, set[int]] = {}
    for file in _data(copy).glob("seen.*"):
        data = CoverageData(str(file))
        data.read()
        for name in data.measured_files():
            local = Path(name).relative_to(copy).as_posix()
            found.setdefault(local, set()).update(data.lines(name) or ())
    return found


def _data(copy: Path) -> Path:
    return copy / "var" / "reach"
