"""A family: all event types of one topic, and the figures kept of them.

Making a family that contradicts itself raises SchemaError, so no figure depends on the order of
declarations (D-13), or on which of two declarations comes last.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import Final

from pydantic import ValidationError
from pydantic_core import to_json

from schemas.clocks import Clock
from schemas.errors import SchemaError
from schemas.event import Event, FieldSpec, example
from schemas.grain import PLACES, Grain, Period, Place, Role
from schemas.projections import HI, CaseFold, Diary, Projection, Rollup
from schemas.words import Text

PROJECTIONS_MAX: Final = 4  # each materialized view on a table writes one more part per insert
PARTITIONS_MAX: Final = 64
_TOPIC: Final = re.compile(r"[a-z]{2,20}")
_TYPE: Final = re.compile(r"[a-z]{2,20}\.[a-z]+(_[a-z]+)*")
_NAME: Final = re.compile(r"[a-z]+(_[a-z]+)*")
TAKEN_TOPICS: Final = frozenset(
    {"all", "events", "messages", "table", "recent", "common"}
    | {"wall", "county", "township", "village", "microgrid", "pipeline"}
)
"""Beginnings of the names of views, tables, files and boards that belong to no family."""
_RESERVED: Final = frozenset(
    {"kpart", "koff", "type", "county", "division", "township", "village", "grid", "hour", "day"}
    | {
        "month",
        "year",
        "case",
        "events",
        "state",
        "open",
        "ended_at",
        "county_only",
        "time",
        "status",
        HI,
    }
)

_OF_BALANCES: Final = frozenset({"raised", "spent", "balance"})


@dataclass(frozen=True, slots=True)
class Family:
    """All that derives from one file of `schemas/families`.

    Attributes:
        topic: Kafka topic; the names of the family's tables and views begin with it.
        key: field whose value is the Kafka key; every event type has it.
        events: in order of declaration. No figure depends on it: it orders pages, and the columns
            of targets, so another order makes an installation rebuild them.

    Raises:
        SchemaError: the family contradicts itself; raised when it is made.
    """

    topic: str
    key: str
    zh: str
    module: str
    partitions: int
    events: tuple[type[Event], ...]
    projections: tuple[Projection, ...]
    clocks: tuple[Clock, ...] = ()
    grain: Grain = field(default=Grain())
    county_only: tuple[str, str] | None = None
    doc: Text = field(default=Text("", ""), repr=False)

    def __post_init__(self) -> None:
        wrong = next(_contradictions(self), None)
        if wrong:
            raise SchemaError(f"Family {self.topic!r} in {self.module}: {wrong}.")

    @property
    def fold(self) -> CaseFold | None:
        """The fold of its cases; None where it has no cases."""
        return next((each for each in self.projections if isinstance(each, CaseFold)), None)

    @property
    def ledger(self) -> Rollup | None:
        """The rollup that keeps balances; None where there is no money to keep."""
        return next((each for each in self.rollups if each.balance), None)

    @property
    def diary(self) -> Diary | None:
        """The diary of its micro-grids; None where it has none."""
        return next((each for each in self.projections if isinstance(each, Diary)), None)

    @property
    def rollups(self) -> tuple[Rollup, ...]:
        """Its rollups, at most one per kind of place."""
        return tuple(each for each in self.projections if isinstance(each, Rollup))

    @property
    def totals(self) -> tuple[FieldSpec, ...]:
        """Every summed field of the family, each once, in order of first declaration."""
        return self._fields("total")

    @property
    def facts(self) -> tuple[FieldSpec, ...]:
        """Every field kept in the case fold, each once."""
        return self._fields("fact")

    def grain_of(self, total: FieldSpec) -> Grain:
        """The finest place and period at which a viewer sees a total."""
        # A number that an event says of its case describes that case.
        return total.grain or (Grain("county", self.closer) if self.fold else self.grain)

    @property
    def closer(self) -> Period:
        """The period of figures that look closer than a county's totals of events."""
        return self.grain.closer if self.fold else self.grain.period

    def shows(
        self, place: Place, role: Role, period: Period = "live", *, split: bool = False
    ) -> bool:
        """Whether readers of that role see its counts at that level, for that period.

        With `split`, by a property of the events or cases too.
        """
        near = split or place != "county"
        return replace(self.grain, period=self.closer if near else self.grain.period).shows(
            place, role, period
        )

    def _fields(self, mark: str) -> tuple[FieldSpec, ...]:
        found: dict[str, FieldSpec] = {}
        for cls in self.events:
            for spec in cls.fields.values():
                if getattr(spec, mark):
                    found.setdefault(spec.name, spec)
        return tuple(found.values())

    def event(self, type_: str) -> type[Event]:
        """The class of one event type; KeyError when there is none."""
        return {cls.spec.name: cls for cls in self.events}[type_]

    def fields_named(self, name: str) -> tuple[FieldSpec, ...]:
        """The declarations of field `name` in the event types that have it."""
        return tuple(cls.fields[name] for cls in self.events if name in cls.fields)

    def sayers(self, name: str, mark: str) -> tuple[str, ...]:
        """Event types with `mark` (`total` or `fact`) on field `name`; others may reuse it."""
        return tuple(
            cls.spec.name
            for cls in self.events
            if name in cls.fields and getattr(cls.fields[name], mark)
        )


