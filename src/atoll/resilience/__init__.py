"""What keeps one failure from becoming many: one layer a file, and the ordered default stacks.

Its one type is `Stack` (of `service`), made by `ClientStacks` and `ServerStacks` from policies (of `contracts`).
It must not import `telemetry`, `transport` or `discovery`: layers emit frozen records to hooks.
"""

from atoll.contracts.policies import (
    AdaptivePolicy,
    BreakerPolicy,
    BudgetPolicy,
    CallPolicy,
    ClientPolicy,
    ConsumerPolicy,
    EventPolicy,
    HedgePolicy,
    OperationPolicy,
    PolicyError,
    RetryPolicy,
    ServerPolicy,
    ShedPolicy,
)
from atoll.resilience.adaptive import adaptive
from atoll.resilience.attempt import attempt
from atoll.resilience.breaker import Breaker, Breakers, breaker
from atoll.resilience.budget import RetryBudget
from atoll.resilience.bulkhead import bulkhead
from atoll.resilience.callee import callee
from atoll.resilience.check import check_resilience
from atoll.resilience.classify import Lost, NotSent, Outcome, Unreadable, classify
from atoll.resilience.coalesce import coalesce
from atoll.resilience.deadline import deadline
from atoll.resilience.fallback import fallback
from atoll.resilience.faults import Fault, Faults, faulty
from atoll.resilience.hedge import hedge
from atoll.resilience.order import check_client, check_server
from atoll.resilience.pressure import Pressure
from atoll.resilience.rate_limit import rate_limit
from atoll.resilience.records import (
    BreakerClosed,
    BreakerOpened,
    BudgetExhausted,
    BulkheadFull,
    CalleeFailed,
    Coalesced,
    Faulted,
    FellBack,
    Hedged,
    Hook,
    Limited,
    Record,
    Retrying,
    Shed,
)
from atoll.resilience.retry import retry
from atoll.resilience.shed import Shedder, shed
from atoll.resilience.stacks import ClientStacks, Reach, ServerStacks, client_stack, server_stack

__all__ = [
    "AdaptivePolicy",
    "Breaker",
    "BreakerClosed",
    "BreakerOpened",
    "BreakerPolicy",
    "Breakers",
    "BudgetExhausted",
    "BudgetPolicy",
    "BulkheadFull",
    "CallPolicy",
    "CalleeFailed",
    "ClientPolicy",
    "ClientStacks",
    "Coalesced",
    "ConsumerPolicy",
    "EventPolicy",
    "Fault",
    "Faulted",
    "Faults",
    "FellBack",
    "HedgePolicy",
    "Hedged",
    "Hook",
    "Limited",
    "Lost",
    "NotSent",
    "OperationPolicy",
    "Outcome",
    "PolicyError",
    "Pressure",
    "Reach",
    "Record",
    "RetryBudget",
    "RetryPolicy",
    "Retrying",
    "ServerPolicy",
    "ServerStacks",
    "Shed",
    "ShedPolicy",
    "Shedder",
    "Unreadable",
    "adaptive",
    "attempt",
    "breaker",
    "bulkhead",
    "callee",
    "check_client",
    "check_resilience",
    "check_server",
    "classify",
    "client_stack",
    "coalesce",
    "deadline",
    "fallback",
    "faulty",
    "hedge",
    "rate_limit",
    "retry",
    "server_stack",
    "shed",
]
