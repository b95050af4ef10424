"""走访 of 2021: one event per visit; requests raised in visits and closed there or later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from producers.simulator.city import END_S, YEAR_END, City, Draw
from producers.simulator.series import (
    DAY,
    NEVER_S,
    Choices,
    Ints,
    Numbers,
    Persons,
    SealedTexts,
    Serials,
    Series,
    narrowed,
    objects,
)
from producers.simulator.sheets import VISITING, Sheet, exactly, some, step
from schemas.families.visit import (
    RequestClosed,
    RequestRaised,
    VisitCorrected,
    VisitRecorded,
    VisitVoided,
)

VISITS: Final = 1_881_000  # 户次 in 2021 (法治日报 2022-03-18)
REQUESTS_CLOSED: Final = 339_000  # 件 in 2021 (same)

# All below is made up (示例): no figures are published.
_VOIDED: Final = 0.004
_CORRECTED: Final = 0.008
_TWICE: Final = 0.05  # share of corrections that are corrected once more
_IN_VAIN: Final = 0.06  # share of voided visits that were corrected before
_REDRAWN: Final = 0.3  # share of corrections that change role and purpose as well
_REMARKED: Final = 0.03  # share of corrections that add a text
_OFFICE: Final = "网格办"  # voids and corrects
_WITH_TEXT: Final = 0.002  # share of visits and requests with a sealed text: sealing costs most
_MORE_REQUESTS: Final = 1.045  # raised per request closed in the year
_AT_ONCE: Final = 0.47  # share closed inside the visit
_WEEK: Final = (1.0, 1.0, 1.0, 1.02, 1.05, 0.78, 0.6)
_ROLES: Final = {"grid_member": 46, "party_member": 27, "working_party_member": 17, "cadre": 10}
_PURPOSES: Final = {"routine": 52, "care": 20, "policy": 13, "dispute": 7, "safety": 8}
_MATTERS: Final = {
    "livelihood": 34,
    "infrastructure": 22,
    "environment": 16,
    "policy": 15,
    "dispute": 8,
    "other": 5,
}
_OUTCOMES: Final = {"settled": 68, "explained": 20, "passed_on": 9, "not_possible": 3}
_REASONS: Final = {"重复填报": 60, "户号选错": 25, "非本网格住户": 15}
_REMARKS: Final = objects(
    [
        "老人独居,已提醒用电用气安全,下周再访。",
        "家中有学龄儿童两名,父母在外务工,由祖父母照看。",
        "询问医保缴费事宜,已当场讲清。",
        "房屋后山有裂缝,已报村里,雨天转移。",
        "务工返乡,愿参加技能培训。",
        "反映邻里水渠纠纷,已约双方见面。",
    ]
)
_WISHES: Final = objects(
    [
        "组里路灯坏了三盏,请尽快修好。",
        "自来水水压小,早晚用不上水。",
        "想申请低保,不知道要哪些材料。",
        "垃圾清运隔得太久,夏天气味大。",
        "入户道路塌了一段,摩托车过不去。",
    ]
)


@dataclass(frozen=True, slots=True)
class _Visits:
    """Columns of the visits; `stands` marks those not voided."""

    time: Ints
    recorded: Ints
    lasted: Ints
    place: Ints
    household: Persons
    ids: Serials
    grid: dict[str, Series]
    stands: Ints


def visits(city: City, tag: str, draw: Draw, scale: float) -> Sheet:
    """The year's visits and requests."""
    sheet = Sheet(city, "visits", "v", tag, draw)
    made = _recorded(sheet, round(VISITS * scale))
    _requests(sheet, made, round(REQUESTS_CLOSED * scale))
    return sheet


