"""The folder of a quickstart, and the record of its stages that are done."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spaces.files import write_text


@dataclass(frozen=True)
class Size:
    """The amount of work of a quickstart.

    Args:
        budget_s: Seconds of the profiler.
        epochs: Epochs of the supernet's training.
        evaluations: Number of sub-networks that are evaluated.
        proxies: Number of untrained networks whose proxies are measured.
        generations: Generations of the search.
        retrain_epochs: Epochs of the training of each delivered network.
        rounds: Rounds of the last measurement.
    """

    budget_s: int
    epochs: int
    evaluations: int
    proxies: int
    generations: int
    retrain_epochs: int
    rounds: int


FULL = Size(
    budget_s=25,
    epochs=60,
    evaluations=240,
    proxies=40,
    generations=20,
    retrain_epochs=30,
    rounds=30,
)
SMALLEST = Size(
    budget_s=3,
    epochs=2,
    evaluations=24,
    proxies=12,
    generations=3,
    retrain_epochs=1,
    rounds=4,
)


@dataclass(frozen=True)
class Stage:
    """One stage of a quickstart.

    Args:
        name: Short name.
        title: Description for people.
        commands: Commands that it runs, for people and for the digest of the stage.
        outputs: Files and folders that it writes; removed before the stage starts over.
        work: Runs the stage.
    """

    name: str
    title: str
    commands: Sequence[str]
    outputs: Sequence[Path]
    work: Callable[[], None]


class Workspace:
    """Records in `stages.json` which stages have begun and are done.

    The digest of a stage covers its commands and those of all stages before it, so that a changed
    stage and all that follow are run again. A stage that has begun with the same digest resumes
    from its own output.

    Args:
        folder: Folder of everything that the quickstart writes.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.path = folder / "stages.json"
        self.digest = ""
        try:
            self.state: dict[str, dict[str, object]] = json.loads(
                self.path.read_text(encoding="utf-8")
            )
        except (OSError, json.JSONDecodeError):
            self.state = {}

    def run(self, stage: Stage, announce: Callable[[Stage, bool], None]) -> None:
        """Run a stage unless it is done.

        Args:
            stage: The stage.
            announce: Called with the stage, and whether it is done already.
        """
        text = "\n".join([self.digest, stage.name, *stage.commands])
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        recorded = self.state.get(stage.name, {})
        unchanged = recorded.get("digest") == self.digest
        complete = all(output.exists() for output in stage.outputs)
        done = unchanged and recorded.get("done") is True and complete
        announce(stage, done)
        if done:
            return

        # What other settings have written must not be resumed from.
        if not unchanged:
            for output in stage.outputs:
                if output.is_dir():
                    shutil.rmtree(output)
                else:
                    output.unlink(missing_ok=True)

        # Before the work, so that an interrupted stage is known to have begun with this digest.
        self._record(stage, done=False)
        stage.work()
        self._record(stage, done=True)

    def _record(self, stage: Stage, done: bool) -> None:
        self.state[stage.name] = {"digest": self.digest, "done": done}
        write_text(self.path, json.dumps(self.state, indent=1) + "\n")
