"""Why a service gave up at its start, in the words of system.py: the node and the field to correct."""

from __future__ import annotations

import re
from collections.abc import Iterable

from atoll.system import Service

_GAVE_UP = re.compile(r"^atoll (?:serve|migrate) \S+: (?P<reason>.+)$")
_REFERENCE = ("there is no module ", "has no attribute ", "is of type ", "is not like ")


def refusal(service: Service, said: Iterable[str]) -> str:
    """``system.py:19: Service 'payments': ...``, from the last line with which its process gave up; empty if there is none."""
    reasons = [found for line in said if (found := _reason(service, line))]
    return f"{service.place}: Service {service.name!r}: {reasons[-1]}" if reasons else ""


def _reason(service: Service, line: str) -> str:
    if service.asgi:
        begin = f"{service.asgi}: "
        return f"asgi={service.asgi!r}: {line.removeprefix(begin)}" if line.startswith(begin) else ""
    found = _GAVE_UP.match(line) if service.serve else None
    return _in_the_models_words(service, found["reason"]) if found is not None else ""


def _in_the_models_words(service: Service, reason: str) -> str:
    """What a service alone can only ask of its environment is a field of the model here."""
    what, _, _ = reason.partition(";")
    if not service.database and "ATOLL_DATABASE_URL" in reason:
        return f"{what}; add database=True"
    if not service.events and "ATOLL_BROKER_URL" in reason:
        return f"{what}; add events=True"
    if any(sign in what for sign in _REFERENCE):
        return f"serve={service.serve!r}: {what}; correct serve= or source="
    return reason
