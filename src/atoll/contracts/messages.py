"""Messages: what travels between services. Structs of msgspec; dataclasses and pydantic models are accepted too.

Two bases say how strict a reader is. `Input` is what a caller sends to an operation: an unknown field is an error, so that a
typo is not silently ignored. `Message` is what others read back (replies, parts of events): unknown fields are ignored, so
that two releases can run at once and messages grow additively.
"""

from __future__ import annotations

from typing import dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class FrozenMeta(msgspec.StructMeta):
    """Tells type checkers that structs of this family are frozen without saying so on each class."""


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Message(msgspec.Struct, metaclass=FrozenMeta, frozen=True):
    """A reply or a part of a message; readers ignore what they don't know."""


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Input(msgspec.Struct, metaclass=FrozenMeta, frozen=True, forbid_unknown_fields=True):
    """What a caller sends; an unknown field is refused, naming it."""
