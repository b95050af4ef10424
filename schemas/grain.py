"""Who sees what: the roles of views, the county of a clerk, and the grain that viewers see.

A viewer reads walls and public boards; a clerk works on the cases. Each measure declares the finest
place and period at which a viewer sees it. Anything finer is in the clerks' views alone, so that a
finer figure is not withheld from the viewers' views: it never was in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Role = Literal["viewer", "clerk"]
Place = Literal["county", "township", "village", "grid"]
Period = Literal["live", "month", "year"]

Access = Literal["viewer", "clerk", "auditor", "publisher", "admin"]
"""What a token is for: viewers see the viewers' figures, everybody else the clerks' too; publishers
and admins also change boards and send SQL of their own."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)
PLACES: Final[tuple[Place, ...]] = get_args(Place)
"""Levels of place, widest first."""
PERIODS: Final[tuple[Period, ...]] = get_args(Period)
"""Periods, shortest first."""


@dataclass(frozen=True, slots=True)
class County:
    """The county to which a clerk is bound.

    Attributes:
        code: six digits; the codes of all places in it begin with them.
    """

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: of the token's owner; empty for whoever came without a token.
        county: of a clerk who sees the clerks' figures of one county alone; None: of all.
    """

    name: str = ""
    access: Access = "viewer"
    county: County | None = None


def may_see(access: Access, role: Role) -> bool:
    """Whether the holder of a token may see the views of a role."""
    return role == "viewer" or access != "viewer"


def may_publish(access: Access) -> bool:
    """Whether the holder of a token may change what is published."""
    return access in ("publisher", "admin")


@dataclass(frozen=True, slots=True)
class Grain:
    """The finest place and period at which a viewer sees a measure.

    Attributes:
        place: the finest level of place.
        period: a `live` figure moves as events come in; who watches it learns when each came in,
            whatever the width of its buckets. A `month` or `year` figure is of one that is over:
            beside public amounts of the same events, a live one would tell each event's share.
        closer: of a family with cases, the period of whatever looks closer at them than the live
            totals of a county: figures of a smaller place, by a property, or of a case's numbers.
            What moves with one event belongs to one case, so that live ones would be put together.
    """

    place: Place = "township"
    period: Period = "live"
    closer: Period = "month"

    def shows(self, place: Place, role: Role, period: Period = "live") -> bool:
        """Whether readers of that role see the measure at that level, for that period."""
        if role == "clerk":
            return True
        wide = PLACES.index(place) <= PLACES.index(self.place)
        return wide and PERIODS.index(period) >= PERIODS.index(self.period)
