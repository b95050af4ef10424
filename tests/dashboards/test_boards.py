"""The boards as JSON: what every panel must have, and what no board may contain."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards import boards
from dashboards.boards import __main__ as command
from dashboards.boards import text_of
from dashboards.boards.__main__ import JSON, main
from schemas.families import families
from schemas.family import TAKEN_TOPICS
from schemas.sql import published

EVERY = boards.every()
QUIET = ("text", "row")
VIEWS = {view.name for view in published.published(families(), "truth", "Asia/Shanghai", "clerk")}


def panels() -> Iterator[Any]:
    for board in EVERY:
        for panel in board["panels"]:
            yield pytest.param(panel, id=f"{board['uid']}-{panel['id']}-{panel['type']}")


def figures() -> Iterator[Any]:
    return (param for param in panels() if param.values[0]["type"] not in QUIET)


def statements() -> Iterator[str]:
    for board in EVERY:
        for panel in board["panels"]:
            yield from (target["rawSql"] for target in panel.get("targets") or ())
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield variable["query"]["rawSql"]


def test_the_files_are_what_the_code_makes() -> None:
    found = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in JSON.glob("*.json")}
    assert found == {board["uid"]: board for board in EVERY}, "write them anew with: make boards"
    assert "viewPanel={" not in json.dumps(EVERY), "every panel that is led to is there"


def test_no_family_can_take_the_uid_of_a_board_that_is_no_familys() -> None:
    uids = {f"gulou-{topic}" for topic in TAKEN_TOPICS}
    own = {f"gulou-{found.topic}" for found in families()}
    assert {board["uid"] for board in EVERY} <= uids | own


@pytest.mark.parametrize("panel", list(figures()))
def test_every_number_has_a_unit_a_meaning_and_a_way_on(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    columns = panel["fieldConfig"]["overrides"]
    assert defaults["unit"]
    assert len(panel["description"]) > 20
    # The source: a form, a ledger, a register, or a law and its article.
    assert re.search(r"Sources?: |[\u4e00-\u9fff]{3,} \d+", panel["description"])
    column_links = [p for c in columns for p in c["properties"] if p["id"] == "links"]
    assert defaults.get("links") or column_links or panel.get("links")


@pytest.mark.parametrize("panel", list(figures()))
def test_only_a_time_series_asks_for_the_time_series_format(panel: dict[str, Any]) -> None:
    formats = {target["format"] for target in panel["targets"] if target["refId"] != "freshness"}
    assert formats <= {0 if panel["type"] == "timeseries" else 1}


@pytest.mark.parametrize("board", EVERY, ids=lambda board: board["uid"])
def test_every_board_says_whether_it_may_be_believed(board: dict[str, Any]) -> None:
    refs = [t["refId"] for p in board["panels"] for t in p.get("targets") or ()]
    assert refs.count("freshness") == 1


@pytest.mark.parametrize("board", EVERY, ids=lambda board: board["uid"])
def test_a_board_takes_its_data_from_the_source_variable_or_from_the_clerks(
    board: dict[str, Any],
) -> None:
    names = [variable["name"] for variable in board["templating"]["list"]]
    sources = {p["datasource"]["uid"] for p in board["panels"] if p["type"] not in QUIET}
    sources |= {t["datasource"]["uid"] for p in board["panels"] for t in p.get("targets") or ()}
    assert names[0] == "source"
    assert sources - {"gulou-desk"} == {"${source}"}


@pytest.mark.parametrize("board", EVERY, ids=lambda board: board["uid"])
def test_no_two_panels_of_a_board_overlap(board: dict[str, Any]) -> None:
    cells = [
        (x, y)
        for p in board["panels"]
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(0 <= x < 24 for x, _ in cells)


def test_the_wall_fits_a_screen_of_16_to_9_without_scrolling() -> None:
    wall = EVERY[0]
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in wall["panels"])
    assert rows == sum(p["gridPos"]["w"] * p["gridPos"]["h"] for p in wall["panels"]) / 24
    # Rows are 30 px high and 8 px apart: 28 of them take 1056 of the 1080 px.
    assert wall["uid"] == "gulou-wall"
    assert rows * 38 - 8 <= 1080


def test_queries_read_published_views_and_nothing_else() -> None:
    read = {
        name
        for sql in statements()
        for name in re.findall(r"(?<!FILL )\b(?:FROM|JOIN)\s+([A-Za-z_][\w.]*)", sql)
        if name not in ("values",)
    }
    inside = {"decodeURLComponent"}  # `trim(BOTH '{}' FROM …)`
    assert read - inside <= VIEWS
    assert not [name for name in read if "." in name]


def test_a_value_of_a_variable_reaches_the_sql_percent_encoded_only() -> None:
    names = {v["name"] for board in EVERY for v in board["templating"]["list"]} - {"source"}
    used = "|".join(sorted(names))
    for sql in statements():
        conditions = re.sub(rf", \$(?:{used})\)", "", sql)  # $__conditionalAll's second argument
        safe = re.sub(rf"decodeURLComponent\('\$\{{(?:{used}):percentencode\}}'\)", "", conditions)
        assert not re.search(rf"\$\{{?(?:{used})\b", safe), sql


def test_no_figure_is_judged_by_the_clock_on_the_wall() -> None:
    about_the_pipeline = re.compile(r"\b(pipeline|uncounted)\b")
    judged = [sql for sql in statements() if re.search(r"\bnow\(", sql)]
    assert judged
    assert all(about_the_pipeline.search(sql) for sql in judged)


@pytest.mark.parametrize("board", EVERY, ids=lambda board: board["uid"])
def test_links_of_a_board_keep_what_was_chosen_and_stand_in_the_open(board: dict[str, Any]) -> None:
    chosen = {v["name"] for v in board["templating"]["list"] if v.get("hide", 0) != 2}
    links = {link["title"]: link for link in board["links"]}
    for title in ("截至 2021-12-31", "现在"):
        assert set(re.findall(r"\$\{(\w+):queryparam\}", links[title]["url"])) == chosen
    assert links["其他看板"]["includeVars"] is True
    assert links["其他看板"]["keepTime"] is True
    # Newer Grafanas hide a link placed in the controls' menu.
    assert [link for link in board["links"] if "placement" in link] == []


def test_a_theme_leads_to_the_county_that_was_chosen_there() -> None:
    for uid in ("gulou-petitions", "gulou-mediations", "gulou-visits", "gulou-funds"):
        (board,) = (b for b in EVERY if b["uid"] == uid)
        urls = re.findall(r'"url": "(/d/gulou-county[^"]*)"', text_of(board))
        assert urls
        kept = ("&${county:queryparam}", "&var-county=${__data.fields.code}")
        assert [url for url in urls if not url.endswith(kept)] == []


def test_a_key_figure_says_in_its_title_when_the_data_is_stale() -> None:
    for board in EVERY:
        (mark,) = (v for v in board["templating"]["list"] if v["name"] == "fresh")
        # Hidden, never in an address, queried at every refresh.
        assert (mark["hide"], mark["skipUrlSync"], mark["refresh"]) == (2, True, 2)
        for panel in board["panels"]:
            trusted = any(t["refId"] == "freshness" for t in panel.get("targets") or ())
            if panel["type"] in ("stat", "gauge") and not trusted:
                assert panel["title"].endswith("${fresh}")


def test_no_title_warns_whatever_its_number_is() -> None:
    assert [p["title"] for b in EVERY for p in b["panels"] if set("▲■●") & set(p["title"])] == []


def test_the_map_asks_nobody_for_tiles() -> None:
    (panel,) = (p for p in EVERY[0]["panels"] if p["type"] == "geomap")
    options = panel["options"]
    # Grafana replaces an empty address with its default, which is on the internet.
    assert options["basemap"]["type"] == "xyz"
    assert options["basemap"]["config"]["url"].startswith("data:image/")
    sources = [layer["config"].get("src", "") for layer in options["layers"]]
    assert sources == ["public/maps/431200.geojson", ""]
    assert "//" not in "".join(sources)


def test_compose_puts_the_outlines_where_the_map_looks_for_them() -> None:
    root = Path(__file__).parents[2]
    compose = yaml.safe_load((root / "infra/compose.yaml").read_text(encoding="utf-8"))
    grafana = compose["services"]["grafana"]
    mounts = dict(volume.split(":")[:2][::-1] for volume in grafana["volumes"])
    local = root / "infra" / mounts["/usr/share/grafana/public/maps/431200.geojson"]
    outlines = json.loads(local.read_text(encoding="utf-8"))
    assert len(outlines["features"]) == 12
    # No mounted folder hides Grafana's own maps.
    assert "/usr/share/grafana/public/maps" not in mounts
    layer = json.loads(grafana["environment"]["GF_GEOMAP_DEFAULT_BASELAYER_CONFIG"])
    assert layer["config"]["url"].startswith("data:image/")


def test_the_wall_has_todays_and_this_years_visits_and_requests() -> None:
    titles = {p["title"].removesuffix("${fresh}") for p in EVERY[0]["panels"]}
    assert titles >= {
        f"{span}{what}"
        for span in ("今日", "本年")
        for what in ("走访（户次）", "诉求登记（件）", "诉求办结（件）", "信访登记（件）")
    }


def test_the_micro_grids_on_offer_are_those_of_the_chosen_time() -> None:
    (board,) = (b for b in EVERY if b["uid"] == "gulou-microgrid")
    (grid,) = (v for v in board["templating"]["list"] if v["name"] == "grid")
    assert grid["refresh"] == 2


def test_lists_are_capped() -> None:
    tables = [p for b in EVERY for p in b["panels"] if p["type"] in ("table", "barchart")]
    for panel in tables:
        for target in panel["targets"]:
            limits = [int(n) for n in re.findall(r"LIMIT (\d+)", target["rawSql"])]
            assert limits, panel["title"]
            assert limits[-1] <= 1000


def test_links_lead_to_boards_that_exist() -> None:
    uids = {board["uid"] for board in EVERY}
    text = "".join(text_of(board) for board in EVERY)
    assert set(re.findall(r"/d/([\w-]+)", text)) == uids


def test_a_check_fails_when_a_file_is_not_what_the_code_makes(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "JSON", tmp_path)
    assert main([]) == 0
    assert main(["--check"]) == 0
    (tmp_path / "gulou-wall.json").write_text("{}")
    assert main(["--check"]) == 1
    assert "gulou-wall.json is out of date" in capsys.readouterr().err
    (tmp_path / "gulou-none.json").write_text("{}")
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert not (tmp_path / "gulou-none.json").exists(), "a board that is no more"
