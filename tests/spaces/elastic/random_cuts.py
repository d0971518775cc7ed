"""Random cuts of networks as others wrote them."""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from torch import Tensor, nn

from spaces.elastic import ElasticSpace, from_network
from spaces.elastic.reference import masked_network


def check_random_cuts(model: nn.Module, name: str) -> ElasticSpace:
    """Return the space of a network, of which three random cuts run, equal the masked original,
    are counted exactly, and export.

    Args:
        model: Network for images of 64 pixels.
        name: Name that is printed with the space's report.
    """
    space = from_network(model, torch.zeros(1, 3, 64, 64), f"elastic-{name}")
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    print(name, space.report())

    for row in space.sample(np.random.default_rng(0), 3):
        small = space.network(space.architecture(row)).eval()
        masked = masked_network(model, small, space.cut(row)).eval()
        with torch.no_grad():
            result, expected = _output(small, images), _output(masked, images)
        assert (result - expected).abs().max() <= 1e-5 * expected.abs().max()
        assert sum(value.numel() for value in small.parameters()) == space.params(
            space.architecture(row)
        )
        _check_export(small, images, result)
    return space


def _output(network: nn.Module, images: Tensor) -> Tensor:
    """Return the result, which some networks put into a list."""
    outputs = network(images)
    (output,) = outputs if isinstance(outputs, list) else [outputs]
    result: Tensor = output
    return result


def _check_export(network: nn.Module, images: Tensor, expected: Tensor) -> None:
    import onnxruntime

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (images,), file, input_names=["image"], dynamo=False)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"image": images.numpy()})
    scale = float(expected.abs().max())
    assert np.abs(result - expected.numpy()).max() <= 1e-3 * scale
