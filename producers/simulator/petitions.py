"""信访 of 2021: every case with its steps, in the law's order and mostly within its time limits.

No total is published, so the number of cases and all shares are made up (示例). The flow follows
信访工作条例, which came into force on 2022-05-01, as if it had been in force.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from producers.simulator.city import END_S, City, Draw, cumulated, pick
from producers.simulator.series import (
    DAY,
    NEVER_S,
    TRUTH,
    Choices,
    Digests,
    Instants,
    Ints,
    Numbers,
    Persons,
    SealedTexts,
    Serials,
    Series,
    objects,
)
from producers.simulator.sheets import OFFICES, ONLINE, Sheet, some, step
from schemas.event import Event
from schemas.families.petition import (
    PetitionAccepted,
    PetitionClosed,
    PetitionExtended,
    PetitionHearingHeld,
    PetitionMerged,
    PetitionNotAccepted,
    PetitionObjected,
    PetitionRated,
    PetitionRecheckDecided,
    PetitionRecheckRequested,
    PetitionRegistered,
    PetitionReplied,
    PetitionReviewDecided,
    PetitionReviewRequested,
    PetitionTransferred,
    PetitionUrged,
    PetitionWithdrawn,
)

PETITIONS: Final = 38_000

_WEEK: Final = (1.3, 1.05, 1.0, 1.0, 0.95, 0.22, 0.16)
_KINDS: Final = {"suggestion": 17, "accusation": 5, "appeal": 78}
_CHANNELS: Final = {"network": 460, "letter": 80, "telephone": 220, "fax": 5, "visit": 235}
_LEVELS: Final = {"county": 800, "city": 150, "province": 37, "capital": 13}
_MODES: Final = {"passed_on": 70, "assigned": 25, "reported": 5}
_ROUTES: Final = ("31.1", "31.2", "31.3", "31.4", "31.5", "31.6", "none")
_ROUTE_SHARES: Final = (0.06, 0.04, 0.01, 0.05, 0.14, 0.70)
_REFUSALS: Final = {"not_ours": 30, "legal_route": 45, "already_ended": 10, "no_facts": 15}
_RESULTS: Final = {"supported": 46, "explained": 38, "not_supported": 16}
_RESULTS_ANEW: Final = {"supported": 60, "explained": 30, "not_supported": 10}
_VERDICTS: Final = {"upheld": 78, "changed": 14, "revoked": 8}
_STARS: Final = (7, 7, 14, 26, 46)
_CATEGORIES: Final = {
    "城乡建设": 20,
    "劳动社保": 14,
    "农业农村": 14,
    "自然资源": 12,
    "交通运输": 8,
    "生态环境": 8,
    "教育文体": 7,
    "卫生健康": 6,
    "民政救助": 6,
    "其他": 5,
}
_UNITS: Final = (
    "民政局",
    "人社局",
    "住建局",
    "自然资源局",
    "农业农村局",
    "交通运输局",
    "生态环境局",
    "教育局",
    "卫健局",
    "城管局",
)
_UNCLASSED: Final = 0.06  # share without a category of the city's list
_WITH_TEXT: Final = 0.08
_TITLES: Final = objects(
    ["关于拖欠工资的反映", "关于宅基地审批的咨询", "关于小区停水的投诉", "关于道路硬化的建议"]
)
_TEXTS: Final = objects(
    [
        "去年在工地做工三个月,工资一直没有结清,请帮助协调。",
        "老房子漏雨想拆旧建新,申请交了半年没有答复,请问办到哪一步了。",
        "小区自上周起每天停水,物业说不清原因,希望有关部门查明。",
        "村里主路雨天泥泞,学生上学不便,建议列入明年的硬化计划。",
    ]
)
_REPLIES: Final = objects(
    [
        "经核实,所反映情况属实,已责成有关单位限期办理。",
        "经调查,该事项已按政策办理,现将依据和结果说明如下。",
        "所提建议已转相关部门研究,将结合明年计划统筹考虑。",
    ]
)


class _Petitions:
    """The cases of the year and the columns that all their steps share."""

    def __init__(self, sheet: Sheet, n: int) -> None:
        self.sheet, self.draw, self.n = sheet, sheet.draw, n
        self.case = sheet.numbers("P", n)
        self.kind = sheet.chosen(_KINDS, n)
        self.place = sheet.city.some_places(sheet.draw, n)
        self.appeal = self.kind.which == list(_KINDS).index("appeal")
        self.unit = self.some_units()
        self.petitioner: Series | None = None

    def some_units(self) -> Choices:
        """An office of each case's county."""
        which = self.draw.integers(0, len(_UNITS), self.n)
        return self.sheet.city.units(_UNITS, self.place, which)

    def add(
        self,
        cls: type[Event],
        time: Ints,
        data: dict[str, Series] | None = None,
        ids: Serials | None = None,
        happens: Ints | None = None,
    ) -> None:
        """Adds a step for the cases in which it happens."""
        content: dict[str, Series] = {"petition": self.case, "kind": self.kind, **(data or {})}
        self.sheet.add(cls, self.place, time, content, ids=ids, happens=happens)

    def add_texted(
        self, cls: type[Event], time: Ints, data: dict[str, Series], among: Ints, **texts: Choices
    ) -> None:
        """Adds a step with sealed texts for a few cases, under the petitioner's or case's key."""
        ids = self.sheet.ids(self.n)
        texted = some(self.draw, self.n, _WITH_TEXT)
        own = _Subject("petitions", self.case), self.petitioner
        subjects, persons = (data["petitioner"], None) if "petitioner" in data else own
        vault = self.sheet.city.vault
        sealed: dict[str, Series] = {
            name: SealedTexts(vault, name, ids, subjects, text, persons)
            for name, text in texts.items()
        }
        if "title" in texts:
            sealed["content"] = Digests(vault, tuple(texts.values()))
        self.add(cls, time, data, ids, among & ~texted)
        self.add(cls, time, data | sealed, ids, among & texted)

    def later(self, after: Ints, days: Ints) -> Ints:
        """Instants in office hours, about `days` after `after`."""
        return self.sheet.city.in_office(self.draw, after, days)

    def between(self, first: Ints, last: Ints) -> Ints:
        """A random instant between two; `NEVER_S` where there is none."""
        last = np.minimum(last, END_S + 30 * DAY)
        found = first + ((last - first) * self.draw.random(self.n)).astype(np.int64)
        return step((first < NEVER_S) & (last > first), found)


