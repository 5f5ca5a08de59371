"""`ftops check` as people run it: on good and bad files, in a project and without one."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from ftops.cli.watch import watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Run, Shop

    Write = Callable[..., Path]


def chat(question: str, answer: str = "A pear is a fruit.", **more: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **more}


def chats(count: int, *, begin: int = 0) -> list[dict[str, object]]:
    """Rows that are unlike each other."""
    words = [
        "apple",
        "river",
        "copper",
        "violin",
        "harbour",
        "saffron",
        "glacier",
        "lantern",
        "meadow",
        "orbit",
        "quartz",
    ]
    return [
        chat(
            f"What is {words[number % 11]} {number} of {words[number * 7 % 11]} like?",
            f"It is number {number * 31} in {words[number * 3 % 11]}, beside {words[number * 5 % 11]}.",
        )
        for number in range(begin, begin + count)
    ]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write rows, or bytes, to a file of the current folder, which is no project."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, content: bytes | list[dict[str, object]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = content if isinstance(content, bytes) else "".join(json.dumps(row) + "\n" for row in content).encode()
        path.write_bytes(rows)
        return path

    return write


def codes(out: str, severity: str = r"\w+") -> list[str]:
    return re.findall(rf"^ *{severity}\[([a-z0-9-]+)\]", out, re.MULTILINE)


def found(report: dict[str, Any]) -> list[str]:
    return [problem["code"] for file in report["files"] for problem in file["problems"]]


def test_good_data_needs_no_configuration_and_is_0(write: Write, run: Run) -> None:
    write("train.jsonl", chats(20))
    done = run("check", "train.jsonl")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("train.jsonl · chat, as for supervised · training data · 20 rows · ")
    assert "rows by tokens" in done.out
    assert "gpt-4.1-mini $" in done.out
    assert done.out.endswith("\n1 file, nothing to mend\n")


def test_a_name_that_is_no_unicode_is_shown_by_its_bytes(write: Write, run: Run) -> None:
    path = write("data.jsonl", chats(12))
    path.rename(path.with_name("d\udcff.jsonl"))
    done = run("check", "d\udcff.jsonl", "--json")
    assert (done.code, done.json["files"][0]["path"]) == (0, r"d\udcff.jsonl")  # type: ignore[index]  # of any shape


def test_equal_problems_are_one_entry_with_the_places(write: Write, run: Run) -> None:
    rows = chats(20)
    for row in rows[2::3]:
        del row["messages"][0]["role"]  # type: ignore[index]  # a list of messages
    write("train.jsonl", rows)
    done = run("check", "train.jsonl")
    assert done.code == 1
    assert "error[data-role-missing] \xd76: `messages[0].role` is missing\n    lines 3, 6, 9, 12, 15, 18\n" in done.out
    assert "apple" not in done.out, "content of rows is never shown"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (chats(12), "chat, as for supervised"),
        (
            [
                {
                    "input": {"messages": [{"role": "user", "content": f"Hi {number}"}]},
                    "preferred_output": [{"role": "assistant", "content": f"Hello {number}!"}],
                    "non_preferred_output": [{"role": "assistant", "content": f"What {number}?"}],
                }
                for number in range(12)
            ],
            "preference, as for dpo",
        ),
        (
            [{"messages": [{"role": "user", "content": f"{number} + 1?"}], "sum": number + 1} for number in range(12)],
            "reinforcement",
        ),
        ([{"prompt": f"{number}", "completion": f" {number}"} for number in range(12)], "prompt/completion"),
        ([{"text": "x"}], "format not recognised"),
    ],
)
def test_the_format_is_guessed_and_said(write: Write, run: Run, rows: list[dict[str, object]], said: str) -> None:
    write("rows.jsonl", rows)
    assert run("check", "rows.jsonl").out.startswith(f"rows.jsonl · {said} · taken as training data · ")


def test_a_method_that_is_given_is_taken(write: Write, run: Run) -> None:
    write("train.jsonl", chats(12))
    assert run("check", "train.jsonl", "--method", "supervised").code == 0
    done = run("check", "train.jsonl", "--method", "dpo")
    assert (done.code, codes(done.out, "error")) == (1, ["data-wrong-format"])


def test_a_folder_is_its_jsonl_files_sorted_without_hidden_ones(write: Write, run: Run) -> None:
    for name in ("b.jsonl", "a/z.jsonl", "a/.hidden.jsonl", ".git/x.jsonl", "notes.txt", "c.json"):
        write(f"data/{name}", chats(12, begin=len(name) * 100))
    report = run("check", "data", "data/b.jsonl", "data/../data/b.jsonl", "--json").json
    assert [file["path"] for file in report["files"]] == ["data/a/z.jsonl", "data/b.jsonl"]  # type: ignore[attr-defined]  # a list of objects


def test_files_are_checked_against_each_other(write: Write, run: Run) -> None:
    rows = chats(30)
    write("elle.train.jsonl", rows)
    write("elle.valid.jsonl", [*chats(8, begin=40), *rows[3:5]])
    done = run("check", ".")
    assert (done.code, codes(done.out, "warning")) == (0, ["data-leakage"])
    assert "validation data of `elle`" in done.out
    assert codes(run("check", ".", "--quick").out) == []
    assert codes(run("check", ".", "--ignore", "data-leakage").out) == []


def test_quick_looks_at_each_row_by_itself(write: Write, run: Run) -> None:
    rows = chats(12)
    write("train.jsonl", [*rows, rows[0], {"messages": []}])
    done = run("check", "train.jsonl", "--quick")
    assert (done.code, codes(done.out)) == (1, ["data-messages"])
    assert "token" not in done.out


def test_a_model_decides_about_limit_and_price(write: Write, run: Run) -> None:
    write("train.jsonl", [*chats(12), chat("long", "pear " * 5000)])
    done = run("check", "train.jsonl", "--model", "tiny-byte")
    assert (done.code, codes(done.out)) == (0, ["data-row-cut"])
    assert "`tiny-byte-90k` is trained on 4,096 tokens of a row" in done.out
    assert "tiny-byte-90k" in json.dumps(run("check", "train.jsonl", "--model", "tiny-byte", "--json").json)
    done = run("check", "train.jsonl", "--model", "gpt-4.1-mni")
    assert (done.code, done.codes) == (64, ["check-model"])
    assert "did you mean `gpt-4.1-mini`?" in done.err


def test_warnings_can_be_ignored_and_errors_cannot(write: Write, run: Run) -> None:
    rows = chats(12)
    write("train.jsonl", [*rows, rows[0]])
    assert codes(run("check", "train.jsonl").out) == ["data-duplicate"]
    assert codes(run("check", "train.jsonl", "--ignore", "data-duplicate", "--ignore", "data-crlf").out) == []
    # One code may be an error of one method and a warning of another: it is left out only as a warning.
    assert run("check", "train.jsonl", "--ignore", "data-too-few-rows").code == 0
    for code, words in (
        ("data-messages", "is an error"),
        ("data-duplicat", "`data-duplicate`?"),
        ("x", "no check `x`"),
    ):
        done = run("check", "train.jsonl", "--ignore", code)
        assert (done.code, done.codes) == (64, ["check-ignore"])
        assert words in done.err


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.jsonl", b"", "data-empty"),
        ("rows.csv", b"question,answer\nHi,Hello\n", "data-not-jsonl"),
        ("list.json", b"[]", "data-not-jsonl"),
        ("latin.jsonl", '{"messages": "é"}'.encode("latin-1"), "data-not-utf8"),
        ("long.jsonl", b'{"messages": "' + b"x" * 20_000_000 + b'"}\n', "data-row-too-long"),
        ("broken.jsonl", b'{"messages": [\n', "data-not-jsonl"),
        ("cut.jsonl", b'{"messages": []}\n{"messages": [', "data-not-json"),
        ("nul.jsonl", b"\x00" * 100, "data-not-jsonl"),
        ("parquet.jsonl", b"PAR1\x00\x00", "data-not-jsonl"),
        ("few.jsonl", json.dumps(chat("Hi")).encode(), "data-too-few-rows"),
    ],
)
def test_whatever_a_file_holds_it_is_told(write: Write, run: Run, name: str, content: bytes, code: str) -> None:
    write(name, content)
    done = run("check", name)
    assert (done.code, done.err) == (1, "")
    assert code in codes(done.out, "error")
    assert code in found(run("check", name, "--json").json)
    assert run("check", name, "--quick", "--format", "github").out.startswith(f"::error file={name}")


def test_what_cannot_be_read_is_told_beside_the_rest(write: Write, run: Run, tmp_path: Path) -> None:
    write("train.jsonl", chats(12))
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "none").mkdir()
    write("closed.jsonl", chats(12)).chmod(0)
    (tmp_path / "gone.jsonl").symlink_to("nowhere")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    arguments = ("missing.jsonl", "pipe.jsonl", "none", "closed.jsonl", "gone.jsonl", "loop.jsonl", "train.jsonl")
    done = run("check", *arguments)
    assert done.code == 1
    unreadable = 2 if os.access(tmp_path / "closed.jsonl", os.R_OK) else 3  # root may read it
    told = ["check-nothing", "file-missing", "file-missing", *["file-unreadable"] * unreadable]
    assert sorted(codes(done.out, "error")) == told
    assert "file-unreadable]: `pipe.jsonl` is not an ordinary file\n  pipe.jsonl\n" in done.out
    assert "train.jsonl \xb7 chat" in done.out


def test_without_paths_and_without_a_project_it_is_told_what_to_name(write: Write, run: Run) -> None:
    write("train.jsonl", chats(12))
    done = run("check")
    assert (done.code, done.out) == (64, "")
    assert "ftops check train.jsonl" in done.err


@pytest.mark.parametrize("arguments", [["--json", "--format", "github"], ["--method", "dpo"]])
def test_options_that_do_not_go_together_are_64(write: Write, run: Run, arguments: list[str]) -> None:
    write("train.jsonl", chats(12))
    paths = [] if "--method" in arguments else ["train.jsonl"]
    assert run("check", *paths, *arguments).code == 64


def test_in_a_project_all_data_of_all_specs_is_checked(shop: Shop, run: Run) -> None:
    shop.data("valid.jsonl", rows=3)
    shop.spec("other", more="validation_file: data/valid.jsonl\n")
    report = run("check", "--json").json
    assert [(file["path"], file["use"], file["rows"]) for file in report["files"]] == [  # type: ignore[attr-defined]  # a list of objects
        ("specs/data/pings.jsonl", "training", 12),
        ("specs/data/valid.jsonl", "validation", 3),
    ]
    assert "data-leakage" in [problem["code"] for problem in report["problems"]]  # type: ignore[attr-defined]  # a list of objects


def test_a_file_is_priced_as_its_specs_train_on_it(shop: Shop, run: Run) -> None:
    child = shop.spec("child", epochs=2)
    child.write_text(child.read_text().replace("model: tiny-byte-90k", "model: {spec: pong}"))
    other = shop.spec("other")
    other.write_text(other.read_text().replace("model: tiny-byte-90k", "model: {alias: best}"))
    config = shop.root / "ftops.yaml"
    config.write_text(config.read_text() + f"aliases: {{best: 'pong@sha256:{'a' * 12}'}}\n")
    files = run("check", "--json").json["files"]
    assert isinstance(files, list)
    estimates = [(each["model"], each["epochs"], each["usd"]) for each in files[0]["estimates"]]
    assert sorted(estimates, key=str) == [
        ("the model of an alias", 1, None),
        ("tiny-byte-90k", 1, 0.0),
        ("tiny-byte-90k", 2, 0.0),
    ]


def test_a_check_that_every_spec_switches_off_is_off(shop: Shop, run: Run) -> None:
    path = shop.data("pings.jsonl")
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[0])
    assert "data-duplicate" in found(run("check", "--json").json)
    shop.spec(more="checks: {ignore: [{code: data-duplicate, reason: a test}]}\n")
    assert "data-duplicate" not in found(run("check", "--json").json)
    shop.spec("other")
    assert "data-duplicate" in found(run("check", "--json").json)


def test_a_project_without_data_and_one_with_problems_are_told(shop: Shop, run: Run) -> None:
    (shop.root / "specs/data/pings.jsonl").unlink()
    done = run("check")
    assert (done.code, codes(done.out)) == (1, ["file-missing"])
    (shop.root / "specs/pong.yaml").write_text("kind: FineTune\nmodle: x\n")
    assert run("check").code == 1
    (shop.root / "specs/pong.yaml").unlink()
    done = run("check")
    assert (done.code, done.codes) == (64, ["check-nothing"])


def test_json_has_a_version_and_is_all_there_is_on_stdout(write: Write, run: Run) -> None:
    write("train.jsonl", [*chats(12), {"messages": []}])
    done = run("check", "train.jsonl", "--json")
    assert (done.code, done.err, done.json["format_version"]) == (1, "", 1)
    assert done.json["counts"] == {"error": 1, "warning": 0, "note": 0}


def test_annotations_come_before_the_report(write: Write, run: Run) -> None:
    write("train.jsonl", [*chats(12), {"messages": []}])
    done = run("check", "train.jsonl", "--format", "github")
    assert done.code == 1
    assert done.out.startswith("::error file=train.jsonl,line=13,title=data-messages::`messages` is empty%0Awhy: ")
    assert done.out.endswith("1 file: 1 error\n")


def test_a_poor_encoding_gets_bars_of_ascii(write: Write, program: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write("train.jsonl", chats(12))
    monkeypatch.setenv("PYTHONIOENCODING", "iso8859-5")
    done = program("check", "train.jsonl")
    assert done.code == 0
    assert "####" in done.out
    assert done.out.isascii()


def test_fix_writes_a_new_file_which_is_then_checked(write: Write, run: Run, tmp_path: Path) -> None:
    rows = chats(12)
    content = b"\xef\xbb\xbf" + "\r\n\r\n".join(json.dumps(row) for row in [*rows, rows[0]]).encode()
    old = write("train.jsonl", content.replace(b'"user"', b'"User"', 1))
    done = run("check", "--fix", "train.jsonl")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("train.jsonl → train.fixed.jsonl\n  fixed[data-byte-order-mark]: ")
    assert "    line 1 `messages[0].role` `User` → `user`\n" in done.out
    assert done.out.endswith("1 file, nothing to mend\n")
    assert old.read_bytes().startswith(b"\xef\xbb\xbf")
    new = tmp_path / "train.fixed.jsonl"
    assert [json.loads(line) for line in new.read_text().splitlines()] == rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.fixed.jsonl", "train.jsonl"]
    # A second time the same comes out, and stands there already.
    again = run("check", "--fix", "train.jsonl", "--json").json
    fixed = again["fixed"][0]  # type: ignore[index]  # a list of objects
    assert (fixed["path"], fixed["new_path"]) == ("train.jsonl", "train.fixed.jsonl")
    assert [repair["code"] for repair in fixed["repairs"]][-1] == "data-duplicate"


def test_fix_never_writes_over_a_file(write: Write, run: Run, tmp_path: Path) -> None:
    write("train.jsonl", b"\n" + json.dumps(chats(1)[0]).encode())
    mine = write("train.fixed.jsonl", b"mine")
    done = run("check", "--fix", "train.jsonl")
    assert (done.code, mine.read_bytes()) == (1, b"mine")
    assert "fix-in-the-way" in codes(done.out, "error")
    assert len(list(tmp_path.iterdir())) == 2
    mine.unlink()
    mine.mkdir()
    assert "fix-in-the-way" in codes(run("check", "--fix", "train.jsonl").out, "error")


def test_fix_leaves_what_is_right_and_tells_what_it_cannot(write: Write, run: Run, tmp_path: Path) -> None:
    write("good.jsonl", chats(12))
    write("long.jsonl", json.dumps(chat("x" * 17_000_000)).encode())
    done = run("check", "--fix", "good.jsonl", "long.jsonl", "missing.jsonl", "--quick")
    assert sorted(set(codes(done.out, "error"))) == [
        "data-row-too-long",
        "data-too-few-rows",
        "file-missing",
        "fix-impossible",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.jsonl", "long.jsonl"]


def test_a_mended_file_is_as_public_as_the_old_one(write: Write, run: Run, tmp_path: Path) -> None:
    write("train.jsonl", b"\n" + json.dumps(chats(1)[0]).encode()).chmod(0o640)
    run("check", "--fix", "train.jsonl")
    assert (tmp_path / "train.fixed.jsonl").stat().st_mode & 0o777 == 0o640


@pytest.fixture
def moderation() -> Iterator[str]:
    """The address of a server that flags what says `pear`, and refuses what says `busy`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            texts = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
            status = 429 if any("busy" in text for text in texts) else 200
            flags = ["pear" in text for text in texts]
            results = [
                {"flagged": flag, "categories": {"harassment": flag}, "category_scores": {"harassment": 0.0}}
                for flag in flags
            ]
            answer = {"id": "modr-1", "model": "m", "results": results}
            content = json.dumps(answer if status == 200 else {"error": {"message": "slow down"}}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.send_header("retry-after-ms", "1")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the output of the tests clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_moderation_is_asked_only_if_asked_for(
    write: Write, run: Run, moderation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("train.jsonl", [*chats(12), chat("Fruit?", "The pear."), chat("Tools?")])
    (tmp_path / "ftops.yaml").write_text(
        "default_target: away\n"
        f"targets: {{away: {{profile: openai, base_url: '{moderation}', api_key: {{env: AWAY}}}}}}\n"
    )
    done = run("check", "train.jsonl", "--moderate")
    assert (done.code, done.codes) == (1, ["key-missing"])
    monkeypatch.setenv("AWAY", "sk-something-long")
    assert run("check", "train.jsonl").code == 0
    done = run("check", "train.jsonl", "--moderate")
    assert (done.code, codes(done.out, "error")) == (1, ["data-moderation-flagged"])
    assert "\xd72: row is flagged for `harassment`\n    lines 13, 14\n" in done.out
    write("train.jsonl", [*chats(12), chat("busy")])
    done = run("check", "train.jsonl", "--moderate")
    assert (done.code, codes(done.out, "error")) == (1, ["remote-busy"])
    assert "fix: run the command again later" in done.out


def test_the_local_target_has_no_moderation(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("check", "--moderate")
    assert done.code == 1
    (shop.root / "ftops.yaml").write_text("default_target: local\n")
    done = run("check", "--moderate")
    assert (done.code, done.codes) == (1, ["check-moderation"])
    monkeypatch.chdir(shop.root.parent)
    done = run("check", "--moderate", str(shop.root / "specs/data"))
    assert (done.code, done.codes) == (1, ["key-missing"])
    assert "OPENAI_API_KEY" in done.err


def test_a_long_reading_is_told_on_a_terminal_only(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"x" * 100_000)
    ours, theirs = pty.openpty()
    with path.open("rb") as stream, os.fdopen(theirs, "w", encoding="utf-8") as screen:
        assert watched(stream, "train.jsonl", screen) is stream, "a short file"
        with (tmp_path / "log").open("w") as log:
            assert watched(stream, "train.jsonl", log, least=1) is stream, "no terminal"
        seen = watched(stream, "train.jsonl", screen, least=1)
        assert b"".join(iter(lambda: seen.read(25_000), b"")) == b"x" * 100_000
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    steps = [f"\rchecking train.jsonl  {done:3} %" for done in (25, 50, 75, 100)]
    assert said == "".join(steps) + "\r\x1b[K"


def test_a_reader_that_goes_away_ends_it_quietly(write: Write) -> None:
    write("train.jsonl", chats(12))
    command = f"'{sys.executable}' -m ftops check train.jsonl | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
