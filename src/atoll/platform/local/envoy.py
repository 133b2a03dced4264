"""Envoy on this machine: its start, and the publishing of the ready instances to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from atoll.platform.gateway import (
    EdgeFault,
    Endpoint,
    GatewayControl,
    GatewayFiles,
    GatewayModelError,
    GatewayOptions,
    GatewayUnreachable,
    Shadow,
    Snapshot,
    SnapshotRefused,
    compile_snapshot,
    development_certificate,
)
from atoll.platform.local.binaries import find_envoy
from atoll.platform.local.folder import Folder
from atoll.platform.local.keeper import Care, Keeper
from atoll.platform.local.logs import make_private
from atoll.platform.local.parts import PartView, view
from atoll.platform.local.ports import LOOPBACK
from atoll.platform.local.probes import answers_ok
from atoll.platform.local.process import MARK, Launch
from atoll.platform.local.registry import Listed
from atoll.platform.local.telling_where import otlp_url, trace_share
from atoll.platform.local.wiring import GATEWAY, edge_secret, routed
from atoll.system import Gateway, System, Trouble

KIND = "envoy"


@dataclass(frozen=True, slots=True)
class Beside:
    """What the gateway is told besides the ready instances.

    faults: ordered ones, by service. away: instances that are being brought back, by service: their failed requests count.
    shadows: who gets copies of requests, by service.
    """

    faults: Mapping[str, EdgeFault] = field(default_factory=dict)
    away: Mapping[str, Sequence[Listed]] = field(default_factory=dict)
    shadows: Mapping[str, Shadow] = field(default_factory=dict)


NOTHING_BESIDE = Beside()


class OwnEnvoy:
    """The gateway's process. ports: where clients come in, and Envoy's admin. senders: where spans go by default."""

    kind = KIND

    def __init__(
        self, folder: Folder, system: System, gateway: Gateway, ports: tuple[int, int], senders: Mapping[str, str]
    ) -> None:
        self.keeper: Keeper | None = None
        self.port, self._admin_port = ports
        self._folder = folder
        self._system = system
        self._gateway = gateway
        self._told = {**os.environ, **senders}
        self._control: GatewayControl | None = None
        self._options: GatewayOptions | None = None

    @property
    def url(self) -> str:
        scheme = "https" if self._gateway.tls else "http"
        host = LOOPBACK if self._gateway.address in {"", "0.0.0.0", "::"} else self._gateway.address
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def view(self) -> PartView:
        return view(KIND, self.keeper, self.url)

    async def start(self, watch: Callable[[Keeper], None]) -> None:
        program = (await asyncio.to_thread(find_envoy)).path
        self._options = await asyncio.to_thread(self._make_options)
        self._folder.gateway.mkdir(mode=0o700, exist_ok=True)
        files = GatewayFiles(self._folder.gateway, self._options)
        self._control = GatewayControl(files)
        files.install(self._compile({}))
        for own in (files.log, self._folder.log("access")):
            make_private(own)
        log = self._folder.log(KIND)
        if not log.is_symlink():  # Envoy writes its log itself; here it is where the others are
            log.unlink(missing_ok=True)
            log.symlink_to(files.log)
        environment = {MARK: str(self._folder.path), "PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"}
        launch = Launch(KIND, files.argv(program), environment, self._folder.gateway, log, grace=5.0)
        self.keeper = Keeper(Care(launch, self._ready, watch, attempts=3))
        await self.keeper.start()

    async def publish(self, services: Mapping[str, Sequence[Listed]], beside: Beside = NOTHING_BESIDE) -> None:
        """Make these instances the ones that get traffic.

        Trouble when Envoy is away or refuses: it keeps what it had.
        """
        if self._control is None:
            return
        endpoints = {
            name: [
                *(_endpoint(listed) for listed in listing),
                *(_endpoint(listed, healthy=False) for listed in beside.away.get(name, ())),
            ]
            for name, listing in services.items()
        }
        try:
            await self._control.publish(self._compile(endpoints, beside))
        except (GatewayModelError, SnapshotRefused, GatewayUnreachable) as error:
            raise Trouble(str(error)) from None

    async def drain(self) -> None:
        """Finish what is in flight, take nothing new."""
        if self._control is not None and self.keeper is not None and self.keeper.phase == "ready":
            with contextlib.suppress(GatewayUnreachable):
                await self._control.drain()

    async def counts(self, service: str) -> Mapping[str, Mapping[str, int]]:
        """``ip:port`` of each endpoint of a service -> what Envoy counted there. Trouble when Envoy is away."""
        if self._control is None:
            return {}
        try:
            return await self._control.hosts(service)
        except GatewayUnreachable as error:
            raise Trouble(str(error)) from None

    def _compile(self, endpoints: Mapping[str, Sequence[Endpoint]], beside: Beside = NOTHING_BESIDE) -> Snapshot:
        if self._options is None:
            raise RuntimeError("the gateway is not started")
        return compile_snapshot(self._system, endpoints, self._options, beside.faults, beside.shadows)

    def _make_options(self) -> GatewayOptions:
        certificate = development_certificate(self._folder.gateway / "tls") if self._gateway.tls else None
        return GatewayOptions(
            self.port,
            self._admin_port,
            {name: edge_secret(self._folder, GATEWAY, name) for name in routed(self._system)},
            certificate,
            access_log=str(self._folder.log("access")),
            otlp_url=otlp_url(self._told),
            trace_share=trace_share(self._told),
            faults=True,  # whether any may be ordered is for the supervisor to say
        )

    async def _ready(self) -> bool:
        return await answers_ok(f"http://{LOOPBACK}:{self._admin_port}/ready")


def _endpoint(listed: Listed, *, healthy: bool = True) -> Endpoint:
    return Endpoint(listed.url, listed.instance, listed.release, listed.weight, healthy)
