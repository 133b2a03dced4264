"""One name a thing: the gateway's process is called ``gateway`` on the screen. (In JSON it keeps its kind, ``envoy``.)"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.system import Service, System

_SHOWN = {"envoy": "gateway"}
_KINDS = {shown: kind for kind, shown in _SHOWN.items()}


def shown(name: str) -> str:
    """How the screen calls a process or a log."""
    return _SHOWN.get(name, name)


def kind(name: str) -> str:
    """The name in JSON and of files, of one that a person may have typed either way."""
    return _KINDS.get(name, name)


def require_known(wanted: Iterable[str], known: Iterable[str]) -> None:
    """Trouble if one of the names is not there."""
    known = list(known)
    for name in wanted:
        if kind(name) not in known:
            raise Trouble(f"there is no {name!r}; known are {', '.join(map(shown, known)) or 'none'}")


def service_named(system: System, name: str) -> Service:
    """The service of that name; Trouble that lists the others if there is none."""
    try:
        return system.service(name)
    except KeyError:
        known = ", ".join(one.name for one in system.services) or "none"
        raise Trouble(f"there is no service {name!r}; known are {known}") from None
