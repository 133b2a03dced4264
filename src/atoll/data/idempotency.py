"""The layer that answers a repeated request with the reply of the first one (IETF draft "Idempotency-Key", Stripe)."""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from atoll.contracts import Conflict, FieldError, Invalid, Operation
from atoll.contracts.codec import decoder_for, encode, encoder_for
from atoll.data.database import Database
from atoll.data.postgres import Row
from atoll.data.retention import IDEMPOTENCY_HOURS
from atoll.data.work import Work
from atoll.service import Handler, Layer, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
WAIT_SHARE = 0.8  # of what is left to a request: how long it waits for a twin that is at work
MAX_WAIT = 30.0  # seconds, for a request without a deadline
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_CLAIM = f"""
INSERT INTO atoll.idempotency AS stored (operation, subject, key, fingerprint) VALUES ($1, $2, $3, $4)
ON CONFLICT (operation, subject, key) DO UPDATE SET fingerprint = $4, reply = NULL, headers = NULL, stored_at = now()
WHERE stored.stored_at < now() - interval '{IDEMPOTENCY_HOURS} hours'
"""  # noqa: S608 - constants
_STORED = "SELECT fingerprint, reply, headers FROM atoll.idempotency WHERE operation = $1 AND subject = $2 AND key = $3"
_STORE = "UPDATE atoll.idempotency SET reply = $4, headers = $5 WHERE operation = $1 AND subject = $2 AND key = $3"
_headers = msgspec.json.Decoder(dict[str, str])
Claim = tuple[str, str, str]  # operation, subject, key


def idempotent_replies(database: Database, operation: Operation[Any, Any]) -> Layer:
    """Stores the reply to a request with an ``idempotency-key`` header and gives it to repeats, for 24 hours.

    Goes inside of `transactional`, and opens a unit of work by itself where there is none: reply and state commit together.
    A key belongs to the caller's subject and the operation. The same key with another message is `Invalid`; a twin of
    a request that is at work waits for it within its deadline, and is a `Conflict` after that. Failures are not stored.
    """
    encode_reply, decode_reply = encoder_for(operation.reply), _decoder(operation)

    def layer(handler: Handler) -> Handler:
        async def handle(request: Request) -> Any:
            claim = _claim(request, operation)
            if claim is None:
                return await handler(request)
            async with _unit(database, request) as work:
                fingerprint = hashlib.sha256(encode(request.message)).digest()
                if not await _claimed(work, request, claim, fingerprint):
                    return _replay(request, await work.fetchrow(_STORED, *claim), fingerprint, decode_reply)
                reply = await handler(request)
                headers = msgspec.json.encode(request.reply_headers).decode() if request.reply_headers else None
                await work.execute(_STORE, *claim, encode_reply(reply), headers)
                return reply

        return handle

    return layer


def _decoder(operation: Operation[Any, Any]) -> Any:
    if operation.streams:
        raise TypeError(f"{operation!r} streams its reply, which cannot be stored; take keyed=True away")
    if operation.reply is None or operation.reply is type(None):
        return lambda _: None
    return decoder_for(operation.reply)


def _claim(request: Request, operation: Operation[Any, Any]) -> Claim | None:
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if _KEY.fullmatch(key) is None:
        what = "must be 1 to 255 visible ASCII characters"
        raise Invalid(f"the header {HEADER} {what}", fields=[FieldError(f"header:{HEADER}", what)])
    caller = request.caller
    subject = "" if caller is None else caller.subject or f"peer:{caller.peer}"
    return operation.qualified, subject, key


@asynccontextmanager
async def _unit(database: Database, request: Request) -> AsyncIterator[Work]:
    if (open_already := request.scope.get(Work)) is not None:
        yield open_already
        return
    async with database.work() as work:
        request.scope[Work] = work
        yield work


async def _claimed(work: Work, request: Request, claim: Claim, fingerprint: bytes) -> bool:
    """Whether this request is the first; waits while another transaction holds the key."""
    try:
        async with asyncio.timeout(min(MAX_WAIT, request.remaining() * WAIT_SHARE)):
            return await work.execute(_CLAIM, *claim, fingerprint) == "INSERT 0 1"
    except TimeoutError:
        raise Conflict(
            "a request with this idempotency-key is still being handled; ask again", headers={"retry-after": "1"}
        ) from None


def _replay(request: Request, stored: Row | None, fingerprint: bytes, decode: Any) -> Any:
    if stored is None or stored["reply"] is None:
        raise Conflict("the request with this idempotency-key has just been forgotten; send it again")
    if stored["fingerprint"] != fingerprint:
        what = "was used with another message; a new request needs a new key"
        raise Invalid(f"the header {HEADER} {what}", fields=[FieldError(f"header:{HEADER}", what)])
    if stored["headers"]:
        request.reply_headers.update(_headers.decode(stored["headers"]))
    request.reply_headers[REPLAYED] = "true"
    return decode(stored["reply"])
