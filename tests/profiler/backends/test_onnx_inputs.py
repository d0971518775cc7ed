"""The shapes and types that ONNX models are timed with."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from profiler.backends.onnx_inputs import InputSpec
from profiler.backends.onnx_model import OnnxModelRunner
from profiler.errors import InvalidInput
from spaces.errors import InvalidFile

FLOAT = TensorProto.FLOAT
Axes = list[int | str | None]


def model(
    path: Path,
    inputs: dict[str, tuple[int, Axes]],
    metadata: dict[str, str] | None = None,
    operator: str = "Identity",
    **attributes: object,
) -> Path:
    """Write a model of one operator on the first of its inputs."""
    entries = [
        helper.make_tensor_value_info(name, kind, axes) for name, (kind, axes) in inputs.items()
    ]
    first = next(iter(inputs))
    node = helper.make_node(operator, [first], ["y"], **attributes)
    output = helper.make_tensor_value_info("y", inputs[first][0], None)
    graph = helper.make_graph([node], "g", entries, [output])
    proto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    helper.set_model_props(proto, metadata or {})
    onnx.save(proto, str(path))
    return path


def feeds(path: Path, *texts: str, batch: int = 1) -> dict[str, tuple[str, tuple[int, ...]]]:
    specs = [InputSpec.from_text(text) for text in texts]
    runner = OnnxModelRunner(path, threads=1, batch=batch, specs=specs)
    return {name: (value.dtype.name, value.shape) for name, value in runner.feed.items()}


def test_an_open_first_axis_is_the_batch(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", {"x": (FLOAT, ["n", 3, 8, 8])})
    assert feeds(path, batch=5) == {"x": ("float32", (5, 3, 8, 8))}
    fixed = model(tmp_path / "fixed.onnx", {"x": (FLOAT, [2, 3, 8, 8])})
    assert feeds(fixed, batch=5) == {"x": ("float32", (2, 3, 8, 8))}


@pytest.mark.parametrize(
    ("axes", "named"),
    [
        (["n", 3, "height", "width"], "height and width open"),
        ([None, 3, None, None], "axis 2 and axis 3 open"),
        (["steps", "n", 32], r"x \[steps, n, 32\] leaves n open"),
    ],
)
def test_other_open_axes_are_refused_by_name(tmp_path: Path, axes: Axes, named: str) -> None:
    path = model(tmp_path / "m.onnx", {"x": (FLOAT, axes)})
    with pytest.raises(InvalidFile, match=named) as caught:
        OnnxModelRunner(path, threads=1)
    assert str(caught.value).startswith(f"{path}: ")
    assert "--input x:" in str(caught.value)


def test_requested_shapes_are_fed(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", {"x": (FLOAT, ["n", 3, "height", "width"])})
    assert feeds(path, "x:2x3x32x64") == {"x": ("float32", (2, 3, 32, 64))}


def test_the_image_shape_of_the_metadata_is_fed(tmp_path: Path) -> None:
    metadata = {"preprocessing": json.dumps({"input_shape": [3, 24, 32]})}
    path = model(tmp_path / "m.onnx", {"x": (FLOAT, ["n", 3, "h", "w"])}, metadata)
    assert feeds(path, batch=2) == {"x": ("float32", (2, 3, 24, 32))}
    # Metadata of the same name that another program wrote.
    other = {"preprocessing": "resize"}
    path = model(tmp_path / "other.onnx", {"x": (FLOAT, ["n", 3, 4, 4])}, other)
    assert feeds(path) == {"x": ("float32", (1, 3, 4, 4))}


def test_inputs_of_all_types_are_fed(tmp_path: Path) -> None:
    inputs: dict[str, tuple[int, Axes]] = {
        "half": (TensorProto.FLOAT16, ["n", 4]),
        "tokens": (TensorProto.INT64, ["n", "length"]),
        "mask": (TensorProto.BOOL, ["n", "length"]),
    }
    path = model(tmp_path / "m.onnx", inputs)
    expected = {
        "half": ("float16", (3, 4)),
        "tokens": ("int64", (1, 16)),
        "mask": ("bool", (1, 16)),
    }
    assert feeds(path, "tokens:1x16:int64", "mask:1x16", batch=3) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x:1x3x8x8:int64", "is float32, not int64"),
        ("x:1x4x8x8", r"has the shape \[n, 3, h, 8\]"),
        ("x:1x3x8", r"has the shape \[n, 3, h, 8\]"),
    ],
)
def test_requests_that_contradict_the_model_are_refused(
    tmp_path: Path, text: str, named: str
) -> None:
    path = model(tmp_path / "m.onnx", {"x": (FLOAT, ["n", 3, "h", 8])})
    with pytest.raises(InvalidInput, match=named):
        feeds(path, text)


@pytest.mark.parametrize("text", ["x", "x:", ":1x3", "x:1x", "x:1x3:", "x:axb", "1x3"])
def test_texts_that_are_no_input_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"is not NAME:SHAPE|cannot be fed"):
        InputSpec.from_text(text)


def test_names_may_contain_colons() -> None:
    spec = InputSpec.from_text("serving_default:0:1x8:float16")
    assert spec == InputSpec("serving_default:0", (1, 8), "float16")
    assert InputSpec.from_text(str(spec)) == spec


def test_a_model_that_fails_when_it_runs_is_named(tmp_path: Path) -> None:
    # 12 numbers cannot be viewed as 5 x 7, which onnxruntime finds out only when it runs.
    path = model(tmp_path / "m.onnx", {"x": (FLOAT, ["n", 12])}, operator="Reshape")
    proto = onnx.load(str(path))
    proto.graph.node[0].input.append("shape")
    proto.graph.initializer.append(numpy_helper.from_array(np.array([5, 7]), "shape"))
    onnx.save(proto, str(path))
    with pytest.raises(InvalidFile, match=r"m\.onnx: onnxruntime cannot run it with x:1x12:float"):
        OnnxModelRunner(path, threads=1)
