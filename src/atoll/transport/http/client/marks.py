"""What a request bears for all the calls made on its behalf: a tester's wish for releases, and that it is a copy."""

from __future__ import annotations

from atoll.discovery.wishes import HEADER, wish_of_cookies
from atoll.service import Request

SHADOW = "atoll-shadow"  # set by the gateway on copies of requests, whose replies nobody sees


def pass_marks(current: Request | None, headers: dict[str, str]) -> None:
    """Adds them to the headers of a call."""
    if current is None:
        return
    given = current.headers
    if wish := given.get(HEADER) or wish_of_cookies(given.get("cookie") or ""):
        headers[HEADER] = wish
    if (shadow := given.get(SHADOW)) is not None:
        headers[SHADOW] = shadow
