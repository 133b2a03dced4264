"""The dashboard's controls act on the running system, and what comes of it is seen without a reload."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from playwright.sync_api import Locator, expect
from tests.system.browser.conftest import OpenView
from tests.system.browser.view import View
from tests.system.local_system import LocalSystem
from tests.system.postgres import rows
from tests.system.shopper import Shopper
from tests.system.test_operating import POISON, TOTAL, die, mend

T = TypeVar("T")
SLOWLY = 60_000  # ms that the system may take to do what was ordered


def card(view: View, service: str) -> Locator:
    return view.page.locator(".cards .card", has=view.page.get_by_role("link", name=service, exact=True))


def test_a_service_is_restarted_after_a_second_click(open_view: OpenView, watched: LocalSystem) -> None:
    before = watched.pid("inventory")
    view = open_view()
    view.open("overview")
    button = card(view, "inventory").get_by_role("button", name="restart inventory")
    button.click()
    asked = card(view, "inventory").get_by_role("button", name="restart?")
    expect(asked).to_be_visible()
    view.picture("restart-asked")
    asked.click()
    expect(card(view, "inventory").get_by_role("button", name="✓ done")).to_be_visible(timeout=SLOWLY)
    watched.wait_for_new("inventory", before)
    expect(card(view, "inventory").locator(".state")).to_have_text("ready", timeout=SLOWLY)
    view.must_be_clean()


def test_a_service_is_scaled_up_and_down(open_view: OpenView) -> None:
    view = open_view()
    view.open("overview")
    states = card(view, "inventory").locator(".state")
    card(view, "inventory").get_by_role("button", name="one instance of inventory more").click()
    expect(states).to_have_text(["ready", "ready"], timeout=SLOWLY)
    expect(card(view, "inventory").get_by_text("2 instances")).to_be_visible()
    card(view, "inventory").get_by_role("button", name="one instance of inventory less").click()
    expect(states).to_have_text(["ready"], timeout=SLOWLY)
    view.must_be_clean()


def test_a_process_that_died_is_seen_and_counted(open_view: OpenView, watched: LocalSystem) -> None:
    view = open_view()
    view.open("overview")
    before = watched.pid("inventory")
    os.kill(before, signal.SIGKILL)
    expect(card(view, "inventory").locator(".figure.bad")).to_have_text(re.compile(r"^1\s*restart$"), timeout=SLOWLY)
    watched.wait_for_new("inventory", before)
    expect(card(view, "inventory").locator(".state")).to_have_text("ready", timeout=SLOWLY)


def test_a_fault_is_ordered_and_cleared(open_view: OpenView, watched: LocalSystem) -> None:
    view = open_view()
    view.open("resilience")
    view.page.get_by_role("combobox", name="between").select_option("orders->payments")
    view.page.get_by_label("of calls, %").fill("25")
    view.page.get_by_role("button", name="inject").click()
    row = view.page.locator("tr", has_text="orders->payments")
    expect(row).to_contain_text("500 ms delay for 25 % of the calls")
    assert "orders->payments: delay 0.5 s for 25 % of the calls" in watched.must("fault", "list")
    view.picture("fault")
    row.get_by_role("button", name="clear").click()
    expect(view.page.get_by_text("None is in force.")).to_be_visible()
    view.must_be_clean()


def apart(do: Callable[..., T], *arguments: object) -> T:
    """Runs what has an event loop of its own, which this thread has already."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(do, *arguments).result()


@pytest.fixture
def poison(watched: LocalSystem) -> Iterator[None]:
    apart(rows, watched, "payments", f"ALTER TABLE payments ADD CONSTRAINT poison CHECK (amount <> {TOTAL}) NOT VALID")
    yield
    apart(mend, watched)


def test_a_dead_letter_is_understood_and_redriven(
    open_view: OpenView, watched: LocalSystem, customer: Shopper, poison: None
) -> None:
    order = customer.place(POISON)["id"]
    apart(die, watched, order)
    view = open_view()
    view.open("overview")
    view.page.get_by_role("link", name=re.compile("dead letters? waits? at payments")).click()
    letter = view.page.locator("tbody tr", has_text=order)
    expect(letter).to_contain_text("CheckViolationError")
    letter.click()
    expect(view.page.get_by_text('"total": 3663')).to_be_visible()
    expect(view.page.get_by_role("link", name="its trace")).to_be_visible()
    view.picture("dead-letter")
    apart(mend, watched)
    view.page.get_by_role("button", name="redrive").click()
    expect(view.page.get_by_text("No dead letters")).to_be_visible(timeout=SLOWLY)
    customer.wait_for(order, "confirmed", within=60.0)
    view.must_be_clean()
