"""A small system of two services, one behind the other, with as many releases as a test wants: copies of its files."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyreqwest.client import Client, ClientBuilder

from atoll.platform.local.folder import Folder
from atoll.platform.local.options import Options
from atoll.platform.local.programs import Program, TreePrograms
from atoll.platform.local.supervisor import Supervisor
from atoll.system import Service, Trouble
from atoll.system.load import load_system

SYSTEM = """
from atoll.contracts import RateLimit
from atoll.system import Gateway, Nats, Postgres, Route, Service, System
from duo_contracts import Back, Front

system = System(
    "duo",
    services=(
        Service("front", serve="duo_front:service", source="front", offers=(Front,), calls=("back",)),
        Service("back", serve="duo_back:service", source="back", offers=(Back,), database=True, events=True),
    ),
    gateway=Gateway(port=8080, rate_limit=RateLimit(1_000_000), routes=(Route(Front), Route(Back))),
    postgres=Postgres(),
    broker=Nats(),
)
"""

CONTRACTS = """
from atoll.contracts import Access, Api, Event, Message, Operation

class Said(Message):
    release: str

class Noted(Event, subject="duo.noted", version=1, key="name"):
    name: str

class Note(Message):
    name: str

class Back(Api):
    say = Operation("GET /back", None, Said, access=Access(public=True), idempotent=True)
    note = Operation("POST /back", Note, Said, access=Access(public=True), idempotent=True)

class Front(Api):
    ask = Operation("GET /front", None, Said, access=Access(public=True), idempotent=True)
"""

FRONT = """
from atoll.service import Service, implements
from duo_contracts import Back, Front, Said

@implements(Front.ask)
async def ask(back: Back) -> Said:
    return await back.say()

service = Service("front", handlers=(ask,), calls=(Back,), version="0.1.0")
"""

BACK = """
import os, sys, time
from atoll.data import Work
from atoll.service import Service, consumes, implements
from duo_contracts import Back, Note, Noted, Said

RELEASE = os.environ.get("ATOLL_RELEASE", "dev")
BEHAVIOUR = ""
asked = 0

if "serve" in sys.argv and BEHAVIOUR == "crash at start":
    raise SystemExit("this release is broken")
if "serve" in sys.argv and BEHAVIOUR == "never ready":
    time.sleep(600)

async def answer() -> Said:
    global asked
    asked += 1
    if BEHAVIOUR == "fail" and asked % 2:
        raise RuntimeError("every second one fails")
    if BEHAVIOUR == "die" and asked % 20 == 0:
        os._exit(3)
    return Said(RELEASE)

@implements(Back.say)
async def say() -> Said:
    return await answer()

@implements(Back.note)
async def note(command: Note, work: Work) -> Said:
    await work.publish(Noted(command.name))
    return Said(RELEASE)

@consumes(Noted)
async def noted(event: Noted, work: Work) -> None:
    await work.execute("INSERT INTO notes (name, release) VALUES ($1, $2)", event.name, RELEASE)

service = Service(
    "back", handlers=(say, note, noted), publishes=(Noted,), migrations="duo_back_data:migrations", version="0.1.0"
)
"""

MIGRATION = '''"""Notes."""

from alembic import op

revision = "back_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE notes (name text, release text)")
'''
FAILING_MIGRATION = (
    MIGRATION.replace("back_0001", "back_0002")
    .replace("= None", '= "back_0001"', 1)
    .replace("CREATE TABLE notes (name text, release text)", "ALTER TABLE nothing ADD COLUMN more text")
)


@dataclass
class Copies:
    """Implements `Programs`: a release is a copy of all files, made by `add`."""

    root: Path
    known: dict[str, Path] = field(default_factory=dict)

    def add(self, release: str, behaviour: str = "") -> Path:
        """A release that differs from the tree in that it behaves so."""
        folder = self.root.parent / f"release-{release}"
        shutil.copytree(self.root, folder, ignore=shutil.ignore_patterns(".atoll", "__pycache__"))
        code = folder / "back/src/duo_back.py"
        code.write_text(code.read_text().replace('BEHAVIOUR = ""', f"BEHAVIOUR = {behaviour!r}"))
        self.known[release] = folder
        return folder

    def of(self, service: Service, release: str) -> Program:
        if release == "dev":
            return TreePrograms(self.root).of(service, release)
        if release not in self.known:
            raise Trouble(f"{service.name}: there is no release {release!r}")
        return replace(TreePrograms(self.known[release]).of(service, "dev"), release=release)


@dataclass
class Duo:
    """The running system."""

    supervisor: Supervisor
    releases: Copies
    client: Client
    told: list[str]

    @property
    def gateway(self) -> str:
        return str(self.supervisor.status()["gateway"])

    async def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """(status, JSON)."""
        request = self.client.get(self.gateway + path).headers(list((headers or {}).items()))
        reply = await request.build().send()
        return reply.status, await reply.json()

    async def note(self, name: str) -> int:
        request = self.client.post(f"{self.gateway}/back").body_json({"name": name})
        return int((await request.build().send()).status)

    async def many(self, path: str, count: int, at_once: int = 8) -> Counter[str]:
        """How often each release answered; a failure counts under its status."""
        found: Counter[str] = Counter()
        left = iter(range(count))

        async def client() -> None:
            for _ in left:
                status, body = await self.get(path)
                found[body["release"] if status == 200 else str(status)] += 1

        await asyncio.gather(*(client() for _ in range(at_once)))
        return found

    @asynccontextmanager
    async def load(self, *paths: str, at_once: int = 2) -> AsyncIterator[Counter[str]]:
        """A constant load meanwhile; what was answered, by path and status."""
        found: Counter[str] = Counter()
        done = asyncio.Event()

        async def client(path: str) -> None:
            while not done.is_set():
                status, body = await self.get(path)
                found[f"{path} {status}"] += 1
                if status == 200:
                    found[f"{path} by {body['release']}"] += 1
                await asyncio.sleep(0.002)

        clients = [asyncio.create_task(client(path)) for path in paths for _ in range(at_once)]
        try:
            yield found
        finally:
            done.set()
            await asyncio.gather(*clients)


def write(folder: Path) -> None:
    """The files of the tree."""
    for name, text in {
        "system.py": SYSTEM,
        "duo_contracts.py": CONTRACTS,
        "front/src/duo_front.py": FRONT,
        "back/src/duo_back.py": BACK,
        "back/src/duo_back_data/__init__.py": "",
        "back/src/duo_back_data/migrations/0001_notes.py": MIGRATION,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Duo]:
    """The system of that folder, written if it is not there, up until the end."""
    if not (folder / "system.py").exists():
        write(folder)
    file = folder / "system.py"
    home = Folder.beside(file)
    home.create()
    told: list[str] = []
    with home.locked():
        options = Options(isolated=True, watch=False, dashboard=False)
        supervisor = Supervisor(
            load_system(file), file, options, lambda it: told.append(f"{it.name} {it.stage} {it.text}")
        )
        supervisor.programs = releases = Copies(folder)
        for path in folder.parent.glob("release-*"):
            releases.known[path.name.removeprefix("release-")] = path
        await supervisor.up()
        try:
            async with ClientBuilder().build() as client:
                yield Duo(supervisor, releases, client, told)
        finally:
            await supervisor.down()
