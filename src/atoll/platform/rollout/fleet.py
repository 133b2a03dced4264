"""The port of a rollout: what it asks of the engine that runs the instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

MOST_COUNTED = 2.0**53  # from here on, one more is not told apart; what says so does not count
LOOK_WITHIN = 2.0  # seconds that a reading may take at the most


@dataclass(frozen=True, slots=True)
class Reading:
    """What one release of a service has done so far; counts only grow while its instances live.

    at: seconds of a monotonic clock. requests, errors: requests answered, and those of them answered by 5xx or not at all.
    buckets: upper bound of a duration in seconds (``inf`` last) -> requests that took at most so long.
    restarts: how often an instance ended by itself. ready, instances: how many are ready, of how many.
    handled, failed: events that were handled, and attempts to handle one that failed.
    reached: whether every ready instance told its figures in time; without it they are not to be judged by.
    at_gateway, failed_at_gateway: those of the requests and errors that the gateway counted itself.
    """

    at: float
    requests: float = 0
    errors: float = 0
    buckets: Mapping[float, float] = field(default_factory=dict)
    restarts: int = 0
    ready: int = 0
    instances: int = 0
    handled: float = 0
    failed: float = 0
    reached: bool = True
    at_gateway: float = 0
    failed_at_gateway: float = 0

    @property
    def countable(self) -> bool:
        """Whether all counts are numbers that can be counted with: sums of them stay numbers."""
        counts = (
            self.requests, self.errors, self.handled, self.failed, self.at_gateway, self.failed_at_gateway,
            *self.buckets.values(),
        )  # fmt: skip
        return all(0 <= count <= MOST_COUNTED for count in counts)


class Fleet(Protocol):
    """Runs releases of services side by side. Every method may be repeated: what is done already is left as it is.

    Each raises Trouble, in one line, when it cannot be done; the stable release is untouched then.
    """

    def stable(self, service: str) -> str:
        """The release that has, or goes back to, all of the traffic."""

    def running(self, service: str) -> Mapping[str, int]:
        """The releases that have instances -> how many."""

    def desired(self, service: str) -> int:
        """How many instances its stable release shall have; whoever scales it changes that at any moment."""

    async def launch(self, service: str, release: str, instances: int) -> None:
        """Migrate with its own migrations, then bring up so many instances without traffic; returns when all are ready."""

    async def smoke(self, service: str, release: str) -> tuple[str, ...]:
        """Ask each instance of the release for its health and its document; what is wrong, one line each. Empty: all well."""

    async def weigh(self, service: str, shares: Mapping[str, int], *, consumers: bool = True) -> None:
        """Percent of the requests for each release, 100 in all; returns when the gateway and the callers inside know it.

        consumers: whether the releases share events and sagas in the same way; otherwise the stable one has all of them until
        another is settled.
        """

    async def shadow(self, service: str, release: str, percent: int) -> None:
        """Copy so many percent of the gateway's safe requests to that release, whose replies are thrown away. 0 ends it."""

    async def settle(self, service: str, release: str) -> None:
        """From now on, and after a new start of the system too, that release is the stable one; its consumers take full part.

        It has at least as many instances as are desired when this returns.
        """

    async def retire(self, service: str, release: str) -> None:
        """End that release's instances after they drained; it has no share of the traffic any more."""

    async def measure(self, service: str, within: float = LOOK_WITHIN) -> Mapping[str, Reading]:
        """A reading of each release that runs, in ``within`` seconds at the most: what has not answered then is not reached."""
