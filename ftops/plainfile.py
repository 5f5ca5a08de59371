"""Files of ours in a folder that came with a checkout: opened only if they are what they seem, and read within bounds.

Git carries symbolic links. One that stands where ftops keeps a file of its own would have it read a device without end,
or write over a file of the person who runs it.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

    from _typeshed import StrPath

READ, APPEND = os.O_RDONLY, os.O_RDWR | os.O_APPEND | os.O_CREAT
"""How to open: what is there; or what may have to be made, to be written at its end."""
# O_NONBLOCK: a pipe is seen to be one instead of being waited for.
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_plain(path: StrPath, how: int = READ) -> BinaryIO:
    """Open an ordinary file.

    Raises:
        OSError: It is a symbolic link, a folder, a pipe or a device, or cannot be opened.
    """
    try:
        file = os.fdopen(os.open(path, how | _SAFELY, 0o666), "a+b" if how & os.O_APPEND else "rb")
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link", os.fspath(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device", os.fspath(path))
    return file


def read_plain(path: StrPath, bytes_max: int) -> bytes:
    """Read an ordinary file.

    Raises:
        OSError: It is none, is longer than *bytes_max*, or cannot be read.
    """
    with open_plain(path) as file:
        content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise OSError(errno.EFBIG, f"it is larger than {bytes_max} bytes", os.fspath(path))
    return content