def _contradictions(family: Family) -> Iterator[str]:
    """Every contradiction in a family, as clauses of the error message."""
    yield from _names(family)
    yield from _projections(family)
    yield from _clocks(family.clocks)
    yield from _unknown(family)
    yield from _fields(family)
    yield from _grains(family)
    yield from _corrections(family)
    yield from _examples(family)
    yield from _undescribed(family)
    if not family.rollups:
        yield "it has no rollup, so its events are counted nowhere"


def _names(family: Family) -> Iterator[str]:
    """Topics and types become names of tables, columns and metrics: one pattern each."""
    if not _TOPIC.fullmatch(family.topic):
        yield f"its topic {family.topic!r} is not 2 to 20 small letters"
    if family.topic in TAKEN_TOPICS:
        yield f"names that begin with {family.topic!r} are no family's"
    if not family.events:
        yield "it has no event type"
    if not 1 <= family.partitions <= PARTITIONS_MAX:
        yield f"{family.partitions} partitions are not 1 to {PARTITIONS_MAX}"
    yield from _namesakes_in_chinese(family)
    heads: dict[str, str] = {}
    for cls in family.events:
        name = cls.spec.name
        if not _TYPE.fullmatch(name):
            yield f"event type {name!r} of {cls.__name__} is not <family>.<verb> in small letters"
        if name in heads:
            yield f"two classes, {heads[name]} and {cls.__name__}, have one event name {name!r}"
        heads[name] = cls.__name__
    for one, other in pairwise(family.events):
        if one.spec.name.partition(".")[0] != other.spec.name.partition(".")[0]:
            yield f"{one.spec.name!r} and {other.spec.name!r} are named for two families"


def _namesakes_in_chinese(family: Family) -> Iterator[str]:
    for what, named in (
        ("event types", [(cls.spec.name, cls.spec.zh) for cls in family.events]),
        ("clocks", [(clock.name, clock.zh) for clock in family.clocks]),
        *(
            (f"fields of {cls.spec.name!r}", [(f.name, f.zh) for f in cls.fields.values()])
            for cls in family.events
        ),
    ):
        for (one, zh), (other, another) in combinations(named, 2):
            if zh == another and one != other:
                yield f"two {what}, {one!r} and {other!r}, have one Chinese name {zh!r}"


