"""A service with a projection: it runs with the service, readers wait for what they wrote, health shows how far it is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from atoll.contracts import PUBLIC, Api, Event, Input, Message, Operation
from atoll.data import Connection, Database, EventStore, Projection, Stored, migrate, projects
from atoll.serve import CannotServe
from atoll.serve.assemble import Running, assemble
from atoll.serve.environment import Environment
from atoll.service import Service, implements
from atoll.testing import PostgresServer
from atoll.transport.http.client.httptools import HttptoolsClient


class Said(Event, subject="word.said", key="word"):
    word: str


class Say(Input):
    word: str


class Words(Message):
    count: int


class Talk(Api):
    say = Operation("POST /words", Say, Words, access=PUBLIC)
    count = Operation("GET /words", None, Words, access=PUBLIC)


events = EventStore([Said])


@projects(Said)
async def note(stored: Stored[Said], model: Connection) -> None:
    await model.execute("INSERT INTO words (word) VALUES ($1)", stored.event.word)


class WordList(Projection, name="words", handlers=[note], tables=["words"]):
    """All words."""

    async def count(self) -> int:
        async with self.database.connection() as connection:
            found: int = await connection.fetchval("SELECT count(*) FROM words")
        return found


@implements(Talk.say)
async def say(command: Say, database: Database, words: WordList) -> Words:
    async with database.work() as work:
        position = await events.append(work, f"word-{command.word}", [Said(command.word)], expected=0)
    await words.wait_for(position)
    return Words(await words.count())


@implements(Talk.count)
async def count(words: WordList) -> Words:
    await words.caught_up()
    return Words(await words.count())


service = Service("talk", handlers=[say, count], projections=[WordList], migrations="somewhere:else")


def environment(url: str) -> Environment:
    return Environment(port=0, database_url=url, drain_wait=0)


@pytest.fixture
async def url(database_url: str) -> str:
    database = Database(database_url, service="talk")
    await database.start()
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE words (word text PRIMARY KEY)")
    await database.stop()
    return database_url


async def ask(running: Running, method: str, path: str, body: object = None) -> Any:
    http = HttptoolsClient()
    try:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"} if content else {}
        reply = await http.send(method, running.url + path, headers, content, timeout=10)
        return json.loads(reply.body)
    finally:
        await http.close()


async def test_writers_and_readers_of_any_instance_see_what_was_written(url: str) -> None:
    first, second = (assemble(service, environment(url), {}) for _ in range(2))
    await first.start()
    await second.start()
    try:
        for number, at in enumerate((first, second, first, second), start=1):
            assert await ask(at, "POST", "/words", {"word": f"w{number}"}) == {"count": number}
        assert await ask(first, "GET", "/words") == await ask(second, "GET", "/words") == {"count": 4}
        await first.stop()  # whichever of them it was that did the work: the other one does it now
        assert await ask(second, "POST", "/words", {"word": "last"}) == {"count": 5}
    finally:
        await first.stop()
        await second.stop()


async def test_health_tells_how_far_it_is(url: str) -> None:
    running = assemble(service, environment(url), {})
    await running.start()
    try:
        await ask(running, "POST", "/words", {"word": "a"})
        report = await ask(running, "GET", "/health/ready")
        assert report["checks"]["projection words"] == {"status": "up"}
    finally:
        await running.stop()


async def test_it_starts_while_the_database_is_away_and_becomes_ready() -> None:
    with PostgresServer() as server:
        url = server.create_database()
        await migrate(url, Service("talk"))
        server.stop()
        running = assemble(service, environment(url), {})
        await running.start()
        try:
            assert (await running.health.ready()).status == "down"
            server.start()
            async with asyncio.timeout(30):
                while not (await running.health.ready()).up:
                    await asyncio.sleep(0.05)
        finally:
            await running.stop()


class Nameless(Projection):
    """Has no name."""


class Twin(Projection, name="words", handlers=[note]):
    """Shares a name."""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([Nameless], "is no projection"),
        ([object], "is no projection"),
        ([WordList, Twin], "two projections are named 'words'"),
    ],
)
async def test_what_is_no_projection_is_one_line(url: str, wrong: list[type], message: str) -> None:
    broken = Service("talk", projections=wrong, migrations="somewhere:else")
    running = assemble(broken, environment(url), {})
    with pytest.raises(CannotServe, match=message):
        await running.start()
    await running.stop()


def test_a_projection_needs_a_database() -> None:
    with pytest.raises(CannotServe, match="needs a database"):
        assemble(Service("talk", projections=[WordList]), environment(""), {})
