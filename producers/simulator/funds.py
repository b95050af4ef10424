"""幸福基金: opening balances of 2021-01-01, then every pledge, gift, project and payment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from producers.simulator.city import END_S, City, Draw, apportioned, cumulated, pick
from producers.simulator.series import (
    DAY,
    Choices,
    Ints,
    Numbers,
    Persons,
    Serials,
    Series,
    narrowed,
    objects,
)
from producers.simulator.sheets import OFFICES, VISITING, Sheet, exactly, some, step
from schemas.event import Event
from schemas.families.fund import (
    FundApproved,
    FundContributed,
    FundDisbursed,
    FundPledged,
    FundReversed,
    ProjectClosed,
    ProjectOpened,
)

RAISED_FEN: Final = 31_200_000_000  # 3.12 亿元 to 2022-03-18 (法治日报 of that day)
HELPED: Final = 23_000  # 人次 to that day (same: "2.3万余")
PROJECTS: Final = 172_000  # 个 to that day (same)

# All below is made up (示例): no figures are published.
_OPENING: Final = {"raised": 0.625, "helped": 0.54, "projects": 0.65}  # share by 2021-01-01
_OPENING_SPENT: Final = 0.35  # of what was raised by then
_OPENING_CLOSED: Final = 0.93  # of the projects opened by then
_CONTRIBUTIONS: Final = 330_000
_HELP_PAYMENTS: Final = 0.85  # payments per person-time helped: some help two
_PLEDGED: Final = (0.17, 0.15, 0.05, 0.3)  # share pledged first, by source
_UNKEPT: Final = 0.06  # pledges never paid, per pledge paid
_WRONG: Final = 0.005  # share of entries that are reversed
_SOURCES: Final = ("pledge", "collective", "donation", "reward")
_SOURCE_SHARES: Final = (0.90, 0.012, 0.08, 0.008)
_MEDIAN_YUAN: Final = (100, 6_000, 600, 7_000)
_SPREAD: Final = (0.6, 0.7, 0.9, 0.6)
_USES: Final = ("old_and_young", "merit_and_need", "public_good")
_OPENING_USES: Final = (1, 2, 0, 2)  # what the opening money of each source was spent on
_WEEK: Final = (1.0, 1.0, 1.0, 1.0, 1.0, 0.45, 0.35)
_OFFICE: Final = "三资中心"  # reverses entries
_REASONS: Final = {"金额录错": 55, "重复录入": 30, "账户选错": 15}


@dataclass(frozen=True, slots=True)
class _Payment:
    """Payments to make: fund, instant, amount in fen and source of each."""

    fund: Ints
    time: Ints
    amount: Ints
    source: Ints


class _Funds:
    """The village funds; the scale sets their number, so that each has the size of a real one.

    Args:
        sheet: where the events go.
        scale: 1 is the whole city.
    """

    def __init__(self, sheet: Sheet, scale: float) -> None:
        self.sheet, self.draw, self.scale = sheet, sheet.draw, scale
        city = sheet.city
        count = max(1, round(len(city.leaves) * min(1.0, scale)))
        self.place = np.sort(self.draw.permutation(city.leaves)[:count])
        codes = [bytes(code).decode() for code in city.codes[self.place].tolist()]
        self.accounts = objects([f"F-{code}" for code in codes])
        size = [float(city.microgrids.get(code, 0)) + 1 for code in codes]
        self.size = np.array(size)
        self.left = np.zeros((count, len(_SOURCES)), np.int64)  # fen
        self.raised = np.zeros_like(self.left)

    def some(self, n: int) -> Ints:
        """`n` funds, drawn by the size of their village."""
        return pick(self.draw, n, cumulated(self.size))

    def account(self, fund: Ints) -> Choices:
        """Account numbers of funds."""
        return Choices(self.accounts, fund)

    def add(
        self, cls: type[Event], fund: Ints, time: Ints, data: dict[str, Series], **more: object
    ) -> Serials:
        """Adds events of funds to the sheet."""
        content = {"account": self.account(fund)} | data
        return self.sheet.add(cls, self.place[fund], time, content, **more)  # type: ignore[arg-type]

    def add_with_slips(
        self,
        cls: type[Event],
        fund: Ints,
        time: Ints,
        data: dict[str, Series],
        head: dict[str, Series] | None = None,
    ) -> Serials:
        """Adds the same, plus wrong entries that are reversed later, so the sums stay."""
        ids = self.add(cls, fund, time, data, head=head)
        wrong = np.flatnonzero((time < END_S) & some(self.draw, len(time), _WRONG))
        if not len(wrong):
            return ids
        slips = {name: _slip(column, wrong) for name, column in data.items()}
        entered = self.sheet.entered(time[wrong])
        undone = self.sheet.after(entered, 5)
        place = fund[wrong]
        taken = self.add(cls, place, time[wrong], slips, recorded=entered, undone=undone)
        self.reverse(place, undone, taken, self.sheet.chosen(_REASONS, len(wrong)))
        return ids

    def reverse(self, fund: Ints, time: Ints, taken: Serials, why: Choices) -> None:
        """Adds the reversals of entries, by the office that keeps the county's books."""
        back: dict[str, Series] = {"corrects": taken, "why": why}
        office = self.sheet.filed_by(_OFFICE, self.place[fund])
        self.add(FundReversed, fund, time, back, recorded=time, head=office)


