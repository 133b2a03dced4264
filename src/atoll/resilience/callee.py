"""A callee's errors are not ours: its 404 says nothing about what our own caller asked for.

An error that came over a call and that a handler let through goes on as it is only if the operation declares it. What says
"not now" stays 503 or 504; everything else is 502: this service asked, and another one did not answer as it should.

It bears the header ``atoll-callee``: our caller neither repeats it, because whoever is next to a failure has done that, and three
layers of three attempts are 27; nor holds it against us, because what does not need that callee still works.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import Any, NoReturn

from atoll.contracts import BadGateway, DeadlineExceeded, Error, TooManyRequests, Unavailable
from atoll.resilience.classify import PASSED_ON
from atoll.resilience.records import CalleeFailed, Hook, ignore
from atoll.service import Handler, Layer, Request

_logger = logging.getLogger("atoll.resilience")


def callee(declared: Collection[str], *, streams: bool = False, hook: Hook = ignore) -> Layer:
    """The layer around one operation's handler. declared: the codes of the errors that its contract names.

    streams: the reply is an async generator, whose errors come later.
    """

    def ours(request: Request, error: Error) -> Error:
        if not error.source or error.code in declared:
            return let_through(error)
        found = of_callee(error)
        hook(CalleeFailed(request.name, error.source, error.code, found.status))
        _logger.warning(
            "%s: %s answered %s %s (%s); the caller gets %s",
            request.name, error.source, error.status, error.code, error.detail, found.status,
        )  # fmt: skip
        return found

    async def items(request: Request, found: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        async with aclosing(found):
            try:
                async for item in found:
                    yield item
            except Error as error:
                _raise(ours(request, error), error)

    def layer(inner: Handler) -> Handler:
        async def answering(request: Request) -> Any:
            try:
                return await inner(request)
            except Error as error:
                _raise(ours(request, error), error)

        async def streaming(request: Request) -> Any:
            return items(request, await answering(request))

        return streaming if streams else answering

    return layer


def let_through(error: Error) -> Error:
    """The same error, as the contract says; a callee's failure still is not our own."""
    if error.source and error.status >= 500:
        error.headers = {**error.headers, PASSED_ON: error.source}
    return error


def of_callee(error: Error) -> Error:
    """What our caller gets for a callee's error."""
    theirs = {PASSED_ON: error.source}
    if isinstance(error, DeadlineExceeded):
        return DeadlineExceeded(f"{error.source} did not answer in time", headers=theirs)
    if isinstance(error, (Unavailable, TooManyRequests)):
        again = {name: value for name, value in error.headers.items() if name == "retry-after"}
        return Unavailable(f"{error.source} cannot answer now; come back later", headers={**theirs, **again})
    text = f"{error.source} did not answer as it should ({error.status} {error.code})"
    return BadGateway(text, headers=theirs)


def _raise(ours: Error, error: Error) -> NoReturn:
    if ours is error:
        raise error
    raise ours from error
