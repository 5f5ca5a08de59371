"""How many rows a file may have: what depends on the use of the file rather than on its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ftops.dataset.rule import Fault
from ftops.diagnostics import Place, Severity

if TYPE_CHECKING:
    from ftops.diagnostics import Diagnostic

Use = Literal["training", "validation"]

ROWS_MIN = 10
"""Of a training file. Source: OpenAI's supervised fine-tuning guide; for the other methods it documents none."""
REINFORCEMENT_ROWS_MAX = {"training": 50_000, "validation": 1_000}
"""Source: OpenAI's reinforcement fine-tuning guide."""

TOO_FEW_ROWS = Fault(
    code="data-too-few-rows",
    meaning="A training file has fewer than 10 rows: an error for `supervised`, a warning for other methods.",
    why="the provider fails the job with `invalid_n_examples`: a training file `must have at least 10 examples`",
    fix="add rows: OpenAI recommends 50 to 100 to begin with",
)
FEW_ROWS = Fault(
    code=TOO_FEW_ROWS.code,
    meaning=TOO_FEW_ROWS.meaning,
    why="the provider documents a minimum of 10 for `supervised`, and none for this method, but may apply the same",
    fix=TOO_FEW_ROWS.fix,
    severity=Severity.WARNING,
)
TOO_MANY_ROWS = Fault(
    code="data-too-many-rows",
    meaning="A file for `reinforcement` has more rows than the provider takes.",
    why="reinforcement fine-tuning takes 50,000 rows for training and 1,000 for validation",
    fix="leave rows out, best by a random choice",
)


TOO_LARGE = Fault(
    code="data-file-too-large",
    meaning="A data file is larger than the provider takes.",
    why="OpenAI takes files of up to 512 MB at once and 8 GB in parts, Azure and Nebius 5 GB",
    fix="leave rows out, best by a random choice: a sample of that size trains as well",
    applies_to="files of a project, by the target's profile",
)


def size_problems(size: int, *, path: str, most: int) -> tuple[Diagnostic, ...]:
    """Check the size of a file, in bytes, against what its target takes at most."""
    if size <= most:
        return ()
    return (TOO_LARGE.at(Place(path=path), f"file has {size:,} bytes, and the target takes at most {most:,}"),)


def row_count_problems(rows: int, *, path: str, method: str, use: Use) -> tuple[Diagnostic, ...]:
    """Check the number of rows in a file that is not empty, which is the scan's to say.

    A validation file has no documented minimum, so that one row is enough.
    """
    place = Place(path=path)
    most = REINFORCEMENT_ROWS_MAX[use]
    if method == "reinforcement" and rows > most:
        return (TOO_MANY_ROWS.at(place, f"{use} file has {rows:,} examples, but may have at most {most:,}"),)
    if use == "training" and 0 < rows < ROWS_MIN:
        fault = TOO_FEW_ROWS if method == "supervised" else FEW_ROWS
        return (fault.at(place, f"training file has {rows} example(s), but must have at least {ROWS_MIN} examples"),)
    return ()
