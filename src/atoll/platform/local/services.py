"""The instances of one service: migrate first, start, scale, replace without a gap, and run releases side by side."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from atoll.platform.local.gate import Gate
from atoll.platform.local.instances import Instance, listed
from atoll.platform.local.keeper import START_LIMIT, Care, Keeper
from atoll.platform.local.ledger import Ledger
from atoll.platform.local.migrations import migrate
from atoll.platform.local.ports import LOOPBACK, Ports
from atoll.platform.local.probes import accepts, answers_ok
from atoll.platform.local.process import Launch
from atoll.platform.local.programs import TREE, Program, Programs
from atoll.platform.local.refusals import refusal
from atoll.platform.local.registry import Listed, Registry
from atoll.platform.local.wiring import DRAIN_WAIT, Wiring
from atoll.system import Service, Trouble

MOST_INSTANCES = 64
_ALL = 100  # percent


@dataclass(frozen=True, slots=True)
class Ground:
    """What all services share.

    watch: told of each change of an instance's phase. publish: makes the gateway know the registry's present state, and
    says whether it does. programs: how releases are started.
    """

    ledger: Ledger
    ports: Ports
    registry: Registry
    watch: Callable[[Keeper], None]
    publish: Callable[[], Awaitable[bool]]
    programs: Programs


class ServiceRunner:
    """All instances of one service. fixed_first: its first instance keeps its address (others were told it).

    stable: the release that `start`, `scale` and `replace` are about. desired: how many instances of it. shares, work:
    percent of the requests, and of events and sagas, by release.
    """

    def __init__(self, service: Service, wiring: Wiring, ground: Ground, fixed_first: bool) -> None:
        self.service = service
        self.instances: list[Instance] = []
        self.desired = service.instances
        self.stable = ground.ledger.state.stable.get(service.name, TREE)
        self.shares: Mapping[str, int] = {self.stable: _ALL}
        self.work: Mapping[str, int] = self.shares
        self._wiring = wiring
        self._ground = ground
        self._fixed_first = fixed_first
        self._changing = asyncio.Lock()

    def of(self, release: str) -> list[Instance]:
        """The instances of a release."""
        return [instance for instance in self.instances if instance.release == release]

    def away(self) -> list[Listed]:
        """The instances that ended by themselves and are being brought back."""
        registered = {known.instance for known in self._ground.registry.get(self.service.name).endpoints}
        return [
            Listed(one.url, one.name, one.release, 0)
            for one in self.instances
            if one.name not in registered and one.keeper.restarts and one.keeper.phase in {"restarting", "starting"}
        ]

    async def start(self, parts: Awaitable[object], *, early: bool) -> None:
        """Migrate when the ``parts`` are there, then start all instances; returns when all are ready.

        early: processes may be started before the parts are there, and wait. It pays when the parts need little of the CPU.
        """
        async with self._changing:
            program = self._program(self.stable)
            if self.service.serve and early:
                await self._start_early(parts, program)
            else:
                await parts
                await migrate(self.service, self._wiring, self._ground.ledger, program)
                await self._add(self.desired, program)

    async def _start_early(self, parts: Awaitable[object], program: Program) -> None:
        """Processes of Atoll's own can wait at a gate: they load their code while the parts start."""
        data, migrated = Gate(), Gate()
        try:
            async with asyncio.TaskGroup() as group:
                migration = group.create_task(migrate(self.service, self._wiring, self._ground.ledger, program, data))
                group.create_task(self._add(self.desired, program, gate=migrated))
                await parts
                data.open()
                await migration
                migrated.open()
        finally:
            data.open()
            migrated.open()

    async def scale(self, instances: int) -> None:
        """Have so many instances of the stable release."""
        if not 0 <= instances <= MOST_INSTANCES:
            raise Trouble(f"{self.service.name}: {instances} instances; take 0 to {MOST_INSTANCES}")
        async with self._changing:
            self.desired = instances
            more = instances - len(self.of(self.stable))
            if more > 0:
                await self._add(more, self._program(self.stable))
            else:
                await self._leave(self.of(self.stable)[instances:])

    async def replace(self) -> None:
        """Migrate, then put a fresh process in each stable instance's place: the new one is ready before the old one leaves.

        If a new one does not become ready, the old ones stay, and Trouble says why.
        """
        async with self._changing:
            program = self._program(self.stable)
            await migrate(self.service, self._wiring, self._ground.ledger, program)
            for old in self.of(self.stable):
                await self._replace_one(old, program)
            await self._return_to_first()
            await self._add(self.desired - len(self.of(self.stable)), program)

    async def stop(self) -> None:
        await self._remove(self.instances)

    # ---- releases side by side

    async def launch(self, release: str, instances: int, limit: float) -> None:
        """Migrate, then have at least so many instances of that release, without traffic until `weigh` says otherwise.

        limit: seconds for each to become ready. Trouble, and what was launched is ended, if one does not.
        """
        if not 1 <= instances <= MOST_INSTANCES:
            raise Trouble(f"{self.service.name}: {instances} instances; take 1 to {MOST_INSTANCES}")
        async with self._changing:
            program = self._program(release)
            missing = instances - len(self.of(release))
            if missing > 0:
                await migrate(self.service, self._wiring, self._ground.ledger, program)
                await self._add(missing, program, limit=limit)
            await self._published()

    async def weigh(self, shares: Mapping[str, int], work: Mapping[str, int]) -> None:
        """Percent of the requests by release, and of events and sagas; returns when the gateway knows."""
        if sum(shares.values()) != _ALL or min(shares.values()) < 0:
            raise Trouble(f"{self.service.name}: shares of {_told(shares)}; they must be 0 to 100, and 100 in all")
        for release, share in shares.items():
            if share and not self.of(release):
                raise Trouble(f"{self.service.name}: release {release} has no instance that could take {share} %")
        async with self._changing:
            self.shares, self.work = dict(shares), dict(work)
            self._relist()
            await self._published()

    async def settle(self, release: str) -> None:
        """That release is the stable one, and `up` runs it from now on; it has as many instances as the service wants."""
        async with self._changing:
            self._ground.ledger.settle(self.service.name, release)
            self.stable = release
            self.work = dict(self.shares)
            self._relist()
            await self._add(self.desired - len(self.of(release)), self._program(release))

    async def retire(self, release: str) -> None:
        """End that release's instances after they drained."""
        if self.shares.get(release, 0) or release == self.stable:
            raise Trouble(f"{self.service.name}: release {release} is in use ({_told(self.shares)}); weigh it 0 first")
        async with self._changing:
            await self._leave(self.of(release))
            self.shares = {one: share for one, share in self.shares.items() if one != release}
            self.work = {one: share for one, share in self.work.items() if one != release}
            await self._return_to_first()

    def _program(self, release: str) -> Program:
        return self._ground.programs.of(self.service, release)

    async def _published(self) -> None:
        if not await self._ground.publish():
            raise Trouble(f"{self.service.name}: the gateway does not take the new weights; look at 'atoll logs envoy'")

    # ---- instances

    async def _replace_one(self, old: Instance, program: Program) -> None:
        if old.keeper.phase == "ready":
            await self._add(1, program)
            await self._leave([old])
        else:
            await self._remove([old])
            await self._add(1, program)

    async def _return_to_first(self) -> None:
        """A service whose first address is known to others gets back to it."""
        first = f"{self.service.name}-1"
        if self._fixed_first and self.instances and all(instance.name != first for instance in self.instances):
            last = self.of(self.stable)[-1]
            await self._add(1, self._program(self.stable))
            await self._leave([last])

    async def _add(self, count: int, program: Program, *, gate: Gate | None = None, limit: float = START_LIMIT) -> None:
        fresh = []
        for _ in range(count):
            fresh.append(self._make(program, gate, limit))
            self.instances.append(fresh[-1])
        try:
            results = await asyncio.gather(*(instance.keeper.start() for instance in fresh), return_exceptions=True)
        except BaseException:
            await asyncio.shield(self._remove(fresh))
            raise
        if failures := [result for result in results if isinstance(result, BaseException)]:
            launched = program.release != self.stable  # of a release that is new, all go with the one that failed
            await self._remove(
                [one for one, result in zip(fresh, results, strict=True) if launched or result is not None]
            )
            raise failures[0]

    async def _leave(self, leaving: Iterable[Instance]) -> None:
        """Take them out of the traffic first, then end them: no request meets a closing door."""
        leaving = list(leaving)
        for instance in leaving:
            self._ground.registry.remove(self.service.name, instance.name)
        self._relist()
        await self._ground.publish()
        if leaving and not self.service.serve:
            await asyncio.sleep(float(DRAIN_WAIT))  # an Atoll service waits itself before it closes
        await self._remove(leaving)

    async def _remove(self, leaving: Iterable[Instance]) -> None:
        leaving = list(leaving)
        await asyncio.gather(*(instance.keeper.stop() for instance in leaving))
        for instance in leaving:
            with contextlib.suppress(ValueError):
                self.instances.remove(instance)

    def _make(self, program: Program, gate: Gate | None, limit: float) -> Instance:
        taken = {instance.name for instance in self.instances}
        number = 1
        while f"{self.service.name}-{number}" in taken:
            number += 1
        name = f"{self.service.name}-{number}"
        port = self._ground.ports.take(name)
        url = f"http://{LOOPBACK}:{port}"
        environment = self._wiring.environment(self.service, name, port, program)
        if program.release != self.stable:
            environment["ATOLL_WEIGHT"] = "0"  # until the registry says what it weighs
        launch = Launch(name, program.argv, environment, program.folder, self._wiring.folder.log(name), gate=gate)

        async def probe() -> bool:
            path = self.service.ready_path
            return await answers_ok(url + path) if path else await accepts(LOOPBACK, port)

        care = Care(launch, probe, self._watch, refusal=partial(refusal, self.service), limit=limit)
        return Instance(Keeper(care), name, url, program.release)

    def _watch(self, keeper: Keeper) -> None:
        """The registry follows the keeper: only what is ready gets traffic."""
        if keeper.phase == "ready":
            self._relist(keeper.name)
        else:
            self._ground.registry.remove(self.service.name, keeper.name)
            self._relist()
        self._ground.watch(keeper)

    def _relist(self, joined: str = "") -> None:
        """Says anew what each listed instance weighs. One that took itself out, since it drains, does not come back."""
        registry, name = self._ground.registry, self.service.name
        present = {known.instance for known in registry.get(name).endpoints} | {joined}
        ready = [one for one in self.instances if one.name in present and one.keeper.phase == "ready"]
        registry.put_all(name, listed(ready, self.shares, self.work))


def _told(shares: Mapping[str, int]) -> str:
    return ", ".join(f"{release} {share} %" for release, share in shares.items())
