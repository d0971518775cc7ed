"""A pipeline whose stages have resolved command lines."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from oneshot.pipeline.faults import Fault
from oneshot.pipeline.kinds import StageKind
from spaces.errors import PathfitError


@dataclass(frozen=True)
class PendingLimit:
    """A limit on a cost whose table the pipeline is still to measure.

    Args:
        key: Key of the limit, such as `search.constraint`.
        line: Line of the key.
        text: Limit, with the path of the table.
        space: Name of the space.
        margin: Number of deviations that estimates stay below the limit.
    """

    key: str
    line: int | None
    text: str
    space: str
    margin: float

    def faults(self) -> Iterator[Fault]:
        """Yield the fault of a limit that no network of the space meets by the measured table."""
        from oneshot.search.constraint import Limit
        from spaces.registry import get
        from tables.store import load

        try:
            Limit.parse(self.text).bind(get(self.space), load, self.margin)
        except PathfitError as error:
            yield Fault(self.key, str(error), self.line)


@dataclass(frozen=True)
class Stage:
    """A stage that is ready to run.

    Args:
        kind: Kind of the stage.
        arguments: Arguments of `python -m`.
        output: File or folder that later stages read.
        outputs: Everything that the stage writes, the output included.
        inputs: Files and folders that the stage reads; those of earlier stages may not exist yet.
        needs: Names of the earlier stages whose output is among the inputs.
        limits: Limits that can be checked once the stage `profile` is done.
    """

    kind: StageKind
    arguments: tuple[str, ...]
    output: Path
    outputs: tuple[Path, ...]
    inputs: tuple[Path, ...]
    needs: tuple[str, ...]
    limits: tuple[PendingLimit, ...] = ()

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.kind.name

    @property
    def command_line(self) -> str:
        """The command as a person types it."""
        return shlex.join(["python", "-m", *self.arguments])


@dataclass(frozen=True)
class Pipeline:
    """Stages in the order in which they run.

    Args:
        path: File that describes the pipeline.
        folder: Folder of everything that the stages write.
        stages: The stages.
        replaced: Stage -> path that takes the place of its output.
    """

    path: Path
    folder: Path
    stages: tuple[Stage, ...]
    replaced: Mapping[str, str]

    def stage(self, name: str) -> Stage:
        """Return the stage of a name; raises KeyError where the pipeline lacks it."""
        return {stage.name: stage for stage in self.stages}[name]

    def dependents(self, names: set[str]) -> set[str]:
        """Return the stages of `names` with all that read their files, directly or indirectly."""
        reached = set(names)
        # Stages read files of earlier ones only, so that one pass reaches all.
        for stage in self.stages:
            if reached & set(stage.needs):
                reached.add(stage.name)

        return reached
