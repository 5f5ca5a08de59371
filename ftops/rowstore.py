"""Columns of data files that were read, kept by content, so that a file is compared again without being read again."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

from ftops.dataset.columns import Columns, ColumnWriter
from ftops.dataset.version import RULES_VERSION
from ftops.plainfile import open_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BYTES_MAX: Final = 1 << 30
"""Of all columns together, some 8 million rows; the ones that were not asked for longest go first."""
TRIM_BYTES: Final = 64 << 20
"""After as many more, the store is looked through for what can go."""
UNUSED_SECONDS_MAX: Final = 30 * 24 * 3600
IN_USE_SECONDS: Final = 3600
"""What was asked for so recently may be looked at just now, and stays."""
ENDING: Final = ".rows"
MEMORY_BYTES: Final = 8 << 20
"""Of columns that are written, some 60,000 rows; more go to the disk."""
COPY_BYTES: Final = 1 << 20


class RowStore:
    """A folder of columns, one file for each content and way of reading it. Always safe to delete."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # The first that is kept has it look at all of them; then it does so now and then, not once for each.
        self._untrimmed = TRIM_BYTES

    @contextmanager
    def columns(self, sha256: str, reading: str) -> Iterator[Columns | None]:
        """The columns of a file with that content; None if they are not kept.

        Args:
            sha256: Of the file.
            reading: How it was read: method and tokenizer.
        """
        file = self._file(sha256, reading)
        try:
            columns = Columns(cast("IO[bytes]", _Unheld(file)))
            os.utime(file, follow_symlinks=False)
        except (OSError, ValueError):
            columns = None
        yield columns

    @contextmanager
    def writer(self, reading: str) -> Iterator[tuple[ColumnWriter, Callable[[str], Columns]]]:
        """A place for columns: a writer, and what to call with the file's SHA-256 once they are written.

        That gives the columns, to be read as long as the context lasts. If they cannot be kept, that is no error.

        Raises:
            OSError: There is no room for a temporary file.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary: str | None = str(self._folder)
        except OSError:
            temporary = None
        # In memory while it is small: where nothing can be written, ordinary files are read all the same.
        with tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=temporary) as spool:
            stream = cast("IO[bytes]", spool)
            writer = ColumnWriter(stream)

            def finish(sha256: str) -> Columns:
                writer.finish()
                with contextlib.suppress(OSError):
                    self._keep(stream, self._file(sha256, reading))
                return Columns(stream)

            yield writer, finish

    def _keep(self, stream: IO[bytes], file: Path) -> None:
        """Copy columns to their place, whole or not at all.

        Raises:
            OSError: There is no room, or no folder.
        """
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix="new-", delete=False) as copy:
            kept = Path(copy.name)
            try:
                stream.seek(0)
                shutil.copyfileobj(stream, copy, COPY_BYTES)
                copy.flush()
                self._untrimmed += copy.tell()
                kept.replace(file)
            except BaseException:
                kept.unlink(missing_ok=True)
                raise
        if self._untrimmed >= TRIM_BYTES:
            self._untrimmed = 0
            self._trim()

    def _file(self, sha256: str, reading: str) -> Path:
        return self._folder / f"{sha256}.{reading}.{RULES_VERSION}{ENDING}"

    def _trim(self) -> None:
        """Let go of what nobody asked for in a month, and of the oldest while all are too large together."""
        statuses = [(file.stat(), file) for file in self._folder.glob(f"*{ENDING}")]
        found = [(status.st_mtime, status.st_size, file) for status, file in statuses]
        left = sum(size for _, size, _ in found)
        for used_at, size, file in sorted(found):
            unused = time.time() - used_at
            if unused > UNUSED_SECONDS_MAX or (unused > IN_USE_SECONDS and left > BYTES_MAX):
                file.unlink(missing_ok=True)
                left -= size


class _Unheld(io.RawIOBase):
    """A file that is open only while it is read: a project's columns are more files than a process may hold open."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with open_plain(file) as stream:
            self._size = os.fstat(stream.fileno()).st_size
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + (self._size if whence == os.SEEK_END else 0)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        with open_plain(self._file) as stream:
            stream.seek(self._at)
            content = stream.read(size)
        self._at += len(content)
        return content
