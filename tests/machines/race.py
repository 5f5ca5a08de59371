"""Rounds of several machines at once on one remote and one provider, killed at random; then one that tidies up."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from signal import SIGCONT, SIGSTOP
from typing import TYPE_CHECKING

from ftops.lockfile import decode
from ftops.lockstore import holder_of
from tests.machines.checks import Checks
from tests.machines.fate import Course, fate
from tests.machines.machine import Machine
from tests.machines.places import BRANCH_REF, LOCK
from tests.machines.project import LASTING, Project

if TYPE_CHECKING:
    from ftops.claims import Claim
    from tests.machines.machine import Process
    from tests.machines.places import Places

MACHINES = 5
JOB = (("ftops", "apply", "--yes"), ("ftops", "reconcile"), ("ftops", "lock", "push"))
"""What a machine does, as a CI job would."""
PUSH = (
    'git commit -qam "Edit a spec" || exit 0; '
    "for try in 1 2 3 4 5 6 7 8 9; do git push -q origin HEAD:main && exit 0; git pull -q --rebase; done; exit 1"
)
ROUNDS_OF_SURVIVOR = 60
EXIT_CODES = {0, 1, 3}
WAITS = {"claim-held", "claim-lost"}
"""What a machine may complain of, for another was faster or took over."""


@dataclass(kw_only=True)
class Race:
    """All rounds of one seed."""

    places: Places
    seed: int
    count: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.checks = Checks(places=self.places)
        self.project = Project(chance=Random(self.seed))
        self.author = Machine(name="author", places=self.places)
        self.machines = [Machine(name=f"machine-{number}", places=self.places) for number in range(MACHINES)]
        self.author.clone()
        self.author.git("checkout", "-q", "-B", "main")

    def run(self, number: int) -> None:
        """One round.

        Raises:
            AssertionError: A promise was not kept.
        """
        chance = Random(f"{self.seed}/{number}")
        self.project.advance(number)
        self._publish(f"Round {number}")
        before = self.checks.claims() if number > 1 else None
        fresh = [machine for machine in self.machines if self._prepare(machine, chance)]
        courses = self._courses(fresh, chance)
        while sum(course.go_on() for course in courses):
            time.sleep(0.002)
        self._note_kills(courses)
        survivor = Machine(name="survivor", places=self.places)
        survivor.clone()
        if chance.random() < 0.4:
            self._release_from_under_a_rival(survivor, chance)
        else:
            self._release(survivor, self._held(survivor))
        self._settle(survivor)
        self.count["jobs"] = self.checks.hold(self.project, int(time.time()))
        assert survivor.run("ftops", "lock", "verify").code == 0
        claims = self.checks.claims()
        taken = [claim for claim in claims.claims if before is None or claim.fence > before.fence]
        self.count["claims taken"] += claims.fence - (before.fence if before else 0)
        self.count["claims taken over"] += sum(claim.inherited for claim in taken)
        self._note_processes([*self.machines, survivor])

    def _publish(self, message: str) -> None:
        """Edit on the branch as it is there now."""
        if self.places.file_at(BRANCH_REF, "ftops.yaml"):
            self.author.git("pull", "-q", "--ff-only", "origin", "main")
        self.project.write(self.author.root, self.places.server)
        self.author.git("add", "-A")
        self.author.git("commit", "-q", "--allow-empty", "-m", message)
        self.author.git("push", "-q", "origin", "HEAD:main")

    def _prepare(self, machine: Machine, chance: Random) -> bool:
        """Bring a clone to this round: a new one, or the one that was left, with all that lies in it; whether fresh."""
        kinds = ["fresh", "shallow", "cleaned", "pulled", "stale"] if machine.root.exists() else ["fresh", "shallow"]
        kind = chance.choice(kinds)
        self.count[f"clones {kind}"] += 1
        if kind in {"fresh", "shallow"}:
            machine.clone(*(["--depth=1"] if kind == "shallow" else []))
            return kind == "fresh"
        for left in (machine.root / ".git").rglob("*.lock"):
            # As git asks a person to, after it was killed.
            left.unlink()
            self.count["locks left by git"] += 1
        if kind == "cleaned":
            # As a runner of CI whose folder is kept: what git does not know stays, the claims' owner with it.
            machine.git("fetch", "-q", "origin", "main")
            machine.git("checkout", "-q", "-f", "-B", "main", "FETCH_HEAD")
        if kind == "pulled":
            pushed = machine.run("ftops", "lock", "push")
            assert pushed.code == 0, pushed.said
            machine.git("pull", "-q", "--rebase", "--autostash", "origin", "main")
            dirty = machine.git("status", "--porcelain", "--untracked-files=no")
            assert dirty == "", f"after `ftops lock push` and a pull, {machine.root} has changes: {dirty}"
        return False

    def _courses(self, fresh: list[Machine], chance: Random) -> list[Course]:
        """What each machine does; one of those with a fresh clone edits a spec while the others are at work."""
        editor = fresh[0] if fresh else None
        if editor:
            self.project.edit(chance.choice(LASTING))
            self.project.edit(chance.choice(list(self.project.seeds)))
            self.project.write(editor.root, self.places.server)
            self.count["edits meanwhile"] += 1
        return [
            Course(
                machine=machine,
                commands=[*([("sh", "-c", PUSH)] if machine is editor else []), *JOB],
                fate=None if machine is editor else fate(chance),
                delay_seconds=chance.uniform(1, 3) if machine is editor else chance.uniform(0, 0.7),
            )
            for machine in self.machines
        ]

    def _note_kills(self, courses: list[Course]) -> None:
        held = {claim.owner for claim in self.checks.claims().claims if claim.job is None}
        made = {claim.owner for claim in self.checks.claims().claims if claim.job}
        for course in courses:
            self.count["paused"] += course.paused
            if course.killed_in is None:
                continue
            phase = course.killed_in
            if phase in {"apply", "reconcile"}:
                owner = _owner(course.machine)
                if _has_sent(course.machine):
                    phase += ", a create noted"
                elif owner in held:
                    phase += ", claims held"
                elif owner in made:
                    phase += ", jobs told"
                else:
                    phase += ", nothing of it known"
            self.count["killed"] += 1
            self.count[f"killed in {phase}"] += 1

    def _held(self, machine: Machine) -> list[Claim]:
        """Claims that keep others waiting, as `ftops lock claims` shows them."""
        shown = machine.run("ftops", "lock", "claims", "--json")
        assert shown.code == 0, shown.said
        names = {
            (each["spec"], each["digest"])
            for each in json.loads(shown.said)["claims"]
            if each["job"] is None and not each["is_over"]
        }
        return [claim for claim in self.checks.claims().claims if (claim.spec, claim.digest) in names]

    def _release(self, machine: Machine, held: list[Claim]) -> None:
        for name in sorted({claim.spec for claim in held}):
            released = machine.run("ftops", "lock", "release", name)
            assert released.code == 0, released.said
        self.count["claims released"] += len(held)

    def _release_from_under_a_rival(self, survivor: Machine, chance: Random) -> None:
        """Another machine is at work while a person releases what it holds; it may pay for nothing then."""
        for name in chance.sample(LASTING, 2):
            self.project.edit(name)
        self._publish("Edit while a rival is at work")
        survivor.git("pull", "-q", "--ff-only")
        rival = Machine(name="rival", places=self.places)
        rival.clone()
        process = rival.start("ftops", "apply", "--yes")
        while process.is_running() and not any(claim.owner == _owner(rival) for claim in self._unsettled()):
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.3))
        process.signal(SIGSTOP)
        end = time.monotonic() + chance.uniform(1, 4)
        held = self._held(survivor)
        self.count["claims released from under a rival"] += sum(claim.owner == _owner(rival) for claim in held)
        self._release(survivor, held)
        other = survivor.start("ftops", "apply", "--yes")
        while other.is_running() and time.monotonic() < end:
            time.sleep(0.01)
        process.signal(SIGCONT)
        process.wait()
        other.wait()
        rival.run("ftops", "reconcile")
        assert rival.run("ftops", "lock", "push").code == 0
        self._note_processes([rival])

    def _unsettled(self) -> list[Claim]:
        return [claim for claim in self.checks.claims().claims if claim.job is None]

    def _settle(self, survivor: Machine) -> None:
        """Apply, reconcile and push until nothing is outstanding."""
        for _ in range(ROUNDS_OF_SURVIVOR):
            for words in (JOB[0], (*JOB[1], "--wait"), JOB[2]):
                process = survivor.run(*words)
                assert process.code == 0, process.said
            if "another machine" in survivor.ran[-3].said:
                self._release(survivor, self._held(survivor))
            planned = survivor.run("ftops", "plan", "--refresh", "--json")
            plan = json.loads(planned.said)
            kinds = {change["kind"] for change in plan["changes"]}
            if kinds <= {"none", "unrecorded"}:
                if "unrecorded" not in kinds:
                    return
                # Of inputs that nobody asks for any more, by a machine that died before it recorded it.
                assert survivor.run("ftops", "lock", "rebuild").code == 0
                self.count["jobs found by rebuild"] += 1
        raise AssertionError(f"still outstanding: {plan}")

    def _note_processes(self, machines: list[Machine]) -> None:
        for machine in machines:
            for process in machine.ran:
                self._note_process(process)
            machine.ran.clear()

    def _note_process(self, process: Process) -> None:
        self.count["processes"] += 1
        assert process.code is not None
        if process.words[0] == "ftops" and process.code >= 0:
            told = f"{' '.join(process.words)} ended with {process.code}: {process.said}"
            assert process.code in EXIT_CODES, told
            assert "Traceback" not in process.said, told
            assert process.code == 0 or set(process.problems) & WAITS, told
        for problem in process.problems:
            self.count[f"told {problem}"] += 1


def _owner(machine: Machine) -> str | None:
    """The name of *machine* in claims; None if it has not got that far."""
    try:
        return holder_of((machine.root / ".ftops" / f"{LOCK}.held").stat())
    except FileNotFoundError:
        return None


def _has_sent(machine: Machine) -> bool:
    """Whether its lockfile says that a create was about to be sent."""
    if not machine.lock.exists():
        return False
    lock = decode(machine.lock.read_bytes(), LOCK)
    return any(entry.intent and entry.intent.request for entry in lock.models.values())
