"""Comparison of exported files with the networks that they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from oneshot.errors import InvalidRun
from oneshot.export.inputs import NetworkInputs, as_inputs
from spaces.modules.nested import arranged, batch_size, tensors_in

TOLERANCE = 1e-3
"""Largest difference of the exported model's outputs, relative to the greatest one."""


def compare(
    model: nn.Module,
    inputs: NetworkInputs | tuple[int, ...],
    path: Path,
    images: Any = None,
) -> float:
    """Return the largest difference between the outputs of onnxruntime and torch.

    The difference is relative to the largest absolute value of an output of its batch, and NaN if
    an output is. Where all values are 0, as those of a head that is initialised with zeros, it is
    absolute.

    Args:
        model: Network in evaluation mode. Its method `difference`, if it has one, compares outputs
            in place of `greatest_difference`.
        inputs: Inputs of the network, or the shape of an image; random ones are compared in batches
            of 1 and 3.
        path: ONNX file.
        images: More images to compare: one batch [n, channels, height, width] or a list of
            several; None for none.

    Raises:
        InvalidRun: The file cannot run a batch.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    # The exporter leaves out an input that the network does not use.
    used_names = {entry.name for entry in session.get_inputs()}
    inputs = as_inputs(inputs)

    # Two sizes, since a batch size that was exported as a constant agrees with one of them only.
    batches = [inputs.make(count) for count in (1, 3)]
    if images is not None:
        further = images if isinstance(images, list) else [images]
        # The dictionaries of a data set may have their keys in any order, the file's inputs not.
        batches.extend(arranged(batch, batches[0]) for batch in further)

    differ = getattr(model, "difference", greatest_difference)
    worst = 0.0
    for batch in batches:
        with torch.inference_mode():
            expected = [tensor.numpy() for tensor in tensors_in(model(batch))]
        feed = {
            name: tensor.contiguous().numpy()
            for name, tensor in zip(inputs.names, tensors_in(batch), strict=True)
            if name in used_names
        }
        # The exceptions of onnxruntime have no other common base.
        try:
            outputs = session.run(None, feed)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise InvalidRun(
                f"the exported model cannot run a batch of {batch_size(batch)}: {reason:.200}; the"
                " model's code may make the batch size a constant, as len(x) does in place of"
                " x.shape[0]"
            ) from error
        difference = differ([np.asarray(output) for output in outputs], expected)

        # NaN, which differs from itself, must reach the caller; max(0.0, NaN) would be 0.0.
        worst = max(worst, difference) if difference == difference else difference
    return worst


def greatest_difference(outputs: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]) -> float:
    """Return the largest difference of any output relative to its largest expected magnitude.

    Args:
        outputs: Outputs of the file.
        expected: Outputs of torch.
    """
    worst = 0.0
    for output, values in zip(outputs, expected, strict=True):
        scale = np.abs(values).max()
        difference = float(np.abs(output - values).max() / (scale if scale else 1.0))
        worst = max(worst, difference) if difference == difference else difference
    return worst
