"""The state folder: a database, and the files that are too large for it.

- `state.db`: everything that has an id
- `blobs/<file id>`: content of files
- `uploads/<upload id>/`: parts that have arrived
- `runs/<job id>/`: data of an unfinished job, and the trainer's own folder
- `models/<folder>/`: weights of fine-tuned models
- `incoming/`: what is not yet acknowledged
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ftops.server.database import Database
from ftops.server.errors import StateError
from ftops.server.ids import new_id

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from ftops.server.settings import Clock, Settings


FOLDERS: Final = ("blobs", "uploads", "runs", "models", "incoming")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """An opened state folder, with the time and chance that its changes use."""

    folder: Path
    database: Database
    clock: Clock
    chance: Random
    max_active_jobs: int

    def now(self) -> int:
        return self.clock.now()

    def new_id(self, prefix: str) -> str:
        return new_id(prefix, self.chance)

    def blob(self, file_id: str) -> Path:
        return self.folder / "blobs" / file_id

    def parts(self, upload_id: str) -> Path:
        return self.folder / "uploads" / upload_id

    def run(self, job_id: str) -> Path:
        return self.folder / "runs" / job_id

    def weights(self, name: str) -> Path:
        return self.folder / "models" / name

    def incoming(self) -> Path:
        """A path for something that is being written; it is swept away at the next start if it stays."""
        return self.folder / "incoming" / self.new_id("")


def open_state(settings: Settings) -> State:
    """Open the state folder, made if it is not there and readable by its owner only.

    Raises:
        StateError: The folder cannot be made, or its database cannot be used.
    """
    folder = settings.state.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in FOLDERS:
            (folder / name).mkdir(mode=0o700, exist_ok=True)
            (folder / name).chmod(0o700)
    except OSError as error:
        raise StateError(f"`{folder}` cannot be used as the server's state folder: {error.strerror}") from error
    database = folder / "state.db"
    kept = [name for name in ("blobs", "models") if any((folder / name).iterdir())]
    if kept and not (database.exists() and database.stat().st_size):
        raise StateError(
            f"`{database}` is missing or empty, but `{kept[0]}` is not: put it back, or move the rest away"
        )
    return State(
        folder=folder,
        database=Database(database),
        clock=settings.clock,
        chance=settings.chance,
        max_active_jobs=settings.max_active_jobs,
    )


def settle_into(written: Path, target: Path) -> None:
    """Move *written*, a file or a folder that is not yet synced, to *target*; on the disk when this returns."""
    for path in (written, *sorted(written.rglob("*"))):
        _sync(path)
    written.replace(target)
    _sync(target.parent)


def link(source: str | Path, target: str | Path) -> None:
    """Give the content of the file *source*, which never changes, a second name; a copy where links cannot be made."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def link_folder(source: Path, target: Path) -> None:
    """Give each file of the folder *source* a second name in a new folder *target*, synced to the disk."""
    shutil.copytree(source, target, copy_function=link)
    for path in (target, *target.rglob("*"), target.parent):
        if path.is_dir():
            _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
