"""Ledger files at their limits: headers, sheets, encodings, separators, longest cells."""

from __future__ import annotations

import codecs
import hashlib
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from producers.ledgers.tables import Table, clean, plain
from schemas.errors import Misconfigured


def rows(path: Path, **how: Any) -> list[tuple[int, dict[str, Any], str]]:
    return [(row.number, dict(row.cells), row.broken) for row in Table(path, **how).rows()]


def text(folder: Path, content: str | bytes, name: str = "l.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def sheets(folder: Path, **lines: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, each in lines.items():
        sheet = book.create_sheet(name)
        for line in each:
            sheet.append(line)
    book.save(folder / "l.xlsx")
    return folder / "l.xlsx"


# -- headers and rows


@pytest.mark.parametrize("header", [1, 2, 3])
def test_the_head_is_the_line_the_mapping_says_and_rows_keep_their_numbers(
    header: int, tmp_path: Path
) -> None:
    lines = [["题"], ["甲", "乙"], ["一", "二"], ["三", "四"], ["五", "六"]]
    expected = [
        (n, dict(zip(lines[header - 1], lines[n - 1], strict=False)), "")
        for n in range(header + 1, 6)
    ]
    if header == 1:
        expected = [(n, {}, "有 2 格，表头只有 1 列") for n in range(2, 6)]
    written = text(tmp_path, "\n".join(",".join(line) for line in lines))
    assert rows(written, header=header) == expected
    assert rows(sheets(tmp_path, 一=lines), header=header) == expected


def test_a_head_below_the_end_of_the_file_has_no_columns(tmp_path: Path) -> None:
    for path in (text(tmp_path, "甲,乙\n一,二\n"), sheets(tmp_path, 一=[["甲"], ["一"]])):
        table = Table(path, header=4)
        assert table.columns() == () and list(table.rows()) == []


def test_blank_rows_are_none_and_keep_the_count(tmp_path: Path) -> None:
    lines = [["甲", "乙"], ["", " "], ["一", ""], [], ["#N/A", "　"], ["", "二"]]
    expected = [(3, {"甲": "一", "乙": None}, ""), (6, {"甲": None, "乙": "二"}, "")]
    assert rows(text(tmp_path, "\n".join(",".join(line) for line in lines))) == expected
    assert rows(sheets(tmp_path, 一=lines)) == expected


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("一", {"甲": "一"}),
        ("一,二", {"甲": "一", "乙": "二"}),
        ("一,二,", {"甲": "一", "乙": "二"}),
        ("一,二,, ,", {"甲": "一", "乙": "二"}),
        ("一,二,三", "有 3 格，表头只有 2 列"),
        ("一,二,,三", "有 4 格，表头只有 2 列"),
        (",,三", "有 3 格，表头只有 2 列"),
    ],
)
def test_a_cell_without_a_column_breaks_its_row(line: str, made: Any, tmp_path: Path) -> None:
    (found,) = rows(text(tmp_path, f"甲,乙\n{line}\n"))
    assert found == ((2, made, "") if isinstance(made, dict) else (2, {}, made))


def test_a_column_without_a_name_is_left_out(tmp_path: Path) -> None:
    path = text(tmp_path, "甲,, 乙　\n一,二,三\n")
    assert Table(path).columns() == ("甲", "乙")
    assert rows(path) == [(2, {"甲": "一", "乙": "三"}, "")]


# -- separators, encodings, line ends


@pytest.mark.parametrize("mark", [",", "\t", ";", "|"])
def test_a_separator_is_the_one_the_head_has_most_of(mark: str, tmp_path: Path) -> None:
    others = ",\t;|".replace(mark, "")
    head = mark.join([f"甲{others[0]}", f"乙{others[1]}", "丙"])
    path = text(tmp_path, f"题\n{head}\n一{mark}二{mark}三\n")
    names = [plain(f"甲{others[0]}"), plain(f"乙{others[1]}"), "丙"]
    assert list(Table(path, header=2).columns()) == names
    assert [list(cells.values()) for _, cells, _ in rows(path, header=2)] == [["一", "二", "三"]]


