"""Quantised models, and the operators that onnxruntime runs them with."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import spaces
from profiler import Conditions, make_backend
from profiler.backends import onnxruntime_session
from profiler.backends.onnx_quantisation import integer_operators, quantised
from profiler.errors import UnsupportedConditions

CPU = "CPUExecutionProvider"


def convolution() -> bytes:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((8, 3, 3, 3), dtype=np.float32)
    node = helper.make_node("Conv", ["image", "w"], ["y"], pads=[1] * 4)
    ends = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 16, 16]),
    ]
    graph = helper.make_graph(
        [node], "g", ends[:1], ends[1:], [numpy_helper.from_array(weight, "w")]
    )
    proto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


def test_quantised_models_run_on_integers() -> None:
    image = np.random.default_rng(1).standard_normal((1, 3, 16, 16), dtype=np.float32)
    assert integer_operators(convolution(), CPU) == []
    assert integer_operators(quantised(convolution(), [{"image": image}]), CPU) == ["QLinearConv"]


def test_providers_that_run_int8_in_floats_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime_session, "integer_operators", lambda proto, provider: [])
    space = spaces.get("spos-tiny(input_size=16, repeats=(1, 1, 1))")
    backend = make_backend("onnxruntime", Conditions("cpu", precision="int8"))
    with pytest.raises(UnsupportedConditions, match="has no int8 operators"):
        backend.network_runner(space, space.architecture([0, 0, 0]))
