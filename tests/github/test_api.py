"""GitHub's door: what is asked of the forge, as GitHub describes it, and what becomes of its refusals and failures."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from ftops.diagnostics import ProblemsError
from ftops.github import transport
from ftops.github.api import GitHub
from ftops.github.event import Run
from ftops.github.refusals import LostError
from ftops.shared import ProtectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import HeldClock
    from tests.github.forge.handle import Forge, Repository

ALL = {"contents": "write", "issues": "write", "pull_requests": "write"}


@pytest.fixture
def clock(clock: HeldClock) -> HeldClock:
    """Held, and as late as it is: the forge says when its limits end."""
    clock.time = int(time.time())
    return clock


def opened(forge: Forge, clock: HeldClock, token: str | None = None, **permissions: str) -> GitHub:
    given = token if token is not None else forge.token(**(permissions or ALL))
    run = Run(
        repository="acme/models",
        token=given,
        server_url=forge.url,
        api_url=forge.api_url,
        graphql_url=forge.graphql_url,
    )
    return GitHub(run=run, environ={}, clock=clock, chance=Random(7))


@pytest.fixture
def pull(models: Repository) -> int:
    models.commit({"specs/elle.yaml": "kind: FineTune\n"}, branch="topic")
    return models.open_pull(head="topic")


def asked(forge: Forge, ending: str) -> int:
    return sum(1 for each in forge.requests() if each["path"].endswith(ending))


def test_comments_are_made_listed_changed_and_folded(
    github: Forge, models: Repository, pull: int, clock: HeldClock
) -> None:
    door = opened(github, clock)
    models.comment(pull, "Looks good", author="lovelace")
    made = door.create_comment(pull, "A plan")
    assert made.author == door.viewer() == "github-actions[bot]"
    changed = door.update_comment(made.id, "Another plan")
    assert (changed.id, changed.node_id, changed.body) == (made.id, made.node_id, "Another plan")
    door.minimize(made.node_id)
    assert [(each.author, each.body) for each in door.comments(pull)] == [
        ("lovelace", "Looks good"),
        ("github-actions[bot]", "Another plan"),
    ]
    assert [each["minimized"] for each in models.comments(pull)] == [None, "outdated"]


def test_all_pages_of_comments_are_read(github: Forge, models: Repository, pull: int, clock: HeldClock) -> None:
    for number in range(201):
        models.comment(pull, f"Comment {number}")
    bodies = [each.body for each in opened(github, clock).comments(pull)]
    assert bodies == [f"Comment {number}" for number in range(201)]


def test_branches_and_pull_requests_are_read_and_opened(
    github: Forge, models: Repository, pull: int, clock: HeldClock
) -> None:
    door = opened(github, clock)
    models.commit({"ftops.lock": "{}"}, branch="ftops/lock")
    assert door.head("main") == models.head()
    assert door.head("ftops/lock") == models.head("ftops/lock")
    assert door.head("ftops") is None
    assert door.head_of(pull) == models.head("topic")
    assert door.pull_from("ftops/lock") is None
    models.allow_actions_to_open_pulls()
    address = door.open_pull("ftops/lock", "main", "Record", "What was made")
    assert door.pull_from("ftops/lock") == address
    assert door.open_pull("ftops/lock", "main", "Record", "What was made") == address
    assert len(models.pulls()) == 2


def test_an_event_is_sent(github: Forge, models: Repository, clock: HeldClock) -> None:
    opened(github, clock).dispatch("ftops-reconcile", {"job": "ftjob-1"})
    sent = models.events()[-1]
    assert (sent["event"], sent["action"], sent["client_payload"]) == (
        "repository_dispatch",
        "ftops-reconcile",
        {"job": "ftjob-1"},
    )


def test_a_commit_is_made_only_on_the_commit_that_is_named(github: Forge, models: Repository, clock: HeldClock) -> None:
    door = opened(github, clock)
    before = str(models.head())
    made = door.commit("main", before, "team/ftops.lock", b"one\n", "Record what ftops made (ftops.lock)")
    assert made == models.head()
    assert models.file("team/ftops.lock") == b"one\n"
    assert models.log()[0] == ("github-actions[bot]", "Record what ftops made (ftops.lock)")
    assert door.commit("main", before, "team/ftops.lock", b"two\n", "Record") is None
    assert models.file("team/ftops.lock") == b"one\n"


@pytest.mark.parametrize("kind", ["ruleset", "classic"])
def test_a_protected_branch_is_told_from_other_refusals(
    kind: str, github: Forge, models: Repository, clock: HeldClock
) -> None:
    models.protect("main", kind=kind, bypass=["ftops[bot]"])
    with pytest.raises(ProtectedError) as caught:
        opened(github, clock).commit("main", str(models.head()), "ftops.lock", b"{}", "Record")
    assert "Changes must be made through a pull request." in caught.value.words
    bypassing = opened(github, clock, github.token("ftops[bot]", contents="write"))
    assert bypassing.commit("main", str(models.head()), "ftops.lock", b"{}", "Record") == models.head()


CALLS: dict[str, tuple[str, Callable[[GitHub], object]]] = {
    "comments": ("pull-requests: read", lambda door: door.comments(1)),
    "create_comment": ("pull-requests: write", lambda door: door.create_comment(1, "A plan")),
    "head_of": ("pull-requests: read", lambda door: door.head_of(1)),
    "head": ("contents: read", lambda door: door.head("main")),
    "pull_from": ("pull-requests: read", lambda door: door.pull_from("topic")),
    "open_pull": ("pull-requests: write", lambda door: door.open_pull("topic", "main", "A", "B")),
    "commit": ("contents: write", lambda door: door.commit("main", "0" * 40, "ftops.lock", b"", "Record")),
    "dispatch": ("contents: write", lambda door: door.dispatch("ftops-reconcile", {})),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_permission_that_a_token_lacks_is_named(name: str, github: Forge, pull: int, clock: HeldClock) -> None:
    assert pull == 1
    needs, call = CALLS[name]
    with pytest.raises(ProblemsError) as caught:
        call(opened(github, clock, metadata="read"))
    (problem,) = caught.value.problems
    assert problem.code == "github-forbidden"
    assert "Resource not accessible by integration" in str(problem.why)
    assert f"write `{needs}` under `permissions:` of the job" in str(problem.fix)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("name", CALLS)
def test_a_token_that_ended_and_none_at_all_are_told(name: str, github: Forge, clock: HeldClock) -> None:
    for token, why in (("ghs_ended", "Bad credentials"), ("", "neither `GITHUB_TOKEN` nor `GH_TOKEN` is set")):
        with pytest.raises(ProblemsError) as caught:
            CALLS[name][1](opened(github, clock, token))
        (problem,) = caught.value.problems
        assert problem.code == "github-token"
        assert why in str(problem.why)
        assert problem.fix == "give the step the token of its job: `env: GITHUB_TOKEN: ${{ github.token }}`"


@pytest.mark.usefixtures("models")
def test_what_is_not_there_may_be_what_the_token_may_not_see(github: Forge, clock: HeldClock) -> None:
    with pytest.raises(ProblemsError) as caught:
        opened(github, clock).comments(404)
    (problem,) = caught.value.problems
    assert (problem.code, problem.summary) == (
        "github-missing",
        "GitHub finds nothing there to read the comments of pull request #404",
    )


def test_that_actions_may_open_no_pull_requests_is_a_setting(
    github: Forge, models: Repository, clock: HeldClock
) -> None:
    models.commit({"a": "b"}, branch="ftops/lock")
    with pytest.raises(ProblemsError) as caught:
        opened(github, clock).open_pull("ftops/lock", "main", "Record", "What was made")
    (problem,) = caught.value.problems
    assert problem.code == "github-forbidden"
    assert problem.fix == "allow it in the repository's Settings, Actions, General, Workflow permissions"


def test_a_comment_that_is_too_long_is_refused_in_githubs_words(github: Forge, pull: int, clock: HeldClock) -> None:
    with pytest.raises(ProblemsError) as caught:
        opened(github, clock).create_comment(pull, "a" * 65_537)
    (problem,) = caught.value.problems
    assert problem.code == "github-refused"
    assert "Body is too long (maximum is 65536 characters)" in str(problem.why)


@pytest.mark.parametrize("kind", ["502", "cut", "lost"])
def test_what_changes_nothing_is_asked_again(kind: str, github: Forge, pull: int, clock: HeldClock) -> None:
    github.fail("GET */comments", kind, times=transport.TRIES_MAX - 1)
    assert opened(github, clock).comments(pull) == ()
    assert len(clock.slept) == transport.TRIES_MAX - 1
    github.fail("GET */comments", kind, times=transport.TRIES_MAX)
    with pytest.raises(ProblemsError, match="github-unreachable"):
        opened(github, clock).comments(pull)


@pytest.mark.parametrize("kind", ["502", "cut", "lost"])
def test_what_makes_something_is_asked_once_and_then_it_is_not_known(
    kind: str, github: Forge, models: Repository, pull: int, clock: HeldClock
) -> None:
    github.fail("POST */comments", kind)
    with pytest.raises(LostError):
        opened(github, clock).create_comment(pull, "A plan")
    assert asked(github, "/comments") == 1
    assert len(models.comments(pull)) == (1 if kind == "lost" else 0)
    github.fail("POST /api/graphql", kind)
    before = models.head()
    with pytest.raises(LostError):
        opened(github, clock).commit("main", str(before), "ftops.lock", b"{}", "Record")
    assert (models.head() != before) == (kind == "lost")


def test_github_is_left_alone_for_as_long_as_it_says(
    github: Forge, models: Repository, pull: int, clock: HeldClock
) -> None:
    door = opened(github, clock)
    github.fail("POST */comments", "secondary", seconds=37)
    door.create_comment(pull, "A plan")
    assert clock.slept == [37]
    github.fail("POST */comments", "secondary", seconds=0)
    door.create_comment(pull, "A plan")
    assert clock.slept[1:] == [transport.LIMITED_SECONDS]
    clock.time = int(time.time())
    github.fail("POST */comments", "primary", seconds=100)
    door.create_comment(pull, "A plan")
    assert clock.slept[2:] == [pytest.approx(101, abs=5)]
    assert len(models.comments(pull)) == 3


def test_a_limit_that_lasts_longer_than_a_runner_should_wait_is_told(
    github: Forge, pull: int, clock: HeldClock
) -> None:
    github.fail("GET */comments", "primary", seconds=3_000)
    with pytest.raises(ProblemsError) as caught:
        opened(github, clock).comments(pull)
    (problem,) = caught.value.problems
    assert problem.code == "github-limited"
    assert str(problem.fix).startswith("run the job again after 20")
    assert clock.slept == []
    github.fail("GET */comments", "secondary", seconds=100, times=99)
    with pytest.raises(ProblemsError, match="github-limited"):
        opened(github, clock).comments(pull)
    assert sum(clock.slept) <= transport.PATIENCE_SECONDS


# What answers may be anything: a proxy, or somebody in GitHub's place


class Answer:
    """What an impostor says, and what it heard."""

    def __init__(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        self.status, self.body, self.headers = status, body, headers
        self.heard: list[tuple[str, dict[str, str]]] = []


@contextmanager
def impostor(answer: Answer) -> Iterator[str]:
    """Something that answers all requests alike; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer.heard.append((self.path, dict(self.headers)))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_PATCH = do_GET  # noqa: N815  # names that the library calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def at(url: str, clock: HeldClock, environ: dict[str, str] | None = None) -> GitHub:
    run = Run(repository="acme/models", token="ghs_secret", api_url=url, graphql_url=f"{url}/graphql")
    return GitHub(run=run, environ=environ or {}, clock=clock, chance=Random(7))


