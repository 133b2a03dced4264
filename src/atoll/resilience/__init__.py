"""What keeps one failure from becoming many: one layer a file, and the ordered default stacks.

Its one type is `Stack` (of `service`), made by `client_stack` and `server_stack`.
It must not import `telemetry`, `transport` or `discovery`: layers emit frozen records to hooks.
"""

from atoll.resilience.breaker import Breaker, BreakerPolicy, Breakers, breaker
from atoll.resilience.budget import BudgetPolicy, RetryBudget
from atoll.resilience.bulkhead import bulkhead
from atoll.resilience.classify import Lost, NotSent, Outcome, Unreadable, classify
from atoll.resilience.deadline import deadline
from atoll.resilience.records import (
    BreakerClosed,
    BreakerOpened,
    BudgetExhausted,
    BulkheadFull,
    Hook,
    Record,
    Retrying,
)
from atoll.resilience.retry import RetryPolicy, retry
from atoll.resilience.stacks import ClientPolicy, client_stack, server_stack

__all__ = [
    "Breaker",
    "BreakerClosed",
    "BreakerOpened",
    "BreakerPolicy",
    "Breakers",
    "BudgetExhausted",
    "BudgetPolicy",
    "BulkheadFull",
    "ClientPolicy",
    "Hook",
    "Lost",
    "NotSent",
    "Outcome",
    "Record",
    "RetryBudget",
    "RetryPolicy",
    "Retrying",
    "Unreadable",
    "breaker",
    "bulkhead",
    "classify",
    "client_stack",
    "deadline",
    "retry",
    "server_stack",
]
