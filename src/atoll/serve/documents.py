"""The documents that a service serves about itself: OpenAPI and AsyncAPI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from atoll.contracts.asyncapi import asyncapi
from atoll.contracts.codec import encode
from atoll.contracts.openapi import openapi
from atoll.data.migrations import MigrationError, locate
from atoll.serve.failure import CannotServe
from atoll.serve.handlers import refuse_gaps
from atoll.serve.load import load_service
from atoll.serve.relied import relied_on
from atoll.serve.sagas import consumed_events
from atoll.service import Service
from atoll.service.plan import required_headers


def documents_of(service: Service, system: str) -> dict[str, bytes]:
    """By path: ``/openapi.json`` if it has operations, ``/asyncapi.json`` if it publishes or consumes events."""
    documents = {}
    if service.operations:
        demands = {operation: required_headers(handler) for operation, handler in service.operations.items()}
        documents["/openapi.json"] = encode(openapi(service.name, service.version, demands, demands=demands))
    consumed = consumed_events(service)
    if service.publishes or consumed:
        found = asyncapi(
            service.name, service.version, service.publishes, consumed, system=system, upcasters=service.upcasters
        )
        documents["/asyncapi.json"] = encode(found)
    return documents


def describe_release(target: str, values: Mapping[str, str]) -> dict[str, Any]:
    """What a release keeps of its service: {"service", "version", "documents": {"openapi.json": {...}}, "migrations": folder}.

    values: the environment (ATOLL_SYSTEM names the source of events). migrations: "" if it has none. CannotServe, one line, for
    what `atoll serve` would refuse.
    """
    service = load_service(target)
    refuse_gaps(service)
    documents = documents_of(service, values.get("ATOLL_SYSTEM", "local"))
    try:
        migrations = str(locate(service.migrations)) if service.migrations else ""
    except MigrationError as error:
        raise CannotServe(str(error)) from None
    return {
        "service": service.name,
        "version": service.version,
        "documents": {
            **{path.lstrip("/"): json.loads(document) for path, document in documents.items()},
            **relied_on(service),
        },
        "migrations": migrations,
    }
