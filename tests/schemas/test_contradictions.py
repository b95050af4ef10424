"""A family with a contradiction is refused when it is created."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

import schemas.families
from schemas.clocks import Clock, Term
from schemas.errors import SchemaError
from schemas.event import Event, field
from schemas.families import _apart, _family, families, family
from schemas.families.petition import Petition
from schemas.family import Family
from schemas.grain import Grain
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
from schemas.sql.targets import columns
from schemas.words import CaseId, Fen, Labels, Note, Persons


class Trial(Event, topic="trials", key="case", zh="试"):
    """A family used only by these tests."""

    case: CaseId = field("Case.", "案。", zh="案", example="C-1")


class Keyed(Event, topic="trials", key="item", zh="试"):
    """The same with another key."""

    item: CaseId = field("Item.", "件。", zh="件", example="C-1")


TERM = Term(60, "条例 34")
CLOSE = Clock("close", "办结", "petition.accepted", (TERM,), ends=("petition.closed",))
STAGE = Stage("petition.registered", "registered", "已登记")
FOLD = CaseFold("cases", "petition.registered", (STAGE,), ("petition.closed",))
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
        "CaseFold 'cases' and CaseFold 'files' would make one view, petitions_breakdown",
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
    (
        "petitions",  # one of two is enough
        with_clocks(replace(CLOSE, terms=(by_route(60, "31.6", longest=30), by_route(90, "31.5")))),
        "clock 'close' has terms that nothing extends",
    ),
    (
        "petitions",
        with_clocks(replace(CLOSE, ends=())),
        "clock 'close' has no end that meets it",
    ),
    (
        "petitions",
        with_clocks(replace(CLOSE, lapses=CLOSE.ends)),
        "clock 'close' has no end that meets it",
    ),
    (
        "petitions",
        with_clocks(replace(CLOSE, ends=("petition.closed", "petition.accepted"))),
        "ends or is extended by what starts it, 'petition.accepted'",
    ),
    (
        "petitions",
        with_clocks(replace(CLOSE, extends="petition.accepted")),
        "ends or is extended by what starts it, 'petition.accepted'",
    ),
    *(
        (
            "petitions",
            with_clocks(replace(CLOSE, terms=(replace(TERM, **wrong),))),
            f"a term of clock 'close' has {said}",
        )
        for wrong, said in (
            ({"days": 0}, "0 days"),
            ({"days": -5}, "-5 days"),
            ({"longest": -1}, "60 days, -1 more"),
            ({"basis": ""}, "60 days, 0 more at most, and the basis ''"),
        )
    ),
    *(
        (
            "petitions",
            with_clocks(replace(CLOSE, terms=(replace(TERM, when=when),))),
            "a term of clock 'close' names a field or values alone",
        )
        for when in (("", ("31.5",)), ("route", ()))
    ),
    ("petitions", with_clocks(CLOSE, replace(CLOSE, name="end")), "have one Chinese name '办结'"),
    ("petitions", with_clocks(replace(CLOSE, zh="")), "has no term, or no Chinese name"),
    # Cases again
    ("petitions", with_kept(DAILY, replace(FOLD, ends=())), "'cases' has no end"),
    (
        "petitions",
        with_kept(DAILY, replace(FOLD, ends=("petition.closed", "petition.registered"))),
        "ends with what opens it, 'petition.registered'",
    ),
    (
        "petitions",
        with_kept(DAILY, replace(FOLD, stages=(STAGE._replace(state=""),))),
        "stage 'petition.registered' of 'cases' has no state",
    ),
    # Families
    ("petitions", {"events": ()}, "it has no event type"),
    ("petitions", {"partitions": 0}, "0 partitions are not 1 to 64"),
    ("petitions", {"partitions": 65}, "65 partitions are not 1 to 64"),
    ("petitions", {"topic": "wall"}, "names that begin with 'wall' are no family's"),
    ("petitions", {"topic": "common"}, "names that begin with 'common' are no family's"),
    ("petitions", with_kept(), "it has no rollup"),
    ("petitions", with_kept(replace(DAILY, name="daily_mv")), "'daily_mv' is named like the view"),
    ("funds", with_kept(replace(DAILY, dims=("use", "use"))), "is divided by 'use' twice"),
    (
        "visits",
        with_kept(DAILY, Diary("x", "走访", SEEN, "last_visit", (SEEN._replace(type="visit.x"),))),
        "diary 'x' has one column 'visits' twice",
    ),
    (
        "visits",
        with_kept(DAILY, Diary("x", "走访", SEEN, "last", (SEEN._replace(column="n"),))),
        "diary 'x' has one event type 'visit.recorded' twice",
    ),
    # Money
    (
        "funds",
        with_kept(replace(LEDGER, balance=replace(MONEY, spent="fund.contributed"))),
        "raises and spends by one event type 'fund.contributed'",
    ),
    (
        "funds",
        with_kept(replace(LEDGER, balance=replace(MONEY, by=""))),
        "'fund.contributed' has no field '' to keep it by",
    ),
    (
        "funds",
        with_kept(replace(LEDGER, balance=replace(MONEY, by="use"))),
        "'fund.contributed' has no field 'use' to keep it by",
    ),
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
    # What a viewer sees
    ("visits", {"grain": Grain("county", "year")}, "its counts are of years that are over"),
    (
        "petitions",
        {"grain": Grain("county"), **with_kept(DAILY, replace(FOLD, listed=True))},
        "viewers see the cases of 'cases' by township, finer than their count",
    ),
    (
        "petitions",
        {"grain": Grain("township", closer="live")},
        "what moves together is of one case",
    ),
]


@pytest.mark.parametrize(
    ("grain", "says"),
    [
        (Grain("village"), "'size' is shown by village, finer than the count of its events"),
        (Grain("township", "year"), "'size' is shown by year and township: years are by county"),
    ],
)
def test_a_total_that_would_tell_more_than_its_count_is_refused(grain: Grain, says: str) -> None:
    class Shown(Trial, name="trial.shown", zh="示"):
        size: Persons = field("Size.", "大小。", zh="大小", example=1, total=True, grain=grain)

    plain = replace(family("funds"), clocks=(), projections=(DAILY,), grain=Grain("township"))
    with pytest.raises(SchemaError, match=says):
        replace(plain, events=(Shown,))


def test_a_number_of_a_case_is_of_a_county_and_a_month_that_is_over() -> None:
    petitions = family("petitions")
    assert {petitions.grain_of(f) for f in petitions.totals} == {Grain("county", "month")}

    class Shown(Petition, name="petition.shown", zh="示"):
        size: Persons = field("Size.", "大小。", zh="大小", example=1, total=True,
                              grain=Grain("county"))  # fmt: skip

    with pytest.raises(SchemaError, match="'size' moves with the event of one case"):
        replace(petitions, events=(*petitions.events, Shown))


@pytest.mark.parametrize("found", families(), ids=lambda found: found.topic)
def test_below_the_county_and_by_a_property_only_a_family_without_cases_is_live(
    found: Family,
) -> None:
    live = not found.fold
    assert found.shows("county", "viewer")
    assert found.shows("county", "viewer", split=True) is live
    assert found.shows("township", "viewer") is live
    assert found.shows("township", "viewer", "month")
    for split in (False, True):
        assert found.shows("grid", "clerk", split=split)


def test_a_family_that_says_nothing_is_shown_by_township() -> None:
    class Silent(Trial, name="trial.silent", zh="默", zh_doc="未说明。"):
        """It says nothing of who sees it."""

        size: Persons = field("Size.", "大小。", zh="大小", example=1, total=True)

    found = replace(family("funds"), projections=(DAILY,), grain=Trial.grain, events=(Silent,))
    assert found.grain == Grain("township", "live")
    assert [found.grain_of(f) for f in found.totals] == [found.grain]


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
        straight, other = (published([f], "gulou", "UTC", "clerk") for f in (found, turned))
        assert {v.name: sorted(v.columns) for v in straight} == {
            v.name: sorted(v.columns) for v in other
        }


def test_two_views_of_one_name_are_refused_whatever_makes_them() -> None:
    with pytest.raises(SchemaError, match="views have the name 'funds_by_county_hour'"):
        published([family("funds"), family("funds")], "gulou", "Asia/Shanghai", "clerk")


def test_two_classes_of_one_name_and_reserved_or_ambiguous_fields_are_refused() -> None:
    class Taken(Trial, name="trial.taken", zh="取"):
        state: Note | None = field("State.", "态。", zh="态", default=None, fact=True)

    class Counted(Trial, name="trial.counted", zh="计"):
        size: Persons = field("Size.", "大小。", zh="大小", example=1, total=True)

    class Named(Trial, name="trial.named", zh="名"):
        size: Note = field("Size.", "大小。", zh="大小", example="大")

    class Shown(Trial, name="trial.shown", zh="示"):
        size: Persons = field(
            "Size.", "大小。", zh="大小", example=1, total=True, grain=Grain("county")
        )

    class Paid(Trial, name="trial.paid", zh="付"):
        size: Fen = field("Size.", "大小。", zh="大小", example=1)

    class Sorted(Trial, name="trial.sorted", zh="分"):
        kind: Annotated[Literal["a"], Labels(a="甲")] = field("Kind.", "类。", zh="类", example="a")

    class Resorted(Trial, name="trial.resorted", zh="再分"):
        kind: Annotated[Literal["a"], Labels(a="丙")] = field("Kind.", "类。", zh="类", example="a")

    class Free(Trial, name="trial.free", zh="自由"):
        kind: Note = field("Kind.", "类。", zh="类", example="a")

    class Like(Trial, name="trial.like", zh="计"):
        """Named in Chinese like another."""

    class Mixed(Trial, name="trial.mixed", zh="混"):
        size: Persons = field("Size.", "大小。", zh="案", example=1)

    class Odd(Trial, name="trial.odd", zh="奇"):
        case: CaseId = field("Case.", "案。", zh="案", example="")

    class Elsewhere(Trial, name="other.one", zh="他"):
        """Named for another family."""

    class Loud(Trial, name="trial.Loud", zh="响"):
        """Its name has a capital."""

    class Torn(Trial, name="trial.torn", zh="裂"):
        @classmethod
        def incoherent(cls, data: Any) -> str | None:
            return "it is torn"

    class Silent(Trial, name="trial.silent", zh="默", zh_doc="未说明。"):
        """One of its fields has half a sentence."""

        size: Persons = field("Size", "大小。", zh="大小", example=1)

    class Corrected(Trial, name="trial.corrected", zh="更正", corrects="trial.counted"):
        corrects: Note = field("What.", "何。", zh="何", example="a")

    plain = replace(family("funds"), clocks=(), projections=(DAILY,))
    for events, says in (
        ((Counted, Counted), "two classes, Counted and Counted, have one event name"),
        ((Taken,), "field 'state' has the name of a column"),
        ((Counted, Named), "field 'size' has one type in 'trial.counted' and another in 'trial.na"),
        ((Counted, Paid), "field 'size' has one type in 'trial.counted' and another in 'trial.pa"),
        ((Counted, Shown), "total 'size' has one grain in 'trial.counted' and another in 'trial.s"),
        (
            (Sorted, Resorted),
            "'a' of field 'kind' is '甲' in 'trial.sorted' and '丙' in 'trial.re",
        ),
        ((Sorted, Free), "'kind' is a vocabulary in 'trial.sorted' or in 'trial.free', not in b"),
        ((Counted, Like), "'trial.counted' and 'trial.like', have one Chinese name '计'"),
        ((Mixed,), "two fields of 'trial.mixed', 'case' and 'size', have one Chinese name '案'"),
        ((Odd,), "the examples of 'trial.odd' make no valid event: case"),
        ((Counted, Elsewhere), "'trial.counted' and 'other.one' are named for two families"),
        ((Loud,), r"event type 'trial.Loud' of Loud is not <family>.<verb> in small letters"),
        ((Torn,), "the examples of 'trial.torn' contradict each other: it is torn"),
        ((Silent,), "'size' of Silent is not described in English and in Chinese"),
        ((Counted, Corrected), "'trial.corrected' corrects 'trial.counted' but has no 'size'"),
    ):
        with pytest.raises(SchemaError, match=says):
            replace(plain, events=events)


# The columns that a target has for every family: of Kafka, of the place, of time, of a case.
OF_TARGETS = (
    *("kpart", "koff", "hi", "type", "status"),
    *("county", "township", "village", "division", "grid"),
    *("hour", "day", "year", "time"),
    *("case", "events", "state", "open", "ended_at"),
)


@pytest.mark.parametrize("name", OF_TARGETS)
def test_no_counted_field_is_called_as_a_column_of_every_target(name: str) -> None:
    one = field("One.", "一。", zh="一", example=1, total=True)
    inside = {"__annotations__": {name: Persons}, name: one, "__module__": __name__}
    taken = type("Taken", (Keyed,), inside, name="trial.taken", zh="取")
    plain = replace(family("funds"), clocks=(), projections=(DAILY,))
    with pytest.raises(SchemaError, match=f"field '{name}' has the name of a column"):
        replace(plain, key="item", events=(taken,))


def test_a_file_without_a_family_class_is_refused_by_its_name() -> None:
    module = types.ModuleType("schemas.empty")
    with pytest.raises(SchemaError, match=r"schemas\.empty must declare one family.*none"):
        _family(module)


def test_a_file_with_two_family_classes_is_refused_with_both_named() -> None:
    module = types.ModuleType("schemas.double")
    for head in ("One", "Other"):
        made = type(head, (Event,), {"__module__": module.__name__}, topic="trials", key="case")
        setattr(module, head, made)
    with pytest.raises(SchemaError, match=r"schemas\.double must declare one.*One, Other"):
        _family(module)


@pytest.mark.parametrize(
    ("change", "shared"),
    [
        ({"topic": "petitions", "zh": "甲"}, "petitions"),
        ({"topic": "others", "zh": "信访"}, "信访"),
        ({"topic": "others", "zh": "甲", "events": family("petitions").events}, "petition."),
    ],
)
def test_two_families_that_share_a_name_are_refused_with_both_named(
    change: dict[str, Any], shared: str
) -> None:
    plain = {"clocks": (), "projections": (DAILY,), "key": "case", "module": "schemas.other"}
    other = replace(family("funds"), **{**plain, "county_only": None, **change})
    with pytest.raises(SchemaError, match=f"petition and schemas.other share the name '{shared}'"):
        _apart(family("petitions"), other)


def test_a_file_that_repeats_the_names_of_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(schemas.families.__path__[0]) / "fund.py"
    (tmp_path / "purse.py").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(schemas.families, "__path__", [*schemas.families.__path__, str(tmp_path)])
    try:
        with pytest.raises(SchemaError, match=r"fund and .*purse share the name 'fund\.'"):
            families.__wrapped__()
    finally:
        sys.modules.pop("schemas.families.purse", None)


@pytest.mark.parametrize("name", ["net_count", "count", "type", "hour", "kpart"])
def test_two_columns_of_one_name_in_a_target_are_refused(name: str) -> None:
    found = family("funds")
    doubled = replace(found, projections=(Rollup("daily", "county"),))
    kind = next(cls for cls in found.events if "source" in cls.fields)
    spec = replace(kind.fields["source"], name=name, total=name == "count", fact=False)
    changed = type(kind.__name__, (), {"spec": kind.spec, "fields": {name: spec}})
    object.__setattr__(doubled, "events", (changed,))
    rollup = Rollup("daily", "county", () if spec.total else (name,))
    with pytest.raises(SchemaError, match=r"funds_daily would have 2 columns '(gross_|net_)?\w+'"):
        columns(doubled, rollup, "UTC")


def test_a_vocabulary_may_be_absent() -> None:
    kind = Annotated[Literal["a", "b"], Labels(a="甲", b="乙")]

    class Made(Trial, name="trial.made", zh="试"):
        sort: kind | None = field("Kind.", "类。", zh="类", default=None)

    spec = Made.fields["sort"]
    assert (spec.choices, spec.optional, spec.labels) == (("a", "b"), True, {"a": "甲", "b": "乙"})


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