class _Subject:
    """The subject of a case, as `Encoder.subject` names it for events without a person."""

    def __init__(self, topic: str, case: Serials) -> None:
        self._head, self._case = f"{topic}:".encode(), case

    def values(self, rows: Ints) -> list[bytes]:
        """`topic:case` of each row."""
        return [self._head + case for case in self._case.values(rows)]


def petitions(city: City, tag: str, draw: Draw, scale: float) -> Sheet:
    """The year's petitions."""
    sheet = Sheet(city, "petitions", "p", tag, draw)
    n = max(1, round(PETITIONS * scale))
    cases = _Petitions(sheet, n)
    registered = _register(cases)
    share = draw.random(n)
    refused, merged = share < 0.06, (share >= 0.06) & (share < 0.09) & (np.arange(n) > 0)
    withdrawn = (share >= 0.09) & (share < 0.12)
    leaves = refused | merged
    cases.add(
        PetitionNotAccepted,
        step(refused, cases.later(registered, draw.integers(1, 14, n))),
        {"reason": sheet.chosen(_REFUSALS, n)},
    )
    into = Serials(cases.case.prefix, (np.arange(n) * draw.random(n)).astype(np.int32))
    when = step(merged, cases.later(registered, draw.integers(0, 10, n)))
    cases.add(PetitionMerged, when, {"into": into})
    accepted = _hand_over(cases, step(~leaves, registered), withdrawn)
    replied = _deal_with(cases, accepted, withdrawn)
    _end(cases, replied, _review(cases, replied))
    return sheet


