"""From what came back over HTTP to the reply message, or to the callee's error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from atoll.contracts import BadRequest, Error, Invalid, Operation, Problem
from atoll.contracts.codec import decoder_for
from atoll.contracts.errors import PROBLEM_MEDIA_TYPE, error_from_problem
from atoll.resilience import Unreadable
from atoll.resilience.classify import PASSED_ON
from atoll.transport.http.client.port import HttpReply

_KEPT = ("retry-after", "www-authenticate", PASSED_ON)
_decode_problem = msgspec.json.Decoder(Problem).decode


class ReplyReader:
    """How one operation's replies are read."""

    __slots__ = ("_decode", "_errors", "_nothing", "_service")

    def __init__(self, operation: Operation[Any, Any]) -> None:
        self._service = operation.api.service_
        self._errors = operation.errors
        kind = operation.reply.__args__[0] if operation.streams else operation.reply
        self._nothing = kind is None or kind is type(None)
        self._decode: Callable[[bytes], Any] = decoder_for(kind)

    def read(self, reply: HttpReply) -> Any:
        """The message; the callee's Error, or Unreadable for what its contract does not allow."""
        if 200 <= reply.status < 300:
            return None if self._nothing else self.message(reply.body)
        raise self.error(reply)

    def message(self, body: bytes) -> Any:
        """One message of a reply or a stream."""
        try:
            return self._decode(body)
        except (Invalid, BadRequest) as error:
            raise Unreadable(
                f"{self._service} answered something else than its contract says: {error.detail}"
            ) from None

    def error(self, reply: HttpReply) -> Error:
        """The error for a reply that is no success."""
        if reply.headers.get("content-type", "").startswith(PROBLEM_MEDIA_TYPE):
            error = self.problem(reply.body)
        elif reply.status < 400:
            error = Unreadable(f"{self._service} answered {reply.status}; redirects are not followed")
        else:
            error = error_from_problem(
                Problem(status=reply.status, detail=f"{self._service} answered {reply.status} without a problem"), {}
            )
        error.headers.update(_kept(reply.headers))
        error.source = self._service
        return error

    def problem(self, body: bytes) -> Error:
        """The error of a problem document."""
        try:
            error = error_from_problem(_decode_problem(body), self._errors)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Unreadable(f"{self._service} answered with a problem document that cannot be read")
        error.source = self._service
        return error


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _KEPT if name in headers}
