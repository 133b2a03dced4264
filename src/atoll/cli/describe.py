"""``atoll describe``: the model, as it is understood, and the stacks of a service, as they are in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from atoll.cli.complete import complete_service
from atoll.cli.options import json_option, print_json, system_option, system_path

if TYPE_CHECKING:
    from atoll.system import Part, Route, Service, System


@click.command("describe")
@click.argument("service", default="", shell_complete=complete_service)
@click.option("--stacks", is_flag=True, help="The layers in force around a service's operations, calls and events.")
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, service: str, stacks: bool, as_json: bool, system_file: str | None) -> None:
    """Show the model: services, routes, parts. With a SERVICE and --stacks: its layers, their numbers and reasons."""
    from atoll.system.load import load_system

    file = system_path(ctx, system_file)
    system = load_system(file)
    if stacks or service:
        from atoll.cli.stacks import read_stacks, show_stacks

        if not (stacks and service):
            raise click.UsageError("name a service and say --stacks, such as: atoll describe orders --stacks")
        found = read_stacks(system, file.parent, service)
        if as_json:
            print_json(found)
        else:
            show_stacks(found)
        return
    described = describe(system)
    if as_json:
        print_json(described)
        return
    click.echo(described["system"])
    for one in described["services"]:
        facts = [
            f"{name} {value if isinstance(value, (str, int)) else ', '.join(value)}"
            for name, value in one.items()
            if value and name not in {"name", "place"}
        ]
        click.echo(f"  {one['name']}: {'; '.join(facts)}  ({one['place']})")
    for route in described["routes"]:
        click.echo(f"  {route['method']:<6} {route['path']} -> {route['service'] or 'nowhere'} [{route['access']}]")
    for part in described["parts"]:
        click.echo(f"  {part['kind']}: {part['where']}")


def describe(system: System) -> dict[str, Any]:
    """{"system", "services": [...], "routes": [...], "parts": [...]}; no secret is in it."""
    routes = system.gateway.routes if system.gateway is not None else ()
    parts = [
        _part(kind, part) for kind, part in (("postgres", system.postgres), ("nats", system.nats)) if part is not None
    ]
    if system.gateway is not None:
        parts.append({"kind": "envoy", "where": f"{system.gateway.address}:{system.gateway.port or 'a free port'}"})
    return {
        "system": system.name,
        "services": [_service(service) for service in system.services],
        "routes": [shown for route in routes for shown in _routes(route, system)],
        "parts": parts,
    }


def _service(service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "runs": service.serve or service.asgi or " ".join(service.command),
        "source": service.source,
        "offers": [api.__name__ for api in service.offers],
        "calls": list(service.calls),
        "database": "own" if service.database else "",
        "events": "yes" if service.events else "",
        "instances": service.instances,
        "place": service.place,
    }


def _routes(route: Route, system: System) -> list[dict[str, str]]:
    from atoll.system.routes import destination

    to = destination(route, system)
    service = to.name if to is not None else ""
    if isinstance(route.target, str):
        access = "public" if route.public else _needs(route.scopes, route.roles)
        return [{"method": "*", "path": f"{route.target}/*", "service": service, "access": access}]
    return [
        {
            "method": operation.method,
            "path": operation.path,
            "service": service,
            "access": "public" if operation.access.public else _needs(operation.access.scopes, operation.access.roles),
        }
        for operation in route.target.operations_
    ]


def _needs(scopes: tuple[str, ...], roles: tuple[str, ...]) -> str:
    return " ".join(("caller", *(f"scope:{scope}" for scope in scopes), *(f"role:{role}" for role in roles)))


def _part(kind: str, part: Part) -> dict[str, str]:
    from urllib.parse import urlsplit

    url = urlsplit(part.address)
    where = (
        f"given, {url.hostname}:{url.port or ''}"
        if part.address
        else f"own, {'durable' if part.durable else 'not durable'}"
    )
    return {"kind": kind, "where": where}
