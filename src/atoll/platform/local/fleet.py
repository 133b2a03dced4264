"""`LocalFleet`: releases of a service side by side on this machine, for whoever rolls them out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import msgspec

from atoll.platform.gateway import Shadow
from atoll.platform.local.instances import Instance
from atoll.platform.local.measuring import Counted, Growing, at_the_gateway, of_envoy, read_page, requests_and_errors
from atoll.platform.local.probes import Answer, ask
from atoll.platform.local.publishing import Publishing
from atoll.platform.local.registry import Registry
from atoll.platform.local.services import ServiceRunner
from atoll.platform.rollout.fleet import LOOK_WITHIN, Reading
from atoll.system import Service, Trouble

KNOWN_WITHIN = 2.0  # seconds for callers to come back for the next change; one that hangs holds nobody up
START_WITHIN = 600.0  # seconds for an instance to become ready; who rolls out has a limit of its own, and cancels
_OK, _NOT_FOUND = 200, 404
_DOCUMENTS = ("/openapi.json", "/asyncapi.json")

EnvoyCounts = Callable[[str], Awaitable[Mapping[str, Mapping[str, int]]]]


class LocalFleet:
    """Implements `Fleet`. runners, shadows: by service; the latter is changed in place. start_within: seconds.

    grant: lets a service do at the broker what that release of it will, before it starts.
    """

    def __init__(
        self,
        runners: Mapping[str, ServiceRunner],
        shadows: dict[str, Shadow],
        registry: Registry,
        publishing: Publishing,
        envoy_counts: EnvoyCounts,
        grant: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self.start_within = START_WITHIN
        self._runners = runners
        self._shadows = shadows
        self._registry = registry
        self._publishing = publishing
        self._envoy_counts = envoy_counts
        self._grant = grant
        self._growing: dict[Instance, Growing] = {}

    def stable(self, service: str) -> str:
        """The release that has, or goes back to, all of the traffic."""
        return self._runner(service).stable

    def desired(self, service: str) -> int:
        """How many instances its stable release shall have, as `scale` said last."""
        return self._runner(service).desired

    def running(self, service: str) -> Mapping[str, int]:
        """The releases that have instances -> how many."""
        instances = self._runner(service).instances
        return {release: sum(one.release == release for one in instances) for release in _releases(instances)}

    async def launch(self, service: str, release: str, instances: int) -> None:
        """Migrate, then bring up so many instances without traffic. Trouble, with nothing of it left, if one is not ready."""
        runner = self._runner(service)
        await self._grant(service, release)
        await runner.launch(release, instances, self.start_within)

    async def smoke(self, service: str, release: str) -> tuple[str, ...]:
        """What is wrong with each instance's health and documents, one line each; empty: all well."""
        runner = self._runner(service)
        instances = runner.of(release)
        if not instances:
            return (f"{service}: release {release} has no instance",)
        found = await asyncio.gather(*(_wrong(runner.service, instance) for instance in instances))
        return tuple(line for lines in found for line in lines)

    async def weigh(self, service: str, shares: Mapping[str, int], *, consumers: bool = True) -> None:
        """Percent of the requests for each release; returns when the gateway and the callers inside know it."""
        runner = self._runner(service)
        await runner.weigh(shares, shares if consumers else {runner.stable: 100})
        await self._registry.told(service, KNOWN_WITHIN)

    async def shadow(self, service: str, release: str, percent: int) -> None:
        """Copy so many percent of the gateway's safe requests to that release. 0 ends it."""
        runner = self._runner(service)
        if not 0 <= percent <= 100:
            raise Trouble(f"{service}: a shadow of {percent} %; take 0 to 100")
        if percent and not runner.of(release):
            raise Trouble(f"{service}: release {release} has no instance that could take copies of requests")
        if percent:
            self._shadows[service] = Shadow(release, percent)
        else:
            self._shadows.pop(service, None)
        if not await self._publishing.settle():
            raise Trouble(f"{service}: the gateway does not take the shadow; look at 'atoll logs envoy'")

    async def settle(self, service: str, release: str) -> None:
        """From now on, and after a new start too, that release is the stable one; its consumers take full part."""
        runner = self._runner(service)
        if not runner.of(release):
            raise Trouble(f"{service}: release {release} has no instance; it cannot be the stable one")
        await runner.settle(release)

    async def retire(self, service: str, release: str) -> None:
        """End that release's instances after they drained."""
        shadow = self._shadows.get(service)
        if shadow is not None and shadow.release == release:
            await self.shadow(service, release, 0)
        await self._runner(service).retire(release)

    async def measure(self, service: str, within: float = LOOK_WITHIN) -> Mapping[str, Reading]:
        """A reading of each release that runs. All are asked at once; what does not answer in time was not reached."""
        runner = self._runner(service)
        instances = list(runner.instances)
        gateway, *reached = await asyncio.gather(
            self._look_at_the_gateway(service, instances, within),
            *(self._look(runner.service, instance, within) for instance in instances),
        )
        living = {one for each in self._runners.values() for one in each.instances} | set(instances)
        for gone in self._growing.keys() - living:
            del self._growing[gone]
        now = asyncio.get_running_loop().time()
        return {
            release: self._reading(
                now,
                [one for one in instances if one.release == release],
                reached=gateway
                and all(ok for ok, one in zip(reached, instances, strict=True) if one.release == release),
            )
            for release in _releases(instances)
        }

    async def _look(self, service: Service, instance: Instance, within: float) -> bool:
        """Whether a ready instance told its figures; one that ended meanwhile is not missed."""
        if instance.keeper.phase != "ready":
            self._counts_of(instance)
            return True
        try:
            async with asyncio.timeout(within):
                return await self._ask(service, instance, within) or instance.keeper.phase != "ready"
        except (TimeoutError, ValueError):
            return False  # the reading says so

    async def _ask(self, service: Service, instance: Instance, within: float) -> bool:
        """Ask for its page; a program that has none is asked at the gateway alone. ValueError for a page that is none."""
        growing = self._counts_of(instance)
        answer = await ask(f"{instance.url}/metrics")
        if answer is None:
            return False
        if answer.status != _OK:
            return not service.serve
        if not answer.whole:
            return False
        growing.see(await read_page(answer.body, within))
        return True

    def _counts_of(self, instance: Instance) -> Growing:
        return self._growing.setdefault(instance, Growing())

    async def _look_at_the_gateway(self, service: str, instances: list[Instance], within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                counts = await self._envoy_counts(service)
        except (Trouble, TimeoutError):
            return False  # the reading says so
        for instance in instances:
            if (found := counts.get(urlsplit(instance.url).netloc)) is not None:
                self._counts_of(instance).see(of_envoy(found))
        return True

    def _reading(self, now: float, instances: list[Instance], *, reached: bool) -> Reading:
        together = Counted()
        requests = errors = there = failed_there = 0.0
        for instance in instances:
            total = self._counts_of(instance).total()
            asked, failed = requests_and_errors(total)
            requests, errors = requests + asked, errors + failed
            asked, failed = at_the_gateway(total)
            there, failed_there = there + asked, failed_there + failed
            for name, value in total.counts.items():
                together.add(name, value)
        return Reading(
            now,
            requests,
            errors,
            together.buckets(),
            sum(one.keeper.restarts for one in instances),
            sum(one.keeper.phase == "ready" for one in instances),
            len(instances),
            together["handled"],
            together["failed"],
            reached,
            there,
            failed_there,
        )

    def _runner(self, service: str) -> ServiceRunner:
        if service not in self._runners:
            raise Trouble(f"there is no service {service!r}; known are {', '.join(self._runners) or 'none'}")
        return self._runners[service]


def _releases(instances: list[Instance]) -> list[str]:
    return list(dict.fromkeys(one.release for one in instances))


async def _wrong(service: Service, instance: Instance) -> list[str]:
    """One line for each thing that is wrong."""
    lines = []
    if service.ready_path:
        answer = await ask(instance.url + service.ready_path)
        if answer is None or answer.status != _OK:
            lines.append(f"{instance.name}: {service.ready_path} {_told(answer)}")
    elif instance.keeper.phase != "ready":
        lines.append(f"{instance.name}: it is {instance.keeper.phase}")
    for path in _DOCUMENTS if service.serve else ():
        answer = await ask(instance.url + path)
        if answer is None or answer.status not in {_OK, _NOT_FOUND}:
            lines.append(f"{instance.name}: {path} {_told(answer)}")
        elif answer.status == _OK and not _is_json(answer.body):
            lines.append(f"{instance.name}: {path} is no JSON")
    return lines


def _told(answer: Answer | None) -> str:
    return "was not answered" if answer is None else f"answered {answer.status}"


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError:
        return False
    return True
