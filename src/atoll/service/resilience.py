"""`Resilience`: what a service changes about its default stacks, as data, in one place: by service, client and operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from atoll.contracts import Api, Event, Operation
from atoll.contracts.policies import CallPolicy, ClientPolicy, ConsumerPolicy, OperationPolicy, ServerPolicy
from atoll.service.stack import Stack

Layers = Callable[[Stack, Operation[Any, Any]], Stack]
"""Changes an operation's stack: ``lambda stack, operation: stack.before("retry", Named(...))``."""
EventLayers = Callable[[Stack, type[Event]], Stack]
"""Adds layers around the handler of an event, inside of its transaction: ``lambda stack, event: Stack([Named(...)])``."""


@dataclass(frozen=True, slots=True)
class Resilience:
    """The defaults, unless something else is given. The environment (``ATOLL_RESILIENCE_...``) goes before all of it.

    server: for all operations that this service offers; operations: for one of them.
    client: for all services that it calls; clients: for one of them; calls: for one called operation.
    consumer: for the events that it consumes, all of them and each.
    server_layers, client_layers, consumer_layers: change the stacks themselves; what cannot work is refused at start-up.
    """

    server: ServerPolicy = field(default_factory=ServerPolicy)
    operations: Mapping[Operation[Any, Any], OperationPolicy] = field(default_factory=dict)
    client: ClientPolicy = field(default_factory=ClientPolicy)
    clients: Mapping[type[Api], ClientPolicy] = field(default_factory=dict)
    calls: Mapping[Operation[Any, Any], CallPolicy] = field(default_factory=dict)
    consumer: ConsumerPolicy = field(default_factory=ConsumerPolicy)
    server_layers: Layers | None = None
    client_layers: Layers | None = None
    consumer_layers: EventLayers | None = None

    def client_of(self, api: type[Api]) -> ClientPolicy:
        """What holds for all calls to one service."""
        return self.clients.get(api, self.client)

    def call_of(self, operation: Operation[Any, Any]) -> CallPolicy:
        """What holds for one called operation."""
        return self.calls.get(operation, _PLAIN_CALL)

    def operation_of(self, operation: Operation[Any, Any]) -> OperationPolicy:
        """What holds for one offered operation."""
        return self.operations.get(operation, _PLAIN_OPERATION)


_PLAIN_CALL = CallPolicy()
_PLAIN_OPERATION = OperationPolicy()
