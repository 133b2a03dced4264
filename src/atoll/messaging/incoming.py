"""A message as the consumer knows it, and how it becomes an event for a handler."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from atoll.contracts import Event, Upcaster, decoder_for_event
from atoll.contracts.policies import ConsumerPolicy, EventPolicy
from atoll.contracts.upcasting import DecodeEvent
from atoll.messaging.envelope import decode_envelope
from atoll.service import Handler
from atoll.service.tracing import Context, context_of
from atoll.telemetry.redaction import redacted, traceback_of


@dataclass(frozen=True, slots=True)
class Message:
    """What was delivered or parked. attempts: how often it was tried so far."""

    id: str
    key: str
    subject: str
    partition: int
    body: bytes
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message whose event could be decoded. event: what the handler gets; a list of one where it wants lists.

    together: of a lot, how many messages it is; links: where they come from, as far as they tell; origins: the headers of
    each, by its event's identity.
    """

    message: Message
    event: Any
    headers: Mapping[str, str]
    handler: Handler
    policy: EventPolicy
    together: int = 0
    links: tuple[Context, ...] = ()
    origins: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message was not handled. stack: with the innermost frames, at most 16 KiB."""

    attempts: int
    error: str
    stack: str


@dataclass(frozen=True, slots=True)
class _Route:
    decode: DecodeEvent[Any]
    handler: Handler
    policy: EventPolicy
    batched: bool


def lot_of(incomings: Sequence[Incoming], events: list[Any]) -> Incoming:
    """Several messages of one event as one. events: what the handler gets.

    A lot has many origins and no parent: its span links to those of all its messages.
    """
    origins = (context_of(one.headers.get("traceparent", "")) for one in incomings)
    links = tuple(context for context in origins if context is not None)
    headers = {id(one.event[0]): one.headers for one in incomings}
    return replace(incomings[0], event=events, headers={}, together=len(incomings), links=links, origins=headers)


class Undecodable(Exception):
    """The message is no event of its subject; trying again does not help."""


class Routes:
    """Which handler gets which event, and how; the decoders are made once, and read every version (see `upcasting`).

    batched: the events whose handlers want lists.
    """

    def __init__(
        self,
        subscriptions: Mapping[type[Event], Handler],
        *,
        policy: ConsumerPolicy | None = None,
        batched: Collection[type[Event]] = (),
        upcasters: Iterable[Upcaster] = (),
    ) -> None:
        self._routes: dict[str, _Route] = {}
        self._policy = policy or ConsumerPolicy()
        steps = tuple(upcasters)
        for event, handler in subscriptions.items():
            if event.subject_ in self._routes:
                raise TypeError(f"two events of the subject {event.subject_!r} are consumed; keep one")
            self._routes[event.subject_] = _Route(
                decoder_for_event(event, steps), handler, self._policy.of(event), event in batched
            )
        self.subjects = tuple(sorted(self._routes))
        self.batched = frozenset(event.subject_ for event in batched)

    def policy(self, subject: str) -> EventPolicy:
        """How messages of this subject are handled, even one that is not consumed any more."""
        route = self._routes.get(subject)
        return self._policy.event if route is None else route.policy

    def read(self, subject: str, partition: int, body: bytes) -> Incoming:
        """The event in the body; Undecodable if there is none."""
        if (route := self._routes.get(subject)) is None:
            known = ", ".join(self.subjects) or "none"
            raise Undecodable(
                f"no handler of this release consumes {subject} (it consumes: {known}); add one and redrive"
            )
        try:
            envelope = decode_envelope(body)
            event = route.decode(bytes(envelope.data), envelope.eventversion)
        except Exception as error:  # whatever a decoder raises: a message that nobody can read must not stop the others
            why = str(error)
            raise Undecodable(why if why.startswith(f"{subject} ") else f"{subject}: {why}") from error
        key = envelope.key if route.policy.ordered else envelope.id
        message = Message(envelope.id, key, subject, partition, body)
        given = [event] if route.batched else event
        return Incoming(message, given, envelope.headers(), route.handler, route.policy)


def failure_of(error: BaseException, attempts: int) -> Failure:
    """The error as it is shown with a dead letter: without what it repeats of a row or a secret."""
    text = redacted(str(error))
    stack = traceback_of(error)
    name = type(error).__name__
    return Failure(attempts, _clean(f"{name}: {text}" if text else name)[:2_000], _clean(stack)[-16_384:])


def _clean(text: str) -> str:
    return text.replace("\x00", "\\0")  # PostgreSQL's text holds everything but this
