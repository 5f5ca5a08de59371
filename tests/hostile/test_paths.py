"""Files that are not what a path promises: links, devices, files that change under the reader, and names that harm."""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import threading
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftops.diagnostics import ProblemsError
from ftops.examine import unchanged
from ftops.filecache import FileCache
from ftops.lockfile import DataFile
from ftops.plainfile import APPEND, READ, open_plain, read_plain
from ftops.project import open_inside, open_project
from ftops.rowstore import RowStore
from tests.fuzz.promises import harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Run, Shop

pytestmark = pytest.mark.timeout(60)
"""A pipe or a device that is read would never end."""

SECRET = "canary-outside-the-repository-1f"
SPEC, DATA = "specs/pong.yaml", "specs/data/pings.jsonl"
COMMANDS = (["plan"], ["check"], ["apply", "--yes"], ["status"])


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is none of the repository's business, with a file of each kind."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret.jsonl").write_text(json.dumps({"messages": SECRET}) * 20)
    (folder / "secret.yaml").write_text(f"kind: {SECRET}\n")
    return folder


def a_link_out_of_it(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "secret.jsonl")


def a_link_with_steps_upwards(path: Path, outside: Path) -> None:
    path.symlink_to(os.path.relpath(outside / "secret.jsonl", path.parent))


def a_link_to_a_link_out_of_it(path: Path, outside: Path) -> None:
    (path.parent / "between").symlink_to(outside)
    path.symlink_to("between/secret.jsonl")


def a_link_to_itself(path: Path, _: Path) -> None:
    path.symlink_to(path.name)


def a_link_in_a_circle(path: Path, _: Path) -> None:
    (path.parent / "one").symlink_to(path.name)
    path.symlink_to("one")


def a_link_to_nothing(path: Path, _: Path) -> None:
    path.symlink_to("nothing")


def a_link_to_a_device(path: Path, _: Path) -> None:
    path.symlink_to("/dev/zero")


def a_link_to_a_process(path: Path, _: Path) -> None:
    path.symlink_to("/proc/self/environ")


def a_pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path, _: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # The address of a socket has 107 bytes at most.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
    os.chdir(here)


def a_folder(path: Path, _: Path) -> None:
    path.mkdir()


KINDS = (
    a_link_out_of_it, a_link_with_steps_upwards, a_link_to_a_link_out_of_it, a_link_to_itself, a_link_in_a_circle,
    a_link_to_nothing, a_link_to_a_device, a_link_to_a_process, a_pipe, a_socket, a_folder,
)  # fmt: skip


@pytest.mark.parametrize("place", [SPEC, DATA, "ftops.yaml", "ftops.lock"])
@pytest.mark.parametrize("make", KINDS)
def test_what_stands_in_a_file_s_place_is_told_and_not_read(
    shop: Shop, run: Run, outside: Path, make: Callable[[Path, Path], None], place: str
) -> None:
    (shop.root / place).unlink(missing_ok=True)
    make(shop.root / place, outside)
    for command in (["plan"], ["apply", "--yes"]):
        done = run(*command)
        assert (done.code, done.out) == (1, "")
        assert done.codes, done.err
        assert SECRET not in done.err
    assert shop.jobs() == []


@pytest.mark.parametrize("place", ["specs", "specs/data"])
def test_a_folder_that_leads_out_of_the_repository_is_not_entered(
    shop: Shop, run: Run, outside: Path, place: str
) -> None:
    (shop.root / place).rename(outside / "moved")
    (shop.root / place).symlink_to(outside / "moved")
    done = run("plan")
    assert (done.code, done.out) == (1, "") or "pong" not in done.out, done.out