def test_a_redirection_never_gets_the_token(clock: HeldClock) -> None:
    other = Answer(body=b'{"object": {"sha": "0"}}')
    with impostor(other) as elsewhere:
        moved = Answer(301, Location=f"{elsewhere}/repositories/1/git/ref/heads/main")
        with impostor(moved) as here, pytest.raises(ProblemsError, match="github-missing"):
            at(here, clock).head("main")
    assert [headers["Authorization"] for _, headers in moved.heard] == ["Bearer ghs_secret"]
    assert other.heard == []


@pytest.mark.parametrize(
    "body", [b"<html>Sign in to the network</html>", b"", b"[" * 100_000, b'{"object": 7}', b"\xff"]
)
def test_an_answer_that_is_not_githubs_is_a_problem_and_no_traceback(body: bytes, clock: HeldClock) -> None:
    with impostor(Answer(body=body)) as here:
        with pytest.raises(ProblemsError, match="github-answer"):
            at(here, clock).head("main")
        with pytest.raises(LostError, match="github-answer"):
            at(here, clock).create_comment(7, "A plan")


def test_an_answer_is_read_within_bounds_and_never_unpacked(clock: HeldClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftops.remote.bounds.ANSWER_BYTES_MAX", 100_000)
    with impostor(Answer(body=b" " * 200_000)) as here, pytest.raises(ProblemsError, match="github-unreachable"):
        at(here, clock).head("main")
    with impostor(Answer(Content_Encoding="gzip")) as here, pytest.raises(ProblemsError) as caught:
        at(here, clock).head("main")
    assert "compressed" in str(caught.value.problems[0].why)


def test_what_a_refusal_says_is_cut_visible_and_without_the_token(clock: HeldClock) -> None:
    said = "no \x1b[31m ::error::\u202e ghs_secret\n" + "a" * 10_000
    body = json.dumps({"message": said, "errors": [{"message": "b"}, "c", 7, {"code": "d", "field": "e"}]}).encode()
    with impostor(Answer(422, body)) as here, pytest.raises(ProblemsError) as caught:
        at(here, clock).create_comment(7, "A plan")
    why = str(caught.value.problems[0].why)
    assert why.startswith("it says: no \\u{1b}[31m \\u{3a}:error::\\u{202e} *** aaaa")
    assert len(why) < 400
    with impostor(Answer(422, b"<html>")) as here, pytest.raises(ProblemsError) as caught:
        at(here, clock).create_comment(7, "A plan")
    assert caught.value.problems[0].why == "it says: nothing (422)"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "Something went wrong while executing your query."}, LostError),
        ({"type": "INTERNAL", "message": "Timeout"}, LostError),
        ({"type": "UNPROCESSABLE", "message": "A path was requested twice"}, ProblemsError),
        ({"type": "STALE_DATA", "message": "anything"}, None),
        ({"message": 'EXPECTED branch to point to  "0" but it did not.  Pull and try again.'}, None),
    ],
)
def test_what_a_commit_answers_is_told_apart(
    error: dict[str, Any], expected: type[Exception] | None, clock: HeldClock
) -> None:
    body = json.dumps({"data": {"createCommitOnBranch": None}, "errors": [error]}).encode()
    with impostor(Answer(body=body)) as here:
        door = at(here, clock)
        if expected is None:
            assert door.commit("main", "0" * 40, "ftops.lock", b"", "Record") is None
            return
        with pytest.raises(expected) as caught:
            door.commit("main", "0" * 40, "ftops.lock", b"", "Record")
    assert type(caught.value) is LostError if expected is LostError else not isinstance(caught.value, LostError)


