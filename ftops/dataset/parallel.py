"""Read a large file with all cores: one process cuts it and hashes it, the others take its rows."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, cast

from ftops.dataset.gather import forget_tokenizer, load_tokenizer
from ftops.dataset.lines import BLOCK_BYTES, read_blocks
from ftops.dataset.rows import Part, Want, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path
    from typing import BinaryIO

WORTH_BYTES = 64 << 20
"""From this size on: at 55 MB a second process gains nothing (2 cores; docs/performance.md)."""
LARGE_BYTES = 1 << 30
"""From this size on the vocabulary is let go before the file is looked at as a whole, which takes as much memory."""
STRETCH_BYTES = 2 << 20
"""So small that at the end hardly any worker waits for another, and so large that handing it out costs nothing."""
WORKERS_MAX = 8


class File(NamedTuple):
    """An open file, as another process opens it again."""

    path: str
    device: int
    inode: int


class FileChangedError(OSError):
    """Another file has taken the place of the one that is being read."""


def workers_for(size: int) -> int:
    """How many processes are worth their start for a file of *size* bytes; 1 stands for this one alone."""
    if size < WORTH_BYTES:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, WORKERS_MAX)


def read_in_parallel(
    stream: BinaryIO, path: Path, want: Want, see: Callable[[bytes], object], workers: int
) -> Iterator[Part]:
    """Read *stream* to its end, and give its parts in their order.

    Args:
        stream: An open file, at its first byte.
        path: Under which it can be opened again.
        want: What is asked of the rows.
        see: Is handed every byte in passing.
        workers: Number of processes.

    Raises:
        OSError: Reading failed.
    """
    status = os.fstat(stream.fileno())
    file = File(str(path), status.st_dev, status.st_ino)
    with _pool(workers, want) as pool:
        waiting: deque[Future[list[Part]]] = deque()
        for start, end in _stretches(stream, see):
            waiting.append(pool.submit(_read_stretch, file, start, end, want))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    if status.st_size >= LARGE_BYTES:
        forget_tokenizer()


@contextmanager
def _pool(workers: int, want: Want) -> Iterator[ProcessPoolExecutor]:
    # A forked process shares what is loaded already, but must not be made from one that runs threads of its own.
    forks = sys.platform == "linux" and threading.active_count() == 1
    if forks and want.counting:
        load_tokenizer(want.counting, want.method)
    context = multiprocessing.get_context("fork" if forks else "spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_work)
    try:
        with warnings.catch_warnings():
            # From Python 3.12 on it warns of any thread; the only ones here are numpy's, idle, and made for forks.
            warnings.simplefilter("ignore", DeprecationWarning)
            pool.submit(os.getpid).result()
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_work() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of it, and ends the work
    gc.disable()


@contextmanager
def without_collection() -> Iterator[None]:
    """Rows hold no cycles: looking for them again and again costs a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _stretches(stream: BinaryIO, see: Callable[[bytes], object]) -> Iterator[tuple[int, int]]:
    """Cut the file at ends of lines into stretches of about STRETCH_BYTES: where each begins and ends."""
    start = end = at = 0
    while chunk := stream.read(BLOCK_BYTES):
        see(chunk)
        last = chunk.rfind(b"\n") + 1
        if last:
            end = at + last
        at += len(chunk)
        if end - start >= STRETCH_BYTES:
            yield start, end
            start = end
    if at > start:
        yield start, at


def _read_stretch(file: File, start: int, end: int, want: Want) -> list[Part]:
    descriptor = os.open(file.path, os.O_RDONLY)
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != (file.device, file.inode):
            raise FileChangedError(f"{file.path} was replaced while it was read")
        stream = cast("BinaryIO", _Stretch(descriptor, start, end))
        return [read_rows(block._replace(offset=block.offset + start), want) for block in read_blocks(stream, _ignore)]
    finally:
        os.close(descriptor)


class _Stretch:
    """A part of a file, read from its beginning to its end."""

    def __init__(self, descriptor: int, start: int, end: int) -> None:
        self._descriptor = descriptor
        self._at = start
        self._end = end

    def read(self, size: int) -> bytes:
        content = os.pread(self._descriptor, min(size, self._end - self._at), self._at)
        self._at += len(content)
        return content


def _ignore(_content: bytes) -> None:
    """The bytes were seen by who cut the file."""
