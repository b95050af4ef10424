"""Names that leave the process: other programs depend on them, so they may never change."""

from __future__ import annotations

import random

import pytest
from kafka.partitioner.default import murmur2

from schemas import names
from schemas.partitions import partitions
from schemas.sql.columns import Column, codes_of, moment, quoted, starts
from schemas.words import Text


def test_every_name_that_others_know_is_spelled_as_they_know_it() -> None:
    assert names.CONSUMER_GROUP == "gulou-ingest"
    assert names.dead_topic("visits") == "visits.dead"
    assert names.events_table("visits") == "events_visits"
    assert names.target_table("visits", "daily") == "visits_daily"
    assert names.target_view("visits", "daily") == "visits_daily_mv"
    assert names.schema_urn("visit.recorded", 2) == "urn:gulou:visit.recorded:2"
    tables = (names.OWNER_TABLE, names.ALL_EVENTS, names.DIVISIONS_TABLE)
    assert tables == ("owner", "events", "divisions")
    assert (names.HEARTBEAT_TABLE, names.REBUILDS_TABLE) == ("heartbeat", "rebuilds")


def test_text_in_sql_is_quoted_whatever_it_holds() -> None:
    assert quoted("plain") == "'plain'"
    assert quoted("it's") == r"'it\'s'"
    assert quoted("a\\b") == r"'a\\b'"
    assert quoted(r"\'") == r"'\\\''"


def test_a_column_is_declared_with_its_type_its_comment_and_its_packing() -> None:
    said = Text("Meaning.", "含义。")
    assert Column("a", "Int64", said).ddl == "`a` Int64 COMMENT '含义。Meaning.'"
    packed = Column("a", "Int64", said, "T64, LZ4")
    assert packed.ddl == "`a` Int64 COMMENT '含义。Meaning.' CODEC(T64, LZ4)"


def test_an_instant_is_of_milliseconds_and_a_named_zone() -> None:
    assert moment("Asia/Shanghai") == "DateTime64(3, 'Asia/Shanghai')"


@pytest.mark.parametrize(("grain", "zh"), [("hour", "小时"), ("day", "日期")])
def test_a_bucket_says_which_it_is(grain: str, zh: str) -> None:
    said = starts(grain)  # type: ignore[arg-type]
    assert said == Text(f"Start of the {grain}, city's zone.", f"所属{zh}，按本市时区。")


def test_codes_of_a_place_are_cut_from_its_own() -> None:
    assert codes_of("p") == ("substring(p, 1, 6) AS county, if(length(p) = 9, p, '') AS township")


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_keys_of_every_length_lie_where_kafkas_own_client_puts_them(count: int) -> None:
    dice = random.Random(count)
    keys = [
        dice.randbytes(length) for length in (*range(20), *range(30, 41), 64, 255) for _ in "ab"
    ]
    dice.shuffle(keys)
    assert partitions(keys, count) == [(murmur2(key) & 0x7FFFFFFF) % count for key in keys]
    assert partitions([], count) == []
