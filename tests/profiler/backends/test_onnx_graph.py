"""ONNX models written from descriptions compute, and are optimised to, what torch's export
gives.
"""

import collections
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import spaces
from profiler.backends.base import Conditions
from profiler.backends.onnx_chain import OPSET, model
from profiler.backends.onnx_graph import fragment
from profiler.backends.onnx_model import session_options
from profiler.backends.onnx_quantisation import quantised
from profiler.backends.onnxruntime_session import OnnxRuntime, SessionRunner
from profiler.backends.torch_eager import CpuRunner, TorchEager, unit_variance
from spaces import Block, ChainSpace
from spaces.modules.blocks import build
from spaces.modules.network import materialise

BLOCKS = [
    "conv k3 s2 relu 3x8x8 -> 4x4x4",
    "conv k1 s1 hswish 4x8x8 -> 6x8x8",
    "conv_act k1 s1 hswish 4x1x1 -> 6x1x1",
    "shuffle k5 m4 s1 relu 8x8x8 -> 8x8x8",
    "shuffle k3 m4 s2 relu 4x8x8 -> 12x4x4",
    "xception k3 m4 s1 relu 8x8x8 -> 8x8x8",
    "xception k3 m4 s2 relu 4x8x8 -> 12x4x4",
    "mbconv k5 e3 s1 relu6 skip 4x8x8 -> 4x8x8",
    "mbconv k3 e4 s2 hswish se 4x8x8 -> 6x4x4",
    "mbconv k3 e1 s1 relu 4x8x8 -> 6x8x8",
    "fbnet k3 e2 g2 s1 relu skip 4x8x8 -> 4x8x8",
    "relu_conv k3 s1 4x8x8 -> 6x8x8",
    "sep_conv k3 s2 4x8x8 -> 4x4x4",
    "dil_conv k5 d2 s1 4x8x8 -> 4x8x8",
    "factorized_reduce s2 4x8x8 -> 6x4x4",
    "residual_reduce s2 4x8x8 -> 8x4x4",
    "residual_basic k3 s1 4x8x8 -> 4x8x8",
    "residual_basic k3 s2 4x8x8 -> 6x4x4",
    "residual_bottleneck k3 m4 g2 s2 4x8x8 -> 8x4x4",
    "avg_pool k3 s1 4x8x8 -> 4x8x8",
    "max_pool k3 s2 4x8x8 -> 4x4x4",
    "global_pool 4x8x8 -> 4x1x1",
    "mbconv k3 m6 s2 relu6 4x8x8 -> 6x4x4",
    "predictor k3 s1 relu6 4x8x8 -> 18x8x8",
    "separable k5 s2 relu6 4x7x7 -> 4x4x4",
    "conv_bias k1 s1 4x8x8 -> 6x8x8",
    "resize_nearest 4x3x3 -> 4x10x10",
    "resize_bilinear 4x5x5 -> 4x16x16",
    "weighted_sum 12x8x8 -> 4x8x8",
    "gated_conv k1 s1 relu 4x8x8 -> 6x8x8",
    "classifier 4x8x8 -> 10",
    "linear 4x8x8 -> 10",
]


def random_module(block: Block, seed: int = 0) -> torch.nn.Module:
    """The block's module; batch normalisation has statistics as after training."""
    generator = torch.Generator().manual_seed(seed)
    module = materialise(lambda: build(block), unit_variance, generator).eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.uniform_(-0.5, 0.5, generator=generator)
            part.running_var.uniform_(0.5, 2.0, generator=generator)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
            torch.nn.init.uniform_(part.bias, -0.5, 0.5, generator=generator)
    return module


