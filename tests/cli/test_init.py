"""`ftops init`: asks nothing, overwrites nothing, and what it writes works."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from conftest import Run


WRITTEN = {
    ".gitattributes",
    ".gitignore",
    "ftops.yaml",
    "specs/data/first-model.train.jsonl",
    "specs/data/first-model.valid.jsonl",
    "specs/first-model.yaml",
}
WORKFLOWS = {f".github/workflows/ftops-{name}.yml" for name in ("apply", "plan", "reconcile")}
ACTION = "someone/ftops@0123456789abcdef0123456789abcdef01234567 # v9.8.7"


def test_a_new_project_plans_one_model(folder: Path, run: Run) -> None:
    done = run("init")
    assert (done.code, done.out) == (0, "")
    assert "`ftops plan`" in done.err
    assert set(contents(folder)) == WRITTEN
    done = run("plan")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Plan: 1 to train on target local")
    assert "+ first-model" in done.out


def test_a_second_init_changes_nothing(folder: Path, run: Run) -> None:
    run("init")
    before = contents(folder)
    done = run("init")
    assert done.code == 0
    assert "everything is there already" in done.err
    assert contents(folder) == before


def test_a_project_within_a_project_is_told(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init")
    (folder / "inner").mkdir()
    monkeypatch.chdir(folder / "inner")
    done = run("init")
    assert done.code == 0
    assert f"lies in the project {folder}" in done.err


def test_what_stands_there_is_kept(folder: Path, run: Run) -> None:
    (folder / "specs").mkdir()
    (folder / "specs/first-model.yaml").write_text("mine")
    (folder / "ftops.yaml").write_text("default_target: local\n")
    assert run("init").code == 0
    assert (folder / "specs/first-model.yaml").read_text() == "mine"
    assert (folder / "ftops.yaml").read_text() == "default_target: local\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b".ftops/\n"),
        (b"*.log\n", b"*.log\n.ftops/\n"),
        (b"*.log", b"*.log\n.ftops/\n"),
        (b"caf\xe9\r\n\n", b"caf\xe9\r\n\n.ftops/\n"),
        (b".ftops/\n*.log\n", b".ftops/\n*.log\n"),
    ],
)
def test_lines_are_added_to_a_gitignore_that_is_there(folder: Path, run: Run, before: bytes, after: bytes) -> None:
    (folder / ".gitignore").write_bytes(before)
    assert run("init").code == 0
    assert (folder / ".gitignore").read_bytes() == after


@pytest.mark.parametrize("path", ["specs", "specs/data", "ftops.yaml/", ".gitignore/"])
def test_nothing_is_written_if_something_is_in_the_way(folder: Path, run: Run, path: str) -> None:
    blocking = folder / path
    if path.endswith("/"):
        blocking.mkdir()
    else:
        blocking.parent.mkdir(exist_ok=True)
        blocking.touch()
    before = contents(folder)
    done = run("init")
    assert (done.code, set(done.codes)) == (1, {"init-blocked"})
    assert contents(folder) == before


@pytest.mark.parametrize(
    "name",
    ["2024", "no", "1e3", "My Models", "モデル", "-", "x" * 200, "a\nb: c", "\u2028\x7f", '"', "caf\udce9", "{}"],
)
def test_a_folder_of_any_name_gives_a_project_that_can_be_read(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    assert run("init").code == 0
    assert run("plan").code == 0


@pytest.mark.parametrize("content", [b"[[[[\n", b"\xff\xfe\x00", b'[remote "origin"]\n'])
def test_a_broken_configuration_of_git_is_no_trouble(folder: Path, run: Run, content: bytes) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".git/config").write_bytes(content)
    assert run("init").code == 0
    assert "project:" in (folder / "ftops.yaml").read_text()


def test_workflows_come_with_a_new_project(folder: Path, run: Run) -> None:
    done = run("init", "--github", "--action", ACTION)
    assert (done.code, done.out) == (0, "")
    written = contents(folder)
    assert set(written) == WRITTEN | WORKFLOWS
    assert all(f"uses: {ACTION}\n" in written[path].decode() for path in WORKFLOWS)
    assert not any(b"{local}" in written[path] or b"{branch}" in written[path] for path in WORKFLOWS)
    assert "ftops.lock linguist-generated\n" in written[".gitattributes"].decode()
    assert [line.split(".")[0] for line in done.err.splitlines() if line.startswith("  ")] == [
        f"  {n}" for n in range(1, 7)
    ]
    assert "1. ftops.yaml: a `default_target`" in done.err
    again = run("init", "--github", "--action", ACTION)
    assert (again.code, "everything is there already" in again.err, contents(folder)) == (0, True, written)


def test_a_project_that_is_there_gets_its_workflows_and_nothing_else(folder: Path, run: Run) -> None:
    (folder / "recipes").mkdir()
    (folder / "ftops.yaml").write_text(
        "specs: recipes\ndefault_target: cloud\n"
        "targets: {cloud: {profile: azure, base_url: https://example.org/v1, api_key: {env: CLOUD_KEY}}}\n"
    )
    done = run("init", "--github", "--action", ACTION)
    assert done.code == 0, done.err
    written = contents(folder)
    assert set(written) == WORKFLOWS | {"ftops.yaml", ".gitattributes"}
    apply = written[".github/workflows/ftops-apply.yml"].decode()
    assert 'paths: ["recipes/**", ftops.yaml]' in apply
    assert "# CLOUD_KEY: ${{ secrets.CLOUD_KEY }}" in apply
    assert "default_target" not in done.err
    assert "the secret CLOUD_KEY" in done.err


def test_a_folder_of_specs_is_named_to_github_to_the_letter(folder: Path, run: Run) -> None:
    (folder / "c++ [1]").mkdir()
    (folder / "ftops.yaml").write_text('specs: "c++ [1]"\n')
    assert run("init", "--github", "--action", ACTION).code == 0
    text = (folder / ".github/workflows/ftops-apply.yml").read_text()
    assert YAML(typ="safe", pure=True).load(text)["on"]["push"]["paths"] == [r"c\+\+ \[1\]/**", "ftops.yaml"]


def test_a_workflow_that_is_there_is_kept_and_told(folder: Path, run: Run) -> None:
    assert run("init", "--github", "--action", ACTION).code == 0
    mine = folder / ".github/workflows/ftops-plan.yml"
    mine.write_text("name: mine\n")
    (folder / ".github/workflows/ftops-apply.yml").unlink()
    done = run("init", "--github", "--action", ACTION)
    assert mine.read_text() == "name: mine\n"
    assert "kept .github/workflows/ftops-plan.yml" in done.err
    assert done.err.count("\nkept ") == 1
    assert "wrote .github/workflows/ftops-apply.yml" in done.err


@pytest.mark.parametrize(
    "action",
    [
        "someone/ftops@v1",
        "someone/ftops@main",
        "someone/ftops",
        "someone/ftops@0123456",
        "someone/ftops@0123456789ABCDEF0123456789abcdef01234567",
        "someone/ftops@0123456789abcdef0123456789abcdef01234567\n        run: evil",
        "https://example.org/ftops@0123456789abcdef0123456789abcdef01234567",
        "../ftops",
        "./a/../../ftops",
    ],
)
def test_workflows_run_one_commit_of_ftops_and_no_other(folder: Path, run: Run, action: str) -> None:
    done = run("init", "--github", "--action", action)
    assert (done.code, done.codes) == (64, ["init-action"])
    assert contents(folder) == {}


def test_without_a_release_its_commit_is_asked_for(folder: Path, run: Run) -> None:
    done = run("init", "--github")
    assert (done.code, done.codes) == (64, ["init-action"])
    assert "`ftops init --github --action OWNER/NAME@COMMIT`" in done.err
    assert contents(folder) == {}


def test_workflows_belong_to_the_root_of_a_repository(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    (folder / "models").mkdir()
    monkeypatch.chdir(folder / "models")
    done = run("init", "--github", "--action", ACTION)
    assert (done.code, done.codes) == (1, ["init-not-at-root"])
    assert list((folder / "models").iterdir()) == []
    assert run("init").code == 0


@pytest.mark.parametrize(("branch", "expected"), [("trunk", "trunk"), ("release/2.x", "release/2.x"), ("a+b", "main")])
def test_workflows_run_for_the_main_branch_of_the_remote(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, branch: str, expected: str
) -> None:
    subprocess.run(["git", "init", "-q", "-b", branch, "there"], check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "Begin"], cwd="there", check=True)
    subprocess.run(["git", "clone", "-q", "there", "here"], check=True)
    monkeypatch.chdir(folder / "here")
    subprocess.run(["git", "switch", "-q", "-c", "topic"], check=True)
    done = run("init", "--github", "--action", ACTION)
    assert f"for branch `{expected}` only" in done.err
    for path in WORKFLOWS - {".github/workflows/ftops-reconcile.yml"}:
        assert f"branches: [{expected}]\n" in Path(path).read_text()
    assert f"github.ref == 'refs/heads/{expected}'" in Path(".github/workflows/ftops-reconcile.yml").read_text()


def test_workflows_train_on_the_target_that_is_named(folder: Path, run: Run) -> None:
    (folder / "ftops.yaml").write_text("targets: {cloud: {profile: openai}}\n")
    done = run("init", "--github", "--action", ACTION, "--target", "cluod")
    assert (done.code, done.codes) == (1, ["target-unknown"])
    done = run("init", "--github", "--action", ACTION, "--target", "cloud")
    assert done.code == 0
    assert "default_target" not in done.err
    said = {path: (folder / path).read_text() for path in WORKFLOWS}
    assert '"$FTOPS" ci plan --out plan.json --target cloud\n' in said[".github/workflows/ftops-plan.yml"]
    assert '"$FTOPS" ci collect --target cloud\n' in said[".github/workflows/ftops-reconcile.yml"]


@pytest.mark.parametrize("option", ["--action", "--target"])
def test_options_of_workflows_go_with_them(folder: Path, run: Run, option: str) -> None:
    done = run("init", option, "x")
    assert (done.code, contents(folder)) == (64, {})
    assert "--github" in done.err


def test_a_file_in_the_place_of_the_workflows_is_told_before_anything_is_written(folder: Path, run: Run) -> None:
    (folder / ".github").touch()
    done = run("init", "--github", "--action", ACTION)
    assert (done.code, set(done.codes)) == (1, {"init-blocked"})
    assert set(contents(folder)) == {".github"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path
