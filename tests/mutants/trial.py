"""One fault put into a copy of the project, and whether a test notices."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from infra.settings import Settings
from tests.mutants.experience import Experience
from tests.mutants.reach import UNSEEN, Lines, Reach, seen, watching
from tests.mutants.sites import ROOT

QUICK_S, SLOW_S = 1200.0, 1800.0
"""Patience with a run; a hanging test ends itself long before, by pytest-timeout."""
_NAMING: Final = 3
_HEAD: Final = 8
"""How many test files are asked by themselves before the others."""
_QUICK: Final = "not slow and not stack and not browser"
_SLOW: Final = "not slow and (stack or browser)"
# A golden file must not be the judge: it is written again from the faulty code first.
_GOLDEN: Final = """
import os, sys
from dashboards.boards.__main__ import main as boards
from schemas import catalog
boards([])
catalog.main([])
for module in list(sys.modules.values()):
    if (getattr(module, "__file__", None) or "").startswith(os.getcwd()):
        print(os.path.relpath(module.__file__))
"""
_GOLDEN_PLACES: Final = ("dashboards/json", "docs/schemas", "docs/sql", "CATALOG.md")

_FIRST: Final[Mapping[str, tuple[str, ...]]] = {
    "schemas/families/petition.py": ("tests/law",),
    "schemas/families/mediation.py": ("tests/law", "tests/schemas/test_words.py"),
    "schemas/families/": ("tests/figures",),
    "schemas/event.py": ("tests/schemas/test_event_classes.py",),
    "schemas/family.py": ("tests/schemas/test_contradictions.py",),
    "schemas/projections.py": ("tests/schemas/test_contradictions.py", "tests/figures"),
    "schemas/clocks.py": ("tests/schemas/test_deadlines.py", "tests/law"),
    "schemas/catalog.py": ("tests/schemas/test_catalog.py",),
    "schemas/chinese.py": ("tests/schemas/test_catalog.py",),
    "schemas/reference/calendars.py": ("tests/schemas/test_deadlines.py", "tests/law"),
    "schemas/reference/": ("tests/schemas/test_divisions.py", "tests/figures"),
    "schemas/sql/cases.py": ("tests/law",),
    "schemas/sql/targets.py": ("tests/figures", "tests/law"),
    "schemas/sql/watched.py": ("tests/figures/test_watched.py", "tests/dashboards/queries"),
    "schemas/sql/": ("tests/figures", "tests/schemas/test_statements.py"),
    "schemas/": ("tests/schemas",),
    "streams/chunks.py": ("tests/streams/test_chunks.py", "tests/streams/test_edges.py"),
    "streams/identities.py": ("tests/streams/test_identities.py",),
    "streams/ingest.py": ("tests/streams/test_ingest.py", "tests/law"),
    "streams/connection.py": ("tests/streams/test_warehouse.py", "tests/streams/test_repair.py"),
    "streams/repair.py": ("tests/streams/test_repair.py", "tests/streams/test_takeover.py"),
    "streams/warehouse.py": ("tests/streams/test_warehouse.py", "tests/streams/test_takeover.py"),
    "streams/": ("tests/streams/test_pipeline.py", "tests/streams/test_pipeline_orders.py"),
    "producers/simulator/visits.py": ("tests/producers/test_year_of_visits.py",),
    "producers/simulator/petitions.py": ("tests/producers/test_year_of_petitions.py",),
    "producers/simulator/mediations.py": ("tests/producers/test_year_of_mediations.py",),
    "producers/simulator/funds.py": ("tests/producers/test_year_of_funds.py",),
    "producers/simulator/": ("tests/producers/test_simulate.py",
                             "tests/producers/test_simulated_days.py"),
    "producers/vault.py": ("tests/producers/test_vault.py", "tests/producers/test_forgetting.py"),
    "producers/client.py": ("tests/producers/test_client.py",),
    "producers/ledgers/cells.py": ("tests/producers/test_cells.py",),
    "producers/": ("tests/producers/test_ledgers.py", "tests/producers/test_import_edges.py"),
    "dashboards/queries/": ("tests/dashboards/queries",),
    "dashboards/boards/": ("tests/dashboards/test_key_figures.py",
                           "tests/dashboards/test_pictures.py"),
    "dashboards/server/macros.py": ("tests/dashboards/test_macros.py",),
    "dashboards/server/frames.py": ("tests/dashboards/test_frames.py",),
    "dashboards/server/county.py": ("tests/dashboards/test_county_clerk.py",),
    "dashboards/server/looks.py": ("tests/dashboards/test_record.py",),
    "dashboards/server/": ("tests/dashboards/test_server.py", "tests/dashboards/test_api_edges.py"),
    "dashboards/publish.py": ("tests/dashboards/test_publish.py",),
    "dashboards/": ("tests/dashboards/test_key_figures.py", "tests/dashboards/test_pictures.py"),
    "infra/warehouse/": ("tests/warehouse",),
}  # fmt: skip
"""Which tests are likely to notice a fault, until experience says more."""

_TESTS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "schemas/": (("tests/schemas", "tests/law", "tests/figures", "tests/oracle",
                  "tests/streams/test_ingest.py", "tests/dashboards/queries"), ()),
    "streams/": (("tests/streams", "tests/oracle", "tests/law"),
                 ("tests/streams/test_claims.py", "tests/streams/test_guarantees.py")),
    "producers/": (("tests/producers",),
                   ("tests/producers", "tests/streams/test_ledgers_to_figures.py")),
    "dashboards/": (("tests/dashboards", "tests/contract/test_grafana.py"),
                    ("tests/dashboards/test_shipped_boards.py", "tests/dashboards/test_looks.py",
                     "tests/dashboards/test_viewer.py")),
    "infra/warehouse/": (("tests/warehouse", "tests/contract", "tests/infra/test_apply.py",
                          "tests/infra/test_cluster.py"), ("tests/infra/test_outages.py",)),
    "infra/database.py": (("tests/infra/test_apply_plan.py", "tests/infra/test_apply.py",
                           "tests/infra/test_cluster.py", "tests/infra/test_desks.py"), ()),
    "infra/desks.py": (("tests/infra/test_desks.py",), ()),
    "infra/http/": (("tests/infra/test_http.py", "tests/infra/test_grants.py",
                     "tests/infra/test_seats.py",
                     "tests/dashboards/test_page_doors.py",
                     "tests/dashboards/test_server.py"), ()),
}  # fmt: skip
"""Tests that watch a place: those that need no running stack or browser, and those that do.

