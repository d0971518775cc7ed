"""The kinds of stages: which command each runs, and how its files join it to the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import click

GENERAL_KEYS = ("space", "data", "task", "under", "seed", "plugins")
"""Keys at the top of a pipeline, which go to every stage that has the option."""

PLUGINS = "plugins"
"""The general key of files that `--plugin` loads; it goes to every stage."""


@dataclass(frozen=True)
class StageKind:
    """A stage that pipelines can have.

    Args:
        name: Name of the stage.
        command: Package and command, the arguments of `python -m`.
        target: Import path "module:attribute" of the click command.
        output: Name of the file or folder that the stage writes, within the run's folder.
        description: What the stage does, one line for the sample file.
        excluded: General keys that do not go to the stage, because its option of that name has
            another meaning.
        reports: Option -> name of a further file that the stage always writes.
    """

    name: str
    command: tuple[str, str]
    target: str
    output: str
    description: str
    excluded: frozenset[str] = frozenset()
    reports: tuple[tuple[str, str], ...] = ()

    def load(self) -> click.Command:
        """Import the stage's command."""
        from spaces.plugins.loading import resolve

        return cast(click.Command, resolve(self.target))


STAGES = {
    kind.name: kind
    for kind in (
        StageKind(
            "profile",
            ("profiler", "build"),
            "profiler.commands.build:build",
            "profile.json",
            "Measure the blocks of the space on this machine; @profile names the table.",
        ),
        StageKind(
            "train",
            ("oneshot", "train"),
            "oneshot.commands.train:train",
            "train",
            "Train the supernet of the space.",
        ),
        StageKind(
            "evaluate",
            ("oneshot", "evaluate"),
            "oneshot.commands.evaluate:evaluate",
            "evaluate.jsonl",
            "Evaluate sub-networks of the supernet on validation images.",
        ),
        StageKind(
            "predict",
            ("predictor", "train"),
            "predictor.commands.train:train",
            "predict.safetensors",
            "Train a predictor on these evaluations and test it on others.",
            # Its --data is the file of evaluations.
            excluded=frozenset({"data"}),
            reports=(("--report", "predict.json"),),
        ),
        StageKind(
            "search",
            ("oneshot", "search"),
            "oneshot.commands.search:search",
            "search.json",
            "Search the space for the best networks that meet the constraints.",
        ),
        StageKind(
            "retrain",
            ("oneshot", "retrain"),
            "oneshot.commands.retrain:retrain",
            "retrain",
            "Train the best network from scratch and test it.",
            # Its --space replaces that of the file, which for the DARTS family is another one.
            excluded=frozenset({"space"}),
        ),
        StageKind(
            "export",
            ("oneshot", "export"),
            "oneshot.commands.export:export",
            "export.onnx",
            "Export the trained network to ONNX and check it against torch.",
        ),
        StageKind(
            "measure",
            ("profiler", "measure"),
            "profiler.commands.measure:measure",
            "measure.json",
            "Measure the network and compare it with the estimate.",
        ),
    )
}
"""Name -> kind of stage, in the order in which a pipeline runs them."""
