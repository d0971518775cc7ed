"""Backends: what is timed is what the space builds."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import spaces
from profiler.backends.base import Renews
from profiler.backends.onnx_model import OnnxModelRunner
from profiler.backends.torch_eager import CpuRunner, TorchEager
from spaces import ChainSpace
from spaces.errors import InvalidFile


def test_a_network_has_a_time_for_every_block(tiny: ChainSpace) -> None:
    backend = TorchEager("cpu", batch=2)
    blocks = tiny.blocks(tiny.architecture([0, 1, 2, 3, 0, 1]))
    runner = backend.runner(blocks)
    times = runner.blocks()
    assert len(times) == len(blocks) == 9
    assert min(times) > 0
    assert runner.whole() > 0
    assert set(backend.versions()) == {"python", "torch"}


def test_runners_execute_the_blocks_on_the_batch(tiny: ChainSpace) -> None:
    blocks = tiny.blocks(tiny.architecture([3, 3, 0, 0, 1, 1]))
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        runner = TorchEager("cpu", batch=3, precision=precision).runner(blocks)
        assert isinstance(runner, CpuRunner)
        x = runner.image
        assert (x.shape, x.dtype) == ((3, 3, 32, 32), dtype)
        with torch.inference_mode():
            for block, module in zip(blocks, runner.modules, strict=True):
                x = module(x)
                assert x.shape[1:] == block.output
        assert x.dtype == dtype
        assert not any(module.training for module in runner.modules)


def test_activations_keep_their_size(tiny: ChainSpace) -> None:
    """Weights of a release's initialisation would shrink them to denormal numbers, which are slow
    to multiply.
    """
    for codes in ([0] * 20, [3] * 20):
        space = spaces.get("spos", input_size=64)
        runner = TorchEager("cpu").runner(space.blocks(space.architecture(codes)))
        assert isinstance(runner, CpuRunner)
        x = runner.image
        with torch.inference_mode():
            for module in runner.modules:
                x = module(x)
                assert 1e-3 < x.std() < 1e6


def test_networks_share_their_modules_by_place(tiny: ChainSpace) -> None:
    backend = TorchEager("cpu")
    one, other = (
        backend.runner(tiny.blocks(tiny.architecture(codes)))
        for codes in ([0] * 6, [0, 0, 0, 1, 0, 0])
    )
    assert isinstance(one, CpuRunner)
    assert isinstance(other, CpuRunner)
    shared = [module is again for module, again in zip(one.modules, other.modules, strict=True)]
    assert shared == [True] * 4 + [False] + [True] * 4
    assert (
        len({id(module) for module in one.modules}) == 9
    )  # equal blocks in two places have weights of their own


def test_renewed_networks_have_equal_weights_elsewhere_in_memory(tiny: ChainSpace) -> None:
    backend, blocks = TorchEager("cpu", seed=3), tiny.blocks(tiny.architecture([1] * 6))
    assert isinstance(backend, Renews)
    before = backend.runner(blocks)
    backend.renew()
    after = backend.runner(blocks)
    assert isinstance(before, CpuRunner)
    assert isinstance(after, CpuRunner)
    for module, again in zip(before.modules, after.modules, strict=True):
        for weight, other in zip(module.parameters(), again.parameters(), strict=True):
            assert torch.equal(weight, other)
            assert weight.data_ptr() != other.data_ptr()


def test_the_seed_gives_weights_and_input(tiny: ChainSpace) -> None:
    def logits(seed: int) -> torch.Tensor:
        runner = TorchEager("cpu", seed=seed).runner(tiny.blocks(tiny.architecture([2] * 6)))
        assert isinstance(runner, CpuRunner)
        x = runner.image
        with torch.inference_mode():
            for module in runner.modules:
                x = module(x)
        return x

    before = torch.get_rng_state()
    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))
    assert torch.equal(torch.get_rng_state(), before)


def pooling(
    path: Path, batch: str | int = "n", kind: int = TensorProto.FLOAT, inputs: int = 1
) -> Path:
    """A model that averages images of 3x8x8."""
    entries = [
        helper.make_tensor_value_info(f"x{index}", kind, [batch, 3, 8, 8])
        for index in range(inputs)
    ]
    node = helper.make_node(
        "Identity" if kind != TensorProto.FLOAT else "GlobalAveragePool", ["x0"], ["y"]
    )
    output = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph([node], "g", entries, [output])
    onnx.save(
        helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]),
        str(path),
    )
    return path


def test_an_onnx_model_runs_at_the_batch(tmp_path: Path) -> None:
    runner = OnnxModelRunner(pooling(tmp_path / "m.onnx"), threads=1, batch=5, seed=1)
    assert {name: image.shape for name, image in runner.feed.items()} == {"x0": (5, 3, 8, 8)}
    assert runner.whole() > 0
    assert len(runner.blocks()) == 1
    (found,) = runner.session.run(None, runner.feed)
    assert np.asarray(found) == pytest.approx(
        runner.feed["x0"].mean((2, 3), keepdims=True), abs=1e-6
    )
    fixed = OnnxModelRunner(pooling(tmp_path / "fixed.onnx", batch=2), threads=1, batch=5)
    assert fixed.feed["x0"].shape == (2, 3, 8, 8)


def test_files_that_are_no_models_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(InvalidFile, match=r"there is no model at .*m\.onnx"):
        OnnxModelRunner(path, threads=1)
    path.write_bytes(b"nonsense")
    with pytest.raises(InvalidFile, match=r"m\.onnx: onnxruntime cannot load it: [^\n]+$"):
        OnnxModelRunner(path, threads=1)
