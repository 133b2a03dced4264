"""One process that runs a whole system on this machine: starts everything, keeps it running, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from atoll.platform.gateway import Shadow
from atoll.platform.local import asyncpg as databases
from atoll.platform.local.api import Api
from atoll.platform.local.as_it_runs import AsItRuns, ReleaseGate
from atoll.platform.local.deploying import rollouts_of
from atoll.platform.local.envoy import Beside
from atoll.platform.local.faults import FaultBook
from atoll.platform.local.fleet import LocalFleet
from atoll.platform.local.folder import Folder
from atoll.platform.local.granting import Granting
from atoll.platform.local.ground import (
    Parts,
    applied,
    broker_urls,
    database_names,
    database_password,
    database_urls,
    make_parts,
)
from atoll.platform.local.identity import identify
from atoll.platform.local.keeper import Keeper
from atoll.platform.local.ledger import SERVICE, end_leftovers, end_marked, open_ledger
from atoll.platform.local.logs import rotate
from atoll.platform.local.migrations import forget
from atoll.platform.local.options import Options
from atoll.platform.local.ports import LOOPBACK, Ports
from atoll.platform.local.programs import TREE, Programs, ShelfPrograms
from atoll.platform.local.progress import Report
from atoll.platform.local.publishing import Listings, Publishing
from atoll.platform.local.registry import Registry
from atoll.platform.local.reloads import reload_changed
from atoll.platform.local.server import JsonServer
from atoll.platform.local.services import Ground, ServiceRunner
from atoll.platform.local.stable_releases import forget_stable, require_known, require_stable
from atoll.platform.local.status import status
from atoll.platform.local.telling import Teller
from atoll.platform.local.watchfiles import changes
from atoll.platform.local.wiring import Wiring, keys_url, registry_token, serves_keys
from atoll.platform.release import Shelf
from atoll.system import Service, System, Trouble

_ROTATION = 30.0  # seconds between looks at the logs' sizes
_SETTLING = 1.0  # seconds for the gateway to learn that an instance leaves


class Supervisor:
    """Runs ``system``, whose file is ``file``: `up`, then `serve` until it is asked to stop, then `down`.

    The caller holds the folder's lock.
    """

    def __init__(self, system: System, file: Path, options: Options, report: Report) -> None:
        self.system = applied(system, options)
        self.root = file.parent
        self._file = file
        self.folder = Folder.beside(file)
        self._options = options
        self._teller = Teller(report)
        self._tell = self._teller.tell
        self._stop = asyncio.Event()
        self._ready = asyncio.Event()
        self._ledger, self._warning = open_ledger(self.folder)
        self._ports = Ports(self._ledger.state.ports)
        self._registry = Registry((service.name for service in self.system.services), self._registry_changed)
        self._publishing = Publishing(self._registry.all, self._publish, self._said("envoy"))
        self._faults = FaultBook(self.system, self._publishing.changed, enabled=options.faults)
        self._syncing: asyncio.Task[None] | None = None
        self._kinds: dict[str, str] = {}
        self._parts = Parts(None, None, None)
        self._runners: dict[str, ServiceRunner] = {}
        self._shadows: dict[str, Shadow] = {}
        self._launching: dict[str, tuple[str, ...]] = {}
        self.fleet = LocalFleet(
            self._runners, self._shadows, self._registry, self._publishing, self._counts, self._grant
        )
        self._shelf = Shelf.beside(file)
        self.programs: Programs = ShelfPrograms(self.root, self._shelf)
        gate = ReleaseGate(
            AsItRuns(self.system, self.root, self._shelf, self.fleet.stable, self._urls_of_tree, self._database)
        )
        self.rollouts = rollouts_of(self.system, self.folder, self.fleet, self._shelf, gate, self._teller)
        self._server: JsonServer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # ---- the course of a run

    async def up(self) -> None:
        """Start everything; returns when all is ready. Trouble, after ending what was started, when something does not start."""
        try:
            await self._up()
        except BaseException as error:
            await self.down()
            raise _first_trouble(error) from None
        self._ready.set()

    async def serve(self) -> None:
        """Until somebody asks to stop."""
        await self._stop.wait()

    async def down(self) -> None:
        """Stop everything in reverse order: the gateway drains, services finish, then the parts; nothing is left."""
        self._ready.clear()
        await self.rollouts.stop()
        await self._end_tasks()
        if self._parts.envoy is not None:
            await self._parts.envoy.drain()
        await asyncio.gather(*(runner.stop() for runner in self._runners.values()))
        for part in self._parts.all():
            if part.keeper is not None:
                await part.keeper.stop()
        await end_marked(self.folder)
        if self._server is not None:
            await self._server.stop()
        state = self._ledger.state
        state.processes, state.supervisor, state.control = {}, None, ""
        self._ledger.save()

    async def _up(self) -> None:
        if self._warning:
            self._tell("atoll", "note", self._warning)
        if left := await end_leftovers(self._ledger):
            self._tell("atoll", "note", f"ended {left} processes that an earlier run left; the data is kept")
        self._require_releases()
        board = self._file if self._options.dashboard else None
        self._parts = make_parts(self.system, self.folder, self._ports, board)
        self._kinds = {part.kind: part.kind for part in self._parts.all()}
        wiring = await self._open()
        ground = Ground(self._ledger, self._ports, self._registry, self._watch, self._publishing.settle, self.programs)
        for service in self.system.services:
            self._runners[service.name] = ServiceRunner(service, wiring, ground, serves_keys(self.system, service))
        await self._start_all()
        for line in self.rollouts.resume():
            self._tell("rollouts", "note", line)
        self._tasks.append(asyncio.create_task(self._rotate_logs()))
        if self._options.watch:
            batches = changes(self.system, self.root, self._stop)
            reloading = reload_changed(self.system, self.root, batches, self._reload, self._teller)
            self._tasks.append(asyncio.create_task(reloading))

    def _require_releases(self) -> None:
        """What each service is to run is there, or nothing is started."""
        require_known(self.system, self._options.dev)
        for name, what in forget_stable(self._ledger, self._options.dev):
            self._tell(name, "note", what)
        require_stable(self.system, self._ledger, self.programs, self._shelf)

    async def _open(self) -> Wiring:
        """Open the API, and know all addresses."""
        port = self._ports.take("supervisor")
        url = f"http://{LOOPBACK}:{port}"
        tokens = {service.name: registry_token(self.folder, service.name) for service in self.system.services}
        api = Api(self._registry, self._faults, self, tokens, self.folder.secret("control"))
        self._server = JsonServer(api.answer)
        await self._server.start(port)
        state = self._ledger.state
        state.system, state.control, state.supervisor = self.system.name, url, identify(os.getpid())
        self._ledger.save()
        return Wiring(
            self.system, self.root, self.folder, url,
            broker_urls(self.system, self._parts.broker),
            database_urls(self.system, self._parts.postgres, self.folder),
            keys_url(self.system, self._ports), self._options.faults, self._senders(),
        )  # fmt: skip

    def _senders(self) -> dict[str, str]:
        return self._parts.dashboard.senders(os.environ) if self._parts.dashboard is not None else {}

    async def _start_all(self) -> None:
        """Everything at once; a service waits only for the parts that it uses."""
        async with asyncio.TaskGroup() as group:
            database = group.create_task(self._start_database())
            broker = group.create_task(self._start_broker())
            gateway = group.create_task(self._start_gateway())
            group.create_task(self._start_dashboard())
            for service in self.system.services:
                needs = [task for task, used in ((database, service.database), (broker, service.events)) if used]
                group.create_task(self._start_service(service, needs))
        await gateway
        if self._syncing is not None:
            await self._syncing
        await self._publishing.once()
        self._tasks.append(asyncio.create_task(self._publishing.always()))

    # ---- the pieces

    async def _start_database(self) -> None:
        server = self._parts.postgres
        if server is None:
            return
        loading = asyncio.create_task(asyncio.to_thread(databases.preload))
        self._tell("postgres", "starting", server.url)
        await server.start(self._watch)
        self._syncing = asyncio.create_task(server.synced())
        await loading
        names = database_names(self.system)
        passwords = {name: database_password(self.folder, name) for name in names.values()}
        made = await databases.provision(server.admin_url, passwords, server.remedy, ours=server.ours)
        for service, name in names.items():
            if name in made:
                forget(service, self._ledger)
        self._tell_given("postgres", server.keeper, server.url)

    async def _start_broker(self) -> None:
        broker = self._parts.broker
        if broker is not None:
            self._tell(broker.kind, "starting", broker.url)
            await self._granting().all()
            await broker.start(self._watch)
            self._tell_given(broker.kind, broker.keeper, broker.url)

    def _granting(self) -> Granting:
        return Granting(self.system, self.root, self._parts.broker, self._teller, self.programs, self._releases)

    def _releases(self, service: str) -> set[str]:
        """Those of a service that have a part in what it does at the broker."""
        stable = self._ledger.state.stable.get(service, TREE)
        running = self.fleet.running(service) if service in self._runners else ()
        return {stable, *running, *self._launching.get(service, ())}

    async def _grant(self, service: str, release: str) -> None:
        self._launching[service] = (release,)
        try:
            await self._granting().renew(service)
        finally:
            del self._launching[service]

    async def _start_gateway(self) -> None:
        if self._parts.envoy is not None:
            self._tell("envoy", "starting", self._parts.envoy.url)
            await self._parts.envoy.start(self._watch)

    async def _start_dashboard(self) -> None:
        """The system runs without it as well."""
        if self._parts.dashboard is not None:
            self._tell("dashboard", "starting", self._parts.dashboard.url)
            try:
                await self._parts.dashboard.start(self._watch)
            except Trouble as trouble:
                self._tell("dashboard", "note", f"{trouble}; the system runs without it")

    async def _start_service(self, service: Service, needs: list[asyncio.Task[None]]) -> None:
        postgres = self._parts.postgres
        early = postgres is None or postgres.has_data  # making the data takes a whole core
        parts = asyncio.gather(*(asyncio.shield(need) for need in needs))
        await self._runners[service.name].start(parts, early=early)

    async def _publish(self, listings: Listings) -> None:
        if self._parts.envoy is not None:
            away = {name: runner.away() for name, runner in self._runners.items()}
            await self._parts.envoy.publish(listings, Beside(self._faults.edge_faults(), away, self._shadows))

    async def _counts(self, service: str) -> Mapping[str, Mapping[str, int]]:
        return await self._parts.envoy.counts(service) if self._parts.envoy is not None else {}

    def _registry_changed(self) -> None:
        self._publishing.changed()

    async def _replace(self, service: str) -> None:
        await self._granting().renew(service)
        await self._runners[service].replace()

    async def _reload(self, service: str) -> None:
        """A changed file concerns whoever runs the working tree, and not a release."""
        if self._runners[service].stable == TREE:
            await self._replace(service)

    async def _rotate_logs(self) -> None:
        said = self._said("logs")
        while True:
            await asyncio.sleep(_ROTATION)
            try:
                await asyncio.to_thread(rotate, self.folder.logs)
            except OSError as error:
                said(error)

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    # ---- what others ask

    def status(self) -> dict[str, object]:
        gateway = self._parts.envoy.url if self._parts.envoy is not None else None
        dashboard = self._parts.dashboard.url if self._parts.dashboard is not None else None
        return status(self.system.name, gateway, dashboard, self._parts.all(), self._runners)

    def request_stop(self) -> None:
        """Asked twice, it does not wait for what is in flight."""
        if self._stop.is_set():
            self._hurry()
        self._stop.set()

    def _hurry(self) -> None:
        for keeper in self._keepers():
            if keeper.phase == "stopping" and keeper.process is not None:
                keeper.process.hurry()

    def _keepers(self) -> Iterator[Keeper]:
        yield from (part.keeper for part in self._parts.all() if part.keeper is not None)
        yield from (instance.keeper for runner in self._runners.values() for instance in runner.instances)

    async def wait_ready(self, seconds: float) -> bool:
        """Whether all is ready, now or within that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            return False
        return all(
            instance.keeper.phase == "ready" for runner in self._runners.values() for instance in runner.instances
        )

    async def scale(self, service: str, instances: int) -> None:
        await self._runner(service).scale(instances)
        await self._publishing.settle()

    async def restart(self, service: str) -> None:
        """Replace one service's instances, or (empty) those of each, one service after the other."""
        for runner in (self._runner(service),) if service else tuple(self._runners.values()):
            await self._replace(runner.service.name)
        await self._publishing.settle()

    async def settle(self) -> None:
        """Returns when the gateway knows the present state of the registry, or after a moment if it cannot."""
        if self._stop.is_set():
            return  # the gateway drains and takes nothing new
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLING):
                await self._publishing.settle()

    def _urls_of_tree(self, service: str) -> list[str]:
        """Base URLs of its instances that are ready and of the working tree."""
        return [one.url for one in self._runner(service).of(TREE) if one.keeper.phase == "ready"]

    def _database(self, service: str) -> str:
        """The URL of its own database; empty if it has none."""
        return database_urls(self.system, self._parts.postgres, self.folder).get(service, "")

    def _runner(self, service: str) -> ServiceRunner:
        if service not in self._runners:
            raise Trouble(f"there is no service {service!r}; known are {', '.join(self._runners) or 'none'}")
        return self._runners[service]

    # ---- telling

    def _watch(self, keeper: Keeper) -> None:
        identity = keeper.process.identity if keeper.process is not None and keeper.process.running else None
        try:
            self._ledger.record(keeper.name, self._kinds.get(keeper.name, SERVICE), identity)
        except Trouble as trouble:  # a full disk must not end the keeping; the processes bear a mark as well
            self._tell("state.json", "note", str(trouble))
        if keeper.phase != "waiting":
            text = keeper.trouble if keeper.phase in {"restarting", "failed"} else self._address(keeper.name)
            self._tell(keeper.name, keeper.phase, text)

    def _tell_given(self, name: str, keeper: Keeper | None, url: str) -> None:
        if keeper is None:
            self._tell(name, "ready", f"{url} (given)")

    def _address(self, name: str) -> str:
        urls = {part.kind: part.view().url for part in self._parts.all()}
        for runner in self._runners.values():
            urls |= {instance.name: instance.url for instance in runner.instances}
        return urls.get(name, "")

    def _said(self, name: str) -> Callable[[Exception], None]:
        return partial(self._teller.failure, name)


def _first_trouble(error: BaseException) -> BaseException:
    """A task group wraps what went wrong; the first Trouble in it is what a person should read."""
    if isinstance(error, BaseExceptionGroup):
        found = [_first_trouble(inner) for inner in error.exceptions]
        return next((inner for inner in found if isinstance(inner, Trouble)), found[0])
    return error
