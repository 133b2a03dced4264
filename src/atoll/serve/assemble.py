"""The composition root: the one place inside a service that knows every room and every adapter.

`assemble` decides from the service and its environment which parts there are; `Running` starts and stops them in order.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from atoll.contracts import Event
from atoll.data import Database, Weight
from atoll.messaging import Relay
from atoll.serve.calling import Callees
from atoll.serve.consumers import consumer_stacks, make_consumer, refuse_wrong_consumers
from atoll.serve.documents import documents_of
from atoll.serve.environment import Environment
from atoll.serve.failure import CannotServe
from atoll.serve.handlers import event_handlers, operation_handlers, operation_stacks, refuse_gaps
from atoll.serve.parts import (
    broker_of,
    database_of,
    identify_of,
    refuse_unknown_callees,
    tokens_of,
)
from atoll.serve.policies import resilience_of
from atoll.serve.projections import projections_of
from atoll.serve.provides import run_providers
from atoll.serve.sagas import saga_runner, together
from atoll.serve.settings import read_settings
from atoll.serve.telemetry import (
    PAGE,
    make_telemetry,
    resilience_hook,
    telemetry_settings,
    watch_callees,
    watch_consumer,
    watch_consumers,
    watch_database,
    watch_http,
    watch_projection,
)
from atoll.service import Health, Lifecycle, Resilience, Service, Stack
from atoll.telemetry import TelemetrySettings
from atoll.transport.http import HttpApp
from atoll.transport.http.client.httptools import HttptoolsClient
from atoll.transport.http.server.uvicorn import HttpServer

log = logging.getLogger("atoll.serve")
WARM_WITHIN = 1.0  # seconds for the database to take the first connections; without it the service starts all the same


def assemble(service: Service, environment: Environment, values: Mapping[str, str]) -> Running:
    """Reads settings and checks what can be checked without a network; CannotServe says in one line what is wrong."""
    refuse_gaps(service)
    refuse_unknown_callees(service, environment)
    refuse_wrong_consumers(service)
    settings = {kind: read_settings(kind, values) for kind in service.settings}
    telemetry = telemetry_settings(service, environment, values)
    return Running(service, environment, settings, resilience_of(service, values), telemetry)


class Running:
    """One instance of a service. stacks: what protects each operation; callees: the services that it calls."""

    def __init__(
        self,
        service: Service,
        environment: Environment,
        settings: dict[type, Any],
        resilience: Resilience,
        telemetry: TelemetrySettings | None = None,
    ) -> None:
        self.service = service
        self.environment = environment
        self.health = Health()
        self.url = f"http://{environment.host}:{environment.port}"
        self._settings = settings
        self._resilience = resilience
        self._lifecycle = Lifecycle(report=_report)
        self._database = database_of(service, environment)
        self._broker = broker_of(service, environment)
        self._http = HttptoolsClient()
        self.telemetry = make_telemetry(telemetry or TelemetrySettings(), self._http)
        hook = resilience_hook(self.telemetry.metrics)
        self.callees = Callees(service, resilience, environment, self._http, hook)
        self.stacks = operation_stacks(service, resilience, self._database, hook)

    def consumer_stacks(self) -> dict[type[Event], Stack]:
        """What the consumer does around the handler of each event."""
        return consumer_stacks(self.service, self._resilience)

    async def start(self) -> None:
        """Starts parts first and the listener last. Parts that are away don't hold the start up; readiness tells."""
        self._lifecycle.on_stop("http client", self._http.close)
        await self._lifecycle.start("telemetry", self.telemetry)
        self.telemetry.activate()
        await self._start_database()
        await self._start_broker()
        await self.callees.start(self._lifecycle)
        watch_callees(self.telemetry.metrics, self.callees.channels)
        projections = await self._start_projections()
        provided = await self._provide({**self.callees.clients, **projections})
        await self._start_messaging(provided)
        if self._database is not None:
            await self._database.warmed(WARM_WITHIN)
        await self._start_server(provided)
        self.health.started = True

    async def leave(self) -> None:
        """Out of the registry: nobody who learns of it sends anything new here. What comes all the same is still answered."""
        await self.callees.leave()

    def hurry(self) -> None:
        """The grace time is over now."""
        self._lifecycle.hurry()

    async def stop(self) -> None:
        """Stops in reverse order: listener (after what is in flight), consumer, relay, projections, broker, pools."""
        self.health.draining = True
        await self._lifecycle.stop(self.environment.grace)

    async def _start_database(self) -> None:
        if self._database is not None:
            await self._lifecycle.start("database", self._database)
            self.health.add("database", self._database.check)
            watch_database(self.telemetry, self._database, self.service)

    async def _start_broker(self) -> None:
        if self._broker is not None:
            await self._lifecycle.start("broker", self._broker)
            self.health.add("broker", self._broker.check)

    async def _start_projections(self) -> dict[type, Any]:
        """By class, for handlers and providers. They are started in each instance; a lease decides which one does the work."""
        if self._database is None:
            return {}
        made = projections_of(self.service, self._database)
        for projection in made.values():
            await self._lifecycle.start(f"projection {projection.name}", projection)
            self.health.add(f"projection {projection.name}", projection.check)
            watch_projection(self.telemetry, projection)
        return dict(made)

    async def _provide(self, made: dict[type, Any]) -> dict[type, Any]:
        known: dict[type, Any] = {**self._settings, **made}
        if self._database is not None:
            known[Database] = self._database
        return await run_providers(self.service.provides, known, self._lifecycle.on_stop)

    async def _start_messaging(self, provided: dict[type, Any]) -> None:
        database, broker = self._database, self._broker
        weight = Weight(self.environment.weight)
        sagas = saga_runner(self.service, provided, database, weight)
        handlers = event_handlers(self.service, provided)
        if sagas is not None or handlers:
            await self.callees.watch_own_share(self._lifecycle, weight.set)
        if database is not None and broker is not None and self.service.publishes:
            relay = Relay(database, broker, system=self.environment.system, service=self.service.name)
            await self._lifecycle.start("relay", relay)
        if sagas is not None:
            handlers = together(handlers, sagas.handlers())
            await self._lifecycle.start("sagas", sagas)
        handlers = watch_consumers(self.telemetry.metrics, handlers)
        if database is not None and broker is not None and handlers:
            consumer = make_consumer(self.service, self._resilience, database, broker, handlers, weight)
            await self._lifecycle.start("consumer", consumer)
            watch_consumer(self.telemetry.metrics, consumer)

    async def _start_server(self, provided: dict[type, Any]) -> None:
        tokens = tokens_of(self.environment, self._http)
        if tokens is not None:
            self._lifecycle.on_stop("token keys", tokens.close)
        app = HttpApp(
            self.service.name,
            operation_handlers(self.service, provided, self._database, self.stacks),
            identify=identify_of(self.environment, tokens),
            health=self.health,
            mounts=self.service.mounts,
            documents=documents_of(self.service, self.environment.system),
            pages={} if self.telemetry.settings.disabled else {PAGE: self.telemetry.page},
        )
        watch_http(self.telemetry.metrics, app)
        server = HttpServer(app, self.environment.host, self.environment.port)
        try:
            await self._lifecycle.start("http", server)
        except OSError as error:
            raise CannotServe(f"cannot listen on {self.environment.host}:{self.environment.port}: {error}") from None
        self.url = f"http://{self.environment.host}:{server.port}"


def _report(name: str, error: BaseException) -> None:
    if isinstance(error, TimeoutError):
        log.warning("cut off: the %s did not end within the grace time", name)
        return
    log.error("stopping the %s failed", name, exc_info=error)
