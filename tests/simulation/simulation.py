"""One world of the simulation: what each step does to it. The invariants look at it after every one."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from ftops.create import LAG_SECONDS
from tests.simulation import steps
from tests.simulation.baton import Command
from tests.simulation.branch import LOCK, TARGET, Branch, ConflictError
from tests.simulation.claimsfile import ClaimsAccess, ClaimsFile
from tests.simulation.clocks import SkewedClock, Time
from tests.simulation.network import Lists, Network, NetworkFault
from tests.simulation.provider import PROJECT, JobRow, SimulatedProvider
from tests.simulation.runner import MEND_SECONDS, Folder, Runner
from tests.simulation.seams import seeded, simulated_machine

if TYPE_CHECKING:
    from tests.simulation.steps import Step

MEMORY = Path("/dev/shm")
"""A disk that is none, where there is one: a simulation cuts no power."""
BOUNDARIES_MAX = 5_000
"""No command of ftops passes more: it would go on for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is the same during one simulation."""

    seed: int
    folders: tuple[int, ...]
    """The folder of each runner: two in one are a person with two terminals."""
    workflows: frozenset[int]
    """The folders that are checked out anew for every command."""
    page_size: int
    slots: int
    claims: bool


class Simulation:
    """Runners, the branch and the provider; use it as a context, which takes the machine's part and cleans up."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.lines: list[str] = []
        """What happened, for a person."""
        self.count: Counter[str] = Counter()
        self.retries = 0
        """How often a person asked for failed jobs to be tried again."""
        self.scratch = Path(tempfile.mkdtemp(prefix="ftops-simulation-", dir=MEMORY if MEMORY.exists() else None))
        self.time = Time()
        self.provider = SimulatedProvider(
            self.scratch / "provider", time=self.time, chance=seeded(setting.seed, "provider"), slots=setting.slots
        )
        self.lists = Lists(page_size=setting.page_size)
        self.branch = Branch()
        self.claims = ClaimsFile()
        folders = {number: Folder(self.scratch / f"folder-{number}") for number in setting.folders}
        self.runners = [self._runner(number, folder, folders[folder]) for number, folder in enumerate(setting.folders)]
        self.branch.commit({"ftops.yaml": _config(0)})
        for folder in folders.values():
            folder.check_out(self.branch)
        self._machine = simulated_machine(self)

    def __enter__(self) -> Simulation:
        self._machine.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        for runner in self.runners:
            if runner.command:
                runner.command.crash()
        self._machine.__exit__(None, None, None)
        self.provider.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def folders(self) -> list[Folder]:
        return list({id(runner.folder): runner.folder for runner in self.runners}.values())

    def running_clock(self) -> SkewedClock:
        return next(runner.clock for runner in self.runners if runner.command is Command.current())

    def take_disk_fault(self, *, after_rename: bool) -> str | None:
        """What goes wrong with a save of the running command, at this point of it."""
        for runner in self.runners:
            if runner.command is Command.current() and runner.folder.faults:
                fault = runner.folder.faults[0]
                if after_rename == (fault == "folder sync fails"):
                    self.count[fault] += 1
                    self.log(f"{runner.name}: {fault}")
                    return runner.folder.faults.pop(0)
        return None

    def log(self, line: str) -> None:
        self.lines.append(line)

    def run(self, step: Step) -> None:
        """Let *step* happen; what is not possible now, does not."""
        self.count["steps"] += 1
        match step:
            case steps.GoOn(runner=number, boundaries=boundaries):
                self.go_on(self.runners[number], boundaries)
            case steps.Start(runner=number, verb=verb):
                self._start(self.runners[number], verb)
            case steps.Crash(runner=number):
                self._crash(self.runners[number])
            case steps.Pull(runner=number):
                self._pull(self.runners[number])
            case steps.Mend(runner=number):
                if self.runners[number].command is None and self.runners[number].mend():
                    self.time.seconds += MEND_SECONDS
            case steps.Break(runner=number, how=how):
                self._break(self.runners[number].folder, how)
            case steps.FailNetwork(runner=number, door=door, kind=kind, times=times):
                self.runners[number].network.faults.append(NetworkFault(door=door, kind=kind, times=times))
            case steps.FailDisk(runner=number, kind=kind, times=times):
                self.runners[number].folder.faults += [kind] * times
            case steps.FailClaims(runner=number, kind=kind, times=times):
                if claims := self.runners[number].claims:
                    claims.faults += [kind] * times
            case steps.SetClock(runner=number, ahead=ahead):
                self.count["clock set"] += 1
                self.runners[number].clock.ahead = ahead
            case steps.Wait(seconds=seconds):
                self.time.seconds += seconds
            case (
                steps.Write() | steps.Comment() | steps.Remove() | steps.Rename() | steps.Data() | steps.Configure()
            ):
                self._edit(step)
            case _:
                self._at_provider(step)

    def _at_provider(
        self,
        step: steps.Lag
        | steps.SpoilPages
        | steps.SpoilUpload
        | steps.Train
        | steps.FailJob
        | steps.Steer
        | steps.LoseJob
        | steps.DeleteModel
        | steps.PlantNamesake,
    ) -> None:
        provider = self.provider
        match step:
            case steps.Lag(seconds=seconds):
                self.count["lists lag"] += seconds > 0
                self.lists.lag_seconds = seconds
            case steps.SpoilPages(how="drop", times=times):
                self.lists.drops, self.lists.drop_seconds = times, LAG_SECONDS
            case steps.SpoilPages(times=times):
                self.lists.repeats = times
            case steps.SpoilUpload():
                self.count["upload spoilt"] += 1
                provider.spoils += 1
            case steps.Train(stages=stages):
                for _ in range(stages):
                    if told := provider.move_on():
                        self.log(f"provider: {told}")
            case steps.FailJob():
                if told := provider.move_on(fails=True):
                    self.count["job failed"] += 1
                    self.log(f"provider: {told}")
            case steps.Steer(verb=verb, job=number):
                job = self._job(number)
                if job and provider.steer(verb, job.id):
                    self.count[f"job: {verb}"] += 1
                    self.log(f"provider: a person has job {job.id} {verb}d")
            case steps.LoseJob(job=number):
                if job := self._job(number):
                    self.count["job vanished"] += 1
                    self.log(f"provider: job {job.id} vanishes")
                    provider.lose(job)
            case steps.DeleteModel(model=number):
                if found := provider.models():
                    self.count["model deleted"] += 1
                    provider.delete_model(found[-1 - number % len(found)])
            case steps.PlantNamesake(job=number):
                if job := self._job(number):
                    provider.plant_namesake(job)
            case _:
                assert_never(step)

    def _job(self, number: int) -> JobRow | None:
        found = self.provider.jobs(PROJECT)
        return found[-1 - number % len(found)] if found else None

    def go_on(self, runner: Runner, boundaries: int) -> None:
        for _ in range(boundaries):
            command = runner.command
            if command is None:
                return
            command.go_on()
            self.count["boundaries"] += 1
            if command.is_over:
                runner.command = None
                if command.failure:
                    raise command.failure

    def _start(self, runner: Runner, verb: steps.Verb) -> None:
        if runner.command is None:
            self.retries += verb == "retry"
            runner.start(verb)

    def _crash(self, runner: Runner) -> None:
        if runner.command:
            self.count["crash"] += 1
            self.log(f"{runner.name}: crashes at {runner.command.at}")
            runner.command.crash()
            runner.command = None

    def _pull(self, runner: Runner) -> None:
        if runner.is_workflow:
            return
        try:
            runner.folder.pull(self.branch)
        except ConflictError:
            self.log(f"{runner.name}: pull: conflict, left as it is")

    def _break(self, folder: Folder, how: str) -> None:
        content = folder.content
        is_used = any(runner.command for runner in self.runners if runner.folder is folder)
        if not content or folder.broken is not None or (how == "edit" and is_used):
            return
        spoilt = content[: len(content) // 2] if how == "truncate" else content.replace(b'"ftjob-', b'"ftjob-X', 1)
        if spoilt != content:
            self.count[f"lockfile: {how}"] += 1
            folder.lock.write_bytes(spoilt)
            folder.broken = spoilt

    def _edit(self, step: object) -> None:
        """Change specs, data or configuration on main."""
        files = self.branch.head.files
        match step:
            case steps.Write(spec=name, epochs=epochs, parent=parent, on_change=on_change):
                if parent and f"specs/{parent}.yaml" not in files:
                    parent = None
                self.branch.commit(
                    {
                        f"specs/{name}.yaml": _spec(name, epochs, parent, on_change),
                        f"specs/data/{name}.jsonl": files.get(f"specs/data/{name}.jsonl", _data(name, 0)),
                    }
                )
            case steps.Comment(spec=name, text=text):
                if content := files.get(f"specs/{name}.yaml"):
                    body = b"".join(line for line in content.splitlines(True) if not line.startswith(b"#"))
                    self.branch.commit({f"specs/{name}.yaml": b"# remark %d\n" % text + body})
            case steps.Remove(spec=name):
                if not _children(files, name):
                    self.branch.commit({f"specs/{name}.yaml": None})
            case steps.Rename(spec=name, to=to):
                content = files.get(f"specs/{name}.yaml")
                is_alone = content is not None and b"{spec: " not in content and not _children(files, name)
                if is_alone and f"specs/{to}.yaml" not in files:
                    self.branch.commit({f"specs/{name}.yaml": None, f"specs/{to}.yaml": content})
            case steps.Data(spec=name, version=version):
                if f"specs/data/{name}.jsonl" in files:
                    self.branch.commit({f"specs/data/{name}.jsonl": _data(name, version)})
            case steps.Configure(version=version):
                self.branch.commit({"ftops.yaml": _config(version)})

    def _runner(self, number: int, folder_number: int, folder: Folder) -> Runner:
        name = f"{'workflow' if folder_number in self.setting.workflows else 'person'} {number}"

        def log(line: str) -> None:
            self.log(f"{name}: {line}")

        return Runner(
            name=name,
            is_workflow=folder_number in self.setting.workflows,
            folder=folder,
            clock=SkewedClock(self.time),
            network=Network(provider=self.provider, lists=self.lists, log=log, count=self.count),
            claims=ClaimsAccess(self.claims, log=log, count=self.count) if self.setting.claims else None,
            chance=seeded(self.setting.seed, name),
            branch=self.branch,
            log=log,
            count=self.count,
        )


def _config(version: int) -> bytes:
    return (
        f"project: {PROJECT}\ndefault_target: {TARGET}\ntargets:\n  {TARGET}:\n    profile: local\n"
        f"    base_url: http://localhost/v1\n    api_key: {{env: KEY}}\n  other-{version}: {{profile: openai}}\n"
    ).encode()


def _spec(name: str, epochs: int, parent: str | None, on_change: str) -> bytes:
    model = f"{{spec: {parent}}}" if parent else "tiny-byte-90k"
    lifecycle = "on_change: cancel\n" if on_change == "cancel" else ""
    return (
        f"kind: FineTune\nmodel: {model}\ntraining_file: data/{name}.jsonl\nseed: 1\n{lifecycle}method:\n"
        f"  type: supervised\n  supervised:\n    hyperparameters:\n      n_epochs: {epochs}\n      batch_size: 4\n"
    ).encode()


def _data(name: str, version: int) -> bytes:
    rows = (
        f'{{"messages": [{{"role": "user", "content": "{name} {row}"}},'
        f' {{"role": "assistant", "content": "answer {version}"}}]}}\n'
        for row in range(10)
    )
    return "".join(rows).encode()


def _children(files: dict[str, bytes], name: str) -> list[str]:
    return [path for path, content in files.items() if f"{{spec: {name}}}".encode() in content]
