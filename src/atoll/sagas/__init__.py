"""Sagas: long business transactions whose steps are journaled in the service's own database.

Its one type is `Saga`, what a saga's function takes its steps with; `SagaRunner` moves sagas on, `Sagas` shows and repairs them.
It stands on `data`, `service`, `resilience` and `contracts`; nothing but the composition root may import it.
"""

from atoll.sagas.definition import Definition, definition_of, saga, saga_events
from atoll.sagas.durations import days, hours, minutes, seconds
from atoll.sagas.failures import GaveUp, TimedOut
from atoll.sagas.runner import SagaRunner
from atoll.sagas.sagas import Sagas
from atoll.sagas.starting import Started
from atoll.sagas.steps import Saga, Step
from atoll.sagas.views import SagaCount, SagaDetail, SagaEventView, SagaStepView, SagaView

__all__ = [
    "Definition",
    "GaveUp",
    "Saga",
    "SagaCount",
    "SagaDetail",
    "SagaEventView",
    "SagaRunner",
    "SagaStepView",
    "SagaView",
    "Sagas",
    "Started",
    "Step",
    "TimedOut",
    "days",
    "definition_of",
    "hours",
    "minutes",
    "saga",
    "saga_events",
    "seconds",
]
