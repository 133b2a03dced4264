"""``atoll deploy orders``: another release of a service, while it runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import click

from atoll.cli.client import Client, NotRunning, Unanswered
from atoll.cli.complete import complete_service
from atoll.cli.fault import seconds, share
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.cli.rollout_view import DECIDED, follow, outcome
from atoll.system.trouble import Trouble

TREE = "dev"  # the release that is the working tree
NOT_BEGUN = 2  # the exit code of what was refused before anything happened
UNKNOWN = 3  # the exit code where nobody was left to tell how it ended


def _steps(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    words = [word.strip().removesuffix("%") for word in text.split(",")]
    if not all(word.isdigit() and len(word) < 4 for word in words):
        raise click.BadParameter(f"{text!r} is not like 5,25,50,100")
    return tuple(int(word) for word in words)


def _times(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text.strip().removesuffix("x"))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not like 1.5x") from None


def _seconds(ctx: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    return None if text is None else seconds(ctx, parameter, text)


def _percent(ctx: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    return None if text is None else round(share(ctx, parameter, text) * 100, 6)


@click.command("deploy")
@click.argument("service", shell_complete=complete_service)
@click.argument("release", required=False)
@click.option("--strategy", metavar="canary|blue-green|rolling", help="Else the one in system.py, or canary.")
@click.option("--steps", callback=_steps, metavar="5,25,50,100", help="Percents of the traffic, for a canary.")
@click.option("--interval", callback=_seconds, metavar="TIME", help="How long each step is watched: 30s.")
@click.option("--max-errors", callback=_percent, metavar="SHARE", help="How many of its requests may fail: 1%.")
@click.option("--max-p99", callback=_times, metavar="TIMES", help="How slow it may be, beside the stable one: 1.5x.")
@click.option("--samples", type=click.IntRange(0), help="How many requests a judgement needs.")
@click.option("--shadow", callback=_percent, metavar="SHARE", help="First copy safe requests to it: 10%.")
@click.option("--warm", callback=_seconds, metavar="TIME", help="How long the old one stays after a blue-green switch.")
@click.option("--ready-within", callback=_seconds, metavar="TIME", help="How long its instances may take to be ready.")
@click.option(
    "--consumers/--no-consumers", default=None, help="Whether it takes its share of events, or waits for them."
)
@click.option("--detach", is_flag=True, help="Return when it has begun; see 'atoll rollouts'.")
@json_option
@system_option
@click.pass_context
def command(
    ctx: click.Context, /, service: str, release: str | None, detach: bool, as_json: bool, system_file: str | None,
    **wanted: Any,
) -> None:  # fmt: skip
    """Roll out a release of a service (a new build of it, if none is named; `dev` is the working tree) while it runs.

    Exit codes: 0 promoted, 1 rolled back, 2 not begun (bad input, or refused), 3 the supervisor went away meanwhile.
    """
    if release is not None and not release.strip():
        raise click.BadParameter("it is empty; leave it out to build one of the working tree", param_hint="RELEASE")
    try:
        rollout, client = _begun(system_path(ctx, system_file), service, release, wanted, quiet=as_json)
    except Trouble as trouble:
        _exit_not_begun(ctx, service, trouble)
    if detach:
        if as_json:
            print_json(rollout)
        else:
            click.echo(
                f"{service}: rollout {rollout['number']} of {rollout['release']} has begun; see 'atoll rollouts {service}'"
            )
        return
    if rollout["stable"] == TREE and not as_json:
        click.echo(
            f"{service}: what runs is the working tree (dev), which changes as its files do: do not edit it meanwhile"
        )
    found = _followed(ctx, client, rollout, quiet=as_json)
    if as_json:
        print_json(found)
    else:
        click.echo(outcome(found))
    ctx.exit(0 if found["phase"] in {"promoted", "warm", "retiring"} else 1)


def _followed(ctx: click.Context, client: Client, rollout: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """The rollout when it is decided. It goes on by itself if nobody watches it any more."""
    service = rollout["service"]
    try:
        return follow(client, service, rollout["number"], quiet=quiet)
    except KeyboardInterrupt:
        click.echo(
            f"{service}: the rollout goes on; 'atoll rollouts {service}' shows it, 'atoll abort {service}' ends it"
        )
        raise
    except Trouble as trouble:
        _exit_unknown(ctx, service, trouble)


def _exit_not_begun(ctx: click.Context, service: str, trouble: Trouble) -> NoReturn:
    if isinstance(trouble, Unanswered):
        _exit_unknown(ctx, service, trouble)
    for line in (str(trouble), *(f"  {detail}" for detail in trouble.details)):
        click.echo(line, err=True)
    ctx.exit(NOT_BEGUN)


def _exit_unknown(ctx: click.Context, service: str, trouble: Trouble) -> NoReturn:
    """It was begun, or may have been; what became of it stands in the journal alone."""
    gone = isinstance(trouble, (NotRunning, Unanswered))
    why = "the supervisor is gone; 'atoll up' goes on with the rollout" if gone else str(trouble)
    click.echo(f"{why}; 'atoll rollouts {service}' tells how it ended", err=True)
    ctx.exit(UNKNOWN)


def _begun(
    file: Path, service: str, release: str | None, wanted: dict[str, Any], *, quiet: bool
) -> tuple[dict[str, Any], Client]:
    """The rollout as it begins. Trouble, if nothing has begun; Unanswered, if nobody knows."""
    from atoll.cli.names import service_named
    from atoll.system.load import load_system

    system = load_system(file)
    service_named(system, service)
    asked = {name: _whole(value) if name == "shadow" else value for name, value in wanted.items() if value is not None}
    _check(system.service(service).rollout, asked)
    client = Client(file)
    client.require_running()
    _require_alone(client, service)
    chosen = release or _built(file, service, quiet=quiet)
    order = {"service": service, "release": chosen, "wanted": asked}
    return client.call("POST", "/v1/rollouts", order), client


def _require_alone(client: Client, service: str) -> None:
    """Another rollout of it is said before anything is built; the supervisor looks once more."""
    try:
        rollouts = client.call("GET", "/v1/rollouts")["rollouts"]
    except Unanswered as trouble:
        raise Trouble(str(trouble)) from None  # nothing was ordered yet
    latest = [one for one in rollouts if one["service"] == service]
    if latest and latest[0]["phase"] not in DECIDED:
        going = latest[0]
        raise Trouble(
            f"{service} has rollout {going['number']} of {going['release']} already ({going['phase']}); "
            f"wait for it, or end it with 'atoll abort {service}'"
        )


def _check(declared: Any, asked: dict[str, Any]) -> None:
    """What cannot be is said before anything is built."""
    from atoll.platform.rollout.plan import Wanted, strategy_of

    strategy_of(declared, Wanted(**asked))


def _whole(percent: float) -> int:
    return max(1, round(percent)) if percent else 0


def _built(file: Path, service: str, *, quiet: bool) -> str:
    from atoll.platform.release import Shelf
    from atoll.platform.release.build import build
    from atoll.system.load import load_system

    system = load_system(file)

    def tell(line: str) -> None:
        if not quiet:
            click.echo(line if line.startswith(f"{service} ") else f"{service}: {line}")

    made = asyncio.run(build(system, file.parent, system.service(service), Shelf.beside(file), tell))
    return made.id
