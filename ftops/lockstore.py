"""The lockfile on disk: read whole, written atomically, one writer at a time."""

from __future__ import annotations

import fcntl
import os
import platform
import shlex
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.digest import digest_of, short
from ftops.lockfile import Lockfile, decode, encode
from ftops.lockmerge import conflicts, merged
from ftops.plainfile import APPEND, open_plain, read_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

DEFAULT_TARGET_FILE = "ftops.lock"
LOCK_BYTES_MAX = 512 * 1024 * 1024
"""No lockfile is read beyond this: 250,000 models of 2 kB each."""
HELD_SECONDS = 5
"""How long to wait for another ftops command that writes; one that only collects is done by then."""
LOOKS_PER_SECOND = 10
SAVES_MAX = 10
"""How often a save begins anew because others wrote while it did."""


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
        self._held: os.stat_result | None = None

    def read(self) -> Lockfile:
        """The recorded state; empty if there is no lockfile yet.

        Raises:
            ProblemsError: It cannot be read, is not a lockfile, or a recovery copy waits to be brought back.
        """
        if os.path.lexists(self._path.with_name(f"{self.name}.recovery")):
            raise ProblemsError(_recovery_waits(self.name))
        try:
            self._known = self._on_disk()
        except OSError as error:
            raise ProblemsError(_unreadable(self.name, _reason(error))) from None
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
        try:
            return _kept_beside(self._path, "damaged", self._known).name
        except OSError as error:
            raise ProblemsError(_unsaved(f"{self.name}.damaged", _reason(error), _NO_JOB)) from None

    def save(self, lock: Lockfile, *, spent: bool) -> Lockfile:
        """Write *lock*, whole or not at all; gives what stands on disk then, from which the next one is to be made.

        What others recorded meanwhile, by a `git pull` for example, stays: only entries that changed are put in.

        Args:
            lock: What was read or saved last, with changes.
            spent: Something was made at the provider since the last save, so what cannot be saved here is saved
                elsewhere, and the error says where.

        Raises:
            ProblemsError: It cannot be written, or the same entry was changed by others; the old content stands.
        """
        if encode(lock) == self._known:
            return lock
        whole = lock
        try:
            for _ in range(SAVES_MAX):
                found = self._on_disk()
                whole = self._with_theirs(lock, found)
                # Writing may take long, and what others put there meanwhile must not be replaced either.
                if write_atomically(self._path, encode(whole), only_if=partial(self._stands, found)):
                    self._known = encode(whole)
                    return whole
        except _ConflictError as conflict:
            fix = _set_beside(self._path, encode(whole)) if spent else _NO_JOB
            raise ProblemsError(_unsaved(self.name, str(conflict), fix)) from None
        except OSError as error:
            fix = _recovery(self._path, encode(whole)) if spent else _NO_JOB
            raise ProblemsError(_unsaved(self.name, _reason(error), fix)) from None
        fix = _set_beside(self._path, encode(whole)) if spent else _NO_JOB
        raise ProblemsError(_unsaved(self.name, "something else changes it all the time", fix))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold off other ftops commands that would write this lockfile.

        Raises:
            ProblemsError: Another one is at it.
        """
        state = self.root / ".ftops"
        make_state_folder(state)
        try:
            file = open_plain(state / f"{self.name}.held", APPEND)
        except OSError as error:
            raise ProblemsError(_state_unwritable(_reason(error))) from None
        with file:
            if not _locked(file):
                raise ProblemsError(_held(self.name))
            self._held = os.fstat(file.fileno())
            yield

    def holder(self) -> str:
        """Who holds the lock now, as others may know this checkout; only while it is held."""
        assert self._held is not None, "nobody holds it"
        return holder_of(self._held)

    def _on_disk(self) -> bytes | None:
        try:
            return read_plain(self._path, LOCK_BYTES_MAX)
        except FileNotFoundError:
            return None

    def _stands(self, content: bytes | None) -> bool:
        return self._on_disk() == content

    def _with_theirs(self, lock: Lockfile, found: bytes | None) -> Lockfile:
        """*lock* with what others wrote since we read or wrote; a file that was deleted has nothing to add."""
        if found is None or found == self._known:
            return lock
        try:
            base = decode(self._known, self.name) if self._known else Lockfile(target=self._target)
            theirs = decode(found, self.name)
        except ProblemsError as error:
            raise _ConflictError(f"it was changed while this command ran: {error.problems[0].summary}") from None
        if theirs.target != self._target:
            raise _ConflictError(f"it became the record of the target `{theirs.target}` while this command ran")
        if names := conflicts(base, lock, theirs):
            listed = ", ".join(f"`{name}`" for name in names)
            raise _ConflictError(f"the record of {listed} was changed by hand while this command ran")
        return merged(base, lock, theirs)


def holder_of(held: os.stat_result) -> str:
    """The name of whoever holds the lock on the file *held*: this machine since it was started, and that file.

    Two processes of this name never hold it at once, and a checkout that was copied has another: so others may know
    who claims what, and a command goes on at once with what one before it began here.
    """
    machine = platform.node() or "unknown"
    with suppress(OSError):
        machine += Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return f"{platform.node()}/{short(digest_of([machine, held.st_dev, held.st_ino]))}"


class _ConflictError(Exception):
    """What stands on disk is somebody else's, and must not be overwritten."""


