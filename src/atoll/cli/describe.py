"""``atoll describe``: the model, as it is understood, and the stacks of a service, as they are in force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.client import Client
from atoll.cli.complete import complete_name
from atoll.cli.figures import add_figures, line_of
from atoll.cli.names import kind, require_known, shown
from atoll.cli.options import json_option, print_json, system_option, system_path

if TYPE_CHECKING:
    from atoll.system import Part, Route, Service, System


@click.command("describe")
@click.argument("names", nargs=-1, shell_complete=complete_name)
@click.option("--stacks", is_flag=True, help="The layers in force around a service's operations, calls and events.")
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], stacks: bool, as_json: bool, system_file: str | None) -> None:
    """Show the model: services, routes, parts; of those by name, or all. With --stacks: a service's layers, and why."""
    from atoll.system.load import load_system

    file = system_path(ctx, system_file)
    system = load_system(file)
    if stacks:
        from atoll.cli.stacks import read_stacks, show_stacks

        if len(names) != 1:
            raise click.UsageError("--stacks needs one service, such as: atoll describe orders --stacks")
        found = read_stacks(system, file.parent, names[0])
        if as_json:
            print_json(found)
        else:
            show_stacks(found)
        return
    described = describe(system)
    add_live(described, file)
    if names:
        described = _only(described, names)
    if as_json:
        print_json(described)
    else:
        _show(described)


def _show(described: dict[str, Any]) -> None:
    click.echo(described["system"])
    for one in described["services"]:
        facts = [
            f"{name} {value if isinstance(value, (str, int)) else ', '.join(value)}"
            for name, value in one.items()
            if value and name not in {"name", "place", "figures"}
        ]
        click.echo(f"  {one['name']}: {'; '.join(facts)}  ({one['place']})")
        if "figures" in one:
            click.echo(f"    {line_of(one['figures'])}")
    for route in described["routes"]:
        click.echo(f"  {route['method']:<6} {route['path']} -> {route['service'] or 'nowhere'} [{route['access']}]")
    for part in described["parts"]:
        runs = f" (runs at {part['url']})" if "url" in part else ""
        click.echo(f"  {shown(part['kind'])}: {part['where']}{runs}")


def add_live(described: dict[str, Any], file: Path) -> None:
    """If the system runs: where the parts are, for a port may not be the model's (--port, --isolated), and services' figures."""
    client = Client(file)
    if client.runs and client.folder.read_state().control:
        parts = client.status()["parts"]
        for part in described["parts"]:
            if part["kind"] in parts:
                part["url"] = parts[part["kind"]]["url"]
        add_figures({service["name"]: service for service in described["services"]}, file)


def _only(described: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    services, parts = described["services"], described["parts"]
    require_known(names, [*(service["name"] for service in services), *(part["kind"] for part in parts)])
    wanted = {kind(name) for name in names}
    return {
        "system": described["system"],
        "services": [service for service in services if service["name"] in wanted],
        "routes": [route for route in described["routes"] if route["service"] in wanted or "envoy" in wanted],
        "parts": [part for part in parts if part["kind"] in wanted],
    }


def describe(system: System) -> dict[str, Any]:
    """{"system", "services": [...], "routes": [...], "parts": [...]}; no secret is in it."""
    from atoll.system.servers import servers

    routes = system.gateway.routes if system.gateway is not None else ()
    parts = [_part(part) for part in servers(system)]
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


def _part(part: Part) -> dict[str, str]:
    from atoll.system.servers import kind_of, location

    if part.address:
        host, port = location(part)
        where = f"given, {host}:{port}"
    else:
        durable = getattr(part, "durable", None)  # RabbitMQ leaves no choice
        where = "own" if durable is None else f"own, {'durable' if durable else 'not durable'}"
    return {"kind": kind_of(part).name, "where": where}
