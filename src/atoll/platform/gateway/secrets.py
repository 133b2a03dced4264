"""SDS: the secret that the gateway shows to each service, in a file of its own; Envoy never prints secrets."""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.config_sources import secret_source
from atoll.platform.gateway.typed import typed

PEER = "gateway"


def peer_secret(service: str, secret: str) -> dict[str, Any]:
    """The Secret resource."""
    return {"name": service, "generic_secret": {"secret": {"inline_string": secret}}}


def injected_secret(service: str) -> dict[str, Any]:
    """The upstream filter that adds ``atoll-peer: gateway:<secret>``; a request never goes out without it."""
    credential = typed(
        "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        credential={"name": service, "sds_config": secret_source(service)},
        header="atoll-peer",
        header_value_prefix=f"{PEER}:",
    )
    config = typed(
        "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        overwrite=True,
        credential={"name": "envoy.http.injected_credentials.generic", "typed_config": credential},
    )
    return {"name": "envoy.filters.http.credential_injector", "typed_config": config}
