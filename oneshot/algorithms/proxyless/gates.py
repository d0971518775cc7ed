"""ProxylessNAS's binary gates: one path runs, and yet the gate of every path gets its gradient."""

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
    """The active path's output plus the others', detached, each times its gate: the mode `full`, of
    a pair `two`.

    Args:
        gates: [paths], 1 at the active one and 0 elsewhere.
        active: code of the path with gradients.
        involved: codes of all paths that run.
        runs: code -> what computes the path; None of it stands for zeros.
    """
    outputs: dict[int, Tensor] = {}
    for code in involved:
        with contextlib.nullcontext() if code == active else torch.no_grad():
            output = runs[code]()
        if output is not None:
            outputs[code] = _tensor(output)
    total: Any = None
    for code, output in outputs.items():
        part = gates[code].to(output.dtype) * output
        total = part if total is None else total + part
    return total


def gated(
    gates: Tensor,
    active: int,
    involved: Sequence[int],
    runs: Mapping[int, Run],
    inputs: Sequence[Any],
) -> Any:
    """The active path's output; in the backward pass the others are run without a graph for their
    gates' gradients.

    dL/dg_k = sum(o_k dL/dy), the mode `full_v2` (Cai et al., arXiv 1812.00332, section 3.2; the
    official release).

    Args:
        gates: as of `weighted`; so are the others.
        active: code of the path that runs now.
        involved: codes of the paths whose gates take gradients.
        runs: code -> what computes the path.
        inputs: what the paths read; they must still be the same in the backward pass.
    """
    given = [value for value in inputs if isinstance(value, Tensor)]
    versions = [value._version for value in given]
    output = runs[active]()
    if output is None:
        # Zeros of the shape that another path has.
        with torch.no_grad():
            known = next((found for code in involved if (found := runs[code]()) is not None), None)
        if known is None:
            return None
        output = torch.zeros_like(known)
    return _Gated.apply(_tensor(output), gates, active, involved, runs, given, versions)  # type: ignore[no-untyped-call]


def eager(function: Run) -> Run:
    """The function kept out of torch.compile's graphs, which cannot hold autograd functions over
    candidates.
    """
    # Where nothing was compiled there is nothing to keep out; importing Dynamo takes seconds.
    kept: Run = torch.compiler.disable(function) if "torch._dynamo" in sys.modules else function  # type: ignore[no-untyped-call]
    return kept


class _Gated(torch.autograd.Function):
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
        ctx.active, ctx.involved, ctx.runs, ctx.kind = active, involved, runs, gates
        ctx.output = output.detach()
        ctx.given, ctx.versions = given, versions
        device = output.device.type
        ctx.autocast = device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
        # Not a view: what comes next may work in place, and the output is still needed.
        return output.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (gradient,) = gradients
        if [value._version for value in ctx.given] != ctx.versions:
            raise InvalidOption(
                "binary_mode full_v2: the input of a choice was changed in place; let its"
                " candidates leave it alone"
            )
        device, enabled, kind = ctx.autocast
        found = torch.zeros_like(ctx.kind)
        with torch.no_grad(), torch.autocast(device, kind, enabled=enabled):
            for code in ctx.involved:
                output = ctx.output if code == ctx.active else ctx.runs[code]()
                if output is not None:
                    found[code] = (_tensor(output) * gradient).sum(dtype=found.dtype)
        ctx.runs = ctx.output = ctx.given = None  # what they hold is free now
        return gradient, found, None, None, None, None, None


def _tensor(output: Any) -> Tensor:
    if not isinstance(output, Tensor):
        raise InvalidOption(
            f"ProxylessNAS's candidates give a tensor, not a {type(output).__name__}; use reinforce"
        )
    return output
