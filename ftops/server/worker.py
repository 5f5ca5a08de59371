"""A process that works on jobs: `python -m ftops.server.worker STATE validate|train`.

It holds a lock of its role, so that never two train, and lives no longer than the server: its standard input is a pipe
from there, on which each line means that there is work, and whose end means that the server is gone. On its standard
output each line means that a piece of work is done.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from ftops.server.settings import Settings
from ftops.server.state import open_state
from ftops.server.work import train_next, validate_next

if TYPE_CHECKING:
    from collections.abc import Iterator

Role = Literal["validate", "train"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
LINGER_SECONDS: Final = 60.0
"""How long a worker waits for more work before it ends."""
_NICENESS: Final = 10


@contextmanager
def working_alone(state: Path, role: Role) -> Iterator[None]:
    """Hold the lock of *role*, waiting for whoever has it: a worker of a server that was killed, for an instant."""
    with (state / f"{role}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(folder: str, role: Role) -> None:
    work_there = threading.Event()
    threading.Thread(target=_listen, args=(work_there,), daemon=True).start()
    if role == "train":
        os.nice(_NICENESS)
    with working_alone(Path(folder), role):
        state = open_state(Settings(state=Path(folder)))
        do_next = train_next if role == "train" else validate_next
        with closing(state.database):
            is_needed = True
            while is_needed:
                work_there.clear()
                while do_next(state):
                    print(flush=True)  # noqa: T201 the server is told, for a validated job is work for another worker
                is_needed = work_there.wait(LINGER_SECONDS)


def _listen(work_there: threading.Event) -> None:
    for _ in sys.stdin:
        work_there.set()
    # The server is gone, however it ended. What counts is on the disk, and the next server's worker goes on from there.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], "train" if sys.argv[2] == "train" else "validate")
