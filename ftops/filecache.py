"""What was learnt from files, kept as long as their stat says that they are unchanged, as git's index does."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from zlib import crc32

import msgspec

from ftops.plainfile import read_plain

if TYPE_CHECKING:
    from typing import Self

Payload = TypeVar("Payload")

SETTLED_NS = 2_000_000_000
"""How long a file must have been left alone before it was read; file systems count time in steps of up to 2 s."""

BYTES_MAX = 1 << 30
"""Of a cache, which holds some hundred bytes a file; more is not ours."""
UNUSED_MAX = 4_000
"""Entries that are kept although a command did not use them: those that were written last."""

_CHECKSUM_BYTES = 4


class _Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    payload: msgspec.Raw
    """Decoded only when it is asked for, so that a cache of 10,000 files loads at once."""


_decode_entries = msgspec.msgpack.Decoder(dict[str, _Entry]).decode
_encode = msgspec.msgpack.Encoder().encode


class FileCache(Generic[Payload]):
    """Values of type *Payload*, one a file; only to save time: it is always safe to delete, and never an error.

    An entry is trusted if size, modification and change time and inode are what they were before the file was read.
    The change time matters because tools may set the modification time back (`touch -r`, `rsync -t`), but not that one.

    Stat alone cannot tell a file that was changed again after it was read, but within the same step of the file
    system's clock ("racily clean" in git's words). So a file that was modified within SETTLED_NS before it was read is
    not kept at all: it is read again next time, when it has settled, and from then on any change must give it another
    time.
    """

    def __init__(self, file: Path, header: bytes, payload_type: type[Payload], entries: dict[str, _Entry]) -> None:
        self._file = file
        self._header = header
        self._decode = msgspec.msgpack.Decoder(payload_type).decode
        self._entries = entries
        self._used: set[str] = set()
        self._has_changed = False

    @classmethod
    def load(cls, folder: Path, kind: str, version: str, payload_type: type[Payload]) -> Self:
        """Load the cache of this *kind*; an empty one if there is none, or none that can be trusted.

        Args:
            folder: Where caches are, `.ftops/cache`.
            kind: Names the file.
            version: Of the payload and of what makes it; entries of any other version are forgotten.
            payload_type: Anything that msgspec encodes.
        """
        file = folder / f"{kind}.cache"
        header = f"ftops {kind} {version}\n".encode()
        return cls(file, header, payload_type, _read_entries(file, header))

    def get(self, path: str, stat: os.stat_result) -> Payload | None:
        """The payload for *path* if *stat* says that the file is as it was; None if it must be read again."""
        entry = self._entries.get(path)
        if entry is None or not _is_same(entry, stat):
            return None
        try:
            payload = self._decode(entry.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        self._used.add(path)
        return payload

    def put(self, path: str, stat: os.stat_result, payload: Payload, read_at_ns: int) -> None:
        """Keep *payload* for *path*, unless the file was modified so shortly before that a change could go unseen.

        Args:
            path: Relative to the repository's root, with forward slashes.
            stat: Taken before the file was read, so that a change during the reading shows.
            payload: What the reading gave.
            read_at_ns: Unix time when the reading began, in nanoseconds.
        """
        if max(stat.st_mtime_ns, stat.st_ctime_ns) > read_at_ns - SETTLED_NS:
            self._has_changed |= self._entries.pop(path, None) is not None
            return
        encoded = msgspec.Raw(_encode(payload))
        self._entries.pop(path, None)  # so that the entries stand in the order in which they were written
        self._entries[path] = _Entry(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, encoded)
        self._used.add(path)
        self._has_changed = True

    def save(self, *, keep_unused: bool = False) -> None:
        """Write the cache if it changed, whole or not at all; failing to is no error, as it only costs time.

        Args:
            keep_unused: The command looked at some files only, so that the entries of others are kept, up to
                UNUSED_MAX of them. Otherwise what was neither got nor put is dropped: its file is gone, or nothing
                names it any more.
        """
        unused = [path for path in self._entries if path not in self._used]
        dropped = set(unused[:-UNUSED_MAX] if keep_unused else unused)
        if dropped:
            self._entries = {path: entry for path, entry in self._entries.items() if path not in dropped}
            self._has_changed = True
        if self._has_changed:
            with contextlib.suppress(OSError):
                _write_entries(self._file, self._header, self._entries)
                self._has_changed = False


def _is_same(entry: _Entry, stat: os.stat_result) -> bool:
    return (
        entry.mtime_ns == stat.st_mtime_ns
        and entry.size == stat.st_size
        and entry.ctime_ns == stat.st_ctime_ns
        and entry.inode == stat.st_ino
    )


def _read_entries(file: Path, header: bytes) -> dict[str, _Entry]:
    """Read entries; none are taken from a file of another kind or version, or from one that was not written whole."""
    try:
        content = read_plain(file, BYTES_MAX)
    except OSError:
        return {}
    body = memoryview(content)[len(header) + _CHECKSUM_BYTES :]
    if not content.startswith(header + crc32(body).to_bytes(_CHECKSUM_BYTES, "big")):
        return {}
    try:
        return _decode_entries(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _write_entries(file: Path, header: bytes, entries: dict[str, _Entry]) -> None:
    """Replace *file*, so that a reader at the same time finds the old one or the new one.

    Raises:
        OSError: It could not be written; nothing is left behind.
    """
    body = _encode(entries)
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=file.name, dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines((header, crc32(body).to_bytes(_CHECKSUM_BYTES, "big"), body))
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
