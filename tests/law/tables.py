"""What the law says about every event, clock, state, ending and fact of a case, written by hand.

Nothing here reads a declaration of the product. If a declaration differs from its article, the row
holds the right answer and `differs`, the number of the difference: such a row is a strict xfail.

Sources: 信访工作条例 (2022-05-01) 17-41, by article; 人民调解法; 法释〔2016〕14号 27.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple


@dataclass(frozen=True, slots=True)
class Effect:
    """Effect of an event on a running clock or on a case, and the reason."""

    does: str
    why: str
    differs: int = 0


def _starts(why: str) -> Effect:
    """Starts the term; a repeat gives no more time."""
    return Effect("starts", why)


def _restarts(why: str) -> Effect:
    """Starts the term of another unit: the newest event counts."""
    return Effect("restarts", why)


def _ends(why: str) -> Effect:
    """Fulfils the duty."""
    return Effect("ends", why)


def _lapses(why: str) -> Effect:
    """Cancels the duty unfulfilled."""
    return Effect("lapses", why)


def _extends(why: str) -> Effect:
    return Effect("extends", why)


def _nothing(why: str, differs: int = 0) -> Effect:
    return Effect("nothing", why, differs)


_WITHDRAWN = "nobody asks for it any more"
_MERGED = "the other petition is answered"

TRANSFER: Final = {
    "registered": _starts("22: 15 days for the petition office"),
    "transferred": _ends("22: this is the duty"),
    "accepted": _ends("23: who accepts it has got it"),
    "not_accepted": _ends("22: refused with reasons, nothing is left to pass on"),
    "objected": _nothing("23: what a unit says does not pass anything on"),
    "extended": _nothing("34: time to close, not to pass on"),
    "hearing_held": _nothing("31: a part of the handling"),
    "replied": _ends("32: an answer is more than passing on"),
    "closed": _ends("34: nothing is left to pass on"),
    "rated": _nothing("21: what the petitioner thinks of it"),
    "review_requested": _nothing("35: another duty"),
    "review_decided": _nothing("35: another duty"),
    "recheck_requested": _nothing("36: another duty"),
    "recheck_decided": _nothing("36: another duty"),
    "withdrawn": _lapses(_WITHDRAWN),
    "merged": _lapses(_MERGED),
    "urged": _nothing("40: urging is no passing on"),
}
NOTICE: Final = {
    "registered": _nothing("23: runs from receipt by the unit"),
    "transferred": _restarts("23: whom it goes to next has 15 days of its own"),
    "accepted": _ends("23: this is the duty"),
    "not_accepted": _ends("23: the petitioner is told as well"),
    "objected": _nothing("23: until somebody else has it, the unit owes the notice"),
    "extended": _nothing("34: time to close, not to tell"),
    "hearing_held": _nothing("31: a part of the handling"),
    "replied": _ends("32: an answer is more than a notice"),
    "closed": _ends("34: the petitioner knows more than a notice says"),
    "rated": _nothing("21: what the petitioner thinks of it"),
    "review_requested": _nothing("35: another duty"),
    "review_decided": _nothing("35: another duty"),
    "recheck_requested": _nothing("36: another duty"),
    "recheck_decided": _nothing("36: another duty"),
    "withdrawn": _lapses(_WITHDRAWN),
    "merged": _lapses(_MERGED),
    "urged": _nothing("40: urging is no notice"),
}
CLOSE: Final = {
    "registered": _nothing("34: runs from acceptance"),
    "transferred": _nothing("34: runs from acceptance"),
    "accepted": _starts("34: 60 days by route 31(6)"),
    "not_accepted": _lapses("23: what is not accepted need not be closed"),
    "objected": _nothing("23: an objection closes nothing"),
    "extended": _extends("34: at most 30 days more"),
    "hearing_held": _nothing("36: a hearing's days are left out of a recheck alone"),
    "replied": _ends("34: closed with the written reply"),
    "closed": _ends("34: this is the duty"),
    "rated": _nothing("21: what the petitioner thinks of it"),
    "review_requested": _nothing("35: another duty"),
    "review_decided": _nothing("35: another duty"),
    "recheck_requested": _nothing("36: another duty"),
    "recheck_decided": _nothing("36: another duty"),
    "withdrawn": _lapses(_WITHDRAWN),
    "merged": _lapses(_MERGED),
    "urged": _nothing("40: urging is no answer"),
}
REVIEW: Final = {
    "registered": _nothing("35: runs from the request"),
    "transferred": _nothing("35: runs from the request"),
    "accepted": _nothing("35: runs from the request"),
    "not_accepted": _nothing("35: a request for review needs a decision", 1),
    "objected": _nothing("35: a request for review needs a decision"),
    "extended": _nothing("34: time to close, not to review"),
    "hearing_held": _nothing("36: a hearing's days are left out of a recheck alone"),
    "replied": _nothing("35: a reply is what is reviewed"),
    "closed": _nothing("34 comes before 35: only the decision ends a review", 1),
    "rated": _nothing("21: what the petitioner thinks of it"),
    "review_requested": _starts("35: 30 days"),
    "review_decided": _ends("35: this is the duty"),
    "recheck_requested": _nothing("36: another duty"),
    "recheck_decided": _nothing("36: another duty"),
    "withdrawn": _lapses(_WITHDRAWN),
    "merged": _lapses(_MERGED),
    "urged": _nothing("40: urging is no decision"),
}
RECHECK: Final = {
    "registered": _nothing("36: runs from the request"),
    "transferred": _nothing("36: runs from the request"),
    "accepted": _nothing("36: runs from the request"),
    "not_accepted": _nothing("36: a request for recheck needs a decision", 1),
    "objected": _nothing("36: a request for recheck needs a decision"),
    "extended": _nothing("34: time to close, not to recheck"),
    "hearing_held": _nothing("36: leaves its days out, but an event has no length yet"),
    "replied": _nothing("36: runs on until the decision"),
    "closed": _nothing("34 comes before 36: only the decision ends a recheck", 1),
    "rated": _nothing("21: what the petitioner thinks of it"),
    "review_requested": _nothing("35: another duty"),
    "review_decided": _nothing("36: the review is what is rechecked"),
    "recheck_requested": _starts("36: 30 days"),
    "recheck_decided": _ends("36: this is the duty"),
    "withdrawn": _lapses(_WITHDRAWN),
    "merged": _lapses(_MERGED),
    "urged": _nothing("40: urging is no decision"),
}
MEDIATE: Final = {
    "filed": _nothing("27: runs from when the mediator has the case"),
    "accepted": _starts("27: 30, 15 or 7 days"),
    "mediator_assigned": _nothing("27: the term runs already"),
    "session_held": _nothing("27: a session is no result"),
    "agreement_reached": _ends("27: a result"),
    "terminated": _ends("27: a result, though not the one hoped for"),
    "performed": _nothing("人民调解法 31: after the agreement"),
    "breached": _nothing("人民调解法 32: after the agreement"),
    "confirmation_applied": _nothing("人民调解法 33: after the agreement"),
    "confirmation_decided": _nothing("人民调解法 33: after the agreement"),
    "referred": _nothing("人民调解法 26: follows the termination"),
}


class Step(NamedTuple):
    """An event of a history: its verb, when, and content that differs from the sample's."""

    verb: str
    time: str
    data: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Running:
    """A running clock of a case with every earlier duty fulfilled.

    Attributes:
        before: the case up to the start of the clock.
        due: its due instant; a comment beside the row has the sum.
        moved: due instants after an event restarts or extends it a millisecond before the due
            instant, at it, and a millisecond after it.
    """

    topic: str
    clock: str
    effects: dict[str, Effect]
    before: tuple[Step, ...]
    due: str
    moved: tuple[str, ...] = ()


