"""The AsyncAPI document is valid, and its payloads are what travels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest

import shop_contracts
from atoll.contracts import Event
from atoll.contracts.asyncapi import asyncapi

OFFICIAL = json.loads((Path(__file__).parent / "asyncapi" / "3.0.0.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(OFFICIAL)


class Paid(Event, subject="order.paid", version=1, key="order_id"):
    """An order is paid.

    More for developers.
    """

    order_id: UUID
    amount: int


class PaidTwo(Event, subject="order.paid", version=2):
    order_id: UUID
    amount: int
    currency: str


class Seen(Event, subject="page.seen"):
    page: str


DOCUMENT = asyncapi("shop", "1.2.3", [Paid, PaidTwo], [Seen, Paid], system="demo")


def problems(document: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(document)]


def test_the_document_is_valid_asyncapi_3_0() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    assert problems(DOCUMENT) == []
    assert problems(asyncapi("empty", "1", [], [])) == []


def test_the_shops_documents_are_valid() -> None:
    events = [one for one in vars(shop_contracts).values() if isinstance(one, type) and issubclass(one, Event)]
    assert len(events) >= 6
    assert problems(asyncapi("orders", "1", events, events, system="shop")) == []


def test_the_validator_does_refuse() -> None:
    broken = json.loads(json.dumps(DOCUMENT))
    broken["operations"]["publish.order.paid.v1"]["action"] = "shout"
    assert problems(broken)


def resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_every_reference_leads_somewhere() -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [one for value in node.values() for one in references(value)]
        return [one for value in node for one in references(value)] if isinstance(node, list) else []

    assert references(DOCUMENT)
    for reference in references(DOCUMENT):
        assert resolve(reference)


def test_what_is_published_is_sent_and_what_is_consumed_is_received() -> None:
    assert {name: one["action"] for name, one in DOCUMENT["operations"].items()} == {
        "publish.order.paid.v1": "send",
        "publish.order.paid.v2": "send",
        "consume.page.seen.v1": "receive",
        "consume.order.paid.v1": "receive",
    }


def test_versions_of_an_event_share_a_channel() -> None:
    assert set(DOCUMENT["channels"]["order.paid"]["messages"]) == {"order.paid.v1", "order.paid.v2"}


def envelope(**changed: Any) -> dict[str, Any]:
    data = {"order_id": "00000000-0000-0000-0000-000000000001", "amount": 1}
    sent = {
        "specversion": "1.0",
        "id": "1",
        "source": "/demo/shop",
        "type": "order.paid",
        "subject": "1",
        "eventversion": 1,
    }
    return {**sent, "data": data, **changed}


def refused(message: dict[str, Any]) -> bool:
    schema = {**DOCUMENT["components"]["messages"]["order.paid.v1"]["payload"], "components": DOCUMENT["components"]}
    return not jsonschema.Draft202012Validator(schema).is_valid(message)


def test_the_payload_describes_the_envelope_and_the_event() -> None:
    assert not refused(envelope())
    assert refused(envelope(type="order.created"))
    assert refused(envelope(source="/demo/other"))
    assert refused(envelope(eventversion=2))
    assert refused(envelope(data={"amount": 1}))
    assert refused({name: value for name, value in envelope().items() if name != "id"})


def test_a_message_is_summed_up_by_its_docstring() -> None:
    message = DOCUMENT["components"]["messages"]["order.paid.v1"]
    assert (message["name"], message["summary"], message["x-ordering-key"]) == ("Paid", "An order is paid.", "order_id")
    assert "An order is paid." in DOCUMENT["components"]["schemas"]["Paid"]["description"]


def test_two_events_with_one_subject_and_version_are_refused() -> None:
    class Other(Event, subject="order.paid"):
        order_id: UUID

    with pytest.raises(TypeError, match=r"Paid and Other are both order\.paid\.v1; raise the version of one"):
        asyncapi("shop", "1", [Paid], [Other])


def test_an_event_without_a_subject_is_refused() -> None:
    class Nameless(Event):
        order_id: UUID

    with pytest.raises(TypeError, match="Nameless has no subject"):
        asyncapi("shop", "1", [Nameless], [])


def test_events_are_components_beside_the_envelope() -> None:
    assert set(DOCUMENT["components"]["schemas"]) == {"CloudEvent", "Paid", "PaidTwo", "Seen"}
