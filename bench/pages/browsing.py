"""A headless Chromium that says when a page was painted, when it answered, and how evenly it scrolls."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "chromium"
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_SCROLL = """(list) => new Promise((done) => {
  const frames = [], whole = list.scrollHeight - list.clientHeight, steps = 120;
  let last = performance.now(), step = 0;
  const next = (now) => {
    frames.push(now - last);
    last = now;
    list.scrollTop = (whole * ++step) / steps;
    if (step < steps) requestAnimationFrame(next);
    else done({ frames: frames.slice(1), rows: list.querySelectorAll(".span-row").length });
  };
  requestAnimationFrame(next);
})"""


class Browsing:
    """Opens each page in a profile of its own: nothing is cached. All times are milliseconds."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def opened(self, url: str, shown: str, name: str) -> dict[str, float]:
        """Until something was painted, and until what matches ``shown`` was there."""
        with self._fresh() as page:
            began = time.perf_counter()
            page.goto(url, wait_until="commit")
            page.locator(shown).first.wait_for()
            there = (time.perf_counter() - began) * 1000
            return {f"{name}: first paint": float(page.evaluate(_PAINTED)), f"{name}: shown": there}

    def waterfall(self, url: str) -> dict[str, float]:
        """Until the rows are there, until one that is clicked is chosen, and the times between frames while scrolling."""
        with self._fresh() as page:
            began = time.perf_counter()
            page.goto(url, wait_until="commit")
            rows = page.locator(".span-row")
            rows.first.wait_for()
            there = time.perf_counter()
            rows.nth(3).click()
            page.locator(".span-row.chosen").nth(0).wait_for()
            page.wait_for_url("**span=*")
            usable = time.perf_counter()
            told = page.locator(".span-list").evaluate(_SCROLL)
        frames = sorted(told["frames"])
        return {
            "waterfall: shown": (there - began) * 1000,
            "waterfall: answers a click": (usable - began) * 1000,
            "waterfall: frame, median": frames[len(frames) // 2],
            "waterfall: frame, p95": frames[len(frames) * 95 // 100],
            "waterfall: frame, longest": frames[-1],
            "waterfall: rows in the page": told["rows"],
        }

    @contextmanager
    def _fresh(self) -> Iterator[Page]:
        context = self._browser.new_context(viewport={"width": 1280, "height": 900})
        try:
            yield context.new_page()
        finally:
            context.close()


@contextmanager
def browsing() -> Iterator[Browsing]:
    """Until the block is left. Ends with a line where there is no Chromium."""
    found = subprocess.run([str(SCRIPT), "install"], capture_output=True, text=True, check=False)
    if found.returncode:
        sys.exit(found.stderr.strip())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.stdout.strip())
        yield Browsing(browser)
        browser.close()
