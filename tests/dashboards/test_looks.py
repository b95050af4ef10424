"""What a person can read of a board on a dark wall, a light screen and paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.dashboards.conftest import BOARDS
from tests.dashboards.pages import eventually, faint_texts, opened, panel, settled
from tests.dashboards.servers import BoardServer

pytestmark = pytest.mark.browser

GOOD, WARN, BAD = "#56a8f5", "#f0b429", "#ff7a5c"
LOW_IS_BAD: list[dict[str, Any]] = [
    {"value": None, "color": BAD}, {"value": 0.9, "color": WARN}, {"value": 0.95, "color": GOOD},
]  # fmt: skip


def _figure(
    number: int, kind: str, value: str, steps: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    sql = f"SELECT {value} AS n"
    target = {"refId": "A", "datasource": {"uid": "city"}, "rawSql": sql, "format": 1}
    defaults = {
        "unit": "percentunit", "min": 0, "max": 1, "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps}, **more,
    }  # fmt: skip
    place = {"x": (number % 4) * 6, "y": number // 4 * 6, "w": 6, "h": 6}
    return {
        "id": number, "type": kind, "title": f"{kind} {value}", "gridPos": place,
        "targets": [target], "fieldConfig": {"defaults": defaults, "overrides": []},
    }  # fmt: skip


@contextmanager
def _shown(page: Page, city: BoardServer, board: dict[str, Any], query: str = "") -> Iterator[None]:
    body = {"dashboard": board, "overwrite": True}
    assert city.call("POST", "/api/dashboards/db", body).status_code == 200
    try:
        opened(page, f"{city.url}/d/{board['uid']}{query}")
        yield
    finally:
        city.call("DELETE", f"/api/dashboards/uid/{board['uid']}")


# ---------------------------------------------------------------------------- several queries


_BY_DAYS = {"id": "sortBy", "options": {"sort": [{"field": "days", "desc": True}]}}


@pytest.mark.parametrize(
    ("steps", "order"),
    [
        ([{"id": "merge", "options": {}}, _BY_DAYS], "乙甲"),
        ([{"id": "joinByField", "options": {"byField": "code"}}], "甲乙"),
    ],
    ids=["merged", "joined"],
)
def test_rows_of_several_queries_are_one_table_as_in_grafana(
    page: Page, city: BoardServer, steps: list[dict[str, Any]], order: str
) -> None:
    def given(ref: str, rows: str, names: str) -> dict[str, Any]:
        sql = f"SELECT {names} FROM (SELECT arrayJoin([{rows}]) AS t)"
        return {"refId": ref, "datasource": {"uid": "city"}, "rawSql": sql, "format": 1}

    table = {
        "id": 1, "type": "table", "title": "合并", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 8},
        "targets": [
            given("A", "('甲县', 'a'), ('乙县', 'b')", "t.1 AS name, t.2 AS code"),
            given("B", "('b', 7), ('a', 3)", "t.1 AS code, t.2 AS days"),
        ],
        "transformations": steps,
    }  # fmt: skip
    with _shown(page, city, {"uid": "merged", "title": "合并", "panels": [table]}):
        cells = panel(page, "合并").get_by_role("gridcell").all_inner_texts()
        rows = {"甲": {"甲县", "a", "3"}, "乙": {"乙县", "b", "7"}}
        assert [set(cells[:3]), set(cells[3:])] == [rows[name] for name in order]


# ------------------------------------------------------------------------- colours and shapes


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("uid", ["fixture-wall", "fixture-county", "fixture-broken"])
def test_every_text_of_a_board_stands_out_from_what_is_behind_it(
    page: Page, city: BoardServer, uid: str, theme: str
) -> None:
    opened(page, f"{city.url}/d/{uid}?theme={theme}")
    assert faint_texts(page) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("stale", [0, 1])
def test_every_threshold_colour_is_readable_as_a_figure_stale_ones_too(
    page: Page, city: BoardServer, theme: str, stale: int
) -> None:
    colours = [GOOD, WARN, BAD, "green", "yellow", "orange", "red", "dark-blue", "super-light-red"]
    figures = [
        _figure(n, "stat", "0.5", [{"value": None, "color": colour}])
        for n, colour in enumerate(colours)
    ]
    fresh = _figure(20, "stat", f"{stale} AS stale, '停了' AS reason, 1", figures[0]["fieldConfig"]
                    ["defaults"]["thresholds"]["steps"])  # fmt: skip
    fresh["targets"][0]["refId"] = "freshness"
    board = {"uid": "colours", "title": "颜色", "panels": [*figures, fresh]}
    with _shown(page, city, board, f"?theme={theme}"):
        expect(page.locator(".gulou-banner")).to_have_count(stale)
        inks = page.evaluate(
            "[...document.querySelectorAll('[data-panel-type=stat] span')]"
            ".filter((s) => s.textContent === '50').map((s) => getComputedStyle(s).color)"
        )
        assert len(inks) == len(colours)
        assert len(set(inks)) >= 7, "colours that differ on a dark wall still differ"
        assert faint_texts(page) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_threshold_state_is_told_by_a_shape_too(
    page: Page, city: BoardServer, theme: str
) -> None:
    expected = {"0.5": "■", "0.92": "▲", "0.97": "●"}
    kinds = ("stat", "bargauge", "gauge")
    figures = [
        _figure(4 * row + column, kind, value, LOW_IS_BAD)
        for row, kind in enumerate(kinds)
        for column, value in enumerate(expected)
    ]
    plain = _figure(12, "stat", "0.33", LOW_IS_BAD[:1])
    fixed = _figure(13, "stat", "0.44", LOW_IS_BAD, color={"mode": "fixed", "fixedColor": GOOD})
    missing = _figure(14, "stat", "CAST(NULL AS Nullable(Float64))", LOW_IS_BAD)
    board = {"uid": "shapes", "title": "形状", "panels": [*figures, plain, fixed, missing]}
    with _shown(page, city, board, f"?theme={theme}"):
        for kind in kinds:
            for value, shape in expected.items():
                found = panel(page, f"{kind} {value}")
                if kind == "gauge":  # Drawn on a canvas; its label has the drawn text.
                    drawn = found.get_by_role("img").get_attribute("aria-label")
                    assert re.search("[●▲■]", drawn or "") and shape in (drawn or ""), (kind, value)
                else:
                    expect(found).to_contain_text(shape)
        for title in ("stat 0.33", "stat 0.44", "stat CAST"):
            expect(panel(page, title)).not_to_contain_text(re.compile("[●▲■]"))


def test_a_name_in_a_pies_tooltip_is_text_and_no_markup(page: Page, city: BoardServer) -> None:
    name = '<img src=x onerror="window.struck=1">甲'
    sql = f"SELECT '{name}' AS name, 3 AS value"
    pie = {
        "id": 1, "type": "piechart", "title": "饼", "gridPos": {"x": 0, "y": 0, "w": 12, "h": 12},
        "targets": [{"refId": "A", "datasource": {"uid": "city"}, "rawSql": sql, "format": 1}],
        "options": {"reduceOptions": {"values": True}, "legend": {"showLegend": False}},
    }  # fmt: skip
    with _shown(page, city, {"uid": "pie", "title": "饼", "panels": [pie]}):
        canvas = page.locator("canvas").first
        box = canvas.bounding_box()
        assert box
        tip = panel(page, "饼").locator("div", has_text="<img src=x")

        def hovered() -> bool:
            for by in (0.45, 0.55):
                page.mouse.move(box["x"] + box["width"] * by, box["y"] + box["height"] / 2)
                page.wait_for_timeout(150)
            return bool(page.evaluate("window.struck === 1")) or tip.count() > 0

        eventually(hovered)
        assert page.evaluate("window.struck") is None
        expect(tip.last).to_contain_text(name)


# ---------------------------------------------------------------------------------- on paper

_UNDRAWN = """[...document.querySelectorAll('[data-panel-id]')]
  .filter((p) => p.dataset.state === 'waiting').length"""


@pytest.mark.parametrize("path", ["/d/fixture-county", "/d/fixture-wall?kiosk&autofitpanels"])
def test_a_printed_board_is_in_ink_on_white_with_every_panel_and_no_controls(
    page: Page, city: BoardServer, path: str
) -> None:
    page.set_viewport_size({"width": 1366, "height": 500})
    opened(page, city.url + path)
    page.emulate_media(media="print")
    expect(page.locator(".gulou-print-title")).to_be_visible()
    page.wait_for_function(f"{_UNDRAWN} === 0")
    assert page.locator(".gulou-controls").count() == 0
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    grounds = page.evaluate(
        "[...new Set([document.body, ...document.querySelectorAll("
        "'.gulou-panel:not([data-transparent]) > div > section')]"
        ".map((e) => getComputedStyle(e).backgroundColor))]"
    )
    assert grounds == ["rgb(255, 255, 255)"]
    assert faint_texts(page) == []
    page.emulate_media(media="screen")
    expect(page.locator(".gulou-print-title")).to_have_count(0)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_board_drawn_anew_while_printing_begins_is_in_ink_on_white_too(
    page: Page, city: BoardServer
) -> None:
    opened(page, f"{city.url}/d/fixture-county")
    page.evaluate(
        "window.busy = setInterval(() => document.querySelector('.gulou-row')?.click(), 1)"
    )
    for _ in range(10):
        page.emulate_media(media="print")
        page.wait_for_function("document.documentElement.dataset.theme === 'light'", polling=50)
        page.emulate_media(media="screen")
        page.wait_for_function("document.documentElement.dataset.theme === 'dark'", polling=50)


def test_no_page_edge_runs_through_a_printed_panel(page: Page, city: BoardServer) -> None:
    figures = [
        {**_figure(n, "stat", str(n), LOW_IS_BAD), "gridPos": {"x": 0, "y": n * 7, "w": 24, "h": 7}}
        for n in range(20)
    ]
    with _shown(page, city, {"uid": "long", "title": "长", "panels": figures}):
        page.emulate_media(media="print")
        expect(page.locator(".gulou-print-title")).to_be_visible()
        page.wait_for_function(f"{_UNDRAWN} === 0")
        spans = page.evaluate(
            "[...document.querySelectorAll('.gulou-cell')].map((c) => c.getBoundingClientRect())"
            ".map((r) => [r.top + scrollY, r.bottom + scrollY])"
        )
        assert len(spans) == 20
        high = (297 - 20) / 25.4 * 96  # height of A3 landscape without margins, in CSS px
        assert [s for s in spans if s[0] // high != (s[1] - 1) // high] == []
        pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(prefer_css_page_size=True)))
        assert pages == spans[-1][1] // high + 1


def test_the_print_key_waits_until_every_panel_has_its_picture(
    page: Page, city: BoardServer, tmp_path: Path
) -> None:
    page.add_init_script(
        f"window.print = () => {{ window.printed = [{_UNDRAWN},"
        " document.querySelectorAll('[data-panel-id]').length,"
        " document.documentElement.dataset.theme]; }"
    )
    page.set_viewport_size({"width": 1366, "height": 400})
    opened(page, city.url + "/d/fixture-county")
    before = page.evaluate(_UNDRAWN)
    assert before > 0, "some panels were never in sight"
    page.keyboard.press("Control+p")
    page.wait_for_function("window.printed")
    waiting, panels, theme = page.evaluate("window.printed")
    assert (waiting, theme) == (0, "light")
    assert panels >= 6
    settled(page)
    expect(page.locator(".gulou-controls")).to_be_visible()


def test_a_map_is_waited_for_until_its_outlines_are_there(page: Page, city: BoardServer) -> None:
    held: list[Route] = []
    page.route("**/*.geojson", lambda each: held.append(each))
    outlined = page.locator("[data-panel-type=geomap]")
    number = next(
        each["id"]
        for each in json.loads((BOARDS / "wall.json").read_text(encoding="utf-8"))["panels"]
        if each["type"] == "geomap"
    )
    with page.expect_response(f"**/panels/{number}/query?*"):
        page.goto(f"{city.url}/d/fixture-wall?kiosk&autofitpanels")
    expect(page.locator("[data-panel-id][data-state=waiting]")).to_have_count(1)
    expect(outlined).to_have_attribute("data-state", "waiting")
    for each in held:
        each.continue_()
    settled(page)
    assert outlined.locator("canvas").count() > 0
