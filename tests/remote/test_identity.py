"""Without a stored key: a job's identity becomes short-lived tokens, whoever else asks gets none, and all is said.

GitHub's issuer, OpenAI's exchange and the door of its API are stand-ins that check tokens as the real ones do
(`tests/github/exchange.py`); behind the door is the real server, and the real client asks it.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import pytest

from ftops.diagnostics import ProblemsError
from ftops.lockfile import DataFile
from ftops.remote import provider as remote
from ftops.remote.connect import connect
from ftops.remote.errors import Effect, RemoteError
from ftops.remote.identity import identity_of
from ftops.remote.profiles import profile
from ftops.report.problems import render_problems
from ftops.spec.config import Target
from tests.github.exchange import APPLY, Answer, Issuer, Keyless, Row, answer_json, keyless
from tests.github.forge.handle import RefusedError, forge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Stranger

    from ftops.clock import Clock
    from ftops.remote.provider import Provider
    from tests.conftest import HeldClock

    Open = Callable[..., Provider]

KEY = "words-of-no-known-shape"
ROW = json.dumps({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}) + "\n"
ROWS = (ROW * 12).encode()
FILE = DataFile(path="a.jsonl", sha256=sha256(ROWS).hexdigest(), bytes=len(ROWS), rows=12)
WHOLE = {
    "GITHUB_ACTIONS": "true",
    "OPENAI_IDENTITY_PROVIDER_ID": "idp-github",
    "OPENAI_SERVICE_ACCOUNT_ID": "svc-apply",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example/?api-version=2.0",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "eyJ.request.token",
}
"""All that a job needs."""
SUBSETS = [names for count in range(len(WHOLE) + 1) for names in itertools.combinations(WHOLE, count)]


@pytest.fixture
def world(server_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyless]:
    with keyless(server_url.removesuffix("/v1"), KEY) as it:
        monkeypatch.setattr("ftops.remote.exchange.EXCHANGE_URL", it.exchange_url)
        yield it


@pytest.fixture
def opened(world: Keyless, tmp_path: Path, clock: Clock) -> Open:
    """Connect as the step of a job does, with what it has in its environment."""

    def open_provider(environ: dict[str, str] | None = None, url: str | None = None) -> Provider:
        target = Target(name="openai", profile="openai", base_url=url or world.url)
        given = world.environ() if environ is None else environ
        return connect(target, repo="team/models", state=tmp_path, environ=given, clock=clock)

    return open_provider


def failure(act: Callable[[], object]) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        act()
    return caught.value


def said(error: ProblemsError) -> str:
    return render_problems(error.problems, colour=False)


# What the environment says


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"OPENAI_SERVICE_ACCOUNT_ID": ""}, "identity-incomplete", "add `OPENAI_SERVICE_ACCOUNT_ID: ${{ vars.OPENAI_"),
        ({"OPENAI_IDENTITY_PROVIDER_ID": " "}, "identity-incomplete", "add `OPENAI_IDENTITY_PROVIDER_ID: ${{ vars."),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": ""}, "identity-incomplete", "add `id-token: write` to the `permissions`"),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""}, "identity-incomplete", "add `id-token: write` to the `permissions`"),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "", "GITHUB_ACTIONS": ""}, "identity-incomplete", "`export OPENAI_API_KEY"),
        ({"OPENAI_IDENTITY_PROVIDER_ID": "a b"}, "identity-malformed", "`OPENAI_IDENTITY_PROVIDER_ID` to just that"),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "http://token.example/"}, "identity-malformed", "let no step set it"),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://[token"}, "identity-malformed", "let no step set it"),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "a\nb"}, "identity-malformed", "let no step set it"),
    ],
)
def test_half_an_identity_is_told_with_what_to_add(change: dict[str, str], code: str, words: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        identity_of(WHOLE | change, url="https://api.openai.com/v1", variable="OPENAI_API_KEY", has_key=False)
    assert [problem.code for problem in caught.value.problems] == [code]
    assert words in said(caught.value)
    assert "eyJ" not in said(caught.value)


def test_a_job_that_lacks_nothing_has_an_identity_and_hides_its_token() -> None:
    found = identity_of(WHOLE, url="https://eu.api.openai.com/v1", variable="OPENAI_API_KEY", has_key=False)
    assert found
    assert (found.provider_id, found.account_id) == ("idp-github", "svc-apply")
    assert "eyJ" not in repr(found)


@pytest.mark.parametrize("has_key", [True, False])
@pytest.mark.parametrize("missing", SUBSETS, ids=len)
def test_a_key_is_used_where_no_identity_is_set_up_and_never_chosen_where_one_is(
    missing: tuple[str, ...], *, has_key: bool
) -> None:
    """Every subset of the variables: a key and both ids are one too many, whatever else is there or lacks."""
    environ = {name: value for name, value in WHOLE.items() if name not in missing}
    ids = {"OPENAI_IDENTITY_PROVIDER_ID", "OPENAI_SERVICE_ACCOUNT_ID"} & environ.keys()
    lacks = WHOLE.keys() - environ.keys() - {"GITHUB_ACTIONS"}
    code = None
    try:
        found = identity_of(environ, url="https://api.openai.com/v1", variable="OPENAI_API_KEY", has_key=has_key)
    except ProblemsError as error:
        found, code = None, error.problems[0].code
    if has_key:
        assert (found, code) == (None, "identity-ambiguous" if len(ids) == 2 else None)
    elif ids:
        assert (found is not None, code) == (not lacks, "identity-incomplete" if lacks else None)
    else:
        assert (found, code) == (None, None)


@pytest.mark.parametrize(
    "url",
    [
        "https://proxy.example/v1",
        "https://api.openai.com.example/v1",
        "https://evilapi.openai.com.example",
        "https://notapi.openai.com/v1",
        "http://api.openai.com/v1",
    ],
)
def test_a_token_is_for_openai_and_for_nobody_else(url: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        identity_of(WHOLE, url=url, variable="OPENAI_API_KEY", has_key=False)
    assert [problem.code for problem in caught.value.problems] == ["identity-address"]


def test_a_profile_without_workload_identity_asks_for_its_key(tmp_path: Path, clock: Clock) -> None:
    target = Target(name="nebius", profile="nebius")
    with pytest.raises(ProblemsError) as caught:
        connect(target, repo="r", state=tmp_path, environ=WHOLE, clock=clock)
    assert [problem.code for problem in caught.value.problems] == ["key-missing"]
    assert "OPENAI_" not in said(caught.value)


def test_a_job_without_anything_is_told_both_ways(opened: Open) -> None:
    with pytest.raises(ProblemsError) as caught:
        opened({"GITHUB_ACTIONS": "true"})
    assert "give the step `OPENAI_API_KEY`, or set `OPENAI_IDENTITY_PROVIDER_ID`" in said(caught.value)


# Tokens


def test_requests_carry_tokens_of_the_exchange_and_copies_of_the_client_share_them(
    world: Keyless, opened: Open
) -> None:
    provider = opened()
    seen = provider.processed(provider.upload(FILE, io.BytesIO(ROWS)))
    job = provider.create_job({"model": "tiny-byte-90k", "training_file": seen.id, "seed": 1})
    provider.cancel(job.id)
    assert [token for _, _, token in world.door.asked] == world.exchange.given * len(world.door.asked)
    assert len(world.exchange.given) == 1
    assert world.door.refusals == 0


def test_tokens_of_two_seconds_survive_an_upload_of_many_parts(
    world: Keyless, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokens really expire while it goes on; each part is sent with one that lives."""
    world.issuer.seconds = 2
    world.door.seconds = 0.4
    monkeypatch.setattr(remote, "PART_BYTES", len(ROWS) // 11)
    provider = opened()
    provider.profile = msgspec.structs.replace(profile("openai"), upload_bytes_max=1)
    seen = provider.processed(provider.upload(FILE, io.BytesIO(ROWS)))
    parts = [token for _, path, token in world.door.asked if path.endswith("/parts")]
    assert len(parts) >= 11
    assert len(set(parts)) >= 3
    assert len(world.issuer.issued) == len(set(world.issuer.issued)) == len(world.exchange.given)
    assert (seen.bytes, seen.status) == (len(ROWS), "processed")


def test_an_upload_whose_token_has_expired_is_sent_once_more_from_its_beginning(world: Keyless, opened: Open) -> None:
    provider = opened()
    provider.files()
    world.exchange.revoke()
    assert provider.upload(FILE, io.BytesIO(ROWS)).bytes == len(ROWS)
    uploads = [token for method, path, token in world.door.asked if (method, path) == ("POST", "/v1/files")]
    assert uploads == world.exchange.given
    assert len(uploads) == 2


def test_a_create_whose_token_has_expired_makes_one_job(world: Keyless, opened: Open) -> None:
    provider = opened()
    seen = provider.processed(provider.upload(FILE, io.BytesIO(ROWS)))
    labels = {"ftops.spec": "once", "ftops.digest": "sha256:" + "1" * 64, "ftops.attempt": "1"}
    request = {"model": "tiny-byte-90k", "training_file": seen.id, "metadata": labels | {"ftops.repo": "team/models"}}
    world.exchange.revoke()
    job = provider.create_job(request)
    assert [each.id for each in provider.jobs([], digest=labels["ftops.digest"])] == [job.id]
    assert world.door.refusals == 1
    provider.cancel(job.id)


def test_a_token_that_is_never_accepted_is_not_tried_for_ever(world: Keyless, opened: Open) -> None:
    world.exchange.is_forgetful = True
    error = failure(opened().models)
    assert (error.problem.code, error.effect, world.door.refusals) == ("remote-unauthorized", Effect.NO, 2)
    assert not any(token in said(error) for token in world.exchange.given), "the provider repeats the token"
    assert "service account" in said(error)


# Refusals


@pytest.mark.parametrize(
    "claims",
    [
        {"event_name": "pull_request", "ref": "refs/pull/7/merge"},
        {"event_name": "pull_request"},
        {"environment": "ftops-collect"},
        {"environment": ""},
        {"ref": "refs/heads/evil"},
        {"repository_id": "8"},
        {"workflow_ref": "acme/models/.github/workflows/other.yml@refs/heads/main"},
        {"aud": "https://elsewhere.example"},
        {"iss": "https://token.actions.example"},
        {"exp": 1},
        {"exp": None},
    ],
    ids=str,
)
def test_no_other_job_is_given_a_token(world: Keyless, opened: Open, claims: dict[str, object]) -> None:
    world.issuer.claims |= claims
    error = failure(opened().models)
    assert (error.problem.code, error.effect) == ("identity-refused", Effect.NO)
    assert world.door.asked == []
    assert f"environment `{world.issuer.claims['environment']}`" in said(error)
    assert not any(each in said(error) for token in world.issuer.issued for each in token.split("."))


def test_a_token_that_another_key_signed_is_none(world: Keyless, opened: Open) -> None:
    world.issuer.key = Issuer().key
    error = failure(opened().models)
    assert error.problem.code == "identity-refused"
    assert "Signature verification failed" in said(error)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [APPLY, APPLY],
        [APPLY, Row(account="svc-apply", claims={"repository_id": "7"})],
        [Row(account="svc-apply", claims=APPLY.claims, enabled=False)],
        [Row(account="svc-collect", claims=APPLY.claims)],
    ],
    ids=["none", "the same twice", "two that fit", "disabled", "another account's"],
)
def test_exactly_one_mapping_must_fit(world: Keyless, opened: Open, rows: list[Row]) -> None:
    world.exchange.rows = rows
    error = failure(opened().models)
    assert error.problem.code == "identity-refused"
    assert "answered 403, `invalid_grant`" in said(error)
    assert "exactly one mapping" in said(error)


