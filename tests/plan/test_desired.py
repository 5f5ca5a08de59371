"""From specs to what is desired: names mapped, parents and aliases resolved, ignored fields kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ftops.diagnostics import ProblemsError
from ftops.digest import Digest
from ftops.lockfile import DataFile, JobRecord, Lockfile, ParentInput
from ftops.plan.desired import Desired, base_model, model_of, resolve
from ftops.spec.config import AliasTarget, Config, Target
from ftops.spec.model import BaseModel, Lifecycle, Method, ModelAlias, ParentSpec, Span, Spec

if TYPE_CHECKING:
    from conftest import Maker

FILES = {"specs/data/a.jsonl": DataFile(path="specs/data/a.jsonl", sha256="a" * 64, bytes=100, rows=24)}
LOCAL = Target(name="local", profile="local")


def resolved(
    *specs: Spec, target: Target = LOCAL, config: Config | None = None, lock: Lockfile | None = None
) -> tuple[Desired, ...]:
    return resolve(
        specs, FILES, config=config or Config(), target=target, recorded=lock or Lockfile(target=target.name)
    )


def test_a_target_calls_a_model_by_its_own_name(make: Maker) -> None:
    target = Target(name="local", profile="local", models={"base-1": "their-base-1"})
    (want,) = resolved(make.spec(), target=target)
    assert want.inputs.model == "their-base-1"


def test_the_digest_is_of_the_target_and_of_what_is_trained(make: Maker) -> None:
    (here,) = resolved(make.spec())
    (there,) = resolved(make.spec(), target=Target(name="there", profile="local"))
    (renamed,) = resolved(make.spec("other", description="…", labels={"team": "x"}, owner="me", on_change="cancel"))
    assert here.digest != there.digest
    assert here.digest == renamed.digest


@pytest.mark.parametrize(
    "change",
    [
        {"model": BaseModel(name="base-2")},
        {"method": Method(type="supervised", body={"hyperparameters": {"n_epochs": 4}})},
        {"seed": 1},
        {"suffix": "x"},
        {"integrations": ({"type": "wandb", "wandb": {"project": "p"}},)},
        {"validation_file": "specs/data/a.jsonl"},
    ],
)
def test_every_field_that_changes_the_model_changes_the_digest(make: Maker, change: dict[str, object]) -> None:
    (before,), (after,) = resolved(make.spec()), resolved(make.spec(**change))
    assert before.digest != after.digest


def test_a_child_s_digest_holds_its_parent_s_digest_and_checkpoint(make: Maker) -> None:
    child = make.spec("noble", model=ParentSpec(spec="elle"))
    _, first = resolved(make.spec(), child)
    _, other_parent = resolved(make.spec(seed=1), child)
    _, other_checkpoint = resolved(make.spec(checkpoint="last"), child)
    assert len({first.digest, other_parent.digest, other_checkpoint.digest}) == 3
    assert first.parent is not None
    assert first.parent.spec == "elle"


def test_an_ignored_field_keeps_its_recorded_value(make: Maker) -> None:
    lock = make.lock(make.generation(make.inputs(seed=7)))
    ignoring = Lifecycle(ignore_changes=("seed",))
    (want,) = resolved(make.spec(seed=9, lifecycle=ignoring), lock=lock)
    assert want.inputs.seed == 7
    (new,) = resolved(make.spec(seed=9, lifecycle=ignoring))
    assert new.inputs.seed == 9


def test_what_is_kept_is_told_where_the_spec_says_otherwise(make: Maker) -> None:
    lock = make.lock(make.generation(make.inputs(seed=7)))
    ignoring = Lifecycle(ignore_changes=("method", "seed", "training_file"))
    (want,) = resolved(make.spec(seed=9, lifecycle=ignoring), lock=lock)
    assert want.kept == {"seed"}
    (same,) = resolved(make.spec(seed=7, lifecycle=ignoring), lock=lock)
    (heeded,) = resolved(make.spec(seed=9), lock=lock)
    (new,) = resolved(make.spec(seed=9, lifecycle=ignoring))
    assert same.kept == heeded.kept == new.kept == frozenset()


def test_the_base_model_is_found_through_parents_wanted_and_recorded(make: Maker) -> None:
    old = make.generation(make.inputs(model="base-0"))
    parent, nothing = make.desired("elle", model="base-1"), make.lock()
    child = make.child(parent, "noble")
    wanted = {each.name: each.inputs for each in (parent, child)}
    grandchild = ParentInput(spec="noble", digest=child.digest, checkpoint="best")
    aliased = ParentInput(spec="elle", digest=Digest(old.digest[: len("sha256:") + 12]), checkpoint="best")
    assert base_model("base-2", {}, nothing) == "base-2"
    assert base_model(grandchild, wanted, nothing) == "base-1"
    assert base_model(aliased, wanted, make.lock(old)) == "base-0"
    assert base_model(aliased, {}, nothing) is None
    rebuilt = msgspec.structs.replace(old, inputs=None)
    assert base_model(aliased, {}, make.lock(rebuilt)) == "ft:base-1:org::m1"


def test_a_lockfile_whose_models_go_in_a_circle_has_no_base_model(make: Maker) -> None:
    start = ParentInput(spec="elle", digest=make.inputs().digest("local"), checkpoint="best")
    lock = make.lock(make.generation(make.inputs(model=start), digest=start.digest))
    assert base_model(start, {}, lock) is None


def test_an_alias_is_a_recorded_generation_wherever_it_stands(make: Maker) -> None:
    old = make.generation()
    new = make.generation(make.inputs(seed=1), job=JobRecord(id="ftjob-2", status="succeeded", created_at=2))
    config = Config(aliases={"prod": AliasTarget(spec="elle", digest=old.digest[: len("sha256:") + 12])})
    (want,) = resolved(make.spec("noble", model=ModelAlias(alias="prod")), config=config, lock=make.lock(old, new))
    assert want.parent == ParentInput(spec="elle", digest=old.digest, checkpoint="best")
    assert model_of(make.lock(old, new), want.parent) == "ft:base-1:org::m1"


def test_an_unknown_alias_points_at_its_place_and_at_a_near_one(make: Maker) -> None:
    places = {"model.alias": Span(line=2, column=16, end_column=20)}
    spec = make.spec("noble", model=ModelAlias(alias="prd"), places=places)
    config = Config(aliases={"prod": AliasTarget(spec="elle", digest="sha256:" + "0" * 64)})
    with pytest.raises(ProblemsError) as caught:
        resolved(spec, config=config)
    (problem,) = caught.value.problems
    assert (problem.code, problem.fix, str(problem.place)) == (
        "alias-unknown",
        "did you mean `prod`?",
        "specs/noble.yaml:2:16",
    )


def test_an_alias_of_what_was_never_trained_is_a_problem_and_its_children_say_so(make: Maker) -> None:
    config = Config(aliases={"prod": AliasTarget(spec="elle", digest="sha256:" + "0" * 64)})
    specs = make.spec("noble", model=ModelAlias(alias="prod")), make.spec("rare", model=ParentSpec(spec="noble"))
    with pytest.raises(ProblemsError) as caught:
        resolved(*specs, config=config)
    assert [problem.code for problem in caught.value.problems] == ["alias-unrecorded", "spec-parent-unresolved"]
