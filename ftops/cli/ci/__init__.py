"""`ftops ci`: the commands that workflows of GitHub Actions call. Each is a file, loaded when it is used."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "plan": "Plan, and tell it: annotations, summary, and a plan file for the jobs after this one.",
    "comment": "Show the plan as the one comment of the pull request.",
    "apply": "Carry out the plan that was reviewed, and commit the lockfile back.",
    "collect": "Collect finished jobs, and commit the lockfile back.",
    "commit": "Commit the lockfile back to the branch.",
    "webhook": "Turn a provider's webhook into a run that collects.",
}
"""In the order in which they are used; the help text stands here so that `--help` need not load them."""


class _Commands(click.Group):
    """A group that loads a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"ftops.cli.ci.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands)
def ci() -> None:
    """Run within a workflow of GitHub Actions: plan, comment, apply, collect, commit.

    `ftops init --github` writes the workflows that call these commands.
    """
