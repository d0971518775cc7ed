"""`POST /predict`: predictions equal those of the predictor, impossible ones are refused."""

from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

import predictor
import spaces
from tables.lookup_table import LookupTable

SPACE = "spos-tiny"


def test_predictions_equal_those_of_the_predictor(http: FlaskClient, world: Any) -> None:
    space = spaces.get(SPACE)
    codes = space.sample(np.random.default_rng(5), 5)
    found = space.decode(codes)
    mixed_forms = [
        found[0].to_dict(),
        found[1].choices,
        codes[2].tolist(),
        found[3].to_dict(),
        codes[4].tolist(),
    ]
    answer = http.post(
        "/predict", json={"space": SPACE, "architectures": mixed_forms, "device": "made-up"}
    ).json
    mean, deviation = predictor.load(world.predictors / "small.safetensors").predict(codes)
    latency = LookupTable.read(world.tables / "made-up.json").cost_model(space).estimate(codes)
    assert answer["predictor"] == "small"
    content = answer["predictions"]
    assert [one["architecture"] for one in content] == [
        architecture.to_dict() for architecture in found
    ]
    assert [one["score"] for one in content] == pytest.approx(mean)
    assert [one["deviation"] for one in content] == pytest.approx(deviation)
    assert [one["costs"]["latency_ms"] for one in content] == pytest.approx(latency)
    assert [one["costs"]["macs"] for one in content] == space.macs(codes).tolist()


@pytest.mark.parametrize(
    ("parts", "slug", "field"),
    [
        ({"space": "sops"}, "unknown-name", "space"),
        ({"space": "spos"}, "invalid-value", "predictor"),
        ({"predictor": "large"}, "unknown-name", "predictor"),
        ({"device": "mars"}, "unknown-name", "device"),
        ({"device": "lacking"}, "invalid-value", "device"),
        ({"architectures": []}, "invalid-value", "architectures"),
        ({"architectures": [[0] * 6] * 1001}, "invalid-value", "architectures"),
        ({"architectures": [[0] * 6, [9] * 6]}, "invalid-value", "architectures.1"),
        ({"architectures": [[0] * 5]}, "invalid-value", "architectures.0"),
        ({"architectures": [[10**30] + [0] * 5]}, "invalid-value", "architectures.0"),
        ({"architectures": [{}]}, "invalid-value", "architectures.0"),
        ({"architectures": [{"choices": 3}]}, "invalid-value", "architectures.0"),
        ({"architectures": [{"space": "spos", "choices": {}}]}, "invalid-value", "architectures.0"),
    ],
)
def test_impossible_predictions_are_refused(
    http: FlaskClient, problem: Any, parts: dict[str, Any], slug: str, field: str
) -> None:
    body = {"space": SPACE, "architectures": [[0] * 6], **parts}
    problem(http.post("/predict", json=body), 422, slug, field)
