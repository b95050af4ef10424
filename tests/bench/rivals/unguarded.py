"""Gulou's worker without what makes it exact: no fence, no id filter, no settling, no claim.

To measure what those cost; nothing but the bench can reach it.
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
    """Starts at the beginning and believes every message to be new."""

    async def _patiently(self, wanted: list[Position]) -> tuple[Claim, dict[Position, Seen]]:
        seen = Seen()
        claim = Claim(0, dict.fromkeys(wanted, -1), {topic: set() for topic, _ in wanted})
        return claim, dict.fromkeys(wanted, seen)

    def _settle(self, topic: str, rows: Rows) -> None:
        """Nothing is looked up."""


class UnguardedApp(GulouApp):
    """The app over the pipeline above."""

    @cached_property
    def pipeline(self) -> Pipeline:
        """Made when first asked for, as in the app that ships."""
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
