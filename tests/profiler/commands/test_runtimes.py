"""`python -m profiler runtimes`: the runtimes that run a network, and those that do not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import spaces
from profiler.backends.base import Conditions
from profiler.backends.registry import BACKENDS, register_backend
from profiler.errors import UnsupportedConditions
from profiler.runtimes import RuntimeLatency
from tests.profiler.commands.running import TINIEST, run


class Sleeper:
    """A runtime that takes a known time.

    Args:
        latency_ms: Latency of every network.
    """

    name = "sleeper"
    times_blocks = True

    def __init__(self, latency_ms: float):
        self.latency_ms = latency_ms

    def network_runner(self, space: object, architecture: object) -> "Sleeper":
        return self

    def whole(self) -> float:
        return self.latency_ms

    def blocks(self) -> list[float]:
        return [self.latency_ms]

    def versions(self) -> dict[str, str]:
        return {}


@pytest.fixture
def three_runtimes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two runtimes of known speed, one that is not installed and one that refuses."""

    def not_installed(conditions: Conditions) -> Sleeper:
        raise ModuleNotFoundError("No module named 'ncnn'", name="ncnn")

    def refuses(conditions: Conditions) -> Sleeper:
        raise UnsupportedConditions("refuses runs nothing here")

    with BACKENDS.preserved():
        register_backend("slow")(lambda conditions: Sleeper(8.0))
        register_backend("fast")(lambda conditions: Sleeper(2.0))
        register_backend("absent")(not_installed)
        register_backend("refuses")(refuses)
        names = ["absent", "fast", "refuses", "slow"]
        monkeypatch.setattr("profiler.backends.registry.available", lambda: names)
        yield


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "arch.json"
    path.write_text(spaces.get(TINIEST).architecture([0, 1, 2]).to_json())
    return path


@pytest.mark.usefixtures("three_runtimes")
def test_runtimes_are_sorted_and_drawn(network: Path, tmp_path: Path) -> None:
    output, plot = tmp_path / "out.json", tmp_path / "bars.png"

    result = run("runtimes", str(network), "--threads", "1", "-o", str(output), "--plot", str(plot))

    assert result.exit_code == 0, result.output
    report = json.loads(output.read_text())
    assert [entry["runtime"] for entry in report["runtimes"]] == [
        "fast",
        "slow",
        "absent",
        "refuses",
    ]
    assert report["runtimes"][1] == {"runtime": "slow", "latency_ms": 8.0, "iqr_ms": 0.0}

    # Bars are in proportion to the latencies.
    bars = [line.count("█") for line in result.output.splitlines() if "█" in line]
    assert bars == [10, 40]
    assert "absent: ncnn is missing" in result.output or "pathfit[ncnn]" in result.output
    assert "refuses: refuses runs nothing here" in result.output
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_installed_runtimes_run_a_network(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without torch-compile, whose compiler takes most of a minute.
    names = ["onnxruntime", "openvino", "torch", "torch-channels-last", "torch-cuda-graphs"]
    monkeypatch.setattr("profiler.backends.registry.available", lambda: names)

    result = run("runtimes", str(network), "--threads", "1", "--rounds", "3")

    assert result.exit_code == 0, result.output
    measured = [line for line in result.output.splitlines() if "█" in line]
    assert len(measured) >= 4
    assert {"torch", "onnxruntime"} <= {line.split()[1] for line in measured}
    assert "torch-cuda-graphs: torch-cuda-graphs needs a CUDA device" in result.output


@pytest.mark.usefixtures("three_runtimes")
def test_no_runtime_at_all_is_an_error(
    network: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("profiler.backends.registry.available", lambda: ["refuses"])

    result = run("runtimes", str(network), "--threads", "1", "-o", str(tmp_path / "out.json"))

    assert result.exit_code == 2
    assert "no runtime runs" in result.output
    assert not (tmp_path / "out.json").exists()


def test_runtime_without_a_latency_has_its_reason() -> None:
    assert RuntimeLatency("a", None, "why").to_dict() == {"runtime": "a", "reason": "why"}
