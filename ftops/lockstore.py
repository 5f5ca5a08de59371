"""The lockfile on disk: read whole, written atomically, one writer at a time."""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.lockfile import Lockfile, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_TARGET_FILE = "ftops.lock"
LOCK_BYTES_MAX = 512 * 1024 * 1024
"""No lockfile is read beyond this: 250,000 models of 2 kB each."""


def lock_name(target: str, default_target: str) -> str:
    """The lockfile's name: the default target's has the short one."""
    return DEFAULT_TARGET_FILE if target == default_target else f"ftops.{target}.lock"


class LockStore:
    """Keeps one target's lockfile; it knows the bytes that it read or wrote last, and overwrites nothing else."""

    def __init__(self, root: Path, name: str, target: str) -> None:
        self.root = root
        self.name = name
        self._path = root / name
        self._target = target
        self._known: bytes | None = None

    def read(self) -> Lockfile:
        """The recorded state; empty if there is no lockfile yet.

        Raises:
            ProblemsError: It cannot be read, is not a lockfile, or a recovery copy waits to be brought back.
        """
        if os.path.lexists(self._path.with_name(f"{self.name}.recovery")):
            raise ProblemsError(_recovery_waits(self.name))
        self._known = self._on_disk()
        if self._known is None:
            return Lockfile(target=self._target)
        lock = decode(self._known, self.name)
        if lock.target != self._target:
            raise ProblemsError(_wrong_target(self.name, lock.target, self._target))
        return lock

    def set_aside(self) -> str:
        """Keep a copy of what was read, never over another; gives its name.

        Raises:
            ProblemsError: It cannot be written.
        """
        assert self._known is not None
        number = 1
        while (aside := self._path.with_name(f"{self.name}.damaged-{number}")).exists():
            number += 1
        try:
            write_atomically(aside, self._known)
        except OSError as error:
            raise ProblemsError(_unsaved(aside.name, _reason(error), _NOTHING_SENT)) from None
        return aside.name

    def save(self, lock: Lockfile, *, spent: bool) -> None:
        """Write *lock*, whole or not at all.

        Args:
            lock: What is to stand on disk afterwards.
            spent: Something was made at the provider since the last save, so what cannot be saved here is saved
                elsewhere, and the error says where.

        Raises:
            ProblemsError: It cannot be written; the old content stands as it was.
        """
        content = encode(lock)
        if content == self._known:
            return
        if why := self._obstacle():
            raise ProblemsError(self._unsaved(content, why, spent=spent))
        try:
            write_atomically(self._path, content)
        except OSError as error:
            raise ProblemsError(self._unsaved(content, _reason(error), spent=spent)) from None
        self._known = content

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold off other ftops commands that would write this lockfile.

        Raises:
            ProblemsError: Another one is at it.
        """
        folder = self.root / ".ftops"
        try:
            folder.mkdir(exist_ok=True)
            file = (folder / f"{self.name}.held").open("a")
        except OSError as error:
            raise ProblemsError(state_unwritable(_reason(error))) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ProblemsError(_held(self.name)) from None
            yield

    def _on_disk(self) -> bytes | None:
        try:
            # O_NONBLOCK: a FIFO is seen to be one instead of being waited for.
            with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise ProblemsError(_unreadable(self.name, "it is a folder, a pipe or a device"))
                content = file.read(LOCK_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ProblemsError(_unreadable(self.name, _reason(error))) from None
        if len(content) > LOCK_BYTES_MAX:
            raise ProblemsError(_unreadable(self.name, f"it is larger than {LOCK_BYTES_MAX} bytes"))
        return content

    def _obstacle(self) -> str | None:
        """Why what is on disk must not be overwritten."""
        try:
            found = self._on_disk()
        except ProblemsError as error:
            return error.problems[0].why
        return None if found == self._known else "it was changed by something else while this command ran"

    def _unsaved(self, content: bytes, why: str, *, spent: bool) -> Diagnostic:
        if not spent:
            fix = _NOTHING_SENT
        elif copy := _recovery_copy(self._path, content):
            fix = f"mend that, then bring the record back with `{shlex.join(['mv', str(copy), str(self._path)])}`"
        else:
            fix = "mend that, then run `ftops lock rebuild`: the provider's labels hold what could not be saved"
        return _unsaved(self.name, why, fix)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace *path* with *content*: after a crash it holds the old bytes or the new ones, never a mixture."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            # mkstemp makes it private; a lockfile is as public as the file that it replaces.
            os.fchmod(file.fileno(), path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _recovery_copy(path: Path, content: bytes) -> Path | None:
    """Write *content* beside *path*, or in a folder of its own among the temporary files; None if neither can be."""
    with suppress(OSError):
        copy = path.with_name(f"{path.name}.recovery")
        write_atomically(copy, content)
        return copy
    with suppress(OSError):
        copy = Path(tempfile.mkdtemp(prefix="ftops-recovery-")) / path.name
        write_atomically(copy, content)
        return copy
    return None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def state_unwritable(why: str) -> Diagnostic:
    return Diagnostic(
        code="state-unwritable",
        summary="the folder `.ftops` cannot be written",
        place=Place(path=".ftops"),
        why=why,
        fix="make it a folder that you may write: nothing was sent to the provider",
    )


_NOTHING_SENT = "mend that and run the command again: nothing was sent to the provider"


def _unsaved(name: str, why: str, fix: str) -> Diagnostic:
    return Diagnostic(
        code="lock-unsaved", summary=f"`{name}` could not be saved", place=Place(path=name), why=why, fix=fix
    )


def _unreadable(name: str, why: str) -> Diagnostic:
    return Diagnostic(
        code="lock-unreadable",
        summary=f"`{name}` cannot be read",
        place=Place(path=name),
        why=why,
        fix=f"make `{name}` an ordinary, readable file",
    )


def _recovery_waits(name: str) -> Diagnostic:
    return Diagnostic(
        code="lock-recovery",
        summary=f"`{name}.recovery` holds a record that could not be saved to `{name}`",
        place=Place(path=f"{name}.recovery"),
        why="an earlier command made something at the provider and could not record it here",
        fix=f"bring it back with `{shlex.join(['mv', f'{name}.recovery', name])}`",
    )


def _wrong_target(name: str, found: str, wanted: str) -> Diagnostic:
    return Diagnostic(
        code="lock-target",
        summary=f"`{name}` is the record of the target `{found}`, not of `{wanted}`",
        place=Place(path=name),
        why="the default target's lockfile is `ftops.lock`, every other's is `ftops.<target>.lock`",
        fix=f"if the default target was changed on purpose: `git mv {name} ftops.{found}.lock`",
    )


def _held(name: str) -> Diagnostic:
    return Diagnostic(
        code="lock-held",
        summary=f"another ftops command is writing `{name}`",
        why="two at once could both create the same job",
        fix="wait until it ends; its lock goes with its process",
    )
