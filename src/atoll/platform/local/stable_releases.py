"""What each service runs at the start: its stable release, which must be there, or the working tree once that is wished for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from atoll.platform.local.ledger import Ledger
from atoll.platform.local.programs import TREE, Programs
from atoll.platform.release import Shelf
from atoll.system import Service, System, Trouble


def require_known(system: System, names: Iterable[str]) -> None:
    """Trouble for a name that no service has."""
    known = [service.name for service in system.services]
    for name in names:
        if name not in known:
            raise Trouble(f"--dev {name}: there is no service {name!r}; known are {', '.join(known) or 'none'}")


def forget_stable(ledger: Ledger, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(service, what was done) for each that had a stable release; all of them run the working tree from now on."""
    for name in names:
        if release := ledger.forget_stable(name):
            yield name, f"runs the working tree; its stable release was {release}"


def require_stable(system: System, ledger: Ledger, programs: Programs, shelf: Shelf) -> None:
    """Trouble, with a way out, if a stable release is not there any more: before anything is started."""
    found = [line for service in system.services for line in _missing(service, ledger, programs, shelf)]
    if found:
        raise Trouble(found[0], tuple(found[1:]))


def _missing(service: Service, ledger: Ledger, programs: Programs, shelf: Shelf) -> Iterator[str]:
    release = ledger.state.stable.get(service.name, TREE)
    try:
        programs.of(service, release)
    except Trouble as trouble:
        what = "is gone from the shelf" if _gone(shelf, service.name, release) else f"cannot be run ({trouble})"
        yield (
            f"{service.name}: its stable release {release} {what}; "
            f"'atoll up --dev {service.name}' runs the working tree instead"
        )


def _gone(shelf: Shelf, service: str, release: str) -> bool:
    try:
        return shelf.find(service, release) is None
    except Trouble:
        return False