def test_a_job_that_github_does_not_vouch_for_is_told_of_its_permission(world: Keyless, opened: Open) -> None:
    error = failure(opened(world.environ() | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "eyJ.of.another-job"}).models)
    assert error.problem.code == "identity-refused"
    assert "`id-token: write`" in said(error)
    assert "another-job" not in said(error)


def test_of_the_jobs_on_a_forge_only_the_one_that_applies_on_main_is_let_in(
    world: Keyless, opened: Open, tmp_path: Path
) -> None:
    """As GitHub gives identities out: by the job's permissions, and its environment by the branch."""
    workflow = ".github/workflows/ftops-apply.yml"
    ids = {name: value for name, value in world.environ().items() if name.startswith("OPENAI_")}
    with forge(tmp_path / "forge") as github:
        models = github.repository("acme/models")
        facts = {"sha": models.commit({"a": "a"}), "actor": "mona", "name": "apply", "workflow": workflow}
        facts |= {"event": "push", "ref": "refs/heads/main", "environment": "ftops-production"}
        facts |= {"permissions": {"contents": "write", "id-token": "write"}}
        models.environment("ftops-production", branches=["main"])
        world.exchange.issuer = github.issuer
        world.exchange.rows = [Row(account=APPLY.account, claims={**APPLY.claims, "repository_id": "*"})]

        def job(**changes: object) -> Provider:
            given = models.start_job(**(facts | changes))
            return opened(ids | {"GITHUB_ACTIONS": "true"} | given)

        assert job().models()
        pull = {"event": "pull_request", "ref": "refs/pull/1/merge"}
        with pytest.raises(RefusedError, match="not allowed to deploy"):
            job(**pull)
        for changes in ({**pull, "environment": None}, {"environment": None}, {"workflow": "evil.yml"}):
            assert failure(job(**changes).models).problem.code == "identity-refused"
        for changes in ({"permissions": {"contents": "write"}}, {**pull, "environment": None, "from_fork": True}):
            with pytest.raises(ProblemsError) as caught:
                job(**changes)
            assert "`id-token: write`" in said(caught.value)


