"""`ftops tokens`: totals of a file, one row in detail, and what a real job was billed for."""

from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run, Shop

KEY = "sk-proj-" + "a1B2c3D4e5" * 4 + "T3BlbkFJ" + "f6G7h8I9j0" * 4
MASKED = "\u2039an OpenAI key\u203a"


def write(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def chat(asked: str, answered: str, **more: object) -> dict[str, object]:
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answered, **more}]
    return {"messages": messages}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where there is no project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("content", ["a,b\n1,2\n", '[{"messages": []}]', '{\n  "messages": []\n}'])
def test_a_file_in_another_format_is_not_said_to_have_no_tokens(folder: Path, run: Run, content: str) -> None:
    (folder / "a.jsonl").write_text(content)
    done = run("tokens", "a.jsonl")
    assert (done.code, done.out, done.codes) == (1, "", ["data-not-jsonl"])


def test_totals_need_no_configuration(folder: Path, run: Run) -> None:
    write(folder / "a.jsonl", chat("Hi", "Hello there"), chat("Hi", "one two three four"), chat("Hi", "Hello"))
    result = run("tokens", "a.jsonl")
    assert result.code == 0
    assert result.out.splitlines() == [
        "a.jsonl · chat · 3 rows",
        "as gpt-4.1-mini-2025-04-14 reads it (o200k_base, rows are cut at 65,536 tokens)",
        "",
        "43 tokens, 14 a row; 7 trained (16%)",
        "estimate: 25 epochs, 1,075 tokens billed, 0.01 USD, at the price of late 2025",
        "",
        "LONGEST ROWS: LINE  TOKENS  TRAINED",
        "2                   16      4",
        "1                   14      2",
        "3                   13      1",
    ]


def test_rows_that_cannot_be_read_and_rows_that_are_cut_are_told(folder: Path, run: Run) -> None:
    path = folder / "a.jsonl"
    write(path, chat("Hi", "x" * 5000), chat("Hi", "Hello"))
    path.write_bytes(path.read_bytes() + b"{broken\n")
    result = run("tokens", "a.jsonl", "--model", "tiny-byte")
    assert "1 row not counted: `ftops check` says what is wrong" in result.out
    assert "1 row longer than 4,096 tokens, and cut there" in result.out
    assert "0.00 USD" in result.out
    asked = run("tokens", "a.jsonl", "--model", "tiny-byte", "--json").json
    assert (asked["rows"], asked["rows_not_counted"], asked["rows_cut"]) == (3, 1, 1)
    assert asked["tokens_an_epoch"] == 4096 + 10 + 18


def test_a_cost_that_is_not_known_says_why(folder: Path, run: Run) -> None:
    row = {"messages": [{"role": "user", "content": "Is it safe?"}], "expected": "yes"}
    write(folder / "a.jsonl", row, row)
    result = run("tokens", "a.jsonl", "--model", "o4-mini")
    assert "reinforcement · 2 rows" in result.out
    assert "cost not known: reinforcement is billed by the time that training takes" in result.out
    assert "; 0 trained (0%)" in result.out


def test_an_empty_file_has_no_tokens(folder: Path, run: Run) -> None:
    (folder / "a.jsonl").write_text("")
    assert "0 tokens, 0 a row; 0 trained (0%)" in run("tokens", "a.jsonl").out


def test_a_row_shows_what_is_trained_in_brackets(folder: Path, run: Run) -> None:
    write(folder / "a.jsonl", chat("Hi", "Hello"), chat("Which key?", f"It is {KEY}.\nDon't \x1b[31mtell."))
    result = run("tokens", "a.jsonl", "--row", "2")
    assert result.out.splitlines() == [
        "a.jsonl:2 · chat · 114 tokens, 100 trained",
        "as gpt-4.1-mini-2025-04-14 reads it (o200k_base, rows are cut at 65,536 tokens)",
        "",
        "messages[0].content · user · 7 tokens",
        "  Which key?",
        "",
        "messages[1].content · assistant · 104 tokens, 100 trained",
        f"  [[It is {MASKED}.",
        "  Don't \\u{1b}[31mtell.]]",
    ]


