"""`python -m tests.mutants`: inserts small faults and reports those that no test notices.

A campaign that was cut short goes on: verdicts are kept in `var/mutants`, and with `--report` in
`docs/mutants.json`, for as long as no file changes but documents and the campaign's own.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeVar

from tests.mutants.experience import Experience
from tests.mutants.notes import ByHand, by_hand, note
from tests.mutants.reach import Reach
from tests.mutants.report import DOCS, Campaign, dumped, last, published
from tests.mutants.sites import PLACES, ROOT, Site, draw, every_site
from tests.mutants.trial import Verdict, Workspace

_AT_ONCE: Final = (os.cpu_count() or 1) + 1
"""One more than cores: tests wait for their engine to start."""
_KEPT: Final = ROOT / "var" / "mutants"
T = TypeVar("T")


def main() -> int:
    """Exit code 1 if the tests fail without a fault, or notice fewer than nine of ten faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300, help="how many faults are drawn")
    parser.add_argument("--only", default="", help="only faults of files whose path begins so")
    parser.add_argument("--list", action="store_true", help="print what is drawn; try nothing")
    parser.add_argument("--by-hand", action="store_true", help="only the faults of faults.toml")
    parser.add_argument("--quick", action="store_true", help="no tests that need a running stack")
    parser.add_argument("--report", action="store_true", help="write what is known; try nothing")
    parser.add_argument("--dry", action="store_true", help="print the page instead of writing it")
    options = parser.parse_args()
    among = [site for site in every_site() if site.path.startswith(options.only)]
    drawn = [] if options.by_hand else draw(options.seed, options.count, among)
    if options.list:
        _tell("\n".join(f"{site.kind:10} {site}" for site in drawn))
        return 0
    done = Campaign(options.seed, _commit(), len(drawn))
    hand = [fault for fault in by_hand() if fault.path.startswith(options.only)]
    with _Bench(options.quick, 0 if options.report else _AT_ONCE) as bench:
        if not options.report:
            _put_in(bench, hand, drawn)
        done.by_hand = [(fault.what, bench.known(fault.what)) for fault in hand]
        tried = ((site, bench.known(str(site))) for site in drawn)
        done.tried = [(site, said, note(site)) for site, said in tried if said]
        done.verdicts = bench.kept
    if options.dry or options.only or options.by_hand:
        _tell(done.page())
    else:
        (DOCS / "mutants.md").write_text(done.page(), encoding="utf-8")
        (DOCS / "mutants.json").write_text(dumped(done.figures()), encoding="utf-8")
        _tell(done.page().partition("##")[0])
    missed = [what for what, said in done.by_hand if said and not said.killed]
    return 1 if missed or 10 * len(done.survived) > len(done.tried) else 0


def _put_in(bench: _Bench, hand: Sequence[ByHand], drawn: Sequence[Site]) -> None:
    """Tries every fault.

    Raises:
        SystemExit: tests fail without a fault; they would notice everything.
    """
    paths = [fault.path for fault in hand] + [site.path for site in drawn]
    unsound = bench.unsound({p for p in PLACES if any(path.startswith(p) for path in paths)})
    if unsound:
        raise SystemExit(f"Tests fail without a fault, mend them first: {', '.join(unsound)}")
    bench.all([(fault.what, fault.path, fault.changed, "") for fault in hand])
    # What has no effect is asked of the quick tests only: the note could be wrong.
    open_ = [site for site in drawn if not (note(site).equivalent and bench.known(str(site)))]
    bench.all([(str(s), s.path, s.changed[1], s.within) for s in open_])


class _Bench:
    """Free workspaces and known verdicts.

    Attributes:
        kept: verdicts of this code, by the fault's description.
    """

    kept: dict[str, Verdict]

    def __init__(self, quick: bool, spaces: int) -> None:
        self._quick, self._spaces = quick, spaces

    def __enter__(self) -> _Bench:
        _KEPT.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=_KEPT, ignore_cleanup_errors=True)
        self._experience = Experience(_KEPT)
        self._reach = Reach(_KEPT / f"reach-{_commit()}.jsonl")
        self._free: queue.Queue[Workspace] = queue.Queue()
        for n in range(self._spaces):
            copy = Path(self._folder.name) / f"copy{n}"
            self._free.put(Workspace(copy, self._experience, self._reach, quick=self._quick))
        self._memory = _KEPT / f"verdicts-{_commit()}.jsonl"
        self.kept = published(_commit())
        if self._memory.exists():
            for line in self._memory.read_text(encoding="utf-8").splitlines():
                said = json.loads(line)
                self.kept[said["fault"]] = Verdict(**said["verdict"])
        for what, verdict in (last() | self.kept).items():
            if verdict.killed:
                self._experience.noticed(what.partition(":")[0], verdict.by)
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def unsound(self, places: Iterable[str]) -> list[str]:
        """The tests that fail without a fault: they would kill everything.

        Learns from the quick ones which lines they run.
        """
        slow = [f"{place}/" for place in sorted(places)]
        quick = self._with(lambda space: {f: None for p in slow for f in space.watchers(p)})
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            said = [*pool.map(self._measured, quick), *pool.map(self._sound, slow)]
        return [verdict.by for verdict in said if verdict.killed]

    def _measured(self, test: str) -> Verdict:
        if self._reach.knows(test):
            return Verdict(False)
        verdict, lines = self._with(lambda space: space.measure(test))
        if not verdict.killed:
            self._reach.learn(test, lines)
        _tell(f"{'fails' if verdict.killed else 'passes':6} {test} without a fault")
        return verdict

    def _sound(self, place: str) -> Verdict:
        name = f"no fault in {place}"
        return self._remembered(name, lambda space, _: space.sound(place))

    def known(self, what: str) -> Verdict | None:
        """The verdict on a fault, if it was tried."""
        return self.kept.get(what)

    def all(self, faults: Sequence[tuple[str, str, str, str]]) -> list[Verdict]:
        """Verdicts of faults in order; a fault is (description, path, changed file, `within`)."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self._one, faults))

    def _one(self, fault: tuple[str, str, str, str]) -> Verdict:
        what, path, changed, within = fault
        before = self.known(what)
        verdict = self._remembered(
            what, lambda space, known: space.try_out(path, changed, within, known)
        )
        if verdict.killed and verdict is not before:
            self._experience.noticed(path, verdict.by)
        return verdict

    def _remembered(
        self, what: str, work: Callable[[Workspace, Verdict | None], Verdict]
    ) -> Verdict:
        known = self.known(what)
        if known and (known.killed or self._quick or not known.quick):
            return known
        verdict = self._with(lambda space: work(space, known))
        self.kept[what] = verdict
        with self._memory.open("a", encoding="utf-8") as lines:
            said = {"fault": what, "verdict": asdict(verdict)}
            lines.write(json.dumps(said, ensure_ascii=False) + "\n")
        _tell(f"{'fails' if verdict.killed else 'PASSES':6} {what[:200]}  [{verdict.by}]")
        return verdict

    def _with(self, work: Callable[[Workspace], T]) -> T:
        space = self._free.get()
        try:
            return work(space)
        finally:
            self._free.put(space)


def _commit() -> str:
    """The last commit that changed a program, a test or a setting."""
    others = (":!docs", ":!*.md", ":!tests/mutants")
    found = subprocess.run(
        ["git", "log", "-1", "--format=%h", "--", ".", *others],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
