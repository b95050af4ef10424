"""`python -m tests.chaos`: faults (`campaign`), hostile statements, mutated packets, a soak."""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from infra.settings import ROOT
from tests.chaos.campaign import KILLS_LEAST, PLAN, Campaign, campaign
from tests.chaos.packets import BESIDE_S, battlefield
from tests.chaos.soak import MINUTES, soak
from tests.chaos.statements import ground

_PAGE = ROOT / "docs" / "chaos.md"
_STATEMENTS_SENT = 100_000
_PACKETS_SENT = 1_000_000
_FAULTS_MINUTES = 50.0


def main() -> int:
    """Exit code 1 if anything differed, was reached or grew, or the plan was cut short."""
    campaigns: dict[str, Callable[[argparse.Namespace], int]] = {
        "faults": _faults,
        "statements": _statements,
        "packets": _packets,
        "soak": _soak,
    }
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--minutes",
        type=float,
        help=f"stop breaking things after ({_FAULTS_MINUTES:g}), or soak for ({MINUTES:g})",
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the plan, 0.1 is a tenth")
    parser.add_argument("--dry", action="store_true", help="print instead of writing docs/chaos.md")
    parser.add_argument("--only", choices=campaigns, help="one of the campaigns")
    options = parser.parse_args()
    _tell(f"seed {options.seed}")
    for name, run in campaigns.items():
        if options.only in (None, name) and (failed := run(options)):
            return failed
    return 0


def _faults(options: argparse.Namespace) -> int:
    plan = {name: max(1, round(count * options.share)) for name, count in PLAN.items()}

    def keep(done: Campaign) -> None:
        page = done.report()
        # Only a whole campaign, or one that found differences, replaces the page.
        if options.dry or not (done.whole or done.differences):
            _tell(page)
        else:
            # The other campaigns' sections stay.
            _, mark, sections = _PAGE.read_text().partition("\n## ")
            _PAGE.write_text(page + mark + sections)

    done = campaign(options.seed, plan, options.minutes or _FAULTS_MINUTES, _tell, keep)
    _tell("\n".join(done.differences[:30]))
    met = done.found.get("projections repaired", 0)
    if done.kills < KILLS_LEAST and options.share >= 1:
        _tell(f"only {done.kills} kills, fewer than {KILLS_LEAST}: give it more minutes")
        return 1
    return 1 if done.differences or not met else 0


def _statements(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="gulou-chaos-") as home, ground(Path(home)) as there:
        done = there.attack(options.seed, round(_STATEMENTS_SENT * options.share))
    _keep("Hostile statements", done.report(), shown=options.dry)
    _tell("\n".join(done.reached))
    return 1 if done.reached else 0


def _packets(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="gulou-chaos-") as home, battlefield(Path(home)) as at:
        done = at.shoot(options.seed, round(_PACKETS_SENT * options.share))
    if done.slowest_s > BESIDE_S:
        done.failures.append(f"the client beside waited {done.slowest_s:.1f} s")
    _keep("Mutated packets", done.report(), shown=options.dry)
    _tell("\n".join(done.failures))
    return 1 if done.failures else 0


def _soak(options: argparse.Namespace) -> int:
    done = soak(options.seed, options.minutes or MINUTES, _tell)
    # A short one says nothing about growth.
    _keep("Soak", done.report(), shown=options.dry or not done.whole)
    _tell("\n".join(done.failures))
    return 1 if done.failures else 0


def _keep(title: str, report: str, *, shown: bool) -> None:
    """Replaces the section of a campaign, or only shows it."""
    if shown:
        _tell(report)
        return
    section = f"\n## {title}\n\n{report}"
    others = re.sub(rf"\n## {title}\n.*?(?=\n## |\Z)", "", _PAGE.read_text(), flags=re.S)
    _PAGE.write_text(others + section)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