def test_a_row_shows_where_it_is_cut(folder: Path, run: Run) -> None:
    row = {"messages": [*chat("Hi", "é" * 2500)["messages"], *chat("More?", "No", weight=0)["messages"]]}  # type: ignore[misc]  # lists of messages
    write(folder / "a.jsonl", row)
    lines = run("tokens", "a.jsonl", "--row", "1", "--model", "tiny-byte-90k").out.splitlines()
    cut = lines.index(">>> cut here, at 4,096 tokens: what follows is not read <<<")
    kept = (4096 - 10 - 11) // 2
    assert lines[cut - 1] == f"  [[{'é' * kept}]]"
    assert lines[cut + 1] == "  " + "é" * (2500 - kept)
    assert lines[-1] == "  No", "what is lost is shown, and not as trained"
    assert run("tokens", "a.jsonl", "--row", "1", "--model", "tiny-byte").out.count("cut here") == 1
    spans = run("tokens", "a.jsonl", "--row", "1", "--model", "tiny-byte", "--json").json["sequences"][0]["spans"]  # type: ignore[index]  # as it is shaped
    assert [len(span["read"]) for span in spans] == [2, kept, 0, 0]
    assert [len(span["lost"]) for span in spans] == [0, 2500 - kept, 5, 2]


def test_no_half_of_a_secret_is_shown_before_the_cut(folder: Path, run: Run) -> None:
    write(folder / "a.jsonl", chat("Hi", "x" * (4096 - 21 - 20) + f" {KEY} yes"))
    lines = run("tokens", "a.jsonl", "--row", "1", "--model", "tiny-byte").out.splitlines()
    assert lines[-3].endswith("x ]]")
    assert lines[-1] == f"  {MASKED} yes"


def test_a_cut_before_a_text_shows_the_text_after_it(folder: Path, run: Run) -> None:
    write(folder / "a.jsonl", chat("x" * 4085, "Hello"))
    lines = run("tokens", "a.jsonl", "--row", "1", "--model", "tiny-byte").out.splitlines()
    assert lines[-2:] == [">>> cut here, at 4,096 tokens: what follows is not read <<<", "  Hello"]


def test_both_answers_of_a_preference_row_are_shown_and_the_input_once(folder: Path, run: Run) -> None:
    asked = {"messages": [{"role": "user", "content": "Hi there"}], "tools": []}
    outputs = {
        "preferred_output": [{"role": "assistant", "content": "Yes"}],
        "non_preferred_output": [{"role": "assistant", "content": "No"}],
    }
    write(folder / "a.jsonl", {"input": asked, **outputs})
    out = run("tokens", "a.jsonl", "--row", "1").out
    assert out.count("Hi there") == 1
    assert "with preferred_output: 14 tokens, 1 trained" in out
    assert "with non_preferred_output: 14 tokens, 1 trained\nafter the same input, 6 tokens" in out
    assert out.index("[[Yes]]") < out.index("[[No]]")


def test_what_a_template_adds_is_said_to_be_added(folder: Path, run: Run) -> None:
    write(folder / "a.jsonl", chat("Hi", "Hello"))
    result = run("tokens", "a.jsonl", "--row", "1", "--model", "smollm2")
    assert "added by the template · system" in result.out
    assert "You are a helpful AI assistant named SmolLM" in result.out


def test_a_model_that_is_not_here_yet_gives_an_estimate(folder: Path, run: Run) -> None:
    write(folder / "a.jsonl", chat("Hi", "Hello"))
    result = run("tokens", "a.jsonl", "--model", "smollm2")
    assert "estimate: counted with `o200k_base`: the model's file" in result.out
    asked = run("tokens", "a.jsonl", "--model", "smollm2", "--json").json
    assert (asked["is_exact"], asked["tokenizer"], asked["model"]) == (False, "o200k_base", "smollm2-135m-instruct")


def test_learnt_text_is_underlined_on_a_terminal(folder: Path) -> None:
    write(folder / "a.jsonl", chat("Hi", "Hello"))
    seen = in_terminal(folder, "tokens", "a.jsonl", "--row", "1")
    assert "\x1b[4;32mHello\x1b[0m" in seen
    assert "[[" not in seen


