"""Whole processes: the entry point, Ctrl-C, closed pipes, terminals, and a session from init to an empty plan."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import NoReturn

    from conftest import Run, Running, Shop, Start

CREATE = "POST /v1/fine_tuning/jobs"


def test_a_session_from_init_to_an_empty_plan(shop: Shop, program: Run) -> None:
    """As somebody new would go through it, on the server of the tests instead of the one that ftops would start."""
    for path in ("specs/pong.yaml", "ftops.yaml"):
        (shop.root / path).unlink()
    assert program("init").code == 0
    assert "+ first-model" in program("plan").out
    shop.config(more="    models: {smollm2-135m-instruct: tiny-byte-90k}\n")
    planned = program("plan", "--json", "--detailed-exitcode")
    assert planned.code == 2
    applied = program("apply", "--wait", "--checksum", str(planned.json["checksum"]))
    assert applied.code == 0, applied.err
    assert "first-model: submitted job ftjob-" in applied.err
    assert "first-model: ft:tiny-byte-90k:" in applied.err
    assert program("plan", "--detailed-exitcode").out == "No changes. 1 model matches its spec on target here.\n"
    assert program("lock", "verify").code == 0
    spec = shop.root / "specs/first-model.yaml"
    spec.write_text(spec.read_text().replace("n_epochs: 6", "n_epochs: 7"))
    changed = program("plan")
    assert re.search(r"± first-model.*\n.*\n +n_epochs 6 → 7\n", changed.out)
    assert len(shop.jobs()) == 1


def test_ctrl_c_while_waiting_is_130_and_loses_nothing(shop: Shop, start: Start, run: Run) -> None:
    shop.data(rows=200)
    shop.spec(epochs=50)
    waiting = start("apply", "--yes", "--wait")
    waiting.await_until(lambda: shop.lock.exists() and '"job"' in shop.lock.read_text())
    done = interrupted(waiting)
    assert done == 130
    (job,) = shop.jobs()
    assert recorded(shop)["generation"]["job"]["id"] == job["id"]
    assert run("cancel", "pong").code == 0
    assert run("lock", "verify").code == 0


def test_ctrl_c_during_the_create_is_130_and_pays_once(
    shop: Shop, start: Start, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftops.create.LAG_SECONDS", 2)
    shop.server.faults({"match": CREATE, "kind": "delay", "seconds": 1})
    creating = start("apply", "--yes")
    creating.await_until(lambda: shop.lock.exists() and '"intent"' in shop.lock.read_text())
    assert interrupted(creating) == 130
    assert "intent" in recorded(shop)
    time.sleep(1.2)
    assert run("apply", "--yes").code == 0
    (job,) = shop.jobs()
    assert recorded(shop)["generation"]["job"]["id"] == job["id"]
    assert "intent" not in recorded(shop)


def test_ctrl_c_before_anything_is_imported_shows_no_traceback(shop: Shop) -> None:
    interrupt = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'click': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from ftops.__main__ import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", interrupt, "plan"], capture_output=True, text=True, check=False, cwd=shop.root
    )
    assert (done.returncode, done.stderr) == (130, "")


def test_a_reader_that_goes_away_ends_the_command_quietly(trained: Shop) -> None:
    for _ in range(2):  # the second time, the plan could come from memory
        assert output_to(trained, closed_pipe()) == (1, "")


def test_a_full_disk_under_stdout_is_said(trained: Shop) -> None:
    code, message = output_to(trained, os.open("/dev/full", os.O_WRONLY))
    assert code == 1
    assert message.startswith("error[system-refused]: the system refused: no space left on device\n")
    assert "Exception ignored" not in message


def test_a_closed_stdout_is_no_trouble(trained: Shop) -> None:
    words = [sys.executable, "-m", "ftops", "plan"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE, text=True, check=False, cwd=trained.root
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_head_gets_its_lines(trained: Shop) -> None:
    pipeline = f"{sys.executable} -m ftops logs pong | head -n 1"
    done = subprocess.run(pipeline, shell=True, capture_output=True, text=True, check=False, cwd=trained.root)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize(("answer", "jobs"), [("y", 1), ("", 0)])
def test_on_a_terminal_apply_asks(shop: Shop, answer: str, jobs: int) -> None:
    code, shown = on_a_terminal(shop, "apply", type_in=f"{answer}\n")
    assert "Carry this out? [y/N]" in shown
    assert len(shop.jobs()) == jobs
    assert code == 0
    assert shop.lock.exists() == (jobs == 1)


def test_a_terminal_gets_colours_unless_its_user_wants_none(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in on_a_terminal(shop, "plan")[1]
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[" not in on_a_terminal(shop, "plan")[1]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in on_a_terminal(shop, "plan")[1]


def test_bars_on_a_terminal_leave_the_outcome(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    code, shown = on_a_terminal(shop, "apply", "--yes", "--wait")
    assert code == 0
    assert "pong: ft:tiny-byte-90k:" in shown


@pytest.mark.parametrize(
    ("command", "more"),
    [(command, "; what was submitted goes on by itself, ") for command in ("apply", "reconcile", "ci collect")]
    + [("plan", "")],
)
def test_ctrl_c_tells_what_goes_on_where_something_may(
    command: str, more: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("ftops.cli.frame.open_world", pressed)
    monkeypatch.setattr("ftops.cli.ci.step.current_run", pressed)
    done = run(*command.split())
    assert done.code == 130
    assert f"\nstopped{more}" in done.err
    assert bool(more) == ("submitted" in done.err)


def interrupted(running: Running) -> int:
    """Press Ctrl-C; gives the exit code, and sees that nothing but a sentence is shown."""
    running.process.send_signal(signal.SIGINT)
    done = running.finish()
    assert "Traceback" not in done.err
    assert "\nstopped; " in done.err
    # Interrupted within `exec`, as dataclasses use it, Python ends by the signal itself: to a shell both are 130.
    return 130 if done.code == -signal.SIGINT else done.code


def recorded(shop: Shop) -> dict[str, dict[str, dict[str, object]]]:
    entry: dict[str, dict[str, dict[str, object]]] = json.loads(shop.lock.read_text())["models"]["pong"]
    return entry


def closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def output_to(shop: Shop, output: int) -> tuple[int, str]:
    """Show the plan on *output*; gives the exit code, and what is said."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ftops", "plan"],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=shop.root,
        )
    finally:
        os.close(output)
    return done.returncode, done.stderr


def on_a_terminal(shop: Shop, *arguments: str, type_in: str = "") -> tuple[int, str]:
    """Run the program on a terminal of its own; gives its exit code and all that was shown."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "ftops", *arguments],
        stdin=end,
        stdout=end,
        stderr=end,
        cwd=shop.root,
        env=dict(os.environ),
    )
    os.close(end)
    os.write(terminal, type_in.encode())
    shown = b""
    try:
        while piece := os.read(terminal, 65536):
            shown += piece
    except OSError:
        # So Linux tells that the last process has left the terminal.
        pass
    os.close(terminal)
    return process.wait(timeout=60), shown.decode()
