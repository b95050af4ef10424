"""What views of cases are made of: cases begun by an instant, their place, state and clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from schemas.clocks import Clock
from schemas.event import FieldSpec
from schemas.family import Family
from schemas.grain import Period, Role
from schemas.projections import NEVER, CaseFold, verb
from schemas.sql.columns import codes_of, instant, instant_before, quoted
from schemas.sql.targets import target
from schemas.words import Text

NOW, LATEST, EARLIEST, UNKNOWN = "_now", "_never", "_none", "_unknown"
"""Names in a view of cases: the instant to judge by, the latest and earliest instant, NULL."""
PLACE_CODES: Final = codes_of("_place")
OPEN: Final = f"c.ended_at > {NOW}"
DUE: Final = Text("End of its last day, the midnight after it.", "期限届满的时刻，即末日次日零时。")
CASE_COUNTY: Final = Text(
    "County of a case's first event, six digits.", "案件首个事件所在县市区的代码，6位。"
)


def begun(
    family: Family,
    fold: CaseFold,
    database: str,
    zone: str,
    terms: Mapping[str, str],
    digits: str = "",
    period: Period = "live",
) -> str:
    """The cases begun by the instant, with the terms that their columns use.

    The instant is `at`, or the end of the period before it.
    """
    # A term that many columns use is a column of its own: written out in each, or named by WITH, it
    # is analysed once per use, which took the engine twice as long as the cases themselves (D-30).
    shared = {
        NOW: instant(zone) if period == "live" else instant_before(zone, period),
        LATEST: f"toDateTime64({quoted(NEVER)}, 3, {quoted(zone)})",
        EARLIEST: f"toDateTime64(0, 3, {quoted(zone)})",
        "_place": place_at(digits or digits_of(family, "clerk")),
        **terms,
    }
    return (
        f"FROM (SELECT *, {', '.join(f'{sql} AS {name}' for name, sql in shared.items())}\n"
        # A partition's watermark is a row without a case, which never begins.
        f"FROM `{database}`.`{target(family, fold)}` AS c FINAL) AS c\n"
        f"WHERE {first_at(fold.opens)} <= {NOW}"
    )


def digits_of(family: Family, role: Role, period: Period = "live") -> str:
    """SQL: digits of the code by which a case is shown, of its township or of its county."""
    if not family.shows("township", role, period):
        return "6"
    return "if(c.county_only = 1, 6, 9)" if family.county_only else "9"


def place_at(digits: str) -> str:
    """SQL: the code of a case's place; shorter where the office knew no more than the county."""
    return f"substring(c.division, 1, {digits})"


def each_clock(
    family: Family,
    fold: CaseFold,
    database: str,
    zone: str,
    shown: Sequence[str],
    digits: str = "",
    period: Period = "live",
) -> str:
    """SQL from FROM on: the cases, one row per legal clock that runs, with the `shown` columns."""
    clocks = family.clocks
    terms = {name: sql for clock in clocks for name, sql in clock_terms(clock).items()}
    running = {
        "clock": [quoted(clock.name) for clock in clocks],
        "due": [f"_{clock.name}_due" for clock in clocks],
        "met": [f"c.met_{clock.name}" for clock in clocks],
        "really_met": [really_met(clock) for clock in clocks],
    }
    # One array per column: an array of tuples took the engine a third longer to fill and judge.
    arrays = [f"[{', '.join(cells)}] AS {name}s" for name, cells in running.items()]
    columns = [*shown, "_place", f"{OPEN} AS open", NOW, LATEST, *arrays]
    return (
        f"FROM (SELECT {', '.join(columns)}\n"
        f"{begun(family, fold, database, zone, terms, digits, period)})\n"
        f"ARRAY JOIN {', '.join(f'{name}s AS {name}' for name in running)}\n"
        f"WHERE due < {LATEST}"
    )


def clock_names(family: Family) -> Text:
    """Meaning of a column that names a legal clock."""
    clocks = family.clocks
    zh = "，".join(f"{clock.name} {clock.zh}" for clock in clocks)
    return Text(f"Clock: {', '.join(clock.name for clock in clocks)}.", f"期限：{zh}。")


