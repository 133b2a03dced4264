"""The defences, all of them. `short` mutants run by default, the others with ATOLL_MUTATIONS=all."""

from __future__ import annotations

from tests.mutations.event_sourcing import EVENT_SOURCING
from tests.mutations.inbox import INBOX
from tests.mutations.mutant import Mutant
from tests.mutations.outbox import OUTBOX
from tests.mutations.sagas import SAGAS

ROOMS: dict[str, tuple[Mutant, ...]] = {
    "Outbox": OUTBOX,
    "Inbox and consuming": INBOX,
    "Sagas": SAGAS,
    "Event sourcing and CQRS": EVENT_SOURCING,
}
MUTANTS = tuple(mutant for room in ROOMS.values() for mutant in room)