@pytest.mark.parametrize(
    ("content", "row", "why"),
    [
        ("", "1", "it has 0 lines"),
        ('{"messages": []}', "2", "it has 1 line"),
        ("[1]\n", "1", "a row is a JSON object"),
        ("{broken\n", "1", "a row is a JSON object"),
        ("\n\n", "2", "a row is a JSON object"),
        ('"' + "x" * (17 << 20) + '"\n{}', "1", "a row is a JSON object"),
    ],
)
def test_a_line_without_a_row_is_a_diagnostic(folder: Path, run: Run, content: str, row: str, why: str) -> None:
    (folder / "a.jsonl").write_text(content)
    result = run("tokens", "a.jsonl", "--row", row)
    assert (result.code, result.codes) == (1, ["tokens-row"])
    assert why in result.err


def test_a_row_after_a_very_long_line_is_found_by_its_line(folder: Path, run: Run) -> None:
    (folder / "a.jsonl").write_bytes(b"x" * (33 << 20) + b"\n" + json.dumps(chat("Hi", "Hello")).encode())
    assert "[[Hello]]" in run("tokens", "a.jsonl", "--row", "2").out


def test_a_byte_order_mark_is_no_part_of_the_first_row(folder: Path, run: Run) -> None:
    (folder / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(chat("Hi", "Hello")).encode())
    assert "[[Hello]]" in run("tokens", "a.jsonl", "--row", "1").out


@pytest.mark.parametrize(
    ("arguments", "code", "codes"),
    [
        (("missing.jsonl",), 1, ["file-missing"]),
        (("a.jsonl", "--model", "gpt-4.1-mimi"), 64, ["check-model"]),
        (("a.jsonl", "--model", "llama"), 64, ["check-model"]),
        (("a.jsonl", "--row", "0"), 64, []),
    ],
)
def test_wrong_usage_is_told(folder: Path, run: Run, arguments: tuple[str, ...], code: int, codes: list[str]) -> None:
    write(folder / "a.jsonl", chat("Hi", "Hello"))
    result = run("tokens", *arguments)
    assert (result.code, result.codes) == (code, codes)


@pytest.mark.parametrize("method", ["supervised", "dpo"])
def test_a_real_job_is_billed_for_the_tokens_that_were_counted(shop: Shop, run: Run, method: str) -> None:
    """Rows with tools, calls and weights, in the tiny model's own template."""
    function = {"name": "look_up", "arguments": '{"word": "ö"}'}
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
    call = {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]}
    told = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "日本語 👩‍👩‍👧"}]
    answer = [{"role": "assistant", "content": "はい、\n" * 9}]
    if method == "dpo":
        row: dict[str, object] = {"input": {"messages": told, "tools": tools}, "preferred_output": answer}
        rows = [
            {**row, "non_preferred_output": [{"role": "assistant", "content": f"no {index}"}]} for index in range(10)
        ]
    else:
        row = {"messages": [*told, {**answer[0], "weight": 0}, told[1], *answer]}
        rows = [
            *[row] * 9,
            {"messages": [told[1], call], "tools": tools},
        ]
    write(shop.root / "specs/data/pings.jsonl", *rows)
    spec = shop.spec()
    spec.write_text(spec.read_text().replace("supervised", method))
    assert run("apply", "--yes", "--wait", "-q").code == 0
    (job,) = shop.jobs()
    asked = run("tokens", "specs/data/pings.jsonl", "--model", "tiny-byte-90k", "--json").json
    assert asked["is_exact"]
    assert job["trained_tokens"] == asked["tokens_an_epoch"] == asked["tokens"]


def in_terminal(folder: Path, *arguments: str) -> str:
    """What the program writes to a terminal."""
    import fcntl  # noqa: PLC0415  # only here
    import pty  # noqa: PLC0415
    import sys  # noqa: PLC0415
    import termios  # noqa: PLC0415

    child, screen = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-m", "ftops", *arguments])
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    seen = b""
    try:
        while block := os.read(screen, 4096):
            seen += block
    except OSError:
        pass  # the way in which Linux says that a terminal was closed
    os.waitpid(child, 0)
    os.close(screen)
    return seen.decode()
