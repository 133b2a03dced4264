"""HTTPS: the listener's transport socket."""

from __future__ import annotations

from typing import Any

from atoll.platform.gateway.options import GatewayModelError, GatewayOptions
from atoll.platform.gateway.typed import typed
from atoll.system import Gateway

_PACKAGE = "envoy.extensions.transport_sockets.tls.v3"


def transport_socket(gateway: Gateway, options: GatewayOptions) -> dict[str, Any]:
    """The filter chain's ``transport_socket``; nothing without ``tls``. TLS 1.2 at the least; HTTP/2 by ALPN."""
    if not gateway.tls:
        return {}
    if options.certificate is None:
        raise GatewayModelError(f"{gateway.place}: the gateway serves TLS and there is no certificate; give it one")
    files = {
        "certificate_chain": {"filename": str(options.certificate.certificate)},
        "private_key": {"filename": str(options.certificate.key)},
    }
    common = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificates": [files],
    }
    config = typed(f"{_PACKAGE}.DownstreamTlsContext", common_tls_context=common)
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": config}}
