"""Data files at the provider: each content is uploaded once, and found again by its name there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from ftops.remote.dialect import remote_name

if TYPE_CHECKING:
    from ftops.lockfile import DataFile, Inputs
    from ftops.project import Project
    from ftops.remote.provider import FileSeen, Provider


@dataclass(slots=True, kw_only=True)
class Uploader:
    """Uploads the data of one run; asks once what is there already."""

    project: Project
    provider: Provider
    _there: dict[str, FileSeen] | None = field(default=None, init=False)

    def uploaded(self, inputs: Inputs) -> Inputs:
        """*inputs* with the provider's ids of their files.

        Raises:
            RemoteError: A file is refused, or its upload failed.
            ProblemsError: A file changed since it was planned.
        """
        training = self._with_id(inputs.training_file)
        validation = self._with_id(inputs.validation_file) if inputs.validation_file else None
        return msgspec.structs.replace(inputs, training_file=training, validation_file=validation)

    def _with_id(self, file: DataFile) -> DataFile:
        if self._there is None:
            self._there = self.provider.files()
        name = remote_name(file)
        seen = self._there.get(name)
        if seen is None or seen.bytes != file.bytes or seen.status in {"error", "deleted"}:
            with self.project.open_data(file) as stream:
                seen = self.provider.upload(file, stream)
        self._there[name] = self.provider.processed(seen)
        return msgspec.structs.replace(file, file_id=seen.id)
