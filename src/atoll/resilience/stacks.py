"""The default stacks, in order, with the reason for each place."""

from __future__ import annotations

from dataclasses import dataclass

from atoll.service import Stack


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """What a client's default stack does; see each field's file for its source."""

    in_flight: int = 1000
    attempts: int = 3


def server_stack(in_flight: int = 1000) -> Stack:
    """The layers around the handler of a server's operation; make one a service and share it."""
    raise NotImplementedError


def client_stack(policy: ClientPolicy) -> Stack:
    """The layers around a client's calls; make one a client, shared by all of its operations."""
    raise NotImplementedError
