"""The job kind `predictor`: run `python -m predictor train`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from predictor.commands.train import train
from service.admission.tasks import PredictorTask
from service.kinds.base import Context, Outcome
from service.kinds.command import run
from service.kinds.options import to_arguments

RESERVED = ("space_name", "seed", "threads", "benchmark", "columns")
"""Options of the command that the job itself sets."""

PREDICTOR = "predictor.safetensors"
REPORT = "report.json"


class TrainPredictor:
    """The job kind `predictor`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome:
        """Run a `PredictorTask`.

        The predictor is the artifact; its figures on networks that it was not trained on, or its
        evidence, are the result.
        """
        training = PredictorTask.from_dict(task)
        inputs = ["--space", training.space]
        if training.evaluations is not None:
            inputs += ["--data", str(context.localize(training.evaluations).checked())]
        inputs += [f"--columns={text}" for text in _link_columns(training, context)]
        options = to_arguments(train, training.options, RESERVED)
        if training.benchmark is not None:
            options += ["--benchmark", training.benchmark]
        outputs = ["--report", REPORT, "-o", PREDICTOR]
        command = ["predictor", "train", *inputs, "--seed", str(training.seed), *options, *outputs]
        # By the command line, so that a job gives the same bytes as the command.
        run(command, context, training.threads)

        report = json.loads((context.folder / REPORT).read_text(encoding="utf-8"))
        result = {
            "name": training.name,
            "space": training.space,
            "data_sha256": None if training.evaluations is None else training.evaluations.sha256,
            "report": report,
        }
        artifacts = {name: context.folder / name for name in (PREDICTOR, REPORT)}

        return Outcome(result, artifacts)


def _link_columns(task: PredictorTask, context: Context) -> list[str]:
    """Link the columns' files into the folder of an attempt; return the texts of `--columns`.

    The predictor names columns by their files, so that these have the names of the catalog.
    """
    links: dict[str, str] = {}
    for column in task.columns:
        # Two metrics of one file are columns of one measurement.
        if column.file.name in links:
            continue
        link = f"{column.file.name.rpartition('/')[2]}.jsonl"
        # Files of two owners may have one name.
        while link in links.values():
            link = f"_{link}"
        (context.folder / link).symlink_to(context.localize(column.file).checked())
        links[column.file.name] = link

    return [column.to_text(links[column.file.name]) for column in task.columns]
