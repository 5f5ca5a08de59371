"""The file of claims that all runners share, and each runner's way to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.shared import Shared, SharedUnknownError
from tests.simulation.baton import boundary

if TYPE_CHECKING:
    from collections.abc import Callable

CLAIM_FAULTS = ("unreachable", "lost answer", "lost race")


@dataclass
class ClaimsFile:
    """What stands there, and how often it was replaced."""

    content: bytes | None = None
    version: int = 0

    def read(self) -> Shared:
        return Shared(content=self.content, version=str(self.version) if self.version else None)

    def swap(self, old: Shared, content: bytes) -> Shared | None:
        if old != self.read():
            return None
        self.content, self.version = content, self.version + 1
        return self.read()


@dataclass
class ClaimsAccess:
    """One runner's way to the file."""

    file: ClaimsFile
    log: Callable[[str], None]
    count: Counter[str]
    faults: list[str] = field(default_factory=list)
    name: str = "the simulated claims"

    def read(self) -> Shared:
        boundary("claims: to be read")
        if self._takes("unreachable"):
            raise ProblemsError(_PROBLEM)
        return self.file.read()

    def swap(self, old: Shared, content: bytes) -> Shared | None:
        boundary("claims: to be swapped")
        if self._takes("unreachable"):
            raise ProblemsError(_PROBLEM)
        if self._takes("lost race"):
            self.file.version += 1
        found = self.file.swap(old, content)
        self.log(f"claims: {'swapped' if found else 'somebody was faster'}")
        boundary("claims: swapped")
        if self._takes("lost answer"):
            raise SharedUnknownError(_PROBLEM)
        return found

    def _takes(self, kind: str) -> bool:
        if self.faults[:1] != [kind]:
            return False
        self.count[f"claims: {kind}"] += 1
        self.log(f"claims: {self.faults.pop(0)}")
        return True


_PROBLEM = Diagnostic(code="shared-unreachable", summary="the simulated claims cannot be reached", fix="try again later")
