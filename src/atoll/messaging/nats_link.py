"""One connection to NATS, from its beginning to its end; it never reconnects."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from itertools import count
from urllib.parse import urlsplit

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import APIError

from atoll.messaging.broker import DEDUPE_SECONDS, KEEP_DAYS, BrokerUnavailable

CONNECT_TIMEOUT = 3  # seconds
ACKNOWLEDGE_TIMEOUT = 5.0  # seconds
PING_EVERY = 5  # seconds; two without an answer and the connection counts as lost
NAME_IN_USE = 10058  # JetStream's error code for a stream that exists with another configuration


_BATCH, _SEQUENCE, _COMMIT = "Nats-Batch-Id", "Nats-Batch-Sequence", "Nats-Batch-Commit"
NO_BATCHES = 10174  # JetStream's error code for a stream that takes none
MOST_IN_BATCH = 256  # messages; JetStream takes 1,000
_TOKEN = re.compile(r"[\w-]+")  # what can be one word of a subject


class LinkError(Exception):
    """No connection: one line why."""


class PublishError(msgspec.Struct, frozen=True):
    """JetStream's error object."""

    code: int = 0
    description: str = ""
    err_code: int = 0


class PublishReply(msgspec.Struct, frozen=True):
    """JetStream's answer to a message. count: of a batch, how many were stored."""

    seq: int = 0
    count: int = 0
    error: PublishError | None = None


_decode_reply = msgspec.json.Decoder(PublishReply).decode


