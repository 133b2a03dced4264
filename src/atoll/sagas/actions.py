"""What a saga does, one attempt at a time: a local function in a unit of work, or a call to another service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from atoll.contracts import Operation
from atoll.contracts.codec import encode
from atoll.contracts.operations import BoundCall
from atoll.data import Work
from atoll.sagas.results import UNTYPED, read, result_type, write
from atoll.service import Request, current_request
from atoll.service.handlers import name_of


@dataclass(frozen=True, slots=True)
class Local:
    """A function of the service itself; its effect and its journal row commit together."""

    function: Callable[..., Awaitable[Any]]
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def kind(self) -> Any:
        """The type of its result."""
        return result_type(self.function)

    def refuse_unsafe(self) -> None:
        """TypeError for a function whose result could not be given back."""
        self.kind()

    async def run(self, work: Work) -> str | None:
        """One attempt, in this unit of work; the result for the journal."""
        result = await self.function(work, *self.arguments, **self.keywords)
        if result is not None and self.kind() is UNTYPED:
            raise TypeError(f"{name_of(self.function)} has no return type, so it must return nothing")
        return write(result)


@dataclass(frozen=True, slots=True)
class Remote:
    """A call to another service, under an idempotency key of the saga and the step."""

    call: BoundCall[Any, Any]
    message: Any

    def target(self) -> Operation[Any, Any]:
        """What is called."""
        return self.call.operation

    def refuse_unsafe(self) -> None:
        """TypeError for an operation that may take effect twice."""
        operation = self.target()
        if operation.streams:
            raise TypeError(f"{operation!r} streams its reply; a saga cannot keep one")
        if not (operation.keyed or operation.idempotent):
            raise TypeError(
                f"{operation!r} is neither keyed nor idempotent, so a repeat after a crash could take effect twice; "
                "declare keyed=True (the callee then remembers the key) or idempotent=True"
            )

    def written(self) -> str:
        """The message for the journal: later attempts send the first one's, so that the callee knows them again."""
        return encode(self.message).decode()

    async def run(self, written: str) -> str | None:
        """One attempt; the reply for the journal."""
        return write(await self.call(read(self.target().request, written)))


@contextmanager
def acting(saga: str, step: str, saga_id: object, headers: Mapping[str, str]) -> Iterator[None]:
    """What the step does belongs to the saga: its trace, and the key that calls derive their idempotency keys from."""
    request = Request(f"{saga}/{step}", None, headers={**headers, "idempotency-key": f"{saga_id}/{step}"})
    token = current_request.set(request)
    try:
        yield
    finally:
        current_request.reset(token)
