"""What the layers' tests call through them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from atoll.contracts import Api, Message, NotFound, Operation, Stream
from atoll.service import Caller, Request


class Empty(Message):
    """Nothing."""


class Payments(Api):
    charge = Operation("POST /charge", Empty, Empty, deadline=2.0)
    keyed = Operation("POST /keyed", Empty, Empty, keyed=True)
    look = Operation("GET /look", Empty, Empty, errors=(NotFound,))
    feed = Operation("GET /feed", Empty, Stream[Empty])


class Orders(Api):
    place = Operation("POST /orders", Empty, Empty)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def request(
    operation: Operation[Any, Any] = Payments.look, *, subject: str = "", deadline: float = float("inf")
) -> Request:
    caller = Caller(subject=subject) if subject else None
    return Request(operation.qualified, Empty(), operation=operation, caller=caller, deadline=deadline)


async def until(condition: Callable[[], bool]) -> None:
    """Lets other tasks go on until it holds."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")
