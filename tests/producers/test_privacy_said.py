"""Errors of an import name rows and columns, never a person's cell."""

from __future__ import annotations

import base64
import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import openpyxl
import pytest

from producers.client import Encoder
from producers.ledgers.importing import LedgerMapping, load_mapping, outcomes
from producers.vault import Vault
from schemas.errors import Misconfigured
from tests.producers.traces import (
    KINDS,
    PLACES,
    ROWS,
    SECRETS,
    event,
    found,
    mapping,
    petition,
    write,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAPPING = mapping(petition(text="{诉求}", petitioner="{姓名}/{手机}"))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault(tmp_path / "keys.db") as made:
        yield made


@pytest.fixture
def encoder(vault: Vault) -> Encoder:
    return Encoder(vault, PLACES)


def digested(column: str) -> dict[str, Any]:
    return {"from": f"{{{column}}}", "digest": True}


def money(column: str) -> dict[str, Any]:
    amount = {"from": f"{{{column}}}", "unit": "分"}
    return event("fund.contributed", account="F-1", amount=amount, source="pledge")


def voided(**fields: Any) -> dict[str, Any]:
    return event("visit.voided", household="{姓名}", **{"corrects": "v-1", "why": "误", **fields})


CASE: Final = {"petition": "{编号}", "kind": "appeal"}
OPEN: Final[Mapping[str, LedgerMapping]] = {
    "actor that is a name": mapping(petition(actor="{姓名}")),
    "actor that is a telephone": mapping(petition(actor="{手机}")),
    "case number that is a number of a person": mapping(petition(petition="{身份证}")),
    "case number with a telephone": mapping(petition(petition="P-{手机}")),
    "identity that is an open case number": mapping(
        petition(petition="{身份证}"), identity=["身份证"]
    ),
    "case number by a digest of a number": mapping(petition(petition=digested("身份证"))),
    "case number by a digest of a name": mapping(petition(petition=digested("姓名"))),
    "case that is joined": mapping(event("petition.merged", **CASE, into="{手机}")),
    "request that is a telephone": mapping(
        event("visit.request_closed", household="{姓名}", request="{手机}", outcome="settled")
    ),
    "fund's account that is a number of a person": mapping(
        event("fund.pledged", account="{身份证}", amount=5, source="pledge")
    ),
    "category that is a name": mapping(petition(category="{姓名}")),
    "category that is a text": mapping(petition(category="{诉求}")),
    "unit that is a name": mapping(
        event(
            "petition.transferred",
            petition="{编号}",
            kind="appeal",
            mode="passed_on",
            unit="{姓名}",
        )
    ),
    "remark about a thing that is a text": mapping(voided(why="{诉求}")),
    "form that is set right": mapping(voided(corrects="{手机}")),
    "money that is a telephone": mapping(money("手机")),
}


DIGESTED: Final = {name for name in OPEN if "digest" in name}


@pytest.mark.parametrize("name", OPEN)
def test_no_open_field_holds_a_cell_about_a_person(
    name: str, encoder: Encoder, tmp_path: Path
) -> None:
    made = list(outcomes(write(tmp_path, "utf-8"), OPEN[name], encoder, now=NOW))
    messages = [m for each in made for m in each.messages]
    assert found(SECRETS, [part for m in messages for part in (m.key, m.payload)]) == []
    assert found(SECRETS, [repr(each.rejection).encode() for each in made]) == []
    # A digest under the vault's key is no trace; everything else is refused.
    assert len(messages) == (2 if name in DIGESTED else 0)


def test_a_source_with_a_name_is_refused_with_the_mapping(tmp_path: Path) -> None:
    text = """
        source = "欧阳小满"
        identity = ["编号"]
        division = "431202"
        [[events]]
        type = "petition.merged"
        time = "{日期}"
        data = { petition = "{编号}", kind = "appeal", into = "P-1" }
    """
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured, match="source: String should match pattern") as refused:
        load_mapping(tmp_path / "m.toml")
    assert found(SECRETS, [str(refused.value).encode()]) == []


LISTED: Final = {"from": "{甲}", "values": ["城乡建设", "劳动社保"]}


@pytest.mark.parametrize(
    ("category", "cell", "fate"),
    [
        (LISTED, "城乡建设", "in"),
        (LISTED, " 劳动社保 ", "in"),
        (LISTED, "C-07", "in"),
        (LISTED, "欧阳小满", "refused"),
        (LISTED, "城乡建设 欧阳小满", "refused"),
        (LISTED, "13974500173", "personal"),
        ({"from": "{甲}", "map": {"城建": "城乡建设"}}, "城建", "in"),
        ({"from": "{甲}", "map": {"城建": "城乡建设"}}, "城乡建设", "in"),
        ({"from": "{甲}", "default": "其他"}, "", "in"),
        ("{甲}", "城乡建设", "refused"),
        # A template may not hide a number between other digits.
        ("P2021{甲}7", "13974500173", "personal"),
        ("P2021{甲}7", "7", "in"),
    ],
)
def test_a_column_feeds_an_open_text_with_codes_and_with_words_that_the_mapping_names(
    category: Any, cell: str, fate: str, encoder: Encoder, tmp_path: Path
) -> None:
    ledger = write(tmp_path, "jsonl", [{**ROWS[0], "甲": cell}])
    wanted = mapping(petition(category=category))
    (made,) = outcomes(ledger, wanted, encoder, now=NOW)
    assert (made.rejection.code if made.rejection else "in") == fate
    if made.rejection is not None:
        assert made.rejection.column == "甲"
        assert found(["欧阳小满", "13974500173"], [repr(made.rejection).encode()]) == []


