"""A figure that is cut off is a wrong figure."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.dashboards.pages import opened
from tests.dashboards.servers import BoardServer

pytestmark = pytest.mark.browser

_FIGURES = """() => [...document.querySelectorAll('[data-panel-type=stat] span')]
  .filter((s) => /^[\\d.,]{2,}$/.test(s.textContent) && !s.children.length)
  .map((s) => {
    const style = getComputedStyle(s);
    const pen = document.createElement('canvas').getContext('2d');
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    s.textContent = '1,111,111';
    return [s.getBoundingClientRect().width, pen.measureText('1,111,111').width];
  })"""


def test_a_number_is_as_wide_as_it_was_measured_to_fit(page: Page, city: BoardServer) -> None:
    opened(page, city.url + "/d/fixture-wall?kiosk&autofitpanels")
    page.evaluate("document.fonts.ready")
    found = page.evaluate(_FIGURES)
    assert len(found) >= 3
    # Tabular digits made the seven ones 1.5 times as wide as measured.
    assert [pair for pair in found if pair[0] > pair[1] * 1.03] == []
