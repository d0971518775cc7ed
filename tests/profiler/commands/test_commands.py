"""`python -m profiler` on this processor."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

import click
import jsonschema
import onnx
import pytest
import torch
from click.testing import CliRunner, Result
from onnx import TensorProto, helper
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import spaces
from profiler.backends.base import Conditions
from profiler.backends.onnx_graph import fragment
from profiler.backends.onnx_graph import model as onnx_model
from profiler.backends.onnxruntime_session import OnnxRuntime, SessionRunner
from profiler.backends.torch_eager import CpuRunner, unit_variance
from profiler.commands import main
from profiler.commands.build import sized
from profiler.commands.parameters import default_name, seconds
from profiler.instruments.allocator import condition
from spaces import ChainSpace
from spaces.modules.blocks import build
from spaces.modules.network import materialise
from tables import LookupTable
from tables.importing.importer import import_table
from tables.schema import table_schema

ROOT = Path(__file__).resolve().parents[3]
Built = tuple[Path, "subprocess.CompletedProcess[str]"]
RunProfiler = Callable[..., "subprocess.CompletedProcess[str]"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys; from profiler.commands import main\nfor command in ([], ['build'],"
        " ['measure'], ['show'], ['devices'], ['validate'], ['compare']):\n    try: main([*command,"
        " '--help'])\n    except SystemExit as end: assert end.code == 0\nassert not {'torch',"
        " 'scipy', 'onnxruntime', 'rich', 'lightning'} & set(sys.modules), 'loaded'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
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


def test_measure_puts_estimates_beside(built: Built, tiny: ChainSpace, tmp_path: Path) -> None:
    entry = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["image"], ["y"])], "g", [entry], [output]
    )
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
    assert (found["batch"], found["precision"], found["threads"], found["rounds"]) == (
        1,
        "fp32",
        1,
        4,
    )
    by_file = {entry["file"]: entry for entry in found["measured"]}
    assert list(by_file) == sorted(files)
    onnx_model, network = by_file[files[0]], by_file[files[1]]
    assert onnx_model["runtime"] == "onnxruntime"
    assert set(onnx_model) == {"file", "runtime", "inputs", "latency_ms", "iqr_ms"}
    assert onnx_model["inputs"] == ["image:1x3x8x8:float32"]
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


def test_an_interrupted_measurement_reports_its_rounds(
    tiny: ChainSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "arch.json"
    path.write_text(tiny.architecture([0] * 6).to_json())
    calls = 0

    def whole(runner: CpuRunner) -> float:
        nonlocal calls
        calls += 1
        # 2 + 12 runs in a round: in the middle of the sixth one.
        if calls == 14 * 5 + 4:
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


def test_measure_reads_an_architecture_of_a_search_result(tiny: ChainSpace, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    best = [{"architecture": tiny.architecture([code] * 6).to_dict()} for code in (0, 3)]
    path.write_text(json.dumps({"format": "pathfit-search-result", "best": best}))
    arguments = (str(path), "--rounds", "3", "--threads", "1")
    result = run("measure", *arguments, "--index", "1")
    assert result.exit_code == 0, result.stderr
    (entry,) = json.loads(result.stdout)["measured"]
    assert entry["file"] == str(path)
    beyond = run("measure", *arguments, "--index", "2")
    assert beyond.exit_code == 2
    assert "holds 2 architectures, counted from 0, and no 2" in beyond.stderr


def test_measure_gives_the_estimates_of_an_imported_table(tiny: ChainSpace, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("".join(f"{key},1.0\n" for key in tiny.all_blocks))
    table = import_table(
        [rows],
        tiny,
        name="imported",
        processor="phone",
        conditions={"backend": "tflite", "batch": 1, "precision": "fp32", "threads": 1},
        command="tables import",
    ).table
    table.save(tmp_path / "imported.json")
    path = tmp_path / "arch.json"
    architecture = tiny.architecture([0] * 6)
    path.write_text(architecture.to_json(), encoding="utf-8")
    arguments = (str(path), "--table", str(tmp_path / "imported.json"), "--rounds", "3")
    result = run("measure", *arguments, "--threads", "1")
    assert result.exit_code == 0, result.stderr
    (entry,) = json.loads(result.stdout)["measured"]
    assert entry["estimate_ms"] == len(tiny.blocks(architecture))
    assert "normalised_ms" not in entry


def test_measure_reads_onnx_models_of_any_case(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in "xy"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    path = tmp_path / "M.ONNX"
    onnx.save(model, str(path), format="protobuf")
    result = run("measure", str(path), "--threads", "1", "--rounds", "3")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["precision"] is None
    refused = run("measure", str(path), "--precision", "bf16")
    assert refused.exit_code == 2
    assert "--precision is for architectures" in refused.stderr


CORE = ("torch", "numpy", "click", "rich")


def required(names: Iterable[str]) -> dict[str, metadata.Distribution]:
    """The installed distributions of these names and of all that they require here."""
    found: dict[str, metadata.Distribution] = {}
    open_ = list(names)
    while open_:
        name = canonicalize_name(open_.pop())
        if name not in found:
            found[name] = metadata.distribution(name)
            needs = [Requirement(text) for text in found[name].requires or []]
            open_ += [
                need.name
                for need in needs
                if need.marker is None or need.marker.evaluate({"extra": ""})
            ]
    return found


@pytest.fixture(scope="module")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of a virtual environment with the core's packages and what these require (links),
    and no other.
    """
    folder = tmp_path_factory.mktemp("core") / "venv"
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for distribution in required(CORE).values():
        tops = {
            Path(file).parts[0] for file in distribution.files or [] if ".." not in Path(file).parts
        }
        for top in tops - {"__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))))
    (site / "pathfit.pth").write_text(f"{ROOT}\n")
    python = str(folder / "bin" / "python")
    listed = "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
    there = subprocess.run(
        [python, "-c", listed], capture_output=True, text=True, check=True, cwd=folder
    ).stdout
    assert set(CORE) <= {name.lower() for name in there.split()}
    assert not {"scipy", "pyyaml", "onnxruntime", "hypothesis", "scikit-learn"} & {
        n.lower() for n in there.split()
    }
    return python


@pytest.mark.slow
def test_the_core_alone_is_enough(
    run_profiler: RunProfiler, tmp_path: Path, core_only: str
) -> None:
    path, arch = tmp_path / "t.json", tmp_path / "arch.json"
    space = ("--space", "spos-tiny(input_size=16, repeats=(1, 1, 1))")
    done = run_profiler(
        "build", *space, "--threads", "1", "--budget", "0.5s", "-o", str(path), python=core_only
    )
    assert done.returncode == 0, done.stderr
    assert "sigma" in done.stdout
    assert LookupTable.read(path).space == "spos-tiny(input_size=16, repeats=(1, 1, 1))"
    arch.write_text(spaces.get(space[1]).architecture([0, 1, 2]).to_json())
    for arguments in (
        ("measure", str(arch), "--table", str(path), "--rounds", "3"),
        ("show", str(path)),
        ("devices",),
    ):
        done = run_profiler(*arguments, python=core_only)
        assert done.returncode == 0, done.stderr
    command = [core_only, "-m", "tables", "estimate", str(arch), "--table", str(path)]
    estimate = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert estimate.returncode == 0, estimate.stderr
    assert json.loads(estimate.stdout)["sigma_ms"] > 0


@pytest.mark.slow
def test_what_needs_more_names_it(
    run_profiler: RunProfiler, tmp_path: Path, core_only: str, built: Built
) -> None:
    (tmp_path / "m.onnx").write_bytes(b"")
    table, png = str(built[0]), str(tmp_path / "plot.png")
    for package, arguments in (
        ("onnxruntime", ("measure", str(tmp_path / "m.onnx"))),
        ("onnx", ("build", "--backend", "onnxruntime", "--space", "spos-tiny", "--budget", "1s")),
        ("scipy", ("validate", table, "--networks", "5")),
        ("matplotlib", ("show", table, "--plot", png)),
    ):
        lacking = run_profiler(*arguments, python=core_only)
        assert lacking.returncode == 2, lacking.stderr
        assert lacking.stderr.startswith(
            f"Error: this needs the package {package}, which is not installed: pip install"
        )
        assert lacking.stderr.count("\n") == 1


TINIEST = "spos-tiny(input_size=16, repeats=(1, 1, 1))"


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


def test_an_exported_model_stands_beside_its_estimate(tmp_path: Path) -> None:
    """The metadata that `oneshot export` writes names the architecture."""
    table, model = tmp_path / "t.json", tmp_path / "m.onnx"
    conditions = ("--backend", "onnxruntime", "--threads", "1", "--budget", "0.3s")
    assert run("build", "--space", TINIEST, *conditions, "-o", str(table)).exit_code == 0
    space = spaces.get(TINIEST)
    assert isinstance(space, ChainSpace)
    architecture = space.architecture([2, 1, 0])
    parts = []
    for place, block in enumerate(space.blocks(architecture)):
        module = materialise(lambda block=block: build(block), unit_variance, None)  # type: ignore[misc]
        parts.append((f"b{place}", fragment(block, module.eval(), f"b{place}")))
    proto = onnx_model(parts, 1, space.input_shape, 10)
    entry = proto.metadata_props.add()
    entry.key, entry.value = "architecture", architecture.to_json()
    model.write_bytes(proto.SerializeToString())
    found = json.loads(run("measure", str(model), "--table", str(table), "--rounds", "4").stdout)[
        "measured"
    ][0]
    cost = LookupTable.read(table).cost_model(space)
    assert found["estimate_ms"] == pytest.approx(cost.estimate([architecture])[0], abs=1e-4)
    assert 0.2 < found["normalised_ms"] / found["estimate_ms"] < 5


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
        (("build", "--backend", "tvm"), "unknown backend 'tvm'; available: onnxruntime, torch"),
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