RUNNING: Final = {
    # 16 September + 15: 14 left in September, 1 October; 国庆 to 7 October -> Friday 8 October.
    "transfer": Running(
        "petitions",
        "transfer",
        TRANSFER,
        (Step("registered", "2021-09-16 09:30"),),
        "2021-10-09 00:00:00.000",
    ),
    # 26 January + 15: 5 left in January, 10 February; 春节 to 17 -> Sunday 18 February is worked.
    # Transferred again on 18 February + 15: 11 left in the leap February, Monday 4 March; on
    # 19 February + 15: Tuesday 5 March.
    "notice": Running(
        "petitions",
        "notice",
        NOTICE,
        (Step("registered", "2024-01-25 17:00"), Step("transferred", "2024-01-26 10:00")),
        "2024-02-19 00:00:00.000",
        ("2024-03-05 00:00:00.000", "2024-03-06 00:00:00.000", "2024-03-06 00:00:00.000"),
    ),
    # 1 November + 60: 29 left in November, 31 December; off to 1 January -> Tuesday 2 January.
    # 90 days: 29 + 31 = 60, Tuesday 30 January. It may not be extended after the due instant.
    "close": Running(
        "petitions",
        "close",
        CLOSE,
        (
            Step("registered", "2023-10-30 09:00"),
            Step("transferred", "2023-10-31 09:00"),
            Step("accepted", "2023-11-01 00:00", {"route": "31.6"}),
        ),
        "2024-01-03 00:00:00.000",
        ("2024-01-31 00:00:00.000",),
    ),
    # 1 February + 30: 28 left in the leap February, Saturday 2 March -> Monday 4 March.
    "review": Running(
        "petitions",
        "review",
        REVIEW,
        (
            Step("registered", "2024-01-02 09:00"),
            Step("transferred", "2024-01-02 10:00"),
            Step("accepted", "2024-01-03 09:00", {"route": "31.6"}),
            Step("replied", "2024-01-30 09:00"),
            Step("review_requested", "2024-02-01 23:59:59.999"),
        ),
        "2024-03-05 00:00:00.000",
    ),
    # 2 December + 30: 29 left in December, 1 January; off to 3 January -> Tuesday 4 January.
    "recheck": Running(
        "petitions",
        "recheck",
        RECHECK,
        (
            Step("registered", "2021-09-01 09:00"),
            Step("transferred", "2021-09-01 10:00"),
            Step("accepted", "2021-09-02 09:00", {"route": "31.6"}),
            Step("replied", "2021-10-20 09:00"),
            Step("review_requested", "2021-10-25 09:00"),
            Step("review_decided", "2021-11-20 09:00"),
            Step("recheck_requested", "2021-12-02 09:00"),
        ),
        "2022-01-05 00:00:00.000",
    ),
    # 1 April + 30: 29 left in April, 1 May; 劳动节 to 4 May -> Thursday 5 May.
    "mediate, court_delegated": Running(
        "mediations",
        "mediate",
        MEDIATE,
        (
            Step("filed", "2022-03-31 09:00"),
            Step("accepted", "2022-04-01 09:00", {"mode": "court_delegated"}),
        ),
        "2022-05-06 00:00:00.000",
    ),
    # 23 April + 15: 7 left in April, Saturday 8 May is worked.
    "mediate, court_ordinary": Running(
        "mediations",
        "mediate",
        MEDIATE,
        (
            Step("filed", "2021-04-22 09:00"),
            Step("accepted", "2021-04-23 09:00", {"mode": "court_ordinary"}),
        ),
        "2021-05-09 00:00:00.000",
    ),
    # 25 December + 7: 6 left in December, 1 January; off to 3 January -> Tuesday 4 January.
    "mediate, court_summary": Running(
        "mediations",
        "mediate",
        MEDIATE,
        (
            Step("filed", "2021-12-24 09:00"),
            Step("accepted", "2021-12-25 09:00", {"mode": "court_summary"}),
        ),
        "2022-01-05 00:00:00.000",
    ),
}

