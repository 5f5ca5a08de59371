"""What is known of a build, kept beside its files."""

from __future__ import annotations

import msgspec

from ftops.digest import short

FOLDER = ".ftops/datasets"
"""Where built files are: it can be deleted, and is made again."""
SCRATCH = ".building-"
"""Begins the names of folders in which builds are made."""
BUILD_VERSION = 1
"""Raised whenever the same recipe and sources may make other bytes, or Manifest changes: all is built again."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file that rows came from."""

    path: str
    sha256: str
    rows: int


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was built."""

    sha256: str
    bytes: int
    rows: int
    strata: dict[str, int] = {}
    """Rows by the value of `stratify_by`."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One build of a dataset: what went in, what came out."""

    key: str
    """Digest of recipe, sources and versions: equal keys make equal bytes."""
    duckdb: str
    sources: tuple[Source, ...]
    selected: int
    """Rows that SQL selects; those of the source without SQL."""
    dropped: dict[str, int]
    """Rows that are in no split, by cause: filter, splits, dedupe, limit."""
    splits: dict[str, Split]


def split_path(dataset: str, split: str, sha256: str) -> str:
    """Where a built split lies, by its content: relative to the repository."""
    return f"{FOLDER}/{dataset}/{split}-{short(sha256)}.jsonl"
