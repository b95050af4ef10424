"""Every box of every form accepts values at its limits and refuses values just beyond them.

The limits are those of the oracle's book, written from the forms; nothing is read from the
declarations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from schemas.wire import Decoder, Reason, Rejected
from schemas.words import Text
from tests.histories.told import told
from tests.oracle import BOOK, Topic
from tests.oracle.words import (
    ACTOR,
    CASE_NUMBER,
    ENVELOPE,
    GRID,
    INSTANT,
    PSEUDONYM,
    SEALED,
    SOURCE,
    YES_OR_NO,
    Word,
)

HEX: Final = "0123456789abcdef" * 2
EDGES: Final[dict[Word, tuple[tuple[Any, ...], tuple[Any, ...]]]] = {
    # Values just within the limits, and just beyond them.
    CASE_NUMBER: (
        ("A", "z", "0", "9", "Z:._-", "P-1" * 21 + "x", "a" * 64),
        ("", "a" * 65, "a b", "a/b", "号", "a\n", "٣", "a,b", "a'"),
    ),
    PSEUDONYM: (
        (f"k.{HEX}", f"0a9z.{HEX}", f"k2345678.{HEX}", "k1." + "f" * 32, "k1." + "0" * 32),
        (
            *(f".{HEX}", f"k23456789.{HEX}", f"K1.{HEX}", f"k1{HEX}", f"k-.{HEX}", f"k1.{HEX}\n"),
            *(f"k1.{HEX}0", f"k1.{HEX[1:]}", "k1." + "F" * 32, "k1." + "g" * 32, "张三", ""),
        ),
    ),
    SEALED: (
        ("s1.A", "s1.AZaz09_-", "s1." + "A" * (110_000 - 3)),
        ("s1.", "s1.A=", "s1.A+", "s1.A/", "s2.A", "S1.A", " s1.A", "s1.A\n", "我家", ""),
    ),
    INSTANT: (
        (
            "1971-01-01T00:00:00Z",
            "1971-01-01T08:00:00+08:00",
            "2099-12-31T23:59:59.999999Z",
            "2100-01-01T07:59:59+08:00",
        ),
        (
            *("1970-12-31T23:59:59.999999Z", "1971-01-01T07:59:59+08:00", "2100-01-01T00:00:00Z"),
            *("2021-03-01T10:00:00", "2021-03-01", "yesterday", "", 1614564000, True),
        ),
    ),
    GRID: (
        ("431202001001" + "001", "431202001001" + "0" * 12),
        ("431202001001" + "01", "431202001001" + "0" * 13, "431202001001" + "00a"),
    ),
    SOURCE: (
        ("s", "//huaihua/grid", "urn:a:b", "https://a.example/x?y=1&z=~2#3", "x" * 128),
        ("", "x" * 129, "a b", "张三", "%E5%BC%A0", "a\n", "a'", 1, True),
    ),
    ACTOR: (
        (
            *("A", "x" * 64, "clerk-17", f"k1.{HEX}", "431202-网格中心", "431202001-综治办2"),
            *("431202001001-网格", "431202001001-" + "办" * 51),
        ),
        (
            *("", "x" * 65, "张三", "网格中心", "43120-办", "4312020-办", "张三-431202"),
            *("431202-张 三", "431202-" + "办" * 52, "431202-办\n", 1, True),
        ),
    ),
    YES_OR_NO: ((True, False), (0, 1, "true", "false", "")),
}  # fmt: skip
TOO_LONG: Final = {SEALED: "s1." + "A" * (110_000 - 2)}
"""Too long, so refused too; kept apart because other tests do not want so large a value."""


def edges(word: Word) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Values just within the limits of a box of this kind, and just beyond them."""
    if word in EDGES:
        return EDGES[word]
    if word.values:
        first, *_ = word.values
        return word.values, ("", first.upper() + "X", first + " ", "none of these", 1, True)
    if word.stored == "Int64":
        small, large = word.least, word.most
        wrong = (small - 1, large + 1, 2**63, float(small), str(small), True, "")
        return (small, small + 1, large - 1, large), wrong
    # Characters of any script: their number counts, not their bytes.
    long = word.most
    return ("x", "字" * long, "x" * long, " ", "😀" * long), ("", "x" * (long + 1), 1, True)


CASES = [
    pytest.param(topic, type_, name, id=f"{type_}.{name}")
    for topic in BOOK.values()
    for type_, form in topic.forms.items()
    for name in form.boxes
]


