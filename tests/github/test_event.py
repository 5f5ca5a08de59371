"""What the runner says of a run: its variables, and the payload, which holds text of anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ftops.diagnostics import ProblemsError
from ftops.github.event import Run, run_of
from ftops.gitlogin import login

EVENTS: dict[str, Any] = json.loads((Path(__file__).parent / "schema/github-events.json").read_text(encoding="utf-8"))
SHA = "8f2a6c3d" * 5
REFS = {
    "merge_group": "refs/heads/gh-readonly-queue/main/pr-104-929f8209d40f77f4abc622a499c93a83babdbe64",
    "pull_request": "refs/pull/2/merge",
    "push": "refs/heads/main",
    "repository_dispatch": "refs/heads/main",
    "schedule": "refs/heads/main",
    "workflow_dispatch": "refs/heads/main",
}


def variables(folder: Path, event: str, payload: object, **more: str) -> dict[str, str]:
    """What the runner sets for a step, with a payload, or its bytes."""
    path = folder / "event.json"
    path.write_bytes(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "mona",
        "GITHUB_API_URL": "https://api.github.com",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_GRAPHQL_URL": "https://api.github.com/graphql",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_REF": REFS[event],
        "GITHUB_REPOSITORY": "Codertocat/Hello-World",
        "GITHUB_RUN_ATTEMPT": "2",
        "GITHUB_RUN_ID": "30433642",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": SHA,
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
    } | more


def found(environ: dict[str, str]) -> Run:
    run = run_of(environ)
    assert run is not None
    return run


def test_outside_of_actions_there_is_no_run() -> None:
    assert run_of({}) is None
    assert run_of({"CI": "true", "GITHUB_ACTIONS": "false", "GITHUB_TOKEN": "ghs_token"}) is None


@pytest.mark.parametrize("event", REFS)
def test_every_event_that_starts_a_workflow_of_ours_is_read(event: str, tmp_path: Path) -> None:
    run = found(variables(tmp_path, event, EVENTS.get(event, {"schedule": "11,41 * * * *"})))
    assert (run.event, run.ref, run.sha, run.run_id, run.attempt) == (event, REFS[event], SHA, 30433642, 2)
    assert run.url == "https://github.com/Codertocat/Hello-World/actions/runs/30433642"
    assert (run.output, run.summary) == (tmp_path / "output", tmp_path / "summary")
    assert run.branch == ("main" if REFS[event] == "refs/heads/main" else None)
    assert (run.pull is not None) == (event == "pull_request")


def test_of_a_pull_request_the_newest_commit_is_that_of_its_branch(tmp_path: Path) -> None:
    pull = found(variables(tmp_path, "pull_request", EVENTS["pull_request"])).pull
    said = EVENTS["pull_request"]["pull_request"]
    assert pull is not None
    assert (pull.number, pull.head_sha, pull.head_ref) == (said["number"], said["head"]["sha"], said["head"]["ref"])
    assert (pull.base_ref, pull.author, pull.is_fork) == (said["base"]["ref"], said["user"]["login"], False)


@pytest.mark.parametrize("source", [{"full_name": "mallory/Hello-World"}, None])
def test_a_pull_request_of_another_repository_or_of_one_that_is_gone_is_a_fork(
    source: dict[str, str] | None, tmp_path: Path
) -> None:
    payload = json.loads(json.dumps(EVENTS["pull_request"]))
    payload["pull_request"]["head"]["repo"] = source
    payload["pull_request"]["user"] = None
    pull = found(variables(tmp_path, "pull_request", payload)).pull
    assert pull is not None
    assert (pull.is_fork, pull.author) == (True, "")


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"pull_request": {"number": "7"}}', "Expected `int`"),
        (b"\xff\xfe{}", "malformed"),
        (b"[" * 100_000, "Expected `object`"),
        ({"pull_request": {"number": 0, "head": {"ref": "a", "sha": SHA}, "base": {"ref": "main"}}}, "no number"),
        ({"pull_request": {"number": 7, "head": {"ref": "a", "sha": "main"}, "base": {"ref": "main"}}}, "no number"),
        ({"pull_request": {"number": 7, "head": {"ref": "a", "sha": SHA}}}, "`base`"),
    ],
)
def test_a_payload_that_is_none_is_a_problem_and_no_traceback(payload: object, why: str, tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="github-run") as caught:
        run_of(variables(tmp_path, "pull_request", payload))
    assert why in str(caught.value.problems[0].why)


def test_a_payload_is_read_within_bounds_and_from_a_plain_file_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftops.github.event.PAYLOAD_BYTES_MAX", 1_000)
    with pytest.raises(ProblemsError, match="github-run") as caught:
        run_of(variables(tmp_path, "pull_request", b'{"pull_request": "' + b"a" * 1_000))
    assert caught.value.problems[0].why is not None
    assert "larger than 1000 bytes" in caught.value.problems[0].why
    for path in (tmp_path, tmp_path / "missing", Path("/dev/zero")):
        with pytest.raises(ProblemsError, match="github-run"):
            run_of(variables(tmp_path, "pull_request", b"", GITHUB_EVENT_PATH=str(path)))


def test_only_a_pull_request_has_its_payload_read(tmp_path: Path) -> None:
    assert found(variables(tmp_path, "push", b"no JSON at all")).pull is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_REPOSITORY", "../../etc"),
        ("GITHUB_REPOSITORY", "owner/name/issues"),
        ("GITHUB_REPOSITORY", ""),
        ("GITHUB_EVENT_NAME", ""),
        ("GITHUB_REF", ""),
        ("GITHUB_SHA", "main"),
        ("GITHUB_RUN_ID", "seven"),
        ("GITHUB_API_URL", "ftp://api.github.com"),
        ("GITHUB_API_URL", "https://user:password@api.github.com"),
        ("GITHUB_SERVER_URL", "https://github.com/?q="),
    ],
)
def test_variables_that_no_runner_sets_are_refused(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="github-run") as caught:
        run_of(variables(tmp_path, "push", EVENTS["push"]) | {name: value})
    assert f"`{name}`" in caught.value.problems[0].summary


def test_the_token_is_found_and_never_shown(tmp_path: Path) -> None:
    environ = variables(tmp_path, "push", EVENTS["push"])
    assert found(environ).token == ""
    assert found(environ | {"GH_TOKEN": "ghs_second"}).token == "ghs_second"
    run = found(environ | {"GH_TOKEN": "ghs_second", "GITHUB_TOKEN": " ghs_first\n"})
    assert run.token == "ghs_first"
    assert "ghs_first" not in repr(run)
    with pytest.raises(ProblemsError, match="github-token") as caught:
        run_of(environ | {"GITHUB_TOKEN": "ghs_first\nEvil: header"})
    assert "ghs_first" not in str(caught.value.problems)


def test_git_gets_the_token_for_its_own_server_only() -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.example.org", "GITHUB_TOKEN": "ghs_token"}
    assert login(environ) == {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "http.https://github.example.org/.extraheader",
        "GIT_CONFIG_VALUE_0": "",
        "GIT_CONFIG_KEY_1": "http.https://github.example.org/.extraheader",
        "GIT_CONFIG_VALUE_1": "AUTHORIZATION: basic eC1hY2Nlc3MtdG9rZW46Z2hzX3Rva2Vu",
    }
    assert set(login(environ | {"GIT_CONFIG_COUNT": "3"})) >= {"GIT_CONFIG_KEY_3", "GIT_CONFIG_KEY_4"}
    for nothing in (
        {"GITHUB_ACTIONS": ""},
        {"GITHUB_TOKEN": ""},
        {"GITHUB_SERVER_URL": "http://github.example.org"},
        {"GITHUB_SERVER_URL": "https://github.example.org/\nx"},
    ):
        assert login(environ | nothing) == {}
