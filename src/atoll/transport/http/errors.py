"""Errors that only HTTP has."""

from __future__ import annotations

from atoll.contracts import Error


class RequestTimeout(Error, code="request-timeout", status=408):
    """The client took too long to send its request."""


class HeadersTooLarge(Error, code="headers-too-large", status=431):
    """The request line and headers are over their limit."""
