"""What import-linter's contract (pyproject.toml) cannot say: which modules alone may import which library."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

DOORS = {
    "ahocorasick_rs": ("ftops.dataset",),
    "click": ("ftops.cli",),
    "duckdb": ("ftops.dataset.builds",),
    "ftfy": ("ftops.dataset",),
    "git": ("ftops.git", "ftops.gitbranch", "ftops.gitfile"),
    "httpx": ("ftops.remote",),
    "httpx2": ("ftops.github", "ftops.remote"),
    "numpy": ("ftops.dataset", "ftops.server.train"),
    "openai": ("ftops.remote",),
    "rich": ("ftops.cli", "ftops.report"),
    "starlette": ("ftops.server",),
    "tiktoken": ("ftops.dataset.tokens",),
    "toktok": ("ftops.dataset.tokens",),
    "uvicorn": ("ftops.server",),
    "xxhash": ("ftops.dataset",),
    "yaml": ("ftops.spec",),
    "ftops.server": ("ftops.cli.serve", "ftops.server"),
}
"""Each library, and the server, with the packages through which alone it is reached."""


@pytest.mark.parametrize("library", DOORS)
def test_a_library_is_imported_behind_its_door_only(library: str) -> None:
    strangers = [
        f"{module} imports {imported}"
        for module, path in _modules().items()
        if not any(_is_within(module, door) for door in DOORS[library])
        for imported in _imports(path)
        if _is_within(imported, library)
    ]
    assert strangers == []


def test_the_server_shares_no_code_with_the_client() -> None:
    shared = [
        f"{module} imports {imported}"
        for module, path in _modules().items()
        if _is_within(module, "ftops.server")
        for imported in _imports(path)
        if _is_within(imported, "ftops") and not _is_within(imported, "ftops.server") and imported != "ftops"
    ]
    assert shared == []


def test_a_planted_import_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("def late():\n    from openai.types import Model\n    import numpy.linalg\n")
    assert _imports(planted) == {"openai.types", "openai.types.Model", "numpy.linalg"}


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["apply", "--help"]])
def test_help_loads_no_heavy_library(arguments: list[str]) -> None:
    """Whole process: what is imported lazily must stay so, or every command pays for it."""
    listing = (
        "import json, sys; from ftops.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", listing, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    heavy = {"duckdb", "ftfy", "git", "jsonschema_rs", "numpy", "openai", "starlette", "tiktoken", "toktok", "uvicorn"}
    heavy.add("ftops.server")
    assert loaded & heavy == set()


def _modules() -> dict[str, Path]:
    """Every module of ftops by its dotted name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((ROOT / "ftops").rglob("*.py"))
    }


def _imports(path: Path) -> set[str]:
    """Absolute names imported anywhere in a module, in functions and for types too; `from a import b` both."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides which layer it reaches"
            assert node.module is not None
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")