# In legal order: a case is in the furthest state it reached, in whatever order it reached them.
STATES: Final = {
    "petitions": {
        "registered": "registered",
        "transferred": "transferred",
        "accepted": "accepted",
        "replied": "replied",
        "review_requested": "in_review",
        "review_decided": "reviewed",
        "recheck_requested": "in_recheck",
        "recheck_decided": "rechecked",
        "closed": "closed",
        "not_accepted": "not_accepted",
        "merged": "merged",
        "withdrawn": "withdrawn",
    },
    "mediations": {
        "filed": "filed",
        "accepted": "accepted",
        "session_held": "in_session",
        "agreement_reached": "agreed",
        "performed": "performed",
        "breached": "breached",
        "terminated": "terminated",
        "referred": "referred",
    },
}
# State after the first event and then the second, if the legal order gives another: a breach made
# good is a late performance. Difference 16.
UNLIKE_THE_ORDER: Final = {("mediations", "breached", "performed"): ("performed", 16)}

# Event types without a state of their own.
STATELESS: Final = {
    "petitions": {"objected", "extended", "hearing_held", "rated", "urged"},
    "mediations": {"mediator_assigned", "confirmation_applied", "confirmation_decided"},
}

# Events that end a case, and why; no other event does.
ENDINGS: Final = {
    "petitions": {
        "closed": "34: 办结",
        "not_accepted": "22, 23: nobody here handles it",
        "withdrawn": _WITHDRAWN,
        "merged": _MERGED,
    },
    "mediations": {
        "agreement_reached": "人民调解法 28, 29: agreed",
        "terminated": "人民调解法 26: terminated",
    },
}

