"""The access log: one JSON object a request. No query, no body, no token: those can hold secrets."""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.typed import typed

FIELDS = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "duration_ms": "%DURATION%",
    "upstream_ms": "%RESPONSE_DURATION%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "route": "%ROUTE_NAME%",
    "service": "%UPSTREAM_CLUSTER_RAW%",
    "instance": "%UPSTREAM_METADATA(atoll:instance)%",
    "release": "%UPSTREAM_METADATA(atoll:release)%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "subject": "%REQ(ATOLL-SUBJECT)%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "trace_id": "%TRACE_ID%",
    "flags": "%RESPONSE_FLAGS%",
    "reason": "%RESPONSE_CODE_DETAILS%",
}


def access_log(path: str) -> dict[str, Any]:
    """path: a file, or empty for Envoy's standard output."""
    log_format = {"json_format": FIELDS, "omit_empty_values": True}
    if path:
        config = typed("envoy.extensions.access_loggers.file.v3.FileAccessLog", path=path, log_format=log_format)
        return {"name": "envoy.access_loggers.file", "typed_config": config}
    config = typed("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", log_format=log_format)
    return {"name": "envoy.access_loggers.stdout", "typed_config": config}
