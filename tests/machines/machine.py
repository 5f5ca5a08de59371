"""One machine: a clone of the remote, and commands in it, each a process group that can be stopped or killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftops.__main__ import main
from tests.machines.places import LOCK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.machines.places import Places

CODE = re.compile(r"^(?:error|warning)\[([a-z0-9-]+)\]", re.MULTILINE)
COMMAND_SECONDS_MAX = 300
"""For one command: it waits 16 s for the list of the provider for each of a few specs."""


@dataclass(kw_only=True)
class Process:
    """A command that runs, or has ended; the leader of a group that git's processes belong to."""

    words: tuple[str, ...]
    pid: int
    log: Path
    code: int | None = None
    """Its exit code; minus the signal that ended it."""

    def is_running(self) -> bool:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def signal(self, number: signal.Signals) -> None:
        if self.is_running():
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """End all of the group at once."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        end = time.monotonic() + COMMAND_SECONDS_MAX
        while self.is_running():
            assert time.monotonic() < end, f"{' '.join(self.words)} does not end: {self.said}"
            time.sleep(0.005)
        assert self.code is not None
        return self.code

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @property
    def problems(self) -> list[str]:
        """The codes of what it complained of."""
        return CODE.findall(self.said)


@dataclass(kw_only=True)
class Machine:
    """A clone, and what was run in it."""

    name: str
    places: Places
    ran: list[Process] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.places.folder / "clones" / self.name

    @property
    def trace(self) -> Path:
        return self.places.folder / "trace.json"

    @property
    def lock(self) -> Path:
        return self.root / LOCK

    def clone(self, *options: str) -> None:
        """Begin anew, with nothing of before."""
        if self.root.exists():
            shutil.rmtree(self.root)
        self.root.parent.mkdir(exist_ok=True)
        command = ["git", "clone", "--quiet", *options, self.places.remote, str(self.root)]
        subprocess.run(command, check=True, capture_output=True, env=self.places.environment(self.trace))

    def git(self, *arguments: str) -> str:
        """What a person does by hand."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            check=False,
            capture_output=True,
            text=True,
            env=self.places.environment(self.trace),
        )
        assert done.returncode == 0, f"git {' '.join(arguments)} in {self.root}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *words: str) -> Process:
        """Run a command: `ftops` from the memory of this process, which has imported all of it; or any other."""
        logs = self.places.folder / "logs"
        logs.mkdir(exist_ok=True)
        log = logs / f"{len(list(logs.iterdir())):05}-{self.name}.txt"
        log.touch()
        pid = os.fork()
        if pid == 0:
            _become(words, self.root, log, self.places.environment(self.trace))
        with suppress(OSError):  # it has done so itself, or is gone
            os.setpgid(pid, pid)
        process = Process(words=words, pid=pid, log=log)
        self.ran.append(process)
        return process

    def run(self, *words: str) -> Process:
        """Run a command to its end."""
        process = self.start(*words)
        process.wait()
        return process


def _become(words: tuple[str, ...], folder: Path, log: Path, environment: dict[str, str]) -> None:
    """Be the process of a command, and never come back."""
    code = 99
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        out = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        if words[0] != "ftops":
            os.execvp(words[0], words)
        sys.argv = list(words)
        code = main()
    except BaseException:  # noqa: BLE001  # whatever it is, this process must not go on as the one that it came from
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]  # there is one
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