def funds(city: City, tag: str, draw: Draw, scale: float) -> Sheet:
    """The funds' opening balances and the events of their year."""
    sheet = Sheet(city, "funds", "f", tag, draw)
    made = _Funds(sheet, scale)
    raised, helped = round(RAISED_FEN * scale), round(HELPED * scale)
    projects = round(PROJECTS * scale)
    # Whole yuan: the opening balance holds the rest, to the fen.
    later = round(raised * (1 - _OPENING["raised"])) // 100 * 100
    _opening(made, raised - later, round(helped * _OPENING["helped"]))
    _opening_projects(made, round(projects * _OPENING["projects"]))
    _contributions(made, later, max(1, round(_CONTRIBUTIONS * scale)))
    _help(made, helped - round(helped * _OPENING["helped"]))
    _projects(made, projects - round(projects * _OPENING["projects"]))
    return sheet


def _opening(made: _Funds, raised: int, helped: int) -> None:
    """What each fund had raised and spent by 2021-01-01, by source."""
    count, kinds = len(made.accounts), len(_SOURCES)
    fund, source = np.repeat(np.arange(count), kinds), np.tile(np.arange(kinds), count)
    weight = np.repeat(made.size, kinds) * made.draw.lognormal(0, 0.25, count * kinds)
    amount = apportioned(raised, weight)
    spent = (amount * _OPENING_SPENT * made.draw.uniform(0.6, 1.3, len(amount))).astype(np.int64)
    persons = np.zeros(len(amount), np.int64)
    persons[source == 0] = apportioned(helped, made.size)
    table = Choices(objects(_SOURCES), source)
    _begin(made, FundContributed, fund, {"amount": Numbers(amount), "source": table})
    _begin(
        made,
        FundDisbursed,
        fund,
        {
            "amount": Numbers(spent),
            "source": table,
            "use": Choices(objects(_USES), np.array(_OPENING_USES)[source]),
            "helped": Numbers(persons),
        },
    )
    made.left[fund, source] = amount - spent


def _opening_projects(made: _Funds, projects: int) -> None:
    count, kinds = len(made.accounts), len(_USES)
    fund, use = np.repeat(np.arange(count), kinds), np.tile(np.arange(kinds), count)
    opened = apportioned(projects, np.repeat(made.size, kinds) * np.tile([0.2, 0.2, 0.6], count))
    names: Series = made.sheet.numbers("J0", len(fund))
    shared: dict[str, Series] = {"project": names}
    use_ = Choices(objects(_USES), use)
    _begin(made, ProjectOpened, fund, shared | {"projects": Numbers(opened), "use": use_})
    closed = (opened * _OPENING_CLOSED).astype(np.int64)
    _begin(made, ProjectClosed, fund, shared | {"projects": Numbers(closed)})


