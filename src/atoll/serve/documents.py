"""The documents that a service serves about itself: OpenAPI and AsyncAPI."""

from __future__ import annotations

from atoll.contracts.asyncapi import asyncapi
from atoll.contracts.codec import encode
from atoll.contracts.openapi import openapi
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
        found = asyncapi(service.name, service.version, service.publishes, consumed, system=system)
        documents["/asyncapi.json"] = encode(found)
    return documents
