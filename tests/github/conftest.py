"""A forge for every test, and what is on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.github.actions import Actions, acting
from tests.github.forge.handle import forge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.github.forge.handle import Forge, Repository


@pytest.fixture(scope="session")
def running_forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with forge(tmp_path_factory.mktemp("forge")) as started:
        yield started


@pytest.fixture
def github(running_forge: Forge) -> Iterator[Forge]:
    """An empty forge; what a test asks of it must be as GitHub describes it."""
    running_forge.reset()
    yield running_forge
    assert running_forge.invalid() == []


@pytest.fixture
def models(github: Forge) -> Repository:
    """A private repository with one commit on main."""
    made = github.repository("acme/models")
    made.commit({"README.md": "Models of Acme\n"}, message="Begin")
    return made


@pytest.fixture
def actions(github: Forge, tmp_path: Path) -> Iterator[Actions]:
    with acting(github, tmp_path) as made:
        yield made
