"""The ``atoll-*`` headers are ours: whatever a client sends under that name is removed before anything reads it."""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.typed import typed


def client_headers_removed() -> list[dict[str, Any]]:
    """Runs when a request arrives, before routes and filters. Names are compared without regard to case."""
    removal = {"remove_on_match": {"key_matcher": {"prefix": "atoll-", "ignore_case": True}}}
    config = typed("envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", mutations=[removal])
    return [{"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": config}]
