"""Faults of a pipeline's file, which are collected and reported all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spaces.errors import PathfitError


@dataclass(frozen=True)
class Fault:
    """One fault of a pipeline.

    Args:
        key: Key at fault, such as `train.epochs`; empty where the fault is one of the whole file.
        message: Fault in one sentence, with a remedy.
        line: Line of the file, from 1; None for a key that was set on the command line.

    Example:
        >>> str(Fault("train.epochs", "'many' is not a valid integer.", 4))
        "line 4: train.epochs: 'many' is not a valid integer."
    """

    key: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        position = f"line {self.line}" if self.line is not None else ""
        return ": ".join(filter(None, (position, self.key, self.message)))


class InvalidPipeline(PathfitError):
    """A pipeline has faults and cannot run.

    Args:
        path: File of the pipeline.
        faults: All faults; they are reported in the order of their lines.
    """

    def __init__(self, path: object, faults: Sequence[Fault]):
        self.path = path
        # Those without a line come from the command line, which is read after the file.
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line or 1 << 30))
        if len(self.faults) == 1:
            text = f"{path}: {self.faults[0]}"
        else:
            listed = "".join(f"\n  {fault}" for fault in self.faults)
            text = f"{path} has {len(self.faults)} faults:{listed}"

        super().__init__(text)


class StageFailed(PathfitError):
    """The command of a stage ended with an error."""


class FolderInUse(PathfitError):
    """Another run works in the folder of a pipeline."""
