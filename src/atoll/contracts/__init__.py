"""What services rely on of each other: typed operations, events, errors, and the codec that carries them.

Its one type is `Operation`, the metadata of a request and its reply, grouped in an `Api`.
It is the ground: it must not import any other room.
"""

from atoll.contracts.errors import (
    BadGateway,
    BadRequest,
    Conflict,
    DeadlineExceeded,
    Error,
    FieldError,
    Forbidden,
    Internal,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Problem,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from atoll.contracts.events import Event, event_key
from atoll.contracts.ids import new_id, uuid7
from atoll.contracts.messages import Input, Message
from atoll.contracts.money import Amount, Currency, Money
from atoll.contracts.operations import (
    AUTHENTICATED,
    PUBLIC,
    Access,
    Api,
    Channel,
    Operation,
    RateLimit,
    Stream,
    Surface,
)
from atoll.contracts.upcasting import Raw, Upcaster, decoder_for_event, upcasts

__all__ = [
    "AUTHENTICATED",
    "PUBLIC",
    "Access",
    "Amount",
    "Api",
    "BadGateway",
    "BadRequest",
    "Channel",
    "Conflict",
    "Currency",
    "DeadlineExceeded",
    "Error",
    "Event",
    "FieldError",
    "Forbidden",
    "Input",
    "Internal",
    "Invalid",
    "Message",
    "MethodNotAllowed",
    "Money",
    "NotFound",
    "Operation",
    "Problem",
    "RateLimit",
    "Raw",
    "Stream",
    "Surface",
    "TooLarge",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "UnsupportedMediaType",
    "Upcaster",
    "decoder_for_event",
    "event_key",
    "new_id",
    "upcasts",
    "uuid7",
]
