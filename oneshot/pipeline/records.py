"""The record of a run: which stages have begun or are done, and from which inputs."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oneshot.pipeline.faults import FolderInUse
from oneshot.pipeline.inputs import content_digest
from oneshot.pipeline.pipeline import Stage
from spaces.errors import InvalidFile
from spaces.files import write_text

STATE = "pipeline.json"
LOCK = "pipeline.lock"

RUNNING = "running"
DONE = "done"


@dataclass(frozen=True)
class StageRecord:
    """The record of a stage that has begun.

    Args:
        arguments: Arguments of `python -m`.
        inputs: Path of an input -> SHA-256 of its content when the stage began.
        status: `running` or `done`; an interrupted stage stays `running`.
        seconds: Duration over all attempts with these arguments and inputs.
        result: Result in one line; empty unless it is done.
    """

    arguments: tuple[str, ...]
    inputs: Mapping[str, str]
    status: str
    seconds: float = 0.0
    result: str = ""

    @classmethod
    def begin(cls, stage: Stage) -> StageRecord:
        """Return the record of a stage that begins now."""
        inputs = {str(path): content_digest(path) for path in stage.inputs}
        return cls(stage.arguments, inputs, RUNNING)

    def is_same_work(self, other: StageRecord) -> bool:
        """Return whether two records have the same arguments and inputs."""
        return self.arguments == other.arguments and self.inputs == other.inputs


class Records:
    """The records of a run's stages, in `pipeline.json` of its folder.

    Args:
        folder: Folder of the run.
    """

    def __init__(self, folder: Path):
        self.path = folder / STATE
        self.stages: dict[str, StageRecord] = {}
        # A damaged record counts as none: running stages again is safe, trusting it is not.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            content = json.loads(self.path.read_text(encoding="utf-8"))
            self.stages = {
                name: StageRecord(
                    tuple(record["arguments"]),
                    dict(record["inputs"]),
                    str(record["status"]),
                    float(record["seconds"]),
                    str(record["result"]),
                )
                for name, record in content["stages"].items()
            }

    def is_done(self, stage: Stage, present: StageRecord | None = None) -> bool:
        """Return whether a stage has run to its end with its present arguments and inputs.

        Args:
            stage: Stage of the pipeline.
            present: Its record if it began now; None: it is made, which reads all inputs.
        """
        record = self.stages.get(stage.name)
        if record is None or record.status != DONE:
            return False
        if not all(path.exists() for path in stage.outputs):
            return False

        return record.is_same_work(present or StageRecord.begin(stage))

    def has_changed(self, stage: Stage) -> bool:
        """Return whether a stage has begun with other arguments or inputs than it has now."""
        record = self.stages.get(stage.name)
        return record is not None and not record.is_same_work(StageRecord.begin(stage))

    def save(self, stage: Stage, record: StageRecord) -> None:
        """Record a stage."""
        self.stages[stage.name] = record
        self._write()

    def forget(self, stage: Stage) -> None:
        """Remove the record of a stage, so that it begins again."""
        self.stages.pop(stage.name, None)
        self._write()

    def _write(self) -> None:
        content: dict[str, Any] = {
            "version": 1,
            "stages": {name: asdict(record) for name, record in self.stages.items()},
        }
        write_text(self.path, json.dumps(content, indent=1) + "\n")


def remove_outputs(stage: Stage) -> None:
    """Remove the outputs of a stage, with the partial files next to them."""
    for path in stage.outputs:
        # Interrupted work is in files such as predict.safetensors.gates.part.
        for file in [path, *path.parent.glob(f"{glob.escape(path.name)}.*")]:
            if file.is_dir():
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Hold the lock of a run's folder, which is made where it does not exist.

    Yields:
        The file descriptor of the lock. The lock is held as long as any process has it open, so
        that a stage whose parent was killed keeps it until the stage ends.

    Raises:
        FolderInUse: Another process holds the lock.
        InvalidFile: The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InvalidFile(f"cannot write {folder}: {error.strerror}") from error

    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FolderInUse(
                f"another run works in {folder}; wait for its end, or give another folder with -o"
            ) from error

        yield handle
    finally:
        os.close(handle)