@pytest.mark.parametrize(
    ("unit", "cell", "amount"),
    [
        ("分", "13974500173", None),
        ("元", "13974500173", None),
        ("元", "139 7450 0173", None),
        # The same amounts as people write amounts.
        ("分", "13,974,500,173", 13_974_500_173),
        ("元", "139,745,001.73", 13_974_500_173),
        ("元", "139745001.73", 13_974_500_173),
        ("分", "12974500173", 12_974_500_173),
    ],
)
def test_money_written_like_a_telephone_is_refused_and_the_amount_passes_with_commas(
    unit: str, cell: str, amount: int | None, encoder: Encoder, tmp_path: Path
) -> None:
    feed = {"from": "{甲}", "unit": unit}
    wanted = mapping(event("fund.contributed", account="F-1", amount=feed, source="pledge"))
    (made,) = outcomes(
        write(tmp_path, "jsonl", [{**ROWS[0], "甲": cell}]), wanted, encoder, now=NOW
    )
    if amount is None:
        assert made.rejection is not None and made.rejection.code == "personal"
        assert made.rejection.message == "“金额”里像是电话号码，此栏明文传送，不得填写"
    else:
        (message,) = made.messages
        assert json.loads(message.payload)["data"]["amount"] == amount


def test_a_case_number_is_kept_or_is_a_digest_that_only_the_vault_can_make(
    encoder: Encoder, vault: Vault, tmp_path: Path
) -> None:
    wanted = mapping(petition(petition=digested("甲")))
    numbers = ["XF-2021-7", "信〔2021〕7号", "13974500173"]
    rows = [{**ROWS[0], "编号": f"A-{n}", "甲": cell} for n, cell in enumerate(numbers)]
    made = list(outcomes(write(tmp_path, "jsonl", rows), wanted, encoder, now=NOW))
    shown = [json.loads(m.payload)["data"]["petition"] for each in made for m in each.messages]
    assert shown == ["XF-2021-7", vault.digest(numbers[1]), vault.digest(numbers[2])]


@pytest.mark.parametrize(
    "hidden",
    [
        lambda value: value.encode(),
        lambda value: value.encode("utf-16-le"),
        lambda value: value.encode("gb18030"),
        lambda value: json.dumps(value).encode(),
        lambda value: hashlib.sha256(value.encode()).hexdigest()[:24].encode(),
        lambda value: hashlib.md5(value.encode()).hexdigest().upper().encode(),
        lambda value: hashlib.md5(value.encode("gb18030")).digest(),
        lambda value: base64.b64encode(value.encode()),
        lambda value: base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()),
    ],
)
def test_the_search_finds_a_value_in_every_form_it_could_have(
    hidden: Callable[[str], bytes],
) -> None:
    for value in SECRETS:
        text = b"before" + hidden(value) + b"behind"
        # An address contains its household's name.
        assert found(SECRETS, [text]) in ([value], [name for name in SECRETS if name in value])
    assert found(SECRETS, [b"nothing", "A-1,鹤城区,2021-03-01 09:00".encode()]) == []


def refusal(ledger: Path, encoder: Encoder, wanted: LedgerMapping = MAPPING) -> str:
    with pytest.raises(Misconfigured) as refused:
        list(outcomes(ledger, wanted, encoder, now=NOW))
    return str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_cells_that_is_taken_for_the_head_is_not_repeated(
    kind: str, encoder: Encoder, tmp_path: Path
) -> None:
    ledger = write(tmp_path, kind)
    if kind == "jsonl":
        # A file by a program that uses the cells of the first row as names.
        rows = [dict(zip(ROWS[0].values(), row.values(), strict=True)) for row in ROWS]
        ledger = write(tmp_path, kind, rows)
    said = refusal(ledger, encoder, MAPPING.model_copy(update={"header": 2}))
    # The blank cell names no column of a table, but is a name in JSON.
    count = 8 if kind == "jsonl" else 7
    assert "没有 '编号' 这一列" in said and f"{count} 列，与映射文件的列名都不同。" in said
    assert found(SECRETS, [said.encode()]) == []


