"""`python -m profiler build`: lists of conditions, backends and durations."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest
import torch

import spaces
from profiler.backends.base import Conditions
from profiler.backends.onnxruntime_session import OnnxRuntime, SessionRunner
from profiler.commands.build import _remedy
from profiler.commands.parameters import default_name, seconds
from profiler.commands.plans import sized
from spaces import ChainSpace
from tables import LookupTable
from tests.profiler.commands.running import TINIEST, RunProfiler, run
from tests.steady import steady_table


@pytest.mark.slow
def test_lists_of_conditions_give_a_table_each(tmp_path: Path) -> None:
    out = tmp_path / "mine.json"
    lists = ("--batch", "1,2", "--precision", "fp32,bf16", "--resolution", "16")
    done = run(
        "build",
        "--space",
        "spos-tiny(repeats=(1, 1, 1))",
        *lists,
        "--threads",
        "1",
        "--budget",
        "0.1s",
        "-o",
        str(out),
    )
    assert done.exit_code == 0, done.output
    names = {f"mine-b{batch}-{precision}" for batch in (1, 2) for precision in ("fp32", "bf16")}
    assert {path.stem for path in tmp_path.iterdir()} == names
    for name in names:
        table = LookupTable.read(tmp_path / f"{name}.json")
        batch, precision = int(name[6]), name.partition("-")[2].partition("-")[2]
        assert (table.name, table.space) == (name, TINIEST)
        assert (table.conditions["batch"], table.conditions["precision"]) == (batch, precision)
        memory = [cost.activation_bytes for cost in table.blocks.values()]
        assert None not in memory


@pytest.mark.slow
def test_resolutions_are_spaces_of_their_own(tmp_path: Path) -> None:
    arguments = (
        "--resolution",
        "16,32",
        "--threads",
        "1",
        "--budget",
        "0.1s",
        "-o",
        str(tmp_path / "t.json"),
    )
    done = run("build", "--space", "spos-tiny(repeats=(1, 1, 1))", *arguments)
    assert done.exit_code == 0, done.output
    found = {path.stem: LookupTable.read(path).space for path in tmp_path.iterdir()}
    assert found == {"t-r16": TINIEST, "t-r32": "spos-tiny(repeats=(1, 1, 1))"}


def test_a_space_with_elastic_resolution_is_fixed_to_each() -> None:
    assert (
        sized("ofa-mobilenetv3(width=1.2)", 160).name
        == "ofa-mobilenetv3(resolutions=(160,), width=1.2)"
    )
    assert sized("spos", 160).name == "spos(input_size=160)"


@pytest.mark.parametrize("precision", ["fp32", pytest.param("int8", marks=pytest.mark.slow)])
def test_onnxruntime_tables_are_built_and_measured_with(tmp_path: Path, precision: str) -> None:
    path, arch = tmp_path / "t.json", tmp_path / "arch.json"
    conditions = (
        "--backend",
        "onnxruntime",
        "--precision",
        precision,
        "--threads",
        "1",
        "--budget",
        "0.3s",
    )
    done = run("build", "--space", TINIEST, *conditions, "-o", str(path))
    assert done.exit_code == 0, done.output
    table = LookupTable.read(path)
    assert (table.conditions["backend"], table.conditions["precision"]) == (
        "onnxruntime",
        precision,
    )
    assert {"onnx", "onnxruntime"} <= set(table.versions)
    assert table.measured.blocks == "solved"
    space = spaces.get(TINIEST)
    architecture = space.architecture([0, 1, 2])
    arch.write_text(architecture.to_json())
    runner = OnnxRuntime(Conditions("cpu")).network_runner(space, architecture)
    assert isinstance(runner, SessionRunner)
    found = json.loads(run("measure", str(arch), "--table", str(path), "--rounds", "4").stdout)[
        "measured"
    ][0]
    assert found["runtime"] == "onnxruntime"
    assert 0.2 < found["normalised_ms"] / found["estimate_ms"] < 5  # this machine may be busy


def test_cores_are_fixed_and_recorded(run_profiler: RunProfiler, tmp_path: Path) -> None:
    path, core = tmp_path / "t.json", min(os.sched_getaffinity(0))
    done = run_profiler(
        "build", "--space", TINIEST, "--cores", str(core), "--budget", "0.1s", "-o", str(path)
    )
    assert done.returncode == 0, done.stderr
    found = LookupTable.read(path)
    assert found.conditions["affinity"] == [core]
    assert found.conditions["threads"] == found.device["cores"] == 1


def test_short_budgets_and_many_threads_are_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    threads = len(os.sched_getaffinity(0)) + 1
    arguments = ("--budget", "0.001s", "--threads", str(threads), "-o", str(path))
    done = run("build", "--space", TINIEST, *arguments)
    assert done.exit_code == 0, done.stderr
    assert f"Warning: {threads} threads share {threads - 1} core" in done.stderr
    assert "a table needs at least 8 rounds" in done.stdout
    assert LookupTable.read(path).measured.rounds == 8


def test_table_with_large_errors_is_pointed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package has the command by the module's name.
    module = sys.modules["profiler.commands.build"]
    monkeypatch.setattr(module, "_LARGEST_ERROR", 0.0)
    result = run("build", "--space", TINIEST, "--budget", "0.1s", "-o", str(tmp_path / "t.json"))

    printed = " ".join(result.output.split())
    assert "estimates of networks that were left out of the fit are off by" in printed
    assert "that is more than 0%, and searches keep a margin of 1.64 sigma" in printed
    assert "--budget 0.2s measures more networks" in printed


@pytest.mark.parametrize(
    ("stopped_by", "remedy"),
    [
        ("precision", "while nothing else runs"),
        ("interrupt", "its whole budget"),
        ("budget", "--budget 120s measures more networks"),
    ],
)
def test_remedy_is_what_the_build_lacked(stopped_by: str, remedy: str) -> None:
    measured = steady_table(spaces.get("spos-tiny")).measured
    assert remedy in _remedy(replace(measured, stopped_by=stopped_by, budget_s=60.0))


def test_a_table_is_handed_to_a_service_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    arguments = (
        "--threads",
        "1",
        "--budget",
        "0.1s",
        "--upload",
        "http://127.0.0.1:9",
        "-o",
        str(path),
    )
    done = run("build", "--space", TINIEST, *arguments)
    assert done.exit_code == 2
    assert "cannot reach http://127.0.0.1:9/tables" in done.stderr
    assert LookupTable.read(path).space == TINIEST  # what was measured is not lost


@pytest.mark.parametrize(
    ("text", "value"),
    [("60s", 60), ("2m", 120), ("1h", 3600), ("45", 45), ("0.5s", 0.5), ("1.5m", 90), ("1e2", 100)],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["s", "m", "1d", "1 2s", "inf", "infs", "1e400s", "-0s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no duration"):
        seconds(text)


def test_default_names_are_plain() -> None:
    found = default_name(
        "spos-tiny(input_size=16)",
        "AMD EPYC 7763 64-Core Processor @ 2.4GHz",
        "torch",
        8,
        "bf16",
        4,
    )
    assert found == "spos-tiny-input-size-16-amd-epyc-7763-64-core-processor-2-4ghz-b8-bf16-t4"
    assert (
        default_name("spos", "cpu", "onnxruntime", 1, "int8", 2)
        == "spos-cpu-onnxruntime-b1-int8-t2"
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_blocks_on_cuda_add_up_to_networks(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    space = spaces.get("spos-tiny", input_size=64)
    assert isinstance(space, ChainSpace)
    result = run(
        "build",
        "--device",
        "gpu",
        "--space",
        space.name,
        "--batch",
        "64",
        "--budget",
        "5s",
        "-o",
        str(path),
    )
    assert result.exit_code == 0, result.output
    table = LookupTable.read(path)
    assert (table.device["kind"], table.conditions["batch"]) == ("cuda", 64)
    assert {"cuda", "cudnn", "torch"} <= set(table.versions)
    assert set(table.blocks) == set(space.all_blocks)
    codes, latencies = table.network_latencies()
    sums = space.additive_table(lambda block: table.blocks[block.key].latency_ms)(codes)
    ratios = sorted((latencies / sums).tolist())
    assert 0.5 < ratios[len(ratios) // 2] < 1.5
    model = table.cost_model(space)
    assert model.sigma is not None
    assert model.sigma < 0.2 * sorted(latencies.tolist())[len(latencies) // 2]
