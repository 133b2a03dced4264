"""Dependencies by type, planned once: at start-up each parameter becomes a getter, and a request only calls getters.

A parameter of a handler may be: the request message or event (its type), `Caller`, `Request`, ``Annotated[str, Header(...)]``,
a declared client (`Api`), anything that the service provides, or anything that a layer puts into ``request.scope`` (`Work`).
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from atoll.contracts import FieldError, Invalid, Unauthenticated
from atoll.service.handlers import Consumes, Header, Implements, mark_of, name_of
from atoll.service.request import Caller, Handler, Request

Getter = Callable[[Request], Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where parameters come from, besides the request itself.

    scoped: types that a layer provides for each request. provided: one object a process, by type.
    """

    scoped: Collection[type] = ()
    provided: Mapping[type, Any] = field(default_factory=dict)


def bind(function: Callable[..., Any], sources: Sources) -> Handler:
    """The function as a `Handler`; TypeError that names the function and the parameter if one cannot be provided.

    An async generator (for a `Stream` reply) becomes a handler that returns its iterator, so that layers can await it.
    """
    bound = _bound(function, sources)
    if not inspect.isasyncgenfunction(function):
        return bound

    async def begun(request: Request) -> Any:
        return bound(request)

    return begun


def _bound(function: Callable[..., Any], sources: Sources) -> Handler:
    getters = plan(function, sources)
    if len(getters) == 1 and getters[0][0] == 0:
        only = getters[0][1]
        return lambda request: function(only(request))
    if any(position is None for position, _, _ in getters):
        return _bind_keywords(function, getters)
    ordered = tuple(getter for _, getter, _ in getters)
    return lambda request: function(*[getter(request) for getter in ordered])


def plan(function: Callable[..., Any], sources: Sources) -> list[tuple[int | None, Getter, str]]:
    """For each parameter: its position (None: keyword only), its getter, its name."""
    hints = _hints(function)
    found: list[tuple[int | None, Getter, str]] = []
    for position, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{name_of(function)}: *{parameter.name} cannot be injected; name each parameter")
        if parameter.name not in hints:
            raise TypeError(f"{name_of(function)}: parameter {parameter.name!r} has no type; injection goes by type")
        getter = _getter(function, parameter, hints[parameter.name], sources)
        found.append((None if parameter.kind is parameter.KEYWORD_ONLY else position, getter, parameter.name))
    return found


def scoped_needs(function: Callable[..., Any], scoped: Collection[type]) -> frozenset[type]:
    """Which of the scoped types the function asks for, so that layers nobody needs are left out."""
    kinds = {name: _optional(hint)[0] for name, hint in _hints(function).items() if name != "return"}
    return frozenset(kind for kind in scoped if any(kind is hint for hint in kinds.values()))


def wants_lists(function: Callable[..., Any]) -> bool:
    """Whether the function consumes lists of events: ``events: list[OrderCreated]``, or a Sequence of them."""
    mark = mark_of(function)
    return any(_is_list_of(hint, mark) for name, hint in _hints(function).items() if name != "return")


def _is_list_of(hint: Any, mark: Implements | Consumes) -> bool:
    return isinstance(mark, Consumes) and get_origin(hint) in (list, Sequence) and get_args(hint) == (mark.event,)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{name_of(function)}: the type {error.name!r} is not known at run time; import it outside of TYPE_CHECKING"
        ) from None


def _getter(function: Callable[..., Any], parameter: inspect.Parameter, hint: Any, sources: Sources) -> Getter:
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, Header):
                return _header(function, extra.name, parameter, _optional(get_args(hint)[0]))
    kind, optional = _optional(hint)
    mark = mark_of(function)
    message = mark.operation.request if isinstance(mark, Implements) else mark.event
    if message is not None and (hint == message or _is_list_of(hint, mark)):
        return lambda request: request.message
    if kind is Request:
        return lambda request: request
    if kind is Caller:
        return (lambda request: request.caller) if optional else _caller
    if _is_one(kind, sources.scoped):
        return lambda request: request.scope[kind]
    if _is_one(kind, sources.provided):
        value = sources.provided[kind]
        return lambda _: value
    raise TypeError(_unknown(function, parameter, hint, mark, sources))


def required_headers(function: Callable[..., Any]) -> tuple[str, ...]:
    """The lower-case names of the headers without which the handler is not called."""
    hints = _hints(function)
    found = []
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        if (
            get_origin(hint) is Annotated
            and parameter.default is parameter.empty
            and not _optional(get_args(hint)[0])[1]
        ):
            found += [extra.name.lower() for extra in get_args(hint)[1:] if isinstance(extra, Header)]
    return tuple(found)


def _header(function: Callable[..., Any], name: str, parameter: inspect.Parameter, hint: tuple[Any, bool]) -> Getter:
    kind, optional = hint
    if kind is not str:
        raise TypeError(f"{name_of(function)}: parameter {parameter.name!r} comes from a header, so its type is str")
    name = name.lower()
    default = None if optional and parameter.default is parameter.empty else parameter.default
    if default is inspect.Parameter.empty:

        def required(request: Request) -> str:
            value = request.headers.get(name)
            if value is None:
                raise Invalid(f"the header {name} is missing", fields=[FieldError(f"header:{name}", "is required")])
            return value

        return required
    return lambda request: request.headers.get(name, default)


def _caller(request: Request) -> Caller:
    if request.caller is None:
        raise Unauthenticated("this needs a caller; send a bearer token")
    return request.caller


def _is_one(kind: Any, known: Collection[type]) -> bool:
    return any(kind is one for one in known)  # not `in`: an Annotated with a list in it has no hash


def _optional(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        inner = [argument for argument in get_args(hint) if argument is not type(None)]
        if len(inner) == 1 and len(get_args(hint)) == 2:
            return inner[0], True
    return hint, False


def _unknown(
    function: Callable[..., Any], parameter: inspect.Parameter, hint: Any, mark: Implements | Consumes, sources: Sources
) -> str:
    handles = repr(mark.operation) if isinstance(mark, Implements) else mark.event.__name__
    known = [kind.__name__ for kind in (*sources.scoped, *sources.provided)]
    shown = getattr(hint, "__name__", str(hint))
    return (
        f"{name_of(function)}: parameter {parameter.name!r} of type {shown} cannot be provided for {handles}; "
        f"besides its message, Caller, Request and headers there are: {', '.join(sorted(known)) or 'nothing'} "
        "(declare a client in calls=, anything else in provides=)"
    )


def _bind_keywords(function: Callable[..., Any], getters: list[tuple[int | None, Getter, str]]) -> Handler:
    ordered = tuple(getter for position, getter, _ in getters if position is not None)
    named = tuple((name, getter) for position, getter, name in getters if position is None)
    return lambda request: function(
        *[getter(request) for getter in ordered], **{name: getter(request) for name, getter in named}
    )
