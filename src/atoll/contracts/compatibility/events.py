"""What changed in the events that a service publishes and consumes.

Two releases publish side by side, and brokers and tables keep what was published. So events of one version have to fit in both
directions: what the new release writes, the old one's readers read; what is stored, the new contract reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from atoll.contracts.compatibility.changes import Change, Misfit
from atoll.contracts.compatibility.documents import EventDocument, consumed_in, published_in
from atoll.contracts.compatibility.fitting import Fitting

Events = Mapping[str, EventDocument]

CONSUMED = "consumed event "
_VERSION = (
    "keep the field as it is and add another; or raise the version, write an upcaster, and release the readers first"
)
_READERS = "release its readers first, with the new version and its upcaster"


def event_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """From the old AsyncAPI document to the new one."""
    before, after = published_in(old), published_in(new)
    for subject, event in before.items():
        if subject in after:
            yield from _changed(event, after[subject])
        else:
            yield _change(subject, "", "is not published any more", True, "publish it until nobody consumes it")
    for subject in after.keys() - before.keys():
        yield _change(subject, "", "is new", False)
    yield from _consumed(consumed_in(old), consumed_in(new))


def unread(consumed: Events, published: Events, publisher: str) -> Iterator[Change]:
    """What a consumer could not read of what is published."""
    for subject, reader in consumed.items():
        written = published.get(subject)
        if written is None or not written.version or not reader.version:
            continue
        for misfit in _misfits(written, reader, relied=True):
            here = f"does not fit version {written.version}, which {publisher} publishes"
            text = f"{here}: it {misfit.reason(old_writes=False)}"
            yield Change(f"{CONSUMED}{subject}", misfit.path, text, True, (), "release a reader that knows it")


def _changed(old: EventDocument, new: EventDocument) -> Iterator[Change]:
    subject = old.subject
    if old.key != new.key:
        reason = f"was {old.key} and is {new.key} now, so that the order of what is on its way is lost"
        yield _change(subject, "key", reason, True, "publish another event with the other key")
    if new.version < old.version:
        yield _change(subject, "", f"had version {old.version} and has {new.version} now", True, "versions only grow")
    elif new.version > old.version:
        yield from _raised(old, new)
    else:
        yield from _same_version(old, new)


def _same_version(old: EventDocument, new: EventDocument) -> Iterator[Change]:
    forward = list(_misfits(new, old, relied=True))
    backward = list(_misfits(old, new))
    reasons = {misfit.path: misfit.reason(old_writes=True) for misfit in backward}
    reasons |= {misfit.path: misfit.reason(old_writes=False) for misfit in forward}
    for path, reason in reasons.items():
        yield _change(old.subject, path, f"{reason} in version {old.version}", True, _VERSION)
    for misfit in _misfits(old, new, relied=True):
        if misfit.path not in reasons:
            yield _change(old.subject, misfit.path, misfit.reason(old_writes=True), False)


def _raised(old: EventDocument, new: EventDocument) -> Iterator[Change]:
    versions = f"versions {old.version} and {new.version}"
    yield _change(old.subject, "", f"has version {new.version} now, after {old.version}", False)
    for misfit in _misfits(new, old, relied=True):
        yield _change(old.subject, misfit.path, f"{misfit.reason(old_writes=False)}, from {versions}", True, _READERS)


def _consumed(before: Events, after: Events) -> Iterator[Change]:
    """A narrower reader: the publishers go on writing what the old one read."""
    for subject, old in before.items():
        new = after.get(subject)
        if new is None or not old.version or not new.version:
            continue
        for misfit in _misfits(old, new):
            reason = f"{misfit.reason(old_writes=True)}: what is on its way could not be read"
            yield Change(f"{CONSUMED}{subject}", misfit.path, reason, True, (), _VERSION)


def _misfits(written: EventDocument, read: EventDocument, *, relied: bool = False) -> Iterator[Misfit]:
    """Nothing, where an upcaster stands between the two: what it makes is not in any document; the fixtures judge it."""
    if written.version < read.version and _upcast(written.version, read):
        return
    if not read.version or not written.version:
        return
    yield from Fitting(written.components, read.components, relied=relied).misfits(written.data, read.data)


def _upcast(version: int, read: EventDocument) -> bool:
    return any(version <= one < read.version for one in read.upcasts)


def _change(subject: str, path: str, reason: str, breaking: bool, remedy: str = "") -> Change:
    return Change(f"event {subject}", path, reason, breaking, (), remedy)
