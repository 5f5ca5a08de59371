"""What the kernel and the disk say of a server: its processes, and what lies in its folder. Linux only."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def role_of(pid: int) -> str:
    """Such as `server`, `server.sampling` or `server.worker train`.

    Raises:
        OSError: It has ended.
    """
    words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
    if "-m" not in words:
        return "a process that starts"
    role = words[words.index("-m") + 1].removeprefix("ftops.")
    return f"{role} {words[-2]}" if role.endswith("worker") else role


def open_files_of(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def left_over(state: Path) -> list[str]:
    """What lies in an idle server's folder and belongs to nothing, and what its database says of itself if damaged."""
    known = {
        "blobs": "SELECT id FROM files",
        "models": "SELECT folder FROM models WHERE NOT deleted",
        "runs": "SELECT id FROM jobs WHERE status NOT IN ('succeeded', 'failed', 'cancelled')",
        "uploads": "SELECT id FROM uploads WHERE status = 'pending'",
        "incoming": "SELECT 1 WHERE 0",
    }
    with closing(sqlite3.connect(state / "state.db")) as database:
        found = [
            f"{folder}/{path.name}"
            for folder, query in known.items()
            for path in (state / folder).iterdir()
            if path.name not in {row[0] for row in database.execute(query)}
        ]
        return [*found, *_damage(database)]


def _damage(database: sqlite3.Connection) -> Iterator[str]:
    return (row[0] for row in database.execute("PRAGMA integrity_check") if row[0] != "ok")
