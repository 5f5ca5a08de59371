"""The state folder: its owner's only, led out of by no name, and never swept away by mistake."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from ftops.server.main import main
from ftops.server.settings import Settings
from tests.server.conftest import TOKEN, Running, inside_of, wait_until
from tests.server.test_training import HELLO, create, hyperparameters, status

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_folder_is_its_owners_and_the_token_stands_in_one_file_only(tmp_path: Path) -> None:
    mask = os.umask(0)  # a careless user's
    try:
        server = Running(tmp_path / "made" / "state").start()
    finally:
        os.umask(mask)
    client = server.client()
    job = create(client, method=hyperparameters(n_epochs=1, batch_size=12))
    wait_until(lambda: status(client, job) == "succeeded")
    client.chat.completions.create(model="tiny-byte", messages=HELLO, max_tokens=1)
    httpx2.get(server.card()["url"], headers={"Authorization": f"Bearer {TOKEN}x"})
    assert stat.S_IMODE(server.state.stat().st_mode) == 0o700
    for path in server.state.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        if path.is_file() and path.name != "server.json":
            assert TOKEN.encode() not in path.read_bytes(), path
    children = server.children()
    assert len(children) == 3
    for pid in (server.pid, *children):
        assert TOKEN.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    for pid in children:
        assert TOKEN.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    assert server.process is not None
    assert server.process.stderr is not None
    server.process.terminate()
    assert TOKEN not in server.process.stderr.read()
    assert server._end() == 0


def test_a_folder_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    """As an earlier version left it; the folder above, which is the user's, stays as it is."""
    for name in ("blobs", "models"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "state.db").touch(0o644)
    tmp_path.chmod(0o755)
    with inside_of(Settings(state=tmp_path, token=TOKEN, train=False)):
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir() if path.is_dir()} == {0o700}
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("state.db*")} == {0o600}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


TRAVERSALS = (
    "../../x",
    "..%2f..%2fx",
    "%2e%2e/%2e%2e/x",
    "..%5c..%5cx",
    "%2fetc%2fpasswd",
    "x%00y",
    "%ff%fe",
    "x" * 10_000,
)


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_id_leads_out_of_the_folder(server: Running, name: str) -> None:
    """Sent as they are, which no client would; `--path-as-is` keeps curl from tidying them up."""
    base = server.card()["url"].removesuffix("/v1")
    with inside_of(Settings(state=server.state.parent / "other", token=TOKEN, train=False)) as other:
        templates = [(route.path, route.methods) for route in other.app.router.routes]  # type: ignore[attr-defined] # Routes all
    for template, methods in templates:
        if "{" not in template:
            continue
        path = template[: template.index("{")] + name + template[template.index("}") + 1 :]
        for method in methods - {"HEAD"}:
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
            )
            body = "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n" + '{"part_ids":[]}'
            answer = raw(base, (head + body).encode())
            assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 405 ")), (method, path, answer)
            assert b'"error":{"message":' in answer


@pytest.mark.parametrize(
    "name", ["../../x.jsonl", "/etc/x.jsonl", "..\\x.jsonl", "x\0y.jsonl", "x\r\ny.jsonl", "\u202ex.jsonl", "."]
)
def test_a_file_is_named_as_it_is_told_and_lies_where_it_must(server: Running, name: str) -> None:
    client = server.client()
    known = {path for path in server.state.parent.rglob("*") if path.parent.name != "blobs"}
    upload = client.uploads.create(filename=name, bytes=1, purpose="user_data", mime_type="text/plain")
    done = client.uploads.complete(upload.id, part_ids=[client.uploads.parts.create(upload.id, data=b"x").id])
    assert done.file is not None
    assert (done.file.filename, client.files.content(done.file.id).read()) == (name, b"x")
    assert {path for path in server.state.parent.rglob("*") if path.parent.name != "blobs"} == known
    client.files.delete(done.file.id)


def raw(base: str, request: bytes) -> bytes:
    host, port = base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def fill(state: Path, files: int) -> None:
    with inside_of(Settings(state=state, token=TOKEN, train=False)) as server:
        for _ in range(files):
            server.client().files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")


def test_a_damaged_database_is_told_and_nothing_is_swept_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 30)
    content = bytearray((tmp_path / "state.db").read_bytes())
    content[4096 : 4096 * 3] = b"\xa5" * 4096 * 2
    (tmp_path / "state.db").write_bytes(content)
    assert main(["--state", str(tmp_path)]) == 1
    assert "its database is damaged" in capsys.readouterr().err
    assert len(list((tmp_path / "blobs").iterdir())) == 30


@pytest.mark.parametrize("kind", ["empty", "missing"])
def test_a_lost_database_does_not_take_the_files_with_it(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 1)
    database = tmp_path / "state.db"
    database.write_bytes(b"") if kind == "empty" else database.unlink()
    assert main(["--state", str(tmp_path)]) == 1
    assert "is missing or empty, but `blobs` is not" in capsys.readouterr().err
    assert len(list((tmp_path / "blobs").iterdir())) == 1


def test_a_server_whose_folder_is_taken_away_ends_and_leaves_the_next_one_alone(start: Callable[..., Running]) -> None:
    server = start()
    server.state.rename(server.state.with_name("taken"))
    again = start()
    assert server.process is not None
    assert server.process.wait(30) == 0
    assert again.client().models.list().data
    assert again.card()["pid"] == again.pid
