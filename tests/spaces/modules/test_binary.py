"""Binary convolutions: signs, their scales and the gradients that pass through them."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spaces import Block
from spaces.errors import UnknownName
from spaces.modules.binary import BinaryConv2d, sign
from spaces.modules.blocks import build
from spaces.operators.layers import BinaryConv

SCALES = ("none", "tensor", "channel")


def layer(**fields: Any) -> BinaryConv2d:
    conv = BinaryConv2d(BinaryConv(**{"inputs": 2, "outputs": 3, "kernel": 3, **fields}))
    generator = torch.Generator().manual_seed(0)
    nn.init.normal_(conv.weight, 0.0, 0.5, generator=generator)
    return conv


def images(seed: int = 1) -> Tensor:
    return torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(seed))


def test_zero_has_the_sign_one() -> None:
    assert sign(torch.tensor([-2.0, -0.0, 0.0, 3.0])).tolist() == [-1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("scale", SCALES)
def test_results_are_scaled_sums_of_signs(scale: str) -> None:
    conv = layer(scale=scale).eval()
    weight = conv.weight.detach()
    factor = {
        "none": torch.ones(3, 1, 1, 1),
        "tensor": weight.abs().mean().expand(3, 1, 1, 1),
        "channel": weight.abs().mean((1, 2, 3), keepdim=True),
    }[scale]
    x = images()
    signs = nn.functional.conv2d(sign(x), sign(weight), padding=1)
    # Sums of signs are integers, which differ from a count of agreements by a constant alone.
    assert torch.equal(signs, signs.round())
    assert torch.allclose(conv(x), signs * factor.view(1, 3, 1, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        ("sign", [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
        ("sign_quadratic", [0.0, 0.0, 1.0, 2.0, 1.0, 0.0]),
    ],
)
def test_gradients_of_the_sign_are_those_of_its_estimator(
    estimator: str, expected: list[float]
) -> None:
    conv = layer(inputs=1, outputs=1, kernel=1, scale="none", estimator=estimator)
    with torch.no_grad():
        conv.weight.fill_(0.5)
    x = torch.tensor([-1.5, -1.2, -0.5, 0.0, 0.5, 1.5]).view(1, 1, 1, 6).requires_grad_()
    conv(x).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == expected


def test_gradients_pass_through_the_scale() -> None:
    conv = layer(inputs=1, outputs=1, kernel=1, scale="channel")
    with torch.no_grad():
        conv.weight.fill_(-0.5)
    conv(torch.full((1, 1, 1, 1), 2.0)).sum().backward()
    # y = sign(w) |w| with the sign's gradient 1: dy/dw = |w| + sign(w)^2.
    assert conv.weight.grad is not None
    assert conv.weight.grad.item() == pytest.approx(0.5 + 1.0)


def test_latent_weights_are_clamped_while_training_only() -> None:
    conv = layer()
    with torch.no_grad():
        conv.weight[0, 0, 0, 0] = 1.7
    conv.eval()(images())
    assert conv.weight[0, 0, 0, 0].item() == pytest.approx(1.7)
    first = conv.train()(images())
    second = conv(images(2))
    assert conv.weight.abs().max().item() == 1.0
    # Two passes before the gradients: the clamp of the second one must not disturb the first.
    (first.sum() + second.sum()).backward()
    assert conv.weight.grad is not None
    assert conv.weight.grad.isfinite().all()


def test_a_small_binary_network_learns() -> None:
    """Two patterns of signs that no single pixel tells apart."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 2, 6, 6, generator=generator)
    label = (x[:, 0].mean((1, 2)) > x[:, 1].mean((1, 2))).long()
    network = nn.Sequential(
        build(Block("binary_conv", (2, 6, 6), (16, 6, 6), 3, stride=1)),
        build(Block("linear", (16, 6, 6), (2,), activation="relu")),
    )
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 0.3, generator=generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(x), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]


def test_binary_operations_are_counted_apart() -> None:
    block = Block("binary_conv", (8, 16, 16), (8, 16, 16), 3, stride=1, shortcut=True)
    assert (block.macs, block.binary_macs) == (0, 8 * 8 * 9 * 16 * 16)
    reduction = Block("binary_reduce", (8, 16, 16), (16, 8, 8), 3, stride=2)
    # The projection computes in floats.
    assert (reduction.macs, reduction.binary_macs) == (8 * 16 * 64, 8 * 16 * 9 * 64)
    pair = Block("binary_pair", (8, 16, 16), (8, 16, 16), 3, stride=1)
    assert pair.binary_macs == 2 * block.binary_macs
    assert Block("conv", (8, 16, 16), (8, 16, 16), 3, stride=1).binary_macs == 0


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"'relu'.*sign, sign_quadratic"):
        build(Block("binary_conv", (8, 16, 16), (8, 16, 16), 3, stride=1, activation="relu"))


@pytest.mark.parametrize("operator", ["binary_conv", "binary_reduce"])
def test_onnx_computes_the_same(operator: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from profiler.backends.onnx_chain import model
    from profiler.backends.onnx_graph import fragment

    stride = 2 if operator == "binary_reduce" else 1
    block = Block(operator, (2, 6, 6), (3, 6 // stride, 6 // stride), 3, stride=stride)
    classifier = Block("linear", block.output, (4,))
    modules = [build(part).eval() for part in (block, classifier)]
    fragments = [
        (name, fragment(part, module, name))
        for name, part, module in zip("ab", (block, classifier), modules, strict=True)
    ]
    written = model(fragments, 4, (2, 6, 6), 4).SerializeToString()
    session = onnxruntime.InferenceSession(io.BytesIO(written).getvalue())
    x = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(3))
    (result,) = session.run(None, {"image": x.numpy()})
    with torch.no_grad():
        expected = nn.Sequential(*modules)(x).numpy()
    assert np.allclose(result, expected, atol=1e-5)


def test_an_export_has_no_functions_of_its_own() -> None:
    conv = layer().eval()
    exported = torch.export.export(conv, (images(),)).module()
    assert torch.allclose(exported(images(5)), conv(images(5)), atol=1e-6)
