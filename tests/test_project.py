"""A project is found by what lies in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.project import open_project

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_configuration_all_is_as_with_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    missing = open_project(tmp_path)
    (tmp_path / "ftops.yaml").touch()
    assert open_project(tmp_path) == missing
