"""The oracle is independent, and its book has everything that the product declares.

The oracle does not read declarations; this test compares the two. If they differ, one of them is
wrong, and the articles or the form decide which.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas.clocks import Clock, Term
from schemas.event import Event, FieldSpec
from schemas.families import families
from schemas.family import Family
from schemas.projections import CaseFold, Diary, Rollup
from schemas.sql.published import published
from schemas.wire import Reason
from tests.histories.wrong import refused
from tests.oracle.articles import DUTIES, ENDINGS, OPENING, STATES, Duty
from tests.oracle.book import BOOK, Cases, Days, Sums, Topic
from tests.oracle.words import ENVELOPE, INSTANT, Box

ROOT = Path(__file__).parents[2]
ORACLE = [path for path in Path(__file__).parent.glob("*.py") if "test_" not in path.name]
HISTORIES = [*(ROOT / "tests" / "histories").glob("*.py")]
FAMILIES = {family.topic: family for family in families()}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
EVENTS = [
    pytest.param(BOOK[family.topic], cls, id=cls.spec.name)
    for family in FAMILIES.values()
    for cls in family.events
    if family.topic in BOOK
]


@pytest.mark.parametrize("path", [*ORACLE, *HISTORIES], ids=lambda path: path.stem)
def test_the_oracle_and_the_histories_import_nothing_of_the_product(path: Path) -> None:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    ours = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert {"schemas", "streams", "producers"} <= ours
    allowed = ("tests.oracle", "tests.histories")
    strays = {
        name
        for name in names
        if name.partition(".")[0] in {*ours, "tests"} and not name.startswith(allowed)
    }
    assert strays == set()


def test_with_the_oracle_no_part_of_the_product_is_loaded() -> None:
    told = "import sys, tests.oracle, tests.histories.small; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tops = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert tops & {"schemas", "streams", "producers", "dashboards", "infra"} == set()
    assert "tests" in tops


def test_every_topic_is_in_the_book_with_its_key_and_partitions() -> None:
    assert {topic.topic: (topic.key, topic.partitions) for topic in BOOK.values()} == {
        family.topic: (family.key, family.partitions) for family in FAMILIES.values()
    }


@each_family
def test_every_event_type_is_in_the_book_with_its_version_and_what_it_changes(
    family: Family,
) -> None:
    assert {
        name: (form.version, form.corrects, sorted(form.voids))
        for name, form in BOOK[family.topic].forms.items()
    } == {
        cls.spec.name: (cls.spec.version, cls.spec.corrects, sorted(cls.spec.voids))
        for cls in family.events
    }


@pytest.mark.parametrize(("topic", "cls"), EVENTS)
def test_every_field_of_an_event_is_in_the_book_and_of_the_same_kind(
    topic: Topic, cls: type[Event]
) -> None:
    assert cls.spec.name in topic.forms, "write its form into tests/oracle/book.py"
    form = topic.forms[cls.spec.name]
    assert {name: _box(box) for name, box in form.boxes.items()} == {
        name: _field(spec) for name, spec in cls.fields.items()
    }


def _box(box: Box) -> tuple[Any, ...]:
    word = box.word
    return word.stored, set(word.values), word.personal, box.required, box.total, box.fact


def _field(spec: FieldSpec) -> tuple[Any, ...]:
    choices = set(spec.choices)
    return spec.stored, choices, spec.personal, not spec.optional, spec.total, spec.fact


def test_every_attribute_of_the_envelope_is_in_the_book() -> None:
    from schemas.event import Envelope

    assert {name: box.required for name, box in ENVELOPE.items()} == {
        # The CloudEvents version has a default in the class, but must be on the wire.
        name: info.is_required() or name == "specversion"
        for name, info in Envelope.model_fields.items()
    }


@each_family
def test_every_figure_that_is_kept_is_in_the_book(family: Family) -> None:
    assert [_figure(figure) for figure in BOOK[family.topic].figures] == [
        _projection(projection) for projection in family.projections
    ]


def _figure(figure: Sums | Days | Cases) -> tuple[Any, ...]:
    match figure:
        case Sums(name, place, grain, dims):
            return "sums", name, place, grain, dims
        case Days(name, types):
            return "days", name, types
    return "cases", figure.name


def _projection(projection: Rollup | Diary | CaseFold) -> tuple[Any, ...]:
    match projection:
        case Rollup():
            return "sums", projection.name, projection.place, projection.grain, projection.dims
        case Diary():
            return "days", projection.name, projection.types
    return "cases", projection.name


@each_family
def test_what_is_added_up_and_what_is_known_of_a_case_is_in_the_book(family: Family) -> None:
    topic = BOOK[family.topic]
    assert list(topic.totals) == [spec.name for spec in family.totals]
    # A type with a box of the same name that is no fact does not count.
    assert {name: topic.sayers(name) for name in topic.facts} == {
        spec.name: frozenset(family.sayers(spec.name, "fact")) for spec in family.facts
    }
    assert topic.county_only == (family.county_only or ("", ""))


@each_family
def test_every_state_and_ending_of_a_case_is_in_the_articles(family: Family) -> None:
    folds = [each for each in family.projections if isinstance(each, CaseFold)]
    assert bool(folds) == (family.topic in STATES) == (family.topic in ENDINGS)
    for fold in folds:
        assert STATES[family.topic] == tuple((stage.type, stage.state) for stage in fold.stages)
        assert ENDINGS[family.topic] == set(fold.ends)
        assert OPENING[family.topic] == fold.opens
        assert OPENING[family.topic] == next(iter(BOOK[family.topic].forms))


@each_family
def test_every_clock_is_a_duty_of_the_articles_with_its_term_and_ends(family: Family) -> None:
    duties = DUTIES.get(family.topic, {})
    assert sorted(
        (_duty(name, duty) for name, several in duties.items() for duty in several), key=repr
    ) == sorted((_clock(c, term) for c in family.clocks for term in c.terms), key=repr)


def _duty(name: str, duty: Duty) -> tuple[Any, ...]:
    newest = duty.again == "newest"
    ends, gone = sorted(duty.done_by | duty.gone_by), sorted(duty.gone_by)
    longer = duty.put_off_by, duty.at_most
    return name, duty.start, duty.days, ends, gone, duty.only, *longer, newest


def _clock(clock: Clock, term: Term) -> tuple[Any, ...]:
    box, values = term.when
    assert term.unit == "natural"
    assert len(values) <= 1
    newest, longer = clock.counts == "last", (clock.extends, term.longest)
    only = (box, *values) if box else ("", "")
    ends, gone = sorted(clock.ends), sorted(clock.lapses)
    return clock.name, clock.starts, term.days, ends, gone, only, *longer, newest


@each_family
def test_a_column_about_a_duty_in_time_names_what_takes_the_case_away(family: Family) -> None:
    views = {view.name: view for view in published(families(), "gulou", "UTC", "clerk")}
    types = {cls.spec.name for cls in family.events}
    for name, several in DUTIES.get(family.topic, {}).items():
        gone = {type_ for duty in several for type_ in duty.gone_by}
        told = views[f"{family.topic}_cases"].columns[f"on_time_{name}"]
        for text in (told.en, told.zh):
            assert {type_ for type_ in types if type_ in text} == gone, (name, text)


def test_every_reason_of_a_refusal_has_a_wrong_message() -> None:
    made = {name.partition("-")[0] for name in refused("x")}
    # No message can make a view fail; `test_family_of_one_file.py` breaks a view.
    assert made == set(Reason) - {"projection"}


def test_the_only_instant_in_a_form_is_when_the_unit_accepted() -> None:
    # `compare.py` normalizes that box.
    found = {
        name
        for topic in BOOK.values()
        for form in topic.forms.values()
        for name, box in form.boxes.items()
        if box.word == INSTANT
    }
    assert found == {"since"}
