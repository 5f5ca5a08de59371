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
from ftops.lockpush import push
from ftops.project import open_project
from ftops.remote.profiles import profile
from ftops.remote.provider import Provider
from tests.simulation.baton import Command
from tests.simulation.provider import PROJECT, TOKEN
from tests.simulation.texts import LOCK, TARGET

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from random import Random

    from ftops.lockstore import LockStore
    from ftops.plan.plan import Plan
    from ftops.shared import SharedFile
    from tests.simulation.clocks import SkewedClock
    from tests.simulation.network import Network
    from tests.simulation.sharing import Access, Branch
    from tests.simulation.steps import Verb

MEND_SECONDS = LAG_SECONDS + 1
"""How long a person takes at least to mend a lockfile by hand: by then lists tell of what it lacks."""
_MOVE = re.compile(r"`mv (\S+) \S+`")
"""The command in the fix of what could not be saved."""


@dataclass
class Folder:
    """A checkout on some disk, which one runner or two use."""

    root: Path
    base: bytes | None = None
    """Main's lockfile in the commit that is checked out."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Main's other files in that commit."""
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
            return self.lock.read_bytes()
        except FileNotFoundError:
            return None

    def note_mended(self) -> None:
        """A rebuild may take the place of what a person had spoilt, once a copy of that is beside it."""
        copies = (path.read_bytes() for path in self.root.glob(f"{LOCK}.damaged-*"))
        if self.broken is not None and self.content != self.broken and self.broken in copies:
            self.broken = None
            self.lineage += 1

    def check_out(self, branch: Branch) -> None:
        """Make it anew, as a workflow does."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.base, self.broken = branch.head.lock, None
        self.lineage += 1
        self.put(branch, branch.head.lock)

    def pull(self, branch: Branch) -> bool:
        """Bring it up to date, as git does: False if the lockfile was changed here and there."""
        ours, theirs = self.content, branch.head.lock
        if self.base not in {ours, theirs} and ours != theirs:
            return False
        self.put(branch, theirs if ours == self.base else ours)
        self.base = theirs
        return True

    def put(self, branch: Branch, lock: bytes | None) -> None:
        """Write all of main's files, and *lock*; only what differs, each under a new inode."""
        self.files = branch.head.files
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
    claims: Access | None
    main: Access | None
    """Both None for a project without a remote."""
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

    @property
    def has_recovery_copy(self) -> bool:
        """Whether a copy beside the lockfile waits to be brought back."""
        return self.folder.lock.with_name(f"{LOCK}.recovery").exists()

    def start(self, verb: Verb) -> None:
        if self.is_workflow:
            self.folder.check_out(self.branch)
        if not self.has_recovery_copy:
            # A copy among the temporary files holds nobody up; whoever goes on has left it.
            self.recovery = None
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
        self.folder.note_mended()
        self.log(f"rebuild: {', '.join(names) or 'nothing'} recorded again")

    def _push(self) -> None:
        """What `ftops lock push` does; the checked-out branch follows if nothing else came to main."""
        if self.main is None:
            return
        world = self.world()
        stands = push(world.store(), self.main, self.folder.base, clock=self.clock, chance=self.chance)
        if self.folder.files == self.branch.head.files:
            self.folder.base = stands.content

    def mend(self) -> bool:
        """Do what ftops' message says about a lockfile that cannot be used; False if nothing is wrong with it."""
        folder, recovery = self.folder, self.recovery
        self.recovery = None
        if recovery and recovery.exists():
            recovery.replace(folder.lock)
            folder.broken = None
            if self.is_workflow:
                # Its run has pushed since: main may have given it more than the copy holds, and keeps that.
                folder.lineage += 1
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
