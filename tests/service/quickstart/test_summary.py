"""The summary of a quickstart whose ranking is a vote of its evidence."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import spaces
from service.quickstart.paths import NETWORKS, Paths
from service.quickstart.summary import figures, print_summary

EVIDENCE = "evidence: 96 networks' proxies, 240 supernet evaluations, no labels"


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Files of a quickstart that is done, as far as the summary reads them."""
    paths = Paths(tmp_path)
    space = spaces.get("spos-tiny")
    guide = {"kind": "predictor", "metric": "mean_log_rank", "unit": "score"}
    guide["higher_is_better"] = True
    entries = []
    for network, score, code in zip(NETWORKS, (0.7, -0.2), (0, 1), strict=True):
        architecture = space.architecture([code] * 6).to_dict()
        costs = {"latency_ms": 1.9, "macs": 1e6, "params": 1e4}
        best = {"architecture": architecture, "score": score, "deviation": 0.1, "costs": costs}
        limit = {"metric": "latency_ms", "maximum": 2.0, "sigma": 0.05}
        write(paths.result(network), {"best": [best], "constraints": [limit], "guide": guide})

        metrics = {"top1": 91.0, "cross_entropy": 0.3}
        source = {"kind": "supernet", "task": "classification"}
        evaluation = {"architecture": architecture, "metrics": metrics, "source": source}
        write(paths.evaluation(network), evaluation)
        write(
            paths.retrained(network) / "test.json",
            {"top1": 97.0, "top1_interval": [95.0, 98.0], "images": 400},
        )
        files = (paths.architecture(network), paths.onnx(network))
        times = {"latency_ms": 1.8, "normalised_ms": 1.85}
        entries += [{"file": str(path), **times} for path in files]
    write(paths.measured, {"measured": entries})
    write(paths.report, {"evidence": EVIDENCE, "weights": {}})
    return paths


def test_vote_is_shown_without_a_value_in_the_supernet(paths: Paths) -> None:
    output = io.StringIO()

    print_summary(paths, Console(file=output, width=120))

    text = output.getvalue()
    assert figures(paths)["found"].predicted == 0.7
    assert "mean log rank predicted" in text
    assert "0.7000 +- 0.1" in text
    # A supernet has no such metric; its accuracy is shown next to that of the test.
    assert "validation mean log rank" not in text
    assert "validation top-1 accuracy in the supernet" in text
    assert "Evidence: 96 networks' proxies, 240 supernet evaluations, no labels." in text
    assert "The latency limit is met" in text
    assert "Chance drew" not in text


def test_random_network_that_is_the_found_one_is_told(paths: Paths) -> None:
    found = json.loads(paths.result("found").read_text())
    write(paths.result("random"), found)
    output = io.StringIO()

    print_summary(paths, Console(file=output, width=200))

    assert "Chance drew the found network" in output.getvalue()
