"""The commands of the profiler: what they write, and the bad input that they refuse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import torch

from profiler.backends.torch_eager import CpuRunner
from profiler.instruments.allocator import condition
from spaces import ChainSpace
from tables import LookupTable
from tables.schema import table_schema
from tests.profiler.commands.running import ROOT, Built, RunProfiler, run


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys; from profiler.commands import main\nfor command in ([], ['build'],"
        " ['measure'], ['show'], ['devices'], ['validate'], ['compare']):\n    try: main([*command,"
        " '--help'])\n    except SystemExit as end: assert end.code == 0\nassert not {'torch',"
        " 'scipy', 'onnxruntime', 'rich', 'lightning_fabric'} & set(sys.modules), 'loaded'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Example:\n    python -m profiler ") == 7


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
    assert table.command.endswith(
        f"build --device cpu --space spos-tiny --threads 1 --budget 2s --seed 5 -o {path}"
    )
    affinity = sorted(os.sched_getaffinity(0))
    conditions = {
        "backend": "torch",
        "batch": 1,
        "precision": "fp32",
        "threads": 1,
        "affinity": affinity,
        **condition(),
    }
    assert table.conditions == conditions
    assert table.device["kind"] == "cpu"
    assert table.device["processor"]
    assert table.versions["torch"] == torch.__version__
    measured = table.measurement
    assert measured.budget_s == 2.0
    assert measured.rounds >= 8
    assert len(table.networks) == 4 * measured.rounds
    summary = done.stdout.splitlines()
    assert summary[0].startswith(
        f"27 blocks and {len(table.networks)} networks in {measured.rounds} rounds"
    )
    assert f"stopped by {measured.stopped_by}" in summary[0]
    assert summary[-1] == f"wrote {path}"


def test_blocks_inside_networks_add_up_to_them(built: Built, tiny: ChainSpace) -> None:
    table = LookupTable.read(built[0])
    codes, _ = table.network_latencies()
    sums = tiny.additive_table(lambda block: table.blocks[block.key].latency_ms)(codes)
    # The quickest runs: where other processes take turns, whole networks are interrupted and single
    # blocks seldom.
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
    rows = [
        line.split("│")[2].strip() for line in result.stdout.splitlines() if line.startswith("│")
    ]
    assert [float(row) for row in rows] == sorted(map(float, rows), reverse=True)


def test_an_interrupted_measurement_reports_its_rounds(
    tiny: ChainSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "arch.json"
    path.write_text(tiny.architecture([0] * 6).to_json())
    calls = 0

    def whole(runner: CpuRunner) -> float:
        nonlocal calls
        calls += 1
        # 4 + 30 runs in a round: in the middle of the sixth one.
        if calls == 34 * 5 + 4:
            raise KeyboardInterrupt
        return 1.0

    monkeypatch.setattr("profiler.measurement.warm_up", lambda runner, seconds: 1.0)
    monkeypatch.setattr(CpuRunner, "whole", whole)
    result = run("measure", str(path), "--threads", "1", "-o", str(tmp_path / "out.json"))

    report = json.loads((tmp_path / "out.json").read_text())
    assert result.exit_code == 130
    assert report == json.loads(result.stdout)
    assert (report["rounds"], report["stopped_by"]) == (5, "interrupt")
    assert report["measured"][0]["latency_ms"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build", "--device", "tpu"), "unknown device 'tpu'; available: cpu"),
        (("build", "--space", "sops"), "unknown space 'sops'; available: "),
        (("build", "--space", "spos(size=3)"), "spos has no option 'size'"),
        (
            ("build", "--budget", "soon"),
            "Invalid value for --budget: 'soon' is no duration; write 60s, 2m or 1h",
        ),
        (("build", "--budget", "-3s"), "Invalid value for --budget: '-3s' is no duration"),
        (("build", "--budget", "0"), "Invalid value for --budget: '0' is no duration"),
        (("build", "--budget", "nan"), "Invalid value for --budget: 'nan' is no duration"),
        (("build", "--budget", ""), "Invalid value for --budget: '' is no duration"),
        (("build", "--batch", "0"), "Invalid value for '--batch': 0"),
        (("build", "--threads", "0"), "Invalid value for '--threads': 0"),
        (("build", "--seed", "-1"), "Invalid value for '--seed': -1"),
        (("build", "--seed", str(2**64)), f"Invalid value for '--seed': {2**64}"),
        (("build", "--precision", "fp8"), "Invalid value for '--precision': 'fp8'"),
        (
            ("build", "--batch", "1,x"),
            "Invalid value for '--batch': 'x' is not a valid integer range",
        ),
        (("build", "--batch", "4,4"), "Invalid value for '--batch': '4,4' names a value twice"),
        (("build", "--batch", "1,0"), "Invalid value for '--batch': 0 is not in the range"),
        (
            ("build", "--cores", "4096"),
            "Invalid value for --cores: there is no core 4096; available: ",
        ),
        (("build", "--backend", "tvm"), "unknown backend 'tvm'; available: executorch, litert, nc"),
        (
            ("build", "--precision", "fp32,int8", "--space", "spos-tiny"),
            "torch runs fp32, fp16, bf16, not int8",
        ),
        (
            ("build", "--space", "nasbench-macro", "--resolution", "0"),
            "Invalid value for '--resolution': 0",
        ),
        (("validate", "no.json"), "there is no table at no.json"),
        (("validate", "{arch}", "--networks", "2"), "Invalid value for '--networks': 2"),
        (("compare", "no.json", "no.json"), "there is no table at no.json"),
        (("show", "nothing-of-that-name"), "unknown table 'nothing-of-that-name'; available: "),
        (("show", "no.json"), "there is no table at no.json"),
        (("measure",), "Missing argument 'FILES...'"),
        (("measure", "no.json"), "Invalid value for 'FILES...': File 'no.json' does not exist"),
        (("measure", "{broken}"), "{broken}: '{{' is in no format"),
        (("measure", "{nonsense}"), "{nonsense}: onnxruntime cannot load it"),
        (("measure", "{arch}", "--table", "no.json"), "there is no table at no.json"),
        (("measure", "{arch}", "--rounds", "2"), "Invalid value for '--rounds': 2"),
        (("measure", "{arch}", "--device", "tpu"), "unknown device 'tpu'"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, tiny: ChainSpace, arguments: tuple[str, ...], said: str
) -> None:
    files = {
        "broken": tmp_path / "b.json",
        "nonsense": tmp_path / "n.onnx",
        "arch": tmp_path / "arch.json",
    }
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
    assert result.stderr.startswith(
        "Error: --device gpu: this torch sees no CUDA device here; available: cpu ("
    )
    assert result.stderr.count("\n") == 1
