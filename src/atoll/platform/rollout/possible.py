"""Whether a rollout that was read from a file can be one that was ever written: what is not is no ground to act upon."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise
from math import isfinite

from atoll.platform.rollout.records import Plan, Rollout
from atoll.system.rollout import LONGEST

MOST_INSTANCES = 1_000
_ALL = 100  # percent


def impossible(rollout: Rollout, service: str) -> str:
    """The first thing in it that cannot be, in a file of that service; empty if all can be."""
    return next(chain(_in_plan(rollout.plan), _in_itself(rollout, service)), "")


def _in_itself(rollout: Rollout, service: str) -> Iterator[str]:
    if rollout.service != service:
        yield f"it is of {rollout.service!r}, in a file of {service!r}"
    if rollout.number < 1:
        yield f"its number is {rollout.number}"
    if not rollout.release or not rollout.stable or rollout.release == rollout.stable:
        yield f"it is between {rollout.release!r} and {rollout.stable!r}"
    if not 0 <= rollout.step <= len(rollout.plan.steps):
        yield f"step is {rollout.step} of {len(rollout.plan.steps)}"
    if not 0 <= rollout.share <= _ALL:
        yield f"share is {rollout.share} %"
    if rollout.revision < 0:
        yield f"revision is {rollout.revision}"


def _in_plan(plan: Plan) -> Iterator[str]:
    steps = plan.steps
    rising = all(before < after for before, after in pairwise((0, *steps)))
    if not steps or not rising or steps[-1] != _ALL:
        yield f"steps are {','.join(map(str, steps)) or 'missing'}"
    if not 1 <= plan.instances <= MOST_INSTANCES:
        yield f"instances are {plan.instances}"
    if not 0 <= plan.shadow <= _ALL:
        yield f"shadow is {plan.shadow} %"
    for name in ("interval", "warm", "ready_within"):
        if not 0 <= getattr(plan, name) <= LONGEST:
            yield f"{name} is {getattr(plan, name)} s"
    limits = plan.limits
    if limits.samples < 0 or limits.patience < 1 or not isfinite(limits.max_errors) or not isfinite(limits.max_p99):
        yield f"its limits are {limits}"
