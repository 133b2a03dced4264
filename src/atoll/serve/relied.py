"""What a release relies on, as documents beside OpenAPI and AsyncAPI: those that it calls, and its database."""

from __future__ import annotations

from typing import Any

from atoll.contracts.openapi import openapi
from atoll.data.described import describe_database
from atoll.data.migrations import MigrationError
from atoll.serve.failure import CannotServe
from atoll.service import Service


def relied_on(service: Service) -> dict[str, dict[str, Any]]:
    """By file name: ``calls.json``, {service: its OpenAPI as this release's contracts have it}; ``database.json``, its SQL.

    Each only if there is something to say. CannotServe names a revision that cannot be read.
    """
    views = {api.service_: openapi(api.service_, service.version, api.operations_) for api in service.calls}
    try:
        database = describe_database(service)
    except MigrationError as error:
        raise CannotServe(str(error)) from None
    found = {"calls.json": views, "database.json": {"version": service.version, **database} if database else {}}
    return {name: document for name, document in found.items() if document}
