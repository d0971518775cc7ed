"""The kinds of stages: which command each runs, and how its files join it to the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import click

PLUGINS = "plugins"
"""The general key of files that `--plugin` loads; it goes to every stage."""

GENERAL_KEYS = {
    "space": "Space of the networks; see `pathfit list space`.",
    "data": "Data set of trainings: a name, NAME:PATH or a folder of images.",
    "task": "Task of the networks; see `pathfit list task`.",
    "level": "Tokens of a text: words or characters.",
    "under": "Perturbation of trainings and evaluations; see `pathfit list perturbation`.",
    "seed": "Seed of all stages.",
    PLUGINS: "Python files that register spaces, data sets and other entries.",
}
"""Key at the top of a pipeline -> its description. It goes to every stage that has the option."""


@dataclass(frozen=True)
class StageKind:
    """A stage that pipelines can have.

    Args:
        name: Name of the stage.
        command: Package and command, the arguments of `python -m`.
        target: Import path "module:attribute" of the click command.
        output: Name of the file or folder that the stage writes, within the run's folder.
        description: Purpose of the stage, one line for the sample file.
        excluded: General keys that do not go to the stage, because its option of that name has
            another meaning.
        joined: Keys of options that take files of earlier stages unless the pipeline sets them.
        reports: Option -> name of a further file that the stage always writes.
    """

    name: str
    command: tuple[str, str]
    target: str
    output: str
    description: str
    excluded: frozenset[str] = frozenset()
    joined: tuple[str, ...] = ()
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
            "proxies",
            ("oneshot", "proxies"),
            "oneshot.commands.proxies:proxies",
            "proxies.jsonl",
            "Measure zero-cost proxies of untrained networks of the space.",
        ),
        StageKind(
            "predict",
            ("predictor", "train"),
            "predictor.commands.train:train",
            "predict.safetensors",
            "Train a predictor on these evaluations and test it on others.",
            # Its --data is the file of evaluations.
            excluded=frozenset({"data"}),
            joined=("data", "columns"),
            reports=(("--report", "predict.json"),),
        ),
        StageKind(
            "search",
            ("oneshot", "search"),
            "oneshot.commands.search:search",
            "search.json",
            "Search the space for the best networks that meet the constraints.",
            joined=("guide", "table"),
        ),
        StageKind(
            "retrain",
            ("oneshot", "retrain"),
            "oneshot.commands.retrain:retrain",
            "retrain",
            "Train the best network from scratch and test it.",
            # Its --space replaces that of the file, which for the DARTS family is another one.
            excluded=frozenset({"space"}),
            joined=("arch",),
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
            joined=("table", "index"),
        ),
    )
}
"""Name -> kind of stage, in the order in which a pipeline runs them."""
