from __future__ import annotations

import base64
import json

import pytest
from tests.security.issuing import AUDIENCE, ISSUER, KEY, NOW, Clock, Published, verifier

from atoll.security import SigningKey, TokenIssuer
from atoll.service import Caller

SIGNING = SigningKey(1, NOW, KEY)


async def test_what_is_issued_is_accepted() -> None:
    issued = TokenIssuer(ISSUER, AUDIENCE, 600, Clock()).issue(SIGNING, "u1", {"b", "a"}, ["user"])
    caller = await verifier(Published(KEY)).verify(issued.text)
    assert caller == Caller("u1", frozenset({"a", "b"}), frozenset({"user"}))
    assert issued.expires_in == 600
    assert issued.text not in repr(issued)


def test_a_token_says_all_that_the_gateway_reads() -> None:
    issued = TokenIssuer(ISSUER, AUDIENCE, 600, Clock()).issue(SIGNING, "u1", {"b", "a"}, ["user", "admin"])
    payload = issued.text.split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert said.pop("jti")
    assert said == {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "iat": NOW, "exp": NOW + 600, "scope": "a b",
        "roles": ["admin", "user"], "roles_text": "admin user",
    }  # fmt: skip


def test_a_token_without_a_life_is_refused() -> None:
    with pytest.raises(ValueError, match="0 s"):
        TokenIssuer(ISSUER, AUDIENCE, 0)
