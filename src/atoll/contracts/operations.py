"""Operations and the `Api` that groups them: what a service promises to its callers.

    class Payments(Api):
        charge = Operation("POST /charge", ChargeRequest, Charge, idempotent=True, deadline=2.0)

On the class `Payments.charge` is the operation itself; on a client it is the typed call: ``await payments.charge(request)``.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast, overload

from atoll.contracts.errors import Error
from atoll.contracts.fields import wire_names

Req = TypeVar("Req")
Rep = TypeVar("Rep")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

DEFAULT_DEADLINE = 5.0  # seconds; gRPC and Finagle: every call has a deadline
DEFAULT_BODY_LIMIT = 1_048_576  # bytes
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_ROUTE = re.compile(r"^(?P<method>[A-Z]+) (?P<path>/[^\s?#]*)$")
_PARAMETER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_SEGMENT = re.compile(r"^([A-Za-z0-9._~-]*|\{[a-z_][a-z0-9_]*\})$")


class Stream(Generic[T_co]):
    """A reply type: many ``T``, sent as they come (server-sent events). The handler is an async generator of ``T``."""

    def __init__(self) -> None:
        raise TypeError("Stream[T] is a reply type for Operation(...); write an async generator, don't make one")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call. Everything given must hold; ``public`` needs no caller at all.

    scopes: OAuth 2 scopes, all needed. roles: one of them is enough. peers: only these services (or "gateway") may call.
    trusted: these services may call whomever they speak for, without the rest: they answer for what they ask.
    """

    public: bool = False
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()


PUBLIC = Access(public=True)
AUTHENTICATED = Access()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``requests`` in ``per`` seconds for each caller (token bucket), enforced at the gateway."""

    requests: int
    per: float = 1.0


@dataclass(frozen=True, slots=True)
class Surface:
    """How an operation shows over HTTP, beyond its route. The defaults suit most."""

    status: int = 200
    location: str = ""  # such as "/orders/{id}": fields of the reply; sent as the Location header
    form: bool = False  # reads application/x-www-form-urlencoded instead of JSON (OAuth 2 needs it)
    body_limit: int = DEFAULT_BODY_LIMIT
    rate_limit: RateLimit | None = None
    cache_control: str = ""
    polled: bool = False  # programs ask all the time: a request without a trace begins none (but see ATOLL_TRACES_KEEP)


_WITHOUT_BODY = frozenset({204, 205, 304})  # RFC 9110, section 6.4.1


class Channel(Protocol):
    """What carries a client's calls (transport has one; tests bring their own)."""

    def call(self, operation: Operation[Any, Any], message: Any) -> Awaitable[Any]: ...

    def stream(self, operation: Operation[Any, Any], message: Any) -> AsyncIterator[Any]: ...


class BoundCall(Generic[Req, Rep]):
    """An operation on a client: call it."""

    __slots__ = ("_channel", "operation")

    def __init__(self, operation: Operation[Req, Rep], channel: Channel) -> None:
        self.operation = operation
        self._channel = channel

    @overload
    def __call__(self: BoundCall[None, Rep]) -> Awaitable[Rep]: ...

    @overload
    def __call__(self, request: Req) -> Awaitable[Rep]: ...

    def __call__(self, request: Any = None) -> Awaitable[Rep]:
        return self._channel.call(self.operation, request)

    @overload
    def stream(self: BoundCall[None, Stream[T]]) -> AsyncIterator[T]: ...

    @overload
    def stream(self: BoundCall[Req, Stream[T]], request: Req) -> AsyncIterator[T]: ...

    def stream(self, request: Any = None) -> AsyncIterator[Any]:
        """The items of a `Stream[T]` reply, as they come."""
        return self._channel.stream(self.operation, request)


