"""Runs workflow files for real, on this machine, by act: to the end, with results, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from tests.github.prepare import OURS, prepared, stub, uses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.github.events import Event
    from tests.github.forge.handle import Repository
    from tests.github.model import Workflow
    from tests.github.prepare import Settings

ACT = Path(sys.executable).parent / "act"
SHELL = Path(__file__).parent / "shell"
"""Goes before all else on act's search path: its `bash` says all before a step fails."""
SECONDS_MAX = 240
"""For one run."""
MARK = "FORGE_RUN"
"""A variable of every process of a run, by which those that are left behind are found."""
ANNOTATIONS = {"error", "warning", "notice"}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Result:
    """What a run gave."""

    workflow: str
    jobs: dict[str, str]
    """`success`, `failure` or `skipped` of each."""
    log: str
    """What all steps printed, with annotations as commands."""
    summaries: dict[str, str]
    """Of each job that wrote one."""
    artifacts: Path
    seconds: dict[str, float]
    """How long each job held a runner."""

    @property
    def passed(self) -> bool:
        return "failure" not in self.jobs.values()

    def artifact(self, name: str) -> bytes:
        return (self.artifacts / name).read_bytes()

    def __repr__(self) -> str:
        return f"{self.workflow}: {self.jobs}\n{self.log}"


def run(
    workflow: Workflow,
    event: Event,
    repository: Repository,
    settings: Settings,
    *,
    folder: Path,
    environment: Mapping[str, str],
    run_id: int = 1,
    seconds_max: float = SECONDS_MAX,
) -> Result:
    """Run *workflow* for *event*; *environment* is of the stand-ins: FORGE_FTOPS is the program that they set up.

    Raises:
        TimeoutError: It took too long; nothing of it is left running.
        FileNotFoundError: act is not installed.
    """
    folder.mkdir(parents=True)
    artifacts = folder / "artifacts"
    artifacts.mkdir()
    checkout = _checkout(repository, event, folder / "checkout")
    file = folder / workflow.name
    file.write_text(prepared(workflow, event, repository, settings, run_id=run_id), encoding="utf-8")
    (folder / "event.json").write_text(json.dumps(event.payload), encoding="utf-8")
    given = {
        **_contexts(event, repository, run_id),
        **environment,
        "FORGE_ARTIFACTS": str(artifacts),
        "GIT_PAGER": "cat",
        "GIT_TERMINAL_PROMPT": "0",
        MARK: token_hex(8),
    }
    command = [str(ACT), event.name, "-W", str(file), "-e", str(folder / "event.json"), *_flags(workflow, event)]
    command += [flag for name, value in given.items() for flag in ("--env", f"{name}={value}")]
    try:
        lines = _act(command, checkout, folder / "home", mark=given[MARK], seconds_max=seconds_max)
    finally:
        repository.end_run(run_id)
    return _result(workflow, lines, artifacts)


def _checkout(repository: Repository, event: Event, path: Path) -> Path:
    """A clone in which the commit of the event is checked out, for act takes `github.sha` from there."""
    for command in (
        ["init", "-q", str(path)],
        ["-C", str(path), "fetch", "-q", "--depth=1", str(repository.path), event.sha],
        ["-C", str(path), "checkout", "-q", "--detach", "FETCH_HEAD"],
    ):
        subprocess.run(["git", *command], check=True)
    return path


def _contexts(event: Event, repository: Repository, run_id: int) -> dict[str, str]:
    return {
        **repository.forge.environment(repository.name),
        "GITHUB_REF": event.ref,
        "GITHUB_SHA": event.sha,
        "GITHUB_HEAD_REF": event.head_ref,
        "GITHUB_BASE_REF": event.base_ref,
        "GITHUB_RUN_ID": str(run_id),
    }


def _flags(workflow: Workflow, event: Event) -> list[str]:
    labels = {job["runs-on"] for job in workflow.content["jobs"].values()}
    flags = ["--json", "--no-cache-server", "--no-skip-checkout", "--artifact-server-addr", "127.0.0.1"]
    flags += ["--actor", event.actor]
    for label in sorted(labels):
        flags += ["-P", f"{label}=-self-hosted"]
    for used in sorted({each for each in uses(workflow.content) if each != "./"} | {OURS}):
        flags += ["--local-repository", f"{used}={stub(used)}"]
    return flags


def _act(command: list[str], checkout: Path, home: Path, *, mark: str, seconds_max: float) -> list[dict[str, Any]]:
    """Run act to its end, and then whatever it left behind."""
    environ = {"PATH": f"{SHELL}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        command,
        cwd=checkout,
        env=environ,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    try:
        output, _ = process.communicate(timeout=seconds_max)
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"act ran for more than {seconds_max} seconds") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        _end_all(mark)
    return [_read(line) for line in output.splitlines()]


def _end_all(mark: str) -> None:
    """Kill what a run left behind, and what that begins meanwhile."""
    deadline = time.monotonic() + 30
    while found := processes_of(mark):
        assert time.monotonic() < deadline, f"these do not end: {found}"
        for left in found:
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        time.sleep(0.02)


def processes_of(mark: str) -> list[int]:
    """All processes that have the mark of a run in their environment."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def _read(line: str) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except json.JSONDecodeError:
        read = None
    return read if isinstance(read, dict) else {"msg": line, "level": "error"}


def _result(workflow: Workflow, lines: list[dict[str, Any]], artifacts: Path) -> Result:
    jobs = dict.fromkeys(workflow.content["jobs"], "skipped")
    summaries: dict[str, str] = {}
    seconds: dict[str, float] = {}
    log = []
    for line in lines:
        text, command = line.get("msg", ""), line.get("command")
        assert "workflow is not valid" not in text, text
        job = line.get("jobID", "")
        if "jobResult" in line:
            jobs[job] = line["jobResult"]
        # The steps of a stand-in are counted with it.
        if "stepResult" in line and len(line.get("stepID", ())) == 1:
            seconds[job] = seconds.get(job, 0) + line["executionTime"] / 1e9
        if command == "summary":
            summaries[job] = summaries.get(job, "") + line["content"]
        if line.get("raw_output") or command in ANNOTATIONS or (line.get("level") == "error" and not command):
            log.append(text.strip("\r\n") + "\n")
    return Result(
        workflow=workflow.name, jobs=jobs, log="".join(log), summaries=summaries, artifacts=artifacts, seconds=seconds
    )
