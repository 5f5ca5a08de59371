"""One machine: a folder with a checkout, a clock, a network, and at most one command at a time."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import openai

from ftops import reconcile
from ftops.create import LAG_SECONDS
from ftops.diagnostics import ProblemsError
from ftops.lockfile import Lockfile, verify
from ftops.project import open_project
from ftops.remote.profiles import profile
from ftops.remote.provider import Provider
from tests.simulation.baton import Command, boundary
from tests.simulation.branch import LOCK, TARGET, Branch, ConflictError, merge
from tests.simulation.provider import PROJECT, TOKEN

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from random import Random

    from ftops.lockstore import LockStore
    from ftops.plan.plan import Plan
    from ftops.shared import SharedFile
    from tests.simulation.claimsfile import ClaimsAccess
    from tests.simulation.clocks import SkewedClock
    from tests.simulation.network import Network
    from tests.simulation.steps import Verb

PUSH_TRIES = 8
MEND_SECONDS = LAG_SECONDS + 1
"""How long a person takes at least to mend a lockfile by hand: by then lists tell of what it lacks."""
_MOVE = re.compile(r"`mv (\S+) \S+`")
"""The command in the fix of what could not be saved."""


@dataclass
class Folder:
    """A checkout on some disk, which one runner or two use."""

    root: Path
    base: bytes | None = None
    """Main's lockfile as it was when the folder was last brought together with it."""
    broken: bytes | None = None
    """The lockfile as a person spoilt it; None if nobody did."""
    lineage: int = 0
    """How often its history began anew: with a new checkout, or by a person's hand."""
    faults: list[str] = field(default_factory=list)
    """Of its disk, still to come."""

    def __post_init__(self) -> None:
        self.lock = self.root / LOCK

    @property
    def content(self) -> bytes | None:
        try:
            with open(self.lock, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def check_out(self, branch: Branch) -> None:
        """Make it anew, as a workflow does."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.base, self.broken = branch.head.lock, None
        self.lineage += 1
        self.put(branch, branch.head.lock)

    def pull(self, branch: Branch) -> None:
        """Bring it up to date, with what it recorded itself.

        Raises:
            ConflictError: A person must bring the two lockfiles together.
        """
        content = merge(self.base, self.content, branch.head.lock)
        self.base = branch.head.lock
        self.put(branch, content)

    def put(self, branch: Branch, lock: bytes | None) -> None:
        """Write all of main's files, and *lock*; only what differs, each under a new inode."""
        specs = self.root / "specs"
        wanted = {self.root / path: content for path, content in branch.head.files.items()}
        for path in sorted(specs.rglob("*.*")) if specs.exists() else ():
            if path not in wanted:
                path.unlink()
        for path, content in wanted.items():
            _write(path, content)
        if lock is None:
            self.lock.unlink(missing_ok=True)
        else:
            _write(self.lock, lock)


def _write(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.replace(path)


@dataclass(frozen=True, kw_only=True)
class RunnerWorld(reconcile.World):
    """The real world of a run, with this runner's ways to the provider and to the claims."""

    runner: Runner

    @cached_property
    def provider(self) -> Provider:
        return Provider(self.runner.client, profile("local"), repo=PROJECT, clock=self.clock)

    @cached_property
    def claims(self) -> SharedFile | None:
        return self.runner.claims


@dataclass
class Runner:
    """Who runs ftops: a person on a laptop, or a workflow with a checkout that nobody keeps."""

    name: str
    is_workflow: bool
    folder: Folder
    clock: SkewedClock
    network: Network
    claims: ClaimsAccess | None
    chance: Random
    branch: Branch
    log: Callable[[str], None]
    count: Counter[str]
    command: Command | None = None
    verb: str = ""
    left: Plan | None = None
    """What the last reconcile left to do."""
    recovery: Path | None = None
    """Where ftops said that it put what it could not save."""

    def __post_init__(self) -> None:
        self.client = openai.OpenAI(
            base_url="http://localhost/v1",
            api_key=TOKEN,
            http_client=openai.DefaultHttpxClient(transport=self.network, trust_env=False),
        )

    def start(self, verb: Verb) -> None:
        if self.is_workflow:
            self.folder.check_out(self.branch)
        run: Callable[[], None] = {
            "apply": self._apply,
            "retry": lambda: self._apply(retry_failed=True),
            "reconcile": self._reconcile,
            "rebuild": self._rebuild,
            "push": self._push,
        }[verb]
        self.verb = verb
        self.count[f"command: {verb}"] += 1
        self.command = Command(lambda: self._run(run, pushes=self.is_workflow and verb != "push"))

    def world(self) -> RunnerWorld:
        project = open_project(self.folder.root)
        return RunnerWorld(project=project, environ={}, clock=self.clock, chance=self.chance, runner=self)

    def _run(self, function: Callable[[], None], *, pushes: bool) -> None:
        self._tell_problems(function)
        # What a run recorded is to be kept, however the run ended.
        if pushes:
            self._tell_problems(self._push)

    def _tell_problems(self, function: Callable[[], None]) -> None:
        try:
            function()
        except ProblemsError as error:
            for problem in error.problems:
                self.count[f"error[{problem.code}]"] += 1
                self.log(f"{self.verb}: error[{problem.code}] {problem.summary}")
                if problem.code == "lock-unsaved" and (found := _MOVE.search(problem.fix or "")):
                    self.recovery = Path(found[1])

    def _apply(self, *, retry_failed: bool = False) -> None:
        options, world = reconcile.Options(retry_failed=retry_failed), self.world()
        planned = reconcile.plan(world, options, refresh=True)
        outcomes = reconcile.apply(world, planned, options, provider=world.provider, tell=lambda _: None)
        for outcome in outcomes:
            self.log(f"{self.verb}: {outcome.name}: {outcome.text}")

    def _reconcile(self) -> None:
        world = self.world()
        self.left, outcomes = reconcile.reconcile(
            world, reconcile.Options(), provider=world.provider, tell=lambda _: None
        )
        for outcome in outcomes:
            self.log(f"{self.verb}: {outcome.name}: {outcome.text}")

    def _rebuild(self) -> None:
        world = self.world()
        store = world.store()
        recorded, is_damaged = _damaged(store)
        if is_damaged:
            store.set_aside()
        names = reconcile.rebuild(world, recorded, provider=world.provider, store=store)
        if is_damaged:
            self.folder.broken = None
            self.folder.lineage += 1
        self.log(f"rebuild: {', '.join(names) or 'nothing'} recorded again")

    def _push(self) -> None:
        """Bring the lockfile onto main, against whoever pushes meanwhile."""
        for _ in range(PUSH_TRIES):
            boundary("push: main to be fetched")
            seen, ours = self.branch.head, self.folder.content
            try:
                content = merge(self.folder.base, ours, seen.lock)
            except ConflictError:
                self._resolve()
                continue
            if content is None or content == seen.lock:
                self.log("push: nothing to push")
                return
            boundary("push: to be sent")
            pushed = self.branch.push_lock(seen, content)
            self.log("push: done" if pushed else "push: somebody was faster")
            boundary("push: its answer")
            if pushed:
                # What the folder recorded meanwhile stays on top of what was pushed of it.
                if self.folder.content == ours:
                    self.folder.put(self.branch, content)
                    self.folder.base = content
                else:
                    self.folder.base = ours
                return
            self.count["push lost"] += 1

    def _resolve(self) -> None:
        """Take main's lockfile and record anew what it lacks, as a person does, who takes a while."""
        self.clock.sleep(MEND_SECONDS)
        self.count["push in conflict"] += 1
        self.log("push: conflict; takes main's lockfile and rebuilds")
        self.folder.lineage += 1
        self.folder.base, self.folder.broken = self.branch.head.lock, None
        self.folder.put(self.branch, self.branch.head.lock)
        self._rebuild()

    def mend(self) -> bool:
        """Do what ftops' message says about a lockfile that cannot be used; False if nothing is wrong with it."""
        folder, recovery = self.folder, self.recovery
        self.recovery = None
        if recovery and recovery.exists():
            recovery.replace(folder.lock)
            folder.broken = None
            self.log("brings the recovery copy back")
        elif folder.broken is not None:
            folder.base, folder.broken = self.branch.head.lock, None
            folder.lineage += 1
            folder.put(self.branch, self.branch.head.lock)
            self.log("takes main's lockfile")
        else:
            return False
        return True


def _damaged(store: LockStore) -> tuple[Lockfile, bool]:
    """What `ftops lock rebuild` starts from."""
    try:
        recorded = store.read()
    except ProblemsError as error:
        if error.problems[0].code != "lock-malformed":
            raise
        return Lockfile(target=TARGET), True
    return recorded, bool(verify(recorded, store.name))