OPENING: Final = {"petitions": "registered", "mediations": "filed"}
PREFIX: Final = {"petitions": "petition", "mediations": "mediation"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A field of a case as a whole.

    Attributes:
        says: verbs of the event types that set it.
        values: all values of a small vocabulary, else a few with the least and the greatest.
        unsaid: value of a case until an event sets it.
    """

    says: tuple[str, ...]
    values: tuple[object, ...]
    unsaid: object = ""


_REGISTERED = ("registered",)
_FILED = ("filed",)
FACTS: Final = {
    "petitions": {
        "kind": Fact(tuple(TRANSFER), ("suggestion", "accusation", "appeal")),
        "channel": Fact(_REGISTERED, ("network", "letter", "telephone", "fax", "visit")),
        "level": Fact(_REGISTERED, ("county", "city", "province", "capital")),
        "people": Fact(_REGISTERED, (0, 1, 5, 1_000_000), 0),
        "repeated": Fact(_REGISTERED, (True, False), False),
        "category": Fact(_REGISTERED, ("城乡建设", None)),
        "route": Fact(
            ("accepted", "extended"), ("31.1", "31.2", "31.3", "31.4", "31.5", "31.6", "none")
        ),
        "reason": Fact(("not_accepted",), ("not_ours", "legal_route", "already_ended", "no_facts")),
        "result": Fact(("replied",), ("supported", "explained", "not_supported")),
        "satisfaction": Fact(("rated",), (1, 2, 3, 4, 5), 0),
    },
    "mediations": {
        "dispute": Fact(
            _FILED,
            (
                *("marriage_family", "neighbours", "housing_land", "contract", "business"),
                *("damages", "forest_land", "expropriation", "pollution", "labour", "consumer"),
                *("medical", "traffic_accident", "property_management", "other"),
            ),
        ),
        "origin": Fact(_FILED, ("litigation", "petition", "police", "grid", "party")),
        "scale": Fact(_FILED, ("individual", "group", "large_group")),
        "people": Fact(_FILED, (0, 2, 1_000_000), 0),
        "mode": Fact(
            ("accepted",),
            (
                *("applied", "initiated", "passed"),
                *("court_delegated", "court_ordinary", "court_summary"),
            ),
        ),
        "mediator": Fact(
            ("mediator_assigned",), ("full_time", "five_elders", "lawyer", "volunteer", "trade")
        ),
        "form": Fact(("agreement_reached",), ("written", "oral")),
        "amount": Fact(("agreement_reached",), (0, 120_000, 10**13), 0),
        "averted_crime": Fact(("agreement_reached",), (True, False), False),
        "averted_group": Fact(("agreement_reached",), (True, False), False),
        "why": Fact(("terminated",), ("not_agreed", "party_left", "not_fit")),
        "ruling": Fact(("confirmation_decided",), ("confirmed", "refused")),
        "to": Fact(("referred",), ("lawsuit", "arbitration", "administrative")),
    },
}
# Facts about a person: stored with the case, never published (个人信息保护法 28).
NEVER_PUBLISHED: Final = {"petitions": {"petitioner", "content"}, "mediations": set[str]()}