# What does not answer


BROKEN = [
    Answer(503, b"", "text/html"),
    Answer(500, b'{"error": "eyJhbGciOi.eyJpc3MiOi.c2ln"}'),
    Answer(429, b"{}"),
    Answer(302, b""),
    Answer(200, b""),
    Answer(200, b"[" * 100_000),
    Answer(200, b'{"value": 7}'),
    Answer(200, b"\xff\xfe"),
    answer_json(200, {"access_token": "a\nb", "expires_in": 60}),
    answer_json(200, {"access_token": "abc", "expires_in": "soon"}),
    answer_json(200, {"access_token": "abc", "expires_in": -1}),
]


@pytest.mark.parametrize("where", ["issuer", "exchange"])
def test_a_passing_failure_is_waited_out(world: Keyless, opened: Open, clock: HeldClock, where: str) -> None:
    for broken in BROKEN:
        getattr(world, where).failures[:] = [broken]
        assert opened().models()
    getattr(world, where).failures[:] = BROKEN[:3]
    assert opened().models()
    assert clock.slept == [1] * len(BROKEN) + [1, 3, 9]


@pytest.mark.parametrize("where", ["issuer", "exchange"])
@pytest.mark.parametrize("broken", BROKEN, ids=lambda answer: f"{answer.status} {answer.body[:20]!r}")
def test_a_lasting_failure_is_told_and_nothing_was_sent(
    world: Keyless, opened: Open, where: str, broken: Answer
) -> None:
    getattr(world, where).failures[:] = [broken] * 4
    error = failure(opened().models)
    assert (error.problem.code, error.effect) == ("identity-unavailable", Effect.NO)
    assert world.door.asked == []
    assert "c2ln" not in said(error)


