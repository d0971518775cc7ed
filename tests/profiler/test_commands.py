"""`python -m profiler` on this processor."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import jsonschema
import onnx
import pytest
import torch
from click.testing import CliRunner, Result
from onnx import TensorProto, helper

import spaces
from profiler.commands import main, seconds, table_name
from spaces import ChainSpace
from tables import LookupTable
from tables.schema import table_schema

ROOT = Path(__file__).resolve().parents[2]
Built = tuple[Path, "subprocess.CompletedProcess[str]"]
RunProfiler = Callable[..., "subprocess.CompletedProcess[str]"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys; from profiler.commands import main\n"
        "for command in ([], ['build'], ['measure'], ['show'], ['devices']):\n"
        "    try: main([*command, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'scipy', 'onnxruntime', 'rich', 'lightning'} & set(sys.modules), 'loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Example:\n    python -m profiler ") == 4


def test_module_runs(run_profiler: RunProfiler) -> None:
    done = run_profiler("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: python -m profiler [OPTIONS] COMMAND")


def test_build_writes_a_table(built: Built, tiny: ChainSpace) -> None:
    path, done = built
    assert done.returncode == 0, done.stderr
    jsonschema.Draft202012Validator(table_schema()).validate(json.loads(path.read_text()))
    table = LookupTable.read(path)
    assert set(table.blocks) == set(tiny.all_blocks)
    assert all(cost.latency_ms > 0 for cost in table.blocks.values())
    assert (table.name, table.space, table.seed) == ("mine", "spos-tiny", 5)
    assert table.command.endswith(f"build --device cpu --space spos-tiny --threads 1 --budget 2s --seed 5 -o {path}")
    assert table.conditions == {"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1}
    assert table.device["kind"] == "cpu"
    assert table.device["processor"]
    assert table.versions["torch"] == torch.__version__
    measured = table.measurement
    assert measured.budget_s == 2.0
    assert measured.rounds >= 8
    assert len(table.networks) == 4 * measured.rounds
    summary = done.stdout.splitlines()
    assert summary[0].startswith(f"27 blocks and {len(table.networks)} networks in {measured.rounds} rounds")
    assert f"stopped by {measured.stopped_by}" in summary[0]
    assert summary[-1] == f"wrote {path}"


def test_blocks_inside_networks_add_up_to_them(built: Built, tiny: ChainSpace) -> None:
    table = LookupTable.read(built[0])
    codes, _ = table.network_latencies()
    sums = tiny.additive_table(lambda block: table.blocks[block.key].latency_ms).sum(codes)
    # The quickest runs: where other processes take turns, whole networks are interrupted and single blocks seldom.
    quickest = [min(sample.latency_ms) for sample in table.networks]
    ratios = sorted(ms / total for ms, total in zip(quickest, sums.tolist(), strict=True))
    assert 0.3 < ratios[len(ratios) // 4] < 3
    model = table.cost_model(tiny)
    least, greatest = model.bounds()
    assert 0 < least.value < greatest.value


def test_show_tells_blocks_and_correction(built: Built) -> None:
    result = run("show", str(built[0]))
    assert result.exit_code == 0
    table = LookupTable.read(built[0])
    assert [key for key in table.blocks if key not in result.stdout] == []
    assert "sigma" in result.stdout
    assert "whole networks" in result.stdout
    rows = [line.split("│")[2].strip() for line in result.stdout.splitlines() if line.startswith("│")]
    assert [float(row) for row in rows] == sorted(map(float, rows), reverse=True)


def test_measure_puts_estimates_beside(built: Built, tiny: ChainSpace, tmp_path: Path) -> None:
    entry = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("GlobalAveragePool", ["image"], ["y"])], "g", [entry], [output])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    onnx.save(model, str(tmp_path / "m.onnx"))
    architecture = tiny.architecture([3, 2, 1, 0, 1, 2])
    (tmp_path / "arch.json").write_text(architecture.to_json(), encoding="utf-8")
    files = [str(tmp_path / name) for name in ("m.onnx", "arch.json")]
    out = tmp_path / "deep" / "out.json"
    result = run("measure", *files, "--table", str(built[0]), "--rounds", "4", "-o", str(out))
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert json.loads(out.read_text()) == found
    assert (found["batch"], found["precision"], found["threads"], found["rounds"]) == (1, "fp32", 1, 4)
    by_file = {entry["file"]: entry for entry in found["measured"]}
    assert list(by_file) == sorted(files)
    onnx_model, network = by_file[files[0]], by_file[files[1]]
    assert onnx_model["runtime"] == "onnxruntime"
    assert set(onnx_model) == {"file", "runtime", "latency_ms", "iqr_ms"}
    assert network["runtime"] == "torch"
    cost = LookupTable.read(built[0]).cost_model(tiny)
    assert network["estimate_ms"] == pytest.approx(cost.estimate([architecture])[0], abs=1e-4)
    assert network["sigma_ms"] == pytest.approx(cost.sigma, abs=1e-4)
    assert network["latency_ms"] > onnx_model["latency_ms"] > 0
    assert 0.3 < network["normalised_ms"] / network["estimate_ms"] < 3  # this machine may be busy


def test_measure_without_a_table_gives_no_estimates(tiny: ChainSpace, tmp_path: Path) -> None:
    path = tmp_path / "arch.json"
    path.write_text(tiny.architecture([0] * 6).to_json(), encoding="utf-8")
    result = run("measure", str(path), "--rounds", "3", "--threads", "1", "--batch", "2")
    (entry,) = json.loads(result.stdout)["measured"]
    assert set(entry) == {"file", "runtime", "latency_ms", "iqr_ms"}
    assert json.loads(result.stdout)["table"] is None


BLOCKER = """
import sys
BLOCKED = set("{names}".split())
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
"""
NOT_CORE = (
    "scipy sklearn lightning pytorch_lightning torch_geometric onnx onnxruntime onnxscript matplotlib plotly flask "
    "apiflask pydantic sqlalchemy gunicorn safetensors ray pandas PIL jsonschema tensorboard yaml pymoo psutil "
    "hypothesis pynvml torchmetrics alembic prometheus_client"
)


@pytest.mark.slow
def test_the_core_alone_is_enough(run_profiler: RunProfiler, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BLOCKER.format(names=NOT_CORE))
    search = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])}
    refused = subprocess.run(
        [sys.executable, "-c", "import scipy"], env={**os.environ, **search}, capture_output=True, text=True
    )
    assert "No module named 'scipy'" in refused.stderr
    path = tmp_path / "t.json"
    space = ("--space", "spos-tiny(input_size=16, repeats=(1, 1, 1))")
    done = run_profiler("build", *space, "--threads", "1", "--budget", "0.5s", "-o", str(path), **search)
    assert done.returncode == 0, done.stderr
    assert "sigma" in done.stdout
    assert LookupTable.read(path).space == "spos-tiny(input_size=16, repeats=(1, 1, 1))"
    arch = tmp_path / "arch.json"
    arch.write_text(spaces.get(space[1]).architecture([0, 1, 2]).to_json())
    measured = run_profiler("measure", str(arch), "--table", str(path), "--rounds", "3", **search)
    assert measured.returncode == 0, measured.stderr
    (tmp_path / "m.onnx").write_bytes(b"")
    lacking = run_profiler("measure", str(tmp_path / "m.onnx"), **search)
    assert lacking.returncode == 2
    assert lacking.stderr.startswith("Error: this needs the package onnxruntime, which is not installed: pip install")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build", "--device", "tpu"), "unknown device 'tpu'; there is: cpu"),
        (("build", "--space", "sops"), "unknown space 'sops'; there is: spos"),
        (("build", "--space", "spos(size=3)"), "spos has no parameter 'size'"),
        (("build", "--budget", "soon"), "Invalid value for --budget: 'soon' is no duration; write 60s, 2m or 1h"),
        (("build", "--budget", "-3s"), "Invalid value for --budget: '-3s' is no duration"),
        (("build", "--budget", "0"), "Invalid value for --budget: '0' is no duration"),
        (("build", "--budget", "nan"), "Invalid value for --budget: 'nan' is no duration"),
        (("build", "--budget", ""), "Invalid value for --budget: '' is no duration"),
        (("build", "--batch", "0"), "Invalid value for '--batch': 0"),
        (("build", "--threads", "0"), "Invalid value for '--threads': 0"),
        (("build", "--seed", "-1"), "Invalid value for '--seed': -1"),
        (("build", "--seed", str(2**64)), f"Invalid value for '--seed': {2**64}"),
        (("build", "--precision", "fp8"), "Invalid value for '--precision': 'fp8'"),
        (("show", "nothing-of-that-name"), "unknown table 'nothing-of-that-name'; there is: "),
        (("show", "no.json"), "there is no table at no.json"),
        (("measure",), "Missing argument 'FILES...'"),
        (("measure", "no.json"), "Invalid value for 'FILES...': File 'no.json' does not exist"),
        (("measure", "{broken}"), "{broken}: not JSON"),
        (("measure", "{nonsense}"), "{nonsense}: onnxruntime cannot load it"),
        (("measure", "{arch}", "--table", "no.json"), "there is no table at no.json"),
        (("measure", "{arch}", "--rounds", "2"), "Invalid value for '--rounds': 2"),
        (("measure", "{arch}", "--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, tiny: ChainSpace, arguments: tuple[str, ...], said: str) -> None:
    files = {"broken": tmp_path / "b.json", "nonsense": tmp_path / "n.onnx", "arch": tmp_path / "arch.json"}
    files["broken"].write_text("{")
    files["nonsense"].write_bytes(b"nonsense")
    files["arch"].write_text(tiny.architecture([0] * 6).to_json())
    result = run(*(argument.format(**files) for argument in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"Error: {said.format(**files)}")


def test_a_gpu_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    result = run("build", "--device", "gpu", "--space", "spos-tiny")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: --device gpu: this torch sees no CUDA device here; there is: cpu (")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "value"), [("60s", 60), ("2m", 120), ("1h", 3600), ("45", 45), ("0.5s", 0.5), ("1.5m", 90), ("1e2", 100)]
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["s", "m", "1d", "1 2s", "inf", "infs", "1e400s", "-0s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no duration"):
        seconds(text)


def test_default_names_are_plain() -> None:
    found = table_name("spos-tiny(input_size=16)", "AMD EPYC 7763 64-Core Processor @ 2.4GHz", 8, "bf16", 4)
    assert found == "spos-tiny-input-size-16-amd-epyc-7763-64-core-processor-2-4ghz-b8-bf16-t4"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_blocks_on_cuda_add_up_to_networks(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    space = spaces.get("spos-tiny", input_size=64)
    assert isinstance(space, ChainSpace)
    result = run("build", "--device", "gpu", "--space", space.name, "--batch", "64", "--budget", "5s", "-o", str(path))
    assert result.exit_code == 0, result.output
    table = LookupTable.read(path)
    assert (table.device["kind"], table.conditions["batch"]) == ("cuda", 64)
    assert {"cuda", "cudnn", "torch"} <= set(table.versions)
    assert set(table.blocks) == set(space.all_blocks)
    codes, latencies = table.network_latencies()
    sums = space.additive_table(lambda block: table.blocks[block.key].latency_ms).sum(codes)
    ratios = sorted((latencies / sums).tolist())
    assert 0.5 < ratios[len(ratios) // 2] < 1.5
    model = table.cost_model(space)
    assert model.sigma is not None
    assert model.sigma < 0.2 * sorted(latencies.tolist())[len(latencies) // 2]