def test_a_head_of_one_column_needs_no_separator(tmp_path: Path) -> None:
    assert rows(text(tmp_path, "甲\n一;二\n")) == [(2, {"甲": "一;二"}, "")]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_end_ends_a_line_and_stands_within_quotes(ending: str, tmp_path: Path) -> None:
    path = text(tmp_path, f'甲,乙{ending}"一{ending}二",三{ending}四,五')
    assert rows(path) == [(2, {"甲": "一\n二", "乙": "三"}, ""), (3, {"甲": "四", "乙": "五"}, "")]


def test_nuls_of_old_programs_are_no_cells(tmp_path: Path) -> None:
    assert rows(text(tmp_path, "甲,乙\n\0,二\0\n")) == [(2, {"甲": None, "乙": "二"}, "")]


CHUNK = 1 << 20  # bytes per piece in the search for the encoding


@pytest.mark.parametrize("shift", [-3, -2, -1, 0, 1])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_an_encoding_is_found_by_the_whole_file(encoding: str, shift: int, tmp_path: Path) -> None:
    """The only word outside ASCII crosses the end of the first piece, or follows it."""
    head = b"a,b\n"
    filler = b"x" * (CHUNK + shift - len(head)) + b","
    path = text(tmp_path, head + filler + "怀化".encode(encoding) + b"\n")
    ((_, cells, _),) = rows(path)
    assert cells["b"] == "怀化"


def test_bytes_cut_within_a_letter_are_no_utf_8(tmp_path: Path) -> None:
    path = text(tmp_path, "a\n怀化".encode()[:-1])
    # Not GB18030 either: the last byte starts a character there.
    with pytest.raises(Misconfigured, match="既不是 UTF-8 也不是 GB18030") as error:
        Table(path)
    assert "'l.csv'" in error.value.what and ".xlsx" in error.value.do


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_a_mark_at_the_beginning_is_no_part_of_the_first_name(mark: bytes, tmp_path: Path) -> None:
    encoding = "utf-8" if mark == codecs.BOM_UTF8 else "utf-16-le"
    path = text(tmp_path, mark + "甲,乙\n一,二\n".encode(encoding))
    assert rows(path) == [(2, {"甲": "一", "乙": "二"}, "")]


def test_a_cell_may_have_ten_mebibytes_and_no_more(tmp_path: Path) -> None:
    most = 10 * 1024 * 1024
    path = text(tmp_path, "甲\n" + "x" * most + "\n")
    ((_, cells, _),) = rows(path)
    assert len(cells["甲"]) == most
    text(tmp_path, "甲\n" + "x" * (most + 1) + "\n")
    with pytest.raises(Misconfigured, match=r"读不出来：Error: field larger than field limit"):
        rows(path)


# -- JSONL


def test_a_line_of_json_is_a_row_and_a_blank_one_is_none(tmp_path: Path) -> None:
    lines = ['{"甲": 1, "乙": " 二 "}', "", "  ", '{" 甲 ": null, "丙": "#N/A"}']
    path = text(tmp_path, "\n".join(lines), "l.jsonl")
    assert rows(path) == [(1, {"甲": 1, "乙": "二"}, ""), (4, {"甲": None, "丙": None}, "")]
    assert Table(path).columns() == ("甲", "乙", "丙")


@pytest.mark.parametrize(("line", "known"), [(99, True), (100, True), (101, False)])
def test_columns_of_json_are_those_of_the_first_hundred_rows(
    line: int, known: bool, tmp_path: Path
) -> None:
    made = [json.dumps({"甲": n} | ({"乙": 1} if n == line else {})) for n in range(1, 121)]
    assert ("乙" in Table(text(tmp_path, "\n".join(made), "l.ndjson")).columns()) == known


@pytest.mark.parametrize(
    "line",
    [
        r'{"甲": "\ud800"}',
        r'{"甲": "一\udc00二"}',
        r'{"\ud83d": 1}',
        r'{"甲": ["\ud800"]}',
        r'{"甲": "\uD83D"}',
    ],
)
def test_a_half_of_a_letter_breaks_its_row_and_no_other(line: str, tmp_path: Path) -> None:
    whole = r'{"甲": "\ud83d\ude00"}'
    path = text(tmp_path, f"{whole}\n{line}\n{whole}\n", "l.jsonl")
    assert rows(path) == [
        (1, {"甲": "😀"}, ""),
        (2, {}, "有残缺的字符"),
        (3, {"甲": "😀"}, ""),
    ]


