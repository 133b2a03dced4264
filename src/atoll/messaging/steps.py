"""What a consumer does around each handler, as a printable stack: its own steps, in their order, with their numbers.

They are no layers that could be moved: inbox, handler and acknowledgement only make sense in this order.
"""

from __future__ import annotations

from atoll.messaging.consumer import IN_FLIGHT, TIMEOUT, WINDOW
from atoll.messaging.handling import ATTEMPTS, BETWEEN
from atoll.messaging.parking import DELAYS
from atoll.service import Handler, Named, Stack


def consumer_stack() -> Stack:
    """The steps of every consumed event."""
    return Stack(
        (
            Named(
                "order", _as_it_is, "outermost: messages of one key are handled one after the other", {"window": WINDOW}
            ),
            Named(
                "bulkhead", _as_it_is, "outside of the transaction: each handler holds a connection",
                {"in_flight": IN_FLIGHT},
            ),
            Named(
                "park", _as_it_is, "outside of retry: what failed at once waits without blocking other keys",
                {"delays": ", ".join(f"{delay:g}" for delay in DELAYS), "then": "dead letter"},
            ),
            Named(
                "retry", _as_it_is, "outside of the transaction: each attempt has one of its own",
                {"attempts": ATTEMPTS, "base": BETWEEN[0], "most": BETWEEN[1]},
            ),
            Named("deadline", _as_it_is, "inside of retry: it bounds one attempt", {"seconds": TIMEOUT}),
            Named("transaction", _as_it_is, "one unit of work for inbox, state and outbox"),
            Named("inbox", _as_it_is, "first in the transaction: a duplicate ends here"),
        )
    )  # fmt: skip


def _as_it_is(handler: Handler) -> Handler:
    return handler
