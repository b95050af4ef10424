"""The page about the last campaign, and its figures for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from textwrap import wrap
from typing import Any, Final

from tests.mutants.notes import Note
from tests.mutants.sites import PLACES, ROOT, Site
from tests.mutants.trial import Verdict

DOCS: Final = ROOT / "docs"
_WIDTH: Final = 90


@dataclass
class Campaign:
    """The drawn faults and their verdicts.

    Attributes:
        seed: seed of the draw. commit: commit of the tested code. drawn: number of faults.
        tried: the drawn faults that were tried, with their verdicts.
        by_hand: hand-made faults with their verdicts, None if not tried.
        verdicts: every verdict on this code, by the fault's description.
    """

    seed: int
    commit: str
    drawn: int
    tried: list[tuple[Site, Verdict, Note]] = field(default_factory=list)
    by_hand: list[tuple[str, Verdict | None]] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    @property
    def killed(self) -> int:
        """Faults that a test noticed."""
        return sum(verdict.killed for _, verdict, _ in self.tried)

    @property
    def equivalent(self) -> list[tuple[Site, Note]]:
        """Faults without any visible effect, each with the reason."""
        return [(s, n) for s, v, n in self.tried if not v.killed and n.equivalent]

    @property
    def survived(self) -> list[tuple[Site, Note]]:
        """Faults that no test noticed although they have an effect."""
        return [(s, n) for s, v, n in self.tried if not v.killed and not n.equivalent]

    def figures(self) -> dict[str, Any]:
        """Content of docs/mutants.json."""
        hand = [verdict.killed for _, verdict in self.by_hand if verdict]
        return {
            "seed": self.seed,
            "commit": self.commit,
            "drawn": self.drawn,
            "tried": len(self.tried),
            "killed": self.killed,
            "equivalent": len(self.equivalent),
            "survived": len(self.survived),
            "by_hand": {"put_in": len(hand), "killed": sum(hand)},
            "verdicts": {what: asdict(verdict) for what, verdict in sorted(self.verdicts.items())},
        }

    def page(self) -> str:
        """Content of docs/mutants.md."""
        effective = max(1, len(self.tried) - len(self.equivalent))
        share = f"{100 * self.killed / effective:.1f} %"
        places = ", ".join(f"`{place}`" for place in PLACES)
        equivalent, survived = len(self.equivalent), len(self.survived)
        lines = [
            "# Mutants: which small faults the tests notice",
            "",
            "<!-- Written by: make mutants -->",
            "",
            *wrap(
                "`make mutants` puts one small fault at a time into a copy of the project. It"
                " writes the golden files again from the faulty code, so that they judge nothing,"
                " and runs the tests that run the changed lines. A seed draws the faults from every"
                f" comparison, constant, member, condition, extreme and SQL edge of {places},"
                " the kinds in turn.",
                _WIDTH,
            ),
            "",
            *wrap(
                f"Seed {self.seed}, code {self.commit}: {self.drawn} drawn, {len(self.tried)}"
                f" tried, {self.killed} noticed, {equivalent} equivalent, {survived}"
                f" unnoticed. Of those that change something {share} are noticed.{self._limits()}",
                _WIDTH,
            ),
            "",
            *_table(("kind", "drawn", "noticed"), self._shares("kind")),
            *_table(("place", "drawn", "noticed"), self._shares("place")),
        ]
        if self.survived:
            lines += ["## Unnoticed, and what each would do to a user", ""]
            lines += _table(("where", "fault", "a user would see"), _faults(self.survived, "user"))
        if self.equivalent:
            lines += ["## Equivalent, and why", ""]
            lines += _table(("where", "fault", "why"), _faults(self.equivalent, "equivalent"))
        if self.by_hand:
            lines += ["## Put in by hand", "", "Faults that an earlier suite did not notice.", ""]
            rows = [(what, _noticed(verdict)) for what, verdict in self.by_hand]
            lines += _table(("fault", "noticed by"), rows)
        return "\n".join(lines).rstrip() + "\n"

    def _limits(self) -> str:
        quick = sum(verdict.quick for _, verdict, _ in self.tried if not verdict.killed)
        return f" Of the others {quick} met no test that needs a running stack." if quick else ""

    def _shares(self, of: str) -> list[tuple[str, ...]]:
        drawn: Counter[str] = Counter()
        killed: Counter[str] = Counter()
        for site, verdict, _ in self.tried:
            name = site.kind if of == "kind" else site.path.partition("/")[0]
            drawn[name] += 1
            killed[name] += verdict.killed
        return [(name, str(drawn[name]), str(killed[name])) for name in sorted(drawn)]


def _faults(found: Sequence[tuple[Site, Note]], what: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for site, note in found:
        before, after = site.diff
        fault = f"`{_shown(before)}` → `{_shown(after)}`"
        rows.append((f"{site.path}:{site.line}", fault, getattr(note, what) or "not looked at yet"))
    return rows


def _noticed(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not tried"
    return _shown(verdict.by) if verdict.killed else "**unnoticed**"


def _shown(text: str) -> str:
    """Text made fit for a table cell."""
    cut = text if len(text) <= 140 else f"{text[:139]}…"
    return cut.replace("|", "\\|").replace("`", "'")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def dumped(figures: Mapping[str, Any]) -> str:
    """The figures as the text of the file."""
    return json.dumps(figures, indent=2, ensure_ascii=False) + "\n"


def published(commit: str) -> dict[str, Verdict]:
    """The verdicts in docs/mutants.json, if they are on this code."""
    said = _said()
    return _verdicts(said) if said["commit"] == commit else {}


def last() -> dict[str, Verdict]:
    """The verdicts of the last campaign, on whatever code."""
    return _verdicts(_said())


def _said() -> dict[str, Any]:
    said: dict[str, Any] = json.loads((DOCS / "mutants.json").read_text(encoding="utf-8"))
    return said


def _verdicts(said: Mapping[str, Any]) -> dict[str, Verdict]:
    return {what: Verdict(**verdict) for what, verdict in said["verdicts"].items()}
