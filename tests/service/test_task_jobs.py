"""A regression of a plug-in through a real service: predictor, search and retraining."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces

SPACE = "spos-tiny"
PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "own_task.py"
DEGREES = {"unit": "degrees", "higher_is_better": False}


@pytest.mark.slow
def test_regression_of_a_plugin_goes_through_a_real_service(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(3), 80), axis=0)[:40]
    errors = 40 - 2 * np.log(space.macs(codes).astype(float))
    source = {"kind": "supernet", "task": "angle", "metrics": {"degrees": DEGREES}}
    evaluations = [
        {"architecture": item.to_dict(), "metrics": {"degrees": float(error)}, "source": source}
        for item, error in zip(space.decode(codes), errors, strict=True)
    ]
    service = start(tmp_path / "own", "--data-set", "turned-digits", plugin=PLUGIN)
    client = service.client
    client.wait_until_ready(60)

    client.upload_evaluations("turned", evaluations)
    trained = client.train_predictor("angles", "turned", encoder="forest").wait(400)
    assert trained["report"]["metric"] == "degrees"
    assert trained["report"]["unit"] == "degrees"
    assert trained["report"]["higher_is_better"] is False
    entry = next(guide for guide in client.predictors() if guide.name == "angles")
    assert entry.metric == "degrees"

    progress: list[Any] = []
    handle = client.search(
        space=SPACE, guide="angles", strategy="random", options={"evaluations": 50}
    )
    result = handle.wait(400, progress.append)
    assert (result.guide["metric"], result.guide["unit"]) == ("degrees", "degrees")
    assert result.guide["higher_is_better"] is False
    # Scores are errors with their sign changed: the best network has the least predicted error.
    assert (result.scores < 0).all()
    assert -result.scores[0] == (-result.scores).min()

    retrained = client.retrain(
        result.best.architecture, "turned-digits", task="angle", steps=2, limit=60, batch_size=16
    ).wait(400)
    assert retrained["task"] == "angle"
    assert retrained["metrics"] == {"degrees": DEGREES}
    low, high = retrained["test"]["degrees_interval"]
    assert low < retrained["test"]["degrees"] < high
