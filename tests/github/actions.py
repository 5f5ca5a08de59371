"""GitHub Actions over the forge: what happens there starts workflows, which run for real and make more happen."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.github import act, events, model
from tests.github.prepare import Settings
from tests.github.provider import APPLY, COLLECT, PROVIDER_ID, provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.github.act import Result
    from tests.github.events import Event
    from tests.github.forge.handle import Forge, Repository
    from tests.github.provider import Provider

ROOT = Path(__file__).parents[2]
RUNS_MAX = 20
"""After one event of a person: more is a loop."""
ROWS = 12


@dataclass(kw_only=True)
class Actions:
    """Of one repository."""

    repository: Repository
    provider: Provider
    folder: Path
    settings: Settings = field(default_factory=Settings)
    app_token: str = ""
    """What a GitHub App gets, if there is one."""
    between: str = ""
    """A shell script that runs just after a job kept an artifact; FORGE_ARTIFACTS is the folder of all."""
    runs: list[Result] = field(default_factory=list)
    """All, in the order in which they ran."""
    _seen: int = 0

    def run(self, event: Event) -> list[Result]:
        """Run all workflows that *event* starts, and nothing that comes of them."""
        return [self.run_one(workflow, event) for workflow in model.started(self.repository, event)]

    def react(self) -> list[Result]:
        """Run what everything that happened since the last time starts, until nothing happens any more."""
        found: list[Result] = []
        while (happened := self.repository.events())[self._seen :]:
            event = events.event_of(self.repository, happened[self._seen])
            self._seen += 1
            found += self.run(event) if event else []
            assert len(found) < RUNS_MAX, "the workflows start each other"
        return found

    def forget(self) -> None:
        """Take what happened so far for done."""
        self._seen = len(self.repository.events())

    def merge(self, number: int) -> list[Result]:
        """Merge a pull request, and run what comes of it."""
        self.react()
        self.repository.merge(number)
        return self.react()

    def run_one(self, workflow: model.Workflow, event: Event) -> Result:
        number = len(self.runs) + 1
        result = act.run(
            workflow,
            event,
            self.repository,
            self.settings,
            folder=self.folder / str(number),
            environment=self._environment(),
            run_id=number,
        )
        self.runs.append(result)
        return result

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        uv = Path(sys.executable).parent / "uv"
        program = self.folder / "ftops"
        if not program.exists():
            _write_program(program, self.provider.exchange_url)
        stand_ins = {"FORGE_FTOPS": str(program), "FORGE_UV": str(uv), "FORGE_APP_TOKEN": self.app_token}
        return {**kept, **stand_ins, "FORGE_BETWEEN": self.between or "true", "GIT_CONFIG_GLOBAL": os.devnull}


@contextmanager
def acting(github: Forge, folder: Path) -> Iterator[Actions]:
    """A project in a repository with our workflows, and a provider that trusts its jobs; nothing is merged yet."""
    repository = github.repository("acme/models")
    for name in ("ftops-production", "ftops-collect"):
        repository.environment(name, branches=["main"])
    with provider(folder / "provider", github, repository.id) as trusting:
        repository.commit(project(trusting.url), message="Begin")
        made = Actions(repository=repository, provider=trusting, folder=folder / "actions", settings=keyless_settings())
        made.forget()
        yield made


def _write_program(path: Path, exchange_url: str) -> None:
    """ftops as it is, but that it takes our exchange for OpenAI's; without a terminal, as on GitHub."""
    text = (
        f"import ftops.remote.exchange as it, sys; it.EXCHANGE_URL = {exchange_url!r}; "
        "from ftops.__main__ import main; sys.argv[0] = 'ftops'; sys.exit(main())"
    )
    command = f'{shlex.quote(sys.executable)} -c {shlex.quote(text)} "$@"'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\nset -o pipefail\n{command} 2>&1 < /dev/null | cat\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def keyless_settings() -> Settings:
    """What docs/github.md has people set: no secret at all."""
    ids = {"OPENAI_IDENTITY_PROVIDER_ID": PROVIDER_ID}
    return Settings(
        variables={"FTOPS_APPLY": "true"},
        environment_variables={
            "ftops-production": {**ids, "OPENAI_SERVICE_ACCOUNT_ID": APPLY},
            "ftops-collect": {**ids, "OPENAI_SERVICE_ACCOUNT_ID": COLLECT},
        },
    )


# The project in the repository


def project(base_url: str) -> dict[str, str]:
    """The files of a project without specs, with the workflows of this repository."""
    config = {
        "project": "models",
        "default_target": "openai",
        "targets": {"openai": {"profile": "openai", "base_url": base_url, "models": {"base": "tiny-byte-90k"}}},
    }
    found = {
        f".github/workflows/{path.name}": path.read_text(encoding="utf-8")
        for path in sorted((ROOT / ".github" / "workflows").glob("ftops-*.yml"))
    }
    # JSON is YAML, too.
    return found | {"ftops.yaml": json.dumps(config, indent=2) + "\n", ".gitignore": ".ftops/\n"}


def spec(
    name: str, *, epochs: int = 1, seed: int = 1, rows: int = ROWS, batch_size: int = 4, **more: Any
) -> dict[str, str]:
    """The files of one spec and its data."""
    chats = (
        {"messages": [{"role": "user", "content": f"{name} {row}"}, {"role": "assistant", "content": "pong"}]}
        for row in range(rows)
    )
    hyperparameters = {"n_epochs": epochs, "batch_size": batch_size}
    wanted = {
        "kind": "FineTune",
        "model": "base",
        "training_file": f"data/{name}.jsonl",
        "seed": seed,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
        **more,
    }
    return {
        f"specs/{name}.yaml": json.dumps(wanted, indent=2) + "\n",
        f"specs/data/{name}.jsonl": "".join(json.dumps(chat) + "\n" for chat in chats),
    }