def test_a_token_that_is_good_still_is_used_while_no_newer_one_is_to_be_had(
    world: Keyless, opened: Open, clock: HeldClock
) -> None:
    world.issuer.seconds = 6
    provider = opened()
    provider.models()
    time.sleep(3.1)  # half of its life
    world.issuer.failures[:] = [Answer(503, b"")] * 9
    provider.models()
    assert (world.exchange.given[1:], world.door.refusals, clock.slept) == ([], 0, [])
    # Once it is refused, there is nothing left.
    world.exchange.revoke()
    assert failure(provider.models).problem.code == "identity-unavailable"
    assert clock.slept == [1, 3, 9]


def test_addresses_at_which_nobody_listens_are_named(
    world: Keyless, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:9/token?api-version=2.0"}
    for environ in (world.environ() | nobody, world.environ()):
        monkeypatch.setattr("ftops.remote.exchange.EXCHANGE_URL", "http://127.0.0.1:9/oauth/token")
        error = failure(opened(environ).models)
        assert error.problem.code == "identity-unavailable"
        assert "`127.0.0.1` cannot be reached" in said(error)


def test_what_an_endless_or_packed_answer_may_cost_is_bounded(
    world: Keyless, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftops.remote.bounds.ANSWER_BYTES_MAX", 100_000)
    world.issuer.failures[:] = [Answer(200, b"{" + b" " * 200_000)] * 4
    error = failure(opened().models)
    assert error.problem.code == "identity-unavailable"
    assert "longer than" in said(error)


def test_what_listens_on_this_machine_is_asked_past_the_proxy(
    opened: Open, world: Keyless, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", stranger.url)
    monkeypatch.setenv("NO_PROXY", "")
    failure(opened().models)  # the client library asks the exchange, which is outside but here, through the proxy
    assert len(world.issuer.issued) == 4
    assert all("oauth" in route for route in stranger.asked)


# The whole program


def test_the_program_asks_without_a_key_and_shows_no_token(world: Keyless, tmp_path: Path) -> None:
    (tmp_path / "ftops.yaml").write_text(
        f"default_target: there\ntargets: {{there: {{profile: openai, base_url: '{world.url}'}}}}\nclaims: local\n"
    )
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "a.jsonl").write_bytes(ROWS)
    (tmp_path / "specs" / "elle.yaml").write_text("kind: FineTune\nmodel: tiny-byte-90k\ntraining_file: a.jsonl\n")

    def ftops(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [*world.program(), *words]
        given = os.environ | world.environ() | environ
        return subprocess.run(
            command, cwd=tmp_path, env=given, capture_output=True, text=True, check=False, timeout=120
        )

    done = [ftops("apply", "--yes"), ftops("reconcile"), ftops("plan", "--refresh")]
    assert [each.returncode for each in done] == [0, 0, 0], done
    assert "POST /v1/fine_tuning/jobs" in {f"{method} {path}" for method, path, _ in world.door.asked}
    world.exchange.rows.clear()
    done += [ftops("reconcile"), ftops("reconcile", OPENAI_API_KEY="a-key")]
    assert [each.returncode for each in done[3:]] == [1, 1]
    assert "error[identity-refused]" in done[3].stderr
    assert "error[identity-ambiguous]" in done[4].stderr
    tokens = [*world.exchange.given, *world.issuer.issued, world.issuer.request_token]
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(token in each.stdout + each.stderr for token in tokens for each in done)
    assert not any(token.encode() in content for token in tokens for content in written)
