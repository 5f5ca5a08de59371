"""Everything that is looked for in a whole file, and in the files of a project together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.dataset.formats import format_of
from ftops.dataset.whole.alike import near_duplicates
from ftops.dataset.whole.answers import cut_answers, foreign_answers, nothing_trained, unfinished_answers
from ftops.dataset.whole.duplicates import contradictions, duplicates
from ftops.dataset.whole.labels import label_problems, unknown_labels
from ftops.dataset.whole.leakage import leakage_problems
from ftops.dataset.whole.likeness import row_on
from ftops.dataset.whole.systems import system_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftops.dataset.columns import Columns
    from ftops.dataset.whole.leaks import NamedFile
    from ftops.dataset.whole.likeness import ReadRow
    from ftops.diagnostics import Diagnostic


def whole_problems(columns: Columns, path: str, read_row: ReadRow) -> tuple[Diagnostic, ...]:
    """Look at a file as a whole: warnings and notes, but for a file of which nothing would be learnt.

    A few thousand rows are read at most, whatever the size of the file; memory grows by some 60 bytes a row.

    Args:
        columns: Of the file.
        path: As diagnostics name it.
        read_row: Gives the line of a row, counted from 0, without its line feed.
    """
    if not columns.rows:
        return ()
    first = row_on(read_row(0))
    has_one_answer = format_of(first, "supervised") in {"chat", "completion"}
    return (
        *duplicates(columns, path),
        *near_duplicates(columns, path, read_row),
        *(contradictions(columns, path) if has_one_answer else ()),
        *(nothing_trained(columns, path) if _is_answered(first) else ()),
        *(label_problems(columns, path, read_row) if has_one_answer else ()),
        *system_problems(columns, path, read_row),
        *unfinished_answers(columns, path),
        *cut_answers(columns, path),
        *foreign_answers(columns, path),
    )


def _is_answered(row: dict[str, object]) -> bool:
    """Whether a row is a chat that ends with an answer: rows for a grader look alike, and end with the prompt."""
    match row:
        case {"messages": [*_, {"role": "assistant"}]}:
            return True
        case _:
            return False


def project_problems(files: Sequence[NamedFile]) -> tuple[Diagnostic, ...]:
    """Look at all files of a project together: each once, with all that it is used for.

    Files of earlier generations are looked at for leakage only.
    """
    problems = list(leakage_problems(files))
    for held_out in files:
        specs = {use.spec for use in held_out.uses if use.role != "training" and use.generation is None}
        for training in files:
            if any(use.role == "training" and use.generation is None and use.spec in specs for use in training.uses):
                problems += unknown_labels(
                    training.columns, held_out.columns, path=held_out.path, training_path=training.path
                )
    return tuple(problems)
