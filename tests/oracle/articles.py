"""The law as the tests read it: duties, states and endings of a case, written from the articles.

Nothing here is read from a declaration of the product. If a current rule departs from its article,
a comment beside it says so; `tests/law` has the right answer as a strict xfail.

Sources: 信访工作条例 (2022-05-01) 21-36; 人民调解法; 法释〔2016〕14号 27; 民法典 201, 203.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Duty:
    """An obligation with a term.

    Attributes:
        start: event type that starts the term. only: field and values that select this duty.
        days: natural days of the term.
        done_by: event types that fulfil the duty. gone_by: event types that cancel it unfulfilled.
        put_off_by: event type that extends the term by its `days`, by `at_most` in total, counted
            from its `since`.
        again: the start that counts if there are several: the first or the newest.
        article: article with the rule.
    """

    start: str
    days: int
    done_by: frozenset[str]
    article: str
    gone_by: frozenset[str] = frozenset()
    only: tuple[str, str] = ("", "")
    put_off_by: str = ""
    at_most: int = 0
    again: Literal["first", "newest"] = "first"


def _p(*verbs: str) -> frozenset[str]:
    return frozenset(f"petition.{verb}" for verb in verbs)


def _m(*verbs: str) -> frozenset[str]:
    return frozenset(f"mediation.{verb}" for verb in verbs)


_GONE = _p("withdrawn", "merged")

# Several duties may share a name: the starting event decides which one applies to a case.
DUTIES: Final[dict[str, dict[str, tuple[Duty, ...]]]] = {
    "petitions": {
        # 22: the petition office transfers it within 15 days of receipt. A unit that answers it
        # itself, or refuses it with reasons, fulfils the duty too.
        "transfer": (
            Duty(
                "petition.registered",
                15,
                _p("transferred", "accepted", "not_accepted", "replied", "closed"),
                "信访工作条例 22",
                _GONE,
            ),
        ),
        # 23 ¶2-3: the unit that receives it notifies the petitioner within 15 days; after another
        # transfer, the next unit has its own 15 days.
        "notice": (
            Duty(
                "petition.transferred",
                15,
                _p("accepted", "not_accepted", "replied", "closed"),
                "信访工作条例 23",
                _GONE,
                again="newest",
            ),
        ),
        # 34: closed within 60 days of acceptance, only appeals under 31(6); at most 30 more.
        "close": (
            Duty(
                "petition.accepted",
                60,
                _p("replied", "closed"),
                "信访工作条例 34",
                _GONE | _p("not_accepted"),
                ("route", "31.6"),
                "petition.extended",
                30,
            ),
        ),
        # 35, 36: decided within 30 days. The end of the case ends these too, which departs from the
        # articles (difference 1 of the law).
        "review": (
            Duty(
                "petition.review_requested",
                30,
                _p("review_decided", "closed", "not_accepted"),
                "信访工作条例 35",
                _GONE,
            ),
        ),
        "recheck": (
            Duty(
                "petition.recheck_requested",
                30,
                _p("recheck_decided", "closed", "not_accepted"),
                "信访工作条例 36",
                _GONE,
            ),
        ),
    },
    # 人民调解法 sets no term; these are the courts' terms for the cases they delegate.
    "mediations": {
        "mediate": tuple(
            Duty(
                "mediation.accepted",
                days,
                _m("agreement_reached", "terminated"),
                "法释〔2016〕14号 27",
                only=("mode", mode),
            )
            for mode, days in (
                ("court_delegated", 30),
                ("court_ordinary", 15),
                ("court_summary", 7),
            )
        ),
    },
}

STATES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    # In legal order: the furthest state reached is the state of the case.
    "petitions": (
        ("petition.registered", "registered"),
        ("petition.transferred", "transferred"),
        ("petition.accepted", "accepted"),
        ("petition.replied", "replied"),
        ("petition.review_requested", "in_review"),
        ("petition.review_decided", "reviewed"),
        ("petition.recheck_requested", "in_recheck"),
        ("petition.recheck_decided", "rechecked"),
        ("petition.closed", "closed"),
        ("petition.not_accepted", "not_accepted"),
        ("petition.merged", "merged"),
        ("petition.withdrawn", "withdrawn"),
    ),
    "mediations": (
        ("mediation.filed", "filed"),
        ("mediation.accepted", "accepted"),
        ("mediation.session_held", "in_session"),
        ("mediation.agreement_reached", "agreed"),
        ("mediation.performed", "performed"),
        ("mediation.breached", "breached"),
        ("mediation.terminated", "terminated"),
        ("mediation.referred", "referred"),
    ),
}

OPENING: Final = {"petitions": "petition.registered", "mediations": "mediation.filed"}

# A refusal ends the case, which departs from 23 ¶3 if the refusing unit had it by transfer
# (difference 2 of the law).
ENDINGS: Final = {
    "petitions": _p("closed", "withdrawn", "merged", "not_accepted"),
    "mediations": _m("agreement_reached", "terminated"),
}
