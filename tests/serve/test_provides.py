"""Providers run once each, after what they need, and clean up when the service stops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from atoll.serve.failure import CannotServe
from atoll.serve.provides import run_providers


class Ledger: ...


class Acquirer:
    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger


class Stops:
    def __init__(self) -> None:
        self.calls: list[Callable[[], Awaitable[None]]] = []

    def __call__(self, name: str, close: Callable[[], Awaitable[None]]) -> None:
        self.calls.append(close)


async def test_order_follows_from_the_needs() -> None:
    async def acquirer(ledger: Ledger) -> Acquirer:
        return Acquirer(ledger)

    def ledger() -> Ledger:
        return Ledger()

    made = await run_providers((acquirer, ledger), {}, Stops())
    assert made[Acquirer].ledger is made[Ledger]


async def test_a_generator_cleans_up_after_its_yield() -> None:
    closed = []

    async def ledger() -> AsyncIterator[Ledger]:
        yield Ledger()
        closed.append(True)

    stops = Stops()
    await run_providers((ledger,), {}, stops)
    assert not closed
    await stops.calls[0]()
    assert closed


async def one(acquirer: Acquirer) -> Ledger:
    return acquirer.ledger


async def other(ledger: Ledger) -> Acquirer:
    return Acquirer(ledger)


def untyped():  # type: ignore[no-untyped-def]
    return Ledger()


@pytest.mark.parametrize(
    ("providers", "complaint"),
    [
        ((one, other), "in a circle"),
        ((other,), "nothing provides 'ledger' of type Ledger"),
        ((other, other), "two providers provide the same type"),
        ((untyped,), "no return type"),
    ],
)
async def test_what_cannot_be_provided_is_one_line(providers: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(CannotServe, match=complaint):
        await run_providers(providers, {}, Stops())
