"""What the gateway itself answers: RFC 9457 problem documents, in the shape of `atoll.contracts.Problem`.

The mappers are tried in order: first by the reason that Envoy notes for a reply, then by its status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atoll.contracts.errors import PROBLEM_MEDIA_TYPE, TYPE_PREFIX
from atoll.platform.gateway.access import MISSING
from atoll.platform.gateway.typed import header, typed

INSTANCE = "%PATH(NQ)%"  # of the request, without its query, as in a service's own problem documents
_RETRY_SOON = {"retry-after": "1"}


def local_reply_config() -> dict[str, Any]:
    """The listener's LocalReplyConfig."""
    return {
        "mappers": [
            _by_reason("Jwks_remote_fetch", 503, "unavailable", "Tokens cannot be checked now; try again soon.", _RETRY_SOON),
            _by_reason(
                "Jwt_is_missing", 401, "unauthenticated", "Send a bearer token in the authorization header.",
                {"www-authenticate": "Bearer"},
            ),
            _by_reason(
                "jwt_authn_access_denied", 401, "unauthenticated", "The bearer token is not accepted: %LOCAL_REPLY_BODY%.",
                {"www-authenticate": 'Bearer error="invalid_token"'},
            ),
            _by_reason("rbac_access_denied", 403, "forbidden", f"This needs {MISSING}, which the caller does not have."),
            # The request was sent: it may have taken effect, so the reply does not invite the client to send it again.
            _by_reason("upstream_reset_after", 502, "bad-gateway", "The service broke off its reply."),
            _by_reason("upstream_reset_before_response_started{connection_termination", 502, "bad-gateway",
                       "The service broke off before it replied."),
            *(_by_status(status, *reply) for status, reply in _STATUSES.items()),
        ],
        "body_format": _document("%RESPONSE_CODE%", "internal", "The gateway could not answer this request."),
    }  # fmt: skip


_STATUSES: Mapping[int, tuple[str, str, Mapping[str, str]]] = {
    400: ("bad-request", "The request is not well-formed HTTP, or its path is not acceptable.", {}),
    403: ("forbidden", "This is not allowed.", {}),
    404: ("not-found", "Nothing is at this path.", {}),
    405: ("method-not-allowed", "This path has other methods; see the allow header.", {}),
    408: ("request-timeout", "The request did not arrive in time.", {}),
    413: ("too-large", "The body is over this route's limit.", {}),
    426: ("upgrade-required", "This HTTP version is not served.", {}),
    429: ("too-many-requests", "This caller's limit for this route is used up; wait as retry-after says.", {}),
    431: ("too-large", "The headers are over the gateway's limit.", {}),
    502: ("bad-gateway", "The service did not answer with proper HTTP.", {}),
    503: ("unavailable", "The service cannot be reached now; try again soon.", _RETRY_SOON),
    504: ("deadline-exceeded", "The service did not answer in time.", {}),
}


def _by_reason(
    reason: str, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    expression = f"response.code_details.contains('{reason}')"
    config = typed("envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", expression=expression)
    matched = {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}}
    return _mapper(matched, status, code, detail, headers or {})


def _by_status(status: int, code: str, detail: str, headers: Mapping[str, str]) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": "atoll.local_reply"}
    return _mapper({"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}, status, code, detail, headers)


def _mapper(matched: dict[str, Any], status: int, code: str, detail: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "filter": matched,
        "status_code": status,
        "headers_to_add": [header(name, value) for name, value in headers.items()],
        "body_format_override": _document(status, code, detail),
    }


def _document(status: int | str, code: str, detail: str) -> dict[str, Any]:
    title = code.replace("-", " ").capitalize()
    problem = {"type": TYPE_PREFIX + code, "title": title, "status": status, "detail": detail, "instance": INSTANCE}
    return {"json_format": problem, "content_type": PROBLEM_MEDIA_TYPE}