def _register(cases: _Petitions) -> Ints:
    sheet, draw, n = cases.sheet, cases.draw, cases.n
    channel = sheet.chosen(_CHANNELS, n)
    days = np.sort(sheet.days(n, _WEEK, rest=0.6))
    online = channel.which == 0
    time = np.where(online, sheet.times(days, ONLINE), sheet.times(days, OFFICES))
    order = np.argsort(time)
    time, channel = time[order], Choices(channel.table, channel.which[order])
    sheet.began = cases.case, time
    visit = channel.which == list(_CHANNELS).index("visit")
    group = visit & some(draw, n, 0.16)
    people = np.where(group, 2 + draw.geometric(0.22, n), 1)
    repeated = some(draw, n, 0.22)
    # Repeated petitions come from a small pool of people; each first petition has its own person.
    person = np.where(repeated, draw.integers(0, max(1, n // 12), n), n // 12 + np.arange(n))
    cases.petitioner = Persons(
        sheet.city.vault, objects(["信访人"]), np.zeros(n, np.int8), person.astype(np.int64)
    )
    data: dict[str, Series] = {
        "channel": channel,
        "level": sheet.chosen(_LEVELS, n),
        "people": Numbers(np.minimum(people, 60)),
        "repeated": Choices(TRUTH, repeated.astype(np.int8)),
        "petitioner": cases.petitioner,
    }
    matter = draw.integers(0, len(_TITLES), n)
    texts = {"title": Choices(_TITLES, matter), "text": Choices(_TEXTS, matter)}
    category = sheet.chosen(_CATEGORIES, n)
    classed = ~some(draw, n, _UNCLASSED)
    for among, more in ((classed, {"category": category}), (~classed, {})):
        cases.add_texted(PetitionRegistered, time, data | more, among, **texts)
    return time


def _hand_over(cases: _Petitions, registered: Ints, withdrawn: Ints) -> Ints:
    """Transfer, objection and second transfer; returns when each case was accepted."""
    sheet, draw, n = cases.sheet, cases.draw, cases.n
    late = some(draw, n, 0.03)
    wait = np.where(late, draw.integers(16, 28, n), np.minimum(draw.gamma(1.6, 2.2, n), 12))
    transferred = cases.later(registered, wait)
    mode = sheet.chosen(_MODES, n)
    objects_ = some(draw, n, 0.02)
    objected = step(objects_, cases.later(transferred, draw.integers(1, 4, n)))
    again = cases.later(objected, draw.integers(1, 6, n))
    late = some(draw, n, 0.04)
    wait = np.where(late, draw.integers(16, 30, n), np.minimum(draw.gamma(2, 2.4, n), 12))
    last = np.where(objects_, again, transferred)
    accepted = cases.later(last, wait)
    early = withdrawn & some(draw, n, 0.3)
    gone = step(early, cases.between(registered, accepted))
    # Nobody hands a petition over once it is withdrawn.
    transferred, objected, again = (step(t < gone, t) for t in (transferred, objected, again))
    cases.add(PetitionTransferred, transferred, {"mode": mode, "unit": cases.unit})
    cases.add(PetitionObjected, objected, {"unit": cases.unit})
    second = cases.some_units()
    cases.unit = Choices(cases.unit.table, np.where(objects_, second.which, cases.unit.which))
    cases.add(PetitionTransferred, again, {"mode": mode, "unit": cases.unit})
    cases.add(PetitionWithdrawn, gone)
    # A case that nobody takes up stays open, and becomes overdue on its own.
    left = ~early & some(draw, n, 0.008)
    urged = step(left & some(draw, n, 0.5), cases.later(last, draw.integers(18, 40, n)))
    cases.add(PetitionUrged, urged, {"unit": cases.unit})
    return step(~early & ~left, accepted)


def _deal_with(cases: _Petitions, accepted: Ints, withdrawn: Ints) -> Ints:
    """From acceptance to the written reply; returns when the reply went out."""
    sheet, draw, n = cases.sheet, cases.draw, cases.n
    own = pick(draw, n, cumulated(np.array(_ROUTE_SHARES)))
    which = np.where(cases.appeal, own, len(_ROUTES) - 1)
    route = Choices(objects(_ROUTES), which)
    ordinary = which == _ROUTES.index("31.6")
    extends = ordinary & some(draw, n, 0.08)
    days = np.minimum(draw.lognormal(3.2, 0.55, n), 150)
    late = some(draw, n, 0.05)
    days = np.where(ordinary & ~late, np.minimum(days, 56), days)
    days = np.where(ordinary & late, draw.integers(62, 130, n), days)
    days = np.where(extends, draw.integers(61, 84, n), days)
    # A few are never answered within the history; the rate of on-time to due cases counts them.
    replied = step(~some(draw, n, 0.02), cases.later(accepted, days))
    leaving = withdrawn & (accepted < NEVER_S)
    gone = step(leaving, cases.between(accepted, np.minimum(replied, accepted + 30 * DAY)))
    replied = step(~leaving, replied)
    cases.add(PetitionAccepted, accepted, {"unit": cases.unit, "route": route})
    cases.add(PetitionWithdrawn, gone)
    extended = step(extends & ~leaving, cases.later(accepted, draw.integers(42, 56, n)))
    cases.add(
        PetitionExtended,
        np.where(extended < replied, extended, NEVER_S),
        {
            "days": Numbers(draw.integers(2, 7, n) * 5),
            "since": Instants(accepted),
            "route": route,
        },
    )
    heard = step(some(draw, n, 0.015) & ~leaving, cases.between(accepted, replied))
    cases.add(PetitionHearingHeld, heard, {"people": Numbers(draw.integers(5, 20, n))})
    urged = step(some(draw, n, 0.04) & ~leaving, cases.between(accepted + 5 * DAY, replied))
    cases.add(PetitionUrged, urged, {"unit": cases.unit})
    reply = Choices(_REPLIES, draw.integers(0, len(_REPLIES), n))
    result = sheet.chosen(_RESULTS, n)
    cases.add_texted(PetitionReplied, replied, {"result": result}, replied < NEVER_S, reply=reply)
    return replied


def _review(cases: _Petitions, replied: Ints) -> Ints:
    """Review and recheck; returns when the last decision was given, `NEVER_S` while pending."""
    sheet, draw, n = cases.sheet, cases.draw, cases.n
    asks = cases.appeal & some(draw, n, 0.05)
    asked = step(asks, cases.later(replied, draw.integers(2, 26, n)))
    long = np.where(some(draw, n, 0.05), draw.integers(31, 50, n), draw.integers(8, 27, n))
    decided = cases.later(asked, long)
    verdict = sheet.chosen(_VERDICTS, n)
    # A revoked reply is followed by a new one; otherwise the petitioner may ask for a recheck.
    revoked = asks & (verdict.which == list(_VERDICTS).index("revoked"))
    anew = step(revoked, cases.later(decided, draw.integers(8, 40, n)))
    again = asks & ~revoked & some(draw, n, 0.38)
    rechecked = step(again, cases.later(decided, draw.integers(2, 26, n)))
    ended = cases.later(rechecked, draw.integers(10, 28, n))
    heard = step(some(draw, n, 0.2), cases.between(rechecked, ended))
    cases.add(PetitionReviewRequested, asked)
    cases.add(PetitionReviewDecided, decided, {"verdict": verdict})
    cases.add(PetitionReplied, anew, {"result": sheet.chosen(_RESULTS_ANEW, n)})
    cases.add(PetitionRecheckRequested, rechecked)
    cases.add(PetitionHearingHeld, heard, {"people": Numbers(draw.integers(5, 20, n))})
    cases.add(PetitionRecheckDecided, ended, {"verdict": sheet.chosen(_VERDICTS, n)})
    return np.where(again, ended, np.where(revoked, anew, np.where(asks, decided, replied)))


def _end(cases: _Petitions, replied: Ints, decided: Ints) -> None:
    """Closing and rating."""
    draw, n = cases.draw, cases.n
    closed = cases.later(decided, np.minimum(draw.gamma(1.2, 2, n), 14))
    closed = step(replied < NEVER_S, closed)
    cases.add(PetitionClosed, closed)
    stars = 1 + pick(draw, n, cumulated(np.array(_STARS, float)))
    rates = some(draw, n, 0.62)
    rated = step(rates, closed + (draw.exponential(4, n) * DAY).astype(np.int64) + 600)
    cases.add(PetitionRated, rated, {"satisfaction": Numbers(stars)})
