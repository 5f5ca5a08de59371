"""The command line: options in, text and an exit code out. Each command is a file, loaded when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import click

from ftops import __version__
from ftops.cli.door import run

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "init": ("ftops.cli.init", "Start a project: configuration, a first spec, sample data."),
    "check": ("ftops.cli.check", "Check training data: format, content, tokens, cost."),
    "tokens": ("ftops.cli.tokens", "Count tokens of a data file, or show what of a row is trained."),
    "diff-data": ("ftops.cli.diff_data", "Compare two versions of a data file: rows added, removed, edited, moved."),
    "plan": ("ftops.cli.plan", "Show what apply would do, and why; asks nobody, needs no key."),
    "build": ("ftops.cli.build", "Build datasets from their sources, where they are stale."),
    "apply": ("ftops.cli.apply", "Carry the plan out: upload, create jobs, record them."),
    "reconcile": ("ftops.cli.reconcile", "Collect finished jobs into the lockfile, and go on with what waits."),
    "status": ("ftops.cli.status", "Show every model: trained, training, failed."),
    "logs": ("ftops.cli.logs", "Show what a job said, oldest first."),
    "chat": ("ftops.cli.chat", "Ask a tuned model, or compare it with its base."),
    "cancel": ("ftops.cli.jobs", "Cancel a running job."),
    "pause": ("ftops.cli.jobs", "Pause a running job."),
    "resume": ("ftops.cli.jobs", "Resume a paused job."),
    "lock": ("ftops.cli.lock", "Verify, show, rebuild or push the lockfile; show or release claims."),
    "ci": ("ftops.cli.ci", "What workflows of GitHub Actions call: plan, comment, apply, collect, commit."),
    "schema": ("ftops.cli.schema", "Print the JSON Schema of specs, for editors."),
    "serve": ("ftops.cli.serve", "Run the local training server in the foreground."),
}
"""In the order in which they are used; the help text stands here so that `--help` need not load them."""


class _Commands(click.Group):
    """A group that loads a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if not args:
                raise
            from ftops.spec.nearest import nearest  # noqa: PLC0415  # only for a mistake

            near = nearest(args[0], COMMANDS)
            if near is None:
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}. Did you mean '{near}'?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="ftops %(version)s")
def ftops() -> None:
    """Fine-tuning jobs as code: specs in git, a plan before every run, a lockfile after it.

    Start with `ftops init`, look with `ftops plan`, train with `ftops apply`.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    return run(ftops, arguments)
