"""`python -m tests.chaos [--seed N] [--minutes M] [--share F] [--dry]`: see `campaign`."""

from __future__ import annotations

import argparse
import random
import sys

from infra.settings import ROOT
from tests.chaos.campaign import PLAN, Campaign, campaign


def main() -> int:
    """Exit code 1 when anything differed, or the faults met nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--minutes", type=float, default=50.0, help="stop breaking things after")
    parser.add_argument("--share", type=float, default=1.0, help="of the plan, 0.1 is a tenth")
    parser.add_argument("--dry", action="store_true", help="print instead of writing docs/chaos.md")
    options = parser.parse_args()
    plan = {name: max(1, round(count * options.share)) for name, count in PLAN.items()}

    def keep(done: Campaign) -> None:
        page = done.report()
        if options.dry:
            _tell(page)
        else:
            (ROOT / "docs" / "chaos.md").write_text(page)

    _tell(f"seed {options.seed}")
    done = campaign(options.seed, plan, options.minutes, _tell, keep)
    _tell("\n".join(done.differences[:30]))
    return 1 if done.differences or not done.traces()["projections repaired"] else 0


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
