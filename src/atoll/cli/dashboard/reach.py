"""`Reach`: how the dashboard gets at the running system, and how what cannot be done is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from atoll.cli.brokers import BrokerAt, broker_at
from atoll.cli.client import Client
from atoll.cli.databases import running_database_urls
from atoll.cli.operating import plain
from atoll.contracts import Error
from atoll.messaging import SubscriptionEnded
from atoll.operate import DatabaseAway, Databases, RebuildFailed
from atoll.platform.dashboard.asking import Unknown, Wrong
from atoll.platform.dashboard.guard import Answer
from atoll.system import System
from atoll.system.load import load_system
from atoll.system.trouble import Trouble

T = TypeVar("T")
MOST_BODY = 1_048_576  # bytes of what a page sends


class Reach:
    """The system beside ``file``. Everything is looked up when it is asked: the system may have been started anew."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.client = Client(file)
        self.system: System = load_system(file)

    @property
    def root(self) -> Path:
        """The folder of system.py."""
        return self.file.parent

    async def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The supervisor's answer. Trouble."""
        return await run_in_threadpool(self.client.call, method, path, body)

    async def databases(self) -> Databases:
        """The services' own. Trouble if nothing runs."""
        return Databases(await run_in_threadpool(running_database_urls, self.file))

    async def broker(self) -> BrokerAt:
        """With the account that may read everything. Trouble."""
        return await run_in_threadpool(broker_at, lambda: self.file)


def answering(action: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    """The action's result as JSON; what cannot be done as ``{"error": line}`` with a fitting status."""

    async def answer(request: Request) -> Response:
        try:
            return Answer(plain(await action(request)))
        except Wrong as error:
            return refusal(400, error)
        except Unknown as error:
            return refusal(404, error)
        except Error as error:
            return refusal(error.status, error.detail)
        except Trouble as error:
            return refusal(409, error)
        except (DatabaseAway, SubscriptionEnded, RebuildFailed) as error:
            return refusal(503, error)

    return answer


def refusal(status: int, why: object) -> Response:
    """One line, as every route answers what cannot be done."""
    return Answer({"error": " ".join(str(why).split())[:2_000]}, status)


async def body_of(request: Request, kind: type[T]) -> T:
    """The request's body as such an object; Wrong with the path of what does not fit."""
    taken = bytearray()
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > MOST_BODY:
            raise Wrong(f"more than {MOST_BODY} bytes")
    try:
        return msgspec.json.decode(bytes(taken) or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise Wrong(str(error)) from None


def whole_number(request: Request, name: str) -> int:
    """A number of the path. Unknown for what is none: there can be no such thing."""
    text = str(request.path_params[name])
    if not text.isdigit() or len(text) > 18:
        raise Unknown(f"there is no {name} {text[:40]!r}")
    return int(text)
