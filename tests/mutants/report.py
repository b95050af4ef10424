"""The page about the last campaign, and its figures for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.mutants.notes import Note
from tests.mutants.sites import Site
from tests.mutants.trial import Verdict


@dataclass
class Campaign:
    """The drawn faults and their verdicts.

    Attributes:
        seed: seed of the draw. commit: commit of the tested code.
        tried: every drawn fault with its verdict. by_hand: the same for hand-made faults.
    """

    seed: int
    commit: str
    tried: list[tuple[Site, Verdict, Note]] = field(default_factory=list)
    by_hand: list[tuple[str, Verdict]] = field(default_factory=list)

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
        hand = [verdict.killed for _, verdict in self.by_hand]
        return {
            "seed": self.seed,
            "commit": self.commit,
            "drawn": len(self.tried),
            "killed": self.killed,
            "equivalent": len(self.equivalent),
            "survived": len(self.survived),
            "by_hand": {"put_in": len(hand), "killed": sum(hand)},
        }

    def page(self) -> str:
        """Content of docs/mutants.md."""
        drawn = max(1, len(self.tried) - len(self.equivalent))
        share = f"{100 * self.killed / drawn:.1f} %"
        lines = [
            "# Mutants: which small faults the tests notice",
            "",
            "<!-- Written by: make mutants -->",
            "",
            "`make mutants` puts one small fault at a time into a copy of the project. It writes",
            "the golden files anew from the faulty code, so that they judge nothing, and runs the",
            "tests of the place. A seed draws the faults from every comparison, constant, member,",
            "condition, extreme and SQL edge of `schemas`, `streams`, `producers`, `dashboards`",
            "and `infra/warehouse`, the kinds in turn.",
            "",
            f"Seed {self.seed}, code {self.commit}: {len(self.tried)} drawn, {self.killed}",
            f"noticed, {len(self.equivalent)} equivalent, {len(self.survived)} unnoticed. Of those",
            f"that change something {share} are noticed.",
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
            rows = [(what, _shown(verdict.by) or "**unnoticed**") for what, verdict in self.by_hand]
            lines += _table(("fault", "noticed by"), rows)
        return "\n".join(lines).rstrip() + "\n"

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
    return json.dumps(figures, indent=2) + "\n"
