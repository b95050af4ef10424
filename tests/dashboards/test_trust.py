"""Stale numbers must not look live: a stale board is grey and gives the reason."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboards.pages import opened, panel, settled
from tests.dashboards.servers import BoardServer, board_server

pytestmark = pytest.mark.browser

WALL = "/d/fixture-wall?kiosk&autofitpanels"
FRESH = "SELECT 0 AS stale, '正常' AS reason"


def _stat(number: int, title: str, y: int, sql: str, ref: str = "A") -> dict[str, Any]:
    target = {"refId": ref, "datasource": {"uid": "city"}, "rawSql": sql, "format": 1}
    place = {"x": 0, "y": y, "w": 12, "h": 6}
    return {"id": number, "type": "stat", "title": title, "gridPos": place, "targets": [target]}


def _board(*panels: dict[str, Any], uid: str = "trust") -> dict[str, Any]:
    return {"uid": uid, "title": f"看板 {uid}", "refresh": "1s", "panels": list(panels)}


@contextmanager
def _published(server: BoardServer, *boards: dict[str, Any]) -> Iterator[None]:
    for each in boards:
        body = {"dashboard": each, "overwrite": True}
        assert server.call("POST", "/api/dashboards/db", body).status_code == 200
    try:
        yield
    finally:
        for each in boards:
            server.call("DELETE", f"/api/dashboards/uid/{each['uid']}")


def test_a_server_that_hangs_is_away_and_the_last_good_picture_stays_with_its_time(
    page: Page, tmp_path: Path, provisioned: tuple[str, ...]
) -> None:
    banner = page.locator(".gulou-banner")
    with board_server(tmp_path, *provisioned) as hanging:
        opened(page, hanging.url + WALL + "&refresh=1s")
        expect(panel(page, "未办结").first).to_contain_text("211")
        os.kill(hanging.process.pid, signal.SIGSTOP)
        try:
            expect(banner).to_contain_text("服务器无应答", timeout=20_000)
            expect(banner).to_contain_text(re.compile(r"画面停在 \d\d-\d\d \d\d:\d\d:\d\d"))
            expect(panel(page, "未办结").first).to_contain_text("211")
        finally:
            os.kill(hanging.process.pid, signal.SIGCONT)
        expect(banner).to_have_count(0)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT stale, reason FROM no_such_table", "no_such_table"),
        ("SELECT 0 AS stale, '' AS reason WHERE 0", "新鲜度查询没有结果"),
        ("SELECT CAST(NULL AS Nullable(UInt8)) AS stale, '' AS reason", "新鲜度查询没有结果"),
        ("SELECT '正常' AS reason", "新鲜度查询没有结果"),
    ],
)
def test_freshness_that_fails_or_says_nothing_is_stale(
    page: Page, city: BoardServer, sql: str, told: str
) -> None:
    figure = _stat(1, "数字", 0, "SELECT 42 AS n")
    with _published(city, _board(figure, _stat(2, "数据状态", 6, sql, "freshness"))):
        opened(page, city.url + "/d/trust")
        expect(page.locator(".gulou-banner")).to_contain_text(told)
        expect(page.locator(".gulou-board")).to_have_attribute("data-stale", "true")


@pytest.mark.parametrize("view", ["", "?viewPanel=1"])
def test_freshness_is_asked_at_every_beat_whatever_is_in_sight(
    page: Page, city: BoardServer, view: str
) -> None:
    figure = _stat(1, "数字", 0, "SELECT 42 AS n")
    # Stale from 3 s after the page was opened.
    ago = "toUnixTimestamp(now()) > toUnixTimestamp($__toTime) + 3"
    sql = f"SELECT {ago} AS stale, '积压 77 条' AS reason"
    below = _stat(2, "数据状态", 200, sql, "freshness")
    with _published(city, _board(figure, below)):
        until = city.query("SELECT toUnixTimestamp(now()) AS n")["frames"][0]["data"]["values"][0][
            0
        ]
        opened(page, f"{city.url}/d/trust{view}{'&' if view else '?'}from=0&to={until * 1000}")
        expect(panel(page, "数字")).to_contain_text("42")
        expect(page.locator(".gulou-banner")).to_contain_text("积压 77 条", timeout=20_000)


def test_panels_that_left_the_screen_do_not_hold_up_the_banner_after_the_server_is_back(
    page: Page, tmp_path: Path, provisioned: tuple[str, ...]
) -> None:
    boards = [_stat(1, "上", 0, "SELECT 42 AS n"), _stat(2, "下", 200, "SELECT 43 AS n")]
    fresh = _stat(3, "数据状态", 206, FRESH, "freshness")
    banner = page.locator(".gulou-banner")
    with board_server(tmp_path, *provisioned) as first:
        port = first.port
        first.call("POST", "/api/dashboards/db", {"dashboard": _board(*boards, fresh)})
        opened(page, first.url + "/d/trust")
        expect(panel(page, "上")).to_contain_text("42")
    expect(banner).to_contain_text("服务器无应答")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    with board_server(tmp_path, *provisioned, "--port", str(port)):
        expect(panel(page, "下")).to_contain_text("43")
        expect(banner).to_have_count(0)


def test_a_playlist_keeps_its_picture_when_the_next_board_cannot_be_had(
    page: Page, tmp_path: Path, provisioned: tuple[str, ...]
) -> None:
    banner = page.locator(".gulou-banner")
    items = [{"type": "dashboard_by_uid", "value": uid} for uid in ("trust", "gone")]
    with board_server(tmp_path, *provisioned) as server:
        figure = _stat(1, "数字", 0, "SELECT 42 AS n")
        server.call("POST", "/api/dashboards/db", {"dashboard": _board(figure)})
        made = server.call(
            "POST", "/api/playlists", {"name": "轮播", "interval": "3s", "items": items}
        ).json()
        opened(page, f"{server.url}/playlists/play/{made['uid']}")
        expect(panel(page, "数字")).to_contain_text("42")
        expect(banner).to_contain_text("看板 gone：Dashboard not found")
        expect(panel(page, "数字")).to_contain_text("42")
        expect(banner).to_have_count(0)  # The first board again.
    expect(banner).to_contain_text("服务器无应答")
    expect(page.locator("[data-playlist-at='1']")).to_be_visible()
    expect(banner).to_contain_text("服务器无应答")
    expect(panel(page, "数字")).to_contain_text("42")


def test_a_board_that_is_not_there_is_told_as_such(page: Page, city: BoardServer) -> None:
    page.goto(city.url + "/d/no-such-board")
    expect(page.locator(".gulou-page-error")).to_contain_text("看板 no-such-board")


def test_a_session_that_ended_leads_to_the_login_and_back_to_the_board(
    page: Page, tmp_path: Path, provisioned: tuple[str, ...]
) -> None:
    secret = tmp_path / "token"
    secret.write_text("wall-secret")
    options = (*provisioned, "--closed", "--token-file", str(secret))
    wanted = "/d/fixture-county?var-county=431281&refresh=1s"
    with board_server(tmp_path / "state", *options) as closed:
        page.goto(closed.url + wanted)
        page.get_by_label("访问令牌").fill("wall-secret")
        page.get_by_role("button").click()
        page.wait_for_url(f"{closed.url}{wanted}")
        settled(page)
        page.context.clear_cookies()
        expect(page.get_by_label("访问令牌")).to_be_visible()
        page.get_by_label("访问令牌").fill("wall-secret")
        page.get_by_role("button").click()
        page.wait_for_url("**/d/fixture-county?**")
        settled(page)
        assert "var-county=431281" in page.url
