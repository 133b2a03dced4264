"""A real Chromium without a window, and one shop that it looks at."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from tests.brokers import SCRIPTS, install_or_skip
from tests.system.browser.view import View
from tests.system.calls import call
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.shopper import ONE, Shopper, new_shopper
from tests.system.waiting import until

OpenView = Callable[..., View]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Playwright keeps an event loop running in this thread; what runs one of its own must wait until the module is over."""
    install_or_skip("chromium")
    found = subprocess.run([str(SCRIPTS / "chromium"), "look"], capture_output=True, text=True, check=True)
    with sync_playwright() as playwright:
        # A name that leads here, but is not this machine's: as who comes from elsewhere has it.
        browser = playwright.chromium.launch(
            executable_path=found.stdout.strip(), args=["--host-resolver-rules=MAP box.example 127.0.0.1"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """The shop with its dashboard."""
    shop = LocalSystem(copy_of_shop(tmp_path_factory.mktemp("watched")), dashboard=True)
    try:
        yield shop.up()
    finally:
        shop.down()


@pytest.fixture(scope="session")
def board(watched: LocalSystem) -> str:
    return str(watched.status["dashboard"])


@pytest.fixture
def customer(watched: LocalSystem) -> Shopper:
    return new_shopper(watched)


@pytest.fixture(scope="session")
def order_trace(watched: LocalSystem, board: str) -> str:
    """The id of the trace of an order that was placed and confirmed."""
    someone = new_shopper(watched)
    began = time.time_ns()
    someone.wait_for(someone.ask("POST", "/orders", ONE).must(201).json["id"], "confirmed", within=30.0)

    def whole() -> str | None:
        for one in (
            call(board, "GET", f"/api/traces?q=orders.place&service=payments&since={began}").must(200).json["traces"]
        ):
            spans = call(board, "GET", f"/api/traces/{one['trace']}").must(200).json["spans"]
            if "send order.confirmed" in {span["name"] for span in spans} and spans[0]["service"] == "gateway":
                return str(one["trace"])
        return None

    return until(whole, within=60.0, pause=0.2, what="the order's trace is complete")


@pytest.fixture
def open_view(chromium: Browser, board: str) -> Iterator[OpenView]:
    """Opens a tab of its own: open_view(width=400, scheme="dark", base=...)."""
    made: list[BrowserContext] = []

    def make(width: int = 1280, scheme: str = "light", base: str = "") -> View:
        height = 900 if width > 500 else 800
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        made.append(context)
        return View(context.new_page(), base or board, f"{width}-{scheme}")

    yield make
    for context in made:
        context.close()
