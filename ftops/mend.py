"""Mend data files: write a new file beside the old one, and never over anything."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from filecmp import cmp
from pathlib import Path
from typing import TYPE_CHECKING

from ftops.dataset.fix import Mended, mend
from ftops.dataset.guess import guess_format
from ftops.diagnostics import Diagnostic, Place, ProblemsError

if TYPE_CHECKING:
    from typing import BinaryIO

    from ftops.subjects import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A mended copy."""

    old: Subject
    new: Subject
    mended: tuple[Mended, ...]


def mend_file(subject: Subject) -> NewFile | None:
    """Write a mended copy of a file, such as `train.fixed.jsonl` of `train.jsonl`; None if there is nothing to mend.

    Raises:
        ProblemsError: The file cannot be read or mended, or another one stands where the copy belongs.
        OSError: Writing failed; nothing is left behind.
    """
    with subject.open() as source:
        guess = guess_format(source)
        source.seek(0)
        goal = subject.file.with_suffix(f".fixed{subject.file.suffix}")
        handle, temporary = tempfile.mkstemp(prefix=f".{goal.name}.", dir=goal.parent)
        try:
            with os.fdopen(handle, "w+b") as target:
                mended = mend(source, target, subject.path, subject.method or guess.method)
                if not mended:
                    return None
                _settle(target, like=source)
            _give_name(Path(temporary), goal, subject)
        finally:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
    path = str(Path(subject.path).with_name(goal.name))
    return NewFile(old=subject, new=replace(subject, path=path, file=goal), mended=mended)


def _settle(target: BinaryIO, like: BinaryIO) -> None:
    """Bring all bytes to the disk, before the file gets a name; as public as the old one is."""
    target.flush()
    os.fchmod(target.fileno(), os.fstat(like.fileno()).st_mode & 0o777)
    os.fsync(target.fileno())


def _give_name(temporary: Path, goal: Path, subject: Subject) -> None:
    try:
        goal.hardlink_to(temporary)  # unlike a rename, it takes no other file's place
    except FileExistsError:
        if not goal.is_file() or not cmp(temporary, goal, shallow=False):
            raise ProblemsError(_in_the_way(str(Path(subject.path).with_name(goal.name)))) from None


def _in_the_way(path: str) -> Diagnostic:
    return Diagnostic(
        code="fix-in-the-way",
        summary=f"`{path}` is there already, and holds something else",
        place=Place(path=path),
        why="no file is ever written over",
        fix="move it away or remove it, then run the command again",
    )
