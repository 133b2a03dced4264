"""One difference between two releases, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """What differs between the old release and the new one.

    what: ``operation orders.place`` or ``event order.created``. path: the part of it, such as ``request.items[].sku``; empty
    for the whole. reason: one clause, from the old to the new. breaking: whether somebody who relies on the old one may
    fail; otherwise the change is additive. consumers: who in the system would break. remedy: what to do instead.
    """

    what: str
    path: str
    reason: str
    breaking: bool
    consumers: tuple[str, ...] = ()
    remedy: str = ""

    def used_by(self, consumers: tuple[str, ...]) -> Change:
        """The same, with whom it breaks."""
        return replace(self, consumers=consumers)

    def __str__(self) -> str:
        where = f"{self.what}: {self.path}" if self.path else self.what
        text = f"{where} {self.reason}"
        if not self.breaking:
            return text
        whom = " and ".join(self.consumers) or "nobody in the system is known to use it"
        text += f"; would break {whom}" if self.consumers else f"; {whom}"
        return f"{text}; {self.remedy}" if self.remedy else text


@dataclass(frozen=True, slots=True)
class Misfit:
    """Where what is written does not fit what is read.

    rule: "required", "removed", "unknown", or the part of the schema that differs ("type", "maximum", ...).
    written, read: that part on either side; None where there is none.
    """

    path: str
    rule: str
    written: Any = None
    read: Any = None

    def reason(self, *, old_writes: bool) -> str:
        """In words, from the old release to the new one. old_writes: the old one is who writes."""
        match self.rule:
            case "required":
                return _required(old_writes, known=bool(self.written))
            case "removed":
                return "is new, and may be left out" if old_writes else "is removed"
            case "unknown":
                return "is removed, and unknown fields are refused" if old_writes else "is new"
        old, new = (self.written, self.read) if old_writes else (self.read, self.written)
        if old is None:
            return f"has a {self.rule} now: {_shown(new)}"
        return f"has no {self.rule} any more (it was {_shown(old)})" if new is None else _was(self.rule, old, new)


def _required(old_writes: bool, *, known: bool) -> str:
    if old_writes:
        return "is required now" if known else "is new and required"
    return "may be left out now" if known else "is removed"


def _was(rule: str, old: Any, new: Any) -> str:
    name = "" if rule == "type" else f"has another {rule}: it "
    return f"{name}was {_shown(old)} and is {_shown(new)} now"


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value))
    return value if isinstance(value, str) else repr(value)