def filled(type_: str, **boxes: Any) -> dict[str, Any]:
    """An event of the type with some boxes replaced."""
    event = told(type_, "1", "2021-03-01 09:00")
    event["data"] |= boxes
    return event


def outcome(decoder: Decoder, event: dict[str, Any]) -> Any:
    (found,) = decoder([json.dumps(event, ensure_ascii=False).encode()])
    return found


def judged(decoder: Decoder, topic: Topic, type_: str, name: str) -> Iterator[tuple[Any, Any]]:
    """Each edge value of a box, with the decoded event that has it."""
    word = topic.forms[type_].boxes[name].word
    good, bad = edges(word)
    # Only an appeal has a route; another test covers that rule between two boxes.
    route = {"route": "none"} if name == "kind" and "route" in topic.forms[type_].boxes else {}
    for value in (*good, *bad, *([TOO_LONG[word]] if word in TOO_LONG else [])):
        yield value, outcome(decoder, filled(type_, **route | {name: value}))


@pytest.mark.parametrize(("topic", "type_", "name"), CASES)
def test_a_box_takes_what_just_fits_and_refuses_what_just_does_not(
    topic: Topic, type_: str, name: str, decoders: dict[str, Decoder]
) -> None:
    word = topic.forms[type_].boxes[name].word
    good, _ = edges(word)
    accepted = 0
    for value, found in judged(decoders[topic.topic], topic, type_, name):
        fits = any(value is each or (value == each and type(value) is type(each)) for each in good)
        if fits:
            assert isinstance(found, dict), (value, found)
            if word != INSTANT:
                assert found["data"][name] == value
            accepted += 1
        else:
            assert isinstance(found, Rejected), value
            assert (found.reason, found.message.split(":")[0]) == ("field", f"data.{name}"), value
        assert word.holds(value) is fits, value
    assert accepted == len(good)


@pytest.mark.parametrize(("topic", "type_", "name"), CASES)
def test_a_box_may_stay_empty_only_where_the_form_says_so(
    topic: Topic, type_: str, name: str, decoders: dict[str, Decoder]
) -> None:
    event = filled(type_)
    event["data"].pop(name, None)
    found = outcome(decoders[topic.topic], event)
    if topic.forms[type_].boxes[name].required:
        assert found == Rejected(Reason.FIELD, f"data.{name}: Field required")
    else:
        assert isinstance(found, dict)
        assert name not in found["data"]


HEAD = [name for name in ENVELOPE if ENVELOPE[name].word.most < 1_000_000]


@pytest.mark.parametrize("name", HEAD)
def test_an_attribute_of_the_envelope_takes_what_just_fits_and_no_more(
    name: str, decoders: dict[str, Decoder]
) -> None:
    good, bad = edges(ENVELOPE[name].word)
    for value in good:
        found = outcome(decoders["visits"], filled("visit.recorded") | {name: value})
        assert isinstance(found, dict), (value, found)
        assert found[name] == value
    for value in bad:
        found = outcome(decoders["visits"], filled("visit.recorded") | {name: value})
        assert isinstance(found, Rejected), value
        assert (found.reason, found.message.split(":")[0]) == ("field", name)
        assert not ENVELOPE[name].word.holds(value)


@pytest.mark.parametrize("name", list(ENVELOPE))
def test_an_attribute_of_the_envelope_may_be_absent_only_where_it_is_optional(
    name: str, decoders: dict[str, Decoder]
) -> None:
    event = filled("visit.recorded")
    event.pop(name, None)
    found = outcome(decoders["visits"], event)
    if ENVELOPE[name].required:
        assert isinstance(found, Rejected)
        assert name in found.message or name == "type"
    else:
        assert isinstance(found, dict)


@pytest.mark.parametrize(
    ("en", "zh", "whole"),
    [
        ("A place.", "地。", True),
        ("A place", "地。", False),
        ("A place.", "地", False),
        ("A place.", "。", False),
        ("", "地。", False),
        ("A place.", "", False),
    ],
)
def test_a_description_says_something_in_both_languages_to_its_full_stop(
    en: str, zh: str, whole: bool
) -> None:
    assert Text(en, zh).whole is whole
    both = Text(en, zh) + Text("Six digits.", "六位。")
    assert (both.en, both.zh) == (f"{en} Six digits.", f"{zh}六位。")
    assert str(both) == both.zh + both.en
