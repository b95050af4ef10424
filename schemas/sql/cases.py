"""The published views of a family's cases as of an instant: case by case, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from schemas.clocks import Clock
from schemas.event import FieldSpec
from schemas.family import Family
from schemas.grain import Role
from schemas.projections import NEVER, CaseFold, verb
from schemas.sql.columns import TOWNSHIP_IF_SHOWN, PublishedView, codes_of, instant, moment, quoted
from schemas.sql.targets import target
from schemas.words import Text


def cases(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    """One row per case begun by the instant `at`."""
    columns = _case_words(family, fold)
    picks = [
        "c.case AS case",
        _PLACES,
        _state(fold) + " AS state",
        f"{_OPEN} AS open",
        _known("c.ended_at", "ended_at"),
    ]
    for f in family.facts:
        if f.personal:
            continue
        columns[f.name] = f.doc
        none = f"defaultValueOfTypeName('{f.stored}')"
        said = _if_known(family, fold, f, _said(f), none)
        picks.append(f"{said} AS {f.name}")
    for cls in family.events:
        columns[f"{verb(cls.spec.name)}_at"] = Text(
            f"First {cls.spec.name}; NULL if not by then.",
            f"首次“{cls.spec.zh}”的时间；该时刻尚无时为 NULL。",
        )
        picks.append(_known(_at(cls.spec.name), f"{verb(cls.spec.name)}_at"))
    terms: dict[str, str] = {_UNKNOWN: f"CAST(NULL AS Nullable({moment(zone)}))"}
    for clock in family.clocks:
        terms |= _clock_terms(clock)
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
        f"SELECT {', '.join(picks)}\n{_begun(family, fold, database, zone, terms)}",
        family.topic,
    )


def pending(family: Family, fold: CaseFold, database: str, zone: str, role: Role) -> PublishedView:
    """How many cases have begun, are open, are overdue and have ended, by place.

    `cases` has all of it too, but analysing `cases` costs more than counting it.
    """
    clocks, flags = family.clocks, _counted(fold, zone)
    overdue = " OR ".join(f"({_past_due(clock)})" for clock in clocks)
    moved = {_latest(clock): _clock_terms(clock)[_latest(clock)] for clock in clocks if clock.moves}
    counts = [f"countIf({sql}) AS {name}" for name, (sql, _) in flags.items()]
    sums = _summed(family, zone)
    counts += [f"{sql} AS {name}" for name, (sql, _) in sums.items()]
    return PublishedView(
        f"{family.topic}_pending",
        f"{family.zh}·在办",
        Text(
            "Cases by county and township, counted as they stood at the instant `at`.",
            f"{family.zh}案件数，按县市区和乡镇街道，以时刻 `at` 的状态为准。",
        ),
        {
            "county": _COUNTY,
            "township": TOWNSHIP_IF_SHOWN,
            **{name: text for name, (_, text) in (flags | sums).items()},
            "overdue_cases": Text(
                "Cases with a deadline past and not met at the instant.",
                "该时刻有期限已到而未完成的案件数。",
            ),
        },
        f"SELECT {_PLACES},\n  {', '.join(counts)},\n  countIf({overdue or 0}) AS overdue_cases\n"
        f"{_begun(family, fold, database, zone, moved, _digits(family, role))}\n"
        # Not by county and township: per case, and as two keys, they took a sixth of the time.
        "GROUP BY _place",
        family.topic,
    )


def breakdown(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    """Counts of cases by county and by one thing at a time: state, first day, each vocabulary.

    Never by two things at once, nor by a smaller place: such counts would describe single cases.
    """
    flags = _counted(fold, zone)
    first_day = f"toString(toDate({_at(fold.opens)}))"
    splits = {
        "state": _state(fold),
        "begun": f"if({_OPEN}, {first_day}, '')",
        **{
            f.name: _if_known(family, fold, f, f"toString({_said(f)})", "''")
            for f in family.facts
            if (f.choices or f.stored == "Bool") and not f.personal
        },
    }
    marked = ", ".join(f"toUInt8({sql}) AS {name}" for name, (sql, _) in flags.items())
    sums = ", ".join(f"sum(b.{name}) AS {name}" for name in flags)
    return PublishedView(
        f"{family.topic}_breakdown",
        f"{family.zh}·分项",
        Text(
            "Cases by county and one property at a time, as they stood at the instant `at`; each "
            "property counts every case once.",
            f"{family.zh}案件数，按县市区和单个项目，以时刻 `at` 的状态为准；"
            "每个项目下每案计一次。",
        ),
        {
            "county": _COUNTY,
            "split": Text(
                f"Property: {', '.join(splits)}; begun is the first day of an open case.",
                f"项目：{'，'.join(splits)}；begun 为未结案件的开始日期。",
            ),
            "part": Text(
                "Value of the property; empty when not known at the instant.",
                "该项目的取值；该时刻不明的为空。",
            ),
            **{name: text for name, (_, text) in flags.items()},
        },
        f"SELECT b._place AS county, split, part, {sums}\n"
        f"FROM (SELECT _place, {marked},\n"
        f"  [{', '.join(map(quoted, splits))}] AS splits,\n"
        f"  [{', '.join(splits.values())}] AS parts\n"
        f"{_begun(family, fold, database, zone, {}, '6')}) AS b\n"
        "ARRAY JOIN splits AS split, parts AS part\nGROUP BY b._place, split, part",
        family.topic,
    )


def duties(family: Family, fold: CaseFold, database: str, zone: str, role: Role) -> PublishedView:
    """How many cases met, missed or still run under each legal clock, by place."""
    still = "overdue = 1 OR open = 1 AND on_time IS NULL"
    judged = (
        f"SELECT _place, clock, open, {_overdue('due', 'met')} AS overdue,\n"
        f"    {_on_time('due', 'met', 'really_met')} AS on_time, if({still}, due, NULL) AS ends\n"
    )
    return PublishedView(
        f"{family.topic}_duties",
        f"{family.zh}·时限",
        Text(
            "Cases by county, township and legal clock that runs, counted as they stood at the "
            "instant `at`.",
            f"{family.zh}案件数，按县市区、乡镇街道和法定期限，以时刻 `at` 的状态为准。",
        ),
        {
            "county": _COUNTY,
            "township": TOWNSHIP_IF_SHOWN,
            "clock": _clock_names(family),
            "due": _DUE + Text("NULL when nothing is left to do.", "无须再办的为 NULL。"),
            "met": Text("Met in time.", "按期完成的案件数。"),
            "late": Text("Met late.", "逾期后完成的案件数。"),
            "past": Text("Past due and not met.", "已到期而未完成的案件数。"),
            "running": Text("Open and not due yet.", "未结且未到期的案件数。"),
        },
        f"SELECT {_PLACES}, clock, ends AS due, countIf(on_time = 1) AS met,\n"
        "  countIf(on_time = 0 AND overdue = 0) AS late, countIf(overdue = 1) AS past,\n"
        "  countIf(open = 1 AND on_time IS NULL) AS running\n"
        f"FROM ({judged}"
        f"  {_each_clock(family, fold, database, zone, [], _digits(family, role))})\n"
        "GROUP BY _place, clock, ends",
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
        if f.choices and not f.personal and _is_opening(family, fold, f)
    }
    if lapses := sorted({name for clock in family.clocks for name in clock.lapses}):
        on_time += _lapsed_by(lapses)
    shown = ["c.case AS case", *(f"{_said(f)} AS {name}" for name, f in sorts.items())]
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
            "clock": _clock_names(family),
            "due": _DUE,
            "overdue": Text(
                "1 when past due and not met at the instant.", "该时刻已到期而未完成时为1。"
            ),
            "on_time": on_time,
        },
        f"SELECT case, {_PLACES}, open, {', '.join([*sorts, 'clock'])}, due,\n"
        f"  {_overdue('due', 'met')} AS overdue,\n"
        f"  {_on_time('due', 'met', 'really_met')} AS on_time\n"
        + _each_clock(family, fold, database, zone, shown),
        family.topic,
    )


def _each_clock(
    family: Family,
    fold: CaseFold,
    database: str,
    zone: str,
    shown: Sequence[str],
    digits: str = "",
) -> str:
    """SQL from FROM on: the cases, one row per legal clock that runs, with the `shown` columns."""
    clocks = family.clocks
    terms = {name: sql for clock in clocks for name, sql in _clock_terms(clock).items()}
    running = {
        "clock": [quoted(clock.name) for clock in clocks],
        "due": [f"_{clock.name}_due" for clock in clocks],
        "met": [f"c.met_{clock.name}" for clock in clocks],
        "really_met": [_really_met(clock) for clock in clocks],
    }
    # One array per column: an array of tuples took the engine a third longer to fill and judge.
    arrays = [f"[{', '.join(cells)}] AS {name}s" for name, cells in running.items()]
    columns = [*shown, "_place", f"{_OPEN} AS open", _NOW, _NEVER, *arrays]
    return (
        f"FROM (SELECT {', '.join(columns)}\n"
        f"{_begun(family, fold, database, zone, terms, digits)})\n"
        f"ARRAY JOIN {', '.join(f'{name}s AS {name}' for name in running)}\n"
        f"WHERE due < {_NEVER}"
    )


def _clock_names(family: Family) -> Text:
    clocks = family.clocks
    zh = "，".join(f"{clock.name} {clock.zh}" for clock in clocks)
    return Text(f"Clock: {', '.join(clock.name for clock in clocks)}.", f"期限：{zh}。")


def _counted(fold: CaseFold, zone: str) -> dict[str, tuple[str, Text]]:
    """What is counted of cases: the condition and its meaning, by column."""
    opening, year = _at(fold.opens), _new_year(zone)
    ended = f"c.ended_at >= {year} AND c.ended_at <= {_NOW}"
    begun = "Cases begun {} of `at`."
    found = {
        "begun_today": (
            f"{opening} >= toStartOfDay({_NOW})",
            Text(begun.format("on the day"), "`at` 当日开始的案件数。"),
        ),
        "begun_this_year": (
            f"{opening} >= {year}",
            Text(begun.format("in the calendar year"), "`at` 所在年份开始的案件数。"),
        ),
        "open_cases": (
            _OPEN,
            Text("Cases not ended at the instant.", "该时刻未结束的案件数。"),
        ),
        "ended_this_year": (
            ended,
            Text("Cases ended in the calendar year of `at`.", "`at` 所在年份结束的案件数。"),
        ),
    }
    for type_ in fold.ends:
        found[ended_by(type_)] = (
            f"{ended} AND {_at(type_)} <= {_NOW}",
            Text(
                f"Those ended in the calendar year of `at` that have a {type_}.",
                f"`at` 所在年份结束且有 {type_} 的案件数。",
            ),
        )
    return found


def _new_year(zone: str) -> str:
    """SQL: the first instant of the year of the instant."""
    return f"toDateTime(toStartOfYear({_NOW}), {quoted(zone)})"


def _summed(family: Family, zone: str) -> dict[str, tuple[str, Text]]:
    """The totals that are facts of a case: their sum over the cases that say them this year."""
    year = _new_year(zone)
    return {
        f"{f.name}_this_year": (
            f"sumIf({_said(f)}, {said} >= {year} AND {said} <= {_NOW})",
            f.doc + Text("Said in the calendar year of `at`.", "只计 `at` 所在年份登记的。"),
        )
        for f in family.facts
        if f.total
        for said in [_first(family.sayers(f.name, "fact"))]
    }


def ended_by(type_: str) -> str:
    """Column that counts the cases ended this year with an event of the type."""
    return f"{verb(type_)}_this_year"


def steps(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    """One row per case and state it entered.

    The view takes no instant: a condition on `time` selects the states entered by an instant. The
    engine analyses a view with a parameter twice, and with it the cases' forty columns.
    """
    words = _case_words(family, fold)
    reached = ", ".join(
        f"({_at(name)}, toUInt8({n}), {quoted(state)})"
        for n, (name, state, _) in enumerate(fold.stages)
    )
    never = f"toDateTime64({quoted(NEVER)}, 3, {quoted(zone)})"
    place = _place(_digits(family, "clerk"))
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
        f"SELECT c.case AS case, {_PLACES},\n"
        f"  CAST({_at(fold.opens)} AS {moment(zone)}) AS begun,\n"
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


def _begun(
    family: Family,
    fold: CaseFold,
    database: str,
    zone: str,
    terms: Mapping[str, str],
    digits: str = "",
) -> str:
    """The cases begun by the instant, with the terms that their columns use."""
    # A term that many columns use is a column of its own: written out in each, or named by WITH, it
    # is analysed once per use, which took the engine twice as long as the cases themselves (D-30).
    shared = {
        _NOW: instant(zone),
        _NEVER: f"toDateTime64({quoted(NEVER)}, 3, {quoted(zone)})",
        _NONE: f"toDateTime64(0, 3, {quoted(zone)})",
        "_place": _place(digits or _digits(family, "clerk")),
        **terms,
    }
    return (
        f"FROM (SELECT *, {', '.join(f'{sql} AS {name}' for name, sql in shared.items())}\n"
        # A partition's watermark is a row without a case, which never begins.
        f"FROM `{database}`.`{target(family, fold)}` AS c FINAL) AS c\n"
        f"WHERE {_at(fold.opens)} <= {_NOW}"
    )


def _digits(family: Family, role: Role) -> str:
    """SQL: digits of the code by which a case is shown, of its township or of its county."""
    if not family.grain.shows("township", role):
        return "6"
    return "if(c.county_only = 1, 6, 9)" if family.county_only else "9"


def _place(digits: str) -> str:
    """SQL: the code of a case's place; shorter where the office knew no more than the county."""
    return f"substring(c.division, 1, {digits})"


