"""The configuration is parsed once, as long as its file does not change."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftops.diagnostics import ProblemsError
from ftops.filecache import SETTLED_NS
from ftops.lockstore import make_state_folder
from ftops.project import open_project

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
project: shop
specs: models
default_target: theirs
targets: {theirs: {profile: openai, api_key: {env: THEIR_KEY}, models: {a: b}}}
aliases: {base: "first@0123456789ab"}
budget: {max_usd: 5}
"""
LOADED = """\
import sys
from pathlib import Path
from ftops.project import open_project
open_project(Path.cwd())
print(" ".join(sorted({"yaml", "jsonschema_rs"} & sys.modules.keys())))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose configuration was left alone for long enough, so that its stat can be trusted."""
    make_state_folder(tmp_path / ".ftops")
    config = tmp_path / "ftops.yaml"
    config.write_text(CONFIG)
    while time.time_ns() <= config.stat().st_ctime_ns + SETTLED_NS:
        time.sleep(0.05)
    return tmp_path


def loaded(root: Path) -> str:
    """What a process that opens the project loads of what parsing takes."""
    return subprocess.run(
        [sys.executable, "-c", LOADED], cwd=root, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_what_is_remembered_is_what_was_read_and_takes_nothing_to_read(root: Path) -> None:
    fresh = open_project(root)
    assert fresh.config.aliases["base"].digest == "sha256:0123456789ab"
    assert open_project(root) == fresh
    assert loaded(root) == ""
    (root / ".ftops/cache/config.cache").unlink()
    assert loaded(root) == "jsonschema_rs yaml"


def test_a_change_is_seen_also_if_its_time_is_set_back(root: Path) -> None:
    open_project(root)
    config = root / "ftops.yaml"
    before = config.stat()
    config.write_text(CONFIG.replace("shop", "stop"))
    os.utime(config, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert open_project(root).config.project == "stop"
    config.write_text("project: [")
    with pytest.raises(ProblemsError):
        open_project(root)


def test_a_file_with_problems_is_not_remembered(root: Path) -> None:
    (root / "ftops.yaml").write_text("projekt: shop\n")
    for _ in range(2):
        with pytest.raises(ProblemsError, match="config-unknown-key"):
            open_project(root)


def test_who_only_looks_makes_no_folder(tmp_path: Path) -> None:
    (tmp_path / "ftops.yaml").write_text(CONFIG)
    open_project(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["ftops.yaml"]


def test_without_a_file_all_is_as_with_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    missing = open_project(tmp_path)
    (tmp_path / "ftops.yaml").touch()
    assert open_project(tmp_path) == missing
