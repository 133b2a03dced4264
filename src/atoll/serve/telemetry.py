"""What a service tells of itself: its telemetry from the OTEL_* variables, and the gauges that only the whole of it can read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from atoll.contracts import Api, Event
from atoll.data import Database, Outbox
from atoll.messaging import Consumer
from atoll.messaging.backlog import backlog
from atoll.resilience.records import BreakerClosed, BreakerOpened, Hook, Record
from atoll.sagas import Sagas
from atoll.serve.environment import Environment
from atoll.service import Handler, Request, Service
from atoll.telemetry import Metrics, Telemetry, TelemetrySettings, read_settings
from atoll.transport.http import HttpApp, HttpChannel, HttpClient

PAGE = "/metrics"


def telemetry_settings(service: Service, environment: Environment, values: Mapping[str, str]) -> TelemetrySettings:
    """The OTEL_* variables, with the service's own names for what they don't say."""
    name = environment.service or service.name
    return read_settings(
        values,
        {
            "service": name,
            "system": environment.system,
            "instance": environment.instance or f"{name}-{os.getpid()}",
            "release": environment.release,
        },
    )


def make_telemetry(settings: TelemetrySettings, http: HttpClient) -> Telemetry:
    """Sends through the service's own HTTP client."""

    async def send(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> int:
        return (await http.send("POST", url, headers, body, timeout)).status

    return Telemetry(settings, send)


def resilience_hook(metrics: Metrics) -> Hook:
    """Counts what layers do, and shows which breakers are open."""

    def told(record: Record) -> None:
        labels = {"event": type(record).__name__, "atoll.name": record.name}
        metrics.counter("atoll.resilience.events", "What protected a call or an operation.", labels).add()
        if isinstance(record, (BreakerOpened, BreakerClosed)):
            gauge = metrics.gauge(
                "atoll.breaker.open", "1 while calls to an endpoint are refused.", {"server.address": record.name}
            )
            gauge.set(isinstance(record, BreakerOpened))

    return told


def watch_http(metrics: Metrics, app: HttpApp) -> None:
    """Requests in flight."""
    about = "Requests that are being handled."
    metrics.gauge("http.server.active_requests", about, read=lambda: app.in_flight)


def watch_callees(metrics: Metrics, channels: Mapping[type[Api], HttpChannel]) -> None:
    """Of each service that is called: the retries that are left, and breakers that are not closed."""
    for api, channel in channels.items():
        labels = {"peer.service": api.service_}
        budget, breakers = channel.shared.budget, channel.shared.breakers
        metrics.gauge("atoll.retry.budget", "Retries that may be made now.", labels, read=budget.left)
        about = "Endpoints whose breaker is not closed."
        metrics.gauge("atoll.breakers.troubled", about, labels, read=lambda breakers=breakers: float(breakers.troubled))  # type: ignore[misc]


def watch_consumer(metrics: Metrics, consumer: Consumer) -> None:
    """Its queue."""
    about = "Messages that were taken from the broker and are not finished."
    metrics.gauge("atoll.messages.held", about, read=lambda: float(consumer.held))


def watch_database(telemetry: Telemetry, database: Database, service: Service) -> None:
    """The pool; what waits in outbox, parked messages and sagas, asked every few seconds."""
    metrics = telemetry.metrics
    for place, state in enumerate(("used", "idle")):
        metrics.gauge(
            "db.client.connection.count", "Connections of the pool.", {"db.client.connection.state": state},
            read=lambda place=place: float(database.usage()[place]),  # type: ignore[misc]
        )  # fmt: skip
    metrics.gauge("db.client.connection.max", "Connections that the pool may have.").set(database.max_size)
    _watch_outbox(telemetry, database)
    if service.consumers or service.sagas:
        _watch_parked(telemetry, database, service.name)
    if service.sagas:
        _watch_sagas(telemetry, database)


def watch_consumers(metrics: Metrics, handlers: Mapping[type[Event], Handler]) -> dict[type[Event], Handler]:
    """The handlers, with a count of those that run."""
    about = "Events that are being handled."
    return {
        event: _counted(handler, metrics.gauge("messaging.process.active", about, _of(event)))
        for event, handler in handlers.items()
    }


def _of(event: type[Event]) -> dict[str, str]:
    return {"messaging.destination.name": event.subject_}


def _counted(handler: Handler, gauge: Any) -> Handler:
    async def counted(request: Request) -> Any:
        gauge.value += 1
        try:
            return await handler(request)
        finally:
            gauge.value -= 1

    return counted


def _watch_outbox(telemetry: Telemetry, database: Database) -> None:
    pending = telemetry.metrics.gauge("atoll.outbox.pending", "Events that are not published yet.")
    lag = telemetry.metrics.gauge("atoll.outbox.lag", "How long the oldest of them has waited.", unit="s")
    outbox = Outbox(database)

    async def ask() -> None:
        status = await outbox.status()
        pending.set(status.pending)
        lag.set(status.lag)

    telemetry.survey(ask)


def _watch_parked(telemetry: Telemetry, database: Database, group: str) -> None:
    parked = telemetry.metrics.gauge(
        "atoll.messages.parked", "Messages that failed, and those of their keys behind them."
    )
    dead = telemetry.metrics.gauge("atoll.messages.dead", "Dead letters.")

    async def ask() -> None:
        async with database.connection() as connection:
            found = await backlog(connection, group)
        parked.set(found.parked)
        dead.set(found.dead)

    telemetry.survey(ask)


def _watch_sagas(telemetry: Telemetry, database: Database) -> None:
    sagas = Sagas(database)
    metrics = telemetry.metrics

    async def ask() -> None:
        for gauge in metrics.instruments("atoll.sagas"):
            gauge.set(0.0)
        for one in await sagas.count():
            state = "compensating" if one.compensating and one.status == "active" else one.status
            labels = {"atoll.saga": one.name, "atoll.saga.status": state}
            metrics.gauge("atoll.sagas", "Sagas by name and state.", labels).set(one.number)

    telemetry.survey(ask)


def watch_projection(telemetry: Telemetry, projection: Any) -> None:
    """How far a read model is behind."""
    labels = {"atoll.projection": projection.name}
    behind = telemetry.metrics.gauge("atoll.projection.behind", "Events that it has not passed.", labels)
    lag = telemetry.metrics.gauge("atoll.projection.lag", "How long the oldest of them has waited.", labels, unit="s")

    async def ask() -> None:
        status = await projection.status()
        behind.set(status.behind)
        lag.set(status.lag)

    telemetry.survey(ask)
