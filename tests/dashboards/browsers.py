"""Debian's Chromium under Playwright, for tests and the bench."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def program() -> str | None:
    """Path of Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium with an empty profile.

    Raises:
        FileNotFoundError: Chromium is not installed.
    """
    found = program()
    if found is None:
        raise FileNotFoundError("No Chromium here: install the package chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def tab(browser: Browser) -> Page:
    """A tab of a 1080p screen, in a new context: it shares nothing with other tabs."""
    # The policy is tested on its own; Playwright's waits need eval.
    context = browser.new_context(viewport={"width": 1920, "height": 1080}, bypass_csp=True)
    return context.new_page()
