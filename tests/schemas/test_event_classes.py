"""An event class with a contradiction is refused when it is created."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import pytest

from schemas.errors import SchemaError
from schemas.event import Content, Event, field
from schemas.families import family
from schemas.grain import Grain
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


def unknown_argument() -> type:
    class Made(Trial, name="trial.made", zh="试", correct="trial.filed", verson=2):
        pass

    return Made


def family_and_event() -> type:
    class Made(Trial, name="trial.made", zh="试", topic="others"):
        pass

    return Made


def grain_of_an_event() -> type:
    class Made(Trial, name="trial.made", zh="试"):
        grain: ClassVar = Grain("grid")

    return Made


def takes_back_itself() -> type:
    class Made(Trial, name="trial.made", zh="试", voids=("trial.made",)):
        corrects: Note = field("What.", "何。", zh="何", example="a")

    return Made


def corrects_and_voids() -> type:
    class Made(Trial, name="trial.made", zh="试", corrects="trial.a", voids=("trial.b",)):
        corrects: Note = field("What.", "何。", zh="何", example="a")

    return Made


def version_zero() -> type:
    class Made(Trial, name="trial.made", zh="试", version=0):
        pass

    return Made


def without_chinese() -> type:
    class Made(Trial, name="trial.made"):
        pass

    return Made


def optional_key() -> type:
    class Head(Event, topic="trials", key="case", zh="试"):
        case: CaseId | None = field("Case.", "案。", zh="案", default=None)

    class Made(Head, name="trial.made", zh="试"):
        pass

    return Made


def key_that_is_a_number() -> type:
    class Head(Event, topic="trials", key="case", zh="试"):
        case: Persons = field("Case.", "案。", zh="案", example=1)

    class Made(Head, name="trial.made", zh="试"):
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
    unknown_argument: r"Made has class arguments nobody knows: \['correct', 'verson'\]",
    family_and_event: r"Made is named 'trial\.made' and has a topic",
    grain_of_an_event: r"Made sets \['grain'\], which only the family's class may set",
    takes_back_itself: r"Made corrects and voids, or takes back its own type",
    corrects_and_voids: r"Made corrects and voids",
    version_zero: r"its version 0 is below 1",
    without_chinese: r"Made has no Chinese name",
    optional_key: r"Made\.case is the key, so it must be text and always there",
    key_that_is_a_number: r"Made\.case is the key",
    key_is_no_field: r"Made: its family names no topic, or key 'household' is no field",
}


@pytest.mark.parametrize(("make", "says"), WRONG.items(), ids=[f.__name__ for f in WRONG])
def test_a_class_that_contradicts_itself_is_refused(make: Callable[[], type], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        make()


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
