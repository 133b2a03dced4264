"""Every version of an event that was ever published can be read by today's contract: an example of each is kept in `events/`."""

from __future__ import annotations

from pathlib import Path

import pytest

import shop_contracts
from atoll.contracts import Event
from atoll.testing.event_fixtures import check_event_fixtures

FIXTURES = Path(__file__).parent / "events"
EVENTS = [
    found
    for found in vars(shop_contracts).values()
    if isinstance(found, type) and issubclass(found, Event) and found.subject_
]


def test_every_version_of_every_event_is_read_today() -> None:
    assert check_event_fixtures(FIXTURES, EVENTS) >= len(EVENTS)


def test_a_version_that_is_raised_needs_a_fixture() -> None:
    class OrderCreated(shop_contracts.OrderCreated, subject="order.created", version=2, key="order_id"):
        """The next version, of which nobody has kept an example."""

    with pytest.raises(AssertionError, match=r"order\.created/v2\.json is missing"):
        check_event_fixtures(FIXTURES, [OrderCreated])
