"""Rollouts: what was rolled out and why it ended so; beginning one, and the controls of one that runs."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from atoll.cli.dashboard.reach import Reach, answering, body_of
from atoll.cli.rollouts import every, one
from atoll.platform.dashboard.asking import Unknown
from atoll.platform.release import Shelf

VERBS = frozenset({"promote", "pause", "resume", "abort", "rollback"})


class Deploy(msgspec.Struct, forbid_unknown_fields=True):
    """What `atoll deploy` is asked for: a release on the shelf, or ``dev``. strategy: empty: as declared."""

    service: str
    release: str
    strategy: str = ""


def routes(reach: Reach) -> list[Route]:
    """The paths."""

    async def listing(_: Request) -> object:
        return {"rollouts": await run_in_threadpool(every, reach.file, "")}

    async def single(request: Request) -> object:
        return await run_in_threadpool(one, reach.file, request.path_params["service"], request.path_params["which"])

    async def releases(request: Request) -> object:
        found = await run_in_threadpool(Shelf.beside(reach.file).all, request.path_params["service"])
        return {"releases": [_brief(release) for release in found]}

    async def deploy(request: Request) -> object:
        wanted = await body_of(request, Deploy)
        options = {"strategy": wanted.strategy} if wanted.strategy else {}
        order = {"service": wanted.service, "release": wanted.release, "wanted": options}
        return await reach.call("POST", "/v1/rollouts", order)

    async def act(request: Request) -> object:
        verb = request.path_params["verb"]
        if verb not in VERBS:
            raise Unknown(f"there is no verb {str(verb)[:40]!r}")
        return await reach.call("POST", f"/v1/rollouts/{request.path_params['service']}/{verb}", {})

    return [
        Route("/api/rollouts", answering(listing)),
        Route("/api/rollouts", answering(deploy), methods=["POST"]),
        Route("/api/rollouts/{service}/{which}", answering(single)),
        Route("/api/rollouts/{service}/{verb}", answering(act), methods=["POST"]),
        Route("/api/releases/{service}", answering(releases)),
    ]


def _brief(release: Any) -> dict[str, Any]:
    return {
        "id": release.id,
        "version": release.version,
        "commit": release.commit[:7],
        "built": release.built.isoformat(timespec="seconds"),
    }
