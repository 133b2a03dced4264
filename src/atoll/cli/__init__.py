"""The command line: one verb a file, each imported only when it is used.

Its one type is `Verbs`, the lazy group of them. It stands above both towers; nothing may import it.
"""

from __future__ import annotations

import importlib
import sys

import click

__all__ = ["Verbs", "atoll", "main"]

VERBS = {
    "up": ("atoll.cli.up", "Start the whole system and show it; Ctrl-C ends it."),
    "down": ("atoll.cli.down", "Stop the whole system."),
    "ps": ("atoll.cli.ps", "Show what runs, and where."),
    "logs": ("atoll.cli.logs", "Show the logs; -f follows them."),
    "traces": ("atoll.cli.traces", "List traces, or show one as its tree."),
    "metrics": ("atoll.cli.metrics", "Show rates, errors and times by service and operation; or one metric."),
    "describe": ("atoll.cli.describe", "Show the model: services, routes, parts."),
    "wait": ("atoll.cli.wait", "Wait until everything is ready."),
    "scale": ("atoll.cli.scale", "Change the number of a service's instances."),
    "restart": ("atoll.cli.restart", "Replace instances without a gap."),
    "fault": ("atoll.cli.fault", "Add delays and errors on purpose, for a while."),
    "events": ("atoll.cli.events", "Show events as they pass; publish one; publish again."),
    "dead-letters": ("atoll.cli.dead_letters", "List messages that failed, show one, redrive, drop."),
    "projections": ("atoll.cli.projections", "Show how far read models are; rebuild one."),
    "consumers": ("atoll.cli.consumers", "List what services consume, pause or resume it."),
    "sagas": ("atoll.cli.sagas", "List sagas, show one, repair one that is stuck."),
    "dashboard": ("atoll.cli.dashboard", "Serve the page about the running system."),
    "psql": ("atoll.cli.psql", "Open a service's database in psql."),
    "build": ("atoll.cli.build", "Build an immutable release of a service."),
    "releases": ("atoll.cli.releases", "List releases, and which of them run; remove old ones."),
    "deploy": ("atoll.cli.deploy", "Roll out a release of a service while it runs."),
    "promote": ("atoll.cli.promote", "Give the new release all of the traffic."),
    "pause": ("atoll.cli.pause", "Hold a rollout where it is; --resume goes on."),
    "abort": ("atoll.cli.abort", "End a rollout; the stable release stays."),
    "rollback": ("atoll.cli.rollback", "Go back to the release before."),
    "rollouts": ("atoll.cli.rollouts", "List rollouts; show what was measured and decided."),
    "check": ("atoll.cli.check", "Look for mistakes in system.py."),
    "contract": ("atoll.cli.contract", "Compare what services promise with what runs; refuse what breaks somebody."),
    "publish": ("atoll.cli.publish", "Write the system for Prometheus or Grafana."),
    "doctor": ("atoll.cli.doctor", "Look whether this machine has what it takes."),
    "serve": ("atoll.cli.serve", "Run one service, configured by the environment."),
    "migrate": ("atoll.cli.migrate", "Bring one service's database up to date."),
    "completion": ("atoll.cli.completion", "Print the shell completion."),
}


class Verbs(click.Group):
    """Knows the verbs' names and one line of each; imports a verb when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(VERBS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, 1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no verb {args[0]!r}{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"atoll {version('atoll')}")
        ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-f", "--system", "system_file", metavar="PATH", help="The system.py (or its folder); else the nearest one."
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def atoll(ctx: click.Context, system_file: str | None) -> None:
    """Typed services inside, a whole system outside."""
    ctx.obj = system_file


def main() -> None:
    """The ``atoll`` command. Exit codes: 0 done, 1 with one line on standard error, 2 wrong usage."""
    try:
        code = atoll(prog_name="atoll", standalone_mode=False)
    except click.UsageError as error:
        sys.exit(_refuse_usage(error))
    except click.Abort:
        sys.exit(130)  # as a shell says it of what Ctrl-C ended
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"{error.filename}: {(error.strerror or str(error)).lower()}; look at the path", err=True)
        sys.exit(1)
    except Exception as error:
        from atoll.system.trouble import Trouble

        if not isinstance(error, Trouble):
            raise
        for line in (str(error), *(f"  {line}" for line in error.details)):
            click.echo(line, err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse_usage(error: click.UsageError) -> int:
    """One line; the whole help only where nothing was asked for."""
    path = error.ctx.command_path if error.ctx is not None else "atoll"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    else:
        click.echo(f"{path}: {error.format_message().rstrip('.')}; see '{path} --help'", err=True)
    return error.exit_code
