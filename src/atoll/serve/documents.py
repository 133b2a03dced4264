"""The documents that a service serves about itself: OpenAPI and AsyncAPI."""

from __future__ import annotations

from atoll.contracts.asyncapi import asyncapi
from atoll.contracts.codec import encode
from atoll.contracts.openapi import openapi
from atoll.service import Service


def documents_of(service: Service, system: str) -> dict[str, bytes]:
    """By path: ``/openapi.json`` if it has operations, ``/asyncapi.json`` if it publishes or consumes events."""
    documents = {}
    if service.operations:
        documents["/openapi.json"] = encode(openapi(service.name, service.version, service.operations))
    if service.publishes or service.consumers:
        found = asyncapi(service.name, service.version, service.publishes, service.consumers, system=system)
        documents["/asyncapi.json"] = encode(found)
    return documents