def _recorded(sheet: Sheet, stand: int) -> _Visits:
    """`stand` visits that stand, and some more that are voided."""
    city, draw = sheet.city, sheet.draw
    n = stand + round(stand * _VOIDED)
    time = np.sort(sheet.times(sheet.days(n, _WEEK, rest=0.7), VISITING))
    lasted = np.clip(draw.gamma(3.2, 7.5, n), 4, 180).astype(np.int16)
    grid = city.some_grids(draw, n)
    number = 1 + (draw.random(n) * city.households[grid]).astype(np.int8)
    place = city.grid_place[grid]
    stands = exactly(draw, n, stand)
    made = _Visits(
        time,
        sheet.entered(np.minimum(time + lasted.astype(np.int64) * 60, YEAR_END - 1)),
        lasted,
        place,
        Persons(city.vault, city.grid_codes, grid, number),
        sheet.ids(n),
        {"grid": Choices(city.grid_codes, grid)} if city.has_villages else {},
        stands,
    )
    content: dict[str, Series] = {
        "household": made.household,
        "role": sheet.chosen(_ROLES, n),
        "purpose": sheet.chosen(_PURPOSES, n),
        "lasted": Numbers(lasted),
        "met": Numbers(np.minimum(draw.poisson(2.1, n), 9).astype(np.int8)),
    }
    undone = step(~stands, sheet.after(made.recorded, 6))
    texts = Choices(_REMARKS, draw.integers(0, len(_REMARKS), n).astype(np.int8))
    remark = SealedTexts(city.vault, "remark", made.ids, made.household, texts)
    texted = some(draw, n, _WITH_TEXT)
    for happens, data in ((~texted, content), (texted, content | {"remark": remark})):
        sheet.add(
            VisitRecorded,
            place,
            time,
            data,
            recorded=made.recorded,
            happens=happens,
            undone=undone,
            ids=made.ids,
            head=made.grid,
        )
    _voided(sheet, made, undone)
    _corrections(sheet, made, content, undone)
    return made


def _voided(sheet: Sheet, made: _Visits, undone: Ints) -> None:
    data: dict[str, Series] = {
        "household": made.household,
        "corrects": made.ids,
        "why": sheet.chosen(_REASONS, len(undone)),
    }
    sheet.add(
        VisitVoided,
        made.place,
        undone,
        data,
        recorded=undone,
        happens=undone < NEVER_S,
        head=made.grid | sheet.filed_by(_OFFICE, made.place),
    )


def _corrections(sheet: Sheet, made: _Visits, content: dict[str, Series], undone: Ints) -> None:
    """Corrected forms, some of them corrected twice, and some voided after a correction."""
    draw = sheet.draw
    wrong = np.flatnonzero(made.stands & some(draw, len(undone), _CORRECTED))
    when = sheet.after(made.recorded[wrong], 5)
    _corrected(sheet, made, content, wrong, when)
    twice = some(draw, len(wrong), _TWICE)
    _corrected(sheet, made, content, wrong[twice], sheet.after(when[twice], 5))
    voided = np.flatnonzero(undone < NEVER_S)
    voided = voided[some(draw, len(voided), _IN_VAIN)]
    # The event recorded last wins, so a correction never shares the second of the void.
    open_s = undone[voided] - made.recorded[voided]
    when = made.recorded[voided] + (open_s * draw.random(len(voided))).astype(np.int64)
    _corrected(sheet, made, content, voided[open_s > 0], when[open_s > 0])


def _corrected(
    sheet: Sheet, made: _Visits, content: dict[str, Series], wrong: Ints, when: Ints
) -> None:
    """Corrections of the given visits, at the given instants."""
    draw, n = sheet.draw, len(wrong)
    whole = {name: narrowed(column, wrong) for name, column in content.items()}
    anew = some(draw, n, _REDRAWN)
    for name, names in (("role", _ROLES), ("purpose", _PURPOSES)):
        filed, drawn = whole[name], sheet.chosen(names, n)
        assert isinstance(filed, Choices)
        whole[name] = Choices(filed.table, np.where(anew, drawn.which, filed.which))
    whole |= {
        "met": Numbers(draw.integers(1, 7, n).astype(np.int8)),
        "lasted": Numbers(np.minimum(made.lasted[wrong] + 5, 240)),
        "corrects": narrowed(made.ids, wrong),
    }
    place, ids = made.place[wrong], sheet.ids(n)
    head = {name: narrowed(column, wrong) for name, column in made.grid.items()}
    head |= sheet.filed_by(_OFFICE, place)
    texts = Choices(_REMARKS, draw.integers(0, len(_REMARKS), n).astype(np.int8))
    remark = SealedTexts(sheet.city.vault, "remark", ids, whole["household"], texts)
    texted = some(draw, n, _REMARKED)
    for happens, data in ((~texted, whole), (texted, whole | {"remark": remark})):
        sheet.add(
            VisitCorrected, place, when, data, recorded=when, happens=happens, ids=ids, head=head
        )


