"""Requests to measure that no agent can follow are refused by their fields."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

import spaces
from service import problems
from service.admission.measuring import verification_of
from service.catalog.names import Sender
from service.schemas.search import SearchRequest
from tables import LookupTable
from tests.service.api.agents.requests import identity, register
from tests.service.api.conftest import Problem
from tests.service.text_tables import decoder_table


def test_bad_requests_name_their_fields(http: FlaskClient, problem: Problem) -> None:
    register(http)
    for body, slug, field in (
        ({"device": "nano", "space": "spos-tiny"}, "unknown-name", "device"),
        ({"device": "pi", "space": "spos-tin"}, "unknown-name", "space"),
        ({"device": "pi", "space": "spos-tiny", "backend": "tvm"}, "unknown-name", "backend"),
        ({"device": "pi", "space": "spos-tiny", "budget_s": 0}, "invalid-value", "budget_s"),
        ({"device": "pi", "space": "spos-tiny", "budget": 1}, "invalid-value", "budget"),
        ({"device": "pi", "space": "spos-tiny", "name": "made-up"}, "name-taken", "name"),
    ):
        status = 409 if slug == "name-taken" else 422
        problem(http.post("/tables", json=body), status, slug, field)
    search = {"space": "spos-tiny", "guide": {"name": "small"}}
    problem(http.post("/search", json={**search, "verify": 3}), 422, "invalid-value", "verify")
    problem(
        http.post("/search", json={**search, "measure_on": "pi"}),
        422,
        "invalid-value",
        "measure_on",
    )
    made_up = {**search, "device": "made-up", "verify": 3}
    problem(http.post("/search", json=made_up), 422, "invalid-value", "verify")
    problem(
        http.post("/search", json={**made_up, "measure_on": "pi"}),
        422,
        "invalid-value",
        "measure_on",
    )


def test_networks_of_text_are_measured_by_no_job(http: FlaskClient, problem: Problem) -> None:
    register(http)
    space = spaces.get("decoder-tiny")
    text = decoder_table(space)
    assert http.post("/tables", json=text.to_dict()).status_code == 201
    refused = http.post("/tables/text/validation", json={"device": "pi"})
    body = problem(refused, 422, "invalid-value", "name")
    assert "run in several phases" in body["detail"]

    request = SearchRequest(space=space.name, device="text", guide={"name": "any"}, verify=3)
    with pytest.raises(problems.Problem) as caught:
        verification_of(request, space, None, [], Sender())
    assert (caught.value.status, caught.value.field) == (422, "verify")
    assert "prefill_ms and decode_ms rather than one latency" in str(caught.value)


def test_device_without_torch_measures_exported_blocks_alone(
    http: FlaskClient, table: LookupTable, problem: Problem
) -> None:
    assert http.post("/agents", json=identity(has_torch=False)).json["has_torch"] is False
    assert http.get("/agents").json["items"][0]["has_torch"] is False
    assert http.post("/tables", json=table.to_dict()).status_code == 201

    build = http.post("/tables", json={"device": "pi", "space": "spos-tiny"})
    validation = http.post("/tables/steady/validation", json={"device": "pi"})
    for answer in (build, validation):
        body = problem(answer, 422, "invalid-value", "device")
        assert "torch is not installed on pi" in body["detail"]
        assert "not those of spos-tiny by steady in fp32" in body["detail"]

    # Networks of tables of onnxruntime and OpenVINO alone are joined from exported blocks.
    search = {"space": "spos-tiny", "guide": {"name": "small"}, "verify": 1}
    body = problem(
        http.post("/search", json={**search, "device": "steady"}), 422, "invalid-value", "verify"
    )
    assert "by onnxruntime or openvino in fp32" in body["detail"]
    exported = replace(
        table, name="exported", conditions={**table.conditions, "backend": "onnxruntime"}
    )
    assert http.post("/tables", json=exported.to_dict()).status_code == 201
    http.post("/agents", json=identity(has_torch=False, backends=["onnxruntime"]))
    answer = http.post("/search", json={**search, "device": "exported"})
    assert answer.status_code == 202, answer.data
    assert answer.json["request"]["measure_on"] == "pi"

    # Cells are no chains, and exported networks run in fp32.
    for fields in ({"space": "nasbench201"}, {"space": "spos-tiny", "precision": "int8"}):
        answer = http.post("/tables", json={"device": "pi", **fields})
        problem(answer, 422, "invalid-value", "device")
    assert http.post("/tables", json={"device": "pi", "space": "spos-tiny"}).status_code == 202
