"""Checkpoints of a pipeline: an archive of what each stage has written, and the run's record."""

from __future__ import annotations

import errno
import shutil
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from oneshot.pipeline.records import DONE, STATE, Records, StageRecord
from service.kinds.base import Context

# A checkpoint is stored once it is this many times as old as storing the last one took.
_PAUSE_FACTOR = 20

_LEAST_PAUSE_S = 0.5

# Curves for people, which a run can do without.
_LEFT_OUT = "tensorboard"

Signature = tuple[tuple[str, int, int], ...]
"""Path, size and time of each file that a stage has written."""


class PipelineCheckpoints:
    """Stores the files that the stages of a run write, for the attempts that may follow.

    A next attempt takes the record of the run, the files of the stages that are done, and those of
    the stage that was interrupted, which resumes from them where its command can.

    Args:
        context: Context of the attempt.
        folder: Folder of the run, below the folder of the attempt.
        outputs: Stage -> path of its output, below the folder of the run.
    """

    def __init__(self, context: Context, folder: Path, outputs: Mapping[str, str]):
        self._context = context
        self._folder = folder
        self._outputs = outputs
        self._stored: dict[str, Signature] = {}
        self._recorded: Mapping[str, StageRecord] = {}
        self._next_time = 0.0

    def restore(self) -> None:
        """Restore the files of the latest earlier attempt that stored its record."""
        record = self._folder / STATE
        self._context.adopt_checkpoints(STATE)
        if not self._context.restore_checkpoint(record):
            return
        stages = Records(self._folder).stages
        done = [name for name, entry in stages.items() if entry.status == DONE]
        # Together with the record: an attempt that died while it adopted them has the record alone.
        self._context.adopt_checkpoints(STATE, *map(_archive_name, done))
        for name in stages:
            if name not in done:
                self._context.adopt_checkpoints(_archive_name(name))
        for name in stages:
            is_complete = self._extract(name)
            if not is_complete and name in done:
                # Without its files a stage is not done; the run begins anew.
                record.unlink()
                return

    def store(self) -> None:
        """Store the files that have changed, if it is time to; raises ArtifactFailed."""
        records = Records(self._folder).stages
        has_new_state = _statuses(records) != _statuses(self._recorded)
        if not records or not (has_new_state or time.monotonic() >= self._next_time):
            return

        begin = time.monotonic()
        # The files first: the record must not have a stage as done that has no files.
        for name in records:
            self._store_stage(name)
        if has_new_state:
            self._context.store_checkpoint(self._folder / STATE)
            self._recorded = records
        seconds = time.monotonic() - begin
        self._next_time = time.monotonic() + max(_LEAST_PAUSE_S, _PAUSE_FACTOR * seconds)

    def _store_stage(self, name: str) -> None:
        signature = tuple(_signatures(self._paths(name)))
        if not signature or signature == self._stored.get(name):
            return
        archive = self._folder.parent / _archive_name(name)
        try:
            with tarfile.open(archive, "w") as file:
                for path in self._paths(name):
                    member = path.relative_to(self._folder)
                    file.add(path, str(member), filter=_without_curves)
        except OSError as error:
            # A file was replaced or cut meanwhile, of which the second has no number; the next
            # call stores the new one.
            if error.errno in (None, errno.ENOENT):
                return
            raise
        self._context.store_checkpoint(archive)
        self._stored[name] = signature

    def _extract(self, name: str) -> bool:
        """Write the files of a stage; return whether there is an archive of them."""
        archive = self._folder.parent / _archive_name(name)
        if not self._context.restore_checkpoint(archive):
            return False
        _unpack(archive, self._folder)
        self._stored[name] = tuple(_signatures(self._paths(name)))
        return True

    def _paths(self, name: str) -> Sequence[Path]:
        """Return the output of a stage and the partial files next to it that exist."""
        output = self._folder / self._outputs[name]
        present = [output] if output.exists() else []
        return [*present, *sorted(self._folder.glob(f"{output.name}.*"))]


def _unpack(archive: Path, folder: Path) -> None:
    """Write the files of an archive below a folder; anything else that it has is left out."""
    # Not `extractall`: before Python 3.11.4 it has no filter and would follow any path.
    with tarfile.open(archive) as file:
        for member in file:
            target = (folder / member.name).resolve()
            content = file.extractfile(member) if member.isfile() else None
            if content is None or not target.is_relative_to(folder.resolve()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, open(target, "wb") as written:
                shutil.copyfileobj(content, written)


def _archive_name(stage: str) -> str:
    return f"{stage}.tar"


def _statuses(records: Mapping[str, StageRecord]) -> list[tuple[str, str]]:
    return [(name, record.status) for name, record in records.items()]


def _signatures(paths: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    for path in paths:
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if _LEFT_OUT in file.parts:
                continue
            try:
                status = file.stat()
            except FileNotFoundError:
                # Replaced while the folder was listed.
                continue
            yield str(file), status.st_size, status.st_mtime_ns


def _without_curves(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if _LEFT_OUT in Path(member.name).parts else member
