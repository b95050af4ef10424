"""A history with every event type, at every kind of place, around every edge of the calendar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tests.histories.told import Told, told

TYPES: Final = (
    *("visit.recorded", "visit.request_raised", "visit.request_closed"),
    *("petition.registered", "petition.transferred", "petition.accepted"),
    *("petition.not_accepted", "petition.objected", "petition.extended"),
    *("petition.hearing_held", "petition.replied", "petition.closed", "petition.rated"),
    *("petition.review_requested", "petition.review_decided", "petition.recheck_requested"),
    *("petition.recheck_decided", "petition.withdrawn", "petition.merged", "petition.urged"),
    *("mediation.filed", "mediation.accepted", "mediation.mediator_assigned"),
    *("mediation.session_held", "mediation.agreement_reached", "mediation.terminated"),
    *("mediation.performed", "mediation.breached", "mediation.confirmation_applied"),
    *("mediation.confirmation_decided", "mediation.referred"),
    *("fund.contributed", "fund.pledged", "fund.approved", "fund.disbursed"),
    *("fund.project_opened", "fund.project_closed"),
)
"""Every event type except corrections; `corrections` has those."""
PLACES: Final = (
    ("431200", ""),  # the city: place unknown
    ("431202", ""),
    ("431202001", ""),
    ("431202001001", ""),
    ("431202001001", "431202001001001"),
    ("431202001001", "431202001001002"),
    ("431202001002", "431202001002001"),
    ("431271002001", "431271002001001"),
    ("431230400", ""),  # a township of one village
)
"""Divisions of every level and, in villages, micro-grids."""
EDGES: Final = (
    "2020-02-28 23:59:59.999",
    "2020-02-29 00:00",
    "2020-02-29 23:59:59.999",
    "2020-03-01 00:00",
    "2020-12-31T15:59:59.999+00:00",  # 2020-12-31 23:59:59.999 city time
    "2020-12-31T16:00:00+00:00",  # 2021-01-01 00:00 city time
    "2021-02-28 23:59:59.999",
    "2021-03-01 00:00",
    "2021-03-01 08:59:59.999",
    "2021-03-01 09:00",
    "2021-03-01 23:59:59.999",
    "2021-03-02T03:00:00+09:00",  # 2021-03-02 02:00 city time
    "2021-12-31 23:00",
    "2022-01-01T05:44:59.999+05:45",  # 2022-01-01 07:59:59.999 city time
)
"""Both sides of a midnight, an hour, a month, a year and a leap day, in several offsets."""
INSTANTS: Final = (
    "2020-01-01 00:00:00",  # before everything
    "2020-02-28 23:59:59.999",
    "2020-02-29 00:00:00",
    "2020-12-31 23:59:59.999",
    "2021-01-01 00:00:00",
    "2021-02-28 23:59:59.999",
    "2021-03-01 00:00:00",
    "2021-03-01 08:59:59.999",
    "2021-03-01 09:00:00",
    "2021-03-01 23:59:59.999",
    "2021-03-02 00:00:00",
    "2021-03-02 02:00:00",
    "2021-12-31 22:59:59.999",
    "2021-12-31 23:00:00",
    "2022-01-01 06:59:59.999",
    "2022-01-01 07:00:00",
    "2023-06-01 12:00:00",  # after everything
)
_ROLES = ("grid_member", "party_member", "working_party_member", "cadre")
_KINDS = ("appeal", "suggestion", "accusation")
_DISPUTES = ("neighbours", "labour", "medical", "other")
_SOURCES = ("pledge", "collective", "donation", "reward")
_USES = ("old_and_young", "merit_and_need", "public_good")


def everywhere() -> Iterator[Told]:
    """Every event type at every place around every edge, each with slightly different content."""
    n = 0
    for type_ in TYPES:
        for place, grid in PLACES:
            for edge in EDGES:
                n += 1
                yield told(
                    type_,
                    f"{type_[:1]}{n % 11}",
                    edge,
                    place=place,
                    grid=grid,
                    **_content(type_, n),
                )


def _content(type_: str, n: int) -> dict[str, Any]:
    """The fields of the n-th event that figures use."""
    if type_.startswith("petition."):
        return _petition(type_, n)
    said: dict[str, Any] = {}
    if type_ == "visit.recorded":
        said = {"role": _ROLES[n % 4], "met": n % 5}
    if type_ == "mediation.filed":
        said = {"dispute": _DISPUTES[n % 4], "people": 2 + n % 3}
    if type_ == "mediation.agreement_reached":
        said = {"amount": 1000 * n}
    if type_ in ("fund.contributed", "fund.pledged", "fund.approved", "fund.disbursed"):
        said |= {"amount": 100 * n}
    if type_ in ("fund.contributed", "fund.pledged", "fund.disbursed"):
        said |= {"source": _SOURCES[n % 4]}
    if type_ in ("fund.approved", "fund.disbursed", "fund.project_opened"):
        said |= {"use": _USES[n % 3]}
    if type_ == "fund.disbursed":
        said |= {"helped": n % 4}
    if type_ in ("fund.project_opened", "fund.project_closed"):
        said |= {"projects": 1 + n % 2}
    opens = ("fund.contributed", "fund.disbursed", "fund.project_opened", "fund.project_closed")
    if type_ in opens and n % 5 == 0:
        said |= {"entry": "opening"}
    return said


def _petition(type_: str, n: int) -> dict[str, Any]:
    kind = _KINDS[n % 3]
    said: dict[str, Any] = {"kind": kind}
    if type_ in ("petition.accepted", "petition.extended") and kind != "appeal":
        said |= {"route": "none"}  # only an appeal has one
    if type_ in ("petition.registered", "petition.hearing_held"):
        said |= {"people": 1 + n % 6}
    if type_ == "petition.rated":
        said |= {"satisfaction": 1 + n % 5}
    return said


def corrected() -> tuple[list[Told], list[Told]]:
    """Events and their corrections; the two lists can be stored together or in order."""
    first, then = _visits()
    for n, (type_, day) in enumerate(_REVERSED):
        entry = f"entry-{n}"
        first.append(
            told(
                type_,
                "F-1",
                f"{day} 10:00",
                id=entry,
                place=_FUNDS[n % 4],
                **_content(type_, 7 + n),
            )
        )
        then.append(
            told("fund.reversed", "F-1", "2021-03-01 12:00", place=_FUNDS[n % 4], corrects=entry)
        )
    return first, then


_FUNDS = ("431202001001", "431202001", "431202", "431200")
_REVERSED = (
    ("fund.contributed", "2020-12-31"),
    ("fund.contributed", "2021-03-01"),
    ("fund.pledged", "2021-03-01"),
    ("fund.approved", "2021-02-01"),
    ("fund.disbursed", "2020-12-31"),
    ("fund.disbursed", "2021-03-01"),
    ("fund.project_opened", "2021-01-01"),
    ("fund.project_closed", "2021-01-02"),
)
_A, _B, _C = "431202001001007", "431202001002007", "431271001001007"


def _visit(id: str, time: str, grid: str = _A, type_: str = "visit.recorded", **more: Any) -> Told:
    place = more.pop("place", grid[:12])
    return told(type_, "h", time, id=id, place=place, grid=grid, **more)


def _visits() -> tuple[list[Told], list[Told]]:
    def put_right(of: str, time: str, grid: str = _A, **more: Any) -> Told:
        return _visit(f"{of}-c{time}", time, grid, "visit.corrected", corrects=of, **more)

    def take_back(of: str, time: str, grid: str = _A, **more: Any) -> Told:
        return _visit(f"{of}-v{time}", time, grid, "visit.voided", corrects=of, **more)

    first = [
        _visit("stays", "2020-06-01 09:00", met=1),
        _visit("role", "2021-02-01 09:00", met=2, role="cadre"),
        _visit("village", "2021-02-02 09:00", met=3),
        _visit("county", "2021-02-03 09:00", met=4),
        _visit("unknown", "2021-02-03 10:00", met=4),
        _visit("back", "2021-05-01 09:00", met=5),
        _visit("last-of-2020", "2020-12-31 23:59:59.999", met=6),
        _visit("twice", "2021-03-01 09:00", met=7),
        _visit("then-back", "2021-03-01 09:30", met=8),
        _visit("only", "2021-04-01 09:00", _C, met=9),
        put_right("late", "2021-04-03 09:00", _C, met=11),  # its original is in the second list
    ]
    then = [
        put_right("role", "2021-02-01 09:00", met=2, role="party_member"),
        put_right("village", "2021-02-05 09:00", _B, met=3),
        put_right("county", "2021-03-01 00:00", _C, met=1),
        put_right("unknown", "2021-03-01 00:00", "", place="431200", met=1),
        take_back("back", "2021-05-02 09:00"),
        take_back("last-of-2020", "2021-01-01 00:00"),
        put_right("twice", "2021-03-03 09:00", _B, met=1, role="cadre"),
        put_right("twice", "2021-03-02 09:00", _C, met=2),  # recorded before the other: loses
        put_right("then-back", "2021-03-02 09:00", _B, met=1),
        take_back("then-back", "2021-03-03 09:00"),
        take_back("only", "2022-01-05 09:00", _C),
        take_back("nobody", "2021-03-03 09:00"),  # its original never comes
        _visit("late", "2021-04-02 09:00", met=10),
    ]
    return first, then
