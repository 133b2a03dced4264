"""A service's consumer: its handlers, sagas, policies and upcasters, and what is wrong with them, said before it starts."""

from __future__ import annotations

from collections.abc import Mapping

from atoll.contracts import Event, decoder_for_event
from atoll.data import Database, Weight
from atoll.messaging import Broker, Consumer
from atoll.messaging.steps import consumer_stack
from atoll.sagas import saga_events
from atoll.serve.failure import CannotServe
from atoll.serve.sagas import consumed_events
from atoll.service import Handler, Resilience, Service, Stack
from atoll.service.handlers import name_of
from atoll.service.plan import wants_lists


def refuse_wrong_consumers(service: Service) -> None:
    """CannotServe for two upcasters of one version, and for an event that a saga and a handler of lists both consume."""
    for event in consumed_events(service):
        try:
            decoder_for_event(event, service.upcasters)
        except TypeError as error:
            raise CannotServe(f"Service(upcasters=...): {error}") from None
    for event in set(saga_events(service.sagas)) & batched_events(service):
        raise CannotServe(
            f"{name_of(service.consumers[event])} takes lists of {event.__name__}, which a saga consumes too, one by one; "
            f"let it take one {event.__name__}"
        )


def batched_events(service: Service) -> frozenset[type[Event]]:
    """Those whose handlers take lists. CannotServe for a handler whose types are not known."""
    try:
        return frozenset(event for event, function in service.consumers.items() if wants_lists(function))
    except TypeError as error:
        raise CannotServe(str(error)) from None


def consumer_stacks(service: Service, resilience: Resilience) -> dict[type[Event], Stack]:
    """What is around the handler of each event: the consumer's own steps, and inside of them the service's own layers."""
    policy, batched = resilience.consumer, batched_events(service)
    return {
        event: Stack(
            (*consumer_stack(policy, policy.of(event), batched=event in batched), *_own_layers(resilience, event))
        )
        for event in consumed_events(service)
    }


def make_consumer(
    service: Service,
    resilience: Resilience,
    database: Database,
    broker: Broker,
    handlers: Mapping[type[Event], Handler],
    weight: Weight | None = None,
) -> Consumer:
    """The consumer of all its events, each with the layers of its own."""
    return Consumer(
        database,
        broker,
        {event: _own_layers(resilience, event).around(handler) for event, handler in handlers.items()},
        group=service.name,
        policy=resilience.consumer,
        batched=batched_events(service),
        upcasters=service.upcasters,
        weight=weight,
    )


def _own_layers(resilience: Resilience, event: type[Event]) -> Stack:
    return Stack() if resilience.consumer_layers is None else resilience.consumer_layers(Stack(), event)
