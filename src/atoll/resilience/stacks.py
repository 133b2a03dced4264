"""The default stacks: which layers there are, from policies alone; `order` has the reason for each place."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from typing import Any

from atoll.contracts import Operation, RateLimit
from atoll.contracts.policies import CallPolicy, ClientPolicy, OperationPolicy, RetryPolicy, ServerPolicy
from atoll.resilience.adaptive import adaptive
from atoll.resilience.attempt import attempt
from atoll.resilience.breaker import Breakers, breaker
from atoll.resilience.budget import RetryBudget
from atoll.resilience.bulkhead import bulkhead
from atoll.resilience.callee import callee
from atoll.resilience.classify import NotSent
from atoll.resilience.coalesce import coalesce
from atoll.resilience.deadline import deadline
from atoll.resilience.fallback import fallback
from atoll.resilience.hedge import hedge
from atoll.resilience.order import CLIENT, SERVER, check_client, check_server
from atoll.resilience.pressure import Pressure
from atoll.resilience.rate_limit import rate_limit
from atoll.resilience.records import Hook, ignore
from atoll.resilience.retry import retry
from atoll.resilience.shed import Shedder, shed
from atoll.service import Layer, Named, Request, Stack
from atoll.service.resilience import Layers

NO_KEY = "nobody said what makes two calls equal; coalescing needs a key"


@dataclass(frozen=True, slots=True)
class Reach:
    """How a client reaches its callee. balance: chooses an endpoint for each attempt; endpoint: tells which it chose.

    key: what makes two calls equal, for coalescing. fault: applies ordered faults; None where they are not allowed.
    """

    balance: Layer
    breakers: Breakers
    endpoint: Callable[[Request], Hashable]
    key: Callable[[Request], Hashable] | None = None
    fault: Layer | None = None


class ClientStacks:
    """The stacks of one client: a stack an operation, over a bulkhead, a retry budget and breakers that all of them share.

    budget, breakers: to be looked at.
    """

    def __init__(
        self, policy: ClientPolicy, reach: Reach, *, layers: Layers | None = None, hook: Hook = ignore
    ) -> None:
        self.policy = policy
        self._reach = reach
        self._layers = layers
        self._hook = hook
        self.budget = RetryBudget(policy.budget)
        self.breakers = reach.breakers
        self._bulkhead = bulkhead(policy.in_flight, hook=hook, refuse=NotSent)

    def of(self, operation: Operation[Any, Any], call: CallPolicy) -> Stack:
        """The stack around one operation's calls; `PolicyError` if something in it cannot work."""
        stack = self.default(call, operation.deadline)
        if self._layers is not None:
            stack = self._layers(stack, operation)
        return check_client(stack, operation.qualified)

    def opening(self, operation: Operation[Any, Any]) -> Stack:
        """The stack around the opening of a stream: what lasts after it is bounded by silence, not by a deadline."""
        kept = {"bulkhead", "retry", "balance", "breaker", "fault"}
        return Stack(named for named in self.default(CallPolicy(), operation.deadline) if named.name in kept)

    def default(self, call: CallPolicy, seconds: float) -> Stack:
        """The layers in their order."""
        policy, reach, hook = self.policy, self._reach, self._hook
        retries = call.retry or policy.retry
        found: list[Named] = []

        def add(name: str, layer: Layer, **numbers: object) -> None:
            found.append(Named(name, layer, CLIENT[name], numbers))

        if call.fallback is not None:
            add("fallback", fallback(call.fallback, hook=hook), function=call.fallback.__qualname__)
        add("deadline", deadline, seconds=call.deadline or seconds)
        if call.coalesce:
            add("coalesce", coalesce(_key(reach), hook=hook))
        add("bulkhead", self._bulkhead, in_flight=policy.in_flight)
        if retries.attempts > 1:
            add("retry", retry(retries, self.budget, hook=hook), **_retry_numbers(retries, policy))
        if call.attempt is not None:
            add("attempt", attempt(call.attempt), seconds=call.attempt)
        if call.hedge is not None:
            add("hedge", hedge(call.hedge, self.budget, hook=hook), **asdict(call.hedge))
        add("balance", reach.balance)
        add("breaker", breaker(reach.breakers, reach.endpoint), **asdict(policy.breaker))
        if reach.fault is not None:
            add("fault", reach.fault)
        return Stack(found)


class ServerStacks:
    """The stacks of one server: a stack an operation, over a bound, a shedder and a rate limit that all of them share."""

    def __init__(
        self,
        policy: ServerPolicy,
        *,
        layers: Layers | None = None,
        hook: Hook = ignore,
    ) -> None:
        self._layers = layers
        self._hook = hook
        self._shared = [*_rate(policy.rate_limit, hook), *_bounds(policy, hook)]

    def of(self, operation: Operation[Any, Any], policy: OperationPolicy, inner: Stack | None = None) -> Stack:
        """The stack around one operation's handler; inner: what it needs besides protection (a unit of work, say)."""
        hook = self._hook
        own = list(self._shared)
        if policy.rate_limit is not None:
            own = [*_rate(policy.rate_limit, hook), *(named for named in own if named.name != "rate_limit")]
        if policy.in_flight is not None:
            limit = bulkhead(policy.in_flight, hook=hook)
            own.append(Named("limit", limit, SERVER["limit"], {"in_flight": policy.in_flight}))
        if policy.adaptive is not None:
            layer = adaptive(policy.adaptive, hook=hook)
            own.append(Named("adaptive", layer, SERVER["adaptive"], asdict(policy.adaptive)))
        passed = ", ".join(operation.errors) or "none"
        own.append(
            Named(
                "callee",
                callee(operation.errors, streams=operation.streams, hook=hook),
                SERVER["callee"],
                {"passes": passed},
            )
        )
        stack = Stack([*own, *(inner or ())])
        if self._layers is not None:
            stack = self._layers(stack, operation)
        return check_server(stack, operation.qualified)


def _bounds(policy: ServerPolicy, hook: Hook) -> list[Named]:
    found = []
    if policy.shed is not None:
        layer = shed(Shedder(policy.shed, Pressure()), hook=hook)
        found.append(Named("shed", layer, SERVER["shed"], asdict(policy.shed)))
    bound = bulkhead(policy.in_flight, hook=hook)
    found.append(Named("bulkhead", bound, SERVER["bulkhead"], {"in_flight": policy.in_flight}))
    return found


def _rate(limit: RateLimit | None, hook: Hook) -> list[Named]:
    if limit is None:
        return []
    numbers = {"requests": limit.requests, "per": limit.per}
    return [Named("rate_limit", rate_limit(limit, hook=hook), SERVER["rate_limit"], numbers)]


def _retry_numbers(retries: RetryPolicy, policy: ClientPolicy) -> dict[str, object]:
    budget = f"{policy.budget.share:.0%} + {policy.budget.per_second:g}/s"
    return {**asdict(retries), "budget": budget}


def _key(reach: Reach) -> Callable[[Request], Hashable]:
    if reach.key is None:
        raise ValueError(NO_KEY)
    return reach.key


def client_stack(policy: ClientPolicy | None = None, *, reach: Reach, hook: Hook = ignore) -> Stack:
    """The default layers around a client's calls, for tests and for clients of something else than an Api."""
    return ClientStacks(policy or ClientPolicy(), reach, hook=hook).default(CallPolicy(), 5.0)


def server_stack(policy: ServerPolicy | None = None, *, hook: Hook = ignore) -> Stack:
    """The default layers that all operations of a server share."""
    policy = policy or ServerPolicy()
    return Stack([*_rate(policy.rate_limit, hook), *_bounds(policy, hook)])