class Link:
    """A connection and the stream of the system behind it."""

    def __init__(self, stream: str, subjects: str, user: str = "") -> None:
        self.stream = stream
        self._inboxes = f"_INBOX.{user}" if _TOKEN.fullmatch(user) else "_INBOX"
        self.lost = asyncio.Event()
        self.client = Client()
        self.js: JetStreamContext = self.client.jetstream(timeout=ACKNOWLEDGE_TIMEOUT)
        self._subjects = subjects
        self._complaint = ""
        self.takes_batches = True
        self._inbox = f"{self.inbox()}."
        self._tokens = count()
        self._waiting: dict[str, asyncio.Future[PublishReply]] = {}
        self._ensuring: asyncio.Task[None] | None = None

    def inbox(self) -> str:
        """A new subject for answers; below the user's name, so that an account may be kept to its own."""
        return f"{self._inboxes}.{secrets.token_hex(12)}"

    @classmethod
    async def open(cls, servers: Sequence[str], system: str) -> Link:
        """Connects, and makes the system's stream if there is none; LinkError if that cannot be done now."""
        link = cls(f"{system}-events", f"{system}.*.>", urlsplit(servers[0]).username or "")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT + ACKNOWLEDGE_TIMEOUT):
                await link._connect(servers)
                await link.ensure_stream()
        except (nats.errors.Error, OSError, ValueError) as error:  # ValueError: a server that speaks something else
            await link.close()
            raise LinkError(f"{type(error).__name__}: {error}".splitlines()[0]) from None
        except BaseException:
            await link.close()
            raise
        return link

    async def close(self) -> None:
        """Disconnects; whoever still waits for an acknowledgement hears that there will be none."""
        self._end()
        if self._ensuring is not None:
            self._ensuring.cancel()
        await self.client.close()

    async def ping(self) -> None:
        """Raises unless the server answers."""
        if self.lost.is_set():
            raise BrokerUnavailable("the connection to the broker was lost")
        try:
            await self.client.flush(timeout=1)
        finally:
            self._end_if_closed()

    async def publish(self, subject: str, message_id: str, body: bytes) -> None:
        """Returns when JetStream has stored the message, or knows it already."""
        answer = await self._answered([(subject, body, {"Nats-Msg-Id": message_id})])
        if answer.error is not None:
            raise BrokerUnavailable(f"the broker did not take the message: {answer.error.description}")

    async def publish_batch(self, messages: Sequence[tuple[str, str, bytes]]) -> bool:
        """Stores all of them (subject, id, body), in this order, with one write to the disk; False if it stored none.

        It stores none if it knows one of them already, and where the stream takes no batches. A server before 2.12 stores them
        one by one: publish them again, for it knows them.
        """
        batch = secrets.token_hex(16)
        headers = [
            {"Nats-Msg-Id": id_, _BATCH: batch, _SEQUENCE: str(at)} for at, (_, id_, _) in enumerate(messages, 1)
        ]
        headers[-1][_COMMIT] = "1"
        answer = await self._answered(
            [(subject, body, header) for (subject, _, body), header in zip(messages, headers, strict=True)]
        )
        if answer.count == 0 and (answer.error is None or answer.error.err_code == NO_BATCHES):
            self.takes_batches = False  # a server that does not know batches stored them as single messages
        return answer.error is None and answer.count == len(messages)

    async def _answered(self, messages: Sequence[tuple[str, bytes, dict[str, str]]]) -> PublishReply:
        """JetStream's answer to the last of them; the others ask for none."""
        token = str(next(self._tokens))
        reply: asyncio.Future[PublishReply] = asyncio.get_running_loop().create_future()
        self._waiting[token] = reply
        try:
            async with asyncio.timeout(ACKNOWLEDGE_TIMEOUT):
                if self.lost.is_set():
                    raise BrokerUnavailable("the connection to the broker was lost")
                for subject, body, headers in messages[:-1]:
                    await self.client.publish(subject, body, headers=headers)
                subject, body, headers = messages[-1]
                await self.client.publish(subject, body, reply=self._inbox + token, headers=headers)
                return await reply
        except TimeoutError:
            why = f"the broker did not acknowledge within {ACKNOWLEDGE_TIMEOUT:g} s{self._complaint}"
            raise BrokerUnavailable(why) from None
        except nats.errors.Error as error:
            self._end_if_closed()
            raise BrokerUnavailable(f"the broker did not take the message: {type(error).__name__}: {error}") from None
        finally:
            self._waiting.pop(token, None)

    async def ensure_stream(self) -> None:
        """Makes the stream; one that exists stays as it is, and its operator may have changed it."""
        config = StreamConfig(
            name=self.stream,
            subjects=[self._subjects],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            max_age=KEEP_DAYS * 86_400,
            duplicate_window=DEDUPE_SECONDS,
            allow_direct=True,
            allow_atomic=True,  # servers before 2.12 pass it over, and then take messages one by one
        )
        try:
            await self.js.add_stream(config)
        except APIError as error:
            if error.err_code != NAME_IN_USE:
                raise

    async def _connect(self, servers: Sequence[str]) -> None:
        await self.client.connect(
            servers=list(servers),
            inbox_prefix=self._inboxes,
            allow_reconnect=False,
            connect_timeout=CONNECT_TIMEOUT,
            ping_interval=PING_EVERY,
            max_outstanding_pings=2,
            error_cb=self._complained,
            disconnected_cb=self._disconnected,
            closed_cb=self._disconnected,
        )
        await self.client.subscribe(self._inbox + "*", cb=self._replied)

    async def _complained(self, error: Exception) -> None:
        """The errors that matter end the link, which tells everyone who waits; a refusal ends only the wait for an answer."""
        self._complaint = f"; it says {error}" if "permissions violation" in str(error).lower() else ""

    async def _disconnected(self) -> None:
        self._end()

    def _end_if_closed(self) -> None:
        """The client closes itself in whichever task met the failure; a time limit there cuts it off before it says so."""
        if self.client.is_closed:
            self._end()

    def _end(self) -> None:
        self.lost.set()
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(BrokerUnavailable("the connection to the broker was lost"))

    async def _replied(self, message: Msg) -> None:
        reply = self._waiting.get(message.subject[len(self._inbox) :])
        if reply is None or reply.done():
            return
        if message.headers and message.headers.get("Status") == "503":
            reply.set_result(PublishReply(error=PublishError(503, "the stream is gone; it is being made again")))
            self._ensure_soon()
            return
        try:
            reply.set_result(_decode_reply(message.data))
        except msgspec.MsgspecError as error:
            reply.set_exception(BrokerUnavailable(f"the broker's answer makes no sense: {error}"))

    def _ensure_soon(self) -> None:
        if self._ensuring is None or self._ensuring.done():
            self._ensuring = asyncio.create_task(self._ensure_again(), name="broker: stream")

    async def _ensure_again(self) -> None:
        try:
            await self.ensure_stream()
        except (nats.errors.Error, OSError):
            self._end()  # the next link makes it
