"""`python -m tests.chaos [--seed N] [--minutes M] [--share F] [--dry]`: see `campaign`."""

from __future__ import annotations

import argparse
import random
import sys

from infra.settings import ROOT
from tests.chaos.campaign import KILLS_LEAST, PLAN, Campaign, campaign


def main() -> int:
    """Exit code 1 if anything differed, the faults hit nothing, or the plan was cut short."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--minutes", type=float, default=50.0, help="stop breaking things after")
    parser.add_argument("--share", type=float, default=1.0, help="of the plan, 0.1 is a tenth")
    parser.add_argument("--dry", action="store_true", help="print instead of writing docs/chaos.md")
    options = parser.parse_args()
    plan = {name: max(1, round(count * options.share)) for name, count in PLAN.items()}

    def keep(done: Campaign) -> None:
        page = done.report()
        # Only a whole campaign, or one that found differences, replaces the page.
        if options.dry or not (done.whole or done.differences):
            _tell(page)
        else:
            (ROOT / "docs" / "chaos.md").write_text(page)

    _tell(f"seed {options.seed}")
    done = campaign(options.seed, plan, options.minutes, _tell, keep)
    _tell("\n".join(done.differences[:30]))
    met = done.found.get("projections repaired", 0)
    if done.kills < KILLS_LEAST and options.share >= 1:
        _tell(f"only {done.kills} kills, fewer than {KILLS_LEAST}: give it more minutes")
        return 1
    return 1 if done.differences or not met else 0


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