@pytest.mark.parametrize("key", BLOCKS)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_block_computes_what_torch_computes(key: str, batch: int) -> None:
    block = Block.from_key(key)
    module = random_module(block)
    tail = Block("linear", block.output, (5,)) if len(block.output) == 3 else None
    parts = [("b0", fragment(block, module, "b0"))]
    modules = [module]
    if tail is not None:
        modules.append(random_module(tail, 1))
        parts.append(("b1", fragment(tail, modules[-1], "b1")))
    proto = model(parts, batch, block.input, 5 if tail is not None else block.output[0])
    onnx.checker.check_model(proto)
    image = torch.randn(batch, *block.input, generator=torch.Generator().manual_seed(2))
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"image": image.numpy()})
    with torch.inference_mode():
        expected = torch.nn.Sequential(*modules)(image).numpy()
    assert np.asarray(found) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        "spos-tiny",
        "proxylessnas-tiny",
        "ofa-mobilenetv3(resolutions=(32,), width=0.35, num_classes=10)",
    ],
)
def test_networks_of_both_runtimes_agree(name: str) -> None:
    space = spaces.get(name)
    assert isinstance(space, ChainSpace)
    runtime, eager = OnnxRuntime(Conditions("cpu", seed=4)), TorchEager("cpu", seed=4)
    for architecture in space.decode(space.sample(np.random.default_rng(0), 3)):
        runner, other = (
            runtime.network_runner(space, architecture),
            eager.network_runner(space, architecture),
        )
        assert isinstance(runner, SessionRunner)
        assert isinstance(other, CpuRunner)
        (found,) = runner.session.run(None, runner.feed)
        x = torch.from_numpy(runner.feed["image"])
        with torch.inference_mode():
            for module in other.modules:
                x = module(x)
        assert np.asarray(found) == pytest.approx(
            x.numpy(), rel=1e-3, abs=1e-3 * float(x.abs().max())
        )
        assert runner.whole() > 0


def operations(path: Path, source: bytes | str) -> collections.Counter[tuple[str, str]]:
    """What onnxruntime makes of a model."""
    options = session_options(1)
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return collections.Counter(
        (node.domain, node.op_type) for node in onnx.load(str(path)).graph.node
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spos-tiny", "proxylessnas-tiny"])
def test_the_runtime_optimises_both_to_the_same(tmp_path: Path, name: str) -> None:
    space = spaces.get(name)
    assert isinstance(space, ChainSpace)
    architecture = space.decode(space.sample(np.random.default_rng(1), 1))[0]
    network = space.network(architecture).eval()
    with torch.no_grad():
        unit_variance(network, torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape = (1, *space.input_shape)
        program = torch.onnx.export(
            network, (torch.zeros(shape),), opset_version=OPSET, dynamo=True, verbose=False
        )
    assert program is not None
    program.save(str(tmp_path / "exported.onnx"))
    parts = [
        (f"b{place}", fragment(block, random_module(block), f"b{place}"))
        for place, block in enumerate(space.blocks(architecture))
    ]
    written = model(parts, 1, space.input_shape, space.num_classes).SerializeToString()
    exported = operations(tmp_path / "a.onnx", str(tmp_path / "exported.onnx"))
    assert operations(tmp_path / "b.onnx", written) == exported


def test_int8_computes_nearly_the_same_in_integers(tmp_path: Path) -> None:
    space = spaces.get("spos-tiny")
    assert isinstance(space, ChainSpace)
    architecture = space.architecture([0, 1, 2, 3, 0, 1])
    plain = OnnxRuntime(Conditions("cpu")).network_runner(space, architecture)
    small = OnnxRuntime(Conditions("cpu", precision="int8")).network_runner(space, architecture)
    assert isinstance(plain, SessionRunner)
    assert isinstance(small, SessionRunner)
    expected, found = (
        np.asarray(runner.session.run(None, runner.feed)[0]) for runner in (plain, small)
    )
    assert np.abs(found - expected).max() < 0.25 * np.abs(expected).max()
    assert not np.array_equal(found, expected)
    parts = [
        (f"b{place}", fragment(block, random_module(block), f"b{place}"))
        for place, block in enumerate(space.blocks(architecture))
    ]
    proto = model(parts, 1, space.input_shape, space.num_classes).SerializeToString()
    kinds = operations(tmp_path / "int8.onnx", quantised(proto, [plain.feed]))
    assert (
        sum(count for (_, kind), count in kinds.items() if kind in ("QLinearConv", "ConvInteger"))
        > 5
    )
