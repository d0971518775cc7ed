"""Tables of new devices from a few measured networks, over HTTP."""

from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from service.context import service_of
from tables.ranks import spearman

SPACE = "spos-tiny"


def measured(http: FlaskClient, networks: int = 10) -> list[dict[str, Any]]:
    """The designed networks with latencies that grow with their MACs."""
    body = {"sources": ["made-up"], "networks": networks}
    answer = http.post("/tables/design", json=body)
    assert answer.status_code == 200, answer.json
    space = spaces.get(SPACE)
    assert answer.json["space"] == SPACE
    return [
        {"architecture": item, "latency_ms": 1.0 + space.macs(space.architecture(codes)) / 1e6}
        for item in answer.json["architectures"]
        for codes in [item["choices"]]
    ]


def adaptation(http: FlaskClient, **changes: Any) -> dict[str, Any]:
    body = {"name": "board", "sources": ["made-up"], "device": "a board"}
    return {**body, "measured": measured(http), **changes}


def test_a_table_is_adapted_and_listed(app: APIFlask, http: FlaskClient) -> None:
    body = adaptation(http, conditions={"backend": "litert", "threads": 4})
    answer = http.post("/tables/adapt", json=body)
    assert (answer.status_code, answer.json["name"]) == (201, "board"), answer.json
    table, _ = service_of(app).catalog.table("board")
    assert table.device == {"kind": "other", "processor": "a board"}
    assert table.conditions == {
        "backend": "litert",
        "batch": 1,
        "precision": "fp32",
        "threads": 4,
    }
    space = spaces.get(SPACE)
    codes = space.sample(np.random.default_rng(0), 100)
    assert spearman(table.cost_model(space).estimate(codes), space.macs(codes)) > 0.95
    bounds = http.get(f"/tables/board/bounds?space={SPACE}").json["metrics"]["latency_ms"]
    assert bounds["sigma"] == pytest.approx(table.sigma_ms)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sources": ["nowhere"]}, "sources"),
        ({"sources": ["lacking"]}, "sources"),
        ({"measured": []}, "measured"),
        ({"device": ""}, "device"),
        ({"conditions": {"precision": "fp8"}}, "conditions.precision"),
    ],
)
def test_bad_fields_are_named(
    http: FlaskClient, problem: Any, changes: dict[str, Any], field: str
) -> None:
    answer = http.post("/tables/adapt", json=adaptation(http, **changes))
    assert answer.status_code == 422
    assert answer.json["field"] == field


def test_networks_of_another_space_are_refused(http: FlaskClient) -> None:
    body = adaptation(http)
    other = spaces.get("nasbench201")
    foreign = other.decode(other.sample(np.random.default_rng(0), 1))[0]
    body["measured"][1]["architecture"] = foreign.to_dict()
    answer = http.post("/tables/adapt", json=body)
    assert (answer.status_code, answer.json["field"]) == (422, "measured.1.architecture")
    assert "nasbench201" in answer.json["detail"]


def test_a_latency_of_zero_is_refused(http: FlaskClient) -> None:
    body = adaptation(http)
    body["measured"][0]["latency_ms"] = 0
    answer = http.post("/tables/adapt", json=body)
    assert (answer.status_code, answer.json["field"]) == (422, "measured.0.latency_ms")
