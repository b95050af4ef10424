"""Gulou's worker without the parts that make it exact: fence, id filter, settling and claim.

It measures the cost of those parts; only the bench can reach it.
"""

from __future__ import annotations

from functools import cached_property

import faust

from infra.settings import Settings
from infra.worker import configure
from schemas.families import families
from streams.app import GulouApp, build_app
from streams.chunks import Position
from streams.identities import Seen
from streams.ingest import Ingest, Rows
from streams.pipeline import Pipeline
from streams.store import Claim


class UnguardedPipeline(Pipeline):
    """Starts at the beginning and takes every message for new."""

    async def _patiently(self, wanted: list[Position]) -> tuple[Claim, dict[Position, Seen]]:
        seen = Seen()
        claim = Claim(0, dict.fromkeys(wanted, -1), {topic: set() for topic, _ in wanted})
        return claim, dict.fromkeys(wanted, seen)

    def _settle(self, topic: str, rows: Rows) -> None:
        """Looks nothing up."""


class UnguardedApp(GulouApp):
    """The app over the pipeline above."""

    @cached_property
    def pipeline(self) -> Pipeline:
        """Created on first use, as in the shipped app."""
        return UnguardedPipeline(
            {
                f.topic: Ingest(f, self.config.divisions, self.config.calendar)
                for f in self.families
            },
            self.open_warehouse,
            self.config.limits,
            reseek=self.reseek,
            bury=self.bury,
        )


def main() -> None:
    """Runs until it is stopped."""
    app = build_app(configure(Settings.load()), families())
    app.__class__ = UnguardedApp
    faust.Worker(app, loglevel="INFO").execute_from_commandline()


if __name__ == "__main__":
    main()
