"""The ``atoll-*`` headers are ours: whatever a client sends under that name is removed before anything reads it.

But for one: with ``atoll-release`` a tester asks for a release. It opens nothing that is not open anyway.
"""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.releases import HEADER
from atoll.platform.gateway.typed import header, typed

_ASIDE = "x-atoll-release"  # where the wish is while the others are removed


def client_headers_removed() -> list[dict[str, Any]]:
    """Runs when a request arrives, before routes and filters. Names are compared without regard to case."""
    removal = {"remove_on_match": {"key_matcher": {"prefix": "atoll-", "ignore_case": True}}}
    mutations = [
        {"remove": _ASIDE},
        {"append": header(_ASIDE, f"%REQ({HEADER})%")},
        removal,
        {"append": header(HEADER, f"%REQ({_ASIDE})%")},
        {"remove": _ASIDE},
    ]
    config = typed("envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", mutations=mutations)
    return [{"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": config}]
