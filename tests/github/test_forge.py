"""The forge itself: it answers as GitHub does, and refuses as GitHub does."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from tests.github.forge.handle import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.forge.handle import Forge, Repository

COMMIT = """
mutation ($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid } }
}
"""


class Client:
    """Asks as ftops would, with the standard library."""

    def __init__(self, forge: Forge, token: str) -> None:
        self.forge = forge
        self.token = token
        self.links = ""

    def rest(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return self._ask(method, self.forge.api_url + path, body)

    def graphql(self, query: str, **variables: object) -> Any:
        status, value = self._ask("POST", self.forge.graphql_url, {"query": query, "variables": variables})
        assert status in {200, 400}
        return value

    def commit(self, repository: Repository, expected: str, files: dict[str, str], branch: str = "main") -> Any:
        additions = [
            {"path": path, "contents": base64.b64encode(text.encode()).decode()} for path, text in files.items()
        ]
        value = {
            "branch": {"repositoryNameWithOwner": repository.name, "branchName": branch},
            "expectedHeadOid": expected,
            "message": {"headline": "Record", "body": "in full"},
            "fileChanges": {"additions": additions},
        }
        return self.graphql(COMMIT, input=value)

    def _ask(self, method: str, url: str, body: object) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.links = answer.headers.get("Link", "")
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            self.links = str(error.headers)
            return error.code, json.load(error)


def git(folder: Path, *arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
    """As a workflow calls it: the token in a header, no questions."""
    header = "AUTHORIZATION: basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()
    given = ["-c", f"http.extraheader={header}"] if token else []
    return subprocess.run(
        ["git", *given, *arguments],
        cwd=folder,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        check=False,
        capture_output=True,
        text=True,
    )


def clone(repository: Repository, folder: Path, token: str) -> Path:
    done = git(folder, "clone", "-q", repository.url, "work", token=token)
    assert done.returncode == 0, done.stderr
    return folder / "work"


def push(work: Path, token: str, *, to: str = "main", content: str = "x") -> subprocess.CompletedProcess[str]:
    (work / "file").write_text(content)
    assert git(work, "add", "file").returncode == 0
    assert git(work, "commit", "-qm", "Push").returncode == 0
    return git(work, "push", "origin", f"HEAD:refs/heads/{to}", token=token)


@pytest.fixture
def writer(github: Forge) -> Client:
    return Client(github, github.token(contents="write", pull_requests="write"))


@pytest.fixture
def number(models: Repository) -> int:
    models.commit({"specs/a.yaml": "a"}, branch="topic")
    return models.open_pull(head="topic", title="Train a")


# Git


def test_a_branch_is_cloned_and_pushed_to(github: Forge, models: Repository, tmp_path: Path) -> None:
    token = github.token(contents="write")
    work = clone(models, tmp_path, token)
    done = push(work, token)
    assert done.returncode == 0, done.stderr
    assert models.file("file") == b"x"
    (_, event) = models.events()
    assert (event["event"], event["ref"], event["actor"]) == ("push", "refs/heads/main", "github-actions[bot]")


def test_a_large_push_comes_in_chunks(github: Forge, models: Repository, tmp_path: Path) -> None:
    token = github.token(contents="write")
    work = clone(models, tmp_path, token)
    noise = base64.b64encode(os.urandom(3_000_000)).decode()
    done = push(work, token, content=noise)
    assert done.returncode == 0, done.stderr
    assert models.file("file") == noise.encode()


@pytest.mark.parametrize("suffix", ["", ".git"])
def test_both_addresses_of_a_repository_serve(github: Forge, models: Repository, tmp_path: Path, suffix: str) -> None:
    done = git(tmp_path, "ls-remote", models.url + suffix, token=github.token(contents="read"))
    assert f"{models.head()}\trefs/heads/main" in done.stdout


@pytest.mark.parametrize(
    ("permissions", "said"),
    [
        ({"contents": "read"}, "Permission to acme/models.git denied to github-actions[bot]."),
        ({}, "Write access to repository not granted."),
    ],
)
def test_a_token_that_may_not_write_cannot_push(
    github: Forge, models: Repository, tmp_path: Path, permissions: dict[str, str], said: str
) -> None:
    work = clone(models, tmp_path, github.token(contents="read"))
    done = push(work, github.token(**permissions))
    assert done.returncode != 0
    assert said in done.stderr
    assert "403" in done.stderr


def test_a_token_without_contents_cannot_even_read(github: Forge, models: Repository, tmp_path: Path) -> None:
    done = git(tmp_path, "ls-remote", models.url, token=github.token(pull_requests="write"))
    assert "Write access to repository not granted." in done.stderr


@pytest.mark.parametrize("token", ["", "ghs_made_up"])
def test_nobody_reads_a_private_repository_without_a_token(models: Repository, tmp_path: Path, token: str) -> None:
    done = git(tmp_path, "ls-remote", models.url, token=token)
    assert "terminal prompts disabled" in done.stderr


def test_anybody_reads_a_public_repository(github: Forge, tmp_path: Path) -> None:
    public = github.repository("acme/open", private=False)
    public.commit({"a": "a"})
    assert git(tmp_path, "ls-remote", public.url).returncode == 0


@pytest.mark.parametrize(
    ("kind", "said", "reason"),
    [
        (
            "ruleset",
            "error: GH013: Repository rule violations found",
            "push declined due to repository rule violations",
        ),
        ("classic", "error: GH006: Protected branch update failed", "protected branch hook declined"),
    ],
)
def test_a_protected_branch_refuses_a_push(  # noqa: PLR0917  # fixtures and a row
    github: Forge, models: Repository, tmp_path: Path, kind: str, said: str, reason: str
) -> None:
    token = github.token(contents="write")
    work = clone(models, tmp_path, token)
    models.protect("main", kind=kind, bypass=["ftops[bot]"])
    before = models.head()
    done = push(work, token)
    assert said in done.stderr
    assert "Changes must be made through a pull request." in done.stderr
    assert f"! [remote rejected] HEAD -> main ({reason})" in done.stderr
    assert models.head() == before
    # Another branch is free, and who may pass by the rule does.
    assert git(work, "push", "origin", "HEAD:refs/heads/other", token=token).returncode == 0
    app = github.token("ftops[bot]", contents="write")
    assert git(work, "push", "origin", "HEAD:refs/heads/main", token=app).returncode == 0
    assert models.head() != before


def test_refs_of_pull_requests_are_read_and_never_written(
    github: Forge, models: Repository, number: int, tmp_path: Path
) -> None:
    token = github.token(contents="write")
    work = clone(models, tmp_path, token)
    assert git(work, "fetch", "-q", "origin", f"refs/pull/{number}/merge", token=token).returncode == 0
    parents = git(work, "log", "-1", "--format=%P", "FETCH_HEAD").stdout.split()
    assert parents == [models.head(), models.head("topic")]
    done = git(work, "push", "origin", f"HEAD:refs/pull/{number}/head", token=token)
    assert "deny updating a hidden ref" in done.stderr


# Commits through the API


def test_a_commit_through_the_api(models: Repository, writer: Client) -> None:
    before = models.head()
    assert before is not None
    made = writer.commit(models, before, {"ftops.lock": "{}\n"})["data"]["createCommitOnBranch"]["commit"]["oid"]
    assert made == models.head()
    assert models.file("ftops.lock") == b"{}\n"
    assert models.file("README.md") == b"Models of Acme\n"
    shown = models.bare.git("log", "-1", "--format=%an|%cn|%P|%B", made)
    assert shown.rstrip() == f"github-actions[bot]|GitHub|{before}|Record\n\nin full"
    assert models.events()[-1]["actor"] == "github-actions[bot]"


def test_a_stale_commit_is_told_so(models: Repository, writer: Client) -> None:
    old = models.head()
    assert old is not None
    models.commit({"other": "x"})
    answer = writer.commit(models, old, {"ftops.lock": "{}\n"})
    (error,) = answer["errors"]
    assert error["type"] == "STALE_DATA"
    assert error["message"] == f'Expected branch to point to "{old}" but it did not.  Pull and try again.'
    assert answer["data"] == {"createCommitOnBranch": None}
    assert models.file("ftops.lock") is None


def test_of_many_commits_at_once_each_parent_has_one(models: Repository, writer: Client) -> None:
    head = models.head()
    assert head is not None
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: writer.commit(models, head, {f"f{i}": "x"}), range(8)))
    assert sorted("errors" in answer for answer in answers) == [False] + [True] * 7
    assert {error["type"] for answer in answers for error in answer.get("errors", ())} == {"STALE_DATA"}
    assert len(models.log()) == 2


@pytest.mark.parametrize("permissions", [{"contents": "read"}, {"pull_requests": "write"}])
def test_a_token_that_may_not_write_cannot_commit(
    github: Forge, models: Repository, permissions: dict[str, str]
) -> None:
    client = Client(github, github.token(**permissions))
    (error,) = client.commit(models, models.head() or "", {"a": "b"})["errors"]
    assert (error["type"], error["message"]) == ("FORBIDDEN", "Resource not accessible by integration")


@pytest.mark.parametrize("kind", ["ruleset", "classic"])
def test_a_protected_branch_refuses_a_commit(models: Repository, writer: Client, kind: str) -> None:
    models.protect(kind=kind)
    (error,) = writer.commit(models, models.head() or "", {"a": "b"})["errors"]
    assert "Changes must be made through a pull request." in error["message"]
    assert ("Repository rule violations found" in error["message"]) == (kind == "ruleset")


def test_refs_and_blobs_are_asked_for(models: Repository, writer: Client) -> None:
    query = """
      query ($owner: String!, $name: String!) {
        viewer { login }
        repository(owner: $owner, name: $name) {
          ref(qualifiedName: "refs/heads/main") { target { oid } }
          gone: ref(qualifiedName: "refs/heads/gone") { name }
          object(expression: "main:README.md") { ... on Blob { text byteSize isTruncated } }
        }
      }
    """
    data = writer.graphql(query, owner="acme", name="models")["data"]
    assert data["viewer"] == {"login": "github-actions[bot]"}
    assert data["repository"] == {
        "ref": {"target": {"oid": models.head()}},
        "gone": None,
        "object": {"text": "Models of Acme\n", "byteSize": 15, "isTruncated": False},
    }


# Comments


def test_a_comment_is_made_changed_listed_and_minimised(models: Repository, writer: Client, number: int) -> None:
    path = f"/repos/acme/models/issues/{number}/comments"
    status, made = writer.rest("POST", path, {"body": "Hello"})
    assert (status, made["user"]["login"]) == (201, "github-actions[bot]")
    assert writer.rest("PATCH", f"/repos/acme/models/issues/comments/{made['id']}", {"body": "Bye"})[0] == 200
    assert [each["body"] for each in writer.rest("GET", path)[1]] == ["Bye"]
    mutation = """
      mutation ($id: ID!) {
        minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) {
          minimizedComment { isMinimized ... on IssueComment { author { login } viewerDidAuthor } }
        }
      }
    """
    shown = writer.graphql(mutation, id=made["node_id"])["data"]["minimizeComment"]["minimizedComment"]
    # The author has no `[bot]` here, and has it in the REST API.
    assert shown == {"isMinimized": True, "author": {"login": "github-actions"}, "viewerDidAuthor": True}
    assert models.comments(number)[0]["minimized"] == "outdated"


def test_comments_come_in_pages(models: Repository, writer: Client, number: int) -> None:
    for each in range(205):
        models.comment(number, f"comment {each}")
    path = f"/repos/acme/models/issues/{number}/comments?per_page=100"
    found = []
    for page in (1, 2, 3):
        found += writer.rest("GET", f"{path}&page={page}")[1]
        assert ('rel="next"' in writer.links) == (page < 3)
    assert [each["body"] for each in found] == [f"comment {each}" for each in range(205)]
    assert len(writer.rest("GET", f"/repos/acme/models/issues/{number}/comments")[1]) == 30


@pytest.mark.parametrize(("size", "status"), [(65_536, 201), (65_537, 422)])
def test_a_comment_has_a_longest_length(
    models: Repository, writer: Client, number: int, size: int, status: int
) -> None:
    answered, value = writer.rest("POST", f"/repos/acme/models/issues/{number}/comments", {"body": "ä" * size})
    assert answered == status
    assert len(models.comments(number)) == (status == 201)
    if status == 422:
        assert value["errors"][0]["message"] == "Body is too long (maximum is 65536 characters)"


def test_a_token_without_pull_requests_cannot_comment(github: Forge, models: Repository, number: int) -> None:
    client = Client(github, github.token(contents="write", pull_requests="read"))
    status, value = client.rest("POST", f"/repos/acme/models/issues/{number}/comments", {"body": "x"})
    assert (status, value["message"]) == (403, "Resource not accessible by integration")
    assert models.comments(number) == []


# Pull requests


def test_a_pull_request_is_opened_found_and_merged(github: Forge, models: Repository) -> None:
    models.commit({"a": "a"}, branch="ftops/lock")
    app = Client(github, github.token("ftops[bot]", contents="write", pull_requests="write"))
    body = {"title": "Record", "head": "ftops/lock", "base": "main", "body": "…"}
    status, made = app.rest("POST", "/repos/acme/models/pulls", body)
    assert (status, made["user"]["login"], made["head"]["sha"]) == (201, "ftops[bot]", models.head("ftops/lock"))
    status, value = app.rest("POST", "/repos/acme/models/pulls", body)
    assert (status, value["errors"][0]["message"]) == (422, "A pull request already exists for acme:ftops/lock.")
    listed = app.rest("GET", "/repos/acme/models/pulls?state=open&head=acme:ftops/lock&base=main")[1]
    assert [each["number"] for each in listed] == [made["number"]]
    assert app.rest("GET", "/repos/acme/models/pulls?head=acme:other")[1] == []
    merged = models.merge(made["number"])
    found = app.rest("GET", f"/repos/acme/models/commits/{merged}/pulls")[1]
    assert [(each["number"], each["state"]) for each in found] == [(made["number"], "closed")]


def test_actions_open_pull_requests_only_where_that_is_allowed(models: Repository, writer: Client) -> None:
    models.commit({"a": "a"}, branch="topic")
    body = {"title": "Record", "head": "topic", "base": "main"}
    status, value = writer.rest("POST", "/repos/acme/models/pulls", body)
    assert (status, value["message"]) == (
        403,
        "GitHub Actions is not permitted to create or approve pull requests.",
    )
    models.allow_actions_to_open_pulls()
    assert writer.rest("POST", "/repos/acme/models/pulls", body)[0] == 201


def test_a_pull_request_follows_its_branch_and_its_base(models: Repository, writer: Client, number: int) -> None:
    path = f"/repos/acme/models/pulls/{number}"
    first = writer.rest("GET", path)[1]
    head = models.commit({"specs/a.yaml": "b"}, branch="topic")
    second = writer.rest("GET", path)[1]
    models.commit({"other": "x"})
    third = writer.rest("GET", path)[1]
    assert first["head"]["sha"] != second["head"]["sha"] == third["head"]["sha"] == head
    assert len({each["merge_commit_sha"] for each in (first, second, third)}) == 3
    assert [each["action"] for each in models.events() if each["event"] == "pull_request"] == ["opened", "synchronize"]


def test_a_pull_request_from_a_fork(github: Forge, models: Repository, writer: Client) -> None:
    fork = github.repository("eve/models", fork_of=models)
    fork.commit({"specs/x.yaml": "x"}, branch="topic", login="eve")
    number = models.open_pull(head="topic", author="eve", source=fork)
    found = writer.rest("GET", f"/repos/acme/models/pulls/{number}")[1]
    assert (found["head"]["repo"]["full_name"], found["base"]["repo"]["full_name"]) == ("eve/models", "acme/models")
    head = fork.commit({"specs/x.yaml": "y"}, branch="topic", login="eve")
    assert models.pull(number)["head_sha"] == head


def test_the_merge_queue_checks_a_commit_and_then_lands_it(models: Repository, number: int) -> None:
    before = models.head()
    group = models.queue(number)
    assert models.head() == before
    assert models.events()[-1]["event"] == "merge_group"
    models.land(number, group)
    assert models.head() == group["head_sha"]
    assert models.file("specs/a.yaml") == b"a"


# Refs and dispatches


def test_refs_are_made_moved_and_deleted(models: Repository, writer: Client) -> None:
    first, second = models.head(), models.commit({"b": "b"})
    path = "/repos/acme/models/git"
    assert writer.rest("POST", f"{path}/refs", {"ref": "refs/heads/a/b", "sha": first})[0] == 201
    assert writer.rest("POST", f"{path}/refs", {"ref": "refs/heads/a/b", "sha": first})[1]["message"] == (
        "Reference already exists"
    )
    assert writer.rest("PATCH", f"{path}/refs/heads/a/b", {"sha": second})[0] == 200
    assert writer.rest("GET", f"{path}/ref/heads/a/b")[1]["object"]["sha"] == second
    status, value = writer.rest("PATCH", f"{path}/refs/heads/a/b", {"sha": first, "force": False})
    assert (status, value["message"]) == (422, "Update is not a fast forward")
    assert writer.rest("PATCH", f"{path}/refs/heads/a/b", {"sha": first, "force": True})[0] == 200
    assert writer.rest("DELETE", f"{path}/refs/heads/a/b")[0] == 204
    assert writer.rest("GET", f"{path}/ref/heads/a/b")[0] == 404


def test_a_dispatch_is_an_event(github: Forge, models: Repository, writer: Client) -> None:
    body = {"event_type": "ftops-reconcile", "client_payload": {"job": "ftjob-1"}}
    assert writer.rest("POST", "/repos/acme/models/dispatches", body) == (204, None)
    reader = Client(github, github.token(contents="read"))
    assert reader.rest("POST", "/repos/acme/models/dispatches", body)[0] == 403
    assert [(each["action"], each["client_payload"]) for each in models.events()[1:]] == [
        ("ftops-reconcile", {"job": "ftjob-1"})
    ]


# What GitHub's descriptions do not allow


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/repos/acme/models/issues/1/comments", {"text": "x"}),
        ("POST", "/repos/acme/models/issues/1/comments", {"body": 1}),
        ("POST", "/repos/acme/models/issues/one/comments", {"body": "x"}),
        ("GET", "/repos/acme/models/issues/1/comments?size=100", None),
        ("GET", "/repos/acme/models/pulls?state=merged", None),
        ("POST", "/repos/acme/models/dispatches", {"event_type": "x" * 101}),
        ("PUT", "/repos/acme/models/issues/1/comments", {"body": "x"}),
    ],
)
@pytest.mark.usefixtures("models")
def test_a_request_that_is_not_as_described_is_remembered(
    github: Forge, writer: Client, method: str, path: str, body: object
) -> None:
    assert writer.rest(method, path, body)[0] == 400
    assert len(github.invalid()) >= 1
    assert github.invalid() == []


@pytest.mark.parametrize(
    "query",
    [
        "{ viewer { login email { x } } }",
        '{ repository(owner: "acme", name: "models") { ref(qualifiedName: "main") { target { sha } } } }',
        "mutation { createCommitOnBranch(input: {}) { commit { oid } } }",
        'mutation { minimizeComment(input: {subjectId: "x", classifier: OLD}) { clientMutationId } }',
        "{ viewer { login ",
    ],
)
def test_a_document_that_is_not_as_described_is_remembered(github: Forge, writer: Client, query: str) -> None:
    assert "message" in writer.graphql(query)
    assert len(github.invalid()) >= 1


def test_a_commit_needs_a_whole_name_of_its_parent_and_real_base64(
    github: Forge, models: Repository, writer: Client
) -> None:
    writer.commit(models, "main", {"a": "b"})
    assert "40 hexadecimal digits" in github.invalid()[0]


def test_a_wrong_token_is_no_token(github: Forge, models: Repository) -> None:
    status, value = Client(github, "ghs_made_up").rest("GET", f"/repos/{models.name}")
    assert (status, value["message"]) == (401, "Bad credentials")


# Faults


def test_an_answer_is_lost_after_the_effect(github: Forge, models: Repository, writer: Client, number: int) -> None:
    path = f"/repos/acme/models/issues/{number}/comments"
    github.fail("POST */comments", "lost")
    with pytest.raises(RemoteDisconnected):
        writer.rest("POST", path, {"body": "x"})
    assert len(models.comments(number)) == 1
    assert writer.rest("POST", path, {"body": "x"})[0] == 201


def test_a_connection_is_cut_before_the_effect(github: Forge, models: Repository, writer: Client, number: int) -> None:
    github.fail("POST */comments", "cut")
    with pytest.raises(RemoteDisconnected):
        writer.rest("POST", f"/repos/acme/models/issues/{number}/comments", {"body": "x"})
    assert models.comments(number) == []


@pytest.mark.parametrize(
    ("kind", "status", "header"),
    [("502", 502, ""), ("secondary", 403, "Retry-After: 7"), ("primary", 403, "X-RateLimit-Remaining: 0")],
)
@pytest.mark.usefixtures("models")
def test_a_request_fails_as_often_as_it_is_told_to(
    github: Forge, writer: Client, kind: str, status: int, header: str
) -> None:
    github.fail("GET /api/v3/repos/acme/models", kind, times=2, seconds=7)
    for expected in (status, status, 200):
        assert writer.rest("GET", "/repos/acme/models")[0] == expected
        assert expected == 200 or header in writer.links


def test_graphql_says_in_an_answer_that_nothing_is_left(github: Forge, writer: Client) -> None:
    github.fail("POST /api/graphql", "primary")
    assert writer.graphql("{ viewer { login } }")["errors"][0]["type"] == "RATE_LIMITED"
    assert "data" in writer.graphql("{ viewer { login } }")


def test_a_push_fails_on_the_way(github: Forge, models: Repository, tmp_path: Path) -> None:
    token = github.token(contents="write")
    work = clone(models, tmp_path, token)
    github.fail("POST */git-receive-pack", "lost")
    assert push(work, token).returncode != 0
    assert models.file("file") == b"x"


# Jobs and their identity


def job(**facts: Any) -> dict[str, Any]:
    known = {
        "workflow": ".github/workflows/ftops-apply.yml",
        "name": "apply",
        "permissions": {"contents": "write", "id-token": "write"},
        "event": "push",
        "ref": "refs/heads/main",
        "sha": "1" * 40,
        "actor": "mona",
        "environment": "ftops-production",
    }
    return known | facts


def identity(variables: dict[str, str], audience: str) -> str:
    url = f"{variables['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={audience}"
    bearer = {"Authorization": f"bearer {variables['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=bearer), timeout=30) as answer:
        value = json.load(answer)["value"]
        assert isinstance(value, str)
        return value


def test_a_job_proves_who_it_is(github: Forge, models: Repository) -> None:
    models.environment("ftops-production", branches=["main"])
    token = identity(models.start_job(**job()), "https://api.example/v1")
    keys = jwt.PyJWKClient(f"{github.issuer}/.well-known/jwks")
    key = keys.get_signing_key_from_jwt(token).key
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="https://api.example/v1", issuer=github.issuer)
    assert claims["environment"] == "ftops-production"
    assert claims["ref"] == "refs/heads/main"
    assert claims["event_name"] == "push"
    assert claims["workflow_ref"] == "acme/models/.github/workflows/ftops-apply.yml@refs/heads/main"
    assert claims["sub"].startswith("repo:o-")
    assert claims["sub"].endswith(f"/r-{claims['repository_id']}:environment:ftops-production")
    assert claims["exp"] - claims["iat"] == 300
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, key, algorithms=["RS256"], audience="https://other.example")


def test_only_a_job_that_may_gets_an_identity(models: Repository) -> None:
    plain = models.start_job(**job(permissions={"contents": "write"}))
    assert set(plain) == {"GITHUB_TOKEN"}
    forked = models.start_job(**job(event="pull_request", from_fork=True, environment=None))
    assert set(forked) == {"GITHUB_TOKEN"}


def test_a_token_of_a_fork_only_reads(github: Forge, models: Repository, number: int) -> None:
    facts = job(permissions={"pull-requests": "write"}, event="pull_request", from_fork=True, environment=None)
    client = Client(github, models.start_job(**facts)["GITHUB_TOKEN"])
    assert client.rest("POST", f"/repos/acme/models/issues/{number}/comments", {"body": "x"})[0] == 403
    assert client.rest("GET", f"/repos/acme/models/issues/{number}/comments")[0] == 200


def test_an_environment_is_for_its_branches_alone(models: Repository) -> None:
    models.environment("ftops-production", branches=["main"])
    for ref in ("refs/heads/topic", "refs/pull/1/merge"):
        with pytest.raises(RefusedError, match="is not allowed to deploy to ftops-production"):
            models.start_job(**job(ref=ref))


def test_an_identity_is_for_its_bearer_alone(models: Repository) -> None:
    variables = models.start_job(**job()) | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "guessed"}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        identity(variables, "x")
