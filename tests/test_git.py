"""What git says of a project, and what of it may become a label at the provider."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ftops.git import folder_in_repository, head_commit, origin_name

if TYPE_CHECKING:
    from pathlib import Path

NO_TOKEN = "SECRET"


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/team/models.git", "team/models"),
        ("https://github.com/team/models.git/", "team/models"),
        ("https://oauth2:SECRET@git.example.com/team/models.git", "team/models"),
        ("https://oauth2:SECRET@git.example.com/models.git", "models"),
        ("https://git.example.com:8443/group/team/models.git?token=SECRET", "team/models"),
        ("https://oauth2:SECRET@git.example.com", None),
        ("https://oauth2:SECRET@[bad/team/models", None),
        ("ssh://git@git.example.com:2222/team/models.git", "team/models"),
        ("git@github.com:team/models.git", "team/models"),
        ("SECRET@git.example.com:models.git", "models"),
        ("/srv/git/team/models.git", "team/models"),
        ("../models.git", "models"),
    ],
)
def test_a_project_is_named_by_the_path_of_its_origin_alone(tmp_path: Path, url: str, name: str | None) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "remote.origin.url", url)
    assert origin_name(tmp_path) == name
    assert NO_TOKEN not in str(origin_name(tmp_path))


def test_without_an_origin_or_its_url_there_is_no_name(tmp_path: Path) -> None:
    assert origin_name(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert origin_name(tmp_path) is None
    git(tmp_path, "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    assert origin_name(tmp_path) is None


def test_a_commit_is_named_if_there_is_one(tmp_path: Path) -> None:
    assert head_commit(tmp_path) is None
    git(tmp_path, "init", "--quiet")
    assert head_commit(tmp_path) is None
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "first")
    assert len(head_commit(tmp_path) or "") == 40
    (tmp_path / ".git" / "HEAD").write_text("rubbish\n")
    assert head_commit(tmp_path) is None


def test_a_folder_is_known_by_its_place_in_the_repository(tmp_path: Path) -> None:
    project = tmp_path / "ml" / "support"
    project.mkdir(parents=True)
    assert folder_in_repository(project) == ""
    git(tmp_path, "init", "--quiet")
    assert folder_in_repository(tmp_path) == ""
    assert folder_in_repository(project) == "ml/support"
