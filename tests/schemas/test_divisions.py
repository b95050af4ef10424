from __future__ import annotations

import csv
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from schemas.errors import Misconfigured
from schemas.reference.divisions import Divisions, microgrids, parent
from schemas.words import DivisionCode

HEAD = "code,name,valid_from,valid_to\n"
ADMIN = Path(__file__).parents[3] / "shared" / "data" / "admin"


def test_the_shipped_city_has_one_city_13_counties_207_townships_and_2777_villages(
    divisions: Divisions,
) -> None:
    assert divisions.city.code == "431200"
    assert [d.code for d in divisions.counties] == [
        *("431202", "431221", "431222", "431223", "431224", "431225", "431226"),
        *("431227", "431228", "431229", "431230", "431271", "431281"),
    ]
    assert (len(divisions.townships), len(divisions.villages)) == (207, 2_777)
    assert len(divisions) == 1 + 13 + 207 + 2_777 == 2_998


def test_every_division_knows_its_level_and_its_parent(divisions: Divisions) -> None:
    chain = ["431202001001"]
    while chain[-1] != "431200":
        chain.append(parent(chain[-1]))
    assert chain == ["431202001001", "431202001", "431202", "431200"]
    levels = [divisions[code].level for code in chain]
    assert levels == ["village", "township", "county", "city"]
    assert divisions["431271"].name == "怀化市洪江管理区"
    assert all(parent(code) in divisions for code in divisions)


