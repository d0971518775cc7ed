"""The handle of a pipeline at a service: its steps and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from service.client.errors import ServiceProblem
from service.client.handles import JobHandle
from service.jobs import state_phrase

CHECK_TIMEOUT = 90.0
"""Seconds that the check of a pipeline may take: longer than a service tries."""


@dataclass(frozen=True)
class PipelineHandle(JobHandle):
    """A pipeline at a service; see `JobHandle` for the arguments.

    Example:
        >>> from service.client import Client, PipelineHandle
        >>> handle = PipelineHandle(Client("http://127.0.0.1:8000"), "5f0c9b7e61d24f6a")
        >>> handle.path
        '/jobs/5f0c9b7e61d24f6a'
        >>> handle.wait(timeout=3600)["stages"][0]["result"]  # doctest: +SKIP
        '27 blocks; networks take 1.02 to 1.72 ms'
        >>> handle.files()["search"]  # doctest: +SKIP
        ['search.json']
    """

    noun: ClassVar[str] = "pipeline"

    def files(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the files of each stage.

        Raises:
            ServiceProblem: The pipeline is not done.
        """
        status = self.status()
        if status.result is None:
            raise ServiceProblem(
                f"the pipeline {self.id} {state_phrase(status.state)} and has no files"
            )
        return {stage["name"]: list(stage["files"]) for stage in status.result["stages"]}

    def download(self, folder: str | Path) -> list[Path]:
        """Write every file to a folder, and return their paths.

        Args:
            folder: Folder to write to, which is made where it does not exist.

        Raises:
            ServiceProblem: The pipeline is not done, or its files were removed.
        """
        from spaces.files import replacing

        paths = []
        for names in self.files().values():
            for name in names:
                # Of the service's own files; a name with a folder would lead elsewhere.
                path = Path(folder) / Path(name).name
                with replacing(path) as temporary:
                    temporary.write_bytes(self.file(name))
                paths.append(path)
        return paths
