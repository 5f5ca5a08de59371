"""`ftops build`."""

from __future__ import annotations

import click

from ftops.cli import frame

STALE = 2


@click.command()
@click.argument("names", metavar="[DATASET]...", nargs=-1)
@click.option("--check", "only_look", is_flag=True, help="Build nothing; exit with 2 if something is stale.")
@frame.json_option
@frame.quiet_option
def build(names: tuple[str, ...], *, only_look: bool, as_json: bool, quiet: bool) -> int:
    """Build datasets from their sources, where they are stale.

    DATASET is the name of a file with `kind: Dataset`; without any, all datasets. `ftops plan` builds by itself what
    specs train on, so that this is for looking at the files.
    """
    from ftops.datasets import build_all, select_datasets  # noqa: PLC0415  # commands load what they use
    from ftops.diagnostics import ProblemsError  # noqa: PLC0415
    from ftops.project import open_project, read_declared, with_source  # noqa: PLC0415
    from ftops.report.build import builds_json, render_builds  # noqa: PLC0415

    project = open_project(frame.current_folder())
    try:
        datasets = select_datasets(read_declared(project), names)
        builds = build_all(project, datasets, only_look=only_look)
    except ProblemsError as error:
        raise ProblemsError(*with_source(project, error.problems)) from None
    if as_json:
        frame.answer_json(builds_json(builds))
    elif not quiet:
        frame.answer(render_builds(builds))
    if not quiet:
        frame.warn(with_source(project, [warning for each in builds for warning in each.warnings]))
    return STALE if any(each.manifest is None for each in builds) else 0
