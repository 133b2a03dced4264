"""A document that somebody wrote by hand, and wrongly, is one line that says where."""

from __future__ import annotations

from typing import Any

import pytest

from atoll.platform.gate.contract import contract_of
from atoll.system import Trouble


@pytest.mark.parametrize(
    ("openapi", "place"),
    [
        ({"paths": []}, "$.paths"),
        ({"paths": None}, "$.paths"),
        ({"paths": {"/a": []}}, "$.paths[...]"),
        ({"paths": {"/a": {"get": []}}}, "$.paths[...].get"),
        ({"paths": {"/a": {"get": {"parameters": {}}}}}, "$.paths[...].get.parameters"),
        ({"paths": {"/a": {"get": {"responses": []}}}}, "$.paths[...].get.responses"),
        ({"paths": {"/a": {"get": {"operationId": 3}}}}, "$.paths[...].get.operationId"),
        ({"paths": {"/a": {"put": {"requestBody": {"content": 1}}}}}, "$.paths[...].put.requestBody.content"),
        ({"components": []}, "$.components"),
        ({"security": "bearer"}, "$.security"),
    ],
)
def test_openapi(openapi: dict[str, Any], place: str) -> None:
    with pytest.raises(Trouble) as caught:
        contract_of({"openapi.json": openapi}, "mail")
    assert str(caught.value).startswith("mail: openapi.json: Expected")
    assert f"at `{place}`; mend the document" in str(caught.value)


@pytest.mark.parametrize(
    "asyncapi", [{"operations": []}, {"operations": {"a": 1}}, {"operations": {"a": {"messages": [1]}}}]
)
def test_asyncapi(asyncapi: dict[str, Any]) -> None:
    with pytest.raises(Trouble, match=r"mail: asyncapi\.json: Expected"):
        contract_of({"asyncapi.json": asyncapi}, "mail")
