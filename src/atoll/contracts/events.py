"""Events: facts that a service publishes, with a subject such as ``order.created`` and a version.

    class OrderCreated(Event, subject="order.created", version=1, key="order_id"):
        order_id: OrderId
        total: Amount

The key orders: events with one key are handled one after the other. It is the first field unless ``key`` names another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar, dataclass_transform

import msgspec

SUBJECT = re.compile(r"^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+$")
MAX_SUBJECT = 128


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class EventMeta(msgspec.StructMeta):
    """Lets a class statement carry the event's subject, version and key."""

    def __new__(
        mcls: type[EventMeta],
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        subject: str | None = None,
        version: int | None = None,
        key: str | None = None,
        **config: Any,
    ) -> Any:
        cls: Any = super().__new__(mcls, name, bases, namespace, **config)
        if subject is not None:
            _describe(cls, subject, 1 if version is None else version, key)
        elif version is not None or key is not None:
            raise TypeError(f"{name}: a version or a key goes with a subject; write subject='...' too")
        return cls


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Event(msgspec.Struct, metaclass=EventMeta, frozen=True):
    """A fact. Immutable; its readers ignore fields that they don't know."""

    subject_: ClassVar[str] = ""
    version_: ClassVar[int] = 1
    key_: ClassVar[str] = ""
    key_of_: ClassVar[Callable[[Any], Any]]


def event_key(event: Event) -> str:
    """The ordering key of an event, as text."""
    return str(type(event).key_of_(event))


def _describe(cls: type[Event], subject: str, version: int, key: str | None) -> None:
    if not SUBJECT.fullmatch(subject) or len(subject) > MAX_SUBJECT:
        raise TypeError(
            f"{cls.__name__}: subject {subject!r} is not like 'order.created' (lower-case words joined by dots)"
        )
    if version < 1:
        raise TypeError(f"{cls.__name__}: version is {version}; versions count from 1")
    fields = cls.__struct_fields__
    if not fields:
        raise TypeError(f"{cls.__name__} has no fields; an event needs at least the key that it is ordered by")
    key = key or fields[0]
    if key not in fields:
        raise TypeError(f"{cls.__name__}: key {key!r} is not one of its fields: {', '.join(fields)}")
    cls.subject_, cls.version_, cls.key_ = subject, version, key
    cls.key_of_ = attrgetter(key)