def _projections(family: Family) -> Iterator[str]:
    found = family.projections
    if len(found) > PROJECTIONS_MAX:
        yield f"{len(found)} projections are more than {PROJECTIONS_MAX}"
    for each in found:
        if not _NAME.fullmatch(each.name):
            yield f"projection {each.name!r} is not named in small letters"
        if each.name.endswith("_mv"):
            yield f"projection {each.name!r} is named like the view that feeds a projection"
    for one, other in combinations(found, 2):
        if one.name == other.name:
            yield f"two projections, {_spoken(one)} and {_spoken(other)}, have one name"
        for view in sorted(set(one.publishes) & set(other.publishes)):
            both = f"{_spoken(one)} and {_spoken(other)}"
            yield f"{both} would make one view, {family.topic}_{view}"
    for rollup in family.rollups:
        for dim in rollup.dims:
            if not any(f.choices for f in family.fields_named(dim)):
                yield f"{dim!r} divides {rollup.name!r} but is no vocabulary"
        if doubled := _doubled(rollup.dims):
            yield f"{rollup.name!r} is divided by {doubled!r} twice"
        yield from _balance(family, rollup)
    if family.diary:
        yield from _diary(family.diary)
    if family.fold:
        yield from _fold(family.fold)
    elif family.clocks:
        yield f"clock {family.clocks[0].name!r} has no case fold to stand in"


def _spoken(projection: Projection) -> str:
    return f"{type(projection).__name__} {projection.name!r}"


def _balance(family: Family, rollup: Rollup) -> Iterator[str]:
    balance = rollup.balance
    if balance is None:
        return
    if rollup.place != "division":
        yield f"ledger {rollup.name!r} is by county: balances are kept by division"
    if not all(f.money for f in family.fields_named(balance.amount)):
        yield f"ledger {rollup.name!r} adds up {balance.amount!r}, which is no money"
    if balance.raised == balance.spent:
        yield f"ledger {rollup.name!r} raises and spends by one event type {balance.raised!r}"
    for type_ in (balance.raised, balance.spent):
        if type_ not in family.sayers(balance.amount, "total"):
            yield f"ledger {rollup.name!r}: {type_!r} has no total {balance.amount!r}"
        elif balance.by not in family.event(type_).fields:
            yield f"ledger {rollup.name!r}: {type_!r} has no field {balance.by!r} to keep it by"
    if balance.by in _OF_BALANCES:
        yield f"ledger {rollup.name!r} is kept by {balance.by!r}, the name of a column of balances"
    for dim in (balance.by, balance.opening[0]):
        if dim and dim not in rollup.dims:
            yield f"ledger {rollup.name!r} is not divided by {dim!r}"
    name, value = balance.opening
    if name and not any(value in f.choices for f in family.fields_named(name)):
        yield f"{name!r} has no value {value!r}, which marks the openings of {rollup.name!r}"


def _diary(diary: Diary) -> Iterator[str]:
    kept = (diary.seen, *diary.also)
    for what, found in (
        ("event type", [each.type for each in kept]),
        ("column", [diary.last, *(each.column for each in kept)]),
    ):
        if doubled := _doubled(found):
            yield f"diary {diary.name!r} has one {what} {doubled!r} twice"


def _fold(fold: CaseFold) -> Iterator[str]:
    if not fold.stages:
        yield f"case fold {fold.name!r} has no stages"
    if not fold.ends or fold.opens in fold.ends:
        yield f"case fold {fold.name!r} has no end, or ends with what opens it, {fold.opens!r}"
    for stage in fold.stages:
        if not _NAME.fullmatch(stage.state) or not stage.zh:
            yield f"stage {stage.type!r} of {fold.name!r} has no state in small letters, or no zh"
    for what, values in (
        ("event type", [stage.type for stage in fold.stages]),
        ("state", [stage.state for stage in fold.stages]),
        ("Chinese name", [stage.zh for stage in fold.stages]),
    ):
        if doubled := _doubled(values):
            yield f"two stages of {fold.name!r} have one {what} {doubled!r}"
    if fold.stages and fold.opens != fold.stages[0].type:
        yield f"case fold {fold.name!r} opens with {fold.opens!r}, which is not its first stage"


