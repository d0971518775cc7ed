"""Retrain: what `python -m oneshot retrain` does, as a job that goes on from its checkpoint wherever it is run next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oneshot.commands.retrain import retrain
from service.kinds.base import Context, Outcome
from service.kinds.command import run
from service.kinds.options import arguments
from service.task import RetrainTask
from spaces.files import write_text

OWN = ("arch", "index", "space_name", "format_name", "data", "seed", "threads", "resume")
"""Options of the command that a job sets itself."""

ARCHITECTURE, RUN = "architecture.json", "network"
_SETTINGS, _CHECKPOINT = "run.json", "last.ckpt"


class Retrain:
    """The job kind `retrain`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome:
        """Train as the task says; the weights are the artifact, the test the result."""
        asked = RetrainTask.from_dict(task)
        folder = context.folder / RUN
        write_text(context.folder / ARCHITECTURE, json.dumps(dict(asked.architecture)) + "\n")
        command = ["oneshot", "retrain", "--arch", ARCHITECTURE, "--data", asked.data, "--seed", str(asked.seed)]
        if asked.supernet is not None:
            command += ["--init-from-supernet", str(asked.supernet.checked().parent)]
        command += [*arguments(retrain, asked.options, OWN), "--threads", str(asked.threads), "--resume", "-o", RUN]
        if context.kept(folder / _SETTINGS):
            context.kept(folder / _CHECKPOINT)
        run(command, context, asked.threads, _Keeping(context, folder))
        report = json.loads((folder / "test.json").read_text(encoding="utf-8"))
        result = {"architecture": dict(asked.architecture), "test": report, "seed": asked.seed}
        files = {name: folder / name for name in ("weights.safetensors", _SETTINGS, "test.json")}
        return Outcome(result, files)


class _Keeping:
    """Keeps each new checkpoint, and the settings before the first."""

    def __init__(self, context: Context, folder: Path):
        self.context = context
        self.settings, self.checkpoint = folder / _SETTINGS, folder / _CHECKPOINT
        self.seen: tuple[int, int] | None = None
        self.begun = False

    def __call__(self) -> None:
        try:
            status = self.checkpoint.stat()
        except FileNotFoundError:
            return
        seen = (status.st_mtime_ns, status.st_ino)
        if seen == self.seen:
            return
        if not self.begun:
            self.context.keep(self.settings)
            self.begun = True
        self.context.keep(self.checkpoint)
        self.seen = seen
