"""Two releases of one service compared: what changed, what of it breaks somebody, and whom."""

from __future__ import annotations

from collections.abc import Iterable

from atoll.contracts.compatibility.changes import Change
from atoll.contracts.compatibility.documents import Documents, consumed_in, operations_in, published_in
from atoll.contracts.compatibility.events import CONSUMED, event_changes, unread
from atoll.contracts.compatibility.operations import operation_changes

Views = dict[str, Documents]


def compare(old: Documents, new: Documents, uses: Iterable[Documents] = ()) -> tuple[Change, ...]:
    """All changes from the old release to the new one: operations in the old document's order, then events.

    uses: the other services of the system, as they run. A breaking change bears the names of those whose own contracts rely
    on what it changes; one whose contracts nobody knows is named as soon as it uses the operation or the event.
    """
    others = [one for one in uses if one.service != new.service]
    changes = [*operation_changes(old.openapi, new.openapi), *event_changes(old.asyncapi, new.asyncapi)]
    callers, readers = _Callers(old, new, others), _Readers(old, new, others)
    return tuple(change if not change.breaking else _named(change, callers, readers) for change in changes)


def misread(service: Documents, others: Iterable[Documents]) -> tuple[Change, ...]:
    """What this release itself could not use of the others, as they run: operations that it calls, events that it consumes.

    The consumer of each change is the service itself.
    """
    changes: list[Change] = []
    for other in others:
        if other.service != service.service:
            changes += _calls(service, other)
            changes += unread(consumed_in(service.asyncapi), published_in(other.asyncapi), other.service)
    return tuple(change.used_by((service.service,)) for change in changes)


def _calls(service: Documents, other: Documents) -> list[Change]:
    view = service.calls.get(other.service)
    if not view or not other.openapi:
        return []
    remedy = f"release {other.service} first, or keep to what it offers now"
    return [
        Change(
            change.what, change.path, f"{change.reason} in the release of {other.service} that runs", True, (), remedy
        )
        for change in operation_changes(view, other.openapi)
        if change.breaking and not change.path.startswith("header ")  # what a handler demands stands in no contract
    ]


def _named(change: Change, callers: _Callers, readers: _Readers) -> Change:
    kind, _, name = change.what.partition(" ")
    if change.what.startswith(CONSUMED):
        return change.used_by((readers.service,))
    return change.used_by(callers.of(name, change.path) if kind == "operation" else readers.of(name, change.path))


class _Callers:
    """Who calls the service, and what breaks between their view of it and either release."""

    def __init__(self, old: Documents, new: Documents, others: Iterable[Documents]) -> None:
        self._views = {one.service: one.calls[new.service] for one in others if new.service in one.calls}
        self._hit: dict[str, set[tuple[str, str]]] = {}
        for name, view in self._views.items():
            self._hit[name] = {
                (change.what, change.path)
                for release in (old, new)
                for change in operation_changes(view, release.openapi)
                if change.breaking and view
            }

    def of(self, operation: str, path: str) -> tuple[str, ...]:
        """Those who call the operation and rely on that part of it."""
        return tuple(name for name, view in self._views.items() if not view or self._relies(name, operation, path))

    def _relies(self, name: str, operation: str, path: str) -> bool:
        known = operation in operations_in(self._views[name])
        if path.startswith("header "):
            return known
        return known and (f"operation {operation}", path) in self._hit[name]


class _Readers:
    """Who consumes the service's events, and what breaks between their view and either release."""

    def __init__(self, old: Documents, new: Documents, others: Iterable[Documents]) -> None:
        self.service = new.service
        self._views = {one.service: consumed_in(one.asyncapi) for one in others}
        releases = [published_in(release.asyncapi) for release in (old, new)]
        self._hit = {
            name: {
                (change.what.rpartition(" ")[2], change.path) for sent in releases for change in unread(view, sent, "")
            }
            for name, view in self._views.items()
        }

    def of(self, subject: str, path: str) -> tuple[str, ...]:
        """Those who consume the event and rely on that part of it."""
        return tuple(
            name for name, view in self._views.items() if subject in view and self._relies(name, subject, path)
        )

    def _relies(self, name: str, subject: str, path: str) -> bool:
        whole = not path or path == "key"
        return whole or not self._views[name][subject].version or (subject, path) in self._hit[name]
