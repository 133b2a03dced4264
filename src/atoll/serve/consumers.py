"""A service's consumer: its handlers, sagas and upcasters, and what is wrong with them, said before anything starts."""

from __future__ import annotations

from atoll.contracts import decoder_for_event
from atoll.serve.failure import CannotServe
from atoll.serve.sagas import consumed_events
from atoll.service import Service


def refuse_wrong_upcasters(service: Service) -> None:
    """CannotServe for two upcasters of one version."""
    for event in consumed_events(service):
        try:
            decoder_for_event(event, service.upcasters)
        except TypeError as error:
            raise CannotServe(f"Service(upcasters=...): {error}") from None