def _begin(made: _Funds, cls: type[Event], fund: Ints, data: dict[str, Series]) -> None:
    """Opening balances, dated the first midnight and entered on the first morning."""
    midnight = np.zeros(len(fund), np.int64)
    data = data | {"entry": Choices(objects(["opening"]), np.zeros(len(fund), np.int8))}
    made.add(cls, fund, midnight, data, recorded=midnight + 8 * 3600, opening=True)


def _contributions(made: _Funds, total: int, n: int) -> None:
    """`n` contributions of exactly `total` fen up to the end, some of them pledged first."""
    draw, sheet = made.draw, made.sheet
    fund, source = made.some(n), pick(draw, n, cumulated(np.array(_SOURCE_SHARES)))
    relative = np.array(_MEDIAN_YUAN)[source] * draw.lognormal(0, np.array(_SPREAD)[source], n)
    yuan = apportioned(total // 100 - n, relative) + 1  # at least a yuan each
    amount = yuan * 100
    time = np.sort(sheet.times(sheet.days(n, _WEEK, rest=0.8), VISITING))
    share = np.array(_PLEDGED)[source]
    promised = draw.random(n) < share
    kept = sheet.city.in_office(draw, time, draw.gamma(2, 9, n))
    paid = np.where(promised & (kept < END_S), kept, time)
    giver = Persons(sheet.city.vault, made.accounts, fund, draw.integers(1, 2_000, n))
    data: dict[str, Series] = {
        "amount": Numbers(amount),
        "source": Choices(objects(_SOURCES), source.astype(np.int8)),
    }
    named = np.flatnonzero((source == 0) | (source == 2))
    nameless = np.flatnonzero((source == 1) | (source == 3))
    data["giver"] = giver
    made.add_with_slips(FundContributed, fund[named], paid[named], _of(data, named))
    del data["giver"]
    made.add_with_slips(FundContributed, fund[nameless], paid[nameless], _of(data, nameless))
    data["giver"] = giver
    unkept = ~promised & (draw.random(n) < share * _UNKEPT)
    pledged = (promised & (kept < END_S)) | unkept
    by_name = np.flatnonzero(pledged & ((source == 0) | (source == 2)))
    nameless = np.flatnonzero(pledged & ((source == 1) | (source == 3)))
    made.add_with_slips(FundPledged, fund[by_name], time[by_name], _of(data, by_name))
    del data["giver"]
    made.add_with_slips(FundPledged, fund[nameless], time[nameless], _of(data, nameless))


def _help(made: _Funds, helped: int) -> None:
    """Payments to people, `helped` person-times in all."""
    draw, sheet = made.draw, made.sheet
    n = min(helped, max(1, round(helped * _HELP_PAYMENTS)))
    if not n:
        return
    persons = 1 + exactly(draw, n, helped - n).astype(np.int64) if helped <= 2 * n else None
    assert persons is not None
    time = sheet.times(sheet.days(n, _WEEK, rest=0.4), OFFICES)
    wanted = np.minimum(draw.lognormal(6.7, 0.5, n), 5_000).astype(np.int64) * 100
    pay = _paid(made, made.some(n), time, wanted)
    use = pick(draw, n, cumulated(np.array([0.35, 0.65])))
    data: dict[str, Series] = {
        "amount": Numbers(pay.amount),
        "use": Choices(objects(_USES), use.astype(np.int8)),
    }
    decided = _before(time, draw.integers(1, 9, n))
    cause = made.add_with_slips(FundApproved, pay.fund, decided, data)
    data |= {
        "source": Choices(objects(_SOURCES), pay.source),
        "helped": Numbers(persons),
        "receiver": Persons(sheet.city.vault, made.accounts, pay.fund, draw.integers(1, 2_000, n)),
    }
    made.add(FundDisbursed, pay.fund, time, data, head={"causationid": cause})
    _slipped_payments(made, pay, use, 1)


def _slipped_payments(made: _Funds, pay: _Payment, use: Ints, helped: int) -> None:
    """Payments entered for the wrong fund and reversed; the right entries exist as well."""
    wrong = np.flatnonzero(some(made.draw, len(use), _WRONG))
    if not len(wrong):
        return
    entered = made.sheet.entered(pay.time[wrong])
    undone = made.sheet.after(entered, 4)
    data: dict[str, Series] = {
        "amount": Numbers(pay.amount[wrong]),
        "use": Choices(objects(_USES), use[wrong]),
        "source": Choices(objects(_SOURCES), pay.source[wrong]),
        "helped": Numbers(np.full(len(wrong), helped)),
    }
    fund = made.some(len(wrong))
    ids = made.add(FundDisbursed, fund, pay.time[wrong], data, recorded=entered, undone=undone)
    why = Choices(objects(["账户选错"]), np.zeros(len(wrong), np.int8))
    made.reverse(fund, undone, ids, why)


def _projects(made: _Funds, n: int) -> None:
    """Micro-welfare projects: approved, set up, paid for, finished."""
    if not n:
        return
    draw, sheet = made.draw, made.sheet
    time = sheet.times(sheet.days(n, _WEEK, rest=0.4), OFFICES)
    wanted = np.minimum(draw.lognormal(6.2, 0.6, n), 8_000).astype(np.int64) * 100
    paid = sheet.city.in_office(draw, time, draw.gamma(2, 5, n))
    pay = _paid(made, made.some(n), paid, wanted)
    which = pick(draw, n, cumulated(np.array([0.22, 0.18, 0.6])))
    use = Choices(objects(_USES), which)
    amount = Numbers(pay.amount)
    decided = _before(time, draw.integers(1, 6, n))
    approved = made.add_with_slips(FundApproved, pay.fund, decided, {"amount": amount, "use": use})
    names = sheet.numbers("J", n)
    one = Numbers(np.ones(n, np.int8))
    links: dict[str, Series] = {"correlationid": names}
    made.add_with_slips(
        ProjectOpened, pay.fund, time, {"project": names, "projects": one, "use": use}
    )
    data: dict[str, Series] = {
        "amount": amount,
        "source": Choices(objects(_SOURCES), pay.source),
        "use": use,
        "helped": Numbers(np.zeros(n, np.int8)),
    }
    made.add(FundDisbursed, pay.fund, paid, data, head=links | {"causationid": approved})
    in_time = pay.time < END_S
    paid_ = _Payment(*(part[in_time] for part in (pay.fund, pay.time, pay.amount, pay.source)))
    _slipped_payments(made, paid_, which[in_time], 0)
    finished = sheet.city.in_office(draw, paid, draw.gamma(2, 22, n))
    finished = step(paid < END_S, finished)
    made.add_with_slips(
        ProjectClosed, pay.fund, finished, {"project": names, "projects": one}, links
    )


def _before(time: Ints, days: Ints) -> Ints:
    """`days` earlier at the same hour; early in January, ten minutes earlier."""
    found: Ints = np.where(time >= days * DAY, time - days * DAY, time - 600)
    return found


def _paid(made: _Funds, fund: Ints, time: Ints, wanted: Ints) -> _Payment:
    """Takes each payment from the source with the most money left, never more than it has.

    Payments use only the opening balances, so that no balance is negative at any instant.
    """
    left = made.left
    amount, source = wanted.copy(), np.zeros(len(fund), np.int8)
    for n in np.argsort(time, kind="stable").tolist():
        purse = left[fund[n]]
        best = int(purse.argmax())
        take = min(int(wanted[n]), int(purse[best]) // 3)
        purse[best] -= take
        amount[n], source[n] = take, best
    return _Payment(fund, time, amount, source)


def _of(data: dict[str, Series], rows: Ints) -> dict[str, Series]:
    """The given rows of every column."""
    return {name: narrowed(column, rows) for name, column in data.items()}


def _slip(column: Series, rows: Ints) -> Series:
    """The given rows as a slip of the pen leaves them: one zero too many, another project."""
    made = narrowed(column, rows)
    if isinstance(made, Numbers) and int(made.of.max()) > 1:
        return Numbers(made.of * 10)
    if isinstance(made, Serials):
        return Serials(made.prefix + b"x", made.numbers)
    return made