def _doubled(values: Iterable[str]) -> str:
    counted = Counter(values)
    return next((value for value, times in counted.items() if times > 1), "")


def _clocks(clocks: Sequence[Clock]) -> Iterator[str]:
    for (m, one), (n, other) in combinations(enumerate(clocks), 2):
        if one.name == other.name:
            yield (
                f"clocks[{m}] ({one.zh}, {one.basis}) and clocks[{n}] ({other.zh}, {other.basis}) "
                f"share the name {one.name!r} and so their columns: give one clock a term for "
                "each length, or the two a name each"
            )
    for clock in clocks:
        if not _NAME.fullmatch(clock.name):
            yield f"clock {clock.name!r} is not named in small letters"
        if not clock.terms or not clock.zh:
            yield f"clock {clock.name!r} has no term, or no Chinese name"
        if stray := set(clock.lapses) - set(clock.ends):
            yield f"clock {clock.name!r} lapses by {min(stray)!r}, which does not end it"
        if set(clock.ends) <= set(clock.lapses):
            yield f"clock {clock.name!r} has no end that meets it"
        if clock.starts in (*clock.ends, clock.extends):
            yield f"clock {clock.name!r} ends or is extended by what starts it, {clock.starts!r}"
        for term in clock.terms:
            if term.days < 1 or term.longest < 0 or not term.basis:
                yield (
                    f"a term of clock {clock.name!r} has {term.days} days, {term.longest} more at "
                    f"most, and the basis {term.basis!r}: at least 1 day, 0 more, and an article"
                )
            if bool(term.when[0]) != bool(term.when[1]):
                yield f"a term of clock {clock.name!r} names a field or values alone: {term.when}"
        for first, second in combinations(clock.terms, 2):
            (name, values), (another, others) = first.when, second.when
            if not name or name != another or set(values) & set(others):
                yield (
                    f"two terms of clock {clock.name!r}, {first.days} days ({first.basis}) and "
                    f"{second.days} days ({second.basis}), may cover one case"
                )
        if not clock.extends and any(term.longest for term in clock.terms):
            yield f"clock {clock.name!r} has terms that nothing extends"


def _unknown(family: Family) -> Iterator[str]:
    """Event types, and fields of event types, that are named but do not exist."""
    said = {t for cls in family.events for t in (cls.spec.corrects, *cls.spec.voids)}
    for clock in family.clocks:
        said |= {clock.starts, clock.extends, *clock.ends}
    if family.fold:
        said |= {family.fold.opens, *(stage.type for stage in family.fold.stages)}
        said |= set(family.fold.ends)
    if family.diary:
        said |= set(family.diary.types)
    there = {cls.spec.name for cls in family.events}
    if unknown := sorted(said - there - {""}):
        yield f"{unknown[0]!r} is named but is none of its events"
        return
    for clock in family.clocks:
        if clock.extends:
            fields = family.event(clock.extends).fields
            said_by = {n: f.stored for n, f in fields.items() if not f.optional}
            if (said_by.get("days"), said_by.get("since")) != ("Int64", "DateTime64(3)"):
                yield f"{clock.extends!r} extends a clock but has no fields days and since"
        for term in clock.terms:
            yield from _uncovered(family, clock, *term.when)


def _uncovered(family: Family, clock: Clock, name: str, values: Sequence[str]) -> Iterator[str]:
    for type_ in filter(None, (clock.starts, clock.extends)):
        spec = family.event(type_).fields.get(name)
        if name and (spec is None or not set(values) <= set(spec.choices)):
            yield f"clock {clock.name!r} asks {type_!r} for {name} {values}, which it cannot say"


