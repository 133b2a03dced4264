"""The default stacks, in order, with the reason for each place."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from atoll.resilience.breaker import Breakers, breaker
from atoll.resilience.budget import BudgetPolicy, RetryBudget
from atoll.resilience.bulkhead import bulkhead
from atoll.resilience.classify import NotSent
from atoll.resilience.deadline import deadline
from atoll.resilience.records import Hook, ignore
from atoll.resilience.retry import RetryPolicy, retry
from atoll.service import Layer, Named, Request, Stack

IN_FLIGHT = 1000  # Polly's default for a bulkhead


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """What a client's default stack does; each field's own file has its source."""

    in_flight: int = IN_FLIGHT
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    budget: BudgetPolicy = field(default_factory=BudgetPolicy)


def server_stack(in_flight: int = IN_FLIGHT, *, hook: Hook = ignore) -> Stack:
    """The layers around the handlers of a server's operations; make one a service and put it around each of them.

    The deadline is not among them: the transport enforces it outside of every layer, because no server may do without.
    """
    return Stack(
        [
            Named(
                "bulkhead",
                bulkhead(in_flight, hook=hook),
                "outermost: what is refused must have cost nothing, no connection of a pool above all",
            )
        ]
    )


def client_stack(
    policy: ClientPolicy | None = None,
    *,
    balance: Layer,
    breakers: Breakers,
    endpoint: Callable[[Request], Hashable],
    hook: Hook = ignore,
) -> Stack:
    """The layers around a client's calls; make one a client, shared by all of its operations.

    balance: chooses an endpoint for each attempt. endpoint: tells which it chose.
    """
    policy = policy or ClientPolicy()
    return Stack(
        [
            Named("deadline", deadline, "outermost: it bounds everything, waiting between attempts included"),
            Named(
                "bulkhead",
                bulkhead(policy.in_flight, hook=hook, refuse=NotSent),
                "outside of retry: a call holds one place, however often it is tried, and a refusal is not retried",
            ),
            Named(
                "retry",
                retry(policy.retry, RetryBudget(policy.budget), hook=hook),
                "outside of balance: each attempt may go to another endpoint; one layer retries, not each",
            ),
            Named("balance", balance, "inside of retry, outside of breaker: a breaker belongs to one endpoint"),
            Named(
                "breaker",
                breaker(breakers, endpoint),
                "innermost: it sees each attempt by itself, and nothing but what the endpoint did",
            ),
        ]
    )
