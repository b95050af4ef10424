"""Actions and measurements on a board in Chromium."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

WAIT_MS = 90_000  # A deadline, not an expectation: the machine may be busy with other tests.
expect.set_options(timeout=WAIT_MS)
POLLING_MS = 50
"""By default, Playwright looks at every frame, and so has the page drawn sixty times a second."""

_DRAWN = """() => {
  const panels = [...document.querySelectorAll('[data-panel-id]')];
  const near = panels.filter((p) => p.getBoundingClientRect().top < innerHeight);
  return panels.length > 0 && near.every((p) => p.dataset.state !== 'waiting');
}"""


def opened(page: Page, url: str) -> list[str]:
    """Opens a board and waits until every visible panel is drawn; returns page errors."""
    errors: list[str] = []
    page.goto("about:blank")  # the board before refreshes no more
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.goto(url)
    settled(page)
    return errors


def settled(page: Page) -> None:
    page.wait_for_function(_DRAWN, timeout=WAIT_MS, polling=POLLING_MS)


def panel(page: Page, title: str) -> Any:
    return page.locator("[data-panel-id]").filter(
        has=page.locator("h2", has_text=title).or_(page.locator(".gulou-unknown", has_text=title))
    )


def rows_of(page: Page, title: str) -> list[list[str]]:
    """The CSV from a panel's menu."""
    found = panel(page, title)
    found.hover()
    found.get_by_test_id(f"data-testid Panel menu {title}").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="下载 CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def eventually(check: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


_FAINT = """(least) => {
  const rgba = (text) => {
    const found = /^rgba?\\(([^)]+)\\)$/.exec(text);
    if (!found) throw new Error('a colour this test cannot read: ' + text);
    const [r, g, b, a] = found[1].split(/[ ,/]+/).filter(Boolean).map(Number);
    return [r, g, b, a ?? 1];
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const filtered = (rgb, filter) => {
    let out = rgb;
    if (filter.includes('grayscale(1)')) {
      const grey = 0.2126 * out[0] + 0.7152 * out[1] + 0.0722 * out[2];
      out = [grey, grey, grey];
    }
    const dim = /brightness\\(([\\d.]+)\\)/.exec(filter);
    return dim ? out.map((v) => v * Number(dim[1])) : out;
  };
  const grounds = (element) => {
    let found = [[255, 255, 255]];
    const chain = [];
    for (let e = element; e; e = e.parentElement) chain.unshift(e);
    for (const e of chain) {
      const style = getComputedStyle(e);
      const flat = rgba(style.backgroundColor);
      found = found.map((under) => over(flat, under));
      const stops = style.backgroundImage.match(/rgba?\\([^)]+\\)/g) ?? [];
      if (stops.length) found = stops.flatMap((s) => found.map((under) => over(rgba(s), under)));
    }
    return found;
  };
  const told = [];
  const walker = document.createTreeWalker(document.querySelector('.gulou-board'), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const box = element.getBoundingClientRect();
    if (!node.textContent.trim() || !box.width || !box.height || element.closest('style, :disabled')) continue;
    const style = getComputedStyle(element);
    if (style.visibility !== 'visible') continue;
    const filter = element.closest('.gulou-grid') ? getComputedStyle(element.closest('.gulou-grid')).filter : '';
    for (const ground of grounds(element)) {
      const ink = filtered(over(rgba(style.color), ground), filter);
      const [high, low] = [light(ink), light(filtered(ground, filter))].sort((a, b) => b - a);
      const contrast = (high + 0.05) / (low + 0.05);
      told.push([contrast, node.textContent.trim().slice(0, 20), style.color, ground.map(Math.round).join()]);
    }
  }
  return { texts: told.length, faint: told.filter((t) => t[0] < least) };
}"""  # noqa: E501


def faint_texts(page: Page, least: float = 4.5) -> list[Any]:
    """Texts in the page with a contrast (WCAG 2.2) to their background below `least`."""
    found = page.evaluate(_FAINT, least)
    assert found["texts"] > 10, "a board without text is none"
    faint: list[Any] = found["faint"]
    return faint
