"""Which release of a service gets a request: by share, by a tester's wish, or none of the choice while there is one alone.

All releases of a service are in one cluster, as subsets of its endpoints; the route says which subset. So a release's share
does not depend on how fast it is, a retry stays with the release that failed, and a shift of weights moves no connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from atoll.platform.gateway.options import Endpoint
from atoll.platform.gateway.typed import safe_regex

SUBSET = "envoy.lb"  # where Envoy looks for what subsets are made by
HEADER = "atoll-release"  # ``orders=3f2a9c``, or several of them with commas between
SHADOW = "@shadow"  # added to a service's name: the cluster that copies of requests go to
_NONE = "-"  # no release is named so


@dataclass(frozen=True, slots=True)
class Releases:
    """The releases of one service. weights: of each that has endpoints; those without a share are only for testers."""

    service: str
    weights: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, service: str, endpoints: Sequence[Endpoint]) -> Releases:
        """A release whose endpoints are all away has no share: the others have its requests."""
        weights: dict[str, int] = {}
        for endpoint in endpoints:
            weight = endpoint.weight if endpoint.healthy else 0
            if endpoint.release:
                weights[endpoint.release] = weights.get(endpoint.release, 0) + weight
        return cls(service, weights)

    def target(self) -> dict[str, Any]:
        """The part of Envoy's RouteAction that says where a request goes."""
        sharing = {release: weight for release, weight in self.weights.items() if weight}
        if not self.weights:
            return {"cluster": self.service}
        if not sharing:  # what is only there for testers, and what is away, is not for everybody
            return {"cluster": self.service, "metadata_match": _match(_NONE)}
        if len(sharing) == 1:
            return {"cluster": self.service, "metadata_match": _match(*sharing)}
        clusters = [
            {"name": self.service, "weight": weight, "metadata_match": _match(release)}
            for release, weight in sorted(sharing.items())
        ]
        return {"weighted_clusters": {"clusters": clusters}}

    def pins(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """For each way in which a tester may ask for a release that runs here: how the request looks, and where it goes."""
        if len(self.weights) < 2:
            return
        for release in sorted(self.weights):
            target = {"cluster": self.service, "metadata_match": _match(release)}
            wish = rf"\s*{re.escape(self.service)}=({re.escape(release)})\s*"
            yield {"name": HEADER, "string_match": safe_regex(rf"(.*,)?{wish}(,.*)?")}, target
            cookie = rf'(.*;)?\s*{HEADER}="?([^;]*,)?{wish}(,[^;]*)?"?\s*(;.*)?'
            yield {"name": "cookie", "string_match": safe_regex(cookie)}, target


@dataclass(frozen=True, slots=True)
class Shadow:
    """Copies of safe requests for a release of a service. percent: of them."""

    release: str
    percent: int


def _match(release: str) -> dict[str, Any]:
    return {"filter_metadata": {SUBSET: {"release": release}}}


def subsets() -> dict[str, Any]:
    """The part of a Cluster that makes its releases subsets. Whoever does not say which (a fetch of keys) takes any."""
    return {
        "lb_subset_config": {
            "fallback_policy": "ANY_ENDPOINT",
            "subset_selectors": [{"keys": ["release"], "fallback_policy": "NO_FALLBACK"}],
        }
    }


def mirror(service: str, shadow: Shadow) -> dict[str, Any]:
    """The part of a RouteAction that sends copies; their replies are thrown away."""
    fraction = {"default_value": {"numerator": shadow.percent, "denominator": "HUNDRED"}}
    mark = {"append": {"header": {"key": "atoll-shadow", "value": "on"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    policy = {
        "cluster": f"{service}{SHADOW}",
        "runtime_fraction": fraction,
        "request_headers_mutations": [mark],
        "disable_shadow_host_suffix_append": True,
    }
    return {"request_mirror_policies": [policy]}
