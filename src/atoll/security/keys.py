"""When a signing key is next, current, retired and gone. Pure: times come in, decisions go out.

A key is *next* while it is published and does not sign yet, *current* while it signs, *retired* while tokens that it
signed may still live. Only ``signs_from`` is ever stored, so that any number of instances agree without talking: the
current key is the youngest one that may sign, and all else follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from atoll.security.joserfc import PrivateKey

KeyState = Literal["next", "current", "retired", "gone"]


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """All in seconds.

    signs: how long a key signs. ahead: how long it is published before that; longer than any verifier keeps keys.
    token_lifetime: how long its tokens live. leeway: how much longer a verifier may accept them.
    """

    signs: float = 7 * 86400.0
    ahead: float = 3600.0
    token_lifetime: float = 600.0
    leeway: float = 60.0

    def __post_init__(self) -> None:
        if min(self.signs, self.ahead, self.token_lifetime) <= 0 or self.leeway < 0:
            raise ValueError("a rotation's times are more than 0 seconds")
        if self.ahead >= self.signs:
            raise ValueError(
                f"a key is published {self.ahead:g} s ahead and signs for {self.signs:g} s; it must sign longer"
            )


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key and its place in the row. generation: counts from 1, and is what makes two instances' keys collide.

    signs_from: seconds since 1970.
    """

    generation: int
    signs_from: float
    key: PrivateKey

    @property
    def kid(self) -> str:
        """Its name in token headers."""
        return self.key.kid


@dataclass(frozen=True, slots=True)
class Successor:
    """The key that is to be made: its place and when it begins to sign."""

    generation: int
    signs_from: float


class SigningKeys:
    """All keys of an issuer, at any time."""

    def __init__(self, keys: Iterable[SigningKey], policy: RotationPolicy) -> None:
        self._keys = tuple(sorted(keys, key=lambda key: key.generation))
        self._policy = policy

    def current(self, now: float) -> SigningKey | None:
        """The key that signs now; None before the first one was made.

        The first key signs even if its time has not come by this clock: another instance's clock made it.
        """
        signing = [key for key in self._keys if key.signs_from <= now]
        return (signing or self._keys[:1] or (None,))[-1]

    def state(self, key: SigningKey, now: float) -> KeyState:
        """What may be done with the key now."""
        if key.signs_from > now:
            return "next"
        successor = next((one for one in self._keys if one.generation > key.generation and one.signs_from <= now), None)
        if successor is None:
            return "current"
        last_token = successor.signs_from + self._policy.token_lifetime + self._policy.leeway
        return "retired" if now <= last_token else "gone"

    def published(self, now: float) -> tuple[SigningKey, ...]:
        """The keys that a verifier needs: next, current and retired."""
        return tuple(key for key in self._keys if self.state(key, now) != "gone")

    def gone(self, now: float) -> tuple[SigningKey, ...]:
        """The keys that nobody needs any more."""
        return tuple(key for key in self._keys if self.state(key, now) == "gone")

    def wanted(self, now: float) -> Successor | None:
        """The key that must be made now, if any: the first one at once, any other ``ahead`` of its use."""
        if not self._keys:
            return Successor(1, now)
        youngest = self._keys[-1]
        due = youngest.signs_from + self._policy.signs
        if now < due - self._policy.ahead:
            return None
        return Successor(youngest.generation + 1, max(due, now + self._policy.ahead))