@pytest.mark.skipif(not ADMIN.exists(), reason="the national files are not in ../shared/data/admin")
def test_the_shipped_codes_are_the_national_ones(divisions: Divisions) -> None:
    published = {"431200"}
    for name in ("divisions_431200", "townships_9digit", "villages_12digit"):
        with (ADMIN / f"huaihua_{name}.csv").open(encoding="utf-8-sig", newline="") as lines:
            published |= {row["code"] for row in csv.DictReader(lines)}
    assert set(divisions) == published


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + "4312,怀化,,\n", r"line 2: '4312' is not a code of 6, 9 or 12 digits"),
        (HEAD + "431200,,,\n", r"line 2: '431200' is not a code .* with a name"),
        (HEAD + "43120a,怀化,,\n", r"line 2"),
        (HEAD + "４３１２００,怀化,,\n", r"line 2"),
        (HEAD + "431200,怀化,,\n431200,怀化,,\n", r"holds a code twice. Remove the second row"),
        (HEAD + "431200,怀化,,\n431202001,某镇,,\n", r"'431202001' has no parent '431202'"),
        ("kode,name\n431200,怀化\n", r"line 2: '' is not a code"),
    ],
)
def test_a_broken_divisions_file_is_refused_with_its_line(
    text: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "divisions.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured, match=says):
        Divisions.load(path)


EDGES = [
    # code; whether it has 6, 9 or 12 digits (parents are checked later)
    *(("1" * digits, digits in (6, 9, 12)) for digits in range(14)),
    ("99000１", False),  # a digit of another script
    ("99000-", False),
]


@pytest.mark.parametrize(("code", "is_one"), EDGES)
def test_a_code_has_6_9_or_12_digits_and_no_other_number(
    code: str, is_one: bool, tmp_path: Path
) -> None:
    path = tmp_path / "divisions.csv"
    rows = {f"{code},某地,,"} | ({f"{code[:-3]},某地,,"} if len(code) > 6 else set())
    rows |= {"111111,某地,,"} if len(code) == 12 else set()
    path.write_text(HEAD + "\n".join(sorted(rows, key=len)) + "\n", encoding="utf-8")
    if is_one:
        assert Divisions.load(path)[code].name == "某地"
        return
    with pytest.raises(Misconfigured, match=r"is not a code of 6, 9 or 12 digits with a name"):
        Divisions.load(path)


def test_an_event_may_happen_in_every_shipped_division_and_in_no_code_of_another_length(
    divisions: Divisions,
) -> None:
    allowed = TypeAdapter(DivisionCode).validator.isinstance_python
    assert all(allowed(code) for code in divisions)
    assert [n for n in range(1, 16) if allowed("4" * n)] == [6, 9, 12]
    assert not any(allowed(code) for code in ("43120a", "４31202", "431202-01", " 431202"))


def test_levels_are_those_of_the_codes_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "divisions.csv"
    rows = (
        ("990102001001", "示例村", "2021-01-01", "2022-01-01"),
        ("990102001", "示例镇", "", ""),
        ("990102", "示例县", "2021-01-01", ""),
        ("990100", "示例市", "", ""),
        ("990102100", "示例乡", "", ""),  # nine digits that end in 00 are not a city
    )
    path.write_text(HEAD + "".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    found = Divisions.load(path)
    assert [(d.code, d.name, d.valid_from, d.valid_to) for d in found.values()] == list(rows)
    levels = ["village", "township", "county", "city", "township"]
    assert [d.level for d in found.values()] == levels
    assert [d.is_city for d in found.values()] == [False, False, False, True, False]
    assert found.city.code == "990100"
    assert [d.code for d in found.counties] == ["990102"]
    assert [d.code for d in found.townships] == ["990102001", "990102100"]
    assert [d.code for d in found.villages] == ["990102001001"]


@pytest.mark.parametrize(
    ("code", "above"),
    [
        ("990102001001", "990102001"),
        ("990102001", "990102"),
        ("990102", "990100"),
        ("990100", "990100"),
    ],
)
def test_the_parent_of_a_code_is_one_level_up_and_of_the_city_itself(code: str, above: str) -> None:
    assert parent(code) == above


@pytest.mark.parametrize("child", ["990102001", "990102001001"])
def test_a_code_without_its_parent_is_refused(child: str, tmp_path: Path) -> None:
    path = tmp_path / "divisions.csv"
    path.write_text(f"{HEAD}990100,示例市,,\n{child},某地,,\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match=f"'{child}' has no parent '{child[:-3]}'") as refused:
        Divisions.load(path)
    assert "Add its row" in str(refused.value)


def test_the_line_named_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "divisions.csv"
    path.write_text(HEAD + "990100,示例市,,\n990102,示例县,,\n12,某地,,\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match="line 4: '12'"):
        Divisions.load(path)


def test_a_county_outside_the_city_has_no_parent_of_its_own(tmp_path: Path) -> None:
    # The city has no row in the file: counties need no parent.
    path = tmp_path / "divisions.csv"
    path.write_text(HEAD + "990102,示例县,,\n", encoding="utf-8")
    assert list(Divisions.load(path)) == ["990102"]


def test_a_missing_divisions_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="Point GULOU_DIVISIONS at a CSV") as refused:
        Divisions.load(tmp_path / "no-such.csv")
    assert "no-such.csv" in str(refused.value)


@pytest.mark.parametrize("rows", ["431202,鹤城区,,\n", "431200,怀化市,,\n431300,娄底市,,\n"])
def test_a_file_of_no_city_or_of_two_is_refused(rows: str, tmp_path: Path) -> None:
    path = tmp_path / "divisions.csv"
    path.write_text(HEAD + rows, encoding="utf-8")
    with pytest.raises(Misconfigured, match="one city row"):
        _ = Divisions.load(path).city


def test_a_file_from_a_spreadsheet_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "divisions.csv"
    path.write_text("\ufeff" + HEAD + "431200,怀化市,2021-01-01,\r\n", encoding="utf-8")
    assert Divisions.load(path).city.name == "怀化市"


def test_a_file_in_another_encoding_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "divisions.csv"
    path.write_bytes((HEAD + "431200,怀化市,,\n").encode("gb18030"))
    with pytest.raises(Misconfigured, match="UTF-8"):
        Divisions.load(path)


def test_micro_grids_stand_beside_the_divisions_under_the_code_of_their_city(
    tmp_path: Path,
) -> None:
    path = tmp_path / "places.csv"
    path.write_text(HEAD + "990000,示例市,,\n990001,示例县,,\n", encoding="utf-8")
    (tmp_path / "microgrids_431200.csv").write_text("code,microgrids\n990001,1\n")
    assert microgrids(path, Divisions.load(path)) is None
    (tmp_path / "microgrids_990000.csv").write_text("code,microgrids\n990001,40\n")
    assert microgrids(path, Divisions.load(path)) == {"990001": 40}


def test_micro_grids_of_none_and_a_file_from_a_spreadsheet_are_read(tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    path.write_text(HEAD + "990000,示例市,,\n990001,示例县,,\n", encoding="utf-8")
    beside = tmp_path / "microgrids_990000.csv"
    beside.write_text("\ufeffcode,microgrids\r\n990001,0\r\n", encoding="utf-8")
    assert microgrids(path, Divisions.load(path)) == {"990001": 0}
    beside.write_text("code,microgrids\n", encoding="utf-8")
    assert microgrids(path, Divisions.load(path)) == {}


def test_micro_grids_in_another_encoding_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    path.write_text(HEAD + "990000,示例市,,\n", encoding="utf-8")
    beside = tmp_path / "microgrids_990000.csv"
    beside.write_bytes("code,microgrids\n990000,四\n".encode("gb18030"))
    with pytest.raises(Misconfigured, match="cannot be read: it is not UTF-8") as refused:
        microgrids(path, Divisions.load(path))
    assert "It needs the columns code,microgrids" in str(refused.value)


def test_a_micro_grid_file_that_is_a_folder_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    path.write_text(HEAD + "990000,示例市,,\n", encoding="utf-8")
    (tmp_path / "microgrids_990000.csv").mkdir()
    with pytest.raises(Misconfigured, match=r"'microgrids_990000.csv' cannot be read: \S"):
        microgrids(path, Divisions.load(path))


@pytest.mark.parametrize(
    "text", ["code\n990001\n", "microgrids\n40\n", "code,microgrids\n990001\n"]
)
def test_a_micro_grid_file_without_one_of_its_columns_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    path.write_text(HEAD + "990000,示例市,,\n990001,示例县,,\n", encoding="utf-8")
    (tmp_path / "microgrids_990000.csv").write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured, match="is no place of the city with a number") as refused:
        microgrids(path, Divisions.load(path))
    assert "None" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("code,name\n990000,示例市\n", ("", "")),  # no dates: always valid
        (HEAD + "990000,示例市\n", ("", "")),
        (HEAD + "990000,示例市,2021-01-01,2022-01-01\n", ("2021-01-01", "2022-01-01")),
    ],
)
def test_dates_may_be_left_out(text: str, says: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "divisions.csv"
    path.write_text(text, encoding="utf-8")
    city = Divisions.load(path).city
    assert (city.valid_from, city.valid_to) == says


@pytest.mark.parametrize("row", ["990002,40", "990001,", "990001,-1", "990001,٤", "990001,4.0"])
def test_micro_grids_of_no_place_or_no_number_are_refused_by_name(row: str, tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    path.write_text(HEAD + "990000,示例市,,\n990001,示例县,,\n", encoding="utf-8")
    text = f"code,microgrids\n{row}\n"
    (tmp_path / "microgrids_990000.csv").write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured, match="is no place of the city with a number"):
        microgrids(path, Divisions.load(path))
