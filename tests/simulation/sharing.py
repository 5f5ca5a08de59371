"""What runners share, each replaced only by compare-and-swap, and each runner's way there.

In memory: it stands for the git remote, whose own part is tested with git itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.shared import Shared, SharedFile, SharedUnknownError
from tests.simulation.baton import boundary

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

SHARED_FAULTS = ("unreachable", "lost answer", "lost race")
CLAIMS, MAIN = "the claims", "main"


@dataclass
class ClaimsFile:
    """The file of claims."""

    name: str = CLAIMS
    content: bytes | None = None
    version: int = 0

    def read(self) -> Shared:
        return Shared(content=self.content, version=str(self.version) if self.version else None)

    def swap(self, old: Shared, content: bytes) -> Shared | None:
        if old != self.read():
            return None
        self.content, self.version = content, self.version + 1
        return self.read()


class Commit(NamedTuple):
    """One state of the branch."""

    version: int
    files: dict[str, bytes]
    """Configuration, specs and data by their paths."""
    lock: bytes | None


@dataclass
class Branch:
    """The branch `main` at its remote; as a shared file, its lockfile."""

    name: str = MAIN
    head: Commit = field(default_factory=lambda: Commit(0, {}, None))

    def commit(self, changes: dict[str, bytes | None]) -> None:
        """A reviewed change of specs, data or configuration; None deletes a file."""
        wanted = {**self.head.files, **changes}
        files = {path: content for path, content in wanted.items() if content is not None}
        self.head = Commit(self.head.version + 1, files, self.head.lock)

    def read(self) -> Shared:
        return Shared(content=self.head.lock, version=str(self.head.version))

    def swap(self, old: Shared, content: bytes) -> Shared | None:
        if old != self.read():
            return None
        self.head = Commit(self.head.version + 1, self.head.files, content)
        return self.read()


@dataclass
class Access:
    """One runner's way to a shared file, with what goes wrong on it."""

    file: SharedFile
    log: Callable[[str], None]
    count: Counter[str]
    faults: list[str] = field(default_factory=list)
    path: str = "ftops.lock"

    @property
    def name(self) -> str:
        return self.file.name

    def read(self) -> Shared:
        boundary(f"{self.name}: to be read")
        if self._takes("unreachable"):
            raise ProblemsError(_PROBLEM)
        return self.file.read()

    def swap(self, old: Shared, content: bytes) -> Shared | None:
        boundary(f"{self.name}: to be changed")
        if self._takes("unreachable"):
            raise ProblemsError(_PROBLEM)
        found = None if self._takes("lost race") else self.file.swap(old, content)
        self.count[f"{self.name}: {'changed' if found else 'somebody was faster'}"] += 1
        self.log(f"{self.name}: {'changed' if found else 'somebody was faster'}")
        boundary(f"{self.name}: its answer")
        if self._takes("lost answer"):
            raise SharedUnknownError(_PROBLEM)
        return found

    def _takes(self, kind: str) -> bool:
        if self.faults[:1] != [kind]:
            return False
        self.count[f"{self.name}: {kind}"] += 1
        self.log(f"{self.name}: {self.faults.pop(0)}")
        return True


_PROBLEM = Diagnostic(
    code="shared-unreachable", summary="the simulated remote cannot be reached", fix="try again later"
)
