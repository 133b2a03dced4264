"""Where layers may stand: the order of the known ones, and what is refused at start-up, in one line."""

from __future__ import annotations

from collections.abc import Mapping

from atoll.contracts.policies import PolicyError
from atoll.service import Stack

CLIENT: Mapping[str, str] = {
    "fallback": "outermost: it also stands in for a call that ran out of time, or was refused here",
    "deadline": "outside of all that waits: it bounds the whole call, pauses between attempts included",
    "coalesce": "inside of deadline: each caller waits its own time; outside of bulkhead: equal calls take one place",
    "bulkhead": "outside of retry: a call holds one place, however often it is tried, and a refusal is not retried",
    "retry": "outside of balance: each attempt may go to another endpoint; one layer retries, not each",
    "attempt": "inside of retry: each attempt has its own time",
    "hedge": "inside of attempt, outside of balance: the second request goes to another endpoint, in the same time",
    "balance": "inside of retry, outside of breaker: a breaker belongs to one endpoint",
    "breaker": "inside of balance: it sees each attempt by itself, and nothing but what the endpoint did",
    "fault": "innermost: everything else takes the fault for the callee's own",
}
"""The known layers of a client, the outermost first, and why each stands there."""

SERVER: Mapping[str, str] = {
    "rate_limit": "outermost: what one caller has too much of must not count as everybody's load",
    "shed": "before anything that costs: a busy server's refusals must be cheap",
    "bulkhead": "outside of all that holds something: what is refused has taken no connection of a pool",
    "limit": "inside of the server's own bound: one operation cannot take all of it",
    "adaptive": "next to limit, and inside of it: it finds by latency what limit says by hand",
    "callee": "around the handler: what it lets through of a callee's errors is not this service's own",
    "transaction": "inside of every limit: who holds a connection is being served; one unit of work for state, events and reply",
    "idempotency": "inside of the transaction: the stored reply commits with the work",
}
"""The known layers of a server's operation, the outermost first, and why each stands there."""

_NEEDED = {"deadline": "a call without one waits for ever", "balance": "without it no call knows where to go"}


def check_client(stack: Stack, what: str) -> Stack:
    """The same stack; `PolicyError` if a layer stands in an impossible place. what: ``payments.charge``, for the message."""
    names = {named.name for named in stack}
    for name, why in _NEEDED.items():
        if name not in names:
            raise PolicyError(f"the client stack of {what} has no {name!r}; {why}")
    return _checked(stack, CLIENT, f"the client stack of {what}")


def check_server(stack: Stack, what: str) -> Stack:
    """The same stack; `PolicyError` if a layer stands in an impossible place."""
    return _checked(stack, SERVER, f"the server stack of {what}")


def _checked(stack: Stack, order: Mapping[str, str], what: str) -> Stack:
    places = {name: place for place, name in enumerate(order)}
    outer = ""
    for named in stack:
        if named.name not in places:
            continue  # somebody's own layer may stand anywhere
        if outer and places[named.name] < places[outer]:
            raise PolicyError(f"{what}: {named.name!r} stands inside of {outer!r}; it belongs {order[named.name]}")
        outer = named.name
    return stack
