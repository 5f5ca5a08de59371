"""Projects with one dataset, and what is built of it."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from ftops.dataset.builds.build import build
from ftops.dataset.builds.sources import SourceFile
from ftops.datasets import build_all, place_in
from ftops.diagnostics import ProblemsError
from ftops.project import open_project, read_declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ftops.dataset.builds.manifest import Manifest
    from ftops.datasets import Build
    from ftops.diagnostics import Diagnostic

HEAD = "kind: Dataset\nsources: {reviews: data/*.csv}\n"
CHAT = 'chat: {user: "{review}", assistant: "{star}"}\n'


@dataclass(frozen=True, slots=True)
class Workshop:
    """A project of its own, with one dataset named `reviews`."""

    root: Path

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.root / "specs" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def table(self, rows: Iterable[Sequence[object]], *, header: str = "review,star", path: str = "data/a.csv") -> Path:
        out = StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)
        return self.write(path, f"{header}\n{out.getvalue()}")

    def declare(self, more: str = CHAT, *, head: str = HEAD) -> None:
        self.write("reviews.yaml", head + more)

    def build(self, *, only_look: bool = False) -> Build:
        project = open_project(self.root)
        (made,) = build_all(project, read_declared(project).datasets, only_look=only_look)
        return made

    def again(self, *, threads: int) -> Manifest:
        """Build on that many threads, whatever is built already."""
        project = open_project(self.root)
        (dataset,) = read_declared(project).datasets
        sources = {
            name: tuple(
                SourceFile(path.relative_to(self.root).as_posix(), "")
                for pattern in patterns
                for path in sorted(self.root.glob(pattern))
            )
            for name, patterns in dataset.recipe.sources.items()
        }
        locate = place_in(dataset)
        return build("reviews", dataset.recipe, sources, root=self.root, locate=locate, threads=threads)

    def rows(self, split: str = "train") -> list[Any]:
        """Build, and read a split."""
        return self.read(self.build(), split)

    def read(self, made: Build, split: str = "train") -> list[Any]:
        path = self.root / made.files()[f"dataset reviews/{split}"]
        return [json.loads(line) for line in path.read_bytes().splitlines()]

    def questions(self, split: str = "train") -> list[str]:
        return [row["messages"][-2]["content"] for row in self.rows(split)]

    def problems(self) -> tuple[Diagnostic, ...]:
        with pytest.raises(ProblemsError) as caught:
            self.build()
        return caught.value.problems

    def problem(self) -> Diagnostic:
        (problem,) = self.problems()
        return problem


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture(scope="session")
def workshop_in() -> Callable[[Path], Workshop]:
    """Makes a project in a folder, for tests that need more than one."""
    return Workshop
