"""The oracle's own book: every topic, its forms and its figures.

It is written from the forms and the law, so that a wrong declaration of the product shows as a
difference. `test_book.py` fails when the product has something that this book lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.oracle.words import (
    CASE_NUMBER,
    CATEGORY,
    DAYS,
    EVENT_ID,
    FEN,
    INSTANT,
    MINUTES,
    NOTE,
    OFFICE,
    PERSONS,
    PSEUDONYM,
    SEALED,
    STARS,
    THINGS,
    YES_OR_NO,
    Box,
    Boxes,
    fact,
    may,
    need,
    total,
    words,
)


@dataclass(frozen=True, slots=True)
class Form:
    """One event type.

    Attributes:
        version: the newest. corrects: type that it corrects. voids: types that it voids.
    """

    boxes: Boxes
    version: int = 1
    corrects: str = ""
    voids: tuple[str, ...] = ()

    @property
    def corrective(self) -> bool:
        """Whether it corrects or voids an earlier event."""
        return bool(self.corrects or self.voids)

    @property
    def amends(self) -> frozenset[str]:
        """The types it may correct or void."""
        return frozenset({self.corrects, *self.voids} - {""})


@dataclass(frozen=True, slots=True)
class Sums:
    """Counts and totals by type, place, time and vocabularies."""

    name: str
    place: Literal["county", "division"]
    grain: Literal["hour", "day"]
    dims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Days:
    """The days of some event types, by micro-grid and year."""

    name: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cases:
    """One row per case."""

    name: str


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of Kafka.

    Attributes:
        key: box that holds the message key.
        forms: by event type; the first opens a case.
        figures: figures of its events.
        county_only: box and value of events that are never shown below the county.
    """

    topic: str
    key: str
    forms: Mapping[str, Form]
    figures: tuple[Sums | Days | Cases, ...]
    partitions: int = 4
    county_only: tuple[str, str] = ("", "")

    @property
    def totals(self) -> tuple[str, ...]:
        """Every summed box."""
        return self._marked("total")

    @property
    def facts(self) -> dict[str, Box]:
        """Every box with a fact about the whole case."""
        return {
            name: box
            for form in self.forms.values()
            for name, box in form.boxes.items()
            if box.fact
        }  # fmt: skip

    def sayers(self, name: str) -> frozenset[str]:
        """Event types that set a fact of the case; other types' boxes of that name do not."""
        return frozenset(
            type_ for type_, f in self.forms.items() if name in f.boxes and f.boxes[name].fact
        )

    def _marked(self, mark: str) -> tuple[str, ...]:
        found = (
            name
            for form in self.forms.values()
            for name, box in form.boxes.items()
            if getattr(box, mark)
        )
        return tuple(dict.fromkeys(found))


def _forms(stem: str, key: Boxes, **forms: Form) -> dict[str, Form]:
    """The forms of a topic by event type, each with the boxes common to all."""
    return {
        f"{stem}.{verb}": Form({**key, **form.boxes}, form.version, form.corrects, form.voids)
        for verb, form in forms.items()
    }


_VISIT: Final[dict[str, Box]] = {
    "role": need(words("grid_member", "party_member", "working_party_member", "cadre")),
    "purpose": need(words("routine", "care", "policy", "dispute", "safety")),
    "lasted": need(MINUTES),
    "met": total(PERSONS),
    "remark": may(SEALED),
}
_CORRECTS: Final[dict[str, Box]] = {"corrects": need(EVENT_ID)}
_MATTER = words("livelihood", "infrastructure", "environment", "policy", "dispute", "other")

VISITS: Final = Topic(
    "visits",
    "household",
    _forms(
        "visit",
        {"household": need(PSEUDONYM)},
        recorded=Form(_VISIT, version=2),
        corrected=Form(_VISIT | _CORRECTS, corrects="visit.recorded"),
        voided=Form(_CORRECTS | {"why": need(NOTE)}, voids=("visit.recorded",)),
        request_raised=Form(
            {"request": need(CASE_NUMBER), "matter": need(_MATTER), "text": may(SEALED)}
        ),
        request_closed=Form(
            {
                "request": need(CASE_NUMBER),
                "outcome": need(words("settled", "explained", "passed_on", "not_possible")),
            }
        ),
    ),
    (
        Sums("hourly", "county", "hour", ("role",)),
        Sums("daily", "division", "day"),
        Days("coverage", ("visit.recorded", "visit.request_raised", "visit.request_closed")),
    ),
)

_KIND = words("suggestion", "accusation", "appeal")
# 信访工作条例 31 (1) to (6); only an appeal has a route.
_ROUTE = words("31.1", "31.2", "31.3", "31.4", "31.5", "31.6", "none")
_VERDICT = words("upheld", "changed", "revoked")

