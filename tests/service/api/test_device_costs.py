"""Limits on memory and energy, for tables with these figures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import spaces
from oneshot.search.loop import run_search
from service.admission.tasks import SearchTask
from service.context import service_of
from service.kinds.search import problem_of
from tables.lookup_table import LookupTable

SPACE, DEVICE = "spos-tiny", "board"
WATTS = 4.0


@pytest.fixture
def board(world: Any, http: FlaskClient) -> LookupTable:
    """A device with memory of its blocks and energies of its networks, uploaded."""
    table = LookupTable.read(world.tables / "made-up.json")
    space = spaces.get(SPACE)
    held = {
        key: 4 * int(np.prod(block.input)) + 4 * (block.kernel or 1) * int(np.prod(block.output))
        for key, block in space.all_blocks.items()
    }
    blocks = {key: replace(cost, activation_bytes=held[key]) for key, cost in table.blocks.items()}
    rng = np.random.default_rng(0)
    networks = tuple(
        replace(sample, energy_mj=WATTS * sample.latency_ms[0] + float(rng.normal(0, 0.02)))
        for sample in table.networks
    )
    full = replace(table, name=DEVICE, blocks=blocks, networks=networks)
    assert http.post("/tables", json=full.to_dict()).status_code == 201
    return full


def asked(metric: str, maximum: float, **parts: Any) -> dict[str, Any]:
    return {"space": SPACE, "device": DEVICE, "constraints": {metric: {"max": maximum}}, **parts}


def bounds(http: FlaskClient, device: str = DEVICE) -> Any:
    return http.get(f"/tables/{device}/bounds?space={SPACE}").json["metrics"]


def test_bounds_cover_the_metrics_of_the_table(http: FlaskClient, board: LookupTable) -> None:
    content = bounds(http)
    assert set(content) == {"latency_ms", "memory_bytes", "energy_mj", "macs", "params"}
    assert set(bounds(http, "made-up")) == {"latency_ms", "macs", "params"}
    least, greatest = board.cost_model(spaces.get(SPACE), "memory_bytes").bounds()
    assert content["memory_bytes"] == {
        "least": least.value,
        "greatest": greatest.value,
        "unit": "bytes",
        "sigma": 0.0,
        "exact": True,
    }
    assert content["energy_mj"]["unit"] == "mJ"
    assert content["energy_mj"]["sigma"] > 0


@pytest.mark.parametrize("metric", ["memory_bytes", "energy_mj"])
def test_searches_keep_limits_of_memory_and_energy(
    app: APIFlask, http: FlaskClient, board: LookupTable, metric: str
) -> None:
    content = bounds(http)[metric]
    maximum = content["least"] + 0.5 * (content["greatest"] - content["least"])
    answer = http.post("/search", json=asked(metric, maximum, objectives=[metric, "params"]))
    assert answer.status_code == 202, answer.json
    task = SearchTask.from_dict(service_of(app).store.jobs.get(answer.json["id"]).task)
    assert (task.limits, task.objectives) == ({metric: maximum}, (metric, "params"))
    assert task.table is not None
    found = run_search(problem_of(task), "random", options={"evaluations": 50})
    assert len(found) == 50
    model = board.cost_model(spaces.get(SPACE), metric)
    assert (model.upper(found.codes) <= maximum).all()
    assert found.costs[metric] == pytest.approx(model.estimate(found.codes))


@pytest.mark.parametrize("metric", ["memory_bytes", "energy_mj"])
def test_an_infeasible_limit_reports_the_least_value(
    http: FlaskClient, board: LookupTable, problem: Any, metric: str
) -> None:
    content = bounds(http)[metric]
    body = problem(
        http.post("/search", json=asked(metric, content["least"] / 2)),
        422,
        "infeasible",
        f"constraints.{metric}",
    )
    assert body["metric"] == metric
    assert body["least"] == pytest.approx(content["least"] + 1.64 * content["sigma"])
    assert f"on {DEVICE}" in body["detail"]


def test_a_table_without_the_metric_is_reported(http: FlaskClient, problem: Any) -> None:
    for metric, message in (
        ("memory_bytes", "it was built without figures of its blocks' activations"),
        ("energy_mj", "the device reported none while it was measured"),
    ):
        limit = {"constraints": {metric: {"max": 1e9}}}
        for parts, field in (
            (limit, f"constraints.{metric}"),
            ({"objectives": [metric]}, "objectives.0"),
        ):
            answer = http.post("/search", json={"space": SPACE, "device": "made-up", **parts})
            detail = problem(answer, 422, "invalid-value", field)["detail"]
            assert detail == f"the table 'made-up' has no {metric}: {message}"


def test_a_missing_block_is_reported_for_the_device(http: FlaskClient, problem: Any) -> None:
    answer = http.post("/search", json={**asked("memory_bytes", 1e9), "device": "lacking"})
    assert "lacks the block" in problem(answer, 422, "invalid-value", "device")["detail"]


def test_predictions_and_blocks_include_memory_and_energy(
    http: FlaskClient, board: LookupTable
) -> None:
    space = spaces.get(SPACE)
    body = {"space": SPACE, "device": DEVICE, "architectures": [[0] * 6, [3] * 6]}
    costs = [item["costs"] for item in http.post("/predict", json=body).json["predictions"]]
    codes = np.array([[0] * 6, [3] * 6])
    for metric in ("memory_bytes", "energy_mj"):
        expected = board.cost_model(space, metric).estimate(codes)
        assert [cost[metric] for cost in costs] == pytest.approx(expected.tolist())


def test_blocks_report_their_memory(http: FlaskClient, board: LookupTable) -> None:
    from service.catalog import costs
    from service.catalog.files import FileReference

    architecture = spaces.get(SPACE).architecture([1] * 6)
    service = service_of(http.application)  # type: ignore[arg-type]
    reference: FileReference = service.catalog.table(DEVICE)[1]
    content = costs.by_block(architecture, reference).to_dict()
    assert content["memory_bytes"] == max(block["memory_bytes"] for block in content["blocks"])
    assert content["energy_mj"] == pytest.approx(
        board.cost_model(spaces.get(SPACE), "energy_mj").estimate([architecture])[0]
    )
    plain = costs.by_block(architecture, service.catalog.table("made-up")[1]).to_dict()
    assert (plain["memory_bytes"], plain["energy_mj"], plain["blocks"][0]["memory_bytes"]) == (
        None,
        None,
        None,
    )
