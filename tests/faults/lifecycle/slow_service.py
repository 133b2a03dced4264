"""A service whose handlers take as long as a test wants: each waits until a file of its word is there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from atoll.contracts import PUBLIC, Api, Event, Input, Message, Operation
from atoll.data import Work
from atoll.service import Service, consumes, implements

LOOK_EVERY = 0.01  # seconds


class Word(Input):
    word: str


class Said(Message):
    word: str


class Told(Event, subject="slow.told", key="word"):
    word: str


class Slow(Api):
    wait = Operation("GET /wait/{word}", Word, Said, access=PUBLIC, deadline=60.0)
    tell = Operation("POST /tell", Word, Said, access=PUBLIC)


async def released(word: str) -> None:
    """Leaves a file that says that it waits; returns when the test has left another."""
    folder = Path(os.environ["SLOW_FOLDER"])
    (folder / f"{word}.begun").touch()
    while not (folder / f"{word}.go").exists():
        await asyncio.sleep(LOOK_EVERY)


@implements(Slow.wait)
async def wait(command: Word) -> Said:
    await released(command.word)
    return Said(command.word)


@implements(Slow.tell)
async def tell(command: Word, work: Work) -> Said:
    await work.publish(Told(command.word))
    return Said(command.word)


@consumes(Told)
async def hear(event: Told, work: Work) -> None:
    await work.fetchval("SELECT 1")
    await released(event.word)


service = Service("slow", handlers=[wait, tell, hear], publishes=[Told], migrations="tests.faults.lifecycle:none")
