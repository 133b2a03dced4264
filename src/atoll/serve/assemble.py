"""The composition root: the one place inside a service that knows every room and every adapter.

`assemble` decides from the service and its environment which parts there are; `Running` starts and stops them in order.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from atoll.data import Database
from atoll.discovery import Balancer
from atoll.messaging import Consumer, Relay
from atoll.serve.documents import documents_of
from atoll.serve.environment import Environment
from atoll.serve.failure import CannotServe
from atoll.serve.handlers import event_handlers, operation_handlers, refuse_gaps
from atoll.serve.parts import (
    broker_of,
    channel_to,
    database_of,
    identify_of,
    refuse_unknown_callees,
    registry_of,
    tokens_of,
)
from atoll.serve.provides import run_providers
from atoll.serve.settings import read_settings
from atoll.service import Health, Lifecycle, Service
from atoll.transport.http import HttpApp, HttpClient
from atoll.transport.http.client.pyreqwest import PyreqwestClient
from atoll.transport.http.server.uvicorn import HttpServer

log = logging.getLogger("atoll.serve")


def assemble(service: Service, environment: Environment, values: Mapping[str, str]) -> Running:
    """Reads settings and checks what can be checked without a network; CannotServe says in one line what is wrong."""
    refuse_gaps(service)
    refuse_unknown_callees(service, environment)
    settings = {kind: read_settings(kind, values) for kind in service.settings}
    return Running(service, environment, settings)


class Running:
    """One instance of a service."""

    def __init__(self, service: Service, environment: Environment, settings: dict[type, Any]) -> None:
        self.service = service
        self.environment = environment
        self.health = Health()
        self.url = f"http://{environment.host}:{environment.port}"
        self._settings = settings
        self._lifecycle = Lifecycle(report=_report)
        self._database = database_of(service, environment)
        self._broker = broker_of(service, environment)

    async def start(self) -> None:
        """Starts parts first and the listener last. Parts that are away don't hold the start up; readiness tells."""
        http = PyreqwestClient()
        self._lifecycle.on_stop("http client", http.close)
        await self._start_database()
        await self._start_broker()
        provided = await self._provide(await self._clients(http))
        await self._start_messaging(provided)
        await self._start_server(http, provided)
        self.health.started = True

    async def stop(self) -> None:
        """Stops in reverse order: listener (after what is in flight), consumer, relay, broker, pools."""
        self.health.draining = True
        await self._lifecycle.stop(self.environment.grace)

    async def _start_database(self) -> None:
        if self._database is not None:
            await self._lifecycle.start("database", self._database)
            self.health.add("database", self._database.check)

    async def _start_broker(self) -> None:
        if self._broker is not None:
            await self._lifecycle.start("broker", self._broker)
            self.health.add("broker", self._broker.check)

    async def _clients(self, http: HttpClient) -> dict[type, Any]:
        clients: dict[type, Any] = {}
        if not self.service.calls:
            return clients
        registry = registry_of(self.environment, http)
        self._lifecycle.on_stop("registry", registry.close)
        for api in self.service.calls:
            balancer = Balancer(api.service_, registry)
            await self._lifecycle.start(f"balancer for {api.service_}", balancer)
            clients[api] = api(channel_to(api, self.service, self.environment, balancer, http))
        return clients

    async def _provide(self, clients: dict[type, Any]) -> dict[type, Any]:
        known: dict[type, Any] = {**self._settings, **clients}
        if self._database is not None:
            known[Database] = self._database
        return await run_providers(self.service.provides, known, self._lifecycle.on_stop)

    async def _start_messaging(self, provided: dict[type, Any]) -> None:
        database, broker = self._database, self._broker
        if database is None or broker is None:
            return
        handlers = event_handlers(self.service, provided)
        if self.service.publishes:
            relay = Relay(database, broker, system=self.environment.system, service=self.service.name)
            await self._lifecycle.start("relay", relay)
        if handlers:
            await self._lifecycle.start("consumer", Consumer(database, broker, handlers, group=self.service.name))

    async def _start_server(self, http: HttpClient, provided: dict[type, Any]) -> None:
        tokens = tokens_of(self.environment, http)
        if tokens is not None:
            self._lifecycle.on_stop("token keys", tokens.close)
        app = HttpApp(
            self.service.name,
            operation_handlers(self.service, provided, self._database),
            identify=identify_of(self.environment, tokens),
            health=self.health,
            mounts=self.service.mounts,
            documents=documents_of(self.service, self.environment.system),
        )
        server = HttpServer(app, self.environment.host, self.environment.port)
        try:
            await self._lifecycle.start("http", server)
        except OSError as error:
            raise CannotServe(f"cannot listen on {self.environment.host}:{self.environment.port}: {error}") from None
        self.url = f"http://{self.environment.host}:{server.port}"


def _report(name: str, error: BaseException) -> None:
    log.error("stopping the %s failed", name, exc_info=error)