PETITIONS: Final = Topic(
    "petitions",
    "petition",
    _forms(
        "petition",
        {"petition": need(CASE_NUMBER), "kind": fact(_KIND)},
        registered=Form(
            {
                "channel": fact(words("network", "letter", "telephone", "fax", "visit")),
                "level": fact(words("county", "city", "province", "capital")),
                "people": Box(PERSONS, total=True, fact=True),
                "repeated": fact(YES_OR_NO),
                "petitioner": fact(PSEUDONYM),
                "category": Box(CATEGORY, required=False, fact=True),
                "title": may(SEALED),
                "text": may(SEALED),
                "content": Box(PSEUDONYM, required=False, fact=True),
            }
        ),
        transferred=Form(
            {"mode": need(words("passed_on", "assigned", "reported")), "unit": need(OFFICE)}
        ),
        accepted=Form({"unit": need(OFFICE), "route": fact(_ROUTE)}),
        not_accepted=Form(
            {"reason": fact(words("not_ours", "legal_route", "already_ended", "no_facts"))}
        ),
        objected=Form({"unit": need(OFFICE)}),
        extended=Form({"days": need(DAYS), "since": need(INSTANT), "route": fact(_ROUTE)}),
        hearing_held=Form({"people": need(PERSONS)}),
        replied=Form(
            {
                "result": fact(words("supported", "explained", "not_supported")),
                "reply": may(SEALED),
            }
        ),
        closed=Form({}),
        rated=Form({"satisfaction": Box(STARS, total=True, fact=True)}),
        review_requested=Form({}),
        review_decided=Form({"verdict": need(_VERDICT)}),
        recheck_requested=Form({}),
        recheck_decided=Form({"verdict": need(_VERDICT)}),
        withdrawn=Form({}),
        merged=Form({"into": need(CASE_NUMBER)}),
        urged=Form({"unit": need(OFFICE)}),
    ),
    (
        Sums("hourly", "county", "hour", ("kind",)),
        Sums("daily", "division", "day"),
        Cases("cases"),
    ),
    county_only=("kind", "accusation"),  # 条例 30
)

_DISPUTE = words(
    *("marriage_family", "neighbours", "housing_land", "contract", "business", "damages"),
    *("forest_land", "expropriation", "pollution", "labour", "consumer", "medical"),
    *("traffic_accident", "property_management", "other"),
)
_MODE = words(
    "applied", "initiated", "court_delegated", "court_ordinary", "court_summary", "passed"
)

MEDIATIONS: Final = Topic(
    "mediations",
    "case",
    _forms(
        "mediation",
        {"case": need(CASE_NUMBER)},
        filed=Form(
            {
                "dispute": fact(_DISPUTE),
                "origin": fact(words("litigation", "petition", "police", "grid", "party")),
                "scale": fact(words("individual", "group", "large_group")),
                "people": Box(PERSONS, total=True, fact=True),
                "party": may(PSEUDONYM),
                "facts": may(SEALED),
            }
        ),
        accepted=Form({"mode": fact(_MODE)}),
        mediator_assigned=Form(
            {"mediator": fact(words("full_time", "five_elders", "lawyer", "volunteer", "trade"))}
        ),
        session_held=Form({"people": need(PERSONS)}),
        agreement_reached=Form(
            {
                "form": fact(words("written", "oral")),
                "amount": Box(FEN, total=True, fact=True),
                "averted_crime": fact(YES_OR_NO),
                "averted_group": fact(YES_OR_NO),
            }
        ),
        terminated=Form({"why": fact(words("not_agreed", "party_left", "not_fit"))}),
        performed=Form({}),
        breached=Form({}),
        confirmation_applied=Form({"court": need(OFFICE)}),
        confirmation_decided=Form({"ruling": fact(words("confirmed", "refused"))}),
        referred=Form({"to": fact(words("lawsuit", "arbitration", "administrative"))}),
    ),
    (
        Sums("hourly", "county", "hour", ("dispute",)),
        Sums("daily", "division", "day"),
        Cases("cases"),
    ),
)

_MONEY: Final[dict[str, Box]] = {
    "amount": total(FEN),
    "source": need(words("pledge", "collective", "donation", "reward")),
}
_USE: Final[dict[str, Box]] = {"use": need(words("old_and_young", "merit_and_need", "public_good"))}
_ENTRY: Final[dict[str, Box]] = {"entry": may(words("opening"))}
_PROJECT: Final[dict[str, Box]] = {"project": need(CASE_NUMBER), "projects": total(THINGS)}
_BOOKED = ("contributed", "pledged", "approved", "disbursed", "project_opened", "project_closed")

FUNDS: Final = Topic(
    "funds",
    "account",
    _forms(
        "fund",
        {"account": need(CASE_NUMBER)},
        contributed=Form(_MONEY | _ENTRY | {"giver": may(PSEUDONYM)}),
        pledged=Form(_MONEY | {"giver": may(PSEUDONYM)}),
        approved=Form(_USE | {"amount": total(FEN)}),
        disbursed=Form(
            _MONEY | _USE | _ENTRY | {"helped": total(PERSONS), "receiver": may(PSEUDONYM)}
        ),
        project_opened=Form(_PROJECT | _USE | _ENTRY),
        project_closed=Form(_PROJECT | _ENTRY),
        reversed=Form(
            _CORRECTS | {"why": need(NOTE)}, voids=tuple(f"fund.{each}" for each in _BOOKED)
        ),
    ),
    (
        Sums("hourly", "county", "hour", ("entry",)),
        Sums("ledger", "division", "day", ("source", "use", "entry")),
    ),
)

BOOK: Final[Mapping[str, Topic]] = {
    each.topic: each for each in (FUNDS, MEDIATIONS, PETITIONS, VISITS)
}


def upgraded(type_: str, version: int, content: dict[str, Any]) -> dict[str, Any]:
    """Content of an older version in the newest form.

    Raises:
        KeyError: a box of the older form is missing.
        TypeError: a box is not a number.
    """
    if (type_, version) != ("visit.recorded", 1):
        return content
    # The first visit form asked for whole hours.
    rest = dict(content)
    hours = rest.pop("lasted_hours")
    if type(hours) is not int:
        raise TypeError("hours are no whole number")
    return rest | {"lasted": 60 * hours}


def misrouted(content: Mapping[str, Any]) -> bool:
    """Whether the content has a route of 条例 31 without being an appeal."""
    return content.get("route", "none") != "none" and content.get("kind") != "appeal"
