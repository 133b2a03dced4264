"""A service that does not let itself be stopped: one handler ignores its cancellation, and one provider never returns."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from atoll.contracts import PUBLIC, Api, Message, Operation
from atoll.service import Service, implements


class Done(Message):
    """Never sent."""


class Stubborn(Api):
    wait = Operation("GET /wait", None, Done, access=PUBLIC, deadline=60.0)


class Needed:
    """What the provider would provide."""


async def needed() -> Needed:
    if os.environ.get("STUBBORN_START"):
        print("waits for what never comes", flush=True)
        await asyncio.Event().wait()
    return Needed()


@implements(Stubborn.wait)
async def wait(_: Needed) -> Done:
    print("begun", flush=True)
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


service = Service("stubborn", handlers=[wait], provides=[needed])
