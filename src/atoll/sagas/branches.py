"""What comes of branches in parallel, the same at each replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atoll.contracts import Error
from atoll.sagas.failures import Away, Overtaken, Stuck, Suspended, Unwound

_FIRST = (Overtaken, Away, Stuck)


def settle(outcomes: Sequence[Any], order: Mapping[BaseException, int]) -> tuple[Any, ...]:
    """All results, or what the whole raises.

    What ends the run comes first; then a defect; then the failure that was journaled first, so that a branch that fails
    later changes nothing; then the rest, suspended until the earliest due.
    """
    raised = [one for one in outcomes if isinstance(one, BaseException)]
    if not raised:
        return tuple(outcomes)
    for kind in _FIRST:
        for one in raised:
            if isinstance(one, kind):
                raise one
    failures = [one for one in raised if isinstance(one, Error)]
    others = [one for one in raised if not isinstance(one, (Error, Suspended, Unwound))]
    if others:
        raise others[0]
    if failures:
        raise min(failures, key=lambda one: order.get(one, 0))
    if any(isinstance(one, Unwound) for one in raised):
        raise Unwound
    dues = [one.due for one in raised if isinstance(one, Suspended) and one.due is not None]
    raise Suspended(min(dues, default=None))
