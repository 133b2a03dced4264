"""What is refused at start-up: policies that are each sensible, but not for this service and these operations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from atoll.contracts import Api, Event, Operation
from atoll.contracts.policies import CallPolicy, PolicyError
from atoll.service import Resilience


def check_resilience(
    resilience: Resilience,
    *,
    offers: Collection[Operation[Any, Any]],
    calls: Collection[type[Api]],
    consumes: Collection[type[Event]] = (),
) -> None:
    """`PolicyError`, one line, for what cannot work.

    offers: the service's own operations; calls: the Apis that it calls; consumes: the events that it consumes.
    """
    for event in resilience.consumer.events:
        if event not in consumes:
            raise PolicyError(f"resilience.consumer names {event.__name__}, which this service does not consume")
    for operation in resilience.operations:
        if operation not in offers:
            raise PolicyError(f"resilience.operations names {operation.qualified}, which this service does not offer")
    for api in resilience.clients:
        if api not in calls:
            raise PolicyError(f"resilience.clients names {api.__name__}, which this service does not call")
    for operation, policy in resilience.calls.items():
        if operation.api not in calls:
            raise PolicyError(f"resilience.calls names {operation.qualified}, whose service is not called from here")
        _check_call(operation, policy)


def _check_call(operation: Operation[Any, Any], policy: CallPolicy) -> None:
    what = f"calls of {operation.qualified}"
    deadline = policy.deadline or operation.deadline
    if deadline > operation.deadline:
        raise PolicyError(
            f"{what}: a deadline of {deadline:g} s, but the callee gives up after its own {operation.deadline:g} s"
        )
    if policy.attempt is not None and policy.attempt > deadline:
        raise PolicyError(f"{what}: an attempt of {policy.attempt:g} s is longer than the deadline of {deadline:g} s")
    repeats = policy.retry is not None and policy.retry.attempts > 1
    if repeats and not (operation.idempotent or operation.keyed):
        raise PolicyError(
            f"{what}: retry, but the operation is not idempotent; a repeat could take effect twice"
            " (declare it idempotent=True or keyed=True if it is)"
        )
    if policy.hedge is not None and not operation.idempotent:
        raise PolicyError(f"{what}: hedge, but the operation is not idempotent; both attempts could take effect")
    if policy.coalesce and (operation.method != "GET" or operation.streams):
        raise PolicyError(f"{what}: coalesce, but {operation.method} may change something; only GET can be shared")
    if operation.streams and policy != CallPolicy():
        raise PolicyError(f"{what}: its reply is a stream, which has no deadline, attempts or fallback")
