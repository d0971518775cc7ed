"""LiteRT and ncnn as backends; each needs an environment of its own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import spaces
from profiler.backends.base import Conditions
from profiler.backends.converted_files import ConvertedFiles
from profiler.backends.litert_model import LiteRt
from profiler.backends.ncnn_model import Ncnn
from profiler.errors import UnsupportedConditions
from tables import LookupTable
from tests.profiler.backends.equality import check_computes_what_torch_does
from tests.profiler.commands.running import TINIEST, run

NETWORKS = (
    "spos-tiny",
    "nasbench201(cells=1, channels=4)",
    "ofa-mobilenetv3(input_size=64)",
)
CHAINS = ("spos-tiny", "proxylessnas-tiny", "ofa-mobilenetv3(input_size=64)", "nasbench-macro")


def needs(package: str, extra: str) -> None:
    pytest.importorskip(package, reason=f"needs {package}: pip install 'pathfit[{extra}]'")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["nasbench201(cells=1, channels=4)", "ofa-mobilenetv3(input_size=64, head=ssdlite)"],
)
def test_litert_computes_what_torch_does(name: str) -> None:
    needs("litert_torch", "litert")
    check_computes_what_torch_does(LiteRt, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAINS)
def test_litert_joins_blocks_that_compute_what_torch_does(name: str) -> None:
    needs("litert_torch", "litert")
    space = spaces.get(name)
    architecture = space.architecture(space.sample(np.random.default_rng(0), 1)[0])
    backend = LiteRt(Conditions("cpu", batch=2, seed=3))

    runner = backend.network_runner(space, architecture)
    assert runner.whole() > 0

    image = space.random_input(architecture, 2, torch.Generator().manual_seed(3))
    blocks = [backend.joined.module(block) for block in space.blocks(architecture)]
    with torch.no_grad():
        expected = nn.Sequential(*blocks)(image).numpy()
    (output,) = runner.outputs()
    largest = float(np.abs(expected).max())
    np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-4 * largest)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spos-tiny", "ofa-mobilenetv3(input_size=64)"])
def test_litert_in_int8_computes_nearly_the_same(name: str) -> None:
    needs("ai_edge_quantizer", "litert")
    space = spaces.get(name)
    architecture = space.architecture(space.sample(np.random.default_rng(0), 1)[0])

    exact, rounded = (
        LiteRt(Conditions("cpu", precision=precision)).network_runner(space, architecture)
        for precision in ("fp32", "int8")
    )
    exact.whole()
    rounded.whole()

    (expected,) = exact.outputs()
    (output,) = rounded.outputs()
    difference = np.abs(output - expected).max() / np.abs(expected).max()
    assert 1e-5 < difference < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("fp16", 3e-2)])
def test_ncnn_computes_what_onnx_says(name: str, precision: str, tolerance: float) -> None:
    needs("ncnn", "ncnn")
    needs("pnnx", "ncnn")
    onnxruntime = pytest.importorskip("onnxruntime")
    space = spaces.get(name)
    architecture = space.architecture(space.sample(np.random.default_rng(0), 1)[0])
    backend = Ncnn(Conditions("cpu", precision=precision, seed=3))

    runner = backend.network_runner(space, architecture)
    assert runner.whole() > 0

    proto, feed = backend.networks.network(space, architecture)
    session = onnxruntime.InferenceSession(proto, providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, feed)
    (output,) = runner.outputs()
    difference = np.abs(output - expected[0]).max() / np.abs(expected).max()
    assert difference < tolerance


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "package"), [("litert", "litert_torch"), ("ncnn", "pnnx")])
def test_tables_are_built(backend: str, package: str, tmp_path: Path) -> None:
    needs(package, backend)
    path = tmp_path / "t.json"
    options = ("--backend", backend, "--threads", "1", "--budget", "0.3s")

    built = run("build", "--space", TINIEST, *options, "-o", str(path))

    assert built.exit_code == 0, built.output
    table = LookupTable.read(path)
    assert table.conditions["backend"] == backend
    assert table.measured.blocks == "solved"


@pytest.mark.parametrize(
    ("backend", "package", "conditions", "reason"),
    [
        (LiteRt, "litert_torch", Conditions("cpu", precision="fp16"), "litert runs fp32, int8"),
        (LiteRt, "litert_torch", Conditions("cuda:0"), "litert runs on the processor here"),
        (Ncnn, "ncnn", Conditions("cpu", precision="int8"), "ncnn runs fp32, fp16 here, not int8"),
        (Ncnn, "ncnn", Conditions("cpu", batch=4), "one image at a time, not a batch of 4"),
    ],
)
def test_conditions_that_they_lack_are_refused(
    backend: type[LiteRt | Ncnn], package: str, conditions: Conditions, reason: str
) -> None:
    needs(package, backend.name)
    with pytest.raises(UnsupportedConditions, match=reason):
        backend(conditions)


@pytest.mark.parametrize("name", ["executorch", "litert", "ncnn"])
def test_missing_runtime_names_its_extra(name: str, tmp_path: Path) -> None:
    package = {"litert": "litert_torch"}.get(name, name)
    try:
        __import__(package)
    except ModuleNotFoundError:
        built = run("build", "--space", TINIEST, "--backend", name, "-o", str(tmp_path / "t.json"))
        assert built.exit_code == 2
        assert f"pip install 'pathfit[{name}]'" in built.output
        assert list(tmp_path.iterdir()) == []
    else:
        pytest.skip(f"{package} is installed")


def test_networks_are_converted_once() -> None:
    space = spaces.get(TINIEST)
    first, second = (space.architecture(codes) for codes in ([0, 1, 2], [2, 1, 0]))
    files = ConvertedFiles()
    converted: list[Path] = []

    folders = [
        files.folder(space, architecture, converted.append)
        for architecture in (first, second, first)
    ]

    assert len(converted) == 2
    assert folders[0] == folders[2] != folders[1]
    root = folders[0].parent
    del files
    assert not root.exists()


def test_failed_conversion_is_repeated() -> None:
    space = spaces.get(TINIEST)
    architecture = space.architecture([0, 1, 2])
    files = ConvertedFiles()

    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise UnsupportedConditions("refused")

    with pytest.raises(UnsupportedConditions):
        files.folder(space, architecture, fails)
    folder = files.folder(space, architecture, lambda folder: (folder / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]