def test_a_limit_that_graphql_tells_is_waited_for(clock: HeldClock) -> None:
    body = json.dumps({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}).encode()
    answer = Answer(body=body, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(clock.now() + 30))
    with impostor(answer) as here, pytest.raises(ProblemsError, match="github-limited"):
        at(here, clock).viewer()
    assert clock.slept[0] == 31


@pytest.mark.parametrize(
    ("said", "code", "slept"),
    [
        ("You have exceeded a secondary rate limit. Please wait.", "github-limited", transport.LIMITED_SECONDS),
        ("Something went wrong while executing your query.", "github-unreachable", 0),
    ],
)
def test_what_graphql_says_in_passing_is_asked_again(said: str, code: str, slept: int, clock: HeldClock) -> None:
    with impostor(Answer(body=json.dumps({"data": None, "errors": [{"message": said}]}).encode())) as here:
        with pytest.raises(ProblemsError, match=code):
            at(here, clock).viewer()
        assert len(clock.slept) >= 3
        assert min(clock.slept) >= slept
        clock.slept.clear()
        # A commit may be asked for again where it certainly was not made.
        with pytest.raises(ProblemsError) as caught:
            at(here, clock).commit("main", "0" * 40, "ftops.lock", b"", "Record")
    assert isinstance(caught.value, LostError) == (slept == 0)
    assert bool(clock.slept) == (slept > 0)


def test_the_token_goes_nowhere_in_the_clear(clock: HeldClock) -> None:
    with pytest.raises(ProblemsError, match="github-address"):
        at("http://api.github.example", clock).head("main")


def test_a_proxy_is_for_what_is_outside(clock: HeldClock, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Answer(body=b'{"object": {"sha": "ab"}}')
    with impostor(proxy) as address:
        monkeypatch.setenv("HTTP_PROXY", address)
        monkeypatch.setenv("ALL_PROXY", address)
        with impostor(Answer(body=b'{"object": {"sha": "cd"}}')) as here:
            assert at(here, clock).head("main") == "cd"
    assert proxy.heard == []
    monkeypatch.setenv("ALL_PROXY", "socks5://user:password@127.0.0.1:1")
    with pytest.raises(ProblemsError, match="network-settings") as caught:
        at("https://api.github.example", clock, {"ALL_PROXY": "set"}).head("main")
    assert "password" not in str(caught.value.problems)


def test_nothing_listens(clock: HeldClock) -> None:
    with impostor(Answer()) as here:
        pass
    with pytest.raises(ProblemsError, match="github-unreachable"):
        at(here, clock).create_comment(7, "A plan")
    assert len(clock.slept) == transport.TRIES_MAX - 1
