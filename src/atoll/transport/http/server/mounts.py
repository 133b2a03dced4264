"""Other ASGI applications under a path prefix, with their own start-up and shutdown (ASGI's lifespan)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from atoll.service.lifecycle import end
from atoll.transport.http.server.asgi import ASGIApp, Event, Receive, Scope, Send


class MountFailed(Exception):
    """A mounted application said that it cannot start."""


class Mounts:
    """Finds the application for a path, the longest prefix first, and runs the lifespans of all."""

    def __init__(self, mounts: Mapping[str, ASGIApp]) -> None:
        given = {_prefix(prefix): app for prefix, app in mounts.items()}
        self._apps = [(prefix, _Lifespan(prefix, app)) for prefix, app in given.items()]
        self._apps.sort(key=lambda one: len(one[0]), reverse=True)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether an application took it. It sees its prefix as ``root_path``, and ``path`` whole, as ASGI says."""
        path = scope["path"]
        for prefix, lifespan in self._apps:
            if path == prefix or path.startswith(prefix + "/"):
                inner = {**scope, "root_path": scope.get("root_path", "") + prefix, "state": dict(lifespan.state)}
                await lifespan.app(inner, receive, send)
                return True
        return False

    async def start(self) -> None:
        """Starts each application; MountFailed if one refuses."""
        for _, lifespan in self._apps:
            await lifespan.start()

    async def stop(self) -> None:
        """Stops each application, the last first."""
        for _, lifespan in reversed(self._apps):
            await lifespan.stop()


class _Lifespan:
    """One application's lifespan, in a task of its own as ASGI wants it."""

    def __init__(self, prefix: str, app: ASGIApp) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self._prefix = prefix or "/"
        self._to_app: asyncio.Queue[Event] = asyncio.Queue()
        self._from_app: asyncio.Queue[Event] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())
        answer = await self._ask("lifespan.startup")
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            await end(self._task)
            self._task = None
            raise MountFailed(f"the application mounted at {self._prefix} cannot start: {answer.get('message', '')}")

    async def stop(self) -> None:
        if self._task is None:
            return
        await self._ask("lifespan.shutdown")
        self._task.cancel()
        await asyncio.wait({self._task})
        self._task = None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self.app(scope, self._to_app.get, self._from_app.put)

    async def _ask(self, what: str) -> Event | None:
        """The application's answer; None if it has no lifespan (ASGI: it may raise, and is then served without)."""
        if self._task is None or self._task.done():
            return None
        self._to_app.put_nowait({"type": what})
        answer = asyncio.ensure_future(self._from_app.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        if not self._task.cancelled():
            self._task.exception()  # seen: an application without a lifespan ends here, and that is no failure
        return None


def _prefix(given: str) -> str:
    prefix = given.rstrip("/")
    if prefix and not prefix.startswith("/"):
        raise TypeError(f"the mount {given!r} must start with '/'")
    return prefix
