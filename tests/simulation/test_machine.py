"""The same world, driven by Hypothesis: it finds schedules of its own, and shrinks what fails."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ftops.create import LAG_SECONDS
from tests.simulation import steps
from tests.simulation.acts import act
from tests.simulation.invariants import Invariants
from tests.simulation.network import AFTER, BEFORE
from tests.simulation.play import settle
from tests.simulation.schedule import DOORS, SPECS, TO_THE_END
from tests.simulation.seams import DISK_FAULTS
from tests.simulation.sharing import CLAIMS, MAIN, SHARED_FAULTS
from tests.simulation.simulation import Setting, Simulation

RUNNERS = st.integers(0, 2)
NAMES = st.sampled_from(SPECS[:2])
BOUNDARIES = st.integers(1, 20) | st.just(TO_THE_END)
VERBS = st.sampled_from(("apply", "reconcile", "push", "retry", "rebuild"))


class Machine(RuleBasedStateMachine):
    """Two people and a workflow, with everything that may go wrong."""

    @initialize(page_size=st.sampled_from((1, 2, 100)), slots=st.sampled_from((1, 99)), epochs=st.integers(1, 3))
    def begin(self, page_size: int, slots: int, epochs: int) -> None:
        setting = Setting(
            seed=0, folders=(0, 1, 2), workflows=frozenset({2}), page_size=page_size, slots=slots, claims=True
        )
        self.simulation = Simulation(setting).__enter__()
        self.promises = Invariants(self.simulation)
        act(steps.Write("a", epochs), self.simulation)

    @rule(runner=RUNNERS, verb=VERBS, boundaries=BOUNDARIES)
    def start(self, runner: int, verb: steps.Verb, boundaries: int) -> None:
        act(steps.Start(runner, verb), self.simulation)
        act(steps.GoOn(runner, boundaries), self.simulation)

    @rule(runner=RUNNERS, boundaries=BOUNDARIES)
    def go_on(self, runner: int, boundaries: int) -> None:
        act(steps.GoOn(runner, boundaries), self.simulation)

    @rule(runner=RUNNERS)
    def crash(self, runner: int) -> None:
        act(steps.Crash(runner), self.simulation)

    @rule(spec=NAMES, epochs=st.integers(1, 3), is_child=st.booleans())
    def write(self, spec: str, epochs: int, is_child: bool) -> None:
        act(steps.Write(spec, epochs, "a" if is_child and spec != "a" else None), self.simulation)

    @rule(spec=NAMES, text=st.integers(1, 3))
    def comment(self, spec: str, text: int) -> None:
        act(steps.Comment(spec, text), self.simulation)

    @rule(spec=NAMES, version=st.integers(0, 2))
    def change_data(self, spec: str, version: int) -> None:
        act(steps.Data(spec, version), self.simulation)

    @rule(stages=st.integers(1, 6))
    def train(self, stages: int) -> None:
        act(steps.Train(stages), self.simulation)

    @rule(runner=RUNNERS, door=st.sampled_from(sorted(set(DOORS))), kind=st.sampled_from(BEFORE + AFTER))
    def fail_network(self, runner: int, door: str, kind: str) -> None:
        act(steps.FailNetwork(runner, door, kind), self.simulation)

    @rule(runner=RUNNERS, kind=st.sampled_from(DISK_FAULTS))
    def fail_disk(self, runner: int, kind: str) -> None:
        act(steps.FailDisk(runner, kind), self.simulation)

    @rule(runner=RUNNERS, what=st.sampled_from((CLAIMS, MAIN)), kind=st.sampled_from(SHARED_FAULTS))
    def fail_shared(self, runner: int, what: str, kind: str) -> None:
        act(steps.FailShared(runner, what, kind), self.simulation)

    @rule(seconds=st.integers(0, LAG_SECONDS))
    def lag(self, seconds: int) -> None:
        act(steps.Lag(seconds), self.simulation)

    @rule(seconds=st.integers(1, 1000))
    def wait(self, seconds: int) -> None:
        act(steps.Wait(seconds), self.simulation)

    @rule(runner=RUNNERS)
    def pull_and_mend(self, runner: int) -> None:
        act(steps.Mend(runner), self.simulation)
        act(steps.Pull(runner), self.simulation)

    @rule(verb=st.sampled_from(("pause", "resume", "cancel")), job=st.integers(0, 2))
    def steer(self, verb: str, job: int) -> None:
        act(steps.Steer(verb, job), self.simulation)  # type: ignore[arg-type]  # a str, of those three

    @rule(job=st.integers(0, 2))
    def lose_job(self, job: int) -> None:
        act(steps.LoseJob(job), self.simulation)

    @rule(model=st.integers(0, 2))
    def delete_model(self, model: int) -> None:
        act(steps.DeleteModel(model), self.simulation)

    @invariant()
    def promises_are_kept(self) -> None:
        self.promises.check()

    def teardown(self) -> None:
        if not hasattr(self, "simulation"):
            return
        try:
            settle(self.simulation, self.promises)
        finally:
            self.simulation.__exit__(None, None, None)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
