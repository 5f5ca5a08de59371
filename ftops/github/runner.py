"""What a step tells the runner of its workflow: annotations, the summary of its job, outputs for other jobs.

Source: GitHub's "Workflow commands for GitHub Actions", read 2026-11.
"""

from __future__ import annotations

import posixpath
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from ftops.report.annotations import annotation_lines
from ftops.report.groups import grouped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftops.diagnostics import Diagnostic
    from ftops.github.event import Run

SUMMARY_BYTES_MAX = 1024 * 1024
"""Of one step: GitHub drops the whole summary above this, and says so only in the step's log."""

_CUT = "\n\n… the rest is left out: GitHub shows 1 MiB of a step's summary\n"
_NAME = re.compile(r"[a-z][a-z_]{0,30}")
_VALUE = re.compile(r"[0-9a-f]{1,128}|(?:sha256:)?[0-9a-f]{64}")
"""A number or a digest: whatever else it was, some workflow would one day paste into a script."""


def annotate(problems: Iterable[Diagnostic], *, folder: str = "") -> None:
    """Show *problems* beside the lines that they are about: ten of each severity, the last of them counting the rest.

    GitHub shows ten of each for a whole step, so this is called with all of them.

    Args:
        problems: With paths relative to the project.
        folder: Of the project, relative to the repository.
    """
    for line in annotation_lines(grouped(_placed(problem, folder) for problem in problems), title="ftops"):
        # Text of a spec or of a provider is escaped in it, so that each line is one command: ours.
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _placed(problem: Diagnostic, folder: str) -> Diagnostic:
    """*problem* as GitHub finds it: with the path that the file has in the repository."""
    place = problem.place
    if not (folder and place):
        return problem
    return replace(problem, place=replace(place, path=posixpath.normpath(posixpath.join(folder, place.path))))


def add_summary(run: Run, text: str) -> None:
    """Add *text*, Markdown, to the summary of the job; cut between two paragraphs if the step has said too much."""
    if run.summary is None:
        return
    content, note = text.rstrip("\n").encode(errors="replace") + b"\n", _CUT.encode()
    with run.summary.open("ab") as file:
        # Room for the note is kept, so that it can always be said once.
        room = max(SUMMARY_BYTES_MAX - len(note) - file.tell(), 0)
        if len(content) > room:
            kept = content[: max(content.rfind(b"\n\n", 0, room), 0)]
            content = kept + note if len(kept) <= room and file.tell() + len(note) <= SUMMARY_BYTES_MAX else b""
        file.write(content)


def set_output(run: Run, name: str, value: str) -> None:
    """Hand a number or a digest on to the jobs after this one."""
    assert _NAME.fullmatch(name), name
    assert _VALUE.fullmatch(value), name
    if run.output is None:
        return
    with run.output.open("a", encoding="ascii") as file:
        file.write(f"{name}={value}\n")
