"""A class or family with a contradiction is refused when it is created."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import pytest

from schemas.clocks import Clock, Term
from schemas.errors import SchemaError
from schemas.event import Content, Event, field
from schemas.families import _family, families, family
from schemas.projections import (
    Balance,
    CaseFold,
    Diary,
    Kept,
    Projection,
    Rollup,
    Stage,
)
from schemas.sql.published import published
from schemas.words import CaseId, Labels, Moment, Note, Persons, Pseudonym, Sealed


class Trial(Event, topic="trials", key="case", zh="试"):
    """A family used only by these tests."""

    case: CaseId = field("Case.", "案。", zh="案", example="C-1")


def renamed(content: Content) -> Content:
    return content


def no_zh() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        case: CaseId

    return Made


def no_example() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        count: Persons = field("How many.", "数。", zh="数")

    return Made


def labels_missing() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        kind: Annotated[Literal["a", "b"], Labels(a="甲")] = field(
            "Kind.", "类。", zh="类", example="a"
        )

    return Made


def labels_of_nothing() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        kind: Annotated[Literal["a"], Labels(a="甲", b="乙")] = field(
            "Kind.", "类。", zh="类", example="a"
        )

    return Made


def vocabulary_of_numbers() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        kind: Annotated[Literal[1, 2], Labels()] = field("Kind.", "类。", zh="类", example=1)

    return Made


def text_as_total() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        note: Note = field("Note.", "注。", zh="注", example="x", total=True)

    return Made


def sealed_as_fact() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        text: Sealed | None = field("Text.", "文。", zh="文", default=None, fact=True)

    return Made


def nested() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        many: list[int] = field("Many.", "多。", zh="多", example=[1])

    return Made


def fraction() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        share: float = field("Share.", "份。", zh="份", example=0.5)

    return Made


def either() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        code: int | str = field("Code.", "码。", zh="码", example=1)

    return Made


def other_default() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        note: Note | None = field("Note.", "注。", zh="注", default="x")

    return Made


def gap_in_upcasts() -> type:
    class Made(Trial, name="trial.made", zh="试", version=3):
        upcasts: ClassVar = {1: renamed}

    return Made


def upcast_from_the_future() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        upcasts: ClassVar = {1: renamed}

    return Made


def correction_of_nothing() -> type:
    class Made(Trial, name="trial.made", zh="试", corrects="trial.taken"):
        pass

    return Made


def no_family() -> type:
    class Made(Event, name="trial.made", zh="试"):
        pass

    return Made


def key_is_no_field() -> type:
    class Head(Event, topic="trials", key="household", zh="试"):
        pass

    class Made(Head, name="trial.made", zh="试"):
        pass

    return Made


WRONG: dict[Callable[[], type], str] = {
    no_zh: r"Made\.case is not declared with schemas' field\(\)",
    no_example: r"Made\.count has no example",
    labels_missing: r"Made\.kind: its labels do not name exactly its values",
    labels_of_nothing: r"Made\.kind: its labels do not name exactly its values",
    vocabulary_of_numbers: r"Made\.kind is no text, whole number, truth or instant",
    text_as_total: r"Made\.note is totalled but is no plain integer",
    sealed_as_fact: r"Made\.text: sealed as a fact",
    nested: r"Made\.many is no text, whole number, truth or instant",
    fraction: r"Made\.share is no text, whole number, truth or instant",
    either: r"Made\.code is no text, whole number, truth or instant",
    other_default: r"Made\.note may be absent, so its default must be None",
    gap_in_upcasts: r"Made is version 3: upcasts for \[2\] are missing",
    upcast_from_the_future: r"Made is version 1: upcasts from \[1\] are no past",
    correction_of_nothing: r"Made is corrective but has no field 'corrects'",
    no_family: r"Made: its family names no topic",
    key_is_no_field: r"Made: its family names no topic, or key 'household' is no field",
}


@pytest.mark.parametrize(("make", "says"), WRONG.items(), ids=[f.__name__ for f in WRONG])
def test_a_class_that_contradicts_itself_is_refused(make: Callable[[], type], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        make()


TERM = Term(60, "条例 34")
CLOSE = Clock("close", "办结", "petition.accepted", (TERM,), ends=("petition.closed",))
STAGE = Stage("petition.registered", "registered", "已登记")
FOLD = CaseFold("cases", "petition.registered", (STAGE,))
DAILY = Rollup("daily", "division")
MONEY = Balance("amount", "fund.contributed", "fund.disbursed", "source", ("entry", "opening"))
LEDGER = Rollup("ledger", "division", ("source", "use", "entry"), MONEY)
SEEN = Kept("visit.recorded", "visits", "走访", "Visits", "走访户次")


def by_route(days: int, *routes: str, longest: int = 0) -> Term:
    return Term(days, f"条例 31 ({days})", when=("route", routes), longest=longest)


def with_clocks(*clocks: Clock) -> dict[str, Any]:
    return {"clocks": clocks}


def with_kept(*projections: Projection) -> dict[str, Any]:
    return {"projections": projections, "clocks": ()}


FAMILY_WRONG: list[tuple[str, dict[str, Any], str]] = [
    # Dimensions of a figure
    ("petitions", with_kept(Rollup("a", "county", dims=("people",))), "'people' divides 'a'"),
    ("petitions", with_kept(Rollup("a", "county", dims=("color",))), "'color' divides 'a'"),
    ("petitions", with_kept(*(Rollup(n, "county") for n in "abcde")), "5 projections"),
    # Names: duplicates, and invalid ones
    (
        "petitions",
        with_kept(DAILY, Rollup("weekly", "division")),
        "Rollup 'daily' and Rollup 'weekly' would make one view, petitions_by_township_day",
    ),
    (
        "petitions",
        with_kept(FOLD, replace(FOLD, name="files")),
        "CaseFold 'cases' and CaseFold 'files' would make one view, petitions_deadlines",
    ),
    (
        "visits",
        with_kept(replace(DAILY, name="x"), Diary("x", "走访", SEEN, "last_visit")),
        "two projections, Rollup 'x' and Diary 'x', have one name",
    ),
    ("petitions", with_kept(replace(DAILY, name="Daily")), "'Daily' is not named in small"),
    ("petitions", {"topic": "Petitions"}, "topic 'Petitions' is not 2 to 20 small letters"),
    ("petitions", {"topic": "peti_tions"}, "topic 'peti_tions' is not"),
    ("petitions", {"topic": "peti-tions"}, "topic 'peti-tions' is not"),
    ("petitions", {"topic": "p"}, "topic 'p' is not"),
    ("petitions", {"topic": "p" * 21}, "is not 2 to 20 small letters"),
    ("petitions", {"topic": "events"}, "names that begin with 'events' are no family's"),
    # Cases
    ("petitions", with_kept(replace(FOLD, stages=())), "case fold 'cases' has no stages"),
    (
        "petitions",
        with_kept(replace(FOLD, stages=(STAGE, Stage("petition.opened", "open", "已开")))),
        "'petition.opened' is named but is none of its events",
    ),
    (
        "petitions",
        with_kept(replace(FOLD, ends=("petition.shut",))),
        "'petition.shut' is named",
    ),
    (
        "petitions",
        with_kept(replace(FOLD, stages=(STAGE, Stage("petition.closed", "registered", "已办结")))),
        "two stages of 'cases' have one state 'registered'",
    ),
    (
        "petitions",
        with_kept(replace(FOLD, stages=(STAGE, Stage("petition.closed", "closed", "已登记")))),
        "two stages of 'cases' have one Chinese name '已登记'",
    ),
    (
        "petitions",
        with_kept(replace(FOLD, stages=(STAGE, STAGE._replace(state="again")))),
        "two stages of 'cases' have one event type 'petition.registered'",
    ),
    (
        "petitions",
        with_kept(replace(FOLD, opens="petition.accepted")),
        "case fold 'cases' opens with 'petition.accepted', which is not its first stage",
    ),
    # Clocks
    ("petitions", {"projections": (DAILY,)}, "clock 'transfer' has no case fold to stand in"),
    ("petitions", with_clocks(replace(CLOSE, starts="petition.taken")), "'petition.taken' is nam"),
    ("petitions", with_clocks(replace(CLOSE, ends=("petition.shut",))), "'petition.shut' is named"),
    (
        "petitions",
        with_clocks(replace(CLOSE, extends="petition.rated")),
        "no fields days and since",
    ),
    (
        "petitions",
        with_clocks(replace(CLOSE, lapses=("petition.merged",))),
        "lapses by 'petition.merged', which does not end it",
    ),
    (
        "petitions",
        with_clocks(CLOSE, replace(CLOSE, zh="履职", terms=(by_route(90, "31.5"),))),
        r"clocks\[0\] \(办结, 条例 34\) and clocks\[1\] \(履职, 条例 31 \(90\)\) share the name",
    ),
    ("petitions", with_clocks(CLOSE, replace(CLOSE, counts="last")), "share the name 'close'"),
    ("petitions", with_clocks(CLOSE, CLOSE), "share the name 'close'"),
    ("petitions", with_clocks(replace(CLOSE, name="to close")), "clock 'to close' is not named"),
    ("petitions", with_clocks(replace(CLOSE, terms=())), "clock 'close' has no term"),
    (
        "petitions",
        with_clocks(replace(CLOSE, terms=(by_route(60, "31.6"), by_route(90, "31.5", "31.6")))),
        r"60 days \(条例 31 \(60\)\) and 90 days \(条例 31 \(90\)\), may cover one case",
    ),
    ("petitions", with_clocks(replace(CLOSE, terms=(TERM, by_route(90, "31.5")))), "may cover one"),
    (
        "petitions",
        with_clocks(replace(CLOSE, terms=(by_route(60, "31.7"),))),
        "asks 'petition.accepted' for route",
    ),
    (
        "petitions",
        with_clocks(replace(CLOSE, terms=(by_route(60, "31.6", longest=30),))),
        "clock 'close' has terms that nothing extends",
    ),
    # Money
    ("funds", with_kept(replace(LEDGER, place="county")), "ledger 'ledger' is by county"),
    (
        "funds",
        with_kept(replace(LEDGER, balance=replace(MONEY, amount="projects"))),
        "adds up 'projects', which is no money",
    ),
    (
        "funds",
        with_kept(replace(LEDGER, balance=replace(MONEY, raised="fund.reversed"))),
        "'fund.reversed' has no total 'amount'",
    ),
    ("funds", with_kept(replace(LEDGER, dims=("use", "entry"))), "is not divided by 'source'"),
    ("funds", with_kept(replace(LEDGER, dims=("source", "use"))), "is not divided by 'entry'"),
    (
        "funds",
        with_kept(replace(LEDGER, balance=replace(MONEY, opening=("entry", "closing")))),
        "'entry' has no value 'closing'",
    ),
    ("petitions", with_kept(FOLD), "it has no rollup, so its events are counted nowhere"),
    ("petitions", {"county_only": ("kind", "rumour")}, "'kind' has no value 'rumour'"),
]


@pytest.mark.parametrize(("topic", "change", "says"), FAMILY_WRONG)
def test_a_family_that_contradicts_itself_is_refused_with_both_places_named(
    topic: str, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(SchemaError, match=says):
        replace(family(topic), **change)


def test_a_family_means_the_same_in_whatever_order_it_is_declared() -> None:
    for found in families():
        turned = replace(
            found,
            events=found.events[::-1],
            projections=found.projections[::-1],
            clocks=found.clocks[::-1],
        )
        assert (turned.key, turned.fold, turned.ledger, turned.diary) == (
            *(found.key, found.fold, found.ledger, found.diary),
        )
        straight, other = (published([f], "gulou", "Asia/Shanghai") for f in (found, turned))
        assert {v.name: sorted(v.columns) for v in straight} == {
            v.name: sorted(v.columns) for v in other
        }


def test_two_views_of_one_name_are_refused_whatever_makes_them() -> None:
    with pytest.raises(SchemaError, match="views have the name 'funds_by_county_hour'"):
        published([family("funds"), family("funds")], "gulou", "Asia/Shanghai")


def test_two_classes_of_one_name_and_reserved_or_ambiguous_fields_are_refused() -> None:
    class Taken(Trial, name="trial.taken", zh="试"):
        state: Note | None = field("State.", "态。", zh="态", default=None, fact=True)

    class Counted(Trial, name="trial.counted", zh="试"):
        size: Persons = field("Size.", "大小。", zh="大小", example=1, total=True)

    class Named(Trial, name="trial.named", zh="试"):
        size: Note = field("Size.", "大小。", zh="大小", example="大")

    plain = replace(family("funds"), clocks=(), projections=())
    for events, says in (
        ((Counted, Counted), "two classes, Counted and Counted, have one event name"),
        ((Taken,), "field 'state' has the name of a column"),
        ((Counted, Named), "field 'size' has one type in one event and another in another"),
    ):
        with pytest.raises(SchemaError, match=says):
            replace(plain, events=events)


def test_a_file_without_a_family_class_is_refused_by_its_name() -> None:
    module = types.ModuleType("schemas.empty")
    with pytest.raises(SchemaError, match=r"schemas\.empty"):
        _family(module)


def test_families_are_found_by_their_files_in_the_order_of_their_topics() -> None:
    found = [(f.topic, f.zh, f.module, f.partitions) for f in families()]
    assert found == sorted(found)
    assert {
        ("funds", "幸福基金", "schemas.families.fund", 4),
        ("mediations", "调解", "schemas.families.mediation", 4),
        ("petitions", "信访", "schemas.families.petition", 4),
        ("visits", "走访", "schemas.families.visit", 4),
    } <= set(found)
    with pytest.raises(KeyError):
        family("weather")


def test_events_are_named_in_the_past_tense_of_their_family() -> None:
    for found in families():
        heads = {cls.spec.name.partition(".")[0] for cls in found.events}
        assert heads == {found.module.removeprefix("schemas.families.")}
        assert all(cls.__doc__ and cls.spec.zh for cls in found.events)


def test_content_cannot_be_changed_and_takes_no_field_it_does_not_know() -> None:
    made = (
        family("funds")
        .events[0]
        .model_validate({"account": "F-1", "amount": 5, "source": "pledge"})
    )
    with pytest.raises(ValueError, match="frozen"):
        made.amount = 6  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="Extra inputs"):
        type(made).model_validate({"account": "F-1", "amount": 5, "source": "pledge", "x": 1})


def test_fields_tell_what_derives_from_them() -> None:
    class Seen(Trial, name="trial.seen", zh="试"):
        at: Moment = field("When.", "时。", zh="时", example="2021-03-01T09:00:00+08:00")
        who: Pseudonym | None = field("Who.", "谁。", zh="谁", default=None, fact=True)
        text: Sealed | None = field("Text.", "文。", zh="文", default=None)

    def told(name: str) -> tuple[object, ...]:
        spec = Seen.fields[name]
        return spec.stored, spec.optional, spec.personal, spec.sealed, spec.bare

    assert told("case") == ("String", False, False, False, False)
    assert told("at") == ("DateTime64(3)", False, False, False, False)
    assert told("who") == ("String", True, True, False, False)
    assert told("text") == ("", True, True, True, False)
