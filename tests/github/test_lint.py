"""Canaries: a fault planted in a copy of our workflows is found, by the linter or the policy that is there for it.

So the linters run, in the right files, with the rules that this project counts on.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.github import lint
from tests.github.lint import ACTIONLINT, JACTIONLINT, LINTERS, ROOT, SCHEMA, ZIZMOR, findings
from tests.github.policy import problems

if TYPE_CHECKING:
    from pathlib import Path

POLICY = "policy"
PLAN, APPLY, RECONCILE = (f".github/workflows/ftops-{name}.yml" for name in ("plan", "apply", "reconcile"))
ACTION, DEPENDABOT = "action.yml", ".github/dependabot.yml"
TITLE = "${{ github.event.pull_request.title }}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A fault: the first *old* of a file becomes *new*, and *finder* says *words*."""

    fault: str
    file: str
    old: str
    new: str
    finder: str
    words: str


def canary(fault: str, file: str, change: tuple[str, str], finder: str, words: str) -> Canary:
    return Canary(fault=fault, file=file, old=change[0], new=change[1], finder=finder, words=words)


CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
MAIN = "\n          ref: ${{ github.ref }}"
CANARIES = [
    # Who starts it, with which rights.
    canary("privileged trigger", PLAN, ("  pull_request:", "  pull_request_target:"), ZIZMOR, "dangerous-triggers"),
    canary("privileged trigger", PLAN, ("  pull_request:", "  pull_request_target:"), JACTIONLINT, "dangerous-trigger"),
    canary(
        "trigger nobody allowed", APPLY, ("  push:", "  workflow_run:\n    workflows: [ci]\n  push:"), POLICY, "start"
    ),
    canary("apply on pull requests", APPLY, ("  push:", "  pull_request:\n  push:"), POLICY, "pull request may not"),
    canary("schedule beside others", APPLY, ("  push:", "  schedule:\n    - cron: 7 * * * *\n  push:"), POLICY, "own"),
    canary("all rights", PLAN, ("permissions: {}", "permissions: write-all"), ZIZMOR, "excessive-permissions"),
    canary("all rights", PLAN, ("permissions: {}", "permissions: write-all"), POLICY, "`permissions: {}`"),
    canary("typo in a right", APPLY, ("      id-token:", "      id-tokens:"), SCHEMA, "'id-tokens'"),
    canary("typo in a right", APPLY, ("      id-token:", "      id-tokens:"), ACTIONLINT, "unknown permission scope"),
    canary("apply may not commit", APPLY, ("      contents: write", "      contents: read"), POLICY, "it may write"),
    canary(
        "collect gets no token", RECONCILE, ("      id-token: write", "      actions: read"), POLICY, "it may write"
    ),
    canary(
        "comment may commit", PLAN, ("      contents: read # the a", "      contents: write # a"), POLICY, "may write"
    ),
    canary(
        "right without a reason", PLAN, (" # make or update the one comment", ""), ZIZMOR, "undocumented-permissions"
    ),
    canary("right without a reason", PLAN, (" # make or update the one comment", ""), POLICY, "is for"),
    canary("job without rights", PLAN, ("    permissions: {}\n", ""), POLICY, "has to list its permissions"),
    canary("no environment", APPLY, ("    environment: ftops-production\n", ""), POLICY, "environment is None"),
    canary("other environment", RECONCILE, ("name: ftops-collect", "name: ftops-production"), POLICY, "environment is"),
    # Secrets.
    canary("stored key", APPLY, ("# OPENAI_API_KEY", "OPENAI_API_KEY"), POLICY, "secrets.OPENAI_API_KEY may not"),
    canary("stored key", APPLY, ("# OPENAI_API_KEY", "OPENAI_API_KEY"), JACTIONLINT, "no secret is allowed"),
    canary(
        "all secrets",
        PLAN,
        ("FTOPS: ${{", "ALL: ${{ toJSON(secrets) }}\n          FTOPS: ${{"),
        ZIZMOR,
        "overprovisioned",
    ),
    canary("secret anywhere", PLAN, ("github.token", "secrets.PAT"), ZIZMOR, "secrets-outside-env"),
    canary(
        "token left behind", PLAN, ("persist-credentials: false", "persist-credentials: true"), ZIZMOR, "artipacked"
    ),
    canary("token left behind", PLAN, ("          persist-credentials: false\n", ""), POLICY, "leaves its token"),
    canary(
        "typo in a variable",
        APPLY,
        ("vars.OPENAI_SERVICE_", "vars.OPENAI_SERVCE_"),
        JACTIONLINT,
        "undefined configuration variable",
    ),
    # What it runs.
    canary("unpinned action", PLAN, (CHECKOUT, "actions/checkout@v7"), ZIZMOR, "unpinned-uses"),
    canary("unpinned action", PLAN, (CHECKOUT, "actions/checkout@v7"), JACTIONLINT, "[unpinned-uses]"),
    canary("pin without a version", PLAN, (" # v7.0.1", ""), POLICY, "no comment with its version"),
    canary(
        "unpinned in our action", ACTION, ("@20cfd1bf945f4377ade1205e4dbc17946fc9a30d", "@v10"), ZIZMOR, "unpinned-uses"
    ),
    canary(
        "unpinned in our action", ACTION, ("@20cfd1bf945f4377ade1205e4dbc17946fc9a30d", "@v10"), POLICY, "not pinned"
    ),
    canary("title in a script", PLAN, ("ci plan", f"ci plan {TITLE}"), ACTIONLINT, "potentially untrusted"),
    canary("title in a script", PLAN, ("ci plan", f"ci plan {TITLE}"), ZIZMOR, "template-injection"),
    canary(
        "title in our action", ACTION, ('echo "bin', f'echo {TITLE}\n        echo "bin'), ZIZMOR, "template-injection"
    ),
    canary("digest in a script", APPLY, ('"$CHECKSUM"', "${{ needs.plan.outputs.checksum }}"), POLICY, "expression"),
    canary("unquoted variable", APPLY, ('--checksum "$CHECKSUM"', "--checksum $CHECKSUM"), ACTIONLINT, "SC2086"),
    canary("unquoted variable", APPLY, ('--checksum "$CHECKSUM"', "--checksum $CHECKSUM"), JACTIONLINT, "SC2086"),
    canary("shell that goes on", RECONCILE, ("        shell: bash\n", ""), POLICY, "needs `shell: bash`"),
    canary(
        "cache", ACTION, ('enable-cache: "false"', 'enable-cache: "true"'), POLICY, "a cache may be filled by others"
    ),
    canary("typo in an input", PLAN, ("fetch-depth:", "fetch-dept:"), JACTIONLINT, "fetch-dept"),
    canary("stale checkout", APPLY, (MAIN, ""), POLICY, "newest commit"),
    canary("no time limit", PLAN, ("    timeout-minutes: 10\n", ""), JACTIONLINT, "missing-timeout"),
    canary("no time limit", PLAN, ("    timeout-minutes: 10\n", ""), POLICY, "needs a timeout"),
    # How it hangs together.
    canary(
        "typo in an output",
        PLAN,
        ("needs.plan.outputs.checksum", "needs.plan.outputs.checksums"),
        ACTIONLINT,
        "is not defined in object",
    ),
    canary("typo in a need", PLAN, ("needs: plan", "needs: plans"), ACTIONLINT, "[job-needs]"),
    canary("gate forgets a job", PLAN, ("needs: [plan, comment]", "needs: [plan]"), POLICY, "need all other jobs"),
    canary("gate is skipped", PLAN, ("if: ${{ always() }}", "if: ${{ !cancelled() }}"), POLICY, "counts as passed"),
    canary("always true", PLAN, ("if: ${{ always() }}", "if: ${{ always() }} && false"), ACTIONLINT, "[if-cond]"),
    canary("no such queue", APPLY, ("queue: max", "queue: maxx"), SCHEMA, "maxx"),
    canary("no such queue", APPLY, ("queue: max", "queue: maxx"), ACTIONLINT, "maxx"),
    canary(
        "queue and cancel",
        APPLY,
        ("cancel-in-progress: false", "cancel-in-progress: true"),
        ACTIONLINT,
        "cannot be combined",
    ),
    canary("runs are dropped", APPLY, ("  queue: max\n", ""), POLICY, "would be dropped"),
    canary("no such time", RECONCILE, ('"11,41 *', '"11,61 *'), ACTIONLINT, "invalid CRON"),
    canary("too often", RECONCILE, ('"11,41 *', '"*/2 *'), JACTIONLINT, "cron-too-frequent"),
    canary(
        "typo in an environment", RECONCILE, ("      name: ftops-collect", "      nam: ftops-collect"), SCHEMA, "'nam'"
    ),
    canary("no YAML", RECONCILE, ("jobs:", "jobs: ]"), ZIZMOR, "ftops-reconcile.yml"),
    canary("no steps", ACTION, ("  using: composite", "  using: composites"), SCHEMA, "composites"),
    canary("typo in Dependabot", DEPENDABOT, ("interval: weekly", "interval: weekley"), SCHEMA, "weekley"),
    canary("releases of today", DEPENDABOT, ("default-days: 7", "default-days: 0"), ZIZMOR, "dependabot-cooldown"),
]


@pytest.mark.parametrize(
    "planted", CANARIES, ids=lambda planted: f"{planted.fault}, {planted.finder}".replace(" ", "-")
)
def test_a_planted_fault_is_found(copy: Path, planted: Canary) -> None:
    path = copy / planted.file
    text = path.read_text(encoding="utf-8")
    assert planted.old in text
    path.write_text(text.replace(planted.old, planted.new, 1), encoding="utf-8")
    said = "\n".join(problems(copy)) if planted.finder == POLICY else findings(copy, planted.finder)
    assert planted.words in said


@pytest.mark.parametrize("linter", LINTERS)
def test_without_a_fault_nothing_is_found(copy: Path, linter: str) -> None:
    assert findings(copy, linter) == ""
    assert problems(copy) == []


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_that_is_missing_is_no_green_run(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linter: str
) -> None:
    monkeypatch.setattr(lint, "BIN", tmp_path)
    with pytest.raises(FileNotFoundError):
        findings(copy, linter)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What of this repository the linters read."""
    root = tmp_path / "copy"
    (root / ".git").mkdir(parents=True)
    shutil.copytree(ROOT / ".github", root / ".github")
    shutil.copy(ROOT / "action.yml", root)
    return root
