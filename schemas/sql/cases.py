"""The published lists of a family's cases: case by case as of an instant, and step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from schemas.clocks import Clock
from schemas.family import Family
from schemas.projections import NEVER, CaseFold, verb
from schemas.sql.columns import TOWNSHIP_IF_SHOWN, PublishedView, moment, quoted
from schemas.sql.judged import (
    CASE_COUNTY,
    DUE,
    LATEST,
    NOW,
    OPEN,
    PLACE_CODES,
    UNKNOWN,
    begun,
    clock_names,
    clock_terms,
    digits_of,
    each_clock,
    fact_of,
    first_at,
    if_known,
    is_on_time,
    is_opening,
    is_overdue,
    place_at,
    really_met,
    state_of,
)
from schemas.sql.targets import target
from schemas.words import Text


def cases(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    """One row per case begun by the instant `at`."""
    columns = _case_words(family, fold)
    picks = [
        "c.case AS case",
        PLACE_CODES,
        state_of(fold) + " AS state",
        f"{OPEN} AS open",
        _known("c.ended_at", "ended_at"),
    ]
    for f in family.facts:
        if f.personal:
            continue
        columns[f.name] = f.doc
        none = f"defaultValueOfTypeName('{f.stored}')"
        said = if_known(family, fold, f, fact_of(f), none)
        picks.append(f"{said} AS {f.name}")
    for cls in family.events:
        columns[f"{verb(cls.spec.name)}_at"] = Text(
            f"First {cls.spec.name}; NULL if not by then.",
            f"首次“{cls.spec.zh}”的时间；该时刻尚无时为 NULL。",
        )
        picks.append(_known(first_at(cls.spec.name), f"{verb(cls.spec.name)}_at"))
    terms: dict[str, str] = {UNKNOWN: f"CAST(NULL AS Nullable({moment(zone)}))"}
    for clock in family.clocks:
        terms |= clock_terms(clock)
        for name, text, sql in _clock(clock):
            columns[name] = text
            picks.append(f"{sql} AS {name}")
    # FINAL and no GROUP BY: a case is in one Kafka partition, so its rows have one key, and forty
    # aggregates took the engine as long to analyse and to run as everything else.
    return PublishedView(
        f"{family.topic}_{fold.name}",
        f"{family.zh}·案件",
        Text(
            "One row a case begun by the instant `at`, as it stood at that instant.",
            f"{family.zh}案件，时刻 `at` 之前开始的每案一行，状态以该时刻为准。",
        ),
        columns,
        f"SELECT {', '.join(picks)}\n{begun(family, fold, database, zone, terms)}",
        family.topic,
    )


def deadlines(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    """One row per case and legal clock that runs.

    `cases` has the same, in one column per clock and property. Here a query over all clocks is
    analysed once, not once per clock.
    """
    words, on_time = _case_words(family, fold), _ON_TIME
    # Only the vocabularies known from a case's first day; `cases` has the other facts.
    sorts = {
        f.name: f
        for f in family.facts
        if f.choices and not f.personal and is_opening(family, fold, f)
    }
    if lapses := sorted({name for clock in family.clocks for name in clock.lapses}):
        on_time += _lapsed_by(lapses)
    shown = ["c.case AS case", *(f"{fact_of(f)} AS {name}" for name, f in sorts.items())]
    return PublishedView(
        f"{family.topic}_deadlines",
        f"{family.zh}·期限",
        Text(
            "One row a case and legal clock that runs, as it stood at the instant `at`.",
            f"{family.zh}案件的法定期限，每案每项期限一行，状态以时刻 `at` 为准。",
        ),
        {
            **{name: words[name] for name in ("case", "county", "township", "open")},
            **{name: f.doc for name, f in sorts.items()},
            "clock": clock_names(family),
            "due": DUE,
            "overdue": Text(
                "1 when past due and not met at the instant.", "该时刻已到期而未完成时为1。"
            ),
            "on_time": on_time,
        },
        f"SELECT case, {PLACE_CODES}, open, {', '.join([*sorts, 'clock'])}, due,\n"
        f"  {is_overdue('due', 'met')} AS overdue,\n"
        f"  {is_on_time('due', 'met', 'really_met')} AS on_time\n"
        + each_clock(family, fold, database, zone, shown),
        family.topic,
    )


def steps(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    """One row per case and state it entered.

    The view takes no instant: a condition on `time` selects the states entered by an instant. The
    engine analyses a view with a parameter twice, and with it the cases' forty columns.
    """
    words = _case_words(family, fold)
    reached = ", ".join(
        f"({first_at(name)}, toUInt8({n}), {quoted(state)})"
        for n, (name, state, _) in enumerate(fold.stages)
    )
    never = f"toDateTime64({quoted(NEVER)}, 3, {quoted(zone)})"
    place = place_at(digits_of(family, "clerk"))
    return PublishedView(
        f"{family.topic}_steps",
        f"{family.zh}·环节",
        Text(
            "One row a case and state it came into. As of an instant: those with `begun` and "
            "`time` not after it.",
            f"{family.zh}案件的流转，每案每次进入一个状态为一行；"
            "截至某一时刻：`begun` 和 `time` 均不晚于该时刻的各行。",
        ),
        {
            **{name: words[name] for name in ("case", "county", "township")},
            "begun": Text("When the case began.", "案件开始的时间。"),
            "came_from": Text(
                "State before; empty: none, the case is new.", "此前的状态；为空表示新收案件。"
            ),
            "since": Text(
                "When it came into the state before; NULL: none.",
                "进入此前状态的时间；没有时为 NULL。",
            ),
            "state": Text("State it came into.", "进入的状态。"),
            "time": Text("When it came into it.", "进入该状态的时间。"),
        },
        f"SELECT c.case AS case, {PLACE_CODES},\n"
        f"  CAST({first_at(fold.opens)} AS {moment(zone)}) AS begun,\n"
        "  step.1.3 AS came_from,\n"
        "  if(step.1.3 = '', NULL, step.1.1) AS since, step.2.3 AS state, step.2.1 AS time\n"
        # Two steps of one instant come in legal order. The cast sheds the SimpleAggregateFunction
        # type, which board clients cannot read.
        f"FROM (SELECT *, {place} AS _place, arraySort(arrayFilter(s -> s.1 < {never},\n"
        f"    CAST([{reached}] AS Array(Tuple({moment(zone)}, UInt8, String))))) AS taken,\n"
        f"  arrayPopBack(arrayPushFront(taken, ({never}, toUInt8(0), ''))) AS before,\n"
        "  arrayJoin(arrayZip(before, taken)) AS step\n"
        f"FROM `{database}`.`{target(family, fold)}` AS c FINAL) AS c",
        family.topic,
    )


def _case_words(family: Family, fold: CaseFold) -> dict[str, Text]:
    """Meaning of the columns that every view of cases begins with."""
    zh = {c.spec.name: c.spec.zh for c in family.events}
    return {
        "case": Text("Number of the case.", "案件编号。"),
        "county": CASE_COUNTY,
        "township": TOWNSHIP_IF_SHOWN,
        "state": Text(
            f"State at the instant: {', '.join(state for _, state, _ in fold.stages)}.",
            "该时刻的状态："
            + "，".join(f"{state} {zh[name]}" for name, state, _ in fold.stages)
            + "。",
        ),
        "open": Text("1 while begun and not ended at the instant.", "该时刻已开始而未结束时为1。"),
        "ended_at": Text("When it ended; NULL while it is open.", "结束的时间；未结束时为 NULL。"),
    }


_ON_TIME: Final = Text(
    "1 met in time, 0 met late or overdue, NULL not due yet.",
    "按期为1，迟办或者逾期为0，未到期为 NULL。",
)


def _known(instant_: str, name: str) -> str:
    return f"if({instant_} > {NOW}, {UNKNOWN}, {instant_}) AS {name}"


def _clock(clock: Clock) -> Iterator[tuple[str, Text, str]]:
    """Name, meaning and SQL of the columns that judge a clock at the instant."""
    due, met = f"_{clock.name}_due", f"c.met_{clock.name}"
    yield (
        f"due_{clock.name}",
        Text(
            "End of its last day, the midnight after it; NULL: no such clock.",
            f"“{clock.zh}”期限届满的时刻，即末日次日零时；无此期限时为 NULL。",
        ),
        f"nullIf({due}, {LATEST})",
    )
    yield (
        f"overdue_{clock.name}",
        Text(
            "1 when past due and not met at the instant.",
            f"该时刻“{clock.zh}”已到期而未完成时为1。依据：{clock.basis}。",
        ),
        is_overdue(due, met),
    )
    yield (
        f"on_time_{clock.name}",
        _ON_TIME + _lapsed_by(clock.lapses) if clock.lapses else _ON_TIME,
        is_on_time(due, met, really_met(clock) if clock.lapses else ""),
    )


def _lapsed_by(types: Sequence[str]) -> Text:
    gone = ", ".join(types)
    return Text(
        f"NULL too when taken away in time by {gone}.", f"到期前因 {gone} 而终结的也为 NULL。"
    )