def _fields(family: Family) -> Iterator[str]:
    for f in (*family.totals, *family.facts):
        if f.name in _RESERVED:
            yield f"field {f.name!r} has the name of a column of every target"
    for (where, one), (there, other) in _namesakes(family):
        yield from _differences(where, one, there, other)
    if family.county_only:
        name, value = family.county_only
        if not any(value in f.choices for f in family.fields_named(name)):
            yield f"{name!r} has no value {value!r}, which is shown at the county alone"


def _differences(where: str, one: FieldSpec, there: str, other: FieldSpec) -> Iterator[str]:
    """What two fields of one name differ in that one column of a table cannot."""
    name, zh, other_zh = one.name, one.labels, other.labels
    if one.stored != other.stored or one.money != other.money:
        yield f"field {name!r} has one type in {where!r} and another in {there!r}"
    if bool(one.choices) != bool(other.choices):
        yield f"field {name!r} is a vocabulary in {where!r} or in {there!r}, not in both"
    for value in sorted(v for v in zh.keys() & other_zh.keys() if zh[v] != other_zh[v]):
        both = f"{zh[value]!r} in {where!r} and {other_zh[value]!r} in {there!r}"
        yield f"value {value!r} of field {name!r} is {both}"
    if one.total and other.total and one.grain != other.grain:
        yield f"total {name!r} has one grain in {where!r} and another in {there!r}"


def _namesakes(family: Family) -> Iterator[tuple[tuple[str, FieldSpec], tuple[str, FieldSpec]]]:
    """Every two fields of one name, each with its event type."""
    found = [(cls.spec.name, f) for cls in family.events for f in cls.fields.values()]
    return (pair for pair in combinations(found, 2) if pair[0][1].name == pair[1][1].name)


def _grains(family: Family) -> Iterator[str]:
    if family.grain.period != "live":
        yield "its counts are of years that are over, but its views count events as they come in"
    if family.fold and family.closer == "live":
        yield "viewers see its cases closer as they move: what moves together is of one case"
    if family.fold and family.fold.listed and not family.shows("township", "viewer", "year"):
        yield f"viewers see the cases of {family.fold.name!r} by township, finer than their count"
    for f in family.totals:
        grain = family.grain_of(f)
        if PLACES.index(grain.place) > PLACES.index(family.grain.place):
            # A row of the total would tell that there was an event.
            yield f"total {f.name!r} is shown by {grain.place}, finer than the count of its events"
        if grain.period != "live" and grain.place != "county":
            yield (
                f"total {f.name!r} is shown by {grain.period} and {grain.place}: {grain.period}s "
                "are by county alone"
            )
        if family.fold and grain.period == "live":
            yield f"total {f.name!r} moves with the event of one case, and so tells what it says"


def _corrections(family: Family) -> Iterator[str]:
    """A correction replaces the whole content, so it says all that the original says."""
    there = {cls.spec.name: cls for cls in family.events}
    for cls in family.events:
        original = there.get(cls.spec.corrects)
        if original and (missing := sorted(original.fields.keys() - cls.fields.keys())):
            yield f"{cls.spec.name!r} corrects {original.spec.name!r} but has no {missing[0]!r}"


def _examples(family: Family) -> Iterator[str]:
    for cls in family.events:
        try:
            content = cls.model_validate_json(to_json(example(cls)))
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            yield f"the examples of {cls.spec.name!r} make no valid event: {where or 'as a whole'}"
        else:
            if wrong := cls.incoherent(content.model_dump()):
                yield f"the examples of {cls.spec.name!r} contradict each other: {wrong}"


def _undescribed(family: Family) -> Iterator[str]:
    for cls in family.events:
        for name, doc in (
            (cls.spec.name, cls.spec.doc),
            *((f.name, f.doc) for f in cls.fields.values()),
        ):
            if not doc.whole:
                yield f"{name!r} of {cls.__name__} is not described in English and in Chinese"
    if not family.doc.whole:
        yield "it is not described in English and in Chinese"