class Operation(Generic[Req, Rep]):
    """One named request/reply.

    route: "METHOD /path/{parameter}". Fields of the request named in the path come from there; the others come from the
      query (GET, DELETE) or from the JSON body.
    request, reply: message types (``type(None)`` or None for nothing).
    idempotent: a repeat has no further effect, so that a failed call may be tried again. GET, PUT and DELETE are by HTTP.
    deadline: seconds a caller waits at the most (default 5).
    keyed: accepts an Idempotency-Key; a repeat with the same key gets the stored reply.
    """

    name: str
    api: type[Api]

    @overload
    def __init__(self: Operation[None, None], route: str, request: None, reply: None, *, idempotent: bool | None = ...,
                 deadline: float = ..., keyed: bool = ..., access: Access = ..., errors: tuple[type[Error], ...] = ...,
                 http: Surface = ..., summary: str = ...) -> None: ...  # fmt: skip

    @overload
    def __init__(self: Operation[None, Rep], route: str, request: None, reply: type[Rep], *, idempotent: bool | None = ...,
                 deadline: float = ..., keyed: bool = ..., access: Access = ..., errors: tuple[type[Error], ...] = ...,
                 http: Surface = ..., summary: str = ...) -> None: ...  # fmt: skip

    @overload
    def __init__(self: Operation[Req, None], route: str, request: type[Req], reply: None, *, idempotent: bool | None = ...,
                 deadline: float = ..., keyed: bool = ..., access: Access = ..., errors: tuple[type[Error], ...] = ...,
                 http: Surface = ..., summary: str = ...) -> None: ...  # fmt: skip

    @overload
    def __init__(self, route: str, request: type[Req], reply: type[Rep], *, idempotent: bool | None = ...,
                 deadline: float = ..., keyed: bool = ..., access: Access = ..., errors: tuple[type[Error], ...] = ...,
                 http: Surface = ..., summary: str = ...) -> None: ...  # fmt: skip

    def __init__(
        self,
        route: str,
        request: Any,
        reply: Any,
        *,
        idempotent: bool | None = None,
        deadline: float = DEFAULT_DEADLINE,
        keyed: bool = False,
        access: Access = AUTHENTICATED,
        errors: tuple[type[Error], ...] = (),
        http: Surface | None = None,
        summary: str = "",
    ) -> None:
        self.method, self.path, self.parameters = parse_route(route)
        self.request = request
        self.reply = reply
        _refuse_unknown_parameters(route, request, self.parameters)
        self.idempotent = self.method in {"GET", "PUT", "DELETE"} if idempotent is None else idempotent
        if deadline <= 0:
            raise TypeError(f"Operation({route!r}): deadline is {deadline} s; it must be more than 0")
        self.deadline = deadline
        self.keyed = keyed
        self.access = access
        self.errors = _by_code(route, errors)
        self.http = http or Surface()
        _refuse_impossible_status(route, self.http.status, reply)
        self.summary = summary
        self.name = ""

    def __set_name__(self, owner: type[Api], name: str) -> None:
        if not self.name:
            self.name, self.api = name, owner

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Operation[Req, Rep]: ...

    @overload
    def __get__(self, instance: Api, owner: type[Any]) -> BoundCall[Req, Rep]: ...

    def __get__(self, instance: Api | None, owner: type[Any]) -> Operation[Req, Rep] | BoundCall[Req, Rep]:
        if instance is None:
            return self
        return cast(BoundCall[Req, Rep], instance.bound_[self.name])

    @property
    def streams(self) -> bool:
        """Whether the reply is a `Stream[T]`."""
        return getattr(self.reply, "__origin__", None) is Stream

    @property
    def qualified(self) -> str:
        """``payments.charge``: the name in traces, stacks and documents."""
        return f"{self.api.service_}.{self.name}"

    def __repr__(self) -> str:
        return f"<Operation {self.name or '?'}: {self.method} {self.path}>"


class Api:
    """The operations of one service. Subclass it; the class's lower-case name is the service's name unless ``service`` is given.

    An instance is a client: it is made with a channel, by the framework or in a test.
    """

    service_: ClassVar[str] = ""
    operations_: ClassVar[tuple[Operation[Any, Any], ...]] = ()

    def __init_subclass__(cls, *, service: str | None = None) -> None:
        super().__init_subclass__()
        cls.service_ = service or cls.__name__.lower()
        cls.operations_ = tuple(value for value in vars(cls).values() if isinstance(value, Operation))
        _refuse_twins(cls)

    def __init__(self, channel: Channel) -> None:
        self.channel_ = channel
        self.bound_ = {operation.name: BoundCall(operation, channel) for operation in self.operations_}


@dataclass(frozen=True, slots=True)
class RouteShape:
    """A path with its parameters' names taken out, for comparing routes."""

    method: str
    path: str
    parameters: tuple[str, ...] = field(default=(), compare=False)


def route_shape(operation: Operation[Any, Any]) -> RouteShape:
    """What makes two routes the same to a router."""
    return RouteShape(operation.method, _PARAMETER.sub("{}", operation.path), operation.parameters)


def parse_route(route: str) -> tuple[str, str, tuple[str, ...]]:
    """("GET", "/orders/{id}", ("id",)) from "GET /orders/{id}"; a TypeError that says what is wrong otherwise."""
    found = _ROUTE.fullmatch(route)
    if found is None or found["method"] not in METHODS:
        raise TypeError(f"Operation({route!r}): a route is like 'POST /orders' or 'GET /orders/{{id}}'")
    path = found["path"]
    for segment in path.split("/")[1:]:
        if not _SEGMENT.fullmatch(segment):
            raise TypeError(f"Operation({route!r}): segment {segment!r} is neither plain text nor one {{parameter}}")
    parameters = tuple(_PARAMETER.findall(path))
    if len(set(parameters)) != len(parameters):
        raise TypeError(f"Operation({route!r}): a parameter appears twice")
    return found["method"], path, parameters


def _refuse_impossible_status(route: str, status: int, reply: Any) -> None:
    if not 200 <= status <= 399:
        raise TypeError(
            f"Operation({route!r}): the status of a reply is 200 to 399, not {status}; errors have their own"
        )
    if status in _WITHOUT_BODY and reply not in (None, type(None)):
        raise TypeError(f"Operation({route!r}): a reply with the status {status} has no body; write None for its type")


def _refuse_unknown_parameters(route: str, request: Any, parameters: tuple[str, ...]) -> None:
    known = wire_names(request)
    for parameter in parameters:
        if known is not None and parameter not in known:
            shown = getattr(request, "__name__", "nothing")
            raise TypeError(
                f"Operation({route!r}): the request ({shown}) has no field {parameter!r} for the path to fill"
            )


def _by_code(route: str, errors: tuple[type[Error], ...]) -> dict[str, type[Error]]:
    found: dict[str, type[Error]] = {}
    for error in errors:
        twin = found.setdefault(error.code, error)
        if twin is not error:
            raise TypeError(f"Operation({route!r}): {twin.__name__} and {error.__name__} share the code {error.code!r}")
    return found


def _refuse_twins(cls: type[Api]) -> None:
    seen: dict[RouteShape, str] = {}
    for operation in cls.operations_:
        twin = seen.setdefault(route_shape(operation), operation.name)
        if twin != operation.name:
            raise TypeError(
                f"{cls.__name__}: {twin} and {operation.name} have the same route {operation.method} {operation.path}"
            )
