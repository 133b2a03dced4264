"""The services that this one calls: a balancer, a channel and a typed client for each, made at once and started later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atoll.contracts import Api
from atoll.contracts.policies import PolicyError
from atoll.discovery import Balancer, OwnShare
from atoll.resilience import Faults
from atoll.resilience.records import Hook, ignore
from atoll.security import peer_header
from atoll.serve.environment import Environment
from atoll.serve.failure import CannotServe
from atoll.serve.faults import FaultWatch
from atoll.serve.parts import registry_of
from atoll.service import Lifecycle, Resilience, Service
from atoll.transport.http import HttpChannel, HttpClient
from atoll.transport.http.client.channel import Calling


class Callees:
    """clients: by Api, ready to be injected. channels: what carries their calls, with the stacks in force."""

    def __init__(
        self, service: Service, resilience: Resilience, environment: Environment, http: HttpClient, hook: Hook = ignore
    ) -> None:
        self.clients: dict[type, Any] = {}
        self.channels: dict[type[Api], HttpChannel] = {}
        self._registry = registry_of(environment, http)
        self._watches = bool(environment.registry_url)
        self._balancers: list[Balancer] = []
        self._watch: FaultWatch | None = None
        name = environment.service or service.name
        self._own = name, environment.instance
        faults = Faults() if environment.faults else None
        if faults is not None and environment.registry_url and service.calls:
            self._watch = FaultWatch(
                environment.registry_url, token=environment.registry_token, caller=name, http=http, faults=faults
            )
        calling = Calling(resilience, faults, hook)
        for api in service.calls:
            balancer = Balancer(api.service_, self._registry)
            secret = environment.peer_keys.get(api.service_)
            header = peer_header(name, secret) if secret else None
            try:
                channel = HttpChannel(api, balancer=balancer, http=http, peer_header=header, calling=calling)
            except (PolicyError, KeyError) as error:
                raise CannotServe(str(error.args[0])) from None
            self._balancers.append(balancer)
            self.channels[api] = channel
            self.clients[api] = api(channel)

    async def start(self, lifecycle: Lifecycle) -> None:
        """Begins to watch where they are."""
        if not self._balancers:
            return
        lifecycle.on_stop("registry", self._registry.close)
        if self._watch is not None:
            await lifecycle.start("faults", self._watch)
        for balancer in self._balancers:
            await lifecycle.start(f"balancer for {balancer.service}", balancer)

    async def watch_own_share(self, lifecycle: Lifecycle, told: Callable[[int], None]) -> None:
        """``told`` learns this instance's part of events and sagas; without a registry nobody says anything."""
        service, instance = self._own
        if instance and self._watches:
            if not self._balancers:
                lifecycle.on_stop("registry", self._registry.close)
            await lifecycle.start("own share", OwnShare(service, instance, self._registry, told))

    async def leave(self) -> None:
        """Takes this instance out of the registry; a registry that is away is no error."""
        service, instance = self._own
        if instance:
            await self._registry.deregister(service, instance)
