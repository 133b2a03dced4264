"""Compression of text replies: zstd, brotli or gzip, as the client prefers. Server-sent events are never held back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atoll.platform.gateway.typed import typed

CONTENT_TYPES = [
    "application/json",
    "application/problem+json",
    "application/javascript",
    "application/xml",
    "application/wasm",
    "text/html",
    "text/css",
    "text/plain",
    "text/csv",
    "text/javascript",
    "image/svg+xml",
]
MIN_LENGTH = 860  # bytes; below, a reply fits in a packet anyway
# Levels that keep up with a request.
_LIBRARIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "zstd": ("Zstd", {"compression_level": 3}),
    "brotli": ("Brotli", {"quality": 4}),
    "gzip": ("Gzip", {"compression_level": "COMPRESSION_LEVEL_4"}),
}


def http_filters() -> list[dict[str, Any]]:
    """One compressor for each encoding."""
    return [_compressor(name, message, level) for name, (message, level) in _LIBRARIES.items()]


def _compressor(name: str, message: str, level: dict[str, Any]) -> dict[str, Any]:
    library = {
        "name": f"envoy.compression.{name}.compressor",
        "typed_config": typed(f"envoy.extensions.compression.{name}.compressor.v3.{message}", **level),
    }
    config = typed(
        "envoy.extensions.filters.http.compressor.v3.Compressor",
        response_direction_config={"common_config": {"content_type": CONTENT_TYPES, "min_content_length": MIN_LENGTH}},
        compressor_library=library,
        choose_first=name == "zstd",  # where the client likes several equally
    )
    return {"name": f"envoy.filters.http.compressor.{name}", "typed_config": config}