def make_state_folder(state: Path) -> None:
    """Make `.ftops`, which keeps itself out of git.

    Raises:
        ProblemsError: It cannot be made or written.
    """
    ignore = state / ".gitignore"
    try:
        state.mkdir(exist_ok=True)
        with suppress(FileExistsError), ignore.open("x", encoding="utf-8") as file:
            file.write("*\n")
    except OSError as error:
        raise ProblemsError(_state_unwritable(_reason(error))) from None


def write_atomically(path: Path, content: bytes, *, only_if: Callable[[], bool] = lambda: True) -> bool:
    """Replace *path* with *content*: after a crash it holds the old bytes or the new ones, never a mixture.

    Args:
        path: Of the file.
        content: All of it.
        only_if: Asked last, when all that takes time is done; if not, *path* stays as it is, and False is given.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            # mkstemp makes it private; a lockfile is as public as the file that it replaces.
            os.fchmod(file.fileno(), path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        if not only_if():
            Path(name).unlink()
            return False
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
    return True


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _locked(file: BinaryIO) -> bool:
    """Take the lock of *file*, which goes with our process; False if another kept it all the time."""
    for _ in range(HELD_SECONDS * LOOKS_PER_SECOND):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(1 / LOOKS_PER_SECOND)
    return False


def _recovery(path: Path, content: bytes) -> str:
    """Keep *content*, all that is to stand in *path*, beside it or among the temporary files; gives the fix."""
    with suppress(OSError):
        return _bring_back(path.with_name(f"{path.name}.recovery"), path, content)
    with suppress(OSError):
        return _bring_back(Path(tempfile.mkdtemp(prefix="ftops-recovery-")) / path.name, path, content)
    return f"mend that, then {_REBUILD}"


def _bring_back(copy: Path, path: Path, content: bytes) -> str:
    write_atomically(copy, content)
    return f"mend that, then bring the record back with `{shlex.join(['mv', str(copy), str(path)])}`"


def _set_beside(path: Path, content: bytes) -> str:
    """Keep *content*, which *path* must not be replaced with; gives the fix."""
    try:
        return f"{_REBUILD}; for comparison, `{_kept_beside(path, 'unsaved', content).name}` is what it would have been"
    except OSError:
        return _REBUILD


def _kept_beside(path: Path, word: str, content: bytes) -> Path:
    """Write *content* into a file beside *path*, never over another."""
    number = 1
    while (copy := path.with_name(f"{path.name}.{word}-{number}")).exists():
        number += 1
    write_atomically(copy, content)
    return copy


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


_NO_JOB = "mend that and run the command again: no job was created for this change"
_REBUILD = "run `ftops lock rebuild`: the provider's labels hold what could not be saved"


def _state_unwritable(why: str) -> Diagnostic:
    return Diagnostic(
        code="state-unwritable",
        summary="the folder `.ftops` cannot be written",
        place=Place(path=".ftops"),
        why=why,
        fix="make it a folder that you may write",
    )


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
