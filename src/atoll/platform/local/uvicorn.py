"""Runs any ASGI application as a service: listens where the platform says, and answers the health paths if it does not.

python -m atoll.platform.local.uvicorn package.module:attribute
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

HEALTH = frozenset({"/health/live", "/health/ready", "/health/started"})
_UP = json.dumps({"status": "up", "checks": {}}).encode()


def with_health(application: Application) -> Application:
    """The application, with 200 at the health paths that it does not know itself (it listens, so it has started)."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in HEALTH:
            await application(scope, receive, send)
            return
        if not await _knows(application, scope, receive, send):
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_UP)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": _UP})

    return serve


async def _knows(application: Application, scope: Message, receive: Receive, send: Send) -> bool:
    """Let the application answer, unless it says 404."""
    unknown = False

    async def filtered(message: Message) -> None:
        nonlocal unknown
        if message["type"] == "http.response.start" and message["status"] == 404:
            unknown = True
        if not unknown:
            await send(message)

    await application(scope, receive, filtered)
    return not unknown


def load(reference: str) -> Application:
    """The application; exits with one line if it is not there."""
    module_name, _, attribute = reference.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for name in attribute.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        sys.exit(f"{reference}: {error}; correct asgi= in system.py, or install what it needs")
    application: Application = found
    return application


def main() -> None:
    """Serve until SIGTERM."""
    import uvicorn

    application = with_health(load(sys.argv[1]))
    host, port = os.environ.get("ATOLL_HOST", "127.0.0.1"), int(os.environ.get("ATOLL_PORT", "8000"))
    grace = int(float(os.environ.get("ATOLL_GRACE", "10")))
    # Above the keep-alive of every client of ours, so that no request meets a closing connection.
    uvicorn.run(
        application,
        host=host,
        port=port,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=grace,
        log_level="info",
        access_log=False,
    )


if __name__ == "__main__":
    main()
