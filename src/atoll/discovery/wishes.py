"""A tester's wish for releases: ``atoll-release: orders=3f2a9c,payments=dev``, a header or a cookie of that name."""

from __future__ import annotations

HEADER = "atoll-release"
_MOST = 1000  # characters; longer ones are no wish


def wished_release(wish: str, service: str) -> str:
    """The release of that service that it names; empty if it names none, or is none."""
    if len(wish) > _MOST:
        return ""
    for part in wish.split(","):
        name, _, release = part.partition("=")
        if name.strip() == service:
            return release.strip()
    return ""


def wish_of_cookies(cookies: str) -> str:
    """The value of the cookie; empty if it is not among them."""
    if HEADER not in cookies:
        return ""
    for part in cookies.split(";"):
        name, _, value = part.strip().partition("=")
        if name == HEADER and len(value) <= _MOST and value.isprintable():
            return value.strip('"')
    return ""