def _case_words(family: Family, fold: CaseFold) -> dict[str, Text]:
    """Meaning of the columns that every view of cases begins with."""
    zh = {c.spec.name: c.spec.zh for c in family.events}
    return {
        "case": Text("Number of the case.", "案件编号。"),
        "county": _COUNTY,
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


_NOW, _NEVER, _NONE, _UNKNOWN = "_now", "_never", "_none", "_unknown"
"""Names in a view of cases: the instant to judge by, the latest and earliest instant, NULL."""
_PLACES: Final = codes_of("_place")
_OPEN: Final = f"c.ended_at > {_NOW}"
_DUE: Final = Text(
    "End of its last day, the midnight after it.", "期限届满的时刻，即末日次日零时。"
)
_ON_TIME: Final = Text(
    "1 met in time, 0 met late or overdue, NULL not due yet.",
    "按期为1，迟办或者逾期为0，未到期为 NULL。",
)
_COUNTY: Final = Text(
    "County of a case's first event, six digits.", "案件首个事件所在县市区的代码，6位。"
)


def _is_opening(family: Family, fold: CaseFold, fact: FieldSpec) -> bool:
    """Whether the opening event carries the fact, so that it is known for every case begun."""
    return fold.opens in family.sayers(fact.name, "fact")


def _if_known(family: Family, fold: CaseFold, fact: FieldSpec, said: str, none: str) -> str:
    """SQL: what a fact says, or `none` while it comes from an event after the instant."""
    if _is_opening(family, fold, fact):
        return said  # every row knows its opening
    return f"if({_first(family.sayers(fact.name, 'fact'))} > {_NOW}, {none}, {said})"


def _said(fact: FieldSpec) -> str:
    # The cast sheds the SimpleAggregateFunction type, which board clients cannot read. For an
    # instant `if` sheds it: `if` has the type of its first branch.
    return f"CAST(c.{fact.name} AS {fact.stored})"


def _known(instant_: str, name: str) -> str:
    return f"if({instant_} > {_NOW}, {_UNKNOWN}, {instant_}) AS {name}"


def _clock_terms(clock: Clock) -> dict[str, str]:
    """The terms of a clock's columns: when it is due, `_never` if it does not run."""
    due, start, terms = f"c.due_{clock.name}", _at(clock.starts), {}
    stopped = f"{start} > {_NOW}"
    if clock.moves:
        moved, latest = f"{due}_moved", _latest(clock)
        terms[latest] = (
            f"greatest(if({stopped} OR {due} = {_NEVER}, {_NONE}, {due}), "
            f"arrayMax((at, due) -> if(at > {_NOW}, {_NONE}, due), {moved}.1, {moved}.2))"
        )
        due, stopped = latest, f"{latest} = {_NONE}"
    return terms | {f"_{clock.name}_due": f"if({stopped}, {_NEVER}, {due})"}


def _clock(clock: Clock) -> Iterator[tuple[str, Text, str]]:
    """Name, meaning and SQL of the columns that judge a clock at the instant."""
    due, met = f"_{clock.name}_due", f"c.met_{clock.name}"
    yield (
        f"due_{clock.name}",
        Text(
            "End of its last day, the midnight after it; NULL: no such clock.",
            f"“{clock.zh}”期限届满的时刻，即末日次日零时；无此期限时为 NULL。",
        ),
        f"nullIf({due}, {_NEVER})",
    )
    yield (
        f"overdue_{clock.name}",
        Text(
            "1 when past due and not met at the instant.",
            f"该时刻“{clock.zh}”已到期而未完成时为1。依据：{clock.basis}。",
        ),
        _overdue(due, met),
    )
    yield (
        f"on_time_{clock.name}",
        _ON_TIME + _lapsed_by(clock.lapses) if clock.lapses else _ON_TIME,
        _on_time(due, met, _really_met(clock) if clock.lapses else ""),
    )


def _overdue(due: str, met: str) -> str:
    return f"{due} <= {_NOW} AND {met} > {_NOW}"


def _on_time(due: str, met: str, really_met: str) -> str:
    # A duty that lapsed in time was not done: as a success it would raise the rate of an office
    # that merges what it can't close. If it lapsed late, the duty was missed before (D-10).
    lapsed = f"{met} < {really_met}, NULL, " if really_met else ""
    # Before the due instant, not at it: a ledger with dates only says midnight, the next day.
    return (
        f"multiIf({due} = {_NEVER} OR least({met}, {due}) > {_NOW}, NULL, {met} >= {due}, 0, "
        f"{lapsed}1)"
    )


def _lapsed_by(types: Sequence[str]) -> Text:
    gone = ", ".join(types)
    return Text(
        f"NULL too when taken away in time by {gone}.", f"到期前因 {gone} 而终结的也为 NULL。"
    )


def _really_met(clock: Clock) -> str:
    """When the duty was done; events that make the clock lapse do not count."""
    if not clock.lapses:
        return f"c.met_{clock.name}"
    return _first([name for name in clock.ends if name not in clock.lapses])


def _past_due(clock: Clock) -> str:
    """`_overdue` in fewer terms: no clock is due before it starts, so one past due has started."""
    due, runs = f"c.due_{clock.name}", ""
    if clock.moves:
        due = _latest(clock)
        runs = f"{due} > {_NONE} AND "
    return f"{runs}{due} <= {_NOW} AND c.met_{clock.name} > {_NOW}"


def _latest(clock: Clock) -> str:
    """Name of the term with a moving clock's latest due instant known at the judged instant."""
    return f"_{clock.name}_latest"


def _first(types: Sequence[str]) -> str:
    first, *others = map(_at, types)
    return f"least({', '.join([first, *others])})" if others else first


def _at(type_: str) -> str:
    return f"c.{verb(type_)}_at"


def _state(fold: CaseFold) -> str:
    cases = ", ".join(
        f"{_at(name)} <= {_NOW}, {quoted(state)}" for name, state, _ in reversed(fold.stages)
    )
    return f"multiIf({cases}, '')"
