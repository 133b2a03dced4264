"""The stacks in force, as data: read off the very objects that would serve, with nothing started and no address needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from atoll.serve.assemble import Running
from atoll.serve.environment import Environment, read_environment
from atoll.serve.handlers import refuse_gaps
from atoll.serve.load import load_service
from atoll.serve.policies import resilience_of
from atoll.service import Service, Stack

_NOWHERE = "http://127.0.0.1:9"  # stands for addresses that only a running system knows; nothing here connects


def describe_stacks(target: str, values: Mapping[str, str]) -> dict[str, Any]:
    """{"service", "server": {operation: [layer]}, "clients": {operation: [layer]}, "consumer": {event: [layer]}}.

    A layer is {"name", "why", "numbers"}. CannotServe, one line, for what `atoll serve` would refuse.
    """
    service = load_service(target)
    refuse_gaps(service)
    environment = _complete(service, read_environment(values))
    running = Running(service, environment, {}, resilience_of(service, values))  # without settings: no stack needs them
    return {
        "service": service.name,
        "server": {operation.qualified: _layers(stack) for operation, stack in running.stacks.items()},
        "clients": {
            operation.qualified: _layers(stack)
            for channel in running.callees.channels.values()
            for operation, stack in channel.stacks.items()
        },
        "consumer": {event.subject_: _layers(stack) for event, stack in running.consumer_stacks().items()},
    }


def _layers(stack: Stack) -> list[dict[str, object]]:
    return [{"name": named.name, "why": named.why, "numbers": dict(named.numbers)} for named in stack]


def _complete(service: Service, environment: Environment) -> Environment:
    """With an address for whatever has none."""
    return replace(
        environment,
        database_url=environment.database_url or "postgresql://nobody@127.0.0.1:9/nothing",
        broker_url=environment.broker_url or "memory://",
        registry_url="",
        endpoints={api.service_: (_NOWHERE,) for api in service.calls},
    )
