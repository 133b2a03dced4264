from __future__ import annotations

import asyncio
import json
import logging

import pytest
from tests.security.issuing import KEY, OTHER_KEY, Clock, Published

from atoll.contracts import Unavailable
from atoll.security import PrivateKey, RemoteKeys
from atoll.security.remote_keys import FRESH, REFETCH_WAIT, RETRY_WAIT, read_keys

URL = "http://auth/.well-known/jwks.json"


async def test_keys_are_fetched_once_for_many_at_a_time() -> None:
    published = Published(KEY)
    keys = RemoteKeys(URL, published.fetch, Clock())
    found = await asyncio.gather(*(keys.get(KEY.kid) for _ in range(20)))
    assert all(key is not None for key in found)
    assert published.fetched == 1


async def test_a_new_key_is_found() -> None:
    clock, published = Clock(), Published(KEY)
    keys = RemoteKeys(URL, published.fetch, clock)
    await keys.get(KEY.kid)
    published.keys.append(OTHER_KEY)
    clock.now += REFETCH_WAIT
    assert await keys.get(OTHER_KEY.kid) is not None


async def test_made_up_key_ids_cannot_hammer_the_issuer() -> None:
    clock, published = Clock(), Published(KEY)
    keys = RemoteKeys(URL, published.fetch, clock)
    for number in range(1000):
        clock.now += 0.01
        assert await keys.get(f"made-up-{number}") is None
    assert published.fetched <= 1 + 10 / REFETCH_WAIT


async def test_known_keys_work_while_the_issuer_is_away(caplog: pytest.LogCaptureFixture) -> None:
    clock, published = Clock(), Published(KEY)
    keys = RemoteKeys(URL, published.fetch, clock)
    await keys.get(KEY.kid)
    published.away = True
    clock.now += FRESH + 1
    with caplog.at_level(logging.WARNING):
        assert await keys.get(KEY.kid) is not None
        assert await keys.get("unknown") is None
    assert "cannot be fetched" in caplog.text


async def test_keys_are_refreshed_behind_the_callers_back() -> None:
    clock, published = Clock(), Published(KEY)
    keys = RemoteKeys(URL, published.fetch, clock)
    await keys.get(KEY.kid)
    published.keys = [OTHER_KEY]
    clock.now += FRESH + 1
    assert await keys.get(KEY.kid) is not None
    assert await keys.get(OTHER_KEY.kid) is not None
    assert await keys.get(KEY.kid) is None


async def test_an_issuer_that_was_never_there_is_asked_again_soon() -> None:
    clock, published = Clock(), Published(KEY)
    published.away = True
    keys = RemoteKeys(URL, published.fetch, clock)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await keys.get(KEY.kid)
    assert published.fetched == 1
    published.away = False
    clock.now += RETRY_WAIT
    assert await keys.get(KEY.kid) is not None


async def test_a_reply_without_keys_does_not_take_the_keys_away(caplog: pytest.LogCaptureFixture) -> None:
    clock, published = Clock(), Published(KEY)
    keys = RemoteKeys(URL, published.fetch, clock)
    await keys.get(KEY.kid)
    published.keys = []
    clock.now += REFETCH_WAIT
    assert await keys.get("unknown") is None
    assert await keys.get(KEY.kid) is not None


async def test_a_caller_who_leaves_does_not_stop_the_fetch() -> None:
    answer = asyncio.Event()

    async def fetch(_: str) -> bytes:
        await answer.wait()
        return json.dumps({"keys": [KEY.public_jwk()]}).encode()

    keys = RemoteKeys(URL, fetch, Clock())
    first = asyncio.create_task(keys.get(KEY.kid))
    second = asyncio.create_task(keys.get(KEY.kid))
    await asyncio.wait({first, second}, timeout=0)
    first.cancel()
    await asyncio.wait({first})
    answer.set()
    assert await second is not None


async def test_closing_ends_a_fetch() -> None:
    async def never(_: str) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    keys = RemoteKeys(URL, never, Clock())
    waiting = asyncio.create_task(keys.get("any"))
    await asyncio.wait({waiting}, timeout=0)
    await keys.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await keys.close()


def test_only_keys_for_es256_signatures_are_read() -> None:
    good = KEY.public_jwk()
    others = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "o"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "r"},
        {**good, "kid": "e", "use": "enc"},
        {**good, "kid": "a", "alg": "ES384"},
        {**good, "kid": "c", "crv": "P-384"},
        {**good, "kid": ""},
        {**good, "kid": 1},
        {**good, "kid": "p", "x": "AAAA"},
        {**good, "kid": "q", "x": good["y"]},
        {**good, "kid": "s", "x": 7},
        {name: value for name, value in good.items() if name != "y"},
    ]
    assert set(read_keys(json.dumps({"keys": [*others, good]}).encode())) == {KEY.kid}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 1}', b"<html>"])
def test_what_is_no_jwks_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_keys(body)


def test_a_private_key_shows_itself_only_when_asked() -> None:
    key = PrivateKey.generate()
    secret = json.loads(key.text())["d"]
    assert secret not in repr(key)
    assert "d" not in key.public_jwk()
    assert PrivateKey(key.text()).kid == key.kid
