"""`charges` of `POST /search`."""

import json
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from service.admission.tasks import SearchTask
from service.context import service_of
from service.kinds.search import problem_of

SPACE = "spos-tiny"


def test_charges_multiply_the_scores_of_a_search(app: APIFlask, http: FlaskClient) -> None:
    plain = problem_of(task_of(app, http.post("/search", json=body())))
    charges = ["macs=1e6^0.5", "latency_ms=1^0.5/0"]
    answer = http.post("/search", json=body(device="made-up", charges=charges))
    assert answer.json["request"]["charges"] == charges
    problem = problem_of(task_of(app, answer))

    space = spaces.get(SPACE)
    codes = space.sample(np.random.default_rng(0), 10)
    ratios = problem.costs["latency_ms"].estimate(codes)
    factors = (space.macs(codes) / 1e6) ** 0.5 * np.where(ratios > 1, ratios**0.5, 1)
    scores = plain.guide.score(codes)[0]
    # Scores of the predictor `small` are logarithms of MACs, above 0.
    assert np.allclose(problem.guide.score(codes)[0], scores / factors)


@pytest.mark.parametrize(
    ("charges", "device", "words"),
    [
        (["macs"], None, "not a charge"),
        (["mcas=1e6^1"], None, "did you mean 'macs'?"),
        (["latency_ms=1^1@made-up"], "made-up", "leave out the table"),
        (["energy_mj=1^1"], "made-up", "energy"),
        (["macs=1e6^99"], None, "from 0 to 10"),
    ],
)
def test_impossible_charges_are_refused(
    http: FlaskClient, charges: list[str], device: str | None, words: str
) -> None:
    answer = http.post("/search", json=body(charges=charges, device=device))
    problem = json.loads(answer.data)
    assert (answer.status_code, problem["field"]) == (422, "charges"), problem
    assert words in problem["detail"]


def body(**parts: Any) -> dict[str, Any]:
    return {"space": SPACE, "guide": {"name": "small"}, **parts}


def task_of(app: APIFlask, answer: Any) -> SearchTask:
    assert answer.status_code == 202, answer.json
    return SearchTask.from_dict(service_of(app).store.jobs.get(answer.json["id"]).task)
