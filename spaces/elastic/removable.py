"""Residual blocks that can be removed, and depthwise kernels that can be cropped."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from spaces.elastic.slices import CONVOLUTION
from spaces.elastic.tracing import Call
from spaces.modules.copying import copy_module
from spaces.modules.nested import tensors_in


def removable_blocks(
    model: nn.Module, calls: Mapping[str, Call], macs: Mapping[str, int]
) -> dict[str, int]:
    """Find the blocks that add something to their input, and so can be left out.

    A block is removable if it returns its input when all its weights are zero. Of blocks inside
    blocks the innermost are found.

    Args:
        model: Network with random weights in evaluation mode.
        calls: Runs of its modules with their tensors; see `tracing.trace`.
        macs: Path of each module -> multiply-accumulates, with those of modules inside.

    Returns:
        Path of each block, in the order of execution -> number of items of the tuple that it
        returns, 0 where it returns a tensor.
    """
    blocks: dict[str, int] = {}
    # A block runs after the modules around it began, so that the innermost come last.
    for path, call in reversed(list(calls.items())):
        if any(block.startswith(f"{path}.") for block in blocks) or not path:
            continue
        if call.count == 1 and macs.get(path) and _is_residual(model, call):
            blocks[path] = len(call.returns) if isinstance(call.returns, tuple) else 0
    return {path: blocks[path] for path in calls if path in blocks}


def _is_residual(model: nn.Module, call: Call) -> bool:
    outputs = list(tensors_in(call.returns))
    if call.takes is None or len(outputs) != 1 or outputs[0].shape != call.takes.shape:
        return False
    if isinstance(call.returns, tuple) and call.returns[0] is not outputs[0]:
        return False
    args, options = call.arguments
    # What takes its place returns the first positional argument.
    if not args or args[0] is not call.takes or torch.equal(outputs[0], call.takes):
        return False

    block = copy_module(model.get_submodule(call.path))
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
        try:
            result = next(tensors_in(block(*args, **options)), None)
        except Exception:
            return False
    return result is not None and torch.equal(result, call.takes)


def croppable_kernels(model: nn.Module, calls: Mapping[str, Call]) -> dict[str, list[int]]:
    """Find the depthwise convolutions whose kernels can be cropped to their centre.

    Args:
        model: Network.
        calls: Runs of its modules.

    Returns:
        Path of each convolution -> sides of its kernel, from its own to 3.
    """
    kernels: dict[str, list[int]] = {}
    for path in calls:
        module = model.get_submodule(path)
        if not isinstance(module, nn.Conv2d) or not isinstance(module, CONVOLUTION):
            continue
        side, other = module.kernel_size
        is_depthwise = module.groups == module.in_channels == module.out_channels > 1
        if not is_depthwise or side != other or side % 2 == 0 or module.padding_mode != "zeros":
            continue
        if isinstance(module.padding, str):
            continue

        # Without padding to take back, the kernel would begin at other pixels.
        margin = min(
            pixels // step for pixels, step in zip(module.padding, module.dilation, strict=True)
        )
        sides = [k for k in range(side, 2, -2) if (side - k) // 2 <= margin]
        if len(sides) > 1:
            kernels[path] = sides
    return kernels
