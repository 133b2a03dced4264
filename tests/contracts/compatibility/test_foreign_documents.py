"""Documents that other tools write: OpenAPI's defaults, references and shorthands mean what the specification says."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from atoll.contracts.compatibility import Change, Documents, compare
from atoll.contracts.compatibility.documents import only_subjects

FOREIGN: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "mail", "version": "1"},
    "components": {
        "parameters": {"Page": {"name": "page", "in": "query", "schema": {"type": "integer"}}},
        "requestBodies": {
            "Letter": {
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Letter"}},
                    "text/plain": {},
                }
            }
        },
        "responses": {"Sent": {"description": "it", "content": {"application/json": {"schema": {"type": "object"}}}}},
        "schemas": {
            "Letter": {
                "type": "object",
                "properties": {"to": {"type": "string"}, "text": {"type": "string"}},
                "required": ["to"],
            }
        },
    },
    "paths": {
        "/letters/{box}": {
            "summary": "A box",
            "parameters": [{"name": "box", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {
                "operationId": "list",
                "parameters": [{"$ref": "#/components/parameters/Page"}],
                "responses": {"200": {"$ref": "#/components/responses/Sent"}, "default": {"description": "wrong"}},
            },
            "post": {
                "requestBody": {"$ref": "#/components/requestBodies/Letter"},
                "responses": {"204": {"description": ""}},
            },
            "head": {},
        },
        "/letters/old": {"get": {"operationId": "old", "parameters": [{"$ref": "#/components/parameters/None"}]}},
    },
}
BOX = "/letters/{box}"
Edit = Callable[[dict[str, Any]], Any]


def changes(edit: Edit) -> list[Change]:
    new = copy.deepcopy(FOREIGN)
    edit(new)
    user = Documents("orders", calls={"mail": FOREIGN})
    return list(compare(Documents("mail", openapi=FOREIGN), Documents("mail", openapi=new), [user]))


def test_nothing_has_changed() -> None:
    assert changes(lambda _: None) == []


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda new: new["components"]["parameters"]["Page"].update(required=True), "request.page is required now"),
        (lambda new: new["paths"][BOX]["parameters"][0]["schema"].update(type="integer"), "path segment 2"),
        (lambda new: new["paths"][BOX].pop("get"), "operation list is not offered any more"),
        (lambda new: new["components"]["requestBodies"]["Letter"].update(required=True), "request is required now"),
        (
            lambda new: new["components"]["requestBodies"]["Letter"]["content"].pop("text/plain"),
            "request was text/plain and is application/json now",
        ),
        (lambda new: new["components"]["schemas"]["Letter"]["required"].append("text"), "request.text"),
        (lambda new: new["components"]["responses"]["Sent"].pop("content"), "reply was application/json and is empty"),
    ],
)
def test_what_breaks_is_seen_behind_references_and_defaults(edit: Edit, said: str) -> None:
    found = changes(edit)
    assert all(change.breaking and change.consumers == ("orders",) for change in found)
    assert {True} == {said in str(change) for change in found}


@pytest.mark.parametrize(
    "edit",
    [
        lambda new: new["paths"][BOX]["get"]["parameters"].append({"name": "q", "in": "query"}),
        lambda new: new["components"]["requestBodies"]["Letter"]["content"].update({"application/xml": {}}),
        lambda new: new["paths"][BOX].update(put={"responses": {"204": {"description": ""}}}),
        lambda new: new["paths"][BOX].update(description="more", servers=[]),
    ],
)
def test_what_is_added_breaks_nobody(edit: Edit) -> None:
    assert not [change for change in changes(edit) if change.breaking]


def test_of_another_tools_events_the_subject_is_known() -> None:
    events: dict[str, Any] = {
        "asyncapi": "3.0.0",
        "channels": {"mail.sent": {"messages": {"Sent": {"payload": {"type": "object"}}}}},
        "operations": {
            "send": {
                "action": "send",
                "channel": {"$ref": "#/channels/mail.sent"},
                "messages": [{"$ref": "#/channels/mail.sent/messages/Sent"}],
            },
            "odd": {"action": "send"},
        },
        "components": {"messages": {"Sent": {"payload": {"type": "object"}}}},
    }
    reader = only_subjects("orders", consumes=("mail.sent",))
    sends, silent = Documents("mail", asyncapi=events), Documents("mail")
    assert compare(sends, sends, [reader]) == ()
    (change,) = compare(sends, silent, [reader])
    assert change.breaking
    assert change.consumers == ("orders",)


def test_a_reference_in_a_circle_says_nothing() -> None:
    round_and_round = copy.deepcopy(FOREIGN)
    round_and_round["components"]["schemas"]["Letter"] = {"$ref": "#/components/schemas/Letter"}
    round_and_round["components"]["parameters"]["Page"] = {"$ref": "#/components/parameters/Page"}
    mail = Documents("mail", openapi=round_and_round)
    assert compare(mail, mail, ()) == ()


def test_who_may_call_can_be_said_once_for_all() -> None:
    (*found,) = changes(lambda new: new.update(security=[{"bearer": []}]))
    assert {change.path for change in found if change.breaking} == {"access"}
