"""The Chinese heads of a table's columns: the boards' own words, then the family's fields."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.columns import HEADINGS, column_name
from dashboards.panels import Number, Unit, as_json, table
from schemas.chinese import VIEW_COLUMNS
from schemas.families import families

SQL = "SELECT county_name, amount, why, people FROM v"


def heads(panel: Any) -> dict[str, str]:
    """Display names of a panel's columns."""
    return {
        each["matcher"]["options"]: setting["value"]
        for each in as_json(panel)["fieldConfig"]["overrides"]
        for setting in each["properties"]
        if setting["id"] == "displayName"
    }


@pytest.mark.parametrize(
    ("topic", "found"),
    [
        ("funds", {"amount": "金额", "why": "冲正原因"}),
        ("mediations", {"amount": "协议涉及金额", "why": "终止原因"}),
        ("visits", {"why": "作废原因"}),
        # Petitions declare `people` twice, as 人次 and as 人数: the panel has to say which.
        ("petitions", {}),
        ("", {}),
    ],
)
def test_a_table_of_a_family_heads_its_columns_with_that_familys_words(
    topic: str, found: dict[str, str]
) -> None:
    number = Number("表", Unit.COUNT, "A table.")
    assert heads(table(number, SQL, topic=topic)) == {"county_name": "县市区", **found}


def test_no_family_names_a_column_of_another_familys_table() -> None:
    declared = {
        each.topic: {name for cls in each.events for name in cls.fields} for each in families()
    }
    for topic in (*declared, ""):
        others = set().union(*declared.values()) - declared.get(topic, set())
        named = {name for name in others if column_name(name, topic)}
        # What is named all the same is a word of the boards themselves.
        assert named == {name for name in others if column_name(name)}, topic
    assert column_name("amount") is None


def test_a_personal_field_gives_a_column_no_name() -> None:
    personal = [
        (each.topic, name)
        for each in families()
        for cls in each.events
        for name, declared in cls.fields.items()
        if declared.personal and not column_name(name)
    ]
    assert personal
    assert [found for found in personal if column_name(found[1], found[0])] == []


def test_a_column_of_a_published_view_has_the_same_name_on_a_board() -> None:
    both = VIEW_COLUMNS.keys() & HEADINGS.keys()
    assert {"stored", "table", "topic"} <= both
    apart = {name for name in both if VIEW_COLUMNS[name] != HEADINGS[name]}
    assert apart == {"bytes", "case", "lag", "messages", "reason"}