def test_a_head_without_a_column_is_shown_with_the_columns_it_has(
    encoder: Encoder, tmp_path: Path
) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "诉求"} for row in ROWS]
    said = refusal(write(tmp_path, "utf-8", rows), encoder)
    assert "没有 '诉求' 这一列" in said
    assert "编号, 姓名, 身份证, 手机, 地址, 日期, 无" in said
    assert found(SECRETS, [said.encode()]) == []


def test_a_column_that_stands_twice_is_named_without_its_cells(
    encoder: Encoder, tmp_path: Path
) -> None:
    ledger = write(tmp_path, "utf-8")
    ledger.write_text(
        ledger.read_text(encoding="utf-8").replace("身份证", "姓名"), encoding="utf-8"
    )
    said = refusal(ledger, encoder)
    assert "有两列都叫 '姓名'" in said
    assert found(SECRETS, [said.encode()]) == []


def test_a_number_in_a_cell_that_is_formatted_as_a_date_is_not_printed(
    encoder: Encoder, tmp_path: Path
) -> None:
    book = openpyxl.load_workbook(write(tmp_path, "xlsx"))
    for column in ("C", "D"):
        for row in (2, 3):
            cell = book.active[f"{column}{row}"]
            cell.value, cell.number_format = int(cell.value), "yyyy-mm-dd"
    book.save(tmp_path / "ledger.xlsx")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        made = list(outcomes(tmp_path / "ledger.xlsx", MAPPING, encoder, now=NOW))
    assert heard == []
    assert [each.rejection for each in made] == [None, None]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"编号": "A-1", "姓名": "欧阳小满"', "不是一个完整的 JSON 对象"),
        ('{"姓名": "欧阳小满", "姓名": "司马立秋"}', "不是一个完整的 JSON 对象"),
        ('["欧阳小满", "13974500173"]', "不是一个 JSON 对象"),
        ('"欧阳小满"', "不是一个 JSON 对象"),
        ("13974500173", "不是一个 JSON 对象"),
        ("[" * 100_000 + '"欧阳小满"', "不是一个完整的 JSON 对象"),
    ],
)
def test_a_line_that_is_no_object_is_refused_without_its_text(
    line: str, says: str, encoder: Encoder, tmp_path: Path
) -> None:
    ledger = write(tmp_path, "jsonl")
    ledger.write_text(ledger.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    *_, last = outcomes(ledger, MAPPING, encoder, now=NOW)
    assert last.row == 3 and last.rejection is not None and last.messages == ()
    assert (last.rejection.code, last.rejection.column) == ("broken", "")
    assert last.rejection.message == f"整行读不出来：{says}"


def test_a_row_with_more_cells_than_the_head_is_refused_without_its_text(
    encoder: Encoder, tmp_path: Path
) -> None:
    ledger = write(tmp_path, "utf-8")
    with ledger.open("a", encoding="utf-8") as file:
        file.write("A-3,欧阳小满,1,2,3,4,2021-03-01,,司马立秋\n")
    *_, last = outcomes(ledger, MAPPING, encoder, now=NOW)
    assert last.rejection is not None
    assert last.rejection.message == "整行读不出来：有 9 格，表头只有 8 列"


def test_a_forgotten_persons_row_is_refused_without_a_name(
    encoder: Encoder, vault: Vault, tmp_path: Path
) -> None:
    vault.forget(vault.pseudonym("欧阳小满/13974500173"))
    first, second = outcomes(write(tmp_path, "utf-8"), MAPPING, encoder, now=NOW)
    assert first.rejection is not None and first.messages == ()
    assert (first.rejection.code, first.rejection.column) == ("refused", "诉求")
    assert "was destroyed" in first.rejection.message
    assert found(SECRETS, [repr(first).encode(), repr(second).encode()]) == []
    assert len(second.messages) == 1


def test_equal_numbers_of_two_persons_are_refused_without_their_names(
    encoder: Encoder, tmp_path: Path
) -> None:
    for column in ("编号", "身份证"):
        rows = [ROWS[0], ROWS[0], {**ROWS[1], column: ROWS[0][column]}]
        wanted = mapping(petition(text="{诉求}"), identity=[column])
        made = list(outcomes(write(tmp_path, "jsonl", rows), wanted, encoder, now=NOW))
        codes = [each.rejection.code if each.rejection else "in" for each in made]
        assert codes == ["in", "repeated", "conflict"]
        assert found(SECRETS, [repr(made).encode()]) == []


@pytest.mark.parametrize(
    "name", ["correlationid", "causationid", "id", "source", "division", "key"]
)
def test_a_mapping_can_feed_no_attribute_but_those_it_may(name: str, tmp_path: Path) -> None:
    text = f"""
        source = "test"
        identity = ["编号"]
        division = "431202"
        [[events]]
        type = "petition.merged"
        time = "{{日期}}"
        {name} = "{{姓名}}"
        data = {{ petition = "{{编号}}", kind = "appeal", into = "P-1" }}
    """
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured, match=f"events.0.{name}: Extra inputs are not permitted"):
        load_mapping(tmp_path / "m.toml")
