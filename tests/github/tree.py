"""What of this repository its action and its releases are built from."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def copied_to(root: Path) -> Path:
    """A copy of it at *root*."""
    shutil.copytree(ROOT / "ftops", root / "ftops", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    return root
