"""Paths that specs name: relative, inside the repository, with forward slashes; decided by their letters alone."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_FILE_ID = re.compile(r"file-[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class BadPath:
    """Why a path is refused."""

    claim: str
    """Ends a sentence that begins with the path."""
    why: str
    fix: str


def resolve(text: str, folder: str) -> str | BadPath:
    """Make *text*, which is relative to *folder*, relative to the repository; symbolic links are not followed here."""
    if _FILE_ID.fullmatch(text):
        return BadPath(
            claim="is the id of an uploaded file",
            why="ftops uploads files itself and knows them by their content",
            fix="write the path of the file on disk, such as `data/train.jsonl`",
        )
    if "://" in text:
        return BadPath(
            claim="is a URL",
            why="a spec must mean the same tomorrow, and what a URL answers can change",
            fix="put the file into the repository and write its path, such as `data/train.jsonl`",
        )
    if _CONTROL.search(text):
        return BadPath(
            claim="holds a control character",
            why="such a path cannot be shown, and most programs stumble over it",
            fix="rename the file",
        )
    if "\\" in text:
        return BadPath(
            claim="holds a backslash",
            why="specs are read on every system, and only forward slashes mean the same on all",
            fix=f"write `{text.replace(chr(92), '/')}`",
        )
    if text.startswith(("/", "~")) or _DRIVE.match(text):
        return BadPath(
            claim="is an absolute path",
            why="it exists on one machine only",
            fix="write a path relative to this file, such as `data/train.jsonl`",
        )
    path = posixpath.normpath(posixpath.join(folder, text))
    if path == ".." or path.startswith("../"):
        return BadPath(
            claim="leads out of the repository",
            why="what is outside is in no commit, so nobody else could repeat the run",
            fix="put the file into the repository",
        )
    return path
