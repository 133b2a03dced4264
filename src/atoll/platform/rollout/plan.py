"""From what system.py declares, and what a person asks for this once, to the plan of a rollout."""

from __future__ import annotations

from dataclasses import fields, replace
from math import ceil
from typing import Any

import msgspec

from atoll.platform.rollout.records import Limits, Plan
from atoll.system import BlueGreen, Canary, Rolling, Trouble
from atoll.system.rollout import Strategy, mistakes

STRATEGIES: dict[str, type[Strategy]] = {"canary": Canary, "blue-green": BlueGreen, "rolling": Rolling}
_KEPT = (
    "max_errors",
    "max_p99",
    "ready_within",
    "consumers",
    "checks",
)  # of the declared one, if another strategy is asked for


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for, for this once; None: as declared. max_errors: percent. shadow: percent. The rest as in system.py."""

    strategy: str | None = None
    steps: tuple[int, ...] | None = None
    interval: float | None = None
    max_errors: float | None = None
    max_p99: float | None = None
    samples: int | None = None
    shadow: int | None = None
    warm: float | None = None
    ready_within: float | None = None
    consumers: bool | None = None


def strategy_of(declared: Strategy | None, wanted: Wanted) -> Strategy:
    """The declared strategy with what is wanted in its place. Trouble, in one line, for what cannot be."""
    chosen = _chosen(declared or Canary(), wanted.strategy)
    known = {field.name for field in fields(chosen)}
    changes: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(wanted).items():
        if name == "strategy" or value is None:
            continue
        if name not in known:
            raise Trouble(f"{name} is nothing that {_name(chosen)} has; take it out, or choose another strategy")
        changes[name] = value
    made = replace(chosen, **changes)
    for text in mistakes(made):
        raise Trouble(text)
    return made


def plan_of(strategy: Strategy, instances: int) -> Plan:
    """The plan for a service that has so many instances."""
    limits = Limits(strategy.max_errors / 100, strategy.max_p99, strategy.samples)
    plan = Plan(
        _name(strategy), interval=strategy.interval, limits=limits, shadow=strategy.shadow,
        ready_within=strategy.ready_within, instances=max(1, instances), consumers=strategy.consumers,
    )  # fmt: skip
    if isinstance(strategy, BlueGreen):
        return msgspec.structs.replace(plan, steps=(100,), warm=strategy.warm)
    if isinstance(strategy, Rolling):
        steps = tuple(ceil(100 * number / plan.instances) for number in range(1, plan.instances + 1))
        return msgspec.structs.replace(
            plan, steps=steps, compare=False, limits=msgspec.structs.replace(limits, max_p99=0.0)
        )
    return msgspec.structs.replace(plan, steps=strategy.steps) if isinstance(strategy, Canary) else plan


def plan_back(instances: int) -> Plan:
    """The plan of going back to an earlier release: all of its instances, then one switch, and no questions."""
    return Plan("rollback", steps=(100,), interval=0.0, instances=max(1, instances), compare=False)


def needed(instances: int, share: int) -> int:
    """How many of so many instances carry that share; at least one."""
    return max(1, ceil(instances * share / 100))


def _chosen(declared: Strategy, name: str | None) -> Strategy:
    if name is None or name == _name(declared):
        return declared
    if name not in STRATEGIES:
        raise Trouble(f"there is no strategy {name!r}; take {', '.join(STRATEGIES)}")
    return STRATEGIES[name](**{field: getattr(declared, field) for field in _KEPT})


def _name(strategy: Strategy) -> str:
    return next(name for name, kind in STRATEGIES.items() if type(strategy) is kind)