def is_opening(family: Family, fold: CaseFold, fact: FieldSpec) -> bool:
    """Whether the opening event carries the fact, so that it is known for every case begun."""
    return fold.opens in family.sayers(fact.name, "fact")


def if_known(family: Family, fold: CaseFold, fact: FieldSpec, said: str, none: str) -> str:
    """SQL: what a fact says, or `none` while it comes from an event after the instant."""
    if is_opening(family, fold, fact):
        return said  # every row knows its opening
    return f"if({first_of(family.sayers(fact.name, 'fact'))} > {NOW}, {none}, {said})"


def fact_of(fact: FieldSpec) -> str:
    """SQL: the value of a fact, whatever the instant."""
    # The cast sheds the SimpleAggregateFunction type, which board clients cannot read. For an
    # instant `if` sheds it: `if` has the type of its first branch.
    return f"CAST(c.{fact.name} AS {fact.stored})"


def clock_terms(clock: Clock) -> dict[str, str]:
    """The terms of a clock's columns: when it is due, `_never` if it does not run."""
    due, start, terms = f"c.due_{clock.name}", first_at(clock.starts), {}
    stopped = f"{start} > {NOW}"
    if clock.moves:
        moved, latest = f"{due}_moved", latest_due(clock)
        terms[latest] = (
            f"greatest(if({stopped} OR {due} = {LATEST}, {EARLIEST}, {due}), "
            f"arrayMax((at, due) -> if(at > {NOW}, {EARLIEST}, due), {moved}.1, {moved}.2))"
        )
        due, stopped = latest, f"{latest} = {EARLIEST}"
    return terms | {f"_{clock.name}_due": f"if({stopped}, {LATEST}, {due})"}


def is_overdue(due: str, met: str) -> str:
    """SQL: whether a duty is past due and not met at the instant."""
    return f"{due} <= {NOW} AND {met} > {NOW}"


def is_on_time(due: str, met: str, really_met: str) -> str:
    """SQL: 1 for a duty done in time, 0 for one late or overdue, NULL for any other.

    Args:
        due: when it is due.
        met: when it ended, done or lapsed.
        really_met: when it was done; empty where it cannot lapse.
    """
    # A duty that lapsed in time was not done: as a success it would raise the rate of an office
    # that merges what it can't close. If it lapsed late, the duty was missed before (D-10).
    lapsed = f"{met} < {really_met}, NULL, " if really_met else ""
    # Before the due instant, not at it: a ledger with dates only says midnight, the next day.
    return (
        f"multiIf({due} = {LATEST} OR least({met}, {due}) > {NOW}, NULL, {met} >= {due}, 0, "
        f"{lapsed}1)"
    )


def really_met(clock: Clock) -> str:
    """When the duty was done; events that make the clock lapse do not count."""
    if not clock.lapses:
        return f"c.met_{clock.name}"
    return first_of([name for name in clock.ends if name not in clock.lapses])


def past_due(clock: Clock) -> str:
    """SQL: `is_overdue` in fewer terms: a clock past due has started, as none is due before."""
    due, runs = f"c.due_{clock.name}", ""
    if clock.moves:
        due = latest_due(clock)
        runs = f"{due} > {EARLIEST} AND "
    return f"{runs}{due} <= {NOW} AND c.met_{clock.name} > {NOW}"


def latest_due(clock: Clock) -> str:
    """Name of the term with a moving clock's latest due instant known at the judged instant."""
    return f"_{clock.name}_latest"


def first_of(types: Sequence[str]) -> str:
    """SQL: the first instant of an event of any of the types."""
    first, *others = map(first_at, types)
    return f"least({', '.join([first, *others])})" if others else first


def first_at(type_: str) -> str:
    """SQL: the first instant of an event of the type; 2299 while there is none."""
    return f"c.{verb(type_)}_at"


def state_of(fold: CaseFold) -> str:
    """SQL: the state at the instant."""
    cases = ", ".join(
        f"{first_at(name)} <= {NOW}, {quoted(state)}" for name, state, _ in reversed(fold.stages)
    )
    return f"multiIf({cases}, '')"
