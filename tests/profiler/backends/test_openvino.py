"""OpenVINO as a backend: what it computes, its conditions, and networks that it refuses."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import spaces
from profiler.backends.base import Conditions
from profiler.backends.onnxruntime_session import OnnxRuntime, SessionRunner
from profiler.backends.openvino_model import OpenVino
from profiler.backends.openvino_quantisation import quantised
from profiler.backends.registry import make_backend
from profiler.errors import UnsupportedConditions
from tables import LookupTable
from tests.profiler.commands.running import TINIEST, run

NETWORKS = (
    "spos-tiny",
    "nasbench201(cells=1, channels=4)",
    "ofa-mobilenetv3(input_size=32, head=ssdlite)",
)


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_onnxruntime(name: str) -> None:
    space = spaces.get(name)
    conditions = Conditions("cpu", batch=2, seed=3)
    openvino, onnxruntime = OpenVino(conditions), OnnxRuntime(conditions)

    for row in space.sample(np.random.default_rng(0), 2):
        architecture = space.architecture(row)
        runner = openvino.network_runner(space, architecture)
        session = onnxruntime.network_runner(space, architecture)
        assert isinstance(session, SessionRunner)
        assert runner.whole() > 0

        expected = session.session.run(None, session.feed)
        for output, values in zip(runner.outputs(), expected, strict=True):
            np.testing.assert_allclose(
                output, values, rtol=1e-3, atol=1e-4 * float(np.abs(values).max())
            )


def test_one_token_is_decoded_with_a_cache() -> None:
    space = spaces.get("decoder(vocabulary=20)").at_phase("decode")
    row = space.sample(np.random.default_rng(0), 1)[0]
    architecture = space.architecture(row)
    runner = OpenVino(Conditions("cpu")).network_runner(space, architecture)
    session = OnnxRuntime(Conditions("cpu")).network_runner(space, architecture)
    assert isinstance(session, SessionRunner)

    runner.whole()
    logits = session.session.run(None, session.feed)[0]
    np.testing.assert_allclose(runner.outputs()[0], logits, rtol=1e-3, atol=1e-4)


def test_cell_without_a_path_to_its_output_runs() -> None:
    space = spaces.get("nasbench201(cells=1, channels=4)")
    unconnected = [list(choice.candidates).index("none") for choice in space.choices]
    runner = OpenVino(Conditions("cpu")).network_runner(space, space.architecture(unconnected))
    assert runner.whole() > 0


# A process in which nncf has quantised after DALI was loaded crashes in a later test.
@pytest.mark.own_process
def test_int8_network_computes_in_integers_and_leaves_torch_alone() -> None:
    pytest.importorskip("nncf", reason="int8 needs nncf: pip install 'pathfit[openvino]'")
    convolution = torch.nn.functional.conv2d
    space = spaces.get("nasbench-macro", input_size=16)
    architecture = space.architecture([1] * len(space.choices))

    exact, rounded = (
        OpenVino(Conditions("cpu", precision=precision)).network_runner(space, architecture)
        for precision in ("fp32", "int8")
    )
    exact.whole()
    rounded.whole()

    (expected,) = exact.outputs()
    (output,) = rounded.outputs()
    difference = np.abs(output - expected).max() / np.abs(expected).max()
    # Rounded to 256 levels, but the same network.
    assert 1e-5 < difference < 0.5
    assert torch.nn.functional.conv2d is convolution


@pytest.mark.own_process
def test_quantisation_reports_nothing_to_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """nncf reads this variable when it is imported; under pytest its telemetry is off anyway."""
    pytest.importorskip("nncf", reason="int8 needs nncf: pip install 'pathfit[openvino]'")
    monkeypatch.delenv("NNCF_CI", raising=False)
    with contextlib.suppress(Exception):
        quantised(None, [])
    assert os.environ["NNCF_CI"]


def test_networks_that_openvino_cannot_compile_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    space = spaces.get(TINIEST)
    backend = OpenVino(Conditions("cpu"))

    class Core:
        read_model = backend.core.read_model

        def compile_model(self, *arguments: object) -> None:
            raise RuntimeError("Exception from core.cpp:117:\ndimensions are invalid\n\n")

    monkeypatch.setattr(backend, "core", Core())
    with pytest.raises(UnsupportedConditions, match=r"cannot compile the network: dimensions are"):
        backend.network_runner(space, space.architecture([0, 0, 0]))


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        (Conditions("cpu", precision="fp16"), "openvino runs fp32, int8 here, not fp16"),
        (Conditions("cuda:0"), "openvino runs on the processor here, not on cuda:0"),
    ],
)
def test_conditions_that_it_lacks_are_refused(conditions: Conditions, reason: str) -> None:
    with pytest.raises(UnsupportedConditions, match=reason):
        make_backend("openvino", conditions)


def test_table_is_built_and_measured_with(tmp_path: Path) -> None:
    path, arch = tmp_path / "t.json", tmp_path / "arch.json"
    options = ("--backend", "openvino", "--threads", "1", "--budget", "0.3s")
    built = run("build", "--space", TINIEST, *options, "-o", str(path))
    assert built.exit_code == 0, built.output

    table = LookupTable.read(path)
    assert (table.conditions["backend"], table.conditions["threads"]) == ("openvino", 1)
    assert table.conditions["performance_hint"] == "LATENCY"
    assert {"onnx", "openvino"} <= set(table.versions)
    assert table.measured.blocks == "solved"

    arch.write_text(spaces.get(TINIEST).architecture([0, 1, 2]).to_json())
    measured = run("measure", str(arch), "--table", str(path), "--rounds", "4")
    assert measured.exit_code == 0, measured.output
    (entry,) = json.loads(measured.stdout)["measured"]
    assert entry["runtime"] == "openvino"
    # This machine may be busy.
    assert 0.1 < entry["normalised_ms"] / entry["estimate_ms"] < 10
