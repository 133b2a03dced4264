"""Events between services: the broker, the relay that publishes the outbox, the consumers.

Its one type is `Broker`, the port to what carries messages; each adapter is a file of its own.
It must not import any room but `data`, `service` and `contracts`; nats-py stays in `nats`.
"""

from atoll.messaging.broker import Broker, Delivery, Passing, Subscription, SubscriptionEnded, Tail, open_broker
from atoll.messaging.consumer import Consumer
from atoll.messaging.consumers import Consumers, ConsumerView
from atoll.messaging.dead_letters import DeadLetter, DeadLetters, Letters
from atoll.messaging.envelope import Envelope
from atoll.messaging.relay import Relay

__all__ = [
    "Broker",
    "Consumer",
    "ConsumerView",
    "Consumers",
    "DeadLetter",
    "DeadLetters",
    "Delivery",
    "Envelope",
    "Letters",
    "Passing",
    "Relay",
    "Subscription",
    "SubscriptionEnded",
    "Tail",
    "open_broker",
]
