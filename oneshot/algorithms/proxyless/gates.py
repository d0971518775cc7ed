"""Binary gates of ProxylessNAS: one path runs, but the gates of all paths receive gradients."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from oneshot.errors import InvalidOption

Run = Callable[..., Any]


def weighted(gates: Tensor, active: int, involved: Sequence[int], runs: Mapping[int, Run]) -> Any:
    """Return the sum of the paths' outputs times their gates: the modes `full` and `two`.

    Only the active path runs with a graph; the outputs of the others are constants.

    Args:
        gates: Gates [paths]: 1 for the active path and 0 for the others.
        active: Code of the path that runs with gradients.
        involved: Codes of all paths that run.
        runs: Function that computes the path of each code; its result None means zeros.
    """
    outputs: dict[int, Tensor] = {}
    for code in involved:
        with contextlib.nullcontext() if code == active else torch.no_grad():
            output = runs[code]()
        if output is not None:
            outputs[code] = _tensor(output)

    # Gates of inactive paths are 0: their terms change nothing but the gradients dL/dg.
    total: Any = None
    for code, output in outputs.items():
        weighted_output = gates[code].to(output.dtype) * output
        total = weighted_output if total is None else total + weighted_output
    return total


def gated(
    gates: Tensor,
    active: int,
    involved: Sequence[int],
    runs: Mapping[int, Run],
    inputs: Sequence[Any],
) -> Any:
    """Return the active path's output; the backward pass runs the other paths: mode `full_v2`.

    The gradient of gate k is dL/dg_k = sum(o_k dL/dy) for the output o_k of path k (Cai et al.,
    arXiv 1812.00332, section 3.2, and the official release). These paths run without a graph.

    Args:
        gates: Gates [paths]: 1 for the active path and 0 for the others.
        active: Code of the path that runs in the forward pass.
        involved: Codes of the paths whose gates receive gradients.
        runs: Function that computes the path of each code; its result None means zeros.
        inputs: Inputs of the paths, which must not change before the backward pass.
    """
    # Versions count changes in place, so that the backward pass can detect them.
    tensors = [value for value in inputs if isinstance(value, Tensor)]
    versions = [value._version for value in tensors]

    output = runs[active]()
    if output is None:
        # The zeros take their shape from another path.
        with torch.no_grad():
            template = next(
                (result for code in involved if (result := runs[code]()) is not None), None
            )
        if template is None:
            return None
        output = torch.zeros_like(template)
    return _Gated.apply(_tensor(output), gates, active, involved, runs, tensors, versions)  # type: ignore[no-untyped-call]


def eager(function: Run) -> Run:
    """Exclude a function from torch.compile, whose graphs cannot hold `_Gated`."""
    # Without Dynamo nothing has been compiled, and its import would take seconds.
    excluded: Run = torch.compiler.disable(function) if "torch._dynamo" in sys.modules else function  # type: ignore[no-untyped-call]
    return excluded


class _Gated(torch.autograd.Function):
    """Identity on the active path's output, with gradients of all gates by recomputation."""

    @staticmethod
    def forward(
        ctx: Any,
        output: Tensor,
        gates: Tensor,
        active: int,
        involved: Sequence[int],
        runs: Mapping[int, Run],
        given: Sequence[Tensor],
        versions: Sequence[int],
    ) -> Tensor:
        ctx.active = active
        ctx.involved = involved
        ctx.runs = runs
        ctx.kind = gates
        ctx.output = output.detach()
        ctx.given = given
        ctx.versions = versions

        # The backward pass runs outside the caller's autocast: recomputation must repeat it.
        device = output.device.type
        ctx.autocast = device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)

        # A copy: the next operation may work in place, and the backward pass needs the output.
        return output.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (gradient,) = gradients
        if [value._version for value in ctx.given] != ctx.versions:
            raise InvalidOption(
                "binary_mode full_v2: the input of a choice was changed in place; let its"
                " candidates leave it alone"
            )

        # dL/dg_k = sum(o_k dL/dy) for each path k.
        device, enabled, dtype = ctx.autocast
        gate_gradients = torch.zeros_like(ctx.kind)
        with torch.no_grad(), torch.autocast(device, dtype, enabled=enabled):
            for code in ctx.involved:
                output = ctx.output if code == ctx.active else ctx.runs[code]()
                if output is not None:
                    gate_gradients[code] = (_tensor(output) * gradient).sum(
                        dtype=gate_gradients.dtype
                    )

        # Release the activations that these references hold.
        ctx.runs = ctx.output = ctx.given = None
        return gradient, gate_gradients, None, None, None, None, None


def _tensor(output: Any) -> Tensor:
    """Return a path's output; raises InvalidOption if it is not a tensor."""
    if not isinstance(output, Tensor):
        raise InvalidOption(
            f"ProxylessNAS's candidates give a tensor, not a {type(output).__name__}; use reinforce"
        )
    return output
