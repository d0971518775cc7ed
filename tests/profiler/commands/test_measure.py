"""`python -m profiler measure`."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import spaces
from profiler.backends.onnx_chain import model as onnx_model
from profiler.backends.onnx_graph import fragment
from profiler.backends.torch_eager import unit_variance
from spaces import ChainSpace
from spaces.modules.blocks import build
from spaces.modules.network import materialise
from tables import LookupTable
from tables.importing.importer import import_table
from tests.profiler.commands.running import TINIEST, Built, run


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
