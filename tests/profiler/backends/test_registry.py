"""Backends by name, plug-ins among them."""

import importlib.metadata
from collections.abc import Iterator

import pytest

import spaces
from profiler.backends import registry
from profiler.backends.base import Conditions
from profiler.backends.onnxruntime_session import OnnxRuntime
from profiler.backends.torch_compile import TorchCompile
from profiler.backends.torch_eager import TorchEager
from profiler.errors import InvalidBackend, UnsupportedConditions
from spaces.errors import UnknownName


class Outside:
    """A backend that someone else wrote."""

    name = "outside"
    times_blocks = True

    def __init__(self, conditions: Conditions):
        self.conditions = conditions


NOT_CALLABLE = 3


def points(*pairs: tuple[str, str]) -> list[importlib.metadata.EntryPoint]:
    group = registry.BACKENDS.group or ""
    return [importlib.metadata.EntryPoint(name, value, group) for name, value in pairs]


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three plug-ins: one works, one's module is missing, one is a number."""
    given = points(
        ("outside", f"{__name__}:Outside"),
        ("gone", "no_such_module:Backend"),
        ("three", f"{__name__}:NOT"),
    )

    def load(point: importlib.metadata.EntryPoint) -> object:
        if point.name == "gone":
            raise ModuleNotFoundError("No module named 'no_such_module'", name="no_such_module")
        return Outside if point.name == "outside" else NOT_CALLABLE

    monkeypatch.setattr(importlib.metadata.EntryPoint, "load", load)
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group: given if group == registry.BACKENDS.group else [],
    )
    with registry.BACKENDS.preserved():
        yield


def test_built_in_backends_are_made() -> None:
    kinds = {"torch": TorchEager, "torch-channels-last": TorchEager, "torch-compile": TorchCompile}
    for name, kind in {**kinds, "onnxruntime": OnnxRuntime}.items():
        backend = registry.make_backend(name, Conditions("cpu"))
        assert isinstance(backend, kind)
        assert backend.name == name
    assert {*kinds, "onnxruntime"} <= set(registry.available())


@pytest.mark.usefixtures("plugged")
def test_plug_ins_are_found() -> None:
    conditions = Conditions("cpu", batch=3)
    found = registry.make_backend("outside", conditions)
    assert isinstance(found, Outside)
    assert found.conditions == conditions
    assert "outside" in registry.available()


@pytest.mark.usefixtures("plugged")
def test_plug_ins_that_fail_are_named() -> None:
    with pytest.raises(
        InvalidBackend,
        match="the backend 'gone' of no_such_module:Backend cannot be loaded: No module",
    ):
        registry.factory("gone")
    with pytest.raises(InvalidBackend, match="the backend 'three' is 3, which cannot be called"):
        registry.factory("three")
    with pytest.raises(
        UnknownName,
        match="unknown backend 'tensorrt'; available: executorch, gone, litert, ncnn, onnx",
    ):
        registry.factory("tensorrt")


@pytest.mark.parametrize(
    ("name", "conditions", "said"),
    [
        (
            "torch",
            Conditions("cpu", precision="int8"),
            "torch runs fp32, fp16, bf16, not int8; int8 needs onnxruntime",
        ),
        (
            "onnxruntime",
            Conditions("cpu", precision="bf16"),
            "onnxruntime runs fp32, int8 here, not bf16",
        ),
        (
            "onnxruntime",
            Conditions("cuda:0"),
            "this onnxruntime has no CUDAExecutionProvider; it has ",
        ),
        (
            "onnxruntime-cuda",
            Conditions("cpu"),
            "onnxruntime-cuda needs a CUDA device, not cpu",
        ),
        (
            "onnxruntime-tensorrt",
            Conditions("cpu"),
            "onnxruntime-tensorrt needs a CUDA device, not cpu",
        ),
        (
            "onnxruntime-tensorrt",
            Conditions("cuda:0", precision="int8"),
            "onnxruntime-tensorrt runs fp32 here, not int8",
        ),
        ("torch-cuda-graphs", Conditions("cpu"), "torch-cuda-graphs needs a CUDA device, not cpu"),
    ],
)
def test_conditions_that_cannot_be_met_are_named(
    name: str, conditions: Conditions, said: str
) -> None:
    with pytest.raises(UnsupportedConditions) as caught:
        registry.make_backend(name, conditions)
    assert str(caught.value).startswith(said)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["onnxruntime-cuda", "onnxruntime-tensorrt"])
def test_gpu_providers_run_a_network(name: str) -> None:
    try:
        backend = registry.make_backend(name, Conditions("cuda:0"))
    except UnsupportedConditions as error:
        pytest.skip(str(error))
    space = spaces.get("spos-tiny")
    runner = backend.network_runner(space, space.architecture([0] * len(space.choices)))
    assert backend.name == name
    assert runner.whole() > 0


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("onnxruntime-cuda", "CUDAExecutionProvider"),
        ("onnxruntime-tensorrt", "TensorrtExecutionProvider"),
    ],
)
def test_gpu_providers_that_onnxruntime_lacks_are_named(
    name: str, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(UnsupportedConditions, match=f"this onnxruntime has no {provider}; it has"):
        registry.make_backend(name, Conditions("cuda:0"))
