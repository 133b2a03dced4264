"""What the gateway is compiled from besides the model: where the services are, and what this machine decides."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


class GatewayModelError(ValueError):
    """The model or an endpoint cannot become a gateway: one line that says what, where and what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One instance of a service, as the gateway sees it.

    url: ``http://127.0.0.1:4001``; the host is an IP address (or localhost), because endpoints are never looked up.
    instance, release: ``orders-1``, ``dev``; they show in the access log.
    weight: its share of the service's traffic, relative to the other endpoints' weights; 0 takes it out. Where there are
      several releases, a release's share is the sum of its endpoints' weights, whatever happens to single ones.
    healthy: whether it takes requests now. One that does not is kept all the same: Envoy goes on to count for it.
    """

    url: str
    instance: str
    release: str = ""
    weight: int = 100
    healthy: bool = True

    @property
    def address(self) -> tuple[str, int]:
        """(IP address, port); `GatewayModelError` if the URL does not give them."""
        parts = urlsplit(self.url)
        host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
        try:
            ipaddress.ip_address(host)
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme != "http" or port is None:
            raise GatewayModelError(
                f"endpoint {self.instance}: {self.url!r} is not like http://127.0.0.1:4001; give an IP address and a port"
            )
        return host, port


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files that the listener serves HTTPS with."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What this machine decides about the gateway.

    port, admin_port: where Envoy listens; 0 is not allowed, so take a free port before. The admin is on 127.0.0.1.
    peer_secrets: {service: the secret that the gateway shows to it}, sent as ``atoll-peer: gateway:<secret>``.
    certificate: needed when the model's gateway says ``tls=True`` (see `development_certificate`).
    access_log: file of the JSON access log; empty writes it to Envoy's standard output.
    otlp_url: where Envoy sends its spans (OTLP over HTTP), such as ``http://127.0.0.1:4318/v1/traces``; empty: nowhere.
    trace_share: of the traces that begin here, so much is sampled (0 to 1).
    jwks_cache: seconds for which the token issuer's keys are used before they are fetched again. A new key is accepted
      at the latest after that time, so an issuer publishes a key at least so long before it signs with it.
    faults: whether somebody may order faults (see `EdgeFault`); only where people develop.
    concurrency: Envoy's worker threads. max_connections: clients' connections at once; more are closed at once.
    """

    port: int
    admin_port: int
    peer_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate: Certificate | None = None
    access_log: str = ""
    otlp_url: str = ""
    trace_share: float = 1.0
    jwks_cache: float = 2.0
    faults: bool = False
    concurrency: int = 2
    max_connections: int = 10_000
