"""The service's policies: what its code says, with what the environment says on top, checked before anything starts.

    ATOLL_RESILIENCE_SERVER__IN_FLIGHT=500                      all operations that the service offers
    ATOLL_RESILIENCE_OPERATION__QUOTE__IN_FLIGHT=50             one of them
    ATOLL_RESILIENCE_CLIENT__RETRY__ATTEMPTS=2                  all services that it calls
    ATOLL_RESILIENCE_CLIENT_OF__PAYMENTS__IN_FLIGHT=100         one of them
    ATOLL_RESILIENCE_CALL__PAYMENTS__CHARGE__ATTEMPT=0.5        one called operation
    ATOLL_RESILIENCE_CONSUMER__IN_FLIGHT=4                      all events that it consumes
    ATOLL_RESILIENCE_CONSUMER__EVENT__DEADLINE=10               each of them
    ATOLL_RESILIENCE_EVENT__ORDER_CREATED__DELAYS=1,10          one of them

Two underscores part the steps. ``off`` takes an optional policy away, ``on`` gives its defaults.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from atoll.contracts import Api, Event, Operation, RateLimit
from atoll.contracts.policies import ConsumerPolicy, PolicyError
from atoll.resilience import check_resilience
from atoll.serve.failure import CannotServe
from atoll.serve.sagas import consumed_events
from atoll.service import Resilience, Service

PREFIX = "ATOLL_RESILIENCE_"
T = TypeVar("T")
_GENERAL = frozenset({"CLIENT", "CONSUMER", "SERVER"})
_WORDS = {"on": True, "true": True, "off": False, "false": False}


def resilience_of(service: Service, values: Mapping[str, str]) -> Resilience:
    """The policies in force; CannotServe, one line, for what cannot work."""
    resilience = _applied(service, {name: text for name, text in values.items() if name.startswith(PREFIX)})
    try:
        check_resilience(resilience, offers=service.operations, calls=service.calls, consumes=consumed_events(service))
    except PolicyError as error:
        raise CannotServe(str(error)) from None
    return resilience


def _applied(service: Service, variables: Mapping[str, str]) -> Resilience:
    """The code's policies with all variables, each after the more general ones.

    One that makes sense only with another (base=2 with most=5) is tried again after the others.
    """
    resilience = service.resilience
    waiting = sorted(variables, key=_general_first)
    while waiting:
        refused: dict[str, PolicyError] = {}
        for variable in waiting:
            try:
                resilience = _with(service, resilience, variable, variables[variable])
            except PolicyError as error:
                refused[variable] = error
        if len(refused) == len(waiting):
            variable, why = next(iter(refused.items()))
            raise CannotServe(f"{variable}: {why}") from None
        waiting = list(refused)
    return resilience


def _general_first(variable: str) -> tuple[bool, str]:
    """CLIENT and CONSUMER before CLIENT_OF, CALL and EVENT, which are about one of them."""
    return variable.removeprefix(PREFIX).partition("__")[0].upper() not in _GENERAL, variable


def _with(service: Service, resilience: Resilience, variable: str, text: str) -> Resilience:
    section, *path = variable.removeprefix(PREFIX).lower().split("__")
    if section == "server" and path:
        return replace(resilience, server=_set(resilience.server, path, text))
    if section == "client" and path:
        clients = {api: _set(policy, path, text) for api, policy in resilience.clients.items()}
        return replace(resilience, client=_set(resilience.client, path, text), clients=clients)
    if section == "operation" and len(path) > 1:
        offered = _found(service.operations, path[0], lambda one: one.name)
        operations = {**resilience.operations, offered: _set(resilience.operation_of(offered), path[1:], text)}
        return replace(resilience, operations=operations)
    if section == "client_of" and len(path) > 1:
        api = _found(service.calls, path[0], _service_name)
        return replace(resilience, clients={**resilience.clients, api: _set(resilience.client_of(api), path[1:], text)})
    if section == "call" and len(path) > 2:
        called: Operation[Any, Any] = _found(
            _found(service.calls, path[0], _service_name).operations_, path[1], lambda one: one.name
        )
        return replace(resilience, calls={**resilience.calls, called: _set(resilience.call_of(called), path[2:], text)})
    if section in {"consumer", "event"} and path:
        return replace(resilience, consumer=_consumer_with(service, resilience.consumer, section, path, text))
    raise PolicyError(
        "it is not like SERVER__FIELD, OPERATION__NAME__FIELD, CLIENT__FIELD, CLIENT_OF__SERVICE__FIELD, "
        "CALL__SERVICE__OPERATION__FIELD, CONSUMER__FIELD or EVENT__SUBJECT__FIELD"
    )


def _consumer_with(
    service: Service, policy: ConsumerPolicy, section: str, path: list[str], text: str
) -> ConsumerPolicy:
    if section == "event":
        named = _found(consumed_events(service), path[0], _event_name)
        return replace(policy, events={**policy.events, named: _set(policy.of(named), path[1:], text)})
    changed = _set(policy, path, text)
    if path[0] != "event":
        return changed
    return replace(changed, events={event: _set(own, path[1:], text) for event, own in policy.events.items()})


def _event_name(event: type[Event]) -> str:
    return event.subject_.replace(".", "_").replace("-", "_")


def _service_name(api: type[Api]) -> str:
    return api.service_.replace("-", "_")


def _found(among: Any, name: str, named: Callable[[Any], str]) -> Any:
    known = {named(one): one for one in among}
    if name not in known:
        there = f"there are: {', '.join(known)}" if known else "there are none"
        hint = "for one service alone, set it in its environment= in system.py"
        raise PolicyError(f"there is no {name!r} here; {there} ({hint})")
    return known[name]


def _set(policy: T, path: list[str], text: str) -> T:
    """The policy with one number changed, however deep it lies."""
    if not path:
        raise PolicyError(f"it names no field of {type(policy).__name__}")
    name, *rest = path
    hints = get_type_hints(type(policy))
    known = [field.name for field in fields(policy) if _settable(hints[field.name])]  # type: ignore[arg-type]
    if name not in known:
        raise PolicyError(f"{type(policy).__name__} has no {name!r}; it has: {', '.join(known)}")
    kind, optional = _kind(hints[name])
    if rest:
        if not is_dataclass(kind):
            raise PolicyError(f"{name} is a number; nothing lies below it")
        inner: Any = getattr(policy, name)
        value = _set(_default(kind) if inner is None else inner, rest, text)
    else:
        value = _value(name, kind, optional, text)
    return replace(policy, **{name: value})  # type: ignore[type-var]


def _value(name: str, kind: Any, optional: bool, text: str) -> Any:
    word = _WORDS.get(text.strip().lower())
    if word is False and optional:
        return None
    if kind is bool or is_dataclass(kind):
        if word is None:
            raise PolicyError(f"{name} is {text!r}; it is on or off")
        return word if kind is bool else _default(kind)
    try:
        if get_origin(kind) is tuple:
            return tuple(float(part) for part in text.split(",")) if word is not False else ()
        return kind(text)
    except ValueError:
        what = (
            "numbers with commas between them"
            if get_origin(kind) is tuple
            else "a whole number"
            if kind is int
            else "a number"
        )
        raise PolicyError(f"{name} is {text!r}; it must be {what}") from None


def _default(kind: Any) -> Any:
    return RateLimit(requests=100) if kind is RateLimit else kind()  # what the gateway grants unless told otherwise


def _settable(hint: Any) -> bool:
    kind, _ = _kind(hint)
    return kind in (int, float, bool, tuple[float, ...]) or is_dataclass(kind)


def _kind(hint: Any) -> tuple[Any, bool]:
    """The type, and whether there may be none."""
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [one for one in get_args(hint) if one is not type(None)]
        return kinds[0], True
    return hint, False
