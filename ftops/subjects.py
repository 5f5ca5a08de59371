"""Which data files are to be checked, and what each is for."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ftops.dataset.grader import item_fields
from ftops.dataset.tokens.base import Base
from ftops.dataset.whole.uses import FileUse
from ftops.datasets import built_for
from ftops.diagnostics import Diagnostic, Place, ProblemsError
from ftops.digest import Digest
from ftops.examine import Examiner
from ftops.lockfile import ParentInput
from ftops.lockstore import make_state_folder
from ftops.plan.desired import base_model
from ftops.project import open_inside, read_declared
from ftops.remote.profiles import base_named
from ftops.spec.model import BaseModel, ModelAlias, ParentSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from ftops.dataset.grader import Field
    from ftops.dataset.guess import MethodName, Role
    from ftops.lockfile import Lockfile
    from ftops.project import Project
    from ftops.spec.model import Spec

DATA_ENDING: Final = ".jsonl"
UNKNOWN_BASE: Final = Base(tokenizer="o200k_base")
"""Of a model that no profile knows: its tokens are counted as those of most models, and it has no price."""
_ALIASED: Final = "the model of an alias"


class Training(NamedTuple):
    """What a file is to train."""

    model: str
    """The base model that training starts from in the end."""
    base: Base
    epochs: int | None
    """As the spec asks; None leaves them to the provider."""
    graded: tuple[Field, ...] = ()
    """What the spec's grader reads of each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A file to check."""

    path: str
    """As people name it; relative to the project's root in a project."""
    file: Path
    root: Path | None = None
    """Of the project, which the file must lie in; None without a project."""
    method: MethodName | None = None
    """None: its rows decide."""
    uses: tuple[FileUse, ...]
    """At least one. Without a project, those that belong together by name count as those of one spec."""
    is_use_assumed: bool = False
    """Neither a spec nor its name tells what the file is for."""
    ignored: frozenset[str] = frozenset()
    """Codes of checks that are switched off for this file."""
    is_built: bool = False
    """It was made from other files, which alone can be mended."""
    trainings: tuple[Training, ...] = ()
    """What specs want with it, each once; for validation data as well."""

    @property
    def role(self) -> Role:
        """The use that asks most of a file."""
        roles = {use.role for use in self.uses}
        return "training" if "training" in roles else "validation" if "validation" in roles else "evaluation"

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file.

        Raises:
            ProblemsError: It is missing, is a pipe or a device, cannot be read, or leads out of the project.
        """
        with open_inside(self.root, self.path) if self.root else open_data(self.path, self.file) as stream:
            yield stream


def subjects_at(paths: Sequence[str], method: MethodName | None) -> tuple[tuple[Subject, ...], tuple[Diagnostic, ...]]:
    """Files at *paths*: those named, and the `.jsonl` files in folders, sorted; and what is wrong with the paths."""
    found: dict[str, Subject] = {}
    problems: list[Diagnostic] = []
    for path in paths:
        try:
            names = list(_files_in(path)) if Path(path).is_dir() else [path]
        except ProblemsError as error:
            problems += error.problems
            continue
        if not names:
            problems.append(_no_data(path))
        for name in names:
            real = os.path.realpath(name)
            found.setdefault(real, _subject(name, real, method))
    return tuple(found.values()), tuple(problems)


def subjects_of(project: Project) -> tuple[tuple[Subject, ...], tuple[Diagnostic, ...]]:
    """The data of all specs of *project*, in their order, once for each method by which a file is used.

    What specs train on and what is stale is built, with the warnings that come of it. A check is switched off for a
    file if all specs that use it say so.

    Raises:
        ProblemsError: The project's own files have problems.
    """
    declared = read_declared(project)
    built, warnings = built_for(project, declared)
    bases = bases_of(project, declared.specs)
    by_file: dict[tuple[str, MethodName], list[tuple[Role, Spec]]] = {}
    for spec in declared.specs:
        data: list[tuple[Role, str | None]] = [("training", spec.training_file), ("validation", spec.validation_file)]
        for role, name in data:
            if name:
                by_file.setdefault((name, spec.method.type), []).append((role, spec))
    subjects = (
        Subject(
            path=built.get(name, name),
            file=project.root / built.get(name, name),
            root=project.root,
            method=method,
            uses=tuple(FileUse(spec=spec.name, role=role) for role, spec in found),
            ignored=frozenset.intersection(*(frozenset(each.code for each in spec.ignored) for _, spec in found)),
            is_built=name in built,
            trainings=tuple(dict.fromkeys(_training(spec, *bases[spec.name]) for _, spec in found)),
        )
        for (name, method), found in by_file.items()
    )
    return tuple(subjects), warnings


def bases_of(project: Project, specs: Iterable[Spec], recorded: Lockfile | None = None) -> dict[str, tuple[str, Base]]:
    """The base model that each of *specs*, parents before children, starts from in the end: its name, and the facts.

    Without what is *recorded*, nothing is known of models that aliases stand for.
    """
    found: dict[str, tuple[str, Base]] = {}
    for spec in specs:
        match spec.model:
            case ParentSpec(spec=parent) if parent in found:
                found[spec.name] = found[parent]
                continue
            case BaseModel(name=name):
                asked = project.target.models.get(name, name)
            case ModelAlias(alias=alias) if recorded and (aliased := project.config.aliases.get(alias)):
                start = ParentInput(spec=aliased.spec, digest=Digest(aliased.digest), checkpoint="best")
                asked = base_model(start, {}, recorded) or _ALIASED
            case _:
                asked = _ALIASED
        found[spec.name] = base_named(asked, project.target.profile) or (asked, UNKNOWN_BASE)
    return found


def epochs_of(spec: Spec) -> int | None:
    """How many epochs *spec* asks for; None if it leaves them to the provider."""
    given = spec.method.body.get("hyperparameters", {}).get("n_epochs")
    return given if isinstance(given, int) else None


def examiner_of(project: Project) -> Examiner:
    """What reads the data of *project*, and keeps there what it learns; where nothing can be written, it forgets."""
    with suppress(ProblemsError):
        make_state_folder(project.state)  # so that nothing of it is ever committed
    return Examiner(project.state / "cache")


@contextmanager
def open_data(path: str, file: Path) -> Iterator[BinaryIO]:
    """Open an ordinary file, wherever it is.

    Args:
        path: As diagnostics name it.
        file: Where it is.

    Raises:
        ProblemsError: It is missing, is a pipe or a device, or cannot be read.
    """
    try:
        # O_NONBLOCK: a FIFO is seen to be one instead of being waited for.
        stream = os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb")
    except OSError as error:
        raise ProblemsError(_unreadable(path, error)) from None
    with stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ProblemsError(_not_a_file(path))
        yield stream


def _training(spec: Spec, model: str, base: Base) -> Training:
    return Training(model, base, epochs_of(spec), item_fields(spec.method.body.get("grader")))


def _subject(name: str, real: str, method: MethodName | None) -> Subject:
    from ftops.dataset.guess import family_of, guess_role  # noqa: PLC0415  # not where specs say it

    role = guess_role(name)
    use = FileUse(spec=family_of(real), role=role or "training")
    return Subject(path=name, file=Path(name), method=method, uses=(use,), is_use_assumed=role is None)


def _files_in(folder: str) -> Iterator[str]:
    """The data files in *folder* and below, sorted by path; hidden ones, and those in hidden folders, are left out.

    Raises:
        ProblemsError: A folder cannot be looked into: its files would seem to be fine.
    """
    found = []
    for parent, folders, names in os.walk(folder, onerror=_cannot_list):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [str(Path(parent, name)) for name in names if name.endswith(DATA_ENDING) and not name.startswith(".")]
    yield from sorted(found)


def _cannot_list(error: OSError) -> None:
    raise ProblemsError(_unreadable(str(error.filename), error))


def _unreadable(path: str, error: OSError) -> Diagnostic:
    from ftops.project import unreadable  # noqa: PLC0415  # only where something is wrong

    return unreadable(path, error, if_missing="correct the path; it is taken from the folder that you are in")


def _not_a_file(path: str) -> Diagnostic:
    return Diagnostic(
        code="file-unreadable",
        summary=f"`{path}` is not an ordinary file",
        place=Place(path=path),
        why="it is a pipe or a device, and a file is read more than once",
        fix="write the rows to a file, and name that",
    )


def _no_data(path: str) -> Diagnostic:
    return Diagnostic(
        code="check-nothing",
        summary=f"the folder `{path}` holds no `{DATA_ENDING}` files",
        place=Place(path=path),
        why="of a folder, the files that end so are checked, but for hidden ones",
        fix="name the files themselves: any name will do",
    )