def _requests(sheet: Sheet, made: _Visits, closed: int) -> None:
    """Requests, `closed` of them closed within 2021, the others later or never."""
    draw = sheet.draw
    standing = np.flatnonzero(made.stands)
    n = min(round(closed * _MORE_REQUESTS), len(standing))
    visit = np.sort(draw.permutation(standing)[:n])
    asked = made.time[visit] + draw.integers(60, 240, n)
    asked = np.minimum(asked, YEAR_END - 1)
    raised = np.maximum(made.recorded[visit], asked)
    place = made.place[visit]
    grid: dict[str, Series] = {}
    household = made.household.of(visit)
    if made.grid:
        grid = {"grid": Choices(sheet.city.grid_codes, household.which)}
    numbers = sheet.numbers("r", n)
    shared: dict[str, Series] = {"household": household, "request": numbers}
    content = shared | {"matter": sheet.chosen(_MATTERS, n)}
    ids, visits = sheet.ids(n), Serials(made.ids.prefix, made.ids.numbers[visit])
    wishes = Choices(_WISHES, draw.integers(0, len(_WISHES), n).astype(np.int8))
    texted = some(draw, n, _WITH_TEXT)
    sealed = SealedTexts(sheet.city.vault, "text", ids, household, wishes)
    for happens, data in ((~texted, content), (texted, content | {"text": sealed})):
        sheet.add(
            RequestRaised,
            place,
            asked,
            data,
            recorded=raised,
            happens=happens,
            ids=ids,
            head=grid | {"correlationid": numbers, "causationid": visits},
        )
    left = np.minimum(made.time[visit] + made.lasted[visit].astype(np.int64) * 60, YEAR_END - 1)
    time = _closing(sheet, np.maximum(left, asked), closed)
    recorded = np.maximum(sheet.entered(time), raised)
    data = shared | {"outcome": sheet.chosen(_OUTCOMES, n)}
    links: dict[str, Series] = {"correlationid": numbers, "causationid": ids}
    sheet.add(RequestClosed, place, time, data, recorded=recorded, head=grid | links)


def _closing(sheet: Sheet, left: Ints, closed: int) -> Ints:
    """When each request is closed, exactly `closed` of them within 2021.

    Args:
        sheet: source of random draws and office hours.
        left: end of the visit; nearly half are closed by then.
        closed: number closed within 2021.
    """
    draw, n = sheet.draw, len(left)
    days = np.minimum(draw.lognormal(1.6, 0.95, n), 75)
    later = sheet.city.in_office(draw, left, days)
    time = np.where(some(draw, n, _AT_ONCE), left, later)
    within = np.flatnonzero(time < YEAR_END)
    surplus = len(within) - closed
    if surplus > 0:
        # Those raised last stay open: a third past the article's date, the others into 2022.
        recent = within[np.argsort(left[within], kind="stable")][-4 * surplus :]
        open_ = draw.permutation(recent)[:surplus]
        waiting = YEAR_END + draw.integers(4, 115, surplus) * DAY
        time[open_] = sheet.city.in_office(draw, waiting, 0)
    elif surplus < 0:
        settled = draw.permutation(np.flatnonzero(time >= YEAR_END))[:-surplus]
        time[settled] = left[settled]
    return np.where(time < END_S, time, NEVER_S)
