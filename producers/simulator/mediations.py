"""调解 of 2021: every dispute from filing to agreement, performance and confirmation.

No total is published, so the number of cases and all shares are made up (示例). 人民调解法 sets no
time limit; cases from the courts have the courts' limits.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from producers.simulator.city import City, Draw
from producers.simulator.series import (
    DAY,
    TRUTH,
    Choices,
    Ints,
    Numbers,
    Persons,
    SealedTexts,
    Serials,
    Series,
    objects,
)
from producers.simulator.sheets import OFFICES, Sheet, some, step
from schemas.event import Event
from schemas.families.mediation import (
    AgreementBreached,
    AgreementPerformed,
    AgreementReached,
    ConfirmationApplied,
    ConfirmationDecided,
    MediationAccepted,
    MediationFiled,
    MediationReferred,
    MediationSessionHeld,
    MediationTerminated,
    MediatorAssigned,
)

MEDIATIONS: Final = 52_000

_WEEK: Final = (1.15, 1.05, 1.0, 1.0, 1.0, 0.45, 0.35)
_DISPUTES: Final = {
    "marriage_family": 17,
    "neighbours": 24,
    "housing_land": 10,
    "contract": 6,
    "business": 3,
    "damages": 8,
    "forest_land": 6,
    "expropriation": 2,
    "pollution": 1,
    "labour": 5,
    "consumer": 4,
    "medical": 1,
    "traffic_accident": 7,
    "property_management": 3,
    "other": 3,
}
_MONEYLESS: Final = frozenset({"marriage_family", "neighbours", "forest_land", "other"})
# An agreement that fixes title to real property is not confirmed (民诉法 2022).
_TITLE: Final = frozenset({"housing_land", "forest_land"})
_ORIGINS: Final = {"litigation": 10, "petition": 6, "police": 14, "grid": 34, "party": 36}
_MODES: Final = (
    "applied",
    "initiated",
    "court_delegated",
    "court_ordinary",
    "court_summary",
    "passed",
)
_MODE_OF: Final = {"litigation": 2, "petition": 5, "police": 5, "grid": 1, "party": 0}
_LIMITS: Final = (0, 0, 30, 15, 7, 0)  # days, by mode; 0 is none
_SCALES: Final = {"individual": 90, "group": 9, "large_group": 1}
_MEDIATORS: Final = {
    "full_time": 40,
    "five_elders": 26,
    "lawyer": 9,
    "volunteer": 13,
    "trade": 12,
}
_FORMS: Final = {"written": 62, "oral": 38}
_ENDED: Final = {"not_agreed": 72, "party_left": 18, "not_fit": 10}
_ONWARD: Final = {"lawsuit": 70, "arbitration": 10, "administrative": 20}
_AGREED: Final = 0.90  # share of the cases that end
_NAMELESS: Final = 0.08  # share filed before a party is named
_LATE_DONE: Final = 0.35  # share of breached agreements that are performed after all
_WITH_TEXT: Final = 0.03
_FACTS: Final = objects(
    [
        "两家共用排水沟堵塞,雨天水漫入院,双方争执不下。",
        "因赡养老人费用分担不均,兄弟之间多次争吵。",
        "摩托车与行人相碰,伤者要求赔偿医药费和误工费。",
        "装修工钱结算有出入,双方对用工天数说法不一。",
    ]
)


class _Mediations:
    """The cases of the year and the columns that all their steps share."""

    def __init__(self, sheet: Sheet, n: int) -> None:
        city, draw = sheet.city, sheet.draw
        self.sheet, self.draw, self.n = sheet, draw, n
        self.case = sheet.numbers("M", n)
        self.origin = sheet.chosen(_ORIGINS, n)
        self.dispute = sheet.chosen(_DISPUTES, n)
        self.grid = city.some_grids(draw, n)
        self.place = city.grid_place[self.grid]

    def add(
        self,
        cls: type[Event],
        time: Ints,
        data: dict[str, Series] | None = None,
        *,
        ids: Serials | None = None,
        happens: Ints | None = None,
        head: dict[str, Series] | None = None,
    ) -> None:
        """Adds a step for the cases in which it happens."""
        content: dict[str, Series] = {"case": self.case, **(data or {})}
        self.sheet.add(cls, self.place, time, content, ids=ids, happens=happens, head=head)

    def later(self, after: Ints, days: Ints) -> Ints:
        """Instants in office hours, about `days` after `after`."""
        return self.sheet.city.in_office(self.draw, after, days)

    def is_one_of(self, choice: Choices, names: frozenset[str] | set[str]) -> Ints:
        """Which rows point at one of the names."""
        texts = [bytes(text).decode() in names for text in choice.table.tolist()]
        return np.array(texts)[choice.which]


def mediations(city: City, tag: str, draw: Draw, scale: float, petitions: Sheet) -> Sheet:
    """The year's mediations.

    Args:
        city: where.
        tag: distinguishes the ids of different histories.
        draw: the source of all random draws.
        scale: 1 is the whole city.
        petitions: the year's petitions, the origin of some of the disputes.
    """
    sheet = Sheet(city, "mediations", "m", tag, draw)
    n = max(1, round(MEDIATIONS * scale))
    cases = _Mediations(sheet, n)
    filed = np.sort(sheet.times(sheet.days(n, _WEEK, rest=0.6), OFFICES))
    _file(cases, filed, petitions)
    mode = _mode(cases)
    accepted = cases.later(filed, np.minimum(draw.exponential(0.7, n), 3))
    accepted = step(~some(draw, n, 0.01), accepted)
    cases.add(MediationAccepted, accepted, {"mode": mode})
    assigned = cases.later(accepted, np.minimum(draw.exponential(0.6, n), 2))
    cases.add(MediatorAssigned, assigned, {"mediator": sheet.chosen(_MEDIATORS, n)})
    ended = _sit(cases, accepted, assigned, np.array(_LIMITS)[mode.which])
    agreed = some(draw, n, _AGREED)
    _agree(cases, step(agreed, ended))
    _give_up(cases, step(~agreed, ended))
    return sheet


def _file(cases: _Mediations, filed: Ints, petitions: Sheet) -> None:
    sheet, draw, n = cases.sheet, cases.draw, cases.n
    scale = sheet.chosen(_SCALES, n)
    most = np.array([4, 18, 70])[scale.which]
    least = np.array([2, 5, 20])[scale.which]
    party = Persons(
        sheet.city.vault, objects(["当事人"]), np.zeros(n, np.int8), draw.integers(0, 4 * n, n)
    )
    ids = sheet.ids(n)
    data: dict[str, Series] = {
        "dispute": cases.dispute,
        "origin": cases.origin,
        "scale": scale,
        "people": Numbers(draw.integers(least, most + 1)),
    }
    facts = Choices(_FACTS, draw.integers(0, len(_FACTS), n))
    named: dict[str, Series] = {"party": party}
    sealed = named | {"facts": SealedTexts(sheet.city.vault, "facts", ids, party, facts)}
    found = cases.is_one_of(cases.origin, {"grid"}) & sheet.city.has_villages
    known = ~some(draw, n, _NAMELESS)
    # Only with a party: the party's key seals the text.
    texted = known & some(draw, n, _WITH_TEXT)
    contents: tuple[tuple[Ints, dict[str, Series]], ...]
    contents = ((~known, {}), (known & ~texted, named), (texted, sealed))
    grid: dict[str, Series] = {"grid": Choices(sheet.city.grid_codes, cases.grid)}
    assert petitions.began is not None
    numbers, registered = petitions.began
    # One of the last two hundred petitions registered before, so that the link is plausible.
    earlier = np.searchsorted(registered, filed) - draw.integers(1, 200, n)
    from_petition = cases.is_one_of(cases.origin, {"petition"}) & (earlier >= 0)
    link: dict[str, Series] = {"correlationid": Serials(numbers.prefix, np.maximum(earlier, 0))}
    for place, head in ((found, grid), (from_petition, link), (~found & ~from_petition, {})):
        for happens, more in contents:
            cases.add(
                MediationFiled, filed, data | more, ids=ids, happens=place & happens, head=head
            )


def _mode(cases: _Mediations) -> Choices:
    """The mode of each case, by its origin; courts have three modes."""
    draw, n = cases.draw, cases.n
    by_origin = np.array([_MODE_OF[origin] for origin in _ORIGINS])
    which = by_origin[cases.origin.which]
    court = 2 + np.searchsorted([0.6, 0.85], draw.random(n), side="right")
    return Choices(objects(_MODES), np.where(which == 2, court, which).astype(np.int8))


def _sit(cases: _Mediations, accepted: Ints, assigned: Ints, limit: Ints) -> Ints:
    """Up to three sessions; returns when mediation ended, mostly within a court's limit."""
    draw, n = cases.draw, cases.n
    days = np.minimum(draw.lognormal(1.7, 0.7, n), 90)
    late = some(draw, n, 0.06)
    within = np.where(limit > 0, np.minimum(days, np.maximum(limit - 4, 2)), days)
    days = np.where(late & (limit > 0), limit + draw.integers(2, 20, n), within)
    ended = np.maximum(cases.later(accepted, days), assigned + 3_600)
    # A few are still in mediation when the history ends.
    ended = step(~some(draw, n, 0.006), ended)
    span = np.minimum(ended, assigned + 60 * DAY) - assigned
    people = Numbers(draw.integers(3, 9, n))
    for share, least_days, part in ((1.0, 0, 1 / 3), (0.38, 3, 2 / 3), (0.25, 8, 0.9)):
        held = np.minimum(cases.later(assigned, span * part / DAY), ended - 60)
        sits = some(draw, n, share) & (span > least_days * DAY)
        cases.add(MediationSessionHeld, step(sits, held), {"people": people})
    return ended


