"""TrainPredictor: what `python -m predictor train` does, as a job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from predictor.commands.train import train
from service.admission.tasks import PredictorTask
from service.kinds.base import Context, Outcome
from service.kinds.command import run
from service.kinds.options import arguments

OWN = ("space_name", "seed")
"""Options of the command that a job sets itself."""

PREDICTOR, REPORT = "predictor.safetensors", "report.json"


class TrainPredictor:
    """The job kind `predictor`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome:
        """Train as the task says; the predictor is the artifact, its figures on unseen networks the
        result.
        """
        asked = PredictorTask.from_dict(task)
        data = asked.evaluations.checked()
        head = [
            "predictor",
            "train",
            "--data",
            str(data),
            "--space",
            asked.space,
            "--seed",
            str(asked.seed),
        ]
        written = ["--report", REPORT, "-o", PREDICTOR]
        run([*head, *arguments(train, asked.options, OWN), *written], context, asked.threads)
        report = json.loads((context.folder / REPORT).read_text(encoding="utf-8"))
        result = {
            "name": asked.name,
            "space": asked.space,
            "data_sha256": asked.evaluations.sha256,
            "report": report,
        }
        return Outcome(
            result, {PREDICTOR: context.folder / PREDICTOR, REPORT: context.folder / REPORT}
        )
