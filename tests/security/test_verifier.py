from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey
from tests.security.issuing import KEY, NOW, OTHER_KEY, Clock, Published, token, verifier, with_header

from atoll.contracts import Unauthenticated, Unavailable


async def refusal(text: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as refused:
        await verifier(Published(KEY)).verify(text)
    return refused.value


async def test_a_good_token_gives_its_caller() -> None:
    caller = await verifier(Published(KEY)).verify(token(aud=["other", "shop"]))
    assert (caller.subject, caller.peer) == ("u1", "")
    assert caller.scopes == {"orders:read", "orders:write"}
    assert caller.roles == {"user"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": NOW - 6}, "expired"),
        ({"exp": None}, "lacks a claim"),
        ({"exp": "soon"}, "wrong type"),
        ({"exp": True}, "wrong type"),
        ({"nbf": NOW + 6}, "not valid yet"),
        ({"iss": "someone"}, "another issuer"),
        ({"iss": None}, "lacks a claim"),
        ({"aud": "bank"}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"aud": "shopping"}, "another audience"),
        ({"aud": None}, "lacks a claim"),
        ({"sub": ""}, "no subject"),
        ({"sub": None}, "lacks a claim"),
        ({"scope": ["all"]}, "wrong type"),
        ({"roles": "admin"}, "wrong type"),
    ],
)
async def test_claims_that_do_not_hold_are_refused(changes: dict[str, Any], why: str) -> None:
    error = await refusal(token(**changes))
    assert why in error.detail
    assert 'error="invalid_token"' in error.headers["www-authenticate"]


async def test_clocks_may_differ_a_little() -> None:
    caller = await verifier(Published(KEY)).verify(token(exp=NOW - 4, nbf=NOW + 4))
    assert caller.subject == "u1"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"alg": "none", "kid": KEY.kid}, "algorithm"),
        ({"alg": "None", "kid": KEY.kid}, "algorithm"),
        ({"alg": "HS256", "kid": KEY.kid}, "algorithm"),
        ({"alg": "RS256", "kid": KEY.kid}, "algorithm"),
        ({"alg": "es256", "kid": KEY.kid}, "algorithm"),
        ({"kid": KEY.kid}, "header"),
        ({"alg": "ES256"}, "kid"),
        ({"alg": "ES256", "kid": 7}, "header"),
        ({"alg": "ES256", "kid": "x" * 201}, "kid"),
        ({"alg": "ES256", "kid": "unknown"}, "a key that its issuer does not have"),
        ({"alg": "ES256", "kid": KEY.kid, "crit": ["b64"], "b64": False}, "critical"),
        ({"alg": "ES256", "kid": KEY.kid, "more": 1}, "signature"),
        ([], "header"),
        (b"\xff", "header"),
        (b"[" * 4000, "header"),
    ],
)
async def test_headers_that_are_not_ours_are_refused(header: Any, why: str) -> None:
    assert why in (await refusal(with_header(header, token()))).detail


async def test_an_unsigned_token_is_refused() -> None:
    header, payload, _ = token().split(".")
    for text in (f"{header}.{payload}.", with_header({"alg": "none"}, f"{header}.{payload}.")):
        assert (await refusal(text)).status == 401


async def test_the_public_key_is_no_shared_secret() -> None:
    """The classic confusion: HS256 with the published key as the secret."""
    secret = OctKey.import_key(json.dumps(KEY.public_jwk()).encode())
    payload = json.dumps({"iss": "shop-auth", "aud": "shop", "sub": "root", "exp": NOW + 60}).encode()
    forged = jws.serialize_compact({"alg": "HS256", "kid": KEY.kid}, payload, secret, algorithms=["HS256"])
    assert "algorithm" in (await refusal(forged)).detail


async def test_another_key_under_our_kid_is_refused() -> None:
    forged = with_header({"alg": "ES256", "kid": KEY.kid, "typ": "JWT"}, token(OTHER_KEY))
    assert "signature" in (await refusal(forged)).detail


async def test_a_changed_payload_is_refused() -> None:
    header, _, signature = token().split(".")
    _, payload, _ = token(sub="admin").split(".")
    assert "signature" in (await refusal(f"{header}.{payload}.{signature}")).detail


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c.d", "..", "a" * 8193, "é.é.é", "\udcff.b.c"])
async def test_what_is_no_token_is_refused(text: str) -> None:
    error = await refusal(text)
    error.headers["www-authenticate"].encode("ascii")


@given(st.text(max_size=300))
async def test_no_text_makes_anything_but_a_refusal(text: str) -> None:
    await refusal(text)


async def test_a_good_token_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    published = Published(KEY)
    tokens = verifier(published)
    text = token()
    first = await tokens.verify(text)
    published.away = True
    monkeypatch.setattr("atoll.security.joserfc.PublicKey.verified", lambda *_: None)
    assert await tokens.verify(text) is first


async def test_a_remembered_token_still_expires() -> None:
    clock = Clock()
    tokens = verifier(Published(KEY), clock)
    text = token(exp=NOW + 10)
    await tokens.verify(text)
    clock.now += 14.9
    await tokens.verify(text)
    clock.now += 0.1
    with pytest.raises(Unauthenticated, match="expired"):
        await tokens.verify(text)


async def test_no_more_tokens_are_remembered_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.security.verifier.REMEMBERED", 2)
    tokens = verifier(Published(KEY))
    for subject in ("a", "b", "c"):
        await tokens.verify(token(sub=subject))
    assert len(tokens._good) == 2


async def test_without_keys_it_is_not_the_callers_fault() -> None:
    published = Published(KEY)
    published.away = True
    with pytest.raises(Unavailable, match="keys"):
        await verifier(published).verify(token())
