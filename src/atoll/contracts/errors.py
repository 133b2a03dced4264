"""Errors that cross a service's boundary, as RFC 9457 problem documents.

Raise one in a handler and the caller gets its problem document; a typed client raises the same class again when the operation
declares it (`errors=`). An error's ``code`` names it across services and releases and never changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

PROBLEM_MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:problem:"
_CODE = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One wrong input: where (`items[0].quantity`, `header:idempotency-key`, `query:limit`) and what."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457's members; ``errors`` is the usual extension for several wrong fields."""

    type: str = "about:blank"
    title: str = ""
    status: int = 500
    detail: str = ""
    instance: str = ""
    errors: Sequence[FieldError] = ()


class Error(Exception):
    """Base of every error that a caller sees. Subclass it with a code: ``class OutOfStock(Conflict, code="out-of-stock")``.

    detail: one line for the caller: what is wrong and what to do. Never a secret, never another caller's data.
    fields: the wrong inputs, if that is what it is.
    headers: reply headers, such as ``retry-after``.
    source: the service whose reply it was; empty for an error of this process's own. What comes from a callee says nothing
      about the request that is being handled: it does not go on to the caller unless the operation declares it.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    source: str = ""

    def __init_subclass__(cls, *, code: str | None = None, status: int | None = None, title: str | None = None) -> None:
        super().__init_subclass__()
        if code is not None and not _CODE.fullmatch(code):
            raise TypeError(
                f"{cls.__name__}: code {code!r} is not like 'out-of-stock' (lower-case words joined by dashes)"
            )
        if status is not None and not 400 <= status <= 599:
            raise TypeError(f"{cls.__name__}: status is {status}; an error's status is between 400 and 599")
        if code is not None:
            cls.code = code
            cls.title = title or code.replace("-", " ").capitalize()
        elif title is not None:
            cls.title = title
        if status is not None:
            cls.status = status

    def __init__(
        self, detail: str = "", *, fields: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.fields = tuple(fields)
        self.headers = dict(headers) if headers else {}

    def problem(self) -> Problem:
        """This error as a problem document."""
        return Problem(
            type=TYPE_PREFIX + self.code, title=self.title, status=self.status, detail=self.detail, errors=self.fields
        )


class BadRequest(Error, code="bad-request", status=400):
    """The request could not be read at all: broken JSON, a broken header."""


class Unauthenticated(Error, code="unauthenticated", status=401):
    """No valid credentials came with the request."""

    def __init__(self, detail: str = "", **options: Any) -> None:
        super().__init__(detail, **options)
        self.headers.setdefault("www-authenticate", "Bearer")


class Forbidden(Error, code="forbidden", status=403):
    """The caller is known and may not do this."""


class NotFound(Error, code="not-found", status=404):
    """There is no such thing, or the caller may not know that there is."""


class MethodNotAllowed(Error, code="method-not-allowed", status=405):
    """The path exists with other methods (see the ``allow`` header)."""


class Conflict(Error, code="conflict", status=409):
    """The state does not allow this now."""


class TooLarge(Error, code="too-large", status=413):
    """The body or a header is over its limit."""


class UnsupportedMediaType(Error, code="unsupported-media-type", status=415):
    """The body's content type is not one that the operation reads."""


class Invalid(Error, code="invalid", status=422):
    """The request was read, and a field of it is wrong; ``fields`` names it."""


class TooManyRequests(Error, code="too-many-requests", status=429):
    """A limit was reached; ``retry-after`` says when to come back."""


class Internal(Error, code="internal", status=500):
    """A defect of the service. The reply never says which; the log does."""


class BadGateway(Error, code="bad-gateway", status=502):
    """Another service answered with something that its contract does not allow."""


class Unavailable(Error, code="unavailable", status=503):
    """Not now: starting, draining, overloaded, or a dependency is away."""


class DeadlineExceeded(Error, code="deadline-exceeded", status=504):
    """The time that the caller gave is used up."""


STANDARD_ERRORS: Mapping[str, type[Error]] = {
    error.code: error
    for error in (
        BadRequest, Unauthenticated, Forbidden, NotFound, MethodNotAllowed, Conflict, TooLarge, UnsupportedMediaType,
        Invalid, TooManyRequests, Internal, BadGateway, Unavailable, DeadlineExceeded,
    )
}  # fmt: skip
_BY_STATUS = {error.status: error for error in STANDARD_ERRORS.values()}


def error_from_problem(problem: Problem, declared: Mapping[str, type[Error]]) -> Error:
    """The exception for a problem document: the declared class by its code, else a standard one, else by status."""
    code = problem.type.removeprefix(TYPE_PREFIX)
    kind = declared.get(code) or STANDARD_ERRORS.get(code) or _BY_STATUS.get(problem.status)
    if kind is None:
        kind = BadRequest if 400 <= problem.status < 500 else Internal
    error = kind.__new__(kind)  # not by calling it: a subclass may want arguments that no document carries
    Error.__init__(
        error, problem.detail or ("" if problem.title == kind.title else problem.title), fields=problem.errors
    )
    return error
