"""What waits for a person: dead letters, sagas that are stuck, projections that are behind."""

from __future__ import annotations

from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.routing import Route

from atoll.cli.dashboard.reach import Reach, answering, body_of, whole_number
from atoll.cli.dead_letters import brief, full
from atoll.cli.projections import as_plain
from atoll.data import Database
from atoll.messaging import Letters
from atoll.operate import (
    drop,
    drop_all,
    list_letters,
    list_projection_views,
    redrive,
    redrive_all,
    request_rebuild,
    show_letter,
)
from atoll.platform.dashboard.asking import Unknown
from atoll.sagas import Sagas
from atoll.sagas.views import SagaView

MOST = 200  # of each service


class Which(msgspec.Struct, forbid_unknown_fields=True):
    """Which dead letters are meant: all that fit."""

    service: str = ""
    consumer: str = ""
    subject: str = ""
    key: str = ""
    error: str = ""


class Skip(msgspec.Struct, forbid_unknown_fields=True):
    """Which step is skipped (by default the one in the way), and what it gives back, as JSON text."""

    step: str = ""
    result: str | None = None


def routes(reach: Reach) -> list[Route]:
    """The paths."""
    return [*_letters(reach), *_sagas(reach), *_projections(reach)]


def _letters(reach: Reach) -> list[Route]:
    async def listing(request: Request) -> object:
        query = request.query_params
        which = Letters(
            query.get("consumer", ""), query.get("subject", ""), query.get("key", ""), query.get("error", "")
        )
        found = await list_letters(await reach.databases(), which, service=query.get("service", ""), limit=MOST)
        return {"letters": [brief(one) for one in found]}

    async def one(request: Request) -> object:
        detail = await show_letter(
            await reach.databases(), request.path_params["service"], whole_number(request, "letter")
        )
        return full(detail)

    async def redrive_one(request: Request) -> object:
        await redrive(await reach.databases(), request.path_params["service"], whole_number(request, "letter"))
        return {"done": 1}

    async def drop_one(request: Request) -> object:
        await drop(await reach.databases(), request.path_params["service"], whole_number(request, "letter"))
        return {"done": 1}

    async def redrive_many(request: Request) -> object:
        service, which = _filter(await body_of(request, Which))
        return {"done": sum((await redrive_all(await reach.databases(), which, service=service)).values())}

    async def drop_many(request: Request) -> object:
        service, which = _filter(await body_of(request, Which))
        return {"done": sum((await drop_all(await reach.databases(), which, service=service)).values())}

    return [
        Route("/api/dead-letters", answering(listing)),
        Route("/api/dead-letters/redrive", answering(redrive_many), methods=["POST"]),
        Route("/api/dead-letters/drop", answering(drop_many), methods=["POST"]),
        Route("/api/dead-letters/{service}/{letter}", answering(one)),
        Route("/api/dead-letters/{service}/{letter}/redrive", answering(redrive_one), methods=["POST"]),
        Route("/api/dead-letters/{service}/{letter}/drop", answering(drop_one), methods=["POST"]),
    ]


def _sagas(reach: Reach) -> list[Route]:
    async def listing(request: Request) -> object:
        query = request.query_params

        async def read(service: str, database: Database) -> list[dict[str, object]]:
            found = await Sagas(database).list(
                name=query.get("name", ""), key=query.get("key", ""), status=query.get("status", ""),
                stuck=bool(query.get("stuck")), limit=MOST,
            )  # fmt: skip
            return [_brief_saga(service, one) for one in found]

        found = await (await reach.databases()).ask(read, query.get("service", ""))
        every = [one for some in found.values() for one in some]
        return {"sagas": sorted(every, key=lambda one: str(one["started_at"]), reverse=True)}

    async def one(request: Request) -> object:
        async with (await reach.databases()).of(request.path_params["service"]) as database:
            detail = await Sagas(database).show(_saga_id(request))
        brief = _brief_saga(request.path_params["service"], detail.saga)
        return {**brief, "steps": list(detail.steps), "events": list(detail.events)}

    async def retry(request: Request) -> object:
        async with (await reach.databases()).of(request.path_params["service"]) as database:
            await Sagas(database).retry(_saga_id(request))
        return {"done": 1}

    async def skip(request: Request) -> object:
        wanted = await body_of(request, Skip)
        async with (await reach.databases()).of(request.path_params["service"]) as database:
            step = await Sagas(database).skip(_saga_id(request), step=wanted.step, result=wanted.result)
        return {"done": 1, "step": step}

    async def compensate(request: Request) -> object:
        async with (await reach.databases()).of(request.path_params["service"]) as database:
            await Sagas(database).compensate(_saga_id(request), why="a person decided so in the dashboard")
        return {"done": 1}

    return [
        Route("/api/sagas", answering(listing)),
        Route("/api/sagas/{service}/{saga}", answering(one)),
        Route("/api/sagas/{service}/{saga}/retry", answering(retry), methods=["POST"]),
        Route("/api/sagas/{service}/{saga}/skip", answering(skip), methods=["POST"]),
        Route("/api/sagas/{service}/{saga}/compensate", answering(compensate), methods=["POST"]),
    ]


def _projections(reach: Reach) -> list[Route]:
    async def listing(_: Request) -> object:
        found = await list_projection_views(await reach.databases())
        return {"projections": [as_plain(one) for one in found]}

    async def rebuild(request: Request) -> object:
        await request_rebuild(
            await reach.databases(), request.path_params["service"], request.path_params["projection"]
        )
        return {"done": 1}

    return [
        Route("/api/projections", answering(listing)),
        Route("/api/projections/{service}/{projection}/rebuild", answering(rebuild), methods=["POST"]),
    ]


def _filter(which: Which) -> tuple[str, Letters]:
    return which.service, Letters(which.consumer, which.subject, which.key, which.error)


def _brief_saga(service: str, saga: SagaView) -> dict[str, object]:
    names = (
        "name",
        "key",
        "state",
        "compensating",
        "due",
        "cause",
        "step",
        "trouble",
        "started_at",
        "moved_at",
        "ended_at",
    )
    return {"service": service, "id": saga.id, "message": saga.message, **{name: getattr(saga, name) for name in names}}


def _saga_id(request: Request) -> UUID:
    text = str(request.path_params["saga"])
    try:
        return UUID(text)
    except ValueError:
        raise Unknown(f"there is no saga {text[:40]!r}") from None
