"""A webhook of the provider: only what is genuine starts a workflow, and nothing of it goes on but a job's id."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.diagnostics import ProblemsError
from ftops.remote.webhook import BODY_BYTES_MAX, ended_job, secret_of
from ftops.report.problems import render_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.github.forge.handle import Forge, Repository

ROOT = Path(__file__).parents[2]
NOW = 1_763_805_600
KEY = b"a key of the tests, 32 bytes long"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
CANARY = "canary-in-a-body-93e1"
JOB = "ftjob-abc_123"


def event(kind: str = "fine_tuning.job.succeeded", **more: object) -> bytes:
    value = {"object": "event", "id": "evt_1", "type": kind, "created_at": NOW, "data": {"id": JOB}, "note": CANARY}
    return json.dumps(value | more).encode()


def headers(body: bytes, *, at: int = NOW, key: bytes = KEY, delivery: str = "wh_1") -> dict[str, str]:
    """As a sender makes them."""
    signature = hmac.new(key, b".".join([delivery.encode(), str(at).encode(), body]), hashlib.sha256).digest()
    signed = "v1," + base64.b64encode(signature).decode()
    return {"HTTP_WEBHOOK_ID": delivery, "HTTP_WEBHOOK_TIMESTAMP": str(at), "HTTP_WEBHOOK_SIGNATURE": signed}


def refusal(body: bytes, given_headers: Mapping[str, str], *, now: int = NOW) -> str:
    """The code of the one problem, which tells nothing of the body."""
    with pytest.raises(ProblemsError) as caught:
        ended_job(body, given_headers, secret=KEY, now=now)
    assert CANARY not in render_problems(caught.value.problems, colour=False)
    (problem,) = caught.value.problems
    return problem.code


# What is genuine


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_the_end_of_a_job_is_told_by_its_id(status: str) -> None:
    body = event(f"fine_tuning.job.{status}")
    assert ended_job(body, headers(body), secret=KEY, now=NOW) == JOB


@pytest.mark.parametrize("kind", ["batch.completed", "fine_tuning.job.created", "", "fine_tuning.job.succeeded "])
def test_another_event_is_nothing_to_us_whatever_its_data(kind: str) -> None:
    for data in ({"id": JOB}, {"id": 7}, None, [CANARY]):
        body = event(kind, data=data)
        assert ended_job(body, headers(body), secret=KEY, now=NOW) is None


def test_one_of_several_signatures_is_enough() -> None:
    body = event()
    made = headers(body)
    good = made["HTTP_WEBHOOK_SIGNATURE"]
    other = headers(body, key=b"the old secret of this webhook")["HTTP_WEBHOOK_SIGNATURE"]
    for signatures in (f"{other} {good}", f"{good} {other}", f"v1a,AAAA {good}"):
        assert ended_job(body, made | {"HTTP_WEBHOOK_SIGNATURE": signatures}, secret=KEY, now=NOW) == JOB


@pytest.mark.parametrize(("late", "code"), [(-301, "webhook-late"), (-300, ""), (300, ""), (301, "webhook-late")])
def test_five_minutes_either_way_are_the_limit(late: int, code: str) -> None:
    body = event()
    if code:
        assert refusal(body, headers(body), now=NOW + late) == code
    else:
        assert ended_job(body, headers(body), secret=KEY, now=NOW + late) == JOB


# What is not


@pytest.mark.parametrize(
    "signature",
    [
        headers(event(), key=b"another secret")["HTTP_WEBHOOK_SIGNATURE"],
        headers(event())["HTTP_WEBHOOK_SIGNATURE"].removeprefix("v1,"),
        headers(event())["HTTP_WEBHOOK_SIGNATURE"].replace("v1,", "v2,"),
        headers(event())["HTTP_WEBHOOK_SIGNATURE"].replace("v1,", "v1,v1,"),
        headers(event())["HTTP_WEBHOOK_SIGNATURE"] + "=",
        headers(event())["HTTP_WEBHOOK_SIGNATURE"][:-1],
        headers(event())["HTTP_WEBHOOK_SIGNATURE"].upper(),
        "v1,",
        "v1",
    ],
)
def test_another_signature_is_none(signature: str) -> None:
    assert refusal(event(), headers(event()) | {"HTTP_WEBHOOK_SIGNATURE": signature}) == "webhook-signature"


@pytest.mark.parametrize("name", ["HTTP_WEBHOOK_ID", "HTTP_WEBHOOK_TIMESTAMP", "HTTP_WEBHOOK_SIGNATURE"])
@pytest.mark.parametrize("value", [None, "", "é", "a\nb", "1" * 5000, " ", "\udcff", "-1", "१"])
def test_a_header_that_is_none_is_named(name: str, value: str | None) -> None:
    made = headers(event())
    made = {key: each for key, each in made.items() if key != name} | ({} if value is None else {name: value})
    expected = {"-1": {"HTTP_WEBHOOK_TIMESTAMP": "webhook-header"}.get(name, "webhook-signature")}
    assert refusal(event(), made) == expected.get(str(value), "webhook-header")


def test_all_headers_that_lack_are_told_at_once() -> None:
    with pytest.raises(ProblemsError) as caught:
        ended_job(event(), {}, secret=KEY, now=NOW)
    assert [problem.code for problem in caught.value.problems] == ["webhook-header"] * 3


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_changed_the_signature_holds_no_more_and_the_client_library_agrees(data: st.DataObject) -> None:
    """The library checks by its own clock, so all is signed as of now."""
    body, now = event(), int(time.time())
    made = headers(body, at=now)
    field = data.draw(st.sampled_from(["body", "none", *made]))
    text = body.decode() if field == "body" else made.get(field, "")
    position = data.draw(st.integers(0, len(text)))
    end = position + data.draw(st.integers(0, 3))
    changed = text[:position] + data.draw(st.text("v1,.=AZaz09+/ ", max_size=3)) + text[end:]
    if field == "body":
        body = changed.encode()
    elif field != "none":
        made[field] = changed
    # One good signature among others is enough.
    is_good = field == "HTTP_WEBHOOK_SIGNATURE" and text in changed.split(" ") and "" not in changed.split(" ")
    is_same = field == "none" or changed == text or is_good
    try:
        ours = ended_job(body, made, secret=KEY, now=now) == JOB
    except ProblemsError:
        ours = False
    assert ours == is_same
    names = {name.removeprefix("HTTP_").replace("_", "-").lower(): value for name, value in made.items()}
    try:
        openai.OpenAI(api_key="none").webhooks.verify_signature(body, names, secret=SECRET)
        theirs = True
    except ValueError:
        theirs = False
    assert theirs or not ours


@pytest.mark.parametrize(
    "body",
    [
        CANARY.encode(),
        b"",
        b"\xff" + CANARY.encode(),
        json.dumps(CANARY).encode(),
        b"[" * 30_000,
        b'{"data": ' + b'{"a": ' * 9_000,
        b'{"type": "fine_tuning.job.failed", "note": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        event(data=None),
        event(data={}),
        event(data={"id": 7}),
        event(data={"id": CANARY}),
        event(data={"id": f"ftjob-{CANARY}\n::error::"}),
        event(data={"id": "ftjob-../../x"}),
        event(data={"id": "ftjob-"}),
        event(data={"id": "ftjob-" + "a" * 101}),
        event(data={"id": "ftjob-a\u0661"}),
        event(type=7),
        event() + b"x" * BODY_BYTES_MAX,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_signed_and_is_no_event_goes_nowhere(body: bytes) -> None:
    assert refusal(body, headers(body)) == "webhook-body"


@pytest.mark.parametrize(
    "secret",
    [
        "",
        " ",
        "whsec_",
        "whsec_AAAA",
        SECRET.removeprefix("whsec_"),
        "sk-" + "a" * 40,
        SECRET + "!",
        "whsec_" + "*" * 40,
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        secret_of({"OPENAI_WEBHOOK_SECRET": secret})
    assert [problem.code for problem in caught.value.problems] == ["webhook-setup"]
    assert len(secret) < 7 or secret not in render_problems(caught.value.problems, colour=False)


def test_a_secret_is_taken_as_it_is_shown_with_a_line_feed_from_a_file() -> None:
    assert secret_of({"OPENAI_WEBHOOK_SECRET": f"{SECRET}\n"}) == KEY


# The program


def environ(github: Forge, models: Repository, **more: str) -> dict[str, str]:
    """Of the worker: it is no job of a workflow."""
    token = github.token("ftops[bot]", repository=models.name, contents="write")
    own = {"GITHUB_API_URL": github.api_url, "GITHUB_REPOSITORY": models.name, "GITHUB_TOKEN": token}
    return os.environ | own | {"OPENAI_WEBHOOK_SECRET": SECRET} | more


def ftops(body: bytes, given_environ: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "ftops", "ci", "webhook"]
    done = subprocess.run(command, input=body, env=dict(given_environ), capture_output=True, check=False, timeout=120)
    assert CANARY.encode() not in done.stdout + done.stderr
    assert SECRET.encode() not in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr
    return done


def dispatched(models: Repository) -> list[tuple[str, object]]:
    events = [each for each in models.events() if each["event"] == "repository_dispatch"]
    return [(each["action"], each["client_payload"]) for each in events]


def test_the_end_of_a_job_starts_the_workflow_that_collects_each_time(github: Forge, models: Repository) -> None:
    body = event()
    given_environ = environ(github, models, **headers(body, at=int(time.time())))
    for times in (1, 2):
        done = ftops(body, given_environ)
        assert (done.returncode, done.stdout) == (0, b"")
        assert done.stderr.decode() == f"`{JOB}` ended: `acme/models` collects it\n"
        assert dispatched(models) == [("ftops-reconcile", {"job": JOB})] * times
    (asked, _) = github.requests()
    assert json.loads(asked["body"]) == {"event_type": "ftops-reconcile", "client_payload": {"job": JOB}}


def test_what_is_not_genuine_or_about_something_else_asks_github_nothing(github: Forge, models: Repository) -> None:
    body, now = event(), int(time.time())
    forged = ftops(body, environ(github, models, **headers(body, at=now, key=b"somebody's")))
    assert (forged.returncode, b"error[webhook-signature]" in forged.stderr) == (1, True)
    replayed = ftops(body, environ(github, models, **headers(body)))
    assert (replayed.returncode, b"error[webhook-late]" in replayed.stderr) == (1, True)
    other = event("batch.completed")
    ignored = ftops(other, environ(github, models, **headers(other, at=now)))
    assert (ignored.returncode, ignored.stderr.startswith(b"ignored")) == (0, True)
    assert github.requests() == []


def test_a_worker_that_lacks_something_is_told_all_of_it(github: Forge, models: Repository) -> None:
    lacking = {"OPENAI_WEBHOOK_SECRET": "", "GITHUB_TOKEN": "", "GITHUB_REPOSITORY": "models"}
    done = ftops(event(), environ(github, models, **lacking))
    assert done.returncode == 1
    assert done.stderr.count(b"error[webhook-setup]") == 3
    assert github.requests() == []


@pytest.mark.parametrize("address", ["https://[", "https://git\x01hub.example", "api.github.com", "https://a b"])
def test_an_address_that_is_none_is_told_before_anything_is_sent(
    address: str, github: Forge, models: Repository
) -> None:
    body = event()
    done = ftops(body, environ(github, models, **headers(body, at=int(time.time())), GITHUB_API_URL=address))
    assert done.returncode == 1
    assert done.stderr.startswith(b"error[webhook-setup]: what `GITHUB_API_URL` holds")


def test_a_token_that_may_not_is_told_what_it_lacks(github: Forge, models: Repository) -> None:
    body = event()
    token = github.token("ftops[bot]", repository=models.name, contents="read")
    made = headers(body, at=int(time.time()))
    done = ftops(body, environ(github, models, **made, GITHUB_TOKEN=token))
    assert (done.returncode, b"`contents: write`" in done.stderr) == (1, True)
    assert token.encode() not in done.stderr
    assert dispatched(models) == []


def test_a_connection_that_breaks_is_made_again(github: Forge, models: Repository) -> None:
    body = event()
    github.fail("POST */dispatches", "cut")
    assert ftops(body, environ(github, models, **headers(body, at=int(time.time())))).returncode == 0
    assert len(dispatched(models)) == 1


# The worker of docs/webhook.md


@pytest.fixture
def worker(tmp_path: Path, github: Forge, models: Repository) -> Iterator[str]:
    """The address at which the worker listens, as the document has it."""
    (text,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/webhook.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "worker.py").write_text(text)
    program = tmp_path / "bin" / "ftops"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ftops "$@"\n')
    program.chmod(0o755)
    given_environ = environ(github, models, PORT="0", PATH=f"{program.parent}:{os.environ['PATH']}")
    command = [sys.executable, str(tmp_path / "worker.py")]
    with (
        (tmp_path / "worker.log").open("wb") as log,
        subprocess.Popen(command, env=given_environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        assert process.stdout
        port = process.stdout.readline().split()[-1].decode()
        yield f"http://127.0.0.1:{port}/"
        process.terminate()
    assert b"Traceback" not in (tmp_path / "worker.log").read_bytes()
    assert CANARY.encode() not in (tmp_path / "worker.log").read_bytes()


def post(url: str, body: bytes, made: Mapping[str, str]) -> int:
    names = {name.removeprefix("HTTP_").replace("_", "-"): value for name, value in made.items()}
    request = urllib.request.Request(url, data=body, headers=names)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_the_documented_worker_passes_on_what_is_genuine(worker: str, models: Repository) -> None:
    body, now = event(), int(time.time())
    assert post(worker, body, headers(body, at=now)) == 204
    assert post(worker, body, headers(body, at=now, key=b"somebody's")) == 500
    assert post(worker, body, {}) == 500
    assert post(worker, b"x" * (BODY_BYTES_MAX + 1), headers(body, at=now)) == 413
    assert dispatched(models) == [("ftops-reconcile", {"job": JOB})]
