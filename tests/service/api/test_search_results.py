"""Results of a search in every format: its front, and its architectures."""

import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import spaces
from tables.lookup_table import LookupTable
from tests.service.api.conftest import SEARCH


def test_the_front_is_served_as_csv(
    http: FlaskClient, finished_search: tuple[str, dict[str, Any]]
) -> None:
    rows = list(
        csv.DictReader(io.StringIO(http.get(f"/search/{finished_search[0]}/front.csv").text))
    )
    assert len(rows) == len(finished_search[1]["front"])
    for row, answer_costs in zip(rows, finished_search[1]["front"], strict=True):
        assert float(row["score"]) == answer_costs["score"]
        assert float(row["latency_ms"]) == answer_costs["costs"]["latency_ms"]
        assert {key: row[key] for key in answer_costs["architecture"]["choices"]} == answer_costs[
            "architecture"
        ]["choices"]


def test_the_front_is_served_as_pictures(
    http: FlaskClient, finished_search: tuple[str, dict[str, Any]]
) -> None:
    png = http.get(f"/search/{finished_search[0]}/front.png")
    assert (png.mimetype, png.data[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    svg = http.get(f"/search/{finished_search[0]}/front.svg")
    assert svg.mimetype == "image/svg+xml"
    assert "script" not in svg.headers["Content-Security-Policy"]
    texts = "".join(ET.fromstring(svg.text).itertext())
    assert "latency_ms (ms)" in texts
    assert "limit" in texts
    assert http.get(f"/search/{finished_search[0]}/front.svg").data == svg.data


def test_an_unfinished_search_has_no_front(http: FlaskClient, problem: Any) -> None:
    job_id = http.post("/search", json=SEARCH).json["id"]
    for path in ("front.svg", "front.png", "front.csv", "architectures/0"):
        assert (
            problem(http.get(f"/search/{job_id}/{path}"), 409, "conflict", "id")["state"]
            == "queued"
        )


def test_architectures_are_served_in_every_format(
    http: FlaskClient, finished_search: tuple[str, dict[str, Any]]
) -> None:
    from spaces import formats

    best = spaces.Architecture.from_dict(finished_search[1]["best"][0]["architecture"])
    here = f"/search/{finished_search[0]}/architectures"
    assert spaces.Architecture.from_dict(http.get(f"{here}/0").json) == best
    for name in ("pathfit", "nni", "nni-3.0"):
        text = http.get(f"{here}/0?format={name}").text
        assert formats.read(text, name, space="spos-tiny") == best
    for place in range(len(finished_search[1]["front"])):
        assert (
            http.get(f"{here}/{place}").json == finished_search[1]["front"][place]["architecture"]
        )
    # Among all candidates, also those that are not given in full.
    codes = finished_search[1]["candidates"]["codes"]
    for place in (0, 2, 3, len(codes) - 1):
        given = spaces.Architecture.from_dict(http.get(f"{here}/{place}?of=candidates").json)
        assert given == spaces.get("spos-tiny").architecture(codes[place])


@pytest.mark.parametrize(
    ("path", "slug", "field"),
    [
        ("999", "invalid-value", "place"),
        ("999?of=candidates", "invalid-value", "place"),
        ("0?format=word", "unknown-name", "format"),
        ("0?format=../x", "unknown-name", "format"),
        ("0?format=darts", "invalid-value", "format"),
        ("0?of=best", "invalid-value", "of"),
    ],
)
def test_unavailable_architectures_are_problems(
    http: FlaskClient,
    problem: Any,
    finished_search: tuple[str, dict[str, Any]],
    path: str,
    slug: str,
    field: str,
) -> None:
    problem(http.get(f"/search/{finished_search[0]}/architectures/{path}"), 422, slug, field)


def test_a_network_is_served_as_a_drawing(
    http: FlaskClient, finished_search: tuple[str, dict[str, Any]]
) -> None:
    answer = http.get(f"/search/{finished_search[0]}/architectures/0?format=svg")
    assert answer.mimetype == "image/svg+xml"
    assert ET.fromstring(answer.text).tag.endswith("svg")


def test_block_latencies_add_up_to_that_of_the_network(
    http: FlaskClient, world: Any, finished_search: tuple[str, dict[str, Any]]
) -> None:
    answer_costs = http.get(f"/search/{finished_search[0]}/architectures/0?format=blocks").json
    best = spaces.Architecture.from_dict(finished_search[1]["best"][0]["architecture"])
    table = LookupTable.read(world.tables / "made-up.json")
    assert [block["key"] for block in answer_costs["blocks"]] == [
        block.key for block in spaces.get("spos-tiny").blocks(best)
    ]
    assert answer_costs["latency_ms"] == pytest.approx(
        finished_search[1]["best"][0]["costs"]["latency_ms"]
    )
    assert (
        answer_costs["macs"]
        == sum(block["macs"] for block in answer_costs["blocks"])
        == spaces.get("spos-tiny").macs(best)
    )
    latencies = [table.blocks[block["key"]].latency_ms for block in answer_costs["blocks"]]
    assert [block["latency_ms"] for block in answer_costs["blocks"]] == latencies
    assert [block["share"] for block in answer_costs["blocks"]] == [
        latency / answer_costs["latency_ms"] for latency in latencies
    ]


@pytest.mark.slow
def test_a_network_is_served_as_onnx(
    http: FlaskClient, finished_search: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    import torch

    from oneshot.export.onnx_network import OnnxNetwork

    answer = http.get(f"/search/{finished_search[0]}/architectures/0?format=onnx")
    assert (answer.status_code, answer.mimetype) == (200, "application/onnx")
    (tmp_path / "n.onnx").write_bytes(answer.data)
    network = OnnxNetwork(tmp_path / "n.onnx")
    best = spaces.Architecture.from_dict(finished_search[1]["best"][0]["architecture"])
    space = spaces.get("spos-tiny")
    images = torch.randn(3, *space.input_shape, generator=torch.Generator().manual_seed(0))
    expected = space.network(best).eval()(images)
    torch.testing.assert_close(network(images), expected, rtol=1e-3, atol=1e-4)
    assert spaces.Architecture.from_json(network.metadata["architecture"]) == best
