"""What the platform tells a service, read once from environment variables (12-factor), with one line for each mistake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from atoll.data.weight import DEFAULT_WEIGHT, MOST_WEIGHT
from atoll.serve.failure import CannotServe

ENDPOINTS_PREFIX = "ATOLL_ENDPOINTS_"
DEFAULT_DRAIN_WAIT = 1.0  # seconds between "not ready" and closing, so that balancers notice (local default)
DEFAULT_GRACE = 10.0  # seconds for what is in flight


@dataclass(frozen=True)
class Environment:
    """The ATOLL_* variables. Addresses that are empty mean: this service runs without that part.

    weight: this instance's part of events and sagas, relative to the others', until the registry says another.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    system: str = "local"
    service: str = ""
    instance: str = ""
    release: str = "dev"
    database_url: str = field(default="", repr=False)
    broker_url: str = field(default="", repr=False)
    registry_url: str = ""
    registry_token: str = field(default="", repr=False)
    endpoints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    peers: Mapping[str, str] = field(default_factory=dict, repr=False)
    peer_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    jwks_url: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""
    drain_wait: float = DEFAULT_DRAIN_WAIT
    grace: float = DEFAULT_GRACE
    weight: int = DEFAULT_WEIGHT
    faults: bool = False
    log: str = "text"
    log_level: str = "info"


def read_environment(values: Mapping[str, str]) -> Environment:
    """The environment as typed values; CannotServe names the variable that is wrong."""
    texts = {
        name: values[f"ATOLL_{name.upper()}"]
        for name in (
            "host", "system", "service", "instance", "release", "database_url", "broker_url", "registry_url",
            "registry_token", "jwks_url", "jwt_issuer", "jwt_audience", "log", "log_level",
        )
        if values.get(f"ATOLL_{name.upper()}")
    }  # fmt: skip
    return Environment(
        **texts,
        faults=_switch(values, "ATOLL_FAULTS"),
        port=int(_number(values, "ATOLL_PORT", 8000, low=0, high=65535)),
        drain_wait=_number(values, "ATOLL_DRAIN_WAIT", DEFAULT_DRAIN_WAIT, low=0, high=3600),
        weight=int(_number(values, "ATOLL_WEIGHT", DEFAULT_WEIGHT, low=0, high=MOST_WEIGHT)),
        grace=_number(values, "ATOLL_GRACE", DEFAULT_GRACE, low=0, high=3600),
        endpoints=_endpoints(values),
        peers=_secrets(values, "ATOLL_PEERS"),
        peer_keys=_secrets(values, "ATOLL_PEER_KEYS"),
    )


def _number(values: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    text = values.get(name, "")
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        raise CannotServe(f"{name} is {text!r}; it must be a number") from None
    if not low <= number <= high:
        raise CannotServe(f"{name} is {text}; it must be between {low:g} and {high:g}")
    return number


def _switch(values: Mapping[str, str], name: str) -> bool:
    text = values.get(name, "") or "off"
    if text not in {"on", "off"}:
        raise CannotServe(f"{name} is {text!r}; it is on or off")
    return text == "on"


def _endpoints(values: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, text in values.items():
        if name.startswith(ENDPOINTS_PREFIX):
            urls = tuple(url.strip().rstrip("/") for url in text.split(",") if url.strip())
            for url in urls:
                if not url.startswith(("http://", "https://")):
                    raise CannotServe(f"{name} has {url!r}; an endpoint is a base URL such as http://127.0.0.1:4001")
            found[name.removeprefix(ENDPOINTS_PREFIX).lower().replace("_", "-")] = urls
    return found


def _secrets(values: Mapping[str, str], name: str) -> dict[str, str]:
    text = values.get(name, "")
    if not text:
        return {}
    problem = f"{name} is not a JSON object of texts (its value is not shown, it is secret)"
    try:
        found: Any = json.loads(text)
    except ValueError:
        raise CannotServe(problem) from None
    if not isinstance(found, dict) or not all(isinstance(value, str) and value for value in found.values()):
        raise CannotServe(problem)
    return found
