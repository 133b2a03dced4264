"""Aggregates: plain classes whose state is what their events made of it.

    class Order(Aggregate[OrderId], stream="order", snapshot_every=100):
        status: str = "new"
        paid: int = 0

        @classmethod
        def place(cls, order_id: OrderId, lines: Lines) -> Order:
            order = cls(order_id)
            order.record(OrderPlaced(order_id, lines))
            return order

        def pay(self, amount: int) -> None:
            if self.status != "placed":
                raise Conflict(f"the order is {self.status}")
            self.record(OrderPaid(self.id, amount))

        @applies(OrderPaid)
        def _paid(self, event: OrderPaid) -> None:
            self.status, self.paid = "paid", event.amount

Methods decide and `record`; what `applies` an event only sets the state: it asks no clock, no other object, and refuses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, TypeVar

from atoll.contracts import Event, Upcaster
from atoll.data.event_types import EventTypes, UnreadableEvent
from atoll.data.postgres import Row

Id = TypeVar("Id")
A = TypeVar("A")
E = TypeVar("E", bound=Event)
Apply = Callable[[A, E], None]
_MARK = "__atoll_applies__"
_OWN = frozenset({"id", "version", "snapshot_at", "_recorded"})
_SHARED = (list, dict, set, bytearray)


def applies(event: type[E]) -> Callable[[Apply[A, E]], Apply[A, E]]:
    """Marks the method that changes the state as this event says; a type checker sees that it takes that event."""

    def mark(function: Apply[A, E]) -> Apply[A, E]:
        setattr(function, _MARK, event)
        return function

    return mark


class Aggregate(Generic[Id]):
    """Base of aggregates. State is annotated attributes with defaults (which snapshots hold), set by what `applies` events.

    stream: what the names of its streams begin with (default: the class's name in lower case). upcasters: for older
    versions of its events. snapshot_every: events between two snapshots; 0 (default): none. snapshot_version: raise it when
    events are applied in another way, so that older snapshots are not used any more.

    id: given when it is made. version: the number of its last stored event; 0 for a new one.
    """

    stream_: ClassVar[str] = ""
    types_: ClassVar[EventTypes] = EventTypes(())
    appliers_: ClassVar[dict[type[Event], Callable[[Any, Any], None]]] = {}
    snapshot_every_: ClassVar[int] = 0
    snapshot_version_: ClassVar[int] = 1

    def __init_subclass__(
        cls,
        *,
        stream: str = "",
        upcasters: Iterable[Upcaster] = (),
        snapshot_every: int = 0,
        snapshot_version: int = 1,
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)
        cls.stream_ = stream or cls.__name__.lower()
        cls.appliers_ = _appliers(cls)
        cls.types_ = EventTypes(cls.appliers_, upcasters)
        cls.snapshot_every_ = snapshot_every
        cls.snapshot_version_ = snapshot_version
        _refuse_shared_state(cls)

    def __init__(self, identity: Id) -> None:
        self.id = identity
        self.version = 0
        self.snapshot_at = 0
        self._recorded: list[Event] = []

    def record(self, event: Event) -> None:
        """Applies the event, and keeps it until the aggregate is saved. TypeError if nothing applies it."""
        apply = self.appliers_.get(type(event))
        if apply is None:
            name, kind = type(self).__name__, type(event).__name__
            raise TypeError(f"{name} does not apply {kind}; write a method with @applies({kind})")
        apply(self, event)
        self._recorded.append(event)

    @property
    def recorded(self) -> tuple[Event, ...]:
        """Events that are not saved yet."""
        return tuple(self._recorded)

    @classmethod
    def stream_of(cls, identity: Id) -> str:
        """The name of its stream: ``order-17``."""
        return f"{cls.stream_}-{identity}"

    def saved(self, version: int) -> None:
        """Called by `save`: all that was recorded is stored, up to this version."""
        self.version = version
        self._recorded.clear()

    def replay(self, rows: Iterable[Row]) -> None:
        """Called by `load`: applies stored events (rows with number, subject, version, data and stream), in order."""
        event_of, appliers = self.types_.event_of, self.appliers_
        version = self.version
        for row in rows:
            event = event_of(row)
            version += 1
            if row["number"] != version:
                raise UnreadableEvent(f"stream {row['stream']}: event {version} is missing; restore it from a backup")
            appliers[type(event)](self, event)
        self.version = version

    def undeclared(self, declared: Iterable[str]) -> list[str]:
        """State that is set on the object but neither declared nor its own: a snapshot would lose it."""
        return sorted(vars(self).keys() - _OWN - set(declared))


def _appliers(cls: type[Aggregate[Any]]) -> dict[type[Event], Callable[[Any, Any], None]]:
    """By event, the methods that apply it; a subclass's one stands for its base's."""
    found: dict[type[Event], Callable[[Any, Any], None]] = {}
    for base in reversed(cls.__mro__):
        here: dict[type[Event], str] = {}
        for name, value in vars(base).items():
            event = getattr(value, _MARK, None)
            if event is None:
                continue
            if event in here:
                raise TypeError(
                    f"{base.__name__}.{here[event]} and {base.__name__}.{name} both apply {event.__name__}; keep one"
                )
            here[event] = name
            found[event] = value
    return found


def _refuse_shared_state(cls: type) -> None:
    for name, value in vars(cls).items():
        if isinstance(value, _SHARED) and not name.endswith("_"):
            raise TypeError(
                f"{cls.__name__}.{name} is a {type(value).__name__} that all aggregates would share; "
                "use an immutable default, such as () or a frozen dataclass"
            )
