"""The written record of a run: which processes there are, so that whoever comes next can end them."""

from __future__ import annotations

import asyncio
import signal

from atoll.platform.local.folder import Folder, Recorded, State
from atoll.platform.local.identity import Identity, is_alive, marked
from atoll.platform.local.process import MARK, end
from atoll.platform.local.programs import TREE
from atoll.platform.rollout.journal import FolderJournal, Journal, readable
from atoll.system import Trouble

SERVICE = "service"
_GRACE = 10.0  # seconds for what an earlier run left
_STOP_SIGNALS = {"postgres": signal.SIGINT}  # its fast shutdown; SIGTERM waits for its clients


class Ledger:
    """The state in memory and on disk."""

    def __init__(self, folder: Folder, state: State) -> None:
        self.folder = folder
        self.state = state

    def save(self) -> None:
        self.folder.write_state(self.state)

    def settle(self, service: str, release: str) -> None:
        """That release is the service's stable one, and stays it through a power cut. Trouble leaves the one before."""
        before = dict(self.state.stable)
        self.state.stable[service] = release
        try:
            self.folder.write_state(self.state, durable=True)
        except BaseException:
            self.state.stable = before
            raise

    def forget_stable(self, service: str) -> str:
        """The service runs the working tree from now on; the release that it ran, empty if there was none."""
        release = self.state.stable.pop(service, "")
        if release:
            self.folder.write_state(self.state, durable=True)
        return release

    def record(self, name: str, kind: str, identity: Identity | None) -> None:
        """Write the process down; None takes it out."""
        if identity is None:
            known = self.state.processes.pop(name, None)
            if known is None:
                return
        else:
            self.state.processes[name] = Recorded(kind, identity)
        self.save()


def open_ledger(folder: Folder) -> tuple[Ledger, str]:
    """The ledger, and a line to tell when the state file was damaged or is lost.

    Then it begins anew (a damaged one is kept), and the journals of the rollouts say what is stable.
    """
    if not folder.has_state():
        return _anew(folder, "state.json is lost: it is made anew")
    try:
        return Ledger(folder, folder.read_state()), ""
    except Trouble:
        aside = folder.put_state_aside()
        ledger, told = _anew(folder, f"state.json was damaged: it is made anew (the old one is {aside})")
        return ledger, told or f"state.json was damaged: it is made anew (the old one is {aside}); no data is lost"


def _anew(folder: Folder, why: str) -> tuple[Ledger, str]:
    """A ledger that knows the journals' stable releases. On the disk at once: the next command must not guess again."""
    stable, told = stable_by_journals(FolderJournal(folder.rollouts))
    ledger = Ledger(folder, State(stable=stable))
    if stable:
        folder.write_state(ledger.state, durable=True)
    return ledger, f"{why}; no data is lost; {told}" if told else ""


def stable_by_journals(journal: Journal) -> tuple[dict[str, str], str]:
    """Each service's stable release as its newest readable rollout has it, and a line that says which; empty: none had any."""
    stable, told = {}, []
    for service in journal.services():
        if (newest := next(readable(journal, service), None)) is None:
            continue
        release = newest.settled
        told.append(f"{service} runs {release} (its rollout {newest.number})")
        if release != TREE:
            stable[service] = release
    return stable, f"as the journals have it, {', '.join(told)}" if told else ""


async def end_leftovers(ledger: Ledger) -> int:
    """End what an earlier supervisor left: services first, then the parts; how many there were. The data stays."""
    state = ledger.state
    left = [record for record in state.processes.values() if is_alive(record.identity)]
    services = [record for record in left if record.kind == SERVICE]
    parts = [record for record in left if record.kind != SERVICE]
    for group in (services, parts):
        await asyncio.gather(*(_end(record) for record in group))
    unknown = await end_marked(ledger.folder)
    if state.processes or state.supervisor or state.control:
        state.processes, state.supervisor, state.control = {}, None, ""
        ledger.save()
    return len(left) + unknown


async def end_marked(folder: Folder) -> int:
    """End every process that bears this folder's mark: what is in no record (a child that left its group, say)."""
    found = await asyncio.to_thread(marked, MARK, str(folder.path))
    await asyncio.gather(*(end(identity, signal.SIGTERM, _GRACE) for identity in found))
    return len(found)


async def _end(record: Recorded) -> None:
    await end(record.identity, _STOP_SIGNALS.get(record.kind, signal.SIGTERM), _GRACE)
