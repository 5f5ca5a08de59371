"""The last empty plan, remembered: `plan` is a pure function of files, so while none changes its answer stands.

Imports next to nothing: this runs before click is loaded, and answers in the time of one stat a file.
docs/decisions/0006-plan-memo.md says why.
"""

from __future__ import annotations

import os
import sys
from hashlib import sha256

from ftops import __version__

FILE = os.path.join(".ftops", "cache", "plan.memo")  # noqa: PTH118  # pathlib takes longer than the whole answer
MARKS = ("ftops.yaml", "ftops.lock", "specs", ".git")
"""What ends the search for the project's root, as in `ftops.project`."""
MINE = os.path.join(".ftops", ".gitignore")  # noqa: PTH118  # as above
"""Made once in each checkout, with a time and an inode that nobody else knows: a memo that git brought is not ours."""
BYTES_MAX = 64 * 1024 * 1024
"""Of a memo: 100 bytes a file, and the answer."""
VARIABLES = ("NO_COLOR", "TERM", "COLUMNS", "FTOPS_MODELS_DIR", "XDG_CACHE_HOME", "HOME")
"""That decide how the answer looks, and where the local model's tokenizer is."""
SETTLED_SECONDS = 2
"""A file that changed so recently may change again within the same tick of the file system's clock."""

# The file: a header line with the key, the signature of all paths, and how many characters the warnings and the answer
# have; both of them; then a path a line.


def recall(arguments: list[str]) -> tuple[str, str] | None:
    """What `ftops` with *arguments* writes to stderr and to stdout, if nothing that it was made from has changed."""
    try:
        root = os.getcwd()  # noqa: PTH109  # as above
        while not os.path.lexists(os.path.join(root, FILE)):  # noqa: PTH118
            above = os.path.dirname(root)  # noqa: PTH120
            if above == root or any(os.path.lexists(os.path.join(root, mark)) for mark in MARKS):  # noqa: PTH118
                return None
            root = above
        with open(_opened(os.path.join(root, FILE)), encoding="utf-8", newline="") as file:  # noqa: PTH118
            key, signature, warned, answered = file.readline().split()
            if key != _key(arguments):
                return None
            warnings, answer = file.read(int(warned)), file.read(int(answered))
            paths = file.read().split("\n")
        return (warnings, answer) if _signature(root, paths)[0] == signature else None
    except (OSError, ValueError):
        # No memo, no folder, or something that is not a memo.
        return None


def remember(root: os.PathLike[str], paths: list[str], warnings: str, answer: str, *, since: float) -> None:
    """Keep what this very command line wrote, for as long as *paths* stay as they are.

    Args:
        root: The project's root.
        paths: All that it depends on, relative to *root*: files, files that are not there, and folders, whose time
            changes with the names in them.
        warnings: What went to stderr.
        answer: What went to stdout.
        since: When the first of *paths* was read, in unix seconds: what changed after it may not be in the answer.
    """
    try:
        signature, newest = _signature(os.fspath(root), paths)
    except OSError:
        return
    if newest > since - SETTLED_SECONDS or any("\n" in path for path in paths):
        return
    target = os.path.join(root, FILE)  # noqa: PTH118
    temporary = f"{target}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        with open(temporary, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
            file.write(f"{_key(sys.argv[1:])} {signature} {len(warnings)} {len(answer)}\n{warnings}{answer}")
            file.write("\n".join(paths))
        os.replace(temporary, target)  # noqa: PTH105
    except (OSError, UnicodeEncodeError):
        # Nowhere to write, or a folder whose name is not UTF-8. Only time is lost.
        return


def _opened(path: str) -> int:
    """Open the memo, which nothing else may stand for: git carries links, and one to a device would never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if os.fstat(descriptor).st_size > BYTES_MAX:
        os.close(descriptor)
        raise ValueError("no memo is as long")
    return descriptor


def _key(arguments: list[str]) -> str:
    """What the answer depends on besides files."""
    size = os.get_terminal_size(1) if os.isatty(1) else None
    environ = [os.environ.get(name) for name in VARIABLES]
    folder = os.getcwd()  # noqa: PTH109  # the nearest project depends on it
    return sha256(repr((__version__, sys.version, folder, arguments, size, os.isatty(2), environ)).encode()).hexdigest()


def _signature(root: str, paths: list[str]) -> tuple[str, float]:
    """Digest of all stats, and the newest time among them."""
    mine = os.stat(f"{root}/{MINE}")  # noqa: PTH116  # without it, nothing is remembered
    stats: list[object] = [(mine.st_ctime_ns, mine.st_ino)]
    newest = 0.0
    for path in paths:
        try:
            found = os.stat(f"{root}/{path}")  # noqa: PTH116
        except FileNotFoundError:
            stats.append(None)
            continue
        stats.append((found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino))
        newest = max(newest, found.st_mtime, found.st_ctime)
    return sha256(repr(stats).encode()).hexdigest(), newest
