"""What each step does to the world; what is not possible as things stand, does not happen."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from ftops.create import LAG_SECONDS
from tests.simulation import steps
from tests.simulation.network import NetworkFault
from tests.simulation.runner import MEND_SECONDS
from tests.simulation.sharing import CLAIMS
from tests.simulation.texts import configuration, data, spec_text, with_comment

if TYPE_CHECKING:
    from tests.simulation.provider import JobRow
    from tests.simulation.simulation import Simulation


@singledispatch
def act(step: steps.Step, _: Simulation) -> None:
    """Let *step* happen."""
    raise TypeError(f"nothing is known of {step}")


@act.register(steps.Start)
def start(step: steps.Start, simulation: Simulation) -> None:
    runner = simulation.runners[step.runner]
    if runner.command is None:
        simulation.retries += step.verb == "retry"
        runner.start(step.verb)


@act.register(steps.GoOn)
def go_on(step: steps.GoOn, simulation: Simulation) -> None:
    simulation.go_on(simulation.runners[step.runner], step.boundaries)


@act.register(steps.Crash)
def crash(step: steps.Crash, simulation: Simulation) -> None:
    runner = simulation.runners[step.runner]
    if runner.command:
        simulation.count["crash"] += 1
        simulation.log(f"{runner.name}: crashes at {runner.command.at}")
        runner.command.crash()
        runner.command = None


@act.register(steps.Pull)
def pull(step: steps.Pull, simulation: Simulation) -> None:
    runner = simulation.runners[step.runner]
    # A recovery copy that is brought back later would replace what was pulled: ftops says to bring it back first.
    if runner.is_workflow or runner.has_recovery_copy or runner.recovery:
        return
    if not runner.folder.pull(simulation.branch):
        simulation.log(f"{runner.name}: git pulls nothing: the lockfile was changed here and there")


@act.register(steps.Break)
def break_lockfile(step: steps.Break, simulation: Simulation) -> None:
    folder = simulation.runners[step.runner].folder
    content = folder.content
    is_used = any(runner.command for runner in simulation.runners if runner.folder is folder)
    # What still is a lockfile would be merged while a command runs, and then is not as it was left.
    if not content or folder.broken is not None or (step.how == "edit" and is_used):
        return
    spoilt = content[: len(content) // 2] if step.how == "truncate" else content.replace(b'"ftjob-', b'"ftjob-X', 1)
    if spoilt != content:
        simulation.count[f"lockfile: {step.how}"] += 1
        folder.lock.write_bytes(spoilt)
        folder.broken = spoilt


@act.register(steps.Mend)
def mend(step: steps.Mend, simulation: Simulation) -> None:
    runner = simulation.runners[step.runner]
    if runner.command is None and runner.mend():
        simulation.wait(MEND_SECONDS)


@act.register(steps.FailNetwork)
def fail_network(step: steps.FailNetwork, simulation: Simulation) -> None:
    fault = NetworkFault(door=step.door, kind=step.kind, times=step.times)
    simulation.runners[step.runner].network.faults.append(fault)


@act.register(steps.FailDisk)
def fail_disk(step: steps.FailDisk, simulation: Simulation) -> None:
    simulation.runners[step.runner].folder.faults += [step.kind] * step.times


@act.register(steps.FailShared)
def fail_shared(step: steps.FailShared, simulation: Simulation) -> None:
    runner = simulation.runners[step.runner]
    if access := runner.claims if step.what == CLAIMS else runner.main:
        access.faults += [step.kind] * step.times


@act.register(steps.SetClock)
def set_clock(step: steps.SetClock, simulation: Simulation) -> None:
    simulation.count["clock set"] += 1
    simulation.runners[step.runner].clock.ahead = step.ahead


@act.register(steps.Wait)
def wait(step: steps.Wait, simulation: Simulation) -> None:
    simulation.wait(step.seconds)


@act.register(steps.Lag)
def lag(step: steps.Lag, simulation: Simulation) -> None:
    simulation.count["lists lag"] += step.seconds > 0
    simulation.lists.lag_seconds = step.seconds


@act.register(steps.SpoilPages)
def spoil_pages(step: steps.SpoilPages, simulation: Simulation) -> None:
    if step.how == "drop":
        simulation.lists.drops, simulation.lists.drop_seconds = step.times, LAG_SECONDS
    else:
        simulation.lists.repeats = step.times


@act.register(steps.SpoilUpload)
def spoil_upload(_: steps.SpoilUpload, simulation: Simulation) -> None:
    simulation.count["upload spoilt"] += 1
    simulation.provider.spoils += 1


@act.register(steps.Train)
def train(step: steps.Train, simulation: Simulation) -> None:
    for _ in range(step.stages):
        if told := simulation.provider.move_on():
            simulation.log(f"provider: {told}")


@act.register(steps.FailJob)
def fail_job(_step: steps.FailJob, simulation: Simulation) -> None:
    # At most validated, started and failed: then it was the turn of one that was paused.
    for _ in range(3):
        told = simulation.provider.move_on(fails=True)
        if told is None:
            return
        simulation.log(f"provider: {told}")
        if told.endswith("failed"):
            simulation.count["job failed"] += 1
            return


@act.register(steps.Steer)
def steer(step: steps.Steer, simulation: Simulation) -> None:
    job = _job(simulation, step.job)
    if job and simulation.provider.steer(step.verb, job.id):
        simulation.count[f"job: {step.verb}"] += 1
        simulation.log(f"provider: a person has job {job.id} {step.verb}d")


@act.register(steps.LoseJob)
def lose_job(step: steps.LoseJob, simulation: Simulation) -> None:
    if job := _job(simulation, step.job):
        simulation.count["job vanished"] += 1
        simulation.log(f"provider: job {job.id} vanishes")
        simulation.provider.lose(job)


@act.register(steps.DeleteModel)
def delete_model(step: steps.DeleteModel, simulation: Simulation) -> None:
    if found := simulation.provider.models():
        simulation.count["model deleted"] += 1
        simulation.provider.delete_model(found[-1 - step.model % len(found)])


@act.register(steps.PlantNamesake)
def plant_namesake(step: steps.PlantNamesake, simulation: Simulation) -> None:
    if job := _job(simulation, step.job):
        simulation.provider.plant_namesake(job)


@act.register(steps.Write)
def write(step: steps.Write, simulation: Simulation) -> None:
    files, name = simulation.branch.head.files, step.spec
    parent = step.parent if step.parent and f"specs/{step.parent}.yaml" in files else None
    rows = files.get(f"specs/data/{name}.jsonl", data(name, 0))
    text = spec_text(name, step.epochs, parent, step.on_change)
    simulation.branch.commit({f"specs/{name}.yaml": text, f"specs/data/{name}.jsonl": rows})


@act.register(steps.Comment)
def comment(step: steps.Comment, simulation: Simulation) -> None:
    path = f"specs/{step.spec}.yaml"
    if content := simulation.branch.head.files.get(path):
        simulation.branch.commit({path: with_comment(content, step.text)})


@act.register(steps.Remove)
def remove(step: steps.Remove, simulation: Simulation) -> None:
    if not _has_children(simulation, step.spec):
        simulation.branch.commit({f"specs/{step.spec}.yaml": None})


@act.register(steps.Rename)
def rename(step: steps.Rename, simulation: Simulation) -> None:
    old, new = f"specs/{step.spec}.yaml", f"specs/{step.to}.yaml"
    content = simulation.branch.head.files.get(old)
    # One in a chain keeps its name: parents come before children in the order of names, so that no chain is a ring.
    is_alone = content is not None and b"{spec: " not in content and not _has_children(simulation, step.spec)
    if is_alone and new not in simulation.branch.head.files:
        simulation.branch.commit({old: None, new: content})


@act.register(steps.Data)
def change_data(step: steps.Data, simulation: Simulation) -> None:
    path = f"specs/data/{step.spec}.jsonl"
    if path in simulation.branch.head.files:
        simulation.branch.commit({path: data(step.spec, step.version)})


@act.register(steps.Configure)
def configure(step: steps.Configure, simulation: Simulation) -> None:
    simulation.branch.commit({"ftops.yaml": configuration(step.version)})


def _job(simulation: Simulation, number: int) -> JobRow | None:
    """The project's *number*-th job, counted from the newest, and round again."""
    found = simulation.provider.jobs()
    return found[-1 - number % len(found)] if found else None


def _has_children(simulation: Simulation, name: str) -> bool:
    return any(f"{{spec: {name}}}".encode() in content for content in simulation.branch.head.files.values())
