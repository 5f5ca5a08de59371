"""A plan with nothing to do, beside the bare interpreter and beside Terraform, with the memory that it takes."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path

from bench.common import FTOPS, Result, Run, measure_in_turn, report
from bench.corpus import ENGLISH
from ftops.planmemo import SETTLED_SECONDS

PASS = (sys.executable, "-c", "pass")
PLAN = (*FTOPS, "plan", "--detailed-exitcode")
SPECS_AND_BOUNDS = {1_000: 10, 10_000: 40}
"""How many times `python -c pass` a plan may take."""
TERRAFORM_RESOURCES = 1_000
TERRAFORM_SHARE_MAX = 0.1
MEGABYTES_MAX = 120
LARGE_FILES = 10
LARGE_FILE_BYTES = 1_000_000_000
SMALL_FILE_BYTES = 100_000
LARGE_MILLISECONDS_MAX = 50
"""More than the same plan of small files takes."""


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plans = {count: _measured(folder / str(count), count) for count in SPECS_AND_BOUNDS}
        rows = [row for rows in plans.values() for row in rows]
        failed = report("Plan: nothing to do, warm cache", [*rows, _after_a_touch(folder / str(min(plans)))])
        failed |= _over_large_files(folder)
        if shutil.which("terraform"):
            failed |= _beside_terraform(folder / str(TERRAFORM_RESOURCES), folder / "terraform")
        else:
            print("  not measured beside Terraform: there is no `terraform` on the PATH")
    return failed


def _measured(project: Path, count: int) -> list[Result]:
    # In a process of its own: a child's peak memory is never counted below what its parent holds.
    subprocess.run([sys.executable, "-m", "bench.project", str(count), str(project)], check=True)
    time.sleep(SETTLED_SECONDS + 1)
    taken = measure_in_turn({"pass": PASS, "plan": PLAN}, cwd=project)
    ratio = taken["plan"].milliseconds / taken["pass"].milliseconds
    what = f"{count:,} specs, {_milliseconds(taken['plan'])}"
    return [
        Result(what=f"{what} / python -c pass", measured=ratio, bound=SPECS_AND_BOUNDS[count], unit="times"),
        Result(what=f"{what}, peak", measured=taken["plan"].peak_megabytes, bound=MEGABYTES_MAX, unit="MB"),
    ]


def _after_a_touch(project: Path) -> Result:
    """A data file has to be looked at again, though nothing in it changed: the memo does not answer."""
    touched = ("sh", "-c", 'touch specs/data/model-00000.jsonl && exec "$@"', "sh", *PLAN)
    taken = measure_in_turn({"touched": touched}, cwd=project)["touched"]
    what = f"{project.name} specs, a file touched, {_milliseconds(taken)}, peak"
    return Result(what=what, measured=taken.peak_megabytes, bound=MEGABYTES_MAX, unit="MB")


def _over_large_files(folder: Path) -> int:
    """Ten specs with a gigabyte each, and with a few rows each; both are known, as the projects were read once."""
    small, large = folder / "small", folder / "large"
    for project, size in ((small, SMALL_FILE_BYTES), (large, LARGE_FILE_BYTES)):
        data = project.with_suffix(".jsonl")
        _write_data(data, size)
        command = [sys.executable, "-m", "bench.project", str(LARGE_FILES), str(project), str(data)]
        subprocess.run(command, check=True)
    time.sleep(SETTLED_SECONDS + 1)
    results = []
    # First as it is; then, for a spec was touched, everything is looked up again but the answer of the memo.
    for state, before in (("nothing changed", "true"), ("a spec was touched", "touch specs/model-00000.yaml")):
        taken = measure_in_turn(
            {
                project.name: ("sh", "-c", f'cd "$0" && {before} && exec "$@"', str(project), *PLAN)
                for project in (small, large)
            },
            cwd=Path.cwd(),
        )
        beside = taken["small"].milliseconds
        what = f"{state}, {_milliseconds(taken['large'])}, beside {beside:.0f} ms"
        measured = taken["large"].milliseconds - beside
        results.append(Result(what=what, measured=measured, bound=LARGE_MILLISECONDS_MAX, unit="ms"))
    return report(f"Plan over {LARGE_FILES * LARGE_FILE_BYTES / 1e9:.0f} GB of known files, beside small ones", results)


def _write_data(path: Path, size: int) -> None:
    """Chats of about 3 kB, *size* bytes of them or a few more; they repeat, for what they say is not measured."""
    chance = random.Random(1)
    chats = [
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": f"Sum up: {' '.join(chance.choices(ENGLISH, k=500))}."},
                    {"role": "assistant", "content": f"It is about {' '.join(chance.choices(ENGLISH, k=9))}."},
                ]
            }
        )
        + "\n"
        for _ in range(2_000)
    ]
    with path.open("w", encoding="utf-8") as made:
        for chat in cycle(chats):
            made.write(chat)
            size -= len(chat)
            if size <= 0:
                break


def _beside_terraform(project: Path, folder: Path) -> int:
    folder.mkdir()
    blocks = (
        f'resource "terraform_data" "model_{number}" {{\n  input = "digest-{number}"\n}}\n'
        for number in range(TERRAFORM_RESOURCES)
    )
    (folder / "main.tf").write_text("\n".join(blocks), encoding="utf-8")
    chdir = f"-chdir={folder}"
    for command in (["init"], ["apply", "-auto-approve"]):
        subprocess.run(["terraform", chdir, *command, "-input=false"], check=True, stdout=subprocess.DEVNULL)
    terraform = ("terraform", chdir, "plan", "-input=false", "-detailed-exitcode")
    taken = measure_in_turn({"terraform": terraform, "plan": PLAN}, cwd=project)
    share = taken["plan"].milliseconds / taken["terraform"].milliseconds
    return report(
        f"Plan beside Terraform: {TERRAFORM_RESOURCES:,} `terraform_data`, {_milliseconds(taken['terraform'])}",
        [Result(what="ftops plan / terraform plan", measured=share, bound=TERRAFORM_SHARE_MAX, unit="times")],
    )


def _milliseconds(run: Run) -> str:
    return f"{run.milliseconds:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
