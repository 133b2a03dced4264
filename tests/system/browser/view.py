"""The dashboard's page in a real browser: opens its views, keeps what went wrong, takes pictures, measures contrast."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, expect

PICTURES = "ATOLL_SCREENSHOTS"  # names a folder; without it none are taken
PATIENCE = 20_000  # ms, on a loaded machine
expect.set_options(timeout=PATIENCE)
SCRIPT = Path(__file__).with_name("contrast.js")


class View:
    """page: Playwright's. base: the dashboard's URL. troubles: what the console said and what the page threw.

    elsewhere: requests to any other host.
    """

    def __init__(self, page: Page, base: str, label: str) -> None:
        self.page = page
        self.base = base
        self.label = label
        self.troubles: list[str] = []
        self.elsewhere: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("request", self._asked)

    def open(self, address: str) -> None:
        """Goes to a view and waits until it has what it asked for."""
        self.page.goto(f"{self.base}/#/{address}")
        self.settle()

    def settle(self) -> None:
        self.page.locator("main h1").wait_for()
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0, timeout=PATIENCE)

    def text(self) -> str:
        return self.page.locator("main").inner_text()

    def picture(self, name: str) -> None:
        """Kept for people, if they named a folder."""
        folder = os.environ.get(PICTURES)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}-{self.label}.png", full_page=self.label.startswith("400"))

    def too_wide(self) -> int:
        """By how many pixels the page can be scrolled sideways."""
        root = "document.documentElement"
        return int(self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    def faint(self) -> list[dict[str, Any]]:
        """Texts below WCAG AA's contrast, each with its colours and ratio."""
        found: list[dict[str, Any]] = self.page.evaluate(SCRIPT.read_text("utf-8"))
        return found

    def must_be_clean(self, *expected: str) -> None:
        """Nothing went wrong but what is expected, and nobody else was asked anything."""
        left = [one for one in self.troubles if not any(re.search(pattern, one) for pattern in expected)]
        assert left == []
        assert self.elsewhere == []

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.troubles.append(message.text)

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.netloc != urlsplit(self.base).netloc:
            self.elsewhere.append(request.url)
