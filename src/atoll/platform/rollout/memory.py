"""A fleet in memory: for tests of what uses one, with the same promises as a real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from atoll.platform.rollout.fleet import LOOK_WITHIN, Reading
from atoll.system import Trouble


@dataclass(slots=True)
class MemoryFleet:
    """Releases that are numbers only. what: release -> what it does when it is measured (given what it did so far).

    before: called with the name of each act before it is done; it may raise. looked_within: seconds that each look was given.
    """

    settled: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)
    instances: dict[str, dict[str, int]] = field(default_factory=dict)
    shares: dict[str, dict[str, int]] = field(default_factory=dict)
    shadows: dict[str, dict[str, int]] = field(default_factory=dict)
    sharing: dict[str, bool] = field(default_factory=dict)
    readings: Callable[[str, str], Reading] = lambda _service, _release: Reading(0.0, ready=1, instances=1)
    wrong: dict[str, tuple[str, ...]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _: None
    acts: list[tuple[str, str]] = field(default_factory=list)
    looked_within: list[float] = field(default_factory=list)

    def add(self, service: str, release: str, instances: int = 1) -> None:
        """A service whose stable release is this one."""
        self.settled[service] = release
        self.wanted[service] = instances
        self.instances[service] = {release: instances}
        self.shares[service] = {release: 100}

    def restart(self) -> None:
        """As after a new start of the system: the stable releases run, and nothing else."""
        for service, release in self.settled.items():
            self.add(service, release, self.wanted[service])
        self.shadows.clear()

    def scale(self, service: str, instances: int) -> None:
        """The stable release has so many instances from now on."""
        self.wanted[service] = instances
        self.instances[service][self.settled[service]] = instances

    def stable(self, service: str) -> str:
        return self.settled[service]

    def desired(self, service: str) -> int:
        return self.wanted[service]

    def running(self, service: str) -> Mapping[str, int]:
        return dict(self.instances[service])

    async def launch(self, service: str, release: str, instances: int) -> None:
        self._act("launch", release)
        running = self.instances[service]
        running[release] = max(instances, running.get(release, 0))

    async def smoke(self, service: str, release: str) -> tuple[str, ...]:
        self._act("smoke", release)
        self._require(service, release)
        return self.wrong.get(release, ())

    async def weigh(self, service: str, shares: Mapping[str, int], *, consumers: bool = True) -> None:
        self._act("weigh", str(dict(shares)))
        if sum(shares.values()) != 100 or any(share < 0 for share in shares.values()):
            raise Trouble(f"{service}: the shares {dict(shares)} are not 100 in all")
        for release in shares:
            self._require(service, release)
        self.shares[service], self.sharing[service] = dict(shares), consumers

    async def shadow(self, service: str, release: str, percent: int) -> None:
        self._act("shadow", release)
        self.shadows.setdefault(service, {})[release] = percent

    async def settle(self, service: str, release: str) -> None:
        self._act("settle", release)
        self._require(service, release)
        self.settled[service] = release
        running = self.instances[service]
        running[release] = max(self.wanted[service], running[release])

    async def retire(self, service: str, release: str) -> None:
        self._act("retire", release)
        if self.shares[service].get(release):
            raise Trouble(f"{service}: {release} has traffic")
        self.instances[service].pop(release, None)

    async def measure(self, service: str, within: float = LOOK_WITHIN) -> Mapping[str, Reading]:
        self.before("measure")
        self.looked_within.append(within)
        return {release: self.readings(service, release) for release in self.instances[service]}

    def _act(self, name: str, what: str) -> None:
        self.before(name)
        self.acts.append((name, what))

    def _require(self, service: str, release: str) -> None:
        if not self.instances[service].get(release):
            raise Trouble(f"{service}: no instance of {release} runs")