A quick test file that imports the place by its name watches its functions too.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a fault.

    Attributes:
        killed: a test noticed it. by: that test.
        quick: no test that needs a running stack or a browser was asked.
    """

    killed: bool
    by: str = ""
    quick: bool = False


class Workspace:
    """A copy of the project in which one fault at a time is tried.

    Args:
        folder: of the copy; it does not exist yet.
        experience: says which tests to ask first, and learns from each run.
        reach: says which quick tests can notice a fault.
        quick: leave out the tests that need a running stack or a browser.
    """

    def __init__(
        self, folder: Path, experience: Experience, reach: Reach, *, quick: bool = False
    ) -> None:
        self.folder, self._quick = folder, quick
        self._experience, self._reach = experience, reach
        self._stamps = itertools.count(1_000_000_000)
        # What is committed: a campaign is of one commit, whatever is being written beside it.
        folder.mkdir(parents=True)
        archive = folder / "archive.tar"
        subprocess.run(["git", "archive", "-o", archive, "HEAD"], cwd=ROOT, check=True)
        shutil.unpack_archive(archive, folder, filter="data")
        archive.unlink()
        # Tests of the real data look for it beside the project.
        beside, wanted = ROOT.parent / "shared", folder.parent / "shared"
        if beside.exists() and not wanted.exists():
            wanted.symlink_to(beside)
        self._golden_of = self._golden().stdout.split()

    def try_out(
        self, path: str, changed: str, within: str = "", known: Verdict | None = None
    ) -> Verdict:
        """Runs the tests that run the change, with the file changed, and puts the file back.

        Without such a test nothing notices. Tests that say the name `within` are likely to notice.
        If `known` says that the quick tests passed, only the others are run.
        """
        file = self.folder / path
        kept = file.read_bytes()
        try:
            self._write(file, changed.encode())
            if path in self._golden_of and self._golden().returncode:
                return Verdict(True, "the files made from the code can no longer be made")
            known = known or self._quick_tests(path, kept.decode(), changed, within)
            return known if known.killed else self._slow_tests(path, known)
        finally:
            self._write(file, kept)
            if path in self._golden_of:
                self._restore()

    def _write(self, file: Path, content: bytes) -> None:
        """Writes a file with a time of its own.

        Python takes bytecode for current that has a file's second and length: a fault that fails
        within a second would stay after the file is put back.
        """
        file.write_bytes(content)
        os.utime(file, (stamp := next(self._stamps), stamp))

    def measure(self, test: str) -> tuple[Verdict, Lines | None]:
        """Runs a quick test file without a fault: if it fails now, it would kill everything.

        Also gives the lines that it runs; None if it only passes while nobody looks, or if none
        was seen.
        """
        said = self._pytest([test], _QUICK, QUICK_S, watching(self.folder))
        if said.killed:
            return self._pytest([test], _QUICK, QUICK_S), None
        return said, seen(self.folder) or None

    def sound(self, path: str) -> Verdict:
        """The same for the tests of a place that need a running stack or a browser."""
        return self._slow_tests(path, Verdict(False))

    def watchers(self, path: str) -> list[str]:
        """Every quick test file that may be asked about a fault of the place."""
        return [*dict.fromkeys([*self._files(_tests(path)[0]), *self._importing(path)])]

    def _quick_tests(self, path: str, before: str, after: str, within: str) -> Verdict:
        named = self._files(_tests(path)[0])
        files = self._reach.running(path, before, after, named, self._importing(path))
        order = self._order(path, within, files)
        # By themselves: to collect all tests of a place takes as long as to run a few.
        said = self._pytest(order[:_HEAD], _QUICK, QUICK_S)
        return said if said.killed else self._pytest(order[_HEAD:], _QUICK, QUICK_S)

    def _slow_tests(self, path: str, known: Verdict) -> Verdict:
        slow = _tests(path)[1]
        if not slow:
            return known
        return replace(known, quick=True) if self._quick else self._pytest(slow, _SLOW, SLOW_S)

    def _importing(self, path: str) -> list[str]:
        """The test files that import something of the place by its name."""
        place = next(place for place in _TESTS if path.startswith(place))
        if place == UNSEEN:
            return []
        parent, _, name = place.removesuffix(".py").strip("/").replace("/", ".").rpartition(".")
        whole = rf"{re.escape(parent)}\.{name}\b|{re.escape(parent)} import .*\b{name}\b"
        said = re.compile(rf"^\s*(from|import) ({whole if parent else name})\b", re.MULTILINE)
        # A copy is no repository, and the campaign's own tests make copies.
        files = [f for f in self._files(["tests"]) if not f.startswith("tests/mutants/")]
        return [f for f in files if said.search((self.folder / f).read_text(encoding="utf-8"))]

    def _order(self, path: str, within: str, files: Sequence[str]) -> list[str]:
        """The test files in the order to ask them; those that say `within` are the likeliest."""
        first = next((tests for place, tests in _FIRST.items() if path.startswith(place)), ())
        likely = dict.fromkeys(self._files(first), 1.0)
        likely |= dict.fromkeys(self._naming(within, files) if within else (), 2.0)
        return self._experience.order(path, files, likely)

    def _files(self, tests: Sequence[str]) -> list[str]:
        """The test files of folders and files, each named from the project's folder."""
        places = [self.folder / test for test in tests]
        found = [[p] if p.is_file() else sorted(p.rglob("test_*.py")) for p in places]
        return [file.relative_to(self.folder).as_posix() for files in found for file in files]

    def _naming(self, within: str, files: Sequence[str]) -> list[str]:
        """The test files that say a name, those that say it most often first; a few of them."""
        word = re.compile(rf"\b{re.escape(within.lstrip('_'))}\b")
        said = {
            file: len(word.findall((self.folder / file).read_text(encoding="utf-8")))
            for file in files
        }
        return sorted(filter(said.get, said), key=said.__getitem__, reverse=True)[:_NAMING]

    def _pytest(
        self,
        tests: Sequence[str],
        marks: str,
        patience_s: float,
        run: Sequence[str] = ("-m", "pytest"),
    ) -> Verdict:
        wanted = [test for test in tests if (self.folder / test).exists()]
        if not wanted:
            return Verdict(False)
        options = ["-x", "-q", "-m", marks, "-p", "no:cacheprovider", "--timeout", "120"]
        report = self.folder / "var" / "report.xml"
        report.unlink(missing_ok=True)
        options += ["--junitxml", str(report), "-o", "junit_family=xunit1"]  # it names files
        try:
            done = self._python([*run, *options, *wanted], patience_s)
        except subprocess.TimeoutExpired:
            return Verdict(True, f"the tests hang for {patience_s:g} s")
        self._experience.took(report)
        if done.returncode in (0, 5):  # 5: none of these tests has such a mark
            return Verdict(False)
        if done.returncode < 0:
            raise RuntimeError(f"signal {-done.returncode} ended the tests: nothing is known.")
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
        last = done.stdout.strip().splitlines()[-1:]
        return Verdict(True, failed[1] if failed else f"pytest itself: {' '.join(last)}")

    def _golden(self) -> subprocess.CompletedProcess[str]:
        """Writes the golden files; the output names the files of the project that took part."""
        return self._python(["-c", _GOLDEN], QUICK_S)

    def _restore(self) -> None:
        for name in _GOLDEN_PLACES:
            source, copy = ROOT / name, self.folder / name
            if source.is_dir():
                shutil.copytree(source, copy, dirs_exist_ok=True)
            else:
                shutil.copy2(source, copy)

    def _python(
        self, arguments: Sequence[str], patience_s: float
    ) -> subprocess.CompletedProcess[str]:
        scratch = self.folder / "var" / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "GULOU_CACHE": str(Settings().cache), "TMPDIR": str(scratch)}
        # Bytecode is kept: to compile the tests takes longer than to run a few.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = child.communicate(timeout=patience_s)
        finally:
            _end(child)
            shutil.rmtree(scratch, ignore_errors=True)
        return subprocess.CompletedProcess(arguments, child.returncode, said)


def _tests(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return next(tests for place, tests in _TESTS.items() if path.startswith(place))


def _end(child: subprocess.Popen[str]) -> None:
    """Ends what a hanging run has started, by its own process group."""
    if child.poll() is None:
        os.killpg(child.pid, 9)
        child.wait()
