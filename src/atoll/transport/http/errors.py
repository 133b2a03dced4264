"""Errors that only HTTP has."""

from __future__ import annotations

from atoll.contracts import Error, TooLarge


class RequestTimeout(Error, code="request-timeout", status=408):
    """The client took too long to send its request."""


class UnreadBody(TooLarge):
    """The body is over its limit, and the client may still be sending it."""


class HeadersTooLarge(Error, code="headers-too-large", status=431):
    """The request line and headers are over their limit."""
