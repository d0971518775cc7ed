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

RESERVED = ("space_name", "seed", "threads", "benchmark")
"""Options of the command that the job itself sets."""

PREDICTOR = "predictor.safetensors"
REPORT = "report.json"


class TrainPredictor:
    """The job kind `predictor`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome:
        """Run a `PredictorTask`.

        The predictor is the artifact; its figures on networks that it was not trained on are the
        result.
        """
        training = PredictorTask.from_dict(task)
        evaluations = context.localize(training.evaluations).checked()
        inputs = ["--data", str(evaluations), "--space", training.space]
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
            "data_sha256": training.evaluations.sha256,
            "report": report,
        }
        artifacts = {name: context.folder / name for name in (PREDICTOR, REPORT)}

        return Outcome(result, artifacts)
