"""`ftops diff-data` on files and in real repositories."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Protocol

import pytest

from ftops.report.datadiff import MINUS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    class Result(Protocol):
        code: int
        out: str
        err: str
        codes: list[str]
        json: dict[str, object]

    Run = Callable[..., Result]

PRINTER = "My printer model {} prints only blank pages since yesterday, what should I do about it?"
COVER = "Open the cover of model {}, take the cartridge out, and remove the orange tape from it."


def row(prompt: str, answer: str, system: str = "") -> dict[str, object]:
    messages = [{"role": "system", "content": system}] if system else []
    return {"messages": [*messages, {"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


ROWS = [row(PRINTER.format(number), COVER.format(number)) for number in range(20)]


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), encoding="utf-8")


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without any project of ours: 20 rows are committed, and then one of them is edited."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    write(tmp_path / "data/x.jsonl", ROWS)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    write(tmp_path / "data/x.jsonl", [row(PRINTER.format(0), COVER.format(0).replace("orange", "yellow")), *ROWS[1:]])
    monkeypatch.chdir(tmp_path)
    return tmp_path


ONE_EDITED = "~1 edited  19 unchanged"


@pytest.mark.parametrize(
    ("old", "new", "header"),
    [
        ("HEAD:data/x.jsonl", "data/x.jsonl", "HEAD:data/x.jsonl → data/x.jsonl"),
        ("main:data/x.jsonl", "./data/x.jsonl", "main:data/x.jsonl → ./data/x.jsonl"),
        ("HEAD", "data/x.jsonl", "HEAD:data/x.jsonl → data/x.jsonl"),
        ("data/x.jsonl", "HEAD", "data/x.jsonl → HEAD:data/x.jsonl"),
        (":data/x.jsonl", "data/x.jsonl", ":data/x.jsonl → data/x.jsonl"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_versions_are_named_as_git_names_them(run: Run, old: str, new: str, header: str) -> None:
    done = run("diff-data", old, new)
    assert done.out.splitlines()[:2] == [header, ONE_EDITED]
    assert (done.code, done.err) == (0, "")
    assert run("diff-data", "--detailed-exitcode", old, new).code == 2


def test_from_a_folder_below_paths_are_those_of_the_folder(
    run: Run, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "data")
    for old in ("HEAD", "HEAD:./x.jsonl", "HEAD:../data/x.jsonl", "HEAD:data/x.jsonl"):
        assert ONE_EDITED in run("diff-data", old, "x.jsonl").out, old


def test_two_files_are_compared_without_any_repository(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "old.jsonl", ROWS)
    write(tmp_path / "new:er.jsonl", ROWS[::-1])
    done = run("diff-data", "old.jsonl", "new:er.jsonl")
    assert done.out.splitlines()[1] == "↕19 moved  20 unchanged"
    assert run("diff-data", "HEAD", "old.jsonl").codes == ["git-missing"]
    same = run("diff-data", "old.jsonl", "old.jsonl", "--detailed-exitcode")
    assert (same.code, same.out.splitlines()[1:]) == (0, ["no changes: 20 rows"])


def test_rows_that_mean_the_same_do_not_differ(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "old.jsonl", ROWS)
    spaced = (json.dumps(dict(reversed(each.items())), indent=None, separators=(" ,", " : ")) for each in ROWS)
    (tmp_path / "new.jsonl").write_text("\r\n".join(spaced))
    done = run("diff-data", str(tmp_path / "old.jsonl"), str(tmp_path / "new.jsonl"), "--detailed-exitcode")
    assert done.code == 0, done.out


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("nowhere", "data/x.jsonl", "git-revision"),
        ("HEAD~7:data/x.jsonl", "data/x.jsonl", "git-revision"),
        ("HEAD:x.jsonl", "data/x.jsonl", "git-path"),
        ("HEAD:data", "data/x.jsonl", "git-path"),
        ("HEAD:../x.jsonl", "data/x.jsonl", "git-path"),
        (":x.jsonl", "data/x.jsonl", "git-path"),
        ("old.jsonl", "data/x.jsonl", "file-missing"),
        ("old", "new", "file-missing"),
        ("data", "data/x.jsonl", "file-unreadable"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_what_is_not_there_is_told(run: Run, old: str, new: str, code: str) -> None:
    done = run("diff-data", old, new)
    assert (done.code, done.codes) == (1, [code])


@pytest.mark.usefixtures("repository")
def test_no_revision_is_taken_for_an_option(run: Run, repository: Path) -> None:
    assert run("diff-data", "--output=stolen", "data/x.jsonl").code == 64
    assert run("diff-data", "--", "--output=stolen:data/x.jsonl", "data/x.jsonl").codes == ["git-revision"]
    assert not (repository / "stolen").exists()


def test_nothing_is_fetched_and_nothing_run_that_the_configuration_names(run: Run, repository: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:data/x.jsonl")
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    for key, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::sh -c touch% {repository}/ran",
        "protocol.ext.allow": "always",
    }.items():
        git(repository, "config", key, value)
    assert run("diff-data", "HEAD", "data/x.jsonl").codes == ["git-path"]
    assert not (repository / "ran").exists()
    subprocess.run(["git", "cat-file", "blob", blob], cwd=repository, capture_output=True, check=False)
    assert (repository / "ran").exists(), "the trap works"


def test_a_filter_of_the_repository_is_not_run(run: Run, repository: Path) -> None:
    (repository / ".gitattributes").write_text("*.jsonl filter=trap diff=trap\n")
    git(repository, "config", "filter.trap.smudge", "touch ran; cat")
    git(repository, "config", "diff.trap.textconv", "touch ran; cat")
    assert ONE_EDITED in run("diff-data", "HEAD", "data/x.jsonl").out
    assert not (repository / "ran").exists()


def test_a_pointer_of_git_lfs_is_no_data(run: Run, repository: Path) -> None:
    (repository / "data/x.jsonl").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert run("diff-data", "HEAD", "data/x.jsonl").codes == ["git-lfs"]


def test_what_is_no_json_lines_is_refused_and_an_empty_file_is_not(run: Run, repository: Path) -> None:
    (repository / "data/x.jsonl").write_text("prompt,completion\na,b\n")
    assert run("diff-data", "HEAD", "data/x.jsonl").code == 1
    (repository / "data/x.jsonl").write_text("")
    assert run("diff-data", "HEAD", "data/x.jsonl").out.splitlines()[1] == f"{MINUS}20 rows"


def test_rows_that_cannot_be_read_are_left_out_and_counted(run: Run, repository: Path) -> None:
    with (repository / "data/x.jsonl").open("a") as file:
        file.write("{\n[]\n")
    done = run("diff-data", "HEAD", "data/x.jsonl")
    assert (done.code, done.out.splitlines()[1]) == (0, ONE_EDITED)
    assert "warning[data-row-unread]: 2 rows cannot be read, and are not compared" in done.err


@pytest.mark.usefixtures("repository")
def test_json_tells_counts_and_words(run: Run) -> None:
    told = run("diff-data", "HEAD", "data/x.jsonl", "--json").json
    assert told["format_version"] == 1
    assert (told["edited"], told["unchanged"], told["differs"]) == (1, 19, True)
    change = told["rows"]["edited"][0]["changes"][-1]
    assert (change["where"], change["role"]) == ("messages[1].content", "assistant")
    assert [piece for piece in change["pieces"] if piece["kind"] != "same"] == [
        {"kind": "gone", "text": "orange"},
        {"kind": "come", "text": "yellow"},
    ]
    assert run("diff-data", "HEAD", "data/x.jsonl", "--json", "--markdown").code == 64


@pytest.mark.usefixtures("repository")
def test_no_more_rows_are_shown_than_were_asked_for(run: Run, repository: Path) -> None:
    write(
        repository / "data/y.jsonl", [row(f"Where is the office of team {number}?", "Upstairs.") for number in range(9)]
    )
    done = run("diff-data", "data/x.jsonl", "data/y.jsonl", "--rows", "2")
    assert done.out.count("+ line") == done.out.count(f"{MINUS} line") == 2
    assert done.out.splitlines()[-1] == "not shown: 18 removed, 7 added"
    none = run("diff-data", "data/x.jsonl", "data/y.jsonl", "--rows", "0")
    assert "line" not in none.out


@pytest.mark.usefixtures("repository")
def test_secrets_are_masked_and_what_would_move_the_cursor_is_spelt_out(run: Run, repository: Path) -> None:
    key = "sk-proj-" + "aB3dE5gH7jK9mN1pQ3rS5tU7vW9x" + "T3BlbkFJ" + "Y1zA2bC4dE6fH8jK0mN2pQ4rS6t"
    changed = row(PRINTER.format(0), f"Write to mika.tanaka@printers.com with key {key}.\x1b[2J\u202eabc")
    write(repository / "data/x.jsonl", [changed, *ROWS[1:]])
    for option in ([], ["--json"], ["--markdown"]):
        done = run("diff-data", "HEAD", "data/x.jsonl", *option)
        assert key not in done.out
        assert "mika.tanaka@printers.com" not in done.out
        assert "\x1b" not in done.out
        if option != ["--json"]:
            assert "\u202e" not in done.out
