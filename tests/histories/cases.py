"""Petitions and mediations: plots that take cases through every event type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from tests.histories.messages import Message
from tests.histories.teller import Teller

Step = tuple[str, float]
"""Verb of an event, and days since the previous one; 0 is the same instant."""

_TO_REPLY: tuple[Step, ...] = (("registered", 0), ("transferred", 15), ("accepted", 15))
# An empty plot is a muddle: any events in any order.
PETITIONS: tuple[tuple[Step, ...], ...] = (
    (*_TO_REPLY, ("replied", 60), ("rated", 3), ("closed", 0)),
    (*_TO_REPLY, ("extended", 40), ("replied", 50), ("closed", 1)),
    (*_TO_REPLY, ("replied", 20), ("review_requested", 20), ("review_decided", 30),
     ("recheck_requested", 9), ("hearing_held", 5), ("recheck_decided", 25), ("closed", 0)),
    (*_TO_REPLY, ("replied", 20), ("review_requested", 20), ("closed", 45), ("rated", 1)),
    (*_TO_REPLY, ("replied", 20), ("review_requested", 9), ("withdrawn", 30)),
    (("registered", 0), ("transferred", 1), ("objected", 6), ("transferred", 1), ("urged", 13),
     ("accepted", 2), ("replied", 30), ("rated", 9)),
    (("registered", 0), ("transferred", 5), ("not_accepted", 15)),
    (("registered", 0), ("not_accepted", 15), ("rated", 0)),
    (("registered", 0), ("withdrawn", 15)),
    (("registered", 0), ("transferred", 2), ("merged", 15)),
    (("registered", 0), ("replied", 15), ("closed", 0)),
    (("registered", 0), ("closed", 0)),
    (*_TO_REPLY, ("urged", 61), ("extended", 1)),
    (*_TO_REPLY, ("accepted", 9), ("withdrawn", 60)),
    (*_TO_REPLY, ("merged", 61)),
    (*_TO_REPLY, ("not_accepted", 3), ("replied", 9)),
    (("registered", 0), ("transferred", 15)),
    (("registered", 0),),
    # The opening never arrives, or is in another book.
    (("transferred", 0), ("accepted", 3), ("replied", 9), ("closed", 0)),
    (("registered", 0), ("registered", 4), ("recheck_requested", 1), ("merged", 30)),
    (), (), (),
)  # fmt: skip
_TO_TALK: tuple[Step, ...] = (("filed", 0), ("accepted", 1), ("mediator_assigned", 0))
MEDIATIONS: tuple[tuple[Step, ...], ...] = (
    (*_TO_TALK, ("session_held", 6), ("agreement_reached", 1), ("performed", 30)),
    (*_TO_TALK, ("agreement_reached", 7), ("confirmation_applied", 30),
     ("confirmation_decided", 9)),
    (*_TO_TALK, ("agreement_reached", 15), ("breached", 9), ("performed", 9)),
    (*_TO_TALK, ("agreement_reached", 30), ("breached", 40), ("referred", 1)),
    (*_TO_TALK, ("session_held", 7), ("terminated", 0), ("referred", 0)),
    (*_TO_TALK, ("terminated", 15)),
    (*_TO_TALK, ("session_held", 6), ("session_held", 20), ("terminated", 5)),
    (*_TO_TALK, ("session_held", 2)),
    (("filed", 0), ("terminated", 1)),
    (("filed", 0), ("accepted", 0), ("agreement_reached", 0), ("performed", 0)),
    (("accepted", 0), ("agreement_reached", 9)),
    (("filed", 0),),
    (), (),
)  # fmt: skip

_VERBS = {
    "petition": sorted({verb for plot in PETITIONS for verb, _ in plot} - {"registered"}),
    "mediation": sorted({verb for plot in MEDIATIONS for verb, _ in plot} - {"filed"}),
}

KINDS = ("suggestion", "accusation", "appeal", "appeal", "appeal", "appeal")
ROUTES = ("31.6", "31.1", "31.6", "31.2", "31.6", "31.3", "31.4", "31.6", "31.5", "none")
CHANNELS = ("network", "letter", "telephone", "fax", "visit")
LEVELS = ("county", "city", "province", "capital")
TRANSFERS = ("passed_on", "assigned", "reported")
REFUSALS = ("not_ours", "legal_route", "already_ended", "no_facts")
RESULTS = ("supported", "explained", "not_supported")
VERDICTS = ("upheld", "changed", "revoked")
STARS = (1, 2, 3, 4, 5)
DISPUTES = (
    *("marriage_family", "neighbours", "housing_land", "contract", "business", "damages"),
    *("forest_land", "expropriation", "pollution", "labour", "consumer", "medical"),
    *("traffic_accident", "property_management", "other"),
)
ORIGINS = ("litigation", "petition", "police", "grid", "party")
SCALES = ("individual", "group", "large_group")
MODES = ("court_delegated", "court_ordinary", "court_summary", "applied", "initiated", "passed")
MEDIATORS = ("full_time", "five_elders", "lawyer", "volunteer", "trade")
ENDINGS = ("not_agreed", "party_left", "not_fit")
FORMS = ("written", "oral")
RULINGS = ("confirmed", "refused")
ONWARD = ("lawsuit", "arbitration", "administrative")


def _told(
    teller: Teller,
    stem: str,
    plot: tuple[Step, ...],
    content: Callable[[str, datetime], dict[str, Any]],
) -> Iterator[Message]:
    """The events of a plot, at a random place."""
    time, place = teller.start(), teller.place()
    grid = {"grid": f"{place}002"} if len(place) == 12 and teller.chance(0.7) else {}
    # With its place in the history: a long one would give a number twice, and two stories in one
    # case are what `tests/law` judges.
    number = f"{stem[0]}{teller.dice.randrange(10**6)}x{teller.count}"
    # Now and then the longest number of a register.
    key = number if teller.chance(0.97) else f"{number}:".ljust(64, "_")
    for verb, days in plot or _muddle(teller, stem):
        # Some come sooner, some later than the plot's term.
        time = teller.after(time, days * teller.dice.choice((1, 1, 1, 0.5, 1.1)))
        yield teller.event(f"{stem}.{verb}", key, content(verb, time), time, place, **grid)


def _muddle(teller: Teller, stem: str) -> list[Step]:
    """Events in an impossible order, as found in ledgers."""
    first = "registered" if stem == "petition" else "filed"
    verbs = teller.dice.sample(_VERBS[stem], min(8, len(_VERBS[stem])))
    return [(first, 0), *((verb, teller.dice.choice((0, 1, 9, 30))) for verb in verbs)]


def petition(teller: Teller) -> Iterator[Message]:
    """One petition."""
    kind = teller.turn(KINDS)
    route = teller.turn(ROUTES) if kind == "appeal" else "none"
    accepted = [teller.start()]

    def content(verb: str, time: datetime) -> dict[str, Any]:
        # A case may become 检举控告 late.
        said = "accusation" if verb == "closed" and teller.chance(0.05) else kind
        if verb == "accepted":
            accepted[:] = [time]
        return {"kind": said, **_petition(teller, verb, route, accepted[0])}

    yield from _told(teller, "petition", teller.turn(PETITIONS), content)


def _petition(teller: Teller, verb: str, route: str, accepted: datetime) -> dict[str, Any]:
    unit = {"unit": teller.text("431202-民政局", 64)}
    match verb:
        case "registered":
            return _opened(teller)
        case "transferred":
            return {"mode": teller.turn(TRANSFERS), **unit}
        case "accepted":
            return {"route": route, **unit}
        case "objected" | "urged":
            return unit
        case "not_accepted":
            return {"reason": teller.turn(REFUSALS)}
        case "extended":
            days = teller.dice.choice((10, 29, 30, 31, teller.number(45, 366, 1)))
            return {"days": days, "since": accepted.isoformat(), "route": route}
        case "hearing_held":
            return {"people": teller.number(9, 1_000_000)}
        case "replied":
            return {"result": teller.turn(RESULTS), **teller.maybe(reply=teller.sealed)}
        case "rated":
            return {"satisfaction": teller.turn(STARS)}
        case "review_decided" | "recheck_decided":
            return {"verdict": teller.turn(VERDICTS)}
        case "merged":
            return {"into": "P-1"}
    return {}


def _opened(teller: Teller) -> dict[str, Any]:
    category = teller.text("城乡建设", 40)
    return {
        "channel": teller.turn(CHANNELS),
        "level": teller.turn(LEVELS),
        "people": teller.number(9, 1_000_000),
        "repeated": teller.chance(0.3),
        "petitioner": teller.person(),
        **teller.maybe(
            category=category, title=teller.sealed, text=teller.sealed, content=teller.person
        ),
    }


def mediation(teller: Teller) -> Iterator[Message]:
    """One case of mediation."""
    mode = teller.turn(MODES)

    def content(verb: str, _: datetime) -> dict[str, Any]:
        return {"mode": mode} if verb == "accepted" else _mediation(teller, verb)

    yield from _told(teller, "mediation", teller.turn(MEDIATIONS), content)


def _mediation(teller: Teller, verb: str) -> dict[str, Any]:
    match verb:
        case "filed":
            return {
                "dispute": teller.turn(DISPUTES),
                "origin": teller.turn(ORIGINS),
                "scale": teller.turn(SCALES),
                "people": teller.number(9, 1_000_000),
                **teller.maybe(party=teller.person, facts=teller.sealed),
            }
        case "mediator_assigned":
            return {"mediator": teller.turn(MEDIATORS)}
        case "session_held":
            return {"people": teller.number(9, 1_000_000)}
        case "agreement_reached":
            return {
                "form": teller.turn(FORMS),
                "amount": teller.number(10**7, 10**13),
                "averted_crime": teller.chance(0.2),
                "averted_group": teller.chance(0.2),
            }
        case "terminated":
            return {"why": teller.turn(ENDINGS)}
        case "confirmation_applied":
            return {"court": teller.text("鹤城区人民法院", 64)}
        case "confirmation_decided":
            return {"ruling": teller.turn(RULINGS)}
        case "referred":
            return {"to": teller.turn(ONWARD)}
    return {}
