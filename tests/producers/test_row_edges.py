"""From row to events, on both sides of every limit; each refusal with its row and column."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from producers.client import Encoder
from producers.ledgers.importing import LedgerMapping, RowOutcome, outcomes
from producers.vault import Vault
from schemas.words import TEXT_MAX
from tests.producers.traces import PLACES, event, mapping, petition, visit, write

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2021, 6, 1, 12, tzinfo=SHANGHAI)
ROW = {"编号": "A-1", "姓名": "张三", "日期": "2021-03-01 09:00", "甲": "", "乙": ""}
CASE = {"petition": "{编号}", "kind": "appeal"}


class Office:
    """Imports rows of one ledger and returns the results."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self._folder, self.encoder = folder, encoder

    def outcomes(self, wanted: LedgerMapping, *rows: Mapping[str, Any]) -> list[RowOutcome]:
        lines = [{**ROW, **row} for row in rows or [{}]]
        path = write(self._folder, "jsonl", lines)
        return list(outcomes(path, wanted, self.encoder, now=NOW))

    def events(self, wanted: LedgerMapping, *rows: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The events of rows, all of which must be accepted."""
        found = self.outcomes(wanted, *rows)
        assert [each.rejection for each in found] == [None] * max(len(rows), 1)
        return [json.loads(message.payload) for each in found for message in each.messages]

    def why(self, wanted: LedgerMapping, **cells: Any) -> tuple[str, str, str]:
        """Code, column and message of the refusal of one row."""
        (found,) = self.outcomes(wanted, cells)
        assert found.rejection is not None and found.messages == () and found.types == ()
        return found.rejection.code, found.rejection.column, found.rejection.message


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault(tmp_path / "keys.db") as made:
        yield made


@pytest.fixture
def office(vault: Vault, tmp_path: Path) -> Office:
    return Office(tmp_path, Encoder(vault, PLACES))


class NotingVault(Vault):
    """A vault that keeps which subjects were prepared together."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.prepared: list[list[str]] = []

    def prepare(self, subjects: Iterable[str]) -> None:
        self.prepared.append(list(subjects))
        super().prepare(self.prepared[-1])


def test_keys_are_made_at_once_for_the_events_of_a_chunk_that_have_a_text(tmp_path: Path) -> None:
    with NotingVault(tmp_path / "keys.db") as vault:
        office = Office(tmp_path, Encoder(vault, PLACES))
        rows = [{"编号": f"A-{n}", "姓名": f"张{n}", "甲": "漏雨" * (n % 2)} for n in range(4)]
        office.events(mapping(petition(text="{甲}")), *rows)
        # Other fields of those events are open; the texts of two rows are empty.
        assert vault.prepared[0] == [vault.pseudonym("张1"), vault.pseudonym("张3")]


# -- identity of a row


@pytest.mark.parametrize(
    ("number", "readable"),
    [
        ("A", True),
        ("A.1_b-2", True),
        ("x" * 40, True),
        ("x" * 41, False),
        ("A:1", False),
        ("A/1", False),
        ("第1号", False),
        ("A 1", False),
    ],
)
def test_an_open_number_stands_in_the_id_where_it_is_short_and_plain(
    number: str, readable: bool, office: Office
) -> None:
    # `unit` publishes the column, so the id may contain its number if it is short and plain.
    wanted = mapping(
        event(
            "petition.transferred",
            **CASE,
            mode="passed_on",
            unit={"from": "{甲}", "values": ["A/1", "第1号", "A 1"]},
        ),
        identity=["甲"],
    )
    (made,) = office.events(wanted, {"甲": number})
    digest = hashlib.sha256(number.encode()).hexdigest()[:32]
    assert made["id"] == f"{number if readable else digest}:transferred"
    assert made["source"] == "test"


def test_an_identity_of_two_open_columns_is_a_digest_of_both_in_order(office: Office) -> None:
    shown = petition(petition="{甲}", category="{乙}")
    (made,) = office.events(mapping(shown, identity=["甲", "乙"]), {"甲": "A", "乙": "B"})
    assert made["id"] == hashlib.sha256(b"A\x1fB").hexdigest()[:32] + ":registered"
    (other,) = office.events(mapping(shown, identity=["乙", "甲"]), {"甲": "A", "乙": "B"})
    assert other["id"] == hashlib.sha256(b"B\x1fA").hexdigest()[:32] + ":registered"


@pytest.mark.parametrize(
    ("identity", "shown", "keyed"),
    [
        (["编号"], {}, False),
        (["编号", "甲"], {"category": "{甲}"}, False),
        # A digest shows nobody the number.
        (["编号", "甲"], {"category": {"from": "{甲}", "digest": True}}, True),
        # One column that no field publishes is enough.
        (["编号", "甲"], {}, True),
        (["甲"], {}, True),
        # A column of a person or a text does not count as published, even if read elsewhere.
        (["编号"], {"petitioner": "{编号}"}, True),
        (["编号"], {"text": "{姓名} {编号}"}, True),
        (["编号", "甲"], {"category": "{甲}", "title": "{甲}"}, True),
        # A column used only in a condition is not published.
        (["甲"], {"when": "{甲}"}, True),
        (["甲"], {"actor": "{甲}"}, True),
        (["甲"], {"recorded": "{日期}", "time": "{日期}"}, True),
    ],
)
def test_an_identity_is_keyed_unless_every_column_of_it_is_shown_and_none_is_personal(
    identity: list[str], shown: dict[str, Any], keyed: bool, office: Office
) -> None:
    wanted = mapping(petition(**shown), identity=identity)
    assert wanted.open_identity is not keyed
    (made,) = office.events(wanted, {"甲": "B-1"})
    head = made["id"].removesuffix(":registered")
    cells = (ROW | {"甲": "B-1"})[identity[-1]]
    texts = [ROW["编号"] if name == "编号" else cells for name in identity]
    assert (head == office.encoder.vault.digest(*texts)) is keyed


def test_an_identity_is_blank_when_all_its_columns_are(office: Office) -> None:
    wanted = mapping(visit(), identity=["甲", "乙"])
    assert office.why(wanted) == ("blank", "甲", "编号为空，无法认定是哪一行")
    both = office.events(wanted, {"甲": "1"}, {"乙": "1"}, {"甲": "1", "乙": "1"})
    assert len({made["id"] for made in both}) == 3


def test_a_time_in_an_identity_is_the_instant_however_it_is_written(office: Office) -> None:
    wanted = mapping(visit(), identity=["姓名", "日期"])
    same = ["2021-03-01 09:00", "2021/3/1 上午9:00", "202103010900", "2021-03-01T01:00:00Z"]
    # The last text gives the same instant in another zone: it is not the same row.
    ids = [office.events(wanted, {"日期": text})[0]["id"] for text in same]
    assert len(set(ids[:3])) == 1 and ids[3] != ids[0]
    # Columns other than times are compared as written.
    plain = mapping(visit(time="2021-03-01"), identity=["姓名", "日期"])
    ids = [office.events(plain, {"日期": text})[0]["id"] for text in same]
    assert len(set(ids)) == 4
    # An unreadable time is refused as a time, not as an identity.
    assert office.why(wanted, 日期="昨天")[:2] == ("time", "日期")


def test_a_row_that_stands_twice_names_the_first_and_one_that_differs_is_a_conflict(
    office: Office,
) -> None:
    wanted = mapping(petition(category={"from": "{甲}", "values": ["一", "二"]}))
    found = office.outcomes(
        wanted,
        {"甲": "一"},
        {"甲": "一", "乙": "not read by the mapping"},
        {"甲": " 一 "},
        {"甲": "二"},
        {"甲": ""},
        {"编号": "A-2", "甲": "一"},
        {"编号": "Ａ-2", "甲": "一"},
    )
    repeated = "与第 {} 行完全相同，只计一次"
    conflict = "与第 1 行编号相同而内容不同，请核对后改正"
    assert [each.rejection and each.rejection.message for each in found] == [
        *(None, repeated.format(1), repeated.format(1), conflict, conflict),
        *(None, repeated.format(6)),
    ]
    assert {each.rejection.column for each in found if each.rejection} == {"编号"}


def test_a_refused_row_holds_no_number(office: Office) -> None:
    found = office.outcomes(
        mapping(petition(people="{甲}")), {"甲": "x"}, {"甲": "1000001"}, {"甲": "2"}, {"甲": "2"}
    )
    codes = [each.rejection.code if each.rejection else "in" for each in found]
    assert codes == ["number", "refused", "in", "repeated"]


# -- times


@pytest.mark.parametrize(
    ("cell", "code"),
    [("2021-06-01 12:00:00", None), ("2021-06-01 12:00:01", "future"), ("2021-06-01", None)],
)
def test_nothing_is_recorded_later_than_now(cell: str, code: str | None, office: Office) -> None:
    (found,) = office.outcomes(mapping(petition()), {"日期": cell})
    assert (found.rejection and found.rejection.code) == code
    late = mapping(petition(recorded="{甲}"))
    (found,) = office.outcomes(late, {"甲": cell})
    assert (found.rejection and found.rejection.code) == code
    if code:
        assert office.why(late, 甲=cell) == ("future", "甲", "晚于现在")


@pytest.mark.parametrize(
    ("recorded", "made"),
    [
        ("2021-03-01 09:00:00", "2021-03-01T09:00:00+08:00"),
        ("2021-03-01 09:00:01", "2021-03-01T09:00:01+08:00"),
        ("2021-03-01 08:59:59", None),
        # Only the day is known: it cannot be before an event of that day.
        ("2021-03-01", "2021-03-01T09:00:00+08:00"),
        ("2021-03-02", "2021-03-02T00:00:00+08:00"),
        ("2021-02-28", None),
    ],
)
def test_a_recording_is_never_before_what_it_records(
    recorded: str, made: str | None, office: Office
) -> None:
    wanted = mapping(petition(recorded="{甲}"))
    if made is None:
        assert office.why(wanted, 甲=recorded) == ("order", "甲", "登记早于发生")
    else:
        (found,) = office.events(wanted, {"甲": recorded})
        assert (found["time"], found["recorded"]) == ("2021-03-01T09:00:00+08:00", made)


def test_a_recording_is_held_against_its_own_event_and_not_against_the_one_before(
    office: Office,
) -> None:
    wanted = mapping(petition(), reply(recorded="{乙}"))
    # The reply of 10:00 has only a day of recording: it counts as recorded at 10:00.
    _, second = office.events(wanted, {"甲": "2021-03-02 10:00", "乙": "2021-03-02"})
    assert second["recorded"] == "2021-03-02T10:00:00+08:00"
    early = {"甲": "2021-03-02 10:00", "乙": "2021-03-02 09:59"}  # after the petition of 1 March
    assert office.why(wanted, **early) == ("order", "乙", "登记早于发生")


def reply(**fields: Any) -> dict[str, Any]:
    return event("petition.replied", **CASE, result="explained", **{"time": "{甲}", **fields})


@pytest.mark.parametrize(
    ("replied", "made"),
    [
        ("2021-03-01 09:00:00", "2021-03-01T09:00:00+08:00"),
        ("2021-03-01 08:59:59", None),
        ("2021-03-01", "2021-03-01T09:00:00+08:00"),
        ("2021-03-02", "2021-03-02T00:00:00+08:00"),
        ("2021-02-28", None),
    ],
)
def test_no_event_of_a_row_happens_before_one_above_it(
    replied: str, made: str | None, office: Office
) -> None:
    wanted = mapping(petition(), reply())
    if made is None:
        assert office.why(wanted, 甲=replied) == ("order", "甲", "早于“日期”")
    else:
        assert office.events(wanted, {"甲": replied})[1]["time"] == made
    # A mapping may declare its ledger unordered; then no order is checked.
    loose = mapping(petition(), reply(), ordered=False)
    assert len(office.events(loose, {"甲": replied})) == 2


def test_a_day_is_one_of_the_ledgers_zone(office: Office) -> None:
    """2021-02-28 23:30 in London is 1 March in Shanghai: a reply on that day is not before it."""
    wanted = mapping(petition(), reply())
    (_, late) = office.events(wanted, {"日期": "2021-02-28 23:30Z", "甲": "2021-03-01"})
    assert datetime.fromisoformat(late["time"]) == datetime(2021, 3, 1, 7, 30, tzinfo=SHANGHAI)
    assert office.why(wanted, 日期="2021-02-28 23:30Z", 甲="2021-02-28")[0] == "order"
    london = mapping(petition(), reply(), timezone="Europe/London")
    (first, _) = office.events(london, {"甲": "2021-03-02"})
    assert first["time"] == "2021-03-01T09:00:00Z"


def test_an_event_is_made_only_when_its_column_is_filled(office: Office) -> None:
    wanted = mapping(petition(), reply(when="{乙}"))
    made = office.events(wanted, {"编号": "A-1"}, {"编号": "A-2", "乙": "是", "甲": "2021-03-05"})
    assert [each["type"] for each in made] == [
        *("petition.registered", "petition.registered", "petition.replied")
    ]
    # A skipped event does not skip the events after it.
    rated = event("petition.rated", **CASE, satisfaction=4, time="2021-03-09")
    made = office.events(mapping(petition(), reply(when="{乙}"), rated), {"编号": "A-3"})
    assert [each["type"] for each in made] == ["petition.registered", "petition.rated"]
    # Only the column decides: without its time the event is refused, not skipped.
    assert office.why(wanted, 乙="是") == ("blank", "甲", "没有填写时间")


def test_a_time_that_is_constant_or_blank_is_told_by_its_field(office: Office) -> None:
    assert office.why(mapping(petition(time="昨天"))) == (
        *("time", "time", "看不出是什么时间：（2 字，内容不显示）"),
    )
    assert office.why(mapping(petition(recorded="昨天")))[:2] == ("time", "recorded")
    assert office.why(mapping(petition(time="{甲}{乙}"))) == ("blank", "甲", "没有填写时间")
    (made,) = office.events(mapping(petition(time="2021-03-04")))
    assert made["time"] == "2021-03-04T00:00:00+08:00"


# -- content


@pytest.mark.parametrize("length", [1, TEXT_MAX - 1, TEXT_MAX, TEXT_MAX + 1])
@pytest.mark.parametrize("field", ["text", "petitioner"])
def test_a_text_has_at_most_twenty_thousand_characters(
    field: str, length: int, office: Office
) -> None:
    wanted = mapping(petition(**{field: "{甲}"}))
    if length > 20_000:
        told = ("text", "甲", "有 20,001 字，最多 20,000 字")
        assert office.why(wanted, 甲="长" * length) == told
    else:
        assert len(office.events(wanted, {"甲": "长" * length})) == 1


def test_a_sealed_text_keeps_its_lines_and_widths_and_a_person_does_not(
    office: Office, vault: Vault
) -> None:
    wanted = mapping(petition(petitioner="{甲}", text="{乙}", title="T:{乙}"))
    (made,) = office.events(wanted, {"甲": " 张三　１ ", "乙": " 第一行\r\n\r\n第二行　Ａ "})
    data, subject = made["data"], vault.pseudonym("张三 1")
    assert data["petitioner"] == subject

    def text(name: str) -> str:
        return vault.unseal(subject, made["id"], name, data[name])

    assert text("text") == "第一行\n\n第二行　Ａ"
    # A template is one line: its cells are normalized as for comparison.
    assert text("title") == "T:第一行 第二行 A"
    (made,) = office.events(wanted, {"甲": 7, "乙": 13.0, "编号": "A-2"})
    data, subject = made["data"], vault.pseudonym("7")
    assert text("text") == "13"


@pytest.mark.parametrize(
    ("feed", "cell", "made"),
    [
        ("{甲}", "network", "network"),
        ("{甲}", "信息网络", "network"),
        ("{甲}", " ｎetwork ", "network"),
        ("network", "", "network"),
        ({"from": "{甲}", "map": {"网 上": "network"}}, "网　上", "network"),
        ({"from": "{甲}", "map": {"1": "network"}}, 1.0, "network"),
        ({"from": "{甲}", "default": "network"}, "", "network"),
        ({"from": "{甲}{乙}", "default": "network"}, "", "network"),
        ({"from": "{甲}{乙}", "map": {"网": "network"}}, "网", "network"),
        ({"constant": "network"}, "", "network"),
        ("{甲}", "Network", None),
        ("{甲}", "别的", None),
        ({"from": "{甲}", "map": {"网": "network"}}, "别的", None),
        # A default is a final value, not a key of the map.
        ({"from": "{甲}", "default": "网", "map": {"网": "network"}}, "", None),
    ],
)
def test_a_word_is_one_of_its_list_by_its_name_or_through_the_map(
    feed: Any, cell: Any, made: str | None, office: Office
) -> None:
    wanted = mapping(petition(channel=feed))
    if made is None:
        code, column, message = office.why(wanted, 甲=cell)
        length = len(str(cell)) or 1
        assert (code, column) == ("choice", "甲")
        assert message.startswith("“信访渠道”应为 ") and "、" in message
        assert message.endswith(f" 之一，现为（{length} 字，内容不显示）")
    else:
        assert office.events(wanted, {"甲": cell})[0]["data"]["channel"] == made


def test_what_is_blank_is_absent_or_refused_by_its_name(office: Office) -> None:
    wanted = mapping(petition(category="{甲}", text="{乙}", actor="{甲}", grid="{乙}"))
    (made,) = office.events(wanted)
    assert not {"category", "text", "content"} & made["data"].keys()
    assert not {"actor", "grid"} & made.keys()
    for field, name in [("people", "人次"), ("repeated", "重件"), ("petitioner", "信访人")]:
        told = ("blank", "甲", f"没有填写“{name}”")
        assert office.why(mapping(petition(**{field: "{甲}{乙}"}))) == told


def test_attributes_and_several_events_of_a_type_are_kept_apart(office: Office) -> None:
    first = petition(actor=" {甲} ", grid="{乙}") | {"name": "first"}
    (one, two) = office.events(
        mapping(first, petition()), {"甲": " 431202－信访局　", "乙": 431202001001001}
    )
    assert (one["actor"], one["grid"]) == ("431202-信访局", "431202001001001")
    assert (one["id"], two["id"]) == ("A-1:first", "A-1:registered")


@pytest.mark.parametrize(
    ("field", "feed", "cell", "told"),
    [
        ("people", "{甲}", "三", "“人次”应为整数,现为（1 字，内容不显示）"),
        ("people", "{甲}", "1.5", "“人次”应为整数,现为（3 字，内容不显示）"),
        ("repeated", "{甲}", "也许", "“重件”应为是或否,现为（2 字，内容不显示）"),
    ],
)
def test_a_number_or_a_yes_that_is_none_is_refused_by_its_name(
    field: str, feed: str, cell: str, told: str, office: Office
) -> None:
    code = "choice" if field == "repeated" else "number"
    assert office.why(mapping(petition(**{field: feed})), 甲=cell) == (code, "甲", told)


def test_money_that_is_none_is_refused_as_money(office: Office) -> None:
    amount = {"from": "{甲}", "unit": "元"}
    wanted = mapping(event("fund.pledged", account="F-1", source="自愿认缴", amount=amount))
    told = ("number", "甲", "“金额”应为金额,现为（5 字，内容不显示）")
    assert office.why(wanted, 甲="0.001") == told
    (made,) = office.events(wanted, {"甲": "100,000,000,000"})
    assert made["data"]["amount"] == 10**13  # the maximum, in fen
    assert office.why(wanted, 甲="100,000,000,000.01")[:2] == ("refused", "甲")
    # A constant is in fen: no cell is read, so it needs no unit.
    (made,) = office.events(
        mapping(event("fund.pledged", account="F-1", source="pledge", amount=7))
    )
    assert made["data"]["amount"] == 7


@pytest.mark.parametrize("length", [64, 65])
def test_a_long_or_chinese_case_number_is_a_digest_where_the_mapping_asks_for_it(
    length: int, office: Office
) -> None:
    wanted = mapping(petition(petition={"from": "{甲}", "digest": True}), identity=["编号"])
    (made,) = office.events(wanted, {"甲": "x" * length})
    shown = made["data"]["petition"]
    assert (shown == "x" * length) is (length == 64)
    chinese = office.events(wanted, {"甲": "信〔2021〕7号"}, {"甲": "信〔2021〕8号", "编号": "A-2"})
    numbers = [each["data"]["petition"] for each in chinese]
    assert all(re.fullmatch(r"k1\.[0-9a-f]{32}", number) for number in numbers)
    assert len(set(numbers)) == 2


def test_what_the_schemas_refuse_names_type_and_column_and_advises_of_numbers(
    office: Office,
) -> None:
    code, column, message = office.why(mapping(petition(petition="P{甲}")), 甲="七号")
    assert (code, column) == ("refused", "甲")
    assert message == (
        "“信访件编号”只能由字母、数字和 : . _ - 组成；"
        "编号里有汉字时，在映射文件中为它写 digest = true；"
        "单位、分类等名称，在映射文件的 values 中逐一列出，现为（3 字，内容不显示）"
    )
    code, column, message = office.why(mapping(petition(people="{甲}")), 甲="1000001")
    assert (code, column) == ("refused", "甲")
    assert message.startswith("不符合规定（petition.registered）：data.people: ")
    assert "1000000" in message and "1000001" not in message
    # The refusal of a constant names its field, that of an attribute no column.
    assert office.why(mapping(petition(people=1_000_001)))[:2] == ("refused", "people")
    code, column, message = office.why(mapping(petition(actor="{甲}")), 甲="x" * 65)
    assert (code, column) == ("refused", "")
    assert message == (
        "不符合规定（petition.registered）："
        "填报者只能是单位代码、“区划代码-单位”或者假名，不得填写姓名"
    )


# -- places


@pytest.mark.parametrize(
    ("division", "cell", "made"),
    [
        ("431202001001", "", "431202001001"),
        ("{甲}", "鹤城区", "431202"),
        ({"from": "{甲}"}, "鹤城区", "431202"),
        ({"from": ["鹤城区", "{甲}"]}, "城中街道", "431202001"),
        ({"from": ["鹤城区", "{甲}"]}, "", "431202"),
        ({"from": ["{甲}"], "unknown": "431200"}, "", "431200"),
        ({"from": ["{甲}"], "unknown": "431200"}, "别处", "431200"),
        ({"from": ["{甲}"], "unknown": "431200"}, "鹤城区", "431202"),
    ],
)
def test_a_row_belongs_where_its_parts_say_or_to_the_unknown(
    division: Any, cell: str, made: str, office: Office
) -> None:
    (found,) = office.events(mapping(petition(), division=division), {"甲": cell})
    assert found["division"] == made


@pytest.mark.parametrize(
    ("division", "cells", "told"),
    [
        ("{甲}", {}, ("blank", "甲", "没有填写地点")),
        ({"from": ["{甲}", "{乙}"]}, {}, ("blank", "乙", "没有填写地点")),
        (
            {"from": ["{甲}", "{乙}"]},
            {"甲": "鹤城区", "乙": "张三家"},
            ("division", "乙", "找不到或不能唯一认定的地点：鹤城区/（3 字，内容不显示）"),
        ),
        (
            {"from": ["{甲}", "{乙}"]},
            {"甲": "别处"},
            ("division", "乙", "找不到或不能唯一认定的地点：（2 字，内容不显示）"),
        ),
        (
            "999999",
            {},
            ("division", "division", "找不到或不能唯一认定的地点：（6 字，内容不显示）"),
        ),
    ],
)
def test_a_row_without_a_place_is_refused_with_its_last_column(
    division: Any, cells: dict[str, str], told: tuple[str, str, str], office: Office
) -> None:
    assert office.why(mapping(petition(), division=division), **cells) == told


def test_the_clock_says_now_where_nobody_does(office: Office, tmp_path: Path) -> None:
    soon = datetime.now(SHANGHAI) + timedelta(days=2)
    past = datetime.now(SHANGHAI) - timedelta(days=2)
    rows = [ROW | {"编号": f"A-{n}", "日期": at.isoformat()} for n, at in enumerate([past, soon])]
    found = list(outcomes(write(tmp_path, "jsonl", rows), mapping(petition()), office.encoder))
    assert [each.rejection and each.rejection.code for each in found] == [None, "future"]
