"""The model of a whole system, which the runner, the gateway compiler and the publishers interpret.

Its one type is `System`, inert data that a user's system.py makes.
It must not import the SDK's rooms or the platform's; it knows `contracts` only.
"""

from atoll.system.model import Cors, Gateway, Jwt, Kafka, Nats, Part, Postgres, RabbitMQ, Route, Service, Slo, System
from atoll.system.rollout import BlueGreen, Canary, Rolling, Sample, Window
from atoll.system.trouble import Trouble

__all__ = [
    "BlueGreen",
    "Canary",
    "Cors",
    "Gateway",
    "Jwt",
    "Kafka",
    "Nats",
    "Part",
    "Postgres",
    "RabbitMQ",
    "Rolling",
    "Route",
    "Sample",
    "Service",
    "Slo",
    "System",
    "Trouble",
    "Window",
]
