"""Why a network of a search was chosen."""

from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from service.context import service_of
from service.engine.attempt import Attempt
from service.engine.reports import Assignment, Done
from service.results.reasons import explain

LATENCY = {"metric": "latency_ms", "maximum": 12.4, "table": "phone", "margin": 2.0, "sigma": 0.4}
MACS = {"metric": "macs", "maximum": 3e8, "table": None, "margin": 2.0, "sigma": 0.0}
TAU = {"name": "kendall_tau", "value": 0.8237}


def result(*constraints: Any, **more: Any) -> dict[str, Any]:
    guide = {"kind": "predictor", "name": "small"}
    strategy = {"name": "evolution", "options": {}}
    entries = {"guide": guide, "strategy": strategy, "constraints": list(constraints)}
    return {**entries, "evaluated": 1000, **more}


def test_the_sentence_has_limit_margin_and_evidence() -> None:
    record = {"architectures": 200, "test": {"kendall_tau": 0.8237, "networks": 50}}

    reasons = explain(result(LATENCY, MACS), {"latency_ms": 11.2, "macs": 2.5e8}, 0, record)

    assert reasons.sentence == (
        "The best of 1,000 networks: latency at most 12 ms of 12.4 ms with a margin of 2"
        " deviations; multiply-accumulates 250 million of 300 million; ranked by the predictor"
        " small, trained on 200 networks, rank correlation 0.82 on 50 others."
    )
    assert reasons.limits[0].upper == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("verdict", "record", "expected"),
    [
        ({"figures": [TAU]}, {"evidence": "x"}, "rank correlation 0.82 on the networks of this"),
        (None, {"verdict": {"figures": [TAU]}}, "rank correlation 0.82 on a benchmark"),
        (None, {"evidence": "cross-validated 0.7"}, "small, cross-validated 0.7"),
        (None, {"test": {"kendall_tau": None}}, "how well it ranks was not recorded"),
    ],
)
def test_evidence_is_what_is_known_of_the_guide(verdict: Any, record: Any, expected: str) -> None:
    assert expected in explain(result(verdict=verdict), {}, 0, record).evidence


def test_a_second_device_and_a_missing_deviation_are_named() -> None:
    other = {**LATENCY, "sigma": None}
    costs = {"latency_ms": 1.0, "latency_ms@phone": 11.0}
    assert (
        "latency 11 ms of 12.4 ms without a margin"
        in explain(result(other), costs, None, {}).sentence
    )
    benchmark = result(guide={"kind": "benchmark", "name": "nasbench201"})
    assert explain(benchmark, {}, 4, {}).sentence == (
        "Rank 5 of 1,000 networks: without limits;"
        " ranked by the recorded trainings of the benchmark nasbench201."
    )


def test_finalists_were_ranked_by_trainings_and_chosen_by_the_guide() -> None:
    first = {"kind": "lower-bound", "name": "small"}
    options = {"guide": first, "strategy": {}, "evaluated": 1050, "ranks": [6, 1]}
    final = result(
        guide={"kind": "training", "data": "digits"},
        strategy={"name": "finalists", "options": options},
        evaluated=8,
    )

    assert explain(final, {}, 0, {"evidence": "of the predictor"}).sentence == (
        "The best of 8 networks: without limits; ranked by short trainings on digits, the best of"
        " 1,050 by the lower bound of the predictor small."
    )


def test_a_search_explains_each_candidate(app: APIFlask, http: FlaskClient, problem: Any) -> None:
    service = service_of(app)
    body = {
        "space": "spos-tiny",
        "device": "made-up",
        "constraints": {"latency_ms": {"max": 0.8}},
        "strategy": {"name": "random", "options": {"evaluations": 12}},
    }
    path = http.post("/search", json=body).headers["Location"]
    problem(http.get(f"{path}/architectures/0/reasons"), 409, "conflict", "id")
    job = service.store.leases.claim("test", 60)
    assert job is not None
    assignment = Assignment(job.id, job.attempt)
    attempt = Attempt(assignment, service.artifacts, lambda _: None, lambda _: False)
    done = attempt.run("search", job.task)
    assert isinstance(done, Done)
    service.store.jobs.finish(job.id, job.attempt, done.result, done.artifact)

    best = http.get(f"{path}/architectures/0/reasons").get_json()
    last = http.get(f"{path}/architectures/11/reasons?of=candidates").get_json()

    assert best["sentence"].startswith("The best of 12 networks: latency at most ")
    assert "ranked by the predictor small, trained on 24 networks" in best["evidence"]
    assert last["limits"][0]["upper"] <= 0.8
    assert last["sentence"].startswith("Rank 12 of 12 networks")
    problem(http.get(f"{path}/architectures/99/reasons"), 422, "invalid-value", "place")


def test_lower_bounds_are_named_with_their_evidence() -> None:
    record = {"evidence": "evidence: 96 networks' proxies, no labels", "architectures": 96}
    guided = result(guide={"kind": "lower-bound", "name": "votes"})

    evidence = explain(guided, {}, 0, record).evidence

    assert evidence == (
        "ranked by the lower bound of the predictor votes, 96 networks' proxies, no labels"
    )
