"""OpenVINO as a backend: what it computes, its conditions, and networks that it refuses."""

import contextlib
import json
import os
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from profiler.backends.base import Conditions
from profiler.backends.onnx_networks import OnnxNetworks
from profiler.backends.onnxruntime_session import OnnxRuntime, SessionRunner
from profiler.backends.openvino_model import OpenVino
from profiler.backends.openvino_quantisation import Quantiser, quantised
from profiler.backends.registry import make_backend
from profiler.errors import UnsupportedConditions
from tables import LookupTable
from tests.profiler.commands.running import TINIEST, run

NEEDS_NNCF = pytest.mark.skipif(
    find_spec("nncf") is None, reason="int8 needs nncf: pip install 'pathfit[openvino]'"
)

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


@NEEDS_NNCF
def test_int8_network_computes_in_integers_and_is_quantised_elsewhere_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = spaces.get("nasbench-macro", input_size=16)
    architecture = space.architecture([1] * len(space.choices))

    had_nncf = "nncf" in sys.modules
    exact = OpenVino(Conditions("cpu")).network_runner(space, architecture)
    backend = OpenVino(Conditions("cpu", precision="int8"))
    quantisations: list[Path] = []
    quantise = Quantiser.quantise

    def counted(self: Quantiser, proto: bytes, feeds: Any, target: Path, **options: bool) -> None:
        quantisations.append(target)
        quantise(self, proto, feeds, target, **options)

    monkeypatch.setattr(Quantiser, "quantise", counted)
    backend.network_runner(space, architecture)
    rounded = backend.network_runner(space, architecture)
    assert len(quantisations) == 1
    assert ("nncf" in sys.modules) == had_nncf

    exact.whole()
    rounded.whole()

    (expected,) = exact.outputs()
    (output,) = rounded.outputs()
    difference = np.abs(output - expected).max() / np.abs(expected).max()
    # Rounded to 256 levels, but the same network.
    assert 1e-5 < difference < 0.5


@NEEDS_NNCF
def test_models_that_nncf_refuses_are_reported_and_the_next_is_quantised(tmp_path: Path) -> None:
    space = spaces.get("nasbench-macro", input_size=16)
    proto, feed = OnnxNetworks().network(space, space.architecture([1] * len(space.choices)))
    with closing(Quantiser()) as quantiser:
        for _ in range(2):
            with pytest.raises(UnsupportedConditions, match="nncf cannot quantise the network: "):
                quantiser.quantise(b"no model", [feed], tmp_path / "none.xml")
        quantiser.quantise(proto, [feed], tmp_path / "int8.xml", correct_biases=False)
        assert not (tmp_path / "none.xml").exists()
        assert (tmp_path / "int8.bin").stat().st_size > 0


@NEEDS_NNCF
def test_process_that_dies_is_reported_and_replaced(tmp_path: Path) -> None:
    with closing(Quantiser()) as quantiser:
        process = quantiser._process
        for _ in range(2):
            with pytest.raises(UnsupportedConditions, match="nncf cannot quantise"):
                quantiser.quantise(b"no model", [], tmp_path / "none.xml")
            assert quantiser._process is not process
            process = quantiser._process
            assert process is not None
            process.kill()
            process.wait()
            with pytest.raises(UnsupportedConditions, match="has ended with the code -9"):
                quantiser.quantise(b"no model", [], tmp_path / "none.xml")


def test_backends_that_end_in_any_order_leave_signals_as_they_were() -> None:
    """OpenVINO's cores set a stack for handlers; a process that ends is such a signal."""
    program = f"""if True:
        import signal, subprocess, sys
        import numpy as np
        import spaces
        from profiler.backends.base import Conditions
        from profiler.backends.openvino_model import OpenVino

        signal.signal(signal.SIGCHLD, lambda *_: None)
        space = spaces.get({TINIEST!r})
        architecture = space.decode(space.sample(np.random.default_rng(0), 1))[0]
        backends = [OpenVino(Conditions("cpu")) for _ in range(2)]
        runners = [backend.network_runner(space, architecture) for backend in backends]
        while backends:
            del runners[0], backends[0]
        subprocess.run([sys.executable, "-c", ""], check=True)
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_running_networks_reports_nothing_to_anybody(tmp_path: Path) -> None:
    """OpenVINO's reports of usage would begin with files in the home, and fork this process."""
    program = f"""if True:
        import os
        import numpy as np
        import spaces
        from profiler.backends.base import Conditions
        from profiler.backends.openvino_model import OpenVino

        os.register_at_fork(before=lambda: print("fork"))
        space = spaces.get({TINIEST!r})
        architecture = space.decode(space.sample(np.random.default_rng(0), 1))[0]
        OpenVino(Conditions("cpu")).network_runner(space, architecture).whole()
    """
    told_by_ci = ("CI", "TF_BUILD", "JENKINS_URL")
    environment = {name: value for name, value in os.environ.items() if name not in told_by_ci}
    environment["HOME"] = str(tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert not (tmp_path / "intel").exists()


# nncf changes the process that imports it.
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
