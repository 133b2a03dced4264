"""A saga's parameters, planned once: the message, the `Saga`, clients, and what the service provides."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from atoll.sagas.definition import Definition, hints_of
from atoll.sagas.steps import Saga
from atoll.service.handlers import name_of

Bound = Callable[[Any, Saga], Awaitable[None]]


def bind(definition: Definition, provided: Mapping[type, Any]) -> Bound:
    """The saga's function, to be called with its message and its `Saga`. TypeError names what cannot be provided."""
    hints = hints_of(definition.function)
    _, *others = inspect.signature(definition.function).parameters.values()
    fixed: dict[str, Any] = {}
    sagas = []
    for parameter in others:
        if hints.get(parameter.name) is Saga:
            sagas.append(parameter.name)
        else:
            fixed[parameter.name] = _provided(definition, parameter, hints, provided)
    if len(sagas) != 1:
        raise TypeError(f"{name_of(definition.function)} needs one parameter of type Saga to take its steps with")
    function, name = definition.function, sagas[0]
    return lambda message, saga: function(message, **{name: saga}, **fixed)


def _provided(
    definition: Definition, parameter: inspect.Parameter, hints: Mapping[str, Any], provided: Mapping[type, Any]
) -> Any:
    kind = hints.get(parameter.name)
    for known, value in provided.items():
        if kind is known:
            return value
    shown = getattr(kind, "__name__", str(kind))
    there = ", ".join(sorted(known.__name__ for known in provided)) or "nothing"
    raise TypeError(
        f"{name_of(definition.function)}: parameter {parameter.name!r} of type {shown} cannot be provided to a saga; besides "
        f"its message and Saga there are: {there} (a step is given its Work when it runs)"
    )
