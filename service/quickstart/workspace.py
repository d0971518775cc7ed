"""The quickstart's folder: what each stage writes, and which stages are done."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spaces.files import write_text


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Args:
        budget_s: of the profiler.
        epochs: of the supernet.
        evaluations: sub-networks that are evaluated.
        generations: of the search.
        retrain_epochs: of each delivered network.
        rounds: of the last measurement.
    """

    budget_s: int
    epochs: int
    evaluations: int
    generations: int
    retrain_epochs: int
    rounds: int


FULL = Size(budget_s=25, epochs=60, evaluations=240, generations=20, retrain_epochs=30, rounds=30)
SMALLEST = Size(budget_s=3, epochs=2, evaluations=24, generations=3, retrain_epochs=1, rounds=4)


@dataclass(frozen=True)
class Stage:
    """One step of the way.

    Args:
        name: short.
        title: what it does, for people.
        commands: what it runs, for people and to tell whether a done stage is still the same.
        outputs: files and folders that it writes; removed before it begins anew.
        work: does it.
    """

    name: str
    title: str
    commands: Sequence[str]
    outputs: Sequence[Path]
    work: Callable[[], None]


class Workspace:
    """Remembers in `stages.json` which stages are begun and done.

    A stage's digest covers its commands and those of all stages before it: when one changes, what
    follows is done again. A stage that was begun with the same digest goes on with what it has
    written.

    Args:
        folder: holds all that the quickstart writes.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.path = folder / "stages.json"
        self.digest = ""
        try:
            self.state: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            self.state = {}

    def run(self, stage: Stage, announce: Callable[[Stage, bool], None]) -> None:
        """Do a stage unless it is done; `announce` is told the stage and whether it is."""
        text = "\n".join([self.digest, stage.name, *stage.commands])
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        known = self.state.get(stage.name, {})
        same = known.get("digest") == self.digest
        done = (
            same and known.get("done") is True and all(output.exists() for output in stage.outputs)
        )
        announce(stage, done)
        if done:
            return
        if not same:
            for output in stage.outputs:
                shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
        self._record(stage, done=False)
        stage.work()
        self._record(stage, done=True)

    def _record(self, stage: Stage, done: bool) -> None:
        self.state[stage.name] = {"digest": self.digest, "done": done}
        write_text(self.path, json.dumps(self.state, indent=1) + "\n")