# -- XLSX


def test_the_first_sheet_is_read_unless_another_is_named(tmp_path: Path) -> None:
    path = sheets(tmp_path, 一月=[["甲"], ["一"]], 二月=[["甲"], ["二"], ["三"]])
    assert rows(path) == rows(path, sheet="一月") == [(2, {"甲": "一"}, "")]
    assert rows(path, sheet="二月") == [(2, {"甲": "二"}, ""), (3, {"甲": "三"}, "")]
    assert [Table(path, sheet=name).size() for name in ("", "一月", "二月")] == [2, 2, 3]
    with pytest.raises(Misconfigured, match=r"没有名为 '三月' 的工作表") as error:
        rows(path, sheet="三月")
    assert error.value.do == "有 (there are): 一月, 二月。"


@pytest.mark.parametrize("name", ["l.xlsx", "l.XLSX", "l.xlsm"])
def test_what_is_no_workbook_is_named_and_not_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=f"'{name}' 读不出来：BadZipFile"):
        Table(text(tmp_path, "甲\n一\n", name)).columns()


# -- names, sizes, digests


@pytest.mark.parametrize("name", ["l.csv", "l.CSV", "l.txt"])
def test_a_table_of_text_is_known_by_its_name(name: str, tmp_path: Path) -> None:
    assert rows(text(tmp_path, "甲\n一\n", name)) == [(2, {"甲": "一"}, "")]


@pytest.mark.parametrize("name", ["l", "l.xls", "l.json", "l.csv.gz"])
def test_any_other_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=f"'{name}' 的格式不认识"):
        Table(text(tmp_path, "甲\n", name))


def test_the_size_is_the_count_of_line_ends_and_the_digest_that_of_the_bytes(
    tmp_path: Path,
) -> None:
    content = "甲\n" + "一\n" * 400_000  # more than one piece of a mebibyte
    assert len(content.encode()) > CHUNK
    table = Table(text(tmp_path, content))
    assert table.size() == 400_001
    assert table.digest() == hashlib.sha256(content.encode()).hexdigest()


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"'none\.csv' 读不出来：No such file"):
        Table(tmp_path / "none.csv")
    path = text(tmp_path, "甲\n")
    table = Table(path)
    path.unlink()
    for call in (table.columns, table.size, lambda: list(table.rows())):
        with pytest.raises(Misconfigured, match=r"'l\.csv' 读不出来：FileNotFoundError"):
            call()


# -- cells


@pytest.mark.parametrize(
    ("cell", "text_"),
    [
        *[(None, ""), ("", ""), (" 一 \t二\n", "一 二"), ("Ａ１：", "A1:"), ("　一　", "一")],
        *[(3, "3"), (3.0, "3"), (-0.0, "0"), (3.5, "3.5"), (True, "True"), (1e15, "1" + "0" * 15)],
    ],
)
def test_text_for_comparing_has_one_width_and_single_blanks(cell: Any, text_: str) -> None:
    assert plain(cell) == text_


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        *[(" 一 ", "一"), ("一  二", "一  二"), ("", None), (" \n", None), ("Ａ", "Ａ")],
        *[("一\r\n二", "一\n二"), ("一\r二", "一\n二"), ("一_x000D_\n二", "一\n二")],
        *[("一_x000D_二", "一\n二"), (0, 0), (0.0, 0.0), (None, None), (False, False)],
        *[("#N/A ", None), ("#REF!", None), ("#VALUE!", None), ("#NAME?", None)],
        *[("#DIV/0!", None), ("#NULL!", None), ("#NUM!", None), ("#1", "#1"), ("N/A", "N/A")],
    ],
)
def test_a_cell_is_kept_without_what_only_a_file_format_adds(cell: Any, kept: Any) -> None:
    assert clean(cell) == kept
