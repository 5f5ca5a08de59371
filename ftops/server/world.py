"""One opened server without HTTP: its state, and the means to move jobs on by hand."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ftops.server import models, progress
from ftops.server.jobs import parse_job
from ftops.server.state import open_state
from ftops.server.work import next_to_train, next_to_validate, train_next, validate_next

if TYPE_CHECKING:
    from pathlib import Path

    from ftops.server.settings import Settings
    from ftops.server.state import State


class World:
    """What a server knows and does, with the time and chance of its settings.

    Raises:
        StateError: The state folder cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state: State = open_state(settings)

    def run_next_job(self) -> str | None:
        """Validate and train, in this process and for real, the job whose turn it is; its id, or None if none waits."""
        waiting = next_to_validate(self.state)
        if waiting is not None:
            validate_next(self.state)
        job = next_to_train(self.state)
        train_next(self.state)
        if job is not None:
            return job.id
        return None if waiting is None else waiting.id

    def has_unfinished_jobs(self) -> bool:
        """Whether a job would go on by itself."""
        return next_to_validate(self.state) is not None or next_to_train(self.state) is not None

    def recover(self) -> None:
        """Bring the folders in line with the database, after whatever ended the last server.

        Only while no worker runs.

        Raises:
            StateError: The database is damaged; nothing was swept away.
        """
        state = self.state
        state.database.require_sound()
        for row in state.database.rows("SELECT * FROM jobs WHERE status = 'cancelled'"):
            if state.run(row["id"]).exists():
                progress.settle_cancelled(state, parse_job(row))
        with state.database.transaction():
            state.database.execute("DELETE FROM files WHERE expires_at <= ?", state.now())
            state.database.execute(
                "UPDATE uploads SET status = 'expired' WHERE status = 'pending' AND expires_at <= ?", state.now()
            )
        _keep_only(state.folder / "incoming", set())
        _keep_only(state.folder / "blobs", self._column("SELECT id FROM files"))
        _keep_only(state.folder / "uploads", self._column("SELECT id FROM uploads WHERE status = 'pending'"))
        unfinished = "SELECT id FROM jobs WHERE status NOT IN ('succeeded', 'failed', 'cancelled')"
        _keep_only(state.folder / "runs", self._column(unfinished))
        folders = self._column("SELECT folder FROM models") - models.unneeded_folders(state)
        _keep_only(state.folder / "models", folders)

    def close(self) -> None:
        self.state.database.close()

    def _column(self, query: str) -> set[str]:
        return {row[0] for row in self.state.database.rows(query)}


def _keep_only(folder: Path, names: set[str]) -> None:
    """Delete what is in *folder* under other names."""
    for path in folder.iterdir():
        if path.name in names:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
