"""`ftops diff-data`."""

from __future__ import annotations

import click

from ftops.cli import frame

CHANGES_FOUND = 2
COMMENT_BYTES_MAX = 60_000
"""GitHub takes comments of up to 65,536 characters, and there may be more in one than this."""


@click.command("diff-data")
@click.argument("old")
@click.argument("new")
@click.option("--rows", default=5, show_default=True, type=click.IntRange(0, 1_000), help="Rows to show of each kind.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a comment on a pull request.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if the data differs.")
@frame.json_option
def diff_data(old: str, new: str, rows: int, *, as_markdown: bool, detailed_exitcode: bool, as_json: bool) -> int:
    """Compare two versions of a data file: rows added, removed, edited, moved.

    OLD and NEW are files, or files at a revision such as 'HEAD~1:specs/data/x.jsonl'. A revision and a file compare
    the file with what it was then: 'ftops diff-data HEAD~1 specs/data/x.jsonl'. Secrets and personal data are masked.
    """
    from ftops.compare import compare, sources  # noqa: PLC0415  # commands load what they use
    from ftops.report.datadiff import comparison_json, render_comparison  # noqa: PLC0415
    from ftops.report.datadiff_markdown import render_markdown  # noqa: PLC0415

    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    found = compare(frame.current_folder(), *sources(old, new), listed=rows)
    frame.warn(found.warnings)
    if as_json:
        frame.answer_json(comparison_json(found))
    elif as_markdown:
        frame.answer(render_markdown(found, bytes_max=COMMENT_BYTES_MAX))
    else:
        frame.answer(render_comparison(found, colour=frame.colour(), width=frame.width()))
    return CHANGES_FOUND if detailed_exitcode and not found.diff.is_empty else 0
