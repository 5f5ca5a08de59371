"""Files and uploads, through the real client."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.server.conftest import CHAT, Inside, Running

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_comes_back_byte_for_byte(client: openai.OpenAI) -> None:
    content = CHAT + "\n\u00e4\u2028".encode()
    file = client.files.create(file=("Ä train.jsonl", content), purpose="fine-tune")
    assert (file.bytes, file.filename, file.purpose, file.status) == (
        len(content),
        "Ä train.jsonl",
        "fine-tune",
        "processed",
    )
    assert file.expires_at is None
    assert len(file.id) == len("file-") + 22
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == content


def test_equal_files_are_different_files(client: openai.OpenAI) -> None:
    first, second = (client.files.create(file=("a.jsonl", CHAT), purpose="fine-tune") for _ in range(2))
    assert first.id != second.id


def test_a_deleted_file_is_gone(client: openai.OpenAI) -> None:
    file = client.files.create(file=("gone.jsonl", CHAT), purpose="fine-tune")
    assert client.files.delete(file.id).deleted
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match=f"No such File object: {file.id}"):
            ask(file.id)
    assert file.id not in [other.id for other in client.files.list()]


def test_files_are_listed_in_pages_from_either_end(inside: Inside) -> None:
    client = inside.client()
    assert client.files.list().data == []
    ids = [client.files.create(file=(f"{n}.jsonl", CHAT), purpose="fine-tune").id for n in range(5)]
    other = client.files.create(file=("notes.txt", b"notes"), purpose="user_data").id
    assert [file.id for file in client.files.list(limit=2)] == [other, *reversed(ids)]
    assert [file.id for file in client.files.list(order="asc", limit=4)] == [*ids, other]
    assert [file.id for file in client.files.list(purpose="fine-tune", order="asc", after=ids[2])] == ids[3:]
    page = client.files.list(limit=2)
    assert (page.has_more, page.data[0].id) == (True, other)


def test_a_file_expires_when_it_was_told_to(inside: Inside, clock: Any) -> None:
    client = inside.client()
    file = client.files.create(
        file=("a.jsonl", CHAT), purpose="fine-tune", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.expires_at == file.created_at + 3600 == clock.now() + 3600
    clock.advance(3600)
    assert client.files.list().data == []
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    inside.world.recover()
    assert not inside.world.state.blob(file.id).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"file": ("a.txt", b"x"), "purpose": "fine-tune"}, "Supported formats are: .jsonl"),
        ({"file": ("a.jsonl", b"x"), "purpose": "training"}, "Supported values are: 'assistants'"),
        ({"file": ("a.jsonl", b""), "purpose": "fine-tune"}, "The file is empty"),
        (
            {
                "file": ("a.jsonl", b"x"),
                "purpose": "fine-tune",
                "expires_after": {"anchor": "created_at", "seconds": 1},
            },
            "below minimum value. Expected a value >= 3600",
        ),
        (
            {"file": ("a.jsonl", b"x"), "purpose": "fine-tune", "expires_after": {"anchor": "birth", "seconds": 3600}},
            "Supported values are: 'created_at'",
        ),
        (
            {"file": ("a.jsonl", b"x"), "purpose": "fine-tune", "expires_after": {"anchor": "created_at"}},
            "Missing required parameter: 'expires_after.seconds'",
        ),
    ],
)
def test_a_wrong_file_is_refused_and_leaves_nothing(inside: Inside, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        inside.client().files.create(**arguments)
    folder = inside.world.state.folder
    assert [*(folder / "blobs").iterdir(), *(folder / "incoming").iterdir()] == []


def test_parts_become_one_file(server: Running, tmp_path: Path) -> None:
    content = CHAT * 50
    path = tmp_path / "large.jsonl"
    path.write_bytes(content)
    upload = server.client().uploads.upload_file_chunked(
        file=path,
        mime_type="text/jsonl",
        purpose="fine-tune",
        part_size=10_000,
        md5=hashlib.md5(content).hexdigest(),
    )
    assert upload.status == "completed"
    assert upload.file is not None
    assert upload.file.filename == "large.jsonl"
    assert server.client().files.content(upload.file.id).read() == content


def test_parts_are_joined_in_the_order_asked_for(inside: Inside) -> None:
    client = inside.client()
    upload = client.uploads.create(filename="a.jsonl", bytes=6, purpose="fine-tune", mime_type="text/jsonl")
    second, first = (client.uploads.parts.create(upload.id, data=data).id for data in (b"def", b"abc"))
    done = client.uploads.complete(upload.id, part_ids=[first, second])
    assert done.file is not None
    assert client.files.content(done.file.id).read() == b"abcdef"


def test_an_upload_that_is_not_as_announced_stays_open(inside: Inside) -> None:
    client = inside.client()
    upload = client.uploads.create(filename="a.jsonl", bytes=6, purpose="fine-tune", mime_type="text/jsonl")
    part = client.uploads.parts.create(upload.id, data=b"abcdef").id
    for arguments, message in (
        ({"part_ids": []}, "The parts have 0 bytes in all, but 6 were announced"),
        ({"part_ids": [part], "md5": "0" * 32}, "The md5 checksum of the parts is e80b5017098950fc58aad83c8c14978e"),
        ({"part_ids": ["part_x"]}, "Part 'part_x' is none of upload"),
        ({"part_ids": [7]}, r"Invalid type for 'part_ids\[0\]'"),
        ({"part_ids": None}, "Missing required parameter: 'part_ids'"),
    ):
        with pytest.raises(openai.BadRequestError, match=message):
            client.uploads.complete(upload.id, **arguments)
    with pytest.raises(openai.BadRequestError, match="The part is empty"):
        client.uploads.parts.create(upload.id, data=b"")
    assert client.uploads.complete(upload.id, part_ids=[part]).status == "completed"


def test_an_upload_ends_once_and_after_an_hour(inside: Inside, clock: Any) -> None:
    client = inside.client()
    uploads = [
        client.uploads.create(filename="a.jsonl", bytes=6, purpose="fine-tune", mime_type="text/jsonl")
        for _ in range(2)
    ]
    client.uploads.parts.create(uploads[0].id, data=b"abcdef")
    assert client.uploads.cancel(uploads[0].id).status == "cancelled"
    clock.advance(3600)
    for upload, status in zip(uploads, ("cancelled", "expired"), strict=True):
        for end in (lambda name: client.uploads.complete(name, part_ids=[]), client.uploads.cancel):
            with pytest.raises(openai.BadRequestError, match=f"{upload.id} is {status}"):
                end(upload.id)
        with pytest.raises(openai.BadRequestError, match=f"{upload.id} is {status}"):
            client.uploads.parts.create(upload.id, data=b"late")
    inside.world.recover()
    assert list((inside.world.state.folder / "uploads").iterdir()) == []


def test_an_unknown_upload_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="No such Upload object: upload_x"):
        client.uploads.parts.create("upload_x", data=b"x")
