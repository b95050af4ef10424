"""Valid mapping files, and the errors of invalid ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from producers.ledgers.importing import LedgerMapping, load_mapping
from producers.ledgers.mapping import From
from schemas.errors import Misconfigured
from tests.producers.traces import event, mapping, petition, visit

HEAD = """
source = "s"
identity = ["甲"]
division = "431202"
"""
MERGED = """
[[events]]
type = "petition.merged"
time = "{乙}"
data = { petition = "{甲}", kind = "appeal", into = "P-1" }
"""


def loaded(folder: Path, text: str) -> LedgerMapping:
    (folder / "m.toml").write_text(text, encoding="utf-8")
    return load_mapping(folder / "m.toml")


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(Misconfigured) as refused:
        loaded(folder, text)
    said = str(refused.value)
    assert said.startswith("映射文件 'm.toml' 有误：") and "docs/examples" in said
    return said.removeprefix("映射文件 'm.toml' 有误：").partition("。(The")[0]


def test_the_least_a_mapping_says_has_these_defaults(tmp_path: Path) -> None:
    made = loaded(tmp_path, HEAD + MERGED)
    assert (made.timezone, made.times, made.ordered) == ("Asia/Shanghai", (), True)
    assert (made.header, made.sheet) == (1, "")
    assert made.division.unknown == ""
    (only,) = made.events
    assert (only.name, only.suffix, only.recorded, only.when) == ("", "merged", None, None)
    assert (only.grid, only.actor) == (None, None)
    assert made.columns() == ("甲", "乙")
    # Excel saves a byte order mark.
    (tmp_path / "m.toml").write_text(HEAD + MERGED, encoding="utf-8-sig")
    assert load_mapping(tmp_path / "m.toml") == made


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("[[events]]", "[[events"), "Expected"),
        (('source = "s"\n', ""), "source: Field required"),
        (('source = "s"', 'source = ""'), "source: String should have at least 1 character"),
        (
            ('source = "s"', f'source = "{"s" * 129}"'),
            "source: String should have at most 128 characters",
        ),
        (('identity = ["甲"]\n', ""), "identity: Field required"),
        (('["甲"]', "[]"), "identity: Tuple should have at least 1 item"),
        (('division = "431202"\n', ""), "division: Field required"),
        (('"431202"', "{ from = [] }"), "division.from: Tuple should have at least 1 item"),
        (('"431202"', '{ form = "x" }'), "division.from: Field required"),
        (('"431202"', '{ from = "x", unkown = "x" }'), "division.unkown: Extra inputs"),
        (('source = "s"', 'source = "s"\nheader = 0'), "header: Input should be greater than"),
        (('source = "s"', 'source = "s"\nheaders = 2'), "headers: Extra inputs"),
        (
            ('source = "s"', 'source = "s"\ntimezone = "Asia/Huaihua"'),
            "there is no time zone 'Asia/Huaihua'",
        ),
        (('source = "s"', 'source = "s"\ntimezone = "/etc"'), "there is no time zone '/etc'"),
        (('"petition.merged"', '"petition.joined"'), "events.0: There is no event type"),
        (('time = "{乙}"\n', ""), "events.0.time: Field required"),
        (('time = "{乙}"', 'time = "{乙}"\nname = "A"'), "events.0.name: String should match"),
        (
            ('time = "{乙}"', f'time = "{{乙}}"\nname = "{"a" * 21}"'),
            "events.0.name: String should match",
        ),
        (('into = "P-1"', 'onto = "P-1"'), "events.0: petition.merged has no field 'onto'"),
        ((', into = "P-1"', ""), "events.0: petition.merged needs data.into (并入编号)"),
        (
            ('into = "P-1"', 'into = { from = "{丙}", unit = "角" }'),
            "events.0.data.into: unit is one of 分, fen, 元, yuan, 万元",
        ),
        (
            ('into = "P-1"', 'into = { form = "{丙}" }'),
            "events.0.data.into.form: Extra inputs are not permitted",
        ),
        (
            ('into = "P-1"', 'into = { from = "{丙}", map = { x = 1.5 } }'),
            "events.0.data.into.map.x.str: Input should be a valid string",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mapping_that_is_wrong_is_told_where(
    change: tuple[str, str], says: str, tmp_path: Path
) -> None:
    text = HEAD + MERGED
    assert text.count(change[0]) == 1
    assert refusal(tmp_path, text.replace(*change)).startswith(says)


@pytest.mark.parametrize(
    "change",
    [
        ('source = "s"', f'source = "{"s" * 128}"'),
        ('source = "s"', 'source = "s"\nheader = 1'),
        ('source = "s"', 'source = "s"\ntimezone = "UTC"'),
        ('time = "{乙}"', f'time = "{{乙}}"\nname = "{"a" * 20}"'),
        ('time = "{乙}"', 'time = "{乙}"\nname = ""'),
        ('time = "{乙}"', 'time = "{乙}"\nname = "a_9"'),
    ],
)
def test_a_mapping_on_the_right_side_of_a_limit_is_taken(
    change: tuple[str, str], tmp_path: Path
) -> None:
    text = HEAD + MERGED
    assert text.count(change[0]) == 1
    assert loaded(tmp_path, text.replace(*change)).events


def test_no_event_and_no_field_is_no_mapping(tmp_path: Path) -> None:
    assert refusal(tmp_path, HEAD) == "events: Field required"
    assert refusal(tmp_path, "events = []" + HEAD).startswith(
        "events: Tuple should have at least 1"
    )
    empty = HEAD + '[[events]]\ntype = "petition.merged"\ntime = "{乙}"\ndata = {}'
    assert refusal(tmp_path, empty).startswith("events.0.data: Dictionary should have at least 1")


def test_two_events_of_one_type_need_names_of_their_own(tmp_path: Path) -> None:
    twice = "two events of one type: give each a name of its own"
    assert refusal(tmp_path, HEAD + MERGED + MERGED) == twice
    named = MERGED.replace("time =", 'name = "second"\ntime =')
    assert len(loaded(tmp_path, HEAD + MERGED + named).events) == 2
    assert refusal(tmp_path, HEAD + named + named) == twice
    # The names make the ids: a name that is another event's type is taken too.
    other = MERGED.replace("merged", "replied").replace('into = "P-1"', 'result = "explained"')
    as_merged = other.replace("time =", 'name = "merged"\ntime =')
    assert refusal(tmp_path, HEAD + MERGED + as_merged) == twice
    assert len(loaded(tmp_path, HEAD + MERGED + other).events) == 2


def test_files_that_are_no_text_or_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"'none\.toml' 有误：No such file"):
        load_mapping(tmp_path / "none.toml")
    (tmp_path / "m.toml").write_bytes(HEAD.encode("gb18030"))
    with pytest.raises(Misconfigured, match=r"'m\.toml' 有误：'utf-8' codec"):
        load_mapping(tmp_path / "m.toml")


def test_money_of_a_column_needs_a_unit_and_nothing_else_does() -> None:
    def pledged(amount: Any) -> LedgerMapping:
        return mapping(event("fund.pledged", account="F-1", source="pledge", amount=amount))

    for bare in ("{甲}", "{甲}00", {"from": "{甲}"}, {"from": "{甲}", "map": {"一": 100}}):
        with pytest.raises(ValueError, match=r"data\.amount is money: say its unit, 分, fen, 元"):
            pledged(bare)
    for sound in (5, {"constant": 5}, {"from": "{甲}", "unit": "元"}):
        assert pledged(sound).events
    # Counts of people and minutes are whole numbers of another range, not money.
    assert mapping(visit(met="{甲}", lasted="{乙}"), petition(people="{甲}")).events


@pytest.mark.parametrize(
    ("text", "bare", "columns"),
    [
        ("{甲}", "甲", ("甲",)),
        (" { 甲 } ", "甲", ("甲",)),
        ("{Ａ　b}", "A b", ("A b",)),
        ("{甲}{乙}", "", ("甲", "乙")),
        ("x{甲}", "", ("甲",)),
        ("{甲}{甲}", "", ("甲", "甲")),
        ("甲", "", ()),
        ("{}", "", ()),
        ("{{甲}}", "", ("甲",)),
    ],
)
def test_columns_stand_in_braces(text: str, bare: str, columns: tuple[str, ...]) -> None:
    made = From.model_validate({"from": text})
    assert (made.bare, made.columns) == (bare, columns)


@pytest.mark.parametrize(
    ("feed", "cells", "made"),
    [
        ({"from": "{甲}"}, {"甲": 3.0}, 3.0),
        ({"from": "{甲}"}, {"甲": None}, None),
        ({"from": "{甲}"}, {}, None),
        ({"from": "{甲}", "default": 7}, {}, 7),
        ({"from": "{甲}", "default": 7}, {"甲": 0}, 0),
        ({"from": "P-{甲}"}, {"甲": 3.0}, "P-3"),
        ({"from": "P-{甲}"}, {"甲": None}, None),
        ({"from": "P-{ Ａ }"}, {"A": 3}, "P-3"),
        ({"from": "{甲}/{乙}"}, {"甲": None, "乙": "二"}, "/二"),
        ({"from": "{甲}/{乙}"}, {"甲": "一"}, "一/"),
        ({"from": "{甲}/{乙}", "default": "无"}, {}, "无"),
        ({"from": "{甲}/{乙}", "map": {"一/二": True}}, {"甲": "一", "乙": "二"}, True),
        ({"from": "{甲}", "map": {"1": 10}}, {"甲": 1}, 10),
        ({"from": "{甲}", "map": {" Ａ ": 10}}, {"甲": "A"}, 10),
        ({"from": "{甲}", "map": {"a": 10}}, {"甲": "A"}, "A"),
        ({"constant": False}, {"甲": 1}, False),
        # A constant keeps its value, even beside a default.
        ({"constant": 0, "default": 1}, {}, 0),
        ({"from": "x"}, {}, "x"),
    ],
)
def test_a_feed_is_its_cell_its_text_its_default_or_its_constant(
    feed: dict[str, Any], cells: dict[str, Any], made: Any
) -> None:
    found = From.model_validate(feed).cell(cells)
    assert found == made and type(found) is type(made)


def test_every_column_that_is_read_is_known_once_and_in_order() -> None:
    made = mapping(
        petition(
            when="{丁}",
            grid="{戊}",
            actor="{己}",
            recorded="{丙}",
            time="{乙}",
            petitioner="{甲}/{庚}",
        ),
        identity=["编号", "甲"],
        division={"from": ["{辛}", "{壬}{甲}"]},
    )
    assert made.columns() == (
        *("编号", "甲", "辛", "壬"),
        *("乙", "丙", "丁", "戊", "己", "庚"),
    )
    assert made.personal == {"甲", "庚"}


def test_columns_of_sealed_texts_and_of_persons_are_personal_and_others_are_not() -> None:
    made = mapping(
        petition(title="{甲}", text="{乙}", petitioner="{丙}", content="{丁}", category="{戊}"),
        visit(household="{己}", remark="{庚}", met="{辛}"),
    )
    assert made.personal == set("甲乙丙丁己庚")
    assert (
        mapping(event("fund.pledged", account="{甲}", source="pledge", amount=1)).personal == set()
    )
