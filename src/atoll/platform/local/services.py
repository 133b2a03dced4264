"""The instances of one service: migrate first, start, scale, and replace without a gap."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from atoll.platform.local.gate import Gate
from atoll.platform.local.keeper import Care, Keeper
from atoll.platform.local.ledger import Ledger
from atoll.platform.local.migrations import migrate
from atoll.platform.local.ports import LOOPBACK, Ports
from atoll.platform.local.probes import accepts, answers_ok
from atoll.platform.local.process import Launch
from atoll.platform.local.refusals import refusal
from atoll.platform.local.registry import Listed, Registry
from atoll.platform.local.wiring import DRAIN_WAIT, RELEASE, Wiring
from atoll.system import Service, Trouble

MOST_INSTANCES = 64


@dataclass(frozen=True, slots=True)
class Ground:
    """What all services share.

    watch: told of each change of an instance's phase. publish: makes the gateway know the registry's present state.
    """

    ledger: Ledger
    ports: Ports
    registry: Registry
    watch: Callable[[Keeper], None]
    publish: Callable[[], Awaitable[None]]


class Instance:
    """One running process of a service."""

    def __init__(self, keeper: Keeper, name: str, url: str) -> None:
        self.keeper = keeper
        self.name = name
        self.url = url


class ServiceRunner:
    """All instances of one service. fixed_first: its first instance keeps its address (others were told it)."""

    def __init__(self, service: Service, wiring: Wiring, ground: Ground, fixed_first: bool) -> None:
        self.service = service
        self.instances: list[Instance] = []
        self.desired = service.instances
        self._wiring = wiring
        self._ground = ground
        self._fixed_first = fixed_first
        self._changing = asyncio.Lock()

    async def start(self, parts: Awaitable[object], *, early: bool) -> None:
        """Migrate when the ``parts`` are there, then start all instances; returns when all are ready.

        early: processes may be started before the parts are there, and wait. It pays when the parts need little of the CPU.
        """
        async with self._changing:
            if self.service.serve and early:
                await self._start_early(parts)
            else:
                await parts
                await migrate(self.service, self._wiring, self._ground.ledger)
                await self._add(self.desired)

    async def _start_early(self, parts: Awaitable[object]) -> None:
        """Processes of Atoll's own can wait at a gate: they load their code while the parts start."""
        data, migrated = Gate(), Gate()
        try:
            async with asyncio.TaskGroup() as group:
                migration = group.create_task(migrate(self.service, self._wiring, self._ground.ledger, data))
                group.create_task(self._add(self.desired, migrated))
                await parts
                data.open()
                await migration
                migrated.open()
        finally:
            data.open()
            migrated.open()

    async def scale(self, instances: int) -> None:
        """Have so many instances."""
        if not 0 <= instances <= MOST_INSTANCES:
            raise Trouble(f"{self.service.name}: {instances} instances; take 0 to {MOST_INSTANCES}")
        async with self._changing:
            self.desired = instances
            more = instances - len(self.instances)
            if more > 0:
                await self._add(more)
            else:
                await self._retire(self.instances[instances:])

    async def replace(self) -> None:
        """Migrate, then put a fresh process in each instance's place: the new one is ready before the old one leaves.

        If a new one does not become ready, the old ones stay, and Trouble says why.
        """
        async with self._changing:
            await migrate(self.service, self._wiring, self._ground.ledger)
            for old in tuple(self.instances):
                await self._replace_one(old)
            await self._return_to_first()
            await self._add(self.desired - len(self.instances))

    async def stop(self) -> None:
        await self._remove(self.instances)

    async def _replace_one(self, old: Instance) -> None:
        if old.keeper.phase == "ready":
            await self._add(1)
            await self._retire([old])
        else:
            await self._remove([old])
            await self._add(1)

    async def _return_to_first(self) -> None:
        """A service whose first address is known to others gets back to it."""
        first = f"{self.service.name}-1"
        if self._fixed_first and self.instances and all(instance.name != first for instance in self.instances):
            last = self.instances[-1]
            await self._add(1)
            await self._retire([last])

    async def _add(self, count: int, gate: Gate | None = None) -> None:
        fresh = []
        for _ in range(count):
            fresh.append(self._make(gate))
            self.instances.append(fresh[-1])
        results = await asyncio.gather(*(instance.keeper.start() for instance in fresh), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            await self._remove(
                [instance for instance, result in zip(fresh, results, strict=True) if result is not None]
            )
            raise failures[0]

    async def _retire(self, leaving: Iterable[Instance]) -> None:
        """Take them out of the traffic first, then end them: no request meets a closing door."""
        leaving = list(leaving)
        for instance in leaving:
            self._ground.registry.remove(self.service.name, instance.name)
        await self._ground.publish()
        if not self.service.serve:
            await asyncio.sleep(float(DRAIN_WAIT))  # an Atoll service waits itself before it closes
        await self._remove(leaving)

    async def _remove(self, leaving: Iterable[Instance]) -> None:
        leaving = list(leaving)
        await asyncio.gather(*(instance.keeper.stop() for instance in leaving))
        for instance in leaving:
            with contextlib.suppress(ValueError):
                self.instances.remove(instance)

    def _make(self, gate: Gate | None) -> Instance:
        taken = {instance.name for instance in self.instances}
        number = 1
        while f"{self.service.name}-{number}" in taken:
            number += 1
        name = f"{self.service.name}-{number}"
        port = self._ground.ports.take(name)
        url = f"http://{LOOPBACK}:{port}"
        launch = Launch(
            name,
            self._wiring.argv(self.service),
            self._wiring.environment(self.service, name, port),
            self._wiring.working_folder(self.service),
            self._wiring.folder.log(name),
            gate=gate,
        )

        async def probe() -> bool:
            path = self.service.ready_path
            return await answers_ok(url + path) if path else await accepts(LOOPBACK, port)

        return Instance(Keeper(Care(launch, probe, self._watch, refusal=partial(refusal, self.service))), name, url)

    def _watch(self, keeper: Keeper) -> None:
        """The registry follows the keeper: only what is ready gets traffic."""
        if keeper.phase == "ready":
            url = next(instance.url for instance in self.instances if instance.keeper is keeper)
            self._ground.registry.put(self.service.name, Listed(url, keeper.name, RELEASE))
        else:
            self._ground.registry.remove(self.service.name, keeper.name)
        self._ground.watch(keeper)