def _agree(cases: _Mediations, agreed: Ints) -> None:
    """Agreement, then performance or breach, and for some the court's confirmation."""
    sheet, draw, n = cases.sheet, cases.draw, cases.n
    form = sheet.chosen(_FORMS, n)
    moneyless = cases.is_one_of(cases.dispute, _MONEYLESS) & some(draw, n, 0.8)
    yuan = np.minimum(draw.lognormal(8.9, 1.1, n), 2_000_000).astype(np.int64) // 10 * 10
    cases.add(
        AgreementReached,
        agreed,
        {
            "form": form,
            "amount": Numbers(np.where(moneyless, 0, yuan * 100)),
            "averted_crime": Choices(TRUTH, some(draw, n, 0.011).astype(np.int8)),
            "averted_group": Choices(TRUTH, some(draw, n, 0.004).astype(np.int8)),
        },
    )
    oral = form.which == 1
    days = np.where(oral & some(draw, n, 0.7), 0.02, np.minimum(draw.gamma(1.6, 14, n), 150))
    fate = draw.random(n)
    performed = step(fate < 0.9, cases.later(agreed, days))
    breached = step(fate > 0.97, cases.later(agreed, 20 + days))
    mended = step(some(draw, n, _LATE_DONE), cases.later(breached, draw.integers(5, 60, n)))
    cases.add(AgreementPerformed, performed)
    cases.add(AgreementBreached, breached)
    cases.add(AgreementPerformed, mended)
    asks = ~oral & ~cases.is_one_of(cases.dispute, _TITLE) & some(draw, n, 0.16)
    applied = step(asks, cases.later(agreed, draw.integers(1, 26, n)))
    # Nobody asks a court to confirm an agreement that is already performed.
    applied = step(applied < performed, applied)
    courts = sheet.city.by_county("{}-人民法院")
    cases.add(ConfirmationApplied, applied, {"court": Choices(courts, cases.place)})
    decided = cases.later(applied, draw.integers(3, 22, n))
    ruling = sheet.chosen({"confirmed": 97, "refused": 3}, n)
    cases.add(ConfirmationDecided, decided, {"ruling": ruling})


def _give_up(cases: _Mediations, ended: Ints) -> None:
    sheet, draw, n = cases.sheet, cases.draw, cases.n
    cases.add(MediationTerminated, ended, {"why": sheet.chosen(_ENDED, n)})
    onward = step(some(draw, n, 0.7), cases.later(ended, draw.integers(0, 7, n)))
    cases.add(MediationReferred, onward, {"to": sheet.chosen(_ONWARD, n)})
