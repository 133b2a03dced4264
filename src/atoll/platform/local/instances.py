"""The instances of one service, of one release or of several, and what each of them weighs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from atoll.platform.local.keeper import Keeper
from atoll.platform.local.registry import DEFAULT_WEIGHT, Listed

FINE = 840  # a percent in weights: it can be divided among 1 to 8 instances without a rest


class Instance:
    """One running process of a service."""

    def __init__(self, keeper: Keeper, name: str, url: str, release: str) -> None:
        self.keeper = keeper
        self.name = name
        self.url = url
        self.release = release


def listed(ready: Sequence[Instance], shares: Mapping[str, int], work: Mapping[str, int]) -> list[Listed]:
    """What the registry is to say of them. shares, work: percent of the requests, and of events and sagas, by release.

    A release's share is divided among those of its instances that are ready.
    """
    weights, parts = _weights(ready, shares), _weights(ready, work)
    return [
        Listed(
            one.url,
            one.name,
            one.release,
            weights[one.release],
            msgspec.UNSET if parts == weights else parts[one.release],
        )
        for one in ready
    ]


def _weights(ready: Collection[Instance], shares: Mapping[str, int]) -> dict[str, int]:
    """What one instance of each release weighs."""
    releases = [one.release for one in ready]
    if sum(share > 0 for share in shares.values()) == 1:
        return {release: DEFAULT_WEIGHT if shares.get(release, 0) else 0 for release in releases}
    return {release: _divided(shares.get(release, 0), releases.count(release)) for release in releases}


def _divided(share: int, instances: int) -> int:
    return max(1, share * FINE // instances) if share else 0
