"""What a consumer does around each handler, as a printable stack: its own steps, in their order, with their numbers.

They are no layers that could be moved: inbox, handler and acknowledgement only make sense in this order.
"""

from __future__ import annotations

from atoll.contracts.policies import ConsumerPolicy, EventPolicy
from atoll.service import Handler, Named, Stack


def consumer_stack(policy: ConsumerPolicy, event: EventPolicy, *, batched: bool = False) -> Stack:
    """The steps of every message of an event. batched: its handler gets lists."""
    order = (
        "messages of one key are handled one after the other" if event.ordered else "messages of one key may overtake"
    )
    bounds: dict[str, object] = {"in_flight": policy.in_flight}
    if event.in_flight is not None:
        bounds["own"] = event.in_flight
    delays = {"delays": ", ".join(f"{delay:g}" for delay in event.delays) or "none", "then": "dead letter"}
    retry = {"attempts": event.retry.attempts, "base": event.retry.base, "most": event.retry.most}
    batch = (Named("batch", _as_it_is, "outside of the transaction: one for all of it", {"most": event.batch}),)
    return Stack(
        (
            Named("order", _as_it_is, f"outermost: {order}", {"window": policy.window}),
            Named("bulkhead", _as_it_is, "outside of the transaction: each handler holds a connection", bounds),
            Named("park", _as_it_is, "outside of retry: what failed at once waits without blocking other keys", delays),
            Named("retry", _as_it_is, "outside of the transaction: each attempt has one of its own", retry),
            *(batch if batched else ()),
            Named("deadline", _as_it_is, "inside of retry: it bounds one attempt", {"seconds": event.deadline}),
            Named("transaction", _as_it_is, "one unit of work for inbox, state and outbox"),
            Named("inbox", _as_it_is, "first in the transaction: a duplicate ends here"),
        )
    )


def _as_it_is(handler: Handler) -> Handler:
    return handler
