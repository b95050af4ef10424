"""Another city's name, divisions and figures on every board; another language's words."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboards.boards import every, write
from dashboards.edition import Edition
from schemas.errors import Misconfigured
from tests.dashboards.pages import opened, rows_of
from tests.dashboards.servers import BoardServer, board_server
from tests.dashboards.shipped import provisioned
from tests.histories.told import told
from tests.town import town

ADMIN = Path(__file__).parents[3] / "shared" / "data" / "admin"
XIANGTAN = "4303"
YUHU = "430302"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
RANGE = "from=1622476800000&to=1623736799000"  # 1 to 15 June 2021


def rows(name: str) -> Iterator[tuple[str, str]]:
    with (ADMIN / name).open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["code"].startswith(XIANGTAN):
                yield row["code"], row["name"]


@pytest.fixture(scope="module")
def divisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The divisions file of 湘潭, made from the province's lists."""
    if not ADMIN.exists():
        pytest.skip("the province's lists are not here: ../shared/data/admin")
    ((code, name),) = rows("hunan_cities.csv")
    found = [(f"{code}00", name), *rows("hunan_divisions.csv"), *rows("hunan_townships_9digit.csv")]
    path = tmp_path_factory.mktemp("xiangtan") / "divisions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("code", "name", "valid_from", "valid_to"))
        lines.writerows((*each, "2000-01-01", "") for each in found)
    return path


@pytest.fixture(scope="module")
def boards(divisions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    """A board server of 湘潭 with two visits and a petition."""
    root = tmp_path_factory.mktemp("second")
    write(root / "boards", Edition.load(divisions))
    with town(root / "town", divisions) as found:
        found.tell(
            told("visit.recorded", "h-1", "2021-06-02 09:00", place=YUHU),
            told("visit.recorded", "h-2", "2021-06-03 09:00", place=YUHU),
            told("petition.registered", "P-1", "2021-06-04 09:00", place=YUHU),
        )
        options = provisioned(root, found.shipped.sources.values(), root / "boards")
        with board_server(root / "state", *options) as running:
            yield running


def test_no_board_of_another_city_speaks_of_the_first(divisions: Path) -> None:
    edition = Edition.load(divisions)
    assert (edition.code, edition.city, edition.map) == ("430300", "湘潭市", None)
    text = json.dumps(every(edition), ensure_ascii=False)
    assert "怀化" not in text
    assert "4312" not in text
    assert "湘潭市 · 城市运行总览" in text


@pytest.mark.browser
def test_a_second_city_shows_its_own_name_and_divisions_on_every_board(
    page: Page, boards: BoardServer, divisions: Path
) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    for made in every(Edition.load(divisions)):
        assert opened(page, f"{boards.url}/d/{made['uid']}?{RANGE}") == []
        expect(page.locator("body")).to_contain_text(made["title"])
        assert "怀化" not in page.locator("body").inner_text()
    opened(page, f"{boards.url}/d/gulou-wall?{RANGE}")
    expect(page.locator("body")).to_contain_text("湘潭市 · 城市运行总览")
    counties = {name for code, name in rows("hunan_divisions.csv")}
    listed = {row[0]: row for row in rows_of(page, "各县市区：本年走访（户次）")[1:]}
    assert set(listed) == counties
    assert [cell for cell in listed["雨湖区"] if cell == "2"] == ["2"]


def shown(board: dict[str, Any]) -> Iterator[str]:
    """Every visible text of a board, and every literal in the results of its SQL."""

    def walk(value: Any, key: str = "") -> Iterator[str]:
        if isinstance(value, dict):
            for name, each in value.items():
                yield from walk(each, name)
        elif isinstance(value, list):
            for each in value:
                yield from walk(each, key)
        elif isinstance(value, str) and key in ("rawSql", "definition"):
            yield from re.findall(r"'((?:\\.|[^'\\])*)'", value)
        elif isinstance(value, str) and key != "description":
            yield value

    yield from walk(board)


class Marked(dict[str, str]):
    """A language in which every text is in brackets."""

    def get(self, text: str, default: str = "") -> str:  # type: ignore[override]
        return f"⟦{text}⟧"


def test_every_chinese_text_of_a_board_comes_from_the_words_of_its_language() -> None:
    first = Edition.load()
    marked = Edition(first.code, "CITY", first.zone, first.map, Marked())
    bare = {
        text
        for board in every(marked)
        for text in shown(board)
        if CHINESE.search(re.sub(r"⟦[^⟧]*⟧", "", text))
    }
    # Tags group boards; they are not translated.
    assert bare <= {"鼓楼", "鼓楼-主题", "鼓楼-大屏"}


def test_a_language_is_one_file_of_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dashboards import edition as module

    monkeypatch.setattr(module, "_WORDS", tmp_path)
    with pytest.raises(Misconfigured, match="no words of the language 'en'"):
        Edition.load(language="en")
    (tmp_path / "en.toml").write_text(
        '"今日走访（户次）" = "Visits today"\n"县市区" = "County"\n"网格员" = "Grid member"\n',
        encoding="utf-8",
    )
    text = json.dumps(every(Edition.load(language="en")), ensure_ascii=False)
    for word in ("Visits today", '"County"', "'Grid member'"):
        assert word in text
    assert "今日走访（户次）" not in text


@pytest.mark.parametrize(
    "line", ['"县市区" = 3', "\"县市区\" = ['County']", "\"县市区\".en = 'County'"]
)
def test_a_translation_that_is_no_text_is_named_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    from dashboards import edition as module

    monkeypatch.setattr(module, "_WORDS", tmp_path)
    file = tmp_path / "en.toml"
    file.write_text(f'"网格员" = "Grid member"\n{line}\n', encoding="utf-8")
    with pytest.raises(Misconfigured) as found:
        Edition.load(language="en")
    assert found.value.what == f"In {str(file)!r} the translation of '县市区' is no text."
    assert found.value.do == 'Write that line as "县市区" = "…", both in quotes.'


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("县 = 'x'", "line 1"),
        ("\"县\" = 'x'\n\"县\" = 'y'", "overwrite a value"),
        ("\udcff", "utf-8"),
    ],
    ids=["a bare key", "a key twice", "no UTF-8"],
)
def test_a_words_file_that_cannot_be_read_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, fault: str
) -> None:
    from dashboards import edition as module

    monkeypatch.setattr(module, "_WORDS", tmp_path)
    file = tmp_path / "en.toml"
    file.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(Misconfigured, match=rf"en\.toml' is no TOML in UTF-8: .*{fault}"):
        Edition.load(language="en")
