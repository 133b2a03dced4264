"""What a service is made of: its handlers and their dependencies, its health, its life from start to stop.

Its one type is `Service`, an explicit list of handlers; `Handler` and `Layer` are what all other rooms build on.
It must not import any room but `contracts`.
"""

from atoll.service.context import current_request
from atoll.service.handlers import Header, consumes, implements
from atoll.service.health import Health, HealthReport
from atoll.service.lifecycle import Component, Lifecycle
from atoll.service.origins import handling
from atoll.service.plan import Sources, bind
from atoll.service.request import Caller, Handler, Layer, Request
from atoll.service.resilience import Resilience
from atoll.service.service import Service
from atoll.service.stack import Named, Stack

__all__ = [
    "Caller",
    "Component",
    "Handler",
    "Header",
    "Health",
    "HealthReport",
    "Layer",
    "Lifecycle",
    "Named",
    "Request",
    "Resilience",
    "Service",
    "Sources",
    "Stack",
    "bind",
    "consumes",
    "current_request",
    "handling",
    "implements",
]