@pytest.mark.parametrize(
    "place",
    [
        ".ftops", ".ftops/cache", ".ftops/local", ".ftops/datasets", ".ftops/.gitignore", ".ftops/ftops.lock.held",
        ".ftops/cache/data.cache", ".ftops/cache/declared.cache", ".ftops/cache/rows", ".ftops/datasets/made",
        ".ftops/local/server.json", ".ftops/local/server.log", ".ftops/local/start.lock", ".ftops/local/state.db",
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", ["folder", "file", "/dev/zero", "nothing"])
def test_a_link_in_the_state_folder_is_refused_before_anything_is_written(
    shop: Shop, run: Run, outside: Path, place: str, target: str
) -> None:
    """Git can carry `.ftops` with links in it, and ftops writes, truncates and removes what is there."""
    precious = outside / "old.jsonl"
    precious.write_text("precious\n")
    os.utime(precious, (1, 1))
    (shop.root / place).parent.mkdir(parents=True, exist_ok=True)
    aims = {"folder": outside, "file": precious, "nothing": outside / "nothing"}
    (shop.root / place).symlink_to(aims.get(target, Path(target)))
    before = {path: path.read_bytes() for path in outside.iterdir()}
    for command in (["plan"], ["apply", "--yes"], ["plan", "--refresh", "--target", "local"], ["build"]):
        done = run(*command)
        assert (done.code, done.codes) == (1, ["state-link"]), done.err
    assert {path: path.read_bytes() for path in outside.iterdir()} == before
    assert precious.stat().st_mtime == 1


def test_a_lockfile_that_is_a_link_is_neither_read_nor_written_through(shop: Shop, run: Run, outside: Path) -> None:
    kept = outside / "other.lock"
    kept.write_text('{"version": 1, "target": "here", "models": {}}\n')
    shop.lock.symlink_to(kept)
    done = run("apply", "--yes")
    assert (done.code, done.codes) == (1, ["lock-unreadable"])
    assert "it is a symbolic link" in done.err
    assert shop.jobs() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("place", [SPEC, DATA, "ftops.yaml", "specs", "specs/data"])
def test_what_may_not_be_read_is_told(shop: Shop, run: Run, place: str) -> None:
    (shop.root / place).chmod(0)
    done = run("plan")
    (shop.root / place).chmod(0o700)
    assert (done.code, done.codes) == (1, ["file-unreadable"])


def test_a_link_that_is_put_in_a_path_while_it_is_opened_is_not_followed(
    shop: Shop, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at where a path leads and the opening, another process may swap a folder for a link."""
    (outside / "pings.jsonl").write_text(SECRET)
    resolve = Path.resolve

    def resolved_and_swapped(path: Path, *, strict: bool = False) -> Path:
        real = resolve(path, strict=strict)
        monkeypatch.setattr(Path, "resolve", resolve)
        (shop.root / "specs/data").rename(shop.root / "specs/was")
        (shop.root / "specs/data").symlink_to(outside)
        return real

    root = shop.root.resolve()
    monkeypatch.setattr(Path, "resolve", resolved_and_swapped)
    with pytest.raises(ProblemsError, match="file-unreadable"), open_inside(root, DATA):
        pass


def test_a_thousand_swaps_never_let_a_reader_out(shop: Shop, outside: Path) -> None:
    (outside / "pings.jsonl").write_text(SECRET)
    root, data = shop.root.resolve(), shop.root / "specs/data"
    (shop.root / "specs/link").symlink_to(outside)
    data.rename(shop.root / "specs/real")
    stop = threading.Event()

    def swap() -> None:
        for aim in itertools.cycle(("real", "link")):
            if stop.is_set():
                return
            data.unlink(missing_ok=True)
            data.symlink_to(aim)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(1_000):
            with suppress(ProblemsError), open_inside(root, DATA) as stream:
                assert SECRET.encode() not in stream.read()
    finally:
        stop.set()
        swapper.join()


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"{}\n")


def shrink(path: Path) -> None:
    os.truncate(path, 1)


def rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"pong", b"ping"))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"{}\n" * 20)
    other.replace(path)


@pytest.mark.parametrize("change", [grow, shrink, rewrite])
def test_a_file_that_changes_while_it_is_read_is_told(shop: Shop, change: Callable[[Path], None]) -> None:
    path = shop.root / DATA
    os.utime(path, (1, 1))

    def read() -> None:
        with path.open("rb") as stream, unchanged(stream, DATA):
            stream.read(10)
            change(path)
            stream.read()

    with pytest.raises(ProblemsError, match="file-changed"):
        read()


@pytest.mark.parametrize("change", [grow, shrink, rewrite, replace, Path.unlink])
def test_a_file_that_is_not_what_was_planned_is_not_uploaded(shop: Shop, change: Callable[[Path], None]) -> None:
    content = (shop.root / DATA).read_bytes()
    planned = DataFile(path=DATA, sha256=_sha256(content), bytes=len(content), rows=12)
    change(shop.root / DATA)
    project = open_project(shop.root)
    with pytest.raises(ProblemsError, match=r"file-changed|file-missing"), project.open_data(planned):
        pass


NAMES = (
    "new\nline", "carriage\rreturn", "tab\tstop", "\x1b[2J\x1b]0;title\x07", "\u202eslrowkcab", "zero\u200bwidth",
    "::error::annotated", "##[error]old", "a::set-output name=x::y", "--upload-pack=x", "-", "caf\udce9",
    "'; rm -rf ~; '", "$(touch x)", "`touch x`", "%0Aerror", "a" * 200, "&#x0a;", "<script>", "[link](evil.example)",
    "CON", " ",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_does_no_harm_wherever_it_is_shown(shop: Shop, run: Run, name: str) -> None:
    """As a spec, as a folder of specs, as data that a command names, and as the folder of the whole project."""
    (shop.root / f"specs/{name}.yaml").write_bytes((shop.root / SPEC).read_bytes())
    (shop.root / f"specs/data/{name}.jsonl").write_text('{"messages": 7}\n')
    for command in (
        ["plan"],
        ["plan", "--json"],
        ["check", "--", f"specs/data/{name}.jsonl"],
        ["check", "--format", "github", "--", f"specs/data/{name}.jsonl"],
        ["check", "--", "specs/data"],
        ["tokens", "--", f"specs/data/{name}.jsonl"],
        ["diff-data", "--", f"specs/data/{name}.jsonl", DATA],
        ["logs", "--", name],
        ["lock", "show", "--", name],
        ["plan", "--target", name],
        ["chat", "--", name, "hello"],
    ):
        done = run(*command)
        assert done.code in {0, 1, 64}, (command, done.err)
        harmless(done.err, b"")
        if "github" in command:
            # Ours come first, a line each; what a name may make of the rest is no command.
            ours = [line for line in done.out.splitlines() if re.match(r"::(error|warning|notice) (file|title)=", line)]
            assert all(line.count("::") == 2 or "`" in line for line in ours)
            harmless("\n".join(line.removeprefix("::") for line in ours), b"")
            harmless("\n".join(line for line in done.out.splitlines() if line not in ours), b"")
        else:
            harmless(done.out, b"")


def test_a_plain_file_is_only_that(tmp_path: Path, outside: Path) -> None:
    for number, make in enumerate(KINDS):
        path = tmp_path / f"{number}"
        make(path, outside)
        for how in (READ, APPEND):
            with pytest.raises(OSError, match=r"."):
                open_plain(path, how)
        for between in ("between", "one"):
            (tmp_path / between).unlink(missing_ok=True)
    (tmp_path / "large").write_bytes(b"123")
    with pytest.raises(OSError, match="larger than 2 bytes"):
        read_plain(tmp_path / "large", 2)
    assert read_plain(tmp_path / "large", 3) == b"123"


def test_caches_take_nothing_from_a_device(tmp_path: Path) -> None:
    (tmp_path / "data.cache").symlink_to("/dev/zero")
    cache = FileCache.load(tmp_path, "data", "1", str)
    cache.put("a", tmp_path.stat(), "b", 1 << 62)
    cache.save()
    assert not (tmp_path / "data.cache").is_symlink()
    store = RowStore(tmp_path)
    store._file("a" * 64, "x").symlink_to("/dev/zero")
    with store.columns("a" * 64, "x") as columns:
        assert columns is None


def _sha256(content: bytes) -> str:
    return sha256(content).hexdigest()
