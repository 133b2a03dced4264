"""What a service provides to its handlers: each provider runs once at start-up, after those that it needs."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, get_args, get_origin, get_type_hints

from atoll.serve.failure import CannotServe
from atoll.service.handlers import name_of

Close = Callable[[], Awaitable[None]]


def provided_type(provider: Callable[..., Any]) -> type:
    """What the provider makes: its return annotation, or what it yields."""
    hint = get_type_hints(provider).get("return")
    if hint is None:
        raise CannotServe(f"{name_of(provider)} has no return type; it says what the provider provides")
    if inspect.isasyncgenfunction(provider):
        arguments = get_args(hint)
        if get_origin(hint) is None or not arguments:
            raise CannotServe(f"{name_of(provider)} yields, so annotate it with AsyncIterator[What]")
        hint = arguments[0]
    if not isinstance(hint, type):
        raise CannotServe(f"{name_of(provider)} provides {hint}, which is no class")
    return hint


async def run_providers(
    providers: tuple[Callable[..., Any], ...], known: dict[type, Any], on_stop: Callable[[str, Close], None]
) -> dict[type, Any]:
    """``known`` and all that the providers make. Order does not matter; a cycle or an unknown need is a CannotServe."""
    objects = dict(known)
    waiting = {provided_type(provider): provider for provider in providers}
    if len(waiting) < len(providers):
        raise CannotServe("two providers provide the same type; keep one")
    while waiting:
        ready = [
            kind for kind, provider in waiting.items() if all(need in objects for need in _needs(provider).values())
        ]
        if not ready:
            raise CannotServe(_stuck(waiting, objects))
        for kind in ready:
            objects[kind] = await _run(waiting.pop(kind), objects, on_stop)
    return objects


def _needs(provider: Callable[..., Any]) -> dict[str, type]:
    hints = get_type_hints(provider)
    return {name: hints[name] for name in inspect.signature(provider).parameters if name in hints}


async def _run(provider: Callable[..., Any], objects: dict[type, Any], on_stop: Callable[[str, Close], None]) -> Any:
    made = provider(**{name: objects[need] for name, need in _needs(provider).items()})
    if inspect.isasyncgen(made):
        value = await anext(made)
        on_stop(name_of(provider), lambda: _finish(made))
        return value
    return await made if inspect.isawaitable(made) else made


async def _finish(generator: AsyncIterator[Any]) -> None:
    try:
        await anext(generator)
    except StopAsyncIteration:
        return
    raise RuntimeError("a provider yielded twice; it yields once, and cleans up after the yield")


def _stuck(waiting: dict[type, Callable[..., Any]], objects: dict[type, Any]) -> str:
    for provider in waiting.values():
        for name, need in _needs(provider).items():
            if need not in objects and need not in waiting:
                return f"{name_of(provider)}: nothing provides {name!r} of type {getattr(need, '__name__', need)}"
    return "these providers need each other in a circle: " + ", ".join(name_of(one) for one in waiting.values())
